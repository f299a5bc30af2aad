//! What an answer says of how long it holds (RFC 9111), as far as a client that has one copy needs it.

use core::time::Duration;

use crate::Response;

/// The longest entity tag that is kept and sent back, in bytes.
const ETAG_MAX: usize = 256;

/// For how long the answer is fresh by its own word: `max-age` less the `Age` that it has already (RFC 9111 §4.2). Of several, the shortest. `None`: it says nothing,
/// or nothing that can be read.
pub(in crate::engine) fn fresh_for(response: &Response<'_>) -> Option<Duration> {
    let directives = response
        .headers
        .values("cache-control")
        .flat_map(|value| value.split(|byte| *byte == b','));
    let max_age = directives.filter_map(max_age).min()?;
    let age = response.header("age").and_then(seconds).unwrap_or(0);
    Some(Duration::from_secs(max_age.saturating_sub(age)))
}

/// The entity tag (RFC 9110 §8.8.3), if it can be sent back as it is.
pub(super) fn etag(response: &Response<'_>) -> Option<String> {
    let tag = core::str::from_utf8(response.header("etag")?).ok()?;
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    let quoted = opaque.len() >= 2 && opaque.starts_with('"') && opaque.ends_with('"');
    (quoted && tag.len() <= ETAG_MAX && tag.bytes().all(|byte| byte.is_ascii_graphic())).then(|| tag.to_owned())
}

fn max_age(directive: &[u8]) -> Option<u64> {
    let (name, value) = directive.split_at_checked(directive.iter().position(|byte| *byte == b'=')?)?;
    if !name.trim_ascii().eq_ignore_ascii_case(b"max-age") {
        return None;
    }
    let value = value.strip_prefix(b"=")?.trim_ascii();
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    seconds(bare.unwrap_or(value))
}

/// A number too large to be read is a very long time (RFC 9111 §1.2.2).
fn seconds(value: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(value.trim_ascii()).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{etag, fresh_for};
    use crate::Response;
    use crate::request::{Headers, encode};

    fn with<T>(lines: &[(&str, &str)], f: impl Fn(&Response<'_>) -> T) -> T {
        let lines: Vec<(&[u8], &[u8])> = lines
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let block = encode(&lines);
        let headers = Headers::parse(&block).unwrap();
        f(&Response {
            headers,
            ..Response::of_status(200)
        })
    }

    #[test]
    fn max_age_less_age() {
        for (lines, seconds) in [
            (vec![("cache-control", "max-age=60")], Some(60)),
            (
                vec![
                    ("cache-control", "public, max-age=19442, must-revalidate, no-transform"),
                    ("age", "442"),
                ],
                Some(19000),
            ),
            (vec![("cache-control", "Max-Age = \"60\"")], Some(60)),
            (
                vec![("cache-control", "max-age=60"), ("cache-control", "max-age=10")],
                Some(10),
            ),
            (vec![("cache-control", "max-age=60"), ("age", "61")], Some(0)),
            (vec![("cache-control", "max-age=60"), ("age", "-1")], Some(60)),
            (vec![("cache-control", "max-age=99999999999999999999")], Some(u64::MAX)),
            (vec![("cache-control", "no-store")], None),
            (vec![("cache-control", "s-maxage=60")], None),
            (vec![("cache-control", "max-age")], None),
            (vec![("cache-control", "max-age=")], None),
            (vec![("cache-control", "max-age=1e3")], None),
            (vec![("cache-control", "max-age=-1")], None),
            (vec![], None),
        ] {
            assert_eq!(with(&lines, fresh_for), seconds.map(Duration::from_secs), "{lines:?}");
        }
    }

    #[test]
    fn only_an_entity_tag_is_sent_back() {
        for tag in ["\"a\"", "W/\"a-1\"", "\"\""] {
            assert_eq!(with(&[("etag", tag)], etag).as_deref(), Some(tag));
        }
        let long = format!("\"{}\"", "a".repeat(255));
        for tag in ["", "a", "\"", "w/\"a\"", "\"a b\"", "\"a\r\nx: y\"", "\"é\"", &long] {
            assert_eq!(with(&[("etag", tag)], etag), None, "{tag}");
        }
    }
}
