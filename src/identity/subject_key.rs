//! What is kept of a subject is kept under a key.

use sha2::{Digest as _, Sha256};

use crate::remembered::KEY_BYTES;

/// The SHA-256 of a subject (home region, issuer, `sub`), of the trust configuration by which it was verified, and of the server that speaks of it.
#[must_use]
pub fn subject_key(trust_digest: &[u8; KEY_BYTES], server: &str, subject: [&str; 3]) -> [u8; KEY_BYTES] {
    let mut hash = Sha256::new();
    hash.update(trust_digest);
    for part in [server].into_iter().chain(subject) {
        // With its length, so that no two lists of parts are one text.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::subject_key;

    #[test]
    fn no_two_subjects_have_one_key() {
        let keys = [
            subject_key(&[1; 32], "c", ["us", "iss", "alice"]),
            subject_key(&[2; 32], "c", ["us", "iss", "alice"]),
            subject_key(&[1; 32], "d", ["us", "iss", "alice"]),
            subject_key(&[1; 32], "c", ["eu", "iss", "alice"]),
            subject_key(&[1; 32], "c", ["us", "other", "alice"]),
            subject_key(&[1; 32], "c", ["us", "iss", "bob"]),
            subject_key(&[1; 32], "c", ["us", "issalice", ""]),
            subject_key(&[1; 32], "cu", ["s", "iss", "alice"]),
        ];
        let all: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(all.len(), keys.len());
    }
}
