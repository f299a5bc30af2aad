//! A certificate with the name of a workload, as a host hands it over: the engine takes the name from it, and whoever validates certificates is the listener.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A peer's certificate.
pub(super) struct Certificate {
    /// In PEM.
    pub(super) pem: String,
    digest: [u8; 32],
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `id-ce-subjectAltName`, 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
/// `uniformResourceIdentifier [6] IA5String`
const URI: u8 = 0x86;
/// `dNSName [2] IA5String`
const DNS: u8 = 0x82;

impl Certificate {
    /// One with this URI as its name, or without a URI.
    ///
    /// # Errors
    /// When the URI is too long for any certificate.
    pub(super) fn new(uri: Option<&str>) -> Result<Self, String> {
        let name = match uri {
            Some(uri) if uri.len() > 8_192 => return Err("a workload's name of more than 8 KiB".to_owned()),
            Some(uri) => element(URI, &[uri.as_bytes()]),
            None => element(DNS, &[b"trial.invalid"]),
        };
        let names = element(SEQUENCE, &[&name]);
        let extension = element(
            SEQUENCE,
            &[&element(OID, &[&SUBJECT_ALT_NAME]), &element(OCTET_STRING, &[&names])],
        );
        let empty = element(SEQUENCE, &[]);
        let to_be_signed = element(
            SEQUENCE,
            &[
                &element(VERSION, &[&element(INTEGER, &[&[2]])]),
                &element(INTEGER, &[&[1]]),
                // Signature, issuer, validity, subject, subject's public key.
                &empty,
                &empty,
                &empty,
                &empty,
                &empty,
                &element(EXTENSIONS, &[&element(SEQUENCE, &[&extension])]),
            ],
        );
        let der = element(SEQUENCE, &[&to_be_signed, &empty, &element(BIT_STRING, &[&[0]])]);
        let body = STANDARD.encode(&der);
        Ok(Self {
            pem: format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"),
            digest: Sha256::digest(&der).into(),
        })
    }

    /// SHA-256 of its DER, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a token that is bound to it says (RFC 8705 §3.1).
    pub(super) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest)
    }
}

/// One element, its length in the shortest form (X.690 §10.1).
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut all = vec![tag];
    match significant.as_slice() {
        [] => all.push(0),
        [short] if *short < 0x80 => all.push(*short),
        long => {
            all.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            all.extend_from_slice(long);
        }
    }
    all.extend_from_slice(&content);
    all
}

#[cfg(test)]
mod tests {
    use super::Certificate;

    #[test]
    fn the_kernel_reads_the_name() {
        for length in [1, 50, 100, 128, 200, 400, 2_000] {
            let id = format!("spiffe://prod/{}", "a".repeat(length));
            let certificate = Certificate::new(Some(&id)).expect("a certificate");
            let workload = regionguard::identity::workload(certificate.pem.as_bytes());
            assert_eq!(workload.map(|id| id.as_str().to_owned()), Some(id), "{length}");
        }
        let nameless = Certificate::new(None).expect("a certificate");
        assert_eq!(regionguard::identity::workload(nameless.pem.as_bytes()), None);
        assert_eq!(nameless.digest().len(), 64);
    }
}
