//! Demands on devices, on a real Envoy: postures in the user's own token, and those of a device manager in a header.

mod common;

use std::time::Duration;

use common::{CENTER, Issuers, Site, bundle, claims, get, policy, sign};
use regionguard_harness::client::Request;
use regionguard_harness::config::Base;
use regionguard_harness::issuer::{Alg, Issuer, Kind, now, unsecured};
use regionguard_harness::shelf::{Document, Shelf};
use serde_json::{Value, json};

const MANAGER: &str = "https://mdm.example.com";
const HEADER: &str = "x-device-posture";
const KEYS: &str = "/.well-known/jwks.json";

fn manager() -> Issuer {
    Issuer::without_keys(MANAGER, "mdm")
        .with_key("mdm", Kind::P256)
        .unwrap()
}

/// The short form of the design, whole, but for who has to log in how: `latest` has a meaning here.
fn policies() -> Vec<Value> {
    let access = json!({
        "selector": {"hosts": ["api.us-east-1.com"]},
        "default": "allow",
        "osVersions": {"macos": "15.2"},
        "device": {"compliance": [{"encryption": "required"}, {"os_version": "latest"}, {"managed": true}]},
        "rules": [
            {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
            {"name": "ask", "paths": ["/ask"], "effect": "defer"},
        ],
    });
    vec![policy("access", access)]
}

fn fit(changes: &Value) -> Value {
    let mut fit = json!({"platform": "macOS", "os_version": "15.10", "encrypted": true, "managed": true});
    for (name, value) in changes.as_object().unwrap() {
        fit[name] = value.clone();
    }
    fit
}

fn user(issuers: &Issuers, sub: &str, device: Option<Value>) -> String {
    let mut claims = claims(&issuers.us, sub, &[]);
    if let Some(device) = device {
        claims["device"] = device;
    }
    sign(&issuers.us, &claims)
}

fn says(changes: &Value) -> Value {
    let mut says = json!({"iss": MANAGER, "sub": "alice", "user_region": "us-east-1", "aud": "posture", "iat": now(),
        "device": fit(&json!({}))});
    for (name, value) in changes.as_object().unwrap() {
        says[name] = value.clone();
    }
    says
}

fn posture(manager: &Issuer, changes: &Value) -> String {
    manager.mint(Alg::Es256, "mdm", &says(changes)).unwrap()
}

#[tokio::test]
async fn the_users_own_token_says_what_its_device_is() {
    let issuers = Issuers::new();
    let site = Site::start("device-claim", &bundle(41, &issuers.regions(), &policies())).await;
    let with = |device: Value| get("/x").bearer(&user(&issuers, "alice", Some(device)));
    let good = with(fit(&json!({})));
    for _ in 0..2 {
        site.ask(good.clone()).await.allowed("policy.default_allow", "default");
    }
    for (changes, reason) in [
        (json!({"encrypted": "true"}), "device.malformed"),
        (json!({"encrypted": false}), "device.encryption"),
        (json!({"managed": null}), "device.managed"),
        (json!({"os_version": "15.1.9"}), "device.os_version"),
        (json!({"platform": "linux"}), "device.latest_unknown"),
    ] {
        let seen = site.ask(with(fit(&changes))).await;
        seen.denied(403, reason, "inline");
        assert_eq!(seen.answer.json().unwrap()["code"], "forbidden");
    }
    let nameless = get("/x").bearer(&user(&issuers, "alice", None));
    site.ask(nameless).await.denied(403, "device.missing", "inline");
    site.ask(get("/x")).await.denied(401, "identity.missing", "inline");
    site.ask(get("/open")).await.allowed("rule.public", "inline");
    // A header is nobody's word.
    let forged = get("/x").bearer(&user(&issuers, "alice", None)).header("device", "{}");
    site.ask(forged).await.denied(403, "device.missing", "inline");
    let ask = get("/ask").bearer(&user(&issuers, "alice", Some(fit(&json!({})))));
    site.ask(ask).await.allowed("center.allowed", CENTER);
}

#[tokio::test]
async fn a_device_manager_says_what_a_device_is() {
    let issuers = Issuers::new();
    let manager = manager();
    let shelf = Shelf::start().await.unwrap();
    shelf.put(KEYS, Document::status(500, "{}"));
    let issuer = json!({"apiVersion": "security.io/v1", "kind": "DeviceIssuer", "metadata": {"name": "mdm"}, "spec": {
        "issuer": MANAGER, "audiences": ["posture"], "keys": {"remote": {"cluster": "mdm", "waitFor": "10s"}},
        "maxAge": "10s", "binding": {"home": "user_region"},
    }});
    let mut all = policies();
    all.push(issuer);
    let bundle = bundle(41, &issuers.regions(), &all);
    let address = shelf.address();
    let site = Site::start_with("device-manager", Base::Sidecar, &bundle, |config| {
        config.cluster("mdm", address)
    })
    .await;
    let alice = user(&issuers, "alice", Some(fit(&json!({}))));
    let with = |token: &str| get("/x").bearer(&alice).header(HEADER, token);

    // Who needs no posture waits for no keys; who does is let in when they come.
    site.ask(get("/open").header(HEADER, "rubbish"))
        .await
        .allowed("rule.public", "inline");
    let good = posture(&manager, &json!({}));
    let (waited, ()) = tokio::join!(site.ask(with(&good)), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        shelf.put(KEYS, Document::json(&manager.jwks()));
    });
    waited.allowed("policy.default_allow", "default");
    assert_eq!(waited.forwarded(HEADER), Vec::<String>::new());
    let again = site.ask(with(&good)).await;
    again.allowed("policy.default_allow", "default");
    assert_eq!(again.forwarded(HEADER), Vec::<String>::new());
    site.ask(get("/ask").bearer(&alice).header(HEADER, &good))
        .await
        .allowed("center.allowed", CENTER);

    let denied = async |request: Request, reason: &str| {
        site.ask(request).await.denied(403, reason, "inline");
    };
    // The token's own claim does not count beside a manager, and makes up for nothing.
    denied(get("/x").bearer(&alice), "device.missing").await;
    denied(with(&good).header("X_Device-Posture", &good), "device.ambiguous").await;
    denied(with(&posture(&manager, &json!({"sub": "bob"}))), "device.other_subject").await;
    denied(
        with(&posture(&manager, &json!({"user_region": "eu-west-1"}))),
        "device.other_subject",
    )
    .await;
    denied(with(&posture(&manager, &json!({"iat": now() - 11}))), "device.stale").await;
    denied(with(&posture(&manager, &json!({"aud": "other"}))), "device.invalid").await;
    denied(
        with(&posture(&manager, &json!({"device": fit(&json!({"managed": "true"}))}))),
        "device.malformed",
    )
    .await;
    denied(
        with(&posture(&manager, &json!({"device": fit(&json!({"managed": false}))}))),
        "device.managed",
    )
    .await;
    denied(with(&unsecured(&says(&json!({})))), "device.invalid").await;
    denied(with(&format!("{good}, {good}")), "device.invalid").await;
    denied(
        with(&posture(&manager, &json!({"filling": "x".repeat(8_192)}))),
        "device.invalid",
    )
    .await;
    let own = issuers
        .us
        .mint(Alg::Es256, issuers.us.kid(Alg::Es256).unwrap(), &says(&json!({})));
    let seen = site.ask(with(&own.unwrap())).await;
    seen.denied(403, "device.invalid", "inline");
    let bob = user(&issuers, "bob", None);
    denied(get("/x").bearer(&bob).header(HEADER, &good), "device.other_subject").await;

    // It was verified once; its age is looked at each time.
    let fresh = posture(&manager, &json!({}));
    site.ask(with(&fresh)).await.allowed("policy.default_allow", "default");
    tokio::time::sleep(Duration::from_secs(11)).await;
    denied(with(&fresh), "device.stale").await;
    let log = site.module_log().join("\n");
    assert!(log.contains("keys of the DeviceIssuer mdm: 1 in force"), "{log}");
    assert!(!log.contains(&good), "a posture token is a credential");
}
