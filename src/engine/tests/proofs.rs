//! Tokens that are bound to a key, and the proofs that go with them.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::documents::rules;
use super::host::{Reply, Request, World, answer, forwarded, get, header};
use super::tokens::{START, Signer, claims_with, token_with};
use crate::decision::{Decision, Strip};
use crate::reason::Reason;

const ALGS: &str = "algs=\"ES256 ES384 EdDSA PS256 RS256\"";

/// The key of a client.
pub(super) fn client() -> Signer {
    Signer::new("client", 1)
}

/// A token that is bound to the key of [`client`], and to whatever else `cnf` has.
pub(super) fn bound(more: Json) -> String {
    bound_by("us-east-1", more)
}

fn bound_by(home: &str, more: Json) -> String {
    let jwk = client().jwk();
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, jwk["x"]);
    let mut cnf = json!({"jkt": URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))});
    if let (Some(all), Json::Object(more)) = (cnf.as_object_mut(), more) {
        all.extend(more);
    }
    token_with(home, &json!({"cnf": cnf}))
}

/// What a proof for a GET of this URI says.
pub(super) fn target(uri: &str, token: &str, id: &str) -> Json {
    json!({"jti": id, "htm": "GET", "htu": uri, "iat": START, "ath": URL_SAFE_NO_PAD.encode(Sha256::digest(token))})
}

fn proof_claims(token: &str, id: &str) -> Json {
    target("https://api.us-east-1.com/profile", token, id)
}

pub(super) fn proof_of(claims: &Json) -> String {
    let client = client();
    client.token_with(&json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": client.jwk()}), claims)
}

pub(super) fn proof(token: &str, id: &str) -> String {
    proof_of(&proof_claims(token, id))
}

pub(super) fn with_proof(token: &str, proof: &str) -> Request {
    get("/profile")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof)
}

fn bundle(tokens: Option<Json>) -> Json {
    let mut bundle = rules(json!([
        {"name": "read", "paths": ["/profile"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!("required");
    if let Some(tokens) = tokens {
        bundle["tokens"] = tokens;
    }
    bundle
}

fn world() -> World {
    World::new(&bundle(None))
}

fn challenge(decision: &Decision) -> Option<&str> {
    header(answer(decision), "www-authenticate")
}

/// A token and its proof are taken out together, whatever was wrong with how they came.
#[test]
fn a_token_that_is_nobodys_loses_its_proof_with_it() {
    let mut world = world();
    let token = bound(json!({}));
    let open = |authorization: String| get("/open").header("authorization", authorization);
    for authorization in [
        format!("Bearer {token}"),
        format!("DPoP {token}"),
        format!("DPoP\t{token}"),
        "DPoP".to_owned(),
    ] {
        let request = open(authorization).header("dpop", "garbage");
        let decision = world.decide(&request);
        assert_eq!(decision.reason, Reason::RulePublic);
        assert_eq!(forwarded(&decision).strip, Some(Strip::AUTHORIZATION), "{request:?}");
        assert!(forwarded(&decision).strip_proof, "{request:?}");
    }
    // A header that goes with no token is not ours.
    let decision = world.decide(&get("/open").header("dpop", "garbage"));
    assert!(!forwarded(&decision).strip_proof);
    let decision = world.decide(&open("Bearer x".to_owned()));
    assert_eq!(forwarded(&decision).strip, Some(Strip::AUTHORIZATION));
    assert!(!forwarded(&decision).strip_proof, "it is not there");
}

/// On the first sight of the token and on each later one; each proof once.
#[test]
fn a_token_counts_with_a_proof_each_time() {
    let mut world = world();
    let token = bound(json!({}));
    for id in ["one", "two", "three"] {
        let request = with_proof(&token, &proof(&token, id));
        assert_eq!(world.reason(&request), Reason::RuleAllowed);
        assert_eq!(world.reason(&request), Reason::ProofReplayed);
    }
    let bare = get("/profile").header("authorization", format!("dpop {token}"));
    assert_eq!(world.reason(&bare), Reason::ProofMissing);
    let twice = with_proof(&token, &proof(&token, "four")).header("DPoP", proof(&token, "five"));
    assert_eq!(world.reason(&twice), Reason::ProofInvalid);
    let other_token = token_with("us-east-1", &json!({"sub": "bob"}));
    let of_another = with_proof(&token, &proof(&other_token, "six"));
    assert_eq!(world.reason(&of_another), Reason::ProofInvalid);
    let post = with_proof(&token, &proof(&token, "seven")).method("POST");
    assert_eq!(world.reason(&post), Reason::ProofInvalid);
    let elsewhere = with_proof(&token, &proof(&token, "eight")).host("other.us-east-1.com");
    assert_eq!(world.reason(&elsewhere), Reason::ProofInvalid);
}

/// RFC 9449 §7.1 and §7.2: a bound token is no bearer token, and a proof makes no other token one that is bound.
#[test]
fn the_scheme_says_what_the_token_is() {
    let mut world = world();
    let token = bound(json!({}));
    let as_bearer = get("/profile").bearer(&token);
    assert_eq!(world.reason(&as_bearer), Reason::ProofScheme);
    let as_bearer = as_bearer.header("dpop", proof(&token, "one"));
    assert_eq!(world.reason(&as_bearer), Reason::ProofScheme);
    let free = super::tokens::token("us-east-1");
    assert_eq!(
        world.reason(&with_proof(&free, &proof(&free, "two"))),
        Reason::ProofScheme
    );
    // A header that nothing asks for is not read.
    let bearer = get("/profile").bearer(&free);
    assert_eq!(world.reason(&bearer.header("dpop", "garbage")), Reason::RuleAllowed);
    // What is bound to a certificate only is presented as a bearer token (RFC 8705 §3).
    let certificate = super::sender::bound_to_certificate(&[0xab; 32]);
    world.digest = Some(b"ab".repeat(32));
    assert_eq!(world.reason(&get("/profile").bearer(&certificate)), Reason::RuleAllowed);
    let request = with_proof(&certificate, &proof(&certificate, "three"));
    assert_eq!(world.reason(&request), Reason::ProofScheme);
}

#[test]
fn both_bindings_want_both_proofs() {
    let mut world = world();
    let token = bound(json!({"x5t#S256": URL_SAFE_NO_PAD.encode([0xab; 32])}));
    let request = |id: &str| with_proof(&token, &proof(&token, id));
    assert_eq!(world.reason(&request("one")), Reason::CertificateMissing);
    world.digest = Some(b"ac".repeat(32));
    assert_eq!(world.reason(&request("one")), Reason::CertificateOther);
    world.digest = Some(b"ab".repeat(32));
    assert_eq!(world.reason(&request("one")), Reason::RuleAllowed);
    assert_eq!(world.reason(&request("one")), Reason::ProofReplayed);
    let bare = get("/profile").header("authorization", format!("DPoP {token}"));
    assert_eq!(world.reason(&bare), Reason::ProofMissing);
}

/// What is checked before the proof uses none up: the client may send the same one again.
#[test]
fn a_refused_token_uses_up_no_proof() {
    let mut world = world();
    let token = bound(json!({}));
    let request = with_proof(&token, &proof(&token, "one"));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.reason(&request.clone().method("POST")), Reason::ProofInvalid);
    let expired = claims_with("us-east-1", &json!({"exp": START - 60}));
    let expired = Signer::new("us-east-1", 1).token(&expired);
    assert_eq!(
        world.reason(&with_proof(&expired, &proof(&expired, "one"))),
        Reason::TokenExpired
    );
    assert_eq!(world.reason(&request), Reason::RuleAllowed);
}

#[test]
fn answers_are_those_of_the_standard() {
    let mut world = world();
    let token = bound(json!({}));
    let dpop = |error: &str| format!("DPoP realm=\"us-east-1\", error=\"{error}\", {ALGS}");
    let missing = world.decide(&get("/profile").header("authorization", format!("DPoP {token}")));
    assert_eq!(challenge(&missing), Some(dpop("invalid_dpop_proof").as_str()));
    assert_eq!(header(answer(&missing), "dpop-nonce"), None);
    let as_bearer = world.decide(&get("/profile").bearer(&token));
    assert_eq!(challenge(&as_bearer), Some(dpop("invalid_token").as_str()));
    let garbage = world.decide(&get("/profile").header("authorization", "DPoP x.y.z"));
    assert_eq!(challenge(&garbage), Some(dpop("invalid_token").as_str()));
    let nobody = world.decide(&get("/profile"));
    assert_eq!(challenge(&nobody), Some("Bearer realm=\"us-east-1\""));

    let mut offering = World::new(&bundle(Some(json!({"dpop": {"maxAge": "30s"}}))));
    let nobody = offering.decide(&get("/profile"));
    let all: Vec<&str> = answer(&nobody)
        .headers
        .iter()
        .filter(|(name, _)| *name == "www-authenticate")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        all,
        [
            "Bearer realm=\"us-east-1\"",
            &format!("DPoP realm=\"us-east-1\", {ALGS}")
        ]
    );
}

/// RFC 9449 §9: the answer to a proof without a nonce has one, with which the client comes again.
#[test]
fn a_nonce_is_given_and_taken() {
    for tokens in [
        json!({"dpop": {"nonce": "required"}}),
        json!({"dpop": {"nonce": "onRestart"}}),
    ] {
        let required = tokens["dpop"]["nonce"] == "required";
        let mut world = World::new(&bundle(Some(tokens)));
        let token = bound(json!({}));
        let mut claims = proof_claims(&token, "one");
        if !required {
            claims["iat"] = json!(START - 61);
        }
        let refused = world.decide(&with_proof(&token, &proof_of(&claims)));
        assert_eq!(refused.reason, Reason::ProofNonce);
        let error = format!("DPoP realm=\"us-east-1\", error=\"use_dpop_nonce\", {ALGS}");
        assert_eq!(challenge(&refused), Some(error.as_str()));
        claims["nonce"] = json!(header(answer(&refused), "dpop-nonce").expect("a nonce"));
        let request = with_proof(&token, &proof_of(&claims));
        assert_eq!(world.reason(&request), Reason::RuleAllowed);
        assert_eq!(world.reason(&request), Reason::ProofReplayed);
    }
}

#[test]
fn the_age_is_the_bundles() {
    let token = bound(json!({}));
    for (age, seconds, reason) in [
        ("5s", 5, Reason::RuleAllowed),
        ("5s", 6, Reason::ProofNonce),
        ("300s", 300, Reason::RuleAllowed),
    ] {
        let mut world = World::new(&bundle(Some(json!({"dpop": {"maxAge": age}}))));
        world.pass(Duration::from_secs(seconds));
        assert_eq!(
            world.reason(&with_proof(&token, &proof(&token, "one"))),
            reason,
            "{age} {seconds}"
        );
    }
}

/// Where the policy takes the token out, its proof goes with it.
#[test]
fn a_proof_goes_where_its_token_goes() {
    let token = bound(json!({}));
    let mut world = world();
    let passed = world.decide(&with_proof(&token, &proof(&token, "one")));
    assert!(forwarded(&passed).strip.is_none() && !forwarded(&passed).strip_proof);
    let open = get("/open").header("authorization", format!("DPoP {token}"));
    let decision = world.decide(&open.header("dpop", "garbage"));
    assert_eq!(decision.reason, Reason::RulePublic);
    assert_eq!(forwarded(&decision).strip, Some(Strip::AUTHORIZATION));
    assert!(forwarded(&decision).strip_proof);

    let mut stripping = bundle(None);
    stripping["documents"][3]["spec"]["forward"] = json!({"token": "strip"});
    let mut world = World::new(&stripping);
    let decision = world.decide(&with_proof(&token, &proof(&token, "one")));
    assert!(forwarded(&decision).strip.is_some() && forwarded(&decision).strip_proof);
    let free = get("/profile")
        .bearer(&super::tokens::token("us-east-1"))
        .header("dpop", "x");
    assert!(!forwarded(&world.decide(&free)).strip_proof);
}

/// A push changes nothing about what was seen.
#[test]
fn a_push_forgets_no_proof() {
    let mut world = world();
    let token = bound(json!({}));
    let request = with_proof(&token, &proof(&token, "one"));
    assert_eq!(world.reason(&request), Reason::RuleAllowed);
    let mut newer = bundle(None);
    newer["metadata"]["version"] = json!(42);
    world.push(&newer);
    assert_eq!(world.reason(&request), Reason::ProofReplayed);
    let mut other = bundle(None);
    other["metadata"]["name"] = json!("another");
    world.push(&other);
    assert_eq!(
        world.reason(&request),
        Reason::ProofReplayed,
        "nor does another bundle in the same worker"
    );
}

/// A request that waits for the keys of its token's home is judged twice, and its proof counts once.
#[test]
fn waiting_for_keys_uses_a_proof_once() {
    let mut bundle = bundle(None);
    bundle["documents"][1]["spec"]["keys"] = json!({"remote": {"cluster": "identity-eu"}});
    let mut world = World::new(&bundle);
    let token = bound_by("eu-west-1", json!({}));
    let request = with_proof(&token, &proof(&token, "one"));
    let first = world.wait(&request);
    let second = world.wait(&request);
    world.wake();
    let call = world.call();
    world.reply(call, &Reply::of(&json!({"keys": [Signer::new("eu-west-1", 1).jwk()]})));
    let mut reasons = [world.finished(first).reason, world.finished(second).reason];
    reasons.sort_unstable();
    let mut expected = [Reason::RuleAllowed, Reason::ProofReplayed];
    expected.sort_unstable();
    assert_eq!(reasons, expected);
    assert_eq!(world.reason(&request), Reason::ProofReplayed);
}
