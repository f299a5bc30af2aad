//! The list of what a region revoked, as it is pulled: JSON, in parts.
//!
//! A part is read from its text straight into the set, without a tree in between, so that it takes no more memory than its text and its entries.

use core::fmt;
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::set::{FingerprintKey, Kind, RevokedSet, SetBuilder};
use crate::bundle::limits;
use crate::identity::claims::LEEWAY_SECONDS;
use crate::identity::keys::thumbprint;
use crate::identity::subject::{Identity, SigningKey};

/// Parts of one list, at most.
pub const LIST_PARTS: usize = 1_024;
/// The longest `next`, in bytes.
const NEXT_MAX: usize = 1_024;

/// What a region revoked, as its list said when it was last fetched.
#[derive(Debug)]
pub struct RevocationList {
    set: RevokedSet,
    keys: Vec<ListedKey>,
}

/// A key of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ListedKey {
    Named(String),
    Thumbprint([u8; 32]),
}

impl RevocationList {
    /// Whether `identity`, a token of the region whose list this is, is revoked at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn revokes(&self, identity: &Identity, now: f64) -> bool {
        let until = |kind, text: Option<&str>| text.and_then(|text| self.set.get(kind, text));
        // A list without entries does not look at what a token says.
        if !self.set.is_empty() {
            let is_over = |until: u32| now >= f64::from(until) + LEEWAY_SECONDS && until != u32::MAX;
            if until(Kind::Token, identity.token_id()).is_some_and(|until| !is_over(until))
                || until(Kind::Session, identity.session_id()).is_some_and(|until| !is_over(until))
            {
                return true;
            }
            let not_before = self.set.get(Kind::Subject, &identity.subject);
            if not_before.is_some_and(|time| identity.issued_before(f64::from(time))) {
                return true;
            }
        }
        self.revokes_key(&identity.key)
    }

    /// Whether all that this key signed is revoked.
    #[must_use]
    pub fn revokes_key(&self, key: &SigningKey) -> bool {
        self.keys.iter().any(|listed| match listed {
            ListedKey::Named(kid) => key.kid.as_ref() == Some(kid),
            ListedKey::Thumbprint(thumbprint) => key.thumbprint == *thumbprint,
        })
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len().saturating_add(self.keys.len())
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.keys.is_empty()
    }
}

/// A list of which parts are still to come.
pub struct ListReader {
    set: SetBuilder,
    keys: Vec<ListedKey>,
    parts: usize,
}

/// What comes after a part.
#[derive(Debug)]
pub enum Part {
    /// Nothing: this is the list.
    Last(RevocationList),
    /// Another part, at this path of the same server.
    Next(ListReader, String),
}

impl fmt::Debug for ListReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ListReader({} parts, {} entries)",
            self.parts,
            self.set.len()
        )
    }
}

/// Why a part is refused, and with it the whole list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// It is not JSON of the form of a list; where the error is, lines and columns counted from 1.
    Form {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// It has none of the members of a list.
    Nothing,
    /// There are more than [`RevokedSet::MOST`] entries, or more keys than a list may have.
    Entries,
    /// There are more than [`LIST_PARTS`] parts.
    Parts,
    /// `next` is not a path.
    Next,
}

impl fmt::Display for ListError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { line, column } => write!(
                out,
                "not a list of revocations: the error is in line {line}, column {column}"
            ),
            Self::Nothing => out.write_str(
                "it has none of `tokens`, `sessions`, `subjects` and `keys`: an empty list says so by `\"tokens\": []`",
            ),
            Self::Entries => write!(
                out,
                "too many entries: {} at most, of which {} keys",
                RevokedSet::MOST,
                limits::REVOKED_KEYS
            ),
            Self::Parts => write!(out, "more than {LIST_PARTS} parts"),
            Self::Next => write!(out, "`next` is not a path of visible ASCII of at most {NEXT_MAX} bytes"),
        }
    }
}

impl ListReader {
    /// A reader that has read nothing yet.
    #[must_use]
    pub fn new(key: FingerprintKey) -> Self {
        Self {
            set: SetBuilder::new(key),
            keys: Vec::new(),
            parts: 0,
        }
    }

    /// Reads a part. `now` is in seconds since the Unix epoch: what has expired by then is left out.
    ///
    /// # Errors
    /// Where anything in it is not as it should be: half a part is none.
    pub fn part(mut self, text: &[u8], now: f64) -> Result<Part, ListError> {
        self.parts = self.parts.saturating_add(1);
        let mut found = Found::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let read = Members {
            reader: &mut self,
            found: &mut found,
            now,
        }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
        if found.full {
            return Err(ListError::Entries);
        }
        read.map_err(|error| ListError::Form {
            line: error.line(),
            column: error.column(),
        })?;
        if !found.entries {
            return Err(ListError::Nothing);
        }
        let Some(next) = found.next else {
            return Ok(Part::Last(RevocationList {
                set: self.set.build(),
                keys: self.keys,
            }));
        };
        if self.parts >= LIST_PARTS {
            return Err(ListError::Parts);
        }
        let is_path = next.starts_with('/') && next.bytes().all(|byte| byte.is_ascii_graphic()) && !next.contains('#');
        if !is_path || next.len() > NEXT_MAX {
            return Err(ListError::Next);
        }
        self.set.settle();
        Ok(Part::Next(self, next))
    }
}

/// What a part said beside its entries.
#[derive(Default)]
struct Found {
    /// One of the lists was there.
    entries: bool,
    next: Option<String>,
    full: bool,
}

#[derive(Deserialize)]
struct Token<'t> {
    #[serde(borrow)]
    jti: Cow<'t, str>,
    exp: Option<f64>,
}

#[derive(Deserialize)]
struct Session<'t> {
    #[serde(borrow)]
    sid: Cow<'t, str>,
    exp: Option<f64>,
}

#[derive(Deserialize)]
struct Subject<'t> {
    #[serde(borrow)]
    sub: Cow<'t, str>,
    #[serde(rename = "notBefore")]
    not_before: f64,
}

#[derive(Deserialize)]
struct Key<'t> {
    #[serde(borrow)]
    kid: Option<Cow<'t, str>>,
    #[serde(borrow)]
    thumbprint: Option<Cow<'t, str>>,
}

/// The object that a part is.
struct Members<'r> {
    reader: &'r mut ListReader,
    found: &'r mut Found,
    now: f64,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of revocations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { reader, found, now } = self;
        let (mut seen, set, keys) = (Vec::new(), &mut reader.set, &mut reader.keys);
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom("a member twice"));
            }
            found.entries |= name != "next";
            let full = &mut found.full;
            match &*name {
                "tokens" => members.next_value_seed(Each::new(full, |token: Token<'de>| {
                    ends(token.exp, now)
                        .map(|until| until.is_none_or(|until| set.add(Kind::Token, &token.jti, until).is_ok()))
                }))?,
                "sessions" => members.next_value_seed(Each::new(full, |session: Session<'de>| {
                    ends(session.exp, now)
                        .map(|until| until.is_none_or(|until| set.add(Kind::Session, &session.sid, until).is_ok()))
                }))?,
                "subjects" => members.next_value_seed(Each::new(full, |subject: Subject<'de>| {
                    Some(
                        set.add(Kind::Subject, &subject.sub, seconds(subject.not_before)?)
                            .is_ok(),
                    )
                }))?,
                "keys" => members.next_value_seed(Each::new(full, |key: Key<'de>| {
                    keys.push(match (key.kid, key.thumbprint) {
                        (Some(kid), None) => ListedKey::Named(kid.into_owned()),
                        (None, Some(text)) => ListedKey::Thumbprint(thumbprint(&text)?),
                        _ => return None,
                    });
                    Some(keys.len() <= limits::REVOKED_KEYS)
                }))?,
                "next" => found.next = Some(members.next_value()?),
                // What it may revoke could not be enforced here, and nobody would notice.
                _ => return Err(A::Error::custom("another member")),
            }
            seen.push(name);
        }
        Ok(())
    }
}

/// Until when an entry counts; `Some(None)`: it does not any more. `None` where that is no time.
fn ends(expires: Option<f64>, now: f64) -> Option<Option<u32>> {
    let Some(expires) = expires else {
        return Some(Some(u32::MAX));
    };
    let until = seconds(expires)?;
    Some((now < expires + LEEWAY_SECONDS).then_some(until))
}

/// Whole seconds since the Unix epoch, rounded up: so that nothing is revoked for too short a time. The last ones of 2106 stand for all later ones.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what a conversion cannot express becomes the largest number"
)]
fn seconds(time: f64) -> Option<u32> {
    (time >= 0.0).then(|| time.ceil() as u32)
}

/// A list whose items go to `take` one by one: `None` from it is an item of the wrong form, `false` one too many.
struct Each<'f, F, T> {
    full: &'f mut bool,
    take: F,
    item: core::marker::PhantomData<T>,
}

impl<'f, F, T> Each<'f, F, T> {
    fn new(full: &'f mut bool, take: F) -> Self {
        Self {
            full,
            take,
            item: core::marker::PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Option<bool>> DeserializeSeed<'de> for Each<'_, F, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Option<bool>> Visitor<'de> for Each<'_, F, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            match (self.take)(item) {
                Some(true) => {}
                Some(false) => {
                    *self.full = true;
                    return Err(A::Error::custom("too many"));
                }
                None => return Err(A::Error::custom("an item of another form")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
