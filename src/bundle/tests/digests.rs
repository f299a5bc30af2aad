//! One bundle, however it is written; another one, whatever was changed.

use prost::Message as _;
use serde_json::json;

use super::*;
use crate::bundle::RegionId;
use crate::identity::KeyTable;

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

/// What a verified token's place in the cache hangs on: the digest of all Regions, and those of their keys.
fn trust(generation: &Generation) -> ([u8; 32], Vec<Option<[u8; 32]>>) {
    let keys = KeyTable::inline(&generation.regions);
    let each = (0..).map(RegionId).take(generation.regions.len());
    (
        generation.trust_digest,
        each.map(|region| keys.digest(region).copied()).collect(),
    )
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
        ("documents[0].spec.trustDomains[0]", json!("other"), true),
        ("documents[0].spec.claims.region", json!("home"), true),
        ("documents[0].spec.claims.roles", json!("groups"), true),
        ("documents[0].spec.claims.permissions", json!("scope"), true),
        ("documents[0].spec.claims.audience", json!("client_id"), true),
        ("documents[0].spec.claims.require", json!({"token_use": "access"}), true),
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
        assert_eq!(trust(&before) != trust(&after), trusted, "{place}");
    }
}

#[test]
fn the_names_of_regions_are_part_of_the_trust() {
    let of = |name: &str| {
        let bundle = bundle_of(vec![
            region("us-east-1", 1),
            region("other", 2),
            policy("p", json!({"default": "allow"})),
        ]);
        compiled(&serde_json::from_str(&bundle.to_string().replace("other", name)).expect("JSON")).trust_digest
    };
    assert_ne!(of("eu-west-1"), of("eu-west-2"));
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
        trust(&compiled(&bundle))
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
