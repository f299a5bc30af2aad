//! What an operator can count: the filter's metrics on a real Envoy, by their names and by the labels that the shipped bootstraps make.

#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Push;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::issuer::{Alg, Issuer};
use scene::{Scene, bundle};
use serde_json::{Value, json};

const HOST: &str = "api.us-east-1.com";
/// What everything that a request can carry holds here, and no metric may.
const MARK: &str = "zzmark";
/// What Envoy puts in front of a module's metrics.
const PREFIX: &str = "wasmcustom.regionguard.";

fn policies(issuer: &Issuer) -> Value {
    let spec = json!({
        "rules": [
            {"name": "health", "methods": ["GET"], "paths": ["/healthz"], "identity": "none", "effect": "allow"},
            {"name": "read", "methods": ["GET"], "paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
            {"name": "never", "paths": ["/never"], "effect": "deny"},
            {"name": "ask", "paths": ["/ask"], "effect": "defer"},
            {"name": "ask-and-allow", "paths": ["/ask-and-allow"], "effect": "defer", "defer": {"onUnavailable": "allow"}},
            {"name": "keep", "paths": ["/keep"], "effect": "defer", "defer": {"cache": "60s"}},
        ],
    });
    bundle(issuer, &json!({"hosts": [HOST]}), &[("shop", spec)])
}

/// Histograms are merged when stats are flushed: twice a second here, every five seconds by default.
fn flushing(config: Config) -> Config {
    config.edit(|bootstrap| bootstrap["stats_flush_interval"] = json!("0.5s"))
}

/// The filter's counters, once `name` has reached `value`; without the prefix.
async fn counters(scene: &Scene, name: &str, value: u64) -> BTreeMap<String, u64> {
    scene
        .envoy
        .wait_for_stat(&format!("{PREFIX}{name}"), value)
        .await
        .expect("the counter");
    let stats = scene.envoy.stats().await.expect("the admin interface");
    stats
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value)))
        .collect()
}

#[tokio::test]
async fn every_kind_of_decision_call_and_cache_is_counted() {
    let center = FaultServer::start(Behaviour::decide(true)).await.expect("a center");
    let change = |config: Config| flushing(config).cluster("center-us-east-1", center.address());
    let scene = Scene::start("metrics", policies, change).await;
    let token = scene.token("alice", &["read:profile"]);
    let send = async |path: &str, token: Option<&str>, status: u16| {
        let request = Request::new("GET", path).host(HOST);
        let request = token.into_iter().fold(request, Request::bearer);
        let outcome = scene.send(Protocol::Http1, &request).await;
        assert_eq!(outcome.entry.status(), status, "{path}: {:?}", outcome.entry);
    };
    let token = Some(token.as_str());
    for _ in 0..3 {
        send("/healthz", None, 200).await;
    }
    for _ in 0..4 {
        send("/v1/profiles/1", token, 200).await;
    }
    for _ in 0..2 {
        send("/v1/profiles/1", None, 401).await;
    }
    send("/never", token, 403).await;
    for _ in 0..3 {
        send("/keep", token, 200).await;
    }
    center.set(Behaviour::decide(false));
    send("/ask", token, 403).await;
    center.set(Behaviour::Garbage);
    send("/ask", token, 503).await;
    send("/ask-and-allow", token, 503).await;
    center.set(Behaviour::Status(503));
    send("/ask", token, 503).await;
    send("/ask-and-allow", token, 200).await;

    let counted = counters(&scene, "decision.allow.center.unavailable_allowed", 1).await;
    let expected = [
        ("decision.allow.rule.public", 3),
        ("decision.allow.rule.allowed", 4),
        ("decision.deny.identity.missing", 2),
        ("decision.deny.rule.denied", 1),
        ("decision.allow.center.allowed", 3),
        ("decision.deny.center.denied", 1),
        ("decision.deny.center.error", 2),
        ("decision.deny.center.unavailable", 1),
        ("decision.allow.center.unavailable_allowed", 1),
        ("decision_cache.hit", 2),
        ("callout.answered", 2),
        ("callout.wrong", 2),
        ("callout.away", 2),
        ("token_cache.miss", 1),
    ];
    for (name, value) in expected {
        assert_eq!(counted.get(name), Some(&value), "{name}: {counted:#?}");
    }
    // A deny for everybody is decided before the token is looked at.
    assert_eq!(counted["token_cache.hit"], 4 + 3 + 5 - 1);
    let decisions: u64 = counted
        .iter()
        .filter(|(name, _)| name.starts_with("decision."))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(decisions, 18, "each request is one decision");

    // The histogram holds each of the six calls; it is merged at the next flush of the stats.
    let deadline = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let text = scene.envoy.prometheus().await.expect("the admin interface");
        if text.lines().any(|line| line == "regionguard_callout_time_ms_count{} 6") {
            break text;
        }
        assert!(Instant::now() < deadline, "{}", ours(&text));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for line in [
        "regionguard_decision{verdict=\"allow\",reason=\"rule.public\"} 3",
        "regionguard_decision{verdict=\"deny\",reason=\"identity.missing\"} 2",
        "regionguard_decision{verdict=\"allow\",reason=\"center.unavailable_allowed\"} 1",
        "regionguard_decision_cache{result=\"hit\"} 2",
        "regionguard_token_cache{result=\"miss\"} 1",
        "regionguard_callout{result=\"away\"} 2",
        "regionguard_callout_time_ms_bucket{le=\"+Inf\"} 6",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{}", ours(&text));
    }
    let labelled = text.lines().filter(|line| line.starts_with("regionguard_decision{"));
    assert!(
        labelled
            .clone()
            .all(|line| line.contains("verdict=\"") && line.contains("reason=\"")),
        "{}",
        ours(&text)
    );
    assert!(
        !text.contains("regionguard_decision_allow") && !text.contains("regionguard_decision_deny"),
        "{}",
        ours(&text)
    );
    scene.assert_never_trapped().await;
}

fn ours(text: &str) -> String {
    text.lines()
        .filter(|line| line.starts_with("regionguard"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn pushes_are_counted_by_what_became_of_them() {
    let scene = Scene::start("metrics-pushes", policies, flushing).await;
    let applied = counters(&scene, "bundle.applied", 1).await["bundle.applied"];
    let version = |version: u64| {
        let mut bundle = policies(&scene.issuer);
        bundle["metadata"]["version"] = json!(version);
        bundle
    };
    let push = async |bundle: Value| {
        scene
            .envoy
            .push(&scene.folder, |folder| folder.write(&bundle))
            .await
            .expect("a push")
    };
    assert_eq!(push(version(7)).await, Push::Accepted);
    let counted = counters(&scene, "bundle.applied", applied + 1).await;
    assert_eq!(counted.get("bundle.older"), None);
    assert_eq!(
        push(version(6)).await,
        Push::Accepted,
        "an older one is accepted on every worker"
    );
    counters(&scene, "bundle.older", 1).await;
    let mut broken = version(8);
    broken["documents"][1]["spec"]["rules"][0]["effect"] = json!("alow");
    assert_eq!(push(broken).await, Push::Refused);
    counters(&scene, "bundle.refused", 1).await;
    let outcome = scene
        .send(Protocol::Http1, &Request::new("GET", "/healthz").host(HOST))
        .await;
    assert_eq!(outcome.reason(), "rule.public");
    let serving = outcome.entry.decision().expect("a line").bundle;
    assert!(serving.starts_with("shop@7+"), "{serving}");
}

#[tokio::test]
async fn nothing_that_a_request_carries_names_a_metric() {
    let scene = Scene::start("metrics-names", policies, flushing).await;
    let mut claims = scene.issuer.claims(MARK);
    for claim in ["jti", "region", "iss", "sub"] {
        claims[claim] = json!(MARK);
    }
    let strange = scene.issuer.mint(Alg::Es256, "p256", &claims).expect("a token");
    let token = scene.token(MARK, &[MARK]);
    let header = json!({"alg": MARK, "kid": MARK, "typ": MARK});
    let odd = scene
        .issuer
        .mint_with_header(Alg::Es256, "p256", &header, &claims)
        .expect("a token");
    for request in [
        Request::new("GET", "/healthz").host(&format!("{MARK}.com")),
        Request::new(&format!("X-{}", MARK.to_uppercase()), &format!("/{MARK}?{MARK}={MARK}"))
            .host(HOST)
            .bearer(&token),
        Request::new("GET", &format!("/v1/profiles/{MARK}"))
            .host(HOST)
            .bearer(&strange),
        Request::new("GET", "/v1/profiles/1").host(HOST).bearer(&odd),
        Request::new("GET", "/v1/profiles/1").host(HOST).bearer(MARK),
        Request::new("GET", &format!("/{MARK};{MARK}")).host(HOST),
        Request::new("GET", "/ask").host(HOST).bearer(&token),
        Request::new("GET", "/healthz")
            .host(HOST)
            .header(&format!("x-{MARK}"), MARK)
            .header("x-request-id", MARK)
            .header("user-agent", MARK),
    ] {
        scene.send(Protocol::Http1, &request).await;
    }
    let names = counters(&scene, "decision.allow.rule.public", 1).await;
    assert!(names.len() > 6, "{names:#?}");
    let all = scene.envoy.stats().await.expect("the admin interface");
    let text = scene.envoy.prometheus().await.expect("the admin interface");
    for text in all.keys().chain([&text]) {
        assert!(!text.to_lowercase().contains(MARK), "{text}");
    }
    // The same requests again make no new name.
    let again = Request::new("GET", &format!("/{MARK};other")).host(HOST);
    scene.send(Protocol::Http1, &again).await;
    let after = counters(&scene, "decision.deny.request.path_parameters", 2).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), names.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_decision_is_visible_within_about_a_second() {
    let scene = Scene::start("metrics-flush", policies, |config| config).await;
    for count in 1..=3 {
        scene
            .send(Protocol::Http1, &Request::new("GET", "/healthz").host(HOST))
            .await;
        let began = Instant::now();
        counters(&scene, "decision.allow.rule.public", count).await;
        assert!(began.elapsed() < Duration::from_millis(2000), "{:?}", began.elapsed());
    }
}

#[test]
fn both_bootstraps_make_the_same_labels() {
    let tags = |base| {
        let config = Config::shipped(base).expect("the bootstrap");
        config.bootstrap()["stats_config"].clone()
    };
    assert!(tags(Base::Sidecar)["stats_tags"].is_array());
    assert_eq!(tags(Base::Sidecar), tags(Base::Gateway));
}
