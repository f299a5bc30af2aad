//! Times that have passed, and times that not every reader takes for text.

use jiff::Timestamp;
use regionguard::bundle::document::{Override, OverrideMode};

use super::Lint;
use super::comment;
use super::model::Model;
use crate::documents::Suite;
use crate::problem::Problem;

pub(super) const GRANT_EXPIRED: Lint = Lint {
    id: "lint/grant-expired",
    about: "a grant that has ended",
    help: "it gives nothing any more: take it away, or give it a new window",
};

pub(super) const REVOCATION_EXPIRED: Lint = Lint {
    id: "lint/revocation-expired",
    about: "the revocation of a token that has expired anyway",
    help: "it is of no use any more: take it away",
};

pub(super) const OVERRIDE_NOT_IN_FORCE: Lint = Lint {
    id: "lint/override-not-in-force",
    about: "an `override` that has ended, or ends too far ahead to hold",
    help: "take it away, or give it an end in the next days: one that lets requests in holds for 7 days at most",
};

pub(super) const TIME_UNQUOTED: Lint = Lint {
    id: "lint/time-unquoted",
    about: "a time or a date without quotes",
    help: "some readers of YAML make a date or a number of what looks like one, and write it in another form: quote it",
};

pub(super) fn find(model: &mut Model<'_>, now: f64) {
    let mut found = Vec::new();
    for document in &model.bundle.grants {
        let Some(spec) = model.spec("Grants", &document.name) else {
            continue;
        };
        for (index, grant) in document.grants.iter().enumerate() {
            if grant.window.until <= now {
                let message = format!("ended {}", ago(now - grant.window.until));
                found.push((&GRANT_EXPIRED, format!("{spec}.grants[{index}].expires"), message));
            }
        }
    }
    for document in &model.bundle.revocations {
        let Some(spec) = model.spec("Revocations", &document.name) else {
            continue;
        };
        for (index, token) in document.tokens.iter().enumerate() {
            if let Some(expired) = token.expires.filter(|expires| *expires <= now) {
                let message = format!("the token expired {}", ago(now - expired));
                found.push((&REVOCATION_EXPIRED, format!("{spec}.tokens[{index}].expires"), message));
            }
        }
    }
    if let Some(over) = &model.bundle.over {
        let left = over.until - now;
        let why = if left <= 0.0 {
            Some(format!("ended {}", ago(-left)))
        } else if over.mode == OverrideMode::Observe && left > Override::LONGEST {
            Some("ends so far ahead that it does not hold now".to_owned())
        } else {
            None
        };
        let path = "override.until".to_owned();
        found.extend(why.map(|why| (&OVERRIDE_NOT_IN_FORCE, path, why)));
    }
    for (path, text) in model.loaded.plain_texts() {
        if is_unquoted(&path, &text) {
            found.push((&TIME_UNQUOTED, path, format!("`{text}` without quotes")));
        }
    }
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

/// A time of the command line, in seconds since the Unix epoch.
///
/// # Errors
/// What would be right.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let time: Timestamp = text
        .parse()
        .map_err(|_| "write it as RFC 3339 does, with its zone: `2026-11-23T18:10:00Z`".to_owned())?;
    Ok(time.as_duration().as_secs_f64())
}

/// The same in a PolicyTest, which stands in no bundle.
pub(super) fn find_in_test(test: &Suite) -> Vec<Problem> {
    let times = test
        .plain_texts()
        .into_iter()
        .filter(|(path, text)| is_unquoted(path, text));
    let problems = times.filter(|(path, _)| !comment::allows(TIME_UNQUOTED.id, test.place(path).as_ref()));
    let problem = |(path, text): (String, String)| {
        let help = TIME_UNQUOTED.help.to_owned();
        test.warning(TIME_UNQUOTED.id, &path, format!("`{text}` without quotes"), help)
    };
    problems.map(problem).collect()
}

/// Whether `text`, which stands at `path` without quotes, is a time, a date, or a day of a calendar.
fn is_unquoted(path: &str, text: &str) -> bool {
    let of_calendar = ["holidays[", "exceptions["].iter().any(|list| path.contains(list));
    is_time(text) || is_clock(text) || of_calendar && is_day(text)
}

/// `18:00`, which YAML 1.1 takes for a number in base 60.
fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let is_digits = |part: &str| !part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let more: Vec<&str> = match parts.next().filter(|hours| is_digits(hours)) {
        Some(_) => parts.collect(),
        None => Vec::new(),
    };
    (1..=2).contains(&more.len()) && more.iter().all(|part| part.len() == 2 && is_digits(part))
}

/// `12-25`: a day of each year.
fn is_day(text: &str) -> bool {
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-')
        .is_some_and(|(month, day)| is_two(month) && is_two(day))
}

/// What YAML 1.1 takes for a timestamp, as far as anybody writes it: a date, or one with a time behind it.
fn is_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else {
        return false;
    };
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let is_clock = |rest: &str| {
        rest.strip_prefix(['T', 't', ' '])
            .is_some_and(|clock| clock.starts_with(|first: char| first.is_ascii_digit()) && clock.contains(':'))
    };
    is_date && (rest.is_empty() || is_clock(rest))
}

fn ago(seconds: f64) -> String {
    let (count, unit) = [(86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")]
        .into_iter()
        .find(|(length, _)| seconds >= *length)
        .map_or((seconds, "second"), |(length, unit)| (seconds / length, unit));
    let count = count.floor();
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::{ago, is_time, is_unquoted};

    #[test]
    fn times_are_told_from_other_text() {
        for text in [
            "2026-11-23",
            "2026-11-23T18:00:00Z",
            "2026-11-23 18:00:00",
            "2026-11-23T18:00:00.5+01:00",
        ] {
            assert!(is_time(text), "{text}");
        }
        for text in [
            "2026-11-2",
            "2026-11-23-a",
            "us-east-1-x",
            "2026-11-23Tx",
            "ü026-11-23",
            "0123456789a",
        ] {
            assert!(!is_time(text), "{text}");
        }
    }

    #[test]
    fn hours_and_days_are_times_too() {
        for (path, text, is) in [
            ("spec.businessHours.from", "09:00", true),
            ("spec.businessHours.to", "9:00", true),
            ("spec.businessHours.to", "18:00:30", true),
            ("spec.businessHours.to", "2026-12-25", true),
            ("spec.businessHours.holidays[0]", "12-25", true),
            ("spec.businessHours.exceptions[3].date", "12-25", true),
            ("spec.rules[0].hosts[0]", "12-25", false),
            ("spec.rules[0].hosts[0]", "api:80", false),
            ("spec.rules[0].hosts[0]", "10:8080", false),
            ("spec.networks[0]", "2001:db8::1", false),
            ("spec.networks[0]", "10:20:30:40", false),
            ("spec.businessHours.holidays[0]", "12-2", false),
            ("spec.businessHours.from", "nine", false),
        ] {
            assert_eq!(is_unquoted(path, text), is, "{path}: {text}");
        }
    }

    #[test]
    fn how_long_ago() {
        assert_eq!(ago(0.0), "0 seconds ago");
        assert_eq!(ago(61.0), "1 minute ago");
        assert_eq!(ago(86_400.0 * 2.5), "2 days ago");
    }
}
