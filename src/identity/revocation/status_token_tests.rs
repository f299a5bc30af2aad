use serde_json::{Value as Json, json};

use super::*;
use crate::identity::testing::{NOW, Signer};
use crate::identity::{Algorithm, PublicKey, RingVerifier};

const URI: &str = "https://status.us-east-1.com/lists/1";

fn now() -> f64 {
    NOW as f64
}

fn claims() -> Json {
    json!({"sub": URI, "iat": NOW - 60, "exp": NOW + 600, "ttl": 300, "status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}})
}

fn header() -> Json {
    json!({"alg": "EdDSA", "kid": "one", "typ": "statuslist+jwt"})
}

fn token(header: &Json, claims: &Json) -> String {
    Signer::ed25519("one", 1).token_with(&header.to_string(), &claims.to_string())
}

fn verify(token: &str) -> Result<VerifiedStatusList, String> {
    let ring = KeyRing::from_json(&[Signer::ed25519("one", 1).jwk()], None).ring;
    let verifier: Rc<dyn SignatureVerifier> = Rc::new(RingVerifier);
    VerifiedStatusList::verify(token.as_bytes(), URI, &ring, &verifier, now())
}

#[track_caller]
fn refused(header: &Json, claims: &Json) -> String {
    let problem = verify(&token(header, claims)).expect_err("refused");
    assert!(problem.bytes().all(|byte| matches!(byte, 0x20..=0x7E)), "{problem}");
    problem
}

#[test]
fn a_list_that_its_region_signed_is_read() {
    let list = verify(&token(&header(), &claims())).expect("verified");
    assert_eq!(
        (list.list().get(0), list.list().get(1), list.list().get(16)),
        (Some(1), Some(0), None)
    );
    assert_eq!(list.key.kid.as_deref(), Some("one"));
    assert!(list.holds(now() + 629.0) && !list.holds(now() + 630.0));
    for typ in ["application/statuslist+jwt", "StatusList+JWT"] {
        let mut header = header();
        header["typ"] = json!(typ);
        verify(&token(&header, &claims())).expect(typ);
    }
    verify(&format!("{}\n", token(&header(), &claims()))).expect("a line feed at the end");
    // Without `kid` it is the one key that fits, and that one has a name.
    let nameless = verify(&token(&json!({"alg": "EdDSA", "typ": "statuslist+jwt"}), &claims())).expect("verified");
    assert_eq!(nameless.key.kid.as_deref(), Some("one"));
}

#[test]
fn what_another_signed_or_meant_is_refused() {
    let with = |mut json: Json, name: &str, value: Json| {
        match value {
            Json::Null => json.as_object_mut().expect("an object").remove(name),
            value => json.as_object_mut().expect("an object").insert(name.to_owned(), value),
        };
        json
    };
    for (typ, alg, problem) in [
        (json!("JWT"), json!("EdDSA"), "`typ` is not `statuslist+jwt`"),
        (json!("at+jwt"), json!("EdDSA"), "`typ` is not `statuslist+jwt`"),
        (Json::Null, json!("EdDSA"), "`typ` is not `statuslist+jwt`"),
        (json!("statuslist+jwt"), json!("none"), "`alg`"),
        (json!("statuslist+jwt"), json!("HS256"), "`alg`"),
        (json!("statuslist+jwt"), json!("ES256"), "`alg`"),
    ] {
        let header = with(with(header(), "typ", typ), "alg", alg);
        let found = refused(&header, &claims());
        assert!(found.contains(problem), "{header}: {found}");
    }
    let unknown = refused(&with(header(), "kid", json!("two")), &claims());
    assert!(unknown.contains("no key with this `kid`"), "{unknown}");
    let forged = Signer::ed25519("one", 2).token_with(&header().to_string(), &claims().to_string());
    assert!(verify(&forged).expect_err("forged").contains("signature"));
    for (name, value, problem) in [
        ("sub", json!("https://status.us-east-1.com/lists/2"), "`sub`"),
        ("iat", json!(NOW + 31), "`iat` is in the future"),
        ("exp", json!(NOW - 30), "expired"),
        (
            "status_list",
            json!({"bits": 3, "lst": "eNrbuRgAAhcBXQ"}),
            "`status_list.bits`",
        ),
    ] {
        let found = refused(&header(), &with(claims(), name, value));
        assert!(found.contains(problem), "{name}: {found}");
    }
    verify(&token(&header(), &with(claims(), "exp", Json::Null))).expect("one that does not expire");
    for garbage in ["", "x", "a.b.c", "<html></html>"] {
        verify(garbage).expect_err(garbage);
    }
}

/// Says yes to everything: what is tested is what stands around the signature.
struct Yes;

impl SignatureVerifier for Yes {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

#[test]
fn the_largest_list_fits_into_the_largest_token() {
    let mut state = 1_u64;
    let noise: Vec<u8> = core::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(STATUS_LIST_BYTES)
    .collect();
    let lst = crate::identity::base64url::encode(&miniz_oxide::deflate::compress_to_vec_zlib(&noise, 1));
    let mut claims = claims();
    claims["status_list"]["lst"] = json!(lst);
    let part = |json: &Json| crate::identity::base64url::encode(json.to_string().as_bytes());
    let token = format!("{}.{}.AA", part(&header()), part(&claims));
    assert!(token.len() <= STATUS_TOKEN_BYTES, "{}", token.len());
    let ring = KeyRing::from_json(&[Signer::ed25519("one", 1).jwk()], None).ring;
    let yes: Rc<dyn SignatureVerifier> = Rc::new(Yes);
    let verify = |token: &str| VerifiedStatusList::verify(token.as_bytes(), URI, &ring, &yes, now());
    assert_eq!(verify(&token).expect("verified").list().size(), STATUS_LIST_BYTES);
    let larger = format!("{token}{}", "A".repeat(STATUS_TOKEN_BYTES));
    verify(&larger).expect_err("larger than the largest");
}
