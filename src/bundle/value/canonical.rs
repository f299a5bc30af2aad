//! The digest of what was said, however it was said.

use sha2::{Digest as _, Sha256};

use super::{Member, Value};
use crate::sort::Arrange as _;

/// SHA-256 of `value` in a form of its own: each value with a tag, each string, list and object with its length, members sorted by name, numbers as binary64. No two different trees have the
/// same form, and neither the encoding nor the order of members changes it.
pub(crate) fn digest(value: &Value) -> [u8; 32] {
    let mut form = Form {
        hasher: Sha256::new(),
        pending: Vec::with_capacity(BLOCK),
        order: Vec::new(),
    };
    form.absorb(value);
    form.flush();
    form.hasher.finalize().into()
}

/// How many bytes are hashed at once: most values are a few.
const BLOCK: usize = 4_096;

struct Form<'v> {
    hasher: Sha256,
    pending: Vec<u8>,
    /// The members of the objects that are being absorbed, sorted by name, the innermost object's last.
    order: Vec<&'v Member>,
}

impl<'v> Form<'v> {
    fn absorb(&mut self, value: &'v Value) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(false) => self.bytes(b"f"),
            Value::Bool(true) => self.bytes(b"t"),
            Value::Number(number) => {
                self.bytes(b"d");
                self.bytes(&number.to_bits().to_be_bytes());
            }
            Value::String(text) => self.text(text),
            Value::List(items) => {
                self.bytes(b"l");
                self.length(items.len());
                for item in items {
                    self.absorb(item);
                }
            }
            Value::Object(members) => {
                self.bytes(b"o");
                self.length(members.len());
                let first = self.order.len();
                self.order.extend(members);
                if let Some(own) = self.order.get_mut(first..) {
                    own.arrange_by(|(left, _), (right, _)| left.cmp(right));
                }
                for index in (first..).take(members.len()) {
                    if let Some((name, value)) = self.order.get(index).copied() {
                        self.text(name);
                        self.absorb(value);
                    }
                }
                self.order.truncate(first);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(b"s");
        self.length(text.len());
        self.bytes(text.as_bytes());
    }

    fn length(&mut self, length: usize) {
        self.bytes(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.pending.len().saturating_add(bytes.len()) > BLOCK {
            self.flush();
        }
        if bytes.len() > BLOCK {
            self.hasher.update(bytes);
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.pending);
        self.pending.clear();
    }
}
