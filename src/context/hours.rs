//! Hours of a day, and the days of the week on which they are.

use std::fmt;

use jiff::civil::Weekday;

use super::quoted;

/// Hours of a day, as wall-clock times to the minute: from `from`, which belongs to them, to `to`, which does not.
///
/// Hours that run over midnight (`22:00` to `06:00`) belong to the day on which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Minutes since midnight, less than a day.
    from: u16,
    /// Minutes since midnight, at most a day. INVARIANT: not the same as `from`.
    to: u16,
}

impl Interval {
    /// Reads times as `HH:MM`, from `00:00` to `23:59`, and `24:00` for the end of the day in `to`.
    ///
    /// # Errors
    /// Each thing that is wrong, with the field that it is in.
    pub fn parse(from: &str, to: &str) -> Result<Self, Vec<HoursError>> {
        let mut errors = Vec::new();
        let from = minutes(from)
            .and_then(begins)
            .map_err(|message| errors.push(HoursError::new("from", message)));
        let to = minutes(to).map_err(|message| errors.push(HoursError::new("to", message)));
        match (from, to) {
            (Ok(from), Ok(to)) if from == to => Err(vec![HoursError::new("to", SAME.to_owned())]),
            (Ok(from), Ok(to)) => Ok(Self { from, to }),
            _ => Err(errors),
        }
    }

    /// Whether these hours, of a day, hold a minute of that day.
    pub(super) fn hold(self, minute: u16) -> bool {
        minute >= self.from && (minute < self.to || self.to < self.from)
    }

    /// Whether these hours, of a day, hold a minute of the day after.
    pub(super) fn hold_of_the_next_day(self, minute: u16) -> bool {
        self.to < self.from && minute < self.to
    }
}

/// Hours on days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessHours {
    days: Weekdays,
    interval: Interval,
}

impl BusinessHours {
    /// Reads days as `mon` to `sun`, each once, and times as [`Interval::parse`] does.
    ///
    /// # Errors
    /// Each thing that is wrong, with the field that it is in.
    pub fn parse<S: AsRef<str>>(days: &[S], from: &str, to: &str) -> Result<Self, Vec<HoursError>> {
        let mut errors = Vec::new();
        let days = Weekdays::parse(days, &mut errors);
        match Interval::parse(from, to) {
            Ok(interval) if errors.is_empty() => Ok(Self { days, interval }),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }

    /// The hours, if they are on this day.
    pub(super) fn on(self, day: Weekday) -> Option<Interval> {
        self.days.contains(day).then_some(self.interval)
    }
}

/// Why business hours cannot be read: its [`Display`](fmt::Display) says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursError {
    field: String,
    message: String,
}

impl HoursError {
    fn new(field: impl Into<String>, message: String) -> Self {
        Self {
            field: field.into(),
            message,
        }
    }

    /// The field that is wrong: `from`, `to`, `days` or, of the days, `days[1]`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for HoursError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HoursError {}

/// The days of the week as they are written, and in full.
pub(super) const DAYS: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// What is said where `from` equals `to`: it could mean never or always.
pub(super) const SAME: &str = "`from` and `to` are the same: leave these hours out where there are none, or write `00:00` to `24:00` for \
                    whole days";

/// A set of days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weekdays(u8);

impl Weekdays {
    /// Reads a list of days. What is wrong goes into `errors`, and the set holds the rest.
    fn parse<S: AsRef<str>>(days: &[S], errors: &mut Vec<HoursError>) -> Self {
        let mut set = Self(0);
        if days.is_empty() {
            errors.push(HoursError::new(
                "days",
                format!("the list is empty: name at least one of {}", all_days()),
            ));
        }
        for (position, text) in days.iter().enumerate() {
            match weekday(text.as_ref()) {
                Ok(day) if set.contains(day) => {
                    let message = format!("{} is listed twice: each day once", quoted(text.as_ref()));
                    errors.push(HoursError::new(format!("days[{position}]"), message));
                }
                Ok(day) => set.0 |= Self::bit(day),
                Err(message) => errors.push(HoursError::new(format!("days[{position}]"), message)),
            }
        }
        set
    }

    fn contains(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1_u8.wrapping_shl(u32::from(day.to_monday_zero_offset().unsigned_abs()))
    }
}

fn weekday(text: &str) -> Result<Weekday, String> {
    if let Some((_, _, day)) = DAYS.iter().find(|(name, _, _)| *name == text) {
        return Ok(*day);
    }
    let lower = text.to_ascii_lowercase();
    // From two letters on, the beginning of a day's name is that of no other day.
    let meant = DAYS
        .iter()
        .find(|(_, full, _)| lower.len() > 1 && full.starts_with(&lower));
    let found = quoted(text);
    Err(match meant {
        Some((name, _, _)) => format!("{found} is not a day: did you mean `{name}`?"),
        None => format!(
            "{found} is not a day: name each day by itself, as one of {}",
            all_days()
        ),
    })
}

fn all_days() -> String {
    DAYS.map(|(name, _, _)| format!("`{name}`")).join(", ")
}

/// The end of a day, in minutes.
pub(super) const DAY: u16 = 24 * 60;

/// Reads `HH:MM`, from `00:00` to `24:00`, as minutes since midnight.
fn minutes(text: &str) -> Result<u16, String> {
    clock(text).ok_or_else(|| {
        let found = quoted(text);
        match padded(text).filter(|padded| clock(padded).is_some()) {
            Some(padded) => format!("{found} is not a time of the day: did you mean `{padded}`?"),
            None => format!("{found} is not a time of the day: write `HH:MM`, from `00:00` to `24:00`, in quotes"),
        }
    })
}

fn clock(text: &str) -> Option<u16> {
    let [h1, h2, b':', m1, m2] = text.as_bytes() else {
        return None;
    };
    let minute = two_digits(*m1, *m2).filter(|minute| *minute < 60)?;
    Some(minute_of_day(two_digits(*h1, *h2)?, minute)).filter(|minutes| *minutes <= DAY)
}

/// Nothing begins at the end of a day: that would be the next day.
fn begins(minutes: u16) -> Result<u16, String> {
    if minutes < DAY {
        return Ok(minutes);
    }
    Err("`24:00` is the end of a day and can stand in `to` only: write `00:00`".to_owned())
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let digit = |byte: u8| byte.checked_sub(b'0').filter(|digit| *digit <= 9);
    digit(tens)?.checked_mul(10)?.checked_add(digit(ones)?)
}

pub(super) fn minute_of_day(hour: u8, minute: u8) -> u16 {
    u16::from(hour).saturating_mul(60).saturating_add(minute.into())
}

/// What was probably meant by a time without its first zero (`9:00`), or with seconds (`09:00:00`).
fn padded(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text
        .strip_suffix(":00")
        .filter(|rest| rest.contains(':'))
        .unwrap_or(text);
    match text.len() {
        4 => Some(format!("0{text}")),
        5 => Some(text.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
