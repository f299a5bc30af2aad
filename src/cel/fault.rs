//! What can keep an expression from having a value, and the work that it may do.

use core::fmt;

/// Why an expression has no value. To a rule, each of them is the same: its condition is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What it reads is not there.
    Absent,
    /// A map without this key, or a key that no map can have.
    NoSuchKey,
    /// A list without this index.
    OutOfRange,
    /// An operator or a function that is not for values of these types.
    NoSuchOverload,
    /// A whole number divided by zero.
    DivisionByZero,
    /// A number, time or duration beyond what its type holds.
    Overflow,
    /// A value that a function cannot take, and what it takes.
    InvalidArgument(&'static str),
    /// It costs more than an evaluation may.
    TooCostly,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Absent => "what it reads is not there",
            Self::NoSuchKey => "no such key",
            Self::OutOfRange => "no such index",
            Self::NoSuchOverload => "no such operation for values of these types",
            Self::DivisionByZero => "division by zero",
            Self::Overflow => "a number, time or duration beyond its type",
            Self::InvalidArgument(wanted) => wanted,
            Self::TooCostly => "it costs more than an evaluation may",
        })
    }
}

/// What an evaluation may still cost: one unit is about one step. Whatever takes time or memory in proportion to its input is charged for, so that a bound of
/// the cost is one of both.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u32,
}

/// Bytes of text or data that are looked at, or copied, for one unit.
const BYTES_PER_UNIT: usize = 32;

impl Budget {
    /// A budget of so many units.
    #[must_use]
    pub const fn new(units: u32) -> Self {
        Self { left: units }
    }

    /// What is left.
    #[must_use]
    pub const fn left(self) -> u32 {
        self.left
    }

    /// Takes units away.
    ///
    /// # Errors
    /// [`Fault::TooCostly`] where there are not as many left: then none are.
    pub fn charge(&mut self, units: usize) -> Result<(), Fault> {
        let left = u32::try_from(units).ok().and_then(|units| self.left.checked_sub(units));
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fault::TooCostly)
    }

    /// Takes away what it costs to look at, or copy, so many bytes: nothing for a few.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<(), Fault> {
        self.charge(bytes / BYTES_PER_UNIT)
    }
}
