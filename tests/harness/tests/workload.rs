//! Who is at the other end of an mTLS connection, as rules and centers see it on a real Envoy.

mod common;

use common::{CENTER, HOST, Issuers, Seen, Site, US, bundle, get, policy, token};
use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::Base;
use regionguard_harness::tls::{Authority, ClientCertificates, Identity};
use serde_json::{Value, json};

const WEB: &str = "spiffe://prod/ns/web/sa/web";

fn shop(issuers: &Issuers, peer_verification: Option<&str>, rules: &Value) -> Value {
    let mut regions = issuers.regions();
    regions[0]["spec"]["trustDomains"] = json!(["prod"]);
    let mut bundle = bundle(41, &regions, &[policy("shop", json!({"rules": rules}))]);
    if let Some(word) = peer_verification {
        bundle["trust"]["peerVerification"] = json!(word);
    }
    bundle
}

fn rules() -> Value {
    json!([
        {"name": "service", "paths": ["/service"], "identity": "none", "from": {"workloads": ["spiffe://prod/ns/web/*"]}, "effect": "allow"},
        {"name": "both", "paths": ["/both"], "from": {"workloads": [WEB]}, "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "open", "paths": ["/guarded"], "identity": "none", "effect": "allow"},
        {"name": "not-web", "paths": ["/guarded"], "from": {"workloads": ["spiffe://prod/ns/web/*"]}, "effect": "deny"},
        {"name": "ask", "paths": ["/ask"], "identity": "none", "effect": "defer"},
    ])
}

/// An edge that speaks TLS, and who may come to it.
struct Mutual {
    authority: Authority,
    site: Site,
}

impl Mutual {
    async fn start(name: &str, bundle: &Value, client_certificates: ClientCertificates) -> Self {
        let authority = Authority::new().unwrap();
        let site = Site::start_with(name, Base::Gateway, bundle, |config| {
            config.tls(&authority, client_certificates).unwrap()
        })
        .await;
        Self { authority, site }
    }

    fn workload(&self, uris: &[&str]) -> Identity {
        self.authority.workload(uris).unwrap()
    }

    async fn ask(&self, identity: Option<&Identity>, protocol: Protocol, request: Request) -> Seen {
        let client = self.site.client(US).tls(&self.authority, identity).unwrap();
        let client = client.over(protocol);
        self.site.observe(async { client.send(&request).await.unwrap() }).await
    }
}

#[tokio::test]
async fn a_rule_is_for_the_workloads_that_it_names() {
    let issuers = Issuers::new();
    let bundle = shop(&issuers, Some("required"), &rules());
    let mutual = Mutual::start("workload", &bundle, ClientCertificates::Required).await;
    let web = mutual.workload(&[WEB]);
    let other = mutual.workload(&["spiffe://prod/ns/web-2/sa/web"]);
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let ask = async |identity: &Identity, request: Request| mutual.ask(Some(identity), protocol, request).await;
        ask(&web, get("/service")).await.allowed("rule.public", "inline");
        ask(&web, get("/both").bearer(&alice))
            .await
            .allowed("rule.allowed", "inline");
        ask(&web, get("/both")).await.denied(401, "identity.missing", "inline");
        ask(&web, get("/guarded")).await.denied(403, "rule.denied", "inline");

        ask(&other, get("/service"))
            .await
            .denied(401, "identity.missing", "inline");
        ask(&other, get("/both").bearer(&alice))
            .await
            .denied(403, "rule.workload", "inline");
        ask(&other, get("/guarded")).await.allowed("rule.public", "inline");
    }

    // What a client writes about itself counts for nothing.
    let claiming = get("/service")
        .header("x-forwarded-client-cert", format!("URI={WEB}"))
        .header("x-regionguard-subject", WEB);
    mutual
        .ask(Some(&other), Protocol::Http1, claiming)
        .await
        .denied(401, "identity.missing", "inline");
}

#[tokio::test]
async fn certificates_that_name_no_single_workload_name_none() {
    let issuers = Issuers::new();
    let bundle = shop(&issuers, Some("required"), &rules());
    let mutual = Mutual::start("workload-none", &bundle, ClientCertificates::Optional).await;
    let nobodies = [
        Some(mutual.workload(&[])),
        Some(mutual.workload(&[WEB, "spiffe://prod/ns/web/sa/api"])),
        Some(mutual.workload(&[WEB, "https://prod/web"])),
        Some(mutual.workload(&["https://prod/web"])),
        Some(mutual.workload(&["spiffe://prod/ns/web/sa/web?x"])),
        // A listener that does not demand one: still nobody.
        None,
    ];
    for identity in &nobodies {
        let ask = async |path: &str| mutual.ask(identity.as_ref(), Protocol::Http1, get(path)).await;
        ask("/service").await.denied(401, "identity.missing", "inline");
        ask("/guarded").await.denied(403, "rule.condition_unknown", "inline");
        ask("/ask").await.allowed("center.allowed", CENTER);
        let question = question(&mutual.site);
        assert_eq!(question["subject"]["type"], "anonymous");
        assert_eq!(question["context"]["source"].get("workload"), None);
    }
}

fn question(site: &Site) -> Value {
    site.center.calls().pop().expect("a question").body
}

#[tokio::test]
async fn a_center_is_told_the_workload() {
    let issuers = Issuers::new();
    let bundle = shop(&issuers, Some("required"), &rules());
    let mutual = Mutual::start("workload-center", &bundle, ClientCertificates::Required).await;
    let web = mutual.workload(&[WEB]);
    mutual
        .ask(Some(&web), Protocol::Http1, get("/ask"))
        .await
        .allowed("center.allowed", CENTER);
    let asked = question(&mutual.site);
    assert_eq!(
        asked["subject"],
        json!({"type": "workload", "id": WEB, "properties": {"home": "us-east-1", "workload": WEB}})
    );
    assert_eq!(asked["context"]["source"]["workload"], WEB);
    let alice = get("/ask").bearer(&token(&issuers.us, "alice", &[]));
    mutual
        .ask(Some(&web), Protocol::Http1, alice)
        .await
        .allowed("center.allowed", CENTER);
    let subject = &question(&mutual.site)["subject"];
    assert_eq!(
        (&subject["id"], &subject["properties"]["workload"]),
        (&json!("alice"), &json!(WEB))
    );
}

/// The listener validates, but nobody has said so: a rule about workloads does not load, and nothing is told to a center.
#[tokio::test]
async fn without_peer_verification_nobody_has_an_identity() {
    let issuers = Issuers::new();
    let plain = json!([{"name": "ask", "paths": ["/ask"], "identity": "none", "effect": "defer"}]);
    let bundle = shop(&issuers, Some("none"), &plain);
    let mutual = Mutual::start("workload-unverified", &bundle, ClientCertificates::Required).await;
    let web = mutual.workload(&[WEB]);
    let ask = async || {
        mutual
            .ask(Some(&web), Protocol::Http1, get("/ask"))
            .await
            .allowed("center.allowed", CENTER);
        let asked = question(&mutual.site);
        assert_eq!(asked["subject"]["type"], "anonymous");
        assert_eq!(asked["context"]["source"].get("workload"), None);
    };
    ask().await;
    for word in [None, Some("none")] {
        let wrong = shop(&issuers, word, &rules());
        let pushed = mutual
            .site
            .envoy
            .push(&mutual.site.folder, |folder| folder.write(&wrong))
            .await;
        assert_eq!(pushed.unwrap(), regionguard_harness::envoy::Push::Refused);
        let log = mutual.site.module_log().join("\n");
        assert!(
            log.contains("from.workloads: no peer has an identity here"),
            "{HOST}: {log}"
        );
    }
    ask().await;
}
