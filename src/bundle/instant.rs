//! A point in time, as documents write it.

use super::diagnostic::{Problem, Read, Sink};
use super::reader::At;

/// A time as RFC 3339 §5.6 writes it, with its zone, in seconds since the Unix epoch: `2026-11-23T18:10:00Z`, `2026-11-23T19:10:00.5+01:00`. A quoted string, and from
/// 1970 on.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<f64> {
    let text = at.text(sink)?;
    let seconds = crate::time::rfc3339(text)
        .map(|time| time.as_secs_f64())
        .filter(|seconds| *seconds >= 0.0);
    seconds.ok_or_else(|| {
        let message = "not a time: write it as RFC 3339 does, with its zone, like `\"2026-11-23T18:10:00Z\"`";
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}
