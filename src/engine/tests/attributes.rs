//! What conditions read as `identity`: asked of the home region's replica where it is not known, once, and never of anybody else.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::attributes::ASKED_MAX;
use super::super::{CallId, Outcome, RequestId};
use super::documents::{bundle, policy, rules};
use super::host::{Reply, Request, World, answer, get, header};
use super::proofs::{bound, proof_of, target};
use super::tokens::{token, token_with};
use crate::audit::Counter;
use crate::reason::Reason;

fn shop() -> Json {
    let mut bundle = rules(json!([
        {"name": "cleared", "paths": ["/files"], "when": "identity.clearance >= 3", "effect": "allow"},
        {"name": "no-lock", "paths": ["/open"], "when": "!has(identity.locked)", "effect": "allow"},
        {"name": "locked", "paths": ["/read"], "when": "has(identity.locked) && identity.locked", "effect": "deny"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
        {"name": "either", "paths": ["/closed", "/either"], "when": "identity.clearance >= 3", "effect": "allow"},
        {"name": "anyway", "paths": ["/either", "/read"], "effect": "allow"},
        {"name": "plain", "paths": ["/plain"], "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "when": "identity.clearance >= 3", "effect": "defer"},
        {"name": "login", "paths": ["/ask"], "when": "has(identity.strict)", "effect": "stepUp", "stepUp": {"acr": ["gold"]}},
        {"name": "stay", "paths": ["/live"], "upgrades": ["websocket"], "when": "identity.clearance >= 3", "effect": "allow"},
    ]));
    for region in [0, 1] {
        bundle["documents"][region]["spec"]["identity"] = replica();
    }
    bundle
}

fn replica() -> Json {
    json!({"cluster": "people", "path": "/v2/people/{sub}/attributes?all=1", "ttl": "10m", "timeout": "250ms"})
}

fn world() -> World {
    World::new(&shop())
}

fn asks(path: &str) -> Request {
    get(path).bearer(&token("us-east-1"))
}

fn of(subject: &str, path: &str) -> Request {
    get(path).bearer(&token_with("us-east-1", &json!({"sub": subject})))
}

/// The last call.
fn call(world: &World) -> CallId {
    world.calls.last().expect("a call").id
}

/// The reason for a request whose subject the replica tells so of.
#[track_caller]
fn told(world: &mut World, request: &Request, reply: &Reply) -> Reason {
    let id = world.wait(request);
    world.reply(call(world), reply);
    world.finished(id).reason
}

fn attributes(all: &Json) -> Reply {
    Reply::of(all)
}

fn counted(world: &mut World, which: Counter) -> u64 {
    let counters = world.counted().0;
    counters
        .iter()
        .find(|(counter, _)| *counter == which)
        .map_or(0, |(_, sum)| *sum)
}

#[test]
fn a_condition_reads_what_the_replica_tells() {
    let mut world = world();
    let id = world.wait(&asks("/files"));
    let sent = world.calls.last().expect("a call").outgoing.clone();
    assert_eq!(
        (sent.cluster.as_str(), sent.timeout),
        ("people", Duration::from_millis(250))
    );
    assert_eq!(
        sent.headers,
        [
            (":method", "GET".to_owned()),
            (":path", "/v2/people/alice/attributes?all=1".to_owned()),
            (":authority", "people".to_owned()),
            (":scheme", "http".to_owned()),
            ("accept", "application/json".to_owned()),
        ]
    );
    world.reply(call(&world), &attributes(&json!({"sub": "alice", "clearance": 5})));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    // It is known from now on, for every token of hers.
    let other = token_with("us-east-1", &json!({"jti": "another"}));
    assert_eq!(world.reason(&get("/files").bearer(&other)), Reason::RuleAllowed);
    assert_eq!(world.reason(&asks("/open")), Reason::RuleAllowed);
    assert_eq!(counted(&mut world, Counter::AttributesKnown), 2);
    world.pass(Duration::from_millis(599_999));
    assert_eq!(world.reason(&asks("/files")), Reason::RuleAllowed);
    world.pass(Duration::from_millis(1));
    assert_eq!(
        told(&mut world, &asks("/files"), &attributes(&json!({"clearance": 2}))),
        Reason::ConditionNotMet
    );
    assert_eq!(
        told(&mut world, &of("bob", "/files"), &attributes(&json!({"clearance": 3}))),
        Reason::RuleAllowed
    );
}

#[test]
fn nobody_is_asked_for_nothing() {
    let mut world = world();
    let calls = world.calls.len();
    for (request, reason) in [
        (asks("/plain"), Reason::RuleAllowed),
        (get("/files"), Reason::IdentityMissing),
        (asks("/closed"), Reason::RuleDenied),
        // Another rule lets it in.
        (asks("/either"), Reason::RuleAllowed),
        (
            get("/files").bearer(&token_with("us-east-1", &json!({"exp": 1}))),
            Reason::TokenExpired,
        ),
        (get("/files").bearer("nonsense"), Reason::TokenMalformed),
        (get("/read"), Reason::IdentityMissing),
    ] {
        assert_eq!(world.reason(&request), reason, "{request:?}");
    }
    assert_eq!(world.calls.len(), calls);
}

/// Who asks at the same time waits for the same answer.
#[test]
fn one_subject_is_asked_about_once() {
    let mut world = world();
    let waiting: Vec<RequestId> = (0..20).map(|_| world.wait(&asks("/files"))).collect();
    assert_eq!(world.calls.len(), 1);
    world.close(waiting[0]);
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    for id in &waiting[1..] {
        assert_eq!(world.finished(*id).reason, Reason::RuleAllowed);
    }
    assert_eq!(counted(&mut world, Counter::AttributesAsked), 1);
}

#[test]
fn a_replica_that_knows_nobody_has_told_so() {
    let mut world = world();
    let nobody = Reply::status(404);
    assert_eq!(told(&mut world, &asks("/files"), &nobody), Reason::ConditionNotMet);
    assert_eq!(world.reason(&asks("/open")), Reason::RuleAllowed);
    assert_eq!(world.reason(&asks("/read")), Reason::RuleAllowed);
    world.pass(Duration::from_secs(60));
    assert_eq!(
        told(&mut world, &asks("/files"), &attributes(&json!({"clearance": 3}))),
        Reason::RuleAllowed
    );
}

/// What nobody has told is neither there nor not: it lets nobody in, and where it decides, the answer is that it cannot be told now.
#[test]
fn what_cannot_be_told_lets_nobody_in() {
    let huge = format!("{{\"clearance\": 3, \"x\": \"{}\"}}", "x".repeat(10));
    let text = |body: &str| Reply {
        body: Some(body.to_owned()),
        ..attributes(&json!({}))
    };
    let too_large = Reply {
        body: None,
        ..attributes(&json!({}))
    };
    for reply in [
        Reply::status(503),
        Reply::status(504),
        Reply::status(0),
        Reply::status(500),
        Reply::status(401),
        Reply::status(204),
        Reply::status(301),
        attributes(&json!({"sub": "mallory", "clearance": 9})),
        attributes(&json!({"sub": 7, "clearance": 9})),
        attributes(&json!([{"clearance": 9}])),
        text(r#"{"clearance": 1, "clearance": 9}"#),
        text("<html>"),
        text(""),
        too_large,
    ] {
        for (path, reason) in [
            ("/files", Reason::AttributesUnavailable),
            ("/open", Reason::AttributesUnavailable),
            ("/read", Reason::AttributesUnavailable),
            ("/ask", Reason::StepUpRequired),
        ] {
            let mut world = world();
            let id = world.wait(&asks(path));
            world.reply(call(&world), &reply);
            let decision = world.finished(id);
            assert_eq!(decision.reason, reason, "{path}: {reply:?}");
            if reason == Reason::AttributesUnavailable {
                let answer = answer(&decision);
                assert_eq!((answer.status, header(answer, "retry-after").is_some()), (503, true));
            }
            assert!(
                !world.logs.iter().any(|(_, line)| line.contains("alice")),
                "{:?}",
                world.logs
            );
            assert_eq!(
                world
                    .logs
                    .iter()
                    .filter(|(_, line)| line.contains("identity replica of us-east-1"))
                    .count(),
                1
            );
        }
    }
    let mut world = world();
    assert_eq!(told(&mut world, &asks("/files"), &text(&huge)), Reason::RuleAllowed);
}

#[test]
fn a_host_that_refuses_or_forgets_the_call_lets_nobody_in() {
    let mut world = world();
    let id = world.wait(&asks("/files"));
    world.refuse(call(&world));
    assert_eq!(world.finished(id).reason, Reason::AttributesUnavailable);
    // It is not asked again at once, and then it is.
    let calls = world.calls.len();
    assert_eq!(world.reason(&asks("/files")), Reason::AttributesUnavailable);
    assert_eq!(world.calls.len(), calls);
    world.pass(Duration::from_secs(1));
    let id = world.wait(&asks("/files"));
    world.pass(Duration::from_millis(750));
    world.wake();
    assert_eq!(world.finished(id).reason, Reason::AttributesUnavailable);
    // An answer that never came does not stand in the way of the next question.
    let id = world.wait(&asks("/files"));
    assert_eq!(world.calls.len(), calls + 2);
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
}

/// Whoever holds many tokens has only so many subjects asked about, and others are not kept from theirs; a replica that is away is left alone for a moment.
#[test]
fn a_flood_of_subjects_is_bounded() {
    let mut world = world();
    let flood = |world: &mut World, from: usize, count: usize| -> usize {
        let outcomes = (from..from + count).map(|number| world.begin(&of(&format!("u{number}"), "/files")));
        outcomes
            .filter(|outcome| matches!(outcome, Outcome::Waiting(_)))
            .count()
    };
    assert_eq!(flood(&mut world, 0, 200), ASKED_MAX);
    assert_eq!(world.calls.len(), ASKED_MAX);
    assert_eq!(world.reason(&of("u500", "/files")), Reason::AttributesUnavailable);
    // Another Region has its own places, and what is known needs none.
    let elsewhere = get("/files").bearer(&token("eu-west-1"));
    let id = world.wait(&elsewhere);
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    assert_eq!(world.reason(&elsewhere), Reason::RuleAllowed);
    let asked: Vec<CallId> = world.calls.iter().take(ASKED_MAX).map(|call| call.id).collect();
    for id in &asked[..5] {
        world.reply(*id, &Reply::status(503));
    }
    assert_eq!(flood(&mut world, 1_000, 1), 0, "it is away, and left alone");
    assert_eq!(world.reason(&elsewhere), Reason::RuleAllowed);
    for id in &asked[5..] {
        world.reply(*id, &attributes(&json!({"clearance": 3})));
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(flood(&mut world, 2_000, 1), 1);
    // What is wrong with one subject says nothing of others.
    for number in 0..10 {
        let id = world.wait(&of(&format!("w{number}"), "/files"));
        world.reply(call(&world), &Reply::status(500));
        assert_eq!(world.finished(id).reason, Reason::AttributesUnavailable);
    }
}

#[test]
fn a_subject_is_one_segment_of_the_path() {
    for (subject, segment) in [
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("a?x=1#y", "a%3Fx%3D1%23y"),
        ("%2e%2e", "%252e%252e"),
        ("\u{0}\r\n", "%00%0D%0A"),
        ("é", "%C3%A9"),
        ("a.b-c_d~e", "a.b-c_d~e"),
        ("...", "..."),
    ] {
        let mut world = world();
        world.wait(&of(subject, "/files"));
        let path = &world.calls.last().expect("a call").outgoing.headers[1];
        assert_eq!(path, &(":path", format!("/v2/people/{segment}/attributes?all=1")));
    }
    for subject in [".", "..", &"x".repeat(5_000), &"/".repeat(2_000)] {
        let mut world = world();
        assert_eq!(
            world.reason(&of(subject, "/files")),
            Reason::AttributesUnavailable,
            "{subject}"
        );
    }
}

/// The home region's replica knows the subject, wherever it is asked for; a Region without one tells nothing.
#[test]
fn the_home_region_is_asked() {
    let mut bundle = shop();
    bundle["documents"][1]["spec"]["identity"]["cluster"] = json!("people-eu");
    bundle["documents"][0]["spec"]["accepts"] = json!([{"home": "eu-west-1"}, {"home": "ap-southeast-1"}]);
    let mut world = World::new(&bundle);
    let id = world.wait(&get("/files").bearer(&token("eu-west-1")));
    assert_eq!(world.calls.last().expect("a call").outgoing.cluster, "people-eu");
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    // The same `sub` of another home is another subject.
    assert!(matches!(world.begin(&asks("/files")), Outcome::Waiting(_)));
    let calls = world.calls.len();
    let third = get("/files").bearer(&token("ap-southeast-1"));
    assert_eq!(world.reason(&third), Reason::ConditionNotMet);
    let third = get("/read").bearer(&token("ap-southeast-1"));
    assert_eq!(world.reason(&third), Reason::ConditionUnknown);
    assert_eq!(world.calls.len(), calls);
}

#[test]
fn another_replica_or_trust_has_told_nothing() {
    for change in [
        |bundle: &mut Json| bundle["documents"][0]["spec"]["identity"]["cluster"] = json!("others"),
        |bundle: &mut Json| bundle["documents"][0]["spec"]["identity"]["path"] = json!("/v3/{sub}"),
        |bundle: &mut Json| bundle["documents"][0]["spec"]["claims"] = json!({"roles": "groups"}),
    ] {
        let mut world = world();
        told(&mut world, &asks("/files"), &attributes(&json!({"clearance": 3})));
        let mut changed = shop();
        changed["metadata"]["version"] = json!(42);
        world.push(&changed);
        assert_eq!(world.reason(&asks("/files")), Reason::RuleAllowed);
        change(&mut changed);
        changed["metadata"]["version"] = json!(43);
        world.push(&changed);
        assert!(matches!(world.begin(&asks("/files")), Outcome::Waiting(_)));
    }
}

/// The answer's own word shortens the time, and none makes the replica be asked more than once a second.
#[test]
fn what_is_told_holds_for_its_time() {
    for (word, seconds) in [
        ("max-age=30", 30),
        ("max-age=7200", 600),
        ("max-age=0", 1),
        ("no-store", 600),
    ] {
        let mut world = world();
        let reply = Reply {
            headers: vec![("cache-control", word.to_owned())],
            ..attributes(&json!({"clearance": 3}))
        };
        assert_eq!(told(&mut world, &asks("/files"), &reply), Reason::RuleAllowed, "{word}");
        world.pass(Duration::from_millis(seconds * 1_000 - 1));
        assert_eq!(world.reason(&asks("/files")), Reason::RuleAllowed, "{word}");
        world.pass(Duration::from_millis(1));
        assert!(matches!(world.begin(&asks("/files")), Outcome::Waiting(_)), "{word}");
    }
}

/// A proof counts once, and so it does for a request that waited in between.
#[test]
fn a_request_that_waits_has_proven_itself() {
    let mut world = world();
    let token = bound(json!({}));
    let proof = proof_of(&target("https://api.us-east-1.com/files", &token, "one"));
    let request = get("/files")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", &proof);
    assert_eq!(
        told(&mut world, &request, &attributes(&json!({"clearance": 3}))),
        Reason::RuleAllowed
    );
    assert_eq!(world.reason(&request), Reason::ProofReplayed);
}

/// Where the attributes decide whether the center is asked, they come first.
#[test]
fn the_center_is_asked_behind_the_replica() {
    let mut world = world();
    let id = world.wait(&asks("/ask"));
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    assert_eq!(world.calls.last().expect("a call").outgoing.cluster, "center-us-east-1");
    world.reply(call(&world), &Reply::decision(true));
    assert_eq!(world.finished(id).reason, Reason::CenterAllowed);
    assert_eq!(
        told(&mut world, &of("bob", "/ask"), &attributes(&json!({"clearance": 1}))),
        Reason::ConditionNotMet
    );
    assert_eq!(
        told(
            &mut world,
            &of("carol", "/ask"),
            &attributes(&json!({"clearance": 3, "strict": true}))
        ),
        Reason::StepUpRequired
    );
}

/// What is tried reads what is known, and makes nobody be asked.
#[test]
fn what_is_tried_asks_nobody() {
    let mut bundle = shop();
    let stricter =
        json!([{"name": "plain", "paths": ["/plain"], "when": "identity.clearance >= 9", "effect": "allow"}]);
    bundle["candidate"] = json!({"documents": [policy("shop", json!({"rules": stricter}))], "sample": "100%"});
    let mut world = World::new(&bundle);
    let first = world.decide(&asks("/plain"));
    assert_eq!(
        (first.reason, first.tried.is_some(), world.calls.len()),
        (Reason::RuleAllowed, false, 0)
    );
    assert_eq!(counted(&mut world, Counter::CandidateUntold), 1);
    told(&mut world, &asks("/files"), &attributes(&json!({"clearance": 3})));
    let known = world.decide(&asks("/plain"));
    let line = known.tried.as_ref().and_then(|tried| tried.candidate.clone());
    assert!(
        line.is_some_and(|line| line.starts_with("deny;rule.when;shop/plain;")),
        "{known:?}"
    );
}

/// An open stream is judged by what is told later, and goes on while nobody tells.
#[test]
fn a_stream_ends_once_its_subject_loses_what_let_it_in() {
    let mut world = world();
    let long = token_with("us-east-1", &json!({"exp": super::tokens::START + 40_000}));
    let live = get("/live")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .bearer(&long);
    let id = world.wait(&live);
    world.reply(call(&world), &attributes(&json!({"clearance": 3})));
    let opened = world.finished(id).stream.expect("a stream");
    let tick = |world: &mut World, seconds: u64| {
        for _ in 0..seconds {
            world.pass(Duration::from_secs(1));
            world.wake();
        }
        core::mem::take(&mut world.ended)
    };
    assert_eq!(tick(&mut world, 605), []);
    assert_eq!(world.calls.len(), 2, "it was asked again once what was told had ended");
    world.reply(call(&world), &Reply::status(503));
    assert_eq!(tick(&mut world, 20), []);
    world.reply(call(&world), &attributes(&json!({"clearance": 2})));
    assert_eq!(tick(&mut world, 11), [opened]);
}

#[test]
fn a_bundle_whose_replica_is_nowhere_does_not_load() {
    let reads = json!({"rules": [{"name": "a", "when": "has(identity.x)", "effect": "allow"}]});
    let errors = crate::bundle::compile(
        bundle(&[policy("shop", reads)]).to_string().as_bytes(),
        crate::bundle::Encoding::Json,
    );
    let errors = errors.expect_err("nobody to ask");
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(
        told.len() == 1 && told[0].contains("documents[3].spec.rules[0].when: reads `identity`, and no Region"),
        "{told:?}"
    );
}
