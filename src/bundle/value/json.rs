//! JSON text (RFC 8259) into a tree, by a visitor that sees each member as it comes: duplicates are found, depth and number of values are bounded while reading.

use core::fmt;
use std::rc::Rc;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::de::SliceRead;

use super::{Budget, Member, Names, Value, number, report_duplicates, text};
use crate::bundle::diagnostic::{Problem, Read, Sink};
use crate::bundle::path::Path;

/// Reads exactly one JSON value.
pub(super) fn read(bytes: &[u8], sink: &mut Sink) -> Read<Value> {
    check_text(bytes, sink)?;
    let mut reading = Reading {
        budget: Budget::new(),
        names: Names::default(),
        refused: None,
        sink,
    };
    let mut deserializer = Deserializer::new(SliceRead::new(bytes));
    let seed = Seed {
        reading: &mut reading,
        path: &Path::Root,
        depth: 1,
    };
    let outcome = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    let refused = reading.refused.take();
    outcome.map_err(|error| match refused {
        Some((path, message)) => sink.error_at(&path, Problem::new(message)),
        None => sink.error(&Path::Root, format!("not valid JSON: {error}")),
    })
}

/// UTF-8 without NUL, or where it is not.
fn check_text(bytes: &[u8], sink: &mut Sink) -> Read<()> {
    let (at, what) = match core::str::from_utf8(bytes) {
        Err(error) => (error.valid_up_to(), "not valid UTF-8"),
        Ok(text) => match text.find('\0') {
            Some(at) => (at, "a NUL byte"),
            None => return Ok(()),
        },
    };
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .map_or(0, <[u8]>::len)
        .saturating_add(1);
    Err(sink.error(
        &Path::Root,
        format!("not valid JSON: {what} at line {line} column {column}"),
    ))
}

struct Reading<'s> {
    budget: Budget,
    names: Names,
    /// Where one of our own limits was met, and which. The parser would add a line and a column of these bytes, which nobody may ever have seen: the path is the place.
    refused: Option<(String, String)>,
    sink: &'s mut Sink,
}

struct Seed<'r, 's, 'p> {
    reading: &'r mut Reading<'s>,
    path: &'p Path<'p>,
    depth: usize,
}

impl Seed<'_, '_, '_> {
    /// `result` as the parser's error, its place remembered.
    fn check<T, E: Error>(&mut self, result: Result<T, String>) -> Result<T, E> {
        result.map_err(|message| {
            let refused = &mut self.reading.refused;
            refused.get_or_insert_with(|| (self.path.to_string(), message));
            E::custom("a limit of bundles")
        })
    }

    fn spend<E: Error>(&mut self) -> Result<(), E> {
        let spent = self.reading.budget.spend(self.depth);
        self.check(spent)
    }

    fn number<E: Error>(mut self, found: f64) -> Result<Value, E> {
        self.spend()?;
        self.check(number(found))
    }

    fn string<E: Error>(mut self, found: String) -> Result<Value, E> {
        self.spend()?;
        self.check(text(found).map(Value::String))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(mut self) -> Result<Value, E> {
        self.spend()?;
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(mut self, found: bool) -> Result<Value, E> {
        self.spend()?;
        Ok(Value::Bool(found))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is too large to be exact is refused, rounded or not"
    )]
    fn visit_u64<E: Error>(self, found: u64) -> Result<Value, E> {
        self.number(if found > crate::bundle::limits::INTEGER {
            f64::MAX
        } else {
            found as f64
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is too large to be exact is refused, rounded or not"
    )]
    fn visit_i64<E: Error>(self, found: i64) -> Result<Value, E> {
        self.number(if found.unsigned_abs() > crate::bundle::limits::INTEGER {
            f64::MAX
        } else {
            found as f64
        })
    }

    fn visit_f64<E: Error>(self, found: f64) -> Result<Value, E> {
        self.number(found)
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<Value, E> {
        self.string(found.to_owned())
    }

    fn visit_string<E: Error>(self, found: String) -> Result<Value, E> {
        self.string(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut found: A) -> Result<Value, A::Error> {
        self.spend()?;
        let mut items = Vec::new();
        loop {
            let seed = Seed {
                reading: &mut *self.reading,
                path: &Path::Item(self.path, items.len()),
                depth: self.depth.saturating_add(1),
            };
            match found.next_element_seed(seed)? {
                Some(item) => items.push(item),
                None => return Ok(Value::List(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut found: A) -> Result<Value, A::Error> {
        self.spend()?;
        let mut members: Vec<Member> = Vec::new();
        loop {
            let name = match found.next_key_seed(NameSeed(&mut self.reading.names))? {
                None => break,
                Some(name) => self.check(name)?,
            };
            let seed = Seed {
                reading: &mut *self.reading,
                path: &Path::Member(self.path, &name),
                depth: self.depth.saturating_add(1),
            };
            let value = found.next_value_seed(seed)?;
            members.push((name, value));
        }
        report_duplicates(&members, self.path, self.reading.sink);
        Ok(Value::Object(members))
    }
}

/// The name of a member, or why it is none.
struct NameSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Result<Rc<str>, String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Result<Rc<str>, String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.share(name))
    }
}
