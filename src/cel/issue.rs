//! What is wrong with an expression, and where.

use core::fmt;
use core::ops::Range;

/// One thing that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, in bytes of the expression; empty at its end.
    pub range: Range<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// One while an expression is read: what may be wrong is handed on by every part of the parser, which a box makes cheap.
pub(super) type Wrong = Box<Issue>;

impl Issue {
    /// As [`new`](Self::new), in its box.
    #[cold]
    #[inline(never)]
    pub(super) fn wrong(at: Span, message: &str) -> Wrong {
        Box::new(Self::new(at, message))
    }

    // Each place that has something to say would hold a copy of it.
    #[cold]
    #[inline(never)]
    pub(super) fn new(at: Span, message: &str) -> Self {
        Self {
            range: at.range(),
            message: message.to_owned(),
        }
    }

    /// The line and the column of its beginning in `source`, both from 1, the column in characters.
    #[must_use]
    pub fn place(&self, source: &str) -> (usize, usize) {
        let before = source.get(..self.range.start).unwrap_or(source);
        let line = before.matches('\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or(before);
        (line, last.chars().count().saturating_add(1))
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

/// A part of an expression, in bytes. An expression is shorter than 4 GiB by far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let small = |place| u32::try_from(place).unwrap_or(u32::MAX);
        Self {
            start: small(start),
            end: small(end),
        }
    }

    /// From the beginning of this to the end of `other`.
    pub(super) fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }

    fn range(self) -> Range<usize> {
        let place = |place| usize::try_from(place).unwrap_or(usize::MAX);
        place(self.start)..place(self.end)
    }
}
