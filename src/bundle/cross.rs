//! What the documents of a bundle say of each other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::RegionId;
use super::diagnostic::{Read, Reported, Sink};
use super::document::{
    Effect, IdentityNeed, KeySource, Keys, Policy, Region, Requirement, Rule, SourceRestriction, Trust,
};
use super::limits;
use super::path::Path;
use super::root::{Documents, Placed};
use super::{about, forward, openings, replica};
use crate::context::Networks;
use crate::identity::{RegionClaim, TokenSources};
use crate::policy::SPREAD;
use crate::request::Authority;

/// Reports what does not fit together, and makes what only a bundle as a whole can tell: which Region a network is in.
pub(super) fn check(documents: &Documents, tokens: &TokenSources, sink: &mut Sink) -> Read<Networks<RegionId>> {
    check_size(documents, sink);
    check_keys(documents, sink);
    check_addresses(documents, sink);
    check_issuers(&documents.regions, sink);
    check_trust_domains(&documents.regions, sink);
    check_workloads(documents, sink);
    check_centers(documents, sink);
    replica::check(documents, sink);
    check_forwarded(&documents.policies, tokens, sink);
    check_forwarded(documents.candidates(), tokens, sink);
    about::check(&documents.policies, tokens, sink);
    about::check(documents.candidates(), tokens, sink);
    networks(&documents.regions, sink)
}

/// Reports at `documents[index]`, `rest` behind it.
fn error<T>(placed: &Placed<T>, label: String, rest: &str, message: String, sink: &mut Sink) -> Reported {
    sink.enter(Some(label));
    let reported = sink.error_at(&format!("{}[{}]{rest}", placed.list, placed.index), message);
    sink.enter(None);
    reported
}

fn region_error(region: &Placed<Region>, rest: &str, message: String, sink: &mut Sink) -> Reported {
    error(region, format!("Region {}", region.document.name), rest, message, sink)
}

pub(super) fn policy_error(policy: &Placed<Policy>, rest: &str, message: String, sink: &mut Sink) -> Reported {
    error(
        policy,
        format!("ZeroTrustPolicy {}", policy.document.name),
        rest,
        message,
        sink,
    )
}

fn rules<'d>(policies: impl IntoIterator<Item = &'d Placed<Policy>>) -> impl Iterator<Item = &'d Rule> {
    policies.into_iter().flat_map(|policy| &policy.document.rules)
}

/// The candidate's rules count as those that are in force do: both are compiled.
fn check_size(all: &Documents, sink: &mut Sink) {
    let documents = Path::Member(&Path::Root, "documents");
    let count = rules(all.all_policies()).count();
    if count > limits::RULES {
        sink.error(
            &documents,
            format!("too many rules: {count}, {} at most", limits::RULES),
        );
    }
    let length = |list: Option<usize>| list.unwrap_or(1);
    let expansions = rules(all.all_policies())
        .map(|rule| length(rule.hosts.as_ref().map(Vec::len)).saturating_mul(length(rule.paths.as_ref().map(Vec::len))))
        .fold(0, usize::saturating_add);
    if expansions > limits::EXPANSIONS {
        let message = format!(
            "too many pairs of host and path in all rules: {expansions}, {} at most",
            limits::EXPANSIONS
        );
        sink.error(&documents, message);
    }
    let places = all
        .all_policies()
        .flat_map(|policy| {
            policy
                .document
                .rules
                .iter()
                .map(move |rule| places(&policy.document, rule))
        })
        .fold(0, usize::saturating_add);
    if places > limits::INDEX {
        let message = format!(
            "too many paths of too many segments, methods and hosts in all rules: they take {places} places in the index, {} at most",
            limits::INDEX
        );
        sink.error(&documents, message);
    }
}

/// How many places a rule takes in the index.
fn places(policy: &Policy, rule: &Rule) -> usize {
    let hosts = rule.hosts.as_ref().or(policy.hosts.as_ref()).map_or(1, Vec::len);
    // `GET` brings `HEAD` along.
    let methods = rule
        .methods
        .as_ref()
        .map_or(1, |methods| methods.len().saturating_add(1));
    let paths = rule.paths.as_deref().map_or(methods, |paths| {
        let each = paths.iter().map(|path| path.segments().len().saturating_add(methods));
        each.fold(0, usize::saturating_add)
    });
    hosts.min(SPREAD).saturating_mul(paths)
}

/// Whose keys verify something.
#[derive(Clone, Copy)]
struct Holder<'d> {
    kind: &'static str,
    name: &'d str,
    keys: &'d Keys,
    list: &'static str,
    index: usize,
}

impl<'d> Holder<'d> {
    /// All that a bundle has: Regions first.
    fn all(documents: &'d Documents) -> impl Iterator<Item = Self> {
        let regions = documents.regions.iter().map(|placed| Self {
            kind: "Region",
            name: &placed.document.name,
            keys: &placed.document.keys,
            list: placed.list,
            index: placed.index,
        });
        regions.chain(documents.device_issuers.iter().map(|placed| Self {
            kind: "DeviceIssuer",
            name: &placed.document.name,
            keys: &placed.document.keys,
            list: placed.list,
            index: placed.index,
        }))
    }

    fn is(self, other: Self) -> bool {
        (self.kind, self.name) == (other.kind, other.name)
    }

    /// Both by name.
    fn and(self, other: Self) -> String {
        if self.kind == other.kind {
            return format!("{}s `{}` and `{}`", self.kind, self.name, other.name);
        }
        format!(
            "the {} `{}` and the {} `{}`",
            self.kind, self.name, other.kind, other.name
        )
    }

    fn error(self, field: &str, message: String, sink: &mut Sink) {
        sink.enter(Some(format!("{} {}", self.kind, self.name)));
        sink.error_at(&format!("{}[{}].spec.keys.{field}", self.list, self.index), message);
        sink.enter(None);
    }
}

/// No key verifies for two of them: one could sign as the other.
fn check_keys(documents: &Documents, sink: &mut Sink) {
    let mut owners: BTreeMap<[u8; 32], Holder<'_>> = BTreeMap::new();
    for holder in Holder::all(documents) {
        let KeySource::Inline(ring) = &holder.keys.source else {
            continue;
        };
        for thumbprint in ring.thumbprints() {
            let owner = *owners.entry(*thumbprint).or_insert(holder);
            if !owner.is(holder) {
                let message = format!(
                    "{} have a key in common (RFC 7638 thumbprint): whoever signs for one could sign for the other, so give each its own",
                    owner.and(holder)
                );
                holder.error("jwks", message, sink);
                break;
            }
        }
    }
}

/// No two of them fetch their keys at one address, whichever clusters lead there: they would have all keys in common.
fn check_addresses(documents: &Documents, sink: &mut Sink) {
    let mut owners: BTreeMap<(String, &str), Holder<'_>> = BTreeMap::new();
    for holder in Holder::all(documents) {
        let (address, field) = match &holder.keys.source {
            KeySource::Inline(_) => continue,
            KeySource::Remote(remote) => (&remote.address, "remote"),
            KeySource::Discovery(discovery) => (&discovery.document.address, "discovery"),
        };
        let authority = Authority::parse(address.authority.as_bytes(), None)
            .map_or_else(|_| address.authority.clone(), |authority| authority.to_string());
        let owner = *owners.entry((authority, &address.path)).or_insert(holder);
        if !owner.is(holder) {
            let message = format!(
                "{} fetch their keys at one address, `{}{}`: whoever signs for one could sign for the other, so give each its own",
                owner.and(holder),
                address.authority,
                address.path
            );
            holder.error(field, message, sink);
        }
    }
}

/// Where only the issuer tells the region, no other Region has it.
fn check_issuers(regions: &[Placed<Region>], sink: &mut Sink) {
    for region in regions
        .iter()
        .filter(|region| region.document.claims.region == RegionClaim::FromIssuer)
    {
        let same =
            |other: &&Placed<Region>| other.index != region.index && other.document.issuer == region.document.issuer;
        if let Some(other) = regions.iter().find(same) {
            let message = format!(
                "Region `{}` has the same issuer, so the issuer alone does not tell the region: name the claim that does",
                other.document.name
            );
            region_error(region, ".spec.claims.region", message, sink);
        }
    }
}

/// A workload is at home in one Region, and what a Region accepts of another one's workloads there can be.
fn check_trust_domains(regions: &[Placed<Region>], sink: &mut Sink) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for region in regions {
        for (index, listed) in region.document.trust_domains.iter().enumerate() {
            let name = region.document.name.as_str();
            let owner = match owners.entry(listed) {
                Entry::Occupied(occupied) => Some(*occupied.get()),
                Entry::Vacant(vacant) => {
                    vacant.insert(name);
                    None
                }
            };
            if let Some(owner) = owner {
                let message = format!(
                    "`{listed}` is a trust domain of `{owner}` already: a workload is at home in one Region, and elsewhere it is accepted (`accepts: [{{home: {owner}, workloads: […]}}]`)"
                );
                region_error(region, &format!(".spec.trustDomains[{index}]"), message, sink);
            }
        }
    }
    for region in regions {
        for (index, entry) in region.document.accepts.iter().enumerate() {
            for (place, pattern) in entry.workloads.iter().enumerate() {
                let trust_domain = pattern.trust_domain();
                if owners.get(trust_domain) != Some(&entry.home.as_str()) {
                    let message = format!(
                        "`{trust_domain}` is no trust domain of the Region `{}`: list it in the `trustDomains` of that Region, or correct the pattern",
                        entry.home
                    );
                    let rest = format!(".spec.accepts[{index}].workloads[{place}]");
                    region_error(region, &rest, message, sink);
                }
            }
        }
    }
}

/// Where rules are for workloads, some workload counts where they are judged.
fn check_workloads(documents: &Documents, sink: &mut Sink) {
    let counts = |region: &Region| {
        !region.trust_domains.is_empty() || region.accepts.iter().any(|entry| !entry.workloads.is_empty())
    };
    let local = documents
        .regions
        .iter()
        .map(|region| &region.document)
        .find(|region| is_local(region, documents));
    let message = match local {
        Some(local) if !counts(local) => format!(
            "no workload counts where `{}` is the local Region: list its `trustDomains`, or what it accepts of others' (`accepts: [{{home: …, workloads: […]}}]`)",
            local.name
        ),
        None if !documents.regions.iter().any(|region| counts(&region.document)) => {
            "no workload counts anywhere: no Region has `trustDomains`".to_owned()
        }
        _ => return,
    };
    for policy in standing(documents) {
        for (index, rule) in policy.document.rules.iter().enumerate() {
            if rule.identity == IdentityNeed::Workload {
                policy_error(policy, &format!(".spec.rules[{index}].identity"), message.clone(), sink);
            }
        }
    }
}

/// Whoever defers has somebody to ask: the center of the local Region.
fn check_centers(documents: &Documents, sink: &mut Sink) {
    let local = documents
        .regions
        .iter()
        .map(|region| &region.document)
        .find(|region| is_local(region, documents));
    let Some(local) = local.filter(|local| local.center.is_none()) else {
        return;
    };
    for policy in standing(documents) {
        for (index, rule) in policy.document.rules.iter().enumerate() {
            if matches!(rule.effect, Effect::Defer(_)) {
                let message = format!(
                    "the local Region `{}` has no `center` that could be asked: add one, or take another effect",
                    local.name
                );
                policy_error(policy, &format!(".spec.rules[{index}].effect"), message, sink);
            }
        }
    }
}

/// The policies that may stand where the bundle does: of a bundle that is served in several Regions, each has those of all.
fn standing(documents: &Documents) -> impl Iterator<Item = &Placed<Policy>> {
    let local = documents.region.as_deref();
    documents
        .all_policies()
        .filter(move |policy| local.is_none_or(|local| openings::stands(&policy.document, local)))
}

fn is_local(region: &Region, documents: &Documents) -> bool {
    documents.region.as_deref() == Some(region.name.as_str())
}

/// A header means one claim, whichever policy governs, and carries no token.
fn check_forwarded(policies: &[Placed<Policy>], tokens: &TokenSources, sink: &mut Sink) {
    let mut filled: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for policy in policies {
        for (header, claim) in policy.document.forward.iter().flat_map(|forward| &forward.claims) {
            if tokens.headers().any(|name| forward::same_header(name, header)) {
                let message = format!("`tokens.sources` takes tokens from `{header}`: no claim may fill it as well");
                policy_error(policy, &format!(".spec.forward.claims.{header}"), message, sink);
            }
            let own = (policy.document.name.as_str(), claim.as_str());
            let (other, filling) = *filled.entry(forward::folded(header)).or_insert(own);
            if filling != claim {
                let message = format!(
                    "policy `{other}` fills this header with the claim `{filling}`, policy `{}` with `{claim}`: one header has one meaning",
                    policy.document.name
                );
                policy_error(policy, &format!(".spec.forward.claims.{header}"), message, sink);
            }
        }
    }
}

/// Warns of what loads, and surely is not what was meant. `documents` are all that the bundle has.
pub(super) fn warn_of_the_useless(documents: &Documents, trust: &Trust, sink: &mut Sink) {
    let Documents {
        region,
        regions,
        policies,
        revocations: _,
        grants: _,
        device_issuers: _,
        candidate,
    } = documents;
    let list = Path::Member(&Path::Root, "documents");
    if regions.is_empty() {
        sink.warn(
            &list,
            "there is no Region: no token can be verified, and every request is denied",
        );
    }
    if !can_let_in(policies) {
        let message = "nothing in this bundle can allow a request: add a rule with `effect: allow` or `effect: defer` to a policy, or `default: allow` to one that has requirements";
        sink.warn(&list, message);
    }
    if candidate.as_ref().is_some_and(|(policies, _)| !can_let_in(policies)) {
        let message = "nothing in the candidate can allow a request: it has all policies that would stand in place of those in force";
        sink.warn(&Path::Member(&Path::Root, "candidate"), message);
    }
    warn_of_the_placeless(documents, trust, sink);
    if !trust.peer_verification && requires(policies, |one| *one == Requirement::Certificate) {
        let message = "`method: certificate` is never met: no peer has an identity here, unless the listener validates client certificates and `trust: {peerVerification: required}` says so";
        sink.warn(&list, message);
    }
    warn_of_services_that_log_in(policies, sink);
    openings::warn(policies, trust, sink);
    replica::warn(documents, sink);
    let needs_hours = requires(policies, |one| *one == Requirement::BusinessHours);
    let needs_center = region.is_none() && rules(policies).any(|rule| matches!(rule.effect, Effect::Defer(_)));
    for region in regions {
        sink.enter(Some(format!("Region {}", region.document.name)));
        let path = Path::Item(&list, region.index);
        if needs_hours && region.document.calendar.is_none() {
            let message =
                "has no `timezone` and `businessHours`, so `business_hours: true` is never met for its tokens";
            sink.warn(&path, message);
        }
        if needs_center && region.document.center.is_none() {
            sink.warn(
                &path,
                "has no `center`: where this Region is the local one, rules that defer have nobody to ask",
            );
        }
    }
    sink.enter(None);
}

/// What restricts places is never met where nothing tells them.
fn warn_of_the_placeless(documents: &Documents, trust: &Trust, sink: &mut Sink) {
    let list = Path::Member(&Path::Root, "documents");
    let restricts = |is_meant: fn(&SourceRestriction) -> bool| {
        requires(
            &documents.policies,
            |one| matches!(one, Requirement::Source(restriction) if is_meant(restriction)),
        )
    };
    let told = |is_told: fn(&Region) -> bool| documents.regions.iter().any(|region| is_told(&region.document));
    let tells_region =
        told(|region| !region.networks.is_empty()) || trust.edges.iter().any(|edge| edge.region.is_some());
    if restricts(|one| one.allowed_regions.is_some() || one.denied_regions.is_some()) && !tells_region {
        let message = "no Region has `networks`, and none of `trust.edges` a `regionHeader`, so the source region is never known and `geo_restrictions` are never met";
        sink.warn(&list, message);
    }
    let tells_country = tells_region && told(|region| region.country.is_some())
        || trust.edges.iter().any(|edge| edge.country.is_some());
    if restricts(|one| one.allowed_countries.is_some() || one.denied_countries.is_some()) && !tells_country {
        let message = "no Region with `networks` has a `country`, and none of `trust.edges` a `countryHeader`, so the source country is never known and `geo_restrictions` of countries are never met";
        sink.warn(&list, message);
    }
}

/// Whether anything in force can let a request in.
fn can_let_in(policies: &[Placed<Policy>]) -> bool {
    let mut enforced = policies
        .iter()
        .map(|policy| &policy.document)
        .filter(|policy| !policy.shadow);
    enforced.any(|policy| policy.default_allow || policy.rules.iter().any(|rule| !rule.shadow && can_allow(rule)))
}

/// A service has no login and no device, so a policy that demands one keeps out what its own rules are for.
fn warn_of_services_that_log_in(policies: &[Placed<Policy>], sink: &mut Sink) {
    let demanded = |policy: &Policy| {
        let all = &policy.requirements;
        let login = all.iter().any(|one| matches!(one, Requirement::MultiFactor(_)));
        let device = all.iter().any(|one| matches!(one, Requirement::Device(_)));
        match (login, device) {
            (true, _) => Some("`multi-factor`, and a service has no login"),
            (false, true) => Some("something of devices, and nobody tells of a service's"),
            (false, false) => None,
        }
    };
    for policy in policies {
        let mut rules = policy.document.rules.iter().zip(0_usize..);
        let service = rules.find(|(rule, _)| rule.identity == IdentityNeed::Workload && can_allow(rule));
        if let Some(((_, index), demanded)) = service.zip(demanded(&policy.document)) {
            sink.enter(Some(format!("ZeroTrustPolicy {}", policy.document.name)));
            let list = Path::Member(&Path::Root, "documents");
            let document = Path::Item(&list, policy.index);
            let spec = Path::Member(&document, "spec");
            let rules = Path::Member(&spec, "rules");
            let rule = Path::Item(&rules, index);
            let message = format!(
                "lets no workload in without a token: this policy demands {demanded}; give it a policy of its own hosts"
            );
            sink.warn(&Path::Member(&rule, "identity"), message);
            sink.enter(None);
        }
    }
}

fn can_allow(rule: &Rule) -> bool {
    matches!(rule.effect, Effect::Allow | Effect::Defer(_))
}

fn requires(policies: &[Placed<Policy>], is_meant: impl Fn(&Requirement) -> bool) -> bool {
    policies
        .iter()
        .flat_map(|policy| &policy.document.requirements)
        .any(is_meant)
}

/// Which Region each network is in; a network in two is an error.
fn networks(regions: &[Placed<Region>], sink: &mut Sink) -> Read<Networks<RegionId>> {
    let numbered = regions
        .iter()
        .zip(0_u16..)
        .map(|(region, number)| (region, RegionId(number)));
    let listed = numbered.flat_map(|(region, id)| region.document.networks.iter().map(move |network| (*network, id)));
    Networks::new(listed).map_err(|clashes| {
        let mut wrong = None;
        for clash in clashes {
            let (first, second) = (regions.get(clash.first.index()), regions.get(clash.second.index()));
            if let (Some(first), Some(second)) = (first, second) {
                let message = format!(
                    "`{}` is a network of both `{}` and `{}`: a request can come from one only",
                    clash.network, first.document.name, second.document.name
                );
                let index = second
                    .document
                    .networks
                    .iter()
                    .position(|network| *network == clash.network);
                let rest = index.map_or(".spec.networks".to_owned(), |index| format!(".spec.networks[{index}]"));
                wrong = Some(region_error(second, &rest, message, sink));
            }
        }
        wrong.unwrap_or_else(|| sink.error(&Path::Root, "a network is in two Regions"))
    })
}
