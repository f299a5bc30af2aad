//! What a token costs whose sender has to show something: one property for a certificate, one signature for a proof, and for others nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard_harness::issuer::{Alg, Issuer};
use serde_json::{Value, json};

use super::{
    Action, DECIDED, ISSUER, NOW, OWN_LINE, PAIRS, REPLY, SET_LINE, SHIPPED, TIME, assert_ledger, bundle, reason,
    rules, send,
};

const OWN_LINE_AND_DIGEST: (&str, usize) = ("proxy_get_property", 2);
const SIGNATURE: (&str, usize) = ("proxy_call_foreign_function", 1);
const DIGEST: &[u8] = b"connection\0sha256_peer_certificate_digest";
const PATH: &str = "/v1/things-5/1";

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    URL_SAFE_NO_PAD.encode(digest)
}

fn bound(cnf: &Value) -> String {
    let mut claims = ISSUER.claims("alice");
    (claims["iat"], claims["exp"]) = (json!(NOW - 10), json!(NOW + 3600));
    claims["permissions"]["global"] = json!(["read:things"]);
    claims["cnf"] = cnf.clone();
    ISSUER.mint(Alg::Es256, "p256", &claims).expect("a token")
}

/// A bundle whose listener validates client certificates.
fn demanding() -> Value {
    let mut bundle = bundle(&rules());
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

#[test]
fn a_certificate_costs_one_property() {
    let token = bound(&json!({"x5t#S256": URL_SAFE_NO_PAD.encode([0xab; 32])}));
    let token = format!("Bearer {token}");
    let mut vm = SHIPPED.configured(&demanding());
    vm.host_mut().properties.insert(DIGEST.to_vec(), b"ab".repeat(32));
    for known in [false, true] {
        assert_eq!(send(&mut vm, PATH, &[("authorization", &token)]), Action::Continue);
        if known {
            assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE_AND_DIGEST, SET_LINE]);
        }
    }
    vm.host_mut().properties.insert(DIGEST.to_vec(), b"ac".repeat(32));
    assert_eq!(send(&mut vm, PATH, &[("authorization", &token)]), Action::Pause);
    assert_eq!(reason(&vm), "identity.certificate_other");
    assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE_AND_DIGEST, SET_LINE, REPLY]);
}

#[test]
fn a_proof_costs_one_signature() {
    let client = Issuer::new("a client", "client").expect("keys");
    let jwk = client.jwk("client-p256").expect("a key");
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    let token = bound(&json!({"jkt": sha256(canonical.as_bytes())}));
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
    let proof = |id: &str| {
        let claims = json!({"jti": id, "htm": "GET", "htu": format!("https://api.us-east-1.com{PATH}"), "iat": NOW + 20,
            "ath": sha256(token.as_bytes())});
        client
            .mint_with_header(Alg::Es256, "client-p256", &header, &claims)
            .expect("a proof")
    };
    let authorization = format!("DPoP {token}");
    let mut vm = SHIPPED.configured(&demanding());
    vm.host_mut().time = (NOW + 20) * 1_000_000_000;
    for known in [false, true, true] {
        let id = vm.host().time.to_string();
        vm.host_mut().time += 1_000_000_000;
        let headers = [("authorization", authorization.as_str()), ("dpop", &proof(&id))];
        assert_eq!(send(&mut vm, PATH, &headers), Action::Continue, "{:?}", vm.line());
        if known {
            assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE, SET_LINE, SIGNATURE]);
        }
    }
    // A replay costs none.
    let headers = [("authorization", authorization.as_str()), ("dpop", &proof("once"))];
    assert_eq!(send(&mut vm, PATH, &headers), Action::Continue);
    assert_eq!(send(&mut vm, PATH, &headers), Action::Pause);
    assert_eq!(reason(&vm), "identity.proof_replayed");
    assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE, SET_LINE, REPLY]);
}

/// A bundle with edges costs nothing where nobody asks where a request comes from.
#[test]
fn edges_cost_nothing_where_nothing_asks() {
    let mut bundle = demanding();
    bundle["trust"]["edges"] = json!([
        {"peers": ["10.0.0.0/8", "spiffe://prod/edge/*"], "addressHeader": "x-forwarded-for", "certificateHeader": "x-forwarded-client-cert"}
    ]);
    let mut vm = SHIPPED.configured(&bundle);
    for _ in 0..2 {
        let headers = [("x-forwarded-for", "127.0.1.9"), ("x-forwarded-client-cert", "Hash=ab")];
        assert_eq!(send(&mut vm, "/healthz", &headers), Action::Continue);
    }
    assert_ledger(&vm, &DECIDED);
}
