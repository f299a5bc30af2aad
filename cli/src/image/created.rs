//! The time that stands wherever the format wants one.

use std::fmt;

use super::Result;

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// Seconds since 1970; as text in the form of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Created(u64);

impl Created {
    /// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), or else 0.
    pub(super) fn from_environment() -> Result<Self> {
        match std::env::var_os("SOURCE_DATE_EPOCH") {
            None => Ok(Self(0)),
            Some(text) => Self::parse(&text.to_string_lossy()),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(seconds) if digits && seconds <= LAST => Ok(Self(seconds)),
            _ => Err(format!(
                "`SOURCE_DATE_EPOCH` is `{text}`: write whole seconds since 1970, at most {LAST}"
            )),
        }
    }

    pub(super) fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    loop {
        let length = 365 + u64::from(leap(year));
        if left < length {
            break;
        }
        (year, left) = (year + 1, left - length);
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        (month, left) = (month + 1, left - length);
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::{Created, LAST};

    #[test]
    fn seconds_become_the_time_of_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Created(seconds).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_of_seconds_is_refused() {
        assert_eq!(Created::parse("42"), Ok(Created(42)));
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "2026-01-01",
            "253402300800",
            "99999999999999999999",
        ] {
            assert!(Created::parse(text).unwrap_err().contains("whole seconds"), "{text}");
        }
    }
}
