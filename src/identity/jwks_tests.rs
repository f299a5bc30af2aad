use serde_json::{Value, json};

use super::read_jwks;
use crate::identity::{Algorithm, MAX_KEYS};

fn ed25519(kid: &str, byte: u8) -> Value {
    let x = super::super::base64url::encode(&[byte; 32]);
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
}

fn rsa(kid: &str, bytes: usize) -> Value {
    let n = super::super::base64url::encode(&vec![0xFF; bytes]);
    json!({"kty": "RSA", "kid": kid, "n": n, "e": "AQAB"})
}

fn read(keys: &[Value]) -> Result<(usize, Vec<String>), String> {
    let built = read_jwks(json!({"keys": keys}).to_string().as_bytes(), None)?;
    let problems = built.errors.iter().chain(&built.warnings);
    Ok((built.ring.len(), problems.map(ToString::to_string).collect()))
}

#[test]
fn one_odd_key_spoils_no_other() {
    let good = ed25519("good", 1);
    for (odd, said) in [
        (json!({"kty": "LWE", "kid": "odd"}), "LWE"),
        (
            json!({"kty": "EC", "crv": "secp256k1", "kid": "odd", "x": "AA", "y": "AA"}),
            "secp256k1",
        ),
        (json!({"kid": "odd"}), "`kty` is missing"),
        (rsa("odd", 128), "1024 bits"),
        (
            json!({"kty": "oct", "kid": "odd", "k": "c2VjcmV0"}),
            "private or secret",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "odd", "x": "AA"}),
            "`x` has 1 bytes",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "kid": 7, "x": "AA"}),
            "`kid` must be a string",
        ),
        (json!("odd"), "a key is an object"),
        (json!(null), "a key is an object"),
        (json!(true), "a key is an object"),
        (json!(-1), "a key is an object"),
        (json!(1.5), "a key is an object"),
        (json!([[{}]]), "a key is an object"),
        (json!({}), "`kty` is missing"),
    ] {
        for keys in [[good.clone(), odd.clone()], [odd.clone(), good.clone()]] {
            let (count, problems) = read(&keys).expect("a good key");
            assert_eq!((count, problems.len()), (1, 1), "{odd}");
            assert!(problems[0].contains(said), "{odd}: {problems:?}");
        }
    }
    let mut enc = ed25519("enc", 2);
    enc["use"] = json!("enc");
    let mut other = ed25519("other", 3);
    other["alg"] = json!("RSA-OAEP");
    let (count, problems) = read(&[good, enc, other]).expect("a good key");
    assert_eq!((count, problems.len()), (1, 2));
}

#[test]
fn of_keys_with_one_name_none_is_used_and_a_member_twice_spoils_its_key_only() {
    let (count, problems) = read(&[ed25519("a", 1), ed25519("a", 2), ed25519("b", 3)]).expect("a good key");
    assert_eq!((count, problems.len()), (1, 2));
    let x = ed25519("b", 3)["x"].to_string();
    let twice = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"a","x":{x},"kid":"b"}}"#);
    let set = format!(r#"{{"keys":[{twice},{}]}}"#, ed25519("c", 4));
    let built = read_jwks(set.as_bytes(), None).expect("a good key");
    assert_eq!(built.ring.len(), 1);
    assert!(built.ring.select(Some("c"), Algorithm::EdDSA).is_ok());
    assert!(built.errors[0].to_string().contains("twice"), "{:?}", built.errors);
}

#[test]
fn what_is_no_set_or_has_no_usable_key_is_refused() {
    let many: Vec<Value> = (0..=MAX_KEYS).map(|index| ed25519(&index.to_string(), 1)).collect();
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (set, said) in [
        (String::new(), "not a JSON object"),
        ("<html></html>".to_owned(), "not a JSON object"),
        ("[]".to_owned(), "not a JSON object"),
        ("[[]]".to_owned(), "not a JSON object"),
        ("{}".to_owned(), "not a JSON object"),
        (r#"{"keys":{}}"#.to_owned(), "not a JSON object"),
        (r#"{"keys":null}"#.to_owned(), "not a JSON object"),
        (r#"{"keys":[],"keys":[]}"#.to_owned(), "not a JSON object"),
        (r#"{"keys":[]} x"#.to_owned(), "not a JSON object"),
        (deep, "not one of its 1 keys"),
        (r#"{"keys":[]}"#.to_owned(), "not one of its 0 keys"),
        (
            r#"{"keys":[{"kty":"oct","kid":"hs","k":"AAAA"}]}"#.to_owned(),
            "not one of its 1 keys can be used here, as key 0 (`hs`)",
        ),
        (json!({"keys": many}).to_string(), "101 keys are too many"),
    ] {
        let problem = read_jwks(set.as_bytes(), None).expect_err("refused");
        assert!(problem.contains(said), "{problem}");
        assert!(!problem.contains("AAAA"));
    }
    let narrowed = json!({"keys": [ed25519("a", 1)]}).to_string();
    assert!(read_jwks(narrowed.as_bytes(), Some(&[Algorithm::ES256])).is_err());
}
