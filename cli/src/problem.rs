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
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters stand before each [`STRIDE`]th byte, so that a column in a very long line is found in time.
    characters: Vec<usize>,
}

/// Bytes between two counts of characters.
const STRIDE: usize = 1 << 10;

impl Source {
    /// A file of this name and text.
    pub(crate) fn new(name: String, text: String) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect();
        let characters = text
            .as_bytes()
            .chunks(STRIDE)
            .scan(0, |before, chunk| {
                let here = *before;
                *before += count(chunk);
                Some(here)
            })
            .collect();
        Self {
            name,
            text,
            lines,
            characters,
        }
    }

    /// The bytes of the line around `offset`, without its end.
    pub(crate) fn line_around(&self, offset: usize) -> Range<usize> {
        let line = self.line(offset);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let has_return = end > start && self.text.as_bytes().get(end - 1) == Some(&b'\r');
        start..end - usize::from(has_return)
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let start = self.lines.get(line).copied().unwrap_or_default();
        Position {
            line: line + 1,
            column: self.characters_before(offset) - self.characters_before(start) + 1,
        }
    }

    /// From 0.
    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let offset = offset.min(bytes.len());
        let chunk = (offset / STRIDE).min(self.characters.len().saturating_sub(1));
        let counted = self.characters.get(chunk).copied().unwrap_or_default();
        counted + bytes.get(chunk * STRIDE..offset).map_or(0, count)
    }
}

/// The characters that begin in `bytes` of UTF-8.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
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
        Some((self.source.position(bytes.start), self.source.position(bytes.end)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let text = format!("é1\r\n{}z\n", "ü".repeat(3_000));
        let source = Source::new("a.yaml".to_owned(), text);
        let at = |offset| {
            let Position { line, column } = source.position(offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2));
        assert_eq!(at(5), (2, 1));
        assert_eq!(at(5 + 6_000), (2, 3_001));
        assert_eq!(at(source.text.len()), (3, 1));
        assert_eq!(source.line_around(1), 0..3);
        assert_eq!(source.line_around(100), 5..6_006);
        assert_eq!(source.line_around(source.text.len()), 6_007..6_007);
    }

    #[test]
    fn an_empty_file_has_a_first_line() {
        let source = Source::new(String::new(), String::new());
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.line_around(0), 0..0);
    }
}
