//! A bundle that was checked and compiled: what a worker serves from.

use core::time::Duration;

use super::RegionId;
use super::diagnostic::Diagnostic;
use super::document::{Bundle, Edge, Override, Policy, Region, Trust};
use super::value::{Value, digest};
use crate::context::Networks;
use crate::device::DeviceIssuers;
use crate::identity::{ClaimPath, DpopOptions, Grants, Pushed, RegionClaim, TokenSources};
use crate::policy::PolicySet;
use crate::request::StripSet;

/// How many hexadecimal digits of the digest stand in the label.
const LABEL_DIGITS: usize = 12;

/// One version of a bundle, ready to serve. It never changes.
#[derive(Debug)]
pub struct Generation {
    /// `metadata.name`: with the plugin's root id, the scope in which versions replace each other.
    pub name: String,
    /// `metadata.version`, from 1 to 2^53.
    pub version: u64,
    /// SHA-256 of the bundle's values: the same from JSON and from a Struct, in whatever order their members stand.
    pub digest: [u8; 32],
    /// Name, version and the first digits of the digest, as the decision line and the center's question have it: `shop@41+abcdef012345`.
    pub label: String,
    /// The Region that the bundle calls the local one; `None`: the node's locality tells it.
    pub local: Option<RegionId>,
    /// The Regions, sorted by name: [`RegionId`] is a place in here.
    pub regions: Vec<Region>,
    /// The operator's part.
    pub trust: Trust,
    /// Where tokens are looked for.
    pub tokens: TokenSources,
    /// How long before its end a token is to be refreshed; `None`: nobody is told.
    pub refresh_before: Option<Duration>,
    /// What is demanded of DPoP proofs, where the bundle says it.
    pub dpop: Option<DpopOptions>,
    /// SHA-256 of what decides, beside the keys, whether a token verifies: of every Region its name, issuer, trust domains and claim mapping.
    pub trust_digest: [u8; 32],
    /// Which Region a source address is in.
    pub networks: Networks<RegionId>,
    /// The policies as an index.
    pub policies: PolicySet,
    /// The policies that would stand in place of these.
    pub candidate: Option<Trial>,
    /// What holds for a time, whatever the policies say.
    pub over: Option<Override>,
    /// What is revoked.
    pub revocations: Pushed,
    /// Who may what for a time.
    pub grants: Grants,
    /// Who signs postures of devices.
    pub devices: DeviceIssuers,
    /// The headers that are removed from every request, whatever its verdict; and those in which an edge says a place, which are removed but behind that edge.
    pub strip: StripSet,
    /// What loads, and probably is not what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// Policies that are compared with those in force.
#[derive(Debug)]
pub struct Trial {
    /// As an index of their own.
    pub policies: PolicySet,
    /// Of how many requests in [`Candidate::ALL`](super::document::Candidate::ALL).
    pub sample: u32,
}

impl Generation {
    pub(super) fn new(
        bundle: Bundle,
        networks: Networks<RegionId>,
        digest: [u8; 32],
        warnings: Vec<Diagnostic>,
    ) -> Self {
        let Bundle {
            region,
            name,
            version,
            trust,
            tokens,
            refresh_before,
            dpop,
            regions,
            policies,
            revocations,
            grants,
            device_issuers,
            candidate,
            over,
        } = bundle;
        let local = region.and_then(|region| place(&regions, &region));
        let devices = DeviceIssuers::new(device_issuers);
        let strip = strip(&policies, &trust, &devices);
        let grants = Grants::new(grants, |home, issuer| {
            place(&regions, home).filter(|id| regions.get(id.index()).is_some_and(|region| region.issuer == issuer))
        });
        Self {
            label: label(&name, version, &digest),
            name,
            version,
            digest,
            local,
            trust,
            tokens,
            refresh_before,
            dpop,
            trust_digest: trust_digest(&regions),
            networks,
            policies: PolicySet::compile(policies, &regions),
            candidate: candidate.map(|candidate| Trial {
                policies: PolicySet::compile(candidate.policies, &regions),
                sample: candidate.sample,
            }),
            over,
            regions,
            revocations: Pushed::new(revocations),
            grants,
            devices,
            strip,
            warnings,
        }
    }

    /// Whether any policy says for which workloads it is: else nobody has to ask the node.
    #[must_use]
    pub fn looks_at_served(&self) -> bool {
        let candidate = self.candidate.as_ref();
        self.policies.looks_at_served() || candidate.is_some_and(|candidate| candidate.policies.looks_at_served())
    }

    /// Whether anything is judged beside what is in force: in shadow mode, or as a candidate.
    #[must_use]
    pub fn tries(&self) -> bool {
        self.candidate.is_some() || self.policies.has_shadow()
    }

    /// Whether anything that is in force or tried looks at the risk.
    #[must_use]
    pub fn looks_at_risk(&self) -> bool {
        let candidate = self.candidate.as_ref();
        self.policies.looks_at_risk() || candidate.is_some_and(|candidate| candidate.policies.looks_at_risk())
    }

    /// The Region of this name.
    #[must_use]
    pub fn region_named(&self, name: &str) -> Option<RegionId> {
        place(&self.regions, name)
    }

    /// The Region of this number, which must be one of this generation's.
    #[must_use]
    pub fn region(&self, id: RegionId) -> Option<&Region> {
        self.regions.get(id.index())
    }
}

/// INVARIANT: `regions` are sorted by name, and there are at most 64.
fn place(regions: &[Region], name: &str) -> Option<RegionId> {
    let index = regions.binary_search_by(|region| region.name.as_str().cmp(name)).ok()?;
    u16::try_from(index).ok().map(RegionId)
}

/// A name of a bundle has none of the characters that the decision line would have to encode.
fn label(name: &str, version: u64, digest: &[u8; 32]) -> String {
    let mut digits = hexadecimal(digest);
    digits.truncate(LABEL_DIGITS);
    format!("{name}@{version}+{digits}")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn strip(policies: &[Policy], trust: &Trust, devices: &DeviceIssuers) -> StripSet {
    let own = ["x-regionguard-subject", "x-regionguard-region", "x-regionguard-reason"];
    let forwarded = policies
        .iter()
        .flat_map(|policy| &policy.forward)
        .flat_map(|forward| &forward.claims);
    let forwarded = forwarded.map(|(header, _)| header.as_str());
    let places = trust.edges.iter().flat_map(Edge::place_headers);
    let all = own.into_iter().chain(forwarded).chain(places).chain(devices.stripped());
    StripSet::new(all)
}

/// The digest of a tree that holds of each Region what decides, beside its keys, whether its tokens verify. Keys change while a generation serves. What is left out (audiences, `accepts`, lifetimes) is checked on every request.
fn trust_digest(regions: &[Region]) -> [u8; 32] {
    let text = |text: &str| Value::String(text.to_owned());
    let path = |path: &ClaimPath| Value::String(path.as_str().to_owned());
    let each = regions.iter().map(|region| {
        Value::List(vec![
            text(&region.name),
            text(&region.issuer),
            match &region.claims.region {
                RegionClaim::Claim(claim) => path(claim),
                RegionClaim::FromIssuer => Value::Null,
            },
            path(&region.claims.permissions),
            path(&region.claims.roles),
            region.claims.grants.as_ref().map_or(Value::Null, path),
            Value::List(region.trust_domains.iter().map(|name| text(name)).collect()),
            region.claims.audience.as_ref().map_or(Value::Null, path),
            Value::List(
                region
                    .claims
                    .require
                    .iter()
                    .map(|(claim, value)| Value::List(vec![path(claim), text(value)]))
                    .collect(),
            ),
        ])
    });
    digest(&Value::List(each.collect()))
}
