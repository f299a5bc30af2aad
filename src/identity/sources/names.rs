//! When two names are one to some server.

/// Whether a header's name as received is `known`: `_` is `-` to servers that hand headers on as variables.
#[must_use]
pub fn is_header(name: &[u8], known: &str) -> bool {
    let fold = |byte: u8| {
        if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
    };
    name.len() == known.len() && name.iter().zip(known.bytes()).all(|(a, b)| fold(*a) == fold(b))
}

/// Whether some server takes the name of a cookie or a parameter for `known`: it may decode percent-encodings, fold letter case, take `.`, a space and `+` for `_`,
/// and read `name[…]` as a list of that name (as PHP and ASP.NET do).
#[must_use]
pub fn same_name(name: &[u8], known: &str) -> bool {
    let mut left = folded(name.trim_ascii());
    let mut right = folded(known.as_bytes());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (a, b) if a != b => return false,
            _ => {}
        }
    }
}

/// The name as the most liberal server reads it, without leading white space.
fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    decoded(name)
        .skip_while(|byte| matches!(byte, b' ' | b'+' | b'\t'))
        .take_while(|byte| !matches!(byte, b'[' | 0))
        .map(|byte| match byte {
            b'.' | b' ' | b'+' => b'_',
            other => other.to_ascii_lowercase(),
        })
}

pub(super) fn decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    core::iter::from_fn(move || {
        let (&first, rest) = text.split_first()?;
        let (byte, rest) = match (first, rest) {
            (b'%', [high, low, rest @ ..]) => {
                hex(*high).zip(hex(*low)).map_or((first, text.get(1..)), |(high, low)| {
                    (high.wrapping_shl(4) | low, Some(rest))
                })
            }
            _ => (first, Some(rest)),
        };
        text = rest.unwrap_or_default();
        Some(byte)
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{is_header, same_name};

    #[test]
    fn names_that_some_server_takes_for_another() {
        for (name, same) in [
            ("access_token", true),
            ("access%5Ftoken", true),
            ("access%5ftoken", true),
            ("%61ccess_token", true),
            ("Access_Token", true),
            ("access.token", true),
            ("access+token", true),
            ("access%20token", true),
            (" access_token ", true),
            ("+access_token", true),
            ("access_token[]", true),
            ("access_token%5B0%5D", true),
            ("access_token%00x", true),
            ("access-token", false),
            ("access_tokens", false),
            ("access_toke", false),
            ("xaccess_token", false),
            ("access%5", false),
            ("", false),
        ] {
            assert_eq!(same_name(name.as_bytes(), "access_token"), same, "{name}");
        }
        assert!(same_name(b"a%2", "a%2") && same_name(b"a%zz", "a%zz"));
    }

    #[test]
    fn header_names() {
        for (name, same) in [
            ("x-access-token", true),
            ("X-Access-Token", true),
            ("x_access_token", true),
            ("x-access-tokens", false),
            ("x-access-tokem", false),
        ] {
            assert_eq!(is_header(name.as_bytes(), "x-access-token"), same, "{name}");
        }
    }
}
