//! When the center is away, wrong, refused or too slow: who is let in then, and that nobody who sends requests can bring it about.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::exchange::WAITING_MAX;
use super::super::{Level, Outcome};
use super::documents::rules;
use super::host::{Reply, Request, World, answer, field, forwarded, get};
use super::tokens::token;
use crate::audit::Counter;
use crate::reason::Reason;

fn world() -> World {
    World::new(&rules(json!([
        {"name": "closed", "paths": ["/closed/**"], "effect": "defer"},
        {"name": "open", "paths": ["/open/**"], "effect": "defer", "defer": {"onUnavailable": "allow"}},
        {"name": "both", "paths": ["/open/both"], "effect": "defer", "defer": {"onUnavailable": "deny"}},
        {"name": "told", "paths": ["/told"], "effect": "defer", "defer": {"reasonUser": "pass"}},
    ])))
}

fn ask(path: &str) -> Request {
    get(path).bearer(&token("us-east-1"))
}

fn json_reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        body: Some(body.to_owned()),
        ..Reply::decision(true)
    }
}

#[test]
fn what_is_away_is_let_in_only_where_the_rule_says_so() {
    for status in [502, 503, 504] {
        let mut world = world();
        let decision = world.answered(&ask("/closed/a"), &Reply::status(status));
        assert_eq!(
            (decision.reason, field(&decision, 3)),
            (Reason::CenterUnavailable, "center:us-east-1")
        );
        let decision = world.answered(&ask("/open/a"), &Reply::status(status));
        assert_eq!(
            (decision.reason, field(&decision, 3)),
            (Reason::CenterUnavailableAllowed, "center:us-east-1")
        );
        let told = (
            "x-regionguard-reason".to_owned(),
            "center.unavailable_allowed".to_owned(),
        );
        assert_eq!(forwarded(&decision).headers, [told]);
        let decision = world.answered(&ask("/open/both"), &Reply::status(status));
        assert_eq!(decision.reason, Reason::CenterUnavailable, "of two rules, the stricter");
        assert_eq!(
            world.counted().0,
            [
                (Counter::TokenCacheHit, 2),
                (Counter::TokenCacheMiss, 1),
                (Counter::DecisionCacheMiss, 3),
                (Counter::CalloutAway, 3),
                (Counter::BundleApplied, 1)
            ]
        );
    }
}

/// A yes with the status of an absence is no yes, and a no is none either.
#[test]
fn an_absence_with_a_body_is_an_absence() {
    for allow in [true, false] {
        let reply = Reply {
            status: 503,
            ..Reply::decision(allow)
        };
        assert_eq!(
            world().answered(&ask("/closed/a"), &reply).reason,
            Reason::CenterUnavailable
        );
        assert_eq!(
            world().answered(&ask("/open/a"), &reply).reason,
            Reason::CenterUnavailableAllowed
        );
    }
}

#[test]
fn what_is_wrong_is_denied_whatever_the_rule_says() {
    let yes = r#"{"decision":true}"#;
    let mut replies: Vec<Reply> = [
        0, 100, 204, 301, 400, 401, 403, 404, 408, 413, 414, 429, 431, 500, 501, 505, 599,
    ]
    .map(|status| json_reply(status, yes))
    .into();
    replies.extend(
        [
            "",
            "null",
            "{}",
            "[]",
            "[true]",
            "{\"decision\":true,\"context\":[null,null,60]}",
            "{\"decision\":\"true\"}",
            "{\"decision\":1}",
            "\u{0}",
            "<html>",
        ]
        .map(|body| json_reply(200, body)),
    );
    replies.extend([
        Reply {
            content_type: None,
            ..Reply::decision(true)
        },
        Reply {
            content_type: Some("text/plain"),
            ..Reply::decision(true)
        },
        Reply {
            request_id: Some("r-2"),
            ..Reply::decision(true)
        },
        Reply {
            body: None,
            ..Reply::decision(true)
        },
        Reply::of(&json!({"decision": true, "context": {"ttl": "long"}})),
    ]);
    for reply in replies {
        for path in ["/closed/a", "/open/a"] {
            let mut world = world();
            let decision = world.answered(&ask(path), &reply);
            assert_eq!(
                (decision.reason, field(&decision, 3)),
                (Reason::CenterError, "center:us-east-1"),
                "{reply:?}"
            );
            assert!(
                matches!(world.logs.last(), Some((Level::Warn, line)) if line.starts_with("center of us-east-1, asked by shop/")),
                "{:?}",
                world.logs
            );
            assert!(world.counted().0.contains(&(Counter::CalloutWrong, 1)));
            assert!(
                matches!(world.begin(&ask(path)), Outcome::Waiting(_)),
                "an error is never kept"
            );
        }
    }
}

#[test]
fn a_call_that_the_host_refuses_is_denied() {
    for path in ["/closed/a", "/open/a"] {
        let mut world = world();
        let id = world.wait(&ask(path));
        world.refuse(world.calls[0].id);
        assert_eq!(world.finished(id).reason, Reason::CenterError);
        assert!(world.counted().0.contains(&(Counter::CalloutRefused, 1)));
    }
}

#[test]
fn a_call_that_nobody_answers_is_away_after_its_deadline() {
    for (path, reason) in [
        ("/closed/a", Reason::CenterUnavailable),
        ("/open/a", Reason::CenterUnavailableAllowed),
    ] {
        let mut world = world();
        let id = world.wait(&ask(path));
        let call = world.calls[0].id;
        world.pass(Duration::from_millis(749));
        world.wake();
        assert_eq!(world.done.len(), 0, "the host says so itself, a little earlier");
        world.pass(Duration::from_millis(1));
        world.wake();
        assert_eq!(world.finished(id).reason, reason);
        assert_eq!(world.cancelled, [call]);
        world.reply(call, &Reply::decision(true));
        world.refuse(call);
        world.wake();
        assert_eq!(world.done.len(), 0, "what comes later is nobody's");
        assert!(
            matches!(world.begin(&ask(path)), Outcome::Waiting(_)),
            "and is not kept"
        );
    }
}

/// The host makes up a 504 only where nothing of an answer was there yet. One that began and broke off has no status: at the deadline that is an absence, and
/// before it an answer that is too large, or that the center cut short.
#[test]
fn an_answer_that_breaks_off_is_away_at_the_deadline_only() {
    for (path, waited, reason) in [
        ("/closed/a", 0, Reason::CenterError),
        ("/open/a", 0, Reason::CenterError),
        ("/open/a", 220, Reason::CenterError),
        ("/open/a", 240, Reason::CenterUnavailableAllowed),
        ("/open/a", 250, Reason::CenterUnavailableAllowed),
        ("/closed/a", 260, Reason::CenterUnavailable),
    ] {
        let mut world = world();
        let id = world.wait(&ask(path));
        world.pass(Duration::from_millis(waited));
        world.reply(world.calls[0].id, &Reply::status(0));
        assert_eq!(world.finished(id).reason, reason, "{path} after {waited} ms");
    }
    let mut world = world();
    let id = world.wait(&ask("/open/a"));
    world.pass(Duration::from_millis(260));
    world.reply(world.calls[0].id, &Reply::status(500));
    assert_eq!(
        world.finished(id).reason,
        Reason::CenterError,
        "a status is an answer, however late"
    );
}

#[test]
fn a_request_whose_stream_is_gone_is_forgotten() {
    let mut world = world();
    let id = world.wait(&ask("/open/a"));
    let (call, mut fx) = (world.calls[0].id, super::super::Effects::default());
    world.engine.close(id, &mut fx);
    assert_eq!(world.engine.owner(call), None);
    world.reply(call, &Reply::decision(true));
    world.pass(Duration::from_secs(100));
    world.wake();
    assert_eq!(world.done.len(), 0);
    assert_eq!(world.counted().1, []);
}

/// Whoever sends very many requests gets a deny, also where the rule would let in what the center cannot decide.
#[test]
fn what_waits_is_bounded_and_the_rest_is_denied() {
    let mut world = world();
    for _ in 0..WAITING_MAX {
        world.wait(&ask("/open/a"));
    }
    let decision = world.decide(&ask("/open/a"));
    assert_eq!((decision.reason, answer(&decision).status), (Reason::Overloaded, 503));
    assert_eq!(world.calls.len(), WAITING_MAX);
    assert_eq!(
        world.reason(&get("/elsewhere").bearer(&token("us-east-1"))),
        Reason::NoRule,
        "what needs no center goes on"
    );
    world.reply(world.calls[0].id, &Reply::decision(true));
    assert!(
        matches!(world.begin(&ask("/open/a")), Outcome::Waiting(_)),
        "there is room again"
    );
}

/// Whatever a caller puts into a request, the question can be made and sent: none of it makes the center look away.
#[test]
fn nothing_that_a_caller_sends_counts_as_away() {
    let long = format!("/open/{}", "a".repeat(8000));
    let query = format!("/open/a?{}", "%22%5C".repeat(10_000));
    for request in [
        ask(&long),
        ask(&query),
        ask("/open/%E2%80%AE%F0%9F%98%80"),
        ask("/open/a").set("x-request-id", "r\r\nx: y"),
        ask("/open/a").set("x-request-id", "r".repeat(4096)),
        ask("/open/a").set("x-request-id", b"\xff\xfe"),
        ask("/open/a").method("DELETE").header("x-http-method-override", "GET"),
        ask("/open/a").header("content-type", b"application/grpc\xff"),
    ] {
        let mut world = world();
        let id = world.wait(&request);
        let question = world.question();
        assert_eq!(question["subject"]["id"], "alice");
        let outgoing = world.calls[0].outgoing.clone();
        assert!(
            outgoing
                .headers
                .iter()
                .all(|(_, value)| value.bytes().all(|byte| byte.is_ascii_graphic())),
            "{outgoing:?}"
        );
        let echo = Reply {
            request_id: None,
            ..Reply::status(400)
        };
        world.reply(world.calls[0].id, &echo);
        assert_eq!(
            world.finished(id).reason,
            Reason::CenterError,
            "and where the center does not like it, that is a deny"
        );
    }
}

#[test]
fn a_reason_reaches_the_caller_only_where_the_policy_says_so() {
    let context = json!({"reason_user": {"en": "ask your \u{201c}boss\u{201d}"}, "reason_admin": {"en": "sod-7\r\nforged: line\u{1b}[31m \u{e9}"}});
    let denial = Reply::of(&json!({"decision": false, "context": context}));
    let detail = |path: &str, request: fn(Request) -> Request| {
        let mut world = world();
        let decision = world.answered(&request(ask(path)), &denial);
        assert_eq!(decision.reason, Reason::CenterDenied);
        let expected = format!(
            "center denies shop/{} (request r-1): sod-7%0D%0Aforged: line%1B[31m %C3%A9",
            field(&decision, 2).trim_start_matches("shop/")
        );
        assert_eq!(world.logs.last(), Some(&(Level::Info, expected)));
        let body = answer(&decision).body.clone();
        assert!(!body.contains("sod-7"), "{body}");
        body
    };
    let told: Json = serde_json::from_str(&detail("/told", |request| request)).expect("JSON");
    assert_eq!(told["detail"], "ask your \u{201c}boss\u{201d}");
    let silent: Json = serde_json::from_str(&detail("/closed/a", |request| request)).expect("JSON");
    assert_eq!(silent.get("detail"), None);
    assert_eq!(
        detail("/told", |request| request.header("content-type", "application/grpc")),
        "ask your \u{201c}boss\u{201d}"
    );
}

/// However long a center's reasons are, what is logged and told is short.
#[test]
fn a_long_reason_is_cut() {
    let long = "\u{e9}".repeat(5_000);
    let denial = Reply::of(&json!({"decision": false, "context": {"reason_user": long, "reason_admin": long}}));
    let mut world = world();
    let decision = world.answered(&ask("/told"), &denial);
    let told: Json = serde_json::from_str(&answer(&decision).body).expect("JSON");
    assert_eq!(told["detail"].as_str().map(str::len), Some(512));
    assert!(world.logs.last().is_some_and(|(_, line)| line.len() < 2_000));
}

/// Decisions that arise together are counted once each, also where a host gathers the effects of several callbacks.
#[test]
fn a_decision_is_counted_once() {
    let mut world = world();
    let ids = [world.wait(&ask("/closed/a")), world.wait(&ask("/closed/b"))];
    let (first, second) = (world.calls[0].id, world.calls[1].id);
    world.counted();
    world.refuse_both(first, second);
    assert_eq!(ids.map(|id| world.finished(id).reason), [Reason::CenterError; 2]);
    assert_eq!(world.counted().1, [(Reason::CenterError, 2)]);
}

/// Only what the center said itself, to this very question, within the time that the rule gives, and only while it is away.
#[test]
fn the_last_decision_stands_for_a_center_that_is_away() {
    let mut world = World::new(&rules(json!([
        {"name": "last", "paths": ["/last/{id}"], "effect": "defer", "defer": {"onUnavailable": "last_decision", "lastDecisionFor": "1m", "reasonUser": "pass"}},
    ])));
    let away = Reply::status(503);
    assert_eq!(world.answered(&ask("/last/1"), &away).reason, Reason::CenterUnavailable);
    assert_eq!(
        world.answered(&ask("/last/1"), &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    let denial = Reply::of(&json!({"decision": false, "context": {"reason_user": {"en": "not you"}}}));
    assert_eq!(world.answered(&ask("/last/2"), &denial).reason, Reason::CenterDenied);
    for _ in 0..2 {
        world.pass(Duration::from_secs(29));
        let decision = world.answered(&ask("/last/1"), &away);
        assert_eq!(
            (decision.reason, field(&decision, 3)),
            (Reason::CenterLastAllowed, "cache")
        );
        let told = ("x-regionguard-reason".to_owned(), "center.last_allowed".to_owned());
        assert_eq!(forwarded(&decision).headers, [told]);
        let decision = world.answered(&ask("/last/2"), &away);
        assert_eq!(
            (decision.reason, answer(&decision).status),
            (Reason::CenterLastDenied, 403)
        );
        assert!(answer(&decision).body.contains("not you"), "{}", answer(&decision).body);
    }
    // Another question, and an answer that is none.
    assert_eq!(world.answered(&ask("/last/3"), &away).reason, Reason::CenterUnavailable);
    assert_eq!(
        world.answered(&ask("/last/1"), &Reply::status(500)).reason,
        Reason::CenterError
    );
    // What stood for it is no decision that it gave.
    world.pass(Duration::from_secs(2));
    for path in ["/last/1", "/last/2"] {
        assert_eq!(world.answered(&ask(path), &away).reason, Reason::CenterUnavailable);
    }
}
