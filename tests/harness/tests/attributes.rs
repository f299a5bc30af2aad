//! What conditions read as `identity`: a real Envoy, and an identity replica that tells, knows nobody, is away, or answers something else.

mod common;

use std::time::{Duration, Instant};

use common::{EU, HOST, Issuers, Site, US, bundle, get, policy, token};
use regionguard_harness::config::Base;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::shelf::{Document, Shelf};
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn shop(issuers: &Issuers, ttl: &str) -> Value {
    let files = policy(
        "files",
        json!({"rules": [
            {"name": "cleared", "paths": ["/files/{id}"], "when": "identity.clearance >= 3", "effect": "allow"},
            {"name": "locked", "paths": ["/open/{id}"], "when": "has(identity.locked) && identity.locked", "effect": "deny"},
            {"name": "open", "paths": ["/open/{id}", "/plain/{id}"], "effect": "allow"},
        ]}),
    );
    let mut regions = issuers.regions();
    let replica = |cluster: &str| json!({"cluster": cluster, "ttl": ttl, "timeout": "500ms"});
    regions[0]["spec"]["identity"] = replica("people-us");
    regions[1]["spec"]["identity"] = replica("people-eu");
    bundle(41, &regions[..2], &[files])
}

#[tokio::test]
async fn a_replica_tells_what_a_token_lacks() {
    let issuers = Issuers::new();
    let (us, eu) = (Shelf::start().await.unwrap(), Shelf::start().await.unwrap());
    us.put(
        "/identities/alice",
        Document::json(&json!({"sub": "alice", "clearance": 5})),
    );
    us.put(
        "/identities/bob",
        Document::json(&json!({"clearance": 1, "locked": true})),
    );
    us.put("/identities/a%2Fb", Document::json(&json!({"clearance": 3})));
    us.put(
        "/identities/mallory",
        Document::json(&json!({"sub": "alice", "clearance": 5})),
    );
    us.put("/identities/nobody", Document::status(404, "{}"));
    eu.put("/identities/alice", Document::json(&json!({"clearance": 1})));
    let addresses = [("people-us", us.address()), ("people-eu", eu.address())];
    let site = Site::start_with("attributes", Base::Sidecar, &shop(&issuers, "2s"), |config| {
        let config = config.concurrency(1);
        addresses
            .into_iter()
            .fold(config, |config, (name, address)| config.cluster(name, address))
    })
    .await;
    let ask = async |path: &str, subject: &str| {
        let token = token(&issuers.us, subject, &[]);
        site.ask(get(path).bearer(&token)).await
    };

    ask("/files/1", "alice").await.allowed("rule.allowed", "inline");
    ask("/files/1", "bob").await.denied(403, "rule.when", "inline");
    ask("/files/1", "a/b").await.allowed("rule.allowed", "inline");
    ask("/files/1", "nobody").await.denied(403, "rule.when", "inline");
    ask("/open/1", "bob").await.denied(403, "rule.denied", "inline");
    ask("/open/1", "nobody").await.allowed("rule.allowed", "inline");
    // Whose answer is about somebody else has no answer.
    let seen = ask("/files/1", "mallory").await;
    seen.denied(503, "identity.attributes_unavailable", "inline");
    assert!(seen.answer.header("retry-after").is_some(), "{seen:#?}");
    let log = site.module_log().join("\n");
    assert!(
        log.contains("identity replica of us-east-1 does not tell of a subject: the answer is about somebody else"),
        "{log}"
    );
    assert!(!log.contains("mallory"), "{log}");
    // The same name in another Region is somebody else, whom that Region's replica knows.
    let theirs = token(&issuers.eu, "alice", &["read:profile"]);
    let seen = site.ask_from(EU, get("/files/1").bearer(&theirs)).await;
    seen.denied(403, "rule.when", "inline");
    assert_eq!(eu.count("/identities/alice"), 1);

    // It is kept for its time; where nothing hangs on it, nobody is asked.
    for _ in 0..5 {
        ask("/files/1", "a/b").await.allowed("rule.allowed", "inline");
    }
    assert_eq!(us.count("/identities/a%2Fb"), 1);
    ask("/plain/1", "carol").await.allowed("rule.allowed", "inline");
    site.ask(get("/files/1"))
        .await
        .denied(401, "identity.missing", "inline");
    assert_eq!(us.count("/identities/carol"), 0);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    us.put("/identities/alice", Document::json(&json!({"clearance": 2})));
    ask("/files/1", "alice").await.denied(403, "rule.when", "inline");
    assert_eq!(us.count("/identities/alice"), 2);
    assert_eq!(site.counter("attributes.asked").await, 7);
    assert_eq!(site.counter("attributes.of_nobody").await, 1);
    assert_eq!(site.counter("attributes.failed").await, 1);
}

/// Many ask at once, and the replica is asked once.
#[tokio::test]
async fn one_question_for_all_who_wait() {
    let issuers = Issuers::new();
    let wait = Duration::from_millis(200);
    let replica = FaultServer::start(Behaviour::AnswerAfter(wait, json!({"clearance": 3})))
        .await
        .unwrap();
    let address = replica.address();
    let site = Site::start_with("attributes-flight", Base::Sidecar, &shop(&issuers, "1m"), |config| {
        config
            .concurrency(1)
            .cluster("people-us", address)
            .cluster("people-eu", address)
    })
    .await;
    let alice = token(&issuers.us, "alice", &[]);
    let mut asking = JoinSet::new();
    for number in 0..20 {
        let (client, request) = (site.client(US), get(&format!("/files/{number}")).bearer(&alice));
        asking.spawn(async move { client.send(&request).await });
    }
    for answer in asking.join_all().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(replica.calls().len(), 1);
}

#[tokio::test]
async fn a_replica_that_is_away_lets_nobody_in() {
    let issuers = Issuers::new();
    let replica = FaultServer::start(Behaviour::Status(503)).await.unwrap();
    let address = replica.address();
    let site = Site::start_with("attributes-away", Base::Sidecar, &shop(&issuers, "1m"), |config| {
        config.concurrency(1).cluster("people-us", address)
    })
    .await;
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        token(&issuers.us, &format!("u{number}"), &[])
    };
    for behaviour in [
        Behaviour::Status(503),
        Behaviour::CloseAtOnce,
        Behaviour::NotHttp,
        Behaviour::Garbage,
        Behaviour::Huge(100_000),
        Behaviour::Status(500),
        Behaviour::Status(401),
        Behaviour::Redirect,
        Behaviour::Hang,
        Behaviour::HangInBody,
    ] {
        replica.set(behaviour.clone());
        for path in ["/files/1", "/open/1"] {
            let begun = Instant::now();
            let seen = site.ask(get(path).bearer(&fresh())).await;
            seen.denied(503, "identity.attributes_unavailable", "inline");
            assert!(begun.elapsed() < Duration::from_secs(2), "{behaviour:?}: {seen:#?}");
        }
        let other = site.ask(get("/plain/1").bearer(&fresh())).await;
        other.allowed("rule.allowed", "inline");
        // Whatever it was left alone for has passed.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    // A cluster that is not there: the host refuses the call.
    let theirs = token(&issuers.eu, "alice", &["read:profile"]);
    let seen = site.ask_from(EU, get("/files/1").bearer(&theirs)).await;
    seen.denied(503, "identity.attributes_unavailable", "inline");
    replica.set(Behaviour::Answer(json!({"clearance": 3})));
    site.ask(get("/files/1").host(HOST).bearer(&fresh()))
        .await
        .allowed("rule.allowed", "inline");
}
