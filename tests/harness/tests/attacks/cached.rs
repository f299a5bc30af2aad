//! Tokens that were good a moment ago: the cache of verified tokens saves a signature, and no other check.

use std::time::Duration;

use regionguard_harness::issuer::{Alg, Issuer, Kind, now};
use serde_json::{Value, json};

use crate::common::{EU, ISSUER, Issuers, Site, bundle, claims, sign, token};
use crate::scene::{profile, shop, site, unharmed};

/// Puts a newer version in force, with these Regions and further documents.
async fn push(site: &Site, version: u64, regions: &[Value], more: &[Value]) {
    let documents = [&[shop()], more].concat();
    let pushed = bundle(version, regions, &documents);
    site.envoy
        .push(&site.folder, |folder| folder.write(&pushed))
        .await
        .unwrap();
}

/// The token is let in, and then again by the cache.
async fn cached(site: &Site, token: &str) {
    let before = site.counter("token_cache.hit").await;
    for _ in 0..2 {
        site.ask(profile(token)).await.allowed("rule.allowed", "inline");
    }
    assert!(
        site.counter("token_cache.hit").await > before,
        "the cache does not know it"
    );
}

#[tokio::test]
async fn a_token_cached_before_its_key_was_removed() {
    let two = Issuer::without_keys(ISSUER, "us-east-1")
        .with_key("old", Kind::P256)
        .unwrap();
    let issuers = Issuers {
        us: two.with_key("new", Kind::P256).unwrap(),
        ..Issuers::new()
    };
    let site = site("attacks-removed-key", &issuers).await;
    let by = |kid: &str| {
        issuers
            .us
            .mint(Alg::Es256, kid, &claims(&issuers.us, "alice", &["read:profile"]))
            .unwrap()
    };
    let (old, new) = (by("old"), by("new"));
    cached(&site, &old).await;
    cached(&site, &new).await;

    let only = |jwk: Value| {
        let mut regions = issuers.regions();
        regions[0]["spec"]["keys"]["jwks"]["keys"] = json!([jwk]);
        regions
    };
    push(&site, 42, &only(issuers.us.jwk("new").unwrap()), &[]).await;
    site.ask(profile(&old))
        .await
        .denied(401, "identity.key_unknown", "inline");
    site.ask(profile(&new)).await.allowed("rule.allowed", "inline");

    // Another key under the name of the old one.
    let mut impostor = Issuer::without_keys(ISSUER, "us-east-1")
        .with_key("old", Kind::P256)
        .unwrap()
        .jwk("old")
        .unwrap();
    push(&site, 43, &only(impostor.clone()), &[]).await;
    site.ask(profile(&old))
        .await
        .denied(401, "identity.signature", "inline");
    site.ask(profile(&new))
        .await
        .denied(401, "identity.key_unknown", "inline");

    // The same key for another algorithm, and for encryption: it is no key for this token any more.
    impostor = issuers.us.jwk("new").unwrap();
    impostor["use"] = json!("enc");
    let mut regions = issuers.regions();
    regions[0]["spec"]["keys"]["jwks"]["keys"] = json!([impostor, issuers.us.jwk("old").unwrap()]);
    push(&site, 44, &regions, &[]).await;
    site.ask(profile(&new))
        .await
        .denied(401, "identity.key_unknown", "inline");
    site.ask(profile(&old)).await.allowed("rule.allowed", "inline");

    // And back: nothing was lost by it.
    push(&site, 45, &issuers.regions(), &[]).await;
    for token in [&old, &new] {
        site.ask(profile(token)).await.allowed("rule.allowed", "inline");
    }
}

#[tokio::test]
async fn a_token_cached_before_its_expiry() {
    let issuers = Issuers::new();
    let site = site("attacks-expiry", &issuers).await;
    // 30 seconds of leeway, and five to live.
    let mut dying = claims(&issuers.us, "alice", &["read:profile"]);
    dying["exp"] = json!(now() - 25);
    dying["iat"] = json!(now() - 3600);
    let end = now() + 5;
    let dying = sign(&issuers.us, &dying);
    let lasting = token(&issuers.us, "alice", &["read:profile"]);
    for token in [&dying, &lasting, &dying] {
        site.ask(profile(token)).await.allowed("rule.allowed", "inline");
    }
    while now() <= end + 1 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for _ in 0..2 {
        site.ask(profile(&dying))
            .await
            .denied(401, "identity.expired", "inline");
    }
    cached(&site, &lasting).await;
    unharmed(&site, &issuers).await;
}

#[tokio::test]
async fn a_token_cached_before_its_revocation() {
    let issuers = Issuers::new();
    let site = site("attacks-revocation", &issuers).await;
    let mut alice = claims(&issuers.us, "alice", &["read:profile"]);
    (alice["jti"], alice["sid"]) = (json!("stolen-1"), json!("session-1"));
    let mut bob = claims(&issuers.us, "bob", &["read:profile"]);
    (bob["jti"], bob["sid"]) = (json!("kept-1"), json!("session-2"));
    let (alice, bob) = (sign(&issuers.us, &alice), sign(&issuers.us, &bob));
    cached(&site, &alice).await;
    cached(&site, &bob).await;

    let revoked = |spec: Value| json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "incident"}, "spec": spec});
    let entries = [
        json!({"tokens": [{"issuer": ISSUER, "jti": "stolen-1"}]}),
        json!({"subjects": [{"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": "2100-01-01T00:00:00Z"}]}),
        json!({"sessions": [{"issuer": ISSUER, "sid": "session-1"}]}),
    ];
    let mut version = 42;
    for entry in entries {
        push(&site, version, &issuers.regions(), &[revoked(entry.clone())]).await;
        for _ in 0..2 {
            site.ask(profile(&alice))
                .await
                .denied(401, "identity.revoked", "inline");
        }
        site.ask(profile(&bob)).await.allowed("rule.allowed", "inline");
        // It is the entry that refuses it.
        push(&site, version + 1, &issuers.regions(), &[]).await;
        site.ask(profile(&alice)).await.allowed("rule.allowed", "inline");
        version += 2;
    }
    let key = json!({"keys": [{"region": "us-east-1", "kid": "us-east-1-p256"}]});
    push(&site, version, &issuers.regions(), &[revoked(key)]).await;
    for token in [&alice, &bob] {
        site.ask(profile(token)).await.denied(401, "identity.revoked", "inline");
    }
    let theirs = token(&issuers.eu, "alice", &["read:profile"]);
    site.ask_from(EU, profile(&theirs))
        .await
        .allowed("rule.allowed", "inline");
}

#[tokio::test]
async fn a_token_cached_before_its_region_or_audience_was_taken_away() {
    let issuers = Issuers::new();
    let site = site("attacks-taken-away", &issuers).await;
    let ours = token(&issuers.us, "alice", &["read:profile"]);
    let theirs = token(&issuers.eu, "bob", &["read:profile"]);
    cached(&site, &ours).await;
    for _ in 0..2 {
        site.ask_from(EU, profile(&theirs))
            .await
            .allowed("rule.allowed", "inline");
    }

    let mut regions = issuers.regions();
    regions[0]["spec"]["accepts"] = json!([{"home": "eu-west-1", "permissions": ["write:*"], "roles": ["viewer"]}]);
    push(&site, 42, &regions, &[]).await;
    site.ask_from(EU, profile(&theirs))
        .await
        .denied(403, "permission.not_accepted", "inline");
    regions[0]["spec"].as_object_mut().unwrap().remove("accepts");
    push(&site, 43, &regions, &[]).await;
    site.ask_from(EU, profile(&theirs))
        .await
        .denied(401, "region.not_accepted", "inline");

    regions = issuers.regions();
    regions[0]["spec"]["audiences"] = json!(["new.us-east-1.com"]);
    push(&site, 44, &regions, &[]).await;
    for (source, token) in [(crate::common::US, &ours), (EU, &theirs)] {
        site.ask_from(source, profile(token))
            .await
            .denied(401, "identity.audience", "inline");
    }
    regions = issuers.regions();
    regions[0]["spec"]["maxTokenLifetime"] = json!("10m");
    push(&site, 45, &regions, &[]).await;
    site.ask(profile(&ours))
        .await
        .denied(401, "identity.lifetime", "inline");
    push(&site, 46, &issuers.regions(), &[]).await;
    cached(&site, &ours).await;
    unharmed(&site, &issuers).await;
}
