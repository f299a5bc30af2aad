use serde_json::{Value, json};

use super::{Algorithm, BuiltKeys, Jwk, KeyRing, KeyType, MAX_KEYS};
use crate::identity::base64url::encode;
use crate::reason::Reason;

/// The RSA key of RFC 7638 §3.1.
const RFC7638_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn rsa(kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "n": RFC7638_N, "e": "AQAB"})
}

fn ec(kid: &str, curve: &str, size: usize) -> Value {
    json!({"kty": "EC", "kid": kid, "crv": curve, "x": encode(&vec![1; size]), "y": encode(&vec![2; size])})
}

fn ed(kid: &str) -> Value {
    json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": encode(&[3; 32])})
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => jwk.as_object_mut().expect("an object").remove(name),
        value => jwk.as_object_mut().expect("an object").insert(name.to_owned(), value),
    };
    jwk
}

fn build(set: &[Value]) -> BuiltKeys {
    KeyRing::from_json(set, None)
}

fn selected(built: &BuiltKeys, kid: Option<&str>, algorithm: Algorithm) -> Result<KeyType, Reason> {
    built.ring.select(kid, algorithm).map(|key| key.key_type())
}

#[test]
fn names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::named(algorithm.name()), Some(*algorithm));
    }
    for refused in [
        "none", "HS256", "HS384", "HS512", "ES512", "ES256K", "rs256", "RS1", "", "Ed25519",
    ] {
        assert_eq!(Algorithm::named(refused), None, "{refused}");
    }
}

#[test]
fn what_each_key_may_verify() {
    let built = build(&[
        rsa("rsa"),
        ec("p256", "P-256", 32),
        ec("p384", "P-384", 48),
        ed("ed"),
        with(rsa("bound"), "alg", json!("RS512")),
    ]);
    assert_eq!((built.errors.len(), built.warnings.len()), (0, 0));
    let allowed: &[(&str, &[Algorithm])] = &[
        ("rsa", &[Algorithm::RS256, Algorithm::PS256]),
        ("p256", &[Algorithm::ES256]),
        ("p384", &[Algorithm::ES384]),
        ("ed", &[Algorithm::EdDSA]),
        ("bound", &[Algorithm::RS512]),
    ];
    for (kid, allowed) in allowed {
        for algorithm in Algorithm::ALL {
            let expected = if allowed.contains(algorithm) {
                Ok(algorithm.key_type())
            } else {
                Err(Reason::TokenAlgorithm)
            };
            assert_eq!(selected(&built, Some(kid), *algorithm), expected, "{kid} {algorithm:?}");
        }
    }
}

#[test]
fn the_allow_list_only_narrows() {
    let set = [rsa("rsa"), with(rsa("bound"), "alg", json!("RS512")), ed("ed")];
    let built = KeyRing::from_json(&set, Some(&[Algorithm::PS256, Algorithm::PS384, Algorithm::EdDSA]));
    assert_eq!(selected(&built, Some("rsa"), Algorithm::PS256), Ok(KeyType::Rsa));
    assert_eq!(
        selected(&built, Some("rsa"), Algorithm::RS256),
        Err(Reason::TokenAlgorithm)
    );
    assert_eq!(
        selected(&built, Some("rsa"), Algorithm::PS384),
        Err(Reason::TokenAlgorithm)
    );
    assert_eq!(
        selected(&built, Some("bound"), Algorithm::RS512),
        Err(Reason::KeyUnknown)
    );
    assert_eq!(built.warnings.len(), 1);
    assert!(
        built.warnings[0].message.contains("`keys.algorithms` allows none"),
        "{}",
        built.warnings[0]
    );
}

#[test]
fn without_a_kid_exactly_one_must_fit() {
    let built = build(&[rsa("a"), ed("b"), ec("c", "P-256", 32), ec("d", "P-256", 32)]);
    assert_eq!(selected(&built, None, Algorithm::EdDSA), Ok(KeyType::Ed25519));
    assert_eq!(selected(&built, None, Algorithm::PS256), Ok(KeyType::Rsa));
    assert_eq!(selected(&built, None, Algorithm::ES256), Err(Reason::KeyUnknown));
    assert_eq!(selected(&built, None, Algorithm::ES384), Err(Reason::KeyUnknown));
}

#[test]
fn an_unknown_kid_falls_back_to_nothing() {
    let built = build(&[ed("a"), with(ec("", "P-256", 32), "kid", Value::Null)]);
    assert_eq!(selected(&built, Some("b"), Algorithm::EdDSA), Err(Reason::KeyUnknown));
    assert_eq!(selected(&built, Some(""), Algorithm::ES256), Err(Reason::KeyUnknown));
    assert_eq!(selected(&build(&[]), None, Algorithm::EdDSA), Err(Reason::KeyUnknown));
}

#[test]
fn of_keys_with_the_same_kid_and_type_none_is_used() {
    let built = build(&[ec("a", "P-256", 32), ed("a"), ec("a", "P-384", 48), rsa("b")]);
    assert_eq!(selected(&built, Some("a"), Algorithm::EdDSA), Ok(KeyType::Ed25519));
    assert_eq!(
        selected(&built, Some("a"), Algorithm::ES256),
        Err(Reason::TokenAlgorithm)
    );
    assert_eq!(
        selected(&built, Some("a"), Algorithm::ES384),
        Err(Reason::TokenAlgorithm)
    );
    assert_eq!(selected(&built, None, Algorithm::ES256), Err(Reason::KeyUnknown));
    assert_eq!(built.errors.len(), 2);
    assert!(
        built.errors[0].message.contains("several `EC` keys have this `kid`"),
        "{}",
        built.errors[0]
    );
    assert_eq!(
        built.errors.iter().map(|problem| problem.index).collect::<Vec<_>>(),
        [0, 2]
    );
}

#[test]
fn a_key_for_something_else_is_left_aside() {
    for odd in [
        with(rsa("a"), "use", json!("enc")),
        with(rsa("a"), "key_ops", json!(["encrypt"])),
        with(rsa("a"), "alg", json!("RSA-OAEP")),
        with(rsa("a"), "alg", json!("HS256")),
        json!({"kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({"kty": "EC", "crv": "P-521", "kid": "a", "x": "AA", "y": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "a", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "a", "x": "AA"}),
        json!({"kty": "OKP", "crv": "Ed448", "kid": "a", "x": "AA"}),
    ] {
        let built = build(&[odd.clone(), ed("good")]);
        assert_eq!(
            (built.errors.len(), built.warnings.len(), built.ring.len()),
            (0, 1, 1),
            "{odd}"
        );
        assert_eq!(
            (built.warnings[0].index, built.warnings[0].kid.as_deref()),
            (0, Some("a"))
        );
        assert_eq!(selected(&built, Some("a"), Algorithm::RS256), Err(Reason::KeyUnknown));
    }
}

#[test]
fn a_wrong_key_is_an_error_and_spoils_no_other() {
    let sized = |bits: usize| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = u8::try_from((0x1_ff_u32 << ((bits + 7) % 8)) >> 8 & 0xff).expect("a byte");
        with(rsa("a"), "n", json!(encode(&modulus)))
    };
    let cases: &[(Value, &str)] = &[
        (sized(1024), "1024 bits"),
        (sized(2047), "2047 bits"),
        (sized(8193), "8193 bits"),
        (with(rsa("a"), "n", json!("")), "0 bits"),
        (with(rsa("a"), "n", json!(encode(&[0xfe; 256]))), "`n` is even"),
        (
            with(rsa("a"), "n", json!(format!("{RFC7638_N}=="))),
            "`n` is not base64url",
        ),
        (with(rsa("a"), "n", Value::Null), "`n` is missing"),
        (with(rsa("a"), "n", json!(5)), "`n` must be a string"),
        (with(rsa("a"), "e", Value::Null), "`e` is missing"),
        (with(rsa("a"), "e", json!("AQ")), "`e` must be odd"),
        (with(rsa("a"), "e", json!("BA")), "`e` must be odd"),
        (with(rsa("a"), "e", json!("")), "`e` must be odd"),
        (with(rsa("a"), "e", json!("AQAAAAE")), "`e` must be odd"),
        (with(rsa("a"), "alg", json!("ES256")), "does not fit"),
        (with(ec("a", "P-256", 32), "alg", json!("ES384")), "does not fit"),
        (with(rsa("a"), "d", json!("AQ")), "`d` is a member of a private"),
        (
            json!({"kty": "oct", "kid": "a", "k": "AQ"}),
            "`k` is a member of a private",
        ),
        (with(ed("a"), "d", json!("AQ")), "`d` is a member of a private"),
        (ec("a", "P-256", 31), "`x` has 31 bytes"),
        (ec("a", "P-256", 48), "`x` has 48 bytes"),
        (ec("a", "P-384", 32), "`x` has 32 bytes"),
        (
            with(ec("a", "P-256", 32), "y", json!(encode(&[1; 33]))),
            "`y` has 33 bytes",
        ),
        (with(ec("a", "P-256", 32), "y", Value::Null), "`y` is missing"),
        (with(ec("a", "P-256", 32), "crv", Value::Null), "`crv` is missing"),
        (with(ed("a"), "x", json!(encode(&[1; 31]))), "`x` has 31 bytes"),
        (with(ed("a"), "x", json!("A")), "`x` is not base64url"),
        (with(ed("a"), "kty", Value::Null), "`kty` is missing"),
        (with(ed("a"), "kid", json!("k".repeat(257))), "longer than 256 bytes"),
        (with(ed("a"), "kid", json!(5)), "`kid` must be a string"),
        (json!("key"), "a key is an object"),
    ];
    for (wrong, message) in cases {
        let built = build(&[wrong.clone(), ed("good")]);
        assert_eq!(
            (built.errors.len(), built.warnings.len(), built.ring.len()),
            (1, 0, 1),
            "{wrong}"
        );
        assert!(built.errors[0].message.contains(message), "{}", built.errors[0]);
    }
    assert_eq!(
        build(&[sized(2048), sized(8192)]).errors.len(),
        2,
        "only their common kid is wrong"
    );
}

#[test]
fn a_set_has_a_limit() {
    let many: Vec<_> = (0..=MAX_KEYS).map(|number| ed(&number.to_string())).collect();
    let built = build(&many);
    assert_eq!((built.ring.len(), built.errors.len()), (MAX_KEYS, 1));
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let built = build(&[
        rsa("a"),
        with(
            with(
                rsa("b"),
                "n",
                json!(encode(
                    &[&[0], &super::base64url::decode(RFC7638_N).expect("valid")[..]].concat()
                )),
            ),
            "e",
            json!("AAEAAQ"),
        ),
    ]);
    assert_eq!(built.errors, []);
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(
        built.ring.thumbprints().map(|print| encode(print)).collect::<Vec<_>>(),
        [expected, expected]
    );

    // RFC 8037 §A.3.
    let built = build(&[json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})]);
    assert_eq!(
        built.ring.thumbprints().map(|print| encode(print)).collect::<Vec<_>>(),
        ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
    );
}

#[test]
fn the_digest_changes_with_whatever_decides() {
    let base = [ed("a"), rsa("b")];
    let digest = |set: &[Value], allowed: Option<&[Algorithm]>| KeyRing::from_json(set, allowed).ring.digest();
    let same = digest(&base, None);
    assert_eq!(digest(&[rsa("b"), ed("a")], None), same);
    assert_eq!(
        digest(&[ed("a"), rsa("b"), with(ed("c"), "use", json!("enc"))], None),
        same
    );
    for other in [
        digest(&[ed("a")], None),
        digest(&[ed("a"), rsa("c")], None),
        digest(&[ed("a"), with(rsa(""), "kid", Value::Null)], None),
        digest(&[ed("a"), with(rsa("b"), "e", json!("Aw"))], None),
        digest(&[ed("a"), with(rsa("b"), "alg", json!("RS256"))], None),
        digest(&base, Some(&[Algorithm::EdDSA, Algorithm::PS256])),
    ] {
        assert_ne!(other, same);
    }
}

#[test]
fn the_host_gets_spki() {
    let built = build(&[ed("ed"), ec("p256", "P-256", 32), ec("p384", "P-384", 48), rsa("rsa")]);
    let spki = |kid: &str, algorithm| built.ring.select(Some(kid), algorithm).expect("a key").spki().to_vec();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(&spki("ed", Algorithm::EdDSA)),
        format!("302a300506032b6570032100{}", "03".repeat(32))
    );
    assert_eq!(
        hex(&spki("p256", Algorithm::ES256)),
        format!(
            "3059301306072a8648ce3d020106082a8648ce3d03010703420004{}{}",
            "01".repeat(32),
            "02".repeat(32)
        )
    );
    assert_eq!(
        hex(&spki("p384", Algorithm::ES384)),
        format!(
            "3076301006072a8648ce3d020106052b8104002203620004{}{}",
            "01".repeat(48),
            "02".repeat(48)
        )
    );
    let modulus = hex(&super::base64url::decode(RFC7638_N).expect("valid"));
    assert_eq!(
        hex(&spki("rsa", Algorithm::RS256)),
        format!("30820122300d06092a864886f70d01010105000382010f003082010a0282010100{modulus}0203010001")
    );
}

#[test]
fn the_typed_form_means_the_same() {
    let typed = Jwk::from_json(&ed("a")).expect("valid");
    assert_eq!(
        KeyRing::build(&[typed], None).ring.digest(),
        build(&[ed("a")]).ring.digest()
    );
}

#[test]
fn no_key_is_shown() {
    let built = build(&[rsa("a")]);
    assert!(!format!("{:?}", built.ring).contains(RFC7638_N.split_at(8).0));
}

#[test]
fn what_is_said_of_a_key_stays_short() {
    let long = "x".repeat(100_000);
    for name in ["kid", "use", "alg", "crv", "kty"] {
        let built = build(&[with(ec("a", "P-256", 32), name, json!(long))]);
        let said = built.errors.iter().chain(&built.warnings).map(ToString::to_string);
        let said: Vec<String> = said.collect();
        assert!(matches!(&said[..], [one] if one.len() < 200), "{name}: {}", said.len());
    }
}

#[test]
fn twins_are_named_by_their_places_in_the_set() {
    let aside = with(rsa("enc"), "use", json!("enc"));
    let built = build(&[aside, json!(1), ed("a"), rsa("b"), ed("a")]);
    let places: Vec<usize> = built.errors.iter().map(|problem| problem.index).collect();
    assert_eq!((places, built.ring.len()), (vec![1, 2, 4], 1));
}
