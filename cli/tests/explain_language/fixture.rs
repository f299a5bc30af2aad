//! A policy that wants all that the language can want, and a request that meets it.

use serde_json::Value;

use crate::run::{folder_of, regionguard};

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

pub(crate) const CLAIMS: &str = r#"{"permissions": ["read:a", "read:b"], "roles": ["viewer"], "department": "finance", "amr": ["mfa"], "acr": "gold", "auth_time": 1795457000,
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
pub(crate) fn said(name: &str, changes: &[(&str, &str)], bound: bool) -> Value {
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
pub(crate) fn rows(said: &Value) -> Vec<(String, Value)> {
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
