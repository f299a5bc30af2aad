//! What the upstream is told of who asks: headers that the policies fill, and nothing else.

use core::fmt::Write as _;

use serde_json::Value;

use crate::decision::Forwarded;
use crate::identity::Identity;
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
}

/// What a request carries on. An anonymous one carries nothing of the kind.
pub(super) fn forwarded(forwarding: &Forwarding<'_>, claims: Option<&Claims<'_>>) -> Forwarded {
    let mut forwarded = Forwarded {
        strip_authorization: forwarding.strip_token && claims.is_some(),
        ..Forwarded::default()
    };
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
        if let Some(value) = claims.identity.claims.get(claim).and_then(header_value) {
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

    use super::header_value;

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
