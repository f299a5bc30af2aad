//! Expressions in CEL, the Common Expression Language (<https://github.com/google/cel-spec>): what `when` of a rule is written in.
//!
//! An expression is compiled once, against an [`Environment`] that declares what it may read: [`Program::compile`] tells each thing that is wrong, and where. The
//! program is then evaluated for each request that needs it, within a [`Budget`]: it reads what it needs of its [`Variables`], allocates nothing unless it makes
//! a text, a list or a map, and ends in a [`Value`] or a [`Fault`], whatever it is given.
//!
//! Of the specification there is everything but messages (protocol buffers), optional values, and what hangs on them. Beside its types there are IP addresses,
//! networks and versions. [`functions`] says which functions there are, and how one is added.

mod checker;
mod environment;
mod evaluator;
mod fault;
pub mod functions;
mod issue;
mod lexer;
mod literal;
mod operators;
mod parser;
mod program;
mod relation;
mod syntax;
mod types;
mod value;

pub use environment::{Declared, Environment, Field, Variable, Variables};
pub use fault::{Budget, Fault};
pub use issue::Issue;
pub use parser::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use program::{Program, Reads};
pub use relation::{equal, order};
pub use types::{Sig, Type};
pub use value::{Entries, Held, List, Map, Text, Timestamp, Value};

#[cfg(test)]
mod tests;
