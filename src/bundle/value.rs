//! The bundle before anything is known about it: a tree of values, the same from JSON and from a protobuf Struct.

mod canonical;
mod json;
mod protobuf;

use std::rc::Rc;

use hashbrown::HashSet;

use super::diagnostic::{Read, Sink};
use super::limits;
use super::path::Path;
use crate::sort::Arrange as _;

pub(crate) use canonical::digest;

/// A value of JSON, or of a `google.protobuf.Struct`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Finite, and within ±2^53.
    Number(f64),
    /// Without NUL.
    String(String),
    /// In order.
    List(Vec<Value>),
    /// In the order in which they came; no name twice.
    Object(Vec<Member>),
}

/// A name and its value. All members of that name share it: a bundle has few names, and each of them thousands of times.
pub type Member = (Rc<str>, Value);

impl Value {
    /// The member with exactly this name, if this is an object and has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(other, _)| **other == *name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number, if this is one without a fraction and not below zero.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the range was checked, and below 2^53 every integer is exact"
    )]
    pub fn integer(&self) -> Option<u64> {
        match self {
            Self::Number(number) if *number >= 0.0 && *number <= limits::INTEGER as f64 && number.fract() == 0.0 => {
                Some(*number as u64)
            }
            _ => None,
        }
    }
}

/// How the configuration was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON text (RFC 8259).
    Json,
    /// The serialized bytes of a `google.protobuf.Struct`.
    Struct,
    /// The host does not say which of the two: the bytes do.
    Detect,
}

/// Reads `bytes` into a tree within the limits.
pub(super) fn read(bytes: &[u8], encoding: Encoding, sink: &mut Sink) -> Read<Value> {
    if bytes.is_empty() {
        return Err(sink.error(
            &Path::Root,
            "no configuration: give a bundle with `metadata` and `documents`",
        ));
    }
    if bytes.len() > limits::BYTES {
        let message = format!("too large: {} bytes, {} at most", bytes.len(), limits::BYTES);
        return Err(sink.error(&Path::Root, message));
    }
    match encoding {
        Encoding::Json => json::read(bytes, sink),
        Encoding::Struct => protobuf::read(bytes, sink),
        Encoding::Detect => detect(bytes, sink),
    }
}

/// Struct or JSON, by the bytes themselves.
///
/// A Struct begins with 0x0A, which is also a line feed, and JSON text may begin with one; the length that follows may even be `{`, and whitespace after that. But a Struct has 0x12 (the tag of
/// its first entry's value) at a place that its own lengths tell, and JSON text can have that control byte nowhere.
fn detect(bytes: &[u8], sink: &mut Sink) -> Read<Value> {
    if protobuf::begins_entry(bytes) {
        return protobuf::read(bytes, sink);
    }
    let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    match first {
        Some(b'{') => json::read(bytes, sink),
        None => Err(sink.error(&Path::Root, "no configuration: there is nothing but white space")),
        Some(_) if bytes.starts_with(b"\xEF\xBB\xBF") => {
            Err(sink.error(&Path::Root, "begins with a byte order mark: save it as UTF-8 without one"))
        }
        Some(_) => Err(sink.error(
            &Path::Root,
            "neither JSON that begins with `{` nor a google.protobuf.Struct: YAML text in a string is not read here; give it as JSON, or as a Struct (`\"@type\": type.googleapis.com/google.protobuf.Struct`, `value: …`)",
        )),
    }
}

/// How many members are compared one by one.
const FEW: usize = 16;

/// The names of members, each once.
#[derive(Default)]
struct Names(HashSet<Rc<str>>);

impl Names {
    /// A name without NUL, or why not.
    fn share(&mut self, name: &str) -> Result<Rc<str>, String> {
        if let Some(known) = self.0.get(name) {
            return Ok(Rc::clone(known));
        }
        let name: Rc<str> = text(name.to_owned())?.into();
        self.0.insert(Rc::clone(&name));
        Ok(name)
    }
}

/// What reading counts, so that it ends in time.
struct Budget {
    nodes: usize,
}

impl Budget {
    fn new() -> Self {
        Self { nodes: limits::NODES }
    }

    /// One more value at this depth (the bundle itself is at 1), or why not.
    fn spend(&mut self, depth: usize) -> Result<(), String> {
        if depth > limits::DEPTH {
            return Err(format!("nested too deep: {} levels at most", limits::DEPTH));
        }
        self.nodes = self
            .nodes
            .checked_sub(1)
            .ok_or_else(|| format!("too many values: {} at most", limits::NODES))?;
        Ok(())
    }
}

/// A number that can be told from its neighbours, or why not; minus zero is zero.
#[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
fn number(number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        return Err("not a number: NaN and infinities are refused".to_owned());
    }
    if number.abs() > limits::INTEGER as f64 {
        return Err("the number is too large: at most 2^53".to_owned());
    }
    Ok(Value::Number(if number == 0.0 { 0.0 } else { number }))
}

/// A string without NUL, or why not.
fn text(text: String) -> Result<String, String> {
    if text.contains('\0') {
        return Err("a string holds a NUL character".to_owned());
    }
    Ok(text)
}

/// Reports each name that `members` has twice.
fn report_duplicates(members: &[Member], path: &Path<'_>, sink: &mut Sink) {
    // The same name is the same place in memory, and most objects have few members: then there is nothing to be made and sorted.
    let few = members.len() <= FEW;
    let is_twice = |(index, (name, _)): (usize, &Member)| {
        let others = members.iter().take(index);
        others.into_iter().any(|(other, _)| Rc::ptr_eq(other, name))
    };
    if few && !members.iter().enumerate().any(is_twice) {
        return;
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.arrange();
    for pair in names.windows(2) {
        if let [first, second] = pair
            && first == second
        {
            sink.error(
                &Path::Member(path, first),
                "this member is given more than once: keep one of them",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(json: &str) -> [u8; 32] {
        let mut sink = Sink::default();
        let value = read(json.as_bytes(), Encoding::Json, &mut sink);
        digest(&value.expect("a value"))
    }

    #[test]
    fn a_number_has_one_digest_however_it_is_written() {
        for (left, right) in [
            ("-0", "0"),
            ("-0.0", "0"),
            ("41.0", "41"),
            ("4.1e1", "41"),
            (r#""\u0061""#, r#""a""#),
        ] {
            assert_eq!(digest_of(left), digest_of(right), "{left} {right}");
        }
    }

    #[test]
    fn other_values_have_other_digests() {
        let all = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "\"\"",
            "\"1\"",
            "[]",
            "{}",
            "[[]]",
            "[[],[]]",
            "[[[]]]",
            "[{}]",
            "[null]",
            "[\"ab\"]",
            "[\"a\",\"b\"]",
            "{\"a\":\"b\"}",
            "{\"a\":\"\",\"b\":\"\"}",
            "{\"ab\":\"\"}",
            "[\"a\",[\"b\"]]",
            "[[\"a\"],\"b\"]",
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(|json| digest_of(json)).collect();
        assert_eq!(digests.len(), all.len());
    }
}
