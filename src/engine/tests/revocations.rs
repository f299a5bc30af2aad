//! What a bundle revokes, from the request after the push on.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::documents::{bundle, policy};
use super::host::{Reply, World, get};
use super::tokens::{ISSUER, START, Signer, at, claims, token, token_with};
use crate::reason::Reason;

/// A bundle of this version that revokes so; null: nothing.
pub(super) fn revoking(version: u64, spec: Json) -> Json {
    let shop = json!({"rules": [
        {"name": "open", "paths": ["/a"], "effect": "allow"},
        {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
        {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer", "defer": {"cache": "30s"}},
    ]});
    let mut bundle = bundle(&[policy("shop", shop)]);
    bundle["metadata"]["version"] = json!(version);
    if !spec.is_null() {
        let documents = bundle["documents"].as_array_mut().expect("a list");
        documents.push(json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "stolen"}, "spec": spec}));
    }
    bundle
}

/// Whether a token with these claims changed is let in where this is revoked.
#[track_caller]
fn let_in(spec: &Json, home: &str, changes: &Json) -> bool {
    let mut world = World::new(&revoking(41, spec.clone()));
    match world.reason(&get("/a").bearer(&token_with(home, changes))) {
        Reason::RuleAllowed => true,
        Reason::TokenRevoked => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_revoked_by_issuer_and_id() {
    let revoked =
        |issuer: &str| json!({"tokens": [{"issuer": issuer, "jti": "a"}, {"issuer": issuer, "jti": "token-one"}]});
    assert!(!let_in(&revoked(ISSUER), "us-east-1", &json!({})));
    assert!(
        !let_in(&revoked(ISSUER), "eu-west-1", &json!({})),
        "whichever Region has this issuer"
    );
    for other in [
        json!({"jti": "token-two"}),
        json!({"jti": "Token-one"}),
        json!({"jti": null}),
    ] {
        assert!(let_in(&revoked(ISSUER), "us-east-1", &other), "{other}");
    }
    let mut bundle = revoking(41, revoked("identity.other.com"));
    bundle["documents"][1]["spec"]["issuer"] = json!("identity.other.com");
    let mut world = World::new(&bundle);
    assert_eq!(
        world.reason(&get("/a").bearer(&token("us-east-1"))),
        Reason::RuleAllowed,
        "of another issuer"
    );
}

/// The entry goes with the token, not before: until its leeway has passed, a token is let in.
#[test]
fn an_entry_counts_until_the_token_has_expired() {
    let spec = json!({"tokens": [{"issuer": ISSUER, "jti": "token-one", "expires": at(600)}]});
    let mut world = World::new(&revoking(41, spec));
    // With a token that lives longer than its entry says, one sees when the entry ends.
    let ask = get("/a").bearer(&token_with("us-east-1", &json!({"exp": START + 6_000})));
    for (seconds, reason) in [
        (0.0, Reason::TokenRevoked),
        (629.9, Reason::TokenRevoked),
        (630.0, Reason::RuleAllowed),
    ] {
        world.wall = 0;
        world.pass(Duration::from_secs_f64(seconds));
        assert_eq!(world.reason(&ask), reason, "after {seconds} s");
    }
}

#[test]
fn of_entries_for_the_same_the_one_that_revokes_more_holds() {
    let longest = json!({"tokens": [
        {"issuer": ISSUER, "jti": "token-one", "expires": at(-600)}, {"issuer": ISSUER, "jti": "token-one"},
        {"issuer": ISSUER, "jti": "token-one", "expires": at(-900)},
    ]});
    assert!(!let_in(&longest, "us-east-1", &json!({})));
    let subject = |seconds| json!({"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": at(seconds)});
    let latest = json!({"subjects": [subject(-900), subject(-30), subject(-600)]});
    assert!(!let_in(&latest, "us-east-1", &json!({})));
}

#[test]
fn a_subject_is_revoked_up_to_a_time() {
    let spec = json!({"subjects": [{"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": at(-60)}]});
    for (issued, allowed) in [
        (json!(START - 61), false),
        (json!(START as f64 - 60.5), false),
        (json!(START - 60), true),
        (json!(START - 10), true),
    ] {
        assert_eq!(let_in(&spec, "us-east-1", &json!({"iat": issued})), allowed, "{issued}");
    }
    assert!(
        let_in(&spec, "eu-west-1", &json!({"iat": START - 61})),
        "another home, another subject"
    );
    assert!(let_in(&spec, "us-east-1", &json!({"iat": START - 61, "sub": "bob"})));
    // Where lifetimes are not limited, a token need not say when it was issued: nobody knows that it is young enough.
    let mut bundle = revoking(41, spec);
    for region in 0..3 {
        let spec = bundle["documents"][region]["spec"].as_object_mut().expect("an object");
        spec.remove("maxTokenLifetime");
    }
    let mut world = World::new(&bundle);
    let ask = get("/a").bearer(&token_with("us-east-1", &json!({"iat": null})));
    assert_eq!(world.reason(&ask), Reason::TokenRevoked);
}

#[test]
fn a_session_is_revoked_with_all_its_tokens() {
    let spec = json!({"sessions": [{"issuer": ISSUER, "sid": "s-1"}]});
    assert!(!let_in(&spec, "us-east-1", &json!({"sid": "s-1"})));
    assert!(!let_in(&spec, "us-east-1", &json!({"sid": "s-1", "jti": "another"})));
    for other in [
        json!({}),
        json!({"sid": "s-2"}),
        json!({"sid": 1}),
        json!({"jti": "s-1"}),
    ] {
        assert!(let_in(&spec, "us-east-1", &other), "{other}");
    }
}

#[test]
fn a_key_is_revoked_by_name_or_by_thumbprint() {
    let named = |region: &str| json!({"keys": [{"region": region, "kid": "key-of-us-east-1"}]});
    assert!(!let_in(&named("us-east-1"), "us-east-1", &json!({})));
    assert!(
        let_in(&named("eu-west-1"), "us-east-1", &json!({})),
        "another Region's key"
    );
    let thumbprint = json!({"keys": [{"thumbprint": thumbprint("us-east-1")}]});
    assert!(!let_in(&thumbprint, "us-east-1", &json!({})));
    assert!(let_in(&thumbprint, "eu-west-1", &json!({})));
    // A token need not name the key that signed it.
    let mut world = World::new(&revoking(41, named("us-east-1")));
    let nameless = Signer::new("us-east-1", 1).token_with(&json!({"alg": "EdDSA"}), &claims("us-east-1"));
    assert_eq!(world.reason(&get("/a").bearer(&nameless)), Reason::TokenRevoked);
}

/// SHA-256 of the canonical JWK (RFC 8037, appendix A.3).
fn thumbprint(region: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let jwk = Signer::new(region, 1).jwk();
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, jwk["x"]);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(canonical))
}

/// A token that was verified and used before is refused from the next request on, and comes back with the next push.
#[test]
fn what_is_cached_is_compared_too() {
    let mut world = World::new(&revoking(41, Json::Null));
    let ask = get("/a").bearer(&token_with("us-east-1", &json!({"sid": "s-1"})));
    for (version, spec) in [
        (43, json!({"tokens": [{"issuer": ISSUER, "jti": "token-one"}]})),
        (
            45,
            json!({"subjects": [{"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": at(0)}]}),
        ),
        (47, json!({"sessions": [{"issuer": ISSUER, "sid": "s-1"}]})),
        (
            49,
            json!({"keys": [{"region": "us-east-1", "kid": "key-of-us-east-1"}]}),
        ),
    ] {
        assert_eq!(world.reason(&ask), Reason::RuleAllowed);
        world.push(&revoking(version, spec));
        world.counted();
        assert_eq!(world.reason(&ask), Reason::TokenRevoked);
        let (counters, _) = world.counted();
        assert!(
            counters.contains(&(crate::audit::Counter::TokenCacheHit, 1)),
            "{counters:?}"
        );
        world.push(&revoking(version + 1, Json::Null));
    }
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
}

/// A kept answer of the center is of no use to a token that is revoked.
#[test]
fn a_kept_answer_does_not_outlive_the_token() {
    let mut world = World::new(&revoking(41, Json::Null));
    let ask = get("/ask/7").bearer(&token("us-east-1"));
    assert_eq!(
        world.answered(&ask, &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    assert_eq!(world.reason(&ask), Reason::CenterAllowed, "kept");
    let spec = json!({"subjects": [{"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": at(0)}]});
    world.push(&revoking(42, spec));
    assert_eq!(world.reason(&ask), Reason::TokenRevoked);
    assert_eq!(world.calls.len(), 1, "and the center is not asked");
    let later = get("/ask/7").bearer(&token_with("us-east-1", &json!({"iat": START + 5})));
    assert!(
        matches!(world.begin(&later), Outcome::Waiting(_)),
        "a later token of the same subject"
    );
}

/// Whoever is revoked is nobody: what is public stays so.
#[test]
fn a_revoked_token_makes_the_request_anonymous() {
    let spec = json!({"tokens": [{"issuer": ISSUER, "jti": "token-one"}]});
    let mut world = World::new(&revoking(41, spec));
    assert_eq!(
        world.reason(&get("/public").bearer(&token("us-east-1"))),
        Reason::RulePublic
    );
}
