//! What is revoked before its time, on a real Envoy: by a push, by lists that are pulled, by status lists; and what holds while they are away.

mod common;

use std::time::{Duration, Instant};

use common::{EU, Issuers, Seen, Site, US, bundle, claims, get, policy, sign};
use miniz_oxide::deflate::compress_to_vec_zlib;
use regionguard_harness::config::Base;
use regionguard_harness::documents::{Document, DocumentServer};
use regionguard_harness::issuer::{Alg, Issuer, now};
use serde_json::{Value, json};

/// Within one refresh, and what a busy machine takes.
const ONE_REFRESH: Duration = Duration::from_secs(14);
const STATUS: &str = "https://status.eu-west-1.com/lists/";

fn shop() -> Value {
    policy(
        "shop",
        json!({"rules": [
            {"name": "health", "paths": ["/healthz"], "identity": "none", "effect": "allow"},
            {"name": "open", "paths": ["/v1/**"], "effect": "allow"},
        ]}),
    )
}

/// The Regions; us-east-1 takes tokens of both others.
fn regions(issuers: &Issuers) -> Vec<Value> {
    let mut regions = issuers.regions();
    regions[0]["spec"]["accepts"] = json!([{"home": "eu-west-1"}, {"home": "ap-southeast-1"}]);
    regions
}

fn list(cluster: &str) -> Value {
    json!({"cluster": cluster, "path": "/revoked", "refresh": "10s", "staleFor": "25s", "timeout": "2s", "waitFor": "1s"})
}

fn revocations(spec: Value) -> Value {
    json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "incident"}, "spec": spec})
}

/// A token with this `jti` and some claims changed.
fn token(issuer: &Issuer, jti: &str, changes: Value) -> String {
    let mut claims = claims(issuer, "alice", &[]);
    claims["jti"] = json!(jti);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    sign(issuer, &claims)
}

fn with_status(issuer: &Issuer, number: u32, index: u64) -> String {
    let uri = format!("{STATUS}{number}");
    token(
        issuer,
        &format!("{number}-{index}"),
        json!({"status": {"status_list": {"idx": index, "uri": uri}}}),
    )
}

/// A Status List Token of this issuer whose list has these bytes, of one bit for each token.
fn status_list(issuer: &Issuer, number: u32, bytes: &[u8]) -> Document {
    use base64::Engine as _;
    let lst = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(compress_to_vec_zlib(bytes, 9));
    let claims = json!({"sub": format!("{STATUS}{number}"), "iat": now() - 5, "exp": now() + 3_600,
        "status_list": {"bits": 1, "lst": lst}});
    let kid = issuer.kid(Alg::Es256).unwrap();
    let header = json!({"alg": "ES256", "kid": kid, "typ": "statuslist+jwt"});
    let token = issuer.mint_with_header(Alg::Es256, kid, &header, &claims).unwrap();
    Document::new("application/statuslist+jwt", token)
}

async fn ask(site: &Site, token: &str) -> Seen {
    site.ask(get("/v1/profiles/42").bearer(token)).await
}

/// Asks until the reason is this one; how long that took.
async fn becomes(site: &Site, token: &str, reason: &str) -> Duration {
    let began = Instant::now();
    loop {
        let seen = ask(site, token).await;
        if seen.decision().reason == reason {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "never {reason}: {seen:?}\n{}",
            site.module_log().join("\n")
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn is(site: &Site, token: &str, reason: &str) {
    let seen = ask(site, token).await;
    assert_eq!(
        seen.decision().reason,
        reason,
        "{seen:?}\n{}",
        site.module_log().join("\n")
    );
}

#[tokio::test]
async fn a_push_revokes_a_cached_token_from_the_next_request_on() {
    let issuers = Issuers::new();
    let regions = regions(&issuers);
    let site = Site::start("revocation-push", &bundle(41, &regions, &[shop()])).await;
    let (stolen, other) = (
        token(&issuers.us, "stolen", json!({})),
        token(&issuers.us, "other", json!({})),
    );
    is(&site, &stolen, "rule.allowed").await;
    is(&site, &stolen, "rule.allowed").await;
    let entry = json!({"tokens": [{"issuer": common::ISSUER, "jti": "stolen"}]});
    let pushed = bundle(42, &regions, &[shop(), revocations(entry)]);
    site.envoy
        .push(&site.folder, |folder| folder.write(&pushed))
        .await
        .unwrap();
    let seen = ask(&site, &stolen).await;
    seen.denied(401, "identity.revoked", "inline");
    let challenge = seen.answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(
        !seen.answer.text().contains("revoked"),
        "the caller is not told: {}",
        seen.answer.text()
    );
    is(&site, &other, "rule.allowed").await;
    site.ask(get("/healthz").bearer(&stolen))
        .await
        .allowed("rule.public", "inline");
    assert_eq!(site.counter("decision.deny.identity.revoked").await, 1);
}

#[tokio::test]
async fn a_pulled_list_holds_within_one_refresh_and_what_is_not_a_list_changes_nothing() {
    let issuers = Issuers::new();
    let (us_lists, ap_lists) = (
        DocumentServer::start().await.unwrap(),
        DocumentServer::start().await.unwrap(),
    );
    let mut regions = regions(&issuers);
    regions[0]["spec"]["revocation"] = json!({"list": list("lists-us")});
    regions[2]["spec"]["revocation"] = json!({"list": list("lists-ap"), "onUnavailable": "allow"});
    let site = Site::start_with(
        "revocation-list",
        Base::Sidecar,
        &bundle(41, &regions, &[shop()]),
        |config| {
            config
                .cluster("lists-us", us_lists.address())
                .cluster("lists-ap", ap_lists.address())
        },
    )
    .await;
    let us = |jti: &str| token(&issuers.us, jti, json!({"sid": "s-1"}));
    let (kept, stolen, second) = (us("kept"), us("stolen"), us("second"));
    let ap = token(&issuers.ap, "stolen", json!({}));

    // There is no list at all: one region refuses, the other lets in and says so, the third is not concerned.
    let seen = ask(&site, &kept).await;
    seen.denied(503, "identity.revocation_unavailable", "inline");
    assert_eq!(seen.answer.header("retry-after").as_deref(), Some("5"));
    let seen = ask(&site, &ap).await;
    seen.allowed("identity.revocation_unavailable_allowed", "inline");
    assert_eq!(
        seen.forwarded("x-regionguard-reason"),
        ["identity.revocation_unavailable_allowed"]
    );
    is(&site, &token(&issuers.eu, "stolen", json!({})), "rule.allowed").await;
    site.ask(get("/healthz").bearer(&kept))
        .await
        .allowed("rule.public", "inline");
    assert!(site.counter("revocation.unchecked").await >= 1);

    // It comes, and then it changes: in two parts, the first of which has the tag of both.
    for lists in [&us_lists, &ap_lists] {
        lists.set("/revoked", Document::json(&json!({"tokens": []})));
    }
    becomes(&site, &kept, "rule.allowed").await;
    becomes(&site, &ap, "rule.allowed").await;
    for token in [&kept, &stolen, &second] {
        is(&site, token, "rule.allowed").await;
    }
    us_lists.set(
        "/revoked",
        Document::json(&json!({"tokens": [{"jti": "stolen", "exp": now() + 600}], "next": "/revoked?part=2"})),
    );
    us_lists.set(
        "/revoked?part=2",
        Document::json(&json!({"tokens": [{"jti": "second"}]})),
    );
    let took = becomes(&site, &stolen, "identity.revoked").await;
    assert!(took < ONE_REFRESH, "{took:?}");
    for (token, reason) in [
        (&second, "identity.revoked"),
        (&kept, "rule.allowed"),
        (&ap, "rule.allowed"),
    ] {
        is(&site, token, reason).await;
    }

    // Nothing has changed: 304, asked of the first part only.
    let seen = us_lists.fetches().len();
    let began = Instant::now();
    while !us_lists.fetches()[seen..].iter().any(|fetch| fetch.status == 304) {
        assert!(began.elapsed() < ONE_REFRESH, "{:?}", us_lists.fetches());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let parts = us_lists.fetches_of("/revoked?part=2");
    assert!(
        parts.iter().all(|fetch| fetch.header("if-none-match").is_none()),
        "{parts:?}"
    );
    is(&site, &stolen, "identity.revoked").await;

    // Garbage, an empty body, a list with a bad end: the good one stays, for as long as it may.
    let mut last_good = Instant::now();
    for bad in [
        Document::new("text/html", "<html>please log in</html>"),
        Document::new("application/json", ""),
        Document::json(&json!({"tokens": [], "next": "/revoked?part=3"})),
    ] {
        let asked = us_lists.fetches_of("/revoked").len();
        us_lists.set("/revoked", bad);
        while us_lists.fetches_of("/revoked").len() == asked {
            if us_lists.fetches().last().is_some_and(|fetch| fetch.status == 304) {
                last_good = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        is(&site, &stolen, "identity.revoked").await;
        is(&site, &kept, "rule.allowed").await;
    }
    // Then nobody knows.
    becomes(&site, &kept, "identity.revocation_unavailable").await;
    let held = last_good.elapsed();
    assert!(
        (Duration::from_secs(12)..Duration::from_secs(30)).contains(&held),
        "{held:?}"
    );
    is(&site, &ap, "rule.allowed").await;
    us_lists.set(
        "/revoked",
        Document::json(&json!({"sessions": [{"sid": "s-1"}], "subjects": [{"sub": "bob", "notBefore": now()}]})),
    );
    becomes(&site, &kept, "identity.revoked").await;
    let bob = token(&issuers.us, "b", json!({"sub": "bob", "iat": now() - 60}));
    is(&site, &bob, "identity.revoked").await;
    us_lists.set("/revoked", Document::json(&json!({"tokens": []})));
    becomes(&site, &kept, "rule.allowed").await;
    assert!(site.module_log().iter().all(|line| !line.contains("please log in")));
}

#[tokio::test]
async fn status_lists_are_fetched_where_the_region_says_and_nowhere_else() {
    let issuers = Issuers::new();
    let (lists, elsewhere) = (
        DocumentServer::start().await.unwrap(),
        DocumentServer::start().await.unwrap(),
    );
    let mut regions = regions(&issuers);
    regions[1]["spec"]["revocation"] =
        json!({"statusLists": {"cluster": "status-eu", "uriPrefix": STATUS, "refresh": "10s", "waitFor": "2s"}});
    let site = Site::start_with(
        "revocation-status",
        Base::Sidecar,
        &bundle(41, &regions, &[shop()]),
        |config| {
            config
                .cluster("status-eu", lists.address())
                .cluster("elsewhere", elsewhere.address())
        },
    )
    .await;
    let eu = &issuers.eu;
    let ask_eu = |token: String| {
        let site = &site;
        async move { site.ask_from(EU, get("/v1/profiles/42").bearer(&token)).await }
    };
    lists.set("/lists/1", status_list(eu, 1, &[0b0000_0010]));
    lists.set("/lists/2", status_list(&issuers.us, 2, &[0]));
    // 256 MiB of zeros, in some 260 KB.
    lists.set("/lists/3", status_list(eu, 3, &vec![0; 256 << 20]));
    lists.set("/lists/4", Document::new("application/statuslist+jwt", "garbage"));

    // The first request waits for the list.
    ask_eu(with_status(eu, 1, 0)).await.allowed("rule.allowed", "inline");
    ask_eu(with_status(eu, 1, 1))
        .await
        .denied(401, "identity.revoked", "inline");
    ask_eu(with_status(eu, 1, 8))
        .await
        .denied(401, "identity.status", "inline");
    let [fetch] = lists.fetches_of("/lists/1").try_into().unwrap();
    assert_eq!(fetch.header("accept"), Some("application/statuslist+jwt"));
    assert_eq!(fetch.header("host"), Some("status.eu-west-1.com"));
    for number in [2, 3, 4, 5] {
        let seen = ask_eu(with_status(eu, number, 0)).await;
        seen.denied(503, "identity.revocation_unavailable", "inline");
        assert_eq!(seen.answer.header("retry-after").as_deref(), Some("5"));
    }
    let log = site.module_log().join("\n");
    for said in ["no key with this `kid`", "larger than 2097152 bytes", "404"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    // Whoever signs may name a list, and nothing but a list.
    let asked = lists.fetches().len();
    for uri in [
        "http://elsewhere/",
        "https://status.eu-west-1.com/lists/../admin",
        "https://status.eu-west-1.com/admin",
    ] {
        let status = json!({"status": {"status_list": {"idx": 0, "uri": uri}}});
        ask_eu(token(eu, "x", status))
            .await
            .denied(401, "identity.status", "inline");
    }
    let paths: Vec<String> = lists
        .fetches()
        .split_off(asked)
        .into_iter()
        .map(|fetch| fetch.path)
        .collect();
    assert!(paths.iter().all(|path| path.starts_with("/lists/")), "{paths:?}");
    assert!(elsewhere.fetches().is_empty());
    // Another region's tokens are not concerned, whatever they name.
    let status = json!({"status": {"status_list": {"idx": 1, "uri": format!("{STATUS}1")}}});
    site.ask_from(US, get("/v1/profiles/42").bearer(&token(&issuers.us, "y", status)))
        .await
        .allowed("rule.allowed", "inline");
    // Revoked while it is cached, within one refresh.
    lists.set("/lists/1", status_list(eu, 1, &[0b0000_0011]));
    let took = becomes(&site, &with_status(eu, 1, 0), "identity.revoked").await;
    assert!(took < ONE_REFRESH, "{took:?}");
}

/// In a real proxy, with others waiting: what it takes of time and memory.
#[tokio::test]
async fn a_million_revoked_tokens_are_taken_in_while_others_are_served() {
    const PARTS: u64 = 16;
    const PART: u64 = 62_500;
    let issuers = Issuers::new();
    let lists = DocumentServer::start().await.unwrap();
    let exp = now() + 3_600;
    let jti = |number: u64| format!("{number:08x}-0000-4000-8000-{number:012x}");
    for part in 0..PARTS {
        let entries: Vec<String> = (part * PART..(part + 1) * PART)
            .map(|number| format!(r#"{{"jti":"{}","exp":{exp}}}"#, jti(number)))
            .collect();
        let next = match part + 1 {
            PARTS => String::new(),
            next => format!(r#","next":"/revoked?part={next}""#),
        };
        let body = format!(r#"{{"tokens":[{}]{next}}}"#, entries.join(","));
        let path = if part == 0 {
            "/revoked".to_owned()
        } else {
            format!("/revoked?part={part}")
        };
        lists.set(&path, Document::new("application/json", body));
    }
    let mut regions = regions(&issuers);
    regions[0]["spec"]["revocation"] =
        json!({"list": {"cluster": "lists-us", "path": "/revoked", "refresh": "24h", "staleFor": "24h"}});
    let site = Site::start_with(
        "revocation-million",
        Base::Sidecar,
        &bundle(41, &regions, &[shop()]),
        |config| config.cluster("lists-us", lists.address()),
    )
    .await;
    let eu = token(&issuers.eu, "x", json!({}));
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while lists.fetches().len() < usize::try_from(PARTS).unwrap() || began.elapsed() < Duration::from_secs(1) {
        let seen = ask(&site, &eu).await;
        seen.allowed("rule.allowed", "inline");
        slowest = slowest.max(seen.answer.elapsed);
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", lists.fetches().len());
    }
    let took = began.elapsed();
    println!("1,000,000 entries in {PARTS} parts: {took:?}; the slowest of the other requests took {slowest:?}");
    for number in [0, 1, 62_499, 62_500, 999_999] {
        becomes(&site, &token(&issuers.us, &jti(number), json!({})), "identity.revoked").await;
    }
    for number in [1_000_000, 1_000_001] {
        is(&site, &token(&issuers.us, &jti(number), json!({})), "rule.allowed").await;
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let log = site.module_log().join("\n");
    assert!(log.contains("1000000 entries in force"), "{log}");
}
