//! The one URI among the subject alternative names of an X.509 certificate (RFC 5280), in DER (ITU-T X.690 §10).
//!
//! The host has checked the certificate's signature and chain; this finds one name in it, by a walk that goes only forward, never nests by what it finds and
//! gives up where anything is not as it has to be. A certificate library would be fifty times as much code in the module for the same answer.

/// The only `uniformResourceIdentifier` of the only `subjectAltName` of a certificate; `None` where there is none, or more than one of either, or the bytes
/// are not a certificate of version 3.
pub(super) fn only_uri(certificate: &[u8]) -> Option<&[u8]> {
    let mut names = Der(only_extension(certificate, &SUBJECT_ALT_NAME)?).only(SEQUENCE)?;
    let mut uri = None;
    while !names.is_empty() {
        match names.next()? {
            (URI, name) if uri.is_none() => uri = Some(name),
            (URI, _) => return None,
            (name, _) if OTHER_NAMES.contains(&name) => {}
            _ => return None,
        }
    }
    uri
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT Version`
const VERSION: u8 = 0xa0;
/// `[1]` and `[2] IMPLICIT UniqueIdentifier`
const UNIQUE_IDS: [u8; 2] = [0x81, 0x82];
/// `[3] EXPLICIT Extensions`
const EXTENSIONS: u8 = 0xa3;

/// `id-ce-subjectAltName`, 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
/// `uniformResourceIdentifier [6] IA5String`
const URI: u8 = 0x86;
/// The other alternatives of `GeneralName`: `otherName`, `rfc822Name`, `dNSName`, `x400Address`, `directoryName`, `ediPartyName`, `iPAddress`, `registeredID`.
const OTHER_NAMES: [u8; 8] = [0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x87, 0x88];

/// The value of the only extension of this kind.
fn only_extension<'c>(certificate: &'c [u8], kind: &[u8]) -> Option<&'c [u8]> {
    let mut extensions = extensions(certificate)?;
    let mut found = None;
    while !extensions.is_empty() {
        let mut extension = extensions.take(SEQUENCE)?;
        let id = extension.take(OID)?.0;
        // `critical`: the default, false, is not written (X.690 §11.5), and true is all ones.
        if extension
            .optional(BOOLEAN)?
            .is_some_and(|critical| critical.0 != [0xff])
        {
            return None;
        }
        let value = extension.only(OCTET_STRING)?.0;
        // No extension comes twice (RFC 5280 §4.2).
        if id == kind && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// The `Extensions` of a certificate (RFC 5280 §4.1).
fn extensions(certificate: &[u8]) -> Option<Der<'_>> {
    let mut certificate = Der(certificate).only(SEQUENCE)?;
    let mut fields = certificate.take(SEQUENCE)?;
    certificate.take(SEQUENCE)?;
    certificate.only(BIT_STRING)?;
    // Version 3, which alone has extensions.
    if fields.take(VERSION)?.only(INTEGER)?.0 != [2] {
        return None;
    }
    fields.take(INTEGER)?;
    // Signature, issuer, validity, subject, subject's public key.
    for _ in 0..5 {
        fields.take(SEQUENCE)?;
    }
    for unique_id in UNIQUE_IDS {
        fields.optional(unique_id)?;
    }
    fields.only(EXTENSIONS)?.only(SEQUENCE)
}

/// Elements one behind the other.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element's tag and content. Lengths are definite and in the shortest form (X.690 §10.1); tags of more than one byte are in no certificate.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&[length], rest) = rest.split_first_chunk()?;
                (Some(usize::from(length)).filter(|length| *length > 0x7f)?, rest)
            }
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                let length = usize::from(u16::from_be_bytes(length));
                (Some(length).filter(|length| *length > 0xff)?, rest)
            }
            // 0x80 has no definite length; three bytes of it are more than is read.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which has this tag.
    fn take(&mut self, expected: u8) -> Option<Der<'d>> {
        self.next()
            .filter(|(tag, _)| *tag == expected)
            .map(|(_, content)| Der(content))
    }

    /// As [`take`](Self::take), where an element with this tag comes next; else nothing is taken.
    fn optional(&mut self, expected: u8) -> Option<Option<Der<'d>>> {
        if self.0.first() == Some(&expected) {
            self.take(expected).map(Some)
        } else {
            Some(None)
        }
    }

    /// The content of the one element that is left, which has this tag.
    fn only(mut self, expected: u8) -> Option<Der<'d>> {
        let content = self.take(expected)?;
        self.is_empty().then_some(content)
    }
}
