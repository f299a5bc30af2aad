//! `regionguard diff` with generated requests, where small things change in what is demanded.

#[path = "check/run.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod run;

use run::{folder_of, regionguard};
use serde_json::Value;

/// Whether some generated request goes from one decision to another.
fn goes(said: &Value, was: &str, is: &str) -> bool {
    let mut changes = said["changes"].as_array().expect("changes").iter();
    changes.any(|change| change["was"]["decision"] == was && change["is"]["decision"] == is)
}

/// A bundle whose rules are behind a device, hours, a certificate and two classes of login.
const GUARDED: &str = r#"
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
      networks: [10.1.0.0/16]
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: guard}
    spec:
      identity: {authentication: [{method: certificate}, {method: multi-factor, amr: [otp]}]}
      device: {compliance: [{os_version: ">= 14.2"}, {patch_age: 30d}]}
      context:
        geo_restrictions: [{allowed_regions: [here]}]
        time_restrictions: [{hours: {timezone: Europe/Berlin, days: [mon, tue], from: "09:00", to: "17:00", holidays: ["03-01"]}}, {notBefore: "2026-01-01T00:00:00Z"}, {maintenance: [{timezone: UTC, days: [tue], from: "10:00", to: "11:00"}]}]
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec:
      rules:
        - {name: read, methods: [GET], paths: ["/v1/{id}"], permissions: {anyOf: ["read:a"]}, effect: allow}
        - {name: fresh, paths: ["/v1/**"], effect: stepUp, stepUp: {acr: [silver, gold], maxAge: 15m}}
        - {name: cell, paths: [/v3], headers: [{name: x-cell, in: [a, b]}], effect: allow}
        - {name: closed, paths: [/v4], effect: deny, response: {status: 404}}
        - {name: ask, paths: ["/v2/{id}"], effect: defer, defer: {onUnavailable: deny}}
"#;

fn guarded(name: &str, from: &str, to: &str) -> Value {
    assert!(GUARDED.contains(from), "{from}");
    let center =
        "      networks: [10.1.0.0/16]\n      center: {cluster: center, authority: center.x.com, protocol: authzen}\n";
    let [old, new] = [GUARDED.to_owned(), GUARDED.replace(from, to)]
        .map(|text| text.replace("      networks: [10.1.0.0/16]\n", center));
    let folder = folder_of(
        &format!("diff-guarded-{name}"),
        &[("old.yaml", old.as_bytes()), ("new.yaml", new.as_bytes())],
    );
    // On a Saturday.
    let arguments = [
        "diff",
        "old.yaml",
        "new.yaml",
        "--at",
        "2026-11-21T03:00:00Z",
        "--format",
        "json",
    ];
    let run = regionguard(&folder, &arguments);
    assert_ne!(run.code, 2, "{}", run.stderr);
    // The same bundles and time give the same requests.
    if name == "same" {
        assert_eq!(regionguard(&folder, &arguments).stdout, run.stdout);
    }
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// A small change of what is demanded is seen, in the direction in which it was made.
#[test]
fn small_changes_of_demands_are_seen() {
    let same = guarded("same", "read:a", "read:a");
    assert_eq!(
        (&same["changed"], &same["decidedNothing"]),
        (&0.into(), &Value::Array(Vec::new())),
        "{same:#}"
    );
    for (name, from, to, was, is) in [
        (
            "begin",
            "from: \"09:00\"",
            "from: \"09:30\"",
            "allow rule.allowed",
            "deny 403 context.hours",
        ),
        (
            "end",
            "to: \"17:00\"",
            "to: \"17:01\"",
            "deny 403 context.hours",
            "allow rule.allowed",
        ),
        (
            "day",
            "[mon, tue], from",
            "[mon], from",
            "allow rule.allowed",
            "deny 403 context.hours",
        ),
        (
            "maintenance",
            "to: \"11:00\"",
            "to: \"11:15\"",
            "allow rule.allowed",
            "deny 403 context.maintenance",
        ),
        (
            "acr",
            "[silver, gold]",
            "[gold]",
            "allow rule.allowed",
            "stepUp 401 identity.step_up",
        ),
        (
            "age",
            "maxAge: 15m",
            "maxAge: 10m",
            "allow rule.allowed",
            "stepUp 401 identity.step_up",
        ),
        (
            "factor",
            "amr: [otp]",
            "amr: [hwk]",
            "allow rule.allowed",
            "stepUp 401 identity.mfa_missing",
        ),
        (
            "version",
            ">= 14.2",
            ">= 14.10",
            "allow rule.allowed",
            "deny 403 device.os_version",
        ),
        (
            "patch",
            "patch_age: 30d",
            "patch_age: 20d",
            "allow rule.allowed",
            "deny 403 device.patch_age",
        ),
        (
            "certificate",
            "{method: certificate}, ",
            "",
            "deny 403 identity.certificate_required",
            "allow rule.allowed",
        ),
        (
            "holiday",
            ", holidays: [\"03-01\"]",
            "",
            "deny 403 context.hours",
            "allow rule.allowed",
        ),
        (
            "not-before",
            ", {notBefore: \"2026-01-01T00:00:00Z\"}",
            "",
            "deny 403 context.dates",
            "allow rule.allowed",
        ),
        (
            "header",
            "in: [a, b]",
            "in: [a]",
            "allow rule.allowed",
            "deny 403 policy.no_rule",
        ),
        (
            "center",
            "onUnavailable: deny",
            "onUnavailable: allow",
            "deny 503 center.unavailable",
            "allow center.unavailable_allowed",
        ),
    ] {
        let said = guarded(name, from, to);
        assert!(goes(&said, was, is), "{name}: {said:#}");
    }
}

/// What stays a decision may still be another answer, or give the upstream something else.
#[test]
fn what_goes_with_a_decision_is_compared() {
    let said = guarded(
        "answer",
        "response: {status: 404}",
        "response: {status: 404, hide: true}",
    );
    assert_eq!(said["changed"], 0, "{said:#}");
    let answered = &said["answeredOtherwise"];
    assert!(
        answered["requests"].as_u64() > Some(0) && answered["parts"] == serde_json::json!(["body"]),
        "{said:#}"
    );
    assert_eq!(said["forwardedOtherwise"]["requests"], 0, "{said:#}");
    let said = guarded(
        "forward",
        "    spec:\n      rules:\n",
        "    spec:\n      forward: {claims: {x-user: sub}}\n      rules:\n",
    );
    assert_eq!(said["changed"], 0, "{said:#}");
    let headers = said["forwardedOtherwise"]["headers"].as_array().expect("headers");
    assert!(headers.contains(&"x-user".into()), "{said:#}");
}
