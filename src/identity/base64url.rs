//! base64url as JOSE wants it (RFC 7515 §2): no padding, no white space, and the unused bits of the last character are zero, so that bytes have one spelling only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes that `text` spells; `None` where it is not the one canonical spelling of any.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The canonical spelling of `bytes`.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode("AA"), Some(vec![0]));
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        for refused in [
            "AB", "AAB", "AA==", "AA=", "A", "AAAAA", "A A", " AA", "AA\n", "+/8", "A.A", "AÄ", "AA\0",
        ] {
            assert_eq!(decode(refused), None, "{refused:?}");
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }
}
