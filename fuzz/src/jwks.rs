//! Key sets, as an issuer's endpoint answers them.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::identity::{Algorithm, BuiltKeys, KeyRing, KeyType, MAX_KEYS, read_jwks};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::oracle::{has_no_value, members_are_unique, object};

/// The longest word on a key.
const MESSAGE_MAX: usize = 1024;

/// The body of a JWKS endpoint.
///
/// Each key of the ring is one that was given, of the type that its algorithms need; of each that was given either the ring or a message tells; no message holds a
/// key; and the order of the set changes nothing.
pub fn jwks(data: &[u8]) {
    let fetched = read_jwks(data, None);
    if has_no_value(data) {
        // Where that stands in what is no usable key, the others count.
        return;
    }
    let Some(Value::Array(set)) = object(data).and_then(|mut set| set.remove("keys")) else {
        assert!(fetched.is_err(), "a set of what is none");
        return;
    };
    let built = KeyRing::from_json(&set, None);
    // The only difference between the two ways in: of a member that stands twice, one takes the last, and the other refuses the key.
    let unique = members_are_unique(data);
    match &fetched {
        Ok(fetched) => {
            assert!((1..=MAX_KEYS).contains(&fetched.ring.len()) && set.len() <= MAX_KEYS);
            assert!(
                !unique || fetched.ring.digest() == built.ring.digest(),
                "two answers to one set"
            );
            silent(&set, fetched);
        }
        Err(word) => {
            assert!(word.len() <= MESSAGE_MAX, "a word of {} bytes", word.len());
            assert!(!unique || set.len() > MAX_KEYS || built.ring.is_empty(), "{word}");
        }
    }
    if set.len() > MAX_KEYS {
        // It is refused as a whole, whatever is in it.
        assert!(fetched.is_err() && !built.errors.is_empty(), "too many keys");
        return;
    }
    accounted(&set, &built);
    given(&set, &built.ring);
    silent(&set, &built);
    let reversed: Vec<Value> = set.iter().rev().cloned().collect();
    assert!(
        KeyRing::from_json(&reversed, None).ring.digest() == built.ring.digest(),
        "the order of the set"
    );
    let narrow = KeyRing::from_json(&set, Some(&[Algorithm::ES256])).ring;
    for kid in set.iter().filter_map(|jwk| jwk["kid"].as_str()) {
        let algorithms = Algorithm::ALL
            .iter()
            .filter(|algorithm| narrow.select(Some(kid), **algorithm).is_ok());
        assert!(
            algorithms.eq(narrow
                .select(Some(kid), Algorithm::ES256)
                .iter()
                .map(|_| &Algorithm::ES256)),
            "more than is allowed"
        );
    }
}

fn accounted(set: &[Value], built: &BuiltKeys) {
    let problems: HashSet<usize> = built
        .errors
        .iter()
        .chain(&built.warnings)
        .map(|problem| problem.index)
        .collect();
    assert!(
        problems.iter().all(|index| *index < set.len()),
        "a problem of a key that is not there"
    );
    assert!(
        built.ring.len() + problems.len() >= set.len(),
        "a key is gone without a word"
    );
}

/// Each usable key is one of the set, and is chosen by its own name and for its own algorithms only.
fn given(set: &[Value], ring: &KeyRing) {
    let known: HashSet<[u8; 32]> = set.iter().filter_map(thumbprint).collect();
    assert!(
        ring.thumbprints().all(|print| known.contains(print)),
        "a key that nobody gave"
    );
    for jwk in set {
        let Some(kid) = jwk["kid"].as_str() else { continue };
        for algorithm in Algorithm::ALL {
            let Ok(key) = ring.select(Some(kid), *algorithm) else {
                continue;
            };
            assert_eq!(key.key_type(), algorithm.key_type());
            // The same key may stand there again in a form that is skipped, under another algorithm, say.
            let usable = |jwk: &Value| KeyRing::from_json(core::slice::from_ref(jwk), None).ring.len() == 1;
            let own = |jwk: &&Value| jwk["kid"] == kid && thumbprint(jwk).as_ref() == Some(key.thumbprint());
            let named = set
                .iter()
                .find(|jwk| own(jwk) && usable(jwk))
                .expect("the key that was named");
            assert!(
                named["alg"].is_null() || named["alg"] == algorithm.name(),
                "an algorithm of another key"
            );
            assert!(
                named["use"].is_null() || named["use"] == "sig",
                "a key for something else"
            );
            assert!(
                ["d", "k", "p"].iter().all(|secret| named.get(secret).is_none()),
                "a private key"
            );
            assert!(
                key.key_type() != KeyType::Rsa || key.raw().len() >= 256,
                "a short modulus"
            );
            let twins = set
                .iter()
                .filter(|jwk| jwk["kid"] == kid && thumbprint(jwk).is_some() && jwk["kty"] == named["kty"]);
            assert_eq!(
                twins.filter(|jwk| usable(jwk)).count(),
                1,
                "which of several keys is meant cannot be told"
            );
        }
    }
}

/// RFC 7638, from the members as they are given.
pub(crate) fn thumbprint(jwk: &Value) -> Option<[u8; 32]> {
    let text = |name: &str| jwk[name].as_str();
    // A sign byte before the modulus is no part of the number.
    let number = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Some(URL_SAFE_NO_PAD.encode(&bytes[zeros..]))
    };
    let canonical = match (text("kty")?, text("crv")) {
        ("RSA", _) => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, number("e")?, number("n")?),
        ("EC", Some(crv)) => format!(
            r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x")?,
            text("y")?
        ),
        ("OKP", Some(crv)) => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{}"}}"#, text("x")?),
        _ => return None,
    };
    Some(Sha256::digest(canonical).into())
}

/// Messages are short, and hold nothing of a key.
fn silent(set: &[Value], built: &BuiltKeys) {
    for problem in built.errors.iter().chain(&built.warnings) {
        let message = problem.to_string();
        assert!(message.len() <= MESSAGE_MAX, "a message of {} bytes", message.len());
        for name in ["n", "x", "y", "d", "k", "p", "q"] {
            let material = set[problem.index][name].as_str().filter(|text| text.len() >= 32);
            let material = material.filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok());
            // What stands in a member that is no secret is repeated, for a while.
            let elsewhere = |text: &str| {
                ["kty", "crv", "alg", "use", "kid"]
                    .iter()
                    .any(|name| set[problem.index][name].as_str().is_some_and(|own| own.contains(text)))
            };
            assert!(
                material.is_none_or(|text| !message.contains(text) || elsewhere(text)),
                "`{name}` of a key in `{message}`"
            );
        }
    }
}
