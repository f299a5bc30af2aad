//! From where and when a request comes: networks to regions, countries, time zones, calendars.
//!
//! All of it is pure: an address and an instant come in as values, and nothing here reads a clock, a network interface or
//! a time zone database of the host.

pub mod calendar;
pub mod countries;
pub mod dates;
pub mod hours;
pub mod networks;
pub mod zones;

pub use calendar::Calendar;
pub use countries::{Country, CountryError};
pub use dates::{DateError, Holiday, MaintenanceWindow, Span, parse_date};
pub use hours::{BusinessHours, HoursError, Interval};
pub use networks::{Clash, NetworkError, Networks, parse_address, parse_network};
pub use zones::{Zone, ZoneError};

/// How many characters of what the user wrote an error repeats.
const QUOTED_CHARACTERS: usize = 64;

/// What the user wrote, in backticks, for an error: cut where it is long, control characters escaped, so that a document
/// cannot forge lines of a log.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("`");
    for character in text.chars().take(QUOTED_CHARACTERS) {
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    if text.chars().nth(QUOTED_CHARACTERS).is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}
