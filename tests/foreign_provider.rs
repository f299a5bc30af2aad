//! Where somebody else's `CryptoProvider` came first, nothing is verified: what it would accept is not known. A process of its own, as there is one provider a process.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, new_error};
use jsonwebtoken::{Algorithm, DecodingKey, signature};
use regionguard::identity::{Crypto, ForeignProvider};

/// Finds every signature good.
struct Gullible;

impl signature::Verifier<Vec<u8>> for Gullible {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), signature::Error> {
        Ok(())
    }
}

impl JwtVerifier for Gullible {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

static FOREIGN: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |_, _| Ok(Box::new(Gullible)),
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn a_foreign_provider_is_not_trusted() {
    assert!(FOREIGN.install_default().is_ok());
    let key = DecodingKey::from_ed_der(&[1; 32]);
    assert_eq!(
        jsonwebtoken::crypto::verify("AA", b"message", &key, Algorithm::EdDSA),
        Ok(true),
        "it is in force"
    );
    assert_eq!(Crypto::install().err(), Some(ForeignProvider));
    assert_eq!(Crypto::install().err(), Some(ForeignProvider), "now and later");
}
