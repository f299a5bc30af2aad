//! SPIFFE ids (The SPIFFE Identity and Verifiable Identity Document, §2), and what a rule says of them.

use core::fmt;
use std::rc::Rc;

const SCHEME: &str = "spiffe://";
/// SPIFFE ID §2.3, in bytes.
const ID_MAX: usize = 2_048;
/// SPIFFE ID §2.1, in bytes.
const TRUST_DOMAIN_MAX: usize = 255;

/// The SPIFFE id of a workload: `spiffe://TRUST-DOMAIN/PATH` in the one form that the specification gives it.
///
/// The scheme and the trust domain are in lower case; nothing is percent-encoded; there is no user, port, query or fragment; no segment of the path is empty,
/// `.` or `..`. The path is not empty: an id without one names a trust domain, not a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId(Rc<str>);

impl SpiffeId {
    /// Reads an id; `None` for what is not exactly one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        check(text).ok()?;
        Some(Self(text.into()))
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        domain_of(&self.0)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The workloads that a rule names: one, or all below a path or a trust domain.
///
/// `spiffe://prod/ns/web/sa/api` is that workload. `spiffe://prod/ns/web/*` is every workload below it: one segment or more in place of the `*`, never
/// `spiffe://prod/ns/web` itself. The `*` is a whole last segment, so that `…/web*` cannot take in `…/web-of-somebody-else`, and never (part of) a trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffePattern {
    /// The id; with a wildcard, what stands before it, which ends in a slash.
    text: Box<str>,
    wildcard: bool,
}

impl SpiffePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Anything else, with what would be right.
    pub fn parse(text: &str) -> Result<Self, SpiffePatternError> {
        let error = |what| SpiffePatternError {
            text: text.to_owned(),
            what,
        };
        let Some(before) = text.strip_suffix('*') else {
            return match check(text) {
                Ok(()) => Ok(Self::new(text, false)),
                Err(_) if text.contains('*') => Err(error(NOT_LAST)),
                Err(what) => Err(error(what)),
            };
        };
        let parent = before.strip_suffix('/').ok_or_else(|| error(NOT_WHOLE))?;
        match check(parent) {
            // A whole trust domain may be meant.
            Ok(()) | Err(NO_PATH) => Ok(Self::new(before, true)),
            Err(_) if parent.contains('*') => Err(error(NOT_LAST)),
            // `spiffe://*`, or a trust domain of which nothing is there.
            Err(_) if parent.len() < SCHEME.len() && SCHEME.starts_with(parent) => Err(error(NOT_WHOLE)),
            Err(what) => Err(error(what)),
        }
    }

    /// Whether this workload is one of those that are meant.
    #[must_use]
    pub fn matches(&self, workload: &SpiffeId) -> bool {
        if self.wildcard {
            // INVARIANT: no id ends in a slash, so at least one segment follows.
            workload.0.starts_with(&*self.text)
        } else {
            *workload.0 == *self.text
        }
    }

    /// The name of the trust domain that all of them are of.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        domain_of(&self.text)
    }

    /// The one workload that is meant, or what all of them begin with: that ends with a `/`, as no id does.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn new(text: &str, wildcard: bool) -> Self {
        Self {
            text: text.into(),
            wildcard,
        }
    }
}

/// `text`, where it is the name of a trust domain: what stands between `spiffe://` and the path (SPIFFE ID §2.1).
///
/// # Errors
/// Anything else, with what would be right.
pub fn trust_domain_name(text: &str) -> Result<&str, SpiffePatternError> {
    let error = |what| SpiffePatternError {
        text: text.to_owned(),
        what,
    };
    if text.contains("://") {
        return Err(error(NAME_ALONE));
    }
    check_trust_domain(text).map(|()| text).map_err(|_| error(NOT_A_NAME))
}

/// What is wrong with a pattern, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffePatternError {
    text: String,
    what: &'static str,
}

impl fmt::Display for SpiffePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.text, self.what)
    }
}

impl std::error::Error for SpiffePatternError {}

const NOT_LAST: &str = "`*` stands at the end only, as in `spiffe://prod/ns/web/*`";
const NOT_WHOLE: &str =
    "`*` stands for whole segments of the path: write a `/` and what is before it, as in `spiffe://prod/ns/web/*`";
const NO_SCHEME: &str = "not a SPIFFE id: it begins with `spiffe://`, in lower case";
const TRUST_DOMAIN: &str =
    "not a SPIFFE id: the trust domain has 1 to 255 lower-case letters, digits, `.`, `-` and `_`, and no user or port";
const NO_PATH: &str =
    "names a trust domain and no workload in it: write its path, or `/*` at the end for every workload";
const SEGMENT: &str = "not a SPIFFE id: the path has segments of letters, digits, `.`, `-` and `_`, of which none is empty, `.` or `..`, and no `/` at the end, query or fragment";
const NAME_ALONE: &str = "the name of a trust domain stands alone, as `prod.example`, without `spiffe://` and a path";
const NOT_A_NAME: &str =
    "not a trust domain: it has 1 to 255 lower-case letters, digits, `.`, `-` and `_`, and no path, user or port";
const TOO_LONG: &str = "not a SPIFFE id: longer than 2048 bytes";

/// What is wrong with an id.
fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > ID_MAX {
        return Err(TOO_LONG);
    }
    let rest = text.strip_prefix(SCHEME).ok_or(NO_SCHEME)?;
    let (trust_domain, path) = match rest.split_once('/') {
        Some((trust_domain, path)) => (trust_domain, Some(path)),
        None => (rest, None),
    };
    check_trust_domain(trust_domain)?;
    let path = path.ok_or(NO_PATH)?;
    if path.split('/').all(is_segment) {
        Ok(())
    } else {
        Err(SEGMENT)
    }
}

fn check_trust_domain(name: &str) -> Result<(), &'static str> {
    let sized = (1..=TRUST_DOMAIN_MAX).contains(&name.len());
    match sized && name.bytes().all(is_of_trust_domain) {
        true => Ok(()),
        false => Err(TRUST_DOMAIN),
    }
}

/// The trust domain of what begins as an id.
fn domain_of(id: &str) -> &str {
    let rest = id.strip_prefix(SCHEME).unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

fn is_of_trust_domain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

fn is_segment(segment: &str) -> bool {
    let of_segment = |byte: u8| is_of_trust_domain(byte) || byte.is_ascii_uppercase();
    !matches!(segment, "" | "." | "..") && segment.bytes().all(of_segment)
}

#[cfg(test)]
mod tests {
    use super::{SpiffeId, SpiffePattern};

    #[test]
    fn ids_of_workloads() {
        let longest = format!("spiffe://prod/{}", "a".repeat(2_048 - 14));
        for good in [
            "spiffe://prod/ns/web/sa/api",
            "spiffe://cluster.local/ns/us-east-1/sa/web",
            "spiffe://a_b-c.1/A/.b/..c/d-_.",
            "spiffe://1/...",
            &longest,
        ] {
            assert_eq!(SpiffeId::parse(good.as_bytes()).expect(good).as_str(), good);
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_none() {
        let too_long = format!("spiffe://prod/{}", "a".repeat(2_049 - 14));
        let long_domain = format!("spiffe://{}/a", "a".repeat(256));
        for bad in [
            "",
            "spiffe",
            "spiffe:",
            "spiffe:/",
            "spiffe://",
            "spiffe:///a",
            "spiffe://prod",
            "spiffe://prod/",
            "spiffe://prod/a/",
            "spiffe://prod//a",
            "spiffe://prod/a//b",
            "spiffe://prod/.",
            "spiffe://prod/a/../b",
            "spiffe://prod/a?b",
            "spiffe://prod/a#b",
            "spiffe://prod?/a",
            "spiffe://prod/a%2fb",
            "spiffe://prod/a b",
            "spiffe://prod/a\0",
            "spiffe://prod/a\0.example",
            "spiffe://prod/a;b",
            "spiffe://prod/a\\b",
            "spiffe://prod/a*",
            "spiffe://prod/*",
            "spiffe://prod/\u{e9}",
            "spiffe://prod\u{2024}com/a",
            "spiffe://Prod/a",
            "SPIFFE://prod/a",
            "Spiffe://prod/a",
            "spiffe://user@prod/a",
            "spiffe://prod:443/a",
            "spiffe://[::1]/a",
            "spiffe://pr%6fd/a",
            "https://prod/a",
            " spiffe://prod/a",
            "spiffe://prod/a ",
            "spiffe://prod/a\n",
            &too_long,
            &long_domain,
        ] {
            assert_eq!(SpiffeId::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(SpiffeId::parse(b"spiffe://prod/\xff"), None);
    }

    #[test]
    fn a_pattern_is_one_workload_or_all_below() {
        for (pattern, workload, expected) in [
            ("spiffe://prod/ns/web", "spiffe://prod/ns/web", true),
            ("spiffe://prod/ns/web", "spiffe://prod/ns/Web", false),
            ("spiffe://prod/ns/web", "spiffe://prod/ns/web/sa", false),
            ("spiffe://prod/ns/web", "spiffe://prod/ns/we", false),
            ("spiffe://prod/ns/web/*", "spiffe://prod/ns/web/sa", true),
            ("spiffe://prod/ns/web/*", "spiffe://prod/ns/web/sa/api", true),
            ("spiffe://prod/ns/web/*", "spiffe://prod/ns/web", false),
            ("spiffe://prod/ns/web/*", "spiffe://prod/ns/web-2/sa/api", false),
            ("spiffe://prod/ns/web/*", "spiffe://prod.evil/ns/web/sa", false),
            ("spiffe://prod/*", "spiffe://prod/a", true),
            ("spiffe://prod/*", "spiffe://prod/a/b", true),
            ("spiffe://prod/*", "spiffe://production/a", false),
        ] {
            let found = SpiffePattern::parse(pattern).expect(pattern);
            let workload = SpiffeId::parse(workload.as_bytes()).expect(workload);
            assert_eq!(found.matches(&workload), expected, "{pattern} {workload}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_says_what_would_be_right() {
        for (bad, right) in [
            ("*", "whole segments"),
            ("spiffe://*", "whole segments"),
            ("spiffe://prod*", "whole segments"),
            ("spiffe://prod/ns/web*", "whole segments"),
            ("spiffe://*/ns/web", "at the end only"),
            ("spiffe://*/*", "at the end only"),
            ("spiffe://prod/*/sa/web", "at the end only"),
            ("spiffe://prod/*/sa/*", "at the end only"),
            ("spiffe://prod/**", "whole segments"),
            ("spiffe:///*", "trust domain"),
            ("spiffe://prod", "or `/*` at the end"),
            ("spiffe://prod/", "segments"),
            ("spiffe://prod/a/../*", "segments"),
            ("spiffe://prod//*", "segments"),
            ("spiffe://Prod/*", "lower-case"),
            ("spiffe://prod:443/a", "port"),
            ("spiffe://prod/a%20b", "segments"),
            ("cluster.local/ns/web/sa/api", "begins with `spiffe://`"),
            ("cluster.local/ns/web/*", "begins with `spiffe://`"),
        ] {
            let message = SpiffePattern::parse(bad).expect_err(bad).to_string();
            assert!(message.contains(right), "{message}");
            assert!(message.starts_with(&format!("`{bad}`: ")), "{message}");
        }
    }
}
