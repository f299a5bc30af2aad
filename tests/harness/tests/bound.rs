//! Tokens that are bound to their sender, on a real Envoy.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Issuers, Seen, Site, US, bundle, claims, get, policy, sign};
use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::Base;
use regionguard_harness::issuer::Issuer;
use regionguard_harness::tls::{Authority, ClientCertificates, Identity};
use serde_json::{Value, json};

const PATH: &str = "/profile";

fn shop(issuers: &Issuers) -> Value {
    let rules = json!([
        {"name": "read", "paths": [PATH], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]);
    let mut bundle = bundle(41, &issuers.regions(), &[policy("shop", json!({"rules": rules}))]);
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

/// A token of alice's that is bound so.
fn bound(issuer: &Issuer, cnf: &Value) -> String {
    let mut claims = claims(issuer, "alice", &["read:profile"]);
    claims["cnf"] = cnf.clone();
    sign(issuer, &claims)
}

fn thumbprint(identity: &Identity) -> String {
    URL_SAFE_NO_PAD.encode(identity.sha256().unwrap())
}

/// A client, the listener that it speaks TLS with, and the site behind that.
struct Mutual {
    authority: Authority,
    site: Site,
}

impl Mutual {
    async fn start(name: &str, bundle: &Value) -> Self {
        let authority = Authority::new().unwrap();
        let site = Site::start_with(name, Base::Gateway, bundle, |config| {
            config.tls(&authority, ClientCertificates::Optional).unwrap()
        })
        .await;
        Self { authority, site }
    }

    async fn ask(&self, identity: Option<&Identity>, protocol: Protocol, request: Request) -> Seen {
        let client = self.site.client(US).tls(&self.authority, identity).unwrap();
        let client = client.over(protocol);
        self.site.observe(async { client.send(&request).await.unwrap() }).await
    }
}

/// RFC 8705: with its certificate, without one, with another one; on the first sight of the token and on every later one.
#[tokio::test]
async fn a_token_counts_with_its_certificate_only() {
    let issuers = Issuers::new();
    let mutual = Mutual::start("bound-certificate", &shop(&issuers)).await;
    let (alice, mallory) = (
        mutual.authority.workload(&[]).unwrap(),
        mutual.authority.workload(&[]).unwrap(),
    );
    let token = bound(&issuers.us, &json!({"x5t#S256": thumbprint(&alice)}));
    let (missing, other) = ("identity.certificate_missing", "identity.certificate_other");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let ask = async |identity: Option<&Identity>, path: &str| {
            mutual.ask(identity, protocol, get(path).bearer(&token)).await
        };
        for _ in 0..2 {
            ask(Some(&mallory), PATH).await.denied(401, other, "inline");
            ask(None, PATH).await.denied(401, missing, "inline");
            ask(Some(&alice), PATH).await.allowed("rule.allowed", "inline");
        }
        // Who stole it is nobody, and what is open to everybody is open; the upstream sees no token.
        let seen = ask(Some(&mallory), "/open").await;
        seen.allowed("rule.public", "inline");
        // A header in which the client says what it likes about its certificate.
        let claimed = get(PATH)
            .bearer(&token)
            .header("x-forwarded-client-cert", format!("Hash={}", hex(&alice)));
        mutual
            .ask(Some(&mallory), protocol, claimed)
            .await
            .denied(401, other, "inline");
    }
}

fn hex(identity: &Identity) -> String {
    identity
        .sha256()
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
