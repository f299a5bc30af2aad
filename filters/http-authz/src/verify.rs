//! Signatures verified by the host's own cryptography where it offers that, and in the module elsewhere.

use core::cell::Cell;
use std::borrow::Cow;
use std::rc::Rc;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use regionguard::engine::Kit;
use regionguard::identity::{Algorithm, PublicKey, RingVerifier, SignatureVerifier, ecdsa_der};

use crate::abi;

/// Envoy's foreign function.
const VERIFY_SIGNATURE: &str = "verify_signature";

/// `envoy.source.extensions.common.wasm.VerifySignatureResult`.
#[derive(Clone, PartialEq, Message)]
struct Verified {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

/// The host first, ring where the host cannot.
#[derive(Default)]
struct HostVerifier {
    /// Set once the host has said that it has no such function.
    absent: Cell<bool>,
}

impl HostVerifier {
    /// The host's word; `None` where it has none for this algorithm.
    fn ask_host(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Option<bool> {
        if self.absent.get() {
            return None;
        }
        let hash_function = hash_function(algorithm)?;
        let signature = match algorithm {
            // The host wants DER, a JWS has r and s side by side (RFC 7518 §3.4). What cannot be converted is no signature.
            Algorithm::ES256 | Algorithm::ES384 => match ecdsa_der(signature) {
                Some(der) => Cow::Owned(der),
                None => return Some(false),
            },
            _ => Cow::Borrowed(signature),
        };
        let arguments = arguments([hash_function.as_bytes(), key.spki(), &signature, message]);
        match abi::call_foreign_function(VERIFY_SIGNATURE, &arguments) {
            // Only an explicit true is one.
            Ok(bytes) => Some(Verified::decode(bytes.as_slice()).is_ok_and(|verified| verified.result)),
            Err(_) => {
                self.absent.set(true);
                None
            }
        }
    }
}

impl SignatureVerifier for HostVerifier {
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        self.ask_host(algorithm, key, message, signature)
            .unwrap_or_else(|| RingVerifier.verify(algorithm, key, message, signature))
    }
}

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`: hash function, public key, signature and text, as the fields 1 to 4. Written from what is at
/// hand, since the message type would take a copy of each.
fn arguments(fields: [&[u8]; 4]) -> Vec<u8> {
    // A key and a length take six bytes at most.
    let room = fields
        .iter()
        .fold(0_usize, |sum, field| sum.saturating_add(field.len()).saturating_add(6));
    let mut message = Vec::with_capacity(room);
    for (tag, field) in (1..).zip(fields) {
        encode_key(tag, WireType::LengthDelimited, &mut message);
        encode_varint(u64::try_from(field.len()).unwrap_or(u64::MAX), &mut message);
        message.extend_from_slice(field);
    }
    message
}

/// The host's name for the hash of what it verifies: PKCS #1 v1.5 and ECDSA. It has neither PSS nor Ed25519.
fn hash_function(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::RS256 | Algorithm::ES256 => Some("sha256"),
        Algorithm::RS384 | Algorithm::ES384 => Some("sha384"),
        Algorithm::RS512 => Some("sha512"),
        _ => None,
    }
}

/// What every callback has of this host.
pub(crate) struct HostKit {
    verifier: Rc<dyn SignatureVerifier>,
}

impl Default for HostKit {
    fn default() -> Self {
        Self {
            verifier: Rc::new(HostVerifier::default()),
        }
    }
}

impl Kit for HostKit {
    fn verifier(&self) -> &Rc<dyn SignatureVerifier> {
        &self.verifier
    }

    fn random(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        getrandom::getrandom(&mut bytes).is_ok().then_some(bytes)
    }
}
