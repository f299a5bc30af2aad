//! What is wrong with what was given, and where.

use std::ops::Range;
use std::rc::Rc;

pub(crate) use regionguard::bundle::Severity;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path, as it was given or found.
    pub(crate) name: String,
    /// Its text; empty where it could not be read.
    pub(crate) text: String,
}

/// A piece of a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file.
    pub(crate) source: Rc<Source>,
    /// The bytes of its text; `None` where it is about the file as a whole.
    pub(crate) bytes: Option<Range<usize>>,
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

impl Place {
    /// The file as a whole.
    pub(crate) fn whole(source: &Rc<Source>) -> Self {
        Self {
            source: Rc::clone(source),
            bytes: None,
        }
    }

    /// Where it begins and where it ends (the first character behind it), if it is a piece of the text.
    pub(crate) fn positions(&self) -> Option<(Position, Position)> {
        let bytes = self.bytes.as_ref()?;
        Some((
            position(&self.source.text, bytes.start),
            position(&self.source.text, bytes.end),
        ))
    }
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Whether it refuses what was given.
    pub(crate) severity: Severity,
    /// What sort of thing it is: stays the same where the wording changes.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What would be right, where the message does not say it.
    pub(crate) help: Option<String>,
    /// Kind and name of the document, like `Region us-east-1`.
    pub(crate) document: Option<String>,
    /// The path of the field in the document (or in the bundle's head), like `spec.rules[0].paths[1]`; empty for the whole of it.
    pub(crate) field: String,
    /// Where it stands.
    pub(crate) place: Option<Place>,
    /// Another place that has to do with it, and what that is.
    pub(crate) related: Option<(Place, String)>,
}

impl Problem {
    /// An error at `place`.
    pub(crate) fn error(code: &'static str, place: Option<Place>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
            document: None,
            field: String::new(),
            place,
            related: None,
        }
    }

    /// Says what would be right.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Shows another place.
    pub(crate) fn related(self, place: Place, what: impl Into<String>) -> Self {
        Self {
            related: Some((place, what.into())),
            ..self
        }
    }

    /// Whether it refuses what was given.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
