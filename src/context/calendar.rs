//! Calendars: whether an instant lies within opening hours, by the clocks on the walls of a time zone.

use jiff::Timestamp;
use jiff::civil::Date;

use super::hours::{BusinessHours, Interval, minute_of_day};
use super::{Holiday, Zone};
use crate::order;

/// Opening hours in a time zone: those of the days of the week, but for holidays and exceptions.
///
/// Hours belong to the day on which they begin: those that run over midnight into a holiday go on, and those that would begin on a holiday do not.
///
/// The wall clock decides. An hour that is skipped when daylight saving begins is never there, so what would open within
/// it opens at the jump, and what would close within it closes at the jump. An hour that comes twice when daylight saving
/// ends counts twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: Zone,
    weekly: Vec<BusinessHours>,
    /// Sorted.
    holidays: Vec<Holiday>,
    /// Sorted by their dates, each once.
    exceptions: Vec<(Date, Vec<Interval>)>,
}

impl Calendar {
    /// The calendar of these hours in this zone, the same every week.
    #[must_use]
    pub fn new(zone: Zone, hours: BusinessHours) -> Self {
        Self::with(zone, vec![hours], Vec::new(), Vec::new())
    }

    /// The calendar of these hours in this zone. On holidays nothing begins. On the date of an exception its hours begin in place of those of the week, on a
    /// holiday too; of two with the same date, the first.
    #[must_use]
    pub fn with(
        zone: Zone,
        weekly: Vec<BusinessHours>,
        mut holidays: Vec<Holiday>,
        mut exceptions: Vec<(Date, Vec<Interval>)>,
    ) -> Self {
        order::sort_by(&mut holidays, Ord::cmp);
        order::sort_by(&mut exceptions, |(left, _), (right, _)| left.cmp(right));
        exceptions.dedup_by_key(|(date, _)| *date);
        Self {
            zone,
            weekly,
            holidays,
            exceptions,
        }
    }

    /// Whether it is open at an instant, given in seconds since the Unix epoch. Never at an instant that is not
    /// within the years -9999 to 9999.
    #[must_use]
    pub fn is_open(&self, unix_seconds: i64) -> bool {
        let Ok(at) = Timestamp::from_second(unix_seconds) else {
            return false;
        };
        let local = self.zone.wall_clock(at);
        let today = local.date();
        let minute = minute_of_day(local.hour().unsigned_abs(), local.minute().unsigned_abs());
        self.any_on(today, |hours| hours.hold(minute))
            || today
                .yesterday()
                .is_ok_and(|yesterday| self.any_on(yesterday, |hours| hours.hold_of_the_next_day(minute)))
    }

    /// Whether any of the hours that begin on this date is meant.
    fn any_on(&self, date: Date, is_meant: impl Fn(Interval) -> bool) -> bool {
        if let Ok(at) = self.exceptions.binary_search_by_key(&date, |(date, _)| *date) {
            let hours = self.exceptions.get(at).map(|(_, hours)| hours);
            return hours.into_iter().flatten().any(|hours| is_meant(*hours));
        }
        if self.is_holiday(date) {
            return false;
        }
        let day = date.weekday();
        self.weekly.iter().filter_map(|hours| hours.on(day)).any(is_meant)
    }

    fn is_holiday(&self, date: Date) -> bool {
        let holiday = |holiday: Holiday| self.holidays.binary_search(&holiday).is_ok();
        holiday(Holiday::Once(date)) || holiday(Holiday::yearly(date))
    }
}

#[cfg(test)]
mod tests;
