//! Time zones by their name in the IANA time zone database, without the database.
//!
//! A request is judged at the present time, so a zone's history is of no use here. What is left of a zone is its rule, the
//! POSIX TZ string at the end of its TZif file (RFC 9636 section 3.3), and where the rule does not tell the whole truth
//! (Ramadan in Gaza, a law that has not come into force yet), the exceptions from it. The generated table holds both, and
//! is exact for the years 2024 to 2038; outside of these the rule alone decides. A
//! government that changes its mind later than the table's version is not in it: that needs a new build.

#[rustfmt::skip]
mod table;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::quoted;

/// The version of the IANA time zone database from which the table was made, such as `2026a`.
pub use table::VERSION;

/// A time zone: what the clocks on its walls show at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    rule: TimeZone,
    exceptions: &'static [Exception],
}

impl Zone {
    /// The zone of this name, written exactly as in the IANA database; links (`US/Eastern`, `Asia/Calcutta`) are names too.
    ///
    /// `Factory`, the database's word for "not set", is none.
    ///
    /// # Errors
    /// There is no such name: the error suggests the nearest one, if one is near.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        find(name).ok_or_else(|| ZoneError {
            found: quoted(name),
            nearest: nearest(name),
        })
    }

    /// The name of the zone.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The offset from UTC at this instant.
    #[must_use]
    pub fn offset(&self, at: Timestamp) -> Offset {
        let second = at.as_second();
        let exception = self
            .exceptions
            .iter()
            .find(|exception| exception.from <= second && second < exception.until);
        exception
            .and_then(|exception| Offset::from_seconds(exception.offset).ok())
            .unwrap_or_else(|| self.rule.to_offset(at))
    }

    /// The date and time on the zone's walls at this instant.
    #[must_use]
    pub fn wall_clock(&self, at: Timestamp) -> DateTime {
        self.offset(at).to_datetime(at)
    }
}

/// A name that is no time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError {
    found: String,
    nearest: Option<&'static str>,
}

impl ZoneError {
    /// The name that was probably meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&'static str> {
        self.nearest
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no time zone {}: ", self.found)?;
        match self.nearest {
            Some(name) => write!(f, "did you mean `{name}`?"),
            None => f.write_str("write a name of the IANA time zone database, such as `America/New_York` or `UTC`"),
        }
    }
}

impl std::error::Error for ZoneError {}

/// The zones that share a rule and its exceptions.
struct Group {
    /// A POSIX TZ string, with the extensions of RFC 9636 section 3.3.1.
    rule: &'static str,
    /// In ascending order, none overlapping.
    exceptions: &'static [Exception],
    /// In ascending order.
    zones: &'static [&'static str],
}

/// A time during which a zone does not keep its rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Exception {
    /// The first second of it, since the epoch.
    from: i64,
    /// The first second after it.
    until: i64,
    /// The offset from UTC in seconds, east is positive.
    offset: i32,
}

fn find(wanted: &str) -> Option<Zone> {
    table::GROUPS.iter().find_map(|group| {
        let at = group.zones.binary_search(&wanted).ok()?;
        let name = group.zones.get(at)?;
        Some(Zone {
            name,
            rule: TimeZone::posix(group.rule).ok()?,
            exceptions: group.exceptions,
        })
    })
}

/// How many edits away a name may be to be suggested.
const NEAR: usize = 3;

/// No name in the database is this long, nor is anything near to one.
const LONGEST: usize = 48;

/// The name that was probably meant: one with the same letters, else one whose city is the wanted one, else the one with
/// the fewest edits.
fn nearest(wanted: &str) -> Option<&'static str> {
    // A number is an offset from UTC: a guess at its sign would be wrong half of the time.
    if wanted.len() > LONGEST || wanted.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    spelled_like(wanted).or_else(|| {
        // A short name is near to any other short one: half of it, at least, has to be right.
        let most = NEAR.min(wanted.len().div_euclid(2));
        let near = names().filter_map(|name| Some((distance(wanted.as_bytes(), name.as_bytes(), most)?, name)));
        near.min().map(|(_, name)| name)
    })
}

fn spelled_like(wanted: &str) -> Option<&'static str> {
    let wanted = letters(wanted);
    if wanted.is_empty() {
        return None;
    }
    let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    names()
        .filter(|name| letters(name) == wanted)
        .min()
        .or_else(|| names().filter(|name| letters(city(name)) == wanted).min())
}

fn names() -> impl Iterator<Item = &'static str> {
    table::GROUPS.iter().flat_map(|group| group.zones).copied()
}

/// The letters of a name in lower case: what is left where people write `new york` or `NewYork`.
fn letters(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// The edit distance (Levenshtein) of two names, ignoring case; `None` where it is more than `most`.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above_left, x) in a.iter().enumerate() {
        let (first, rest) = row.split_first_mut()?;
        let mut diagonal = above_left;
        let mut left = above_left.saturating_add(1);
        let mut least = left;
        *first = left;
        for (cell, y) in rest.iter_mut().zip(b) {
            let substituted = diagonal.saturating_add(usize::from(!x.eq_ignore_ascii_case(y)));
            diagonal = *cell;
            left = substituted.min(cell.saturating_add(1)).min(left.saturating_add(1));
            *cell = left;
            least = least.min(left);
        }
        if least > most {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;
