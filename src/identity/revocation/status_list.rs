//! Status Lists: a compressed list in which each token has a few bits (draft-ietf-oauth-status-list).

use core::time::Duration;

use serde_json::Value;

use crate::identity::base64url;
use crate::identity::claims::numeric_date;
use crate::identity::strict_json::{self, Json, Object};

/// The size of a list that is not compressed: 16,777,216 tokens of one bit, 2,097,152 of eight.
pub const STATUS_LIST_BYTES: usize = 2 * 1024 * 1024;

/// What the payload of a Status List Token says ("Status List Token in JWT Format"), its signature aside.
#[derive(Debug, PartialEq)]
pub struct StatusListClaims {
    /// `sub`: the URI of the list, which tokens name.
    pub subject: String,
    /// `iat`, in seconds since the Unix epoch.
    pub issued: f64,
    /// `exp`: the list is not to be used from then on.
    pub expires: Option<f64>,
    /// `ttl`: for how long a copy may be used before it is fetched again.
    pub ttl: Option<Duration>,
    /// The list.
    pub list: StatusList,
}

/// Why the payload is none of a Status List Token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusListError {
    /// It is not JSON of one meaning, or not an object.
    Json,
    /// This claim is missing or has the wrong form.
    Claim(&'static str),
    /// The list is not a zlib stream, or its checksum is wrong.
    Compression,
    /// The list is larger than [`STATUS_LIST_BYTES`].
    Size,
}

impl core::fmt::Display for StatusListError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Json => out.write_str("its payload is not a JSON object of one meaning"),
            Self::Claim(name) => write!(out, "its `{name}` is missing or has the wrong form"),
            Self::Compression => out.write_str("its `lst` is not a zlib stream"),
            Self::Size => write!(out, "its `lst` is larger than {STATUS_LIST_BYTES} bytes"),
        }
    }
}

/// The status of many tokens, of 1, 2, 4 or 8 bits each ("Compressed Byte Array").
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Box<[u8]>,
}

impl StatusListClaims {
    /// Reads the payload of a Status List Token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(payload: &[u8]) -> Result<Self, StatusListError> {
        let text = core::str::from_utf8(payload).map_err(|_| StatusListError::Json)?;
        let claims = strict_json::object(text).ok_or(StatusListError::Json)?;
        let date = |name: &'static str| numeric_date(claims.get(name)).map_err(|_| StatusListError::Claim(name));
        let subject = claims.get("sub").and_then(Json::as_str);
        let list = claims.get("status_list").and_then(Json::as_object);
        Ok(Self {
            subject: subject.ok_or(StatusListError::Claim("sub"))?.to_owned(),
            issued: date("iat")?.ok_or(StatusListError::Claim("iat"))?,
            expires: date("exp")?,
            ttl: ttl(claims.get("ttl"))?,
            list: StatusList::read(list.ok_or(StatusListError::Claim("status_list"))?)?,
        })
    }
}

impl StatusList {
    /// The status of the token with this index (0: valid); `None` where the list has no such.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u8> {
        let bit = index.checked_mul(u64::from(self.bits))?;
        let byte = self.bytes.get(usize::try_from(bit >> 3).ok()?)?;
        // The first token's bits are the least significant ones.
        let shifted = byte.checked_shr(u32::try_from(bit & 7).ok()?)?;
        let mask = u8::MAX.checked_shr(8_u32.checked_sub(u32::from(self.bits))?)?;
        Some(shifted & mask)
    }

    /// The bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn read(members: &Object<'_>) -> Result<Self, StatusListError> {
        let bits = match members.get("bits") {
            Some(Json::Number(number)) => [1_u8, 2, 4, 8].into_iter().find(|bits| f64::from(*bits) == *number),
            _ => None,
        };
        let compressed = members.get("lst").and_then(Json::as_str).and_then(base64url::decode);
        let compressed = compressed.ok_or(StatusListError::Claim("status_list.lst"))?;
        Ok(Self {
            bits: bits.ok_or(StatusListError::Claim("status_list.bits"))?,
            bytes: inflate(&compressed)?,
        })
    }
}

impl core::fmt::Debug for StatusList {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { bits, bytes } = self;
        write!(formatter, "StatusList({bits} bits, {} bytes)", bytes.len())
    }
}

fn ttl(value: Option<&Json<'_>>) -> Result<Option<Duration>, StatusListError> {
    match value {
        None => Ok(None),
        Some(Json::Number(seconds)) if *seconds > 0.0 => {
            // More than any clock can tell is as good as for ever.
            Ok(Some(Duration::try_from_secs_f64(*seconds).unwrap_or(Duration::MAX)))
        }
        Some(_) => Err(StatusListError::Claim("ttl")),
    }
}

/// What a zlib stream holds, if that is not more than a list may be: a few bytes can be said to mean gigabytes.
fn inflate(compressed: &[u8]) -> Result<Box<[u8]>, StatusListError> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
    match decompress_to_vec_zlib_with_limit(compressed, STATUS_LIST_BYTES) {
        Ok(bytes) => Ok(bytes.into_boxed_slice()),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(StatusListError::Size),
        Err(_) => Err(StatusListError::Compression),
    }
}

/// Where a token's status stands: its claim `status` ("Referenced Token in JOSE").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReference<'c> {
    /// The number of the token in the list.
    pub index: u64,
    /// The list.
    pub uri: &'c str,
}

impl<'c> StatusReference<'c> {
    /// Reads the claim `status`. `None` where it is anything but one `status_list` of the right form: what another mechanism would say of the token, nobody here
    /// would look at.
    #[must_use]
    pub fn read(status: &'c Value) -> Option<Self> {
        let members = status.as_object().filter(|members| members.len() == 1)?;
        let reference = members.get("status_list")?.as_object()?;
        Some(Self {
            index: reference.get("idx")?.as_u64()?,
            uri: reference.get("uri")?.as_str()?,
        })
    }
}

#[cfg(test)]
#[path = "status_list_tests.rs"]
mod tests;
