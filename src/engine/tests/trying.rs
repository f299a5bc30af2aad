//! What is tried before it is enforced: it changes nothing, and what it would change is counted and told.

use serde_json::{Value as Json, json};

use super::super::{Level, Outcome};
use super::documents::{bundle, policy};
use super::host::{Reply, Request, World, get};
use super::tokens::{Signer, claims, claims_with, token, token_with};
use crate::audit::Counter;
use crate::decision::{Action, Decision};
use crate::identity::peer_certificate;
use crate::reason::Reason;

const AT_HOME: &str = "us-east-1>->us-east-1";

fn read(path: &str) -> Request {
    get(path).bearer(&token("us-east-1"))
}

/// What is in force in most of these tests.
fn enforced() -> Json {
    json!([
        {"name": "all", "paths": ["/v1/**"], "effect": "allow"},
        {"name": "ask", "paths": ["/v1/ask"], "effect": "defer"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
    ])
}

fn shaded() -> Json {
    let mut rules = enforced();
    let more = json!([
        {"name": "s-deny", "paths": ["/v1/deny"], "effect": "deny", "mode": "shadow"},
        {"name": "s-ask", "paths": ["/v1/question"], "effect": "defer", "mode": "shadow"},
        {"name": "s-allow", "paths": ["/new", "/v1/same", "/closed"], "identity": "none", "effect": "allow", "mode": "shadow"},
        {"name": "s-login", "paths": ["/v1/login"], "effect": "stepUp", "stepUp": {"maxAge": "1s"}, "mode": "shadow"},
    ]);
    rules
        .as_array_mut()
        .expect("a list")
        .extend(more.as_array().expect("a list").iter().cloned());
    let strict = json!({
        "mode": "shadow", "selector": {"hosts": ["strict.us-east-1.com"]},
        "context": {"geoRestrictions": [{"allowedRegions": ["eu-west-1"]}]},
        "forward": {"token": "strip", "claims": {"x-user": "sub"}},
    });
    bundle(&[policy("shop", json!({"rules": rules})), policy("strict", strict)])
}

fn counted(world: &mut World) -> Vec<(Counter, u64)> {
    let ours = |counter: &Counter| counter.name().starts_with("shadow.") || counter.name().starts_with("candidate.");
    let (counters, _) = world.counted();
    counters.into_iter().filter(|(counter, _)| ours(counter)).collect()
}

fn shadow(decision: &Decision) -> Option<&str> {
    decision.tried.as_ref()?.shadow.as_deref()
}

fn candidate(decision: &Decision) -> Option<&str> {
    decision.tried.as_ref()?.candidate.as_deref()
}

#[test]
fn what_is_in_shadow_mode_changes_nothing_and_is_told() {
    let mut world = World::new(&shaded());
    let mut plain = World::new(&bundle(&[policy("shop", json!({"rules": enforced()}))]));
    let label = world.label.clone();
    let line = |verdict: &str, by: &str| format!("{verdict};{by};{label};{AT_HOME}");
    let nobody = "->->us-east-1";
    for (request, expected, counter) in [
        (read("/v1/a"), None, None),
        (
            read("/v1/deny"),
            Some(line("deny;rule.denied", "shop/s-deny;inline")),
            Some(Counter::ShadowWouldDeny),
        ),
        (
            read("/v1/login"),
            Some(line("deny;identity.step_up", "shop/s-login;inline")),
            Some(Counter::ShadowWouldDeny),
        ),
        (
            read("/v1/question"),
            Some(line("ask;-", "shop/s-ask;center:us-east-1")),
            Some(Counter::ShadowWouldAsk),
        ),
        (
            get("/new"),
            Some(format!("allow;rule.public;shop/s-allow;inline;{label};{nobody}")),
            Some(Counter::ShadowWouldAllow),
        ),
        // Another rule, and the same verdict.
        (read("/v1/same"), None, None),
        (get("/closed"), None, None),
        // A policy with its requirement, which needs the source; what is in force does not.
        (
            read("/v1/a").host("strict.us-east-1.com"),
            Some(line("deny;context.source_region", "strict/-;inline")),
            Some(Counter::ShadowWouldDeny),
        ),
    ] {
        let decision = world.decide(&request);
        let without = plain.decide(&request);
        assert_eq!(decision.line.replace(&label, &plain.label), without.line);
        match (&decision.action, &without.action) {
            (Action::Continue(with), Action::Continue(without)) => {
                assert_eq!(format!("{with:?}"), format!("{without:?}"));
            }
            (Action::Answer(with), Action::Answer(without)) => assert_eq!(with, without),
            other => panic!("{other:?}"),
        }
        assert_eq!(shadow(&decision), expected.as_deref());
        let about = match &counter {
            Some(_) => true,
            None => !request.lines.iter().any(|(_, value)| value == b"/v1/a"),
        };
        let judged = about.then_some((Counter::ShadowJudged, 1));
        let told = counter.map(|counter| (counter, 1));
        let mut expected: Vec<_> = judged.into_iter().chain(told).collect();
        expected.sort_by_key(|(counter, _)| *counter as usize);
        assert_eq!(counted(&mut world), expected, "{}", decision.line);
        assert!(decision.tried.is_none() || world.logs.pop().is_some_and(|(level, _)| level == Level::Warn));
    }
    assert!(world.calls.is_empty(), "nobody is asked");
}

#[test]
fn what_would_have_been_is_told_of_a_request_that_a_center_decides() {
    let mut rules = enforced();
    rules[0]["mode"] = json!("shadow");
    let deny = json!({"name": "s-deny", "paths": ["/v1/ask"], "effect": "deny", "mode": "shadow"});
    rules.as_array_mut().expect("a list").push(deny);
    let mut world = World::new(&bundle(&[policy("shop", json!({"rules": rules}))]));
    let decision = world.answered(&read("/v1/ask"), &Reply::decision(true));
    assert_eq!(decision.reason, Reason::CenterAllowed);
    assert_eq!(
        shadow(&decision),
        Some(format!("deny;rule.denied;shop/s-deny;inline;{};{AT_HOME}", world.label).as_str())
    );
    let log = &world.logs.last().expect("a line").1;
    let was = format!(
        "instead of ask;-;shop/ask;center:us-east-1;{};{AT_HOME}, request r-1",
        world.label
    );
    assert!(
        log.starts_with("what is in shadow mode would deny: deny;rule.denied;") && log.ends_with(&was),
        "{log}"
    );
}

/// The bundle with another set of policies beside it.
fn compared(policies: &[Json], sample: &str) -> Json {
    let mut bundle = bundle(&[policy("shop", json!({"rules": enforced()}))]);
    bundle["candidate"] = json!({"documents": policies, "sample": sample});
    bundle
}

#[test]
fn a_candidate_is_compared_with_what_is_in_force() {
    let rules = json!([
        {"name": "all", "paths": ["/v1/**"], "permissions": {"anyOf": ["never"]}, "effect": "allow"},
        {"name": "some", "paths": ["/v1/some"], "effect": "allow"},
        {"name": "ask", "paths": ["/v1/ask", "/v1/question"], "effect": "defer"},
        {"name": "reopened", "paths": ["/closed"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
    ]);
    let geo = json!({
        "selector": {"hosts": ["geo.us-east-1.com"]}, "default": "allow",
        "context": {"geoRestrictions": [{"allowedRegions": ["us-east-1"]}]},
    });
    let mut world = World::new(&compared(
        &[policy("next", json!({"rules": rules})), policy("geo", geo)],
        "100%",
    ));
    world.peer = Some(b"127.0.1.9".to_vec());
    let label = world.label.clone();
    let line = |rest: &str, place: &str| Some(format!("{rest};{label};{place}"));
    let bound = claims_with(
        "us-east-1",
        &json!({"cnf": {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}}),
    );
    let bound = Signer::new("us-east-1", 1).token(&bound);
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    let nobody = "->->us-east-1";
    for (request, expected, counters) in [
        (read("/v1/some"), None, vec![]),
        (
            read("/v1/a"),
            line("deny;permission.missing;next/all;inline", AT_HOME),
            vec![Counter::CandidateWouldDeny],
        ),
        (
            read("/v1/question"),
            line("ask;-;next/ask;center:us-east-1", AT_HOME),
            vec![Counter::CandidateWouldAsk],
        ),
        // A rule that was taken away, also where nobody had to look who asks.
        (
            read("/closed"),
            line("allow;rule.allowed;next/reopened;inline", nobody),
            vec![Counter::CandidateWouldAllow],
        ),
        (
            get("/closed"),
            line("deny;identity.missing;next/reopened;inline", nobody),
            vec![Counter::CandidateOtherReason],
        ),
        (
            get("/closed").bearer(&forged),
            line("deny;identity.signature;next/reopened;inline", nobody),
            vec![Counter::CandidateOtherReason],
        ),
        (get("/closed").bearer(&bound), None, vec![Counter::CandidateUntold]),
        // What it needs is looked at, and does not show.
        (
            read("/none").host("geo.us-east-1.com"),
            line("allow;policy.default_allow;geo/-;default", AT_HOME),
            vec![Counter::CandidateWouldAllow],
        ),
    ] {
        let decision = world.decide(&request);
        assert_eq!(candidate(&decision), expected.as_deref());
        let mut expected = vec![(Counter::CandidateJudged, 1)];
        expected.extend(counters.into_iter().map(|counter| (counter, 1)));
        expected.sort_by_key(|(counter, _)| *counter as usize);
        assert_eq!(counted(&mut world), expected, "{}", decision.line);
    }
    assert!(world.calls.is_empty(), "nobody is asked");
    // The same question is asked of the same center.
    assert!(matches!(world.begin(&read("/v1/ask")), Outcome::Waiting(_)));
    assert_eq!(counted(&mut world), [(Counter::CandidateJudged, 1)]);
}

#[test]
fn only_the_sample_is_compared() {
    let mut world = World::new(&compared(&[policy("next", json!({"default": "allow"}))], "10%"));
    let told = (0..1_000)
        .filter(|_| candidate(&world.decide(&read("/none"))).is_some())
        .count();
    assert!((60..140).contains(&told), "{told}");
    let told = u64::try_from(told).expect("a count");
    assert_eq!(
        counted(&mut world),
        [(Counter::CandidateJudged, told), (Counter::CandidateWouldAllow, told)]
    );
}

/// However many differences there are, and whatever their requests say of themselves.
#[test]
fn the_log_is_not_filled() {
    let mut world = World::new(&compared(&[policy("next", json!({"default": "allow"}))], "100%"));
    world.logs.clear();
    let request = read("/none").set("x-request-id", "a%0a\u{7f}b");
    for _ in 0..25 {
        world.decide(&request);
    }
    let lines: Vec<&String> = world.logs.iter().map(|(_, line)| line).collect();
    assert_eq!(lines.len(), 10);
    world.pass(core::time::Duration::from_secs(61));
    world.decide(&request);
    let last = &world.logs.last().expect("a line").1;
    assert!(last.ends_with(" (15 more were not logged)"), "{last}");
}

/// The shadow parts of a candidate stay in the shadow; a workload that only the candidate asks for does not show.
#[test]
fn a_candidate_is_judged_as_it_would_be_enforced() {
    let rules = json!([
        {"name": "all", "paths": ["/v1/**"], "effect": "allow"},
        {"name": "s-deny", "paths": ["/v1/**"], "effect": "deny", "mode": "shadow"},
        {"name": "services", "paths": ["/services"], "identity": "workload", "effect": "allow"},
    ]);
    let mut bundle = compared(&[policy("next", json!({"rules": rules}))], "100%");
    bundle["trust"]["peerVerification"] = json!("required");
    let mut world = World::new(&bundle);
    world.certificate = Some(peer_certificate(&["spiffe://prod/web"]));
    assert_eq!(candidate(&world.decide(&read("/v1/a"))), None);
    let decision = world.decide(&get("/services"));
    assert_eq!(
        decision.line,
        format!("deny;identity.missing;-/-;inline;{};->->us-east-1", world.label)
    );
    assert_eq!(
        candidate(&decision),
        Some(format!("allow;rule.allowed;next/services;inline;{};->->us-east-1", world.label).as_str())
    );
}

/// A question tells what it would tell without them, whatever they look at.
#[test]
fn what_is_tried_changes_no_question() {
    let device = json!({"managed": true, "encrypted": true, "platform": "macos", "os_version": "15.1"});
    let request = get("/v1/ask").bearer(&token_with("us-east-1", &json!({"device": device})));
    let demanding = || json!({"device": {"compliance": [{"encryption": "required"}]}, "default": "allow"});
    let mut shadow = demanding();
    shadow["mode"] = json!("shadow");
    let mut bundles = [
        bundle(&[policy("shop", json!({"rules": enforced()}))]),
        bundle(&[policy("shop", json!({"rules": enforced()})), policy("strict", shadow)]),
        compared(&[policy("next", demanding())], "100%"),
    ];
    let [plain, shaded, compared] = bundles.each_mut().map(|bundle| {
        let mut world = World::new(bundle);
        world.wait(&request);
        let mut question = world.question();
        question["context"]["bundle"].take();
        (question, counted(&mut world).len())
    });
    assert_eq!(plain.1, 0);
    assert_eq!((shaded.1, compared.1), (1, 2));
    assert_eq!(plain.0, shaded.0);
    assert_eq!(plain.0, compared.0);
}
