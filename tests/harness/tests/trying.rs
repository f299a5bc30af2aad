//! What is tried before it is enforced, and what is let in or refused against all policies for a time, on a real Envoy.

mod common;

use std::time::Duration;

use common::{CENTER, Issuers, Seen, Site, bundle, get, policy, token};
use regionguard_harness::fault::Behaviour;
use regionguard_harness::issuer::now;
use serde_json::{Value, json};

fn rules() -> Value {
    json!([
        {"name": "all", "paths": ["/v1/**"], "effect": "allow"},
        {"name": "ask", "paths": ["/v1/ask"], "effect": "defer", "defer": {"onUnavailable": "lastDecision", "lastDecisionFor": "1m"}},
        {"name": "unless", "paths": ["/v1/unless"], "effect": "defer", "defer": {"unless": "allowed"}},
        {"name": "s-deny", "paths": ["/v1/deny"], "effect": "deny", "mode": "shadow"},
        {"name": "s-ask", "paths": ["/v1/question"], "effect": "defer", "mode": "shadow"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny", "response": {
            "status": 423, "body": {"error": {"code": "{code}", "of": "{status} {region}", "id": "{request_id}", "raw": "{{}}"}},
        }},
    ])
}

fn shop(issuers: &Issuers, version: u64) -> Value {
    let strict = json!({
        "mode": "shadow", "selector": {"hosts": ["strict.us-east-1.com"]}, "forward": {"token": "strip", "claims": {"x-user": "sub"}},
        "context": {"geoRestrictions": [{"allowedRegions": ["eu-west-1"]}]},
    });
    let policies = [policy("shop", json!({"rules": rules()})), policy("strict", strict)];
    let mut bundle = bundle(version, &issuers.regions(), &policies);
    bundle["trust"]["hosts"] = json!(["*.us-east-1.com"]);
    bundle
}

/// The first three fields of a line that was tried, as the access log of the shipped bootstrap has it; `-` where there is none.
fn tried(seen: &Seen, what: &str) -> String {
    let members = seen.entry.0.as_object().expect("an object");
    assert!(members.contains_key(what), "{seen:#?}");
    let line = members[what].as_str().unwrap_or("-");
    line.split(';').take(3).collect::<Vec<_>>().join(";")
}

#[tokio::test]
async fn what_is_tried_is_told_and_an_override_ends_by_itself() {
    let issuers = Issuers::new();
    let site = Site::start("trying", &shop(&issuers, 41)).await;
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    let read = |path: &str| get(path).bearer(&alice);

    // In shadow mode.
    for (request, would) in [
        (read("/v1/a"), "-"),
        (read("/v1/deny"), "deny;rule.denied;shop/s-deny"),
        (read("/v1/question"), "ask;-;shop/s-ask"),
        (
            read("/v1/a").host("strict.us-east-1.com"),
            "deny;context.source_region;strict/-",
        ),
    ] {
        let seen = site.ask(request).await;
        seen.allowed("rule.allowed", "inline");
        assert_eq!((tried(&seen, "shadow"), seen.asked), (would.to_owned(), 0), "{seen:#?}");
        assert!(seen.forwarded("x-user").is_empty() && !seen.forwarded("authorization").is_empty());
    }
    let logged = site.module_log().join("\n");
    for name in ["shop/s-deny", "shop/s-ask", "strict/-"] {
        assert!(logged.contains(&format!(";{name};")), "{logged}");
    }
    assert!(!logged.contains(&alice), "no token is logged");
    for (name, count) in [("judged", 3), ("denies", 2), ("asks", 1)] {
        assert_eq!(site.counter(&format!("shadow.{name}")).await, count, "{name}");
    }

    // The answer of a deny, in the words of its rule.
    let seen = site.ask(get("/closed").header("x-request-id", "a\"b")).await;
    seen.denied(423, "rule.denied", "inline");
    assert_eq!(seen.answer.header("content-type").as_deref(), Some("application/json"));
    let body = seen.answer.json().unwrap();
    let expected =
        json!({"error": {"code": "forbidden", "of": "423 us-east-1", "id": body["error"]["id"], "raw": "{}"}});
    assert_eq!(body, expected);
    assert!(body["error"]["id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    let grpc = get("/closed").header("content-type", "application/grpc");
    let seen = site.ask(grpc).await;
    assert_eq!(seen.answer.header("grpc-status").as_deref(), Some("7"), "{seen:#?}");

    // A center that gives way, and one that is stood for.
    let seen = site.ask(read("/v1/unless")).await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.asked, 0);
    site.ask(read("/v1/ask")).await.allowed("center.allowed", CENTER);
    site.center.set(Behaviour::Status(503));
    let seen = site.ask(read("/v1/ask")).await;
    seen.allowed("center.last_allowed", "cache");
    assert_eq!(seen.forwarded("x-regionguard-reason"), ["center.last_allowed"]);
    let bob = token(&issuers.us, "bob", &["read:profile"]);
    site.ask(get("/v1/ask").bearer(&bob))
        .await
        .denied(503, "center.unavailable", CENTER);
    site.center.set(Behaviour::decide(true));

    // A candidate without two of the rules, and with another one.
    let mut next = shop(&issuers, 42);
    next["candidate"] = json!({"sample": "100%", "documents": [policy("next", json!({"rules": [
        {"name": "some", "paths": ["/v1/a", "/closed"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
    ]}))]});
    site.envoy
        .push(&site.folder, |folder| folder.write(&next))
        .await
        .unwrap();
    for (request, status, would) in [
        (read("/v1/a"), 200, "-"),
        (read("/v1/b"), 200, "deny;policy.no_rule;-/-"),
        (read("/closed"), 423, "allow;rule.allowed;next/some"),
    ] {
        let seen = site.ask(request).await;
        assert_eq!(
            (seen.answer.status, tried(&seen, "candidate")),
            (status, would.to_owned()),
            "{seen:#?}"
        );
    }
    for (name, count) in [("judged", 3), ("denies", 1), ("allows", 1)] {
        assert_eq!(site.counter(&format!("candidate.{name}")).await, count, "{name}");
    }

    // An override, until its time has come.
    let mut open = shop(&issuers, 43);
    let until = now() + 20;
    open["override"] = json!({"mode": "observe", "until": rfc3339(until), "who": "the owner", "why": "incident 4711"});
    site.envoy
        .push(&site.folder, |folder| folder.write(&open))
        .await
        .unwrap();
    let seen = site.ask(read("/closed")).await;
    seen.allowed("override.observed", "override:rule.denied");
    assert_eq!(seen.forwarded("x-regionguard-reason"), ["override.observed"]);
    site.ask(get("/nowhere"))
        .await
        .allowed("override.observed", "override:identity.missing");
    site.ask(get("/closed").bearer("x.y.z"))
        .await
        .denied(423, "rule.denied", "inline");
    site.ask(get("/a//b"))
        .await
        .denied(400, "request.path_empty_segment", "inline");
    assert!(now() < until, "the machine is too slow for this test's window");
    while now() <= until {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    site.ask(read("/closed")).await.denied(423, "rule.denied", "inline");
    assert_eq!(site.counter("decision.allow.override.observed").await, 2);
    let logged = site.module_log().join("\n");
    // Each worker says it once.
    let [begun, ended] = ["is in force", "has ended"].map(|what| {
        let line = format!("an override {what}: observe of bundle shop@43+");
        logged.matches(&line).count()
    });
    assert!(begun == ended && (1..=3).contains(&begun), "{logged}");

    // And one that refuses everything.
    let mut closed = shop(&issuers, 44);
    closed["override"] =
        json!({"mode": "denyAll", "until": rfc3339(until + 600), "who": "the owner", "why": "incident 4711"});
    site.envoy
        .push(&site.folder, |folder| folder.write(&closed))
        .await
        .unwrap();
    let seen = site.ask(read("/v1/a")).await;
    seen.denied(503, "override.deny_all", "override");
    assert!(seen.answer.header("retry-after").is_some());
}

fn rfc3339(seconds: u64) -> String {
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap())
        .unwrap()
        .to_string()
}
