//! The kernel through its public face, for tests that need a process or a library of their own.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::bundle::{Encoding, Generation, compile};
use regionguard::engine::{Attrs, Effects, Engine, Input, Kit, Outcome, ScopeId};
use regionguard::identity::{Algorithm, PublicKey, SignatureVerifier};
use regionguard::request::{Headers, encode};
use regionguard::time::{Monotonic, Now, WallTime};
use serde_json::{Value as Json, json};

/// Friday, 15 January 2027, 08:00 UTC, in seconds since the Unix epoch.
pub(crate) const START: u64 = 1_800_000_000;

/// Finds every signature good: what is looked at here is what stands around it.
pub(crate) struct Yes(Rc<dyn SignatureVerifier>);

struct Always;

impl SignatureVerifier for Always {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

impl Kit for Yes {
    fn verifier(&self) -> &Rc<dyn SignatureVerifier> {
        &self.0
    }

    fn random(&self) -> Option<[u8; 32]> {
        Some([0; 32])
    }
}

struct Stream;

impl Attrs for Stream {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        Some(b"127.0.1.9".to_vec())
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        None
    }

    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        None
    }

    fn is_outbound(&self) -> bool {
        false
    }

    fn has_line(&self) -> bool {
        false
    }
}

/// An engine with a bundle in force.
pub(crate) struct Driven {
    pub(crate) engine: Engine,
    scope: ScopeId,
    pub(crate) kit: Yes,
}

impl Driven {
    /// The region us-east-1 with a center, and one policy with these rules.
    pub(crate) fn new(rules: &Json) -> Self {
        Self::with_policy(&json!({"rules": rules}))
    }

    /// The same with any policy.
    pub(crate) fn with_policy(spec: &Json) -> Self {
        Self::over(&compiled(spec))
    }

    /// A new engine, in which this is in force.
    pub(crate) fn over(generation: &Rc<Generation>) -> Self {
        let mut engine = Engine::new(7);
        let (scope, _) = engine.activate("regionguard", Rc::clone(generation), None, &mut Effects::default());
        Self {
            engine,
            scope,
            kit: Yes(Rc::new(Always)),
        }
    }

    /// Begins a request whose header block is `block`.
    pub(crate) fn begin(&mut self, block: &[u8], fx: &mut Effects) -> Outcome {
        let clock = || Monotonic(0);
        let now = Now::new(WallTime(START.saturating_mul(1_000_000_000)), &clock);
        let headers = Headers::parse(block).expect("a block");
        self.engine
            .begin(Some(self.scope), Input { headers }, &Stream, &self.kit, &now, fx)
    }
}

/// A bundle of one region with one policy, which is this.
pub(crate) fn compiled(spec: &Json) -> Rc<Generation> {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode([1; 32])});
    let region = json!({
        "issuer": "identity.global.com", "audiences": ["api.us-east-1.com"], "keys": {"jwks": {"keys": [jwk]}},
        "networks": ["127.0.1.0/24"], "center": {"cluster": "center-us-east-1"},
    });
    let bundle = json!({
        "region": "us-east-1", "metadata": {"name": "shop", "version": 41}, "trust": {"hosts": ["api.us-east-1.com"]},
        "documents": [
            {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"}, "spec": region},
            {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": spec},
        ],
    });
    let generation = compile(bundle.to_string().as_bytes(), Encoding::Detect);
    Rc::new(generation.expect("a bundle"))
}

/// The header block of a request to `path` with further lines.
pub(crate) fn block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "GET"),
        (":authority", "api.us-east-1.com"),
        (":scheme", "https"),
        (":path", path),
        ("x-request-id", "r-1"),
    ];
    let lines: Vec<(&[u8], &[u8])> = usual
        .iter()
        .chain(more)
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    encode(&lines)
}

/// The value of an Authorization header with a valid token.
pub(crate) fn bearer() -> String {
    bearer_with(json!({}))
}

/// The same with these claims as well.
pub(crate) fn bearer_with(more: Json) -> String {
    let mut claims = json!({
        "iss": "identity.global.com", "sub": "alice", "aud": ["api.us-east-1.com"], "region": "us-east-1", "exp": START + 600,
        "permissions": {"global": ["read:profile"]}, "roles": ["viewer"], "acr": "urn:example:mfa", "amr": ["pwd"], "auth_time": START - 7,
        "department": {"name": "books"},
    });
    if let (Some(claims), Json::Object(more)) = (claims.as_object_mut(), more) {
        claims.extend(more);
    }
    let part = |value: Json| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([1; 64]);
    format!(
        "Bearer {}.{}.{signature}",
        part(json!({"alg": "EdDSA", "kid": "k"})),
        part(claims)
    )
}
