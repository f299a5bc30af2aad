//! Every way in which a request is refused before anything is decided: all of them are answered 400.
//!
//! Each has the reason under which it is answered and counted, and a text of its own. Neither repeats what the client sent.

use std::fmt;

use crate::reason::Reason;

/// Declares one family of refusals: the enum, its reasons and its texts.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $reason:ident, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(
                #[doc = concat!($text, ".")]
                $variant,
            )+
        }

        impl $name {
            /// Every refusal of this family.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason under which the request is answered.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self {
                    $(Self::$variant => Reason::$reason,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)+
                })
            }
        }

        impl std::error::Error for $name {}
    };
}

refusals! {
    /// Why a block of serialized headers cannot be read.
    HeadersError {
        Broken => RequestMalformed, "the lengths in the block of headers do not fit the block";
        TooMany => RequestMalformed, "there are more than 1024 header lines";
        TooLarge => RequestMalformed, "the headers are larger than 1 MiB";
    }
}

refusals! {
    /// Why the headers do not make up one request (RFC 9110, RFC 9113 section 8.3).
    HeadError {
        MethodMissing => RequestMalformed, "there is no method";
        MethodRepeated => RequestMalformed, "there is more than one method";
        MethodInvalid => RequestMalformed, "the method is not a token of upper-case letters, digits and punctuation, 64 characters at most";
        PathMissing => RequestMalformed, "there is no path";
        PathRepeated => RequestMalformed, "there is more than one path";
        AuthorityMissing => AuthorityInvalid, "there is neither an authority nor a Host header";
        AuthorityRepeated => AuthorityInvalid, "there is more than one authority or Host header, or they differ";
        SchemeMissing => RequestMalformed, "there is no scheme";
        SchemeRepeated => RequestMalformed, "there is more than one scheme";
        SchemeInvalid => RequestMalformed, "the scheme is neither http nor https";
        PseudoHeader => RequestMalformed, "there is a pseudo-header that no request has, or one twice";
    }
}

refusals! {
    /// Why an authority names no single host (RFC 3986 section 3.2, RFC 9110 section 7.2).
    AuthorityError {
        Empty => AuthorityInvalid, "the authority is empty";
        UserInformation => AuthorityInvalid, "the authority holds user information";
        Joined => AuthorityInvalid, "the authority holds several hosts, joined by a comma";
        InvalidCharacter => AuthorityInvalid, "the authority holds a character that no host name has";
        InvalidName => AuthorityInvalid, "the host is not a name of labels of 1 to 63 characters, 253 in all";
        InvalidIpv4 => AuthorityInvalid, "the host ends in a number and is not an IPv4 address of four decimal parts";
        InvalidIpv6 => AuthorityInvalid, "the host is not an IPv6 address in brackets";
        InvalidPort => AuthorityInvalid, "the port is not a number from 1 to 65535 without leading zeros";
    }
}

refusals! {
    /// Why a path names no single resource.
    PathError {
        Empty => PathInvalid, "the path is empty";
        NotAbsolute => PathInvalid, "the path does not begin with a slash";
        TooLong => PathInvalid, "the path is longer than 8192 bytes";
        TooManySegments => PathInvalid, "the path has more than 256 segments";
        Control => PathCharacter, "the path holds a control character";
        Space => PathCharacter, "the path holds a space";
        NotAscii => PathCharacter, "the path holds a byte outside of ASCII that is not percent-encoded";
        Fragment => PathCharacter, "the path holds a fragment";
        Backslash => PathCharacter, "the path holds a backslash";
        EncodedSlash => PathEncodedSlash, "the path holds an encoded slash";
        EncodedBackslash => PathEncodedSlash, "the path holds an encoded backslash";
        EncodedControl => PathEncoding, "the path holds an encoded control character";
        InvalidEncoding => PathEncoding, "the path holds a percent sign without two hex digits behind it";
        UnicodeEscape => PathEncoding, "the path holds an escape of the form `%u`, or the encoding of one";
        DoubleEncoding => PathEncoding, "the path holds an encoded percent sign before two hex digits";
        InvalidUtf8 => PathEncoding, "the path is not UTF-8 once it is decoded";
        EmptySegment => PathEmptySegment, "the path holds an empty segment";
        Parameter => PathParameters, "the path holds a parameter behind a semicolon";
        AboveRoot => PathInvalid, "the path leads above its root";
        AmbiguousDots => PathInvalid, "servers disagree on where the dot segments of the path lead";
        NotCanonical => PathNotCanonical, "the path is not in its canonical form, which strict paths demand";
        Query => QueryInvalid, "the query holds a control character, a space, a `#` or a byte outside of ASCII";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_answered_400_and_says_why_without_a_capital_or_a_full_stop() {
        let all = [
            HeadersError::ALL
                .iter()
                .map(|error| (error.reason(), error.to_string()))
                .collect::<Vec<_>>(),
            HeadError::ALL
                .iter()
                .map(|error| (error.reason(), error.to_string()))
                .collect(),
            AuthorityError::ALL
                .iter()
                .map(|error| (error.reason(), error.to_string()))
                .collect(),
            PathError::ALL
                .iter()
                .map(|error| (error.reason(), error.to_string()))
                .collect(),
        ]
        .concat();
        for (reason, text) in all {
            assert_eq!(reason.row().status, 400, "{text}");
            assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
        }
    }
}
