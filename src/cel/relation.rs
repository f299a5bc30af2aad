//! How values compare: equality, which any two values have, and the order that some have.

use core::cmp::Ordering;

use super::fault::{Budget, Fault};
use super::value::{Held, List, Map, Value};
use crate::version::Version;

/// Whether two values are equal. Numbers are by what they say, whatever their types; values of other types that differ are not equal.
///
/// # Errors
/// What takes more than the budget, or a part of a map that cannot be read.
pub fn equal(a: &Value<'_>, b: &Value<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    Ok(match (a, b) {
        (Value::String(a), Value::String(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.charge_bytes(a.len())?;
            **a == **b
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.charge_bytes(a.len().min(b.len()))?;
            **a == **b
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Ip(a), Value::Ip(b)) => a == b,
        (Value::Cidr(a), Value::Cidr(b)) => a == b,
        (Value::Version(a), Value::Version(b)) => versions(a, b)?.is_eq(),
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => return lists_equal(a, b, budget),
        (Value::Map(a), Value::Map(b)) => return maps_equal(a, b, budget),
        (a, b) => numbers(a, b).flatten() == Some(Ordering::Equal),
    })
}

fn lists_equal(a: &List<'_>, b: &List<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b.iter()) {
        budget.charge(1)?;
        if !equal(&a, &b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps_equal(a: &Map<'_>, b: &Map<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    charge_all(a, budget)?;
    charge_all(b, budget)?;
    let (length, other) = (size(a, budget)?, size(b, budget)?);
    budget.charge(length)?;
    if length != other {
        return Ok(false);
    }
    for (key, value) in pairs(a, budget)?.iter() {
        let Some(other) = look_up(b, key, budget)? else {
            return Ok(false);
        };
        if !equal(value, &other, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is there for a key, paid for. What cannot be a key is [`Fault::NoSuchKey`].
pub(super) fn look_up<'a>(map: &Map<'a>, key: &Value<'_>, budget: &mut Budget) -> Result<Option<Value<'a>>, Fault> {
    charge_lookup(map, budget)?;
    let found = map.get(key)?;
    // Any other map shares what it holds.
    if let (Map::Lazy(_), Some(value)) = (map, &found) {
        charge_made(value, budget)?;
    }
    Ok(found)
}

/// All keys and values, paid for but for [`charge_all`].
pub(super) fn pairs<'a>(map: &Map<'a>, budget: &mut Budget) -> Result<Held<'a, [(Value<'a>, Value<'a>)]>, Fault> {
    let pairs = map.pairs()?;
    if matches!(map, Map::Lazy(_)) {
        for (key, value) in pairs.iter() {
            charge_made(key, budget)?;
            charge_made(value, budget)?;
        }
    }
    Ok(pairs)
}

/// How many entries a map has, paid for but for [`charge_all`].
pub(super) fn size(map: &Map<'_>, budget: &mut Budget) -> Result<usize, Fault> {
    match map {
        Map::Lazy(_) => pairs(map, budget).map(|pairs| pairs.len()),
        _ => map.size(),
    }
}

/// What it costs that a value was made to be read, as the joined lines of a header are: what is borrowed costs nothing.
pub(super) fn charge_made(value: &Value<'_>, budget: &mut Budget) -> Result<(), Fault> {
    match value {
        Value::String(Held::Shared(text)) | Value::Version(Held::Shared(text)) => budget.charge_bytes(text.len()),
        Value::Bytes(Held::Shared(bytes)) => budget.charge_bytes(bytes.len()),
        _ => Ok(()),
    }
}

/// What it costs to look a key up: a map that the expression made is searched from its beginning.
fn charge_lookup(map: &Map<'_>, budget: &mut Budget) -> Result<(), Fault> {
    match map {
        Map::Pairs(pairs) => budget.charge(pairs.len() / 4),
        Map::Json(_) => Ok(()),
        Map::Lazy(entries) => budget.charge(entries.look_up_cost()),
    }
}

/// What it costs to go over all keys and values.
pub(super) fn charge_all(map: &Map<'_>, budget: &mut Budget) -> Result<(), Fault> {
    match map {
        Map::Pairs(pairs) => budget.charge(pairs.len() / 4),
        Map::Json(members) => budget.charge(members.len() / 4),
        Map::Lazy(entries) => budget.charge(entries.look_up_cost().saturating_mul(4)),
    }
}

/// Whether two keys of maps are the same.
pub(super) fn same_key(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => **a == **b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (a, b) => numbers(a, b).flatten() == Some(Ordering::Equal),
    }
}

/// The order of two values; `None` where one of them is no number.
///
/// # Errors
/// [`Fault::NoSuchOverload`] where the two have none.
pub fn order(a: &Value<'_>, b: &Value<'_>, budget: &mut Budget) -> Result<Option<Ordering>, Fault> {
    Ok(Some(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => {
            budget.charge_bytes(a.len().min(b.len()))?;
            (**a).cmp(b)
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.charge_bytes(a.len().min(b.len()))?;
            (**a).cmp(b)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Version(a), Value::Version(b)) => versions(a, b)?,
        (a, b) => return numbers(a, b).ok_or(Fault::NoSuchOverload),
    }))
}

fn versions(a: &str, b: &str) -> Result<Ordering, Fault> {
    let read = |text| Version::parse(text).map_err(|_| Fault::InvalidArgument("a version is numbers between dots"));
    Ok(read(a)?.cmp(&read(b)?))
}

/// The order of two numbers by what they say; the inner `None` where one is NaN, the outer one where one is no number at all.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Int(a), Value::Double(b)) => whole_and_double(i128::from(*a), *b),
        (Value::Uint(a), Value::Double(b)) => whole_and_double(i128::from(*a), *b),
        (Value::Double(a), Value::Int(b)) => whole_and_double(i128::from(*b), *a).map(Ordering::reverse),
        (Value::Double(a), Value::Uint(b)) => whole_and_double(i128::from(*b), *a).map(Ordering::reverse),
        _ => return None,
    })
}

/// Exactly, also where a double could not hold the whole number.
fn whole_and_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // What is beyond 128 bits becomes the largest or the smallest, which is beyond any number of 64 bits as well.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is compared below, and what is too large is capped"
    )]
    let floor = double.floor() as i128;
    let has_fraction = double.fract() != 0.0;
    Some(match whole.cmp(&floor) {
        Ordering::Equal if has_fraction => Ordering::Less,
        other => other,
    })
}
