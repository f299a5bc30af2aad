//! Requirements on where a request comes from.

use super::decide::Source;
use crate::bundle::{RegionId, document};
use crate::context::Country;
use crate::reason::Reason;

/// An entry of `geo_restrictions`, with its Regions resolved; a `None` restricts nothing.
#[derive(Debug)]
pub(super) struct SourceRestriction {
    pub(super) allowed_regions: Option<Vec<RegionId>>,
    pub(super) denied_regions: Option<Vec<RegionId>>,
    pub(super) allowed_countries: Option<Vec<Country>>,
    pub(super) denied_countries: Option<Vec<Country>>,
}

impl SourceRestriction {
    /// `find` gives the Regions of these names; a name that no Region has can never be met, and so is left out.
    pub(super) fn compile(document: document::SourceRestriction, find: impl Fn(&[String]) -> Vec<RegionId>) -> Self {
        Self {
            allowed_regions: document.allowed_regions.map(|names| find(&names)),
            denied_regions: document.denied_regions.map(|names| find(&names)),
            allowed_countries: document.allowed_countries,
            denied_countries: document.denied_countries,
        }
    }

    /// Why it is not met, regions first. What is unknown meets neither what allows nor what denies: nobody can tell that it is not denied.
    pub(super) fn shortfall(&self, source: Source) -> Option<Reason> {
        let region = Lists(&self.allowed_regions, &self.denied_regions);
        let country = Lists(&self.allowed_countries, &self.denied_countries);
        match region.judge(source.region) {
            Standing::Unknown => Some(Reason::SourceUnknown),
            Standing::Refused => Some(Reason::SourceRegionNotAllowed),
            Standing::Met => match country.judge(source.country) {
                Standing::Unknown => Some(Reason::SourceCountryUnknown),
                Standing::Refused => Some(Reason::SourceCountryNotAllowed),
                Standing::Met => None,
            },
        }
    }
}

/// What is allowed, and what is denied.
struct Lists<'l, T>(&'l Option<Vec<T>>, &'l Option<Vec<T>>);

enum Standing {
    Unknown,
    Refused,
    Met,
}

impl<T: PartialEq> Lists<'_, T> {
    fn judge(&self, found: Option<T>) -> Standing {
        let Self(allowed, denied) = self;
        if allowed.is_none() && denied.is_none() {
            return Standing::Met;
        }
        let Some(found) = found else {
            return Standing::Unknown;
        };
        let is_allowed = allowed.as_ref().is_none_or(|allowed| allowed.contains(&found));
        let is_denied = denied.as_ref().is_some_and(|denied| denied.contains(&found));
        if is_allowed && !is_denied {
            Standing::Met
        } else {
            Standing::Refused
        }
    }
}
