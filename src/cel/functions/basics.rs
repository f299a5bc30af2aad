//! What needs no library: sizes and types.

use super::{Arguments, Call, Cost, Function};
use crate::cel::fault::Fault;
use crate::cel::relation;
use crate::cel::types::Sig;
use crate::cel::value::Value;

const LIST: Sig = Sig::List(&Sig::A);
const MAP: Sig = Sig::Map(&Sig::A, &Sig::B);

pub(super) const TABLE: &[Function] = &[
    Function::new("size", &[Sig::String], Sig::Int, size).cost(Cost::Linear),
    Function::new("size", &[Sig::Bytes], Sig::Int, size),
    Function::new("size", &[LIST], Sig::Int, size),
    Function::new("size", &[MAP], Sig::Int, size).cost(Cost::Linear),
    Function::method("size", &[Sig::String], Sig::Int, size).cost(Cost::Linear),
    Function::method("size", &[Sig::Bytes], Sig::Int, size),
    Function::method("size", &[LIST], Sig::Int, size),
    Function::method("size", &[MAP], Sig::Int, size).cost(Cost::Linear),
    Function::new("dyn", &[Sig::A], Sig::Dyn, same),
    Function::new("type", &[Sig::A], Sig::Type, type_of),
];

/// Characters of a text, bytes of data, items of a list, entries of a map.
fn size<'a>(call: &mut Call<'_>, arguments: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    let size = match arguments.value(0)? {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => relation::size(map, call.budget)?,
        _ => return Err(Fault::NoSuchOverload),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| Fault::Overflow)
}

fn same<'a>(_: &mut Call<'_>, arguments: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    arguments.value(0).cloned()
}

fn type_of<'a>(_: &mut Call<'_>, arguments: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    Ok(Value::Type(arguments.value(0)?.type_name()))
}
