//! The one trait between tokens and whatever computes signatures: the host, or `ring`.

use super::der;
use super::keys::{Algorithm, PublicKey};

/// Verifies signatures.
pub trait SignatureVerifier {
    /// Whether `signature` (as JOSE has it: ECDSA is r‖s) is the key's signature of `message`. Anything but a certain yes is `false`: it never panics, whatever it is given.
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}

/// The DER form (`ECDSA-Sig-Value`, RFC 3279 §2.2.3) of a JOSE signature r‖s (RFC 7518 §3.4) for P-256 (64 bytes) or P-384 (96 bytes).
/// `None` for any other length, and where r or s is zero, which no valid signature has. That both are below the group's order is for the verifier to check.
#[must_use]
pub fn ecdsa_der(signature_r_s: &[u8]) -> Option<Vec<u8>> {
    let half = match signature_r_s.len() {
        64 => 32,
        96 => 48,
        _ => return None,
    };
    let (r, s) = signature_r_s.split_at_checked(half)?;
    let is_zero = |number: &[u8]| der::significant(number).is_empty();
    if is_zero(r) || is_zero(s) {
        return None;
    }
    Some(der::two_integers(r, s))
}

/// Verification by `ring`, within this module.
#[cfg(feature = "ring")]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingVerifier;

#[cfg(feature = "ring")]
impl SignatureVerifier for RingVerifier {
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        use ring::signature as by;

        let method: &'static dyn by::VerificationAlgorithm = match algorithm {
            Algorithm::RS256 => &by::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &by::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &by::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &by::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &by::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &by::RSA_PSS_2048_8192_SHA512,
            Algorithm::ES256 => &by::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &by::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &by::ED25519,
        };
        algorithm.key_type() == key.key_type()
            && by::UnparsedPublicKey::new(method, key.raw())
                .verify(message, signature)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::ecdsa_der;

    #[test]
    fn ecdsa_signatures_become_der() {
        let signature = [[0xff; 32], [0x01; 32]].concat();
        let expected = [&[0x30, 69, 2, 33, 0][..], &[0xff; 32], &[2, 32], &[0x01; 32]].concat();
        assert_eq!(ecdsa_der(&signature), Some(expected));

        let mut short = [0; 96];
        (short[47], short[95]) = (1, 0x80);
        assert_eq!(ecdsa_der(&short), Some(vec![0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]));
    }

    #[test]
    fn what_is_no_signature_does_not() {
        assert_eq!(ecdsa_der(&[0; 64]), None);
        assert_eq!(ecdsa_der(&[[0; 32], [1; 32]].concat()), None);
        assert_eq!(ecdsa_der(&[[1; 32], [0; 32]].concat()), None);
        for length in (0..200).filter(|length| ![64, 96].contains(length)) {
            assert_eq!(ecdsa_der(&vec![1; length]), None, "{length}");
        }
    }
}
