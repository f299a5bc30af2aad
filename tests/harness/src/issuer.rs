//! An issuer of tokens whose keys live for one run: proper tokens, and forged ones of any kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

use crate::{Context as _, Result};

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RSA with 2048 bits.
    Rsa,
    /// An elliptic-curve key on P-256.
    P256,
    /// An elliptic-curve key on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Rsa, Self::P256, Self::P384, Self::Ed25519];

    /// The key id that [`Issuer::new`] gives the key of this kind, behind the region's name and a hyphen.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A signature algorithm of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Alg {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Alg {
    /// The name in a token's header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The kind of key that it takes.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Kind::Rsa,
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::EdDsa => Kind::Ed25519,
        }
    }

    fn rsa_encoding(self) -> Option<&'static dyn RsaEncoding> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_SHA512),
            Self::Ps256 => Some(&RSA_PSS_SHA256),
            Self::Ps384 => Some(&RSA_PSS_SHA384),
            Self::Ps512 => Some(&RSA_PSS_SHA512),
            Self::Es256 | Self::Es384 | Self::EdDsa => None,
        }
    }
}

/// The issuer of one region's tokens.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    region: String,
    keys: Vec<(String, Key)>,
    random: SystemRandom,
}

impl Issuer {
    /// An issuer with a key of each kind, under the ids `REGION-rsa`, `REGION-p256`, `REGION-p384` and `REGION-ed25519`.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn new(name: &str, region: &str) -> Result<Self> {
        Kind::ALL
            .into_iter()
            .try_fold(Self::without_keys(name, region), |issuer, kind| {
                issuer.with_key(&format!("{region}-{}", kind.suffix()), kind)
            })
    }

    /// An issuer that has no key yet.
    #[must_use]
    pub fn without_keys(name: &str, region: &str) -> Self {
        Self {
            name: name.to_owned(),
            region: region.to_owned(),
            keys: Vec::new(),
            random: SystemRandom::new(),
        }
    }

    /// Adds a new key under this id.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn with_key(mut self, kid: &str, kind: Kind) -> Result<Self> {
        let key = Key::generate(kind, &self.random)?;
        self.keys.push((kid.to_owned(), key));
        Ok(self)
    }

    /// The region whose tokens these are.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// All public keys, as a JWK Set (RFC 7517). No key names an `alg`: add one where a test needs it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(|(kid, key)| key.jwk(kid)).collect();
        json!({ "keys": keys })
    }

    /// The public key with this id, as a JWK.
    ///
    /// # Errors
    /// When there is none.
    pub fn jwk(&self, kid: &str) -> Result<Value> {
        Ok(self.key(kid)?.jwk(kid))
    }

    /// The id of the first key that `alg` can use.
    ///
    /// # Errors
    /// When there is none.
    pub fn kid(&self, alg: Alg) -> Result<&str> {
        let found = self.keys.iter().find(|(_, key)| key.kind() == alg.kind());
        found
            .map(|(kid, _)| kid.as_str())
            .ok_or_else(|| format!("{} has no key for {}", self.region, alg.name()).into())
    }

    /// The claims of an ordinary token: this issuer and region, the audience `api.REGION.com`, an hour to live from now, an id of
    /// its own, and no roles or permissions. Change what a test is about, and [`mint`](Self::mint) them.
    #[must_use]
    pub fn claims(&self, sub: &str) -> Value {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = now();
        json!({
            "iss": self.name, "sub": sub, "aud": format!("api.{}.com", self.region), "region": self.region,
            "iat": now, "exp": now + 3600, "jti": format!("{}-{}-{count}", self.region, std::process::id()),
            "permissions": {"global": [], "regional": {}}, "roles": [],
        })
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// When the key is not there, or not one for `alg`.
    pub fn mint(&self, alg: Alg, kid: &str, claims: &Value) -> Result<String> {
        self.mint_with_header(alg, kid, &json!({"alg": alg.name(), "typ": "JWT", "kid": kid}), claims)
    }

    /// A token signed by `alg` with the key `kid`, whatever its `header` says about them.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn mint_with_header(&self, alg: Alg, kid: &str, header: &Value, claims: &Value) -> Result<String> {
        self.sign_bytes(alg, kid, header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A token whose header and payload are exactly these bytes (doubled members, no JSON at all), properly signed.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn sign_bytes(&self, alg: Alg, kid: &str, header: &[u8], payload: &[u8]) -> Result<String> {
        let text = format!("{}.{}", encode(header), encode(payload));
        let signature = self.sign(alg, kid, text.as_bytes())?;
        Ok(format!("{text}.{}", encode(&signature)))
    }

    /// The JWS signature of `text`.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn sign(&self, alg: Alg, kid: &str, text: &[u8]) -> Result<Vec<u8>> {
        self.key(kid)?.sign(alg, text, &self.random)
    }

    fn key(&self, kid: &str) -> Result<&Key> {
        let found = self.keys.iter().find(|(id, _)| id == kid);
        found
            .map(|(_, key)| key)
            .ok_or_else(|| format!("{} has no key `{kid}`", self.region).into())
    }
}

/// A token without a signature, its header saying `alg: none` (RFC 7519, section 6).
#[must_use]
pub fn unsecured(claims: &Value) -> String {
    assemble(
        json!({"alg": "none", "typ": "JWT"}).to_string().as_bytes(),
        claims.to_string().as_bytes(),
        b"",
    )
}

/// The compact form of any three byte strings.
#[must_use]
pub fn assemble(header: &[u8], payload: &[u8], signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
}

/// The same token with one bit of its signature turned.
///
/// # Errors
/// When `token` has not three parts, or no signature.
pub fn with_bad_signature(token: &str) -> Result<String> {
    let (text, signature) = token.rsplit_once('.').ok_or("not a token")?;
    let mut signature = decode(signature)?;
    let byte = signature.last_mut().ok_or("a token without a signature")?;
    *byte ^= 1;
    Ok(format!("{text}.{}", encode(&signature)))
}

/// The same token and signature around other claims.
///
/// # Errors
/// When `token` has not three parts.
pub fn with_other_claims(token: &str, claims: &Value) -> Result<String> {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("not a token".into());
    };
    Ok(format!(
        "{header}.{}.{signature}",
        encode(claims.to_string().as_bytes())
    ))
}

/// Seconds since 1970, as in `iat` and `exp`.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

enum Key {
    Rsa { pair: RsaKeyPair, n: Vec<u8>, e: Vec<u8> },
    Ec { pair: EcdsaKeyPair, kind: Kind },
    Ed(Ed25519KeyPair),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.kind())
    }
}

impl Key {
    fn generate(kind: Kind, random: &SystemRandom) -> Result<Self> {
        let failed = || format!("cannot make a key of the kind {kind:?}");
        match kind {
            Kind::Rsa => {
                let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).context(failed)?;
                let (n, e) = (private.n().to_bytes_be(), private.e().to_bytes_be());
                let pkcs8 = private.to_pkcs8_der().context(failed)?;
                Ok(Self::Rsa {
                    pair: RsaKeyPair::from_pkcs8(pkcs8.as_bytes()).context(failed)?,
                    n,
                    e,
                })
            }
            Kind::P256 => Self::generate_ec(kind, &ECDSA_P256_SHA256_FIXED_SIGNING, random).context(failed),
            Kind::P384 => Self::generate_ec(kind, &ECDSA_P384_SHA384_FIXED_SIGNING, random).context(failed),
            Kind::Ed25519 => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(random).context(failed)?;
                Ok(Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).context(failed)?))
            }
        }
    }

    fn generate_ec(kind: Kind, algorithm: &'static EcdsaSigningAlgorithm, random: &SystemRandom) -> Result<Self> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, random).context(|| "no key".to_owned())?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), random).context(|| "no key".to_owned())?;
        Ok(Self::Ec { pair, kind })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Rsa { .. } => Kind::Rsa,
            Self::Ec { kind, .. } => *kind,
            Self::Ed(_) => Kind::Ed25519,
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa { n, e, .. } => json!({"kty": "RSA", "kid": kid, "use": "sig", "n": encode(n), "e": encode(e)}),
            Self::Ec { pair, kind } => {
                let curve = if *kind == Kind::P256 { "P-256" } else { "P-384" };
                // An uncompressed point: 4, and then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "kid": kid, "use": "sig", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Ed(pair) => {
                json!({"kty": "OKP", "kid": kid, "use": "sig", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, alg: Alg, text: &[u8], random: &SystemRandom) -> Result<Vec<u8>> {
        let failed = || format!("cannot sign with {}", alg.name());
        match (self, alg.rsa_encoding()) {
            (Self::Rsa { pair, .. }, Some(encoding)) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, random, text, &mut signature).context(failed)?;
                Ok(signature)
            }
            (Self::Ec { pair, kind }, None) if *kind == alg.kind() => {
                Ok(pair.sign(random, text).context(failed)?.as_ref().to_vec())
            }
            (Self::Ed(pair), None) if alg == Alg::EdDsa => Ok(pair.sign(text).as_ref().to_vec()),
            _ => Err(format!("a key of the kind {:?} cannot sign {}", self.kind(), alg.name()).into()),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).context(|| "not base64url".to_owned())
}

#[cfg(test)]
mod tests {
    use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
    use serde_json::json;

    use super::{Alg, Issuer, decode, unsecured, with_bad_signature, with_other_claims};

    fn verified(token: &str, jwk: &serde_json::Value, alg: Alg) -> bool {
        let (text, signature) = token.rsplit_once('.').unwrap();
        let signature = decode(signature).unwrap();
        let field = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
        let text = text.as_bytes();
        match alg {
            Alg::Rs256 | Alg::Ps512 => {
                let key = RsaPublicKeyComponents {
                    n: field("n"),
                    e: field("e"),
                };
                let parameters = if alg == Alg::Rs256 {
                    &signature::RSA_PKCS1_2048_8192_SHA256
                } else {
                    &signature::RSA_PSS_2048_8192_SHA512
                };
                key.verify(parameters, text, &signature).is_ok()
            }
            Alg::EdDsa => UnparsedPublicKey::new(&signature::ED25519, field("x"))
                .verify(text, &signature)
                .is_ok(),
            _ => {
                let point = [vec![4], field("x"), field("y")].concat();
                let algorithm = if alg == Alg::Es256 {
                    &signature::ECDSA_P256_SHA256_FIXED
                } else {
                    &signature::ECDSA_P384_SHA384_FIXED
                };
                UnparsedPublicKey::new(algorithm, point)
                    .verify(text, &signature)
                    .is_ok()
            }
        }
    }

    #[test]
    fn tokens_verify_with_the_published_key_and_forged_ones_do_not() {
        let issuer = Issuer::new("identity.global.com", "us-east-1").unwrap();
        let claims = issuer.claims("alice");
        assert_eq!(issuer.jwks()["keys"].as_array().unwrap().len(), 4);
        for alg in [Alg::Rs256, Alg::Ps512, Alg::Es256, Alg::Es384, Alg::EdDsa] {
            let kid = issuer.kid(alg).unwrap();
            let jwk = issuer.jwk(kid).unwrap();
            let token = issuer.mint(alg, kid, &claims).unwrap();
            assert!(verified(&token, &jwk, alg), "{alg:?}");
            assert!(!verified(&with_bad_signature(&token).unwrap(), &jwk, alg), "{alg:?}");
            assert!(
                !verified(&with_other_claims(&token, &json!({})).unwrap(), &jwk, alg),
                "{alg:?}"
            );
        }
    }

    #[test]
    fn an_algorithm_wants_its_own_kind_of_key() {
        let issuer = Issuer::new("identity.global.com", "us-east-1").unwrap();
        for (alg, kid) in [
            (Alg::Es256, "us-east-1-p384"),
            (Alg::Rs256, "us-east-1-p256"),
            (Alg::EdDsa, "us-east-1-rsa"),
        ] {
            assert!(issuer.mint(alg, kid, &json!({})).is_err(), "{alg:?} with {kid}");
        }
        assert!(issuer.mint(Alg::Rs256, "nobody", &json!({})).is_err());
    }

    #[test]
    fn an_unsecured_token_ends_in_a_dot() {
        assert!(unsecured(&json!({"sub": "alice"})).ends_with('.'));
    }
}
