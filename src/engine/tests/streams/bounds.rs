//! What streams that are looked after may take of a worker, and what judging them again does to others: nothing.

use core::time::Duration;

use serde_json::json;

use super::super::super::StreamId;
use super::super::super::streams::{BYTES_MAX, LOOKS_MAX, STREAMS_MAX};
use super::super::documents::policy;
use super::super::host::{Request, World, get};
use super::super::tokens::{Signer, claims_with, token};
use super::{SECOND, after, lives, long, open, rules, tick, version, websocket, without};
use crate::audit::Counter;
use crate::reason::Reason;

/// What fails when many are judged again costs those nothing who send requests, and each of them fails once.
#[test]
fn signatures_that_fail_again_have_a_budget_of_their_own() {
    const AT_ONCE: usize = 150;
    let mut world = super::world();
    let request = websocket("/live").bearer(&long("alice"));
    let all: Vec<StreamId> = (0..AT_ONCE + 10).map(|_| open(&mut world, &request)).collect();
    let mut bundle = version(42, rules());
    bundle["documents"][0]["spec"]["keys"]["jwks"]["keys"] = json!([Signer::new("us-east-1", 2).jwk()]);
    world.push(&bundle);
    assert_eq!(tick(&mut world), all[..AT_ONCE]);
    assert_eq!(
        world.reason(&get("/plain").bearer(&long("alice"))),
        Reason::TokenSignature
    );
    assert_eq!(
        after(&mut world, Duration::from_secs(10)),
        all[AT_ONCE..],
        "not 429 for long"
    );
}

/// What a peer fails in requests counts as the risk of its streams; what judging streams again fails counts for nobody.
#[test]
fn the_risk_of_a_stream_is_that_of_its_peer() {
    let mut rules = rules();
    rules[0]["when"] = json!("risk.failures < 3");
    let mut world = World::new(&version(41, rules.clone()));
    let live = open(&mut world, &websocket("/live").bearer(&long("alice")));
    let forged = |number: u8| {
        let claims = claims_with("us-east-1", &json!({"jti": number.to_string()}));
        let signer = Signer::named("key-of-us-east-1", "us-east-1", 9);
        get("/plain").bearer(&signer.token(&claims))
    };
    for (number, ended) in [(0, vec![]), (1, vec![]), (2, vec![live])] {
        for more in 0..=number {
            assert_eq!(world.reason(&forged(number * 8 + more)), Reason::TokenSignature);
        }
        // Before the next one is made up for.
        world.push(&version(42 + u64::from(number), rules.clone()));
        world.wake();
        assert_eq!(core::mem::take(&mut world.ended), ended, "{number}");
        world.pass(SECOND);
    }
}

/// Nothing is counted or told twice, and nothing is tried.
#[test]
fn judging_again_leaves_no_trace() {
    let mut bundle = version(41, rules());
    bundle["documents"][3]["spec"]["rules"][1] =
        json!({"name": "tried", "paths": ["/live"], "effect": "deny", "mode": "shadow"});
    bundle["candidate"] = json!({"sample": "100%", "documents": [policy("shop", json!({"rules": [rules()[2]]}))]});
    let mut world = World::new(&bundle);
    open(&mut world, &websocket("/live").bearer(&long("alice")));
    world.wake();
    let before = world.counted().0;
    for tried in [Counter::ShadowWouldDeny, Counter::CandidateWouldDeny] {
        assert!(before.contains(&(tried, 1)), "{before:?}");
    }
    world.logs.clear();
    assert_eq!(after(&mut world, Duration::from_secs(60)), []);
    assert_eq!(world.counted(), (vec![], vec![]));
    assert!(world.logs.is_empty(), "{:?}", world.logs);
    assert!(world.removed.is_empty() && world.calls.is_empty());
}

/// A push to many streams does not hold up the worker, nor fill its log.
#[test]
fn so_many_are_judged_at_once_and_no_more() {
    let mut world = super::world();
    let all: Vec<StreamId> = (0..LOOKS_MAX + 10).map(|_| open(&mut world, &lives())).collect();
    world.push(&version(42, without("live")));
    world.logs.clear();
    // Each plugin of the VM has a tick of its own; all of them together are one.
    world.pass(SECOND);
    world.wake();
    world.wake();
    assert_eq!(core::mem::take(&mut world.ended), all[..LOOKS_MAX]);
    let told = world.logs.len();
    assert_eq!((told, world.logs[16].1.as_str()), (17, "streams ended: 240 more"));
    assert_eq!(tick(&mut world), all[LOOKS_MAX..]);
}

/// Whoever opens streams without end leaves room for others, and does no harm to what is no upgrade.
#[test]
fn a_flood_of_upgrades_is_bounded() {
    let mut world = super::world();
    let mut mine = Vec::new();
    let flood = |world: &mut World, request: &Request, mine: &mut Vec<StreamId>| {
        loop {
            match world.decide(request) {
                decision if decision.reason == Reason::StreamsFull => return,
                decision => mine.push(decision.stream.expect("a stream")),
            }
        }
    };
    flood(&mut world, &lives(), &mut mine);
    assert_eq!(mine.len(), STREAMS_MAX / 2, "half of all");
    let others = websocket("/live").bearer(&long("bob"));
    let other = open(&mut world, &others);
    assert_eq!(
        world.reason(&get("/plain").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    world.closed(other);
    world.closed(mine.pop().expect("one"));
    open(&mut world, &lives());
    // Nobody is one caller by address.
    flood(&mut world, &websocket("/open"), &mut mine);
    world.peer = Some(b"127.0.1.10".to_vec());
    assert!(world.decide(&websocket("/open")).stream.is_some(), "of another address");
    assert!(world.engine.open_streams() < STREAMS_MAX);
    // Large requests take the bytes before the places.
    let mut world = super::world();
    let padding = "x".repeat(60_000);
    let large = |subject: &str| websocket("/live").bearer(&long(subject)).header("x-padding", &padding);
    let mut held = Vec::new();
    flood(&mut world, &large("alice"), &mut held);
    let share = BYTES_MAX / 2 / 62_500;
    assert!((share..share + 4).contains(&held.len()), "{}", held.len());
    assert!(world.decide(&large("bob")).stream.is_some());
}
