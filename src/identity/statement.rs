//! A signed statement of somebody else than the issuer of tokens: a compact JWS of claims that lets nobody in.

use std::rc::Rc;
use std::sync::Arc;

use super::claims::{LEEWAY_SECONDS, numeric_date};
use super::jws::{Compact, Header, object};
use super::key_ring::KeyRing;
use super::keys::{Algorithm, PublicKey};
use super::provider::Crypto;
use super::strict_json::{self, Json, Object};
use super::subject::Claims;
use super::verify::SignatureVerifier;
use crate::reason::Reason;

/// A statement of which everything was read but the signature.
pub struct Statement<'t> {
    compact: Compact<'t>,
    algorithm: Algorithm,
    kid: Option<String>,
    /// `iss`.
    pub issuer: String,
    /// When it was made, and until when it holds.
    pub times: StatementTimes,
    audiences: Vec<String>,
    header: String,
    /// All claims.
    pub claims: Claims,
}

/// When a statement holds, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatementTimes {
    /// `iat`: without it nobody knows how old a statement is.
    pub issued: f64,
    /// `nbf`.
    pub not_before: Option<f64>,
    /// `exp`.
    pub expires: Option<f64>,
}

impl StatementTimes {
    /// Whether it holds at `now` and was made no more than `most` ago, in seconds. No leeway is given for the age itself; a time in the future is one only as far as
    /// two clocks may differ.
    #[must_use]
    pub fn hold(&self, now: f64, most: f64) -> bool {
        let has_begun = |time: f64| time <= now + LEEWAY_SECONDS;
        now - self.issued <= most
            && has_begun(self.issued)
            && self.not_before.is_none_or(has_begun)
            && self.expires.is_none_or(|expires| now < expires + LEEWAY_SECONDS)
    }
}

impl<'t> Statement<'t> {
    /// Reads a statement's form, as strictly as a token's; the caller bounds its length.
    ///
    /// # Errors
    /// Why it is none, as for a token.
    pub fn parse(text: &'t [u8]) -> Result<Self, Reason> {
        let compact = Compact::split(text)?;
        let header = String::from_utf8(compact.header()?).map_err(|_| Reason::TokenMalformed)?;
        let parsed = Header::of_statement(&object(header.as_bytes())?)?;
        let payload = String::from_utf8(compact.payload()?).map_err(|_| Reason::TokenMalformed)?;
        let claims = strict_json::object(&payload).ok_or(Reason::TokenMalformed)?;
        let text = |name: &str| claims.get(name).and_then(Json::as_str).map(str::to_owned);
        let issuer = text("iss").ok_or(Reason::TokenClaims)?;
        let times = StatementTimes {
            issued: numeric_date(claims.get("iat"))?.ok_or(Reason::TokenClaims)?,
            not_before: numeric_date(claims.get("nbf"))?,
            expires: numeric_date(claims.get("exp"))?,
        };
        let audiences = audiences(&claims)?;
        let weight = Claims::weight_of(&claims);
        Ok(Self {
            compact,
            algorithm: parsed.algorithm()?,
            kid: parsed.kid,
            issuer,
            times,
            audiences,
            header,
            claims: Claims::new(payload, weight),
        })
    }

    /// Whether its header's `typ` is this one; for `None`, whether it has none or says no more than `JWT`.
    #[must_use]
    pub fn is_of_type(&self, typ: Option<&str>) -> bool {
        let Ok(members) = object(self.header.as_bytes()) else {
            return false;
        };
        match typ {
            Some(typ) => Header::of_type(&members, typ).is_ok(),
            None => !members.contains("typ") || Header::of_type(&members, "jwt").is_ok(),
        }
    }

    /// Whether `aud` holds one of these.
    #[must_use]
    pub fn is_for(&self, audiences: &[String]) -> bool {
        self.audiences.iter().any(|one| audiences.contains(one))
    }

    /// Whether it names the key that is meant to verify it: another one may come then.
    #[must_use]
    pub fn names_its_key(&self) -> bool {
        self.kid.is_some()
    }

    /// The key of this ring that is meant to verify it.
    ///
    /// # Errors
    /// As for a token.
    pub fn key<'r>(&self, ring: &'r KeyRing) -> Result<&'r Arc<PublicKey>, Reason> {
        ring.select(self.kid.as_deref(), self.algorithm)
    }

    /// Whether the signature is this key's.
    #[must_use]
    pub fn verifies(&self, key: &Arc<PublicKey>, crypto: Crypto, verifier: &Rc<dyn SignatureVerifier>) -> bool {
        let Compact {
            signing_input,
            signature,
            ..
        } = &self.compact;
        crypto.verify(verifier, self.algorithm, key, signing_input, signature)
    }

    /// The bytes that its claims take, estimated from above.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.claims.weight()
    }
}

fn audiences(claims: &Object<'_>) -> Result<Vec<String>, Reason> {
    let text = |value: &Json<'_>| value.as_str().map(str::to_owned).ok_or(Reason::TokenClaims);
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Json::List(several)) => several.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::StatementTimes;

    #[test]
    fn a_statement_holds_for_a_time() {
        let times = |issued: f64, not_before: Option<f64>, expires: Option<f64>| StatementTimes {
            issued,
            not_before,
            expires,
        };
        for (times, holds) in [
            (times(1_000.0, None, None), true),
            (times(940.0, None, None), true),
            (times(939.9, None, None), false),
            (times(1_030.0, None, None), true),
            (times(1_030.5, None, None), false),
            (times(1_000.0, Some(1_030.0), None), true),
            (times(1_000.0, Some(1_031.0), None), false),
            (times(1_000.0, None, Some(970.5)), true),
            (times(1_000.0, None, Some(970.0)), false),
        ] {
            assert_eq!(times.hold(1_000.0, 60.0), holds, "{times:?}");
        }
    }
}
