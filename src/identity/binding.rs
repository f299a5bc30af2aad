//! To whom a token is bound: `cnf` (RFC 7800), and what has to be shown for it.
//!
//! A token that is bound is worth nothing to whoever stole it. So what it is bound to is part of its meaning: a confirmation that is not understood here refuses
//! the token, and the proof is looked at on every request, whether the token's signature was verified before or not.

use sha2::{Digest as _, Sha256};

use super::base64url;
use super::strict_json::Json;
use crate::reason::Reason;

/// The SHA-256 of a certificate in DER, or of a key's canonical JWK.
pub type Thumbprint = [u8; 32];

/// What the sender has to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// `x5t#S256`: this certificate, shown in the TLS handshake (RFC 8705 §3.1).
    pub certificate: Option<Thumbprint>,
    /// `jkt`: the private part of this key, shown by a DPoP proof (RFC 9449 §6.1).
    pub key: Option<BoundKey>,
}

/// The key that a token is bound to, and what its proofs say of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundKey {
    /// `jkt`.
    pub thumbprint: Thumbprint,
    /// SHA-256 of the token: the `ath` of its proofs.
    pub token: [u8; 32],
}

impl Binding {
    /// Reads the `cnf` of `token`; where it is absent, whoever bears the token may use it. Both members together demand both proofs.
    ///
    /// # Errors
    /// [`Reason::TokenBound`] where it is empty, is no object, has a member of any other name or one that is not the canonical base64url of 32 bytes.
    pub(super) fn read(cnf: Option<&Json<'_>>, token: &[u8]) -> Result<Self, Reason> {
        let mut binding = Self::default();
        let members = match cnf {
            None => return Ok(binding),
            Some(Json::Object(members)) => members,
            Some(_) => return Err(Reason::TokenBound),
        };
        for (name, value) in members.iter() {
            let read = || value.as_str().and_then(thumbprint_of).ok_or(Reason::TokenBound);
            match name {
                "x5t#S256" => binding.certificate = Some(read()?),
                "jkt" => {
                    binding.key = Some(BoundKey {
                        thumbprint: read()?,
                        token: Sha256::digest(token).into(),
                    });
                }
                _ => return Err(Reason::TokenBound),
            }
        }
        match binding.is_none() {
            true => Err(Reason::TokenBound),
            false => Ok(binding),
        }
    }

    /// Whether whoever bears the token may use it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.certificate.is_none() && self.key.is_none()
    }

    /// Whether the sender showed the certificate that the token is bound to, if it is bound to one; `shown` is asked only then.
    ///
    /// # Errors
    /// [`Reason::CertificateMissing`] or [`Reason::CertificateOther`].
    pub fn check_certificate(&self, shown: impl FnOnce() -> Option<Thumbprint>) -> Result<(), Reason> {
        match (self.certificate, self.certificate.and_then(|_| shown())) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Reason::CertificateMissing),
            (Some(bound), Some(shown)) if bound == shown => Ok(()),
            (Some(_), Some(_)) => Err(Reason::CertificateOther),
        }
    }
}

/// The thumbprint of which `text` is the canonical base64url.
#[must_use]
pub fn thumbprint_of(text: &str) -> Option<Thumbprint> {
    base64url::decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::{Binding, BoundKey};
    use crate::identity::strict_json::object;
    use crate::reason::Reason;

    /// RFC 8705 appendix A, figure 5, and the certificate of figure 6.
    const RFC_CERTIFICATE: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
    const RFC_CERTIFICATE_DER: &str = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";
    /// RFC 9449 §6.1, figure 9.
    const RFC_KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn read(claims: &str) -> Result<Binding, Reason> {
        Binding::read(object(claims).expect("claims").get("cnf"), b"a token")
    }

    #[test]
    fn a_certificate_a_key_or_both() {
        assert_eq!(read("{}"), Ok(Binding::default()));
        let zeros = "A".repeat(43);
        let certificate = read(&format!(r#"{{"cnf":{{"x5t#S256":"{zeros}"}}}}"#)).expect("valid");
        assert_eq!((certificate.certificate, certificate.key), (Some([0; 32]), None));
        let key = read(&format!(r#"{{"cnf":{{"jkt":"{RFC_KEY}"}}}}"#)).expect("valid");
        assert!(
            key.certificate.is_none()
                && key
                    .key
                    .is_some_and(|key| key.thumbprint.starts_with(&[0xd1, 0x97, 0x0e]))
        );
        let both = read(&format!(r#"{{"cnf":{{"jkt":"{RFC_KEY}","x5t#S256":"{zeros}"}}}}"#)).expect("valid");
        assert!(both.certificate == certificate.certificate && both.key == key.key && !both.is_none());
    }

    #[test]
    fn the_example_of_rfc_8705() {
        let der = STANDARD.decode(RFC_CERTIFICATE_DER).expect("base64");
        let binding = read(&format!(r#"{{"cnf":{{"x5t#S256":"{RFC_CERTIFICATE}"}}}}"#)).expect("valid");
        assert_eq!(binding.check_certificate(|| Some(Sha256::digest(der).into())), Ok(()));
    }

    #[test]
    fn any_other_confirmation_is_refused() {
        let good = "A".repeat(43);
        for cnf in [
            "null".to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            "true".to_owned(),
            "1".to_owned(),
            format!("\"{good}\""),
            format!("[\"{good}\"]"),
            r#"{"jwk":{"kty":"EC"}}"#.to_owned(),
            r#"{"jwe":"a"}"#.to_owned(),
            r#"{"kid":"a"}"#.to_owned(),
            r#"{"jku":"https://a"}"#.to_owned(),
            format!(r#"{{"x5t":"{good}"}}"#),
            format!(r#"{{"x5t#s256":"{good}"}}"#),
            format!(r#"{{"JKT":"{good}"}}"#),
            format!(r#"{{"jkt":"{good}","kid":"a"}}"#),
            format!(r#"{{"jkt":"{good}","x5t#S256":null}}"#),
            r#"{"jkt":null}"#.to_owned(),
            r#"{"jkt":""}"#.to_owned(),
            r#"{"jkt":["a"]}"#.to_owned(),
            format!(r#"{{"jkt":"{good}="}}"#),
            format!(r#"{{"jkt":"{}"}}"#, "A".repeat(42)),
            format!(r#"{{"jkt":"{}"}}"#, "A".repeat(44)),
            format!(r#"{{"jkt":"{} "}}"#, "A".repeat(42)),
            format!(r#"{{"jkt":"{}B"}}"#, "A".repeat(42)),
            // The example in RFC 8705 §3.1: the unused bits of its last character are not zero.
            r#"{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}"#.to_owned(),
        ] {
            assert_eq!(read(&format!("{{\"cnf\":{cnf}}}")), Err(Reason::TokenBound), "{cnf}");
        }
    }

    #[test]
    fn a_certificate_is_asked_for_only_where_the_token_is_bound_to_one() {
        let free = Binding {
            key: Some(BoundKey {
                thumbprint: [1; 32],
                token: [2; 32],
            }),
            ..Binding::default()
        };
        assert_eq!(free.check_certificate(|| panic!("not asked")), Ok(()));
        let bound = Binding {
            certificate: Some([7; 32]),
            key: None,
        };
        assert_eq!(bound.check_certificate(|| Some([7; 32])), Ok(()));
        assert_eq!(bound.check_certificate(|| Some([8; 32])), Err(Reason::CertificateOther));
        assert_eq!(bound.check_certificate(|| None), Err(Reason::CertificateMissing));
    }
}
