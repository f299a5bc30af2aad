//! Signature algorithms and public keys (RFC 7518, RFC 8037).

use core::fmt;

use jsonwebtoken::DecodingKey;
use sha2::{Digest as _, Sha256};

use super::base64url;
use super::der;

/// A signature algorithm of JOSE that can be allowed here: asymmetric ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The algorithm that JOSE names so, letter by letter; `None` for `none`, the symmetric ones and all others.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in JOSE.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The only type of key that it can be used with.
    #[must_use]
    pub fn key_type(self) -> KeyType {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => KeyType::Rsa,
            Self::ES256 => KeyType::P256,
            Self::ES384 => KeyType::P384,
            Self::EdDSA => KeyType::Ed25519,
        }
    }
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA of 2048 to 8192 bits.
    Rsa,
    /// An elliptic-curve key on P-256.
    P256,
    /// An elliptic-curve key on P-384.
    P384,
    /// An Ed25519 key.
    Ed25519,
}

impl KeyType {
    /// `kty` (RFC 7518 §6.1, RFC 8037 §2).
    #[must_use]
    pub fn kty(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 | Self::P384 => "EC",
            Self::Ed25519 => "OKP",
        }
    }

    /// What a key without `alg` may verify.
    pub(super) fn usual_algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::RS256, Algorithm::PS256],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::Ed25519 => &[Algorithm::EdDSA],
        }
    }

    /// The complete `AlgorithmIdentifier` of its `SubjectPublicKeyInfo` (RFC 3279 §2.3, RFC 5480 §2.1.1, RFC 8410 §3).
    fn algorithm_identifier(self) -> &'static [u8] {
        match self {
            Self::Rsa => b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00",
            Self::P256 => b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
            Self::P384 => b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22",
            Self::Ed25519 => b"\x30\x05\x06\x03\x2b\x65\x70",
        }
    }
}

/// A public key, prepared once for every way in which a signature may be verified.
pub struct PublicKey {
    key_type: KeyType,
    spki: Vec<u8>,
    raw: Vec<u8>,
    thumbprint: [u8; 32],
    decoding: DecodingKey,
}

impl PublicKey {
    /// What kind of key it is.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// DER of `SubjectPublicKeyInfo`: what the host's `verify_signature` wants.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What `ring` wants: DER of `RSAPublicKey`, the uncompressed point, or the 32 bytes of an Ed25519 key.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// SHA-256 of its canonical JWK (RFC 7638, RFC 8037 §2): the same for the same key, however it is written.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The same key for `jsonwebtoken`.
    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        let raw = der::two_integers(modulus, exponent);
        let decoding = DecodingKey::from_rsa_der(&raw);
        let canonical = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            base64url::encode(exponent),
            base64url::encode(modulus)
        );
        Self::new(KeyType::Rsa, raw, &canonical, decoding)
    }

    pub(super) fn ec(key_type: KeyType, curve: &str, x: &[u8], y: &[u8]) -> Self {
        let raw = [&[4], x, y].concat();
        let decoding = DecodingKey::from_ec_der(&raw);
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let canonical = format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Self::new(key_type, raw, &canonical, decoding)
    }

    pub(super) fn ed25519(x: Vec<u8>) -> Self {
        let decoding = DecodingKey::from_ed_der(&x);
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(&x));
        Self::new(KeyType::Ed25519, x, &canonical, decoding)
    }

    fn new(key_type: KeyType, raw: Vec<u8>, canonical: &str, decoding: DecodingKey) -> Self {
        Self {
            key_type,
            spki: der::spki(key_type.algorithm_identifier(), &raw),
            raw,
            thumbprint: Sha256::digest(canonical.as_bytes()).into(),
            decoding,
        }
    }
}

/// The thumbprint that `text` spells: 32 bytes in canonical base64url (RFC 7638 §3).
#[must_use]
pub fn thumbprint(text: &str) -> Option<[u8; 32]> {
    base64url::decode(text)?.try_into().ok()
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PublicKey")
            .field("key_type", &self.key_type)
            .finish_non_exhaustive()
    }
}
