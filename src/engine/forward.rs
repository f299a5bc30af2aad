//! What the upstream is told of who asks: headers that the policies fill, and nothing else.

use core::fmt::Write as _;
use std::borrow::Cow;

use serde_json::Value;

use crate::decision::Forwarded;
use crate::identity::{ClaimMapping, Identity, Subject};
use crate::policy::Forwarding;

/// Who is meant.
const SUBJECT: &str = "x-regionguard-subject";
/// The home region.
const REGION: &str = "x-regionguard-region";
/// Why a request was let in that was not decided as usual.
pub(super) const REASON: &str = "x-regionguard-reason";

/// Where the values come from.
pub(super) struct Claims<'a> {
    pub(super) identity: &'a Identity,
    /// What of the identity counts here.
    pub(super) subject: &'a Subject,
    /// Where tokens of its home region hold permissions and roles.
    pub(super) mapping: &'a ClaimMapping,
    /// Whether its home region is another one than the local.
    pub(super) foreign: bool,
}

impl Claims<'_> {
    /// The value of a claim for the upstream. Permissions and roles are those that count here: what the local region does not accept of another one's token must
    /// not come back in a header that the upstream believes.
    fn value(&self, claim: &str) -> Option<Cow<'_, Value>> {
        let signed = self.identity.claims.get(claim)?;
        let mapped = [
            (&self.mapping.permissions, &self.subject.permissions),
            (&self.mapping.roles, &self.subject.roles),
        ];
        if let Some((_, counting)) = mapped.iter().find(|(path, _)| path.as_str() == claim) {
            return Some(Cow::Owned(Value::from(counting.as_slice())));
        }
        let holds = |path: &str| path.strip_prefix(claim).is_some_and(|rest| rest.starts_with('.'));
        if self.foreign && mapped.iter().any(|(path, _)| holds(path.as_str())) {
            return None;
        }
        Some(Cow::Borrowed(signed))
    }
}

/// What a request carries on. An anonymous one carries nothing of the kind.
pub(super) fn forwarded(forwarding: &Forwarding<'_>, claims: Option<&Claims<'_>>) -> Forwarded {
    let mut forwarded = Forwarded::default();
    let (Some(claims), true) = (claims, forwarding.identity) else {
        return forwarded;
    };
    forwarded
        .headers
        .push((SUBJECT.to_owned(), value_text(&claims.identity.subject)));
    forwarded
        .headers
        .push((REGION.to_owned(), claims.identity.home_name.clone()));
    for (header, claim) in &forwarding.claims {
        if let Some(value) = claims.value(claim).as_deref().and_then(header_value) {
            forwarded.headers.push(((*header).to_owned(), value));
        }
    }
    forwarded
}

/// A text as it is, lists and objects as JSON; `null` is not there.
fn header_value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(value_text(text)),
        other => Some(value_text(&other.to_string())),
    }
}

/// Visible ASCII as it is, but for `%`; everything else percent-encoded, so that it can be read back.
fn value_text(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            value.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Claims, header_value};
    use crate::bundle::RegionId;
    use crate::identity::{ClaimMapping, ClaimPath, Identity, Subject, Times};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn permissions_and_roles_are_those_that_count_here() {
        let signed = json!({
            "sub": "alice", "permissions": {"global": ["read:all", "write:all"]},
            "realm_access": {"roles": ["admin", "viewer"]}, "team": {"lead": true},
        });
        let identity = Identity {
            home: RegionId(0),
            home_name: "eu-west-1".to_owned(),
            issuer: "i".to_owned(),
            subject: "alice".to_owned(),
            audiences: Vec::new(),
            times: Times {
                expires: 0.0,
                not_before: None,
                issued: None,
            },
            binding: crate::identity::Binding::default(),
            key: crate::identity::SigningKey {
                kid: None,
                thumbprint: [0; 32],
            },
            claims: crate::identity::Claims::new(signed.to_string(), 0),
        };
        let subject = Subject {
            home: RegionId(0),
            permissions: words(&["read:all"]),
            roles: words(&["viewer"]),
            elsewhere: Vec::new(),
            refused: words(&["write:all"]),
        };
        let mapping = ClaimMapping {
            roles: ClaimPath::new("realm_access.roles").expect("a path"),
            ..ClaimMapping::default()
        };
        let value = |foreign: bool, claim: &str| {
            let claims = Claims {
                identity: &identity,
                subject: &subject,
                mapping: &mapping,
                foreign,
            };
            claims.value(claim).as_deref().and_then(header_value)
        };
        for foreign in [true, false] {
            assert_eq!(value(foreign, "permissions").as_deref(), Some("[\"read:all\"]"));
            assert_eq!(value(foreign, "sub").as_deref(), Some("alice"));
            assert_eq!(value(foreign, "team").as_deref(), Some("{\"lead\":true}"));
            assert_eq!(value(foreign, "roles"), None);
        }
        assert_eq!(value(true, "realm_access"), None);
        assert!(value(false, "realm_access").is_some());
    }

    #[test]
    fn values_are_visible_ascii_and_lists_are_json() {
        for (value, expected) in [
            (json!("alice"), Some("alice")),
            (json!("Zoë\r\nx: y 100%"), Some("Zo%C3%AB%0D%0Ax:%20y%20100%25")),
            (json!(["a", "b c"]), Some("[\"a\",\"b%20c\"]")),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(null), None),
        ] {
            assert_eq!(header_value(&value).as_deref(), expected);
        }
    }
}
