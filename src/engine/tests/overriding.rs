//! An override of policy: what it lets in and what it never does, that it ends by itself, and that nobody overlooks it.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::Level;
use super::documents::{bundle, policy};
use super::host::{Reply, World, answer, field, forwarded, get};
use super::tokens::{Signer, claims, claims_with, token, token_with};
use crate::bundle::document::OverrideStanding;
use crate::bundle::{Encoding, compile};
use crate::decision::Decision;
use crate::reason::Reason;
use crate::time::WallTime;

const HOUR: Duration = Duration::from_secs(3_600);

/// Two hours after the time at which these tests begin.
fn until() -> String {
    let end = i64::try_from(super::tokens::START)
        .expect("a time")
        .saturating_add(7_200);
    jiff::Timestamp::from_second(end).expect("a time").to_string()
}

fn overridden(mode: &str, until: &str) -> Json {
    let rules = json!([
        {"name": "some", "paths": ["/some"], "permissions": {"anyOf": ["never"]}, "effect": "allow"},
        {"name": "fine", "paths": ["/fine"], "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "effect": "defer"},
        {"name": "last", "paths": ["/last"], "effect": "defer", "defer": {"onUnavailable": "lastDecision"}},
        {"name": "closed", "paths": ["/closed"], "effect": "deny", "response": {"hide": true}},
        {"name": "chat", "paths": ["/chat"], "upgrades": ["websocket"], "effect": "allow"},
        {"name": "login", "paths": ["/login"], "effect": "stepUp", "stepUp": {"maxAge": "1s"}},
    ]);
    let wide = json!({"selector": {"hosts": ["wide.us-east-1.com"]}, "forward": {"token": "strip", "claims": {"x-long": "long"}}});
    let mut bundle = bundle(&[policy("shop", json!({"rules": rules})), policy("wide", wide)]);
    bundle["override"] = json!({"mode": mode, "until": until, "who": "the owner of the shop", "why": "incident 4711"});
    bundle
}

fn observing() -> World {
    World::new(&overridden("observe", &until()))
}

#[track_caller]
fn is_observed(world: &World, decision: &Decision, instead: &str, by: &str) {
    assert_eq!(decision.reason, Reason::OverrideObserved, "{}", decision.line);
    let start = format!("allow;override.observed;{by};override:{instead};{};", world.label);
    assert!(decision.line.starts_with(&start), "{}", decision.line);
    let told = ("x-regionguard-reason".to_owned(), "override.observed".to_owned());
    assert!(forwarded(decision).headers.contains(&told), "{decision:?}");
}

#[test]
fn what_policy_refuses_is_let_in_and_says_so() {
    let mut world = observing();
    let ours = || token("us-east-1");
    for (path, reason, by) in [
        ("/some", "permission.missing", "shop/some"),
        ("/closed", "rule.denied", "shop/closed"),
        ("/login", "identity.step_up", "shop/login"),
        ("/none", "policy.no_rule", "-/-"),
    ] {
        let decision = world.decide(&get(path).bearer(&ours()));
        is_observed(&world, &decision, reason, by);
        assert!(
            decision.line.ends_with(";us-east-1>->us-east-1"),
            "it is known who asks: {}",
            decision.line
        );
    }
    let decision = world.decide(&get("/some"));
    is_observed(&world, &decision, "identity.missing", "shop/some");
    let decision = world.answered(&get("/ask").bearer(&ours()), &Reply::decision(false));
    is_observed(&world, &decision, "center.denied", "shop/ask");
    world.answered(&get("/last").bearer(&ours()), &Reply::decision(false));
    let decision = world.answered(&get("/last").bearer(&ours()), &Reply::status(503));
    is_observed(&world, &decision, "center.last_denied", "shop/last");
    // What the policies forward is forwarded.
    let decision = world.decide(&get("/some").host("wide.us-east-1.com").bearer(&ours()));
    is_observed(&world, &decision, "permission.missing", "shop/some");
    assert!(forwarded(&decision).strip.is_some());
    // What needs no override does not bear its name.
    let decision = world.decide(&get("/fine").bearer(&ours()));
    assert_eq!((decision.reason, field(&decision, 3)), (Reason::RuleAllowed, "inline"));
    let count = world.counted().1;
    assert!(count.contains(&(Reason::OverrideObserved, 9)), "{count:?}");
}

#[test]
fn what_is_no_matter_of_policy_stays_refused() {
    let mut world = observing();
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    let expired = claims_with("us-east-1", &json!({"exp": super::tokens::START - 60}));
    let expired = Signer::new("us-east-1", 1).token(&expired);
    let long = token_with("us-east-1", &json!({"long": "é".repeat(4_000)}));
    for (request, reason) in [
        (get("/a//b"), Reason::PathEmptySegment),
        (get("/none").host("a.eu-west-1.com"), Reason::AuthorityNotServed),
        (get("/none").bearer("a").bearer("b"), Reason::TokenAmbiguous),
        (get("/some").bearer(&forged), Reason::TokenSignature),
        (get("/some").bearer(&expired), Reason::TokenExpired),
        // Nobody has looked into the token of this one before.
        (get("/closed").bearer(&expired), Reason::RuleDenied),
        (
            get("/some").header("authorization", "Basic YTpi"),
            Reason::IdentityScheme,
        ),
        (
            get("/fine")
                .bearer(&token("us-east-1"))
                .header("upgrade", "websocket")
                .header("connection", "upgrade"),
            Reason::UpgradeNotAllowed,
        ),
        (
            get("/some").host("wide.us-east-1.com").bearer(&long),
            Reason::ClaimTooLarge,
        ),
    ] {
        assert_eq!(world.reason(&request), reason);
    }
    // A tunnel that no rule for its route names is let in for nobody, whatever it would have been refused for first.
    let tunnel = |path: &str| get(path).header("upgrade", "websocket").header("connection", "upgrade");
    for (request, reason) in [
        (tunnel("/fine"), Reason::IdentityMissing),
        (tunnel("/closed"), Reason::RuleDenied),
        (tunnel("/closed").bearer(&token("us-east-1")), Reason::RuleDenied),
        (tunnel("/login").bearer(&token("us-east-1")), Reason::StepUpRequired),
        (tunnel("/chat"), Reason::OverrideObserved),
    ] {
        assert_eq!(world.reason(&request), reason);
    }
    let ask = get("/ask").bearer(&token("us-east-1"));
    assert_eq!(
        world.answered(&ask, &Reply::status(503)).reason,
        Reason::CenterUnavailable
    );
    assert_eq!(world.answered(&ask, &Reply::status(500)).reason, Reason::CenterError);
    world.has_line = true;
    assert_eq!(world.reason(&get("/some")), Reason::DuplicateFilter);
    (world.has_line, world.outbound) = (false, true);
    assert_eq!(world.reason(&get("/some")), Reason::Direction);
}

#[test]
fn everything_is_refused_where_the_bundle_says_so() {
    let mut world = World::new(&overridden("denyAll", &until()));
    let decision = world.decide(&get("/fine").bearer(&token("us-east-1")));
    assert_eq!(
        decision.line,
        format!("deny;override.deny_all;-/-;override;{};->->us-east-1", world.label)
    );
    assert_eq!(answer(&decision).status, 503);
    world.pass(HOUR * 2);
    let late = token_with("us-east-1", &json!({"exp": super::tokens::START + 3 * 3_600}));
    assert_eq!(world.reason(&get("/fine").bearer(&late)), Reason::RuleAllowed);
}

/// What refuses everything holds where nobody knows the time; what lets in does not.
#[test]
fn without_a_clock_it_is_on_the_safe_side() {
    for (mode, expected) in [
        ("denyAll", OverrideStanding::InForce),
        ("observe", OverrideStanding::Ended),
    ] {
        let bytes = overridden(mode, &until()).to_string().into_bytes();
        let generation = compile(&bytes, Encoding::Json).expect("a bundle");
        let over = generation.over.as_ref().expect("an override");
        assert_eq!(over.standing(WallTime(u64::MAX)), expected, "{mode}");
    }
}

#[test]
fn it_ends_by_itself_and_the_log_says_when() {
    let mut world = observing();
    let about = |world: &World, what: &str| {
        let ours = |(level, line): &&(Level, String)| *level == Level::Warn && line.starts_with(what);
        world.logs.iter().filter(ours).count()
    };
    for _ in 0..3 {
        world.wake();
        world.pass(HOUR / 2);
    }
    assert_eq!(
        (
            about(&world, "an override is in force: "),
            about(&world, "an override has ended: ")
        ),
        (1, 0)
    );
    assert_eq!(world.reason(&get("/some")), Reason::OverrideObserved);
    world.pass(HOUR / 2 - Duration::from_millis(1));
    assert_eq!(world.reason(&get("/some")), Reason::OverrideObserved);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.reason(&get("/some")), Reason::IdentityMissing);
    world.wake();
    world.wake();
    assert_eq!(
        (
            about(&world, "an override is in force: "),
            about(&world, "an override has ended: ")
        ),
        (1, 1)
    );
    let told = format!(
        "an override has ended: observe of bundle {} until {}, by the owner of the shop: incident 4711",
        world.label,
        until()
    );
    assert_eq!(about(&world, &told), 1);
    // One that a push takes away has ended, too.
    let mut world = observing();
    world.wake();
    let mut next = overridden("observe", &until());
    next["metadata"]["version"] = json!(42);
    next.as_object_mut().expect("an object").remove("override");
    world.push(&next);
    world.wake();
    assert_eq!(about(&world, "an override has ended: "), 1);
    assert_eq!(world.reason(&get("/some")), Reason::IdentityMissing);
}

/// Who writes the wrong year does not open everything for it.
#[test]
fn nothing_is_let_in_for_longer_than_seven_days() {
    let mut world = World::new(&overridden("observe", "2190-01-01T00:00:00Z"));
    world.wake();
    assert_eq!(world.reason(&get("/some")), Reason::IdentityMissing);
    let line = &world.logs.last().expect("a line").1;
    assert!(
        line.starts_with("an override does not count before its end is 7 days ahead: observe"),
        "{line}"
    );
    let mut world = World::new(&overridden("denyAll", "2190-01-01T00:00:00Z"));
    assert_eq!(world.reason(&get("/fine")), Reason::OverrideDenied);
}
