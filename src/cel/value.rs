//! The values of expressions. They borrow what they can: from the request, from the claims of a token, and from the expression itself.

use core::net::IpAddr;
use core::ops::Deref;
use std::rc::Rc;

use ipnet::IpNet;
use jiff::SignedDuration;
use serde_json::Value as Json;

use super::fault::Fault;

/// Something borrowed, or shared by those who hold it: a copy of either costs nothing.
#[derive(Debug)]
pub enum Held<'a, T: ?Sized> {
    /// Of somebody who lives longer than the evaluation.
    Borrowed(&'a T),
    /// Made by the evaluation.
    Shared(Rc<T>),
}

/// Text.
pub type Text<'a> = Held<'a, str>;

impl<T: ?Sized> Clone for Held<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(held) => Self::Borrowed(held),
            Self::Shared(held) => Self::Shared(Rc::clone(held)),
        }
    }
}

impl<T: ?Sized> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(held) => held,
            Self::Shared(held) => held,
        }
    }
}

impl<T: ?Sized> Held<'_, T> {
    fn reborrow(&self) -> Held<'_, T> {
        Held::Borrowed(self)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// A point in time, from the first second of the year 1 to the last of the year 9999, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    since_epoch: SignedDuration,
}

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    const FIRST: SignedDuration = SignedDuration::from_secs(-62_135_596_800);
    /// 9999-12-31T23:59:59.999999999Z.
    const LAST: SignedDuration = SignedDuration::new(253_402_300_799, 999_999_999);

    /// The point so long after the Unix epoch.
    ///
    /// # Errors
    /// [`Fault::Overflow`] where that is in no year from 1 to 9999.
    pub fn new(since_epoch: SignedDuration) -> Result<Self, Fault> {
        (Self::FIRST..=Self::LAST)
            .contains(&since_epoch)
            .then_some(Self { since_epoch })
            .ok_or(Fault::Overflow)
    }

    /// How long after the Unix epoch.
    #[must_use]
    pub const fn since_epoch(self) -> SignedDuration {
        self.since_epoch
    }
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without a sign.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    String(Text<'a>),
    /// Bytes.
    Bytes(Held<'a, [u8]>),
    /// A point in time, from the year 1 to the year 9999.
    Timestamp(Timestamp),
    /// A length of time, of 10,000 years at most.
    Duration(SignedDuration),
    /// An IP address.
    Ip(IpAddr),
    /// A network, with the address that it was written with.
    Cidr(IpNet),
    /// A version, in the text that [`Version::parse`](crate::version::Version::parse) has read.
    Version(Text<'a>),
    /// A type, by its name.
    Type(&'static str),
    /// A list.
    List(List<'a>),
    /// A map.
    Map(Map<'a>),
}

/// A list.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// Of values.
    Values(Held<'a, [Value<'a>]>),
    /// As JSON has it.
    Json(&'a [Json]),
}

/// A map. No key is there twice.
#[derive(Clone)]
pub enum Map<'a> {
    /// Keys, which are bool, int, uint or string, and their values.
    Pairs(Held<'a, [(Value<'a>, Value<'a>)]>),
    /// As JSON has it.
    Json(&'a serde_json::Map<String, Json>),
    /// One whose values are read when they are asked for.
    Lazy(&'a dyn Entries),
}

/// A map from text whose values are read when they are asked for.
pub trait Entries {
    /// What is there for this key.
    ///
    /// # Errors
    /// It is there, and cannot be read.
    fn get(&self, key: &str) -> Result<Option<Value<'_>>, Fault>;

    /// What it costs to look for one key, in units of about one step.
    fn look_up_cost(&self) -> usize;

    /// All keys and their values: a few times the cost of one.
    ///
    /// # Errors
    /// One of them cannot be read.
    fn pairs(&self) -> Result<Vec<(Value<'_>, Value<'_>)>, Fault>;
}

impl core::fmt::Debug for Map<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Pairs(pairs) => out
                .debug_map()
                .entries(pairs.iter().map(|(key, value)| (key, value)))
                .finish(),
            Self::Json(members) => members.fmt(out),
            Self::Lazy(_) => out.write_str("Lazy"),
        }
    }
}

impl<'a> Value<'a> {
    /// What JSON says. A whole number that fits is an `int`, a larger one a `uint`, any other number a `double`.
    #[must_use]
    pub fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::Uint(number),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::String(Held::Borrowed(text)),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(members) => Self::Map(Map::Json(members)),
        }
    }

    /// Text that somebody else keeps.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::String(Held::Borrowed(text))
    }

    /// A length of time.
    ///
    /// # Errors
    /// [`Fault::Overflow`] where it is longer than 10,000 years.
    pub fn duration(length: SignedDuration) -> Result<Self, Fault> {
        const MOST: SignedDuration = SignedDuration::from_secs(315_576_000_000);
        let fits = (-MOST..=MOST).contains(&length);
        fits.then_some(Self::Duration(length)).ok_or(Fault::Overflow)
    }

    /// A map whose values are read when they are asked for.
    #[must_use]
    pub fn lazy(entries: &'a dyn Entries) -> Self {
        Self::Map(Map::Lazy(entries))
    }

    /// A list of these.
    #[must_use]
    pub fn list(values: Vec<Self>) -> Self {
        Self::List(List::Values(Held::Shared(values.into())))
    }

    /// A map of these, whose keys are bool, int, uint or string, none of them twice.
    #[must_use]
    pub fn map(pairs: Vec<(Self, Self)>) -> Self {
        Self::Map(Map::Pairs(Held::Shared(pairs.into())))
    }

    /// The name of its type, as `type()` gives it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Version(_) => "version",
            Self::Type(_) => "type",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// The same value, borrowed from this one: no count of holders changes.
    #[must_use]
    pub fn reborrow(&self) -> Value<'_> {
        match self {
            Self::String(text) => Value::String(text.reborrow()),
            Self::Bytes(bytes) => Value::Bytes(bytes.reborrow()),
            Self::Version(text) => Value::Version(text.reborrow()),
            Self::List(List::Values(values)) => Value::List(List::Values(values.reborrow())),
            Self::Map(Map::Pairs(pairs)) => Value::Map(Map::Pairs(pairs.reborrow())),
            other => other.clone(),
        }
    }
}

impl Value<'_> {
    /// The same value, with nothing borrowed.
    ///
    /// # Errors
    /// A part of a map that cannot be read.
    pub fn to_owned(&self) -> Result<Value<'static>, Fault> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(text) => Value::String(Held::Shared((**text).into())),
            Self::Bytes(bytes) => Value::Bytes(Held::Shared((**bytes).into())),
            Self::Timestamp(time) => Value::Timestamp(*time),
            Self::Duration(length) => Value::Duration(*length),
            Self::Ip(address) => Value::Ip(*address),
            Self::Cidr(network) => Value::Cidr(*network),
            Self::Version(text) => Value::Version(Held::Shared((**text).into())),
            Self::Type(name) => Value::Type(name),
            Self::List(list) => Value::list(list.iter().map(|item| item.to_owned()).collect::<Result<_, _>>()?),
            Self::Map(map) => {
                let own = |(key, value): &(Value<'_>, Value<'_>)| Ok((key.to_owned()?, value.to_owned()?));
                Value::map(map.pairs()?.iter().map(own).collect::<Result<_, Fault>>()?)
            }
        })
    }
}

impl<'a> List<'a> {
    /// How many items it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Json(values) => values.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at this index, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Values(Held::Borrowed(values)) => values.get(index).map(Value::reborrow),
            Self::Values(Held::Shared(values)) => values.get(index).cloned(),
            Self::Json(values) => values.get(index).map(Value::of_json),
        }
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Map<'a> {
    /// What is there for this key.
    ///
    /// # Errors
    /// A key that no map can have, or a value that cannot be read.
    pub fn get(&self, key: &Value<'_>) -> Result<Option<Value<'a>>, Fault> {
        match (self, key) {
            (Self::Json(members), Value::String(name)) => Ok(members.get(&**name).map(Value::of_json)),
            (Self::Lazy(entries), Value::String(name)) => entries.get(name),
            (Self::Pairs(pairs), key) if is_key(key) => Ok(match pairs {
                Held::Borrowed(pairs) => find(pairs, key).map(Value::reborrow),
                Held::Shared(pairs) => find(pairs, key).cloned(),
            }),
            (_, key) if is_key(key) => Ok(None),
            _ => Err(Fault::NoSuchKey),
        }
    }

    /// All keys and their values.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn pairs(&self) -> Result<Held<'a, [(Value<'a>, Value<'a>)]>, Fault> {
        Ok(match self {
            Self::Pairs(pairs) => pairs.clone(),
            Self::Json(members) => Held::Shared(
                members
                    .iter()
                    .map(|(name, value)| (Value::text(name), Value::of_json(value)))
                    .collect(),
            ),
            Self::Lazy(entries) => Held::Shared(entries.pairs()?.into()),
        })
    }

    /// How many entries it has.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn size(&self) -> Result<usize, Fault> {
        Ok(match self {
            Self::Pairs(pairs) => pairs.len(),
            Self::Json(members) => members.len(),
            Self::Lazy(entries) => entries.pairs()?.len(),
        })
    }
}

/// Whether it can be a map's key: a number can be one where it is as large as a whole one.
fn is_key(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_)
    )
}

fn find<'p, 'a>(pairs: &'p [(Value<'a>, Value<'a>)], key: &Value<'_>) -> Option<&'p Value<'a>> {
    pairs
        .iter()
        .find(|(known, _)| super::relation::same_key(known, key))
        .map(|(_, value)| value)
}
