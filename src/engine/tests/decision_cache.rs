//! Answers that are kept: for how long, for whom, and that they replace nothing but the call.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::documents::rules;
use super::host::{Reply, Request, World, answer, field, forwarded, get};
use super::tokens::{START, token, token_with};
use crate::audit::Counter;
use crate::reason::Reason;

fn world() -> World {
    World::new(&shop(41, json!({"cache": "30s"})))
}

fn shop(version: u64, defer: Json) -> Json {
    let mut bundle = rules(json!([
        {"name": "ask", "paths": ["/ask/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "defer", "defer": defer},
        {"name": "public", "paths": ["/public"], "identity": "none", "effect": "defer", "defer": {"cache": "30s"}},
    ]));
    bundle["metadata"]["version"] = json!(version);
    bundle
}

fn ask() -> Request {
    get("/ask/7").bearer(&token("us-east-1"))
}

fn yes(ttl: Json) -> Reply {
    Reply::of(&json!({"decision": true, "context": {"ttl": ttl}}))
}

/// For how many seconds an answer is used again.
#[track_caller]
fn kept_for(defer: Json, reply: &Reply, before: f64, after: f64) {
    let mut world = World::new(&shop(41, defer));
    assert_eq!(world.answered(&ask(), reply).reason, Reason::CenterAllowed);
    for (seconds, kept) in [(before, true), (after, false)] {
        (world.wall, world.monotonic) = (0, 0);
        world.pass(Duration::from_secs_f64(seconds));
        match (world.begin(&ask()), kept) {
            (Outcome::Done(decision), true) => {
                assert_eq!((decision.reason, field(&decision, 3)), (Reason::CenterAllowed, "cache"));
            }
            (Outcome::Waiting(_), false) => {}
            (outcome, _) => panic!("after {seconds} s: {outcome:?}"),
        }
    }
}

#[test]
fn the_shorter_of_rule_and_center_holds() {
    kept_for(json!({"cache": "30s"}), &Reply::decision(true), 29.9, 30.0);
    kept_for(json!({"cache": "30s"}), &yes(json!(10)), 9.9, 10.0);
    kept_for(json!({"cache": "30s"}), &yes(json!(60)), 29.9, 30.0);
    kept_for(json!({"cache": "30s"}), &yes(json!(0.5)), 0.4, 0.5);
    kept_for(json!({"onUnavailable": "deny"}), &yes(json!(10)), 9.9, 10.0);
}

#[test]
fn without_a_word_of_either_nothing_is_kept() {
    for (defer, reply) in [
        (json!({"onUnavailable": "deny"}), Reply::decision(true)),
        (json!({"onUnavailable": "deny"}), yes(json!(0))),
        (json!({"cache": "30s"}), yes(json!(0))),
        (json!({"cache": "30s"}), yes(json!(0.0))),
    ] {
        let mut world = World::new(&shop(41, defer));
        assert_eq!(world.answered(&ask(), &reply).reason, Reason::CenterAllowed);
        assert!(matches!(world.begin(&ask()), Outcome::Waiting(_)), "{reply:?}");
    }
}

/// Either clock may be wrong; the earlier end holds.
#[test]
fn an_answer_ends_by_the_earlier_clock() {
    for (wall, monotonic) in [(30, 0), (0, 30)] {
        let mut world = world();
        world.answered(&ask(), &Reply::decision(true));
        (world.wall, world.monotonic) = (wall * 1_000_000_000, monotonic * 1_000_000_000);
        assert!(matches!(world.begin(&ask()), Outcome::Waiting(_)));
    }
}

#[test]
fn a_kept_denial_says_what_the_center_said() {
    let mut world = World::new(&shop(41, json!({"cache": "30s", "reasonUser": "pass"})));
    let denial = Reply::of(&json!({"decision": false, "context": {"reason_user": "not today"}}));
    let first = world.answered(&ask(), &denial);
    let second = world.decide(&ask());
    assert_eq!(
        (first.reason, second.reason),
        (Reason::CenterDenied, Reason::CenterDenied)
    );
    assert_eq!((field(&first, 3), field(&second, 3)), ("center:us-east-1", "cache"));
    assert_eq!(answer(&first), answer(&second));
    assert!(answer(&second).body.contains("not today"));
    let (counters, _) = world.counted();
    assert!(counters.contains(&(Counter::DecisionCacheHit, 1)) && counters.contains(&(Counter::DecisionCacheMiss, 1)));
}

#[test]
fn what_is_no_answer_is_not_kept() {
    for reply in [
        Reply::status(503),
        Reply::status(500),
        Reply {
            request_id: Some("r-2"),
            ..Reply::decision(true)
        },
    ] {
        let mut world = world();
        world.answered(&ask(), &reply);
        let id = world.wait(&ask());
        world.pass(Duration::from_secs(1));
        world.wake();
        assert_eq!(world.finished(id).reason, Reason::CenterUnavailable);
        assert_eq!(
            world.answered(&ask(), &Reply::decision(true)).reason,
            Reason::CenterAllowed
        );
    }
}

#[test]
fn another_question_has_another_answer() {
    for other in [
        get("/ask/8").bearer(&token("us-east-1")),
        get("/ask/7?x").bearer(&token("us-east-1")),
        get("/ask/7").method("POST").bearer(&token("us-east-1")),
        get("/ask/7").host("shop.us-east-1.com").bearer(&token("us-east-1")),
        get("/ask/7")
            .header("content-type", "application/grpc")
            .bearer(&token("us-east-1")),
        get("/ask/7").bearer(&token_with("us-east-1", &json!({"sub": "bob"}))),
        get("/ask/7").bearer(&token_with("us-east-1", &json!({"roles": ["viewer"]}))),
        get("/ask/7").bearer(&token_with("us-east-1", &json!({"permissions": ["read:profile"]}))),
        get("/ask/7").bearer(&token_with("us-east-1", &json!({"acr": "urn:example:pwd"}))),
        get("/ask/7").bearer(&token_with("us-east-1", &json!({"auth_time": START - 7}))),
        get("/ask/7").bearer(&token("eu-west-1")),
    ] {
        let mut world = world();
        world.answered(&ask(), &Reply::decision(true));
        assert!(matches!(world.begin(&other), Outcome::Waiting(_)), "{other:?}");
    }
    let mut world = world();
    world.answered(&ask(), &Reply::decision(true));
    world.peer = Some(b"127.0.1.10".to_vec());
    assert!(
        matches!(world.begin(&ask()), Outcome::Waiting(_)),
        "from another address"
    );
}

/// Time, request id and what nobody asks about make no other question.
#[test]
fn the_same_question_has_the_same_answer() {
    let mut world = world();
    world.answered(&ask(), &Reply::decision(true));
    world.pass(Duration::from_secs(5));
    let renewed = token_with("us-east-1", &json!({"exp": START + 900, "jti": "token-two"}));
    for same in [
        ask().set("x-request-id", "r-2"),
        ask().without("x-request-id"),
        ask().header("accept", "text/html"),
        get("/ask/%37").bearer(&token("us-east-1")),
        get("/ask/7").bearer(&renewed),
    ] {
        assert_eq!(field(&world.decide(&same), 3), "cache", "{same:?}");
    }
}

#[test]
fn another_bundle_asks_anew() {
    let mut world = world();
    world.answered(&ask(), &Reply::decision(true));
    world.push(&shop(42, json!({"cache": "30s"})));
    assert!(matches!(world.begin(&ask()), Outcome::Waiting(_)));
    world.push(&shop(42, json!({"cache": "30s"})));
    world.answered(&ask(), &Reply::decision(true));
    world.push(&shop(42, json!({"cache": "30s"})));
    assert_eq!(field(&world.decide(&ask()), 3), "cache", "the same one does not");
}

/// All checks before the call run on every request.
#[test]
fn a_kept_yes_opens_no_door_that_is_closed_before_it() {
    let mut world = World::new(&shop(41, json!({"cache": "1h"})));
    world.answered(&ask(), &Reply::decision(true));
    assert_eq!(field(&world.decide(&ask()), 3), "cache");
    assert_eq!(
        world.reason(&ask().host("api.eu-west-1.com")),
        Reason::AuthorityNotServed
    );
    assert_eq!(
        world.reason(&ask().header("upgrade", "websocket")),
        Reason::UpgradeNotAllowed
    );
    assert_eq!(world.reason(&get("/ask/7")), Reason::IdentityMissing);
    let poor = token_with("us-east-1", &json!({"permissions": null}));
    assert_eq!(world.reason(&get("/ask/7").bearer(&poor)), Reason::PermissionMissing);
    let mut forged = token("us-east-1");
    forged.truncate(forged.len() - 4);
    forged.push_str("AAAA");
    assert_eq!(world.reason(&get("/ask/7").bearer(&forged)), Reason::TokenSignature);
    world.pass(Duration::from_secs(631));
    assert_eq!(world.reason(&ask()), Reason::TokenExpired);
}

/// Where only the time of day differs, the requirement is judged anew, not remembered.
#[test]
fn a_kept_yes_does_not_outlast_a_requirement() {
    let mut bundle = shop(41, json!({"cache": "24h"}));
    bundle["documents"][3]["spec"]["context"] = json!({"time_restrictions": [{"business_hours": true}]});
    let mut world = World::new(&bundle);
    let long = get("/ask/7").bearer(&token_with("us-east-1", &json!({"exp": START + 20 * 3_600})));
    assert_eq!(
        world.answered(&long, &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    assert_eq!(field(&world.decide(&long), 3), "cache");
    world.pass(Duration::from_secs(10 * 3_600));
    assert_eq!(world.reason(&long), Reason::OutsideBusinessHours);
}

#[test]
fn a_kept_answer_for_nobody_is_for_nobody() {
    let mut world = world();
    assert_eq!(
        world.answered(&get("/public"), &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    assert_eq!(field(&world.decide(&get("/public")), 3), "cache");
    let decision = world.decide(&get("/public").bearer("x.y.z"));
    assert_eq!(field(&decision, 3), "cache");
    assert!(
        forwarded(&decision).strip.is_some(),
        "the token that is not valid goes, cache or not"
    );
    assert!(matches!(
        world.begin(&get("/public").bearer(&token("us-east-1"))),
        Outcome::Waiting(_)
    ));
}
