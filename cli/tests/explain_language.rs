//! `regionguard explain` names everything that the language can want of a request, with what was found of it.

#[path = "check/run.rs"]
mod run;

use std::fs;

use run::{folder_of, regionguard, workspace};
use serde_json::Value;

/// A policy with every field that wants something of a request.
const BUNDLE: &str = r#"
region: here
metadata: {name: shop, version: 1}
trust: {hosts: [api.x.com, other.x.com], peerVerification: required}
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
      country: US
      timezone: America/New_York
      businessHours: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:30"}
      center: {cluster: center, authority: center.x.com, protocol: authzen}
      accepts: [{home: there, permissions: ["read:*"]}]
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: there}
    spec:
      issuer: identity.y.com
      audiences: [api.y.com]
      keys: {jwks: {keys: [{kty: OKP, kid: one, crv: Ed25519, x: h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc}]}}
      networks: [10.2.0.0/16]
      country: DE
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: all}
    spec:
      selector: {localRegions: [here], hosts: [api.x.com], workloads: ["ns/shop/sa/api"]}
      identity:
        authentication: [{method: multi-factor, amr: [mfa], acr: [gold]}, {method: certificate}]
        authorization: [{rbac: true}, {abac: true}]
      device:
        compliance: [{encryption: required}, {os_version: latest}, {managed: true}, {jailbroken: false}, {patch_age: 30d}, {screen_lock: required}, {certificate: required}]
      osVersions: {macos: "15.2"}
      context:
        geo_restrictions: [{allowed_regions: [here], denied_regions: [there], allowed_countries: [US], denied_countries: [DE]}]
        time_restrictions:
          - business_hours: true
          - hours:
              timezone: Europe/Berlin
              weekly: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "22:00"}]
              holidays: ["12-25"]
              exceptions: [{date: "2026-12-24", hours: [{from: "09:00", to: "12:00"}]}]
          - {not_before: "2026-01-01T00:00:00Z", not_after: "2027-01-01T00:00:00Z"}
          - maintenance: [{timezone: America/New_York, days: [sun], from: "02:00", to: "04:00"}, {not_before: "2026-06-01T00:00:00Z", not_after: "2026-06-02T00:00:00Z"}]
      preflight: allow
      probes: [{path: /healthz, port: 8080}]
      default: allow
      rules:
        - name: everything
          hosts: [api.x.com]
          methods: [GET]
          paths: ["/v1/{id}"]
          headers:
            - {name: x-exact, exact: "1"}
            - {name: x-in, in: [a, b]}
            - {name: x-prefix, prefix: p}
            - {name: x-suffix, suffix: s}
            - {name: x-present, present: true}
            - {name: x-absent, absent: true}
          query: [{name: q, exact: "1"}]
          from:
            sourceRegions: [here]
            sourceCountries: [US]
            homeRegions: [here]
            networks: [10.1.0.0/16]
            workloads: ["spiffe://here.x/*"]
          identity: required
          permissions: {anyOf: ["read:a"], allOf: ["read:b"]}
          roles: {anyOf: [viewer]}
          when: token.department == 'finance'
          effect: allow
        - {name: fresh, paths: ["/v1/{id}"], effect: stepUp, stepUp: {acr: [gold], maxAge: 15m}}
        - {name: ask, paths: ["/v1/{id}"], effect: defer, defer: {unless: allowed}}
        - {name: calls, grpc: {services: [shop.Orders], methods: [Get]}, effect: deny}
        - {name: live, paths: ["/v1/{id}"], methods: [GET], upgrades: [websocket], effect: allow}
        - {name: service, paths: ["/v1/{id}"], identity: workload, effect: deny, when: "false"}
"#;

const CLAIMS: &str = r#"{"permissions": ["read:a", "read:b"], "roles": ["viewer"], "department": "finance", "amr": ["mfa"], "acr": "gold", "auth_time": 1795457000,
  "device": {"platform": "macos", "os_version": "15.2", "encrypted": true, "managed": true, "jailbroken": false, "screen_lock": true, "certificate": true, "patched_at": 1795400000}}"#;

/// A request that meets all of it.
const GOOD: &[(&str, &str)] = &[
    ("--url", "https://api.x.com/v1/7?q=1"),
    ("--method", "GET"),
    ("--header", "x-exact: 1"),
    ("--header", "x-in: a"),
    ("--header", "x-prefix: pq"),
    ("--header", "x-suffix: rs"),
    ("--header", "x-present: "),
    ("--claims", CLAIMS),
    ("--source", "10.1.2.3"),
    ("--peer", "spiffe://here.x/ns/web/sa/a"),
    ("--serves", "ns/shop/sa/api"),
    // A Monday: 13:10 in New York, 19:10 in Berlin.
    ("--at", "2026-11-23T18:10:00Z"),
];

/// What is said of a request; each of `changes` stands in place of the arguments of its name, and one of `""` for none.
fn said(name: &str, changes: &[(&str, &str)], bound: bool) -> Value {
    let folder = folder_of(&format!("language-{name}"), &[("bundle.yaml", BUNDLE.as_bytes())]);
    let mut arguments = vec!["explain", ".", "--format", "json"];
    if bound {
        arguments.push("--bound");
    }
    let kept = GOOD
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    for (name, value) in kept.chain(changes).filter(|(_, value)| !value.is_empty()) {
        arguments.extend([*name, *value]);
    }
    let run = regionguard(&folder, &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// Every row, as `field: holds`, with what was wanted and found.
fn rows(said: &Value) -> Vec<(String, Value)> {
    let lists = |of: &str, lists: &[&str]| -> Vec<Value> {
        let all = said[of].as_array().cloned().unwrap_or_default();
        let rows = all.iter().flat_map(|one| {
            lists
                .iter()
                .flat_map(|list| one[*list].as_array().cloned().unwrap_or_default())
        });
        rows.collect()
    };
    let all = [
        lists("rules", &["conditions", "demands"]),
        lists("policies", &["conditions", "requirements"]),
        lists("notAbout", &["conditions"]),
        lists("notGoverning", &["conditions"]),
    ];
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let all = all.into_iter().flatten();
    all.map(|row| (format!("{}: {}", text(&row, "field"), text(&row, "holds")), row))
        .collect()
}

/// The fields of an object that the kernel reads.
fn shape(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("src/bundle").join(file)).expect("readable");
    let (_, shape) = text
        .split_once(&format!("const {name}: Shape = Shape {{"))
        .expect("the shape");
    let list = shape
        .split("fields: &[")
        .nth(1)
        .and_then(|list| list.split(']').next())
        .expect("its fields");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each field that a policy has is told with what it wants, or is none that wants something of a request: a new one has to be put here or into the bundle above.
#[test]
fn every_field_of_the_language_is_told() {
    let wants_nothing = [
        (
            "policy.rs",
            "SPEC",
            "osVersions",
            "says what `latest` is: its versions are told there",
        ),
        ("policy.rs", "SPEC", "mode", "`shadow`, a member of each policy"),
        ("policy.rs", "SPEC", "default", "a member of each policy"),
        ("policy.rs", "SPEC", "forward", "what the upstream gets"),
        ("policy.rs", "SPEC", "rules", "each is told"),
        (
            "authentication.rs",
            "IDENTITY",
            "authorization",
            "what rules may have: for `check`",
        ),
        ("authentication.rs", "METHOD", "method", "its values are told"),
        (
            "authentication.rs",
            "AUTHORIZATION",
            "rbac",
            "what rules may have: for `check`",
        ),
        (
            "authentication.rs",
            "AUTHORIZATION",
            "abac",
            "what rules may have: for `check`",
        ),
        ("rule.rs", "RULE", "name", "of each rule"),
        ("rule.rs", "RULE", "mode", "`shadow`, a member of each rule"),
        ("rule.rs", "RULE", "effect", "a member of each rule"),
        ("rule.rs", "RULE", "response", "what the caller is answered"),
        ("effect.rs", "DEFER", "cache", "for how long an answer counts"),
        ("effect.rs", "DEFER", "onUnavailable", "what holds without an answer"),
        ("effect.rs", "DEFER", "lastDecisionFor", "what holds without an answer"),
        ("effect.rs", "DEFER", "claims", "what the question says"),
        ("effect.rs", "DEFER", "reasonUser", "what the caller is answered"),
    ];
    let shapes = [
        ("policy.rs", "SPEC"),
        ("policy.rs", "CONTEXT"),
        ("openings.rs", "SELECTOR"),
        ("openings.rs", "PROBE"),
        ("place.rs", "RESTRICTION"),
        ("hours.rs", "RESTRICTION"),
        ("hours.rs", "BUSINESS_HOURS"),
        ("hours.rs", "ZONED_HOURS"),
        ("hours.rs", "WEEKLY"),
        ("hours.rs", "EXCEPTION"),
        ("hours.rs", "INTERVAL"),
        ("hours.rs", "WINDOW"),
        ("device.rs", "DEVICE"),
        ("device.rs", "COMPLIANCE"),
        ("authentication.rs", "IDENTITY"),
        ("authentication.rs", "METHOD"),
        ("authentication.rs", "AUTHORIZATION"),
        ("authentication.rs", "STEP_UP"),
        ("rule.rs", "RULE"),
        ("rule.rs", "FROM"),
        ("rule.rs", "WORDS"),
        ("about.rs", "MATCHER"),
        ("about.rs", "GRPC"),
        ("effect.rs", "DEFER"),
    ];
    // Of a request that meets all, and of one for another host, method and path.
    let mut told = rows(&said("good", &[], true));
    told.extend(rows(&said(
        "other-host",
        &[("--url", "https://other.x.com/v2"), ("--method", "PUT")],
        true,
    )));
    told.extend(rows(&said(
        "grpc",
        &[("--url", "https://api.x.com/shop.Orders/Get"), ("--method", "POST")],
        true,
    )));
    let mut words = Vec::new();
    for (_, row) in &told {
        for part in ["field", "wanted"] {
            let text = row[part].as_str().unwrap_or_default();
            let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
            words.extend(text.split(|character| !is_of_word(character)).map(camel_case));
        }
    }
    for (file, name) in shapes {
        for field in shape(file, name) {
            let is_told = words.contains(&field);
            let exempt = wants_nothing
                .iter()
                .any(|(of, shape, one, _)| (*of, *shape, *one) == (file, name, field.as_str()));
            assert!(
                is_told || exempt,
                "`{field}` of {name} in src/bundle/{file} is not told of:\n{told:#?}"
            );
        }
    }
    for (label, row) in &told {
        assert!(row["wanted"].is_string(), "{label} does not say what it wants: {row}");
        assert!(
            row["found"].is_string() || label.starts_with("when"),
            "{label} does not say what was found: {row}"
        );
    }
}

fn camel_case(word: &str) -> String {
    let mut parts = word.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// What stands in place of the good request's arguments, whether the token is bound, and the rows that come of it.
type Differing<'t> = (Vec<(&'t str, &'t str)>, bool, Vec<&'t str>);

/// A request that meets all does, and one that differs in one thing fails in that row.
#[test]
fn each_requirement_is_met_not_met_or_unknown() {
    let good = said("met", &[], true);
    assert_eq!(good["reason"], "rule.allowed", "{good:#}");
    let rules = good["rules"].as_array().expect("rules");
    let of = |name: &str| rules.iter().find(|rule| rule["rule"] == name).expect("the rule");
    for row in of("all/everything")["conditions"].as_array().expect("conditions") {
        assert_eq!(row["holds"], "match", "{row}");
    }
    for row in of("all/fresh")["demands"].as_array().expect("demands") {
        assert_eq!(row["holds"], "met", "{row}");
    }
    for row in good["policies"][0]["requirements"].as_array().expect("requirements") {
        assert_eq!((&row["holds"], &row["met"]), (&"met".into(), &true.into()), "{row}");
    }
    let without = |name: &str| {
        let mut claims: Value = serde_json::from_str(CLAIMS).expect("JSON");
        match name.split_once('.') {
            None => claims.as_object_mut().expect("an object").remove(name),
            Some((outer, name)) => claims[outer].as_object_mut().expect("an object").remove(name),
        };
        claims.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut claims: Value = serde_json::from_str(CLAIMS).expect("JSON");
        match name.split_once('.') {
            None => claims[name] = value,
            Some((outer, name)) => claims[outer][name] = value,
        }
        claims.to_string()
    };
    let claims: Vec<(String, Vec<&str>)> = vec![
        (with("acr", "silver".into()), vec!["stepUp.acr: not met"]),
        (without("acr"), vec!["stepUp.acr: unknown"]),
        (with("auth_time", 1_795_400_000.into()), vec!["stepUp.maxAge: not met"]),
        (without("auth_time"), vec!["stepUp.maxAge: unknown"]),
        (
            with("amr", vec!["pwd"].into()).replace("\"gold\"", "\"silver\""),
            vec!["identity.authentication: multi-factor: not met"],
        ),
        (
            without("amr").replace("\"acr\":\"gold\",", ""),
            vec!["identity.authentication: multi-factor: unknown"],
        ),
        (
            with("device.encrypted", false.into()),
            vec!["device.compliance: encryption: not met"],
        ),
        (
            without("device.encrypted"),
            vec!["device.compliance: encryption: unknown"],
        ),
        (
            with("device.managed", false.into()),
            vec!["device.compliance: managed: not met"],
        ),
        (without("device.managed"), vec!["device.compliance: managed: unknown"]),
        (
            with("device.jailbroken", true.into()),
            vec!["device.compliance: jailbroken: not met"],
        ),
        (
            without("device.jailbroken"),
            vec!["device.compliance: jailbroken: unknown"],
        ),
        (
            with("device.screen_lock", false.into()),
            vec!["device.compliance: screenLock: not met"],
        ),
        (
            without("device.screen_lock"),
            vec!["device.compliance: screenLock: unknown"],
        ),
        (
            with("device.certificate", false.into()),
            vec!["device.compliance: certificate: not met"],
        ),
        (
            without("device.certificate"),
            vec!["device.compliance: certificate: unknown"],
        ),
        (
            with("device.os_version", "15.1".into()),
            vec!["device.compliance: osVersion: not met"],
        ),
        (
            without("device.os_version"),
            vec!["device.compliance: osVersion: unknown"],
        ),
        (
            with("device.patched_at", 1_700_000_000.into()),
            vec!["device.compliance: patchAge: not met"],
        ),
        (
            without("device.patched_at"),
            vec!["device.compliance: patchAge: unknown"],
        ),
        (
            without("device"),
            vec![
                "device.compliance: encryption: unknown",
                "device.compliance: osVersion: unknown",
            ],
        ),
        (
            with("permissions", vec!["read:a"].into()),
            vec!["permissions: no match", "defer.unless: not met"],
        ),
        (without("roles"), vec!["roles: no match"]),
        (with("department", "sales".into()), vec!["when: no match"]),
        (without("department"), vec!["when: unknown"]),
    ];
    let mut table: Vec<Differing<'_>> = claims
        .iter()
        .map(|(claims, expected)| (vec![("--claims", claims.as_str())], true, expected.clone()))
        .collect();
    table.extend([
        (
            vec![("--claims", "")],
            false,
            vec![
                "identity: no match",
                "identity.authentication: multi-factor: unknown",
                "stepUp.acr: unknown",
            ],
        ),
        (vec![], false, vec!["identity.authentication: certificate: not met"]),
        (
            vec![("--home", "there")],
            true,
            vec![
                "from.homeRegions: no match",
                "context.timeRestrictions: businessHours: unknown",
            ],
        ),
        (
            vec![("--source", "10.2.0.1")],
            true,
            vec![
                "from.sourceRegions: no match",
                "from.sourceCountries: no match",
                "from.networks: no match",
                "context.geoRestrictions: not met",
            ],
        ),
        (
            vec![("--source", "")],
            true,
            vec![
                "from.sourceRegions: unknown",
                "from.sourceCountries: unknown",
                "from.networks: unknown",
                "context.geoRestrictions: unknown",
            ],
        ),
        (
            vec![("--peer", "spiffe://else.x/a")],
            true,
            vec!["from.workloads: no match"],
        ),
        (vec![("--peer", "")], true, vec!["from.workloads: unknown"]),
        // Sunday in New York, and in Berlin.
        (
            vec![("--at", "2026-11-22T18:10:00Z")],
            true,
            vec![
                "context.timeRestrictions: businessHours: not met",
                "context.timeRestrictions: hours: not met",
            ],
        ),
        (
            vec![("--at", "2026-11-22T08:10:00Z")],
            true,
            vec!["context.timeRestrictions: maintenance: not met"],
        ),
        (
            vec![("--at", "2027-02-01T18:10:00Z")],
            true,
            vec!["context.timeRestrictions: dates: not met"],
        ),
        (vec![("--header", "x-exact: 2")], true, vec!["headers: no match"]),
        (
            vec![("--url", "https://api.x.com/v1/7?q=2")],
            true,
            vec!["query: no match"],
        ),
        (
            vec![("--url", "https://api.x.com/v1/7?q=%zz")],
            true,
            vec!["query: unknown"],
        ),
        (
            vec![("--url", "https://api.x.com/shop.Orders/Get"), ("--method", "POST")],
            true,
            vec!["grpc: unknown"],
        ),
        (
            vec![
                ("--url", "https://api.x.com/shop.Orders/Get"),
                ("--method", "POST"),
                ("--header", "content-type: application/grpc"),
            ],
            true,
            vec!["grpc: match"],
        ),
        (vec![("--method", "PUT")], true, vec!["methods: no match"]),
        (vec![("--url", "https://api.x.com/v2")], true, vec!["paths: no match"]),
        (
            vec![("--url", "https://other.x.com/v1/7")],
            true,
            vec!["hosts: no match", "selector.hosts: no match"],
        ),
        (vec![("--serves", "ns/shop/sa/web")], true, vec!["selector: no match"]),
        (vec![("--serves", "")], true, vec!["selector: unknown"]),
        (
            vec![("--header", "upgrade: websocket"), ("--header", "connection: upgrade")],
            true,
            vec!["upgrades: match"],
        ),
        (vec![("--method", "OPTIONS")], true, vec!["preflight: no match"]),
        (
            vec![("--url", "https://api.x.com/healthz")],
            true,
            vec!["probes: unknown"],
        ),
        (
            vec![("--url", "https://api.x.com/healthz"), ("--port", "8080")],
            true,
            vec!["probes: match"],
        ),
        (
            vec![("--url", "https://api.x.com/healthz"), ("--port", "80")],
            true,
            vec!["probes: no match"],
        ),
    ]);
    for (index, (changes, bound, expected)) in table.iter().enumerate() {
        let said = said(&format!("row-{index}"), changes, *bound);
        let rows = rows(&said);
        for label in expected {
            assert!(
                rows.iter().any(|(found, _)| found == label),
                "{changes:?}: no `{label}` in {said:#}"
            );
        }
    }
}
