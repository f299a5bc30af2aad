//! Versions, which compare as versions.

use super::{Arguments, Call, Function};
use crate::cel::fault::Fault;
use crate::cel::types::Sig;
use crate::cel::value::Value;
use crate::version::Version;

pub(super) const TABLE: &[Function] = &[
    Function::new("version", &[Sig::String], Sig::Version, version),
    Function::new("version", &[Sig::Version], Sig::Version, |_, given| {
        given.value(0).cloned()
    }),
];

const FORM: Fault = Fault::InvalidArgument(
    "a version is numbers between dots, like 14.2, and what Semantic Versioning puts behind them",
);

fn version<'a>(_: &mut Call<'_>, given: Arguments<'_, 'a>) -> Result<Value<'a>, Fault> {
    let text = given.text(0)?;
    Version::parse(text).map_err(|_| FORM)?;
    Ok(Value::Version(text.clone()))
}
