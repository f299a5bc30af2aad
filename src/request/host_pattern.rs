//! The hosts that a policy or the operator names: one host, or all hosts below a name.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Authority, AuthorityError};

/// A host that a policy names: `api.x.com`, `*.x.com` (one or more labels before it, never `x.com` itself), each with a port or, for
/// every port, without one.
///
/// A port is compared with the one that is asked, named or implied by the scheme. Over HTTP/2 both come from the client: a port narrows what
/// a rule is about, it is no boundary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    wildcard: bool,
    /// The name; with a wildcard, its dot before it.
    host: Box<str>,
    port: Option<u16>,
}

/// Which hosts a pattern matches, for an index over many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostMatch<'a> {
    /// The host that is equal to this one.
    Exact(&'a str),
    /// Each longer host that ends in this suffix, which begins with a dot.
    Suffix(&'a str),
}

impl HostPattern {
    /// Reads a pattern; letter case, a trailing dot and the form of an IPv6 address do not count.
    ///
    /// # Errors
    /// Anything else, with what would be right.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if let Some(name) = text.strip_prefix("*.") {
            let authority = parse_authority(text, name)?;
            if is_address(&authority) {
                return Err(HostPatternError::WildcardAddress { text: text.into() });
            }
            let host = format!(".{}", authority.host()).into();
            return Ok(Self {
                wildcard: true,
                host,
                port: authority.port(),
            });
        }
        let authority = parse_authority(text, text)?;
        Ok(Self {
            wildcard: false,
            host: authority.host().into(),
            port: authority.port(),
        })
    }

    /// Whether this authority is one of those that are meant.
    #[must_use]
    pub fn matches(&self, authority: &Authority<'_>) -> bool {
        let host = authority.host();
        let matches_host = match self.host() {
            HostMatch::Exact(exact) => host == exact,
            HostMatch::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        };
        matches_host && self.port.is_none_or(|port| authority.effective_port() == Some(port))
    }

    /// Which hosts are meant.
    #[must_use]
    pub fn host(&self) -> HostMatch<'_> {
        if self.wildcard {
            HostMatch::Suffix(&self.host)
        } else {
            HostMatch::Exact(&self.host)
        }
    }

    /// Which port is meant; `None` is every port. To be compared with [`Authority::effective_port`].
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.wildcard { "*" } else { "" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What is wrong with a host pattern, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPatternError {
    /// `*` alone, which would restrict nothing.
    Everything {
        /// What the author wrote.
        text: String,
    },
    /// An asterisk that is not the whole first label.
    Wildcard {
        /// What the author wrote.
        text: String,
        /// A pattern that is probably meant.
        meant: String,
    },
    /// A wildcard before an address.
    WildcardAddress {
        /// What the author wrote.
        text: String,
    },
    /// A URL or something with a path.
    NotHostAlone {
        /// What the author wrote.
        text: String,
        /// The authority in it.
        meant: String,
    },
    /// A wildcard in place of the port.
    WildcardPort {
        /// What the author wrote.
        text: String,
        /// The pattern without it.
        meant: String,
    },
    /// A leading dot, as cookies have it.
    LeadingDot {
        /// What the author wrote.
        text: String,
    },
    /// An IPv6 address without its brackets.
    Unbracketed {
        /// What the author wrote.
        text: String,
    },
    /// Letters outside of ASCII.
    NotAscii {
        /// What the author wrote.
        text: String,
    },
    /// Anything that no request could ask either.
    Authority {
        /// What the author wrote.
        text: String,
        /// Why no request could ask it.
        reason: AuthorityError,
    },
}

impl HostPatternError {
    /// A word for the kind of mistake, which never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Everything { .. } => "host_everything",
            Self::Wildcard { .. } => "host_wildcard",
            Self::WildcardAddress { .. } => "host_wildcard_address",
            Self::NotHostAlone { .. } => "host_not_alone",
            Self::WildcardPort { .. } => "host_wildcard_port",
            Self::LeadingDot { .. } => "host_leading_dot",
            Self::Unbracketed { .. } => "host_unbracketed",
            Self::NotAscii { .. } => "host_not_ascii",
            Self::Authority { .. } => "host_invalid",
        }
    }
}

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything { text } => write!(f, "`{text}` matches every host; leave the field out for that"),
            Self::Wildcard { text, meant } => {
                write!(f, "`{text}`: `*` stands for whole labels at the start, as in `{meant}`")
            }
            Self::WildcardAddress { text } => write!(f, "`{text}`: `*` stands before a name, not before an address"),
            Self::NotHostAlone { text, meant } => write!(f, "`{text}` is more than a host; write `{meant}`"),
            Self::WildcardPort { text, meant } => {
                write!(f, "`{text}`: without a port every port matches; write `{meant}`")
            }
            Self::LeadingDot { text } => {
                write!(f, "`{text}` begins with a dot; write `*{text}` for all hosts below it")
            }
            Self::Unbracketed { text } => write!(f, "`{text}` is an IPv6 address without brackets; write `[{text}]`"),
            Self::NotAscii { text } => write!(
                f,
                "`{text}` is not ASCII; write the form that clients send, which begins with `xn--`"
            ),
            Self::Authority { text, reason } => write!(f, "`{text}` is not a host: {reason}"),
        }
    }
}

impl std::error::Error for HostPatternError {}

/// Reads `name`, which is `text` without its wildcard. Where that fails, looks for the mistake that was probably made.
fn parse_authority<'a>(text: &'a str, name: &'a str) -> Result<Authority<'a>, HostPatternError> {
    Authority::parse(name.as_bytes(), None).map_err(|reason| diagnose(text, reason))
}

fn diagnose(text: &str, reason: AuthorityError) -> HostPatternError {
    let owned = text.to_owned();
    let without_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = without_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    if text == "*" || text == "*.*" {
        HostPatternError::Everything { text: owned }
    } else if host != text && !host.is_empty() {
        HostPatternError::NotHostAlone {
            text: owned,
            meant: host.to_owned(),
        }
    } else if let Some(host) = text.strip_suffix(":*").filter(|host| !host.is_empty() && *host != "*") {
        HostPatternError::WildcardPort {
            text: owned,
            meant: host.to_owned(),
        }
    } else if text.contains('*') {
        HostPatternError::Wildcard {
            text: owned,
            meant: meant_wildcard(text),
        }
    } else if text.starts_with('.') && Authority::parse(text.trim_start_matches('.').as_bytes(), None).is_ok() {
        HostPatternError::LeadingDot { text: owned }
    } else if text.parse::<Ipv6Addr>().is_ok() {
        HostPatternError::Unbracketed { text: owned }
    } else if !text.is_ascii() {
        HostPatternError::NotAscii { text: owned }
    } else {
        HostPatternError::Authority { text: owned, reason }
    }
}

/// `*.` and what stands behind the last asterisk, if a name does.
fn meant_wildcard(text: &str) -> String {
    let rest = text
        .rsplit('*')
        .next()
        .unwrap_or_default()
        .trim_start_matches(['.', '-']);
    match Authority::parse(rest.as_bytes(), None) {
        Ok(name) if !is_address(&name) => format!("*.{name}"),
        _ => "*.example.com".to_owned(),
    }
}

fn is_address(authority: &Authority<'_>) -> bool {
    authority.host().starts_with('[') || authority.host().parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests;
