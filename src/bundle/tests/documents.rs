//! Documents that load, and what becomes of them.

use core::time::Duration;
use std::net::IpAddr;

use serde_json::json;

use super::*;
use crate::bundle::RegionId;
use crate::bundle::document::{
    Defer, Effect, Forward, From, IdentityNeed, KeySource, Refusal, Requirement, SourceRestriction, WhenAway, Wildcard,
    Words,
};
use crate::context::{BusinessHours, Calendar, Country, Holiday, MaintenanceWindow, Span, Zone};
use crate::identity::SpiffePattern;
use crate::request::{HostPattern, PathTemplate};
use crate::time::WallTime;

#[test]
fn the_full_form_loads_as_it_stands() {
    let generation = compiled(&sample());
    assert_eq!(lines(&generation.warnings), "");
    assert_eq!((generation.name.as_str(), generation.version), ("shop", 41));
    let names: Vec<_> = generation.regions.iter().map(|region| region.name.as_str()).collect();
    assert_eq!(names, ["eu-west-1", "us-east-1"]);
    assert_eq!(generation.local, Some(RegionId(1)));
    assert_eq!(generation.region_named("eu-west-1"), Some(RegionId(0)));
    assert_eq!(generation.region_named("ap-southeast-1"), None);
    let address = |text: &str| generation.networks.find(text.parse::<IpAddr>().expect("an address"));
    assert_eq!(address("10.1.2.3"), Some(RegionId(1)));
    assert_eq!(address("2001:db8:2::1"), Some(RegionId(0)));
    assert_eq!(address("192.0.2.1"), None);
    assert!(generation.trust.paths.encoded_slash && !generation.trust.paths.strict);
    assert_eq!(generation.trust.hosts.as_ref().map(Vec::len), Some(2));
    assert!(generation.trust.peer_verification && generation.trust.any_direction);
    for header in [
        "x-user",
        "X_User",
        "x-department",
        "x-regionguard-subject",
        "x-regionguard-reason",
    ] {
        assert!(generation.strip.contains(header.as_bytes()), "{header}");
    }
    assert!(!generation.strip.contains(b"x-other"));
}

#[test]
fn a_region_is_what_it_says() {
    let generation = compiled(&sample());
    let region = generation.region(RegionId(1)).expect("there");
    assert_eq!(region.issuer, "identity.global.com");
    assert_eq!(region.audiences, ["api.us-east-1.com"]);
    assert!(matches!(&region.keys.source, KeySource::Inline(ring) if ring.len() == 1));
    assert_eq!(region.max_token_lifetime, Some(Duration::from_secs(86_400)));
    assert!(region.calendar.is_some());
    let center = region.center.as_ref().expect("a center");
    assert_eq!(
        (
            center.cluster.as_str(),
            center.authority.as_str(),
            center.path.as_str(),
            center.timeout
        ),
        (
            "center-us-east-1",
            "center-us-east-1",
            "/access/v1/evaluation",
            Duration::from_millis(250)
        )
    );
    let [acceptance] = region.accepts.as_slice() else {
        panic!("one entry")
    };
    assert_eq!(acceptance.home, "eu-west-1");
    assert_eq!(acceptance.permissions, [Wildcard::Prefix("read:".to_owned())]);
    assert_eq!(acceptance.roles, [Wildcard::Exact("viewer".to_owned())]);
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn hosts(all: &[&str]) -> Option<Vec<HostPattern>> {
    Some(
        all.iter()
            .map(|text| HostPattern::parse(text).expect("a pattern"))
            .collect(),
    )
}

#[test]
fn a_policy_is_what_it_says() {
    let bundle = parsed(&sample());
    let [policy] = bundle.policies.as_slice() else {
        panic!("one policy")
    };
    assert_eq!(policy.name, "shop");
    assert_eq!(policy.hosts, hosts(&["api.us-east-1.com", "*.internal:8443"]));
    assert!(policy.default_allow);
    let requirements = [
        Requirement::Source(SourceRestriction {
            allowed_regions: Some(texts(&["us-east-1", "eu-west-1"])),
            ..SourceRestriction::default()
        }),
        Requirement::BusinessHours,
    ];
    assert_eq!(policy.requirements, requirements);
    let claims = [("x-department", "department"), ("x-user", "sub")].map(|(h, c)| (h.to_owned(), c.to_owned()));
    let forward = Forward {
        strip_token: true,
        claims: claims.to_vec(),
    };
    assert_eq!(policy.forward, Some(forward));
}

#[test]
fn a_rule_is_what_it_says() {
    let bundle = parsed(&sample());
    let [allow, deny, defer] = bundle.policies[0].rules.as_slice() else {
        panic!("three rules")
    };
    assert_eq!(allow.name, "read-own-profile");
    assert_eq!(allow.hosts, hosts(&["api.us-east-1.com", "*.internal"]));
    assert_eq!(allow.methods, Some(texts(&["GET", "HEAD"])));
    assert_eq!(
        allow.paths,
        Some(vec![PathTemplate::parse("/v1/profiles/{id}").expect("a template")])
    );
    let from = From {
        source_regions: Some(texts(&["us-east-1"])),
        source_countries: Some(vec![Country::parse("US").expect("a country")]),
        home_regions: Some(texts(&["us-east-1", "eu-west-1"])),
        networks: Some(vec!["10.0.0.0/8".parse().expect("a network")]),
        workloads: Some(vec![SpiffePattern::parse("spiffe://prod/ns/web/*").expect("a pattern")]),
    };
    assert_eq!(allow.from, from);
    let permissions = Words {
        any_of: Some(texts(&["read:profile"])),
        all_of: Some(texts(&["read:any"])),
    };
    assert_eq!(allow.permissions, permissions);
    let roles = Words {
        any_of: Some(texts(&["viewer", "admin"])),
        all_of: None,
    };
    assert_eq!(allow.roles, roles);
    assert_eq!(
        (&allow.effect, allow.identity),
        (&Effect::Allow, IdentityNeed::Required)
    );
    let refusal = Refusal {
        status: 404,
        hide: true,
        body: None,
    };
    assert_eq!(
        (&deny.effect, deny.identity),
        (&Effect::Deny(refusal), IdentityNeed::Anybody)
    );
    assert_eq!(
        (&deny.hosts, &deny.methods, &deny.from),
        (&None, &None, &From::default())
    );
    let asked = Defer {
        cache: Some(Duration::from_secs(30)),
        when_away: WhenAway::Allow,
        unless_allowed: false,
        claims: texts(&["department"]),
        pass_reason: true,
    };
    assert_eq!(
        (&defer.effect, defer.identity),
        (&Effect::Defer(asked), IdentityNeed::Required)
    );
}

#[test]
fn what_a_rule_leaves_out_has_its_usual_value() {
    let deny = |status, hide| {
        Effect::Deny(Refusal {
            status,
            hide,
            body: None,
        })
    };
    let careful = Defer::default();
    assert!(careful.cache.is_none() && careful.when_away == WhenAway::Deny && !careful.pass_reason);
    for (rule, effect, identity) in [
        (json!({"effect": "allow"}), Effect::Allow, IdentityNeed::Required),
        (
            json!({"effect": "allow", "identity": "none"}),
            Effect::Allow,
            IdentityNeed::None,
        ),
        (json!({"effect": "deny"}), deny(403, false), IdentityNeed::Anybody),
        (
            json!({"effect": "deny", "identity": "required"}),
            deny(403, false),
            IdentityNeed::Required,
        ),
        (
            json!({"effect": "deny", "response": {"hide": true}}),
            deny(404, true),
            IdentityNeed::Anybody,
        ),
        (
            json!({"effect": "deny", "response": {"hide": false}}),
            deny(403, false),
            IdentityNeed::Anybody,
        ),
        (
            json!({"effect": "deny", "response": {"status": 404}}),
            deny(404, false),
            IdentityNeed::Anybody,
        ),
        (
            json!({"effect": "deny", "response": {"status": 410}}),
            deny(410, false),
            IdentityNeed::Anybody,
        ),
        (
            json!({"effect": "deny", "response": {"status": 451}}),
            deny(451, false),
            IdentityNeed::Anybody,
        ),
        (
            json!({"effect": "defer"}),
            Effect::Defer(careful.clone()),
            IdentityNeed::Required,
        ),
        (
            json!({"effect": "defer", "identity": "none"}),
            Effect::Defer(careful.clone()),
            IdentityNeed::None,
        ),
        (
            json!({"effect": "defer", "defer": {"onUnavailable": "deny", "reasonUser": "drop"}}),
            Effect::Defer(careful.clone()),
            IdentityNeed::Required,
        ),
    ] {
        let mut bundle = sample();
        let mut named = rule.clone();
        named["name"] = json!("rule");
        set(&mut bundle, "documents[2].spec", json!({"rules": [named]}));
        let bundle = parsed(&bundle);
        let found = &bundle.policies[0].rules[0];
        assert_eq!((&found.effect, found.identity), (&effect, identity), "{rule}");
    }
}

#[test]
fn what_a_policy_leaves_out_has_its_usual_value() {
    let of = |spec: Json| {
        let mut bundle = sample();
        set(&mut bundle, "documents[2].spec", spec);
        parsed(&bundle).policies.remove(0)
    };
    let policy = of(json!({"mode": "enforce"}));
    assert!(policy.hosts.is_none() && !policy.default_allow && policy.forward.is_none());
    assert!(policy.requirements.is_empty() && policy.rules.is_empty());
    let forward = |spec: Json| of(json!({"forward": spec})).forward.expect("forward").strip_token;
    assert!(!forward(json!({"claims": {"x-user": "sub"}})));
    assert!(!forward(json!({"token": "pass"})));
    assert!(forward(json!({"token": "strip"})));
}

#[test]
fn a_region_that_has_its_issuer_for_itself_may_be_told_by_it() {
    let mut bundle = sample();
    set(&mut bundle, "documents[1].spec.issuer", json!("identity.eu.com"));
    set(
        &mut bundle,
        "documents[1].spec.claims",
        json!({"region": {"from_issuer": true}, "permissions": "scope"}),
    );
    let claims = &parsed(&bundle).regions[0].claims;
    assert_eq!(claims.region, crate::identity::RegionClaim::FromIssuer);
    assert_eq!((claims.permissions.as_str(), claims.roles.as_str()), ("scope", "roles"));
}

#[test]
fn the_short_form_loads_whole_and_says_what_to_add() {
    let spec = json!({
        "identity": {
            "authentication": [{"method": "multi-factor"}, {"method": "certificate"}],
            "authorization": [{"rbac": true}, {"abac": true}]
        },
        "device": {"compliance": [{"encryption": "required"}, {"os_version": "latest"}]},
        "context": {
            "geo_restrictions": [{"allowed_regions": ["us-east-1", "eu-west-1", "ap-southeast-1"]}],
            "time_restrictions": [{"business_hours": true}]
        }
    });
    let bundle = bundle_of(vec![
        region("us-east-1", 1),
        region("eu-west-1", 2),
        policy("cross-region-access", spec),
    ]);
    let warnings = lines(&compiled(&bundle).warnings);
    assert!(
        warnings.contains("documents[2].spec.context.geo_restrictions[0].allowed_regions[2]: the bundle has no Region"),
        "{warnings}"
    );
    assert!(
        warnings.contains("documents[2].spec.device: `os_version: latest` is never met: no `osVersions`"),
        "{warnings}"
    );
    assert!(
        warnings.contains("nothing in this bundle can allow a request: add a rule"),
        "{warnings}"
    );
}

#[test]
fn what_probably_was_not_meant_is_a_warning() {
    let with = |change: fn(&mut Json)| {
        let mut bundle = sample();
        change(&mut bundle);
        lines(&compiled(&bundle).warnings)
    };
    for (change, expected) in [
        (
            (|bundle| {
                remove(bundle, "documents[1].spec.timezone");
                remove(bundle, "documents[1].spec.businessHours");
            }) as fn(&mut Json),
            "warning: Region eu-west-1: documents[1]: has no `timezone` and `businessHours`",
        ),
        (
            |bundle| {
                set(
                    bundle,
                    "documents[2].spec.rules",
                    json!([{"name": "a", "effect": "allow"}]),
                );
                set(
                    bundle,
                    "documents[2].spec.identity",
                    json!({"authentication": [{"method": "certificate"}]}),
                );
                remove(bundle, "trust.peerVerification");
            },
            "warning: documents: `method: certificate` is never met: no peer has an identity here",
        ),
        (
            |bundle| {
                let rules =
                    json!([{"name": "a", "effect": "allow"}, {"name": "b", "identity": "workload", "effect": "allow"}]);
                set(bundle, "documents[2].spec.rules", rules);
                set(
                    bundle,
                    "documents[2].spec.identity",
                    json!({"authentication": [{"method": "multi-factor"}]}),
                );
            },
            "warning: ZeroTrustPolicy shop: documents[2].spec.rules[1].identity: lets no workload in without a token",
        ),
        (
            |bundle| {
                remove(bundle, "region");
                remove(bundle, "documents[1].spec.center");
            },
            "warning: Region eu-west-1: documents[1]: has no `center`: where this Region is the local one",
        ),
        (
            |bundle| {
                remove(bundle, "documents[0].spec.networks");
                remove(bundle, "documents[1].spec.networks");
            },
            "warning: documents: no Region has `networks`",
        ),
        (
            |bundle| {
                set(
                    bundle,
                    "documents[2].spec.context",
                    json!({"geo_restrictions": [{"denied_countries": ["KP"]}]}),
                );
            },
            "warning: documents: no Region with `networks` has a `country`",
        ),
        (
            |bundle| {
                set(
                    bundle,
                    "documents[2].spec.rules[0].permissions.anyOf[0]",
                    json!("read:*"),
                );
            },
            "documents[2].spec.rules[0].permissions.anyOf[0]: `*` has no meaning here",
        ),
        (
            |bundle| {
                set(
                    bundle,
                    "documents[0].spec.keys.jwks",
                    json!({"keys": [key("one", 1), {"kty": "AKP", "kid": "other"}]}),
                );
            },
            "documents[0].spec.keys.jwks.keys[1]: key `other`: left aside",
        ),
    ] {
        let warnings = with(change);
        assert!(warnings.contains(expected), "{expected}\n{warnings}");
        assert_eq!(warnings.lines().count(), 1, "{warnings}");
    }
}

#[test]
fn without_any_region_it_loads_with_warnings() {
    let mut bundle = bundle_of(vec![policy("p", json!({"default": "allow"}))]);
    remove(&mut bundle, "region");
    assert!(lines(&compiled(&bundle).warnings).contains("there is no Region"));
}

#[test]
fn snake_case_is_read_as_camel_case() {
    let mut bundle = sample();
    let spec = at(&mut bundle, "documents[0].spec");
    let members = spec.as_object_mut().expect("an object");
    for (camel, snake) in [
        ("businessHours", "business_hours"),
        ("maxTokenLifetime", "max_token_lifetime"),
    ] {
        let value = members.remove(camel).expect(camel);
        members.insert(snake.to_owned(), value);
    }
    let rule = at(&mut bundle, "documents[2].spec.rules[0]");
    rule["permissions"] = json!({"any_of": ["read:profile"]});
    rule["from"] = json!({"source_regions": ["us-east-1"]});
    set(
        &mut bundle,
        "documents[2].spec.context",
        json!({"geoRestrictions": [{"allowedRegions": ["us-east-1"]}]}),
    );
    let generation = compiled(&bundle);
    let region = generation.region(RegionId(1)).expect("there");
    assert!(region.calendar.is_some() && region.max_token_lifetime.is_some());
}

#[test]
fn a_thousand_rules_compile_in_a_moment() {
    let rules: Vec<Json> = (0..1_000)
        .map(|number| {
            json!({
                "name": format!("rule-{number}"),
                "hosts": ["api.us-east-1.com"],
                "methods": ["GET"],
                "paths": [format!("/v1/things-{number}/{{id}}")],
                "permissions": {"anyOf": ["read:things"]},
                "effect": "allow"
            })
        })
        .collect();
    let mut bundle = sample();
    set(&mut bundle, "documents[2].spec.rules", Json::Array(rules));
    let text = bundle.to_string();
    let begun = std::time::Instant::now();
    assert!(compile(text.as_bytes(), Encoding::Json).is_ok());
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?}");
}

#[test]
fn times_are_what_their_entries_say() {
    let mut bundle = sample();
    let restrictions = json!([
        {"business_hours": true, "not_before": "2026-11-23T18:10:00Z", "notAfter": "2026-11-24T00:00:00.5+01:00"},
        {"hours": {"timezone": "UTC", "days": ["mon"], "from": "09:00", "to": "10:00", "holidays": ["12-25"]}},
        {"maintenance": [
            {"timezone": "UTC", "days": ["sun"], "from": "22:00", "to": "02:00"},
            {"not_before": "1970-01-01T00:00:00Z", "not_after": "1970-01-01T00:00:01Z"},
        ]},
    ]);
    set(
        &mut bundle,
        "documents[2].spec",
        json!({"default": "allow", "context": {"time_restrictions": restrictions}}),
    );
    let calendar = |day: &str, from: &str, to: &str, holidays: &[&str]| {
        let hours = BusinessHours::parse(&[day], from, to).expect("hours");
        let holidays = holidays.iter().map(|text| Holiday::parse(text).expect(text)).collect();
        Calendar::with(Zone::named("UTC").expect("a zone"), vec![hours], holidays, Vec::new())
    };
    let span = |from: u64, until: u64| Span {
        from: Some(WallTime(from)),
        until: Some(WallTime(until)),
    };
    let expected = [
        Requirement::BusinessHours,
        Requirement::Dates(span(1_795_457_400_000_000_000, 1_795_474_800_500_000_000)),
        Requirement::Hours(calendar("mon", "09:00", "10:00", &["12-25"])),
        Requirement::Maintenance(vec![
            MaintenanceWindow::Weekly(calendar("sun", "22:00", "02:00", &[])),
            MaintenanceWindow::Once(span(0, 1_000_000_000)),
        ]),
    ];
    assert_eq!(parsed(&bundle).policies[0].requirements, expected);
}

/// What tells places takes the warning away that nothing does.
#[test]
fn an_edge_or_a_region_tells_a_place() {
    let warned = |bundle: &Json| {
        let warnings = lines(&compiled(bundle).warnings);
        (
            warnings.contains("the source region is never known"),
            warnings.contains("the source country is never known"),
        )
    };
    let mut bundle = sample();
    let both = json!({"geo_restrictions": [{"allowed_regions": ["us-east-1"], "allowed_countries": ["US"]}]});
    set(&mut bundle, "documents[2].spec.context", both);
    assert_eq!(warned(&bundle), (false, true));
    set(&mut bundle, "documents[0].spec.country", json!("US"));
    assert_eq!(warned(&bundle), (false, false));
    remove(&mut bundle, "documents[0].spec.networks");
    remove(&mut bundle, "documents[1].spec.networks");
    assert_eq!(warned(&bundle), (true, true));
    set(
        &mut bundle,
        "trust.edges",
        json!([{"peers": ["10.0.0.0/8"], "countryHeader": "x-country"}]),
    );
    assert_eq!(warned(&bundle), (true, false));
    set(
        &mut bundle,
        "trust.edges",
        json!([{"peers": ["10.0.0.0/8"], "regionHeader": "x-region"}]),
    );
    assert_eq!(warned(&bundle), (false, false));
}
