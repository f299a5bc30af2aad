//! What is in force, for whom, and what is remembered from one push to the next.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::{Activation, Outcome};
use super::documents::{bundle, policy, region_with_key, rules};
use super::host::{Reply, World, field, get};
use super::tokens::{Signer, claims, token};
use crate::audit::Counter;
use crate::reason::Reason;

/// A bundle of this version that allows one path.
fn version(number: u64, path: &str) -> Json {
    let mut bundle = rules(json!([{"name": "only", "paths": [path], "effect": "allow"}]));
    bundle["metadata"]["version"] = json!(number);
    bundle
}

/// Hits and misses of the token cache since the last look.
fn token_cache(world: &mut World) -> (u64, u64) {
    let (counters, _) = world.counted();
    let sum = |which| {
        counters
            .iter()
            .find(|(counter, _)| *counter == which)
            .map_or(0, |(_, sum)| *sum)
    };
    (sum(Counter::TokenCacheHit), sum(Counter::TokenCacheMiss))
}

#[test]
fn a_newer_version_replaces_an_older_one_and_never_the_other_way_round() {
    let mut world = World::new(&version(41, "/a"));
    let ask = |path: &str| get(path).bearer(&token("us-east-1"));
    assert_eq!(world.push(&version(42, "/b")), Activation::Applied);
    let newer = world.label.clone();
    assert_eq!(world.reason(&ask("/b")), Reason::RuleAllowed);
    assert_eq!(world.push(&version(41, "/a")), Activation::Older);
    let decision = world.decide(&ask("/b"));
    assert_eq!(
        (decision.reason, field(&decision, 4)),
        (Reason::RuleAllowed, newer.as_str())
    );
    assert_eq!(world.reason(&ask("/a")), Reason::NoRule);
    assert_eq!(world.push(&version(42, "/b")), Activation::Same);
    assert_eq!(
        world.push(&version(42, "/c")),
        Activation::Applied,
        "the same version with other content: the last one serves"
    );
    assert_eq!(world.reason(&ask("/c")), Reason::RuleAllowed);
    assert_eq!(world.reason(&ask("/b")), Reason::NoRule);
    let (counters, _) = world.counted();
    assert!(
        counters.contains(&(Counter::BundleOlder, 1)) && counters.contains(&(Counter::BundleApplied, 4)),
        "{counters:?}"
    );
    let said: Vec<&str> = world
        .logs
        .iter()
        .filter_map(|(_, line)| line.split_once(": "))
        .map(|(_, what)| what)
        .collect();
    let older = "older than the one in force, which goes on serving";
    assert_eq!(said, ["in force", "in force", older, "in force already", "in force"]);
}

#[test]
fn a_push_that_changes_no_region_keeps_the_tokens() {
    let mut world = World::new(&version(41, "/a"));
    let ask = get("/a").bearer(&token("us-east-1"));
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    assert_eq!(token_cache(&mut world), (0, 1));
    world.push(&version(42, "/{any}"));
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    assert_eq!(token_cache(&mut world), (1, 0));
}

#[test]
fn a_push_that_changes_a_key_forgets_its_tokens_and_no_others() {
    let mut world = World::new(&version(41, "/a"));
    let (ours, theirs) = (
        get("/a").bearer(&token("us-east-1")),
        get("/a").bearer(&token("eu-west-1")),
    );
    for request in [&ours, &theirs, &ours, &theirs] {
        assert_eq!(world.reason(request), Reason::RuleAllowed);
    }
    assert_eq!(token_cache(&mut world), (2, 2));
    let mut rekeyed = version(42, "/a");
    rekeyed["documents"][0]["spec"]["keys"] = region_with_key("us-east-1", 2)["spec"]["keys"].clone();
    world.push(&rekeyed);
    assert_eq!(
        world.reason(&ours),
        Reason::TokenSignature,
        "it was verified by a key that is gone"
    );
    assert_eq!(world.reason(&theirs), Reason::RuleAllowed);
    assert_eq!(token_cache(&mut world), (1, 1));
    let renewed = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    assert_eq!(world.reason(&get("/a").bearer(&renewed)), Reason::RuleAllowed);
}

/// What is not a property of the signature is judged by the bundle in force, also of a token that was verified under another.
#[test]
fn a_kept_token_is_judged_by_the_bundle_in_force() {
    let mut world = World::new(&version(41, "/a"));
    let (ours, theirs) = (
        get("/a").bearer(&token("us-east-1")),
        get("/a").bearer(&token("eu-west-1")),
    );
    assert_eq!(
        [&ours, &theirs].map(|request| world.reason(request)),
        [Reason::RuleAllowed; 2]
    );
    let mut changed = version(42, "/a");
    changed["documents"][0]["spec"]
        .as_object_mut()
        .expect("an object")
        .remove("accepts");
    world.push(&changed);
    assert_eq!(world.reason(&theirs), Reason::RegionNotAccepted);
    assert_eq!(world.reason(&ours), Reason::RuleAllowed);
    let mut changed = version(43, "/a");
    changed["documents"][0]["spec"]["audiences"] = json!(["other"]);
    world.push(&changed);
    assert_eq!(world.reason(&ours), Reason::TokenAudience);
    let mut changed = version(44, "/a");
    changed["documents"][0]["spec"]["maxTokenLifetime"] = json!("5m");
    world.push(&changed);
    assert_eq!(world.reason(&ours), Reason::TokenLifetime);
    assert_eq!(token_cache(&mut world).1, 2, "and none of this was a verification");
    world.push(&version(45, "/a"));
    world.pass(Duration::from_secs(631));
    assert_eq!(world.reason(&ours), Reason::TokenExpired);
}

/// One VM, two plugins, the same region name and `kid` with different keys: what one verified is nothing to the other.
#[test]
fn two_plugins_of_one_vm_trust_nothing_of_each_other() {
    let one = version(41, "/a");
    let mut other = version(41, "/a");
    other["documents"][0]["spec"]["keys"] = region_with_key("us-east-1", 2)["spec"]["keys"].clone();
    let of_one = get("/a").bearer(&token("us-east-1"));
    let of_other = get("/a").bearer(&Signer::new("us-east-1", 2).token(&claims("us-east-1")));
    let mut renamed = other.clone();
    renamed["metadata"]["name"] = json!("store");
    for (second_root, second) in [("second", &other), ("first", &renamed)] {
        let mut world = World::empty();
        let (first, _) = world.push_to("first", &one, None);
        let (second, activation) = world.push_to(second_root, second, None);
        assert_eq!(activation, Activation::Applied);
        assert_ne!(first, second);
        for _ in 0..3 {
            world.scope = Some(first);
            assert_eq!(world.reason(&of_one), Reason::RuleAllowed);
            assert_eq!(world.reason(&of_other), Reason::TokenSignature);
            world.scope = Some(second);
            assert_eq!(world.reason(&of_other), Reason::RuleAllowed);
            assert_eq!(world.reason(&of_one), Reason::TokenSignature);
        }
    }
}

/// Nor does a plugin use what a center told another one, though both ask the same.
#[test]
fn two_plugins_of_one_vm_keep_their_own_answers() {
    let ask = rules(json!([{"name": "ask", "effect": "defer", "defer": {"cache": "30s"}}]));
    let mut world = World::empty();
    let (first, _) = world.push_to("first", &ask, None);
    let (second, _) = world.push_to("second", &ask, None);
    let request = get("/a").bearer(&token("us-east-1"));
    world.scope = Some(first);
    assert_eq!(
        world.answered(&request, &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    assert_eq!(field(&world.decide(&request), 3), "cache");
    world.scope = Some(second);
    assert!(matches!(world.begin(&request), Outcome::Waiting(_)));
}

#[test]
fn a_version_of_one_plugin_is_no_version_of_another() {
    let mut world = World::empty();
    world.push_to("first", &version(42, "/a"), None);
    let (_, activation) = world.push_to("second", &version(41, "/b"), None);
    assert_eq!(activation, Activation::Applied);
    assert_eq!(
        world.reason(&get("/b").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
}

/// Each configuration of the host's is an activation of its own: a scope is there until the last one is given up.
#[test]
fn a_scope_that_nobody_holds_is_forgotten() {
    let mut world = World::new(&version(42, "/a"));
    let ask = get("/a").bearer(&token("us-east-1"));
    let scope = world.scope.expect("a scope");
    assert_eq!(world.push(&version(42, "/a")), Activation::Same);
    assert_eq!(world.push(&version(41, "/a")), Activation::Older);
    assert_eq!(world.scope, Some(scope));
    for _ in 0..2 {
        world.engine.release(scope);
        assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    }
    world.engine.release(scope);
    assert_eq!(world.reason(&ask), Reason::NoBundle);
    world.engine.release(scope);
    token_cache(&mut world);
    assert_eq!(
        world.push(&version(41, "/a")),
        Activation::Applied,
        "the newer one is forgotten with its scope"
    );
    assert_ne!(world.scope, Some(scope), "and its name is never used again");
    assert_eq!(world.reason(&ask), Reason::RuleAllowed);
    assert_eq!(token_cache(&mut world), (0, 1), "as are the tokens");
}

/// A request that waits is decided by what was in force when it began, and what it learns is of no use to what came after.
#[test]
fn a_request_that_waits_over_a_push_keeps_its_generation() {
    let ask = |version: u64, defer: Json| {
        let spec = json!({"forward": {"claims": {format!("x-user-{version}"): "sub"}}, "rules": [{"name": "ask", "effect": "defer", "defer": defer}]});
        let mut bundle = bundle(&[policy("shop", spec)]);
        bundle["metadata"]["version"] = json!(version);
        bundle
    };
    let mut world = World::new(&ask(41, json!({"cache": "30s", "onUnavailable": "allow"})));
    let request = get("/a").bearer(&token("us-east-1"));
    let (first, second) = (world.wait(&request), world.wait(&request));
    let (label, calls) = (world.label.clone(), [world.calls[0].id, world.calls[1].id]);
    world.push(&ask(42, json!({"cache": "30s"})));
    assert_eq!(world.done.len(), 0);
    world.reply(calls[0], &Reply::decision(true));
    let decision = world.finished(first);
    assert_eq!(
        (decision.reason, field(&decision, 4)),
        (Reason::CenterAllowed, label.as_str())
    );
    assert!(
        super::host::forwarded(&decision)
            .headers
            .iter()
            .any(|(name, _)| name == "x-user-41")
    );
    world.reply(calls[1], &Reply::status(503));
    let decision = world.finished(second);
    assert_eq!(
        (decision.reason, field(&decision, 4)),
        (Reason::CenterUnavailableAllowed, label.as_str())
    );
    assert_eq!(
        world.answered(&request, &Reply::status(503)).reason,
        Reason::CenterUnavailable,
        "the new one asks anew"
    );
}

#[test]
fn a_request_that_waits_while_its_scope_is_forgotten_is_decided_all_the_same() {
    let mut world = World::new(&rules(
        json!([{"name": "ask", "effect": "defer", "defer": {"cache": "30s"}}]),
    ));
    let request = get("/a").bearer(&token("us-east-1"));
    let id = world.wait(&request);
    world.engine.release(world.scope.expect("a scope"));
    world.reply(world.calls[0].id, &Reply::decision(false));
    assert_eq!(world.finished(id).reason, Reason::CenterDenied);
    assert_eq!(world.reason(&request), Reason::NoBundle);
}

#[test]
fn where_the_bundle_names_no_region_the_node_does() {
    let mut homeless = version(41, "/a");
    homeless.as_object_mut().expect("an object").remove("region");
    let ask = get("/a").bearer(&token("us-east-1"));
    let mut world = World::empty();
    world.push_to("regionguard", &homeless, Some("us-east-1"));
    assert!(world.decide(&ask).line.ends_with(";us-east-1>->us-east-1"));
    assert_eq!(
        world.push_to("regionguard", &homeless, Some("us-east-1")).1,
        Activation::Same
    );
    let (_, activation) = world.push_to("regionguard", &homeless, Some("eu-west-1"));
    assert_eq!(
        activation,
        Activation::Applied,
        "the same bundle elsewhere is not the same"
    );
    assert_eq!(world.reason(&ask), Reason::RegionNotAccepted);

    let mut world = World::empty();
    world.push_to("regionguard", &version(41, "/a"), Some("eu-west-1"));
    assert!(
        world.decide(&ask).line.ends_with(">us-east-1"),
        "the bundle's word counts before the node's"
    );
}
