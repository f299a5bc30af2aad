//! What was pushed: a bundle of documents, read, checked and compiled as one.
//!
//! [`compile`] is a pure function of the bytes, and bounded in time and memory by the table in [`limits`]: the host judges each push on one VM and runs it on others, and
//! whichever of these judged otherwise would be left without a filter.

mod about;
mod authentication;
mod body;
mod candidate;
mod claims;
mod cross;
mod device;
mod device_issuer;
pub mod diagnostic;
pub mod document;
mod edges;
mod effect;
mod forward;
mod generation;
mod grants;
mod hours;
mod instant;
mod keys;
pub mod limits;
mod openings;
mod overriding;
mod path;
mod place;
mod policy;
pub mod policy_test;
mod reader;
mod region;
mod region_id;
mod remote;
mod replica;
mod revocation;
mod revocations;
mod root;
mod rule;
mod suggest;
mod tokens;
mod trust;
mod url;
pub mod value;
mod when;

pub use diagnostic::{Code, Diagnostic, Part, Severity};
pub use generation::Generation;
pub use path::member_name;
pub use region_id::RegionId;
pub(crate) use suggest::nearest;
pub use url::Url;
pub use value::{Encoding, Value};

use diagnostic::{Read, Sink};

/// Compiles a pushed configuration: the same bytes give the same answer, whenever and wherever, and none makes it panic.
///
/// # Errors
/// All errors of the bundle (of very many the first hundred and a count), then its warnings.
pub fn compile(bytes: &[u8], encoding: Encoding) -> Result<Generation, Vec<Diagnostic>> {
    compile_into(bytes, encoding, Sink::default())
}

/// As [`compile`], for who corrects a bundle before it is pushed: the same verdict, with up to ten thousand errors and as many warnings.
///
/// # Errors
/// The errors of the bundle, then its warnings.
pub fn check(bytes: &[u8], encoding: Encoding) -> Result<Generation, Vec<Diagnostic>> {
    compile_into(bytes, encoding, Sink::ample())
}

/// The documents themselves, as [`check`] reads them: for who says more of them than whether they compile.
///
/// # Errors
/// The errors of the bundle, then its warnings.
pub fn documents(bytes: &[u8], encoding: Encoding) -> Result<document::Bundle, Vec<Diagnostic>> {
    let mut sink = Sink::ample();
    let outcome = read(bytes, encoding, &mut sink);
    let ((_, bundle, _), _) = sink.judge(outcome)?;
    Ok(bundle)
}

fn compile_into(bytes: &[u8], encoding: Encoding, mut sink: Sink) -> Result<Generation, Vec<Diagnostic>> {
    let outcome = read(bytes, encoding, &mut sink);
    let ((digest, bundle, networks), warnings) = sink.judge(outcome)?;
    Ok(Generation::new(bundle, networks, digest, warnings))
}

type Parts = ([u8; 32], document::Bundle, crate::context::Networks<RegionId>);

fn read(bytes: &[u8], encoding: Encoding, sink: &mut Sink) -> Read<Parts> {
    let value = value::read(bytes, encoding, sink)?;
    let (bundle, networks) = root::read(&value, sink)?;
    Ok((value::digest(&value), bundle, networks))
}

#[cfg(test)]
mod tests;
