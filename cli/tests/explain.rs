//! `regionguard explain` as people run it.

#[path = "check/run.rs"]
mod run;

use run::{Run, folder_of, regionguard, with_variables, workspace};
use serde_json::Value;

const BUNDLE: &str = r#"
region: here
metadata: {name: shop, version: 41}
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
      center: {cluster: center, authority: center.x.com, protocol: authzen}
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: near}
    spec:
      context: {geo_restrictions: [{allowed_regions: [here]}]}
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec:
      rules:
        - {name: health, paths: [/healthz], identity: none, effect: allow}
        - name: read
          methods: [GET]
          paths: ["/v1/{id}"]
          permissions: {anyOf: ["read:a", "read:all"]}
          effect: allow
        - {name: not-odd, paths: ["/v1/{id}"], from: {networks: [10.1.9.0/24]}, effect: deny}
        - {name: ask, paths: ["/v2/**"], effect: defer}
        - {name: tried, paths: [/v4], mode: shadow, effect: deny}
        - {name: finance, paths: [/v4], when: token.department == 'finance', effect: allow}
        - {name: beta, paths: [/v4], headers: [{name: x-beta, exact: "1"}], effect: allow}
        - {name: service, paths: [/v3], identity: workload, from: {workloads: ["spiffe://here.x/ns/web/*"]}, effect: allow}
        - {name: calm, paths: [/v5], when: risk.score < 50 && risk.failures < 3, effect: allow}
"#;

const URL: &str = "https://api.x.com/v1/7?a=b";
const AT: &str = "2026-11-23T18:10:00Z";

fn explain(name: &str, arguments: &[&str]) -> Run {
    let folder = folder_of(&format!("explain-{name}"), &[("bundle.yaml", BUNDLE.as_bytes())]);
    let mut all = vec!["explain", ".", "--at", AT];
    all.extend(arguments);
    regionguard(&folder, &all)
}

fn line(name: &str, line: &str) -> Run {
    let folder = folder_of(&format!("explain-{name}"), &[("bundle.yaml", BUNDLE.as_bytes())]);
    regionguard(&folder, &["explain", ".", "--line", line])
}

fn json(name: &str, arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    let run = explain(name, &all);
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn each_condition_says_why_it_did_not_match() {
    let claims = r#"{"sub": "alice", "permissions": ["write:a"]}"#;
    let run = explain("denied", &["--url", URL, "--claims", claims, "--source", "10.1.2.3"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for said in [
        "deny 403: permission.missing, by `shop/read` (./bundle.yaml:27:17)\n",
        "request   GET https://api.x.com/v1/7?a=b\n",
        "who       a valid token of here; permissions: write:a; roles: none\n",
        "source    10.1.2.3 (region here, country unknown)\n",
        "  near  context.geoRestrictions: met\n    wanted: allowedRegions [here]; found: 10.1.2.3 (region here, country unknown)\n",
        "  shop/not-odd  deny: does not match  ./bundle.yaml:32:18\n    no match  from.networks: [10.1.9.0/24]; found: 10.1.2.3 (region here, country unknown)\n",
        "  shop/read  allow: does not match  ./bundle.yaml:27:17\n    no match  permissions: anyOf [read:a, read:all]; found: write:a\n",
        "\nline      deny;permission.missing;shop/read;inline;shop@41+",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    // Rules for other paths are told apart, each with what it is about.
    let (about, others) = run.stdout.split_once("\nrules about something else\n").expect("both");
    assert!(!about.contains("shop/health"), "{about}");
    let said = "  shop/health  paths: [/healthz]; found: /v1/7  ./bundle.yaml:26:18\n";
    assert!(others.contains(said), "{others}");
}

#[test]
fn requirements_and_defers_are_told() {
    let claims = r#"{"sub": "alice", "permissions": ["read:a"]}"#;
    let far = json("far", &["--url", URL, "--claims", claims, "--source", "192.0.2.7"]);
    assert_eq!(far["reason"], "context.source_unknown");
    assert_eq!(far["by"], "near/-");
    assert_eq!(far["policies"][0]["requirements"][0]["met"], false);
    let read = &far["rules"][1];
    assert_eq!(
        (&read["rule"], &read["takesEffect"]),
        (&"shop/read".into(), &true.into())
    );
    // Where the source cannot be told, a deny counts.
    let hidden = json("hidden", &["--url", URL, "--claims", claims]);
    assert_eq!(hidden["reason"], "rule.condition_unknown");
    assert_eq!(hidden["rules"][0]["conditions"][0]["holds"], "unknown");
    let v2 = [
        "--url",
        "https://api.x.com/v2",
        "--claims",
        claims,
        "--source",
        "10.1.2.3",
    ];
    let asked = json("asked", &v2);
    assert_eq!(asked["verdict"], "defer");
    assert_eq!(asked["question"]["resource"]["id"], "/v2/**");
    let answered = json("answered", &[&v2[..], &["--center", "deny"]].concat());
    assert_eq!(answered["reason"], "center.denied");
}

#[test]
fn expressions_headers_and_shadows_are_told() {
    let v4 = ["--url", "https://api.x.com/v4", "--source", "10.1.2.3"];
    let sales = r#"{"sub": "a", "department": "sales"}"#;
    let run = explain("when", &[&v4[..], &["--claims", sales]].concat());
    for said in [
        "  shop/finance  allow: does not match  ./bundle.yaml:35:18\n    no match  when: token.department == 'finance'; found: token.department \"sales\"\n",
        "  shop/tried (shadow: reported only)  deny: matches",
        "  shop/beta  is not about this request  ./bundle.yaml:36:18\n    no match  headers: exact 1, name x-beta; found: no x-beta\n",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    // What the expression reads is not there.
    let absent = json("when-absent", &[&v4[..], &["--claims", r#"{"sub": "a"}"#]].concat());
    let rules = absent["rules"].as_array().expect("rules");
    let finance = rules
        .iter()
        .find(|rule| rule["rule"] == "shop/finance")
        .expect("the rule");
    assert_eq!(
        (&finance["holds"], &finance["takesEffect"]),
        (&"unknown".into(), &false.into())
    );
    let beta = json(
        "beta",
        &[&v4[..], &["--claims", sales, "--header", "X-Beta: 1"]].concat(),
    );
    assert_eq!((&beta["verdict"], &beta["by"]), (&"allow".into(), &"shop/beta".into()));
}

#[test]
fn workloads_and_bad_requests_are_told() {
    let v3 = ["--url", "https://api.x.com/v3", "--source", "10.1.2.3"];
    let let_in = json(
        "workload",
        &[&v3[..], &["--peer", "spiffe://here.x/ns/web/sa/a"]].concat(),
    );
    assert_eq!(
        (&let_in["verdict"], &let_in["by"]),
        (&"allow".into(), &"shop/service".into())
    );
    let other = json(
        "other-workload",
        &[&v3[..], &["--peer", "spiffe://here.x/ns/db"]].concat(),
    );
    let conditions = other["rules"][0]["conditions"].as_array().expect("conditions");
    let of = |field: &str| {
        conditions
            .iter()
            .find(|condition| condition["field"] == field)
            .expect("it")
    };
    assert_eq!(of("identity")["holds"], "match");
    assert_eq!(of("from.workloads")["holds"], "no match");
    assert_eq!(of("from.workloads")["found"], "spiffe://here.x/ns/db");
    let odd = json("odd-path", &["--url", "https://api.x.com/a%2Fb"]);
    assert_eq!(odd["refused"], "request.path_encoded_slash");
    assert_eq!(odd["rules"], Value::Null);
    let expired = json(
        "expired",
        &[
            "--url",
            URL,
            "--source",
            "10.1.2.3",
            "--claims",
            r#"{"sub": "alice", "exp": 1}"#,
        ],
    );
    assert_eq!(expired["refused"], "identity.expired");
}

#[test]
fn a_fixture_of_a_test_is_a_request() {
    let web_app = workspace().join("examples/policies/web-app");
    let tests = std::fs::read_to_string(web_app.join("tests.yaml")).expect("the tests");
    assert!(tests.contains("kind: PolicyTest"));
    let run = regionguard(
        &web_app,
        &[
            "explain",
            ".",
            "--test",
            "no such test",
            "--principal",
            "a",
            "--request",
            "b",
        ],
    );
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        run.stderr.contains("no PolicyTest here has a test `no such test`"),
        "{}",
        run.stderr
    );
    let folder = folder_of(
        "explain-fixture",
        &[
            ("bundle.yaml", BUNDLE.as_bytes()),
            ("tests.yaml", b"apiVersion: security.io/v1\nkind: PolicyTest\nmetadata: {name: shop}\nspec:\n  at: \"2026-11-23T18:10:00Z\"\n  host: api.x.com\n  principals:\n    alice: {claims: {permissions: [\"read:a\"]}, address: 10.1.2.3}\n  requests:\n    read: {path: /v1/7}\n  tests:\n    - {name: reading, principals: [alice], expected: [{verdict: allow}]}\n"),
        ],
    );
    let arguments = [
        "explain",
        ".",
        "--test",
        "reading",
        "--principal",
        "alice",
        "--request",
        "read",
    ];
    let run = regionguard(&folder, &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stdout.starts_with("allow: rule.allowed, by `shop/read`"),
        "{}",
        run.stdout
    );
}

fn run_of(text: &str) -> Run {
    line("line-again", text)
}

#[test]
fn a_line_is_read_back() {
    let claims = r#"{"sub": "alice", "permissions": ["read:a"]}"#;
    let said = json("line-made", &["--url", URL, "--claims", claims, "--source", "10.1.2.3"]);
    let own = said["line"].as_str().expect("a line");
    let run = line("line", own);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for said in [
        "allow: rule.allowed\n",
        "this bundle wrote it\n",
        "the rule, ./bundle.yaml:27:17\n",
        "permissions: {anyOf:",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    let (before, after) = own.split_once("shop@41+").expect("the label");
    let (_, after) = after.split_once(';').expect("the digest");
    for (label, said) in [
        ("shop@41+000000000000", "the same version with other content wrote it"),
        ("shop@40+000000000000", "version 40 wrote it; this one is 41"),
        (
            "bank@41+000000000000",
            "another bundle wrote it, `bank@41+000000000000`",
        ),
        ("-", "no bundle was in force there"),
    ] {
        let run = line("line-other", &format!("{before}{label};{after}"));
        assert_eq!(run.code, 1, "{}", run.stdout);
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    // What was asked is not in a decision line, but it is in the whole line of a log.
    assert!(run_of(own).stdout.contains("what was asked is not in it"));
    let log = serde_json::json!({"method": "GET", "authority": "api.x.com", "path": "/v1/7", "peer": "10.1.2.3", "time": AT, "decision": own});
    let run = run_of(&log.to_string());
    for said in [
        "this bundle wrote it\n",
        "\nthe same request, tried with this bundle\ndeny 401: identity.missing",
        "assumed   no `peer_identity`: no client certificate\n",
        "assumed   no claims, and somebody of a home Region was there: tried without a token; `--claims` says what theirs holds\n",
        "    no match  permissions: anyOf [read:a, read:all]; found: no valid token\n",
    ] {
        assert!(run.stdout.contains(said), "no {said:?} in\n{}", run.stdout);
    }
    let folder = folder_of("explain-line-claims", &[("bundle.yaml", BUNDLE.as_bytes())]);
    let arguments = [
        "explain",
        ".",
        "--line",
        &log.to_string(),
        "--claims",
        claims,
        "--format",
        "json",
    ];
    let run = regionguard(&folder, &arguments);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (&said["fits"], &said["tried"]["line"]),
        (&true.into(), &own.into()),
        "{said:#}"
    );
    let run = line("line-none", "GET /v1/7 403");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("not a decision line"), "{}", run.stderr);
}

#[test]
fn what_would_steer_a_terminal_is_not_written() {
    let claims = r#"{"sub": "a", "permissions": ["\u001b[31mred"]}"#;
    let run = explain("escapes", &["--url", URL, "--claims", claims, "--source", "10.1.2.3"]);
    assert!(
        run.stdout.contains("[31mred") && !run.stdout.contains('\u{1b}'),
        "{:?}",
        run.stdout
    );
}

#[test]
fn wrong_arguments_and_documents_have_exit_codes() {
    for (arguments, said) in [
        (&[][..], "--url"),
        (&["--url", "api.x.com/v1"][..], "is no URL"),
        (&["--url", URL, "--claims", "{"][..], "no JSON object"),
        (&["--url", URL, "--header", "x"][..], "is no header"),
        (&["--url", URL, "--center", "perhaps"][..], "a center answers"),
    ] {
        let run = explain("usage", arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    let run = explain("home", &["--url", URL, "--home", "mars"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("no Region `mars`"), "{}", run.stderr);
    let broken = folder_of("explain-broken", &[("a.yaml", b"metadata: {name: SHOP, version: 1}\n")]);
    let run = with_variables(&broken, &["explain", ".", "--url", URL], &[]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("error["), "{}", run.stderr);
}

#[test]
fn a_file_of_claims_has_a_largest_size() {
    let large = format!("{{\"sub\": \"{}\"}}", "a".repeat(1 << 20));
    let folder = folder_of(
        "explain-large",
        &[
            ("bundle.yaml", BUNDLE.as_bytes()),
            ("claims.txt", large.as_bytes()),
            ("half.txt", b"{"),
        ],
    );
    for (option, file, said) in [
        (
            "--claims",
            "claims.txt",
            "error: `claims.txt` is too large: 1048576 bytes at most\n",
        ),
        (
            "--device",
            "claims.txt",
            "error: `claims.txt` is too large: 1048576 bytes at most\n",
        ),
        (
            "--claims",
            "half.txt",
            "error: `half.txt` is no JSON object: EOF while parsing an object at line 1 column 1\n",
        ),
    ] {
        let run = regionguard(&folder, &["explain", "bundle.yaml", "--url", URL, option, file]);
        assert_eq!((run.code, run.stderr.as_str()), (2, said), "{option} {file}");
    }
}

#[test]
fn a_token_has_a_subject() {
    let said = json(
        "subject",
        &[
            "--url",
            URL,
            "--claims",
            r#"{"permissions": ["read:a"]}"#,
            "--source",
            "10.1.2.3",
        ],
    );
    assert_eq!(said["reason"], "rule.allowed", "{said:#}");
}

#[test]
fn a_recorded_request_is_explained() {
    let recorded = r#"{"url": "https://api.x.com/v4", "claims": {"department": "finance"}, "address": "10.1.2.3", "at": "2026-11-23T18:10:00Z"}"#;
    let run = line("recorded", recorded);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let said = "allow: rule.allowed, by `shop/finance`";
    assert!(run.stdout.starts_with(said), "{}", run.stdout);
    // Other options add to it.
    let folder = folder_of("explain-recorded-more", &[("bundle.yaml", BUNDLE.as_bytes())]);
    let more = [
        "--header",
        "x-beta: 1",
        "--device",
        r#"{"encrypted": true}"#,
        "--claims",
        r#"{"department": "sales"}"#,
    ];
    let run = regionguard(&folder, &[&["explain", ".", "--line", recorded][..], &more].concat());
    assert!(
        run.stdout.starts_with("allow: rule.allowed, by `shop/beta`"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let run = line("recorded-wrong", r#"{"url": "https://api.x.com/v4", "claim": {}}"#);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no such member: `claim`"), "{}", run.stderr);
}

#[test]
fn a_device_without_claims_is_somebodys() {
    let device = [
        "--url",
        URL,
        "--source",
        "10.1.2.3",
        "--device",
        r#"{"encryption": true}"#,
    ];
    let run = explain("device-wrong", &device);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        run.stderr
            .contains("a device has no `encryption`; there are id, platform, osVersion"),
        "{}",
        run.stderr
    );
    let told = json(
        "device",
        &[
            "--url",
            URL,
            "--source",
            "10.1.2.3",
            "--device",
            r#"{"encrypted": true}"#,
        ],
    );
    assert_eq!(told["seen"]["token"], true, "{told:#}");
}

#[test]
fn the_risk_is_what_is_said_of_it() {
    let of = |name: &str, risk: &[&str]| {
        let request = [
            "--url",
            "https://api.x.com/v5",
            "--source",
            "10.1.2.3",
            "--claims",
            r#"{"sub": "alice"}"#,
        ];
        explain(&format!("risk-{name}"), &[&request[..], risk].concat())
    };
    for (name, risk, begins, found) in [
        ("unsaid", &[][..], "deny 403", "no risk.score, risk.failures 0"),
        (
            "calm",
            &["--risk", r#"{"score": 49}"#],
            "allow: rule.allowed, by `shop/calm`",
            "risk.score 49, risk.failures 0",
        ),
        (
            "wrong",
            &["--risk", r#"{"score": 50}"#],
            "deny 403",
            "risk.score 50, risk.failures 0",
        ),
        (
            "noisy",
            &["--risk", r#"{"score": 1, "failures": 3}"#],
            "deny 403",
            "risk.score 1, risk.failures 3",
        ),
    ] {
        let run = of(name, risk);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            run.stdout.starts_with(begins) && run.stdout.contains(found),
            "{name}: {}",
            run.stdout
        );
    }
    let run = of("unread", &["--risk", r#"{"level": "high"}"#]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("a risk has no `level`; there are score, failures"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_attributes_are_what_is_said_of_them() {
    let center = "      center: {cluster: center, authority: center.x.com, protocol: authzen}\n";
    let identity = format!("{center}      identity: {{cluster: people}}\n");
    let rule = "        - {name: cleared, paths: [/v6], when: has(identity.clearance) && identity.clearance >= 3, effect: allow}\n";
    let bundle = format!("{}{rule}", BUNDLE.replace(center, &identity));
    let with = |name: &str, arguments: &[&str]| {
        let folder = folder_of(
            &format!("explain-identity-{name}"),
            &[("bundle.yaml", bundle.as_bytes())],
        );
        regionguard(&folder, &[&["explain", ".", "--at", AT], arguments].concat())
    };
    let of = |name: &str, more: &[&str]| {
        let request = ["--url", "https://api.x.com/v6", "--source", "10.1.2.3"];
        with(name, &[&request[..], more].concat())
    };
    let line = |name: &str, line: &str| with(name, &["--line", line]);
    let cleared = r#"{"clearance": 3}"#;
    for (name, more, begins, found) in [
        (
            "cleared",
            &["--identity", cleared][..],
            "allow: rule.allowed, by `shop/cleared`",
            "found: identity.clearance 3\n",
        ),
        (
            "lower",
            &["--identity", r#"{"clearance": 2}"#],
            "deny 403: rule.when",
            "found: identity.clearance 2\n",
        ),
        (
            "unknown",
            &["--claims", r#"{"sub": "alice"}"#],
            "deny 403: rule.when",
            "found: no identity, so no clearance\n",
        ),
        (
            "other",
            &["--identity", r#"{"level": 3}"#],
            "deny 403: rule.when",
            "found: no identity.clearance\n",
        ),
        (
            "nobody",
            &[],
            "deny 401: identity.missing",
            "who       nobody: no token\n",
        ),
    ] {
        let run = of(name, more);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            run.stdout.starts_with(begins) && run.stdout.contains(found),
            "{name}: {}",
            run.stdout
        );
    }
    let recorded = line(
        "recorded",
        r#"{"url": "https://api.x.com/v6", "address": "10.1.2.3", "claims": {"sub": "alice"}, "identity": {"clearance": 5}}"#,
    );
    assert!(
        recorded.stdout.starts_with("allow: rule.allowed, by `shop/cleared`"),
        "{}",
        recorded.stdout
    );
    let run = of("unread", &["--identity", "{"]);
    assert_eq!(run.code, 2);
    let wrong = line(
        "identity-wrong",
        r#"{"url": "https://api.x.com/v6", "claims": {}, "identity": 7}"#,
    );
    assert!(
        wrong.stderr.contains("`identity` must be an object"),
        "{}",
        wrong.stderr
    );
}
