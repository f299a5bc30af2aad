//! The authority of a request: which host it asks, and on which port (RFC 3986 section 3.2, RFC 9110 section 7.2).

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::AuthorityError;

/// Longest host name (RFC 1035 section 2.3.4), in bytes, without the trailing dot.
const MAX_NAME: usize = 253;
/// Longest label of a host name.
const MAX_LABEL: usize = 63;

/// The scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Reads a scheme, whose letter case does not count (RFC 3986 section 3.1).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.eq_ignore_ascii_case(b"https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case(b"http") {
            Some(Self::Http)
        } else {
            None
        }
    }

    /// The port of an authority that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host and a port in canonical form: two authorities that mean the same are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    host: Cow<'a, str>,
    port: Option<u16>,
    default_port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads an authority as received; it allocates only where it has to change a letter of it.
    ///
    /// The host becomes lower case and loses one trailing dot; an IPv6 address takes the form of RFC 5952; the default port of the scheme
    /// goes. Refused is all that resolvers and servers read differently: short, octal and hexadecimal IPv4 forms, zone ids,
    /// percent-encodings, ports that are empty, zero or padded.
    ///
    /// # Errors
    /// Anything but one host, with or without one port.
    pub fn parse(text: &'a [u8], scheme: Option<Scheme>) -> Result<Self, AuthorityError> {
        let text = check_characters(text)?;
        let (host, port) = if text.starts_with('[') {
            let (address, port) = text.split_once(']').ok_or(AuthorityError::InvalidIpv6)?;
            (Cow::Owned(parse_ipv6(address)?), parse_port(port)?)
        } else {
            let colon = text.bytes().position(|byte| byte == b':');
            let (name, port) = colon.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
            let port = parse_port(port)?;
            (parse_name(name)?, port)
        };
        let default_port = scheme.map(Scheme::default_port);
        let port = port.filter(|port| Some(*port) != default_port);
        Ok(Self {
            host,
            port,
            default_port,
        })
    }

    /// The host: a name in lower case without a trailing dot, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, unless it is the default one of the scheme.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port that is asked: the one that is named, or else the default one of the scheme. `None` only without a scheme.
    #[must_use]
    pub fn effective_port(&self) -> Option<u16> {
        self.port.or(self.default_port)
    }

    /// The same authority, independent of the bytes that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Authority<'static> {
        Authority {
            host: Cow::Owned(self.host.into_owned()),
            port: self.port,
            default_port: self.default_port,
        }
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether an authority names its host with a trailing dot (RFC 1034 §3.1). It is the same host; a proxy that routes by host, or a server behind it, may not
/// think so.
#[must_use]
pub fn has_trailing_dot(authority: &[u8]) -> bool {
    let end = authority.iter().position(|byte| *byte == b':');
    let name = end.map_or(Some(authority), |end| authority.get(..end));
    name.is_some_and(|name| name.ends_with(b"."))
}

fn check_characters(text: &[u8]) -> Result<&str, AuthorityError> {
    if text.is_empty() {
        return Err(AuthorityError::Empty);
    }
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'[' | b']' => {}
            b'@' => return Err(AuthorityError::UserInformation),
            // Envoy joins two Host headers so.
            b',' => return Err(AuthorityError::Joined),
            _ => return Err(AuthorityError::InvalidCharacter),
        }
    }
    std::str::from_utf8(text).map_err(|_| AuthorityError::InvalidCharacter)
}

fn parse_ipv6(address: &str) -> Result<String, AuthorityError> {
    let address = address.strip_prefix('[').ok_or(AuthorityError::InvalidIpv6)?;
    let address: Ipv6Addr = address.parse().map_err(|_| AuthorityError::InvalidIpv6)?;
    Ok(format!("[{address}]"))
}

fn parse_name(name: &str) -> Result<Cow<'_, str>, AuthorityError> {
    if name.is_empty() {
        return Err(AuthorityError::Empty);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_NAME || !name.as_bytes().split(|byte| *byte == b'.').all(is_label) {
        return Err(AuthorityError::InvalidName);
    }
    // `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some and names to others (WHATWG URL, "ends in a number").
    if ends_in_number(name) && name.parse::<Ipv4Addr>().is_err() {
        return Err(AuthorityError::InvalidIpv4);
    }
    Ok(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

fn is_label(label: &[u8]) -> bool {
    (1..=MAX_LABEL).contains(&label.len()) && !label.iter().any(|byte| matches!(byte, b'[' | b']'))
}

fn ends_in_number(name: &str) -> bool {
    let last = name.as_bytes().rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    match last {
        [b'0', b'x' | b'X', hex @ ..] => hex.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// Reads what stands behind the host: nothing, or a colon and a port.
fn parse_port(text: &str) -> Result<Option<u16>, AuthorityError> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix(':').ok_or(AuthorityError::InvalidPort)?;
    // A sign, which `parse` would take, and leading zeros: one port, one spelling.
    if !digits.starts_with(|first: char| matches!(first, '1'..='9')) {
        return Err(AuthorityError::InvalidPort);
    }
    digits.parse().map(Some).map_err(|_| AuthorityError::InvalidPort)
}

#[cfg(test)]
mod tests;
