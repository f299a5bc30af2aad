//! What is known of the risk of a request: what a center said of its subject, and which signatures failed where it comes from.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::documents::{policy, rules};
use super::host::{Reply, Request, World, field, get};
use super::tokens::{token, token_with};
use crate::decision::Decision;
use crate::reason::Reason;

fn shop(version: u64) -> Json {
    let mut bundle = rules(json!([
        {"name": "calm", "paths": ["/pay"], "when": "risk.score < 50", "effect": "allow"},
        {"name": "ask", "paths": ["/pay"], "effect": "defer", "defer": {"unless": "allowed"}},
        {"name": "blocked", "paths": ["/strict"], "when": "risk.score >= 50", "effect": "deny"},
        {"name": "known", "paths": ["/kind"], "when": "has(risk.score) && risk.score >= 50", "effect": "deny"},
        {"name": "rest", "paths": ["/strict", "/kind"], "effect": "allow"},
    ]));
    bundle["metadata"]["version"] = json!(version);
    bundle
}

fn pay() -> Request {
    get("/pay").bearer(&token("us-east-1"))
}

fn scored(risk: &Json) -> Reply {
    Reply::of(&json!({"decision": true, "context": {"risk": risk}}))
}

#[track_caller]
fn asks(world: &mut World, request: &Request) {
    assert!(matches!(world.begin(request), Outcome::Waiting(_)));
}

#[test]
fn what_the_center_says_decides_what_comes_next() {
    let mut world = World::new(&shop(1));
    let first = world.answered(&pay(), &scored(&json!({"score": 10, "ttl": 60})));
    assert_eq!(first.reason, Reason::CenterAllowed);
    let next = world.decide(&pay());
    assert_eq!((next.reason, field(&next, 3)), (Reason::RuleAllowed, "inline"));
    world.pass(Duration::from_millis(59_999));
    assert_eq!(world.reason(&pay()), Reason::RuleAllowed);
    world.pass(Duration::from_millis(1));
    asks(&mut world, &pay());
    // Its last word counts, a denial's too, and what it does not say changes nothing.
    world.answered(&pay(), &scored(&json!({"score": 10})));
    assert_eq!(world.reason(&pay()), Reason::RuleAllowed);
    world.pass(Duration::from_secs(300));
    let denial = json!({"decision": false, "context": {"risk": {"score": 90.5}}});
    world.answered(&pay(), &Reply::of(&denial));
    asks(&mut world, &pay());
    world.answered(&pay(), &Reply::decision(true));
    let strict = get("/strict").bearer(&token("us-east-1"));
    assert_eq!(world.reason(&strict), Reason::RuleDenied);
}

/// Absence is unknown: it denies where the condition does not ask whether there is a score.
#[test]
fn without_a_score_nothing_is_known() {
    let mut world = World::new(&shop(1));
    let ask = |path: &str| get(path).bearer(&token("us-east-1"));
    assert_eq!(world.reason(&ask("/strict")), Reason::ConditionUnknown);
    assert_eq!(world.reason(&ask("/kind")), Reason::RuleAllowed);
    assert_eq!(world.reason(&get("/strict")), Reason::IdentityMissing);
    world.answered(&pay(), &scored(&json!({"score": 50})));
    assert_eq!(world.reason(&ask("/strict")), Reason::RuleDenied);
    assert_eq!(world.reason(&ask("/kind")), Reason::RuleDenied);
}

#[test]
fn a_score_that_cannot_be_read_leaves_none() {
    for risk in [
        json!("low"),
        json!({"score": 101}),
        json!({"score": 10, "ttl": -1}),
        json!({"score": 10, "ttl": 0}),
    ] {
        let mut world = World::new(&shop(1));
        world.answered(&pay(), &scored(&json!({"score": 10})));
        let other = get("/pay").header("x-another", "question").bearer(&token("us-east-1"));
        assert_eq!(world.reason(&other), Reason::RuleAllowed);
        // Another rule's question may be answered while a score counts.
        let mut asking = shop(1);
        asking["documents"][3]["spec"]["rules"][0]["when"] = json!("risk.score < 5");
        asking["metadata"]["version"] = json!(2);
        world.push(&asking);
        let answered = world.answered(&pay(), &scored(&risk));
        assert_eq!(answered.reason, Reason::CenterAllowed, "{risk}");
        world.push(&shop(3));
        asks(&mut world, &pay());
        let told = world
            .logs
            .iter()
            .filter(|(_, line)| line.contains("its score does not count"));
        assert_eq!(told.count(), usize::from(risk["ttl"] != json!(0)), "{risk}");
    }
}

#[test]
fn a_score_is_of_one_subject() {
    let mut world = World::new(&shop(1));
    world.answered(&pay(), &scored(&json!({"score": 10})));
    let other = token_with("us-east-1", &json!({"sub": "somebody-else"}));
    asks(&mut world, &get("/pay").bearer(&other));
    // Another token of the same subject is of the same subject.
    let same = token_with("us-east-1", &json!({"jti": "another"}));
    assert_eq!(world.reason(&get("/pay").bearer(&same)), Reason::RuleAllowed);
}

/// What is trusted may speak for somebody else after a push, and so may the center.
#[test]
fn another_trust_or_center_knows_no_score() {
    for change in [
        |bundle: &mut Json| bundle["documents"][0]["spec"]["center"]["cluster"] = json!("another"),
        |bundle: &mut Json| bundle["documents"][0]["spec"]["center"]["path"] = json!("/another"),
        |bundle: &mut Json| bundle["documents"][0]["spec"]["claims"] = json!({"roles": "groups"}),
    ] {
        let mut world = World::new(&shop(1));
        world.answered(&pay(), &scored(&json!({"score": 10})));
        world.push(&shop(2));
        assert_eq!(world.reason(&pay()), Reason::RuleAllowed);
        let mut changed = shop(3);
        change(&mut changed);
        world.push(&changed);
        asks(&mut world, &pay());
    }
}

fn counting() -> World {
    World::new(&rules(json!([
        {"name": "noisy", "paths": ["/pay"], "when": "risk.failures > 2", "effect": "deny"},
        {"name": "rest", "paths": ["/pay"], "identity": "none", "effect": "allow"},
        {"name": "read", "paths": ["/read"], "identity": "none", "effect": "allow"},
    ])))
}

fn forged(number: usize) -> Request {
    let text = token_with("us-east-1", &json!({"jti": number.to_string()}));
    let (signed, _) = text.rsplit_once('.').expect("a token");
    get("/read").bearer(&format!("{signed}.{}", "A".repeat(86)))
}

#[test]
fn failures_count_where_the_request_comes_from() {
    let mut world = counting();
    assert_eq!(world.reason(&get("/pay")), Reason::RulePublic);
    assert_eq!(
        world.peer_reads.get(),
        0,
        "as long as nothing failed, nobody is asked for"
    );
    for number in 0..3 {
        assert_eq!(world.reason(&get("/pay")), Reason::RulePublic, "{number}");
        world.decide(&forged(number));
    }
    assert_eq!(world.reason(&get("/pay")), Reason::RuleDenied);
    world.peer = Some(b"127.0.2.9".to_vec());
    assert_eq!(world.reason(&get("/pay")), Reason::RulePublic);
    world.peer = Some(b"127.0.1.9".to_vec());
    world.pass(Duration::from_millis(200));
    assert_eq!(world.reason(&get("/pay")), Reason::RulePublic);
}

/// A candidate goes by what is known for what is in force, also where that asks for neither.
#[test]
fn a_candidate_sees_the_same_risk() {
    let mut bundle = rules(json!([
        {"name": "ask", "paths": ["/pay"], "effect": "defer"},
        {"name": "read", "paths": ["/read"], "identity": "none", "effect": "allow"},
    ]));
    let noisy = json!([
        {"name": "wrong", "paths": ["/pay"], "when": "has(risk.score) && risk.score >= 50", "effect": "deny"},
        {"name": "ask", "paths": ["/pay"], "effect": "defer"},
        {"name": "noisy", "paths": ["/read"], "when": "risk.failures > 2", "effect": "deny"},
        {"name": "read", "paths": ["/read"], "identity": "none", "effect": "allow"},
    ]);
    bundle["candidate"] = json!({"documents": [policy("shop", json!({"rules": noisy}))], "sample": "100%"});
    let mut world = World::new(&bundle);
    let told = |decision: &Decision| decision.tried.as_ref().and_then(|tried| tried.candidate.clone());
    let first = world.answered(&pay(), &scored(&json!({"score": 90})));
    assert_eq!(told(&first), None);
    let second = world.answered(&pay(), &Reply::decision(true));
    assert!(
        told(&second).is_some_and(|line| line.starts_with("deny;rule.denied;shop/wrong;")),
        "{second:?}"
    );
    for number in 0..4 {
        assert_eq!(told(&world.decide(&get("/read"))).is_some(), number > 2, "{number}");
        world.decide(&forged(number));
    }
}
