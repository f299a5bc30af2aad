//! What both bundles name: what one of them says, requests are varied by under both.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use regionguard::bundle::document::{Bundle, Effect, Policy, Requirement, Rule, Words};
use regionguard::device::{Check, Minimum, Platform};
use regionguard::identity::{ClaimPath, SpiffePattern};
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use super::meet::wanted;
use super::route::{self, first_host};
use super::times;

/// Words in one token, at most: it has to stay small enough to be taken.
const WORDS: usize = 100;

/// What both bundles name.
pub(super) struct Pools {
    /// When requests come, unless something asks for another time.
    pub(super) at: WallTime,
    /// Times around which something changes.
    pub(super) times: Vec<WallTime>,
    pub(super) hosts: Vec<String>,
    pub(super) regions: Vec<String>,
    /// An address in each Region that has networks, and in each network that a rule names.
    pub(super) places: Vec<IpAddr>,
    pub(super) permissions: BTreeSet<String>,
    pub(super) roles: BTreeSet<String>,
    /// Where tokens of a Region hold permissions and roles, under each bundle.
    mappings: Vec<(String, ClaimPath, ClaimPath)>,
    pub(super) amr: Vec<String>,
    pub(super) acr: Vec<String>,
    /// How old a login may be.
    pub(super) ages: Vec<Duration>,
    /// How long ago the last update of a device may be.
    pub(super) patch_ages: Vec<Duration>,
    /// The least versions of operating systems; `None`: of any.
    pub(super) versions: Vec<(Option<Platform>, String)>,
    pub(super) workloads: Vec<String>,
}

impl Pools {
    pub(super) fn new(bundles: &[&Bundle], at: WallTime) -> Self {
        let regions = || bundles.iter().flat_map(|bundle| &bundle.regions);
        let policies = || bundles.iter().flat_map(|bundle| &bundle.policies);
        let rules = || policies().flat_map(|policy: &Policy| &policy.rules);
        let words = |of: fn(&Rule) -> &Words| -> BTreeSet<String> {
            let lists = rules().map(of).flat_map(|words| [&words.any_of, &words.all_of]);
            lists.flatten().flatten().cloned().collect()
        };
        let served = bundles.iter().filter_map(|bundle| bundle.trust.hosts.as_deref());
        let networks = rules().flat_map(|rule| rule.from.networks.iter().flatten());
        let patterns = rules().flat_map(|rule| rule.from.workloads.iter().flatten());
        let mappings = regions().map(|region| {
            let claims = &region.claims;
            (region.name.clone(), claims.permissions.clone(), claims.roles.clone())
        });
        let mut pools = Self {
            at,
            times: times::changes(bundles, at),
            hosts: served.flatten().map(route::host).collect(),
            regions: regions().map(|region| region.name.clone()).collect(),
            places: regions()
                .flat_map(|region| &region.networks)
                .chain(networks)
                .map(first_host)
                .collect(),
            permissions: words(|rule| &rule.permissions),
            roles: words(|rule| &rule.roles),
            mappings: mappings.collect(),
            amr: Vec::new(),
            acr: Vec::new(),
            ages: Vec::new(),
            patch_ages: Vec::new(),
            versions: Vec::new(),
            workloads: patterns.map(workload).collect(),
        };
        for rule in rules() {
            if let Effect::StepUp(wanted) = &rule.effect {
                pools.acr.extend(wanted.acr.iter().cloned());
                pools.ages.extend(wanted.max_age);
            }
        }
        for requirement in policies().flat_map(|policy| &policy.requirements) {
            pools.add(requirement);
        }
        once(&mut pools.hosts);
        once(&mut pools.regions);
        once(&mut pools.places);
        once(&mut pools.amr);
        once(&mut pools.acr);
        once(&mut pools.ages);
        once(&mut pools.patch_ages);
        once(&mut pools.versions);
        once(&mut pools.workloads);
        pools
    }

    fn add(&mut self, requirement: &Requirement) {
        match requirement {
            Requirement::MultiFactor(wanted) => {
                self.amr.extend(wanted.amr.iter().cloned());
                self.acr.extend(wanted.acr.iter().cloned());
            }
            Requirement::Device(Check::PatchAge(most)) => self.patch_ages.push(*most),
            Requirement::Device(Check::OsVersion(Minimum::Any(version))) => self.versions.push((None, version.clone())),
            Requirement::Device(Check::OsVersion(Minimum::Each(each) | Minimum::Latest(each))) => {
                let each = each
                    .iter()
                    .map(|(platform, version)| (Some(*platform), version.clone()));
                self.versions.extend(each);
            }
            _ => {}
        }
    }

    /// These permissions and roles and all others, as far as a token holds so many, in a token of this Region.
    pub(super) fn everything(&self, own: Option<&Rule>, home: Option<&str>) -> Map<String, Value> {
        let all = |of: fn(&Rule) -> &Words, words: &BTreeSet<String>| {
            let own: Vec<String> = own.map(of).map(wanted).unwrap_or_default();
            let others = words.iter().filter(|word| !own.contains(word)).take(WORDS);
            own.iter().chain(others).cloned().collect::<Vec<_>>()
        };
        let permissions = all(|rule| &rule.permissions, &self.permissions);
        let roles = all(|rule| &rule.roles, &self.roles);
        self.said(&permissions, &roles, home)
    }

    /// Permissions and roles where tokens of this Region hold them.
    pub(super) fn said(&self, permissions: &[String], roles: &[String], home: Option<&str>) -> Map<String, Value> {
        let mut token = crate::trial::Token::default();
        let own = self.mappings.iter().filter(|(region, ..)| home == Some(region));
        for (_, at, roles_at) in own {
            for (path, words) in [(at, permissions), (roles_at, roles)] {
                if !words.is_empty() {
                    token.fill(path.as_str(), words.into());
                }
            }
        }
        token.claims
    }
}

/// Each once, in its place.
fn once<T: Ord + Clone>(list: &mut Vec<T>) {
    let mut seen = BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
}

/// A workload that the pattern means.
pub(super) fn workload(pattern: &SpiffePattern) -> String {
    match pattern.as_str() {
        above if above.ends_with('/') => format!("{above}any"),
        workload => workload.to_owned(),
    }
}
