//! Functions of text. Places in a text are counted in code points, from zero.

use super::pattern::Pattern;
use super::{Arguments, Call, Cost, Function, Prepared};
use crate::cel::fault::{Budget, Fault};
use crate::cel::types::Sig;
use crate::cel::value::{Held, Text, Value};

/// The longest text that a function makes, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// The most parts that a text is split into.
const MAX_PARTS: usize = 1024;

const TEXT: Sig = Sig::String;
const TEXTS: Sig = Sig::List(&Sig::String);

pub(super) const TABLE: &[Function] = &[
    Function::method("contains", &[TEXT, TEXT], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.text(0)?.contains(&**given.text(1)?)))
    })
    .cost(Cost::Linear),
    Function::method("startsWith", &[TEXT, TEXT], Sig::Bool, |call, given| {
        let part = given.text(1)?;
        call.budget.charge_bytes(part.len())?;
        Ok(Value::Bool(given.text(0)?.starts_with(&**part)))
    }),
    Function::method("endsWith", &[TEXT, TEXT], Sig::Bool, |call, given| {
        let part = given.text(1)?;
        call.budget.charge_bytes(part.len())?;
        Ok(Value::Bool(given.text(0)?.ends_with(&**part)))
    }),
    Function::method("matches", &[TEXT, TEXT], Sig::Bool, matches).prepare(pattern),
    Function::new("matches", &[TEXT, TEXT], Sig::Bool, matches).prepare(pattern),
    Function::method("charAt", &[TEXT, Sig::Int], TEXT, |_, given| {
        let place = *given.int(1)?;
        part(given.text(0)?, |text| char_at(text, place))
    })
    .cost(Cost::Linear),
    Function::method("indexOf", &[TEXT, TEXT], Sig::Int, |_, given| {
        index_of(given.text(0)?, given.text(1)?, 0).map(Value::Int)
    })
    .cost(Cost::Linear),
    Function::method("indexOf", &[TEXT, TEXT, Sig::Int], Sig::Int, |_, given| {
        index_of(given.text(0)?, given.text(1)?, *given.int(2)?).map(Value::Int)
    })
    .cost(Cost::Linear),
    Function::method("lastIndexOf", &[TEXT, TEXT], Sig::Int, |_, given| {
        last_index_of(given.text(0)?, given.text(1)?, None).map(Value::Int)
    })
    .cost(Cost::Linear),
    Function::method("lastIndexOf", &[TEXT, TEXT, Sig::Int], Sig::Int, |_, given| {
        last_index_of(given.text(0)?, given.text(1)?, Some(*given.int(2)?)).map(Value::Int)
    })
    .cost(Cost::Linear),
    Function::method("substring", &[TEXT, Sig::Int], TEXT, |_, given| {
        let start = *given.int(1)?;
        part(given.text(0)?, |text| substring(text, start, None))
    })
    .cost(Cost::Linear),
    Function::method("substring", &[TEXT, Sig::Int, Sig::Int], TEXT, |_, given| {
        let (start, end) = (*given.int(1)?, *given.int(2)?);
        part(given.text(0)?, |text| substring(text, start, Some(end)))
    })
    .cost(Cost::Linear),
    Function::method("trim", &[TEXT], TEXT, |_, given| {
        part(given.text(0)?, |text| Ok(text.trim()))
    })
    .cost(Cost::Linear),
    Function::method("lowerAscii", &[TEXT], TEXT, |_, given| {
        whole(given.text(0)?, str::to_ascii_lowercase)
    })
    .cost(Cost::Linear),
    Function::method("upperAscii", &[TEXT], TEXT, |_, given| {
        whole(given.text(0)?, str::to_ascii_uppercase)
    })
    .cost(Cost::Linear),
    Function::method("reverse", &[TEXT], TEXT, |_, given| {
        whole(given.text(0)?, |text| text.chars().rev().collect())
    })
    .cost(Cost::Linear),
    Function::method("replace", &[TEXT, TEXT, TEXT], TEXT, |call, given| {
        let (text, old, new) = (given.text(0)?, given.text(1)?, given.text(2)?);
        replace(text, old, new, -1, call.budget).map(made)
    })
    .cost(Cost::Linear),
    Function::method("replace", &[TEXT, TEXT, TEXT, Sig::Int], TEXT, |call, given| {
        let (text, old, new) = (given.text(0)?, given.text(1)?, given.text(2)?);
        replace(text, old, new, *given.int(3)?, call.budget).map(made)
    })
    .cost(Cost::Linear),
    Function::method("split", &[TEXT, TEXT], TEXTS, |call, given| {
        parts(given.text(0)?, given.text(1)?, -1, call.budget)
    })
    .cost(Cost::Linear),
    Function::method("split", &[TEXT, TEXT, Sig::Int], TEXTS, |call, given| {
        parts(given.text(0)?, given.text(1)?, *given.int(2)?, call.budget)
    })
    .cost(Cost::Linear),
    Function::method("join", &[TEXTS], TEXT, |call, given| joined(given, "", call.budget)),
    Function::method("join", &[TEXTS, TEXT], TEXT, |call, given| {
        joined(given, given.text(1)?, call.budget)
    }),
];

const PLACE: Fault = Fault::InvalidArgument("a place in a text is not below 0, and not beyond its end");
const LONG: Fault = Fault::InvalidArgument("a text that an expression makes has 65536 bytes at most");
const MANY: Fault = Fault::InvalidArgument("a text is split into 1024 parts at most");

/// Steps of a pattern that cost one unit.
const STEPS_PER_UNIT: u64 = 8;

fn matches<'a>(call: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    let text = given.text(0)?;
    let all = u64::from(call.budget.left()).saturating_mul(STEPS_PER_UNIT);
    let mut left = all;
    let pattern = call.prepared::<Pattern>().ok_or(Fault::NoSuchOverload)?;
    let answer = pattern.is_match(text, &mut left);
    let used = all.saturating_sub(left).div_ceil(STEPS_PER_UNIT);
    call.budget.charge(usize::try_from(used).unwrap_or(usize::MAX))?;
    answer.map(Value::Bool).ok_or(Fault::TooCostly)
}

/// A pattern that is written out is read once, and one that is not is refused: what a request carries is never compiled.
fn pattern(given: &[Option<&Value<'static>>]) -> Result<Option<Prepared>, (usize, String)> {
    let Some(Some(Value::String(text))) = given.get(1) else {
        let message =
            "`matches` takes a pattern that is written out as a text, so that it is checked when the policy is loaded";
        return Err((1, message.to_owned()));
    };
    match Pattern::new(text) {
        Ok(pattern) => Ok(Some(std::rc::Rc::new(pattern))),
        Err(error) => {
            let before = text.get(..error.at()).unwrap_or_default().chars().count();
            let place = before.saturating_add(1);
            Err((
                1,
                format!("no pattern that can be matched: at character {place}, {error}"),
            ))
        }
    }
}

/// A part of a text, which is borrowed where the text is.
fn part<'a>(text: &Text<'a>, of: impl FnOnce(&str) -> Result<&str, Fault>) -> Result<Value<'a>, Fault> {
    Ok(match text {
        Held::Borrowed(text) => Value::text(of(text)?),
        Held::Shared(text) => made(of(text)?.to_owned()),
    })
}

/// A text made of a whole other one.
fn whole<'a>(text: &str, make: impl FnOnce(&str) -> String) -> Result<Value<'a>, Fault> {
    if text.len() > MAX_TEXT {
        return Err(LONG);
    }
    Ok(made(make(text)))
}

fn made<'a>(text: String) -> Value<'a> {
    Value::String(text.into())
}

/// The code point at a place; at the end, none.
fn char_at(text: &str, place: i64) -> Result<&str, Fault> {
    let rest = from(text, place)?;
    let length = rest.chars().next().map_or(0, char::len_utf8);
    Ok(rest.get(..length).unwrap_or_default())
}

/// The first place at or behind `start` where `part` is, or -1.
fn index_of(text: &str, part: &str, start: i64) -> Result<i64, Fault> {
    let rest = from(text, start)?;
    let Some(found) = rest.find(part) else { return Ok(-1) };
    Ok(start.saturating_add(count(rest.get(..found).unwrap_or_default())))
}

/// The last place at or before `start` where `part` is, or -1; without a `start`, the last of all.
fn last_index_of(text: &str, part: &str, start: Option<i64>) -> Result<i64, Fault> {
    let mut head = text;
    if let Some(start) = start {
        let before = text.len().saturating_sub(from(text, start)?.len());
        let mut end = before.saturating_add(part.len()).min(text.len());
        // Where no character ends, no part does that begins at `start`.
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        head = text.get(..end).unwrap_or_default();
    }
    let found = head.rfind(part);
    Ok(found.map_or(-1, |found| count(head.get(..found).unwrap_or_default())))
}

/// From the place `start` up to before the place `end`; without an `end`, all that follows.
fn substring(text: &str, start: i64, end: Option<i64>) -> Result<&str, Fault> {
    let rest = from(text, start)?;
    let Some(end) = end else { return Ok(rest) };
    let behind = from(rest, end.checked_sub(start).ok_or(PLACE)?)?;
    Ok(rest.get(..rest.len().saturating_sub(behind.len())).unwrap_or_default())
}

/// `new` in place of the first `most` of `old`, or of all where `most` is below 0. An empty `old` is before each code point and at the end.
fn replace(text: &str, old: &str, new: &str, most: i64, budget: &mut Budget) -> Result<String, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut replaced = String::new();
    let mut rest = 0;
    for (place, old) in text.match_indices(old).take(most) {
        budget.charge(1)?;
        push(&mut replaced, text.get(rest..place).unwrap_or_default(), budget)?;
        push(&mut replaced, new, budget)?;
        rest = place.saturating_add(old.len());
    }
    push(&mut replaced, text.get(rest..).unwrap_or_default(), budget)?;
    Ok(replaced)
}

/// The parts of a text.
fn parts<'a>(text: &Text<'a>, separator: &str, most: i64, budget: &mut Budget) -> Result<Value<'a>, Fault> {
    Ok(Value::list(match text {
        Held::Borrowed(text) => split(text, separator, most, budget)?
            .into_iter()
            .map(Value::text)
            .collect(),
        Held::Shared(text) => {
            let parts = split(text, separator, most, budget)?;
            parts.into_iter().map(|part| made(part.to_owned())).collect()
        }
    }))
}

/// All parts where `most` is below 0, else the last of at most `most` has the rest. An empty separator is between all code points.
fn split<'t>(text: &'t str, separator: &str, most: i64, budget: &mut Budget) -> Result<Vec<&'t str>, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = Some(text).filter(|text| most > 0 && !(text.is_empty() && separator.is_empty()));
    while let Some(text) = rest.take() {
        budget.charge(1)?;
        if parts.len() >= MAX_PARTS {
            return Err(MANY);
        }
        let cut = if parts.len().saturating_add(1) >= most {
            None
        } else if separator.is_empty() {
            let length = text.chars().next().map_or(0, char::len_utf8);
            text.split_at_checked(length).filter(|(_, rest)| !rest.is_empty())
        } else {
            text.split_once(separator)
        };
        let part = cut.map_or(text, |(part, behind)| {
            rest = Some(behind);
            part
        });
        parts.push(part);
    }
    Ok(parts)
}

/// The texts of a list, with a separator between any two.
fn joined<'a>(given: Arguments<'_, 'a>, separator: &str, budget: &mut Budget) -> Result<Value<'a>, Fault> {
    let mut joined = String::new();
    for (index, item) in given.list(0)?.iter().enumerate() {
        let Value::String(item) = item else {
            return Err(Fault::NoSuchOverload);
        };
        budget.charge(1)?;
        if index > 0 {
            push(&mut joined, separator, budget)?;
        }
        push(&mut joined, &item, budget)?;
    }
    Ok(made(joined))
}

fn push(text: &mut String, more: &str, budget: &mut Budget) -> Result<(), Fault> {
    if text.len().saturating_add(more.len()) > MAX_TEXT {
        return Err(LONG);
    }
    budget.charge_bytes(more.len())?;
    text.push_str(more);
    Ok(())
}

/// The text from this place on.
fn from(text: &str, place: i64) -> Result<&str, Fault> {
    let place = usize::try_from(place).map_err(|_| PLACE)?;
    let mut characters = text.chars();
    for _ in 0..place {
        characters.next().ok_or(PLACE)?;
    }
    Ok(characters.as_str())
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
