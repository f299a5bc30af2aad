//! Tokens that are bound to a key (RFC 9449), and what becomes of their proofs, on a real Envoy.

mod common;

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{HOST, Issuers, Seen, Site, US, bundle, claims, get, policy, sign};
use regionguard_harness::client::{Connection, Request};
use regionguard_harness::config::Base;
use regionguard_harness::issuer::{Alg, Issuer, assemble, now};
use serde_json::{Value, json};

const PATH: &str = "/profile";
const ALGS: &str = "algs=\"ES256 ES384 EdDSA PS256 RS256\"";

fn shop(issuers: &Issuers, dpop: &Value) -> Value {
    let rules = json!([
        {"name": "read", "paths": [PATH, "/other"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]);
    let policy = policy("shop", json!({"rules": rules, "forward": {"token": "strip"}}));
    let mut bundle = bundle(41, &issuers.regions(), &[policy]);
    bundle["tokens"] = json!({"dpop": dpop});
    bundle
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes.as_ref());
    URL_SAFE_NO_PAD.encode(digest)
}

/// A client with a key, and a token that is bound to it.
struct Alice {
    keys: Issuer,
    token: String,
}

impl Alice {
    fn new(issuers: &Issuers) -> Self {
        let keys = Issuer::new("a client", "client").unwrap();
        let jwk = keys.jwk("client-p256").unwrap();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        let mut claims = claims(&issuers.us, "alice", &["read:profile"]);
        claims["cnf"] = json!({"jkt": sha256(canonical)});
        let token = sign(&issuers.us, &claims);
        Self { keys, token }
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.keys.jwk("client-p256").unwrap()})
    }

    fn claims(&self, id: &str) -> Value {
        json!({"jti": id, "htm": "GET", "htu": format!("https://{HOST}{PATH}"), "iat": now(), "ath": sha256(&self.token)})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.keys
            .mint_with_header(Alg::Es256, "client-p256", header, claims)
            .unwrap()
    }

    fn bare(&self) -> Request {
        get(PATH).header("authorization", format!("DPoP {}", self.token))
    }

    /// A request with a proof that says this.
    fn request(&self, claims: &Value) -> Request {
        self.bare().header("dpop", self.sign(&self.header(), claims))
    }

    /// A request whose proof bears a nonce, if there is one.
    fn with_nonce(&self, id: &str, nonce: Option<&str>) -> Request {
        let mut claims = self.claims(id);
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        self.request(&claims)
    }
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => object.as_object_mut().unwrap().remove(name),
        value => object.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    object
}

async fn ask(site: &Site, connection: &mut Connection, request: &Request) -> Seen {
    site.observe(async { connection.send(request).await.unwrap() }).await
}

fn nonce(seen: &Seen) -> String {
    seen.denied(401, "identity.proof_nonce", "inline");
    let challenge = seen.answer.header("www-authenticate").unwrap();
    assert_eq!(
        challenge,
        format!("DPoP realm=\"us-east-1\", error=\"use_dpop_nonce\", {ALGS}")
    );
    seen.answer.header("dpop-nonce").expect("a nonce")
}

/// A worker that has just begun gives a nonce, with it the proof counts once, and everything that is not a proof for this request is none.
#[tokio::test]
async fn a_proof_counts_once_and_for_its_request_only() {
    let issuers = Issuers::new();
    let alice = Alice::new(&issuers);
    let site = Site::start("proofs", &shop(&issuers, &json!({"nonce": "onRestart"}))).await;
    let first = nonce(&site.ask(alice.with_nonce("first", None)).await);
    let good = |id: &str| alice.with_nonce(id, Some(&first));

    let seen = site.ask(good("one")).await;
    seen.allowed("rule.allowed", "inline");
    let reached = &seen.upstream[0]["headers"].to_string();
    assert!(
        !reached.contains("dpop") && !reached.contains(&alice.token),
        "the token and its proof are taken out: {reached}"
    );
    for _ in 0..2 {
        let replay = site.ask(good("one")).await;
        replay.denied(401, "identity.proof_replayed", "inline");
        let challenge = replay.answer.header("www-authenticate").unwrap();
        assert_eq!(
            challenge,
            format!("DPoP realm=\"us-east-1\", error=\"invalid_dpop_proof\", {ALGS}")
        );
    }
    site.ask(alice.bare())
        .await
        .denied(401, "identity.proof_missing", "inline");
    site.ask(get(PATH).bearer(&alice.token))
        .await
        .denied(401, "identity.proof_scheme", "inline");
    let twice = good("two").header("dpop", alice.sign(&alice.header(), &alice.claims("three")));
    site.ask(twice).await.denied(401, "identity.proof_invalid", "inline");

    let base = || with(alice.claims("wrong"), "nonce", json!(first));
    for (name, value) in [
        ("htm", json!("POST")),
        ("htu", json!(format!("https://{HOST}/other"))),
        ("htu", json!(format!("https://api.eu-west-1.com{PATH}"))),
        ("htu", json!(format!("https://{HOST}:8443{PATH}"))),
        ("ath", json!(sha256("another token"))),
        ("ath", json!(null)),
        ("iat", json!(now() + 60)),
        ("iat", json!(null)),
        ("jti", json!(null)),
        ("jti", json!("j".repeat(257))),
    ] {
        let seen = site.ask(alice.request(&with(base(), name, value.clone()))).await;
        println!("{name}: {value}");
        seen.denied(401, "identity.proof_invalid", "inline");
    }
    let forged = Alice::new(&issuers);
    let secret = with(alice.header()["jwk"].clone(), "d", json!("AAAA"));
    for (what, proof) in [
        (
            "none",
            assemble(
                with(alice.header(), "alg", json!("none")).to_string().as_bytes(),
                base().to_string().as_bytes(),
                b"",
            ),
        ),
        (
            "HS256",
            alice.sign(&with(alice.header(), "alg", json!("HS256")), &base()),
        ),
        (
            "a private key",
            alice.sign(&with(alice.header(), "jwk", secret), &base()),
        ),
        ("another key", forged.sign(&forged.header(), &base())),
        ("another key's signature", forged.sign(&alice.header(), &base())),
        (
            "another type",
            alice.sign(&with(alice.header(), "typ", json!("JWT")), &base()),
        ),
        (
            "crit",
            alice.sign(&with(alice.header(), "crit", json!(["exp"])), &base()),
        ),
        ("bytes", "\u{e9}\u{e9}.\u{0}1.x".replace('\u{0}', "")),
    ] {
        println!("{what}");
        let seen = site.ask(alice.bare().header("dpop", proof)).await;
        seen.denied(401, "identity.proof_invalid", "inline");
    }
    for wrong in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let seen = site.ask(alice.with_nonce("wrong nonce", Some(wrong))).await;
        assert_eq!(nonce(&seen).len(), 32);
    }
    // What is open to everybody is open, and an invalid proof lets nobody be anybody.
    let open = Request::new("GET", "/open")
        .host(HOST)
        .header("authorization", format!("DPoP {}", alice.token));
    let seen = site.ask(open.header("dpop", "garbage")).await;
    seen.allowed("rule.public", "inline");
    assert!(!seen.upstream[0]["headers"].to_string().contains(&alice.token));
    // A caller without a token is told of both schemes.
    let nobody = site.ask(get(PATH)).await;
    let both: Vec<&str> = nobody
        .answer
        .headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate")
        .map(|(_, value)| std::str::from_utf8(value.as_ref()).unwrap())
        .collect();
    assert_eq!(
        both,
        [
            "Bearer realm=\"us-east-1\"",
            &format!("DPoP realm=\"us-east-1\", {ALGS}")
        ]
    );

    // Ten seconds after it began, a worker takes a proof by its own time; one that is too old gets a nonce all the same.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let plain = alice.with_nonce("plain", None);
    site.ask(plain.clone()).await.allowed("rule.allowed", "inline");
    site.ask(plain.clone())
        .await
        .denied(401, "identity.proof_replayed", "inline");
    let old = alice.request(&with(alice.claims("old"), "iat", json!(now() - 61)));
    nonce(&site.ask(old).await);
    // The proof of the request is for its query, too, and for another spelling of its path.
    let spelt = alice.sign(
        &alice.header(),
        &with(
            alice.claims("spelt"),
            "htu",
            json!(format!("HTTPS://{}:443/%70rofile?a#b", HOST.to_uppercase())),
        ),
    );
    let mut request = Request::new("GET", &format!("{PATH}?x=1")).host(HOST);
    request = request
        .header("authorization", format!("DPoP {}", alice.token))
        .header("dpop", spelt);
    site.ask(request).await.allowed("rule.allowed", "inline");

    // Another Envoy, or this one after it began anew, knows nothing of what was used: it takes no proof from before.
    let again = Site::start("proofs-again", &shop(&issuers, &json!({"nonce": "onRestart"}))).await;
    nonce(&again.ask(plain).await);
    nonce(&again.ask(good("one")).await);
}

/// Sends a request that was let in before over many new connections, which fall to both workers; what came of them, without doubles.
async fn replayed(site: &Site, request: &Request) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..24 {
        let seen = site.ask_from(US, request.clone()).await;
        reasons.push(seen.decision().reason.clone());
    }
    reasons.sort_unstable();
    reasons
}

/// With two workers: where a nonce is required, a proof counts once, at the worker that gave the nonce. Where it is not, once at each worker.
#[tokio::test]
async fn a_proof_at_another_worker() {
    let issuers = Issuers::new();
    let alice = Alice::new(&issuers);
    let two = |config: regionguard_harness::config::Config| config.concurrency(2);
    let bundle = shop(&issuers, &json!({"nonce": "required"}));
    let site = Site::start_with("proofs-required", Base::Sidecar, &bundle, two).await;
    let began = std::time::Instant::now();
    let mut connection = site.client(US).connect().await.unwrap();
    let given = nonce(&ask(&site, &mut connection, &alice.with_nonce("one", None)).await);
    let request = alice.with_nonce("one", Some(&given));
    ask(&site, &mut connection, &request)
        .await
        .allowed("rule.allowed", "inline");
    // A client that keeps its connection keeps its nonce.
    let next = alice.with_nonce("two", Some(&given));
    ask(&site, &mut connection, &next)
        .await
        .allowed("rule.allowed", "inline");
    let mut reasons = replayed(&site, &request).await;
    reasons.dedup();
    assert_eq!(
        reasons,
        ["identity.proof_nonce", "identity.proof_replayed"],
        "neither worker lets it in"
    );

    let bundle = shop(&issuers, &json!({"nonce": "onRestart"}));
    let mut newer = bundle.clone();
    newer["metadata"]["version"] = json!(42);
    let pushed = site
        .envoy
        .push(&site.folder, |folder| folder.write(&newer))
        .await
        .unwrap();
    assert_eq!(pushed, regionguard_harness::envoy::Push::Accepted);
    let young = Duration::from_secs(12).saturating_sub(began.elapsed());
    tokio::time::sleep(young).await;
    let request = alice.with_nonce("three", None);
    site.ask(request.clone()).await.allowed("rule.allowed", "inline");
    let reasons = replayed(&site, &request).await;
    let let_in = reasons.iter().filter(|reason| *reason == "rule.allowed").count();
    assert_eq!(let_in, 1, "the other worker lets it in, once: {reasons:?}");
    assert!(
        reasons
            .iter()
            .all(|reason| ["rule.allowed", "identity.proof_replayed"].contains(&reason.as_str()))
    );
}
