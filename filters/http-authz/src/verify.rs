//! Signatures verified by the host's own cryptography where it offers that, and in the module elsewhere.

use core::cell::Cell;
use std::rc::Rc;

use prost::Message;
use regionguard::engine::Kit;
use regionguard::identity::{Algorithm, PublicKey, RingVerifier, SignatureVerifier, ecdsa_der};

use crate::abi;

/// Envoy's foreign function.
const VERIFY_SIGNATURE: &str = "verify_signature";

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`.
#[derive(Clone, PartialEq, Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

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
                Some(der) => der,
                None => return Some(false),
            },
            _ => signature.to_vec(),
        };
        let arguments = Arguments {
            hash_function: hash_function.to_owned(),
            public_key: key.spki().to_vec(),
            signature,
            text: message.to_vec(),
        };
        match abi::call_foreign_function(VERIFY_SIGNATURE, &arguments.encode_to_vec()) {
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
}
