//! What holds for a time, on a real Envoy: permissions that are granted, and tokens that are to be refreshed.

mod common;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{ISSUER, Issuers, Seen, Site, bundle, claims, get, policy, sign, token};
use regionguard_harness::config::{Base, parse_yaml};
use serde_json::{Value, json};

const SIDECAR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cli/templates/envoy/sidecar.yaml");

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn rfc3339(seconds: u64) -> String {
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap())
        .unwrap()
        .to_string()
}

fn shop(issuers: &Issuers, version: u64, grants: &Value) -> Value {
    let rules = json!({
        "forward": {"claims": {"x-permissions": "permissions"}},
        "rules": [
            {"name": "close", "paths": ["/ledger"], "permissions": {"anyOf": ["close:ledger"]}, "effect": "allow"},
            {"name": "read", "paths": ["/read"], "effect": "allow"},
            {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
        ],
    });
    let mut bundle = bundle(version, &issuers.regions(), &[policy("shop", rules)]);
    bundle["tokens"] = json!({"refreshBefore": "5m"});
    if !grants.is_null() {
        let documents = bundle["documents"].as_array_mut().unwrap();
        documents.push(json!({"apiVersion": "security.io/v1", "kind": "Grants", "metadata": {"name": "on-call"}, "spec": {"grants": grants}}));
    }
    bundle
}

/// What `regionguard render` puts into a chain for a bundle with `refreshBefore`.
fn refresh_filter() -> Value {
    let template = fs::read_to_string(SIDECAR).unwrap();
    let (_, rest) = template.split_once("<<if refreshes>>\n").unwrap();
    let (filter, _) = rest.split_once("<<end>>").unwrap();
    let [filter] = serde_json::from_value::<Vec<Value>>(parse_yaml(filter).unwrap())
        .unwrap()
        .try_into()
        .unwrap();
    filter
}

async fn site(name: &str, bundle: &Value) -> Site {
    Site::start_with(name, Base::Sidecar, bundle, |config| {
        config.edit_http(|http| {
            let filters = http["http_filters"].as_array_mut().unwrap();
            let own = filters
                .iter()
                .position(|filter| filter["name"] == "regionguard")
                .unwrap();
            filters.insert(own, refresh_filter());
            // As if the upstream said so of every token.
            let mut upstream = refresh_filter();
            upstream["name"] = json!("upstream");
            let mutation = &mut upstream["typed_config"]["mutations"]["response_mutations"][1]["append"]["header"];
            mutation["value"] = json!("9");
            filters.insert(filters.len() - 1, upstream);
        })
    })
    .await
}

#[tokio::test]
async fn a_grant_opens_and_closes_by_the_clock_and_no_push() {
    let issuers = Issuers::new();
    let site = site("grants", &shop(&issuers, 41, &Value::Null)).await;
    let (alice, bob) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "bob", &[]));
    let ask = async |token: &str| site.ask(get("/ledger").bearer(token)).await;
    ask(&alice).await.denied(403, "permission.missing", "inline");

    let (from, until) = (now() + 5, now() + 15);
    let grant = json!({
        "subject": {"home": "us-east-1", "issuer": ISSUER, "sub": "alice"}, "permissions": ["close:ledger"],
        "notBefore": rfc3339(from), "expires": rfc3339(until), "approvedBy": "the owner of the ledger", "reason": "incident 4711",
    });
    let granting = shop(&issuers, 42, &json!([grant]));
    site.envoy
        .push(&site.folder, |folder| folder.write(&granting))
        .await
        .unwrap();
    let seen = ask(&alice).await;
    assert!(now() < from, "the push took all the time before the window");
    seen.denied(403, "permission.missing", "inline");
    assert!(seen.decision().bundle.starts_with("shop@42+"), "{seen:?}");
    while now() <= from {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = ask(&alice).await;
    assert!(now() < until, "the machine is too slow for this test's window");
    seen.allowed("rule.allowed_by_grant", "inline");
    assert!(seen.forwarded("x-permissions")[0].contains("close:ledger"), "{seen:?}");
    assert_eq!(seen.forwarded("x-regionguard-reason"), ["rule.allowed_by_grant"]);
    ask(&bob).await.denied(403, "permission.missing", "inline");
    while now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ask(&alice).await.denied(403, "permission.missing", "inline");
    let told: Vec<String> = site
        .module_log()
        .into_iter()
        .filter(|line| line.contains("on-call[0]"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("approved by") && told[0].contains("4711"), "{told:?}");
}

#[tokio::test]
async fn an_answer_says_that_the_token_ends_soon() {
    let issuers = Issuers::new();
    let site = site("refresh", &shop(&issuers, 41, &Value::Null)).await;
    let ending = |seconds: u64| {
        let mut claims = claims(&issuers.us, "alice", &[]);
        claims["exp"] = json!(now() + seconds);
        sign(&issuers.us, &claims)
    };
    let told = |seen: &Seen| seen.answer.header("x-regionguard-refresh");
    let soon = ending(200);
    for _ in 0..3 {
        let seen = site.ask(get("/read").bearer(&soon)).await;
        let left: u64 = told(seen.allowed("rule.allowed", "inline")).unwrap().parse().unwrap();
        assert!((100..=200).contains(&left), "{left}");
    }
    let within_leeway = site.ask(get("/read").bearer(&ending(0))).await;
    assert_eq!(told(&within_leeway).as_deref(), Some("0"), "{within_leeway:?}");
    // Neither a token that lives on, nor a request without one, nor what a client or an upstream writes.
    let later = site
        .ask(get("/read").bearer(&ending(3_000)).header("x-regionguard-refresh", "1"))
        .await;
    assert_eq!(told(&later), None, "{later:?}");
    assert_eq!(told(&site.ask(get("/public")).await), None);
    let denied = site.ask(get("/ledger").bearer(&soon)).await;
    assert_eq!((denied.answer.status, told(&denied)), (403, None));
}
