//! One proof: a JWT that brings its own key (RFC 9449 §4.2).

use std::rc::Rc;
use std::sync::Arc;

use crate::identity::binding::Thumbprint;
use crate::identity::claims::numeric_date;
use crate::identity::jwk::Jwk;
use crate::identity::jws::{self, Compact};
use crate::identity::key_ring::KeyRing;
use crate::identity::keys::{Algorithm, PublicKey};
use crate::identity::provider::Crypto;
use crate::identity::strict_json::{Json, Object};
use crate::identity::verify::SignatureVerifier;
use crate::identity::{base64url, strict_json};
use crate::request::{CanonicalPath, PathOptions, Scheme};

/// The longest proof: one with an RSA key of 4096 bits has 2 KiB.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;
/// The longest `jti`.
pub const MAX_JTI_BYTES: usize = 256;
/// The algorithms that a proof may be signed by, in the order in which clients are told: all asymmetric, each for one type of key.
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::RS256,
];

/// A proof whose form is right and whose key is the one that was meant; its signature is not verified.
pub(super) struct Proof<'t> {
    /// `jti`.
    pub(super) id: String,
    /// `iat`, in seconds since the Unix epoch.
    pub(super) issued: f64,
    /// `nonce`.
    pub(super) nonce: Option<String>,
    /// `htm`.
    method: String,
    /// `htu`.
    target: String,
    /// `ath`.
    token: String,
    algorithm: Algorithm,
    key: Arc<PublicKey>,
    signing_input: &'t str,
    signature: &'t str,
}

/// The request that a proof has to be for.
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: &'a [u8],
    pub(super) path: &'a CanonicalPath<'a>,
    pub(super) paths: &'a PathOptions,
}

impl<'t> Proof<'t> {
    /// Reads a proof; `None` where it has another form, another type, an algorithm that is not among [`ALGORITHMS`], a key that is not public, not usable or not
    /// the one with the thumbprint `bound`, an extension, or a claim missing or of another form.
    pub(super) fn read(text: &'t [u8], bound: &Thumbprint) -> Option<Self> {
        if text.len() > MAX_PROOF_BYTES {
            return None;
        }
        let compact = Compact::split(text).ok()?;
        let header = compact.header().ok()?;
        let header = jws::object(&header).ok()?;
        let (algorithm, key) = header_key(&header)?;
        if key.thumbprint() != bound {
            return None;
        }
        let payload = compact.payload().ok()?;
        let claims = strict_json::object(core::str::from_utf8(&payload).ok()?)?;
        let text = |name: &str| claims.get(name).and_then(Json::as_str).map(str::to_owned);
        let nonce = match claims.get("nonce") {
            None => None,
            Some(nonce) => Some(nonce.as_str()?.to_owned()),
        };
        Some(Self {
            id: text("jti").filter(|id| (1..=MAX_JTI_BYTES).contains(&id.len()))?,
            issued: numeric_date(claims.get("iat")).ok()??,
            nonce,
            method: text("htm")?,
            target: text("htu")?,
            token: text("ath")?,
            algorithm,
            key,
            signing_input: compact.signing_input,
            signature: compact.signature,
        })
    }

    /// Whether it was made for this request with this token.
    pub(super) fn is_for(&self, target: &Target<'_>, token: &[u8; 32]) -> bool {
        self.method == target.method && self.token == base64url::encode(token) && target.is_meant_by(&self.target)
    }

    /// Whether the key that it brings signed it.
    pub(super) fn verify(&self, crypto: Crypto, verifier: &Rc<dyn SignatureVerifier>) -> bool {
        crypto.verify(verifier, self.algorithm, &self.key, self.signing_input, self.signature)
    }
}

/// What the header says, and its key, which fits the algorithm.
fn header_key(header: &Object<'_>) -> Option<(Algorithm, Arc<PublicKey>)> {
    if header.contains("crit") || header.contains("b64") {
        return None;
    }
    if header.get("typ").and_then(Json::as_str) != Some("dpop+jwt") {
        return None;
    }
    let algorithm = Algorithm::named(header.get("alg")?.as_str()?)?;
    let key = jwk(header.get("jwk")?.as_object()?)?;
    let ring = KeyRing::build(&[key], Some(ALGORITHMS)).ring;
    Some((algorithm, Arc::clone(ring.select(None, algorithm).ok()?)))
}

/// The members of a key that count. What a private key has is seen in any form, so that it is refused.
fn jwk(members: &Object<'_>) -> Option<Jwk> {
    let text = |name: &str| match members.get(name) {
        None => Some(None),
        Some(value) => Some(Some(value.as_str()?.to_owned())),
    };
    let key_ops = match members.get("key_ops") {
        None => None,
        Some(Json::List(items)) => Some(
            items
                .iter()
                .map(|item| Some(item.as_str()?.to_owned()))
                .collect::<Option<_>>()?,
        ),
        Some(_) => return None,
    };
    Some(Jwk {
        kty: text("kty")?,
        // It names the key for nobody here: the thumbprint does.
        kid: None,
        alg: text("alg")?,
        usage: text("use")?,
        key_ops,
        crv: text("crv")?,
        n: text("n")?,
        e: text("e")?,
        x: text("x")?,
        y: text("y")?,
        secret: Jwk::SECRET_MEMBERS.iter().copied().find(|name| members.contains(name)),
    })
}
