//! A private key: made, read from PKCS #8 in PEM, and what it signs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// What a new key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Algorithm {
    /// ECDSA on P-256
    #[value(name = "ES256")]
    Es256,
    /// ECDSA on P-384
    #[value(name = "ES384")]
    Es384,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
}

/// A private key.
pub(super) struct Signer(Key);

enum Key {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// A new key, and its PKCS #8 in PEM.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn generate(algorithm: Algorithm) -> Result<(Self, String), String> {
        let random = SystemRandom::new();
        let made = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Algorithm::Es384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random),
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        };
        let document = made.map_err(|_| "no key can be made: the system gives no random bytes")?;
        let lines: Vec<String> = STANDARD
            .encode(document.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let pem = format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"));
        Ok((
            Self::of_der(document.as_ref()).ok_or("the new key cannot be read")?,
            pem,
        ))
    }

    /// The key in a text of PEM.
    ///
    /// # Errors
    /// When it is no private key in PKCS #8, or of a kind that signs no tokens. Nothing of it is told.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
        const WANTED: &str = "not a private key in PKCS #8: the file holds `-----BEGIN PRIVATE KEY-----`, as `regionguard token keys` and `openssl genpkey` write it";
        let body = pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body: String = body.ok_or(WANTED)?.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| WANTED)?;
        Self::of_der(&der).ok_or_else(|| "a key of another kind than P-256, P-384, Ed25519 and RSA".to_owned())
    }

    fn of_der(der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let key = if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random) {
            Key::P256(key)
        } else if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random) {
            Key::P384(key)
        } else if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Key::Ed25519(key)
        } else {
            Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).ok()?))
        };
        Some(Self(key))
    }

    /// `alg` of what it signs.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.0 {
            Key::Ed25519(_) => "EdDSA",
            Key::P256(_) => "ES256",
            Key::P384(_) => "ES384",
            Key::Rsa(_) => "RS256",
        }
    }

    /// The public key as a JWK, under this name.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public();
        jwk.insert("kid".to_owned(), json!(kid));
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm()));
        Value::Object(jwk)
    }

    /// SHA-256 of its canonical JWK (RFC 7638).
    pub(super) fn thumbprint(&self) -> String {
        // The members that count, sorted, as `Map` has them, without white space.
        let canonical = Value::Object(self.public()).to_string();
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
    }

    /// A compact JWS of this payload.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(super) fn sign(&self, kid: &str, payload: &Map<String, Value>) -> Result<String, String> {
        let header = json!({"alg": self.algorithm(), "typ": "JWT", "kid": kid}).to_string();
        let payload = Value::Object(payload.clone()).to_string();
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let random = SystemRandom::new();
        let signature = match &self.0 {
            Key::Ed25519(key) => key.sign(input.as_bytes()).as_ref().to_vec(),
            Key::P256(key) | Key::P384(key) => key
                .sign(&random, input.as_bytes())
                .map_err(|_| "the key does not sign")?
                .as_ref()
                .to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
                    .map_err(|_| "the key does not sign")?;
                signature
            }
        };
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The members that make the key (RFC 7518 §6, RFC 8037 §2).
    fn public(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |curve: &str, point: &[u8]| {
            // An uncompressed point: 4, x, y.
            let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        };
        let members = match &self.0 {
            Key::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())}),
            Key::P256(key) => ec("P-256", key.public_key().as_ref()),
            Key::P384(key) => ec("P-384", key.public_key().as_ref()),
            Key::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
        };
        members.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Signer};

    #[test]
    fn a_key_that_was_written_is_read() {
        for (algorithm, name) in [
            (Algorithm::Es256, "ES256"),
            (Algorithm::Es384, "ES384"),
            (Algorithm::EdDsa, "EdDSA"),
        ] {
            let (made, pem) = Signer::generate(algorithm).expect("a key");
            let read = Signer::read(&pem).expect("a key");
            assert_eq!(read.algorithm(), name);
            assert_eq!(read.thumbprint(), made.thumbprint());
            let set = [read.jwk("one")];
            let built = regionguard::identity::KeyRing::from_json(&set, None);
            assert_eq!((built.errors.len(), built.ring.len()), (0, 1), "{set:?}");
            let own = regionguard::identity::thumbprint(&read.thumbprint());
            assert_eq!(built.ring.thumbprints().next(), own.as_ref(), "RFC 7638");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_telling_it() {
        for wrong in [
            "",
            "secret",
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        ] {
            let error = Signer::read(wrong).err().expect("an error");
            assert!(!error.contains("secret") && !error.contains("c2Vj"), "{error}");
        }
    }
}
