//! The digest of what was said, however it was said.

use sha2::{Digest as _, Sha256};

use super::Value;
use crate::order;

/// SHA-256 of `value` in a form of its own: each value with a tag, each string, list and object with its length, members sorted by name, numbers as binary64. No two different trees have the
/// same form, and neither the encoding nor the order of members changes it.
pub(crate) fn digest(value: &Value) -> [u8; 32] {
    let mut hasher = Sha256::new();
    absorb(value, &mut hasher);
    hasher.finalize().into()
}

fn absorb(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Number(number) => {
            hasher.update(b"d");
            hasher.update(number.to_bits().to_be_bytes());
        }
        Value::String(text) => absorb_text(text, hasher),
        Value::List(items) => {
            hasher.update(b"l");
            absorb_length(items.len(), hasher);
            for item in items {
                absorb(item, hasher);
            }
        }
        Value::Object(members) => {
            hasher.update(b"o");
            absorb_length(members.len(), hasher);
            let mut sorted: Vec<&(String, Value)> = members.iter().collect();
            order::sort_by(&mut sorted, |(left, _), (right, _)| left.cmp(right));
            for (name, value) in sorted {
                absorb_text(name, hasher);
                absorb(value, hasher);
            }
        }
    }
}

fn absorb_text(text: &str, hasher: &mut Sha256) {
    hasher.update(b"s");
    absorb_length(text.len(), hasher);
    hasher.update(text.as_bytes());
}

fn absorb_length(length: usize, hasher: &mut Sha256) {
    hasher.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}
