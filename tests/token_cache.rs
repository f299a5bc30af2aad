//! A token that the cache knows costs no allocation: the hot path of every request.
#![cfg(feature = "ring")]

mod counting;

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counting::allocated;
use regionguard::bundle::RegionId;
use regionguard::bundle::document::Region;
use regionguard::identity::{
    Algorithm, Authenticator, ClaimMapping, FailureBudget, KeyRing, KeyTable, PublicKey, Shown, SignatureVerifier,
    TrustView,
};
use regionguard::time::{Monotonic, Now, WallTime};
use serde_json::json;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = allocated();
    work();
    allocated().saturating_sub(before)
}

/// Finds every signature good: what is counted here is what stands around it.
struct Yes;

impl SignatureVerifier for Yes {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

fn region() -> Region {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode([1; 32])});
    Region {
        name: "us-east-1".to_owned(),
        issuer: "identity.global.com".to_owned(),
        audiences: vec!["api.us-east-1.com".to_owned()],
        keys: KeyRing::from_json(&[jwk], None).ring.into(),
        revocation: None,
        claims: ClaimMapping::default(),
        trust_domains: Vec::new(),
        accepts: Vec::new(),
        center: None,
        replica: None,
        networks: Vec::new(),
        country: None,
        calendar: None,
        max_token_lifetime: None,
    }
}

fn token() -> String {
    let claims = json!({
        "iss": "identity.global.com", "sub": "alice", "aud": ["api.us-east-1.com"], "region": "us-east-1", "exp": 1_000, "iat": 400,
        "permissions": {"global": ["read:profile"], "regional": {"us-east-1": ["write:profile"]}}, "roles": ["viewer"],
    });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(json!({"alg": "EdDSA", "kid": "k"})),
        part(claims),
        URL_SAFE_NO_PAD.encode([1; 64])
    )
}

#[test]
fn a_hit_allocates_nothing() {
    let (regions, token) = ([region()], token());
    let keys = KeyTable::inline(&regions);
    let verifier: Rc<dyn SignatureVerifier> = Rc::new(Yes);
    let (mut authenticator, mut budget) = (Authenticator::new(7), FailureBudget::new(7));
    let mut ask = |seconds: u64| {
        let clock = || Monotonic(0);
        let now = Now::new(WallTime(seconds.saturating_mul(1_000_000_000)), &clock);
        let view = TrustView {
            regions: &regions,
            local: RegionId(0),
            keys: &keys,
            trust_digest: &[1; 32],
            generation_digest: &[1; 32],
        };
        let shown = Shown {
            text: token.as_bytes(),
            recalled: authenticator.recall(token.as_bytes(), view.trust_digest),
        };
        let (answer, hit) = authenticator.authenticate(shown, view, &now, &verifier, &mut budget, &|| None);
        assert_eq!(answer.expect("valid").identity.subject, "alice");
        hit
    };
    let mut hit = true;
    assert!(
        allocations(|| hit = ask(500)) > 0 && !hit,
        "the first sight allocates, so the counter counts"
    );
    assert_eq!(allocations(|| hit = ask(501)), 0);
    assert!(hit);
}
