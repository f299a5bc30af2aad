//! What is wrong with a bundle: where, what, and what would be right.

use core::fmt;
use core::ops::Range;

use super::limits;
use super::path::Path;
use super::suggest::nearest;
use super::value::Value;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The bundle is refused.
    Error,
    /// The bundle is put in force, but probably does not do what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What sort of thing is wrong, for programs that read diagnostics: it stays the same where the wording of a message changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The value, or how values stand to each other.
    Invalid,
    /// A field that the format does not have: [`Diagnostic::path`] is that field itself.
    UnknownField,
    /// A field, or a word, of the format that this version does not do.
    NotSupported,
    /// A field that has to be there: [`Diagnostic::path`] is the object that lacks it.
    Missing,
    /// The name of a Region that the bundle does not have.
    UnknownRegion,
    /// What loads, and probably does not do what was meant.
    Suspicious,
    /// How many there are beside those that are kept.
    More,
}

impl Code {
    /// The code as a word, like `unknown-field`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::UnknownField => "unknown-field",
            Self::NotSupported => "not-supported",
            Self::Missing => "missing",
            Self::UnknownRegion => "unknown-region",
            Self::Suspicious => "suspicious",
            Self::More => "more",
        }
    }
}

/// One thing that is wrong. Its `Display` is one line of printable text, whatever the bundle holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What sort of thing is wrong.
    pub code: Code,
    /// Kind and name, like `ZeroTrustPolicy shop`; `None` where it is about the bundle itself.
    pub document: Option<String>,
    /// Where in the bundle, like `documents[2].spec.rules[0].paths[1]`; empty for the whole of it.
    pub path: String,
    /// The part of the text at `path` that it is about, if not all of it.
    pub part: Option<Box<Part>>,
    /// What is wrong, and what would be right.
    pub message: String,
    /// What was found, shortened; never a key or a token.
    pub found: Option<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its bytes; empty at the end of the expression.
    pub bytes: Range<usize>,
    /// Its line, from 1, in an expression of several.
    pub line: Option<usize>,
    /// Its column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}, ")?;
        }
        write!(out, "column {}", self.column)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.severity)?;
        if let Some(document) = &self.document {
            write!(out, "{document}: ")?;
        }
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        if let Some(part) = &self.part {
            write!(out, "{part}: ")?;
        }
        out.write_str(&self.message)?;
        if let Some(found) = &self.found {
            write!(out, "; found {found}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(out, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// The witness that an error stands in the [`Sink`]: nothing else can make one, so what could not be read cannot be taken for absent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// What was read, or the witness that its error was reported.
pub(super) type Read<T> = Result<T, Reported>;

/// What is wrong, without where.
pub(super) struct Problem {
    code: Code,
    part: Option<Box<Part>>,
    message: String,
    found: Option<String>,
    suggestion: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            code: Code::Invalid,
            part: None,
            message: message.into(),
            found: None,
            suggestion: None,
        }
    }

    /// Says what sort of thing is wrong.
    pub(super) fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Shows `value`, shortened.
    pub(super) fn found(self, value: &Value) -> Self {
        Self {
            found: Some(shown(value)),
            ..self
        }
    }

    /// Says that it is about a part of the text.
    pub(super) fn part(self, part: Part) -> Self {
        Self {
            part: Some(Box::new(part)),
            ..self
        }
    }

    /// Shows a part of a text, shortened.
    pub(super) fn excerpt(self, part: &str) -> Self {
        let part = part.trim();
        Self {
            found: (!part.is_empty()).then(|| format!("`{}`", printable(part))),
            ..self
        }
    }

    pub(super) fn suggest<S: Into<String>>(self, suggestion: Option<S>) -> Self {
        Self {
            suggestion: suggestion.map(Into::into),
            ..self
        }
    }
}

impl<S: Into<String>> From<S> for Problem {
    fn from(message: S) -> Self {
        Self::new(message)
    }
}

/// Where diagnostics gather.
pub(super) struct Sink {
    document: Option<String>,
    errors: Kept,
    warnings: Kept,
    /// Names for which the nearest known one may still be looked up.
    suggestions: usize,
}

struct Kept {
    kept: Vec<Diagnostic>,
    most: usize,
    more: usize,
}

impl Default for Sink {
    /// Keeps as many as [`limits`] say.
    fn default() -> Self {
        Self {
            document: None,
            errors: Kept::new(limits::DIAGNOSTICS),
            warnings: Kept::new(limits::DIAGNOSTICS),
            suggestions: limits::SUGGESTIONS,
        }
    }
}

impl Sink {
    /// Keeps all that a person may want to read, for who is not a worker that serves.
    pub(super) fn ample() -> Self {
        const AMPLE: usize = 10_000;
        // More than anybody reads of them.
        const SUGGESTED: usize = 3_000;
        Self {
            document: None,
            errors: Kept::new(AMPLE),
            warnings: Kept::new(AMPLE),
            suggestions: SUGGESTED,
        }
    }

    /// The one of `known` that was probably meant by `given`. Comparing costs more than reading, so only the first errors get a suggestion.
    pub(super) fn nearest<'k>(&mut self, given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        let known: Vec<&str> = known.into_iter().collect();
        self.nearest_of(given, &known)
    }

    // Once for all lists.
    #[inline(never)]
    fn nearest_of<'k>(&mut self, given: &str, known: &[&'k str]) -> Option<&'k str> {
        self.suggested(known.len().checked_div(limits::COMPARED).unwrap_or(0));
        nearest(given, known.iter().copied())
    }

    /// `count` more suggestions were looked for.
    pub(super) fn suggested(&mut self, count: usize) {
        self.suggestions = self.suggestions.saturating_sub(count);
    }

    /// Whether one more suggestion may be looked for, which then counts as one.
    pub(super) fn may_suggest(&mut self) -> bool {
        let left = self.suggestions.checked_sub(1);
        self.suggestions = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether one more error would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.kept.len() >= self.errors.most
    }

    /// What follows is about this document, or the bundle itself.
    pub(super) fn enter(&mut self, document: Option<String>) {
        self.document = document;
    }

    pub(super) fn error(&mut self, path: &Path<'_>, problem: impl Into<Problem>) -> Reported {
        self.errors.put(Severity::Error, self.document.as_ref(), path, problem);
        Reported(())
    }

    /// As [`Sink::error`], for a place that was written down before.
    pub(super) fn error_at(&mut self, path: &str, problem: impl Into<Problem>) -> Reported {
        self.errors.put(Severity::Error, self.document.as_ref(), &path, problem);
        Reported(())
    }

    pub(super) fn warn(&mut self, path: &Path<'_>, problem: impl Into<Problem>) {
        self.warnings
            .put(Severity::Warning, self.document.as_ref(), path, problem);
    }

    /// `value`, if there was no error at all, and the warnings; else the errors, then the warnings.
    pub(super) fn judge<T>(self, value: Read<T>) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
        let clean = self.errors.kept.is_empty();
        let warnings = self.warnings.finish(Severity::Warning);
        match value {
            Ok(value) if clean => Ok((value, warnings)),
            _ => {
                let mut all = self.errors.finish(Severity::Error);
                all.extend(warnings);
                Err(all)
            }
        }
    }
}

impl Kept {
    fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            most,
            more: 0,
        }
    }

    fn put(
        &mut self,
        severity: Severity,
        document: Option<&String>,
        path: &impl fmt::Display,
        problem: impl Into<Problem>,
    ) {
        if self.kept.len() >= self.most {
            self.more = self.more.saturating_add(1);
            return;
        }
        let problem = problem.into();
        // Messages of the parsers below repeat what they read.
        let message = match secret(&problem.message) {
            None => problem.message,
            Some(what) => format!("not valid here: {what}"),
        };
        let code = match severity {
            Severity::Error => problem.code,
            Severity::Warning => Code::Suspicious,
        };
        self.kept.push(Diagnostic {
            severity,
            code,
            document: document.cloned(),
            path: path.to_string(),
            part: problem.part,
            message,
            found: problem.found,
            suggestion: problem.suggestion,
        });
    }

    fn finish(mut self, severity: Severity) -> Vec<Diagnostic> {
        if self.more > 0 {
            self.kept.push(Diagnostic {
                severity,
                code: Code::More,
                document: None,
                path: String::new(),
                part: None,
                message: format!("and {} more", self.more),
                found: None,
                suggestion: None,
            });
        }
        self.kept
    }
}

/// `value` in a few printable characters.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("`{value}`"),
        Value::String(text) => quoted(text),
        Value::List(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
    }
}

/// `text` in backticks, shortened and printable; of what looks like a secret only that it does.
fn quoted(text: &str) -> String {
    match secret(text) {
        Some(what) => what.to_owned(),
        None => format!("`{}`", short(text)),
    }
}

/// The first characters of `text`, printable; of what looks like a secret only that it does.
/// A part of an expression, in one line.
fn printable(text: &str) -> String {
    const KEPT: usize = 48;
    if let Some(what) = secret(text) {
        return format!("({what})");
    }
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    let mut characters = text.chars().map(shown);
    let mut printable: String = characters.by_ref().take(KEPT).collect();
    if characters.next().is_some() {
        printable.push('…');
    }
    printable
}

pub(super) fn short(text: &str) -> String {
    const KEPT: usize = 48;
    if let Some(what) = secret(text) {
        return format!("({what})");
    }
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(KEPT).flat_map(char::escape_debug).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// What `text` seems to hold that nobody should see: a JWT (base64url of `{"`), or a key in PEM.
pub(super) fn secret(text: &str) -> Option<&'static str> {
    const SHORTEST: usize = 16;
    let mut words = text.split(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '-' | '_'));
    if words.any(|word| word.starts_with("eyJ") && word.len() >= SHORTEST) {
        return Some("what looks like a token");
    }
    text.contains("-----BEGIN").then_some("what looks like a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_all() {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: Code::Invalid,
            document: Some("ZeroTrustPolicy shop".to_owned()),
            path: "documents[2].spec.rules[0].methods[1]".to_owned(),
            part: None,
            message: "methods are upper case".to_owned(),
            found: Some("`get`".to_owned()),
            suggestion: Some("GET".to_owned()),
        };
        assert_eq!(
            diagnostic.to_string(),
            "error: ZeroTrustPolicy shop: documents[2].spec.rules[0].methods[1]: methods are upper case; found `get`; did you mean `GET`?"
        );
    }

    #[test]
    fn what_is_found_is_short_printable_and_no_secret() {
        assert_eq!(quoted("a\nb\u{202e}"), "`a\\nb\\u{202e}`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 51);
        assert_eq!(
            quoted("Bearer eyJhbGciOiJub25lIn0.e30.c2VjcmV0"),
            "what looks like a token"
        );
        assert_eq!(quoted("-----BEGIN EC PRIVATE KEY-----\nabc"), "what looks like a key");
    }

    #[test]
    fn beyond_the_limit_there_is_a_count() {
        let mut sink = Sink::default();
        for _ in 0..250 {
            sink.error(&Path::Root, "no");
            sink.warn(&Path::Root, "hm");
        }
        let all = sink.judge(Ok(())).unwrap_err();
        assert_eq!(all.len(), 202);
        assert_eq!(all[100].to_string(), "error: and 150 more");
        assert_eq!(all[201].to_string(), "warning: and 150 more");
    }

    #[test]
    fn who_wants_all_gets_all() {
        let mut sink = Sink::ample();
        for _ in 0..250 {
            sink.error(&Path::Root, "no");
            assert_eq!(sink.nearest("form", ["from"]), Some("from"));
        }
        assert_eq!(sink.judge(Ok(())).unwrap_err().len(), 250);
    }

    #[test]
    fn a_name_among_very_many_counts_as_several() {
        let known = vec!["from"; limits::COMPARED.saturating_mul(limits::SUGGESTIONS)];
        let mut sink = Sink::default();
        assert_eq!(sink.nearest("form", known.iter().copied()), Some("from"));
        assert_eq!(sink.nearest("form", ["from"]), None);
    }

    #[test]
    fn only_so_many_names_are_compared() {
        let mut sink = Sink::default();
        for _ in 0..limits::SUGGESTIONS {
            assert_eq!(sink.nearest("form", ["from"]), Some("from"));
        }
        assert_eq!(sink.nearest("form", ["from"]), None);
    }
}
