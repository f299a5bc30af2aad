//! The Authorization header: one Bearer token, another scheme, or nothing (RFC 9110 §11.6.2, RFC 6750 §2.1).

use crate::reason::Reason;

/// What stands in the Authorization header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'r> {
    /// There is no such header.
    None,
    /// `Bearer`, but not followed by a space: as good as a token that is not valid ([`Reason::TokenMalformed`]).
    Malformed,
    /// What stands behind `Bearer` and a space; there is no comma in it. Nothing else is known of it yet: whether these bytes are a token at all is for whoever
    /// verifies them to find out, so that a token that was verified before is not read again.
    Token(&'r [u8]),
    /// A scheme that is not ours.
    OtherScheme,
}

/// Reads the values of all `authorization` headers, as they were received; the host may have joined several with commas.
///
/// # Errors
/// [`Reason::TokenAmbiguous`] where there is more than one credential.
pub fn credential<'r>(values: &[&'r [u8]]) -> Result<Credential<'r>, Reason> {
    let value = match *values {
        [] => return Ok(Credential::None),
        [value] => value,
        _ => return Err(Reason::TokenAmbiguous),
    };
    let start = value.trim_ascii_start();
    let (scheme, rest) = start.split_at(start.iter().take_while(|byte| is_tchar(**byte)).count());
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return if holds_several(value) {
            Err(Reason::TokenAmbiguous)
        } else if scheme.is_empty() && names_bearer(rest) {
            // No scheme stands at the start, but for an upstream that takes a no-break space or the like for white space.
            Ok(Credential::Malformed)
        } else {
            Ok(Credential::OtherScheme)
        };
    }
    if rest.contains(&b',') {
        return Err(Reason::TokenAmbiguous);
    }
    match rest {
        [b' ', token @ ..] if start.len() == value.len() => Ok(Credential::Token(token)),
        _ => Ok(Credential::Malformed),
    }
}

fn names_bearer(value: &[u8]) -> bool {
    value.windows(6).any(|word| word.eq_ignore_ascii_case(b"bearer"))
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a value of another scheme holds a second credential behind a comma: what follows a comma is a parameter (`name=value`) or nothing in a single one.
fn holds_several(value: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let elements = value.split(|byte| {
        match (quoted, escaped, *byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, _, b'"') => quoted = !quoted,
            _ => {}
        }
        !quoted && *byte == b','
    });
    elements.skip(1).any(|element| {
        let element = element.trim_ascii();
        let after_name = element
            .get(element.iter().take_while(|byte| is_tchar(**byte)).count()..)
            .unwrap_or_default();
        !element.is_empty() && !after_name.trim_ascii_start().starts_with(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::{Credential, credential};
    use crate::reason::Reason;

    #[test]
    fn one_value() {
        let token = Ok(Credential::Token(b"a.b-c_D"));
        let cases: &[(&[u8], Result<Credential<'_>, Reason>)] = &[
            (b"Bearer a.b-c_D", token),
            (b"bearer a.b-c_D", token),
            (b"BEARER a.b-c_D", token),
            (b"Bearer a~+/==", Ok(Credential::Token(b"a~+/=="))),
            (b"Bearer", Ok(Credential::Malformed)),
            (b"Bearer ", Ok(Credential::Token(b""))),
            (b"Bearer  a", Ok(Credential::Token(b" a"))),
            (b"Bearer\ta", Ok(Credential::Malformed)),
            (b"Bearer a ", Ok(Credential::Token(b"a "))),
            (b"Bearer a b", Ok(Credential::Token(b"a b"))),
            (b"Bearer a\tb", Ok(Credential::Token(b"a\tb"))),
            (b"Bearer a\xe9", Ok(Credential::Token(b"a\xe9"))),
            (b"Bearer a\0", Ok(Credential::Token(b"a\0"))),
            (b"Bearer ==", Ok(Credential::Token(b"=="))),
            (b"Bearer a=b", Ok(Credential::Token(b"a=b"))),
            (b"Bearer:a", Ok(Credential::Malformed)),
            (b"Bearer=a", Ok(Credential::Malformed)),
            (b" Bearer a", Ok(Credential::Malformed)),
            (b"Bearer \"a\"", Ok(Credential::Token(b"\"a\""))),
            (b"Bearer a,Bearer b", Err(Reason::TokenAmbiguous)),
            (b"Bearer a, b", Err(Reason::TokenAmbiguous)),
            (b"Bearer a,", Err(Reason::TokenAmbiguous)),
            (b",Bearer a", Err(Reason::TokenAmbiguous)),
            (b"Basic YTpi,Bearer a", Err(Reason::TokenAmbiguous)),
            (b"Basic YTpi, Basic YTpi", Err(Reason::TokenAmbiguous)),
            (b"Basic YTpi, Negotiate", Err(Reason::TokenAmbiguous)),
            (b"Digest realm=\"x\", bearer a", Err(Reason::TokenAmbiguous)),
            (
                b"Digest realm=\"x, Bearer y\", nc = 1,, qop=auth",
                Ok(Credential::OtherScheme),
            ),
            (b"Digest realm=\"x\\\", Bearer y\"", Ok(Credential::OtherScheme)),
            (b"Basic YTpi", Ok(Credential::OtherScheme)),
            (b"DPoP a.b.c", Ok(Credential::OtherScheme)),
            (b"Bearers a", Ok(Credential::OtherScheme)),
            (b"\xa0Bearer a.b.c", Ok(Credential::Malformed)),
            (b"\x85 bearer a.b.c", Ok(Credential::Malformed)),
            (b"a.b.c", Ok(Credential::OtherScheme)),
            (b"", Ok(Credential::OtherScheme)),
            (b"\xff\xfe", Ok(Credential::OtherScheme)),
        ];
        for (value, expected) in cases {
            assert_eq!(credential(&[value]), *expected, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn no_value_and_several() {
        assert_eq!(credential(&[]), Ok(Credential::None));
        assert_eq!(credential(&[b"Bearer a", b"Bearer a"]), Err(Reason::TokenAmbiguous));
        assert_eq!(credential(&[b"Basic a", b"Bearer a"]), Err(Reason::TokenAmbiguous));
        assert_eq!(credential(&[b"", b""]), Err(Reason::TokenAmbiguous));
    }
}
