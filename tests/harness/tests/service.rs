//! Services on a real Envoy: workloads of federated trust domains, each from its own authority, with certificates, with JWT-SVIDs, and behind a gateway.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{CENTER, HOST, Issuers, Seen, Site, US, bundle, claims, get, policy, sign, token};
use regionguard_harness::Result;
use regionguard_harness::client::{Protocol, Request, Response};
use regionguard_harness::config::Base;
use regionguard_harness::issuer::{Alg, Issuer, Kind, now, with_bad_signature};
use regionguard_harness::tls::{Authority, Identity};
use serde_json::{Value, json};

const REPORTER: &str = "spiffe://prod/ns/billing/sa/reporter";
const GATEWAY: &str = "spiffe://prod/ns/edge/sa/gateway";
const PAY: &str = "spiffe://eu.example/ns/pay/sa/a";
const OTHER: &str = "spiffe://eu.example/ns/web/sa/a";
const UNLISTED: &str = "spiffe://unlisted.example/ns/pay/sa/a";

/// Issues JWT-SVIDs, and nothing else.
fn svids() -> Issuer {
    Issuer::without_keys("unused", "us-east-1")
        .with_key("C6vs25we", Kind::P256)
        .unwrap()
}

fn svid(issuer: &Issuer, subject: &str) -> String {
    let claims = json!({"sub": subject, "aud": [HOST], "exp": now() + 300, "iat": now()});
    let header = json!({"alg": "ES256", "kid": "C6vs25we", "typ": "JOSE"});
    issuer
        .mint_with_header(Alg::Es256, "C6vs25we", &header, &claims)
        .unwrap()
}

fn shop(issuers: &Issuers, svids: &Issuer) -> Value {
    let mut regions = issuers.regions();
    let us = &mut regions[0]["spec"];
    us["trustDomains"] = json!(["prod"]);
    us["accepts"][0]["workloads"] = json!(["spiffe://eu.example/ns/pay/*"]);
    let mut jwk = svids.jwk("C6vs25we").unwrap();
    jwk["use"] = json!("jwt-svid");
    us["keys"]["jwks"]["keys"].as_array_mut().unwrap().push(jwk);
    regions[1]["spec"]["trustDomains"] = json!(["eu.example"]);
    let rules = json!({"rules": [
        {"name": "report", "paths": ["/report"], "identity": "workload", "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "identity": "workload", "effect": "defer"},
        {"name": "read", "paths": ["/read"], "effect": "allow"},
    ]});
    let strict = json!({
        "selector": {"hosts": ["strict.us-east-1.com"]},
        "identity": {"authentication": [{"method": "certificate"}]},
    });
    let mut bundle = bundle(41, &regions, &[policy("shop", rules), policy("strict", strict)]);
    bundle["trust"] = json!({
        "hosts": [HOST, "strict.us-east-1.com"],
        "peerVerification": "required",
        "edges": [{"peers": [GATEWAY], "certificateHeader": "x-forwarded-client-cert"}],
    });
    bundle
}

/// Three authorities, each for the workloads of its own trust domain, and the site that takes certificates of all of them.
struct Federation {
    us: Authority,
    eu: Authority,
    unlisted: Authority,
    site: Site,
}

impl Federation {
    async fn start(name: &str, bundle: &Value) -> Self {
        let [us, eu, unlisted] = [(), (), ()].map(|()| Authority::new().unwrap());
        let domains = [("prod", &us), ("eu.example", &eu), ("unlisted.example", &unlisted)];
        let socket = us.federation(&domains).unwrap();
        let site = Site::start_with(name, Base::Gateway, bundle, |config| {
            config.edit(|bootstrap| {
                bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = socket;
            })
        })
        .await;
        Self { us, eu, unlisted, site }
    }

    async fn send(&self, identity: &Identity, request: &Request) -> Result<Response> {
        let client = self.site.client(US).tls(&self.us, Some(identity))?;
        client.over(Protocol::Http2).send(request).await
    }

    async fn ask(&self, identity: &Identity, request: Request) -> Seen {
        self.site
            .observe(async { self.send(identity, &request).await.unwrap() })
            .await
    }
}

#[tokio::test]
async fn a_service_needs_no_token_where_its_workload_counts() {
    let issuers = Issuers::new();
    let mesh = Federation::start("service", &shop(&issuers, &svids())).await;
    let ours = mesh.us.workload(&[REPORTER]).unwrap();
    let accepted = mesh.eu.workload(&[PAY]).unwrap();
    for (identity, home) in [(&ours, "us-east-1"), (&accepted, "eu-west-1")] {
        let seen = mesh.ask(identity, get("/report")).await;
        seen.allowed("rule.allowed", "inline");
        assert_eq!(seen.decision().regions, format!("{home}>->us-east-1"));
        let seen = mesh.ask(identity, get("/ask")).await;
        seen.allowed("center.allowed", CENTER);
        let subject = &mesh.site.center.calls().pop().expect("a question").body["subject"];
        assert_eq!(
            (&subject["type"], &subject["properties"]["home"]),
            (&json!("workload"), &json!(home))
        );
        mesh.ask(identity, get("/read"))
            .await
            .denied(401, "identity.missing", "inline");
    }
    let not_accepted = "identity.workload_not_accepted";
    for identity in [
        mesh.eu.workload(&[OTHER]).unwrap(),
        mesh.unlisted.workload(&[UNLISTED]).unwrap(),
        // The gateway's own certificate stands for nobody behind it.
        mesh.us.workload(&[GATEWAY]).unwrap(),
    ] {
        for path in ["/report", "/ask"] {
            let seen = mesh.ask(&identity, get(path)).await;
            seen.denied(401, not_accepted, "inline");
            let nowhere = mesh.ask(&identity, get("/nowhere")).await;
            nowhere.denied(401, "identity.missing", "inline");
            let told = |seen: &Seen| {
                (
                    seen.answer.header("www-authenticate"),
                    seen.answer.json().unwrap()["code"].clone(),
                )
            };
            assert_eq!(told(&seen), told(&nowhere), "the path is not told from another");
        }
    }
    // A token beside the certificate is never overlooked.
    let alice = token(&issuers.us, "alice", &[]);
    mesh.ask(&ours, get("/report").bearer(&alice))
        .await
        .allowed("rule.allowed", "inline");
    let forged = with_bad_signature(&alice).unwrap();
    mesh.ask(&ours, get("/report").bearer(&forged))
        .await
        .denied(401, "identity.signature", "inline");
    // An authority vouches for its own trust domain alone: this peer never gets as far as the filter.
    let lines = mesh.site.envoy.access_log().entries().len();
    let stolen_name = mesh.eu.workload(&[REPORTER]).unwrap();
    assert!(mesh.send(&stolen_name, &get("/report")).await.is_err());
    assert_eq!(mesh.site.envoy.access_log().entries().len(), lines);
}

#[tokio::test]
async fn a_certificate_is_the_callers_own_and_a_token_may_be_a_services() {
    let (issuers, svids) = (Issuers::new(), svids());
    let mesh = Federation::start("service-tokens", &shop(&issuers, &svids)).await;
    let ours = mesh.us.workload(&[REPORTER]).unwrap();
    let gateway = mesh.us.workload(&[GATEWAY]).unwrap();
    let strict = |token: &str| get("/read").host("strict.us-east-1.com").bearer(token);
    // A user's token through somebody else's certificate: the token is good, the requirement is not met.
    let alice = token(&issuers.us, "alice", &[]);
    mesh.ask(&gateway, get("/read").bearer(&alice))
        .await
        .allowed("rule.allowed", "inline");
    for identity in [&gateway, &ours] {
        mesh.ask(identity, strict(&alice))
            .await
            .denied(403, "identity.certificate_required", "inline");
    }
    let mut bound = claims(&issuers.us, "alice", &[]);
    bound["cnf"] = json!({"x5t#S256": URL_SAFE_NO_PAD.encode(ours.sha256().unwrap())});
    let bound = sign(&issuers.us, &bound);
    mesh.ask(&ours, strict(&bound)).await.allowed("rule.allowed", "inline");
    mesh.ask(&gateway, strict(&bound))
        .await
        .denied(401, "identity.certificate_missing", "inline");

    // A JWT-SVID is a token, on first sight and from the cache; with its own certificate it meets the requirement too.
    let reporter = svid(&svids, REPORTER);
    for _ in 0..2 {
        let seen = mesh.ask(&gateway, get("/read").bearer(&reporter)).await;
        seen.allowed("rule.allowed", "inline");
        assert_eq!(seen.decision().regions, "us-east-1>->us-east-1");
        mesh.ask(&gateway, strict(&reporter))
            .await
            .denied(403, "identity.certificate_required", "inline");
        mesh.ask(&ours, strict(&reporter))
            .await
            .allowed("rule.allowed", "inline");
    }
    for (token, reason) in [
        (svid(&svids, PAY), "identity.key_unknown"),
        (svid(&svids, UNLISTED), "identity.claims"),
        (with_bad_signature(&reporter).unwrap(), "identity.signature"),
        (
            sign(&issuers.us, &json!({"sub": REPORTER, "aud": HOST, "exp": now() + 300})),
            "identity.key_unknown",
        ),
    ] {
        mesh.ask(&ours, get("/read").bearer(&token))
            .await
            .denied(401, reason, "inline");
    }
}
