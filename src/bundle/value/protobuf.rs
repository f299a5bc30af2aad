//! The serialized bytes of a `google.protobuf.Struct` into a tree.
//!
//! A generated decoder builds the whole message before anybody can count: two bytes on the wire become a value of dozens in memory. This one stops at the limits, and it takes neither an unknown
//! field nor a member twice.

use std::rc::Rc;

use super::{Budget, Names, Value, number, report_duplicates, text};
use crate::bundle::diagnostic::{Read, Sink};
use crate::bundle::path::Path;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

/// Reads a whole message `Struct { map<string, Value> fields = 1; }`.
pub(super) fn read(bytes: &[u8], sink: &mut Sink) -> Read<Value> {
    let mut reading = Reading {
        budget: Budget::new(),
        names: Names::default(),
        sink,
    };
    let mut wire = Wire(bytes);
    reading.object(&mut wire, &Path::Root, 1)
}

/// Whether `bytes` begin with an entry of a Struct as a serializer writes it: its length, its key (which may be left out if empty), and then the tag of its value.
pub(super) fn begins_entry(bytes: &[u8]) -> bool {
    let entry = || -> Option<u8> {
        let mut wire = Wire(bytes);
        (wire.byte()? == 0x0A).then_some(())?;
        wire.varint()?;
        let mut tag = wire.byte()?;
        if tag == 0x0A {
            wire.bytes()?;
            tag = wire.byte()?;
        }
        Some(tag)
    };
    entry() == Some(0x12)
}

struct Reading<'s> {
    budget: Budget,
    names: Names,
    sink: &'s mut Sink,
}

impl Reading<'_> {
    fn object(&mut self, wire: &mut Wire<'_>, path: &Path<'_>, depth: usize) -> Read<Value> {
        self.spend(path, depth)?;
        let mut members = Vec::new();
        while !wire.is_empty() {
            let Some((1, LENGTH)) = wire.tag() else {
                return Err(self.broken(path));
            };
            let Some(entry) = wire.bytes() else {
                return Err(self.broken(path));
            };
            let (name, value) = self.entry(entry, path)?;
            let place = Path::Member(path, &name);
            let value = self.value(value, &place, depth.saturating_add(1))?;
            members.push((name, value));
        }
        report_duplicates(&members, path, self.sink);
        Ok(Value::Object(members))
    }

    /// `{ string key = 1; Value value = 2; }`, the value still as bytes.
    fn entry<'w>(&mut self, entry: &'w [u8], path: &Path<'_>) -> Read<(Rc<str>, &'w [u8])> {
        let mut wire = Wire(entry);
        let (mut name, mut value) = (None, None);
        while !wire.is_empty() {
            let (tag, bytes) = (wire.tag(), wire.bytes());
            match (tag, bytes) {
                (Some((1, LENGTH)), Some(bytes)) if name.is_none() => name = Some(self.name(bytes, path)?),
                (Some((2, LENGTH)), Some(bytes)) if value.is_none() => value = Some(bytes),
                _ => return Err(self.broken(path)),
            }
        }
        match value {
            Some(value) => Ok((name.unwrap_or_else(|| Rc::from("")), value)),
            None => Err(self.broken(path)),
        }
    }

    /// `Value { oneof kind { null = 1; number = 2; string = 3; bool = 4; struct = 5; list = 6 } }`: exactly one of them.
    fn value(&mut self, bytes: &[u8], path: &Path<'_>, depth: usize) -> Read<Value> {
        let mut wire = Wire(bytes);
        let tag = wire.tag();
        let value = match tag {
            Some((1, VARINT)) => {
                self.spend(path, depth)?;
                match wire.varint() {
                    Some(0) => Value::Null,
                    _ => return Err(self.broken(path)),
                }
            }
            Some((2, FIXED64)) => {
                self.spend(path, depth)?;
                let Some(found) = wire.double() else {
                    return Err(self.broken(path));
                };
                number(found).map_err(|message| self.sink.error(path, message))?
            }
            Some((3, LENGTH)) => {
                self.spend(path, depth)?;
                let Some(bytes) = wire.bytes() else {
                    return Err(self.broken(path));
                };
                Value::String(self.text(bytes, path)?)
            }
            Some((4, VARINT)) => {
                self.spend(path, depth)?;
                match wire.varint() {
                    Some(0) => Value::Bool(false),
                    Some(1) => Value::Bool(true),
                    _ => return Err(self.broken(path)),
                }
            }
            Some((5, LENGTH)) => match wire.bytes() {
                Some(bytes) => self.object(&mut Wire(bytes), path, depth)?,
                None => return Err(self.broken(path)),
            },
            Some((6, LENGTH)) => match wire.bytes() {
                Some(bytes) => self.list(bytes, path, depth)?,
                None => return Err(self.broken(path)),
            },
            _ => return Err(self.broken(path)),
        };
        if wire.is_empty() {
            Ok(value)
        } else {
            Err(self.broken(path))
        }
    }

    /// `ListValue { repeated Value values = 1; }`
    fn list(&mut self, bytes: &[u8], path: &Path<'_>, depth: usize) -> Read<Value> {
        self.spend(path, depth)?;
        let mut wire = Wire(bytes);
        let mut items = Vec::new();
        while !wire.is_empty() {
            let (Some((1, LENGTH)), Some(bytes)) = (wire.tag(), wire.bytes()) else {
                return Err(self.broken(path));
            };
            let place = Path::Item(path, items.len());
            items.push(self.value(bytes, &place, depth.saturating_add(1))?);
        }
        Ok(Value::List(items))
    }

    fn name(&mut self, bytes: &[u8], path: &Path<'_>) -> Read<Rc<str>> {
        let found = core::str::from_utf8(bytes).map_err(|_| self.sink.error(path, "a string is not valid UTF-8"))?;
        self.names
            .share(found)
            .map_err(|message| self.sink.error(path, message))
    }

    fn text(&mut self, bytes: &[u8], path: &Path<'_>) -> Read<String> {
        let found = core::str::from_utf8(bytes).map_err(|_| self.sink.error(path, "a string is not valid UTF-8"))?;
        text(found.to_owned()).map_err(|message| self.sink.error(path, message))
    }

    fn spend(&mut self, path: &Path<'_>, depth: usize) -> Read<()> {
        self.budget
            .spend(depth)
            .map_err(|message| self.sink.error(path, message))
    }

    fn broken(&mut self, path: &Path<'_>) -> crate::bundle::diagnostic::Reported {
        self.sink
            .error(path, "not the serialized bytes of a google.protobuf.Struct")
    }
}

/// What is left of a message (<https://protobuf.dev/programming-guides/encoding/>).
struct Wire<'w>(&'w [u8]);

impl<'w> Wire<'w> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits.checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Field number and wire type.
    fn tag(&mut self) -> Option<(u64, u64)> {
        let tag = self.varint()?;
        Some((tag >> 3, tag & 7))
    }

    fn bytes(&mut self) -> Option<&'w [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }
}
