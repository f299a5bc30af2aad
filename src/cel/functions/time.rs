//! Points in time, lengths of time, and what a clock on a wall shows.

use std::rc::Rc;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{Arguments, Call, Cost, Function, Prepared};
use crate::cel::fault::Fault;
use crate::cel::types::Sig;
use crate::cel::value::{Timestamp, Value};
use crate::context::Zone;
use crate::time::EPOCH;

const AT: Sig = Sig::Timestamp;
const LENGTH: &[Sig] = &[Sig::Duration];

pub(super) const TABLE: &[Function] = &[
    Function::new("timestamp", &[Sig::String], AT, |_, given| {
        timestamp(given.text(0)?).map(Value::Timestamp)
    })
    .cost(Cost::Linear),
    Function::new("timestamp", &[Sig::Int], AT, |_, given| {
        Timestamp::new(SignedDuration::from_secs(*given.int(0)?)).map(Value::Timestamp)
    }),
    Function::new("timestamp", &[AT], AT, same),
    Function::new("duration", &[Sig::String], Sig::Duration, |_, given| {
        Value::duration(duration(given.text(0)?)?)
    })
    .cost(Cost::Linear),
    Function::new("duration", LENGTH, Sig::Duration, same),
    Function::method("getHours", LENGTH, Sig::Int, |_, given| {
        Ok(Value::Int(given.duration(0)?.as_hours()))
    }),
    Function::method("getMinutes", LENGTH, Sig::Int, |_, given| {
        Ok(Value::Int(given.duration(0)?.as_mins()))
    }),
    Function::method("getSeconds", LENGTH, Sig::Int, |_, given| {
        Ok(Value::Int(given.duration(0)?.as_secs()))
    }),
    Function::method("getMilliseconds", LENGTH, Sig::Int, |_, given| {
        Ok(Value::Int(i64::from(given.duration(0)?.subsec_millis())))
    }),
];

/// Each function twice: with a zone, and without one, which means UTC where it may be called at all.
macro_rules! shown {
    ($($name:literal: $part:expr,)*) => {
        &[$(
            Function::method($name, &[AT, Sig::String], Sig::Int, |call, given| shown(call, given, $part)).prepare(clock),
            Function::method($name, &[AT], Sig::Int, |call, given| shown(call, given, $part))
                .refused(concat!("say in which time zone: `", $name, "('America/New_York')`, or `'UTC'`")),
        )*]
    };
}

pub(super) const CLOCK: &[Function] = shown! {
    "getFullYear": Part::Year,
    "getMonth": Part::Month,
    "getDate": Part::Date,
    "getDayOfMonth": Part::DayOfMonth,
    "getDayOfWeek": Part::DayOfWeek,
    "getDayOfYear": Part::DayOfYear,
    "getHours": Part::Hours,
    "getMinutes": Part::Minutes,
    "getSeconds": Part::Seconds,
    "getMilliseconds": Part::Milliseconds,
};

const TIME: Fault =
    Fault::InvalidArgument("a point in time is written with its zone, as in RFC 3339: 2026-11-23T18:10:00Z");
const DURATION: Fault = Fault::InvalidArgument(
    "a duration is written as numbers with units, like 1h30m or 1.5s; the units are h, m, s, ms, us and ns",
);
const LONG: Fault = Fault::InvalidArgument("a duration is written with 256 bytes at most");

/// The longest text of a duration, in bytes: any number of zeros is no long time.
const MAX_DURATION: usize = 256;

/// A part of what a clock and a calendar show.
#[derive(Clone, Copy)]
enum Part {
    Year,
    /// From 0.
    Month,
    /// From 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, which is Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A clock on a wall.
enum Clock {
    In(Zone),
    At(Offset),
}

fn same<'a>(_: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    given.value(0).cloned()
}

/// A point in time as RFC 3339 writes it, in the years 1 to 9999.
fn timestamp(text: &str) -> Result<Timestamp, Fault> {
    crate::time::rfc3339(text).ok_or(TIME).and_then(Timestamp::new)
}

fn shown<'a>(call: &mut Call<'_>, given: Arguments<'_, 'a>, part: Part) -> Result<Value<'a>, Fault> {
    let at = *given.timestamp(0)?;
    let offset = match call.prepared::<Clock>() {
        // On the last day of the year 9999 it is the one of the day before.
        Some(Clock::In(zone)) => {
            zone.offset(jiff::Timestamp::from_duration(at.since_epoch()).unwrap_or(jiff::Timestamp::MAX))
        }
        Some(Clock::At(offset)) => *offset,
        None if given.value(1).is_err() => Offset::UTC,
        None => return Err(Fault::NoSuchOverload),
    };
    let time = clock_of(at, offset)?;
    Ok(Value::Int(match part {
        Part::Year => i64::from(time.year()),
        Part::Month => i64::from(time.month()).saturating_sub(1),
        Part::Date => i64::from(time.day()),
        Part::DayOfMonth => i64::from(time.day()).saturating_sub(1),
        Part::DayOfWeek => i64::from(time.weekday().to_sunday_zero_offset()),
        Part::DayOfYear => i64::from(time.day_of_year()).saturating_sub(1),
        Part::Hours => i64::from(time.hour()),
        Part::Minutes => i64::from(time.minute()),
        Part::Seconds => i64::from(time.second()),
        Part::Milliseconds => i64::from(time.millisecond()),
    }))
}

/// What a clock shows at this offset from UTC.
fn clock_of(at: Timestamp, offset: Offset) -> Result<DateTime, Fault> {
    let local = at
        .since_epoch()
        .checked_add(SignedDuration::from_secs(offset.seconds().into()));
    let time = local.and_then(|local| EPOCH.checked_add(local).ok());
    time.ok_or(Fault::Overflow)
}

/// A zone that is written out is looked up once.
fn clock(given: &[Option<&Value<'static>>]) -> Result<Option<Prepared>, (usize, String)> {
    let Some(Some(Value::String(text))) = given.get(1) else {
        let message = "a time zone is written out as a text, so that it is looked up when the policy is loaded";
        return Err((1, message.to_owned()));
    };
    let clock = match offset(text) {
        Some(offset) => Clock::At(offset),
        None => Clock::In(Zone::named(text).map_err(|error| (1, error.to_string()))?),
    };
    Ok(Some(Rc::new(clock)))
}

/// An offset from UTC: hours and minutes, with or without a sign, like `+05:30`.
fn offset(text: &str) -> Option<Offset> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let read = |digits: &str, most: i32| -> Option<i32> {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse().ok())
            .flatten()
            .filter(|number| *number <= most)
    };
    let seconds = read(hours, 23)?
        .saturating_mul(3600)
        .saturating_add(read(minutes, 59)?.saturating_mul(60));
    Offset::from_seconds(if negative { seconds.saturating_neg() } else { seconds }).ok()
}

/// A length of time: numbers, each with its unit, and a sign before all of them.
fn duration(text: &str) -> Result<SignedDuration, Fault> {
    if text.len() > MAX_DURATION {
        return Err(LONG);
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let mut nanoseconds = 0_i128;
    loop {
        let (part, behind) = quantity(rest).ok_or(DURATION)?;
        nanoseconds = nanoseconds.checked_add(part).ok_or(Fault::Overflow)?;
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    let signed = if negative {
        nanoseconds.saturating_neg()
    } else {
        nanoseconds
    };
    let whole = i64::try_from(signed.checked_div(SECOND).unwrap_or_default()).map_err(|_| Fault::Overflow)?;
    let fraction = i32::try_from(signed.checked_rem(SECOND).unwrap_or_default()).map_err(|_| Fault::Overflow)?;
    Ok(SignedDuration::new(whole, fraction))
}

const SECOND: i128 = 1_000_000_000;

/// A number and its unit in nanoseconds, and what follows; what is less than a nanosecond does not count.
fn quantity(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    const UNITS: &[(&str, i128)] = &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", SECOND),
        ("m", 60 * SECOND),
        ("h", 3600 * SECOND),
    ];
    let (unit, rest) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((*unit, rest.strip_prefix(name)?)))?;
    // More digits than these say nothing, or too much.
    let whole: i128 = match whole.trim_start_matches('0') {
        "" => 0,
        long if long.len() > 21 => i128::MAX,
        digits => digits.parse().ok()?,
    };
    let mut nanoseconds = whole.saturating_mul(unit);
    let mut weight = unit;
    for digit in fraction.bytes().take(18) {
        weight = weight.checked_div(10)?;
        nanoseconds = nanoseconds.saturating_add(weight.saturating_mul(i128::from(digit.saturating_sub(b'0'))));
    }
    Some((nanoseconds, rest))
}

/// The digits at the beginning, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

/// As RFC 3339 writes it, in UTC.
pub(super) fn text_of_time(at: Timestamp) -> Result<String, Fault> {
    Ok(format!("{}Z", clock_of(at, Offset::UTC)?))
}

/// Seconds with as many decimals as there are.
pub(super) fn text_of_duration(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let length = duration.unsigned_abs();
    let fraction = format!(".{:09}", length.subsec_nanos());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{sign}{}{fraction}s", length.as_secs())
}

#[cfg(test)]
mod tests;
