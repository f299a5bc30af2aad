//! Lists as sets: how often something is in one, and where, makes no difference.

use super::{Arguments, Call, Function};
use crate::cel::fault::{Budget, Fault};
use crate::cel::relation::equal;
use crate::cel::types::Sig;
use crate::cel::value::{List, Value};

const LISTS: &[Sig] = &[Sig::List(&Sig::A), Sig::List(&Sig::A)];

pub(super) const TABLE: &[Function] = &[
    Function::new("sets.contains", LISTS, Sig::Bool, |call, given| {
        let (set, items) = (given.list(0)?, given.list(1)?);
        holds_all(set, items, call.budget).map(Value::Bool)
    }),
    Function::new("sets.equivalent", LISTS, Sig::Bool, |call, given| {
        let (a, b) = (given.list(0)?, given.list(1)?);
        Ok(Value::Bool(
            holds_all(a, b, call.budget)? && holds_all(b, a, call.budget)?,
        ))
    }),
    Function::new("sets.intersects", LISTS, Sig::Bool, intersects),
];

fn intersects<'a>(call: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    let (a, b) = (given.list(0)?, given.list(1)?);
    for item in a.iter() {
        // Also where there is nothing to compare it with.
        call.budget.charge(1)?;
        if holds(b, &item, call.budget)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn holds_all(set: &List<'_>, items: &List<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    for item in items.iter() {
        if !holds(set, &item, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(set: &List<'_>, item: &Value<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    for member in set.iter() {
        budget.charge(1)?;
        if equal(&member, item, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}
