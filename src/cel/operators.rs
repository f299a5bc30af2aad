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
        (Add, List(_), List(_)) => left.clone().join(right),
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
        (Value::Timestamp(time), Value::Duration(length)) | (Value::Duration(length), Value::Timestamp(time)) => {
            at(time.since_epoch().checked_add(*length))
        }
        (Value::Duration(a), Value::Duration(b)) => Value::duration(a.checked_add(*b).ok_or(Fault::Overflow)?),
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
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            let between = a.since_epoch().checked_sub(b.since_epoch());
            Value::duration(between.ok_or(Fault::Overflow)?)
        }
        (Value::Timestamp(time), Value::Duration(length)) => at(time.since_epoch().checked_sub(*length)),
        (Value::Duration(a), Value::Duration(b)) => Value::duration(a.checked_sub(*b).ok_or(Fault::Overflow)?),
        _ => Err(Fault::NoSuchOverload),
    }
}

fn at<'a>(to: Option<SignedDuration>) -> Result<Value<'a>, Fault> {
    Timestamp::new(to.ok_or(Fault::Overflow)?).map(Value::Timestamp)
}
