//! Documents that load, and what becomes of them.

use core::time::Duration;
use std::net::IpAddr;

use prost::Message as _;
use serde_json::json;

use super::*;
use crate::bundle::RegionId;
use crate::bundle::document::Wildcard;

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
    assert_eq!(region.keys.len(), 1);
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

#[test]
fn the_short_form_with_context_alone_loads_and_says_what_to_add() {
    let spec = json!({"context": {
        "geo_restrictions": [{"allowed_regions": ["us-east-1", "eu-west-1", "ap-southeast-1"]}],
        "time_restrictions": [{"business_hours": true}]
    }});
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
fn a_generation_has_one_digest_however_it_was_written() {
    let bundle = sample();
    let (json, of_struct) = (compiled(&bundle), compile_struct(&bundle).expect("compiles"));
    assert_eq!(json.digest, of_struct.digest);
    assert_eq!(json.label, of_struct.label);
    // serde_json sorts members: the other way round is another order.
    let reversed = backwards(&bundle);
    assert_ne!(reversed, bundle.to_string());
    let reversed = compile(reversed.as_bytes(), Encoding::Json).expect("compiles");
    assert_eq!(json.digest, reversed.digest);
    let digits: String = json.digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(json.label, format!("shop@41+{digits}"));
}

/// The same JSON with the members of each object in reverse order, and white space before it.
fn backwards(json: &Json) -> String {
    fn write(json: &Json) -> String {
        match json {
            Json::Array(items) => format!("[{}]", items.iter().map(write).collect::<Vec<_>>().join(", ")),
            Json::Object(members) => {
                let written: Vec<_> = members
                    .iter()
                    .rev()
                    .map(|(name, value)| format!("{}: {}", json!(name), write(value)))
                    .collect();
                format!("{{{}}}", written.join(",\n"))
            }
            scalar => scalar.to_string(),
        }
    }
    format!("\n\t {}", write(json))
}

#[test]
fn any_change_changes_the_digest_and_only_trust_changes_the_trust_digest() {
    let before = compiled(&sample());
    for (place, value, trusted) in [
        ("metadata.version", json!(42), false),
        ("documents[2].spec.rules[0].effect", json!("deny"), false),
        ("documents[0].spec.audiences[0]", json!("other"), false),
        ("documents[0].spec.accepts[0].roles[0]", json!("other"), false),
        ("documents[0].spec.issuer", json!("other"), true),
        ("documents[0].spec.claims.region", json!("home"), true),
        ("documents[0].spec.claims.roles", json!("groups"), true),
        ("documents[0].spec.claims.permissions", json!("scope"), true),
        ("documents[0].spec.keys.algorithms", json!(["ES256"]), false),
        ("documents[0].spec.keys.jwks.keys[0]", key("two", 1), true),
        ("documents[0].spec.keys.jwks.keys[0]", key("one", 9), true),
        ("documents[0].spec.keys.jwks.keys[0]", rsa_key("one", 256), true),
    ] {
        let mut bundle = sample();
        set(&mut bundle, place, value);
        if place.ends_with("effect") {
            remove(&mut bundle, "documents[2].spec.rules[0].identity");
        }
        let after = compiled(&bundle);
        assert_ne!(before.digest, after.digest, "{place}");
        assert_eq!(before.trust_digest != after.trust_digest, trusted, "{place}");
    }
}

#[test]
fn the_allow_list_of_algorithms_is_part_of_the_trust() {
    let with = |algorithms: Json| {
        let mut bundle = sample();
        set(
            &mut bundle,
            "documents[0].spec.keys",
            json!({"algorithms": algorithms, "jwks": {"keys": [rsa_key("one", 256)]}}),
        );
        compiled(&bundle).trust_digest
    };
    assert_ne!(with(json!(["RS256", "PS256"])), with(json!(["RS256"])));
}

#[test]
fn encodings_are_told_apart() {
    let bundle = sample();
    let json = bundle.to_string();
    let bytes = to_struct(&bundle).encode_to_vec();
    for (bytes, encoding, loads) in [
        (json.as_bytes(), Encoding::Json, true),
        (json.as_bytes(), Encoding::Struct, false),
        (bytes.as_slice(), Encoding::Struct, true),
        (bytes.as_slice(), Encoding::Json, false),
        (bytes.as_slice(), Encoding::Detect, true),
        (format!("\n\n {json}").as_bytes(), Encoding::Detect, true),
        (format!("\n{json}\n").as_bytes(), Encoding::Detect, true),
    ] {
        assert_eq!(compile(bytes, encoding).is_ok(), loads, "{encoding:?}");
    }
}

/// The first byte of a Struct is a line feed, and the length that follows may be a brace or white space.
#[test]
fn a_struct_that_begins_like_json_is_still_a_struct() {
    for wanted in [b'{', b' ', b'\n', b'\r', b'\t'] {
        let entry = (1..200).find_map(|length| {
            let bytes = to_struct(&json!({"region": "r".repeat(length)})).encode_to_vec();
            (bytes.get(1) == Some(&wanted)).then_some(bytes)
        });
        let Some(bytes) = entry else {
            // So short an entry has no room for this key: a shorter one does.
            let bytes = (0..30).find_map(|length| {
                let bytes = to_struct(&json!({"": "r".repeat(length)})).encode_to_vec();
                (bytes.get(1) == Some(&wanted)).then_some(bytes)
            });
            let errors = compile(&bytes.expect("a length"), Encoding::Detect).expect_err("no bundle");
            assert!(lines(&errors).contains("no such field"), "{wanted}: {}", lines(&errors));
            continue;
        };
        let errors = compile(&bytes, Encoding::Detect).expect_err("no bundle");
        assert!(
            lines(&errors).contains("`metadata` is missing"),
            "{wanted}: {}",
            lines(&errors)
        );
    }
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
