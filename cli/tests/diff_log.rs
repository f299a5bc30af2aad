//! `regionguard diff` with the lines of an access log.

#[path = "check/run.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod run;

use run::{Run, folder_of, regionguard};
use serde_json::Value;

const LOGGED: &str = r#"
region: here
metadata: {name: shop, version: 1}
trust: {hosts: [api.x.com], peerVerification: required}
documents:
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: here}
    spec:
      issuer: identity.x.com
      audiences: [api.x.com]
      keys: {jwks: {keys: [{kty: OKP, kid: one, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}
      trustDomains: [here.x]
      networks: [10.1.0.0/16]
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec:
      context: {time_restrictions: [{hours: {timezone: UTC, days: [mon], from: "09:00", to: "17:00"}}]}
      rules:
        - {name: service, paths: [/v1/a], identity: workload, from: {workloads: ["spiffe://here.x/ns/web/*"], networks: [10.1.0.0/16]}, effect: allow}
        - {name: user, paths: [/v1/b], permissions: {anyOf: ["read:a"]}, effect: allow}
"#;

/// Two lines of a service, in and out of hours; one of a user; and one of the proxy itself.
const LOG: &str = concat!(
    "2026-11-23T10:00:00Z\tinfo\tEnvoy proxy is ready\n",
    r#"{"authority":"api.x.com","decision":"allow;rule.allowed;shop/service;inline;shop@1+0;here>here>here","method":"GET","path":"/v1/a","peer":"10.1.0.7","peer_identity":"spiffe://here.x/ns/web/sa/a","status":200,"time":"2026-11-23T10:00:00Z"}"#,
    "\n",
    r#"{"authority":"api.x.com","decision":"deny;context.hours;shop/-;inline;shop@1+0;here>here>here","method":"GET","path":"/v1/a","peer":"10.1.0.7","peer_identity":"spiffe://here.x/ns/web/sa/a","status":403,"time":"2026-11-24T10:00:00Z"}"#,
    "\n",
    r#"{"authority":"api.x.com","decision":"allow;rule.allowed;shop/user;inline;shop@1+0;here>->here","method":"GET","path":"/v1/b","peer":"10.1.0.8","peer_identity":null,"status":200,"time":"2026-11-23T10:00:00Z"}"#,
    "\n",
);

fn logged(name: &str, from: &str, to: &str, arguments: &[&str]) -> Run {
    assert!(LOGGED.contains(from), "{from}");
    let folder = folder_of(
        &format!("diff-log-{name}"),
        &[
            ("old.yaml", LOGGED.as_bytes()),
            ("new.yaml", LOGGED.replace(from, to).as_bytes()),
            ("access.log", LOG.as_bytes()),
        ],
    );
    // Elsewhen: the time is the lines'.
    let mut all = vec![
        "diff",
        "old.yaml",
        "new.yaml",
        "--requests",
        "access.log",
        "--at",
        "2026-11-22T03:00:00Z",
    ];
    all.extend(arguments);
    regionguard(&folder, &all)
}

#[test]
fn a_log_tells_peer_identity_and_time() {
    for (name, from, to, said) in [
        (
            "workload",
            "ns/web/*",
            "ns/db/*",
            "allow rule.allowed (shop/service)  → deny 403",
        ),
        (
            "network",
            "networks: [10.1.0.0/16]}, effect",
            "networks: [10.2.0.0/16]}, effect",
            "allow rule.allowed (shop/service)  → deny 403",
        ),
        (
            "hours",
            "[mon]",
            "[mon, tue]",
            "(shop/-)  → allow rule.allowed (shop/service)",
        ),
    ] {
        let run = logged(name, from, to, &[]);
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout
                .starts_with("1 of 3 requests (recorded) is decided otherwise\n"),
            "{}",
            run.stdout
        );
        assert!(run.stdout.contains(said), "{name}: {}", run.stdout);
    }
}

#[test]
fn what_a_log_lacks_is_said() {
    let run = logged("lacks", "read:a", "read:b", &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    for said in [
        "3 lines of an access log; of 3 with a decision, the bundle that is decides 2 as they say\n",
        "       3  no claims, and somebody of a home Region was there: tried without a token; `--claims` says what theirs holds\n",
        "       3  no headers: none",
        "       1  left out: not JSON, so no line of a request\n",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    // With the claims that users there have, the change is seen.
    let claims = ["--claims", r#"{"permissions": ["read:a"]}"#];
    let run = logged("claims", "read:a", "read:b", &claims);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    for said in [
        "allow rule.allowed (shop/user)  → deny 403 permission.missing (shop/user)",
        "decides 3 as they say\n",
        "       3  no claims: the token of a line with a home says what `--claims` says\n",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    let run = logged("json", "read:a", "read:b", &["--max", "2", "--format", "json"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (
            &said["requests"],
            &said["logged"],
            &said["asLogged"],
            &said["leftOut"],
            &said["notTried"]
        ),
        (&2.into(), &2.into(), &2.into(), &1.into(), &1.into()),
        "{said:#}"
    );
}
