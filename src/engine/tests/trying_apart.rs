//! What is tried has what it verifies for itself: nothing that what is in force goes by is spent, kept or changed.

use serde_json::{Value as Json, json};

use super::documents::{bundle, policy};
use super::host::{World, get};
use super::posture::{HEADER, device_issuer, manager, posture, says};
use super::status_lists::{URI, claims as list_of, list, lists, named};
use super::tokens::{Signer, claims, token, token_with};
use crate::audit::Counter;
use crate::reason::Reason;

/// Everybody is refused at `/closed`, and the candidate would look who asks.
fn reopening() -> Json {
    let rules = json!([
        {"name": "all", "paths": ["/v1/**"], "effect": "allow"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
    ]);
    let next = json!({"rules": [
        {"name": "all", "paths": ["/v1/**"], "effect": "allow"},
        {"name": "reopened", "paths": ["/closed"], "effect": "allow"},
    ]});
    let mut bundle = bundle(&[policy("shop", json!({"rules": rules}))]);
    bundle["candidate"] = json!({"documents": [policy("next", next)]});
    bundle
}

/// A token of this region's user with a signature that is none of the region's keys'.
fn forged(number: u32) -> String {
    let mut claims = claims("us-east-1");
    claims["jti"] = json!(format!("forged-{number}"));
    Signer::new("us-east-1", 2).token(&claims)
}

fn counts(world: &mut World, wanted: &[Counter]) -> Vec<u64> {
    let (counters, _) = world.counted();
    let count = |wanted: &Counter| counters.iter().find(|(counter, _)| counter == wanted);
    wanted
        .iter()
        .map(|wanted| count(wanted).map_or(0, |(_, sum)| *sum))
        .collect()
}

#[test]
fn signatures_that_fail_for_a_candidate_alone_cost_nobody_a_token() {
    let mut world = World::new(&reopening());
    let good = get("/closed").bearer(&token("us-east-1"));
    for request in [&good, &good] {
        assert_eq!(world.reason(request), Reason::RuleDenied);
    }
    let told = [
        Counter::CandidateWouldAllow,
        Counter::CandidateOtherReason,
        Counter::CandidateUntold,
    ];
    assert_eq!(counts(&mut world, &told), [2, 0, 0]);
    for number in 0..100 {
        assert_eq!(
            world.reason(&get("/closed").bearer(&forged(number))),
            Reason::RuleDenied
        );
    }
    // A few were looked at. Of the others nobody can tell, whereas what was good before is known.
    assert_eq!(counts(&mut world, &told), [0, 5, 95]);
    world.decide(&good);
    let other = token_with("us-east-1", &json!({"jti": "another"}));
    world.decide(&get("/closed").bearer(&other));
    assert_eq!(counts(&mut world, &told), [1, 0, 1]);
    // What is in force has its whole budget.
    for number in 0..20 {
        assert_eq!(
            world.reason(&get("/v1/a").bearer(&forged(number))),
            Reason::TokenSignature
        );
    }
    assert_eq!(
        world.reason(&get("/v1/a").bearer(&forged(20))),
        Reason::VerificationBudget
    );
    assert_eq!(world.reason(&get("/v1/a").bearer(&other)), Reason::VerificationBudget);
}

#[test]
fn a_token_that_was_verified_for_a_candidate_is_new_to_what_is_in_force() {
    let mut world = World::new(&reopening());
    let token = token("us-east-1");
    let cache = [Counter::TokenCacheMiss, Counter::TokenCacheHit];
    for (path, expected) in [
        ("/closed", [0, 0]),
        ("/v1/a", [1, 0]),
        ("/closed", [0, 0]),
        ("/v1/a", [0, 1]),
    ] {
        world.decide(&get(path).bearer(&token));
        assert_eq!(counts(&mut world, &cache), expected, "{path}");
    }
    // One that has expired meanwhile stays where it is until what is in force looks.
    world.pass(core::time::Duration::from_secs(7_200));
    world.decide(&get("/closed").bearer(&token));
    assert_eq!(world.reason(&get("/v1/a").bearer(&token)), Reason::TokenExpired);
    assert_eq!(counts(&mut world, &cache), [0, 1]);
}

#[test]
fn postures_that_are_tried_cost_those_in_force_nothing() {
    let demand = |hosts: &str, mode: &str| json!({"selector": {"hosts": [hosts]}, "default": "allow", "mode": mode, "device": {"compliance": [{"managed": true}]}});
    let free = json!({"selector": {"hosts": ["tried.us-east-1.com"]}, "default": "allow"});
    let mut world = World::new(&bundle(&[
        policy("fit", demand("api.us-east-1.com", "enforce")),
        policy("free", free),
        policy("tried", demand("tried.us-east-1.com", "shadow")),
        device_issuer("mdm", &json!({})),
    ]));
    let token = token("us-east-1");
    let with = |posture: &str, host: &str| get("/x").host(host).bearer(&token).header(HEADER, posture);
    let bad = |number: u32| {
        let header = json!({"alg": "EdDSA", "kid": "key-of-mdm"});
        manager(2).token_with(&header, &says(&json!({"jti": number})))
    };
    let told = [Counter::ShadowJudged, Counter::ShadowWouldDeny];
    for number in 0..50 {
        let request = with(&bad(number), "tried.us-east-1.com");
        assert_eq!(world.reason(&request), Reason::DefaultAllowed);
    }
    assert_eq!(counts(&mut world, &told), [5, 5], "those that were looked at");
    for number in 0..20 {
        let request = with(&bad(number), "api.us-east-1.com");
        assert_eq!(world.reason(&request), Reason::DeviceInvalid);
    }
    let good = posture(&json!({}));
    // Nobody has looked at this one, and now nobody does: neither for what is tried nor for what is in force.
    world.decide(&with(&good, "tried.us-east-1.com"));
    assert_eq!(counts(&mut world, &told), [0, 0]);
    let refused = world.reason(&with(&good, "api.us-east-1.com"));
    assert_eq!(refused, Reason::VerificationBudget);
    // Later it is verified for one, and is as new to the other.
    world.pass(core::time::Duration::from_secs(60));
    world.decide(&with(&good, "tried.us-east-1.com"));
    assert_eq!(counts(&mut world, &told), [1, 0]);
    for number in 0..20 {
        world.decide(&with(&bad(number), "api.us-east-1.com"));
    }
    let refused = world.reason(&with(&good, "api.us-east-1.com"));
    assert_eq!(refused, Reason::VerificationBudget, "it was not remembered for this");
    world.decide(&with(&good, "tried.us-east-1.com"));
    assert_eq!(counts(&mut world, &told), [1, 0], "it was for that");
}

#[test]
fn a_token_that_claims_a_proof_and_is_bound_to_none_would_be_refused() {
    let mut world = World::new(&reopening());
    let shown = get("/closed").header("authorization", format!("DPoP {}", token("us-east-1")));
    assert_eq!(world.reason(&shown), Reason::RuleDenied);
    let told = [Counter::CandidateWouldAllow, Counter::CandidateOtherReason];
    assert_eq!(counts(&mut world, &told), [0, 1]);
}

#[test]
fn what_a_list_says_that_is_not_there_cannot_be_told() {
    let mut reopening = reopening();
    let mut lists = lists();
    lists["onUnavailable"] = json!("allow");
    reopening["documents"][1]["spec"]["revocation"] = lists;
    let mut world = World::new(&reopening);
    assert_eq!(world.reason(&named(URI, 2).set(":path", "/closed")), Reason::RuleDenied);
    let told = [Counter::CandidateWouldAllow, Counter::CandidateUntold];
    assert_eq!(counts(&mut world, &told), [0, 1]);
}

#[test]
fn a_candidate_has_no_list_fetched_and_keeps_none() {
    let mut reopening = reopening();
    reopening["documents"][1]["spec"]["revocation"] = lists();
    let mut world = World::new(&reopening);
    let told = [Counter::CandidateWouldAllow, Counter::CandidateUntold];
    let mut closed = named(URI, 2);
    closed = closed.set(":path", "/closed");
    assert_eq!(world.reason(&closed), Reason::RuleDenied);
    world.tick(2);
    world.quiet();
    assert_eq!(counts(&mut world, &told), [0, 1]);
    // Once it is there for another reason, the candidate goes by it.
    let id = world.wait(&named(URI, 2).set(":path", "/v1/a"));
    let call = world.call();
    world.reply(call, &list(&list_of(URI)));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    assert_eq!(world.reason(&closed), Reason::RuleDenied);
    assert_eq!(counts(&mut world, &told), [1, 0]);
    // What only a candidate looks at goes as what nobody looks at: it is fetched once more, and then no longer.
    let mut fetched = 0;
    for _ in 0..240 {
        world.decide(&closed);
        world.tick(1);
        for call in core::mem::take(&mut world.calls) {
            fetched += 1;
            world.reply(call.id, &list(&list_of(URI)));
        }
    }
    assert_eq!(fetched, 1);
}
