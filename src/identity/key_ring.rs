//! The keys of one Region, each bound to the algorithms that it may verify (RFC 7517).

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::base64url;
use super::der;
use super::jwk::{Jwk, KeyProblem, shown};
use super::jws::MAX_KID_BYTES;
use super::keys::{Algorithm, KeyType, PublicKey};
use super::roca;
use crate::reason::Reason;
use crate::sort::Arrange as _;

/// Keys in one set, at most.
pub const MAX_KEYS: usize = 100;

/// `use` of a key that signs JWT-SVIDs.
const JWT_SVID: &str = "jwt-svid";

/// The usable keys of one Region.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Vec<BoundKey>,
}

#[derive(Clone, Debug)]
struct BoundKey {
    /// Its place in the set, from 0.
    index: usize,
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    /// It signs JWT-SVIDs and nothing else (`use: jwt-svid`, SPIFFE Trust Domain and Bundle §4.2.2).
    is_for_svids: bool,
    key: Arc<PublicKey>,
}

/// What became of a key set.
#[derive(Debug, Default)]
pub struct BuiltKeys {
    /// The keys that can be used, whatever is wrong with others.
    pub ring: KeyRing,
    /// What has to be corrected: an inline set with one of these is refused.
    pub errors: Vec<KeyProblem>,
    /// Keys that are left aside because they are for something else: one odd key never spoils a set.
    pub warnings: Vec<KeyProblem>,
}

impl KeyRing {
    /// Builds the ring of a set's keys. `allowed` is `keys.algorithms`, which narrows what each key may verify; `None`: it does not.
    #[must_use]
    pub fn build(set: &[Jwk], allowed: Option<&[Algorithm]>) -> BuiltKeys {
        let mut built = BuiltKeys::default();
        let forms = set.iter().map(|jwk| Ok(jwk.clone()));
        built.add_all(forms, allowed);
        built
    }

    /// As [`build`](Self::build), from the `keys` of a JWKS (RFC 7517 §5).
    #[must_use]
    pub fn from_json(set: &[Value], allowed: Option<&[Algorithm]>) -> BuiltKeys {
        let mut built = BuiltKeys::default();
        built.add_all(set.iter().map(Jwk::from_json), allowed);
        built
    }

    /// As [`from_json`](Self::from_json), from keys that were read one by one: an error says what is wrong with the form of one.
    pub(super) fn from_forms(forms: Vec<Result<Jwk, String>>, allowed: Option<&[Algorithm]>) -> BuiltKeys {
        let mut built = BuiltKeys::default();
        built.add_all(forms.into_iter(), allowed);
        built
    }

    /// The same ring less the keys of which `is_out` says so, by their thumbprint.
    #[must_use]
    pub fn without(&self, is_out: impl Fn(&[u8; 32]) -> bool) -> Self {
        let kept = self.keys.iter().filter(|bound| !is_out(bound.key.thumbprint()));
        Self {
            keys: kept.cloned().collect(),
        }
    }

    /// The number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The thumbprints of the usable keys (RFC 7638), to see whether two rings have one in common.
    pub fn thumbprints(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.iter().map(|bound| bound.key.thumbprint())
    }

    /// What decides whether this ring verifies a token, for the trust digest: each key's `kid`, thumbprint and algorithms, whatever their order in the set.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut each: Vec<[u8; 32]> = self.keys.iter().map(BoundKey::digest).collect();
        each.arrange();
        Sha256::digest(each.concat()).into()
    }

    /// The `kid` of a key in this ring.
    #[must_use]
    pub fn name_of(&self, key: &PublicKey) -> Option<&str> {
        let bound = self.keys.iter().find(|bound| core::ptr::eq(&*bound.key, key));
        bound?.kid.as_deref()
    }

    /// The one key for a token with this `kid` and `alg`: by `kid`; without one only if exactly one key fits the algorithm.
    ///
    /// # Errors
    /// [`Reason::KeyUnknown`] where no key, or no single one, is meant; [`Reason::TokenAlgorithm`] where the key that is meant may not verify this algorithm.
    pub fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Arc<PublicKey>, Reason> {
        self.choose(kid, algorithm, |bound| !bound.is_for_svids)
    }

    /// As [`select`](Self::select), for a JWT-SVID: among the keys that are for those alone (`use: jwt-svid`), or among all where there is none.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn select_for_svid(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Arc<PublicKey>, Reason> {
        let has_own = self.keys.iter().any(|bound| bound.is_for_svids);
        self.choose(kid, algorithm, |bound| bound.is_for_svids || !has_own)
    }

    /// Whether it has keys, and every one is for JWT-SVIDs alone.
    #[must_use]
    pub fn is_for_svids(&self) -> bool {
        !self.is_empty() && self.keys.iter().all(|bound| bound.is_for_svids)
    }

    fn choose(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        is_meant: impl Fn(&BoundKey) -> bool,
    ) -> Result<&Arc<PublicKey>, Reason> {
        let fits = |bound: &&BoundKey| bound.algorithms.contains(&algorithm);
        let keys = || self.keys.iter().filter(|bound| is_meant(bound));
        let Some(kid) = kid else {
            let mut fitting = keys().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(only), None) => Ok(&only.key),
                _ => Err(Reason::KeyUnknown),
            };
        };
        let mut named = keys().filter(|bound| bound.kid.as_deref() == Some(kid)).peekable();
        if named.peek().is_none() {
            return Err(Reason::KeyUnknown);
        }
        named.find(fits).map(|bound| &bound.key).ok_or(Reason::TokenAlgorithm)
    }
}

impl BoundKey {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        match &self.kid {
            None => hash.update([0]),
            Some(kid) => {
                hash.update([1]);
                hash.update(u64::try_from(kid.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(kid);
            }
        }
        hash.update([u8::from(self.is_for_svids)]);
        hash.update(self.key.thumbprint());
        for algorithm in &self.algorithms {
            hash.update(algorithm.name());
        }
        hash.finalize().into()
    }
}

/// Why a key is not in the ring.
enum Outcome {
    /// It is for something else.
    Aside(String),
    /// It has to be corrected.
    Wrong(String),
}

impl BuiltKeys {
    fn add_all(&mut self, forms: impl ExactSizeIterator<Item = Result<Jwk, String>>, allowed: Option<&[Algorithm]>) {
        if forms.len() > MAX_KEYS {
            let message = format!("{} keys are too many: at most {MAX_KEYS}", forms.len());
            self.errors.push(KeyProblem {
                index: MAX_KEYS,
                kid: None,
                message,
            });
        }
        for (index, form) in forms.enumerate().take(MAX_KEYS) {
            let (kid, outcome) = match form {
                Ok(jwk) => (jwk.kid.clone(), bind(index, &jwk, allowed)),
                Err(message) => (None, Err(Outcome::Wrong(message))),
            };
            match outcome {
                Ok(bound) => self.ring.keys.push(bound),
                Err(Outcome::Aside(message)) => self.warnings.push(KeyProblem { index, kid, message }),
                Err(Outcome::Wrong(message)) => self.errors.push(KeyProblem { index, kid, message }),
            }
        }
        self.drop_ambiguous();
    }

    /// Of keys with the same `kid` and type none is used: which one signed cannot be told.
    fn drop_ambiguous(&mut self) {
        let names: Vec<(Option<String>, &'static str)> = self
            .ring
            .keys
            .iter()
            .map(|bound| (bound.kid.clone(), bound.key.key_type().kty()))
            .collect();
        self.ring.keys.retain(|bound| {
            let own = (bound.kid.clone(), bound.key.key_type().kty());
            let unique = own.0.is_none() || names.iter().filter(|name| **name == own).count() == 1;
            if !unique {
                let message = format!(
                    "several `{}` keys have this `kid`: none of them is used, give each its own",
                    own.1
                );
                self.errors.push(KeyProblem {
                    index: bound.index,
                    kid: own.0,
                    message,
                });
            }
            unique
        });
    }
}

fn bind(index: usize, jwk: &Jwk, allowed: Option<&[Algorithm]>) -> Result<BoundKey, Outcome> {
    if let Some(secret) = jwk.secret {
        return Err(Outcome::Wrong(format!(
            "`{secret}` is a member of a private or secret key: give the public key only"
        )));
    }
    if jwk.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
        return Err(Outcome::Wrong(format!("`kid` is longer than {MAX_KID_BYTES} bytes")));
    }
    if let Some(other) = jwk
        .usage
        .as_ref()
        .filter(|usage| !matches!(usage.as_str(), "sig" | JWT_SVID))
    {
        return Err(Outcome::Aside(format!(
            "left aside: `use` is `{}`, not `sig`",
            shown(other)
        )));
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err(Outcome::Aside(
            "left aside: `key_ops` does not list `verify`".to_owned(),
        ));
    }
    let key = public_key(jwk)?;
    let algorithms = algorithms(jwk, key.key_type(), allowed)?;
    Ok(BoundKey {
        index,
        kid: jwk.kid.clone(),
        algorithms,
        is_for_svids: jwk.usage.as_deref() == Some(JWT_SVID),
        key: Arc::new(key),
    })
}

fn algorithms(jwk: &Jwk, key_type: KeyType, allowed: Option<&[Algorithm]>) -> Result<Vec<Algorithm>, Outcome> {
    let own = match &jwk.alg {
        None => key_type.usual_algorithms().to_vec(),
        Some(name) => match Algorithm::named(name) {
            Some(algorithm) if algorithm.key_type() == key_type => vec![algorithm],
            Some(_) => {
                return Err(Outcome::Wrong(format!(
                    "`alg` `{name}` does not fit the key's type or curve"
                )));
            }
            None => {
                let name = shown(name);
                return Err(Outcome::Aside(format!(
                    "left aside: `alg` `{name}` is not a signature algorithm that is supported here"
                )));
            }
        },
    };
    let kept: Vec<_> = own
        .into_iter()
        .filter(|one| allowed.is_none_or(|allowed| allowed.contains(one)))
        .collect();
    if kept.is_empty() {
        return Err(Outcome::Aside(
            "left aside: `keys.algorithms` allows none of its algorithms".to_owned(),
        ));
    }
    Ok(kept)
}

fn public_key(jwk: &Jwk) -> Result<PublicKey, Outcome> {
    match (jwk.kty.as_deref(), jwk.crv.as_deref()) {
        (Some("RSA"), _) => rsa(jwk),
        (Some("EC"), Some("P-256")) => ec(jwk, KeyType::P256, "P-256", 32),
        (Some("EC"), Some("P-384")) => ec(jwk, KeyType::P384, "P-384", 48),
        (Some("OKP"), Some("Ed25519")) => Ok(PublicKey::ed25519(coordinate("x", jwk.x.as_deref(), 32)?)),
        (Some("EC" | "OKP"), Some(curve)) => Err(Outcome::Aside(format!(
            "left aside: curve `{}` is not supported",
            shown(curve)
        ))),
        (Some("EC" | "OKP"), None) => Err(Outcome::Wrong("`crv` is missing".to_owned())),
        (Some(other), _) => Err(Outcome::Aside(format!(
            "left aside: `kty` `{}` is not `RSA`, `EC` or `OKP`",
            shown(other)
        ))),
        (None, _) => Err(Outcome::Wrong("`kty` is missing".to_owned())),
    }
}

fn rsa(jwk: &Jwk) -> Result<PublicKey, Outcome> {
    let (modulus, exponent) = (bytes("n", jwk.n.as_deref())?, bytes("e", jwk.e.as_deref())?);
    // Some issuers write a sign byte before the modulus, which RFC 7518 §6.3.1.1 tells them not to; it is the same number.
    let (modulus, exponent) = (der::significant(&modulus), der::significant(&exponent));
    let bits = bit_length(modulus);
    if !(2048..=8192).contains(&bits) {
        return Err(Outcome::Wrong(format!(
            "an RSA key of {bits} bits: it must have 2048 to 8192"
        )));
    }
    if !is_odd(modulus) {
        return Err(Outcome::Wrong("`n` is even, so it is no RSA modulus".to_owned()));
    }
    if roca::is_weak(modulus) {
        return Err(Outcome::Wrong(
            "an RSA key that anybody can factor (CVE-2017-15361): make another, and trust nothing that this one signed"
                .to_owned(),
        ));
    }
    if !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
        return Err(Outcome::Wrong(
            "`e` must be odd, at least 3 and below 2^32: `AQAB` is usual".to_owned(),
        ));
    }
    Ok(PublicKey::rsa(modulus, exponent))
}

fn ec(jwk: &Jwk, key_type: KeyType, curve: &str, size: usize) -> Result<PublicKey, Outcome> {
    let (x, y) = (
        coordinate("x", jwk.x.as_deref(), size)?,
        coordinate("y", jwk.y.as_deref(), size)?,
    );
    Ok(PublicKey::ec(key_type, curve, &x, &y))
}

fn coordinate(name: &str, text: Option<&str>, size: usize) -> Result<Vec<u8>, Outcome> {
    let value = bytes(name, text)?;
    if value.len() == size {
        return Ok(value);
    }
    Err(Outcome::Wrong(format!(
        "`{name}` has {} bytes: it must have exactly {size} on this curve",
        value.len()
    )))
}

fn bytes(name: &str, text: Option<&str>) -> Result<Vec<u8>, Outcome> {
    let text = text.ok_or_else(|| Outcome::Wrong(format!("`{name}` is missing")))?;
    base64url::decode(text).ok_or_else(|| Outcome::Wrong(format!("`{name}` is not base64url without padding")))
}

fn bit_length(significant: &[u8]) -> usize {
    let top_zeros = significant.first().map_or(0, |top| top.leading_zeros());
    significant
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(top_zeros).unwrap_or(0))
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

#[cfg(test)]
#[path = "key_ring_tests.rs"]
mod tests;
