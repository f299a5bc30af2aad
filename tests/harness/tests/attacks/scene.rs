//! One proxy for each family of attacks, and what every attack has to come to.

use regionguard_harness::client::Request;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::issuer::Issuer;
use serde_json::{Value, json};

use crate::common::{ISSUER, Issuers, Site, bundle, get, policy, token};

/// A policy that lets everybody who may `read:profile` read profiles, and those who may `local:only` what is local.
pub fn shop() -> Value {
    policy(
        "shop",
        json!({
            "forward": {"token": "pass", "claims": {"x-user": "sub"}},
            "rules": [
                {"name": "profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
                {"name": "local", "methods": ["GET"], "paths": ["/v1/local"], "permissions": {"anyOf": ["local:only"]}, "effect": "allow"},
                {"name": "admin", "methods": ["GET"], "paths": ["/v1/admin"], "roles": {"anyOf": ["admin"]}, "effect": "allow"},
            ],
        }),
    )
}

/// A proxy with [`shop`] and these regions.
pub async fn site(name: &str, issuers: &Issuers) -> Site {
    site_with(name, issuers, |config| config).await
}

/// The same with another bootstrap.
pub async fn site_with(name: &str, issuers: &Issuers, edit: impl FnOnce(Config) -> Config) -> Site {
    Site::start_with(name, Base::Sidecar, &bundle(41, &issuers.regions(), &[shop()]), edit).await
}

/// Issuers of which the local one has a key of each kind.
pub fn every_kind() -> Issuers {
    Issuers {
        us: Issuer::new(ISSUER, "us-east-1").unwrap(),
        ..Issuers::new()
    }
}

pub fn profile(token: &str) -> Request {
    get("/v1/profiles/42").bearer(token)
}

/// Each of these tokens is answered 401 for its reason and reaches no upstream; and the proxy is none the worse for it.
pub async fn refused(site: &Site, cases: Vec<(String, String, &str)>) {
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for (what, token, reason) in &cases {
        // Each from another peer: their budgets of failures are not what this is about.
        let peer = format!("127.0.1.{}", 2 + next_peer());
        let seen = site.ask_from(&peer, profile(token)).await;
        let found = (seen.answer.status, seen.decision().reason, seen.upstream.len());
        if found != (401, (*reason).to_owned(), 0) {
            wrong.push(format!("{what}: {found:?} instead of 401 {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} attacks refused", cases.len());
}

fn next_peer() -> u8 {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % 250
}

/// An honest caller is served, and the module never trapped.
pub async fn unharmed(site: &Site, issuers: &Issuers) {
    let honest = token(&issuers.us, "honest", &["read:profile"]);
    site.ask(profile(&honest)).await.allowed("rule.allowed", "inline");
    never_trapped(site).await;
}

/// The module was never loaded anew.
pub async fn never_trapped(site: &Site) {
    let stats = site.envoy.stats().await.unwrap();
    let reloads: Vec<_> = stats
        .iter()
        .filter(|(name, value)| name.contains("vm_reload") && **value > 0)
        .collect();
    assert!(reloads.is_empty(), "the module trapped: {reloads:?}");
}
