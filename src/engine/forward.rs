//! What the upstream is told of who asks: headers that the policies fill, and nothing else.

use core::fmt::Write as _;
use std::borrow::Cow;

use serde_json::Value;

use crate::bundle::{Generation, RegionId};
use crate::decision::Forwarded;
use crate::identity::{Authenticated, ClaimMapping, Identity, Subject};
use crate::policy::Forwarding;
use crate::reason::Reason;

/// Who is meant.
const SUBJECT: &str = "x-regionguard-subject";
/// The home region.
const REGION: &str = "x-regionguard-region";
/// Why a request was let in that was not decided as usual.
const REASON: &str = "x-regionguard-reason";

/// The longest value of one header, and of all headers that claims fill together, in bytes as they are sent: what stands behind this proxy takes headers of some
/// 8 and 60 KiB, and a claim may be written three times as long as its token has it.
const VALUE_MAX: usize = 8 * 1024;
const VALUES_MAX: usize = 32 * 1024;

/// Tells the upstream why the request was let in, beside what it is told of that already.
pub(super) fn add_reason(forwarded: &mut Option<Box<Forwarded>>, reason: Reason) {
    let forwarded = forwarded.get_or_insert_default();
    match forwarded.headers.iter_mut().find(|(name, _)| name == REASON) {
        Some((_, reasons)) => {
            reasons.push(',');
            reasons.push_str(reason.code());
        }
        None => forwarded.headers.push((REASON.to_owned(), reason.code().to_owned())),
    }
}

/// What a verified token says to others: the upstream, the center.
pub(super) struct Claims<'a> {
    identity: &'a Identity,
    /// What of the identity counts here.
    subject: &'a Subject,
    /// Where tokens of its home region hold permissions and roles.
    home: &'a ClaimMapping,
    /// Where those of the local region do, if that is another one.
    local: Option<&'a ClaimMapping>,
}

impl<'a> Claims<'a> {
    /// What `who` says in the region `local`; `None` only where the two are not of this generation.
    pub(super) fn new(who: &'a Authenticated, local: Option<RegionId>, generation: &'a Generation) -> Option<Self> {
        let mapping = |id: RegionId| generation.region(id).map(|region| &region.claims);
        let home = who.identity.home;
        Some(Self {
            identity: &who.identity,
            subject: &who.subject,
            home: mapping(home)?,
            local: local.filter(|local| *local != home).and_then(mapping),
        })
    }

    /// The value of a claim for others: of a top-level name, or else of names with dots between them. Permissions and roles are those that count here. What the local
    /// region does not accept of another one's token must not come back in a header that the upstream believes: so nothing else is told of what holds, or stands in,
    /// a claim that either region takes for permissions, roles or grants.
    pub(super) fn value(&self, claim: &str) -> Option<Cow<'a, Value>> {
        let counting = [
            (&self.home.permissions, &self.subject.permissions),
            (&self.home.roles, &self.subject.roles),
        ];
        if let Some((_, words)) = counting.iter().find(|(path, _)| path.as_str() == claim) {
            let is_there = self.identity.claims.find(claim).is_some() || !words.is_empty();
            return is_there.then(|| Cow::Owned(Value::from(words.as_slice())));
        }
        if let Some(local) = self.local {
            let mapped = [
                &self.home.permissions,
                &self.home.roles,
                &local.permissions,
                &local.roles,
            ];
            let grants = [&self.home.grants, &local.grants].into_iter().flatten();
            if mapped
                .into_iter()
                .chain(grants)
                .any(|path| overlap(path.as_str(), claim))
            {
                return None;
            }
        }
        self.identity.claims.find(claim).map(Cow::Borrowed)
    }
}

/// Whether two paths are the same, or one leads to what the other holds.
fn overlap(left: &str, right: &str) -> bool {
    let holds = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    holds(left, right) || holds(right, left)
}

/// The headers that tell the upstream who asks. An anonymous request carries nothing of the kind.
///
/// # Errors
/// [`Reason::ClaimTooLarge`]: an upstream must not take what was left out for what is not there.
pub(super) fn headers(forwarding: &Forwarding<'_>, claims: &Claims<'_>) -> Result<Vec<(String, String)>, Reason> {
    let mut headers = Vec::new();
    let mut left = VALUES_MAX;
    let mut push = |header: &str, value: String| {
        left = left.checked_sub(value.len()).ok_or(Reason::ClaimTooLarge)?;
        if value.len() > VALUE_MAX {
            return Err(Reason::ClaimTooLarge);
        }
        headers.push((header.to_owned(), value));
        Ok(())
    };
    push(SUBJECT, value_text(&claims.identity.subject))?;
    push(REGION, claims.identity.home_name.clone())?;
    for (header, claim) in &forwarding.claims {
        if let Some(value) = claims.value(claim).as_deref().and_then(header_value) {
            push(header, value)?;
        }
    }
    Ok(headers)
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

    use super::{Claims, header_value, overlap};
    use crate::bundle::RegionId;
    use crate::identity::{ClaimMapping, ClaimPath, Identity, Subject, Times};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn permissions_and_roles_are_those_that_count_here() {
        let signed = json!({
            "sub": "alice", "permissions": {"global": ["read:all", "write:all"]},
            "realm_access": {"roles": ["admin", "viewer"]}, "team": {"lead": true, "name": "red"},
            "custom:region": "eu", "https://shop.example/tier": "gold", "https://shop": "odd",
            "a.b": "whole", "a": {"b": "hidden", "c": "nested"},
            "scope": "write:all", "https://shop.example/roles": ["root"],
        });
        let identity = Identity {
            home: RegionId(0),
            home_name: "eu-west-1".to_owned(),
            issuer: "i".to_owned(),
            subject: "alice".to_owned(),
            workload: None,
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
            granted: Vec::new(),
            grants: Vec::new(),
        };
        let mapping = ClaimMapping {
            roles: ClaimPath::new("realm_access.roles").expect("a path"),
            ..ClaimMapping::default()
        };
        let other = ClaimMapping {
            permissions: ClaimPath::new("scope").expect("a path"),
            roles: ClaimPath::new("https://shop.example/roles").expect("a path"),
            ..ClaimMapping::default()
        };
        let value = |foreign: bool, claim: &str| {
            let claims = Claims {
                identity: &identity,
                subject: &subject,
                home: &mapping,
                local: foreign.then_some(&other),
            };
            claims.value(claim).as_deref().and_then(header_value)
        };
        for (claim, at_home, abroad) in [
            ("permissions", Some("[\"read:all\"]"), Some("[\"read:all\"]")),
            ("realm_access.roles", Some("[\"viewer\"]"), Some("[\"viewer\"]")),
            ("sub", Some("alice"), Some("alice")),
            (
                "team",
                Some("{\"lead\":true,\"name\":\"red\"}"),
                Some("{\"lead\":true,\"name\":\"red\"}"),
            ),
            ("team.name", Some("red"), Some("red")),
            ("team.name.x", None, None),
            ("team.", None, None),
            ("custom:region", Some("eu"), Some("eu")),
            ("https://shop.example/tier", Some("gold"), Some("gold")),
            ("a.b", Some("whole"), Some("whole")),
            ("a.c", Some("nested"), Some("nested")),
            ("roles", None, None),
            // What holds or stands in permissions and roles, and what the local region takes for them.
            ("realm_access", Some("{\"roles\":[\"admin\",\"viewer\"]}"), None),
            ("permissions.global", Some("[\"read:all\",\"write:all\"]"), None),
            ("scope", Some("write:all"), None),
            ("https://shop.example/roles", Some("[\"root\"]"), None),
            ("https://shop", Some("odd"), None),
        ] {
            assert_eq!(value(false, claim).as_deref(), at_home, "{claim} at home");
            assert_eq!(value(true, claim).as_deref(), abroad, "{claim} abroad");
        }
    }

    #[test]
    fn overlapping_paths() {
        for (left, right, expected) in [
            ("a", "a", true),
            ("a", "a.b", true),
            ("a.b.c", "a", true),
            ("a", "ab", false),
            ("a.b", "a.c", false),
            ("a.b", "b", false),
        ] {
            assert_eq!(overlap(left, right), expected, "{left} {right}");
        }
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
