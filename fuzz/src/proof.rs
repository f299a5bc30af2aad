//! DPoP proofs.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::identity::{
    Algorithm, DpopOptions, FailureBudget, Judge, PresentedProof, Proofs, PublicKey, SignatureVerifier,
};
use regionguard::reason::Reason;
use regionguard::request::{PathOptions, Scheme, canonicalise};
use regionguard::time::{Monotonic, Now, WallTime};
use serde_json::Value;

use crate::driven::START;
use crate::jwks::thumbprint;
use crate::oracle::{members_are_unique, object, parts};

struct Always;

impl SignatureVerifier for Always {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// A proof as it is, or, where there is a line feed in it, its header and its claims, which are spelled here.
///
/// With every signature found good, a proof that is taken is one for this request in a naive reading too, and is not taken again.
pub fn proof(data: &[u8]) {
    let text = spelled(data);
    let told = parts(&text);
    let key = told.as_ref().and_then(|[header, ..]| key_of(header)).unwrap_or([0; 32]);
    let mut proofs = Proofs::with_places(8, 7);
    proofs.begin(WallTime((START - 3_600) * 1_000_000_000));
    let mut budget = FailureBudget::new(7);
    let verifier: Rc<dyn SignatureVerifier> = Rc::new(Always);
    let clock = || Monotonic(0);
    let now = Now::new(WallTime(START * 1_000_000_000), &clock);
    let paths = PathOptions::default();
    let path = canonicalise(b"/v1/things", &paths).expect("a path");
    let mut check = || {
        let presented = PresentedProof {
            proofs: &[&text],
            key: &key,
            token: &[7; 32],
            subject: ("us-east-1", "alice"),
            method: "GET",
            scheme: Some(Scheme::Https),
            authority: b"api.us-east-1.com",
            path: &path,
            paths: &paths,
        };
        let mut judge = Judge {
            options: &DpopOptions::default(),
            now: &now,
            verifier: &verifier,
            budget: &mut budget,
            peer: &|| None,
        };
        proofs.check(&presented, &mut judge)
    };
    if check().is_ok() {
        let [header, claims, _] = told.expect("three parts");
        holds(&header, &claims);
        assert_eq!(check(), Err(Reason::ProofReplayed), "a proof counts once");
    }
}

fn spelled(data: &[u8]) -> Vec<u8> {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return data.to_vec();
    };
    let parts = [&data[..end], &data[end + 1..], &[1; 64]];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".").into_bytes()
}

fn key_of(header: &[u8]) -> Option<[u8; 32]> {
    thumbprint(object(header)?.get("jwk")?)
}

fn holds(header: &[u8], claims: &[u8]) {
    assert!(
        members_are_unique(header) && members_are_unique(claims),
        "a member twice"
    );
    let (header, claims) = (object(header).expect("a header"), object(claims).expect("claims"));
    assert_eq!(header.get("typ").and_then(Value::as_str), Some("dpop+jwt"));
    let algorithm = header["alg"].as_str().unwrap_or_default();
    assert!(
        ["ES256", "ES384", "EdDSA", "PS256", "RS256"].contains(&algorithm),
        "{algorithm}"
    );
    assert!(
        ["d", "p", "q", "k"]
            .iter()
            .all(|secret| header["jwk"].get(secret).is_none()),
        "a private key"
    );
    assert!(!header.contains_key("crit") && !header.contains_key("b64"));
    assert_eq!(claims["htm"], "GET");
    assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode([7; 32]));
    let target = claims["htu"].as_str().unwrap_or_default();
    let target = target.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    assert!(target.starts_with("https://api.us-east-1.com"), "{target}");
    let issued = claims["iat"].as_f64().expect("a time");
    assert!(
        (START as f64 - 120.0..=START as f64 + 10.0).contains(&issued),
        "{issued}"
    );
    assert!(claims["jti"].as_str().is_some_and(|id| (1..=256).contains(&id.len())));
}
