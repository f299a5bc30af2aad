//! Where two answers would fit, which one it is: 400, 421, what is refused to everybody, 401, 403, then defer and allow.

use serde_json::json;

use super::documents::{bundle, policy, rules};
use super::host::{Reply, Request, World, forwarded, get};
use super::tokens::{Signer, claims, token, token_with};
use crate::reason::Reason;

fn world() -> World {
    World::new(&rules(json!([
        {"name": "read", "paths": ["/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "write", "paths": ["/ledger"], "permissions": {"anyOf": ["write:nothing"]}, "effect": "allow"},
        {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
        {"name": "blocked", "paths": ["/public/blocked", "/profiles/blocked", "/ask/blocked"], "effect": "deny"},
        {"name": "not-for-viewers", "paths": ["/profiles/root", "/public/root"], "roles": {"anyOf": ["viewer"]}, "effect": "deny"},
        {"name": "ask", "paths": ["/ask/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "defer"},
        {"name": "ask-too", "paths": ["/profiles/asked"], "effect": "defer"},
    ])))
}

fn forged() -> String {
    Signer::new("us-east-1", 2).token(&claims("us-east-1"))
}

fn poor() -> String {
    token_with("us-east-1", &json!({"permissions": null, "roles": null}))
}

#[test]
fn the_first_of_two_answers() {
    let valid = token("us-east-1");
    let foreign = |request: Request| request.host("api.eu-west-1.com");
    for (request, reason) in [
        // 400 before 421, whatever it is that has no single meaning.
        (foreign(get("/a//b")), Reason::PathEmptySegment),
        (foreign(get("/a?b c")), Reason::QueryInvalid),
        (
            foreign(get("/public/blocked")).bearer("a").bearer("b"),
            Reason::TokenAmbiguous,
        ),
        (
            foreign(get("/")).header("authorization", "Bearer a,Bearer b"),
            Reason::TokenAmbiguous,
        ),
        (foreign(get("/")).method("get"), Reason::RequestMalformed),
        // 421 before any rule, any token and any tunnel.
        (foreign(get("/public/blocked")), Reason::AuthorityNotServed),
        (foreign(get("/public/a")), Reason::AuthorityNotServed),
        (
            foreign(get("/profiles/7")).bearer(&forged()),
            Reason::AuthorityNotServed,
        ),
        (foreign(get("/")).header("upgrade", "h2c"), Reason::AuthorityNotServed),
        (
            foreign(get("/")).method("CONNECT").without(":path"),
            Reason::AuthorityNotServed,
        ),
        // A tunnel before what any rule says.
        (
            get("/public/a").header("upgrade", "websocket"),
            Reason::UpgradeNotAllowed,
        ),
        (get("/public/a").header("Upgrade", ""), Reason::UpgradeNotAllowed),
        (
            get("/public/a").method("CONNECT").header(":protocol", "websocket"),
            Reason::UpgradeNotAllowed,
        ),
        (
            get("/").method("CONNECT").without(":path").without(":scheme"),
            Reason::UpgradeNotAllowed,
        ),
        (
            get("/profiles/7").bearer(&forged()).header("upgrade", "h2c"),
            Reason::UpgradeNotAllowed,
        ),
        // What is refused to everybody, before any token is looked at, public or not.
        (get("/profiles/blocked"), Reason::RuleDenied),
        (get("/profiles/blocked").bearer(&forged()), Reason::RuleDenied),
        (get("/profiles/blocked").bearer(&valid), Reason::RuleDenied),
        (
            get("/profiles/blocked").header("authorization", "Basic YTpi"),
            Reason::RuleDenied,
        ),
        (get("/public/blocked").bearer(&valid), Reason::RuleDenied),
        (get("/ask/blocked").bearer(&valid), Reason::RuleDenied),
        // A token that is not valid, before what it would lack; and nobody without one learns which paths exist.
        (get("/ledger").bearer(&forged()), Reason::TokenSignature),
        (get("/ledger"), Reason::IdentityMissing),
        (get("/nowhere"), Reason::IdentityMissing),
        (get("/nowhere").bearer(&forged()), Reason::TokenSignature),
        (get("/profiles/root"), Reason::IdentityMissing),
        (get("/ask/7"), Reason::IdentityMissing),
        (get("/ask/7").bearer(&forged()), Reason::TokenSignature),
        (
            get("/profiles/7").bearer(&token("ap-southeast-1")),
            Reason::RegionNotAccepted,
        ),
        (
            get("/profiles/7").header("authorization", "Basic YTpi"),
            Reason::IdentityScheme,
        ),
        // A refusal of some, and what is missing, before the center is asked.
        (get("/profiles/root").bearer(&valid), Reason::RuleDenied),
        (get("/public/root").bearer(&valid), Reason::RuleDenied),
        (get("/ask/7").bearer(&poor()), Reason::PermissionMissing),
        (get("/ledger").bearer(&valid), Reason::PermissionMissing),
        (get("/nowhere").bearer(&valid), Reason::NoRule),
        (get("/profiles/7").bearer(&valid), Reason::RuleAllowed),
    ] {
        let mut world = world();
        assert_eq!(world.reason(&request), reason, "{request:?}");
        assert_eq!(world.calls, []);
    }
}

#[test]
fn a_defer_wins_over_an_allow() {
    let mut world = world();
    let request = get("/profiles/asked").bearer(&token("us-east-1"));
    assert_eq!(
        world.answered(&request, &Reply::decision(false)).reason,
        Reason::CenterDenied
    );
}

#[test]
fn a_second_filter_and_an_unknown_region_come_before_everything() {
    let mut twice = world();
    twice.has_line = true;
    for request in [
        get("/a//b"),
        get("/").host("evil.com"),
        get("/public/blocked"),
        get("/public/a").header("upgrade", "h2c"),
    ] {
        assert_eq!(twice.reason(&request), Reason::DuplicateFilter);
    }
    let mut homeless = bundle(&[policy("shop", json!({"default": "allow"}))]);
    homeless.as_object_mut().expect("an object").remove("region");
    for locality in [None, Some("mars"), Some("")] {
        let mut world = World::empty();
        world.push_to("regionguard", &homeless, locality);
        for request in [
            get("/a//b"),
            get("/").host("evil.com"),
            get("/a").bearer(&token("us-east-1")),
            get("/a"),
        ] {
            assert_eq!(world.reason(&request), Reason::RegionUnknown, "{locality:?}");
        }
    }
}

/// A method by which nothing is let in, but a requirement that is not met: whoever is not known is told to say who they are first.
#[test]
fn a_requirement_is_for_those_who_are_let_in() {
    let spec = json!({"context": {"geo_restrictions": [{"allowed_regions": ["eu-west-1"]}]}, "rules": [
        {"name": "read", "paths": ["/a"], "effect": "allow"},
        {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "effect": "defer", "defer": {"onUnavailable": "allow"}},
    ]});
    let mut world = World::new(&bundle(&[policy("shop", spec)]));
    let valid = token("us-east-1");
    assert_eq!(world.reason(&get("/a")), Reason::IdentityMissing);
    assert_eq!(world.reason(&get("/a").bearer(&valid)), Reason::SourceRegionNotAllowed);
    assert_eq!(
        world.reason(&get("/public")),
        Reason::SourceRegionNotAllowed,
        "public lifts no context"
    );
    assert_eq!(
        world.reason(&get("/ask").bearer(&valid)),
        Reason::SourceRegionNotAllowed
    );
    assert_eq!(world.calls, [], "and nobody is asked");
}

#[test]
fn on_a_public_route_a_token_that_is_not_valid_is_removed() {
    let mut world = world();
    for (credential, stripped) in [
        (format!("Bearer {}", forged()), true),
        (format!("Bearer {}", token("ap-southeast-1")), true),
        ("Bearer x".to_owned(), true),
        ("Bearer".to_owned(), true),
        ("bearer  two-spaces".to_owned(), true),
        (format!("Bearer {}", token("us-east-1")), false),
        ("Basic YTpi".to_owned(), false),
        ("DPoP a.b.c".to_owned(), true),
    ] {
        let decision = world.decide(&get("/public/a").header("authorization", &credential));
        assert_eq!(decision.reason, Reason::RulePublic, "{credential}");
        assert_eq!(forwarded(&decision).strip.is_some(), stripped, "{credential}");
        assert_eq!(forwarded(&decision).headers, []);
        let home = if credential.ends_with(&token("us-east-1")) {
            "us-east-1>->us-east-1"
        } else {
            "->->us-east-1"
        };
        assert!(decision.line.ends_with(&format!(";{home}")), "{}", decision.line);
    }
    assert!(
        forwarded(&world.decide(&get("/public/a"))).strip.is_none(),
        "there is nothing to remove"
    );
}

/// A flood of forged tokens makes nobody's public request fail.
#[test]
fn a_used_up_budget_makes_a_public_request_anonymous() {
    let mut world = world();
    let request = get("/public/a").bearer(&forged());
    for _ in 0..40 {
        let decision = world.decide(&request);
        assert_eq!(decision.reason, Reason::RulePublic);
        assert!(forwarded(&decision).strip.is_some());
    }
    assert_eq!(
        world.reason(&get("/profiles/7").bearer(&forged())),
        Reason::VerificationBudget
    );
    assert_eq!(
        world.reason(&get("/profiles/7").bearer(&token("us-east-1"))),
        Reason::VerificationBudget,
        "not verified before"
    );
    world.peer = Some(b"127.0.1.10".to_vec());
    assert_eq!(
        world.reason(&get("/profiles/7").bearer(&token("us-east-1"))),
        Reason::RuleAllowed,
        "another peer"
    );
    world.peer = Some(b"127.0.1.9".to_vec());
    assert_eq!(
        world.reason(&get("/profiles/7").bearer(&token("us-east-1"))),
        Reason::RuleAllowed,
        "verified before"
    );
}

#[test]
fn two_credentials_have_no_single_meaning() {
    let mut world = world();
    let valid = token("us-east-1");
    for request in [
        get("/public/a").bearer(&valid).bearer(&valid),
        get("/public/a").header("authorization", "Basic YTpi").bearer(&valid),
        get("/public/a")
            .header("Authorization", "Basic YTpi")
            .header("AUTHORIZATION", "Basic YTpi"),
        get("/public/a").header("authorization", format!("Bearer {valid},Bearer {valid}")),
        get("/public/a").header("authorization", "").header("authorization", ""),
    ] {
        assert_eq!(world.reason(&request), Reason::TokenAmbiguous, "{request:?}");
    }
    for request in [
        get("/public/a").header("host", "other.us-east-1.com"),
        get("/public/a")
            .header("host", "api.us-east-1.com")
            .header("host", "api.us-east-1.com"),
        get("/public/a").header(":authority", "api.us-east-1.com"),
    ] {
        assert_eq!(world.reason(&request), Reason::AuthorityInvalid, "{request:?}");
    }
}

/// The ledger of host calls: who sent the request is read only where something asks, and so is the second clock.
#[test]
fn a_decided_request_reads_neither_peer_nor_second_clock() {
    let mut world = world();
    for request in [
        get("/profiles/7").bearer(&token("us-east-1")),
        get("/public/a"),
        get("/public/blocked"),
        get("/nowhere"),
    ] {
        world.decide(&request);
    }
    assert_eq!((world.peer_reads.get(), world.clock_reads.get()), (0, 0));
    world.answered(&get("/ask/7").bearer(&token("us-east-1")), &Reply::decision(true));
    assert_eq!(world.peer_reads.get(), 1);
    let near = json!([{"name": "near", "from": {"sourceRegions": ["us-east-1"]}, "effect": "allow"}]);
    let mut world = World::new(&rules(near));
    assert_eq!(
        world.reason(&get("/a").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    assert_eq!((world.peer_reads.get(), world.clock_reads.get()), (1, 0));
}
