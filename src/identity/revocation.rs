//! What is revoked before its time: by token, subject, session or key.
//!
//! Revocation is no part of what the cache of verified tokens remembers: each request is compared anew, whether its token was known or not.

mod list;
mod pushed;
mod set;
mod status_list;
mod status_token;

pub use list::{LIST_PARTS, ListError, ListReader, Part, RevocationList};
pub use pushed::Pushed;
pub use set::{FingerprintKey, Full, Kind, RevokedSet, SetBuilder};
pub use status_list::{STATUS_LIST_BYTES, StatusList, StatusListClaims, StatusListError, StatusReference};
pub use status_token::{STATUS_TOKEN_BYTES, VerifiedStatusList};

use super::subject::Identity;

impl Identity {
    /// `jti`.
    fn token_id(&self) -> Option<&str> {
        self.claims.get("jti")?.as_str()
    }

    /// `sid` (OpenID Connect Front-Channel Logout 1.0 §3).
    fn session_id(&self) -> Option<&str> {
        self.claims.get("sid")?.as_str()
    }

    /// Whether the token was issued before `time`, in seconds since the Unix epoch. One that does not say when it was issued counts as older than everything.
    fn issued_before(&self, time: f64) -> bool {
        self.times.issued.is_none_or(|issued| issued < time)
    }
}
