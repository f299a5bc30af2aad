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
const CALENDARS: usize = 16;
/// Holidays and other days of their own that are tried, at most.
const ODD_DAYS: usize = 12;

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

/// The last time before a span that will do, by the hour and within a week.
pub(super) fn before(span: &Span, will_do: impl Fn(WallTime) -> bool) -> Option<WallTime> {
    let from = span.from?;
    let mut hours = (1..=DAYS * 24).map(|hour| WallTime(from.0.saturating_sub(hour * 3_600_000_000_000)));
    hours.find(|time| will_do(*time))
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
    let is_open = |at: WallTime| calendar.is_open(at.unix_seconds());
    let begin = WallTime(at.0 - at.0 % 60_000_000_000);
    let mut changes = Vec::new();
    // By the quarter of an hour, and then by the minute.
    for quarter in 0..DAYS * 24 * 4 {
        let minute = |minute: u64| later(begin, (quarter * 15 + minute) * MINUTE);
        let was_open = is_open(minute(0));
        if was_open != is_open(minute(15)) {
            let change = (1..=15).find(|after| is_open(minute(*after)) != was_open);
            changes.extend(
                change
                    .into_iter()
                    .flat_map(|change| [minute(change - 1), minute(change)]),
            );
        }
    }
    changes.truncate(CHANGES);
    changes.extend(odd_days(calendar, at));
    changes
}

/// Times of a year at which a calendar is not what it is a week before and a week after: on holidays and by exceptions. One of each day, the first ones.
fn odd_days(calendar: &Calendar, at: WallTime) -> Vec<WallTime> {
    const HALVES_OF_A_WEEK: usize = 7 * 24 * 2;
    let times: Vec<WallTime> = (0..HOURS_OF_A_YEAR * 2)
        .map(|half| later(at, half * 30 * MINUTE))
        .collect();
    let open: Vec<bool> = times.iter().map(|time| calendar.is_open(time.unix_seconds())).collect();
    let mut odd: Vec<WallTime> = Vec::new();
    for (index, time) in times.iter().enumerate() {
        let is_open = |index: Option<usize>| index.and_then(|index| open.get(index));
        let own = is_open(Some(index));
        let (before, after) = (
            is_open(index.checked_sub(HALVES_OF_A_WEEK)),
            is_open(Some(index + HALVES_OF_A_WEEK)),
        );
        let is_odd = before.or(after) != own && after.or(before) != own;
        let is_of_new_day = odd.last().is_none_or(|last| time.0 - last.0 > 20 * 3_600_000_000_000);
        if is_odd && is_of_new_day && odd.len() < ODD_DAYS {
            odd.push(*time);
        }
    }
    odd
}

fn of_span(span: &Span) -> Vec<WallTime> {
    let around = |edge: WallTime| [WallTime(edge.0.saturating_sub(MINUTE * 1_000_000_000)), edge];
    let edges = [span.from, span.until];
    edges.into_iter().flatten().flat_map(around).collect()
}

pub(super) fn later(at: WallTime, seconds: u64) -> WallTime {
    at.after(Duration::from_secs(seconds))
}
