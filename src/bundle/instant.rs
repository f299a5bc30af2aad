//! A point in time, as documents write it.

use jiff::SignedDuration;

use super::diagnostic::{Problem, Read, Sink};
use super::reader::At;
use crate::time::WallTime;

/// A time as RFC 3339 §5.6 writes it, with its zone, in seconds since the Unix epoch: `2026-11-23T18:10:00Z`, `2026-11-23T19:10:00.5+01:00`. A quoted string, and from
/// 1970 on.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<f64> {
    since_epoch(at, sink).map(|time| time.as_secs_f64())
}

/// The same, to the nanosecond.
pub(super) fn wall(at: &At<'_>, sink: &mut Sink) -> Read<WallTime> {
    let time = since_epoch(at, sink)?;
    // What is beyond the nanoseconds that fit, in the year 2554, never comes.
    Ok(WallTime(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}

fn since_epoch(at: &At<'_>, sink: &mut Sink) -> Read<SignedDuration> {
    let text = at.text_of("a time in quotes, like `\"2026-11-23T18:10:00Z\"`", sink)?;
    let time = crate::time::rfc3339(text).filter(|time| !time.is_negative());
    time.ok_or_else(|| {
        let message = "not a time: write it as RFC 3339 does, with its zone, like `\"2026-11-23T18:10:00Z\"`";
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}
