//! Tokens that are worth nothing without what they are bound to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::documents::rules;
use super::host::{World, get};
use super::tokens::{token, token_with};
use crate::reason::Reason;

/// A token that is bound to the certificate with this SHA-256.
pub(super) fn bound_to_certificate(sha256: &[u8; 32]) -> String {
    token_with(
        "us-east-1",
        &json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode(sha256)}}),
    )
}

fn world(peer_verification: &str) -> World {
    let mut bundle = rules(json!([
        {"name": "read", "paths": ["/profile"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!(peer_verification);
    World::new(&bundle)
}

/// On each request, also where the token's signature was verified before; whichever case the host prints the digest in.
#[test]
fn a_certificate_is_looked_at_on_every_request() {
    let mut world = world("required");
    let request = get("/profile").bearer(&bound_to_certificate(&[0xab; 32]));
    for (digest, reason) in [
        (None, Reason::CertificateMissing),
        (Some("ab".repeat(32)), Reason::RuleAllowed),
        (Some("ac".repeat(32)), Reason::CertificateOther),
        (Some("AB".repeat(32)), Reason::RuleAllowed),
        (Some(String::new()), Reason::CertificateMissing),
        (Some("ab".repeat(31)), Reason::CertificateMissing),
        (Some("ab".repeat(33)), Reason::CertificateMissing),
        (Some("ag".repeat(32)), Reason::CertificateMissing),
        (None, Reason::CertificateMissing),
    ] {
        world.digest = digest.clone().map(String::into_bytes);
        assert_eq!(world.reason(&request), reason, "{digest:?}");
    }
}

/// Whose sender cannot show it is anonymous: what is open to everybody is open, and the upstream does not see the token.
#[test]
fn a_token_of_somebody_else_is_none() {
    let mut world = world("required");
    let request = get("/open").bearer(&bound_to_certificate(&[0xab; 32]));
    let decision = world.decide(&request);
    assert_eq!(decision.reason, Reason::RulePublic);
    assert!(super::host::forwarded(&decision).strip.is_some());
    world.digest = Some(b"ab".repeat(32));
    let decision = world.decide(&request);
    assert!(super::host::forwarded(&decision).strip.is_none());
}

/// Nobody has said that the listener validates it.
#[test]
fn a_certificate_counts_only_where_peers_are_verified() {
    let mut world = world("none");
    world.digest = Some(b"ab".repeat(32));
    let request = get("/profile").bearer(&bound_to_certificate(&[0xab; 32]));
    assert_eq!(world.reason(&request), Reason::CertificateMissing);
    assert_eq!(world.certificate_reads.get(), 0);
}

#[test]
fn a_token_that_is_bound_to_nothing_asks_for_no_certificate() {
    let mut world = world("required");
    assert_eq!(
        world.reason(&get("/profile").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    assert_eq!(world.certificate_reads.get(), 0);
}
