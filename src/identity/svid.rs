//! JWT-SVIDs: tokens whose subject is a workload (The SPIFFE JWT-SVID specification).
//!
//! A token is one where its `sub` is the SPIFFE id of a trust domain that a Region lists. That Region is its home, and its keys alone verify it: what the trust
//! domain tells, `iss` need not, which many SPIFFE issuers leave out (§3 does not demand it). Where `iss` or the Region's own claim is there, it must not say
//! otherwise.

use super::claims::RegionClaim;
use super::federation::home_of_trust_domain;
use super::strict_json::{Json, Object};
use super::workload::SpiffeId;
use crate::bundle::RegionId;
use crate::bundle::document::Region;
use crate::reason::Reason;

/// A workload by its token.
pub(super) struct Svid {
    /// `sub`.
    pub(super) workload: SpiffeId,
    /// The Region that lists its trust domain.
    pub(super) home: RegionId,
}

/// What makes these claims a JWT-SVID; `None` where they are any other token's.
///
/// # Errors
/// [`Reason::RegionMismatch`] where `iss` or the region claim names another Region than the trust domain does.
pub(super) fn read(claims: &Object<'_>, regions: &[Region]) -> Result<Option<Svid>, Reason> {
    let Some(workload) = subject(claims).and_then(|subject| SpiffeId::parse(subject.as_bytes())) else {
        return Ok(None);
    };
    let Some(home) = home_of_trust_domain(workload.trust_domain(), regions) else {
        return Ok(None);
    };
    let region = regions.get(home.index()).ok_or(Reason::RegionMismatch)?;
    let is_issuer = |issuer: &Json<'_>| issuer.as_str() == Some(region.issuer.as_str());
    let is_name = |name: &Json<'_>| name.as_str() == Some(region.name.as_str());
    let by_claim = match &region.claims.region {
        RegionClaim::Claim(path) => path.find(claims),
        RegionClaim::FromIssuer => None,
    };
    match claims.get("iss").is_none_or(is_issuer) && by_claim.is_none_or(is_name) {
        true => Ok(Some(Svid { workload, home })),
        false => Err(Reason::RegionMismatch),
    }
}

/// Whether a token that is no JWT-SVID claims a workload's name where those are somebody's: of its home region it must not.
pub(super) fn poses_as_workload(claims: &Object<'_>, home: &Region) -> bool {
    !home.trust_domains.is_empty() && subject(claims).is_some()
}

/// `sub`, where it is meant for a SPIFFE id.
fn subject<'c>(claims: &'c Object<'_>) -> Option<&'c str> {
    let scheme = "spiffe://";
    let subject = claims.get("sub")?.as_str()?;
    let start = subject.get(..scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(subject)
}

#[cfg(test)]
#[cfg(feature = "ring")]
#[path = "svid_tests.rs"]
mod tests;
