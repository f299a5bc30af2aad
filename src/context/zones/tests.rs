use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::generate::{changes, database, exact, footer};
use super::*;

fn wall_clock(zone: &str, at: &str) -> String {
    let zone = Zone::named(zone).expect(zone);
    zone.wall_clock(at.parse().expect("an instant")).to_string()
}

#[test]
fn the_clocks_on_the_walls() {
    for (zone, at, expected) in [
        ("UTC", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00"),
        ("America/New_York", "2026-01-01T12:00:00Z", "2026-01-01T07:00:00"),
        ("America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T01:59:59"),
        ("America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T03:00:00"),
        ("America/New_York", "2026-11-01T05:59:59Z", "2026-11-01T01:59:59"),
        ("America/New_York", "2026-11-01T06:00:00Z", "2026-11-01T01:00:00"),
        ("US/Eastern", "2026-07-01T12:00:00Z", "2026-07-01T08:00:00"),
        ("Europe/London", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59"),
        ("Europe/London", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00"),
        ("Europe/London", "2026-10-25T00:59:59Z", "2026-10-25T01:59:59"),
        ("Europe/London", "2026-10-25T01:00:00Z", "2026-10-25T01:00:00"),
        ("Europe/Dublin", "2026-07-01T12:00:00Z", "2026-07-01T13:00:00"),
        ("Asia/Kolkata", "2026-07-01T12:00:00Z", "2026-07-01T17:30:00"),
        ("Asia/Calcutta", "2026-01-01T12:00:00Z", "2026-01-01T17:30:00"),
        ("Asia/Kathmandu", "2026-07-01T12:00:00Z", "2026-07-01T17:45:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:59:59Z", "2026-04-05T01:59:59"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05T01:30:00"),
        ("Australia/Lord_Howe", "2026-10-03T15:29:59Z", "2026-10-04T01:59:59"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-04T02:30:00"),
        ("Pacific/Auckland", "2026-01-01T12:00:00Z", "2026-01-02T01:00:00"),
        ("Pacific/Auckland", "2026-04-04T14:00:00Z", "2026-04-05T02:00:00"),
        ("Pacific/Auckland", "2026-09-26T14:00:00Z", "2026-09-27T03:00:00"),
        ("America/Sao_Paulo", "2026-01-01T12:00:00Z", "2026-01-01T09:00:00"),
        ("America/Sao_Paulo", "2026-07-01T12:00:00Z", "2026-07-01T09:00:00"),
        // Named after POSIX: what is called `+5` is west of Greenwich.
        ("Etc/GMT+5", "2026-07-01T12:00:00Z", "2026-07-01T07:00:00"),
        // In Ramadan, Morocco and Gaza leave their rule.
        ("Africa/Casablanca", "2025-03-01T12:00:00Z", "2025-03-01T12:00:00"),
        ("Africa/Casablanca", "2025-05-01T12:00:00Z", "2025-05-01T13:00:00"),
        ("Asia/Gaza", "2026-10-15T12:00:00Z", "2026-10-15T15:00:00"),
        ("Asia/Gaza", "2037-10-15T12:00:00Z", "2037-10-15T14:00:00"),
    ] {
        assert_eq!(wall_clock(zone, at), expected, "{zone} at {at}");
    }
}

#[test]
fn a_name_that_is_none_is_refused_with_the_nearest() {
    for (name, nearest) in [
        ("America/NewYork", Some("America/New_York")),
        ("America/New York", Some("America/New_York")),
        ("america/new_york", Some("America/New_York")),
        ("New York", Some("America/New_York")),
        ("Amerika/New_York", Some("America/New_York")),
        ("Europe/Londn", Some("Europe/London")),
        ("Berlin", Some("Europe/Berlin")),
        ("Asia/Tokio", Some("Asia/Tokyo")),
        ("utc", Some("UTC")),
        ("UTC ", Some("UTC")),
        ("", None),
        ("/", None),
        ("Factory", None),
        ("us-east-1", None),
        ("UTC-5", None),
        ("GMT-5", None),
        ("Mars/Olympus_Mons", None),
        ("日本", None),
    ] {
        let error = Zone::named(name).expect_err(name);
        assert_eq!(error.suggestion(), nearest, "{name:?}");
        let text = error.to_string();
        match nearest {
            Some(nearest) => assert_eq!(
                text,
                format!("there is no time zone `{name}`: did you mean `{nearest}`?")
            ),
            None => assert!(text.ends_with("such as `America/New_York` or `UTC`"), "{text}"),
        }
    }
    assert_eq!(
        Zone::named(&"America/New_York".repeat(10_000))
            .expect_err("too long")
            .suggestion(),
        None
    );
}

#[test]
fn edits_are_counted() {
    for (a, b, expected) in [
        ("kitten", "sitting", Some(3)),
        ("flaw", "lawn", Some(2)),
        ("same", "SAME", Some(0)),
        ("", "abc", Some(3)),
        ("", "abcd", None),
        ("abcd", "wxyz", None),
    ] {
        assert_eq!(distance(a.as_bytes(), b.as_bytes(), 3), expected, "{a} {b}");
        assert_eq!(distance(b.as_bytes(), a.as_bytes(), 3), expected, "{b} {a}");
    }
}

#[test]
fn every_zone_is_there_and_keeps_the_rule_of_its_file() {
    assert!(!VERSION.is_empty());
    for (name, tzif) in database() {
        let zone = Zone::named(name).expect(name);
        assert_eq!(zone.name(), name);
        assert_eq!(zone.rule, TimeZone::posix(footer(tzif)).expect(name), "{name}");
    }
    let zones: usize = table::GROUPS.iter().map(|group| group.zones.len()).sum();
    assert_eq!(zones, database().count());
}

/// Which zones need exceptions is worth a look when the database is updated.
#[test]
fn the_zones_that_do_not_always_keep_their_rule() {
    let irregular = table::GROUPS
        .iter()
        .filter(|group| !group.exceptions.is_empty())
        .flat_map(|group| group.zones);
    let mut irregular: Vec<_> = irregular.copied().collect();
    irregular.sort_unstable();
    let expected = [
        "Africa/Casablanca",
        "Africa/El_Aaiun",
        "America/Asuncion",
        "America/Coyhaique",
        "America/Edmonton",
        "America/Havana",
        "America/Inuvik",
        "America/Rainy_River",
        "America/Scoresbysund",
        "America/Vancouver",
        "America/Winnipeg",
        "America/Yellowknife",
        "Asia/Almaty",
        "Asia/Gaza",
        "Asia/Hebron",
        "Asia/Qostanay",
        "Canada/Central",
        "Canada/Mountain",
        "Canada/Pacific",
        "Cuba",
    ];
    assert_eq!(irregular, expected);
}

#[test]
fn every_zone_equals_the_database_around_each_change() {
    let exact = exact();
    for (name, tzif) in database() {
        let zone = Zone::named(name).expect(name);
        let oracle = TimeZone::tzif(name, tzif).expect(name);
        let around = |second: i64| [second.saturating_sub(1), second, second.saturating_add(1)];
        for second in changes([&oracle, &zone.rule])
            .into_iter()
            .chain([exact.end])
            .flat_map(around)
        {
            if exact.contains(&second) {
                let at = Timestamp::from_second(second).expect("our time");
                assert_eq!(zone.offset(at), oracle.to_offset(at), "{name} at {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_zone_equals_the_database_at_any_time(which in any::<prop::sample::Index>(), second in exact()) {
        let zones: Vec<_> = database().collect();
        let (name, tzif) = zones[which.index(zones.len())];
        let at = Timestamp::from_second(second).expect("our time");
        let zone = Zone::named(name).expect(name);
        prop_assert_eq!(zone.offset(at), TimeZone::tzif(name, tzif).expect(name).to_offset(at), "{} at {}", name, at);
    }

    #[test]
    fn any_name_is_found_or_refused(name in "\\PC{0,60}") {
        if let Ok(zone) = Zone::named(&name) {
            prop_assert_eq!(zone.name(), name);
        }
    }
}
