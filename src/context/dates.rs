//! Dates of a calendar, and spans of time.

use std::fmt;

use jiff::civil::Date;

use super::{Calendar, quoted};
use crate::time::WallTime;

/// A day on which nothing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holiday {
    /// This date.
    Once(Date),
    /// This day of every year.
    Yearly {
        /// From 1 to 12.
        month: i8,
        /// From 1 to 31; 29 in February is there in leap years only.
        day: i8,
    },
}

impl Holiday {
    /// Reads `YYYY-MM-DD`, or `MM-DD` for every year.
    ///
    /// # Errors
    /// Anything else, and a date that is in no year.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let parsed = match text.len() {
            5 => yearly(text),
            _ => date(text).map(Self::Once),
        };
        parsed.ok_or_else(|| DateError::new(text, "`YYYY-MM-DD`, or `MM-DD` for every year"))
    }

    /// The day of this date, in every year.
    pub(super) fn yearly(date: Date) -> Self {
        Self::Yearly {
            month: date.month(),
            day: date.day(),
        }
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(date) => date.fmt(f),
            Self::Yearly { month, day } => write!(f, "{month:02}-{day:02}"),
        }
    }
}

/// Reads `YYYY-MM-DD`.
///
/// # Errors
/// Anything else, and a date that is not there, such as 2026-02-30.
pub fn parse_date(text: &str) -> Result<Date, DateError> {
    date(text).ok_or_else(|| {
        let error = DateError::new(text, "`YYYY-MM-DD`");
        // A day of every year is no date.
        let meant = error.meant.filter(|meant| date(meant).is_some());
        DateError { meant, ..error }
    })
}

/// A text that is no date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateError {
    found: String,
    form: &'static str,
    meant: Option<String>,
}

impl DateError {
    fn new(text: &str, form: &'static str) -> Self {
        Self {
            found: quoted(text),
            form,
            meant: meant(text),
        }
    }

    /// The date that was probably meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.meant.as_deref()
    }
}

impl fmt::Display for DateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.meant {
            Some(meant) => write!(f, "{} is no date: did you mean `{meant}`?", self.found),
            None => write!(f, "{} is no date: write {}, in quotes", self.found, self.form),
        }
    }
}

impl std::error::Error for DateError {}

/// A span of time: from `from`, which belongs to it, until `until`, which does not; without one of them, it has no such end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// `notBefore`.
    pub from: Option<WallTime>,
    /// `notAfter`.
    pub until: Option<WallTime>,
}

impl Span {
    /// Whether this time belongs to it.
    #[must_use]
    pub fn holds(&self, at: WallTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// A time at which something is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaintenanceWindow {
    /// Each week again.
    Weekly(Calendar),
    /// Once.
    Once(Span),
}

impl MaintenanceWindow {
    /// Whether it is now.
    #[must_use]
    pub fn holds(&self, at: WallTime) -> bool {
        match self {
            Self::Weekly(calendar) => calendar.is_open(at.unix_seconds()),
            Self::Once(span) => span.holds(at),
        }
    }
}

fn yearly(text: &str) -> Option<Holiday> {
    // Every day of any year is in this one.
    date(&format!("2024-{text}")).map(Holiday::yearly)
}

fn date(text: &str) -> Option<Date> {
    const FORM: &[u8] = b"0000-00-00";
    let has_form = text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    // The parser takes more than this form.
    has_form.then(|| text.parse().ok()).flatten()
}

/// What was probably meant by a date with other separators, without its zeros (`2026/1/6`), or the other way round (`24.12.2026`).
fn meant(text: &str) -> Option<String> {
    let parts: Vec<&str> = text
        .trim()
        .trim_start_matches('-')
        .split(['-', '/', '.', ' '])
        .collect();
    let is_number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !parts.iter().all(is_number) {
        return None;
    }
    let of_parts = |year: &str, month: &str, day: &str| {
        let meant = format!("{year}-{month:0>2}-{day:0>2}");
        date(&meant).map(|_| meant)
    };
    match parts.as_slice() {
        [year, month, day] if year.len() == 4 => of_parts(year, month, day),
        // With dots the day comes first; with slashes that differs from place to place.
        [day, month, year] if year.len() == 4 && text.contains('.') => of_parts(year, month, day),
        [month, day] if !text.contains(['.', '/']) => {
            let meant = format!("{month:0>2}-{day:0>2}");
            yearly(&meant).map(|_| meant)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
