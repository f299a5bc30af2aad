//! What may be put into a resource: each value checked where it comes in, by the rules of whoever reads it.

use std::str::FromStr;

/// The name of a Kubernetes object (RFC 1123 subdomain, with room for the suffixes of ours).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

/// The name of a Kubernetes namespace (RFC 1123 label).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace(String);

/// `key=value`, as labels select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// With or without a prefix.
    pub(crate) key: String,
    /// May be empty.
    pub(crate) value: String,
}

/// The SHA-256 of an image's manifest, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sha256(String);

/// The address of an image: `oci://HOST[:PORT]/REPOSITORY[:TAG]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageUrl {
    repository: String,
    tag: Option<String>,
}

/// An absolute path to a file, in a form that no reader changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath(String);

/// A user or group name of Kubernetes: any text on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal(String);

/// A SPIFFE identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpiffeId(String);

/// A listener of a Gateway: `PORT`, or `PORT/udp` for HTTP/3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenerPort {
    /// Never 0.
    pub(crate) port: u16,
    /// Whether it is the one of HTTP/3.
    pub(crate) udp: bool,
}

/// Where a center is: `CLUSTER=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CenterAddress {
    /// As in `center.cluster`.
    pub(crate) cluster: String,
    /// A DNS name.
    pub(crate) host: String,
    /// Never 0.
    pub(crate) port: u16,
}

macro_rules! text_of {
    ($($kind:ty),*) => {$(
        impl $kind {
            /// The text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text_of!(Name, Namespace, Sha256, FilePath, Principal, SpiffeId);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // 253 less the longest suffixes, `-direct-peer` and `-regionguard`.
        if text.len() <= 240 && is_subdomain(text) {
            return Ok(Self(text.to_owned()));
        }
        Err("not a name of Kubernetes: lower-case letters, digits, `-` and `.`, a letter or digit at both ends, 240 characters at most".to_owned())
    }
}

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_label(text) {
            return Ok(Self(text.to_owned()));
        }
        Err("not a namespace: lower-case letters, digits and `-`, a letter or digit at both ends, 63 characters at most".to_owned())
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("not a label: write `key=value`")?;
        let (prefix, name) = match key.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key),
        };
        if !prefix.is_none_or(is_subdomain) || !is_label_part(name) || !(value.is_empty() || is_label_part(value)) {
            return Err("not a label: `key=value` of letters, digits, `-`, `_` and `.`, 63 characters at most, the key with a DNS name and `/` in front if at all".to_owned());
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Ok(Self(text.to_owned()));
        }
        Err("not a SHA-256: 64 digits of 0-9 and a-f, without `sha256:`".to_owned())
    }
}

impl Sha256 {
    /// What no image has.
    pub(crate) fn zeros() -> Self {
        Self("0".repeat(64))
    }
}

impl FromStr for ImageUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            "not the address of an image: `oci://HOST[:PORT]/REPOSITORY[:TAG]`, the repository in lower case".to_owned()
        };
        let rest = text.strip_prefix("oci://").ok_or_else(form)?;
        if rest.contains('@') {
            return Err("the digest stands in `--sha256`: leave `@…` away".to_owned());
        }
        let (host, path) = rest.split_once('/').ok_or_else(form)?;
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if !is_authority(host) || !path.split('/').all(is_repository_part) || !tag.is_none_or(is_tag) {
            return Err(form());
        }
        Ok(Self {
            repository: format!("{host}/{path}"),
            tag: tag.map(str::to_owned),
        })
    }
}

impl ImageUrl {
    /// As a WasmPlugin has it.
    pub(crate) fn url(&self) -> String {
        let tag = self.tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
        format!("oci://{}{tag}", self.repository)
    }

    /// As a pod has it, by its digest.
    pub(crate) fn reference(&self, digest: &Sha256) -> String {
        format!("{}@sha256:{}", self.repository, digest.as_str())
    }
}

impl FromStr for FilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+@".contains(c))
        };
        match text.strip_prefix('/') {
            Some(path) if path.split('/').all(is_part) => Ok(Self(text.to_owned())),
            _ => Err("not an absolute path of letters, digits and `._-+@`".to_owned()),
        }
    }
}

impl FilePath {
    /// The folder in which the file is.
    pub(crate) fn folder(&self) -> &str {
        match self.0.rsplit_once('/') {
            Some((folder, _)) if !folder.is_empty() => folder,
            _ => "/",
        }
    }
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 1_024 || text.chars().any(char::is_control) {
            return Err("not the name of a user or group: 1 to 1024 bytes on one line".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for SpiffeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "not a SPIFFE identity: `spiffe://TRUST-DOMAIN/PATH`";
        let (domain, path) = text
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(form)?;
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let is_domain = !domain.is_empty()
            && domain
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
        if text.len() > 2_048 || !is_domain || !path.split('/').all(is_part) {
            return Err(form.to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ListenerPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, udp) = match text.strip_suffix("/udp") {
            Some(port) => (port, true),
            None => (text, false),
        };
        // `parse` alone would take `+80`.
        match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(Self { port: number, udp }),
            _ => Err("not a listener: a port from 1 to 65535, with `/udp` behind it for HTTP/3".to_owned()),
        }
    }
}

impl std::fmt::Display for ListenerPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.port, if self.udp { "/udp" } else { "" })
    }
}

impl FromStr for CenterAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "not the address of a center: `CLUSTER=HOST:PORT`";
        let (cluster, address) = text.rsplit_once('=').ok_or(form)?;
        let (host, port) = address.rsplit_once(':').ok_or(form)?;
        let port: u16 = port.parse().map_err(|_| form)?;
        if cluster.is_empty() || cluster.chars().any(char::is_control) || !is_subdomain(host) || port == 0 {
            return Err(form.to_owned());
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

/// A lower-case DNS name (RFC 1123), 253 characters at most.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// What a host's certificate shows, and whether a client names it in its first message: an address is no name (RFC 6066 §3, RFC 5280 §4.2.1.6).
pub(crate) fn tls_name(host: &str) -> (&'static str, bool) {
    match host.parse::<std::net::IpAddr>() {
        Ok(_) => ("IP_ADDRESS", false),
        Err(_) => ("DNS", true),
    }
}

fn is_label(text: &str) -> bool {
    let is_edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|&c| is_edge(c) || c == b'-')
        && bytes.first().is_some_and(|&c| is_edge(c))
        && bytes.last().is_some_and(|&c| is_edge(c))
}

fn is_label_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|&c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// `HOST` or `HOST:PORT`.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    is_subdomain(host) && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A part of a repository's name, as the OCI distribution specification has it.
fn is_repository_part(text: &str) -> bool {
    let is_edge = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|c| is_edge(c) || b"._-".contains(c))
        && bytes.first().is_some_and(is_edge)
        && bytes.last().is_some_and(is_edge)
}

fn is_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.iter().all(|&c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
        && bytes.first().is_some_and(|&c| c.is_ascii_alphanumeric() || c == b'_')
}
