//! Challenges for a stronger or more recent login (RFC 9470), on a real Envoy.

mod common;

use common::{CENTER, Issuers, Site, bundle, claims, get, policy, sign};
use regionguard_harness::client::Request;
use regionguard_harness::issuer::now;
use serde_json::{Value, json};

fn shop(issuers: &Issuers) -> Value {
    let rules = json!({"rules": [
        {"name": "all", "paths": ["/**"], "effect": "allow"},
        {"name": "money", "paths": ["/money/**"], "effect": "stepUp", "stepUp": {"acr": ["urn:x:mfa", "urn:x:hw"], "maxAge": "15m"}},
        {"name": "short", "paths": ["/short"], "effect": "step_up", "step_up": {"max_age": "3s"}},
        {"name": "ask", "paths": ["/money/ask"], "effect": "defer"},
        {"name": "never", "paths": ["/money/never"], "permissions": {"anyOf": ["read:profile"]}, "effect": "deny"},
    ]});
    let strong = json!({
        "selector": {"hosts": ["strong.us-east-1.com"]},
        "identity": {"authentication": [{"method": "multi-factor", "amr": ["mfa"], "acr": ["urn:x:mfa"]}]},
    });
    let mut bundle = bundle(
        41,
        &issuers.regions(),
        &[policy("shop", rules), policy("strong", strong)],
    );
    bundle["trust"]["hosts"] = json!(["*.us-east-1.com"]);
    bundle
}

/// A token of somebody who has logged in so.
fn login(issuers: &Issuers, changes: &Value) -> String {
    let mut claims = claims(&issuers.us, "alice", &["read:profile"]);
    for name in ["acr", "amr", "auth_time"] {
        claims.as_object_mut().unwrap().remove(name);
    }
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    sign(&issuers.us, &claims)
}

#[tokio::test]
async fn who_has_not_logged_in_so_is_told_how_to() {
    let issuers = Issuers::new();
    let site = Site::start("step-up", &shop(&issuers)).await;
    let challenged = async |request: Request, reason: &str, rest: &str| {
        let seen = site.ask(request).await;
        seen.denied(401, reason, "inline");
        let expected = format!("Bearer realm=\"us-east-1\", error=\"insufficient_user_authentication\"{rest}");
        assert_eq!(seen.answer.header("www-authenticate"), Some(expected), "{seen:#?}");
        seen
    };
    let money = ", acr_values=\"urn:x:mfa urn:x:hw\", max_age=\"900\"";
    let plain = login(&issuers, &json!({}));
    site.ask(get("/a").bearer(&plain))
        .await
        .allowed("rule.allowed", "inline");
    let seen = challenged(get("/money/1").bearer(&plain), "identity.step_up", money).await;
    let body = seen.answer.json().unwrap();
    assert_eq!(
        (&body["code"], &body["status"], &body["type"]),
        (
            &json!("insufficient_user_authentication"),
            &json!(401),
            &json!("urn:regionguard:problem:insufficient_user_authentication")
        )
    );
    for wrong in [
        json!({"acr": "urn:x:mfa", "auth_time": now() - 1_000}),
        json!({"acr": "urn:x:mfa", "auth_time": now() + 3_600}),
        json!({"acr": "urn:x:mfa", "auth_time": now().to_string()}),
        json!({"acr": ["urn:x:mfa"], "auth_time": now()}),
        json!({"acr": "urn:x:pwd", "auth_time": now()}),
    ] {
        challenged(
            get("/money/1").bearer(&login(&issuers, &wrong)),
            "identity.step_up",
            money,
        )
        .await;
    }
    let good = login(&issuers, &json!({"acr": "urn:x:hw", "auth_time": now() - 60}));
    for _ in 0..2 {
        site.ask(get("/money/1").bearer(&good))
            .await
            .allowed("rule.allowed", "inline");
    }
    // A deny comes before it, and the center is asked behind it.
    site.ask(get("/money/never").bearer(&plain))
        .await
        .denied(403, "rule.denied", "inline");
    let unasked = challenged(get("/money/ask").bearer(&plain), "identity.step_up", money).await;
    assert_eq!(unasked.asked, 0);
    site.ask(get("/money/ask").bearer(&good))
        .await
        .allowed("center.allowed", CENTER);

    // Without a token it is the ordinary challenge.
    let seen = site.ask(get("/money/1")).await;
    seen.denied(401, "identity.missing", "inline");
    assert_eq!(
        seen.answer.header("www-authenticate").as_deref(),
        Some("Bearer realm=\"us-east-1\"")
    );

    let grpc = get("/money/1")
        .header("content-type", "application/grpc")
        .bearer(&login(&issuers, &json!({"acr": "urn:x:mfa"})));
    let seen = site.ask(grpc).await;
    assert_eq!(seen.decision().reason, "identity.step_up");
    assert_eq!(seen.answer.header("grpc-status").as_deref(), Some("16"), "{seen:#?}");
    let challenge = seen.answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.ends_with(money), "{seen:#?}");

    // Several factors, for all that a policy governs.
    let strong = |token: &str| get("/a").host("strong.us-east-1.com").bearer(token);
    let acr = ", acr_values=\"urn:x:mfa\"";
    for wrong in [
        json!({}),
        json!({"amr": ["pwd", "otp"]}),
        json!({"amr": "mfa"}),
        json!({"acr": "mfa"}),
    ] {
        challenged(strong(&login(&issuers, &wrong)), "identity.mfa_missing", acr).await;
    }
    for right in [json!({"amr": ["pwd", "mfa"]}), json!({"acr": "urn:x:mfa"})] {
        site.ask(strong(&login(&issuers, &right)))
            .await
            .allowed("rule.allowed", "inline");
    }
}

/// The token's signature is verified once; the age of its login is looked at each time.
#[tokio::test]
async fn a_login_ages_in_the_cache() {
    let issuers = Issuers::new();
    let site = Site::start("step-up-age", &shop(&issuers)).await;
    let fresh = login(&issuers, &json!({"auth_time": now() + 2}));
    let ask = async || site.ask(get("/short").bearer(&fresh)).await;
    ask().await.allowed("rule.allowed", "inline");
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let seen = ask().await;
    seen.denied(401, "identity.step_up", "inline");
    let challenge = seen.answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.ends_with(", max_age=\"3\""), "{challenge}");
    site.ask(get("/a").bearer(&fresh))
        .await
        .allowed("rule.allowed", "inline");
}
