//! The little DER (ITU-T X.690) that public keys and ECDSA signatures need: written, never read.

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7) for an algorithm whose complete `AlgorithmIdentifier` is given.
pub(super) fn spki(algorithm_identifier: &[u8], public_key: &[u8]) -> Vec<u8> {
    let mut content = algorithm_identifier.to_vec();
    content.extend(element(0x03, &[&[0], public_key]));
    element(0x30, &[&content])
}

/// A SEQUENCE of two INTEGERs, each given as its unsigned big-endian bytes: `RSAPublicKey` (RFC 8017 §A.1.1) and `ECDSA-Sig-Value` (RFC 3279 §2.2.3).
pub(super) fn two_integers(first: &[u8], second: &[u8]) -> Vec<u8> {
    element(0x30, &[&integer(first), &integer(second)])
}

/// Without the leading zero bytes.
pub(super) fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn integer(unsigned: &[u8]) -> Vec<u8> {
    let magnitude = significant(unsigned);
    // An INTEGER is signed: a set top bit needs a zero byte before it, and so does zero itself.
    let sign: &[u8] = if magnitude.first().is_none_or(|top| top & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    element(0x02, &[sign, magnitude])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = significant(&length);
    match (u8::try_from(content.len()), u8::try_from(significant.len())) {
        (Ok(short), _) if short < 0x80 => out.push(short),
        (_, Ok(count)) => {
            out.push(0x80 | count);
            out.extend_from_slice(significant);
        }
        (_, Err(_)) => {}
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::{element, two_integers};

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(
            two_integers(&[0, 0, 0x7f], &[0x80]),
            [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]
        );
        assert_eq!(two_integers(&[], &[0]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn lengths() {
        assert_eq!(element(4, &[&[7; 127]])[..3], [4, 127, 7]);
        assert_eq!(element(4, &[&[7; 128]])[..4], [4, 0x81, 128, 7]);
        assert_eq!(element(4, &[&[7; 300]])[..5], [4, 0x82, 1, 44, 7]);
    }
}
