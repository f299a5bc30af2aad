//! From where requests may come: `geoRestrictions`, and countries wherever they stand.

use super::diagnostic::{Problem, Read, Sink};
use super::document::SourceRestriction;
use super::limits;
use super::policy::region_name;
use super::reader::{At, Shape};
use super::root::Known;
use crate::context::Country;

const RESTRICTION: Shape = Shape {
    fields: &["allowedRegions", "deniedRegions", "allowedCountries", "deniedCountries"],
    later: &[],
};

/// An entry of `geoRestrictions`.
pub(super) fn restriction(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<SourceRestriction> {
    let fields = at.fields(&RESTRICTION, sink)?;
    let allowed_regions = fields.optional("allowedRegions", sink, |at, sink| allowed_regions(at, known, sink));
    let denied_regions = fields.optional("deniedRegions", sink, |at, sink| {
        at.list(limits::REGIONS, sink, |at, sink| region_name(at, known, sink))
    });
    let allowed_countries = fields.optional("allowedCountries", sink, countries);
    let denied_countries = fields.optional("deniedCountries", sink, countries);
    let restriction = SourceRestriction {
        allowed_regions: allowed_regions?,
        denied_regions: denied_regions?,
        allowed_countries: allowed_countries?,
        denied_countries: denied_countries?,
    };
    let regions =
        common(&restriction.allowed_regions, &restriction.denied_regions).map(|name| (name, "allowedRegions"));
    let countries = || common(&restriction.allowed_countries, &restriction.denied_countries);
    if let Some((name, allowed)) = regions.or_else(|| countries().map(|code| (code, "allowedCountries"))) {
        let message = format!("`{name}` is denied here, and in `{allowed}` as well: take it out of one of them");
        return Err(sink.error(&at.path, message));
    }
    Ok(restriction)
}

/// A list of countries.
pub(super) fn countries(at: &At<'_>, sink: &mut Sink) -> Read<Vec<Country>> {
    at.list(limits::COUNTRIES, sink, country)
}

/// A country's code.
pub(super) fn country(at: &At<'_>, sink: &mut Sink) -> Read<Country> {
    let text = at.text(sink)?;
    Country::parse(text).map_err(|error| {
        let problem = Problem::new(error.to_string()).suggest(error.suggestion());
        sink.error(&at.path, problem)
    })
}

/// Names of regions, also of such as the bundle has no Region for: requests never come from these, as far as it can tell.
fn allowed_regions(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<String>> {
    at.list(limits::REGIONS, sink, |at, sink| {
        let name = at.name(sink)?;
        if !known.regions.contains(&name) {
            let problem =
                Problem::new("the bundle has no Region with this name: no request is known to come from there")
                    .found(at.value)
                    .suggest(sink.nearest(name, known.regions.iter().copied()));
            sink.warn(&at.path, problem);
        }
        Ok(name.to_owned())
    })
}

/// The first that both lists have.
fn common<T: PartialEq + ToString>(allowed: &Option<Vec<T>>, denied: &Option<Vec<T>>) -> Option<String> {
    let denied: Vec<&T> = denied.iter().flatten().collect();
    let mut allowed = allowed.iter().flatten();
    allowed.find(|one| denied.contains(one)).map(ToString::to_string)
}
