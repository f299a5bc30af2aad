//! Issuers, Regions and clocks for the tests of this module.

use core::cell::Cell;
use core::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{self as by, KeyPair as _};
use serde_json::{Value, json};

use super::base64url::encode;
use super::{
    Algorithm, Authenticated, Authenticator, ClaimMapping, FailureBudget, KeyRing, KeyTable, PublicKey, RingVerifier,
    Shown, SignatureVerifier, TrustView,
};
use crate::bundle::RegionId;
use crate::bundle::document::{Acceptance, KeySource, Region, Wildcard};
use crate::reason::Reason;
use crate::time::{Monotonic, Now, WallTime};

/// The time of all tests, in seconds since the Unix epoch.
pub(super) const NOW: u64 = 1_800_000_000;

/// A private key, with the JWK of its public one.
pub(super) struct Signer {
    kid: &'static str,
    key: Key,
}

enum Key {
    Ed25519(by::Ed25519KeyPair),
    Ec(by::EcdsaKeyPair, &'static str),
    Rsa(Box<by::RsaKeyPair>),
}

impl Signer {
    pub(super) fn ed25519(kid: &'static str, seed: u8) -> Self {
        Self {
            kid,
            key: Key::Ed25519(by::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed")),
        }
    }

    pub(super) fn p256(kid: &'static str) -> Self {
        Self {
            kid,
            key: Key::Ec(ec(&by::ECDSA_P256_SHA256_FIXED_SIGNING), "P-256"),
        }
    }

    pub(super) fn p384(kid: &'static str) -> Self {
        Self {
            kid,
            key: Key::Ec(ec(&by::ECDSA_P384_SHA384_FIXED_SIGNING), "P-384"),
        }
    }

    /// The key was made for these tests, and is used for nothing else.
    pub(super) fn rsa(kid: &'static str) -> Self {
        let pkcs8 = include_bytes!("testdata/throwaway-rsa2048.pk8");
        Self {
            kid,
            key: Key::Rsa(Box::new(by::RsaKeyPair::from_pkcs8(pkcs8).expect("a key"))),
        }
    }

    pub(super) fn jwk(&self) -> Value {
        match &self.key {
            Key::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": encode(pair.public_key().as_ref())})
            }
            Key::Ec(pair, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "kid": self.kid, "x": encode(x), "y": encode(y)})
            }
            Key::Rsa(pair) => {
                let public = by::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": self.kid, "n": encode(&public.n), "e": encode(&public.e)})
            }
        }
    }

    /// The signature of `message` by the algorithm, whatever a header says.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let padding: &dyn by::RsaEncoding = match algorithm {
            Algorithm::RS384 => &by::RSA_PKCS1_SHA384,
            Algorithm::RS512 => &by::RSA_PKCS1_SHA512,
            Algorithm::PS256 => &by::RSA_PSS_SHA256,
            Algorithm::PS384 => &by::RSA_PSS_SHA384,
            Algorithm::PS512 => &by::RSA_PSS_SHA512,
            _ => &by::RSA_PKCS1_SHA256,
        };
        match &self.key {
            Key::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Ec(pair, _) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).expect("signed");
                signature
            }
        }
    }

    /// The usual algorithm of this key.
    pub(super) fn algorithm(&self) -> Algorithm {
        match &self.key {
            Key::Ed25519(_) => Algorithm::EdDSA,
            Key::Ec(_, "P-256") => Algorithm::ES256,
            Key::Ec(..) => Algorithm::ES384,
            Key::Rsa(_) => Algorithm::RS256,
        }
    }

    /// A token with these claims and the usual header.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(
            &json!({"alg": self.algorithm().name(), "kid": self.kid, "typ": "JWT"}).to_string(),
            &claims.to_string(),
        )
    }

    /// A token with exactly this header and payload, signed by the usual algorithm.
    pub(super) fn token_with(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        format!("{input}.{}", encode(&self.sign(self.algorithm(), input.as_bytes())))
    }
}

fn ec(algorithm: &'static by::EcdsaSigningAlgorithm) -> by::EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = by::EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    by::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key")
}

/// Claims that a token of `home` for the first region may have.
pub(super) fn claims(home: &str) -> Value {
    json!({
        "iss": "identity.global.com", "sub": "alice", "aud": "api.us-east-1.com", "region": home, "jti": "1",
        "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 600,
        "permissions": {"global": ["read:profile"], "regional": {"us-east-1": ["write:profile"], "eu-west-1": ["read:ledger", "read:profile"]}},
        "roles": ["viewer", "admin"],
    })
}

/// `claims(home)` with one member replaced; null takes it away.
pub(super) fn claims_with(home: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(home);
    match value {
        Value::Null => claims.as_object_mut().expect("an object").remove(name),
        value => claims
            .as_object_mut()
            .expect("an object")
            .insert(name.to_owned(), value),
    };
    claims
}

/// A Region named and keyed so, whose issuer is the common one.
pub(super) fn region(name: &str, jwks: &[Value]) -> Region {
    let built = KeyRing::from_json(jwks, None);
    assert_eq!(built.errors, []);
    Region {
        name: name.to_owned(),
        issuer: "identity.global.com".to_owned(),
        audiences: vec![format!("api.{name}.com")],
        keys: built.ring.into(),
        revocation: None,
        claims: ClaimMapping::default(),
        trust_domains: Vec::new(),
        accepts: Vec::new(),
        center: None,
        replica: None,
        networks: Vec::new(),
        country: None,
        calendar: None,
        max_token_lifetime: None,
    }
}

/// The keys of a Region that has them inline.
pub(super) fn ring(region: &Region) -> Arc<KeyRing> {
    match &region.keys.source {
        KeySource::Inline(ring) => Arc::clone(ring),
        KeySource::Remote(_) | KeySource::Discovery(_) => panic!("no inline keys"),
    }
}

/// An entry of `accepts`.
pub(super) fn accepts(home: &str, permissions: &[&str], roles: &[&str]) -> Acceptance {
    let list = |words: &[&str]| words.iter().copied().map(Wildcard::new).collect();
    Acceptance {
        home: home.to_owned(),
        permissions: list(permissions),
        roles: list(roles),
        workloads: Vec::new(),
    }
}

/// Verifies by `ring`, and counts.
#[derive(Default)]
pub(super) struct Counting {
    pub(super) calls: Cell<u32>,
}

impl SignatureVerifier for Counting {
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        self.calls.set(self.calls.get() + 1);
        RingVerifier.verify(algorithm, key, message, signature)
    }
}

/// Says yes to everything: for tests of what stands around the signature.
pub(super) struct Yes;

impl SignatureVerifier for Yes {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// An enforcement point in the region `local`, and the peer that asks it.
pub(super) struct Point {
    pub(super) regions: Vec<Region>,
    pub(super) local: u16,
    pub(super) trust: [u8; 32],
    pub(super) generation: [u8; 32],
    pub(super) seconds: f64,
    pub(super) peer: Option<IpAddr>,
    pub(super) authenticator: Authenticator,
    pub(super) budget: FailureBudget,
    pub(super) counting: Rc<Counting>,
    pub(super) verifier: Rc<dyn SignatureVerifier>,
    /// How often the monotonic clock and the peer were read.
    pub(super) reads: Cell<(u32, u32)>,
    /// How many answers came from the cache.
    pub(super) hits: u32,
}

impl Point {
    pub(super) fn new(regions: Vec<Region>) -> Self {
        let counting = Rc::new(Counting::default());
        Self {
            regions,
            local: 0,
            trust: [1; 32],
            generation: [1; 32],
            seconds: 0.0,
            peer: Some(IpAddr::from([10, 0, 0, 1])),
            authenticator: Authenticator::new(9),
            budget: FailureBudget::new(9),
            verifier: Rc::<Counting>::clone(&counting),
            counting,
            reads: Cell::new((0, 0)),
            hits: 0,
        }
    }

    /// One region `us-east-1` with these keys.
    pub(super) fn with_keys(jwks: &[Value]) -> Self {
        Self::new(vec![region("us-east-1", jwks)])
    }

    /// What `token` is here, `seconds` after [`NOW`].
    pub(super) fn ask(&mut self, token: &str) -> Result<Rc<Authenticated>, Reason> {
        self.ask_bytes(token.as_bytes())
    }

    pub(super) fn ask_bytes(&mut self, token: &[u8]) -> Result<Rc<Authenticated>, Reason> {
        let nanos = core::time::Duration::from_secs_f64(self.seconds).as_nanos();
        let nanos = u64::try_from(nanos).expect("a time");
        let reads = &self.reads;
        let clock = || {
            reads.set((reads.get().0 + 1, reads.get().1));
            Monotonic(nanos)
        };
        let peer = || {
            reads.set((reads.get().0, reads.get().1 + 1));
            self.peer
        };
        let view = TrustView {
            regions: &self.regions,
            local: RegionId(self.local),
            keys: &KeyTable::inline(&self.regions),
            trust_digest: &self.trust,
            generation_digest: &self.generation,
        };
        let now = Now::new(WallTime(NOW * 1_000_000_000 + nanos), &clock);
        let recalled = self.authenticator.recall(token, &self.trust);
        let shown = Shown { text: token, recalled };
        let (answer, hit) = self
            .authenticator
            .authenticate(shown, view, &now, &self.verifier, &mut self.budget, &peer);
        self.hits += u32::from(hit);
        answer.map_err(|refused| refused.reason)
    }

    /// The reason why `token` is refused.
    pub(super) fn refusal(&mut self, token: &str) -> Option<Reason> {
        self.ask(token).err()
    }
}
