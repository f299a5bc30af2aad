//! The `policy/rule` field of the decision line, made once for each rule.

use std::fmt::Write as _;

/// Where neither a rule nor a policy decided.
pub(super) const NOTHING: &str = "-/-";

/// `policy/rule`, or `policy/-` without a rule; both percent-encoded, so that a name cannot forge a separator of the line.
pub(super) fn label(policy: &str, rule: Option<&str>) -> Box<str> {
    // Nothing is left over where nothing is to be encoded: the box takes the text as it lies there.
    let length = policy.len().saturating_add(rule.map_or(1, str::len)).saturating_add(1);
    let mut label = String::with_capacity(length);
    encode(policy, &mut label);
    label.push('/');
    match rule {
        // A rule that is named so must not look like none.
        Some("-") => label.push_str("%2D"),
        Some(rule) => encode(rule, &mut label),
        None => label.push('-'),
    }
    label.into()
}

/// RFC 3986 section 2: unreserved characters stand for themselves.
fn encode(text: &str, label: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            label.push(char::from(byte));
        } else if write!(label, "%{byte:02X}").is_err() {
            // Writing to a string cannot fail.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_name_cannot_forge_a_separator() {
        for (policy, rule, expected) in [
            ("shop", Some("read-own"), "shop/read-own"),
            ("shop", None, "shop/-"),
            ("shop", Some("-"), "shop/%2D"),
            ("a;b", Some("c/d:e@f+g>h%"), "a%3Bb/c%2Fd%3Ae%40f%2Bg%3Eh%25"),
            ("é", Some("a b\n"), "%C3%A9/a%20b%0A"),
        ] {
            assert_eq!(&*label(policy, rule), expected);
        }
    }
}
