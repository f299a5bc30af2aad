//! What an expression may read: declared when it is compiled, and given when it is evaluated.

use super::fault::{Budget, Fault};
use super::functions::{self, Function};
use super::types::{Sig, Type};
use super::value::Value;
use crate::bundle::nearest;

/// What is declared for an expression. Declarations need no allocation, so that one table serves thousands of expressions.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'e> {
    tables: [&'e [Variable<'e>]; 2],
    pub(super) functions: &'static [&'static [Function]],
    pub(super) typed: bool,
    pub(super) strict: bool,
    pub(super) suggests: bool,
}

impl<'e> Environment<'e> {
    /// These variables and [all functions](functions::ALL), for policies: types are checked, functions that policies may not call are errors, and so is what is
    /// wrong whatever the request.
    #[must_use]
    pub const fn new(variables: &'e [Variable<'e>]) -> Self {
        Self {
            tables: [variables, &[]],
            functions: functions::ALL,
            typed: true,
            strict: true,
            suggests: true,
        }
    }

    /// The same, with these variables as well.
    #[must_use]
    pub const fn and(self, variables: &'e [Variable<'e>]) -> Self {
        let [first, _] = self.tables;
        Self {
            tables: [first, variables],
            ..self
        }
    }

    /// The same by the letter of the specification: every function may be called, and what always fails does so when it is evaluated.
    #[must_use]
    pub const fn lenient(self) -> Self {
        Self { strict: false, ..self }
    }

    /// The same without a check of types: what does not fit fails when it is evaluated.
    #[must_use]
    pub const fn untyped(self) -> Self {
        Self { typed: false, ..self }
    }

    /// The same without a search for what was probably meant by a misspelt name.
    #[must_use]
    pub const fn terse(self) -> Self {
        Self {
            suggests: false,
            ..self
        }
    }

    /// The one of `known` that was probably meant.
    pub(super) fn nearest<'k>(&self, given: &str, known: &[&'k str]) -> Option<&'k str> {
        if self.suggests {
            nearest(given, known.iter().copied())
        } else {
            None
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'e Variable<'e>> {
        self.variables().find(|variable| variable.name == name)
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &'e Variable<'e>> + use<'e> {
        let [first, more] = self.tables;
        first.iter().chain(more)
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &'static Function> + use<> {
        self.functions.iter().copied().flatten()
    }
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable<'e> {
    /// Its name, which may have dots.
    pub name: &'e str,
    /// What it is.
    pub declared: Declared<'e>,
}

/// What a variable is.
#[derive(Clone, Debug)]
pub enum Declared<'e> {
    /// A value of this type, which [`Variables::read`] finds by this id.
    Value(Type, u16),
    /// Something with fields, which is no value itself.
    Object {
        /// Those that are known.
        fields: &'e [Field<'e>],
        /// Where it may have any others, of any type, which [`Variables::member`] finds by this id and their name.
        open: Option<u16>,
    },
    /// Nothing that an expression may use here, and why.
    Refused(&'e str),
}

/// A field of a variable.
#[derive(Clone, Debug)]
pub struct Field<'e> {
    /// Its name.
    pub name: &'e str,
    /// Its type.
    pub kind: Sig,
    /// [`Variables::read`] finds it by this id.
    pub id: u16,
    /// Why no expression may use it here.
    pub refused: Option<&'e str>,
}

impl<'e> Field<'e> {
    /// A field.
    #[must_use]
    pub const fn new(name: &'e str, kind: Sig, id: u16) -> Self {
        Self {
            name,
            kind,
            id,
            refused: None,
        }
    }
}

/// What the variables are, for one evaluation.
pub trait Variables {
    /// The variable or field with this id. What it takes beside a few steps to read it is taken from `budget`, also where it then cannot be read.
    ///
    /// # Errors
    /// [`Fault::Absent`] where it is not there, another fault where it cannot be read.
    fn read(&self, id: u16, budget: &mut Budget) -> Result<Value<'_>, Fault>;

    /// The member of this name of the open variable with this id.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn member(&self, id: u16, name: &str) -> Result<Value<'_>, Fault>;
}

/// Nothing is declared, so nothing is asked for.
pub(super) struct Nothing;

impl Variables for Nothing {
    fn read(&self, _: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }
}
