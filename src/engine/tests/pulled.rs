//! Lists of revocations from the network: what they say of whom, from when on and for how long, and what holds while there is none.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::host::{Reply, Request, World, answer, field, forwarded, get, header};
use super::revocations::revoking;
use super::tokens::{START, token, token_with};
use crate::audit::Counter;
use crate::reason::Reason;

/// A bundle of this version in which eu-west-1 has a list, and says so beside.
fn listing(version: u64, beside: &Json) -> Json {
    let mut bundle = revoking(version, Json::Null);
    let mut revocation = json!({"list": {"cluster": "identity-eu", "refresh": "60s", "staleFor": "5m"}});
    for (name, value) in beside.as_object().expect("an object") {
        revocation[name] = value.clone();
    }
    bundle["documents"][1]["spec"]["revocation"] = revocation;
    bundle
}

fn world() -> World {
    World::new(&listing(41, &json!({})))
}

fn request() -> Request {
    get("/a").bearer(&token_with("eu-west-1", &json!({"exp": START + 6_000})))
}

fn empty() -> Reply {
    Reply::of(&json!({"tokens": []}))
}

fn tagged(body: &Json, etag: &str) -> Reply {
    Reply {
        headers: vec![("etag", etag.to_owned())],
        ..Reply::of(body)
    }
}

fn revoked() -> Json {
    json!({"tokens": [{"jti": "token-one", "exp": START + 6_000}]})
}

/// A header of the only call that is on its way.
fn asks(world: &World, name: &str) -> Option<String> {
    let [call] = world.calls.as_slice() else {
        panic!("{:?}", world.calls)
    };
    let found = call.outgoing.headers.iter().find(|(found, _)| *found == name);
    found.map(|(_, value)| value.clone())
}

#[test]
fn requests_wait_for_the_first_list_and_are_judged_by_it() {
    for (list, reason) in [
        (json!({"tokens": []}), Reason::RuleAllowed),
        (revoked(), Reason::TokenRevoked),
    ] {
        let mut world = world();
        let waiting = [world.wait(&request()), world.wait(&request())];
        assert_eq!(asks(&world, ":path").as_deref(), Some("/revocations"));
        assert_eq!(asks(&world, "accept").as_deref(), Some("application/json"));
        assert_eq!(world.calls[0].outgoing.response_max, 8 << 20);
        // Nobody else waits for it.
        assert_eq!(
            world.reason(&get("/a").bearer(&token("us-east-1"))),
            Reason::RuleAllowed
        );
        assert_eq!(
            world.reason(&get("/public").bearer(&token("eu-west-1"))),
            Reason::RulePublic
        );
        let call = world.call();
        world.reply(call, &Reply::of(&list));
        for id in waiting {
            assert_eq!(world.finished(id).reason, reason);
        }
        assert_eq!(world.logged("revocations of eu-west-1: "), 1, "{:?}", world.logs);
    }
}

#[test]
fn without_a_list_nobody_can_tell() {
    let mut world = world();
    let id = world.wait(&request());
    world.tick(2);
    let decision = world.finished(id);
    assert_eq!(decision.reason, Reason::RevocationUnavailable);
    assert_eq!(answer(&decision).status, 503);
    assert_eq!(header(answer(&decision), "retry-after"), Some("5"));
    assert_eq!(
        world.reason(&get("/public").bearer(&token("eu-west-1"))),
        Reason::RulePublic
    );
}

#[test]
fn or_what_cannot_be_told_is_let_in_and_says_so() {
    let mut world = World::new(&listing(41, &json!({"onUnavailable": "allow"})));
    let decision = world.decide(&request());
    assert_eq!(decision.reason, Reason::RevocationUnavailableAllowed);
    assert_eq!(field(&decision, 2), "shop/open");
    let told = (
        "x-regionguard-reason".to_owned(),
        "identity.revocation_unavailable_allowed".to_owned(),
    );
    assert!(forwarded(&decision).headers.contains(&told));
    assert_eq!(
        world.reason(&get("/public").bearer(&token("eu-west-1"))),
        Reason::RulePublic
    );
    assert_eq!(world.count(Counter::RevocationUnchecked), 2);
    // What is asked of a center is not decided here: but the upstream is told.
    let ask = get("/ask/7").bearer(&token("eu-west-1"));
    let decision = world.answered(&ask, &Reply::decision(true));
    assert_eq!(decision.reason, Reason::CenterAllowed);
    assert!(forwarded(&decision).headers.contains(&told));
    world.calls.clear();
    world.wake();
    let call = world.call();
    world.reply(call, &Reply::of(&revoked()));
    assert_eq!(world.reason(&request()), Reason::TokenRevoked);
}

/// Whoever cannot show what the token is bound to is nobody, so nothing of the token is told.
#[test]
fn a_token_that_is_nobodys_is_not_one_that_was_let_in() {
    let mut world = World::new(&listing(41, &json!({"onUnavailable": "allow"})));
    let bound = json!({"cnf": {"x5t#S256": "A".repeat(43)}});
    let decision = world.decide(&get("/public").bearer(&token_with("eu-west-1", &bound)));
    assert_eq!(decision.reason, Reason::RulePublic);
    assert_eq!(forwarded(&decision).headers, []);
    assert_eq!(world.count(Counter::RevocationUnchecked), 0);
}

/// Both reasons are told where neither the list nor the center is there.
#[test]
fn each_reason_is_told() {
    let mut bundle = listing(41, &json!({"onUnavailable": "allow"}));
    let rules = bundle["documents"][3]["spec"]["rules"].as_array_mut().expect("a list");
    rules[2]["defer"]["onUnavailable"] = json!("allow");
    let mut world = World::new(&bundle);
    let decision = world.answered(&get("/ask/7").bearer(&token("eu-west-1")), &Reply::status(503));
    assert_eq!(decision.reason, Reason::CenterUnavailableAllowed);
    let reasons = "identity.revocation_unavailable_allowed,center.unavailable_allowed";
    let told = forwarded(&decision)
        .headers
        .iter()
        .filter(|(name, _)| name == "x-regionguard-reason");
    assert_eq!(told.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), [reasons]);
}

/// Token by token: on a hit of the cache, within one refresh, and for this home region only.
#[test]
fn what_is_cached_is_compared_with_each_new_list() {
    let mut world = world().fetched(&json!({"tokens": []}));
    let session = get("/a").bearer(&token_with("eu-west-1", &json!({"sid": "s-1"})));
    let local = get("/a").bearer(&token_with("us-east-1", &json!({"sid": "s-1"})));
    for list in [
        revoked(),
        json!({"sessions": [{"sid": "s-1"}]}),
        json!({"subjects": [{"sub": "alice", "notBefore": START}]}),
        json!({"keys": [{"kid": "key-of-eu-west-1"}]}),
    ] {
        assert_eq!(world.reason(&session), Reason::RuleAllowed, "{list}");
        world.tick(60);
        let call = world.call();
        world.reply(call, &Reply::of(&list));
        assert_eq!(world.reason(&session), Reason::TokenRevoked, "{list}");
        assert_eq!(world.reason(&local), Reason::RuleAllowed, "another region's: {list}");
        world.tick(60);
        let call = world.call();
        world.reply(call, &empty());
    }
    assert_eq!(world.reason(&session), Reason::RuleAllowed);
}

/// No push, no other question: the answer of the center is there, and of no use.
#[test]
fn a_kept_answer_does_not_outlive_the_subject() {
    let mut world = world().fetched(&json!({"tokens": []}));
    let ask = get("/ask/7").bearer(&token("eu-west-1"));
    world.tick(50);
    world.answered(&ask, &Reply::decision(true));
    world.calls.clear();
    assert_eq!(world.reason(&ask), Reason::CenterAllowed, "kept");
    let call = world.next_call();
    assert_eq!(world.reason(&ask), Reason::CenterAllowed, "kept");
    world.reply(
        call,
        &Reply::of(&json!({"subjects": [{"sub": "alice", "notBefore": START}]})),
    );
    assert_eq!(world.reason(&ask), Reason::TokenRevoked);
    world.quiet();
}

#[test]
fn a_bad_answer_never_replaces_a_good_one_but_an_empty_list_does() {
    let mut world = world().fetched(&revoked());
    let large = Reply { body: None, ..empty() };
    for bad in [
        Reply::status(500),
        Reply::status(200),
        Reply::status(204),
        Reply::status(304),
        Reply::of(&json!({})),
        Reply::of(&json!([])),
        Reply::of(&json!({"tokens": [{"jti": 1}]})),
        Reply::of(&json!({"tokens": [], "more": []})),
        Reply::of(&json!({"tokens": [], "next": "https://elsewhere.com/"})),
        large,
    ] {
        let call = world.next_call();
        world.reply(call, &bad);
        assert_eq!(world.reason(&request()), Reason::TokenRevoked, "{bad:?}");
        let call = world.next_call();
        world.reply(call, &Reply::of(&revoked()));
    }
    assert_eq!(world.logged("the last good ones serve"), 10, "{:?}", world.logs);
    let call = world.next_call();
    world.reply(call, &empty());
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

/// Precisely then, and not when the next attempt is over.
#[test]
fn a_list_is_in_force_until_it_is_too_old() {
    let mut world = world().fetched(&json!({"tokens": []}));
    for second in 1..=300 {
        world.tick(1);
        for call in core::mem::take(&mut world.calls) {
            world.reply(call.id, &Reply::status(503));
        }
        assert_eq!(world.reason(&request()), Reason::RuleAllowed, "after {second} s");
    }
    world.tick(1);
    world.calls.clear();
    let id = match world.begin(&request()) {
        Outcome::Waiting(id) => Some(id),
        Outcome::Done(decision) => {
            assert_eq!(decision.reason, Reason::RevocationUnavailable);
            None
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(world.logged("older than `staleFor`"), 1, "{:?}", world.logs);
    let call = world.next_call();
    world.reply(call, &empty());
    assert!(id.is_none_or(|id| world.finished(id).reason != Reason::TokenRevoked));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

#[test]
fn a_list_in_parts_counts_once_all_are_there() {
    let mut world = world().fetched(&json!({"tokens": []}));
    let with = |jti: &str| get("/a").bearer(&token_with("eu-west-1", &json!({"jti": jti})));
    let parts = |world: &mut World, last: &Reply| {
        let call = world.next_call();
        world.reply(
            call,
            &tagged(&json!({"tokens": [{"jti": "a"}], "next": "/revocations?2"}), "\"1\""),
        );
        assert_eq!(asks(world, ":path").as_deref(), Some("/revocations?2"));
        assert_eq!(asks(world, "if-none-match"), None);
        assert_eq!(world.reason(&with("a")), Reason::RuleAllowed, "half a list is none");
        let call = world.call();
        world.reply(call, last);
    };
    // A list of which a part is bad is none, and its tag says nothing of what is in force.
    parts(&mut world, &Reply::status(500));
    assert_eq!(world.reason(&with("a")), Reason::RuleAllowed);
    world.tick(1);
    assert_eq!(
        asks(&world, ":path").as_deref(),
        Some("/revocations"),
        "from the beginning"
    );
    assert_eq!(asks(&world, "if-none-match"), None);
    parts(&mut world, &tagged(&json!({"tokens": [{"jti": "b"}]}), "\"2\""));
    for (jti, reason) in [
        ("a", Reason::TokenRevoked),
        ("b", Reason::TokenRevoked),
        ("c", Reason::RuleAllowed),
    ] {
        assert_eq!(world.reason(&with(jti)), reason, "{jti}");
    }
    world.tick(60);
    assert_eq!(asks(&world, ":path").as_deref(), Some("/revocations"));
    assert_eq!(asks(&world, "if-none-match").as_deref(), Some("\"1\""));
    let call = world.call();
    world.reply(call, &Reply::status(304));
    assert_eq!(world.reason(&with("b")), Reason::TokenRevoked, "nothing has changed");
    assert_eq!(world.count(Counter::FetchSame), 1);
    // A server that has no end is given up.
    let mut call = world.next_call();
    for _ in 0..1_023 {
        world.reply(call, &Reply::of(&json!({"tokens": [], "next": "/revocations"})));
        call = world.call();
    }
    world.reply(call, &Reply::of(&json!({"tokens": [], "next": "/revocations"})));
    world.quiet();
    assert_eq!(world.logged("more than 1024 parts"), 1, "{:?}", world.logs);
}

#[test]
fn an_answer_may_ask_to_come_back_earlier() {
    let mut world = world();
    world.wake();
    let call = world.call();
    let soon = Reply {
        headers: vec![("cache-control", "max-age=20".to_owned())],
        ..empty()
    };
    world.reply(call, &soon);
    world.tick(17);
    world.quiet();
    world.tick(3);
    world.call();
}

#[test]
fn a_push_leaves_a_list_as_it_is_unless_it_is_another_one() {
    let mut world = world().fetched(&revoked());
    world.push(&listing(42, &json!({"onUnavailable": "allow"})));
    world.wake();
    world.quiet();
    assert_eq!(world.reason(&request()), Reason::TokenRevoked);
    world.push(&listing(
        43,
        &json!({"list": {"cluster": "identity-eu", "path": "/other"}}),
    ));
    let id = world.wait(&request());
    let call = world.call();
    world.reply(call, &empty());
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    world.push(&revoking(44, Json::Null));
    world.tick(600);
    world.quiet();
}

/// A Region that publishes nothing costs nothing.
#[test]
fn who_has_no_list_is_not_looked_at() {
    let mut world = World::new(&revoking(41, Json::Null));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    world.clock_reads.set(0);
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    let status = json!({"status": {"status_list": {"idx": 1, "uri": "https://a.com/1"}}});
    assert_eq!(
        world.reason(&get("/a").bearer(&token_with("eu-west-1", &status))),
        Reason::RuleAllowed
    );
    assert_eq!(world.clock_reads.get(), 0);
    world.pass(Duration::from_secs(600));
    world.wake();
    world.quiet();
}

/// With a list in force, a request whose token was seen reads no clock but the wall's.
#[test]
fn a_list_in_force_costs_no_call_of_the_host() {
    let mut world = world().fetched(&revoked());
    let other = get("/a").bearer(&token_with("eu-west-1", &json!({"jti": "two"})));
    assert_eq!(world.reason(&other), Reason::RuleAllowed);
    world.clock_reads.set(0);
    assert_eq!(world.reason(&other), Reason::RuleAllowed);
    assert_eq!(world.reason(&request()), Reason::TokenRevoked);
    assert_eq!(world.clock_reads.get(), 0);
}
