//! Tokens in headers, cookies and queries, on a real Envoy: found, refused when there are two, and taken out before the upstream.

mod common;

use common::{HOST, Issuers, Seen, Site, bundle, get, policy, token};
use regionguard_harness::client::Request;
use regionguard_harness::issuer::with_bad_signature;
use serde_json::{Value, json};

fn shop(issuers: &Issuers) -> Value {
    let rules = |word: &str| {
        json!({
            "selector": {"hosts": [format!("{word}.us-east-1.com")]},
            "forward": {"token": word},
            "rules": [
                {"name": "read", "paths": ["/read/**"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
                {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
            ],
        })
    };
    let policies = [policy("strip", rules("strip")), policy("pass", rules("pass"))];
    let mut bundle = bundle(41, &issuers.regions(), &policies);
    bundle["trust"] = json!({"hosts": [HOST, "strip.us-east-1.com", "pass.us-east-1.com"]});
    bundle["tokens"] = json!({"sources": [
        {"header": "authorization"}, {"header": "x-access-token", "prefix": ""}, {"cookie": "session"}, {"query": "access_token"},
    ]});
    bundle
}

/// A request to the host whose policy strips or passes.
fn to(word: &str, path: &str) -> Request {
    get(path).host(&format!("{word}.us-east-1.com"))
}

fn upstream_path(seen: &Seen) -> &str {
    seen.upstream[0]["path"].as_str().unwrap()
}

/// Nothing of the token is left: in no header, not in the path, and not in a log of Envoy's.
#[track_caller]
fn is_clean(seen: &Seen, token: &str) {
    let signature = token.rsplit('.').next().unwrap();
    assert!(!seen.upstream[0].to_string().contains(signature), "{seen:#?}");
    assert!(!seen.entry.0.to_string().contains(signature), "{seen:#?}");
}

#[tokio::test]
async fn a_token_stands_in_one_place_and_leaves_with_it() {
    let issuers = Issuers::new();
    let site = Site::start_with(
        "token-sources",
        regionguard_harness::config::Base::Sidecar,
        &shop(&issuers),
        |config| {
            // As operators who do not know better log it.
            config.edit_http(|http| {
                http["access_log"][0]["typed_config"]["log_format"]["json_format"]["whole_path"] =
                    json!("%REQ(:PATH)%");
            })
        },
    )
    .await;
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    let forged = with_bad_signature(&alice).unwrap();

    // Found and stripped; all else arrives as it was.
    let seen = site.ask(to("strip", "/read/a").bearer(&alice)).await;
    seen.allowed("rule.allowed", "inline");
    is_clean(&seen, &alice);
    let seen = site.ask(to("strip", "/read/a").header("X-Access-Token", &alice)).await;
    seen.allowed("rule.allowed", "inline");
    is_clean(&seen, &alice);
    let cookie = format!("theme=\"dark, or so\"; session={alice}; lang=en");
    let seen = site.ask(to("strip", "/read/a").header("cookie", &cookie)).await;
    seen.allowed("rule.allowed", "inline");
    is_clean(&seen, &alice);
    assert_eq!(seen.forwarded("cookie"), ["theme=\"dark, or so\"; lang=en"]);
    let seen = site
        .ask(to("strip", "/read/a").header("cookie", format!("session={alice}")))
        .await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.forwarded("cookie"), [""; 0]);
    // Two lines of cookies, of which the host may make one.
    let two = to("strip", "/read/a")
        .header("cookie", "a=1")
        .header("cookie", format!("session={alice}; b=2"));
    let seen = site.ask(two).await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.forwarded("cookie"), ["a=1; b=2"]);

    // Passed on, but for the query, which is written down in too many places.
    for request in [
        to("pass", "/read/a").bearer(&alice),
        to("pass", "/read/a").header("x-access-token", &alice),
        to("pass", "/read/a").header("cookie", &cookie),
    ] {
        let seen = site.ask(request).await;
        seen.allowed("rule.allowed", "inline");
        assert!(seen.upstream[0].to_string().contains(&alice));
    }
    for word in ["strip", "pass"] {
        let seen = site
            .ask(to(word, &format!("/read/a?q=%20x&access_token={alice}&&r=a+b")))
            .await;
        seen.allowed("rule.allowed", "inline");
        assert_eq!(upstream_path(&seen), "/read/a?q=%20x&&r=a+b");
        is_clean(&seen, &alice);
        assert_eq!(seen.entry.text("whole_path"), "/read/a?q=%20x&&r=a+b");
    }
    // The canonical path and the query together.
    let seen = site.ask(to("pass", &format!("/read/%61?access%5Ftoken={alice}"))).await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(upstream_path(&seen), "/read/a");

    // One that is not valid never arrives, whatever the policy passes on; a scheme that is not ours does.
    for request in [
        to("pass", "/public/a").bearer(&forged),
        to("pass", "/public/a").header("x-access-token", &forged),
        to("pass", "/public/a").header("cookie", format!("a=1; session={forged}")),
        to("pass", &format!("/public/a?access_token={forged}")),
    ] {
        let seen = site.ask(request).await;
        seen.allowed("rule.public", "inline");
        is_clean(&seen, &forged);
    }
    let basic = to("pass", "/read/a").header("authorization", "Basic YTpi");
    let seen = site.ask(basic.header("cookie", &cookie)).await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.forwarded("authorization"), ["Basic YTpi"]);

    // A refused request is not logged with its token either.
    let seen = site.ask(to("strip", &format!("/read/a?access_token={forged}"))).await;
    seen.denied(401, "identity.signature", "inline");
    assert_eq!(seen.entry.text("whole_path"), "/read/a");

    // Two are none.
    let both = |request: Request| request.header("x-access-token", &alice);
    for request in [
        both(to("pass", "/read/a").bearer(&alice)),
        both(to("pass", "/read/a").header("X-Access-Token", &alice)),
        both(to("pass", "/read/a").header("cookie", format!("session={alice}"))),
        both(to("pass", &format!("/read/a?access_token={alice}"))),
        to("pass", "/read/a").header("cookie", format!("session={alice}; session={alice}")),
        to("pass", "/read/a")
            .header("cookie", format!("session={alice}"))
            .header("cookie", format!("session={alice}")),
        to("pass", &format!("/read/a?access_token={alice}&access%5Ftoken={alice}")),
        to("pass", "/read/a").header("x-access-token", format!("{alice},{alice}")),
    ] {
        site.ask(request).await.denied(400, "request.token_ambiguous", "inline");
    }
}

#[tokio::test]
async fn a_cookie_changes_something_from_its_own_origin_only() {
    let issuers = Issuers::new();
    let site = Site::start("token-cookie", &shop(&issuers)).await;
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    let post = |path: &str| {
        Request::new("POST", path)
            .host("pass.us-east-1.com")
            .header("cookie", format!("session={alice}"))
    };
    for request in [
        post("/read/a").header("origin", "http://pass.us-east-1.com"),
        post("/read/a").header("origin", "http://pass.us-east-1.com:80"),
        post("/read/a").header("sec-fetch-site", "same-origin"),
        Request::new("POST", "/read/a")
            .host("pass.us-east-1.com")
            .bearer(&alice),
        to("pass", "/read/a").header("cookie", format!("session={alice}")),
    ] {
        site.ask(request).await.allowed("rule.allowed", "inline");
    }
    for request in [
        post("/read/a"),
        post("/read/a").header("origin", "http://evil.example"),
        post("/read/a").header("origin", "https://pass.us-east-1.com"),
        post("/read/a").header("origin", "http://pass.us-east-1.com:8080"),
        post("/read/a").header("origin", "null"),
        post("/read/a")
            .header("origin", "http://pass.us-east-1.com")
            .header("origin", "http://pass.us-east-1.com"),
        post("/read/a")
            .header("sec-fetch-site", "same-site")
            .header("origin", "http://pass.us-east-1.com"),
    ] {
        let seen = site.ask(request).await;
        seen.denied(403, "identity.cross_site", "inline");
        assert!(seen.answer.text().contains("\"code\":\"forbidden\""), "{seen:?}");
    }
    let seen = site.ask(post("/public/a")).await;
    seen.allowed("rule.public", "inline");
    assert_eq!(seen.forwarded("cookie"), [""; 0], "nobody's");
}
