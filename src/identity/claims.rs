//! The claims of a token (RFC 7519 §4.1, RFC 9068 §2.2), and where a Region's tokens hold region, permissions and roles.

use core::time::Duration;

use super::strict_json::{Json, Object};
use super::subject::Permissions;
use crate::reason::Reason;
use crate::sort::Arrange as _;

/// How far the issuer's clock may be from ours, in seconds.
pub const LEEWAY_SECONDS: f64 = 30.0;

/// The largest NumericDate: up to here a double holds every whole second.
const MAX_NUMERIC_DATE: f64 = 9_007_199_254_740_992.0;

/// `claims` of a Region: where its tokens hold what counts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMapping {
    /// The home region's name.
    pub region: RegionClaim,
    /// The permissions.
    pub permissions: ClaimPath,
    /// The roles.
    pub roles: ClaimPath,
    /// Permissions for a time; `None`: tokens have none.
    pub grants: Option<ClaimPath>,
    /// The posture of the subject's device; `None`: tokens say nothing of it.
    pub device: Option<ClaimPath>,
    /// What stands for `aud` in a token that has none.
    pub audience: Option<ClaimPath>,
    /// Claims that have to be exactly these strings: what tells an access token from an ID token of the same issuer, or one tenant from another.
    pub require: Vec<(ClaimPath, String)>,
}

impl Default for ClaimMapping {
    fn default() -> Self {
        let path = |name: &str| ClaimPath { path: name.to_owned() };
        Self {
            region: RegionClaim::Claim(path("region")),
            permissions: path("permissions"),
            roles: path("roles"),
            grants: None,
            device: None,
            audience: None,
            require: Vec::new(),
        }
    }
}

/// What tells a token's home region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionClaim {
    /// A claim, which must equal the Region's name.
    Claim(ClaimPath),
    /// The issuer alone, which then no other Region may have.
    FromIssuer,
}

impl RegionClaim {
    /// Whether these claims name the region `name`.
    pub(super) fn names(&self, claims: &Object<'_>, name: &str) -> bool {
        match self {
            Self::Claim(path) => path.find(claims).and_then(Json::as_str) == Some(name),
            Self::FromIssuer => true,
        }
    }
}

/// Where a claim stands: the name of a top-level member (`https://example.com/roles`), or else names with dots between them (`realm_access.roles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    path: String,
}

impl ClaimPath {
    /// The longest path, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// A path of 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes.
    #[must_use]
    pub fn new(path: &str) -> Option<Self> {
        (1..=Self::MAX_BYTES)
            .contains(&path.len())
            .then(|| Self { path: path.to_owned() })
    }

    /// `sub`.
    #[must_use]
    pub fn subject() -> Self {
        Self { path: "sub".to_owned() }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// What stands there. The whole path as one top-level name comes first, so a nested member can never stand in for one.
    pub(super) fn find<'c, 't>(&self, claims: &'c Object<'t>) -> Option<&'c Json<'t>> {
        if let Some(whole) = claims.get(&self.path) {
            return Some(whole);
        }
        let (first, rest) = self.path.split_once('.')?;
        rest.split('.')
            .try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
    }
}

/// The claims that every token has, borrowed.
pub(super) struct Standard<'c> {
    pub(super) subject: &'c str,
    pub(super) audiences: Vec<&'c str>,
    pub(super) times: Times,
}

/// `iss`, as it is.
pub(super) fn issuer<'c>(claims: &'c Object<'_>) -> Result<&'c str, Reason> {
    claims.get("iss").and_then(Json::as_str).ok_or(Reason::TokenClaims)
}

impl<'c> Standard<'c> {
    pub(super) fn read(claims: &'c Object<'_>, mapping: &ClaimMapping) -> Result<Self, Reason> {
        let subject = claims
            .get("sub")
            .and_then(Json::as_str)
            .filter(|subject| !subject.is_empty());
        if claims.get("jti").is_some_and(|id| id.as_str().is_none()) {
            return Err(Reason::TokenClaims);
        }
        let is_met = |(path, value): &(ClaimPath, String)| path.find(claims).and_then(Json::as_str) == Some(value);
        if !mapping.require.iter().all(is_met) {
            return Err(Reason::TokenClaims);
        }
        let instead = || mapping.audience.as_ref()?.find(claims);
        Ok(Self {
            subject: subject.ok_or(Reason::TokenClaims)?,
            audiences: audiences(claims.get("aud").or_else(instead))?,
            times: Times {
                expires: numeric_date(claims.get("exp"))?.ok_or(Reason::TokenClaims)?,
                not_before: numeric_date(claims.get("nbf"))?,
                issued: numeric_date(claims.get("iat"))?,
            },
        })
    }
}

fn audiences<'c>(value: Option<&'c Json<'_>>) -> Result<Vec<&'c str>, Reason> {
    match value {
        None => Ok(Vec::new()),
        Some(Json::Text(one)) => Ok(vec![one]),
        Some(Json::List(several)) => several
            .iter()
            .map(|one| one.as_str().ok_or(Reason::TokenClaims))
            .collect(),
        Some(_) => Err(Reason::TokenClaims),
    }
}

/// `-0` and `-0.0` are numbers without a meaning as a date.
pub(super) fn numeric_date(value: Option<&Json<'_>>) -> Result<Option<f64>, Reason> {
    match value {
        None => Ok(None),
        Some(Json::Number(seconds)) if (0.0..=MAX_NUMERIC_DATE).contains(seconds) && seconds.is_sign_positive() => {
            Ok(Some(*seconds))
        }
        Some(_) => Err(Reason::TokenClaims),
    }
}

/// When a token is valid, in seconds since the Unix epoch (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// `exp`: it is valid before, not at, this time.
    pub expires: f64,
    /// `nbf`: it is valid from this time on.
    pub not_before: Option<f64>,
    /// `iat`.
    pub issued: Option<f64>,
}

impl Times {
    /// Whether the token is valid at `now` (seconds since the Unix epoch), and for no longer than `limit`. Nothing is rounded, so a fraction counts as it stands.
    ///
    /// # Errors
    /// [`Reason::TokenExpired`], [`Reason::TokenNotYetValid`] or [`Reason::TokenLifetime`].
    pub fn check(&self, now: f64, limit: Option<Duration>) -> Result<(), Reason> {
        if now >= self.expires + LEEWAY_SECONDS {
            return Err(Reason::TokenExpired);
        }
        let is_future = |time: Option<f64>| time.is_some_and(|time| time > now + LEEWAY_SECONDS);
        if is_future(self.not_before) || is_future(self.issued) {
            return Err(Reason::TokenNotYetValid);
        }
        // Without `iat` nobody knows how long a token was meant to live: near its end, every one would pass.
        match (limit, self.issued) {
            (Some(limit), Some(issued)) if self.expires - issued <= limit.as_secs_f64() => Ok(()),
            (Some(_), _) => Err(Reason::TokenLifetime),
            (None, _) => Ok(()),
        }
    }
}

/// Reads the permissions: `{global: […], regional: {REGION: […]}}`, or a list or string of words, which are global.
pub(super) fn permissions(value: Option<&Json<'_>>) -> Result<Permissions, Reason> {
    let Some(Json::Object(members)) = value else {
        return Ok(Permissions {
            global: words(value)?,
            regional: Vec::new(),
        });
    };
    let mut permissions = Permissions::default();
    for (name, value) in members.iter() {
        match (name, value) {
            ("global", Json::List(_)) => permissions.global = words(Some(value))?,
            ("regional", Json::Object(regions)) => permissions.regional = regional(regions)?,
            _ => return Err(Reason::TokenClaims),
        }
    }
    Ok(permissions)
}

fn regional(regions: &Object<'_>) -> Result<Vec<(String, Vec<String>)>, Reason> {
    let list = |(name, value): (&str, &Json<'_>)| match value {
        Json::List(_) => Ok((name.to_owned(), words(Some(value))?)),
        _ => Err(Reason::TokenClaims),
    };
    regions.iter().map(list).collect()
}

/// Reads a list of words, or a string of words with spaces between them (as `scope`, RFC 6749 §3.3); none where the claim is absent. Sorted, each once.
pub(super) fn words(value: Option<&Json<'_>>) -> Result<Vec<String>, Reason> {
    let mut words: Vec<String> = match value {
        None => return Ok(Vec::new()),
        Some(Json::Text(text)) => text
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        Some(Json::List(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or(Reason::TokenClaims))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Reason::TokenClaims),
    };
    words.arrange();
    words.dedup();
    Ok(words)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
