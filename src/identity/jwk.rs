//! A JSON Web Key as it is written (RFC 7517), and what may be wrong with one.

use core::fmt;

use serde_json::Value;

/// The members of a JWK that count here, as they are written. `x5c`, `x5t`, `x5u` and unknown members are ignored: no key is ever taken from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwk {
    /// The key's type: `RSA`, `EC`, `OKP`.
    pub kty: Option<String>,
    /// The name by which tokens refer to it.
    pub kid: Option<String>,
    /// The one algorithm for which it is meant.
    pub alg: Option<String>,
    /// `use`: `sig` or `enc`.
    pub usage: Option<String>,
    /// `key_ops`.
    pub key_ops: Option<Vec<String>>,
    /// The curve.
    pub crv: Option<String>,
    /// RSA: the modulus.
    pub n: Option<String>,
    /// RSA: the public exponent.
    pub e: Option<String>,
    /// EC and OKP: the x coordinate, or the whole public key.
    pub x: Option<String>,
    /// EC: the y coordinate.
    pub y: Option<String>,
    /// A member that only a private or symmetric key has, by its name.
    pub secret: Option<&'static str>,
}

impl Jwk {
    /// The members that only a private or symmetric key has (RFC 7518 §6).
    pub const SECRET_MEMBERS: &'static [&'static str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    /// Reads one member of a JWKS's `keys`.
    ///
    /// # Errors
    /// What is wrong with its form, in words.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return Err("a key is an object with `kty`, `kid` and the key's own members".to_owned());
        };
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{name}` must be a string")),
        };
        Ok(Self {
            kty: text("kty")?,
            kid: text("kid")?,
            alg: text("alg")?,
            usage: text("use")?,
            key_ops: operations(members.get("key_ops"))?,
            crv: text("crv")?,
            n: text("n")?,
            e: text("e")?,
            x: text("x")?,
            y: text("y")?,
            secret: Self::SECRET_MEMBERS
                .iter()
                .copied()
                .find(|name| members.contains_key(*name)),
        })
    }
}

fn operations(value: Option<&Value>) -> Result<Option<Vec<String>>, String> {
    let problem = || "`key_ops` must be a list of strings".to_owned();
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(problem))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(problem()),
    }
}

/// What is wrong with one key of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The key's place in the set, from 0.
    pub index: usize,
    /// Its `kid`, where it has one.
    pub kid: Option<String>,
    /// What is wrong and what would be right. It never holds key material.
    pub message: String,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(formatter, "key {} (`{}`): {}", self.index, shown(kid), self.message),
            None => write!(formatter, "key {}: {}", self.index, self.message),
        }
    }
}

/// The beginning of a text that an issuer wrote, printable: what is wrong with a key goes into logs, however long its members are.
pub(super) fn shown(text: &str) -> String {
    const KEPT: usize = 48;
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(KEPT).flat_map(char::escape_debug).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Jwk, KeyProblem};

    #[test]
    fn members_are_read_by_name() {
        let jwk = Jwk::from_json(
            &json!({"kty": "EC", "kid": "a", "use": "sig", "key_ops": ["verify"], "crv": "P-256", "x5c": 1}),
        )
        .expect("valid");
        assert_eq!(
            (jwk.kty.as_deref(), jwk.kid.as_deref(), jwk.usage.as_deref()),
            (Some("EC"), Some("a"), Some("sig"))
        );
        assert_eq!((jwk.key_ops, jwk.secret), (Some(vec!["verify".to_owned()]), None));
    }

    #[test]
    fn secrets_are_seen_in_any_form() {
        for name in Jwk::SECRET_MEMBERS {
            assert_eq!(
                Jwk::from_json(&json!({"kty": "RSA", *name: null}))
                    .expect("valid")
                    .secret,
                Some(*name)
            );
        }
    }

    #[test]
    fn a_wrong_form_is_named() {
        assert_eq!(
            Jwk::from_json(&json!({"kid": 5})),
            Err("`kid` must be a string".to_owned())
        );
        assert_eq!(
            Jwk::from_json(&json!({"key_ops": "verify"})),
            Err("`key_ops` must be a list of strings".to_owned())
        );
        assert!(Jwk::from_json(&json!([])).is_err());
        let problem = KeyProblem {
            index: 2,
            kid: Some("a\nb".to_owned()),
            message: "no".to_owned(),
        };
        assert_eq!(problem.to_string(), "key 2 (`a\\nb`): no");
        let long = KeyProblem {
            kid: Some("k".repeat(100_000)),
            ..problem
        };
        assert_eq!(long.to_string(), format!("key 2 (`{}…`): no", "k".repeat(48)));
    }
}
