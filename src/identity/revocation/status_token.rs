//! A Status List Token: a status list that its region signed.

use core::time::Duration;
use std::rc::Rc;

use super::status_list::{STATUS_LIST_BYTES, StatusList, StatusListClaims};
use crate::identity::claims::LEEWAY_SECONDS;
use crate::identity::jws::{Compact, Header, object};
use crate::identity::key_ring::KeyRing;
use crate::identity::provider::Crypto;
use crate::identity::subject::SigningKey;
use crate::identity::verify::SignatureVerifier;
use crate::reason::Reason;

/// The largest Status List Token, in bytes: the largest list, if it cannot be compressed, is coded in base64url twice.
pub const STATUS_TOKEN_BYTES: usize = STATUS_LIST_BYTES * 2;

/// A status list whose signature was verified.
#[derive(Debug)]
pub struct VerifiedStatusList {
    /// What it says.
    pub claims: StatusListClaims,
    /// What signed it.
    pub key: SigningKey,
}

impl VerifiedStatusList {
    /// Verifies a Status List Token for `uri` with the keys of the region whose tokens it is about, at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What is wrong with it, in visible ASCII.
    pub fn verify(
        token: &[u8],
        uri: &str,
        ring: &KeyRing,
        verifier: &Rc<dyn SignatureVerifier>,
        now: f64,
    ) -> Result<Self, String> {
        let refused =
            |reason: crate::reason::Reason| format!("the Status List Token is refused: {}", reason.row().advice);
        let crypto = Crypto::install().map_err(|foreign| foreign.to_string())?;
        // A line feed at the end is what files have.
        let token = token.trim_ascii_end();
        if token.len() > STATUS_TOKEN_BYTES {
            return Err(format!(
                "the Status List Token is larger than {STATUS_TOKEN_BYTES} bytes"
            ));
        }
        let jws = Compact::split(token).map_err(refused)?;
        let header = jws.header().map_err(refused)?;
        let header = object(&header).and_then(|members| Header::of_type(&members, "statuslist+jwt"));
        let header = header.map_err(|reason| match reason {
            Reason::TokenType => "the Status List Token's `typ` is not `statuslist+jwt`".to_owned(),
            other => refused(other),
        })?;
        let algorithm = header.algorithm().map_err(refused)?;
        let key = ring.select(header.kid.as_deref(), algorithm).map_err(refused)?;
        if !crypto.verify(verifier, algorithm, key, jws.signing_input, jws.signature) {
            return Err("the signature of the Status List Token does not verify under the Region's key".to_owned());
        }
        let signed_by = SigningKey {
            kid: ring.name_of(key).map(str::to_owned),
            thumbprint: *key.thumbprint(),
        };
        let claims = StatusListClaims::parse(&jws.payload().map_err(refused)?)
            .map_err(|error| format!("the Status List Token is refused: {error}"))?;
        if claims.subject != uri {
            return Err("the `sub` of the Status List Token is not the URI of the list".to_owned());
        }
        if claims.issued > now + LEEWAY_SECONDS {
            return Err("the Status List Token's `iat` is in the future".to_owned());
        }
        let verified = Self { claims, key: signed_by };
        if !verified.holds(now) {
            return Err("the Status List Token has expired".to_owned());
        }
        Ok(verified)
    }

    /// Whether it may be used at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn holds(&self, now: f64) -> bool {
        self.claims.expires.is_none_or(|expires| now < expires + LEEWAY_SECONDS)
    }

    /// For how long it need not be fetched again, by its own word: `ttl`, and not beyond `exp`.
    #[must_use]
    pub fn fresh_for(&self, now: f64) -> Option<Duration> {
        let left = self.claims.expires.map(|expires| (expires - now).max(0.0));
        let left = left.map(|left| Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX));
        [self.claims.ttl, left].into_iter().flatten().min()
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &StatusList {
        &self.claims.list
    }
}

#[cfg(test)]
#[cfg(feature = "ring")]
#[path = "status_token_tests.rs"]
mod tests;
