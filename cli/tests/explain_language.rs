//! `regionguard explain` names everything that the language can want of a request, with what was found of it.

#[path = "explain_language/fields.rs"]
mod fields;
#[path = "explain_language/fixture.rs"]
mod fixture;
#[path = "check/run.rs"]
mod run;
#[path = "explain_language/streams.rs"]
mod streams;

use serde_json::Value;

use fixture::{CLAIMS, rows, said};

/// What stands in place of the good request's arguments, whether the token is bound, and the rows that come of it.
type Differing<'t> = (Vec<(&'t str, &'t str)>, bool, Vec<&'t str>);

/// A request that meets all does, and one that differs in one thing fails in that row.
#[test]
fn each_requirement_is_met_not_met_or_unknown() {
    let good = said("met", &[], true);
    assert_eq!(good["reason"], "rule.allowed", "{good:#}");
    let seen = &good["seen"];
    assert_eq!(
        (
            &seen["bound"]["certificate"],
            &seen["bound"]["key"],
            &seen["device"],
            &seen["login"]["acr"]
        ),
        (&true.into(), &false.into(), &"told".into(), &"gold".into()),
        "{seen:#}"
    );
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
