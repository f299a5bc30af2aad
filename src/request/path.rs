//! The path of a request in the one form that is judged and forwarded.
//!
//! Servers differ in what they make of a path: which encodings they decode and when, what they do with `..`, `//`, `;` and `\`. A path
//! that is judged in one reading and served in another is how an allow is turned into a way around a deny. So each path
//! has one canonical form (RFC 3986 section 6.2.2), which the upstream gets, or it is refused.

use std::borrow::Cow;

use super::PathError;
use super::segment::{self, Step, canonicalise_segment, check_raw};

/// Longest path without its query, in bytes.
const MAX_PATH: usize = 8192;
/// Most segments of a path, counted before dot segments are removed.
const MAX_SEGMENTS: usize = 256;

/// What the operator relaxes or tightens for all paths (`trust.paths`). By default nothing is relaxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PathOptions {
    /// Refuse a path that is not in its canonical form, rather than rewrite it.
    pub strict: bool,
    /// Let `%2F` stand: a slash inside a segment. A dot segment beside one is still refused.
    pub encoded_slash: bool,
    /// Let `;` and `%3B` stand: part of the segment's text. A dot segment before one is still refused.
    pub path_parameters: bool,
    /// Let empty segments stand: they count. A path that begins with `//`, which RFC 3986 section 3.3 does not know and which some servers
    /// take for an authority, is still refused, and so is a `..` behind an empty segment.
    pub empty_segments: bool,
    /// Compare without letter case ([`super::fold_case`]). What is forwarded keeps its case.
    pub case_insensitive: bool,
}

/// Makes a request target canonical. It copies nothing where there is nothing to change or decode.
///
/// Encodings of unreserved characters are decoded, other ones get upper-case digits, dot segments are removed (RFC 3986 section 5.2.4); the
/// query stays as it is.
///
/// # Errors
/// All that has no single meaning, see [`PathError`]; `*` and a target with scheme and host as well.
pub fn canonicalise<'a>(target: &'a [u8], options: &PathOptions) -> Result<CanonicalPath<'a>, PathError> {
    let query_at = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at_checked(query_at).unwrap_or((target, &[]));
    let kind = scan(path)?;
    check_query(query)?;
    let rebuilt = match kind {
        Kind::Plain => None,
        Kind::Rebuild => Some(rebuild(path, options)?).filter(|rebuilt| rebuilt != path),
    };
    if options.strict && rebuilt.is_some() {
        return Err(PathError::NotCanonical);
    }
    let changed = rebuilt.is_some();
    let (text, path_len) = match rebuilt {
        None => (
            Cow::Borrowed(std::str::from_utf8(target).map_err(|_| PathError::NotAscii)?),
            path.len(),
        ),
        Some(mut text) => {
            let path_len = text.len();
            text.extend_from_slice(query);
            (
                Cow::Owned(String::from_utf8(text).map_err(|_| PathError::NotAscii)?),
                path_len,
            )
        }
    };
    Ok(CanonicalPath {
        text,
        path_len,
        changed,
        fold: options.case_insensitive,
    })
}

/// A path that has one meaning, and the query that came with it.
// INVARIANT: `text` is ASCII, its first `path_len` bytes are a canonical path, and the rest is empty or begins with `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    text: Cow<'a, str>,
    path_len: usize,
    changed: bool,
    fold: bool,
}

impl CanonicalPath<'_> {
    /// What the upstream is to get as `:path`: the canonical path, and the query as received.
    #[must_use]
    pub fn forward(&self) -> &str {
        &self.text
    }

    /// The canonical path alone, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.path_len).unwrap_or_default()
    }

    /// The canonical path alone, still percent-encoded, folded where letter case does not count ([`super::fold_case`]).
    #[must_use]
    pub fn compared(&self) -> Cow<'_, str> {
        if self.fold {
            segment::fold_case(self.path())
        } else {
            Cow::Borrowed(self.path())
        }
    }

    /// The query as received, without its question mark. Nothing is ever matched against it.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_len..).and_then(|rest| rest.strip_prefix('?'))
    }

    /// Whether [`Self::forward`] differs from what was received, and so has to be written back before the request goes on.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.changed
    }

    /// What is compared and captured: each segment, percent-decoded once, and folded where letter case does not count. One trailing slash
    /// does not count; `/` has no segments.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        let inner = self.path().strip_prefix('/').unwrap_or_default();
        let rest = (!inner.is_empty()).then(|| inner.strip_suffix('/').unwrap_or(inner));
        Segments { rest, fold: self.fold }
    }

    /// The same path, independent of the bytes that it was read from.
    #[must_use]
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath {
            text: Cow::Owned(self.text.into_owned()),
            path_len: self.path_len,
            changed: self.changed,
            fold: self.fold,
        }
    }
}

/// Iterates over the segments of a [`CanonicalPath`]; only a segment with an encoding or, where it is folded, a capital letter is copied.
#[derive(Debug, Clone)]
pub struct Segments<'p> {
    rest: Option<&'p str>,
    fold: bool,
}

impl<'p> Iterator for Segments<'p> {
    type Item = Cow<'p, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        // By bytes: a search for a `char` costs more than most segments are long.
        let end = rest.bytes().position(|byte| byte == b'/');
        let (segment, behind) = end.and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, ""));
        self.rest = behind.strip_prefix('/');
        let decoded = segment::decode(segment);
        if !self.fold {
            return Some(decoded);
        }
        Some(match decoded {
            Cow::Borrowed(text) => segment::fold_case(text),
            Cow::Owned(text) => Cow::Owned(segment::fold_case(&text).into_owned()),
        })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// Canonical as it stands, whatever the options.
    Plain,
    /// To be looked at segment by segment.
    Rebuild,
}

/// One pass over the bytes of a path, which is all that most paths need.
fn scan(path: &[u8]) -> Result<Kind, PathError> {
    match path {
        [] => return Err(PathError::Empty),
        [b'/', ..] => {}
        _ => return Err(PathError::NotAbsolute),
    }
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    let mut kind = Kind::Plain;
    let mut segments = 0_usize;
    let mut previous = 0;
    for byte in path {
        check_raw(*byte)?;
        match byte {
            b'%' | b';' => kind = Kind::Rebuild,
            b'/' | b'.' if previous == b'/' => kind = Kind::Rebuild,
            _ => {}
        }
        if *byte == b'/' {
            segments = segments.saturating_add(1);
        }
        previous = *byte;
    }
    if segments > MAX_SEGMENTS {
        Err(PathError::TooManySegments)
    } else {
        Ok(kind)
    }
}

/// The query is nobody's business but the upstream's; it only must not end the request line, or begin a fragment.
fn check_query(query: &[u8]) -> Result<(), PathError> {
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if query.iter().all(is_allowed) {
        Ok(())
    } else {
        Err(PathError::Query)
    }
}

fn rebuild(path: &[u8], options: &PathOptions) -> Result<Vec<u8>, PathError> {
    let mut canonical = Vec::with_capacity(path.len());
    let mut decoded = Vec::new();
    let mut rest = path.strip_prefix(b"/");
    while let Some(raw) = rest {
        let slash = raw.iter().position(|byte| *byte == b'/');
        let raw_segment = slash.and_then(|at| raw.get(..at)).unwrap_or(raw);
        rest = slash
            .and_then(|at| raw.get(at..))
            .and_then(|behind| behind.strip_prefix(b"/"));
        let start = canonical.len();
        canonical.push(b'/');
        let step = canonicalise_segment(raw_segment, options, &mut canonical, &mut decoded)?.step;
        let is_last = rest.is_none();
        if raw_segment.is_empty() && !is_last && !options.empty_segments {
            return Err(PathError::EmptySegment);
        }
        if step == Step::Into {
            continue;
        }
        canonical.truncate(start);
        if step == Step::Up {
            remove_last(&mut canonical)?;
        }
        if is_last {
            canonical.push(b'/');
        }
    }
    if canonical.starts_with(b"//") {
        Err(PathError::EmptySegment)
    } else {
        Ok(canonical)
    }
}

/// Takes the last segment away, for a `..`.
fn remove_last(canonical: &mut Vec<u8>) -> Result<(), PathError> {
    let at = canonical
        .iter()
        .rposition(|byte| *byte == b'/')
        .ok_or(PathError::AboveRoot)?;
    let last = canonical.get(at..).unwrap_or_default();
    // A server that merges slashes, or decodes before it splits, would take away another one.
    if last == b"/" || last.windows(3).any(|encoding| encoding == b"%2F") {
        return Err(PathError::AmbiguousDots);
    }
    canonical.truncate(at);
    Ok(())
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
