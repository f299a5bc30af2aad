//! What a rule is about beside host, method and path, and where a policy stands.

use crate::identity::SpiffePattern;
use crate::request::{PathTemplate, Upgrade};

/// What a rule looks at in the request itself; the default restricts nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct About {
    /// `headers`: all of them fit.
    pub headers: Vec<Matcher>,
    /// `query`: all of them fit.
    pub query: Vec<Matcher>,
    /// `grpc`: only gRPC is meant. Its services and methods are in the rule's paths.
    pub grpc: bool,
    /// `upgrades`: only these are meant; `None`: the rule says nothing of them.
    pub upgrades: Option<Vec<Upgrade>>,
    /// `streams: untilClosed`: what these open stays open until one of its ends closes it.
    pub until_closed: bool,
}

/// One entry of `headers` or `query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// Of the header, in lower case, or of the parameter.
    pub name: String,
    /// What is said of its value.
    pub test: ValueTest,
}

/// What an entry of `headers` or `query` says of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueTest {
    /// `exact`, `in`: it is one of these.
    In(Vec<String>),
    /// `prefix`: it begins so.
    Prefix(String),
    /// `suffix`: it ends so.
    Suffix(String),
    /// `present: true`: there is one.
    Present,
    /// `absent: true`: there is none.
    Absent,
}

impl ValueTest {
    /// Whether one value fits; none ever fits [`Absent`](Self::Absent).
    #[must_use]
    pub fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::In(all) => all.iter().any(|one| one.as_bytes() == value),
            Self::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => value.ends_with(suffix.as_bytes()),
            Self::Present => true,
            Self::Absent => false,
        }
    }

    /// Whether it names a text with this byte in it.
    #[must_use]
    pub fn mentions(&self, byte: u8) -> bool {
        let has = |text: &String| text.as_bytes().contains(&byte);
        match self {
            Self::In(all) => all.iter().any(has),
            Self::Prefix(text) | Self::Suffix(text) => has(text),
            Self::Present | Self::Absent => false,
        }
    }
}

/// `selector`, but for its hosts; `None` restricts nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Place {
    /// `localRegions`: names of Regions of the bundle.
    pub regions: Option<Vec<String>>,
    /// `workloads`: whom the proxy serves.
    pub workloads: Option<Vec<ServedPattern>>,
}

/// The workloads that a selector names: by their whole SPIFFE ids, or by namespace and service account alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedPattern {
    /// The pattern; where no trust domain counts, one of the trust domain [`ANY_DOMAIN`](Self::ANY_DOMAIN).
    pub pattern: SpiffePattern,
    /// `ns/…`: whatever the trust domain.
    pub any_domain: bool,
}

impl ServedPattern {
    /// What stands for a trust domain that does not count.
    pub const ANY_DOMAIN: &'static str = "any";
}

/// What a policy lets in without a token beside its public rules.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Openings {
    /// `preflight: allow`.
    pub preflight: bool,
    /// `probes`.
    pub probes: Vec<Probe>,
}

/// One of `probes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Literal segments alone.
    pub path: PathTemplate,
    /// The port that the connection was made to.
    pub port: u16,
}
