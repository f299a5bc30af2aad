//! The Authorization header: one token, another scheme, or nothing (RFC 9110 §11.6.2, RFC 6750 §2.1, RFC 9449 §7.1).

use crate::reason::Reason;

/// What a request presents as its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'r> {
    /// Nothing.
    None,
    /// The scheme of a token, but not followed by a space: as good as a token that is not valid ([`Reason::TokenMalformed`]).
    Malformed(Place<'r>),
    /// What may be a token.
    Token(Token<'r>),
    /// A scheme that is not ours.
    OtherScheme,
}

/// What may be a token: whether these bytes are one at all is for whoever verifies them to find out, so that a token that was verified before is not read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'r> {
    /// What stands there, behind the scheme and a space where the place has a scheme.
    pub text: &'r [u8],
    /// What the client says that it is.
    pub scheme: Scheme,
    /// Where it stood.
    pub place: Place<'r>,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever bears it may use it (RFC 6750).
    Bearer,
    /// Only with a proof that the sender holds its key (RFC 9449).
    Dpop,
}

/// Where a token stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'r> {
    /// The Authorization header.
    Authorization,
    /// Another header: its name as received.
    Header(&'r [u8]),
    /// A cookie.
    Cookie,
    /// A parameter of the query.
    Query,
}

impl<'r> Credential<'r> {
    /// Where the token stood, valid or not; `None` without one.
    #[must_use]
    pub fn place(&self) -> Option<Place<'r>> {
        match self {
            Self::Token(token) => Some(token.place),
            Self::Malformed(place) => Some(*place),
            Self::None | Self::OtherScheme => None,
        }
    }
}

impl Credential<'_> {
    /// The same, if it is a single one: no comma joins its token with another. What `is_known` to be a token is not read for that.
    ///
    /// # Errors
    /// [`Reason::TokenAmbiguous`] where it is not.
    pub fn single(self, is_known: impl FnOnce(&[u8]) -> bool) -> Result<Self, Reason> {
        match self {
            Self::Token(token) if !is_known(token.text) && token.text.contains(&b',') => Err(Reason::TokenAmbiguous),
            other => Ok(other),
        }
    }
}

impl Scheme {
    fn named(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"bearer") {
            Some(Self::Bearer)
        } else if name.eq_ignore_ascii_case(b"dpop") {
            Some(Self::Dpop)
        } else {
            None
        }
    }
}

/// Reads the value of an Authorization header, as it was received; the host may have joined several with commas.
///
/// # Errors
/// [`Reason::TokenAmbiguous`] where there is more than one credential. That a token is a single one is left to [`Credential::single`].
pub(super) fn in_authorization(value: &[u8]) -> Result<Credential<'_>, Reason> {
    in_header(value, Place::Authorization, Scheme::named)
}

/// Reads the value of a header that begins with a scheme; `named` are those that carry a token.
///
/// # Errors
/// [`Reason::TokenAmbiguous`] where there is more than one credential. That a token is a single one is left to [`Credential::single`].
pub(super) fn in_header<'r>(
    value: &'r [u8],
    place: Place<'r>,
    named: impl FnOnce(&[u8]) -> Option<Scheme>,
) -> Result<Credential<'r>, Reason> {
    let start = value.trim_ascii_start();
    let (name, rest) = split_scheme(start);
    let Some(scheme) = named(name) else {
        return if holds_several(value) {
            Err(Reason::TokenAmbiguous)
        } else if name.is_empty() && names_ours(rest) {
            // No scheme stands at the start, but for an upstream that takes a no-break space or the like for white space.
            Ok(Credential::Malformed(place))
        } else {
            Ok(Credential::OtherScheme)
        };
    };
    match rest {
        [b' ', text @ ..] if start.len() == value.len() => Ok(Credential::Token(Token { text, scheme, place })),
        _ if rest.contains(&b',') => Err(Reason::TokenAmbiguous),
        _ => Ok(Credential::Malformed(place)),
    }
}

/// Reads the value of a header that is a token and nothing else.
///
/// # Errors
/// [`Reason::TokenAmbiguous`] where there is more than one credential.
pub(super) fn bare<'r>(text: &'r [u8], place: Place<'r>) -> Result<Credential<'r>, Reason> {
    let (name, rest) = split_scheme(text);
    if text.contains(&b',') {
        Err(Reason::TokenAmbiguous)
    } else if Scheme::named(name).is_some() {
        Ok(Credential::Malformed(place))
    } else if !name.is_empty() && rest.starts_with(b" ") {
        Ok(Credential::OtherScheme)
    } else {
        let scheme = Scheme::Bearer;
        Ok(Credential::Token(Token { text, scheme, place }))
    }
}

fn split_scheme(value: &[u8]) -> (&[u8], &[u8]) {
    value.split_at(value.iter().take_while(|byte| is_tchar(**byte)).count())
}

fn names_ours(value: &[u8]) -> bool {
    let holds = |scheme: &[u8]| {
        value
            .windows(scheme.len())
            .any(|word| word.eq_ignore_ascii_case(scheme))
    };
    holds(b"bearer") || holds(b"dpop")
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
    use super::{Credential, Place, Scheme, Token, in_authorization};
    use crate::reason::Reason;

    fn credential(value: &[u8]) -> Result<Credential<'_>, Reason> {
        in_authorization(value)?.single(|_| false)
    }

    fn presented(scheme: Scheme, text: &[u8]) -> Result<Credential<'_>, Reason> {
        let place = Place::Authorization;
        Ok(Credential::Token(Token { text, scheme, place }))
    }

    fn bearer(text: &[u8]) -> Result<Credential<'_>, Reason> {
        presented(Scheme::Bearer, text)
    }

    #[test]
    fn one_value() {
        let token = bearer(b"a.b-c_D");
        let malformed = Ok(Credential::Malformed(Place::Authorization));
        let cases: &[(&[u8], Result<Credential<'_>, Reason>)] = &[
            (b"Bearer a.b-c_D", token),
            (b"bearer a.b-c_D", token),
            (b"BEARER a.b-c_D", token),
            (b"Bearer a~+/==", bearer(b"a~+/==")),
            (b"Bearer", malformed),
            (b"Bearer ", bearer(b"")),
            (b"Bearer  a", bearer(b" a")),
            (b"Bearer\ta", malformed),
            (b"Bearer a ", bearer(b"a ")),
            (b"Bearer a b", bearer(b"a b")),
            (b"Bearer a\tb", bearer(b"a\tb")),
            (b"Bearer a\xe9", bearer(b"a\xe9")),
            (b"Bearer a\0", bearer(b"a\0")),
            (b"Bearer ==", bearer(b"==")),
            (b"Bearer a=b", bearer(b"a=b")),
            (b"Bearer:a", malformed),
            (b"Bearer=a", malformed),
            (b" Bearer a", malformed),
            (b"Bearer \"a\"", bearer(b"\"a\"")),
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
            (b"DPoP a.b.c", presented(Scheme::Dpop, b"a.b.c")),
            (b"dpop a.b.c", presented(Scheme::Dpop, b"a.b.c")),
            (b"DPoP", malformed),
            (b"DPoP\ta.b.c", malformed),
            (b"\xa0DPoP a.b.c", malformed),
            (b"DPoP a, Bearer a", Err(Reason::TokenAmbiguous)),
            (b"DPoPs a", Ok(Credential::OtherScheme)),
            (b"Bearers a", Ok(Credential::OtherScheme)),
            (b"\xa0Bearer a.b.c", malformed),
            (b"\x85 bearer a.b.c", malformed),
            (b"a.b.c", Ok(Credential::OtherScheme)),
            (b"", Ok(Credential::OtherScheme)),
            (b"\xff\xfe", Ok(Credential::OtherScheme)),
        ];
        for (value, expected) in cases {
            assert_eq!(credential(value), *expected, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_token_that_is_known_is_a_single_one() {
        let joined = in_authorization(b"Bearer a,b").expect("a credential");
        assert_eq!(joined.single(|text| text == b"a,b"), Ok(joined));
        assert_eq!(joined.single(|_| false), Err(Reason::TokenAmbiguous));
    }
}
