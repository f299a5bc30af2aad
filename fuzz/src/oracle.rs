//! Readings that are slow and naive, to compare the kernel's with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// How deep JSON may be.
const DEPTH: usize = 16;

/// The three parts of a compact JWS, decoded; `None` where it has another number of them, or one is empty or does not spell the same when it is encoded again.
pub(crate) fn parts(token: &[u8]) -> Option<[Vec<u8>; 3]> {
    let parts = token.split(|byte| *byte == b'.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        (!part.is_empty() && URL_SAFE_NO_PAD.encode(&bytes).as_bytes() == part).then_some(bytes)
    });
    parts.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// The object that this JSON is.
pub(crate) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

/// Whether this is JSON by its grammar with something in it that is no value: a number beyond binary64, half of a surrogate pair, more levels than are read.
pub(crate) fn has_no_value(json: &[u8]) -> bool {
    core::str::from_utf8(json).is_ok()
        && serde_json::from_slice::<IgnoredAny>(json).is_ok()
        && serde_json::from_slice::<Value>(json).is_err()
}

/// Whether each member stands once, and nothing is deeper than it may be: there are as many colons outside of texts as members in the value, which keeps the last of each name.
pub(crate) fn members_are_unique(json: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(json) else {
        return false;
    };
    let (mut colons, mut depth, mut deepest) = (0, 0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match (quoted, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, _, b'"') => quoted = !quoted,
            (true, ..) => {}
            (false, _, b':') => colons += 1,
            (false, _, b'{' | b'[') => depth += 1,
            (false, _, b'}' | b']') => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    colons == members(&value) && deepest <= DEPTH
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.values().map(|value| 1 + members(value)).sum(),
        Value::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

/// The text that percent-encoding made this of.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        match digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).expect("the encoding of a text")
}
