//! Permissions for a time, by documents of the bundle and by tokens.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::documents::{bundle, policy};
use super::host::{World, get};
use super::tokens::{ISSUER, START, at, token, token_with};
use crate::reason::Reason;

/// A bundle in which writing takes a permission that this grants.
pub(super) fn granting(grants: &Json) -> Json {
    let shop = json!({"rules": [
        {"name": "write", "paths": ["/ledger"], "permissions": {"anyOf": ["close:ledger"]}, "effect": "allow"},
        {"name": "ask", "paths": ["/ask/{id}"], "permissions": {"anyOf": ["close:ledger"]}, "effect": "defer", "defer": {"cache": "30s"}},
        {"name": "anybody", "paths": ["/open"], "effect": "allow"},
    ], "forward": {"claims": {"x-permissions": "permissions"}}});
    let mut bundle = bundle(&[policy("shop", shop)]);
    if !grants.is_null() {
        let documents = bundle["documents"].as_array_mut().expect("a list");
        documents.push(json!({"apiVersion": "security.io/v1", "kind": "Grants", "metadata": {"name": "on-call"}, "spec": {"grants": grants}}));
    }
    bundle
}

pub(super) fn grant(home: &str, sub: &str, from: i64, until: i64) -> Json {
    json!({
        "subject": {"home": home, "issuer": ISSUER, "sub": sub}, "permissions": ["close:ledger"],
        "notBefore": at(from), "expires": at(until), "approvedBy": "the owner of it", "reason": "incident 4711",
    })
}

#[track_caller]
fn reason(bundle: &Json, token: &str) -> Reason {
    World::new(bundle).reason(&get("/ledger").bearer(token))
}

#[test]
fn a_grant_opens_and_closes_by_the_clock_for_a_token_that_is_known() {
    let mut world = World::new(&granting(&json!([grant("us-east-1", "alice", 60, 120)])));
    let ask = get("/ledger").bearer(&token("us-east-1"));
    for (seconds, reason) in [
        (0.0, Reason::PermissionMissing),
        (59.9, Reason::PermissionMissing),
        (60.0, Reason::GrantAllowed),
        (119.9, Reason::GrantAllowed),
        (120.0, Reason::PermissionMissing),
    ] {
        world.wall = 0;
        world.pass(Duration::from_secs_f64(seconds));
        assert_eq!(world.reason(&ask), reason, "after {seconds} s");
    }
}

#[test]
fn a_grant_is_for_one_subject() {
    let bundle = |home: &str, sub: &str| granting(&json!([grant(home, sub, -60, 60)]));
    assert_eq!(
        reason(&bundle("us-east-1", "alice"), &token("us-east-1")),
        Reason::GrantAllowed
    );
    for (home, sub) in [("us-east-1", "Alice"), ("us-east-1", "bob"), ("eu-west-1", "alice")] {
        let found = reason(&bundle(home, sub), &token("us-east-1"));
        assert_eq!(found, Reason::PermissionMissing, "{home} {sub}");
    }
    // The bundle's own word needs no `accepts`: that is about what a token says.
    assert_eq!(
        reason(&bundle("eu-west-1", "alice"), &token("eu-west-1")),
        Reason::GrantAllowed
    );
}

#[test]
fn a_grant_is_named_only_where_nothing_else_lets_the_request_in() {
    let bundle = granting(&json!([grant("us-east-1", "alice", -60, 60)]));
    let holds = json!({"permissions": {"global": ["close:ledger"]}});
    assert_eq!(reason(&bundle, &token_with("us-east-1", &holds)), Reason::RuleAllowed);
    let mut world = World::new(&bundle);
    assert_eq!(
        world.reason(&get("/open").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
}

/// The grants of tokens, in a bundle whose Regions say where they stand.
fn claiming() -> Json {
    let mut bundle = granting(&Json::Null);
    for document in bundle["documents"].as_array_mut().expect("a list") {
        if document["kind"] == "Region" {
            document["spec"]["claims"] = json!({"grants": "elevated"});
        }
    }
    bundle
}

#[test]
fn a_token_may_grant_for_a_time_where_its_region_says_so() {
    let entry = |from: u64, until: u64| json!({"permission": "close:ledger", "not_before": from, "expires": until});
    let with = |value: Json| token_with("us-east-1", &json!({"elevated": value}));
    for (value, expected) in [
        (json!([entry(START - 9, START + 9)]), Reason::GrantAllowed),
        (
            json!([{"permission": "close:ledger", "expires": START + 9}]),
            Reason::GrantAllowed,
        ),
        (json!([entry(START + 1, START + 9)]), Reason::PermissionMissing),
        (json!([entry(START - 9, START)]), Reason::PermissionMissing),
        (json!([]), Reason::PermissionMissing),
        (json!("close:ledger"), Reason::TokenClaims),
        (json!([{"permission": "close:ledger"}]), Reason::TokenClaims),
        (json!([{"permission": 7, "expires": START + 9}]), Reason::TokenClaims),
        (json!([{"permission": "", "expires": START + 9}]), Reason::TokenClaims),
        (json!([{"permission": "a", "expires": "soon"}]), Reason::TokenClaims),
        (json!(vec![entry(0, 1); 129]), Reason::TokenClaims),
        (Json::Null, Reason::PermissionMissing),
    ] {
        assert_eq!(reason(&claiming(), &with(value.clone())), expected, "{value}");
    }
    let own = json!([entry(START - 9, START + 9)]);
    assert_eq!(
        reason(&granting(&Json::Null), &with(own.clone())),
        Reason::PermissionMissing,
        "not mapped"
    );
    let foreign = token_with("eu-west-1", &json!({"elevated": own}));
    assert_eq!(reason(&claiming(), &foreign), Reason::PermissionMissing, "not accepted");
}

#[test]
fn who_approved_is_told_once_and_the_upstream_and_the_center_see_what_counts_now() {
    let mut world = World::new(&granting(&json!([grant("us-east-1", "alice", -60, 60)])));
    for _ in 0..2 {
        let decision = world.decide(&get("/ledger").bearer(&token("us-east-1")));
        let forwarded = format!("{:?}", decision.action);
        assert!(
            forwarded.contains("close:ledger") && forwarded.contains("rule.allowed_by_grant"),
            "{forwarded}"
        );
    }
    let told: Vec<&str> = world
        .logs
        .iter()
        .map(|(_, line)| line.as_str())
        .filter(|line| line.contains("on-call[0]"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("incident 4711"), "{told:?}");
}
