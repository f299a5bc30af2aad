//! `jsonwebtoken`'s door to our verifiers.
//!
//! Its `CryptoProvider` is one per process and made of plain functions, so what a call is about (the verifier and the key) stands in a thread-local for the duration of that call.

use core::cell::Cell;
use core::fmt;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult, new_error};
use jsonwebtoken::{DecodingKey, EncodingKey, signature};

use super::keys::{Algorithm, PublicKey};
use super::verify::SignatureVerifier;

/// Proof that `jsonwebtoken` verifies by our provider, in this process and for good.
#[derive(Clone, Copy, Debug)]
pub struct Crypto {
    _installed: (),
}

/// Another `CryptoProvider` was installed before ours: what it would accept is not known, so nothing is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignProvider;

impl fmt::Display for ForeignProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "another `CryptoProvider` of `jsonwebtoken` is installed in this process: no token can be verified",
        )
    }
}

impl core::error::Error for ForeignProvider {}

impl Crypto {
    /// Installs our provider at the first call; later calls only tell whether it is ours.
    ///
    /// # Errors
    /// [`ForeignProvider`] where somebody else was first.
    pub fn install() -> Result<Self, ForeignProvider> {
        static OURS: OnceLock<bool> = OnceLock::new();
        match OURS.get_or_init(|| PROVIDER.install_default().is_ok()) {
            true => Ok(Self { _installed: () }),
            false => Err(ForeignProvider),
        }
    }

    /// Whether `signature` (the third part of a compact JWS) is the key's signature of `signing_input` (its first two parts with their dot).
    pub(super) fn verify(
        self,
        verifier: &Rc<dyn SignatureVerifier>,
        algorithm: Algorithm,
        key: &Arc<PublicKey>,
        signing_input: &str,
        signature: &str,
    ) -> bool {
        let _current = Current::set(Call {
            verifier: Rc::clone(verifier),
            algorithm,
            key: Arc::clone(key),
        });
        jsonwebtoken::crypto::verify(signature, signing_input.as_bytes(), key.decoding(), jose(algorithm))
            .unwrap_or(false)
    }
}

thread_local! {
    static CURRENT: Cell<Option<Call>> = const { Cell::new(None) };
}

/// What the verification that is under way is about.
#[derive(Clone)]
struct Call {
    verifier: Rc<dyn SignatureVerifier>,
    algorithm: Algorithm,
    key: Arc<PublicKey>,
}

/// Resets the thread-local when the call is over, however it ends.
struct Current {
    before: Option<Call>,
}

impl Current {
    fn set(call: Call) -> Self {
        Self {
            before: CURRENT.replace(Some(call)),
        }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory,
    verifier_factory,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

fn signer_factory(_: &jsonwebtoken::Algorithm, _: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    Err(unsupported())
}

/// A verifier for the call that is under way, and for nothing else: `jsonwebtoken` does not check that key and algorithm belong together, so this does.
fn verifier_factory(algorithm: &jsonwebtoken::Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    let call = CURRENT.take();
    CURRENT.set(call.clone());
    let call = call.ok_or_else(|| new_error(ErrorKind::Provider("no verification is under way".to_owned())))?;
    let fits = jose(call.algorithm) == *algorithm
        && key.family() == algorithm.family()
        && call.key.key_type() == call.algorithm.key_type()
        && key.try_get_as_bytes()? == call.key.raw();
    match fits {
        true => Ok(Box::new(call)),
        false => Err(new_error(ErrorKind::InvalidAlgorithm)),
    }
}

fn unsupported() -> jsonwebtoken::errors::Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

impl signature::Verifier<Vec<u8>> for Call {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        match self.verifier.verify(self.algorithm, &self.key, message, signature) {
            true => Ok(()),
            false => Err(signature::Error::new()),
        }
    }
}

impl JwtVerifier for Call {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        jose(self.algorithm)
    }
}

fn jose(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    use jsonwebtoken::Algorithm as Jose;
    match algorithm {
        Algorithm::RS256 => Jose::RS256,
        Algorithm::RS384 => Jose::RS384,
        Algorithm::RS512 => Jose::RS512,
        Algorithm::PS256 => Jose::PS256,
        Algorithm::PS384 => Jose::PS384,
        Algorithm::PS512 => Jose::PS512,
        Algorithm::ES256 => Jose::ES256,
        Algorithm::ES384 => Jose::ES384,
        Algorithm::EdDSA => Jose::EdDSA,
    }
}
