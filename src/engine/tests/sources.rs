//! Tokens in the places that the bundle configures, and what the upstream gets of them.

use serde_json::{Value as Json, json};

use super::documents::{bundle, policy};
use super::host::{Reply, Request, World, answer, forwarded, get};
use super::tokens::{Signer, claims, token};
use crate::decision::Strip;
use crate::reason::Reason;

pub(super) fn sources() -> Json {
    json!({"sources": [
        {"header": "authorization"}, {"header": "x-access-token", "prefix": ""}, {"cookie": "session"}, {"query": "access_token"},
    ]})
}

fn world(forward: &str) -> World {
    let shop = json!({
        "forward": {"token": forward},
        "rules": [
            {"name": "read", "paths": ["/read/**"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
            {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
            {"name": "ask", "paths": ["/ask/**"], "effect": "defer"},
        ],
    });
    let mut bundle = bundle(&[policy("shop", shop)]);
    bundle["tokens"] = sources();
    World::new(&bundle)
}

fn cookies(rest: &str) -> Option<Strip> {
    Some(Strip::Cookies(rest.as_bytes().to_vec()))
}

fn path(world: &World) -> Option<&str> {
    world
        .path
        .as_deref()
        .map(|path| core::str::from_utf8(path).expect("text"))
}

/// The same token at each place, and how it is stripped there.
fn places(target: &str, token: &str) -> Vec<(Request, Option<Strip>)> {
    let own = Strip::Header(b"x-access-token".to_vec().into());
    vec![
        (get(target).bearer(token), Some(Strip::AUTHORIZATION)),
        (get(target).header("x-access-token", token), Some(own)),
        (
            get(target).header("cookie", format!("a=1; session={token}; b=2")),
            cookies("a=1; b=2"),
        ),
        (get(&format!("{target}?a=%20&access_token={token}&b")), None),
    ]
}

#[test]
fn a_token_counts_from_each_place_and_is_stripped_or_passed_there() {
    let valid = token("us-east-1");
    for (word, is_stripped) in [("strip", true), ("pass", false)] {
        let mut world = world(word);
        for (request, strip) in places("/read/a", &valid) {
            let decision = world.decide(&request);
            assert_eq!(decision.reason, Reason::RuleAllowed, "{request:?}");
            let expected = strip.filter(|_| is_stripped);
            assert_eq!(forwarded(&decision).strip, expected, "{request:?}");
            assert_eq!(forwarded(&decision).path, None, "the route stays as it is");
            let query = request.lines.iter().any(|(_, value)| value.contains(&b'?'));
            assert_eq!(path(&world), query.then_some("/read/a?a=%20&b"), "{word}");
        }
    }
}

/// One cache, by the whole token, wherever it stands.
#[test]
fn a_token_is_verified_once() {
    let mut world = world("pass");
    for (request, _) in places("/read/a", &token("us-east-1")) {
        world.decide(&request);
    }
    let (counters, _) = world.counted();
    let sum = |name: &str| {
        counters
            .iter()
            .find(|(counter, _)| counter.name() == name)
            .map(|(_, sum)| *sum)
    };
    assert_eq!((sum("token_cache.miss"), sum("token_cache.hit")), (Some(1), Some(3)));
}

#[test]
fn an_anonymous_request_carries_no_token_that_is_not_valid() {
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    for token in [forged.as_str(), "x", ""] {
        let mut world = world("pass");
        for (request, strip) in places("/public/a", token) {
            let decision = world.decide(&request);
            assert_eq!(decision.reason, Reason::RulePublic, "{request:?}");
            assert_eq!(forwarded(&decision).strip, strip, "{request:?}");
        }
        assert_eq!(path(&world), Some("/public/a?a=%20&b"));
    }
    let decision = world("pass").decide(&get("/public/a").header("x-access-token", "Basic YTpi"));
    assert_eq!(forwarded(&decision).strip, None, "not ours");
}

#[test]
fn two_tokens_are_refused_and_the_query_loses_its_own_all_the_same() {
    let valid = token("us-east-1");
    let mut world = world("strip");
    let both = get(&format!("/public/a?access_token={valid}")).bearer(&valid);
    assert_eq!(world.reason(&both), Reason::TokenAmbiguous);
    assert_eq!(path(&world), Some("/public/a"));
    let basic = get("/read/a")
        .header("authorization", "Basic YTpi")
        .header("x-access-token", &valid);
    assert_eq!(world.reason(&basic), Reason::RuleAllowed);
    assert_eq!(
        world.reason(&get("/read/a").header("x-access-token", "Basic YTpi")),
        Reason::IdentityScheme
    );
}

#[test]
fn a_refused_request_has_no_token_in_its_query_either() {
    let mut world = world("strip");
    for (target, reason) in [
        ("/read/a?access_token=x&b", Reason::TokenMalformed),
        ("/nowhere/a?access_token=x&b", Reason::TokenMalformed),
        ("/read//a?access_token=x&b", Reason::PathEmptySegment),
    ] {
        assert_eq!(world.reason(&get(target)), reason);
        assert!(
            path(&world).is_some_and(|path| path.ends_with("/a?b")),
            "{:?}",
            world.path
        );
    }
    // A head that is no request's is logged as well.
    for request in [
        get("/a?access_token=x&b").method("get"),
        get("/a?access_token=x&b").header("host", "other.example"),
        get("/a?access_token=x&b").without(":authority"),
    ] {
        world.decide(&request);
        assert_eq!(path(&world), Some("/a?b"), "{request:?}");
    }
    world.has_line = true;
    assert_eq!(world.reason(&get("/a?access_token=x")), Reason::DuplicateFilter);
    assert_eq!(path(&world), Some("/a"));
}

#[test]
fn the_center_is_not_told_the_token_of_a_query() {
    let valid = token("us-east-1");
    let mut world = world("strip");
    let request = get(&format!("/ask/a?x=1&access_token={valid}"));
    let decision = world.answered(&request, &Reply::decision(true));
    assert_eq!(decision.reason, Reason::CenterAllowed);
    assert!(!world.question().to_string().contains(&valid));
    assert_eq!(world.question()["resource"]["properties"]["query"], "x=1");
    let cookie = get("/ask/b").header("cookie", format!("session={valid};a=1"));
    let decision = world.answered(&cookie, &Reply::decision(true));
    assert_eq!(forwarded(&decision).strip, cookies("a=1"), "after the wait");
}

#[test]
fn a_cookie_from_another_site_changes_nothing() {
    let cookie = |method: &str, path: &str| {
        get(path)
            .method(method)
            .header("cookie", format!("session={}", token("us-east-1")))
    };
    let mut world = world("pass");
    assert_eq!(world.reason(&cookie("GET", "/read/a")), Reason::RuleAllowed);
    let decision = world.decide(&cookie("POST", "/read/a"));
    assert_eq!(decision.reason, Reason::CrossSite);
    assert_eq!(answer(&decision).status, 403);
    assert!(answer(&decision).body.contains("\"code\":\"forbidden\""));
    let own = cookie("POST", "/read/a").header("origin", "https://api.us-east-1.com");
    assert_eq!(world.reason(&own), Reason::RuleAllowed);
    let other = cookie("POST", "/read/a").header("origin", "https://evil.example");
    assert_eq!(world.reason(&other), Reason::CrossSite);
    // What is public is nobody's: the request is anonymous, and its cookie does not speak for anybody behind this proxy either.
    let decision = world.decide(&cookie("POST", "/public/a"));
    assert_eq!(decision.reason, Reason::RulePublic);
    assert_eq!(forwarded(&decision).strip, cookies(""));
    assert!(decision.line.ends_with(";->->us-east-1"), "{}", decision.line);
}
