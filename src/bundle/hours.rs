//! Times at which requests may come: `businessHours` of a Region, and `timeRestrictions` of a policy.

use jiff::civil::Date;

use super::diagnostic::{Problem, Read, Reported, Sink};
use super::document::Requirement;
use super::instant;
use super::limits;
use super::reader::{At, Fields, Shape};
use crate::context::{
    BusinessHours, Calendar, Holiday, HoursError, Interval, MaintenanceWindow, Span, Zone, parse_date,
};

const RESTRICTION: Shape = Shape {
    fields: &["businessHours", "hours", "notBefore", "notAfter", "maintenance"],
    later: &[],
};

const BUSINESS_HOURS: Shape = Shape {
    fields: &["days", "from", "to", "weekly", "holidays", "exceptions"],
    later: &[],
};

const ZONED_HOURS: Shape = Shape {
    fields: &["timezone", "days", "from", "to", "weekly", "holidays", "exceptions"],
    later: &[],
};

const WEEKLY: Shape = Shape {
    fields: &["days", "from", "to"],
    later: &[],
};

const EXCEPTION: Shape = Shape {
    fields: &["date", "hours"],
    later: &[],
};

const INTERVAL: Shape = Shape {
    fields: &["from", "to"],
    later: &[],
};

const WINDOW: Shape = Shape {
    fields: &["timezone", "days", "from", "to", "notBefore", "notAfter"],
    later: &[],
};

/// Hours of which the zone is said elsewhere.
pub(super) struct Hours {
    weekly: Vec<BusinessHours>,
    holidays: Vec<Holiday>,
    exceptions: Vec<(Date, Vec<Interval>)>,
}

impl Hours {
    pub(super) fn in_zone(self, zone: Zone) -> Calendar {
        Calendar::with(zone, self.weekly, self.holidays, self.exceptions)
    }
}

/// An entry of `timeRestrictions`: each of its fields is required.
pub(super) fn restriction(at: &At<'_>, sink: &mut Sink) -> Read<Vec<Requirement>> {
    let fields = at.fields(&RESTRICTION, sink)?;
    let business_hours = fields.optional("businessHours", sink, At::only_true);
    let hours = fields.optional("hours", sink, zoned);
    let span = span(&fields, sink);
    let maintenance = fields.optional("maintenance", sink, |at, sink| {
        at.list(limits::MAINTENANCE, sink, window)
    });
    let business_hours = business_hours?.map(|()| Requirement::BusinessHours);
    let hours = hours?.map(Requirement::Hours);
    let dates = span?.map(Requirement::Dates);
    let maintenance = maintenance?.map(Requirement::Maintenance);
    Ok([business_hours, hours, dates, maintenance]
        .into_iter()
        .flatten()
        .collect())
}

/// `businessHours` of a Region.
pub(super) fn business_hours(at: &At<'_>, sink: &mut Sink) -> Read<Hours> {
    let fields = at.fields(&BUSINESS_HOURS, sink)?;
    hours(&fields, sink)
}

/// The name of a time zone.
pub(super) fn zone(at: &At<'_>, sink: &mut Sink) -> Read<Zone> {
    let text = at.text_of("the name of a time zone, like `Europe/Dublin`", sink)?;
    Zone::named(text).map_err(|error| {
        let problem = Problem::new(error.to_string()).suggest(error.suggestion());
        sink.error(&at.path, problem)
    })
}

/// `hours` of a policy.
fn zoned(at: &At<'_>, sink: &mut Sink) -> Read<Calendar> {
    let fields = at.fields(&ZONED_HOURS, sink)?;
    let zone = fields.required("timezone", sink, zone);
    let hours = hours(&fields, sink);
    Ok(hours?.in_zone(zone?))
}

/// The same hours on some days (`days`, `from` and `to`), or a list of such (`weekly`); with holidays and exceptions.
fn hours(fields: &Fields<'_>, sink: &mut Sink) -> Read<Hours> {
    let short = WEEKLY.fields.iter().find_map(|name| fields.field(name));
    let weekly = match (fields.field("weekly"), short) {
        (Some(weekly), None) => weekly.list(limits::WEEKLY_HOURS, sink, |at, sink| {
            let fields = at.fields(&WEEKLY, sink)?;
            of_days(&fields, sink)
        }),
        (None, Some(_)) => of_days(fields, sink).map(|hours| vec![hours]),
        (Some(_), Some(short)) => Err(sink.error(
            &short.path,
            "there is `weekly` as well, which lists all hours: put these into it",
        )),
        (None, None) => {
            let message = "no hours: give `days`, `from` and `to`, or a list of them as `weekly`";
            Err(fields.wrong(message, sink))
        }
    };
    let holidays = fields.optional("holidays", sink, holidays);
    let exceptions = fields.optional("exceptions", sink, exceptions);
    Ok(Hours {
        weekly: weekly?,
        holidays: holidays?.unwrap_or_default(),
        exceptions: exceptions?.unwrap_or_default(),
    })
}

/// `days`, `from` and `to`.
fn of_days(fields: &Fields<'_>, sink: &mut Sink) -> Read<BusinessHours> {
    let days = fields.required("days", sink, |at, sink| {
        at.list(7, sink, |at, sink| {
            at.text_of("a day, like `mon`", sink).map(str::to_owned)
        })
    });
    let from = fields.required("from", sink, time_of_day);
    let to = fields.required("to", sink, time_of_day);
    let (days, from, to) = (days?, from?, to?);
    BusinessHours::parse(&days, from, to).map_err(|errors| wrong_hours(fields, errors, sink))
}

fn time_of_day<'v>(at: &At<'v>, sink: &mut Sink) -> Read<&'v str> {
    at.text_of("a time of the day in quotes, like `\"09:00\"`", sink)
}

fn holidays(at: &At<'_>, sink: &mut Sink) -> Read<Vec<Holiday>> {
    let mut seen = Vec::new();
    at.list(limits::CALENDAR_DATES, sink, |at, sink| {
        let text = at.text_of("a date in quotes, like `\"2026-12-25\"`", sink)?;
        let holiday = Holiday::parse(text).map_err(|error| {
            let problem = Problem::new(error.to_string()).suggest(error.suggestion());
            sink.error(&at.path, problem)
        })?;
        if seen.contains(&holiday) {
            return Err(sink.error(&at.path, format!("`{holiday}` is listed already")));
        }
        seen.push(holiday);
        Ok(holiday)
    })
}

fn exceptions(at: &At<'_>, sink: &mut Sink) -> Read<Vec<(Date, Vec<Interval>)>> {
    let mut seen = Vec::new();
    at.list(limits::CALENDAR_DATES, sink, |at, sink| {
        let fields = at.fields(&EXCEPTION, sink)?;
        let date = fields.required("date", sink, |at, sink| {
            let text = at.text_of("a date in quotes, like `\"2026-12-25\"`", sink)?;
            let date = parse_date(text).map_err(|error| {
                let problem = Problem::new(error.to_string()).suggest(error.suggestion());
                sink.error(&at.path, problem)
            })?;
            if seen.contains(&date) {
                let message = format!("`{date}` has an exception already: put all hours of a date into one");
                return Err(sink.error(&at.path, message));
            }
            seen.push(date);
            Ok(date)
        });
        let hours = match fields.field("hours") {
            Some(at) => at.list(limits::HOURS_OF_A_DAY, sink, interval),
            None => Err(fields.wrong("`hours` is missing: a date without hours is one of `holidays`", sink)),
        };
        Ok((date?, hours?))
    })
}

fn interval(at: &At<'_>, sink: &mut Sink) -> Read<Interval> {
    let fields = at.fields(&INTERVAL, sink)?;
    let from = fields.required("from", sink, time_of_day);
    let to = fields.required("to", sink, time_of_day);
    let (from, to) = (from?, to?);
    Interval::parse(from, to).map_err(|errors| wrong_hours(&fields, errors, sink))
}

/// A maintenance window: each week again, or once.
fn window(at: &At<'_>, sink: &mut Sink) -> Read<MaintenanceWindow> {
    let fields = at.fields(&WINDOW, sink)?;
    let weekly = ["timezone", "days", "from", "to"];
    let is_weekly = weekly.iter().any(|name| fields.field(name).is_some());
    let once = ["notBefore", "notAfter"].iter().find_map(|name| fields.field(name));
    match once {
        Some(once) if is_weekly => {
            let message = "a window is there each week (`timezone`, `days`, `from` and `to`), or once (`notBefore` and `notAfter`): make two of it";
            Err(sink.error(&once.path, message))
        }
        None => {
            let zone = fields.required("timezone", sink, zone);
            let hours = of_days(&fields, sink);
            Ok(MaintenanceWindow::Weekly(Calendar::new(zone?, hours?)))
        }
        Some(_) => {
            let both =
                fields
                    .required("notBefore", sink, |_, _| Ok(()))
                    .and(fields.required("notAfter", sink, |_, _| Ok(())));
            let span = span(&fields, sink)?;
            both?;
            Ok(MaintenanceWindow::Once(span.unwrap_or_default()))
        }
    }
}

/// `notBefore` and `notAfter`, if one of them is there.
fn span(fields: &Fields<'_>, sink: &mut Sink) -> Read<Option<Span>> {
    let from = fields.optional("notBefore", sink, instant::wall);
    let until = fields.optional("notAfter", sink, instant::wall);
    let span = Span {
        from: from?,
        until: until?,
    };
    if let (Some(from), Some(until), Some(at)) = (span.from, span.until, fields.field("notAfter"))
        && until <= from
    {
        return Err(sink.error(&at.path, "there is no time between `notBefore` and `notAfter`"));
    }
    Ok((span != Span::default()).then_some(span))
}

fn wrong_hours(fields: &Fields<'_>, errors: Vec<HoursError>, sink: &mut Sink) -> Reported {
    let mut wrong = None;
    for error in errors {
        wrong = Some(sink.error_at(&format!("{}.{}", fields.path(), error.field()), error.to_string()));
    }
    wrong.unwrap_or_else(|| fields.wrong("not hours of a day", sink))
}
