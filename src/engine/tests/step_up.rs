//! Challenges to log in otherwise or anew (RFC 9470), and what meets them.

use serde_json::{Value as Json, json};

use super::documents::{bundle, policy};
use super::host::{World, answer, get, header};
use super::tokens::{START, token, token_with};
use crate::identity::peer_certificate;
use crate::reason::Reason;

const SERVICE: &str = "spiffe://prod/ns/web/sa/web";
const SECOND: u64 = 1_000_000_000;

fn shop() -> Json {
    let rules = json!({"rules": [
        {"name": "all", "paths": ["/**"], "effect": "allow"},
        {"name": "money", "paths": ["/money/**"], "effect": "step_up", "step_up": {"acr": ["urn:x:mfa", "urn:x:hw"], "max_age": "15m"}},
        {"name": "big", "paths": ["/money/big"], "effect": "stepUp", "stepUp": {"maxAge": "5m"}},
    ]});
    let strong = json!({"selector": {"hosts": ["strong.us-east-1.com"]}, "identity": {
        "authentication": [{"method": "multi-factor", "amr": ["mfa"], "acr": ["urn:x:mfa"]}, {"method": "certificate"}],
        "authorization": [{"rbac": true}, {"abac": true}],
    }});
    let services = json!({"selector": {"hosts": ["services.us-east-1.com"]},
        "identity": {"authentication": [{"method": "certificate"}]},
        "rules": [{"name": "work", "paths": ["/work"], "identity": "workload", "effect": "allow"}]});
    let mut bundle = bundle(&[
        policy("shop", rules),
        policy("strong", strong),
        policy("services", services),
    ]);
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

fn login(claims: &Json) -> String {
    token_with("us-east-1", claims)
}

#[track_caller]
fn challenged(world: &mut World, path: &str, token: &str, reason: Reason, rest: &str) {
    let decision = world.decide(&get(path).bearer(token));
    assert_eq!(decision.reason, reason, "{path}");
    let challenge = header(answer(&decision), "www-authenticate");
    let expected = format!("Bearer realm=\"us-east-1\", error=\"insufficient_user_authentication\"{rest}");
    assert_eq!(challenge, Some(expected.as_str()), "{path}");
}

#[test]
fn the_challenge_says_what_would_do() {
    let mut world = World::new(&shop());
    let plain = login(&json!({"acr": "urn:x:pwd", "auth_time": null}));
    assert_eq!(world.reason(&get("/a").bearer(&plain)), Reason::RuleAllowed);
    let both = ", acr_values=\"urn:x:mfa urn:x:hw\"";
    challenged(
        &mut world,
        "/money/1",
        &plain,
        Reason::StepUpRequired,
        &format!("{both}, max_age=\"900\""),
    );
    // The least age of all that match; the first that is not met by name is the one without `acr`.
    challenged(
        &mut world,
        "/money/big",
        &plain,
        Reason::StepUpRequired,
        ", max_age=\"300\"",
    );
    let older = login(&json!({"acr": "urn:x:hw", "auth_time": START - 301}));
    challenged(
        &mut world,
        "/money/big",
        &older,
        Reason::StepUpRequired,
        ", max_age=\"300\"",
    );
    assert_eq!(world.reason(&get("/money/1").bearer(&older)), Reason::RuleAllowed);
    // Without a token it is the ordinary challenge.
    let decision = world.decide(&get("/money/1"));
    assert_eq!(decision.reason, Reason::IdentityMissing);
    assert_eq!(
        header(answer(&decision), "www-authenticate"),
        Some("Bearer realm=\"us-east-1\"")
    );
}

/// The token is known from its first request on; its login grows older all the same.
#[test]
fn a_login_ages_in_the_cache() {
    let mut world = World::new(&shop());
    let fresh = login(&json!({"acr": "urn:x:mfa", "auth_time": START - 899}));
    let ask = get("/money/1").bearer(&fresh);
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    world.wall += SECOND;
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    world.wall += SECOND;
    assert_eq!(world.reason(&ask), Reason::StepUpRequired);
    assert_eq!(world.reason(&get("/a").bearer(&fresh)), Reason::RuleAllowed);
}

#[test]
fn requirements_of_a_policy_that_governs() {
    let mut world = World::new(&shop());
    // What the token is bound to, the connection shows; SHA-256 as the host prints it.
    let ask = |token: &str| get("/a").host("strong.us-east-1.com").bearer(token);
    assert_eq!(world.reason(&ask(&token("us-east-1"))), Reason::CertificateRequired);
    world.certificate = Some(peer_certificate(&[SERVICE]));
    let mfa = login(&json!({"amr": ["pwd", "mfa"]}));
    assert_eq!(
        world.reason(&ask(&mfa)),
        Reason::CertificateRequired,
        "a certificate beside the token is not its subject's"
    );
    let decision = world.decide(&get("/a").host("strong.us-east-1.com"));
    assert_eq!(decision.reason, Reason::IdentityMissing);
}

#[test]
fn a_service_meets_a_requirement_of_a_certificate_by_its_own() {
    let mut world = World::new(&shop());
    let ask = || get("/work").host("services.us-east-1.com");
    assert_eq!(
        world.reason(&ask()),
        Reason::IdentityMissing,
        "there is a rule for tokens, too"
    );
    world.certificate = Some(peer_certificate(&[SERVICE]));
    assert_eq!(world.reason(&ask()), Reason::RuleAllowed);
    assert_eq!(
        world.reason(&ask().bearer(&token("us-east-1"))),
        Reason::CertificateRequired
    );
}

/// The certificate of the very workload that the token is about is its subject's own.
#[test]
fn a_workload_by_token_and_by_certificate() {
    let mut world = World::new(&shop());
    let svid = login(&json!({"sub": SERVICE}));
    let ask = || get("/a").host("services.us-east-1.com").bearer(&svid);
    for (uri, reason) in [
        (None, Reason::CertificateRequired),
        (Some(SERVICE), Reason::RuleAllowed),
        (Some("spiffe://prod/ns/web/sa/gateway"), Reason::CertificateRequired),
        (Some("spiffe://prod.evil/ns/web/sa/web"), Reason::CertificateRequired),
    ] {
        world.certificate = uri.map(|uri| peer_certificate(&[uri]));
        assert_eq!(world.reason(&ask()), reason, "{uri:?}");
    }
    // It is read for such a token where the requirement is, and nowhere else.
    let reads = world.certificate_reads.get();
    assert_eq!(world.reason(&get("/a").bearer(&svid)), Reason::RuleAllowed);
    let alice = get("/a").host("services.us-east-1.com").bearer(&token("us-east-1"));
    assert_eq!(world.reason(&alice), Reason::CertificateRequired);
    assert_eq!(world.certificate_reads.get(), reads);
}
