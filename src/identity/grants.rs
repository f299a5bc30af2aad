//! Permissions for a time: a `Grants` document or a claim opens them, and the wall clock closes them again. They are looked at on every request, so a token that was
//! verified before gains and loses them like any other.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use super::strict_json::{Json, Object};
use super::subject::{Identity, Subject};
use crate::bundle::RegionId;
use crate::bundle::document;
use crate::reason::Reason;
use crate::sort::Arrange as _;

/// The most entries of one token's grants.
const CLAIM_GRANTS: usize = 128;

/// From when until when something holds, in seconds since the Unix epoch: at `from`, and no more at `until`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The first moment.
    pub from: f64,
    /// The first moment after it.
    pub until: f64,
}

impl Window {
    /// Whether it is open at `now`. There is no leeway: these are the local operator's times, or an issuer's that says exactly how long.
    #[must_use]
    pub fn is_open(self, now: f64) -> bool {
        self.from <= now && now < self.until
    }
}

/// A permission that a token has for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimGrant {
    /// The permission.
    pub permission: String,
    /// When it has it.
    pub window: Window,
}

/// A grant of a document.
#[derive(Debug)]
pub struct Grant {
    /// The document, and the place of the grant in it.
    pub name: String,
    /// What it gives.
    pub permissions: Vec<String>,
    /// When.
    pub window: Window,
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
}

/// All grants of a bundle's documents, by subject. To find those of one costs a look at a table, however many there are.
#[derive(Debug, Default)]
pub struct Grants {
    /// By home region (whose issuer is the subject's) and `sub`. Only the bundle puts names in here, so a hash without a secret does: it keeps compilation a function of the
    /// bundle alone.
    subjects: HashMap<String, Vec<(RegionId, usize)>, BuildHasherDefault<DefaultHasher>>,
    grants: Vec<Grant>,
}

impl Grants {
    /// The grants of these documents. `region` tells where a Region stands; a grant for the subject of another issuer than its home region's gives nothing.
    pub(crate) fn new(documents: Vec<document::Grants>, region: impl Fn(&str, &str) -> Option<RegionId>) -> Self {
        let mut all = Self::default();
        for document in documents {
            for (index, grant) in document.grants.into_iter().enumerate() {
                let Some(home) = region(&grant.home, &grant.issuer) else {
                    continue;
                };
                let place = (home, all.grants.len());
                all.subjects.entry(grant.subject).or_default().push(place);
                all.grants.push(Grant {
                    name: format!("{}[{index}]", document.name),
                    permissions: grant.permissions,
                    window: grant.window,
                    approved_by: grant.approved_by,
                    reason: grant.reason,
                });
            }
        }
        all
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// Those that this subject has at `now`, each with its number.
    pub fn open<'g>(&'g self, identity: &Identity, now: f64) -> impl Iterator<Item = (usize, &'g Grant)> + use<'g> {
        let home = identity.home;
        let places = self.subjects.get(identity.subject.as_str());
        let own = places.into_iter().flatten().filter(move |(region, _)| *region == home);
        own.filter_map(|(_, place)| Some((*place, self.grants.get(*place)?)))
            .filter(move |(_, grant)| grant.window.is_open(now))
    }
}

impl Subject {
    /// The same with what is granted to it at `now`, by its token and by documents; `None` where that is nothing that it does not have anyway.
    #[must_use]
    pub fn with_grants<'a>(&self, documents: impl Iterator<Item = &'a Grant>, now: f64) -> Option<Self> {
        let claimed = self.grants.iter().filter(|grant| grant.window.is_open(now));
        let words = claimed
            .map(|grant| &grant.permission)
            .chain(documents.flat_map(|grant| &grant.permissions));
        let mut granted: Vec<String> = words
            .filter(|word| self.permissions.binary_search(word).is_err())
            .cloned()
            .collect();
        if granted.is_empty() {
            return None;
        }
        granted.arrange();
        granted.dedup();
        let mut subject = self.clone();
        subject.permissions.extend(granted.iter().cloned());
        subject.permissions.arrange();
        subject.granted = granted;
        Some(subject)
    }
}

/// Reads the grants of a token: a list of `{permission, expires, not_before}`, the times as numbers (RFC 7519 §2), `not_before` optional. Members of other names are
/// left alone.
pub(super) fn claimed(value: Option<&Json<'_>>) -> Result<Vec<ClaimGrant>, Reason> {
    match value {
        None => Ok(Vec::new()),
        Some(Json::List(entries)) if entries.len() <= CLAIM_GRANTS => entries.iter().map(entry).collect(),
        Some(_) => Err(Reason::TokenClaims),
    }
}

fn entry(value: &Json<'_>) -> Result<ClaimGrant, Reason> {
    let members: &Object<'_> = value.as_object().ok_or(Reason::TokenClaims)?;
    let permission = members
        .get("permission")
        .and_then(Json::as_str)
        .filter(|word| !word.is_empty());
    let until = super::claims::numeric_date(members.get("expires"))?;
    let from = super::claims::numeric_date(members.get("not_before"))?;
    Ok(ClaimGrant {
        permission: permission.ok_or(Reason::TokenClaims)?.to_owned(),
        window: Window {
            from: from.unwrap_or(0.0),
            until: until.ok_or(Reason::TokenClaims)?,
        },
    })
}
