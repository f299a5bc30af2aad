//! What the upstream gets: what the policy forwards, and nothing of the kind that a client made up.

use serde_json::{Value as Json, json};

use super::documents::{bundle, home_region, policy, rules};
use super::host::{Reply, Request, World, forwarded, get};
use super::tokens::{Signer, claims, token, token_with};
use crate::reason::Reason;

fn world() -> World {
    let shop = json!({
        "forward": {"token": "strip", "claims": {"x-user": "sub", "x-groups": "roles", "x-country": "address", "x-nothing": "absent"}},
        "rules": [
            {"name": "read", "paths": ["/read/**"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
            {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
            {"name": "ask", "paths": ["/ask/**"], "effect": "defer", "defer": {"cache": "30s", "onUnavailable": "allow"}},
        ],
    });
    let other =
        json!({"selector": {"hosts": ["other.us-east-1.com"]}, "forward": {"claims": {"x_tenant": "department"}}});
    World::new(&bundle(&[policy("shop", shop), policy("other", other)]))
}

/// The header lines of one request that are removed, sorted.
fn removed(world: &World) -> Vec<String> {
    let mut names: Vec<String> = world
        .removed
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    names
}

fn forging(request: Request) -> Request {
    request
        .header("X_User", "root")
        .header("x-user", "root")
        .header("x-user", "admin")
        .header("X-USER", "root")
        .header("x-tenant", "all")
        .header("x_tenant", "all")
        .header("x-regionguard-subject", "root")
        .header("x_regionguard_region", "mars")
        .header("X-Regionguard-Anything", "1")
        .header("x-users", "kept")
        .header("x-regionguards", "kept")
        .header("user", "kept")
}

/// Of every policy in the bundle, whichever governs, in whatever spelling; and whatever the answer is.
#[test]
fn a_clients_own_are_removed_whatever_the_verdict() {
    let expected = [
        "X-Regionguard-Anything",
        "X-USER",
        "X_User",
        "x-regionguard-subject",
        "x-tenant",
        "x-user",
        "x_regionguard_region",
        "x_tenant",
    ];
    let valid = token("us-east-1");
    let mut twice = world();
    twice.has_line = true;
    assert_eq!(twice.reason(&forging(get("/public/a"))), Reason::DuplicateFilter);
    assert_eq!(removed(&twice), expected);
    for request in [
        get("/read/a").bearer(&valid),
        get("/public/a"),
        get("/nowhere").bearer(&valid),
        get("/read/a"),
        get("/a//b"),
        get("/").host("evil.com"),
        get("/").method("get"),
        get("/").header(":authority", "twice"),
    ] {
        let mut world = world();
        world.decide(&forging(request));
        assert_eq!(removed(&world), expected);
    }
    let mut world = world();
    world.answered(&forging(get("/ask/a").bearer(&valid)), &Reply::decision(true));
    assert_eq!(removed(&world), expected);
    world.decide(&forging(get("/ask/a").bearer(&valid)));
    assert_eq!(removed(&world), expected, "from the cache too");
    world.decide(&get("/public/a"));
    assert_eq!(removed(&world), [""; 0]);
}

#[test]
fn the_upstream_gets_subject_region_and_claims() {
    let expected = json!([
        ["x-regionguard-subject", "alice"],
        ["x-regionguard-region", "us-east-1"],
        ["x-country", "{\"country\":\"IE\"}"],
        ["x-groups", "[\"auditor\",\"viewer\"]"],
        ["x-user", "alice"],
    ]);
    let mut world = world();
    let valid = token("us-east-1");
    let inline = world.decide(&get("/read/a").bearer(&valid));
    let public = world.decide(&get("/public/a").bearer(&valid));
    let asked = world.answered(&get("/ask/a").bearer(&valid), &Reply::decision(true));
    let kept = world.decide(&get("/ask/a").bearer(&valid));
    for decision in [inline, public, asked, kept] {
        let forwarded = forwarded(&decision);
        assert_eq!(json!(forwarded.headers), expected, "{}", decision.line);
        assert!(forwarded.strip.is_some() && forwarded.path.is_none());
    }
    let mut expected = expected;
    expected
        .as_array_mut()
        .expect("a list")
        .push(json!(["x-regionguard-reason", "center.unavailable_allowed"]));
    let away = world.answered(&get("/ask/b").bearer(&valid), &Reply::status(503));
    assert_eq!(json!(forwarded(&away).headers), expected);
}

#[test]
fn a_policy_forwards_for_what_it_governs() {
    let mut world = world();
    let decision = world.decide(&get("/read/a").host("other.us-east-1.com").bearer(&token("us-east-1")));
    assert!(
        forwarded(&decision)
            .headers
            .contains(&("x_tenant".to_owned(), "books".to_owned()))
    );
}

#[test]
fn values_are_made_safe() {
    let odd = token_with(
        "us-east-1",
        &json!({"sub": "a\r\nx-admin: 1\u{0}\u{e9} 100%", "address": null, "roles": []}),
    );
    let decision = world().decide(&get("/read/a").bearer(&odd));
    let safe = "a%0D%0Ax-admin:%201%00%C3%A9%20100%25";
    assert_eq!(
        json!(forwarded(&decision).headers),
        json!([
            ["x-regionguard-subject", safe],
            ["x-regionguard-region", "us-east-1"],
            ["x-groups", "[]"],
            ["x-user", safe]
        ])
    );
}

/// Without `forward` a request goes on as it came, but for what a client may not say.
#[test]
fn nothing_is_forwarded_that_no_policy_names() {
    let mut world = World::new(&rules(json!([
        {"name": "read", "effect": "allow", "paths": ["/read"]},
        {"name": "public", "effect": "allow", "identity": "none", "paths": ["/public"]},
    ])));
    for request in [
        get("/read").bearer(&token("us-east-1")),
        get("/public"),
        get("/public").bearer(&token("us-east-1")),
    ] {
        let decision = world.decide(&request);
        let forwarded = forwarded(&decision);
        assert_eq!(
            (&forwarded.path, forwarded.strip.is_some(), forwarded.headers.len()),
            (&None, false, 0)
        );
    }
}

#[test]
fn nobody_is_forwarded_as_nobody() {
    let mut world = world();
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    for request in [
        get("/public/a"),
        get("/public/a").bearer(&forged),
        get("/public/a").header("authorization", "Basic YTpi"),
    ] {
        let decision = world.decide(&forging(request));
        assert_eq!(forwarded(&decision).headers, []);
        assert_eq!(removed(&world).len(), 8);
    }
    let basic = world.decide(&get("/public/a").header("authorization", "Basic YTpi"));
    assert!(forwarded(&basic).strip.is_none(), "`token: strip` is about ours");
}

#[test]
fn the_upstream_sees_the_path_that_was_judged() {
    for (sent, path) in [
        ("/read/a", None),
        ("/read/", None),
        ("/read", None),
        ("/read/a?b=%7E&c=../..", None),
        ("/read/%C3%A9", None),
        ("/read/%7Ea/./b", Some("/read/~a/b")),
        ("/read/x/../b?q=1", Some("/read/b?q=1")),
        ("/public/../read/%61", Some("/read/a")),
        ("/read/%c3%a9", Some("/read/%C3%A9")),
        ("/read/.", Some("/read/")),
        ("/%72ead/a", Some("/read/a")),
    ] {
        let decision = world().decide(&get(sent).bearer(&token("us-east-1")));
        assert_eq!(
            (decision.reason, forwarded(&decision).path.as_deref()),
            (Reason::RuleAllowed, path),
            "{sent}"
        );
    }
    let decision = world().answered(&get("/ask/%7Ea?q").bearer(&token("us-east-1")), &Reply::decision(true));
    assert_eq!(forwarded(&decision).path.as_deref(), Some("/ask/~a?q"));
}

/// A host with a trailing dot is the same host: it is judged without the dot, and so it is routed and forwarded.
#[test]
fn the_upstream_sees_the_host_that_was_judged() {
    for (sent, authority) in [
        ("api.us-east-1.com", None),
        ("API.us-east-1.com", None),
        ("api.us-east-1.com:443", None),
        ("api.us-east-1.com:8443", None),
        ("api.us-east-1.com.", Some("api.us-east-1.com")),
        ("API.US-east-1.com.", Some("api.us-east-1.com")),
        ("api.us-east-1.com.:443", Some("api.us-east-1.com")),
        ("api.us-east-1.com.:8443", Some("api.us-east-1.com:8443")),
    ] {
        let decision = world().decide(&get("/read/a").host(sent).bearer(&token("us-east-1")));
        assert_eq!(
            (decision.reason, forwarded(&decision).authority.as_deref()),
            (Reason::RuleAllowed, authority),
            "{sent}"
        );
    }
    let decision = world().answered(
        &get("/ask/a").host("api.us-east-1.com.").bearer(&token("us-east-1")),
        &Reply::decision(true),
    );
    assert_eq!(forwarded(&decision).authority.as_deref(), Some("api.us-east-1.com"));
    let two = get("/read/a").host("api.us-east-1.com..").bearer(&token("us-east-1"));
    assert_eq!(world().reason(&two), Reason::AuthorityInvalid);
}

/// The form that is relaxed is the form that is judged and forwarded.
#[test]
fn what_the_operator_relaxes_goes_on_as_it_is_judged() {
    let relaxed = |allow: Json| {
        let mut bundle = rules(json!([{"name": "read", "paths": ["/a/{x}"], "effect": "defer"}]));
        bundle["trust"]["paths"] = json!({"allow": allow});
        World::new(&bundle)
    };
    for (allow, sent, path, capture) in [
        (json!(["encodedSlash"]), "/a/b%2fc", Some("/a/b%2Fc"), "b/c"),
        (json!(["pathParameters"]), "/a/b;c", None, "b;c"),
    ] {
        let mut world = relaxed(allow);
        let decision = world.answered(&get(sent).bearer(&token("us-east-1")), &Reply::decision(true));
        assert_eq!(
            world.question()["resource"]["properties"]["captures"],
            json!({"x": capture})
        );
        assert_eq!(forwarded(&decision).path.as_deref(), path);
    }
}

/// What is too long to be sent is not left out: the upstream would take it for something that nobody said.
#[test]
fn headers_are_bounded_one_by_one_and_together() {
    let many: Vec<(String, &str)> = (0..8)
        .map(|number| (format!("x-text-{number}"), "profile.text"))
        .collect();
    let many: serde_json::Map<String, Json> = many.into_iter().map(|(header, claim)| (header, claim.into())).collect();
    let mut world = World::new(&bundle(&[policy(
        "shop",
        json!({"rules": [
        {"name": "ask", "paths": ["/ask"], "effect": "defer"}, {"name": "rest", "effect": "allow"},
    ], "forward": {"claims": many}}),
    )]));
    for (length, expected) in [
        (100, Reason::RuleAllowed),
        (4_000, Reason::RuleAllowed),
        (4_100, Reason::ClaimTooLarge),
        (8_192, Reason::ClaimTooLarge),
        (8_193, Reason::ClaimTooLarge),
    ] {
        let token = token_with("us-east-1", &json!({"profile": {"text": "a".repeat(length)}}));
        let decision = world.decide(&get("/").bearer(&token));
        assert_eq!(decision.reason, expected, "{length}");
        if expected == Reason::ClaimTooLarge {
            assert_eq!(world.reason(&get("/ask").bearer(&token)), expected, "nobody is asked");
        }
    }
}

/// Nested claims, and such whose names look like paths; what is not accepted of a foreign token comes by no way around.
#[test]
fn nested_claims_go_on_as_json() {
    let mut world = World::new(&bundle(&[policy(
        "shop",
        json!({"default": "allow", "forward": {"claims": {
            "x-country": "address.country", "x-roles": "realm_access.roles", "x-all": "realm_access", "x-tier": "https://shop.example/tier",
            "x-region": "custom:region", "x-granted": "permissions", "x-around": "permissions.global", "x-nothing": "address.city",
        }}}),
    )]));
    let more = json!({
        "realm_access": {"roles": ["root", "a b"]}, "https://shop.example/tier": "gold", "custom:region": ["eu"],
        "permissions": {"global": ["read:profile", "write:profile"]},
    });
    let mut sent = |home: &str| {
        let decision = world.decide(&get("/").bearer(&token_with(home, &more)));
        json!(forwarded(&decision).headers[2..])
    };
    assert_eq!(
        sent("us-east-1"),
        json!([
            ["x-all", "{\"roles\":[\"root\",\"a%20b\"]}"],
            ["x-around", "[\"read:profile\",\"write:profile\"]"],
            ["x-country", "IE"],
            ["x-granted", "[\"read:profile\",\"write:profile\"]"],
            ["x-region", "[\"eu\"]"],
            ["x-roles", "[\"root\",\"a%20b\"]"],
            ["x-tier", "gold"],
        ])
    );
    assert_eq!(
        sent("eu-west-1"),
        json!([
            ["x-all", "{\"roles\":[\"root\",\"a%20b\"]}"],
            ["x-country", "IE"],
            ["x-granted", "[\"read:profile\"]"],
            ["x-region", "[\"eu\"]"],
            ["x-roles", "[\"root\",\"a%20b\"]"],
            ["x-tier", "gold"],
        ])
    );
}

/// A foreign identity is forwarded under its own region, so that nobody takes `alice` of one region for `alice` of another.
#[test]
fn a_subject_is_told_with_its_region() {
    let bundle = bundle(&[policy(
        "shop",
        json!({"default": "allow", "forward": {"token": "pass"}}),
    )]);
    assert_eq!(bundle["documents"][0], home_region());
    let decision = World::new(&bundle).decide(&get("/a").bearer(&token("eu-west-1")));
    let forwarded = forwarded(&decision);
    assert_eq!(
        json!(forwarded.headers),
        json!([
            ["x-regionguard-subject", "alice"],
            ["x-regionguard-region", "eu-west-1"]
        ])
    );
    assert!(forwarded.strip.is_none());
}
