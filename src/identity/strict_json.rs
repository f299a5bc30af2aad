//! JSON with one meaning only: no member twice at any depth (RFC 7515 §4 and RFC 7519 §4 leave it open, attackers use it), bounded depth, nothing behind it.

use core::fmt;
use std::borrow::Cow;

use crate::sort::Arrange as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep objects and lists may stand in each other, the outermost included.
pub(super) const MAX_DEPTH: usize = 16;

/// A value that borrows its texts from the JSON it was read from: most tokens are looked at once, so nothing of them is copied that nobody keeps.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'t> {
    Null,
    Bool,
    Number(f64),
    Text(Cow<'t, str>),
    List(Vec<Json<'t>>),
    Object(Object<'t>),
}

impl<'t> Json<'t> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&Object<'t>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// The members of an object, sorted by name, each name once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Object<'t> {
    members: Vec<(Cow<'t, str>, Json<'t>)>,
}

impl<'t> Object<'t> {
    /// `None` where a name stands twice. Sorting keeps an object of thousands of members from costing their square.
    fn new(mut members: Vec<(Cow<'t, str>, Json<'t>)>) -> Option<Self> {
        members.arrange_by(|(a, _), (b, _)| a.cmp(b));
        let twice = members
            .iter()
            .zip(members.iter().skip(1))
            .any(|((a, _), (b, _))| a == b);
        (!twice).then_some(Self { members })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json<'t>> {
        let found = self.members.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.members.get(found).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values, by name.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'t>)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }
}

/// The object that `json` is; `None` where it is anything else, or has a second meaning.
pub(super) fn object(json: &str) -> Option<Object<'_>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// A value within which `depth` further levels are left.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom("too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    /// A text with escapes in it.
    fn visit_str<E: Error>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut found = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            found.push((name, members.next_value_seed(inner)?));
        }
        let object = Object::new(found).ok_or_else(|| A::Error::custom("a member twice"))?;
        Ok(Json::Object(object))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, MAX_DEPTH, object};

    #[test]
    fn an_object_is_read() {
        let read = object(r#" {"b": {"a": {}}, "a": [1, -2, 1.5, "x", "\u0079", null, true]} "#).expect("valid");
        let items = [1.0, -2.0, 1.5].map(Json::Number).into_iter().chain([
            Json::Text("x".into()),
            Json::Text("y".into()),
            Json::Null,
            Json::Bool,
        ]);
        assert_eq!(read.get("a"), Some(&Json::List(items.collect())));
        let inner = read.get("b").and_then(Json::as_object).expect("an object");
        assert_eq!(inner.get("a"), Some(&Json::Object(super::Object::default())));
        assert!(read.contains("b") && !read.contains("c") && inner.get("b").is_none());
        assert_eq!(read.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn each_of_many_members_is_found_and_none_may_stand_twice() {
        let many = |names: &[usize]| {
            let members: Vec<String> = names.iter().map(|name| format!("\"m{name}\":{name}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let mut names: Vec<usize> = (0..2000).rev().collect();
        let text = many(&names);
        let read = object(&text).expect("valid");
        for name in &names {
            assert_eq!(read.get(&format!("m{name}")), Some(&Json::Number(*name as f64)));
        }
        names.push(1234);
        assert_eq!(object(&many(&names)), None);
    }

    #[test]
    fn what_has_a_second_meaning_is_not() {
        for refused in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"y":{"a":1,"a":2}}]}"#,
            r#"{"a":1}{"#,
            r#"{"a":1} x"#,
            r#"{"a":1,}"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":"\ud800"}"#,
            r#"{'a':1}"#,
            "{\"a\":\"\n\"}",
            "\u{feff}{}",
            "[]",
            "1",
            "null",
            "\"{}\"",
            "{",
            "",
        ] {
            assert_eq!(object(refused), None, "{refused}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(object(&nested(MAX_DEPTH)).is_some());
        assert!(object(&nested(MAX_DEPTH + 1)).is_none());
        let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(object(&objects(MAX_DEPTH)).is_some());
        assert!(object(&objects(MAX_DEPTH + 1)).is_none());
        assert!(object(&"{\"a\":".repeat(4000)).is_none());
    }
}
