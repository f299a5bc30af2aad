//! A JWK Set as it comes from the network (RFC 7517 §5): what is wrong with one key spoils no other.

use core::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::jwk::Jwk;
use super::key_ring::{BuiltKeys, KeyRing, MAX_KEYS};
use super::keys::Algorithm;

#[derive(serde::Deserialize)]
struct Set {
    keys: Vec<Member>,
}

/// One of `keys`.
enum Member {
    Object(Map<String, Value>),
    Twice,
    NoObject,
}

/// Reads a set that was fetched. `allowed` is `keys.algorithms`, as for [`KeyRing::build`].
///
/// # Errors
/// In words, where it is no JWK Set, has more than [`MAX_KEYS`] keys, or not one that can be used. It never holds key material.
pub fn read_jwks(json: &[u8], allowed: Option<&[Algorithm]>) -> Result<BuiltKeys, String> {
    // A derived struct would take a list of its members as well.
    let no_set = || "the answer is not a JSON object with a list `keys`".to_owned();
    // What is passed over below is not looked at; JSON is UTF-8 (RFC 8259 §8.1).
    if !json.trim_ascii_start().starts_with(b"{") || core::str::from_utf8(json).is_err() {
        return Err(no_set());
    }
    let set: Set = serde_json::from_slice(json).map_err(|_| no_set())?;
    let count = set.keys.len();
    if count > MAX_KEYS {
        return Err(format!("{count} keys are too many: at most {MAX_KEYS}"));
    }
    let forms: Vec<Result<Jwk, String>> = set.keys.into_iter().map(form).collect();
    let built = KeyRing::from_forms(forms, allowed);
    if built.ring.is_empty() {
        let first = built.errors.first().or(built.warnings.first());
        let first = first.map(|problem| format!(", as {problem}")).unwrap_or_default();
        return Err(format!("not one of its {count} keys can be used here{first}"));
    }
    Ok(built)
}

fn form(member: Member) -> Result<Jwk, String> {
    match member {
        Member::Object(members) => Jwk::from_json(&Value::Object(members)),
        Member::NoObject => Jwk::from_json(&Value::Null),
        Member::Twice => Err("a member stands twice".to_owned()),
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyMember)
    }
}

struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Member, A::Error> {
        let (mut found, mut twice) = (Map::new(), false);
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            twice |= found.insert(name, value).is_some();
        }
        Ok(if twice { Member::Twice } else { Member::Object(found) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::NoObject)
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::NoObject)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::NoObject)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Member, E> {
        Ok(Member::NoObject)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Member, E> {
        Ok(Member::NoObject)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::NoObject)
    }

    fn visit_str<E>(self, _: &str) -> Result<Member, E> {
        Ok(Member::NoObject)
    }
}

#[cfg(test)]
#[path = "jwks_tests.rs"]
mod tests;
