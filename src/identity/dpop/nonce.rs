//! Nonces that nobody has to remember: a time, and a code under a key of this VM that says that it is ours.

use sha2::{Digest as _, Sha256};

use crate::identity::base64url;
use crate::time::WallTime;

/// How long a nonce is taken, in seconds.
pub const NONCE_SECONDS: i64 = 120;
/// What tells these codes from any other use of a key.
const PURPOSE: &[u8] = b"regionguard dpop nonce 1";
/// The bytes of the code that are sent: 128 bits, half of it (RFC 2104 §5).
const CODE_BYTES: usize = 16;

/// 32 random bytes that nobody else has.
pub type NonceKey = [u8; 32];

/// The nonces of one VM.
pub(super) struct Nonces {
    key: NonceKey,
}

impl Nonces {
    pub(super) fn new(key: NonceKey) -> Self {
        Self { key }
    }

    /// The nonce of this second: 24 bytes in base64url.
    pub(super) fn issue(&self, now: WallTime) -> String {
        let issued = now.unix_seconds().to_be_bytes();
        let code = self.code(issued);
        base64url::encode(&[issued.as_slice(), &code].concat())
    }

    /// When this nonce was given, in seconds since the Unix epoch; `None` where it is not ours. It is taken from then on for [`NONCE_SECONDS`].
    pub(super) fn issued(&self, nonce: &str) -> Option<i64> {
        if nonce.len() > 64 {
            return None;
        }
        let bytes = base64url::decode(nonce)?;
        let (issued, code) = bytes.split_first_chunk()?;
        same(code, &self.code(*issued)).then_some(i64::from_be_bytes(*issued))
    }

    fn code(&self, issued: [u8; 8]) -> [u8; CODE_BYTES] {
        let code = hmac_sha256(&self.key, &[PURPOSE, &issued].concat());
        let mut short = [0; CODE_BYTES];
        short.iter_mut().zip(code).for_each(|(short, byte)| *short = byte);
        short
    }
}

/// HMAC (RFC 2104) with SHA-256, for a key of 32 bytes: shorter than a block, so it is never hashed itself.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Whether both are the same, in a time that depends on nothing but their length.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::{Nonces, hmac_sha256};
    use crate::identity::base64url;
    use crate::time::WallTime;

    /// At 1,000 seconds.
    fn at_thousand() -> WallTime {
        WallTime(1_000_000_000_000)
    }

    #[test]
    fn hmac_is_that_of_the_standard() {
        let key: [u8; 32] = core::array::from_fn(|place| u8::try_from(place).expect("small"));
        for message in [&b""[..], b"a", &[7; 200]] {
            let expected = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), message);
            assert_eq!(hmac_sha256(&key, message), expected.as_ref());
        }
    }

    #[test]
    fn a_nonce_tells_its_time_to_whom_it_is_from() {
        let ours = Nonces::new([1; 32]);
        let nonce = ours.issue(at_thousand());
        assert_eq!(nonce.len(), 32);
        assert_eq!(ours.issued(&nonce), Some(1_000));
        assert_eq!(Nonces::new([2; 32]).issued(&nonce), None);
    }

    #[test]
    fn every_bit_of_a_nonce_counts() {
        let ours = Nonces::new([1; 32]);
        let bytes = base64url::decode(&ours.issue(at_thousand())).expect("base64url");
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                assert_eq!(ours.issued(&base64url::encode(&changed)), None);
            }
        }
        let short = base64url::encode(&bytes[..23]);
        let long = base64url::encode(&[&bytes[..], &[0]].concat());
        let time_only = base64url::encode(&bytes[..8]);
        for wrong in ["", "a", &short, &long, &time_only, &"A".repeat(32), &"A".repeat(10_000)] {
            assert_eq!(ours.issued(wrong), None, "{wrong:.40}");
        }
    }
}
