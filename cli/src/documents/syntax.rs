//! What is wrong with the syntax of YAML, and what would be right. A parser says where it could not go on; what somebody did wrong is told from the lines around that.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::yaml::DEPTH;

/// How far around an error it is looked for what was done wrong, in bytes.
const AROUND: usize = 4_096;

/// An error of the syntax.
pub(super) struct Syntax {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Where it is, in bytes of the text.
    pub(super) at: Range<usize>,
    /// Where it began, and what that is.
    pub(super) related: Option<(Range<usize>, &'static str)>,
}

/// What `error` says of `text`.
pub(super) fn explain(error: &ScanError, text: &str) -> Syntax {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let lines = Lines::around(text, start);
    let syntax = |at: Range<usize>, message: String, help: Option<String>| Syntax {
        code: "yaml-syntax",
        message,
        help,
        at,
        related: None,
    };
    let at = character(text, start);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return Syntax {
            code: "too-large",
            ..syntax(at, format!("nested too deep: {DEPTH} levels at most"), None)
        };
    }
    if let Some(tab) = lines.tab() {
        let help = "indent with spaces: YAML takes no tabs there".to_owned();
        return syntax(tab, "not valid YAML: a tab indents this line".to_owned(), Some(help));
    }
    let message = format!("not valid YAML: {}", error.info());
    if lines.here().contains("{{") {
        let help = "this looks like a template: check what becomes of it, like the output of `helm template`";
        return syntax(at, message, Some(help.to_owned()));
    }
    let unclosed = matches!(
        error.kind(),
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar
    );
    if let Some(quote) = lines.opening_quote().filter(|_| unclosed) {
        let help = "close the quote where the text ends".to_owned();
        return Syntax {
            related: Some((quote, "a quote opens here")),
            ..syntax(at, message, Some(help))
        };
    }
    syntax(at, message, help(error.kind(), &lines))
}

/// The character at `start`, which is none at the end of a line.
fn character(text: &str, start: usize) -> Range<usize> {
    let next = text.get(start..).and_then(|rest| rest.chars().next());
    let length = next.filter(|next| *next != '\n').map_or(0, char::len_utf8);
    start..start + length
}

fn help(kind: &ErrorKind, lines: &Lines<'_>) -> Option<String> {
    let fixed = match kind {
        ErrorKind::InvalidIndentation => "indent what belongs together alike, and close each `[` and `{`",
        ErrorKind::DirectiveDisallowed => "leave the `%` directive out",
        ErrorKind::MappingValueNotAllowed => return Some(lines.second_colon()),
        ErrorKind::ExpectedBlockSequenceEntry => {
            "each item of a list begins with `- ` at the same indentation, and its other lines stand below the first word behind that"
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::SimpleKeyExpected => {
            "a line of an object is `name: value`, indented as the line before it; documents are separated by `---`"
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            "inside of `'…'` a `'` is written twice; or quote the whole text with `\"`, or write it as a block: `|` and the text in the next line, indented"
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "inside of `\"…\"` a `\"` is written `\\\"`; or quote the whole text with `'`, or write it as a block: `|` and the text in the next line, indented"
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            "a text that begins with this character is quoted: `\"…\"`; elsewhere, take it away"
        }
        _ if lines.next() == Some(',') => "there is nothing before this comma: take it away",
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::ExpectedFlowMappingSeparator
            if matches!(lines.next(), Some('{' | '[')) =>
        {
            "between `[` and `]`, or `{` and `}`, a text that holds one of these is quoted: `\"/v1/{id}\"`"
        }
        ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnclosedFlowCollection { .. } => "close each `[` and `{`, and separate what is in them by commas",
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// The lines around an error.
struct Lines<'t> {
    text: &'t str,
    /// Where `text` begins in the whole.
    offset: usize,
    /// Where the error is in `text`.
    at: usize,
}

impl<'t> Lines<'t> {
    fn around(whole: &'t str, start: usize) -> Self {
        let boundary = |mut at: usize| {
            while !whole.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, offset) = (boundary(start), boundary(start.saturating_sub(AROUND)));
        let end = boundary((start + AROUND).min(whole.len()));
        Self {
            text: whole.get(offset..end).unwrap_or_default(),
            offset,
            at: start - offset,
        }
    }

    fn before(&self) -> &'t str {
        self.text.get(..self.at).unwrap_or_default()
    }

    fn behind(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Where the line of the error begins.
    fn begin(&self) -> usize {
        self.before().rfind('\n').map_or(0, |end| end + 1)
    }

    /// The line of the error.
    fn here(&self) -> &'t str {
        let rest = self.text.get(self.begin()..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    /// The character at the error.
    fn next(&self) -> Option<char> {
        self.behind().chars().next()
    }

    /// A tab in front of what stands in this line, or in the next one that holds something: a scalar that goes on there ends where it begins.
    fn tab(&self) -> Option<Range<usize>> {
        let mut at = self.begin();
        for (index, line) in self.text.get(at..)?.split_inclusive('\n').enumerate() {
            let content = line.trim_start_matches([' ', '\t', '-']);
            let indentation = line.get(..line.len() - content.len()).unwrap_or_default();
            if let Some(tab) = indentation.find('\t').filter(|_| !content.trim().is_empty()) {
                let start = self.offset + at + tab;
                return Some(start..start + 1);
            }
            at += line.len();
            if index > 0 && !content.trim().is_empty() {
                break;
            }
        }
        None
    }

    /// The last quote above that has no other one in its line.
    fn opening_quote(&self) -> Option<Range<usize>> {
        let mut end = self.begin();
        while end > 0 {
            let above = self.text.get(..end - 1)?;
            let begin = above.rfind('\n').map_or(0, |end| end + 1);
            let line = above.get(begin..)?;
            for quote in ['"', '\''] {
                if line.matches(quote).count() % 2 == 1 {
                    let start = self.offset + begin + line.rfind(quote)?;
                    return Some(start..start + 1);
                }
            }
            end = begin;
        }
        None
    }

    /// What is right where a colon makes a second value.
    fn second_colon(&self) -> String {
        let before = self.before().get(self.begin()..).unwrap_or_default();
        if before.contains(": ") {
            return "a text that holds a colon and a space is quoted: `\"…\"`".to_owned();
        }
        let above = self.text.get(..self.begin().saturating_sub(1)).unwrap_or_default();
        let above = above.lines().rev().find(|line| !line.trim().is_empty());
        let first = above
            .map(|line| line.trim().trim_start_matches("- "))
            .unwrap_or_default();
        let glued = first.split_once(':').filter(|(name, value)| {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_name && value.starts_with(|next: char| !next.is_whitespace())
        });
        match glued {
            Some((name, value)) => format!("a space stands behind a colon: `{name}: {value}` in the line above"),
            None => {
                "this line is indented further than the one above, which has a value already: indent what belongs together alike".to_owned()
            }
        }
    }
}
