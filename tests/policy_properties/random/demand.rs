//! Random requirements, each with how a document says it.

use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionguard::bundle::document::{MultiFactor, Requirement, SourceRestriction};
use regionguard::context::{
    BusinessHours, Calendar, Country, Holiday, Interval, MaintenanceWindow, Span, Zone, parse_date,
};
use regionguard::device::{Check, Minimum, Platform};
use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use super::{ACR, AMR, COUNTRIES, REGIONS, VERSIONS, owned, some_of, words_of};

/// Times about those at which requests come.
const TIMES: &[u64] = &[0, 1_763_294_400, 1_763_380_000, 1_763_467_200, 1_800_000_000];
/// How long ago a device may have been patched, with how a document says it.
const AGES: &[(u64, &str)] = &[(3_600, "1h"), (7_200, "120m"), (259_200, "3d")];
/// Hours of some days of the week.
const WEEKLY: &[(&[&str], &str, &str)] = &[
    (&["tue"], "11:00", "12:00"),
    (&["tue"], "12:00", "13:00"),
    (&["mon", "sat"], "22:00", "14:00"),
    (&["sun"], "13:00", "14:00"),
];
const HOLIDAYS: &[&str] = &["2025-11-18", "11-16", "12-25"];
const ZONES: &[&str] = &["UTC", "Europe/Berlin"];

/// A requirement, and what a document says for it.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    /// What `osVersions` of the policy say is not in it.
    pub(crate) requirement: Requirement,
    pub(crate) written: Written,
}

/// An entry of the list that a requirement stands in.
#[derive(Debug, Clone)]
pub(crate) enum Written {
    /// Of `identity.authentication`.
    Authentication(Value),
    /// Of `device.compliance`.
    Compliance(Value),
    /// Of `context.geoRestrictions`.
    Place(Value),
    /// Of `context.timeRestrictions`.
    Time(Value),
}

impl Demand {
    fn new(requirement: Requirement, written: Written) -> Self {
        Self { requirement, written }
    }

    /// The requirements of these, in the order in which a policy has them: who asks, with what device, from where, when.
    ///
    /// The first two are sets.
    pub(crate) fn all(demands: &[Self], os_versions: &[(Platform, String)]) -> Vec<Requirement> {
        let listed = |is_in: fn(&Written) -> bool| {
            let found = demands.iter().filter(move |demand| is_in(&demand.written));
            found.map(|demand| demand.requirement.clone())
        };
        let mut certificate = Vec::new();
        let mut factors = Vec::new();
        for requirement in listed(|written| matches!(written, Written::Authentication(_))) {
            match requirement {
                Requirement::MultiFactor(wanted) => factors.push(wanted),
                other => certificate = vec![other],
            }
        }
        factors.sort();
        factors.dedup();
        let mut checks: Vec<Check> = Vec::new();
        for requirement in listed(|written| matches!(written, Written::Compliance(_))) {
            checks.extend(match requirement {
                Requirement::Device(Check::OsVersion(Minimum::Latest(_))) => {
                    Some(Check::OsVersion(Minimum::Latest(os_versions.to_vec())))
                }
                Requirement::Device(check) => Some(check),
                _ => None,
            });
        }
        checks.sort();
        checks.dedup();
        let mut all = certificate;
        all.extend(factors.into_iter().map(Requirement::MultiFactor));
        all.extend(checks.into_iter().map(Requirement::Device));
        all.extend(listed(|written| matches!(written, Written::Place(_))));
        all.extend(listed(|written| matches!(written, Written::Time(_))));
        all
    }
}

pub(super) fn demand() -> impl Strategy<Value = Demand> {
    prop_oneof![
        2 => restriction(),
        1 => Just(Demand::new(Requirement::BusinessHours, Written::Time(json!({"businessHours": true})))),
        1 => calendar().prop_map(|(calendar, written)| {
            Demand::new(Requirement::Hours(calendar), Written::Time(json!({"hours": written})))
        }),
        1 => span().prop_map(|(span, written)| Demand::new(Requirement::Dates(span), Written::Time(written))),
        1 => vec(window(), 1..3).prop_map(|windows| {
            let (windows, written): (Vec<_>, Vec<_>) = windows.into_iter().unzip();
            Demand::new(Requirement::Maintenance(windows), Written::Time(json!({"maintenance": written})))
        }),
        1 => Just(Demand::new(Requirement::Certificate, Written::Authentication(json!({"method": "certificate"})))),
        3 => check().prop_map(|(check, written)| Demand::new(Requirement::Device(check), Written::Compliance(written))),
        1 => factors(),
    ]
}

/// What `osVersions` of a policy say, sorted by platform.
pub(super) fn os_versions() -> impl Strategy<Value = Vec<(Platform, String)>> {
    by_platform(0)
}

fn by_platform(least: usize) -> impl Strategy<Value = Vec<(Platform, String)>> {
    subsequence(&[Platform::Ios, Platform::MacOs, Platform::Windows][..], least..=2).prop_flat_map(|platforms| {
        let versions = vec(words_of(VERSIONS), platforms.len());
        versions.prop_map(move |versions| {
            let mut all: Vec<_> = platforms.iter().copied().zip(versions).collect();
            all.sort();
            all
        })
    })
}

fn factors() -> impl Strategy<Value = Demand> {
    (subsequence(AMR, 0..=2), subsequence(ACR, 0..=2)).prop_map(|(amr, acr)| {
        let mut written = Map::from_iter([("method".to_owned(), json!("multi-factor"))]);
        for (name, values) in [("amr", &amr), ("acr", &acr)] {
            if !values.is_empty() {
                written.insert(name.to_owned(), json!(values));
            }
        }
        // "`mfa` of `amr`, where neither is said".
        let usual = amr.is_empty() && acr.is_empty();
        let wanted = MultiFactor {
            amr: owned(if usual { vec!["mfa"] } else { amr }),
            acr: owned(acr),
        };
        Demand::new(
            Requirement::MultiFactor(wanted),
            Written::Authentication(written.into()),
        )
    })
}

fn check() -> impl Strategy<Value = (Check, Value)> {
    let flags = vec![
        (Check::NotJailbroken, json!({"jailbroken": false})),
        (Check::Managed, json!({"managed": true})),
        (Check::Encryption, json!({"encryption": "required"})),
        (Check::ScreenLock, json!({"screenLock": "required"})),
        (Check::Certificate, json!({"certificate": "required"})),
    ];
    let minimum = prop_oneof![
        words_of(VERSIONS).prop_map(|least| {
            let written = json!(format!(">= {least}"));
            (Minimum::Any(least), written)
        }),
        by_platform(1).prop_map(|list| {
            let each = list
                .iter()
                .map(|(platform, least)| (platform.name().to_owned(), json!(format!(">={least}"))));
            let written = Value::Object(each.collect());
            (Minimum::Each(list), written)
        }),
        Just((Minimum::Latest(Vec::new()), json!("latest"))),
    ];
    prop_oneof![
        5 => select(flags),
        4 => minimum.prop_map(|(minimum, written)| (Check::OsVersion(minimum), json!({"osVersion": written}))),
        2 => select(AGES).prop_map(|(age, written)| {
            (Check::PatchAge(Duration::from_secs(age)), json!({"patchAge": written}))
        }),
    ]
}

fn at(seconds: u64) -> WallTime {
    WallTime::default().after(Duration::from_secs(seconds))
}

fn stamp(seconds: u64) -> Value {
    let time = Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
    json!(time.to_string())
}

fn hours_of(index: usize) -> (BusinessHours, Value) {
    let (days, from, to) = WEEKLY[index];
    let written = json!({"days": days, "from": from, "to": to});
    (BusinessHours::parse(days, from, to).unwrap(), written)
}

/// Calendars that differ at the times at which requests come.
fn calendar() -> impl Strategy<Value = (Calendar, Value)> {
    (
        select(ZONES),
        subsequence((0..WEEKLY.len()).collect::<Vec<_>>(), 1..4),
        subsequence(HOLIDAYS, 0..3),
        prop::bool::weighted(0.3),
    )
        .prop_map(move |(zone, weekly, holidays, excepted)| {
            let (weekly, hours): (Vec<_>, Vec<_>) = weekly.into_iter().map(hours_of).unzip();
            let mut written = json!({"timezone": zone, "weekly": hours});
            if !holidays.is_empty() {
                written["holidays"] = json!(holidays);
            }
            let mut exceptions = Vec::new();
            if excepted {
                let hours = vec![Interval::parse("11:30", "12:30").unwrap()];
                exceptions.push((parse_date("2025-11-18").unwrap(), hours));
                written["exceptions"] = json!([{"date": "2025-11-18", "hours": [{"from": "11:30", "to": "12:30"}]}]);
            }
            let holidays = holidays.into_iter().map(|text| Holiday::parse(text).unwrap()).collect();
            (
                Calendar::with(Zone::named(zone).unwrap(), weekly, holidays, exceptions),
                written,
            )
        })
}

/// Spans that end before, between or after the times at which requests come, or at one of them.
fn span() -> impl Strategy<Value = (Span, Value)> {
    let one = (select(TIMES), any::<bool>()).prop_map(|(time, is_end)| {
        if is_end {
            let until = Some(at(time));
            (Span { from: None, until }, json!({"notAfter": stamp(time)}))
        } else {
            let from = Some(at(time));
            (Span { from, until: None }, json!({"notBefore": stamp(time)}))
        }
    });
    prop_oneof![one, both()]
}

fn both() -> impl Strategy<Value = (Span, Value)> {
    subsequence(TIMES, 2).prop_map(|times| {
        let span = Span {
            from: Some(at(times[0])),
            until: Some(at(times[1])),
        };
        (span, json!({"notBefore": stamp(times[0]), "notAfter": stamp(times[1])}))
    })
}

fn window() -> impl Strategy<Value = (MaintenanceWindow, Value)> {
    let weekly = (select(ZONES), 0..WEEKLY.len()).prop_map(|(zone, index)| {
        let (hours, mut written) = hours_of(index);
        written["timezone"] = json!(zone);
        let calendar = Calendar::new(Zone::named(zone).unwrap(), hours);
        (MaintenanceWindow::Weekly(calendar), written)
    });
    let once = both().prop_map(|(span, written)| (MaintenanceWindow::Once(span), written));
    prop_oneof![weekly, once]
}

fn restriction() -> impl Strategy<Value = Demand> {
    let regions = || option::weighted(0.4, some_of(&REGIONS));
    let countries = || option::weighted(0.3, some_of(COUNTRIES));
    (regions(), regions(), countries(), countries()).prop_map(|(regions, no_regions, countries, no_countries)| {
        // What is allowed and denied is an error.
        let other = |denied: Option<Vec<String>>, allowed: &Option<Vec<String>>| {
            let denied = denied?
                .into_iter()
                .filter(|one| !allowed.iter().flatten().any(|allowed| allowed == one));
            Some(denied.collect::<Vec<_>>()).filter(|denied| !denied.is_empty())
        };
        // Something is restricted.
        let says_nothing = [&regions, &no_regions, &countries, &no_countries]
            .iter()
            .all(|list| list.is_none());
        let regions = regions.or_else(|| says_nothing.then(|| owned(REGIONS.to_vec())));
        let no_regions = other(no_regions, &regions);
        let no_countries = other(no_countries, &countries);
        let mut written = Map::new();
        for (name, list) in [
            ("allowedRegions", &regions),
            ("deniedRegions", &no_regions),
            ("allowedCountries", &countries),
            ("deniedCountries", &no_countries),
        ] {
            written.extend(list.as_ref().map(|list| (name.to_owned(), json!(list))));
        }
        let coded = |codes: Option<Vec<String>>| {
            let codes = codes?;
            Some(codes.iter().map(|code| Country::parse(code).unwrap()).collect())
        };
        let requirement = Requirement::Source(SourceRestriction {
            allowed_regions: regions,
            denied_regions: no_regions,
            allowed_countries: coded(countries),
            denied_countries: coded(no_countries),
        });
        Demand::new(requirement, Written::Place(written.into()))
    })
}
