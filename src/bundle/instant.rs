//! A point in time, as documents write it.

use jiff::Timestamp;

use super::diagnostic::{Problem, Read, Sink};
use super::reader::At;
use crate::time::WallTime;

/// A time as RFC 3339 §5.6 writes it, with its zone, in seconds since the Unix epoch: `2026-11-23T18:10:00Z`, `2026-11-23T19:10:00.5+01:00`. A quoted string, and from
/// 1970 on.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<f64> {
    timestamp(at, sink).map(|time| time.as_duration().as_secs_f64())
}

/// The same, to the nanosecond.
pub(super) fn wall(at: &At<'_>, sink: &mut Sink) -> Read<WallTime> {
    let time = timestamp(at, sink)?;
    // What is beyond the nanoseconds that fit, in the year 2554, never comes.
    Ok(WallTime(u64::try_from(time.as_nanosecond()).unwrap_or(u64::MAX)))
}

fn timestamp(at: &At<'_>, sink: &mut Sink) -> Read<Timestamp> {
    let text = at.text(sink)?;
    let time = has_form(text).then(|| text.parse::<Timestamp>().ok()).flatten();
    time.filter(|time| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
        let message = "not a time: write it as RFC 3339 does, with its zone, like `\"2026-11-23T18:10:00Z\"`";
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}

/// Whether date, time and zone stand where RFC 3339 has them: the parser takes more than that.
fn has_form(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8] = b"00:00";
    let fits = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let Some((time, rest)) = text.as_bytes().split_at_checked(FORM.len()) else {
        return false;
    };
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (true, Some((_, rest))) = ((1..=9).contains(&digits), fraction.split_at_checked(digits)) else {
                return false;
            };
            rest
        }
    };
    fits(time, FORM)
        && match rest {
            [b'Z'] => true,
            [b'+' | b'-', offset @ ..] => fits(offset, OFFSET),
            _ => false,
        }
}
