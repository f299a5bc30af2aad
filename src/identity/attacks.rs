//! What attackers do to tokens, each against a Region with one key of each type.

use serde_json::{Value, json};

use super::base64url::{decode, encode};
use super::testing::{NOW, Point, Signer, claims, claims_with, ring};
use super::{Algorithm, Crypto, RingVerifier, SignatureVerifier, ecdsa_der};
use crate::reason::Reason;

/// A point that trusts these keys, and the keys: Ed25519 `ed`, P-256 `p256`, P-384 `p384`, RSA `rsa`.
fn point() -> (Point, [Signer; 4]) {
    let signers = [
        Signer::ed25519("ed", 1),
        Signer::p256("p256"),
        Signer::p384("p384"),
        Signer::rsa("rsa"),
    ];
    (
        Point::with_keys(&signers.iter().map(Signer::jwk).collect::<Vec<_>>()),
        signers,
    )
}

fn input(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    )
}

fn payload() -> String {
    claims("us-east-1").to_string()
}

#[test]
fn every_algorithm_verifies_what_its_key_signed() {
    let rsa = Signer::rsa("rsa");
    for algorithm in Algorithm::ALL
        .iter()
        .filter(|algorithm| algorithm.key_type() == super::KeyType::Rsa)
    {
        let mut jwk = rsa.jwk();
        jwk["alg"] = json!(algorithm.name());
        let input = input(&json!({"alg": algorithm.name(), "kid": "rsa"}), &claims("us-east-1"));
        let token = format!("{input}.{}", encode(&rsa.sign(*algorithm, input.as_bytes())));
        assert_eq!(Point::with_keys(&[jwk]).refusal(&token), None, "{algorithm:?}");
        let unbound = Point::with_keys(&[rsa.jwk()]).refusal(&token);
        let is_usual = matches!(algorithm, Algorithm::RS256 | Algorithm::PS256);
        assert_eq!(unbound, (!is_usual).then_some(Reason::TokenAlgorithm), "{algorithm:?}");
    }
    let (mut point, signers) = point();
    for signer in &signers {
        assert_eq!(point.refusal(&signer.token(&claims("us-east-1"))), None);
    }
}

#[test]
fn none_and_unsigned() {
    let (mut point, _) = point();
    for alg in ["none", "None", "NONE", "nOnE", "none ", "\u{0}none", ""] {
        for kid in [json!({"alg": alg}), json!({"alg": alg, "kid": "ed"})] {
            let input = input(&kid, &claims("us-east-1"));
            assert_eq!(point.refusal(&format!("{input}.")), Some(Reason::TokenMalformed));
            assert_eq!(
                point.refusal(&format!("{input}.{}", encode(&[0; 64]))),
                Some(Reason::TokenAlgorithm)
            );
        }
    }
    assert_eq!(point.counting.calls.get(), 0);
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let (mut point, [_, p256, _, rsa]) = point();
    // The MAC itself is beside the point: no HMAC algorithm is known here.
    for (signer, kid) in [(&rsa, "rsa"), (&p256, "p256")] {
        for alg in ["HS256", "HS384", "HS512"] {
            let input = input(&json!({"alg": alg, "kid": kid}), &claims("us-east-1"));
            let mac = ring::hmac::sign(
                &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.jwk().to_string().as_bytes()),
                input.as_bytes(),
            );
            assert_eq!(
                point.refusal(&format!("{input}.{}", encode(mac.as_ref()))),
                Some(Reason::TokenAlgorithm)
            );
        }
    }
}

#[test]
fn a_key_that_the_token_brings_is_not_used() {
    let (mut point, _) = point();
    let attacker = Signer::ed25519("ed", 66);
    for header in [
        json!({"alg": "EdDSA", "jwk": attacker.jwk()}),
        json!({"alg": "EdDSA", "kid": "ed", "jwk": attacker.jwk()}),
        json!({"alg": "EdDSA", "kid": "ed", "jku": "https://attacker.example/jwks.json"}),
        json!({"alg": "EdDSA", "kid": "ed", "x5u": "https://attacker.example/cert.pem", "x5c": ["AA"], "x5t": "AA"}),
    ] {
        assert_eq!(
            point.refusal(&attacker.token_with(&header.to_string(), &payload())),
            Some(Reason::TokenSignature)
        );
    }
    let own = Signer::ed25519("ed", 1);
    assert_eq!(
        point.refusal(&own.token_with(
            &json!({"alg": "EdDSA", "kid": "ed", "jwk": attacker.jwk()}).to_string(),
            &payload()
        )),
        None
    );
}

#[test]
fn kids() {
    let (mut point, [ed, ..]) = point();
    let with = |kid: Value| ed.token_with(&json!({"alg": "EdDSA", "kid": kid}).to_string(), &payload());
    for kid in ["unknown", "ED", "ed ", "../ed", "ed\u{0}", "", "' or 1=1 --"] {
        assert_eq!(point.refusal(&with(json!(kid))), Some(Reason::KeyUnknown), "{kid}");
    }
    assert_eq!(point.refusal(&with(json!("p256"))), Some(Reason::TokenAlgorithm));
    assert_eq!(
        point.refusal(&with(json!("k".repeat(10_240)))),
        Some(Reason::TokenMalformed)
    );
    assert_eq!(point.refusal(&with(json!(["ed"]))), Some(Reason::TokenMalformed));
    assert_eq!(
        point.refusal(&ed.token_with(r#"{"alg":"EdDSA"}"#, &payload())),
        None,
        "one key fits"
    );

    let twin = Signer::ed25519("other", 9);
    let mut two = Point::with_keys(&[ed.jwk(), twin.jwk()]);
    assert_eq!(
        two.refusal(&ed.token_with(r#"{"alg":"EdDSA"}"#, &payload())),
        Some(Reason::KeyUnknown),
        "two keys fit"
    );
}

#[test]
fn the_algorithm_is_the_keys() {
    let (mut point, [_, p256, p384, rsa]) = point();
    let claims = claims("us-east-1");
    let by = |signer: &Signer, algorithm: Algorithm, alg: &str, kid: &str| {
        let input = input(&json!({"alg": alg, "kid": kid}), &claims);
        format!("{input}.{}", encode(&signer.sign(algorithm, input.as_bytes())))
    };
    assert_eq!(
        point.refusal(&by(&rsa, Algorithm::RS384, "RS384", "rsa")),
        Some(Reason::TokenAlgorithm)
    );
    assert_eq!(
        point.refusal(&by(&rsa, Algorithm::RS256, "PS256", "rsa")),
        Some(Reason::TokenSignature)
    );
    assert_eq!(
        point.refusal(&by(&rsa, Algorithm::PS256, "RS256", "rsa")),
        Some(Reason::TokenSignature)
    );
    assert_eq!(
        point.refusal(&by(&p256, Algorithm::ES256, "ES256", "p384")),
        Some(Reason::TokenAlgorithm)
    );
    assert_eq!(
        point.refusal(&by(&p256, Algorithm::ES256, "ES384", "p384")),
        Some(Reason::TokenSignature)
    );
    assert_eq!(
        point.refusal(&by(&p384, Algorithm::ES384, "ES256", "p256")),
        Some(Reason::TokenSignature)
    );
}

#[test]
fn signatures_that_were_touched() {
    let (mut point, [ed, p256, p384, rsa]) = point();
    for signer in [&ed, &p256, &p384, &rsa] {
        let token = signer.token(&claims("us-east-1"));
        let (input, signature) = token.rsplit_once('.').expect("a token");
        let good = decode(signature).expect("valid");
        let length = good.len();
        let mut flipped = good.clone();
        flipped[length - 1] ^= 1;
        let touched = [
            vec![0; length],
            vec![0xff; length],
            vec![1],
            good[..length - 1].to_vec(),
            good[1..].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
            [&good[..], &good[..]].concat(),
            flipped,
            [&good[..length / 2], &vec![0; length / 2]].concat(),
            [&vec![0; length / 2], &good[length / 2..]].concat(),
            [&good[length / 2..], &good[..length / 2]].concat(),
            ecdsa_der(&good).unwrap_or_default(),
        ];
        for (index, touched) in touched.iter().enumerate() {
            point.seconds += 3.0;
            let answer = point.refusal(&format!("{input}.{}", encode(touched)));
            let expected = if touched.is_empty() {
                Reason::TokenMalformed
            } else {
                Reason::TokenSignature
            };
            assert_eq!(answer, Some(expected), "{:?} {index}", signer.algorithm());
        }
        assert_eq!(point.refusal(&token), None);
    }
}

#[test]
fn whatever_is_signed_counts() {
    let (mut point, [ed, ..]) = point();
    let token = ed.token(&claims("us-east-1"));
    let parts: Vec<_> = token.split('.').collect();
    let other = encode(claims_with("us-east-1", "sub", json!("mallory")).to_string().as_bytes());
    assert_eq!(
        point.refusal(&format!("{}.{other}.{}", parts[0], parts[2])),
        Some(Reason::TokenSignature)
    );
    let header = encode(br#"{"kid":"ed","alg":"EdDSA"}"#);
    assert_eq!(
        point.refusal(&format!("{header}.{}.{}", parts[1], parts[2])),
        Some(Reason::TokenSignature)
    );
}

#[test]
fn forms() {
    let (mut point, [ed, ..]) = point();
    let token = ed.token(&claims("us-east-1"));
    let parts: Vec<_> = token.split('.').collect();
    let malformed = [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{}", parts[2]),
        format!("{token}.{}.{}", parts[2], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        token.replacen('.', ". ", 1),
        token.to_uppercase(),
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}).to_string(),
    ];
    for token in malformed {
        assert_eq!(point.refusal(&token), Some(Reason::TokenMalformed), "{token}");
    }
    assert_eq!(point.ask_bytes(&[0xff; 100]).err(), Some(Reason::TokenMalformed));
    assert_eq!(
        point.ask_bytes(&[b'a'; 16 * 1024 + 1]).err(),
        Some(Reason::TokenTooLarge)
    );
    assert_eq!(point.ask_bytes(b"").err(), Some(Reason::TokenMalformed));

    // The unused bits of the last character: another spelling of the same signature.
    let last = parts[2].chars().last().expect("a character");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet
        .chars()
        .nth(alphabet.find(last).expect("in the alphabet") + 1)
        .expect("not the last");
    let twin = format!("{}{next}", token.strip_suffix(last).expect("its last character"));
    assert_eq!(point.refusal(&twin), Some(Reason::TokenMalformed));
}

#[test]
fn headers_and_claims_with_two_meanings() {
    let (mut point, [ed, ..]) = point();
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let signed = |header: &str, payload: &str| ed.token_with(header, payload);
    let cases = [
        (
            signed(r#"{"alg":"EdDSA","kid":"ed","alg":"EdDSA"}"#, &payload()),
            Reason::TokenMalformed,
        ),
        (
            signed(r#"{"alg":"EdDSA","kid":"ed","crit":["b64"],"b64":false}"#, &payload()),
            Reason::TokenCritical,
        ),
        (
            signed(r#"{"alg":"EdDSA","kid":"ed","b64":false}"#, &payload()),
            Reason::TokenCritical,
        ),
        (
            signed(r#"{"alg":"EdDSA","kid":"ed","typ":"logout+jwt"}"#, &payload()),
            Reason::TokenType,
        ),
        (
            signed(header, &payload().replacen('{', r#"{"sub":"mallory","#, 1)),
            Reason::TokenMalformed,
        ),
        (
            signed(header, &payload().replacen('{', r#"{"s\u0075b":"mallory","#, 1)),
            Reason::TokenMalformed,
        ),
        (
            signed(header, &payload().replace(r#"{"global""#, r#"{"global":[],"global""#)),
            Reason::TokenMalformed,
        ),
        (
            signed(
                header,
                &payload().replacen('{', &format!("{{\"x\":{}{},", "[".repeat(17), "]".repeat(17)), 1),
            ),
            Reason::TokenMalformed,
        ),
        (
            signed(header, &format!("{} ", payload()).replace("} ", "}}")),
            Reason::TokenMalformed,
        ),
        (signed(header, "[]"), Reason::TokenMalformed),
        (signed(header, "null"), Reason::TokenMalformed),
        (
            signed(
                header,
                &payload().replace(&format!("\"exp\":{}", NOW + 600), "\"exp\":1e400"),
            ),
            Reason::TokenMalformed,
        ),
        (
            signed(
                header,
                &payload().replace(&format!("\"exp\":{}", NOW + 600), "\"exp\":-1"),
            ),
            Reason::TokenClaims,
        ),
        (
            signed(
                header,
                &payload().replace(&format!("\"exp\":{}", NOW + 600), "\"exp\":\"1\""),
            ),
            Reason::TokenClaims,
        ),
        (
            signed(
                header,
                &payload().replace(&format!("\"exp\":{}", NOW + 600), "\"exp\":1e300"),
            ),
            Reason::TokenClaims,
        ),
        (
            ed.token(&claims_with("us-east-1", "exp", Value::Null)),
            Reason::TokenClaims,
        ),
        (
            ed.token(&claims_with("us-east-1", "sub", Value::Null)),
            Reason::TokenClaims,
        ),
        (
            ed.token(&claims_with("us-east-1", "sub", json!(""))),
            Reason::TokenClaims,
        ),
    ];
    for (index, (token, expected)) in cases.iter().enumerate() {
        assert_eq!(point.refusal(token), Some(*expected), "{index}");
    }
    assert_eq!(point.counting.calls.get(), 0, "none of these was worth a verification");
}

#[test]
fn the_provider_verifies_nothing_outside_of_a_call() {
    let _ours = Crypto::install().expect("ours");
    let key = jsonwebtoken::DecodingKey::from_ed_der(&[1; 32]);
    let secret = jsonwebtoken::DecodingKey::from_secret(b"secret");
    for algorithm in [
        jsonwebtoken::Algorithm::EdDSA,
        jsonwebtoken::Algorithm::HS256,
        jsonwebtoken::Algorithm::RS256,
    ] {
        assert!(jsonwebtoken::crypto::verify("AA", b"message", &key, algorithm).is_err());
        assert!(jsonwebtoken::crypto::verify("AA", b"message", &secret, algorithm).is_err());
    }
    let encoding = jsonwebtoken::EncodingKey::from_secret(b"secret");
    assert!(jsonwebtoken::crypto::sign(b"message", &encoding, jsonwebtoken::Algorithm::HS256).is_err());
    assert!(Crypto::install().is_ok(), "it stays ours");

    // Nor after one, not even what that one verified.
    let (mut point, [ed, ..]) = point();
    let token = ed.token(&claims("us-east-1"));
    assert_eq!(point.refusal(&token), None);
    let (input, signature) = token.rsplit_once('.').expect("a token");
    let keys = ring(&point.regions[0]);
    let key = keys.select(Some("ed"), Algorithm::EdDSA).expect("a key");
    let again = jsonwebtoken::crypto::verify(
        signature,
        input.as_bytes(),
        key.decoding(),
        jsonwebtoken::Algorithm::EdDSA,
    );
    assert!(again.is_err());
}

/// During a call, asks `jsonwebtoken` for something else.
struct Curious;

impl SignatureVerifier for Curious {
    fn verify(&self, algorithm: Algorithm, key: &super::PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let (signature, own) = (encode(signature), key.decoding());
        let other = jsonwebtoken::DecodingKey::from_ed_der(&[1; 32]);
        let secret = jsonwebtoken::DecodingKey::from_secret(key.raw());
        assert_eq!(algorithm, Algorithm::EdDSA);
        for (key, algorithm) in [
            (&other, jsonwebtoken::Algorithm::EdDSA),
            (&secret, jsonwebtoken::Algorithm::HS256),
            (&secret, jsonwebtoken::Algorithm::EdDSA),
            (own, jsonwebtoken::Algorithm::ES256),
            (own, jsonwebtoken::Algorithm::HS256),
        ] {
            assert!(
                jsonwebtoken::crypto::verify(&signature, message, key, algorithm).is_err(),
                "{algorithm:?}"
            );
        }
        RingVerifier.verify(algorithm, key, message, &decode(&signature).expect("valid"))
    }
}

#[test]
fn the_provider_verifies_by_the_key_and_algorithm_of_the_call_only() {
    let (mut point, [ed, ..]) = point();
    point.verifier = std::rc::Rc::new(Curious);
    assert_eq!(point.refusal(&ed.token(&claims("us-east-1"))), None);
}

#[test]
fn keys_and_algorithms_of_different_types_never_meet() {
    let (point, signers) = point();
    for (signer, kid) in signers.iter().zip(["ed", "p256", "p384", "rsa"]) {
        let keys = ring(&point.regions[0]);
        let key = keys.select(Some(kid), signer.algorithm()).expect("a key");
        for algorithm in Algorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.key_type() != key.key_type())
        {
            assert!(!RingVerifier.verify(*algorithm, key, b"m", &signer.sign(signer.algorithm(), b"m")));
        }
    }
}

#[test]
fn a_point_off_the_curve_verifies_nothing() {
    let signer = Signer::p256("p256");
    let mut jwk = signer.jwk();
    jwk["y"] = jwk["x"].clone();
    let mut point = Point::with_keys(&[jwk]);
    assert_eq!(
        point.refusal(&signer.token(&claims("us-east-1"))),
        Some(Reason::TokenSignature)
    );
}
