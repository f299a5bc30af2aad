//! Who else is asked: deferred requests and the regional center, well and in each of the ways that a center goes wrong.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{
    CENTER, EU, HOST, Issuers, Site, US, bundle, claims, deferring, deferring_site, get, policy, regional_site, sign,
    token,
};
use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::Base;
use regionguard_harness::fault::Behaviour;
use regionguard_harness::issuer::now;
use regionguard_harness::tools;
use serde_json::json;

#[tokio::test]
async fn a_deferred_request_is_what_the_center_says() {
    let issuers = Issuers::new();
    let site = deferring_site("center-says", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async |path: &str| site.ask(get(path).bearer(&alice)).await;

    let seen = ask("/plain/1").await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!((seen.asked, seen.forwarded("x-user")), (1, vec!["alice".to_owned()]));
    assert_eq!(seen.forwarded("authorization"), [""; 0]);
    assert_eq!(seen.decision().rule, "center/plain");
    // The question holds the source, so it was looked for.
    assert_eq!(seen.decision().regions, "us-east-1>us-east-1>us-east-1");

    let told = json!({"decision": false, "context": {
        "reason_admin": {"en": "profile 1 belongs to\n somebody else"}, "reason_user": {"en": "This is not yours."}}});
    site.center.set(Behaviour::Answer(told));
    let seen = ask("/plain/1").await;
    seen.denied(403, "center.denied", CENTER);
    assert_eq!(seen.asked, 1);
    assert!(!seen.answer.text().contains("not yours"), "{seen:#?}");
    let seen = ask("/telling/1").await;
    seen.denied(403, "center.denied", CENTER);
    assert_eq!(seen.answer.json().unwrap()["detail"], "This is not yours.");
    let log = site.module_log().join("\n");
    assert!(log.contains("center denies center/plain (request "), "{log}");
    assert!(log.contains("profile 1 belongs to%0A somebody else"), "{log}");
    assert!(!seen.answer.text().contains("somebody else"), "{seen:#?}");

    // What can be decided here is not asked: no identity, a permission that is not there, a deny.
    for (request, status, reason) in [
        (get("/plain/1"), 401, "identity.missing"),
        (get("/demanding/1").bearer(&alice), 403, "permission.missing"),
        (get("/plain/closed").bearer(&alice), 403, "rule.denied"),
    ] {
        let seen = site.ask(request).await;
        seen.denied(status, reason, "inline");
        assert_eq!(seen.asked, 0, "{reason}");
    }
    site.center.set(Behaviour::decide(true));
    let seen = site.ask(get("/public/1")).await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!(site.center.calls().last().unwrap().body["subject"]["type"], "anonymous");
    assert_eq!(site.counter("callout.answered").await, 4);
}

/// Of whom the center has said that nothing looks wrong, it is not asked for a while; of whom it says that much does, nothing is let in.
#[tokio::test]
async fn a_score_decides_what_comes_next() {
    let issuers = Issuers::new();
    let rules = json!([
        {"name": "calm", "paths": ["/pay/{id}"], "when": "risk.score < 50", "effect": "allow"},
        {"name": "ask", "paths": ["/pay/{id}"], "effect": "defer", "defer": {"unless": "allowed"}},
        {"name": "wrong", "paths": ["/read/{id}"], "when": "has(risk.score) && risk.score >= 50", "effect": "deny"},
        {"name": "noisy", "paths": ["/read/{id}"], "when": "risk.failures > 2", "effect": "deny"},
        {"name": "read", "paths": ["/read/{id}"], "effect": "allow"},
    ]);
    let policy = policy("risk", json!({"rules": rules}));
    let site = Site::start("center-score", &bundle(41, &issuers.regions(), &[policy])).await;
    let (alice, bob) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "bob", &[]));
    let ask = async |path: &str, token: &str| site.ask(get(path).bearer(token)).await;
    let says = |allow: bool, score: u32, ttl: f64| {
        let risk = json!({"score": score, "ttl": ttl});
        site.center
            .set(Behaviour::Answer(json!({"decision": allow, "context": {"risk": risk}})));
    };

    says(true, 10, 1.5);
    let first = ask("/pay/1", &alice).await;
    first.allowed("center.allowed", CENTER);
    assert_eq!(first.asked, 1);
    let next = ask("/pay/2", &alice).await;
    next.allowed("rule.allowed", "inline");
    assert_eq!(next.asked, 0, "nobody is asked while it counts");
    // It is alice's.
    says(false, 90, 60.0);
    ask("/pay/1", &bob).await.denied(403, "center.denied", CENTER);
    ask("/read/1", &bob).await.denied(403, "rule.denied", "inline");
    ask("/read/1", &alice).await.allowed("rule.allowed", "inline");
    tokio::time::sleep(Duration::from_millis(1600)).await;
    says(true, 10, 60.0);
    assert_eq!(ask("/pay/3", &alice).await.asked, 1, "it has ended");

    let (signed, _) = alice.rsplit_once('.').unwrap();
    for number in 0..8 {
        let forged = format!("{signed}.{number}{}", "A".repeat(85));
        let seen = ask("/pay/9", &forged).await;
        assert_eq!(seen.answer.status, 401, "{seen:#?}");
    }
    ask("/read/1", &alice).await.denied(403, "rule.denied", "inline");
    tokio::time::sleep(Duration::from_secs(2)).await;
    ask("/read/1", &alice).await.allowed("rule.allowed", "inline");
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_rule_and_center_say() {
    let issuers = Issuers::new();
    let site = deferring_site("center-cache", &issuers).await;
    let (alice, bob) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "bob", &[]));
    let ask = async |path: &str, token: &str| site.ask(get(path).bearer(token)).await;

    ask("/cached/1", &alice).await.allowed("center.allowed", CENTER);
    let kept = ask("/cached/1", &alice).await;
    kept.allowed("center.allowed", "cache");
    assert_eq!((kept.asked, kept.forwarded("x-user")), (0, vec!["alice".to_owned()]));
    // Another question, in each of its parts.
    ask("/cached/2", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/1?a=b", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/1", &bob).await.allowed("center.allowed", CENTER);
    let head = Request::new("HEAD", "/cached/1").host(HOST).bearer(&alice);
    site.ask(head).await.allowed("center.allowed", CENTER);
    site.ask_from(EU, get("/cached/1").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
    // All that comes before the center comes before the cache.
    let mut expired = claims(&issuers.us, "alice", &[]);
    expired["exp"] = json!(now() - 60);
    let expired = sign(&issuers.us, &expired);
    ask("/cached/1", &expired)
        .await
        .denied(401, "identity.expired", "inline");

    tokio::time::sleep(Duration::from_millis(2100)).await;
    site.center.set(Behaviour::decide(false));
    ask("/cached/1", &alice).await.denied(403, "center.denied", CENTER);
    let kept = ask("/cached/1", &alice).await;
    kept.denied(403, "center.denied", "cache");
    assert_eq!(kept.asked, 0);

    // The center's own word, where it is the shorter one.
    site.center
        .set(Behaviour::Answer(json!({"decision": true, "context": {"ttl": 0}})));
    for _ in 0..2 {
        ask("/cached/3", &alice).await.allowed("center.allowed", CENTER);
    }
    // A new bundle, even if it says the same: what was kept belonged to the old one.
    site.center.set(Behaviour::decide(true));
    ask("/cached/4", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/4", &alice).await.allowed("center.allowed", "cache");
    let next = bundle(42, &issuers.regions(), &[deferring()]);
    site.envoy
        .push(&site.folder, |folder| folder.write(&next))
        .await
        .unwrap();
    ask("/cached/4", &alice).await.allowed("center.allowed", CENTER);
    assert_eq!(site.counter("decision_cache.hit").await, 3);
}

#[tokio::test]
async fn the_question_is_what_was_agreed_and_has_the_published_form() {
    let issuers = Issuers::new();
    let site = deferring_site("center-question", &issuers).await;
    let mut alice = claims(&issuers.us, "alice", &["read:profile"]);
    for (claim, value) in [
        ("roles", json!(["clerk"])),
        ("department", json!({"name": "sales", "floors": [1, 2]})),
        ("secret", json!("not asked for")),
        ("acr", json!("urn:example:mfa")),
        ("amr", json!(["pwd", "otp"])),
    ] {
        alice[claim] = value;
    }
    let alice = sign(&issuers.us, &alice);
    let seen = site.ask(get("/plain/a%20b?x=1&y=%C3%A9").bearer(&alice)).await;
    seen.allowed("center.allowed", CENTER);
    let call = site.center.calls().pop().unwrap();
    assert_eq!(call.line, "POST /access/v1/evaluation HTTP/1.1");
    let header = |name: &str| {
        call.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(header("content-type").unwrap(), "application/json");
    assert_eq!(header("host").unwrap(), "center-us-east-1");
    assert_eq!(header("authorization"), None);
    let id = seen.entry.text("request_id").to_owned();
    assert_eq!(header("x-request-id").unwrap(), id);
    let mut question = call.body.clone();
    let time = question["context"]["time"].take();
    assert!(
        time.as_str()
            .is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{time}"
    );
    assert_eq!(
        question,
        json!({
            "subject": {"type": "identity", "id": "alice", "properties": {
                "home": "us-east-1", "iss": "identity.global.com", "roles": ["clerk"], "permissions": ["read:profile"],
                "acr": "urn:example:mfa", "amr": ["pwd", "otp"], "department": {"name": "sales", "floors": [1, 2]}}},
            "action": {"name": "GET", "properties": {}},
            "resource": {"type": "route", "id": "/plain/{id}", "properties": {
                "host": HOST, "path": "/plain/a%20b", "captures": {"id": "a b"}, "query": "x=1&y=%C3%A9"}},
            "context": {"time": null, "local": "us-east-1", "source": {"address": US, "region": "us-east-1"},
                "request_id": id, "policy": "center", "rule": "plain", "bundle": seen.decision().bundle},
        })
    );

    // Of somebody of another region, the question holds what counts here; of an unknown source, its address.
    let mut bob = claims(&issuers.eu, "bob", &["read:profile", "write:profile"]);
    bob["roles"] = json!(["viewer", "admin"]);
    let seen = site
        .ask_from("127.0.0.1", get("/plain/1").bearer(&sign(&issuers.eu, &bob)))
        .await;
    seen.allowed("center.allowed", CENTER);
    let foreign = site.center.calls().pop().unwrap().body;
    assert_eq!(foreign["subject"]["properties"]["home"], "eu-west-1");
    assert_eq!(foreign["subject"]["properties"]["permissions"], json!(["read:profile"]));
    assert_eq!(foreign["subject"]["properties"]["roles"], json!(["viewer"]));
    assert_eq!(foreign["context"]["source"], json!({"address": "127.0.0.1"}));
    site.ask(get("/public/1")).await.allowed("center.allowed", CENTER);

    let vectors = tools::workspace_root().join(
        std::env::var_os("REGIONGUARD_VECTORS").map_or_else(|| PathBuf::from("../shared/vectors"), PathBuf::from),
    );
    let schema = vectors.join("authzen/schemas/evaluation-request.schema.json");
    let Ok(schema) = std::fs::read(&schema) else {
        let required = std::env::var("REGIONGUARD_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "the published schema is required, and `{}` is not there",
            schema.display()
        );
        let written = format!("left out: the published schema is not at `{}`\n", schema.display());
        // Past the capture of the test runner: what is left out must not look like what passed.
        std::io::Write::write_all(&mut std::io::stderr(), written.as_bytes()).unwrap();
        return;
    };
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let calls = site.center.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        let findings: Vec<_> = schema.iter_errors(&call.body).map(|error| error.to_string()).collect();
        assert_eq!(findings, [""; 0], "{}", call.body);
    }
    let mut none = question;
    none["subject"].take();
    assert!(!schema.is_valid(&none), "the schema tells");
}

#[tokio::test]
async fn the_regional_center_judges_by_gdpr_and_sox() {
    let issuers = Issuers::new();
    let (_regional, site) = regional_site("center-regional", &issuers).await;
    let (alice, carol) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "carol", &[]));
    let bob = token(&issuers.eu, "bob", &[]);
    let read = |id: u32, token: &str| get(&format!("/v1/profiles/{id}")).bearer(token);
    let approve = |id: u32, token: &str| {
        Request::new("POST", &format!("/v1/postings/{id}/approve"))
            .host(HOST)
            .bearer(token)
    };

    for (what, source, request) in [
        ("outside of the EU anyway", US, read(41, &alice)),
        ("by consent", US, read(43, &alice)),
        ("by contract", US, read(44, &alice)),
        ("somebody of eu-west-1, by consent", EU, read(43, &bob)),
        ("prepared by another", US, approve(1001, &carol)),
        (
            "prepared by a namesake of another region",
            US,
            approve(1002, &token(&issuers.us, "bob", &[])),
        ),
    ] {
        println!("{what}");
        site.ask_from(source, request).await.allowed("center.allowed", CENTER);
    }
    for (what, source, request, told) in [
        (
            "stays in the EU",
            US,
            read(42, &alice),
            "This data may not leave the EU without consent or a contract.",
        ),
        (
            "the resource stands in us-east-1, whoever asks",
            EU,
            read(42, &bob),
            "This data may not leave the EU without consent or a contract.",
        ),
        (
            "no such profile",
            US,
            read(99, &alice),
            "There is nothing here that you may see.",
        ),
        (
            "prepared by oneself",
            US,
            approve(1001, &alice),
            "You prepared this posting: somebody else has to approve it.",
        ),
        (
            "prepared by oneself, of eu-west-1",
            EU,
            approve(1002, &bob),
            "You prepared this posting: somebody else has to approve it.",
        ),
        (
            "nobody prepared it",
            US,
            approve(1004, &carol),
            "This posting cannot be approved yet.",
        ),
    ] {
        println!("{what}");
        let seen = site.ask_from(source, request).await;
        seen.denied(403, "center.denied", CENTER);
        assert_eq!(seen.answer.json().unwrap()["detail"], told, "{what}");
    }
    let log = site.module_log().join("\n");
    assert!(
        log.contains("GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1"),
        "{log}"
    );
    assert!(
        log.contains("SOX: alice of us-east-1 prepared posting 1001 and may not approve it"),
        "{log}"
    );
    // The center says for how long: its answers about data are kept, those about postings never.
    site.ask(read(43, &alice)).await.allowed("center.allowed", "cache");
    site.ask(read(42, &alice)).await.denied(403, "center.denied", "cache");
    site.ask(approve(1001, &carol)).await.allowed("center.allowed", CENTER);
}

#[tokio::test]
async fn a_deferred_grpc_request_gets_a_grpc_status() {
    let issuers = Issuers::new();
    let site = deferring_site("center-grpc", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let client = site.client(US).over(Protocol::Http2);
    let call = Request::new("POST", "/shop.Orders/Get")
        .host(HOST)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .bearer(&alice)
        .body(vec![0; 5]);
    let ask = async |behaviour: Behaviour| {
        site.center.set(behaviour);
        site.observe(async { client.send(&call).await.unwrap() }).await
    };

    let seen = ask(Behaviour::AnswerAfter(
        Duration::from_millis(100),
        json!({"decision": true}),
    ))
    .await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!(seen.answer.trailer("grpc-status").unwrap(), "0");
    assert_eq!(seen.forwarded("x-user"), ["alice"]);
    let question = site.center.calls().pop().unwrap().body;
    assert_eq!(
        question["action"],
        json!({"name": "POST", "properties": {"service": "shop.Orders", "method": "Get"}})
    );

    for (behaviour, grpc_status, reason) in [
        (Behaviour::decide(false), "7", "center.denied"),
        (Behaviour::Status(503), "14", "center.unavailable"),
        (Behaviour::Garbage, "14", "center.error"),
    ] {
        let seen = ask(behaviour).await;
        let decision = seen.decision();
        assert_eq!(
            (decision.reason.as_str(), decision.by.as_str()),
            (reason, CENTER),
            "{seen:#?}"
        );
        assert_eq!((seen.answer.status, seen.upstream.len()), (200, 0), "{seen:#?}");
        assert_eq!(seen.answer.trailer("grpc-status").unwrap(), grpc_status, "{seen:#?}");
        assert_eq!(seen.answer.header("content-type").unwrap(), "application/grpc");
    }
}

#[tokio::test]
async fn the_body_of_a_request_that_waits_is_not_lost() {
    let issuers = Issuers::new();
    for base in [Base::Sidecar, Base::Gateway] {
        let bundle = bundle(41, &issuers.regions(), &[deferring()]);
        let site = Site::start_with("center-body", base, &bundle, |config| config).await;
        let alice = token(&issuers.us, "alice", &[]);
        // More than a connection buffers: 64 KiB in the sidecar, 32 in the gateway.
        let body: String = (0..20_000).map(|count| format!("{count:05}")).collect();
        let post = Request::new("POST", "/plain/1")
            .host(HOST)
            .bearer(&alice)
            .body(body.clone());
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let client = site.client(US).over(protocol);
            let send = async || site.observe(async { client.send(&post).await.unwrap() }).await;
            site.center.set(Behaviour::AnswerAfter(
                Duration::from_millis(200),
                json!({"decision": true}),
            ));
            let seen = send().await;
            seen.allowed("center.allowed", CENTER);
            assert!(
                seen.upstream[0]["body"] == *body,
                "{base:?} {protocol:?}: {} bytes",
                seen.upstream[0]["body"].as_str().unwrap().len()
            );
            site.center.set(Behaviour::AnswerAfter(
                Duration::from_millis(200),
                json!({"decision": false}),
            ));
            send().await.denied(403, "center.denied", CENTER);
        }
    }
}
