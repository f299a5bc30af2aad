//! JSON with one meaning: an object that names a member twice is refused (RFC 7493 section 2.3), so that no two readers
//! of one question can see different values.

use std::collections::BTreeMap;
use std::fmt;

use regorus::Value;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads one JSON text (RFC 8259) into the policy engine's own value, without a tree in between.
///
/// # Errors
/// What is wrong and where: bad syntax, a member named twice, nesting deeper than 127, something after the value.
pub(crate) fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(text).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::from(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((Strict(name), Strict(value))) = members.next_entry()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member {name} stands twice in one object"
                )));
            }
            object.insert(name, value);
        }
        Ok(Value::from(object))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_what_it_is_given() {
        let text = r#"{"a":[1,-2,2.5,"x",true,null],"b":{"c":{}}}"#;
        assert_eq!(
            parse(text.as_bytes())
                .unwrap()
                .to_json_str()
                .unwrap()
                .replace([' ', '\n'], ""),
            text
        );
    }

    #[test]
    fn refuses_what_has_no_single_meaning() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for (text, complaint) in [
            (r#"{"a":1,"a":2}"#, "stands twice"),
            (r#"{"a":1,"\u0061":2}"#, "stands twice"),
            (r#"{"x":[{"b":{},"b":{}}]}"#, "stands twice"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            (r#"{"a":"\udc00x"}"#, "surrogate"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":1} x"#, "trailing"),
            (deep.as_str(), "recursion limit"),
            ("", "EOF"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    /// The engine's own reader turns such an object into a number.
    #[test]
    fn an_object_stays_an_object() {
        let value = parse(br#"{"$serde_json::private::Number":"1"}"#).unwrap();
        assert!(value.as_object().is_ok());
    }
}
