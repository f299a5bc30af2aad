//! Path templates, as rules name paths: whole segments, each a literal, a capture or a wildcard.

use std::borrow::Cow;
use std::fmt;

use super::segment::{Step, canonicalise_segment, fold_case};
use super::{CanonicalPath, PathError, PathOptions};

/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 1024;
/// Most segments of a template.
const MAX_SEGMENTS: usize = 64;

/// A path template: `/v1/profiles/{id}`, `/files/*/meta`, `/static/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Vec<Segment>,
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Exactly this text, as it is after one percent-decoding (and folded, where letter case does not count).
    Literal(Box<str>),
    /// `{name}`: any one segment that is not empty.
    Capture(Box<str>),
    /// `*`, or `{*}` as Istio writes it: any one segment that is not empty.
    Any,
    /// `**`, or `{**}` as Istio writes it: whatever follows, nothing included. Always the last one.
    Rest,
}

impl PathTemplate {
    /// Reads a template for paths without relaxations.
    ///
    /// # Errors
    /// Anything but whole segments, with what would be right.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, &PathOptions::default())
    }

    /// Reads a template for paths that are made canonical with the same `options`. A literal that these would refuse in a request is an
    /// error: it could never match.
    ///
    /// # Errors
    /// Anything but whole segments, with what would be right.
    pub fn parse_with(text: &str, options: &PathOptions) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::TooLong { len: text.len() });
        }
        let inner = text.strip_prefix('/').ok_or_else(|| not_absolute(text))?;
        if let Some((path, _)) = text.split_once(['?', '#']) {
            return Err(TemplateError::Query {
                text: text.into(),
                meant: path.into(),
            });
        }
        // Istio's own meaning is another one: it demands the slash.
        if let Some(before) = text.strip_suffix("{**}/") {
            return Err(TemplateError::RestWithSlash {
                text: text.into(),
                meant: format!("{before}{{**}}"),
            });
        }
        let mut segments = Vec::new();
        if !inner.is_empty() {
            for part in inner.strip_suffix('/').unwrap_or(inner).split('/') {
                if segments.last() == Some(&Segment::Rest) {
                    return Err(TemplateError::RestNotLast { text: text.into() });
                }
                let segment = parse_segment(text, part, options)?;
                if matches!(segment, Segment::Capture(_)) && segments.contains(&segment) {
                    return Err(TemplateError::RepeatedName { segment: part.into() });
                }
                segments.push(segment);
            }
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(TemplateError::TooManySegments { count: segments.len() });
        }
        Ok(Self {
            text: text.into(),
            segments,
        })
    }

    /// The template as its author wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments, one trailing slash left out.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of its captures, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            _ => None,
        })
    }

    /// Compares one template with one path, made with the same options; one trailing slash does not count on either side.
    #[must_use]
    pub fn matches<'t, 'p>(&'t self, path: &'p CanonicalPath<'_>) -> Option<Captures<'t, 'p>> {
        let mut asked = path.segments();
        let mut pairs = Vec::new();
        for segment in &self.segments {
            if *segment == Segment::Rest {
                return Some(Captures { pairs });
            }
            let value = asked.next()?;
            match segment {
                Segment::Literal(literal) if **literal != *value => return None,
                Segment::Capture(_) | Segment::Any if value.is_empty() => return None,
                Segment::Capture(name) => pairs.push((&**name, value)),
                Segment::Literal(_) | Segment::Any | Segment::Rest => {}
            }
        }
        asked.next().is_none().then_some(Captures { pairs })
    }
}

impl PathTemplate {
    /// What stands for this capture in a path that the template matches, made with the same options.
    #[must_use]
    pub fn capture<'p>(&self, path: &'p CanonicalPath<'_>, name: &str) -> Option<Cow<'p, str>> {
        let mut asked = path.segments();
        let mut found = None;
        for segment in &self.segments {
            if *segment == Segment::Rest {
                return found;
            }
            let value = asked.next()?;
            match segment {
                Segment::Literal(literal) if **literal != *value => return None,
                Segment::Capture(_) | Segment::Any if value.is_empty() => return None,
                Segment::Capture(known) if **known == *name => found = Some(value),
                Segment::Literal(_) | Segment::Capture(_) | Segment::Any | Segment::Rest => {}
            }
        }
        asked.next().is_none().then_some(found)?
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the captures of a template stand for in one path: the text of their segments as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captures<'t, 'p> {
    pairs: Vec<(&'t str, Cow<'p, str>)>,
}

impl Captures<'_, '_> {
    /// What stands for this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Names and values, in the order of the template.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (*name, &**value))
    }
}

/// What is wrong with a path template, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// It does not begin with a slash.
    NotAbsolute {
        /// What the author wrote.
        text: String,
        /// A template that is probably meant; empty where a slash in front is not enough.
        meant: String,
    },
    /// It is longer than 1,024 bytes.
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has more than 64 segments.
    TooManySegments {
        /// How many it has.
        count: usize,
    },
    /// It has a query or a fragment.
    Query {
        /// What the author wrote.
        text: String,
        /// What stands before it.
        meant: String,
    },
    /// It has an empty segment.
    EmptySegment {
        /// What the author wrote.
        text: String,
    },
    /// A `**` stands before another segment.
    RestNotLast {
        /// What the author wrote.
        text: String,
    },
    /// A `{**}` with a slash behind it.
    RestWithSlash {
        /// What the author wrote.
        text: String,
        /// A template that is probably meant.
        meant: String,
    },
    /// An asterisk is only part of a segment.
    PartialWildcard {
        /// The segment.
        segment: String,
    },
    /// Braces are only part of a segment.
    PartialCapture {
        /// The segment.
        segment: String,
    },
    /// What stands in the braces is not a name.
    Name {
        /// The segment.
        segment: String,
        /// A segment that is probably meant.
        meant: String,
    },
    /// Two captures have the same name.
    RepeatedName {
        /// The segment.
        segment: String,
    },
    /// A capture in the notation of another router.
    ForeignCapture {
        /// The segment.
        segment: String,
        /// The name in it.
        name: String,
    },
    /// A `.` or `..`, which no canonical path has.
    DotSegment {
        /// The segment.
        segment: String,
    },
    /// A literal that is not in canonical form.
    NotCanonical {
        /// The segment.
        segment: String,
        /// Its canonical form.
        canonical: String,
    },
    /// A literal that no request could ask.
    Literal {
        /// The segment.
        segment: String,
        /// Why such a request is refused.
        reason: PathError,
    },
}

impl TemplateError {
    /// A word for the kind of mistake, which never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAbsolute { .. } => "path_not_absolute",
            Self::TooLong { .. } => "path_too_long",
            Self::TooManySegments { .. } => "path_too_many_segments",
            Self::Query { .. } => "path_query",
            Self::EmptySegment { .. } => "path_empty_segment",
            Self::RestNotLast { .. } => "path_rest_not_last",
            Self::RestWithSlash { .. } => "path_rest_with_slash",
            Self::PartialWildcard { .. } => "path_partial_wildcard",
            Self::PartialCapture { .. } => "path_partial_capture",
            Self::Name { .. } => "path_capture_name",
            Self::RepeatedName { .. } => "path_capture_repeated",
            Self::ForeignCapture { .. } => "path_foreign_capture",
            Self::DotSegment { .. } => "path_dot_segment",
            Self::NotCanonical { .. } => "path_not_canonical",
            Self::Literal { .. } => "path_literal",
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute { text, meant } if meant.is_empty() => {
                write!(
                    f,
                    "`{text}` does not begin with a slash: write a template, like `/v1/{{id}}` or `/v1/**`"
                )
            }
            Self::NotAbsolute { text, meant } => write!(f, "`{text}` does not begin with a slash; write `{meant}`"),
            Self::TooLong { len } => write!(f, "a path template has {MAX_TEMPLATE} bytes at most, not {len}"),
            Self::TooManySegments { count } => {
                write!(f, "a path template has {MAX_SEGMENTS} segments at most, not {count}")
            }
            Self::Query { text, meant } => write!(f, "`{text}`: query and fragment never match; write `{meant}`"),
            Self::EmptySegment { text } => write!(
                f,
                "`{text}` has an empty segment, which no template matches; take one slash away"
            ),
            Self::RestNotLast { text } => write!(f, "`{text}`: `**` stands at the end only; write `*` for one segment"),
            Self::RestWithSlash { text, meant } => write!(
                f,
                "`{text}`: a trailing slash never counts here, so this would also match paths without one; write `{meant}` if that is right"
            ),
            Self::PartialWildcard { segment } => {
                write!(
                    f,
                    "`{segment}`: a wildcard is a whole segment; write `*` for one segment, `**` at the end for any number, or `%2A` for an asterisk"
                )
            }
            Self::PartialCapture { segment } => {
                write!(
                    f,
                    "`{segment}`: a capture is a whole segment, as in `{{id}}`; write `%7B` and `%7D` for braces themselves"
                )
            }
            Self::Name { segment, meant } => {
                write!(
                    f,
                    "`{segment}`: a capture's name has letters, digits and `_` and begins with no digit; write `{meant}`"
                )
            }
            Self::RepeatedName { segment } => {
                write!(f, "`{segment}` stands there twice; give each capture a name of its own")
            }
            Self::ForeignCapture { segment, name } => {
                write!(f, "`{segment}` is not a capture here; write `{{{name}}}`")
            }
            Self::DotSegment { segment } => write!(
                f,
                "`{segment}` is never in a path that is judged; write the path that it leads to"
            ),
            Self::NotCanonical { segment, canonical } => {
                write!(f, "`{segment}` is not the form that is judged; write `{canonical}`")
            }
            Self::Literal { segment, reason } => write!(f, "`{segment}` matches no request: {reason}"),
        }
    }
}

impl std::error::Error for TemplateError {}

fn not_absolute(text: &str) -> TemplateError {
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => text,
    };
    // A regular expression, or another kind of quotes.
    let is_odd = path.starts_with(|first: char| !first.is_ascii_alphanumeric() && !"{*-._~%".contains(first));
    TemplateError::NotAbsolute {
        text: text.into(),
        meant: if is_odd { String::new() } else { format!("/{path}") },
    }
}

fn parse_segment(text: &str, part: &str, options: &PathOptions) -> Result<Segment, TemplateError> {
    match part {
        "" => return Err(TemplateError::EmptySegment { text: text.into() }),
        "*" | "{*}" => return Ok(Segment::Any),
        "**" | "{**}" => return Ok(Segment::Rest),
        _ => {}
    }
    if let Some(inner) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|inner| !inner.contains(['{', '}']))
    {
        return if is_name(inner) {
            Ok(Segment::Capture(inner.into()))
        } else {
            Err(invalid_name(part, inner))
        };
    }
    if part.contains(['{', '}']) {
        return Err(TemplateError::PartialCapture { segment: part.into() });
    }
    if part.contains('*') {
        return Err(TemplateError::PartialWildcard { segment: part.into() });
    }
    let foreign = part
        .strip_prefix(':')
        .or_else(|| part.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')));
    if let Some(name) = foreign.filter(|name| is_name(name)) {
        return Err(TemplateError::ForeignCapture {
            segment: part.into(),
            name: name.into(),
        });
    }
    parse_literal(part, options).map(Segment::Literal)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name up to the first character that is none, as in `{id:[0-9]+}`, `{path=**}`, `{path*}` and `{id?}`.
fn invalid_name(part: &str, inner: &str) -> TemplateError {
    let start = inner
        .split(|other: char| !(other.is_ascii_alphanumeric() || matches!(other, '_' | '-')))
        .next();
    let name = start.unwrap_or_default().replace('-', "_");
    let name = if is_name(&name) { name } else { "name".to_owned() };
    TemplateError::Name {
        segment: part.into(),
        meant: format!("{{{name}}}"),
    }
}

fn parse_literal(part: &str, options: &PathOptions) -> Result<Box<str>, TemplateError> {
    let encoded = encode_beyond_ascii(part);
    let mut canonical = Vec::with_capacity(encoded.len());
    let mut decoded = Vec::with_capacity(encoded.len());
    let segment =
        canonicalise_segment(encoded.as_bytes(), options, &mut canonical, &mut decoded).map_err(|reason| {
            TemplateError::Literal {
                segment: part.into(),
                reason,
            }
        })?;
    if segment.step != Step::Into {
        return Err(TemplateError::DotSegment { segment: part.into() });
    }
    if canonical != encoded.as_bytes() {
        let canonical = String::from_utf8_lossy(&canonical).into_owned();
        return Err(TemplateError::NotCanonical {
            segment: part.into(),
            canonical,
        });
    }
    let literal = if options.case_insensitive {
        fold_case(segment.text)
    } else {
        Cow::Borrowed(segment.text)
    };
    Ok(literal.into())
}

/// An author may write `é` where a client has to write `%C3%A9`.
fn encode_beyond_ascii(part: &str) -> Cow<'_, str> {
    if part.is_ascii() {
        return Cow::Borrowed(part);
    }
    let mut encoded = String::with_capacity(part.len().saturating_mul(3));
    for byte in part.bytes() {
        if byte.is_ascii() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests;
