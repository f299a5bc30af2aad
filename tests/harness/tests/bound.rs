//! Tokens that are bound to their sender, on a real Envoy.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Issuers, Seen, Site, US, bundle, claims, get, policy, sign};
use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::issuer::Issuer;
use regionguard_harness::tls::{Authority, ClientCertificates, Identity};
use serde_json::{Value, json};

const PATH: &str = "/profile";

fn shop(issuers: &Issuers) -> Value {
    let rules = json!([
        {"name": "read", "paths": [PATH], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "identity": "none", "effect": "allow"},
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
    async fn start(name: &str, base: Base, bundle: &Value, edit: impl FnOnce(Config) -> Config) -> Self {
        let authority = Authority::new().unwrap();
        let site = Site::start_with(name, base, bundle, |config| {
            edit(config.tls(&authority, ClientCertificates::Optional).unwrap())
        })
        .await;
        Self { authority, site }
    }

    async fn ask(&self, identity: Option<&Identity>, protocol: Protocol, request: Request) -> Seen {
        self.ask_from(US, identity, protocol, request).await
    }

    async fn ask_from(&self, source: &str, identity: Option<&Identity>, protocol: Protocol, request: Request) -> Seen {
        let client = self.site.client(source).tls(&self.authority, identity).unwrap();
        let client = client.over(protocol);
        self.site.observe(async { client.send(&request).await.unwrap() }).await
    }
}

/// RFC 8705: with its certificate, without one, with another one; on the first sight of the token and on every later one.
#[tokio::test]
async fn a_token_counts_with_its_certificate_only() {
    let issuers = Issuers::new();
    let mutual = Mutual::start("bound-certificate", Base::Gateway, &shop(&issuers), |config| config).await;
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

const EDGE: &str = "spiffe://prod/ns/edge/sa/edge";

/// An edge by its name, and one by its network.
fn behind_edges(issuers: &Issuers, hops: u32) -> Value {
    let edge = |peer: &str| json!({"peers": [peer], "addressHeader": "x-forwarded-for", "hops": hops, "certificateHeader": "x-forwarded-client-cert"});
    let mut bundle = shop(issuers);
    bundle["trust"]["edges"] = json!([edge(EDGE), edge("127.0.9.0/24")]);
    bundle
}

fn forwarding(config: Config, details: &str) -> Config {
    config.edit_http(|http| http["forward_client_cert_details"] = json!(details))
}

/// RFC 8705 behind a gateway: its header counts, and the same header from anybody else does not. As in an Istio sidecar, Envoy appends what it saw itself.
#[tokio::test]
async fn a_certificate_behind_an_edge_is_the_one_that_the_edge_names() {
    let issuers = Issuers::new();
    let bundle = behind_edges(&issuers, 1);
    for details in ["APPEND_FORWARD", "FORWARD_ONLY"] {
        let edit = |config| forwarding(config, details);
        let mutual = Mutual::start("bound-edge", Base::Sidecar, &bundle, edit).await;
        let workload = |uris: &[&str]| mutual.authority.workload(uris).unwrap();
        let (alice, edge, plain) = (workload(&[]), workload(&[EDGE]), workload(&[]));
        let mallory = workload(&["spiffe://prod/ns/web/sa/web"]);
        let token = bound(&issuers.us, &json!({"x5t#S256": thumbprint(&alice)}));
        let named = |certificate: &Identity| {
            let element = format!("By=spiffe://x;Hash={};Subject=\"CN=a,b\";URI=", hex(certificate));
            get(PATH).bearer(&token).header("x-forwarded-client-cert", element)
        };
        let (missing, other) = ("identity.certificate_missing", "identity.certificate_other");
        for (source, identity) in [(US, &edge), ("127.0.9.7", &plain)] {
            let ask = async |request: Request| mutual.ask_from(source, Some(identity), Protocol::Http2, request).await;
            ask(named(&alice)).await.allowed("rule.allowed", "inline");
            ask(named(&mallory)).await.denied(401, other, "inline");
            ask(get(PATH).bearer(&token)).await.denied(401, missing, "inline");
            // What the edge's caller wrote stands to the left of what the edge writes.
            let forged = format!("Hash={},Subject=\",Hash={}", hex(&alice), hex(&mallory));
            let forged = get(PATH).bearer(&token).header("x-forwarded-client-cert", forged);
            ask(forged).await.denied(401, other, "inline");
            ask(named(&alice)).await.allowed("rule.allowed", "inline");
        }
        // From inside of the mesh, with a valid certificate, and from an address beside the edge's network.
        for source in [US, "127.0.8.7"] {
            let seen = mutual
                .ask_from(source, Some(&mallory), Protocol::Http2, named(&alice))
                .await;
            seen.denied(401, other, "inline");
        }
        let direct = mutual
            .ask(Some(&alice), Protocol::Http2, get(PATH).bearer(&token))
            .await;
        direct.allowed("rule.allowed", "inline");
        // The edge's own certificate stands for nobody.
        let of_edge = bound(&issuers.us, &json!({"x5t#S256": thumbprint(&edge)}));
        let seen = mutual
            .ask(Some(&edge), Protocol::Http2, get(PATH).bearer(&of_edge))
            .await;
        seen.denied(401, missing, "inline");
    }
}

/// `X-Forwarded-For` moves nobody but those behind an edge, and these only as far as the edge itself says.
#[tokio::test]
async fn an_address_behind_an_edge_is_the_one_that_the_edge_names() {
    let issuers = Issuers::new();
    // The shipped gateway appends the direct peer to the header, the shipped sidecar leaves it as it is.
    for (base, hops) in [(Base::Sidecar, 1), (Base::Gateway, 2)] {
        let mutual = Mutual::start("edge-address", base, &behind_edges(&issuers, hops), |config| config).await;
        let edge = mutual.authority.workload(&[EDGE]).unwrap();
        let ask = async |source: &str, identity: Option<&Identity>, forwarded_for: &[&str]| {
            let request = forwarded_for
                .iter()
                .fold(get("/near"), |request, value| request.header("x-forwarded-for", value));
            let seen = mutual.ask_from(source, identity, Protocol::Http1, request).await;
            let regions = seen.decision().regions.clone();
            regions.split('>').nth(1).unwrap_or_default().to_owned()
        };
        for (source, identity) in [("127.0.9.7", None), ("127.0.3.7", Some(&edge))] {
            for (header, expected) in [
                (&["127.0.1.5"][..], "us-east-1"),
                (&["127.0.1.5, 127.0.2.5"], "eu-west-1"),
                (&["127.0.1.5", "127.0.2.5"], "eu-west-1"),
                (&["unknown, 127.0.1.5:4711"], "us-east-1"),
                (&["127.0.1.5, unknown"], "?"),
                (&["203.0.113.9"], "?"),
                (&["\"127.0.1.5\""], "?"),
            ] {
                assert_eq!(
                    ask(source, identity, header).await,
                    expected,
                    "{base:?} {source} {header:?}"
                );
            }
            assert_eq!(ask(source, identity, &[]).await, "?", "{base:?} {source}");
        }
        assert_eq!(
            ask("127.0.2.7", None, &["127.0.1.5"]).await,
            "eu-west-1",
            "forged by a client"
        );
        assert_eq!(
            ask("127.0.8.7", None, &["127.0.1.5"]).await,
            "?",
            "forged from beside the edge's network"
        );
    }
}
