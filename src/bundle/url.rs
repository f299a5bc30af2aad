//! An http(s) URL of one meaning: what an issuer is named by, and what its configuration leads to.

use crate::request::{Authority, Scheme};

/// The longest URL that is read, in bytes.
const MAX: usize = 2048;

/// An absolute http(s) URL without user information and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url<'u> {
    /// Host and port, in canonical form: without the scheme's default port.
    pub authority: Authority<'static>,
    /// Path and query as they are written; empty where there are none.
    pub path: &'u str,
}

impl<'u> Url<'u> {
    /// Reads `text`; `None` where it is anything else, or holds a character that no URL has.
    #[must_use]
    pub fn parse(text: &'u str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = Scheme::parse(scheme.as_bytes())?;
        let has_odd = text
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>'));
        if text.len() > MAX || has_odd {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        if path.starts_with('?') {
            return None;
        }
        let authority = Authority::parse(authority.as_bytes(), Some(scheme)).ok()?.into_owned();
        Some(Self { authority, path })
    }

    /// Whether this URL's host is the one that `authority` names, as it is written in a document: without a scheme, so that either default port may stand there.
    #[must_use]
    pub fn is_at(&self, authority: &str) -> bool {
        [None, Some(Scheme::Http), Some(Scheme::Https)]
            .into_iter()
            .filter_map(|scheme| Authority::parse(authority.as_bytes(), scheme).ok())
            .any(|named| named.host() == self.authority.host() && named.port() == self.authority.port())
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn host_and_path_are_told_apart() {
        for (text, authority, path) in [
            ("https://id.example.com/a/b?c=d", "id.example.com", "/a/b?c=d"),
            ("HTTPS://ID.example.com:443", "id.example.com", ""),
            ("http://id.example.com:80/", "id.example.com", "/"),
            ("https://id.example.com:80/", "id.example.com:80", "/"),
            ("http://[::1]:8080/jwks", "[::1]:8080", "/jwks"),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!(
                (url.authority.to_string().as_str(), url.path),
                (authority, path),
                "{text}"
            );
        }
    }

    #[test]
    fn what_has_another_meaning_is_none() {
        let long = format!("https://id.example.com/{}", "a".repeat(2048));
        for text in [
            "id.example.com",
            "//id.example.com/",
            "ftp://id.example.com/",
            "https://",
            "https:///a",
            "https://user@id.example.com/",
            "https://id.example.com:0/",
            "https://id.example.com/#a",
            "https://id.example.com\\@evil.com/",
            "https://id.example.com /",
            "https://id.example.com/\u{e9}",
            "https://id.example.com?a",
            "https://127.1/",
            " https://id.example.com/",
            "",
            &long,
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_compared_without_its_default_port() {
        let url = Url::parse("https://id.example.com/jwks").expect("a URL");
        assert!(url.is_at("id.example.com") && url.is_at("ID.example.com:443"));
        assert!(
            !url.is_at("example.com") && !url.is_at("id.example.com:8443") && !url.is_at("id.example.com.evil.com")
        );
        let url = Url::parse("http://id.example.com:8080/jwks").expect("a URL");
        assert!(url.is_at("id.example.com:8080") && !url.is_at("id.example.com"));
    }
}
