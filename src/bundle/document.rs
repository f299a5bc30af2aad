//! The documents as plain, parsed data: what has a form was parsed into it, what has a limit is within it.
//!
//! Nothing here refers to anything else by index: names are still names. [`Generation`](super::Generation) is what a worker serves from.

mod about;
mod effect;
mod exception;
mod login;

use core::fmt::Write as _;
use core::time::Duration;
use std::sync::Arc;

use ipnet::IpNet;

use crate::bundle::Url;
use crate::context::{Calendar, Country, MaintenanceWindow, Span};
use crate::device::{Check, DeviceIssuer};
use crate::identity::{Algorithm, ClaimMapping, DpopOptions, KeyRing, SpiffePattern, TokenSources, Window};
use crate::policy::When;
use crate::request::{HostPattern, PathOptions, PathTemplate, canonicalise};

pub use about::{About, Matcher, Openings, Place, Probe, ServedPattern, ValueTest};
pub use effect::{Defer, Effect, Refusal, WhenAway};
pub use exception::{Override, OverrideMode, Standing as OverrideStanding};
pub use login::{MultiFactor, StepUp};

/// Everything that is pushed: checked, compiled and put in force as one.
#[derive(Debug)]
pub struct Bundle {
    /// The local region's name; `None`: the node's locality tells it at activation.
    pub region: Option<String>,
    /// `metadata.name`: versions of one name replace each other.
    pub name: String,
    /// `metadata.version`.
    pub version: u64,
    /// The operator's static facts about where the filter stands.
    pub trust: Trust,
    /// Where tokens are looked for.
    pub tokens: TokenSources,
    /// `tokens.refreshBefore`: how long before its end a token is to be refreshed; `None`: nobody is told.
    pub refresh_before: Option<Duration>,
    /// `tokens.dpop`: what is demanded of proofs, and that callers are told of them; `None`: the usual, and they are not.
    pub dpop: Option<DpopOptions>,
    /// The Regions, sorted by name.
    pub regions: Vec<Region>,
    /// The policies, sorted by name.
    pub policies: Vec<Policy>,
    /// The lists of what is revoked, sorted by name.
    pub revocations: Vec<Revocations>,
    /// The Grants documents, sorted by name.
    pub grants: Vec<Grants>,
    /// The DeviceIssuer documents, sorted by name.
    pub device_issuers: Vec<DeviceIssuer>,
    /// The policies that would stand in place of `policies`.
    pub candidate: Option<Candidate>,
    /// `override`: what holds for a time, whatever the policies say.
    pub over: Option<Override>,
}

/// `candidate`: what is compared with what is in force.
#[derive(Debug)]
pub struct Candidate {
    /// Sorted by name.
    pub policies: Vec<Policy>,
    /// Of how many requests in [`Candidate::ALL`].
    pub sample: u32,
}

impl Candidate {
    /// The `sample` by which every request is compared.
    pub const ALL: u32 = 10_000;
}

/// `trust`: the operator's part of a bundle.
#[derive(Debug, Default)]
pub struct Trust {
    /// Authorities that are served here; `None`: any.
    pub hosts: Option<Vec<HostPattern>>,
    /// How paths are read.
    pub paths: PathOptions,
    /// `peerVerification: required`: the listener validates client certificates. Else no peer has an identity.
    pub peer_verification: bool,
    /// `direction: any`: requests are served in a sidecar's outbound listener, too.
    pub any_direction: bool,
    /// Proxies in front, of whose headers some count; of several that a peer may be, the first.
    pub edges: Vec<Edge>,
}

/// An entry of `trust.edges`: what tells it, and what of its word counts.
#[derive(Debug)]
pub struct Edge {
    /// It connects from one of these…
    pub networks: Vec<IpNet>,
    /// … or its own certificate names one of these.
    pub workloads: Vec<SpiffePattern>,
    /// Where it says from which address its caller came; `None`: nowhere.
    pub address: Option<AddressHeader>,
    /// The header in which it says which certificate its caller has shown, in lower case; `None`: nowhere.
    pub certificate: Option<String>,
    /// The header in which it says from which Region its caller comes, in lower case; `None`: nowhere.
    pub region: Option<String>,
    /// The header in which it says from which country its caller comes, in lower case; `None`: nowhere.
    pub country: Option<String>,
}

impl Edge {
    /// The headers in which it says a place.
    pub fn place_headers(&self) -> impl Iterator<Item = &str> {
        [&self.region, &self.country].into_iter().flatten().map(String::as_str)
    }
}

/// `addressHeader` and `hops`.
#[derive(Debug)]
pub struct AddressHeader {
    /// The header's name, in lower case.
    pub name: String,
    /// Which of its entries counts, from the right; 1 is the last.
    pub hops: usize,
}

/// A Region document.
#[derive(Debug)]
pub struct Region {
    /// `metadata.name`.
    pub name: String,
    /// Compared with `iss` as it is.
    pub issuer: String,
    /// Of which `aud` must hold one, where this Region is the local one.
    pub audiences: Vec<String>,
    /// The SPIFFE trust domains whose workloads are at home here; no other Region has them.
    pub trust_domains: Vec<String>,
    /// What verifies its tokens.
    pub keys: Keys,
    /// What its issuer publishes of tokens that are not to be used any more.
    pub revocation: Option<RegionRevocation>,
    /// Where the token holds region, permissions and roles.
    pub claims: ClaimMapping,
    /// Whose tokens count here, beside its own.
    pub accepts: Vec<Acceptance>,
    /// The region's policy decision point.
    pub center: Option<Center>,
    /// The region's copy of the identity store.
    pub replica: Option<Replica>,
    /// The networks from which requests of this region come.
    pub networks: Vec<IpNet>,
    /// The country in which it lies, and from which requests of this region come.
    pub country: Option<Country>,
    /// `businessHours` in `timezone`; `None` where either is absent.
    pub calendar: Option<Calendar>,
    /// The longest time from `iat` to `exp`; a token without `iat` is refused then.
    pub max_token_lifetime: Option<Duration>,
}

/// `keys`: what verifies a Region's tokens.
#[derive(Debug)]
pub struct Keys {
    /// The allow list; `None`: what fits each key.
    pub algorithms: Option<Vec<Algorithm>>,
    /// Where the keys are.
    pub source: KeySource,
}

/// Where a Region's keys are.
#[derive(Debug)]
pub enum KeySource {
    /// `jwks`: in the bundle, each bound to the algorithms that it may verify.
    Inline(Arc<KeyRing>),
    /// `remote`: at a JWKS endpoint.
    Remote(Remote),
    /// `discovery`: where the issuer's own configuration says.
    Discovery(Discovery),
}

impl core::convert::From<KeyRing> for Keys {
    fn from(ring: KeyRing) -> Self {
        Self {
            algorithms: None,
            source: KeySource::Inline(Arc::new(ring)),
        }
    }
}

/// How an issuer's configuration (OpenID Connect Discovery 1.0, RFC 8414) leads to its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The configuration itself.
    pub document: Remote,
    /// Where its `jwks_uri` may lead beside the configuration's own authority.
    pub jwks: Option<Host>,
}

/// A host that is asked: which of its documents is said elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The host's cluster.
    pub cluster: String,
    /// `:authority` of the call.
    pub authority: String,
}

/// Something that is fetched on a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where.
    pub address: Address,
    /// When.
    pub schedule: Schedule,
}

/// Where something is asked over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host's cluster.
    pub cluster: String,
    /// `:authority` of the call.
    pub authority: String,
    /// `:path` of the call.
    pub path: String,
}

/// When something is fetched, and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The time from a good answer to the next call, at most.
    pub refresh: Duration,
    /// How long the last good answer serves while no other comes.
    pub stale_for: Duration,
    /// The deadline of one call.
    pub timeout: Duration,
    /// How long a request waits for what was not fetched yet.
    pub wait_for: Duration,
}

/// An entry of `accepts`.
#[derive(Debug)]
pub struct Acceptance {
    /// The home region whose tokens count here.
    pub home: String,
    /// The permissions that are kept.
    pub permissions: Vec<Wildcard>,
    /// The roles that are kept.
    pub roles: Vec<Wildcard>,
    /// The workloads of the home region's trust domains that count here.
    pub workloads: Vec<SpiffePattern>,
}

/// A word, or the beginning of one: `read:profile`, `read:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wildcard {
    /// The word itself.
    Exact(String),
    /// What begins so; empty for `*`.
    Prefix(String),
}

impl Wildcard {
    /// `text`, where a `*` at the end stands for any rest.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether `word` is meant.
    #[must_use]
    pub fn matches(&self, word: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == word,
            Self::Prefix(prefix) => word.starts_with(prefix.as_str()),
        }
    }
}

/// `center`: how the region's policy decision point is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Center {
    /// The host's cluster.
    pub cluster: String,
    /// `:authority` of the call.
    pub authority: String,
    /// `:path` of the call.
    pub path: String,
    /// The deadline of one call.
    pub timeout: Duration,
}

impl Center {
    /// What tells it from another one.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}\0{}\0{}", self.cluster, self.authority, self.path)
    }
}

/// `identity`: where a Region's subjects are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The host's cluster.
    pub cluster: String,
    /// `:authority` of the call.
    pub authority: String,
    /// `:path` of the call, before and behind the subject.
    pub path: (String, String),
    /// How long what is told is kept.
    pub ttl: Duration,
    /// The deadline of one call.
    pub timeout: Duration,
}

impl Replica {
    /// The longest path that is asked for, in bytes.
    const PATH_MAX: usize = 4_096;

    /// What tells it from another one.
    #[must_use]
    pub fn identity(&self) -> String {
        let (before, behind) = &self.path;
        format!("{}\0{}\0{before}\0{behind}", self.cluster, self.authority)
    }

    /// The path of a subject, which is one segment of it whatever it holds. `None`: no server could be asked for it, since it stands for another segment, or is too long.
    #[must_use]
    pub fn path(&self, subject: &str) -> Option<String> {
        if matches!(subject, "" | "." | "..") {
            return None;
        }
        let (before, behind) = &self.path;
        let mut path = before.clone();
        for byte in subject.bytes() {
            // Unreserved characters (RFC 3986 §2.3).
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
            if path.len() > Self::PATH_MAX {
                return None;
            }
        }
        path.push_str(behind);
        Some(path)
    }
}

/// A Grants document: who may what for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Grants {
    /// `metadata.name`.
    pub name: String,
    /// In the document's order.
    pub grants: Vec<Grant>,
}

/// One of `grants`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// `subject.home`: the name of a Region.
    pub home: String,
    /// `subject.issuer`.
    pub issuer: String,
    /// `subject.sub`.
    pub subject: String,
    /// What it gives.
    pub permissions: Vec<String>,
    /// From `notBefore` until `expires`.
    pub window: Window,
    /// `approvedBy`.
    pub approved_by: String,
    /// `reason`.
    pub reason: String,
}

/// A ZeroTrustPolicy document.
#[derive(Debug)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// `selector.hosts`: what it governs; `None`: everything.
    pub hosts: Option<Vec<HostPattern>>,
    /// The rest of `selector`: where it stands.
    pub place: Place,
    /// What it lets in without a token beside its public rules.
    pub openings: Openings,
    /// `mode: shadow`: it is judged beside what is enforced, and changes nothing.
    pub shadow: bool,
    /// `default: allow`.
    pub default_allow: bool,
    /// What the upstream gets of those whom this policy governs.
    pub forward: Option<Forward>,
    /// What every request that it governs must meet; each one listed is required.
    pub requirements: Vec<Requirement>,
    /// In the document's order, which never matters.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// Whether it says anything beside its rules.
    #[must_use]
    pub fn speaks(&self) -> bool {
        !self.requirements.is_empty()
            || self.default_allow
            || self.forward.is_some()
            || self.openings != Openings::default()
    }
}

/// `forward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// `token: strip`: the upstream does not get the Authorization header.
    pub strip_token: bool,
    /// Header name (lower case) and the claim that fills it, sorted by header.
    pub claims: Vec<(String, String)>,
}

/// What one entry of `identity.authentication`, `device` or `context` demands, or one part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `authentication[].method: certificate`: the certificate of whoever the request is from, and of nobody in between.
    Certificate,
    /// `authentication[].method: multi-factor`.
    MultiFactor(MultiFactor),
    /// `device.compliance`.
    Device(Check),
    /// An entry of `geo_restrictions`.
    Source(SourceRestriction),
    /// `time_restrictions[].business_hours: true`: of the home region, or the local one without a token.
    BusinessHours,
    /// `time_restrictions[].hours`: within these.
    Hours(Calendar),
    /// `time_restrictions[].not_before` and `not_after`: within this span.
    Dates(Span),
    /// `time_restrictions[].maintenance`: outside of all of these.
    Maintenance(Vec<MaintenanceWindow>),
}

/// From where requests may come: fields ANDed, items of one list ORed; `None`: not restricted. What is unknown meets nothing, a list of what is denied included.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SourceRestriction {
    /// Names of regions. Those that no Region of the bundle has can never be met.
    pub allowed_regions: Option<Vec<String>>,
    /// Names of Regions of the bundle.
    pub denied_regions: Option<Vec<String>>,
    /// Countries.
    pub allowed_countries: Option<Vec<Country>>,
    /// Countries.
    pub denied_countries: Option<Vec<Country>>,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Unique in its policy.
    pub name: String,
    /// `mode: shadow`: it is judged beside what is enforced, and changes nothing.
    pub shadow: bool,
    /// `None`: every host that the policy governs.
    pub hosts: Option<Vec<HostPattern>>,
    /// Upper case; `None`: all. `GET` includes `HEAD`.
    pub methods: Option<Vec<String>>,
    /// `None`: every path.
    pub paths: Option<Vec<PathTemplate>>,
    /// What it looks at in the request beside host, method and path.
    pub about: About,
    /// Where the request comes from.
    pub from: From,
    /// `identity`.
    pub identity: IdentityNeed,
    /// `permissions`.
    pub permissions: Words,
    /// `roles`.
    pub roles: Words,
    /// `when`; `None`: not restricted.
    pub when: Option<When>,
    /// What it does.
    pub effect: Effect,
}

/// `from`: fields ANDed, items of one list ORed; `None`: not restricted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct From {
    /// Names of Regions of the bundle.
    pub source_regions: Option<Vec<String>>,
    /// Countries.
    pub source_countries: Option<Vec<Country>>,
    /// Names of Regions of the bundle.
    pub home_regions: Option<Vec<String>>,
    /// Networks of the source address.
    pub networks: Option<Vec<IpNet>>,
    /// The workload at the other end of the connection.
    pub workloads: Option<Vec<SpiffePattern>>,
}

/// Whether a rule is about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityNeed {
    /// A valid token (the default for allow and defer; a deny that says so holds for those with a token).
    Required,
    /// A workload that counts here, by the certificate of its connection; no token is needed.
    Workload,
    /// Public: for allow and defer, whoever asks.
    None,
    /// A deny that says nothing: it holds for everybody.
    Anybody,
}

/// `permissions` or `roles`: `any_of` and `all_of` ANDed; `None`: not restricted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Words {
    /// One of these.
    pub any_of: Option<Vec<String>>,
    /// All of these.
    pub all_of: Option<Vec<String>>,
}

/// `revocation` of a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRevocation {
    /// A list of what is revoked.
    pub list: Option<Remote>,
    /// Status lists, which tokens name.
    pub status_lists: Option<StatusLists>,
    /// `onUnavailable: allow`; else deny.
    pub allow_when_unavailable: bool,
}

/// Where the status lists of a Region are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLists {
    /// Who is asked for them.
    pub host: Host,
    /// What their URIs begin with: an http(s) URL that ends with a `/` of its path.
    pub uri_prefix: String,
    /// When they are fetched.
    pub schedule: Schedule,
}

impl StatusLists {
    /// The path at which the list `uri` is; `None` where it is none of these, or its path is not in canonical form.
    #[must_use]
    pub fn path<'u>(&self, uri: &'u str) -> Option<&'u str> {
        uri.strip_prefix(self.uri_prefix.as_str())?;
        let path = Url::parse(uri)?.path;
        let canonical = canonicalise(path.as_bytes(), &PathOptions::default()).ok()?;
        (!canonical.changed()).then_some(path)
    }
}

/// A Revocations document.
#[derive(Debug, Default)]
pub struct Revocations {
    /// `metadata.name`.
    pub name: String,
    /// Single tokens.
    pub tokens: Vec<RevokedToken>,
    /// All tokens of a subject up to a time.
    pub subjects: Vec<RevokedSubject>,
    /// All tokens of a session.
    pub sessions: Vec<RevokedSession>,
    /// All tokens that a key signed.
    pub keys: Vec<RevokedKey>,
}

impl Revocations {
    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        let Self {
            name: _,
            tokens,
            subjects,
            sessions,
            keys,
        } = self;
        [tokens.len(), subjects.len(), sessions.len(), keys.len()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub struct RevokedToken {
    /// `iss`.
    pub issuer: String,
    /// `jti`.
    pub jti: String,
    /// The token's `exp`, in seconds since the Unix epoch: after it the entry is of no use.
    pub expires: Option<f64>,
}

/// The tokens of a subject up to a time.
#[derive(Debug, Clone, PartialEq)]
pub struct RevokedSubject {
    /// The home region's name.
    pub home: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// In seconds since the Unix epoch: tokens whose `iat` is before it are revoked, and those without one.
    pub not_before: f64,
}

/// The tokens of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedSession {
    /// `iss`.
    pub issuer: String,
    /// `sid`.
    pub sid: String,
}

/// The tokens that a key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokedKey {
    /// A Region's key of this name.
    Named {
        /// The home region's name.
        region: String,
        /// `kid`.
        kid: String,
    },
    /// The key itself, whatever its name: SHA-256 of its canonical JWK (RFC 7638).
    Thumbprint([u8; 32]),
}
