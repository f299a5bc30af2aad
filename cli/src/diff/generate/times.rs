//! When requests come: times at which requirements are met, at which one of them is not, and those around which they change.

use std::time::Duration;

use regionguard::bundle::document::{Bundle, Requirement};
use regionguard::context::{Calendar, MaintenanceWindow, Span};
use regionguard::time::WallTime;

/// How far a time is looked for: a week has all hours, and a year all seasons.
const DAYS: u64 = 8;
const HOURS_OF_A_YEAR: u64 = 366 * 24;
/// Times around which a calendar changes, at most, and calendars that are looked at.
const CHANGES: usize = 16;
const CALENDARS: usize = 32;

const MINUTE: u64 = 60;

/// Whether a requirement on the time is met; `None`: it is none on the time. `home` has the business hours.
pub(super) fn is_met(requirement: &Requirement, home: Option<&Calendar>, at: WallTime) -> Option<bool> {
    Some(match requirement {
        Requirement::BusinessHours => home.is_some_and(|calendar| calendar.is_open(at.unix_seconds())),
        Requirement::Hours(calendar) => calendar.is_open(at.unix_seconds()),
        Requirement::Dates(span) => span.holds(at),
        Requirement::Maintenance(windows) => !windows.iter().any(|window| window.holds(at)),
        _ => return None,
    })
}

/// The first time from `at` on that will do, as near as it can be had: within a week by the quarter of an hour, then by the hour, then where dates begin.
pub(super) fn find(at: WallTime, edges: &[WallTime], will_do: impl Fn(WallTime) -> bool) -> Option<WallTime> {
    let quarters = (0..DAYS * 24 * 4).map(|quarter| later(at, quarter * 15 * MINUTE));
    let hours = (0..HOURS_OF_A_YEAR).map(|hour| later(at, hour * 60 * MINUTE));
    let mut all = quarters.chain(hours).chain(edges.iter().copied());
    all.find(|time| will_do(*time))
}

/// The times around which anything changes that these bundles say of times: the last minute before, and the first one of what comes.
pub(super) fn changes(bundles: &[&Bundle], at: WallTime) -> Vec<WallTime> {
    let mut calendars: Vec<&Calendar> = Vec::new();
    let mut changes = Vec::new();
    let regions = bundles.iter().flat_map(|bundle| &bundle.regions);
    calendars.extend(regions.filter_map(|region| region.calendar.as_ref()));
    let policies = bundles.iter().flat_map(|bundle| &bundle.policies);
    for requirement in policies.flat_map(|policy| &policy.requirements) {
        match requirement {
            Requirement::Hours(calendar) => calendars.push(calendar),
            Requirement::Dates(span) => changes.extend(of_span(span)),
            Requirement::Maintenance(windows) => {
                for window in windows {
                    match window {
                        MaintenanceWindow::Weekly(calendar) => calendars.push(calendar),
                        MaintenanceWindow::Once(span) => changes.extend(of_span(span)),
                    }
                }
            }
            _ => {}
        }
    }
    let mut distinct: Vec<&Calendar> = Vec::new();
    for calendar in calendars {
        if distinct.len() < CALENDARS && !distinct.contains(&calendar) {
            distinct.push(calendar);
        }
    }
    changes.extend(distinct.into_iter().flat_map(|calendar| of_calendar(calendar, at)));
    changes.sort_unstable();
    changes.dedup();
    changes
}

fn of_calendar(calendar: &Calendar, at: WallTime) -> Vec<WallTime> {
    let minutes = (0..DAYS * 24 * 60).map(|minute| later(WallTime(at.0 - at.0 % 60_000_000_000), minute * MINUTE));
    let mut changes = Vec::new();
    let mut before: Option<(WallTime, bool)> = None;
    for time in minutes {
        let is_open = calendar.is_open(time.unix_seconds());
        if let Some((last, was_open)) = before
            && was_open != is_open
        {
            changes.extend([last, time]);
        }
        before = Some((time, is_open));
    }
    changes.truncate(CHANGES);
    changes
}

fn of_span(span: &Span) -> Vec<WallTime> {
    let around = |edge: WallTime| [WallTime(edge.0.saturating_sub(MINUTE * 1_000_000_000)), edge];
    let edges = [span.from, span.until];
    edges.into_iter().flatten().flat_map(around).collect()
}

pub(super) fn later(at: WallTime, seconds: u64) -> WallTime {
    at.after(Duration::from_secs(seconds))
}
