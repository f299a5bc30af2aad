//! Keys from the network: when they are fetched, what an answer changes, and who waits for it.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::waiting::REQUESTS_MAX;
use super::super::{CallId, Level, Outcome, Owner};
use super::documents::{bundle, policy, region};
use super::host::{Reply, Request, World, answer, forwarded, get, header};
use super::tokens::{ISSUER, Signer, claims, claims_with, token};
use crate::audit::Counter;
use crate::reason::Reason;

const SECOND: Duration = Duration::from_secs(1);

/// The signer that eu-west-1 takes next.
fn next() -> Signer {
    Signer::named("next", "eu-west-1", 7)
}

fn next_token() -> String {
    next().token(&claims("eu-west-1"))
}

fn remote(changes: &Json) -> Json {
    let mut remote = json!({"cluster": "identity-eu", "refresh": "60s", "staleFor": "10m"});
    for (name, value) in changes.as_object().expect("an object") {
        remote[name] = value.clone();
    }
    json!({"remote": remote})
}

/// us-east-1 with inline keys, eu-west-1 with these.
fn world_with(keys: Json) -> World {
    World::new(&bundle_with(keys))
}

fn bundle_with(keys: Json) -> Json {
    let rules = json!({"rules": [
        {"name": "profile", "paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
        {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer"},
        {"name": "blocked", "paths": ["/blocked"], "effect": "deny"},
    ]});
    let mut bundle = bundle(&[policy("shop", rules)]);
    bundle["documents"][1]["spec"]["keys"] = keys;
    bundle
}

fn world() -> World {
    world_with(remote(&json!({})))
}

fn jwks(signers: &[Signer]) -> Json {
    json!({"keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>()})
}

fn usual() -> Json {
    jwks(&[Signer::new("eu-west-1", 1)])
}

/// A request with the usual token of eu-west-1.
fn request() -> Request {
    get("/v1/profiles/7").bearer(&token("eu-west-1"))
}

impl World {
    /// The one call that was made since the last look.
    #[track_caller]
    pub(super) fn call(&mut self) -> CallId {
        assert_eq!(self.calls.len(), 1, "{:?}", self.calls);
        let call = self.calls.remove(0);
        assert_eq!(call.owner, Owner::Engine);
        call.id
    }

    #[track_caller]
    pub(super) fn quiet(&self) {
        assert!(self.calls.is_empty(), "{:?}", self.calls);
    }

    /// Lets time pass, a second at a time.
    pub(super) fn tick(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(SECOND);
            self.wake();
        }
    }

    /// Lets time pass until the next call is made.
    #[track_caller]
    pub(super) fn next_call(&mut self) -> CallId {
        for _ in 0..100 {
            if !self.calls.is_empty() {
                break;
            }
            self.tick(1);
        }
        self.call()
    }

    /// A world whose keys have been fetched.
    #[track_caller]
    pub(super) fn fetched(mut self, set: &Json) -> Self {
        self.wake();
        let call = self.call();
        self.reply(call, &Reply::of(set));
        self
    }

    pub(super) fn count(&mut self, counter: Counter) -> u64 {
        let (counters, _) = self.counted();
        counters
            .iter()
            .find(|(found, _)| *found == counter)
            .map_or(0, |(_, sum)| *sum)
    }

    pub(super) fn logged(&self, what: &str) -> usize {
        self.logs.iter().filter(|(_, line)| line.contains(what)).count()
    }
}

#[test]
fn keys_are_asked_for_at_the_first_tick_and_belong_to_the_engine() {
    let mut world = world();
    world.quiet();
    world.wake();
    let outgoing = world.calls[0].outgoing.clone();
    assert_eq!(outgoing.cluster, "identity-eu");
    assert_eq!(outgoing.response_max, 256 << 10);
    for (name, value) in [
        (":method", "GET"),
        (":path", "/.well-known/jwks.json"),
        (":authority", "identity-eu"),
    ] {
        assert!(outgoing.headers.contains(&(name, value.to_owned())), "{name}");
    }
    let call = world.call();
    world.wake();
    world.quiet();
    world.reply(call, &Reply::of(&usual()));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    assert_eq!(world.count(Counter::FetchChanged), 1);
    assert_eq!(world.logged("keys of eu-west-1: 1 in force"), 1);
}

#[test]
fn requests_before_the_first_answer_are_answered_together_by_one_call() {
    let mut world = world();
    let first = world.wait(&request());
    let call = world.call();
    let waiting: Vec<_> = (0..9).map(|_| world.wait(&request())).collect();
    world.wake();
    world.quiet();
    // Nobody else waits for it.
    assert_eq!(
        world.reason(&get("/v1/profiles/7").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    assert_eq!(
        world.reason(&get("/public").bearer(&token("eu-west-1"))),
        Reason::RulePublic
    );
    assert_eq!(world.reason(&get("/v1/profiles/7")), Reason::IdentityMissing);
    world.reply(call, &Reply::of(&usual()));
    for id in waiting.into_iter().chain([first]) {
        let decision = world.finished(id);
        assert_eq!(decision.reason, Reason::RuleAllowed);
        assert!(decision.line.ends_with("eu-west-1>->us-east-1"), "{}", decision.line);
    }
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

#[test]
fn a_request_waits_as_long_as_it_is_told_and_gets_503_then() {
    let mut world = world();
    let id = world.wait(&request());
    world.tick(1);
    assert!(world.done.is_empty());
    world.tick(1);
    let decision = world.finished(id);
    assert_eq!(decision.reason, Reason::KeysUnavailable);
    assert_eq!(header(answer(&decision), "retry-after"), Some("5"));
    assert_eq!(answer(&decision).status, 503);
    // The next one joins the same call, and is judged when that fails: the next attempt may be in time.
    let id = world.wait(&request());
    let call = world.call();
    world.reply(call, &Reply::status(500));
    assert!(world.done.is_empty());
    world.tick(1);
    let call = world.call();
    world.reply(call, &Reply::of(&usual()));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
}

#[test]
fn where_the_next_attempt_comes_too_late_nobody_waits() {
    let mut world = world();
    world.wake();
    for _ in 0..5 {
        let call = world.next_call();
        world.reply(call, &Reply::status(500));
    }
    world.tick(1);
    assert_eq!(world.reason(&request()), Reason::KeysUnavailable);
    world.quiet();
}

#[test]
fn a_wait_begins_nothing_twice() {
    let mut world = world();
    let spoofed = request().header("X-Regionguard-Subject", "root");
    let id = world.wait(&spoofed);
    assert_eq!(world.removed, [b"X-Regionguard-Subject".to_vec()]);
    world.removed.clear();
    let call = world.call();
    world.reply(call, &Reply::of(&usual()));
    assert!(world.removed.is_empty(), "{:?}", world.removed);
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    assert_eq!(world.count(Counter::TokenCacheMiss), 1);
}

#[test]
fn a_request_that_waited_may_still_have_to_ask_its_center() {
    let mut world = world();
    let id = world.wait(&get("/ask/7").bearer(&token("eu-west-1")));
    let call = world.call();
    world.tick(1);
    world.reply(call, &Reply::of(&usual()));
    // Its own wait for the keys has no say in how long the center may take.
    world.pass(Duration::from_millis(200));
    world.wake();
    assert_eq!(world.question()["subject"]["id"], json!("alice"));
    let call = world.calls[0].id;
    world.reply(call, &Reply::decision(true));
    assert_eq!(world.finished(id).reason, Reason::CenterAllowed);
}

#[test]
fn a_stream_that_is_gone_leaves_its_place() {
    let mut world = world();
    for _ in 0..3 {
        let ids: Vec<_> = (0..REQUESTS_MAX / 2).map(|_| world.wait(&request())).collect();
        assert_eq!(world.reason(&request()), Reason::Overloaded);
        for id in ids {
            world.close(id);
        }
    }
    let call = world.call();
    world.reply(call, &Reply::of(&usual()));
    assert!(world.done.is_empty());
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

#[test]
fn what_waits_is_bounded_by_bytes() {
    let mut world = world();
    let large = request().header("x-large", vec![b'a'; 900 << 10]);
    let mut waiting = 0;
    while matches!(world.begin(&large), Outcome::Waiting(_)) {
        waiting += 1;
    }
    assert_eq!(waiting, 4);
    assert!(matches!(world.begin(&request()), Outcome::Waiting(_)));
}

#[test]
fn those_who_wait_for_one_region_leave_room_for_others() {
    let mut bundle = bundle_with(remote(&json!({})));
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    let mut world = World::new(&bundle);
    let flood: Vec<_> = (0..REQUESTS_MAX).map(|_| world.begin(&request())).collect();
    let waits = |outcome: &&Outcome| matches!(outcome, Outcome::Waiting(_));
    assert_eq!(flood.iter().filter(waits).count(), REQUESTS_MAX / 2);
    for _ in 0..REQUESTS_MAX / 4 {
        world.wait(&get("/v1/profiles/7").bearer(&token("us-east-1")));
    }
}

#[test]
fn what_a_new_bundle_takes_out_is_taken_from_those_who_wait() {
    let mut world = world();
    let request = get("/v1/profiles/7")
        .bearer(&token("eu-west-1"))
        .header("X-Team", "root");
    let id = world.wait(&request);
    assert!(world.removed.is_empty());
    let call = world.call();
    let mut next = bundle_with(remote(&json!({})));
    next["metadata"]["version"] = json!(42);
    next["documents"][3]["spec"]["forward"] = json!({"claims": {"x-team": "team"}});
    world.push(&next);
    world.wake();
    world.quiet();
    world.reply(call, &Reply::of(&usual()));
    let decision = world.finished(id);
    assert_eq!(decision.reason, Reason::RuleAllowed);
    assert_eq!(forwarded(&decision).removed, [b"X-Team".to_vec()]);
}

#[test]
fn only_a_token_that_would_do_waits_for_keys() {
    let signer = Signer::new("eu-west-1", 1);
    let with = |changes: Json| signer.token(&claims_with("eu-west-1", &changes));
    let mut world = world();
    for (token, reason) in [
        (with(json!({"exp": 1})), Reason::TokenExpired),
        (with(json!({"aud": "other"})), Reason::TokenAudience),
        (with(json!({"iss": "other"})), Reason::IssuerUnknown),
        (with(json!({"region": "mars"})), Reason::RegionMismatch),
        (
            Signer::new("ap-southeast-1", 1).token(&claims("ap-southeast-1")),
            Reason::RegionNotAccepted,
        ),
    ] {
        assert_eq!(world.reason(&get("/v1/profiles/7").bearer(&token)), reason);
    }
    world.quiet();
    let mut world = world_with({
        let mut keys = remote(&json!({}));
        keys["algorithms"] = json!(["ES256"]);
        keys
    });
    assert_eq!(world.reason(&request()), Reason::TokenAlgorithm);
    world.quiet();
}

#[test]
fn a_good_answer_is_renewed_in_time_and_a_bad_one_changes_nothing() {
    let mut world = world().fetched(&usual());
    let large = Reply {
        body: None,
        ..Reply::of(&usual())
    };
    for (round, bad) in [
        Reply::status(500),
        Reply::status(404),
        Reply::status(301),
        Reply::status(304),
        Reply::status(0),
        Reply::of(&json!({"keys": []})),
        Reply::of(&json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
        Reply::of(&json!([])),
        Reply::of(&json!("<html>")),
        large,
    ]
    .iter()
    .enumerate()
    {
        // Within a tenth before it is due, and not earlier.
        world.tick(53);
        world.quiet();
        world.tick(8);
        let call = world.call();
        world.reply(call, bad);
        assert_eq!(world.reason(&request()), Reason::RuleAllowed, "{bad:?}");
        assert_eq!(world.logged("the last good ones serve"), round + 1, "{:?}", world.logs);
        world.tick(1);
        let call = world.call();
        world.reply(call, &Reply::of(&usual()));
    }
    assert!(world.logs.iter().all(|(_, line)| !line.contains("AAAA")));
    let (counters, _) = world.counted();
    assert!(counters.contains(&(Counter::FetchFailed, 10)), "{counters:?}");
    assert!(counters.contains(&(Counter::FetchSame, 10)), "{counters:?}");
    assert!(counters.contains(&(Counter::FetchChanged, 1)), "{counters:?}");
}

#[test]
fn an_answer_may_shorten_the_time_to_the_next() {
    let short = |value: &str| Reply {
        headers: vec![("cache-control", value.to_owned())],
        ..Reply::of(&usual())
    };
    let mut world = world();
    world.wake();
    let call = world.call();
    world.reply(call, &short("public, max-age=30"));
    world.tick(26);
    world.quiet();
    world.tick(4);
    let call = world.call();
    // Whoever says that nothing holds is still not asked without pause.
    world.reply(call, &short("max-age=0"));
    world.tick(8);
    world.quiet();
    world.tick(2);
    let call = world.call();
    world.reply(call, &short("max-age=86400"));
    world.tick(53);
    world.quiet();
    world.tick(7);
    world.call();
}

#[test]
fn an_entity_tag_is_sent_back_and_renews_the_answer() {
    let mut world = world();
    world.wake();
    let call = world.call();
    world.reply(
        call,
        &Reply {
            headers: vec![("etag", "\"one\"".to_owned())],
            ..Reply::of(&usual())
        },
    );
    for _ in 0..15 {
        world.tick(60);
        let sent = ("if-none-match", "\"one\"".to_owned());
        assert!(world.calls[0].outgoing.headers.contains(&sent));
        let call = world.call();
        world.reply(call, &Reply::status(304));
        assert_eq!(world.reason(&request()), Reason::RuleAllowed);
        // Valid tokens of that time.
        world.wall = 0;
    }
    assert_eq!(world.count(Counter::FetchSame), 15);
}

#[test]
fn the_last_good_keys_serve_for_stale_for_and_no_longer() {
    let mut world = world().fetched(&usual());
    let last = world.monotonic;
    let passed = |world: &World| Duration::from_nanos(world.monotonic - last);
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    while passed(&world) < Duration::from_secs(600) {
        world.tick(1);
        world.wall = 0;
        while let Some(call) = world.calls.pop() {
            world.reply(call.id, &Reply::status(503));
        }
    }
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    world.tick(1);
    world.wall = 0;
    while let Some(call) = world.calls.pop() {
        world.reply(call.id, &Reply::status(503));
    }
    // The cached token as well; and one that would not do is told so.
    assert_eq!(world.reason(&request()), Reason::KeysUnavailable);
    assert_eq!(world.count(Counter::FetchExpired), 1);
    let call = world.next_call();
    world.wall = 0;
    world.reply(call, &Reply::of(&usual()));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    let (counters, _) = world.counted();
    assert!(
        !counters.iter().any(|(counter, _)| *counter == Counter::TokenCacheMiss),
        "{counters:?}"
    );
}

#[test]
fn an_unknown_key_is_fetched_once_and_its_requests_are_answered_together() {
    let mut world = world().fetched(&usual());
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    let rotated = get("/v1/profiles/7").bearer(&next_token());
    let waiting: Vec<_> = (0..5).map(|_| world.wait(&rotated)).collect();
    let call = world.call();
    // Those with the known key do not wait.
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    world.reply(call, &Reply::of(&jwks(&[Signer::new("eu-west-1", 1), next()])));
    for id in waiting {
        assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    }
    assert_eq!(world.reason(&rotated), Reason::RuleAllowed);
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    assert_eq!(world.count(Counter::FetchEarly), 1);
}

#[test]
fn any_number_of_unknown_keys_makes_a_bounded_number_of_calls() {
    let mut world = world().fetched(&usual());
    let mut calls = 0;
    for second in 0..100_u32 {
        for index in 0..50 {
            let forged = Signer::named(&format!("{second}-{index}"), "eu-west-1", 9).token(&claims("eu-west-1"));
            match world.begin(&get("/v1/profiles/7").bearer(&forged)) {
                Outcome::Done(decision) => assert_eq!(decision.reason, Reason::KeyUnknown),
                Outcome::Waiting(_) => {}
                other @ Outcome::NeedBody { .. } => panic!("{other:?}"),
            }
        }
        while let Some(call) = world.calls.pop() {
            calls += 1;
            world.reply(call.id, &Reply::of(&usual()));
        }
        assert!(
            world
                .done
                .drain(..)
                .all(|(_, decision)| decision.reason == Reason::KeyUnknown)
        );
        world.tick(1);
    }
    assert!((10..=13).contains(&calls), "{calls} calls in 100 seconds");
}

#[test]
fn an_unknown_key_makes_no_call_where_no_key_could_help() {
    let forged = Signer::named("other", "eu-west-1", 9);
    let mut world = world().fetched(&usual());
    for (token, reason) in [
        (
            forged.token(&claims_with("eu-west-1", &json!({"exp": 1}))),
            Reason::KeyUnknown,
        ),
        (
            forged.token(&claims_with("eu-west-1", &json!({"aud": "other"}))),
            Reason::KeyUnknown,
        ),
        // Inline keys come with the bundle.
        (
            Signer::named("other", "us-east-1", 9).token(&claims("us-east-1")),
            Reason::KeyUnknown,
        ),
        (
            forged.token_with(
                &json!({"alg": "ES256", "kid": "key-of-eu-west-1"}),
                &claims("eu-west-1"),
            ),
            Reason::TokenAlgorithm,
        ),
    ] {
        assert_eq!(world.reason(&get("/v1/profiles/7").bearer(&token)), reason);
        assert_eq!(world.reason(&get("/public").bearer(&token)), Reason::RulePublic);
    }
    // What everybody is denied, and what is public, waits for nobody.
    let unknown = forged.token(&claims("eu-west-1"));
    assert_eq!(world.reason(&get("/blocked").bearer(&unknown)), Reason::RuleDenied);
    let public = world.decide(&get("/public").bearer(&unknown));
    assert!(forwarded(&public).strip.is_some());
    world.quiet();
    // While attempts fail, their pauses hold.
    world.tick(60);
    let call = world.call();
    world.reply(call, &Reply::status(503));
    assert_eq!(
        world.reason(&get("/v1/profiles/7").bearer(&unknown)),
        Reason::KeyUnknown
    );
    world.quiet();
}

#[test]
fn a_removed_key_takes_its_tokens_along_and_no_others() {
    let both = jwks(&[Signer::new("eu-west-1", 1), next()]);
    let mut world = world().fetched(&both);
    let ours = get("/v1/profiles/7").bearer(&token("us-east-1"));
    let rotated = get("/v1/profiles/7").bearer(&next_token());
    for request in [&request(), &rotated, &ours] {
        assert_eq!(world.reason(request), Reason::RuleAllowed);
    }
    world.tick(60);
    let call = world.call();
    world.reply(call, &Reply::of(&jwks(&[next()])));
    world.counted();
    assert_eq!(world.reason(&ours), Reason::RuleAllowed);
    assert_eq!(world.count(Counter::TokenCacheHit), 1);
    assert_eq!(world.reason(&rotated), Reason::RuleAllowed);
    // It may have come back by now: one call tells.
    let id = world.wait(&request());
    let call = world.call();
    world.reply(call, &Reply::of(&jwks(&[next()])));
    assert_eq!(world.finished(id).reason, Reason::KeyUnknown);
}

#[test]
fn a_key_that_another_region_holds_verifies_for_neither() {
    let ours = Signer::new("us-east-1", 1);
    let mut world = world().fetched(&jwks(&[Signer::new("eu-west-1", 1), ours]));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    assert_eq!(
        world.reason(&get("/v1/profiles/7").bearer(&token("us-east-1"))),
        Reason::KeyUnknown
    );
    let shared = "Regions eu-west-1 and us-east-1 have a key in common";
    assert_eq!(world.logged(shared), 1);
    assert_eq!(world.count(Counter::KeysShared), 1);
    // It is told once, and ends with its cause.
    for set in [
        jwks(&[Signer::new("eu-west-1", 1), Signer::new("us-east-1", 1), next()]),
        usual(),
    ] {
        world.tick(60);
        let call = world.call();
        world.reply(call, &Reply::of(&set));
    }
    assert_eq!(world.logged(shared), 1);
    assert_eq!(
        world.reason(&get("/v1/profiles/7").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
}

#[test]
fn a_push_that_leaves_a_region_as_it_is_leaves_its_keys() {
    let mut world = world().fetched(&usual());
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    let mut again = bundle_with(remote(&json!({"refresh": "30s", "timeout": "1s"})));
    again["metadata"]["version"] = json!(42);
    again["documents"][1]["metadata"]["name"] = json!("eu-west-1");
    // Another Region comes before it.
    again["documents"]
        .as_array_mut()
        .expect("a list")
        .push(region("aa-first-1"));
    again["documents"][4]["spec"]["networks"] = json!(["127.0.9.0/24"]);
    world.push(&again);
    world.wake();
    world.quiet();
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    // What changes where they come from, or what they may do, has them fetched anew.
    for keys in [
        remote(&json!({"path": "/other"})),
        remote(&json!({"cluster": "other"})),
        remote(&json!({"authority": "other"})),
        json!({"remote": {"cluster": "identity-eu"}, "algorithms": ["EdDSA"]}),
        json!({"discovery": {"cluster": "identity-eu", "path": "/.well-known/jwks.json"}}),
    ] {
        let mut other = bundle_with(keys.clone());
        other["metadata"]["version"] = json!(43);
        let mut world = world_with(remote(&json!({}))).fetched(&usual());
        world.push(&other);
        assert!(matches!(world.begin(&request()), Outcome::Waiting(_)), "{keys}");
        world.call();
    }
    // And what no Region wants is not fetched any more.
    let mut inline = bundle_with(json!({"jwks": usual()}));
    inline["metadata"]["version"] = json!(44);
    world.push(&inline);
    world.tick(120);
    world.quiet();
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

#[test]
fn an_answer_that_comes_after_a_push_changes_nothing() {
    let mut world = world();
    let id = world.wait(&request());
    let old = world.call();
    let mut other = bundle_with(remote(&json!({"path": "/other"})));
    other["metadata"]["version"] = json!(42);
    world.push(&other);
    world.wake();
    let new = world.call();
    world.reply(old, &Reply::of(&usual()));
    assert!(world.done.is_empty());
    // It is judged by what serves when its time is up.
    world.reply(new, &Reply::of(&usual()));
    world.tick(2);
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
}

#[test]
fn a_call_that_the_host_never_answers_is_given_up_and_made_again() {
    let mut world = world_with(remote(&json!({"timeout": "1s"})));
    world.wake();
    let lost = world.call();
    world.tick(1);
    world.quiet();
    world.tick(1);
    assert_eq!(world.logged("the host never told of an answer; there are none"), 1);
    world.tick(1);
    let call = world.call();
    // What the host says of the first one is of no interest now.
    world.reply(lost, &Reply::of(&jwks(&[next()])));
    assert_eq!(world.count(Counter::FetchFailed), 1);
    world.reply(call, &Reply::of(&usual()));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
}

#[test]
fn a_cluster_that_the_host_does_not_know_is_asked_again() {
    let mut world = world();
    let id = world.wait(&request());
    let call = world.call();
    world.refuse(call);
    assert_eq!(world.logged("is there such a cluster?"), 1);
    world.tick(1);
    let call = world.call();
    world.reply(call, &Reply::of(&usual()));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
}

#[test]
fn two_regions_do_not_wait_for_each_other() {
    let mut bundle = bundle_with(remote(&json!({})));
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    let mut world = World::new(&bundle);
    world.wake();
    let clusters: Vec<String> = world.calls.iter().map(|call| call.outgoing.cluster.clone()).collect();
    assert_eq!(clusters, ["identity-eu", "identity-us"]);
    // One never answers.
    let us = world.calls[1].id;
    world.reply(us, &Reply::of(&jwks(&[Signer::new("us-east-1", 1)])));
    assert_eq!(
        world.reason(&get("/v1/profiles/7").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    assert!(matches!(world.begin(&request()), Outcome::Waiting(_)));
}

#[test]
fn odd_keys_are_named_in_the_log_once_and_not_without_end() {
    let odd = |kid: &str| json!({"kty": "oct", "kid": kid, "k": "c2VjcmV0"});
    let mut keys: Vec<Json> = (0..50).map(|index| odd(&format!("odd-{index}\r\né"))).collect();
    keys.push(Signer::new("eu-west-1", 1).jwk());
    let set = json!({"keys": keys});
    let mut world = world().fetched(&set);
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    assert_eq!(world.logged("odd-0"), 1);
    assert_eq!(world.logged("odd-"), 15);
    assert_eq!(world.logged("c2VjcmV0"), 0);
    world.tick(60);
    let call = world.call();
    world.reply(call, &Reply::of(&set));
    assert_eq!(world.logged("odd-0"), 1);
    assert!(world.logs.iter().all(|(level, _)| *level != Level::Warn));
}

fn discovery() -> Json {
    json!({"discovery": {"cluster": "identity-eu", "authority": "id.example.com", "path": "/eu/.well-known/openid-configuration",
        "refresh": "60s", "jwks": {"cluster": "keys-eu", "authority": "keys.example.com"}}})
}

fn configuration(jwks_uri: &str) -> Json {
    json!({"issuer": ISSUER, "jwks_uri": jwks_uri, "id_token_signing_alg_values_supported": ["EdDSA"]})
}

#[test]
fn an_issuers_configuration_leads_to_its_keys() {
    for (uri, cluster, authority, path) in [
        (
            "https://id.example.com/eu/jwks?v=2",
            "identity-eu",
            "id.example.com",
            "/eu/jwks?v=2",
        ),
        (
            "https://ID.EXAMPLE.COM:443/jwks",
            "identity-eu",
            "id.example.com",
            "/jwks",
        ),
        ("https://keys.example.com/jwks", "keys-eu", "keys.example.com", "/jwks"),
        ("http://keys.example.com", "keys-eu", "keys.example.com", "/"),
    ] {
        let mut world = world_with(discovery());
        let id = world.wait(&request());
        let ask = world.calls[0].outgoing.clone();
        assert!(
            ask.headers
                .contains(&(":path", "/eu/.well-known/openid-configuration".to_owned()))
        );
        let call = world.call();
        world.reply(call, &Reply::of(&configuration(uri)));
        let ask = world.calls[0].outgoing.clone();
        assert_eq!(ask.cluster, cluster);
        assert!(ask.headers.contains(&(":authority", authority.to_owned())));
        assert!(ask.headers.contains(&(":path", path.to_owned())));
        let call = world.call();
        world.reply(call, &Reply::of(&usual()));
        assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
        // The next time, both again.
        world.tick(60);
        let call = world.call();
        world.reply(call, &Reply::of(&configuration(uri)));
        let call = world.call();
        world.reply(call, &Reply::of(&usual()));
        assert_eq!(world.count(Counter::FetchSame), 1);
    }
}

#[test]
fn a_configuration_that_is_not_the_issuers_leads_nowhere() {
    let good = "https://id.example.com/jwks";
    let mut other = configuration(good);
    other["issuer"] = json!(format!("{ISSUER}/"));
    for (configuration, said) in [
        (other, "is of another issuer, `identity.global.com/`"),
        (json!({"jwks_uri": good}), "has no string `issuer`"),
        (json!({"issuer": ISSUER}), "has no string `jwks_uri`"),
        (json!([]), "has no string `issuer`"),
        (configuration("https://evil.example.com/jwks"), "leads to another host"),
        (
            configuration("https://id.example.com:8443/jwks"),
            "leads to another host",
        ),
        (
            configuration("https://id.example.com@evil.example.com/jwks"),
            "is no http(s) URL",
        ),
        (configuration("file:///etc/passwd"), "is no http(s) URL"),
        (configuration("https://id.example.com/\r\nx: y"), "is no http(s) URL"),
        (configuration("/jwks"), "is no http(s) URL"),
    ] {
        let mut world = world_with(discovery());
        world.wake();
        let call = world.call();
        world.reply(call, &Reply::of(&configuration));
        world.quiet();
        assert_eq!(world.logged(said), 1, "{configuration}: {:?}", world.logs);
    }
}

#[test]
fn a_tag_stands_for_the_keys_that_are_held_and_for_no_others() {
    let tagged = |body: &Json, tag: &str| Reply {
        headers: vec![("etag", tag.to_owned())],
        ..Reply::of(body)
    };
    let led_to = |world: &mut World, path: &str| {
        let call = world.next_call();
        world.reply(
            call,
            &Reply::of(&configuration(&format!("https://id.example.com/{path}"))),
        );
        let [call] = world.calls.as_slice() else {
            panic!("{:?}", world.calls)
        };
        call.outgoing.headers.iter().any(|(name, _)| *name == "if-none-match")
    };
    let mut world = world_with(discovery());
    for (path, signer) in [("one", Signer::new("eu-west-1", 1)), ("two", next())] {
        assert!(!led_to(&mut world, path));
        let call = world.call();
        world.reply(call, &tagged(&jwks(&[signer]), &format!("\"{path}\"")));
    }
    // Back at the first place, where the set is as it was there: not the one that is held.
    assert!(!led_to(&mut world, "one"));
    let call = world.call();
    world.reply(call, &tagged(&usual(), "\"one\""));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    assert!(led_to(&mut world, "one"));
}

#[test]
fn keys_in_common_are_told_once_for_two_regions() {
    let copied: Vec<Signer> = (0..50)
        .map(|index| Signer::named(&format!("k-{index}"), "eu-west-1", 50 + index))
        .collect();
    let mut bundle = bundle_with(remote(&json!({})));
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    let mut world = World::new(&bundle);
    world.wake();
    for call in core::mem::take(&mut world.calls) {
        world.reply(call.id, &Reply::of(&jwks(&copied)));
    }
    assert_eq!(world.logged("have a key in common"), 1);
    assert_eq!(world.count(Counter::KeysShared), 50);
}

#[test]
fn an_attempt_that_fails_half_way_begins_anew_and_both_documents_have_their_tags() {
    let tagged = |body: &Json, tag: &str| Reply {
        headers: vec![("etag", tag.to_owned())],
        ..Reply::of(body)
    };
    let sent = |world: &World| {
        let headers = &world.calls[0].outgoing.headers;
        headers
            .iter()
            .find(|(name, _)| *name == "if-none-match")
            .map(|(_, tag)| tag.clone())
    };
    let uri = "https://id.example.com/jwks";
    let mut world = world_with(discovery());
    world.wake();
    let call = world.call();
    world.reply(call, &tagged(&configuration(uri), "\"c\""));
    let call = world.call();
    world.reply(call, &Reply::status(500));
    world.tick(1);
    assert_eq!(sent(&world).as_deref(), Some("\"c\""));
    let call = world.call();
    world.reply(call, &Reply::status(304));
    assert_eq!(sent(&world), None);
    let call = world.call();
    world.reply(call, &tagged(&usual(), "\"k\""));
    assert_eq!(world.reason(&request()), Reason::RuleAllowed);
    world.tick(60);
    assert_eq!(sent(&world).as_deref(), Some("\"c\""));
    let call = world.call();
    world.reply(call, &Reply::status(304));
    assert_eq!(sent(&world).as_deref(), Some("\"k\""));
    let call = world.call();
    world.reply(call, &Reply::status(304));
    assert_eq!(world.count(Counter::FetchSame), 1);
    // Keys that have moved have no tag yet.
    world.tick(60);
    let call = world.call();
    world.reply(call, &tagged(&configuration("https://id.example.com/moved"), "\"d\""));
    assert_eq!(sent(&world), None);
}
