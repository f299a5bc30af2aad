//! Compact JWS (RFC 7515), of which one strict form is read.

use std::rc::Rc;

use super::base64url;
use super::key_ring::KeyRing;
use super::keys::Algorithm;
use super::provider::Crypto;
use super::strict_json::{self, Json, Object};
use super::verify::SignatureVerifier;
use crate::reason::Reason;

/// The longest token.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest header, encoded.
pub const MAX_HEADER_BYTES: usize = 4 * 1024;
/// The longest `kid`.
pub const MAX_KID_BYTES: usize = 256;

/// The payload of a compact JWS whose signature one of the ring's keys verifies. The payload may be anything: claims have no meaning here.
///
/// # Errors
/// Why it is refused, as for a token.
pub fn verify_compact(
    token: &[u8],
    ring: &KeyRing,
    crypto: Crypto,
    verifier: &Rc<dyn SignatureVerifier>,
) -> Result<Vec<u8>, Reason> {
    let jws = Jws::parse(token)?;
    if jws.header.is_of_svid {
        return Err(Reason::TokenType);
    }
    let algorithm = jws.header.algorithm()?;
    let key = ring.select(jws.header.kid.as_deref(), algorithm)?;
    match crypto.verify(verifier, algorithm, key, jws.signing_input, jws.signature) {
        true => Ok(jws.payload),
        false => Err(Reason::TokenSignature),
    }
}

/// A JWS whose form is right; nothing of it is verified.
pub(super) struct Jws<'t> {
    /// What its header says.
    pub(super) header: Header,
    /// The payload, decoded.
    pub(super) payload: Vec<u8>,
    /// The first two parts with their dot: what is signed.
    pub(super) signing_input: &'t str,
    /// The third part: canonical base64url.
    pub(super) signature: &'t str,
}

/// The members of a header that count here. Whatever offers a key (`jwk`, `jku`, `x5u`, `x5c`, `x5t`) is not among them, and never will be.
pub(super) struct Header {
    /// `None`: one that is not known.
    algorithm: Option<Algorithm>,
    /// The name of the key.
    pub(super) kid: Option<String>,
    /// `typ: JOSE`, which only a JWT-SVID may have (SPIFFE JWT-SVID §2.3).
    pub(super) is_of_svid: bool,
}

impl<'t> Jws<'t> {
    /// Reads a token's form: exactly three parts, none empty, each canonical base64url, the header JSON of one meaning.
    pub(super) fn parse(token: &'t [u8]) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenTooLarge);
        }
        let compact = Compact::split(token)?;
        Ok(Self {
            header: Header::read(&object(&compact.header()?)?)?,
            payload: compact.payload()?,
            signing_input: compact.signing_input,
            signature: compact.signature,
        })
    }
}

/// The parts of a compact JWS, of which nothing is read.
pub(super) struct Compact<'t> {
    header: &'t str,
    payload: &'t str,
    /// The first two parts with their dot: what is signed.
    pub(super) signing_input: &'t str,
    /// The third part: canonical base64url.
    pub(super) signature: &'t str,
}

impl<'t> Compact<'t> {
    /// Exactly three parts, none empty; the caller bounds their length.
    pub(super) fn split(token: &'t [u8]) -> Result<Self, Reason> {
        let text = core::str::from_utf8(token).map_err(|_| Reason::TokenMalformed)?;
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Reason::TokenMalformed)?;
        // A dot that is left is in the payload, where no base64url has one.
        if header.is_empty() || payload.is_empty() || signature.is_empty() || header.len() > MAX_HEADER_BYTES {
            return Err(Reason::TokenMalformed);
        }
        base64url::decode(signature).ok_or(Reason::TokenMalformed)?;
        Ok(Self {
            header,
            payload,
            signing_input,
            signature,
        })
    }

    /// The header, decoded.
    pub(super) fn header(&self) -> Result<Vec<u8>, Reason> {
        base64url::decode(self.header).ok_or(Reason::TokenMalformed)
    }

    /// The payload, decoded.
    pub(super) fn payload(&self) -> Result<Vec<u8>, Reason> {
        base64url::decode(self.payload).ok_or(Reason::TokenMalformed)
    }
}

impl Header {
    /// The header of a token of another purpose, whose `typ` must be this one (RFC 8725 §3.11).
    pub(super) fn of_type(members: &Object<'_>, typ: &str) -> Result<Self, Reason> {
        has_no_extension(members)?;
        match members.get("typ") {
            Some(Json::Text(kind)) if is_type(kind, typ) => Self::of(members, false),
            None | Some(Json::Text(_)) => Err(Reason::TokenType),
            Some(_) => Err(Reason::TokenMalformed),
        }
    }

    /// The header of a statement, whose `typ` is looked at by who knows which one it should have.
    pub(super) fn of_statement(members: &Object<'_>) -> Result<Self, Reason> {
        has_no_extension(members)?;
        Self::of(members, false)
    }

    fn read(members: &Object<'_>) -> Result<Self, Reason> {
        has_no_extension(members)?;
        let is_of_svid = match members.get("typ") {
            None => false,
            Some(Json::Text(kind)) if is_access_token(kind) => false,
            Some(Json::Text(kind)) if kind.eq_ignore_ascii_case("JOSE") => true,
            Some(Json::Text(_)) => return Err(Reason::TokenType),
            Some(_) => return Err(Reason::TokenMalformed),
        };
        Self::of(members, is_of_svid)
    }

    fn of(members: &Object<'_>, is_of_svid: bool) -> Result<Self, Reason> {
        let kid = match members.get("kid") {
            None => None,
            Some(Json::Text(kid)) if kid.len() <= MAX_KID_BYTES => Some(kid.clone().into_owned()),
            Some(_) => return Err(Reason::TokenMalformed),
        };
        match members.get("alg") {
            Some(Json::Text(alg)) => Ok(Self {
                algorithm: Algorithm::named(alg),
                kid,
                is_of_svid,
            }),
            _ => Err(Reason::TokenMalformed),
        }
    }

    /// The algorithm that the token claims: only ever compared with what the key may verify.
    pub(super) fn algorithm(&self) -> Result<Algorithm, Reason> {
        self.algorithm.ok_or(Reason::TokenAlgorithm)
    }
}

fn has_no_extension(members: &Object<'_>) -> Result<(), Reason> {
    match members.contains("crit") || members.contains("b64") {
        true => Err(Reason::TokenCritical),
        false => Ok(()),
    }
}

/// `typ` of an access token (RFC 9068 §2.1, RFC 7519 §5.1). Any other type is a token for another purpose
/// (RFC 8725 §3.11): a logout token, a DPoP proof, an event.
fn is_access_token(kind: &str) -> bool {
    ["jwt", "at+jwt"].iter().any(|known| is_type(kind, known))
}

/// Whether `typ` says `known`, with or without `application/` (RFC 7515 §4.1.9).
fn is_type(kind: &str, known: &str) -> bool {
    let kind = match kind.split_at_checked("application/".len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
        _ => kind,
    };
    kind.eq_ignore_ascii_case(known)
}

/// The JSON object that decoded bytes are.
pub(super) fn object(bytes: &[u8]) -> Result<Object<'_>, Reason> {
    let text = core::str::from_utf8(bytes).map_err(|_| Reason::TokenMalformed)?;
    strict_json::object(text).ok_or(Reason::TokenMalformed)
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
