//! What is pushed while requests come in: edits taken up live, broken ones refused, and nothing let in where there is no policy.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{DISCOVERY, Issuers, Seen, Site, US, bundle, get, policy, token};
use regionguard_harness::client::{Client, Request};
use regionguard_harness::config::Base;
use regionguard_harness::envoy::Push;
use regionguard_harness::fault::Behaviour;
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::{RunDir, tools};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Allows `/v1/PATH` for each of these paths, and defers `/deferred/{id}`.
fn shop(paths: &[&str]) -> Value {
    let paths: Vec<String> = paths.iter().map(|path| format!("/v1/{path}")).collect();
    policy(
        "shop",
        json!({"rules": [
            {"name": "open", "paths": paths, "effect": "allow"},
            {"name": "deferred", "paths": ["/deferred/{id}"], "effect": "defer"},
        ]}),
    )
}

fn shop_bundle(version: u64, issuers: &Issuers, paths: &[&str]) -> Value {
    bundle(version, &issuers.regions(), &[shop(paths)])
}

impl Site {
    async fn push(&self, bundle: &Value) -> Push {
        self.envoy
            .push(&self.folder, |folder| folder.write(bundle))
            .await
            .unwrap()
    }

    async fn discovery(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("{DISCOVERY}.{name}")).await.unwrap()
    }
}

#[track_caller]
fn served_by(seen: &Seen, version: u64) {
    let bundle = seen.decision().bundle;
    assert!(
        bundle.starts_with(&format!("shop@{version}+")),
        "{bundle}, not version {version}"
    );
}

#[tokio::test]
async fn an_edit_serves_within_two_seconds_and_a_broken_one_never() {
    let issuers = Issuers::new();
    let site = Site::start("live-edit", &shop_bundle(1, &issuers, &["a"])).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async |path: &str| site.ask(get(path).bearer(&alice)).await;
    ask("/v1/a").await.allowed("rule.allowed", "inline");
    ask("/v1/b").await.denied(403, "policy.no_rule", "default");

    // An edit, from the moment in which the symlink changes, without asking Envoy.
    let edited = shop_bundle(2, &issuers, &["b"]);
    site.folder.write(&edited).unwrap();
    let began = Instant::now();
    let seen = loop {
        let seen = ask("/v1/b").await;
        if seen.answer.status == 200 || began.elapsed() > Duration::from_secs(10) {
            break seen;
        }
    };
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    seen.allowed("rule.allowed", "inline");
    served_by(&seen, 2);
    ask("/v1/a").await.denied(403, "policy.no_rule", "default");

    // Broken edits: one in the policy, one in a Region, one that is no bundle at all, one that Envoy itself cannot read.
    let mut misspelt = shop_bundle(3, &issuers, &["a", "b"]);
    misspelt["documents"][3]["spec"]["rules"][0]["efect"] = json!("allow");
    let mut no_zone = shop_bundle(3, &issuers, &["a", "b"]);
    no_zone["documents"][1]["spec"]["timezone"] = json!("Europe/Atlantis");
    let broken = [
        (
            misspelt,
            vec!["ZeroTrustPolicy shop", "documents[3].spec.rules[0].efect", "`effect`"],
        ),
        (
            no_zone,
            vec!["Region eu-west-1", "documents[1].spec.timezone", "Europe/Atlantis"],
        ),
        (json!({"documents": []}), vec!["metadata"]),
    ];
    for (count, (bundle, named)) in broken.iter().enumerate() {
        let lines = site.module_log().len();
        assert_eq!(site.push(bundle).await, Push::Refused);
        assert_eq!(site.discovery("config_fail").await, count as u64 + 1);
        assert_eq!(
            site.envoy
                .stat("extension_config_discovery.http_filter.regionguard.update_rejected")
                .await
                .unwrap(),
            count as u64 + 1
        );
        let log = site.module_log().split_off(lines).join("\n");
        for name in named {
            assert!(log.contains(name), "`{name}` is named:\n{log}");
        }
        let seen = ask("/v1/b").await;
        seen.allowed("rule.allowed", "inline");
        served_by(&seen, 2);
    }
    let pushed = site
        .envoy
        .push(&site.folder, |folder| folder.write_text("resources: [\n"))
        .await;
    assert!(matches!(pushed, Ok(Push::Refused)) || pushed.is_err(), "{pushed:?}");
    served_by(&ask("/v1/b").await, 2);

    // And a good one after all of these.
    assert_eq!(site.push(&shop_bundle(3, &issuers, &["a", "b"])).await, Push::Accepted);
    let seen = ask("/v1/a").await;
    seen.allowed("rule.allowed", "inline");
    served_by(&seen, 3);
    assert!(site.counter("bundle.applied").await > 0);
}

#[tokio::test]
async fn of_two_versions_the_newer_serves_and_of_two_contents_the_last() {
    let issuers = Issuers::new();
    let site = Site::start("live-versions", &shop_bundle(5, &issuers, &["five"])).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async |path: &str| site.ask(get(path).bearer(&alice)).await;

    // An older one is accepted, and the newer goes on serving.
    assert_eq!(site.counter("bundle.older").await, 0);
    assert_eq!(site.push(&shop_bundle(4, &issuers, &["four"])).await, Push::Accepted);
    let seen = ask("/v1/five").await;
    seen.allowed("rule.allowed", "inline");
    served_by(&seen, 5);
    ask("/v1/four").await.denied(403, "policy.no_rule", "default");
    assert!(site.counter("bundle.older").await > 0);
    let log = site.module_log().join("\n");
    assert!(
        log.contains("older than the one in force, which goes on serving"),
        "{log}"
    );
    assert!(log.contains("bundle shop@4+"), "{log}");

    // The same version again: the last content counts, back and forth.
    for path in ["other", "five", "other"] {
        assert_eq!(site.push(&shop_bundle(5, &issuers, &[path])).await, Push::Accepted);
        let seen = ask(&format!("/v1/{path}")).await;
        seen.allowed("rule.allowed", "inline");
        served_by(&seen, 5);
    }
    ask("/v1/five").await.denied(403, "policy.no_rule", "default");
    assert_eq!(site.push(&shop_bundle(6, &issuers, &["six"])).await, Push::Accepted);
    served_by(&ask("/v1/six").await, 6);
}

#[tokio::test]
async fn edits_under_load_lose_nothing_and_leave_nothing_undecided() {
    let issuers = Issuers::new();
    let first = shop_bundle(1, &issuers, &["always", "odd"]);
    let site = Site::start_with("live-load", Base::Sidecar, &first, |config| config.concurrency(2)).await;
    site.center.set(Behaviour::AnswerAfter(
        Duration::from_millis(150),
        json!({"decision": true}),
    ));
    let alice = token(&issuers.us, "alice", &[]);
    let over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    // Several connections, so that both workers have some, each with requests one after the other.
    for number in 0..8 {
        let (over, client) = (Arc::clone(&over), site.client(US));
        let request = |path: &str| get(path).bearer(&alice);
        let (always, odd, deferred) = (
            request("/v1/always"),
            request("/v1/odd"),
            request(&format!("/deferred/{number}")),
        );
        load.spawn(async move { ask_until(&over, &client, [&always, &odd, &deferred]).await });
    }
    let mut pushes = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        pushes += 1;
        let paths: &[&str] = if pushes % 2 == 0 {
            &["always", "odd"]
        } else {
            &["always"]
        };
        assert_eq!(
            site.push(&shop_bundle(1 + pushes, &issuers, paths)).await,
            Push::Accepted
        );
    }
    over.store(true, Ordering::Relaxed);
    let sums = load.join_all().await;
    let total: u64 = sums.iter().sum();
    assert!(pushes >= 3 && total > 100, "{pushes} pushes, {total} requests");

    let lines = site.lines(usize::try_from(total).unwrap()).await;
    let mut versions = std::collections::BTreeSet::new();
    for line in &lines {
        let decision = line.decision().unwrap_or_else(|| panic!("undecided: {line:#?}"));
        let found = (line.status(), decision.verdict.as_str(), decision.reason.as_str());
        match line.text("path") {
            "/v1/always" => assert_eq!(found, (200, "allow", "rule.allowed")),
            "/v1/odd" => assert!(
                [(200, "allow", "rule.allowed"), (403, "deny", "policy.no_rule")].contains(&found),
                "{line:#?}"
            ),
            _ => assert_eq!(found, (200, "allow", "center.allowed"), "{line:#?}"),
        }
        versions.insert(decision.bundle);
    }
    assert!(
        versions.len() as u64 > pushes / 2,
        "{} of {pushes} versions have served",
        versions.len()
    );
}

/// Sends these requests over and over on one connection, and counts them. Each gets its answer.
async fn ask_until(over: &AtomicBool, client: &Client, requests: [&Request; 3]) -> u64 {
    let mut connection = client.connect().await.unwrap();
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        for (request, statuses) in requests.into_iter().zip([&[200][..], &[200, 403], &[200]]) {
            let answer = connection.send(request).await.unwrap();
            assert!(statuses.contains(&answer.status), "{request:?}: {}", answer.text());
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn requests_that_wait_while_a_push_happens_are_answered() {
    let issuers = Issuers::new();
    let site = Site::start("live-waiting", &shop_bundle(1, &issuers, &["a"])).await;
    site.center.set(Behaviour::AnswerAfter(
        Duration::from_millis(2500),
        json!({"decision": true}),
    ));
    let alice = token(&issuers.us, "alice", &[]);
    let mut waiting = JoinSet::new();
    for id in 0..20 {
        let (client, request) = (site.client(US), get(&format!("/deferred/{id}")).bearer(&alice));
        waiting.spawn(async move { client.send(&request).await.unwrap() });
    }
    while site.center.count() < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Two of them: the plugin that asked is not even the one before.
    assert_eq!(site.push(&shop_bundle(2, &issuers, &["b"])).await, Push::Accepted);
    assert_eq!(site.push(&shop_bundle(3, &issuers, &["c"])).await, Push::Accepted);
    assert_eq!(site.upstream.count(), 0, "they still wait");
    served_by(&site.ask(get("/v1/c").bearer(&alice)).await, 3);
    for answer in waiting.join_all().await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!((site.center.count(), site.upstream.count()), (20, 21));
    let lines = site.lines(21).await;
    let deferred: Vec<_> = lines
        .iter()
        .filter(|line| line.text("path").starts_with("/deferred/"))
        .collect();
    assert_eq!(deferred.len(), 20);
    for line in deferred {
        let decision = line.decision().unwrap();
        assert_eq!(
            (decision.reason.as_str(), decision.by.as_str()),
            ("center.allowed", "center:us-east-1")
        );
        assert!(
            decision.bundle.starts_with("shop@1+"),
            "decided by what was in force when it came: {decision:?}"
        );
    }
    assert_eq!(site.counter("callout.away").await, 0);
}

/// Requests that a policy would have let in, and none: whatever they are, nobody has decided.
async fn nothing_is_let_in(site: &Site, issuers: &Issuers, statuses: &[u16]) {
    let alice = token(&issuers.us, "alice", &[]);
    for request in [
        get("/v1/a").bearer(&alice),
        get("/v1/a"),
        get("/"),
        Request::new("POST", "/v1/a").host("elsewhere").bearer(&alice).body("x"),
        get("/v1/a").bearer(&alice).header("x-regionguard-subject", "alice"),
    ] {
        let seen = site.ask(request).await;
        assert!(statuses.contains(&seen.answer.status), "{seen:#?}");
        assert!(seen.upstream.is_empty(), "{seen:#?}");
        assert_eq!(seen.entry.decision(), None, "{seen:#?}");
    }
    assert_eq!(site.upstream.count(), 0);
}

#[tokio::test]
async fn without_module_or_bundle_or_filter_nothing_is_let_in() {
    let issuers = Issuers::new();
    let good = shop_bundle(1, &issuers, &["a"]);
    let start = async |name: &str, module: std::path::PathBuf, bundle: &Value, without: Option<&str>| {
        let run = RunDir::new(name).unwrap();
        let folder = PolicyFolder::create(run.path().join("policy"), module).unwrap();
        folder.write(bundle).unwrap();
        Site::start_in(run, folder, name, Base::Sidecar, |config| match without {
            Some(filter) => config.without_filter(filter),
            None => config,
        })
        .await
    };

    let missing = start("live-no-module", "/nowhere/regionguard.wasm".into(), &good, None).await;
    nothing_is_let_in(&missing, &issuers, &[500]).await;
    assert!(missing.envoy.log().contains("/nowhere/regionguard.wasm"));
    drop(missing);

    let mut broken = good.clone();
    broken["documents"][3]["spec"]["rules"][0]["effect"] = json!("permit");
    let refused = start("live-refused", tools::wasm_module().unwrap(), &broken, None).await;
    nothing_is_let_in(&refused, &issuers, &[500]).await;
    let log = refused.module_log().join("\n");
    assert!(log.contains("documents[3].spec.rules[0].effect"), "{log}");
    // A good one heals it.
    assert_eq!(refused.push(&good).await, Push::Accepted);
    let alice = token(&issuers.us, "alice", &[]);
    refused
        .ask(get("/v1/a").bearer(&alice))
        .await
        .allowed("rule.allowed", "inline");
    drop(refused);

    let skipped = start(
        "live-no-filter",
        tools::wasm_module().unwrap(),
        &good,
        Some("regionguard"),
    )
    .await;
    nothing_is_let_in(&skipped, &issuers, &[403]).await;
    let refusals = skipped.envoy.stats().await.unwrap();
    let denied: u64 = refusals
        .iter()
        .filter(|(name, _)| name.ends_with("regionguard_interlock.denied"))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(denied, 5, "the interlock counts them");
}

#[tokio::test]
async fn what_is_remembered_of_tokens_outlives_a_push_that_changes_no_region() {
    let issuers = Issuers::new();
    let site = Site::start("live-warm", &shop_bundle(1, &issuers, &["a"])).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async || site.ask(get("/v1/a").bearer(&alice)).await;
    ask().await.allowed("rule.allowed", "inline");
    assert_eq!(site.counter("token_cache.miss").await, 1);

    for version in 2..5 {
        let path = format!("b{version}");
        assert_eq!(
            site.push(&shop_bundle(version, &issuers, &["a", &path])).await,
            Push::Accepted
        );
        let seen = ask().await;
        seen.allowed("rule.allowed", "inline");
        served_by(&seen, version);
    }
    assert_eq!(site.counter("token_cache.miss").await, 1, "policy alone has changed");
    assert_eq!(site.counter("token_cache.hit").await, 3);

    // The key is taken out: what it has signed counts for nothing from now on, remembered or not.
    let others = Issuers::new();
    let mut regions = issuers.regions();
    regions[0]["spec"]["keys"]["jwks"] = others.us.jwks();
    assert_eq!(site.push(&bundle(5, &regions, &[shop(&["a"])])).await, Push::Accepted);
    ask().await.denied(401, "identity.signature", "inline");
    assert_eq!(site.counter("token_cache.miss").await, 2);
    let renewed = token(&others.us, "alice", &[]);
    site.ask(get("/v1/a").bearer(&renewed))
        .await
        .allowed("rule.allowed", "inline");
    // And what changes only who is accepted holds at once, too.
    let bob = token(&issuers.eu, "bob", &[]);
    site.ask(get("/v1/a").bearer(&bob))
        .await
        .allowed("rule.allowed", "inline");
    regions[0]["spec"].as_object_mut().unwrap().remove("accepts");
    assert_eq!(site.push(&bundle(6, &regions, &[shop(&["a"])])).await, Push::Accepted);
    site.ask(get("/v1/a").bearer(&bob))
        .await
        .denied(401, "region.not_accepted", "inline");
}
