//! One certificate in PEM (RFC 7468), which the host percent-encodes (RFC 3986 §2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest certificate that is read, in bytes as the host gives it. A TLS library takes chains of 100 KiB and more; a workload's leaf has one or two.
const BYTES_MAX: usize = 64 * 1024;
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// The DER of the one certificate that `text` holds and that nothing stands before or behind.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let text = percent_decoded(text)?;
    let body = text.trim_ascii().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let mut base64 = body.to_vec();
    base64.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    STANDARD.decode(base64).ok()
}

/// `+` stands for itself: base64 has it.
fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' {
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            high << 4 | low
        } else {
            byte
        });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn one_certificate_plain_or_percent_encoded() {
        for good in [
            "-----BEGIN CERTIFICATE-----\nAAEC\n/w==\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\r\nAAEC/w==\r\n-----END CERTIFICATE-----",
            "-----BEGIN%20CERTIFICATE-----%0AAAEC%0a%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A",
        ] {
            assert_eq!(decode(good.as_bytes()), Some(vec![0, 1, 2, 0xff]), "{good}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let long = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            "AAAA".repeat(20_000)
        );
        for bad in [
            "",
            "%",
            "%0",
            "%zz",
            "AAEC",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----------END CERTIFICATE",
            "-----BEGIN CERTIFICATE-----\nAAEC\n-----END PRIVATE KEY-----\n",
            "-----BEGIN TRUSTED CERTIFICATE-----\nAAEC\n-----END TRUSTED CERTIFICATE-----\n",
            // Text inside or around it, a header, base64 of another kind or not canonical.
            "x-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\nx",
            "-----BEGIN CERTIFICATE-----\nA: b\n\nAAEC\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAA EC\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n_w==\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n/x==\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n/w\n-----END CERTIFICATE-----\n",
            // Two of them.
            "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n",
            &long,
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:.200}");
        }
    }
}
