//! One segment of a path: its canonical text, its decoded text, and what is refused inside of it (RFC 3986 section 2).
//!
//! Requests and templates both go through here, so that a literal of a policy and the segment that it is compared with cannot be read by
//! different rules.

use std::borrow::Cow;

use super::{PathError, PathOptions};

/// Refuses a byte that may not stand in a path unencoded, whatever the options.
pub(super) const fn check_raw(byte: u8) -> Result<(), PathError> {
    match byte {
        b' ' => Err(PathError::Space),
        0..=0x1f | 0x7f => Err(PathError::Control),
        0x80.. => Err(PathError::NotAscii),
        b'#' => Err(PathError::Fragment),
        b'\\' => Err(PathError::Backslash),
        _ => Ok(()),
    }
}

/// A segment after one decoding, with what its path has to know about it.
pub(super) struct Decoded<'a> {
    /// The decoded bytes: UTF-8.
    pub(super) text: &'a str,
    /// How the path goes on from here.
    pub(super) step: Step,
}

/// What a segment does to the path before it (RFC 3986 section 5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It adds to it.
    Into,
    /// It stays: a `.`.
    Stay,
    /// It leads up: a `..`.
    Up,
}

/// Appends the canonical text of `raw` to `canonical` and decodes it into `decoded`, which is cleared first.
///
/// In the canonical text each encoding of an unreserved character is replaced by that character, and every other one has upper-case
/// digits. It is never longer than `raw`.
///
/// # Errors
/// Whatever some server would read differently, unless `options` allow it.
pub(super) fn canonicalise_segment<'d>(
    mut raw: &[u8],
    options: &PathOptions,
    canonical: &mut Vec<u8>,
    decoded: &'d mut Vec<u8>,
) -> Result<Decoded<'d>, PathError> {
    decoded.clear();
    loop {
        raw = match raw {
            [] => break,
            [b'%', b'u' | b'U', ..] => return Err(PathError::UnicodeEscape),
            [b'%', high, low, rest @ ..] => {
                let byte = decode_pair(*high, *low).ok_or(PathError::InvalidEncoding)?;
                check_encoded(byte, options)?;
                if is_unreserved(byte) {
                    canonical.push(byte);
                } else {
                    canonical.extend_from_slice(&[b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
                }
                decoded.push(byte);
                rest
            }
            [b'%', ..] => return Err(PathError::InvalidEncoding),
            [byte, rest @ ..] => {
                check_raw(*byte)?;
                if *byte == b';' && !options.path_parameters {
                    return Err(PathError::Parameter);
                }
                canonical.push(*byte);
                decoded.push(*byte);
                rest
            }
        };
    }
    let text = std::str::from_utf8(decoded).map_err(|_| PathError::InvalidUtf8)?;
    check_decoded(text, options)?;
    Ok(Decoded { text, step: step(text) })
}

/// Decodes a segment of a canonical path once; without an encoding in it nothing is copied.
pub(super) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.bytes().any(|byte| byte == b'%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, others @ ..] = rest {
        let encoded = match (first, others) {
            (b'%', [high, low, behind @ ..]) => decode_pair(*high, *low).map(|byte| (byte, behind)),
            _ => None,
        };
        let (byte, behind) = encoded.unwrap_or((*first, others));
        bytes.push(byte);
        rest = behind;
    }
    // INVARIANT: the path is canonical, so these bytes are UTF-8 and nothing is lost.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The form in which text is compared where letter case does not count.
///
/// Each character is mapped to upper case and then to lower case, one to one, as Windows and Java compare without case. ASCII alone
/// would let `/%C3%89` walk around a deny for `/é` on such a server. Mappings to several characters (`ß` to `SS`) are left out: these servers do not
/// apply them.
#[must_use]
pub fn fold_case(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Owned(text.chars().map(fold_char).collect())
}

fn fold_char(character: char) -> char {
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next();
    if characters.next().is_none() { first } else { None }
}

fn check_encoded(byte: u8, options: &PathOptions) -> Result<(), PathError> {
    match byte {
        b'/' if !options.encoded_slash => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::EncodedBackslash),
        0..=0x1f | 0x7f => Err(PathError::EncodedControl),
        // Some servers cut parameters off after decoding: Spring's older ones, and what stands behind them.
        b';' if !options.path_parameters => Err(PathError::Parameter),
        _ => Ok(()),
    }
}

/// Looks at a segment as a server would see it that decodes, or cuts off, once more than it should.
fn check_decoded(text: &str, options: &PathOptions) -> Result<(), PathError> {
    check_double_encoding(text.as_bytes())?;
    if !text.is_ascii() && text.chars().any(char::is_control) {
        return Err(PathError::EncodedControl);
    }
    if options.path_parameters && !options.empty_segments && text.starts_with(';') {
        return Err(PathError::EmptySegment);
    }
    // `..;x` is `..` to Tomcat, and `a%2F..` is `a/..` to whoever decodes before it splits.
    let is_part = text.contains([';', '/']);
    if is_part
        && text
            .split('/')
            .any(|part| step(part.split(';').next().unwrap_or(part)) != Step::Into)
    {
        return Err(PathError::AmbiguousDots);
    }
    Ok(())
}

/// A decoded percent sign that begins an encoding is one that a second decoding would find.
fn check_double_encoding(mut decoded: &[u8]) -> Result<(), PathError> {
    while let [first, rest @ ..] = decoded {
        match (first, rest) {
            (b'%', [high, low, ..]) if decode_pair(*high, *low).is_some() => return Err(PathError::DoubleEncoding),
            (b'%', [b'u' | b'U', a, b, c, d, ..]) if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
                return Err(PathError::UnicodeEscape);
            }
            _ => decoded = rest,
        }
    }
    Ok(())
}

fn step(text: &str) -> Step {
    match text {
        "." => Step::Stay,
        ".." => Step::Up,
        _ => Step::Into,
    }
}

const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

fn decode_pair(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high.wrapping_mul(16) | low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_servers_without_case_do() {
        for (text, expected) in [
            ("", ""),
            ("abc-1", "abc-1"),
            ("AbC", "abc"),
            ("\u{c9}t\u{e9}", "\u{e9}t\u{e9}"),
            ("\u{3a3}\u{3c3}\u{3c2}", "\u{3c3}\u{3c3}\u{3c3}"),
            ("\u{17f}", "s"),
            ("\u{131}", "i"),
            ("Stra\u{df}e", "stra\u{df}e"),
        ] {
            assert_eq!(fold_case(text), expected, "{text}");
        }
    }

    #[test]
    fn folding_copies_only_what_it_changes() {
        assert!(matches!(fold_case("abc"), Cow::Borrowed(_)));
        assert!(matches!(decode("abc"), Cow::Borrowed(_)));
    }

    #[test]
    fn decodes_once() {
        for (text, expected) in [
            ("a%20b", "a b"),
            ("%C3%A9", "\u{e9}"),
            ("100%25", "100%"),
            ("%25x", "%x"),
            ("a%2", "a%2"),
            ("%", "%"),
        ] {
            assert_eq!(decode(text), expected);
        }
    }
}
