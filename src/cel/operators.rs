//! Arithmetic: each operator for the types that have it, and errors where a result does not fit.

use jiff::SignedDuration;

use super::fault::{Budget, Fault};
use super::syntax::Operator;
use super::types::Type;
use super::value::{Held, List, Timestamp, Value};

/// The type of a result; `None` where values of these types cannot be combined so.
pub(super) fn result(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    use Operator::{Add, Divide, Modulo, Multiply, Subtract};
    use Type::{Bytes, Double, Duration, Dyn, Int, List, String, Timestamp, Uint};
    Some(match (operator, left, right) {
        (Add, List(_), List(_)) => left.join(right),
        (_, Dyn, Dyn) => Dyn,
        (_, Dyn, other) | (_, other, Dyn) => {
            let alone = [(other, other), (other, &Duration), (&Timestamp, other)];
            let any_list = operator == Add && matches!(other, List(_));
            let fits = alone
                .into_iter()
                .any(|(left, right)| *left != Dyn && result(operator, left, right).is_some());
            (any_list || fits).then_some(Dyn)?
        }
        (Add | Subtract | Multiply | Divide | Modulo, Int, Int) => Int,
        (Add | Subtract | Multiply | Divide | Modulo, Uint, Uint) => Uint,
        (Add | Subtract | Multiply | Divide, Double, Double) => Double,
        (Add, String, String) => String,
        (Add, Bytes, Bytes) => Bytes,
        (Add, Timestamp, Duration) | (Add, Duration, Timestamp) | (Subtract, Timestamp, Duration) => Timestamp,
        (Add | Subtract, Duration, Duration) | (Subtract, Timestamp, Timestamp) => Duration,
        _ => return None,
    })
}

/// Combines two values.
pub(super) fn combine<'a>(
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => ints(operator, *a, *b).map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => uints(operator, *a, *b).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => doubles(operator, *a, *b).map(Value::Double),
        _ if operator == Operator::Add => add(left, right, budget),
        _ if operator == Operator::Subtract => subtract(left, right),
        _ => Err(Fault::NoSuchOverload),
    }
}

/// The value with the other sign.
pub(super) fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, Fault> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn ints(operator: Operator, a: i64, b: i64) -> Result<i64, Fault> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Modulo if b == 0 => return Err(Fault::DivisionByZero),
        Operator::Divide => a.checked_div(b),
        Operator::Modulo => a.checked_rem(b),
        _ => return Err(Fault::NoSuchOverload),
    };
    result.ok_or(Fault::Overflow)
}

fn uints(operator: Operator, a: u64, b: u64) -> Result<u64, Fault> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Modulo if b == 0 => return Err(Fault::DivisionByZero),
        Operator::Divide => a.checked_div(b),
        Operator::Modulo => a.checked_rem(b),
        _ => return Err(Fault::NoSuchOverload),
    };
    result.ok_or(Fault::Overflow)
}

fn doubles(operator: Operator, a: f64, b: f64) -> Result<f64, Fault> {
    Ok(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return Err(Fault::NoSuchOverload),
    })
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => {
            budget.charge_bytes(a.len().saturating_add(b.len()))?;
            Ok(Value::String([&**a, &**b].concat().into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.charge_bytes(a.len().saturating_add(b.len()))?;
            Ok(Value::Bytes(Held::Shared([&**a, &**b].concat().into())))
        }
        (Value::List(a), Value::List(b)) => lists(a, b, budget),
        (Value::Duration(length), Value::Timestamp(time)) => times(&Value::Timestamp(*time), *length, true),
        (_, Value::Duration(length)) => times(left, *length, true),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn lists<'a>(a: &List<'a>, b: &List<'a>, budget: &mut Budget) -> Result<Value<'a>, Fault> {
    if b.is_empty() {
        return Ok(Value::List(a.clone()));
    }
    if a.is_empty() {
        return Ok(Value::List(b.clone()));
    }
    budget.charge(a.len().saturating_add(b.len()))?;
    Ok(Value::list(a.iter().chain(b.iter()).collect()))
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::Timestamp(a), Value::Timestamp(b)) => times(&Value::Duration(a.since_epoch()), b.since_epoch(), false),
        (_, Value::Duration(length)) => times(left, *length, false),
        _ => Err(Fault::NoSuchOverload),
    }
}

/// A point in time or a length of time, with another length added or taken away.
#[inline(never)]
fn times<'a>(left: &Value<'_>, length: SignedDuration, is_sum: bool) -> Result<Value<'a>, Fault> {
    let (start, is_point) = match left {
        Value::Timestamp(time) => (time.since_epoch(), true),
        Value::Duration(length) => (*length, false),
        _ => return Err(Fault::NoSuchOverload),
    };
    let end = if is_sum {
        start.checked_add(length)
    } else {
        start.checked_sub(length)
    };
    let end = end.ok_or(Fault::Overflow)?;
    if is_point {
        Timestamp::new(end).map(Value::Timestamp)
    } else {
        Value::duration(end)
    }
}
