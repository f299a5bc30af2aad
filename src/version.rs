//! Versions, of operating systems and of whatever a policy compares: numbers between dots, ordered as numbers, so that 14.10 comes after 14.9.
//!
//! There is one reading of them for all: device requirements (`os_version`, `osVersions`) and the `version` of expressions.
//! A version is `14.2`, `10.0.26100.2314`, or `2.0.0-rc.1+build.5`: numbers, and then what Semantic Versioning 2.0.0 puts behind them. A number that is
//! not there is 0, so `14` and `14.0` are the same version. A pre-release comes before its release (§11 there), build metadata does not count (§10).
//! What a distribution puts behind a dash (`6.8.0-45-generic`) reads as a pre-release, too: on the safe side of a minimum.

use core::cmp::Ordering;
use core::fmt;

/// Most bytes of a version.
pub const VERSION_MAX_BYTES: usize = 64;

/// A version, in the text that it was read from. Two are equal if neither comes before the other: `14` and `14.0` are.
#[derive(Clone, Copy, Debug)]
pub struct Version<'t> {
    /// Digits between dots.
    numbers: &'t str,
    /// What stands between `-` and `+`.
    pre_release: Option<&'t str>,
}

/// Why a text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionError {
    /// It is longer than [`VERSION_MAX_BYTES`].
    TooLong,
    /// It does not begin with numbers between dots.
    Numbers,
    /// What stands behind `-` or `+` is not letters, digits and dashes between dots.
    Suffix,
}

impl<'t> Version<'t> {
    /// Reads a version.
    ///
    /// # Errors
    /// What is not one by the [form](self) above.
    pub fn parse(text: &'t str) -> Result<Self, VersionError> {
        if text.len() > VERSION_MAX_BYTES {
            return Err(VersionError::TooLong);
        }
        let (rest, build) = match text.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (text, None),
        };
        let (numbers, pre_release) = match rest.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release)),
            None => (rest, None),
        };
        if !parts_are(numbers, |byte| byte.is_ascii_digit()) {
            return Err(VersionError::Numbers);
        }
        let is_suffix = |text: &str| parts_are(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !pre_release.into_iter().chain(build).all(is_suffix) {
            return Err(VersionError::Suffix);
        }
        Ok(Self { numbers, pre_release })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = || compare_numbers(self.numbers, other.numbers);
        match (self.pre_release, other.pre_release) {
            (None, None) => numbers(),
            (Some(_), None) => numbers().then(Ordering::Less),
            (None, Some(_)) => numbers().then(Ordering::Greater),
            (Some(a), Some(b)) => numbers().then_with(|| compare_pre_releases(a, b)),
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.numbers)?;
        match self.pre_release {
            Some(pre_release) => write!(f, "-{pre_release}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a version has {VERSION_MAX_BYTES} bytes at most"),
            Self::Numbers => f.write_str("a version is numbers between dots, like `14.2`"),
            Self::Suffix => f.write_str(
                "behind its numbers, a version has letters, digits and dashes between dots, like `2.0.0-rc.1`",
            ),
        }
    }
}

impl core::error::Error for VersionError {}

/// Whether there is something between all dots, of such bytes only.
fn parts_are(text: &str, is_one: impl Fn(u8) -> bool) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(&is_one))
}

/// The first number that differs decides; what is not there is 0.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => compare_digits(a.unwrap_or("0"), b.unwrap_or("0")),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers of any length, by their digits.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The order of Semantic Versioning 2.0.0 §11.4: numbers as numbers and before words, words by their bytes, and fewer parts before more.
fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => compare_digits(a, b),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cmp::Ordering;

    use super::{VERSION_MAX_BYTES, Version, VersionError};

    fn version(text: &str) -> Version<'_> {
        Version::parse(text).expect(text)
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        // Each comes before the next.
        let ascending = [
            "0",
            "1.0.0-0",
            "1.0.0-9",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.0.1",
            "9.99.999",
            "10.0.19045",
            "10.0.26100",
            "10.0.26100.2314",
            "14.2",
            "14.9",
            "14.10",
            "15",
            "99999999999999999999999999999999999999998",
            "99999999999999999999999999999999999999999",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(version(a).cmp(&version(b)), i.cmp(&j), "{a} and {b}");
                assert_eq!(version(a) == version(b), i == j, "{a} and {b}");
            }
        }
    }

    #[test]
    fn what_says_nothing_does_not_count() {
        for (a, b) in [
            ("14", "14.0"),
            ("14", "14.0.0.0"),
            ("24.04", "24.4"),
            ("0", "00.000"),
            ("1.0.0+a", "1.0.0+b"),
            ("1.0.0-rc.1+a", "1-rc.01"),
        ] {
            assert_eq!(version(a).cmp(&version(b)), Ordering::Equal, "{a} and {b}");
            assert_eq!(version(a), version(b));
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            ".",
            "14.",
            ".14",
            "14..2",
            "v14",
            "14.2 ",
            " 14",
            "14.x",
            "-1",
            "1,2",
            "14\u{665}",
            "+1",
            "latest",
            "15.2 (24C101)",
        ] {
            assert_eq!(Version::parse(text).map(|_| ()), Err(VersionError::Numbers), "{text:?}");
        }
        for text in ["1-", "1+", "1-a..b", "1-a_b", "1-a+b+c", "1+\u{e4}", "1-a "] {
            assert_eq!(Version::parse(text).map(|_| ()), Err(VersionError::Suffix), "{text:?}");
        }
        let long = "1".repeat(VERSION_MAX_BYTES);
        assert!(Version::parse(&long).is_ok());
        assert_eq!(
            Version::parse(&format!("{long}1")).map(|_| ()),
            Err(VersionError::TooLong)
        );
    }

    #[test]
    fn it_is_shown_as_it_was_written() {
        for (text, shown) in [("14.02", "14.02"), ("1.0.0-rc.1+build", "1.0.0-rc.1")] {
            assert_eq!(version(text).to_string(), shown);
        }
    }
}
