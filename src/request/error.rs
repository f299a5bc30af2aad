//! Every way in which a request is refused before anything is decided: all of them are answered 400.
//!
//! Each refusal has a reason code that never changes once published, and a text for logs. Neither repeats what the client sent, so both
//! may be logged, and used in the name of a metric.

use std::fmt;

/// Declares one family of refusals: the enum, its reason codes, its texts, and the list of all of them for the reference.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident, $family:ident { $($variant:ident => $code:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $code, "`: ", $text, ".")]
                $variant,
            )+
        }

        impl $name {
            /// Every refusal of this family, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason code, as it stands in the decision line and in the reference of reason codes.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
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

        impl From<$name> for RequestError {
            fn from(error: $name) -> Self {
                Self::$family(error)
            }
        }
    };
}

/// Why a request has no single meaning: one of the four families, in the order in which a request meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestError {
    /// The block of headers that the host handed in cannot be read.
    Headers(HeadersError),
    /// A part that each request has exactly once is missing, repeated or malformed.
    Head(HeadError),
    /// The authority names no single host.
    Authority(AuthorityError),
    /// The path names no single resource.
    Path(PathError),
}

impl RequestError {
    /// The reason code, as it stands in the decision line and in the reference of reason codes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Headers(error) => error.code(),
            Self::Head(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Path(error) => error.code(),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Authority(error) => error.fmt(f),
            Self::Path(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

refusals! {
    /// Why a block of serialized headers cannot be read.
    HeadersError, Headers {
        Broken => "request.headers_broken", "the lengths in the block of headers do not fit the block";
        TooMany => "request.headers_too_many", "there are more than 1024 header lines";
        TooLarge => "request.headers_too_large", "the headers are larger than 1 MiB";
    }
}

refusals! {
    /// Why the headers do not make up one request (RFC 9110, RFC 9113 section 8.3).
    HeadError, Head {
        MethodMissing => "request.method_missing", "there is no method";
        MethodRepeated => "request.method_repeated", "there is more than one method";
        MethodInvalid => "request.method_invalid", "the method is not a token of upper-case letters, digits and punctuation, 64 characters at most";
        PathMissing => "request.path_missing", "there is no path";
        PathRepeated => "request.path_repeated", "there is more than one path";
        AuthorityMissing => "request.authority_missing", "there is neither an authority nor a Host header";
        AuthorityRepeated => "request.authority_repeated", "there is more than one authority or Host header, or they differ";
        SchemeMissing => "request.scheme_missing", "there is no scheme";
        SchemeRepeated => "request.scheme_repeated", "there is more than one scheme";
        SchemeInvalid => "request.scheme_invalid", "the scheme is neither http nor https";
        PseudoHeader => "request.pseudo_header", "there is a pseudo-header that no request has, or one twice";
    }
}

refusals! {
    /// Why an authority names no single host (RFC 3986 section 3.2, RFC 9110 section 7.2).
    AuthorityError, Authority {
        Empty => "request.authority_empty", "the authority is empty";
        UserInformation => "request.authority_user_information", "the authority holds user information";
        Joined => "request.authority_joined", "the authority holds several hosts, joined by a comma";
        InvalidCharacter => "request.authority_character", "the authority holds a character that no host name has";
        InvalidName => "request.authority_name", "the host is not a name of labels of 1 to 63 characters, 253 in all";
        InvalidIpv4 => "request.authority_ipv4", "the host ends in a number and is not an IPv4 address of four decimal parts";
        InvalidIpv6 => "request.authority_ipv6", "the host is not an IPv6 address in brackets";
        InvalidPort => "request.authority_port", "the port is not a number from 1 to 65535 without leading zeros";
    }
}

refusals! {
    /// Why a path names no single resource.
    PathError, Path {
        Empty => "request.path_empty", "the path is empty";
        NotAbsolute => "request.path_not_absolute", "the path does not begin with a slash";
        TooLong => "request.path_too_long", "the path is longer than 8192 bytes";
        TooManySegments => "request.path_too_many_segments", "the path has more than 256 segments";
        Control => "request.path_control", "the path holds a control character";
        Space => "request.path_space", "the path holds a space";
        NotAscii => "request.path_not_ascii", "the path holds a byte outside of ASCII that is not percent-encoded";
        Fragment => "request.path_fragment", "the path holds a fragment";
        Backslash => "request.path_backslash", "the path holds a backslash";
        EncodedSlash => "request.path_encoded_slash", "the path holds an encoded slash";
        EncodedBackslash => "request.path_encoded_backslash", "the path holds an encoded backslash";
        EncodedControl => "request.path_encoded_control", "the path holds an encoded control character";
        InvalidEncoding => "request.path_invalid_encoding", "the path holds a percent sign without two hex digits behind it";
        UnicodeEscape => "request.path_unicode_escape", "the path holds an escape of the form `%u`, or the encoding of one";
        DoubleEncoding => "request.path_double_encoding", "the path holds an encoded percent sign before two hex digits";
        InvalidUtf8 => "request.path_invalid_utf8", "the path is not UTF-8 once it is decoded";
        EmptySegment => "request.path_empty_segment", "the path holds an empty segment";
        Parameter => "request.path_parameter", "the path holds a parameter behind a semicolon";
        AboveRoot => "request.path_above_root", "the path leads above its root";
        AmbiguousDots => "request.path_ambiguous_dots", "servers disagree on where the dot segments of the path lead";
        NotCanonical => "request.path_not_canonical", "the path is not in its canonical form, which strict paths demand";
        Query => "request.query_invalid", "the query holds a control character, a space, a `#` or a byte outside of ASCII";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_words_below_request() {
        let codes: Vec<&str> = [
            HeadersError::ALL.iter().map(|error| error.code()).collect::<Vec<_>>(),
            HeadError::ALL.iter().map(|error| error.code()).collect(),
            AuthorityError::ALL.iter().map(|error| error.code()).collect(),
            PathError::ALL.iter().map(|error| error.code()).collect(),
        ]
        .concat();
        let distinct: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(distinct.len(), codes.len());
        for code in codes {
            let name = code.strip_prefix("request.").expect("below `request.`");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{code}"
            );
        }
    }

    #[test]
    fn texts_start_low_and_end_open() {
        let texts = [
            HeadersError::ALL.iter().map(ToString::to_string).collect::<Vec<_>>(),
            HeadError::ALL.iter().map(ToString::to_string).collect(),
            AuthorityError::ALL.iter().map(ToString::to_string).collect(),
            PathError::ALL.iter().map(ToString::to_string).collect(),
        ]
        .concat();
        for text in texts {
            assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn the_umbrella_passes_code_and_text_on() {
        let error = RequestError::from(PathError::AboveRoot);
        assert_eq!(error.code(), "request.path_above_root");
        assert_eq!(error.to_string(), PathError::AboveRoot.to_string());
    }
}
