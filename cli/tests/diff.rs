//! `regionguard diff` as people run it.

#[path = "check/run.rs"]
mod run;

use run::{Run, folder_of, regionguard, workspace};
use serde_json::Value;

const BUNDLE: &str = r#"
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
      claims: {permissions: scope, roles: realm_access.roles}
      networks: [10.1.0.0/16]
      identity: {cluster: people}
      accepts: [{home: there, permissions: ["read:*"]}]
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: there}
    spec:
      issuer: identity.y.com
      audiences: [api.y.com]
      keys: {jwks: {keys: [{kty: OKP, kid: one, crv: Ed25519, x: h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc}]}}
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec:
      rules:
        - {name: health, paths: [/healthz], identity: none, effect: allow}
        - {name: read, methods: [GET], paths: ["/v1/{id}"], permissions: {anyOf: ["read:a"]}, effect: allow}
        - {name: cleared, paths: [/live], upgrades: [websocket], when: identity.clearance >= 3, effect: allow}
        - {name: calm, paths: [/pay], when: risk.score < 50 && risk.failures < 10, effect: allow}
        - {name: admin, paths: ["/admin/**"], roles: {anyOf: [admin]}, effect: allow}
        - {name: not-there, paths: ["/v1/**"], from: {networks: [192.0.2.0/24]}, effect: deny}
"#;

/// The bundle with each of these replaced.
fn changed(change: &[(&str, &str)]) -> String {
    let mut bundle = BUNDLE.to_owned();
    for (from, to) in change {
        assert!(bundle.contains(from), "{from}");
        bundle = bundle.replace(from, to);
    }
    bundle
}

fn diff(name: &str, change: &[(&str, &str)], arguments: &[&str]) -> Run {
    both(name, &[], change, arguments)
}

/// From the bundle with `before` to that with `after`.
fn both(name: &str, before: &[(&str, &str)], after: &[(&str, &str)], arguments: &[&str]) -> Run {
    let (old, new) = (changed(before), changed(after));
    let recorded = concat!(
        r#"{"url": "https://api.x.com/v1/7", "claims": {"sub": "alice", "scope": "read:a"}, "address": "10.1.2.3"}"#,
        "\n\n",
        r#"{"method":"GET","authority":"api.x.com","path":"/healthz","status":200,"decision":"allow;x"}"#,
        "\n"
    );
    let files = [
        ("old.yaml", old.as_bytes()),
        ("new.yaml", new.as_bytes()),
        ("requests.jsonl", recorded.as_bytes()),
        (
            "nobody.jsonl",
            br#"{"url": "https://api.x.com/v1/7", "claims": {"scope": "read:a"}, "address": "10.1.2.3"}"#,
        ),
        (
            "without.jsonl",
            br#"{"url": "https://api.x.com/v1/7", "claims": {"scope": "read:a"}, "without": ["sub"], "address": "10.1.2.3"}"#,
        ),
        ("broken.jsonl", b"{\"url\": \"https://api.x.com/v1/7\"}\n{\"url\": 7}\n"),
    ];
    let folder = folder_of(&format!("diff-{name}"), &files);
    let mut all = vec!["diff", "old.yaml", "new.yaml", "--at", "2026-11-23T18:10:00Z"];
    all.extend(arguments);
    regionguard(&folder, &all)
}

fn json(name: &str, change: &[(&str, &str)], arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    let run = diff(name, change, &all);
    assert_ne!(run.code, 2, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// Whether some generated request goes from one decision to another.
fn goes(said: &Value, was: &str, is: &str) -> bool {
    let mut changes = said["changes"].as_array().expect("changes").iter();
    changes.any(|change| change["was"]["decision"] == was && change["is"]["decision"] == is)
}

#[test]
fn what_is_the_same_decides_alike() {
    let run = diff("same", &[], &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.starts_with("no decision differs ("), "{}", run.stdout);
    // Another name of a rule is another rule with the same outcome.
    let said = json("renamed", &[("{name: read,", "{name: reading,")], &[]);
    assert_eq!(
        (&said["changed"], &said["changes"]),
        (&0.into(), &Value::Array(Vec::new()))
    );
    assert!(said["moved"].as_u64() > Some(0), "{said:#}");
}

#[test]
fn generated_requests_find_each_kind_of_change() {
    for (name, from, to, was, is) in [
        (
            "permission",
            "read:a\"]}, effect",
            "read:b\"]}, effect",
            "allow rule.allowed",
            "deny 403 permission.missing",
        ),
        (
            "role",
            "[admin]}",
            "[root]}",
            "allow rule.allowed",
            "deny 403 role.missing",
        ),
        (
            "public",
            "identity: none, ",
            "",
            "allow rule.public",
            "deny 401 identity.missing",
        ),
        (
            "method",
            "methods: [GET]",
            "methods: [PUT]",
            "allow rule.allowed",
            "deny 403 policy.no_rule",
        ),
        (
            "network",
            "192.0.2.0/24",
            "198.51.100.0/24",
            "deny 403 rule.denied",
            "allow rule.allowed",
        ),
        (
            "path",
            "/admin/**",
            "/admin/*",
            "allow rule.allowed",
            "deny 403 policy.no_rule",
        ),
        (
            "home",
            ", permissions: [\"read:*\"]}",
            "}",
            "allow rule.allowed",
            "deny 403 permission.not_accepted",
        ),
        (
            "score",
            "risk.score < 50",
            "risk.score < 49",
            "allow rule.allowed",
            "deny 403 rule.when",
        ),
        (
            "attribute",
            "identity.clearance >= 3",
            "identity.clearance >= 4",
            "allow rule.allowed",
            "deny 403 rule.when",
        ),
        (
            "failures",
            "risk.failures < 10",
            "risk.failures < 9",
            "allow rule.allowed",
            "deny 403 rule.when",
        ),
        (
            "host",
            "hosts: [api.x.com]",
            "hosts: [www.x.com]",
            "allow rule.public",
            "deny 421 request.authority_not_served",
        ),
    ] {
        let said = json(name, &[(from, to)], &[]);
        assert!(goes(&said, was, is), "{name}: {said:#}");
    }
}

#[test]
fn a_table_says_was_and_is_with_an_example() {
    let run = diff("table", &[("[GET]", "[PUT]")], &[]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains(" are decided otherwise\n"), "{}", run.stdout);
    let mut lines = run.stdout.lines();
    let row = lines
        .find(|line| line.starts_with("allow rule.allowed (shop/read)"))
        .expect("a row");
    assert!(row.contains("→ deny"), "{row}");
    // The example can be tried again.
    let example: Value = serde_json::from_str(lines.next().expect("an example").trim()).expect("JSON");
    assert!(
        example["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://api.x.com/")),
        "{example}"
    );
}

#[test]
fn recorded_requests_are_tried() {
    let change = [("[GET]", "[PUT]")];
    let said = json("recorded", &change, &["--requests", "requests.jsonl"]);
    assert_eq!(
        (&said["requests"], &said["changed"], &said["generated"]),
        (&2.into(), &1.into(), &false.into())
    );
    assert_eq!(said["changes"][0]["was"]["by"], "shop/read");
    assert_eq!(said["changes"][0]["example"]["claims"]["sub"], "alice");
    let run = diff("broken", &change, &["--requests", "broken.jsonl"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("broken.jsonl:2: `url` must be a string"),
        "{}",
        run.stderr
    );
}

#[test]
fn recorded_tokens_have_a_subject() {
    let change = [("[GET]", "[PUT]")];
    let said = json("nobody", &change, &["--requests", "nobody.jsonl"]);
    assert!(goes(&said, "allow rule.allowed", "deny 403 policy.no_rule"), "{said:#}");
    let said = json("without", &change, &["--requests", "without.jsonl"]);
    assert_eq!(said["changed"], 0, "{said:#}");
}

/// What is let in behind a condition that no generated request meets is not what it was, and nothing else would say so.
#[test]
fn rules_that_decided_nothing_are_named() {
    let run = diff("all-decided", &[], &[]);
    assert!(!run.stdout.contains("decided nothing"), "{}", run.stdout);
    let behind = [(
        "roles: {anyOf: [admin]}, effect",
        "roles: {anyOf: [admin]}, when: \"token.code.matches('^[0-9]{8}-z$')\", effect",
    )];
    let opened = [behind[0], ("roles: {anyOf: [admin]}, when", "when")];
    let same = both("opened", &behind, &opened, &[]);
    assert_eq!(same.code, 1, "{}{}", same.stdout, same.stderr);
    assert!(
        !same.stdout.contains("allow rule.allowed (shop/admin)"),
        "{}",
        same.stdout
    );
    let said = "decided nothing under either bundle: shop/admin; what they decide is not compared: record requests for them (`--requests`)\n";
    let same = both("not-opened", &behind, &behind, &[]);
    assert_eq!(same.code, 0, "{}{}", same.stdout, same.stderr);
    assert!(same.stdout.ends_with(said), "{}", same.stdout);
    let json = both("opened-json", &behind, &behind, &["--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["decidedNothing"], serde_json::json!(["shop/admin"]));
    // So it is with recorded ones.
    let said = crate::json("few", &[("[GET]", "[PUT]")], &["--requests", "requests.jsonl"]);
    assert_eq!(
        said["decidedNothing"],
        serde_json::json!(["shop/cleared", "shop/calm", "shop/admin", "shop/not-there"])
    );
}

#[test]
fn generated_logins_meet_what_policies_demand_of_them() {
    let factors = (
        "      rules:\n        - {name: health,",
        "      identity: {authentication: [{method: multi-factor, amr: [otp]}]}\n      rules:\n        - {name: health,",
    );
    let step_up = (
        "        - {name: admin,",
        "        - {name: recent, paths: [\"/admin/**\"], effect: step_up, stepUp: {acr: [gold], maxAge: 5m}}\n        - {name: admin,",
    );
    for (name, demands) in [
        ("factors", vec![factors]),
        ("step-up", vec![step_up]),
        ("factors-and-step-up", vec![factors, step_up]),
    ] {
        let opened = [&demands[..], &[(", roles: {anyOf: [admin]}", "")]].concat();
        let run = both(name, &demands, &opened, &["--format", "json"]);
        let said: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        assert!(
            goes(&said, "deny 403 role.missing", "allow rule.allowed"),
            "{name}: {said:#}"
        );
        assert_eq!(said["decidedNothing"], Value::Array(Vec::new()), "{name}");
        // Others did not log in like that.
        let gone = both(&format!("{name}-gone"), &demands, &[], &["--format", "json"]);
        let said: Value = serde_json::from_str(&gone.stdout).expect(&gone.stderr);
        let mut changes = said["changes"].as_array().expect("changes").iter();
        let lets_in = |change: &Value| {
            let was = change["was"]["decision"].as_str().unwrap_or_default();
            !was.starts_with("allow") && change["is"]["decision"] == "allow rule.allowed"
        };
        assert!(changes.any(lets_in), "{name}: {said:#}");
        assert_eq!(said["decidedNothing"], Value::Array(Vec::new()), "{name}");
    }
}

#[test]
fn a_limit_leaves_no_rule_out() {
    let said = json("limit", &[("/healthz", "/health")], &["--max", "5"]);
    assert_eq!(said["requests"], 5);
    assert!(
        goes(&said, "allow rule.public", "deny 401 identity.missing"),
        "{said:#}"
    );
}

/// Each example is in reach of its own generated requests.
#[test]
fn folders_are_bundles() {
    for name in ["web-app", "service-to-service"] {
        let folder = format!("examples/policies/{name}");
        let run = regionguard(&workspace(), &["diff", &folder, &folder, "--format", "json"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert!(said["requests"].as_u64() > Some(20), "{said}");
    }
}

#[test]
fn documents_with_errors_are_nothing_to_compare() {
    let run = diff("errors", &[("effect: deny", "effect: dney")], &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("did you mean `deny`"), "{}", run.stderr);
}

/// Whoever takes a rule out wants to see what that changes before its tests are mended.
#[test]
fn tests_that_do_not_fit_do_not_matter() {
    let tests = "apiVersion: security.io/v1\nkind: PolicyTest\nmetadata: {name: shop}\nspec:\n  at: \"2026-11-23T18:10:00Z\"\n  host: api.x.com\n  requests: {admin: {path: /admin/a}}\n  tests: [{name: admins, expected: [{verdict: deny, rule: shop/admin}]}]\n";
    let gone = changed(&[(
        "        - {name: admin, paths: [\"/admin/**\"], roles: {anyOf: [admin]}, effect: allow}\n",
        "",
    )]);
    let folder = folder_of("diff-tests", &[]);
    for (name, bundle) in [("old", BUNDLE), ("new", gone.as_str())] {
        folder_of(
            &format!("diff-tests/{name}"),
            &[("bundle.yaml", bundle.as_bytes()), ("tests.yaml", tests.as_bytes())],
        );
    }
    let run = regionguard(&folder, &["diff", "old", "new"]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("allow rule.allowed (shop/admin)"), "{}", run.stdout);
    let run = regionguard(&folder, &["explain", "new", "--url", "https://api.x.com/admin/a"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(regionguard(&folder, &["check", "new"]).code, 1);
}

/// That what a rule opens outlives its token changes no decision, and is told all the same.
#[test]
fn a_stream_that_lasts_otherwise_is_told() {
    let live = |more: &str| {
        format!(
            "- {{name: live, paths: [/live], upgrades: [websocket], {more}effect: allow}}\n        - {{name: not-there"
        )
    };
    let (ends, stays) = (live(""), live("streams: untilClosed, "));
    let (before, after) = (
        [("- {name: not-there", ends.as_str())],
        [("- {name: not-there", stays.as_str())],
    );
    let run = both("streams", &before, &after, &["--format", "json"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(said["changed"], 0, "{said:#}");
    assert_eq!(
        said["forwardedOtherwise"]["headers"],
        serde_json::json!(["(stream)"]),
        "{said:#}"
    );
    let run = both("streams-text", &before, &after, &[]);
    assert!(
        run.stdout.contains("or the stream lasts otherwise: (stream)\n"),
        "{}",
        run.stdout
    );
    let same = both("streams-same", &after, &after, &["--format", "json"]);
    let same: Value = serde_json::from_str(&same.stdout).expect("JSON");
    assert_eq!(same["forwardedOtherwise"]["requests"], 0, "{same:#}");
}
