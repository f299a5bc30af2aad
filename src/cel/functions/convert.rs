//! From one type to another. What does not fit is no value: nothing is rounded into a range, or guessed.

use super::{Arguments, Call, Cost, Function};
use crate::cel::fault::Fault;
use crate::cel::types::Sig;
use crate::cel::value::{Held, Timestamp, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("int", &[Sig::Int], Sig::Int, same),
    Function::new("int", &[Sig::Uint], Sig::Int, |_, given| {
        i64::try_from(*given.uint(0)?)
            .map(Value::Int)
            .map_err(|_| Fault::Overflow)
    }),
    Function::new("int", &[Sig::Double], Sig::Int, |_, given| {
        // -2^63 is one, but a double that says so may have been rounded to it.
        whole(*given.double(0)?, -TWO_63, TWO_63)
            .and_then(|whole| i64::try_from(whole).ok())
            .map(Value::Int)
            .ok_or(Fault::Overflow)
    }),
    Function::new("int", &[Sig::String], Sig::Int, |_, given| {
        given.text(0)?.parse().map(Value::Int).map_err(|_| INT)
    })
    .cost(Cost::Linear),
    Function::new("int", &[Sig::Timestamp], Sig::Int, |_, given| {
        Ok(Value::Int(floor_second(*given.timestamp(0)?)))
    }),
    Function::new("uint", &[Sig::Uint], Sig::Uint, same),
    Function::new("uint", &[Sig::Int], Sig::Uint, |_, given| {
        u64::try_from(*given.int(0)?)
            .map(Value::Uint)
            .map_err(|_| Fault::Overflow)
    }),
    Function::new("uint", &[Sig::Double], Sig::Uint, |_, given| {
        let double = *given.double(0)?;
        whole(double, -1.0, TWO_64)
            .filter(|_| double >= 0.0)
            .and_then(|whole| u64::try_from(whole).ok())
            .map(Value::Uint)
            .ok_or(Fault::Overflow)
    }),
    Function::new("uint", &[Sig::String], Sig::Uint, |_, given| {
        given.text(0)?.parse().map(Value::Uint).map_err(|_| UINT)
    })
    .cost(Cost::Linear),
    Function::new("double", &[Sig::Double], Sig::Double, same),
    Function::new("double", &[Sig::Int], Sig::Double, double),
    Function::new("double", &[Sig::Uint], Sig::Double, double),
    Function::new("double", &[Sig::String], Sig::Double, |_, given| {
        number(given.text(0)?).map(Value::Double)
    })
    .cost(Cost::Linear),
    Function::new("bool", &[Sig::Bool], Sig::Bool, same),
    Function::new("bool", &[Sig::String], Sig::Bool, |_, given| {
        match &**given.text(0)? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(BOOL),
        }
    }),
    Function::new("bytes", &[Sig::Bytes], Sig::Bytes, same),
    Function::new("bytes", &[Sig::String], Sig::Bytes, |_, given| {
        Ok(Value::Bytes(match given.text(0)? {
            Held::Borrowed(text) => Held::Borrowed(text.as_bytes()),
            Held::Shared(text) => Held::Shared(text.as_bytes().into()),
        }))
    })
    .cost(Cost::Linear),
    Function::new("string", &[Sig::String], Sig::String, same),
    Function::new("string", &[Sig::Version], Sig::String, |_, given| {
        Ok(Value::String(given.version(0)?.clone()))
    }),
    Function::new("string", &[Sig::Bytes], Sig::String, text_of_bytes).cost(Cost::Linear),
    Function::new("string", &[Sig::Bool], Sig::String, |_, given| {
        Ok(Value::text(if *given.bool(0)? { "true" } else { "false" }))
    }),
    Function::new("string", &[Sig::Int], Sig::String, |_, given| made(given.int(0)?)),
    Function::new("string", &[Sig::Uint], Sig::String, |_, given| made(given.uint(0)?)),
    Function::new("string", &[Sig::Double], Sig::String, |_, given| {
        Ok(Value::String(text_of_double(*given.double(0)?).into()))
    }),
    Function::new("string", &[Sig::Timestamp], Sig::String, |_, given| {
        super::time::text_of_time(*given.timestamp(0)?).map(|text| Value::String(text.into()))
    }),
    Function::new("string", &[Sig::Duration], Sig::String, |_, given| {
        Ok(Value::String(super::time::text_of_duration(*given.duration(0)?).into()))
    }),
    Function::new("string", &[Sig::Ip], Sig::String, |_, given| made(given.ip(0)?)),
    Function::new("string", &[Sig::Cidr], Sig::String, |_, given| made(given.cidr(0)?)),
];

const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

const INT: Fault = Fault::InvalidArgument("a whole number is written with digits, and a sign before them");
const UINT: Fault = Fault::InvalidArgument("a whole number without a sign is written with digits");
const DOUBLE: Fault = Fault::InvalidArgument("a number is written with digits, a point and an exponent, like 1.5e3");
const BOOL: Fault = Fault::InvalidArgument("a truth value is written `true` or `false`");
const UTF8: Fault = Fault::InvalidArgument("the bytes are no text in UTF-8");

fn same<'a>(_: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    given.value(0).cloned()
}

#[expect(clippy::cast_precision_loss, reason = "what it is for: the nearest double")]
fn double<'a>(_: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    match given.value(0)? {
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        _ => Err(Fault::NoSuchOverload),
    }
}

/// A number as it is written. The parser takes names too (`nan`, `inf`), and makes infinity of what is too large. Neither is a number: nothing is above `nan`,
/// and nothing below it, so that a rule that refuses what is too large would let it in.
fn number(text: &str) -> Result<f64, Fault> {
    let is_written = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let number = text.bytes().all(is_written).then(|| text.parse().ok()).flatten();
    number.filter(|number: &f64| number.is_finite()).ok_or(DOUBLE)
}

fn text_of_bytes<'a>(_: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    let read = |bytes| std::str::from_utf8(bytes).map_err(|_| UTF8);
    Ok(match given.bytes(0)? {
        Held::Borrowed(bytes) => Value::text(std::str::from_utf8(bytes).map_err(|_| UTF8)?),
        Held::Shared(bytes) => Value::String(read(bytes)?.to_owned().into()),
    })
}

/// The shortest digits that are read as the same number.
fn text_of_double(number: f64) -> String {
    let text = serde_json::Number::from_f64(number).map(|number| number.to_string());
    match text {
        Some(text) => text.strip_suffix(".0").map(str::to_owned).unwrap_or(text),
        None if number.is_nan() => "NaN".to_owned(),
        None if number > 0.0 => "+Inf".to_owned(),
        None => "-Inf".to_owned(),
    }
}

fn made<'a>(value: &dyn std::fmt::Display) -> Result<Value<'a>, Fault> {
    Ok(Value::String(value.to_string().into()))
}

/// Without its fraction, where it lies between the two.
fn whole(double: f64, above: f64, below: f64) -> Option<i128> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is what is cut off, and the range has been checked"
    )]
    (above < double && double < below).then_some(double as i128)
}

/// The second that it is in: before 1970, too.
fn floor_second(time: Timestamp) -> i64 {
    let since = time.since_epoch();
    let second = since.as_secs();
    if since.subsec_nanos() < 0 {
        second.saturating_sub(1)
    } else {
        second
    }
}

#[cfg(test)]
mod tests;
