//! What a decided request allocates once its token was seen: it is counted, so that it does not creep up.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test says what is wrong by panicking"
)]

mod counting;
mod driven;

use counting::allocated;
use driven::{Driven, bearer, bearer_with, block};
use regionguard::Response;
use regionguard::engine::{Effect, Effects, Outcome};
use regionguard::reason::Reason;
use regionguard::request::{Headers, encode};
use regionguard::time::{Monotonic, Now, WallTime};
use serde_json::{Value as Json, json};

/// As many rules as a bundle may want, of which one is about the request.
fn rules(count: usize) -> Json {
    let mut rules: Vec<Json> = (1..count)
        .map(|number| json!({"name": format!("other-{number}"), "paths": [format!("/v{number}/things/{{id}}")], "effect": "allow"}))
        .collect();
    rules.push(json!({
        "name": "read", "methods": ["GET"], "paths": ["/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "roles": {"anyOf": ["viewer"]},
        "effect": "allow",
    }));
    rules.push(json!({"name": "ask", "paths": ["/ask/{id}"], "effect": "defer", "defer": {"cache": "30s"}}));
    rules.push(json!({"name": "blocked", "paths": ["/blocked"], "effect": "deny"}));
    Json::from(rules)
}

/// The reason of a request, and what it allocates when it is not the first of its kind.
fn allocations(driven: &mut Driven, block: &[u8]) -> (Reason, u64) {
    for _ in 0..3 {
        driven.begin(block, &mut Effects::default());
    }
    let before = allocated();
    let mut fx = Effects::default();
    let outcome = driven.begin(block, &mut fx);
    let after = allocated();
    match outcome {
        Outcome::Done(decision) => (decision.reason, after - before),
        other => panic!("{other:?}"),
    }
}

/// The decision line, and nothing else, however many rules there are.
#[test]
fn a_request_that_is_let_in_allocates_once() {
    let bearer = bearer();
    let plain = block("/profiles/7", &[("authorization", &bearer)]);
    let browser = block(
        "/profiles/7?a=b&c=d",
        &[
            ("authorization", &bearer),
            ("accept", "*/*"),
            ("user-agent", "curl/8"),
            ("x-forwarded-for", "10.0.0.1"),
            ("cookie", "a=b"),
        ],
    );
    for count in [1, 10, 1_000] {
        let mut driven = Driven::new(&rules(count));
        for block in [&plain, &browser] {
            assert_eq!(
                allocations(&mut driven, block),
                (Reason::RuleAllowed, 1),
                "{count} rules"
            );
        }
    }
}

/// Conditions read what is there: the claims of a known token were taken apart when they were first asked for.
#[test]
fn a_condition_allocates_nothing() {
    let bearer = bearer_with(json!({
        "department": "finance", "device": {"os_version": "14.10", "managed": true}, "level": 3, "tags": ["a", "b"],
    }));
    let block = block("/v1/ledger/7", &[("authorization", &bearer), ("x-a", "b")]);
    for when in [
        "token.department == 'finance' && request.method in ['GET','HEAD'] && device.os_version >= version('14') && request.path.startsWith('/v1/')",
        "path.id == '7' && request.headers['x-a'] == 'b' && has(token.tags) && 'b' in token.tags && token.level >= 3",
        "request.time < token.exp && local.region == 'us-east-1' && !has(request.query.a)",
    ] {
        let rule = json!({"name": "read", "paths": ["/v1/ledger/{id}"], "when": when, "effect": "allow"});
        let mut driven = Driven::new(&json!([rule]));
        // The decision line.
        assert_eq!(allocations(&mut driven, &block), (Reason::RuleAllowed, 1), "{when}");
    }
}

/// The first sight of a token allocates, so the counter counts.
#[test]
fn the_counter_counts() {
    let before = allocated();
    Driven::new(&rules(1)).begin(
        &block("/profiles/7", &[("authorization", &bearer())]),
        &mut Effects::default(),
    );
    assert!(allocated() - before > 100);
}

/// An answer is text, so it costs more; that it is bounded is what matters under a flood.
#[test]
fn a_request_that_is_refused_allocates_little() {
    let mut driven = Driven::new(&rules(1_000));
    for (path, reason) in [
        ("/blocked", Reason::RuleDenied),
        ("/a//b", Reason::PathEmptySegment),
        ("/profiles/7", Reason::IdentityMissing),
    ] {
        let (found, count) = allocations(&mut driven, &block(path, &[]));
        assert_eq!(found, reason);
        assert!(count <= 16, "{path}: {count}");
    }
}

/// A kept answer is found by the digest of the whole question, which has to be made for that: an upper bound, so that it does not creep up.
#[test]
fn a_request_that_a_kept_answer_decides_allocates_what_its_question_needs() {
    let mut driven = Driven::new(&rules(10));
    let block = block("/ask/7", &[("authorization", &bearer())]);
    let mut fx = Effects::default();
    let outcome = driven.begin(&block, &mut fx);
    assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
    let call = fx.list.iter().find_map(|effect| match effect {
        Effect::Call(call) => Some(call.id),
        _ => None,
    });
    let headers = encode(&[(b"content-type", b"application/json")]);
    let response = Response {
        status: 200,
        headers: Headers::parse(&headers).expect("headers"),
        body: Some(b"{\"decision\":true}"),
    };
    let clock = || Monotonic(0);
    let now = Now::new(WallTime(driven::START.saturating_mul(1_000_000_000)), &clock);
    driven.engine.reply(
        call.expect("a call"),
        response,
        &driven.kit,
        &now,
        &mut Effects::default(),
    );
    let (reason, count) = allocations(&mut driven, &block);
    assert_eq!(reason, Reason::CenterAllowed);
    assert!(count <= 56, "{count}");
}
