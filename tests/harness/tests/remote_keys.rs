//! Keys from the network, on a real Envoy: start, rotation, outages, floods, and answers of every bad kind.

mod common;

use std::time::{Duration, Instant};

use common::{ISSUER, Issuers, Site, US, bundle, claims, get, policy, sign, token};
use regionguard_harness::client::Request;
use regionguard_harness::config::Base;
use regionguard_harness::issuer::{Alg, Issuer, Kind};
use regionguard_harness::shelf::{Document, Shelf};
use serde_json::{Value, json};

const KEYS: &str = "/.well-known/jwks.json";
const READ: &[&str] = &["read:profile"];

fn shop() -> Value {
    policy(
        "shop",
        json!({"rules": [
            {"name": "read-profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"],
             "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
            {"name": "public", "methods": ["GET"], "paths": ["/public"], "identity": "none", "effect": "allow"},
        ]}),
    )
}

/// us-east-1 with inline keys, eu-west-1 with these, and nobody else.
fn bundle_with(version: u64, issuers: &Issuers, keys: &Value) -> Value {
    let mut regions = issuers.regions();
    regions[1]["spec"]["keys"] = keys.clone();
    bundle(version, &regions, &[shop()])
}

async fn site(name: &str, bundle: &Value, shelf: &Shelf, workers: u32) -> Site {
    let address = shelf.address();
    Site::start_with(name, Base::Sidecar, bundle, |config| {
        config.concurrency(workers).cluster("identity-eu", address)
    })
    .await
}

fn profile(token: &str) -> Request {
    get("/v1/profiles/42").bearer(token)
}

/// An issuer of eu-west-1 with another key.
fn issuer(kid: &str) -> Issuer {
    Issuer::without_keys(ISSUER, "eu-west-1")
        .with_key(kid, Kind::P256)
        .unwrap()
}

fn set(issuers: &[&Issuer]) -> Document {
    let keys: Vec<Value> = issuers
        .iter()
        .flat_map(|issuer| issuer.jwks()["keys"].as_array().unwrap().clone())
        .collect();
    Document::json(&json!({"keys": keys}))
}

/// Waits until so many requests for the path have been answered.
async fn until_asked(shelf: &Shelf, path: &str, count: usize) {
    let began = Instant::now();
    while shelf.count(path) < count {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{} of {count}",
            shelf.count(path)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks until one more request for the keys has been made: an unknown key may have them fetched once in 10 seconds.
async fn until_asked_by(shelf: &Shelf, before: usize, ask: impl AsyncFn()) {
    let began = Instant::now();
    while shelf.count(KEYS) == before {
        assert!(began.elapsed() < Duration::from_secs(20));
        ask().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn keys_come_change_and_go_while_requests_are_served() {
    let issuers = Issuers::new();
    let shelf = Shelf::start().await.unwrap();
    shelf.put(KEYS, Document::status(500, "{}"));
    let keys = json!({"remote": {"cluster": "identity-eu", "waitFor": "10s"}});
    let site = site("keys-rotate", &bundle_with(41, &issuers, &keys), &shelf, 1).await;
    let (ours, theirs) = (token(&issuers.us, "alice", READ), token(&issuers.eu, "berta", READ));

    // Before the first answer, nobody but its own tokens waits; they are let in when it comes.
    until_asked(&shelf, KEYS, 1).await;
    site.ask(profile(&ours)).await.allowed("rule.allowed", "inline");
    site.ask(get("/public").bearer(&theirs))
        .await
        .allowed("rule.public", "inline");
    let waiting = {
        let client = site.client(US);
        let request = profile(&theirs);
        tokio::spawn(async move { client.send(&request).await.unwrap().status })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "it waits for the next attempt");
    shelf.put(KEYS, set(&[&issuers.eu]).with("etag", "\"one\""));
    assert_eq!(waiting.await.unwrap(), 200);
    site.ask(profile(&theirs)).await.allowed("rule.allowed", "inline");
    let log = site.module_log().join("\n");
    assert!(
        log.contains("keys of eu-west-1 cannot be fetched: the status is 500, not 200; there are none"),
        "{log}"
    );
    assert!(log.contains("keys of eu-west-1: 1 in force"), "{log}");

    // Rotation with overlap, under load: the first token with the new key fetches it.
    let next = issuer("next");
    shelf.put(KEYS, set(&[&issuers.eu, &next]).with("etag", "\"two\""));
    let renewed = token(&next, "berta", READ);
    let before = shelf.count(KEYS);
    let load: Vec<_> = (0..8)
        .map(|index| {
            let (client, tokens) = (site.client(US), [theirs.clone(), renewed.clone(), ours.clone()]);
            tokio::spawn(async move {
                let mut connection = client.connect().await.unwrap();
                for turn in 0..60 {
                    let token = &tokens[(index + turn) % 3];
                    let answer = connection.send(&profile(token)).await.unwrap();
                    assert_eq!(answer.status, 200, "{index} {turn}: {}", answer.text());
                }
            })
        })
        .collect();
    for client in load {
        client.await.unwrap();
    }
    assert_eq!(shelf.count(KEYS), before + 1, "one call for all that waited");
    assert_eq!(
        shelf.asked(KEYS).last().unwrap().header("if-none-match"),
        Some("\"one\"")
    );

    // A flood of unknown keys: the calls stay few, and nobody else is slowed down.
    let before = shelf.count(KEYS);
    let forger = issuer("forged");
    let payload = claims(&forger, "mallory", READ);
    for index in 0..400 {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": format!("unknown-{index}")});
        let forged = forger
            .mint_with_header(Alg::Es256, "forged", &header, &payload)
            .unwrap();
        let answer = site.client(US).send(&profile(&forged)).await.unwrap();
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    assert!(shelf.count(KEYS) <= before + 2, "{} calls", shelf.count(KEYS) - before);
    let status = async |token: &str| site.client(US).send(&profile(token)).await.unwrap().status;
    assert_eq!(status(&renewed).await, 200);

    // The old key goes, its cached token with it. The push has the keys fetched anew: another list of algorithms makes another set.
    shelf.put(KEYS, set(&[&next]));
    let narrowed = json!({"remote": {"cluster": "identity-eu"}, "algorithms": ["ES256"]});
    site.envoy
        .push(&site.folder, |folder| {
            folder.write(&bundle_with(42, &issuers, &narrowed))
        })
        .await
        .unwrap();
    assert_eq!((status(&renewed).await, status(&theirs).await), (200, 401));

    // Whatever the server answers now, the last good set serves.
    shelf.put(KEYS, Document::json(&json!({"keys": []})));
    let before = shelf.count(KEYS);
    until_asked_by(&shelf, before, async || {
        let stranger = token(&issuer("stranger"), "berta", READ);
        assert_eq!(status(&stranger).await, 401);
    })
    .await;
    assert_eq!(status(&renewed).await, 200);
    let log = site.module_log().join("\n");
    assert!(
        log.contains("not one of its 0 keys can be used here; the last good ones serve"),
        "{log}"
    );
    assert!(site.counter("fetch.early").await >= 1);
    let page = site.envoy.prometheus().await.unwrap();
    assert!(page.contains("regionguard_fetch"), "{page}");
}

#[tokio::test]
async fn every_bad_answer_leaves_its_region_unavailable_and_delays_no_other() {
    let issuers = Issuers::new();
    let shelf = Shelf::start().await.unwrap();
    let huge = json!({"keys": [issuers.ap.jwks()["keys"][0].clone()], "padding": "x".repeat(300 << 10)});
    let bad = [
        ("hanging", Document::Hang),
        ("closing", Document::Close),
        ("failing", Document::status(503, "{}")),
        ("redirecting", Document::status(302, "{}").with("location", "/good")),
        ("unchanged", Document::status(304, "")),
        ("empty", Document::json(&json!({"keys": []}))),
        ("garbage", Document::status(200, "<html></html>")),
        ("truncated", Document::status(200, "{\"keys\":[")),
        (
            "secret",
            Document::json(&json!({"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]})),
        ),
        ("oversized", Document::json(&huge)),
        ("absent", Document::status(404, "{}")),
    ];
    let mut regions = issuers.regions();
    regions.truncate(1);
    let mut accepts = Vec::new();
    let mut add = |name: &str, keys: Value| {
        let mut region = common::region(&Issuer::without_keys(ISSUER, name), "127.0.9.0/24");
        region["spec"]["keys"] = keys;
        region["spec"].as_object_mut().unwrap().remove("networks");
        regions.push(region);
        accepts.push(json!({"home": name, "permissions": ["read:*"]}));
    };
    for (name, document) in &bad {
        shelf.put(&format!("/{name}"), document.clone());
        add(
            name,
            json!({"remote": {"cluster": "identity-eu", "path": format!("/{name}"), "timeout": "30s", "waitFor": "300ms"}}),
        );
    }
    // And some that are good: with odd keys among them, by way of a configuration, and from a cluster that is not there.
    let mixed = Issuer::new(ISSUER, "mixed").unwrap();
    let mut odd = mixed.jwks();
    let list = odd["keys"].as_array_mut().unwrap();
    list.insert(0, json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}));
    list.insert(
        1,
        json!({"kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"}),
    );
    shelf.put("/mixed", Document::json(&odd));
    add("mixed", json!({"remote": {"cluster": "identity-eu", "path": "/mixed"}}));
    let found = issuer_of("found");
    shelf.put(
        "/found/.well-known/openid-configuration",
        Document::json(&json!({"issuer": ISSUER, "jwks_uri": "http://id.example.com/found/jwks"})),
    );
    shelf.put("/found/jwks", Document::json(&found.jwks()));
    add(
        "found",
        json!({"discovery": {"cluster": "identity-eu", "authority": "id.example.com", "path": "/found/.well-known/openid-configuration"}}),
    );
    add("nowhere", json!({"remote": {"cluster": "nowhere", "waitFor": "300ms"}}));
    regions[0]["spec"]["accepts"] = json!(accepts);
    let bundle = bundle(41, &regions, &[shop()]);
    let site = site("keys-bad", &bundle, &shelf, 1).await;

    let signed = |issuer: &Issuer, alg: Alg| {
        let claims = claims(issuer, "alice", READ);
        issuer.mint(alg, issuer.kid(alg).unwrap(), &claims).unwrap()
    };
    for token in [
        token(&issuers.us, "alice", READ),
        signed(&mixed, Alg::Rs256),
        signed(&mixed, Alg::EdDsa),
        signed(&found, Alg::Es256),
    ] {
        site.ask(profile(&token)).await.allowed("rule.allowed", "inline");
    }
    for name in bad.iter().map(|(name, _)| *name).chain(["nowhere"]) {
        let token = token(&issuer_of(name), "alice", READ);
        let seen = site.ask(profile(&token)).await;
        seen.denied(503, "identity.keys_unavailable", "inline");
        assert!(seen.answer.header("retry-after").is_some(), "{seen:#?}");
        assert!(seen.answer.elapsed < Duration::from_secs(2), "{seen:#?}");
        assert_eq!(seen.decision().regions, "->->us-east-1", "{name}");
    }
    let log = site.module_log().join("\n");
    for (name, said) in [
        ("failing", "the status is 503"),
        ("redirecting", "the status is 302"),
        ("unchanged", "the status is 304"),
        ("empty", "not one of its 0 keys can be used"),
        ("garbage", "is not a JSON object"),
        ("truncated", "is not a JSON object"),
        ("secret", "not one of its 1 keys can be used"),
        ("oversized", "the answer is larger than 256 KiB"),
        ("absent", "the status is 404"),
        ("nowhere", "is there such a cluster?"),
    ] {
        assert!(
            log.lines()
                .any(|line| line.contains(&format!("keys of {name} cannot be fetched")) && line.contains(said)),
            "{name}: {log}"
        );
    }
    assert!(log.contains("keys of mixed: 4 in force"), "{log}");
    assert!(!log.contains("c2VjcmV0"), "{log}");

    // A new root context takes over: the call that hangs ends with the old one, and is made again long before its deadline.
    let before = shelf.count("/hanging");
    let mut next = bundle.clone();
    next["metadata"]["version"] = json!(42);
    site.envoy
        .push(&site.folder, |folder| folder.write(&next))
        .await
        .unwrap();
    until_asked(&shelf, "/hanging", before + 1).await;
    let hanging = issuer_of("hanging");
    shelf.put("/hanging", Document::json(&hanging.jwks()));
    assert_eq!(
        shelf.count("/mixed"),
        2,
        "what is there already is not fetched again by a push"
    );
}

fn issuer_of(region: &str) -> Issuer {
    Issuer::without_keys(ISSUER, region)
        .with_key(&format!("{region}-p256"), Kind::P256)
        .unwrap()
}

#[tokio::test]
async fn the_last_good_keys_serve_for_stale_for() {
    let issuers = Issuers::new();
    let shelf = Shelf::start().await.unwrap();
    shelf.put(KEYS, set(&[&issuers.eu]));
    let keys = json!({"remote": {"cluster": "identity-eu", "refresh": "10s", "staleFor": "14s", "waitFor": "100ms"}});
    let site = site("keys-stale", &bundle_with(41, &issuers, &keys), &shelf, 1).await;
    let token = sign(&issuers.eu, &claims(&issuers.eu, "berta", READ));
    site.ask(profile(&token)).await.allowed("rule.allowed", "inline");
    // Both threads have them.
    until_asked(&shelf, KEYS, 2).await;
    shelf.put(KEYS, Document::status(503, ""));
    let began = Instant::now();
    // Both threads have tried, and failed.
    until_asked(&shelf, KEYS, 4).await;
    assert!(began.elapsed() > Duration::from_secs(8), "{:?}", began.elapsed());
    site.ask(profile(&token)).await.allowed("rule.allowed", "inline");
    tokio::time::sleep(Duration::from_secs(16).saturating_sub(began.elapsed())).await;
    let seen = site.ask(profile(&token)).await;
    seen.denied(503, "identity.keys_unavailable", "inline");
    shelf.put(KEYS, set(&[&issuers.eu]));
    let back = Instant::now();
    while site.client(US).send(&profile(&token)).await.unwrap().status != 200 {
        assert!(back.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.counter("fetch.expired").await, 2);
}

#[tokio::test]
async fn where_the_host_refuses_the_call_everybody_who_waits_gets_an_answer_of_his_own() {
    let issuers = Issuers::new();
    let shelf = Shelf::start().await.unwrap();
    let keys = json!({"remote": {"cluster": "nowhere"}});
    let site = site("keys-refused", &bundle_with(41, &issuers, &keys), &shelf, 1).await;
    let token = token(&issuers.eu, "berta", READ);
    // So often that the attempt that is due is made by a request, while others wait for it: the host refuses it in that request's own callback.
    let asking: Vec<_> = (0..200)
        .map(|turn| {
            let (client, request) = (site.client(US), profile(&token));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(40 * turn)).await;
                tokio::time::timeout(Duration::from_secs(8), client.send(&request)).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asking {
        let answer = one.await.unwrap();
        answers.push(answer.map(|answer| answer.unwrap().status).ok());
    }
    let count = |status: Option<u16>| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(count(Some(503)), answers.len(), "{} are not answered", count(None));
}
