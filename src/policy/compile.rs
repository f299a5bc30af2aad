//! The policies of a bundle, compiled: names are resolved, rules are in the index, labels are made.

use std::collections::BTreeMap;

use super::about::Asked;
use super::conditions::{Conditions, Demand};
use super::decide::By;
use super::hosts::HostMap;
use super::index::{Candidates, Index, IndexBuilder};
use super::label::{NOTHING, label};
use super::place::SourceRestriction;
use super::when::When;
use crate::bundle::document::{About, Effect, IdentityNeed, Openings, ServedPattern};
use crate::bundle::{RegionId, document};
use crate::context::{Calendar, MaintenanceWindow, Span};
use crate::device::Check;
use crate::request::{Authority, CanonicalPath, PathTemplate, Upgrade};
use crate::sort::Arrange as _;

/// A rule of one [`PolicySet`]. They sort by policy name, then by rule name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef(usize);

/// A policy of one [`PolicySet`]. They sort by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRef(usize);

impl PolicyRef {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// All policies of a bundle.
#[derive(Debug)]
pub struct PolicySet {
    // INVARIANT: sorted by name, and the rules by policy and name, so that order among references is order among names.
    policies: Vec<Policy>,
    rules: Vec<Rule>,
    index: Index,
    /// Whether anything in here is in shadow mode.
    pub(super) has_shadow: bool,
    /// Whether any Region has trust domains, so that a workload may have a home.
    pub(super) has_trust_domains: bool,
    /// Whether anything but host, method and path says what a rule is about, where a policy stands, or what it lets in without a token.
    pub(super) narrows: bool,
    /// Whether any policy lets in something without a token beside its rules.
    pub(super) opens: bool,
    /// The bits of the upgrades that any rule may let in.
    upgrades: u8,
    /// Whether anything here looks at the device, so that its posture may have to be read.
    pub(super) looks_at_device: bool,
    /// Whether anything here looks at what identity replicas tell.
    pub(super) looks_at_attributes: bool,
    /// Whether anything here looks at the risk.
    pub(super) looks_at_risk: bool,
}

/// A policy, without its rules.
#[derive(Debug)]
pub(super) struct Policy {
    name: String,
    label: Box<str>,
    /// What it governs; `None`: everything.
    selector: Option<HostMap<()>>,
    /// Whether it says where it stands.
    pub(super) has_place: bool,
    pub(super) local_regions: Option<Vec<RegionId>>,
    pub(super) served: Option<Vec<ServedPattern>>,
    pub(super) openings: Openings,
    /// It changes nothing.
    pub(super) shadow: bool,
    pub(super) default_allow: bool,
    pub(super) forward: Option<document::Forward>,
    pub(super) requirements: Vec<Requirement>,
}

/// What a policy demands of every request that it governs.
#[derive(Debug)]
pub(super) enum Requirement {
    /// Whoever the request is from has shown a certificate of their own.
    Certificate,
    /// Several factors were used.
    MultiFactor(document::MultiFactor),
    /// The device is as it should be.
    Device(Check),
    /// Where it comes from.
    Source(SourceRestriction),
    /// It is within the business hours of the home region.
    BusinessHours,
    /// It is within these hours.
    Hours(Calendar),
    /// It is within this span of time.
    Dates(Span),
    /// It is in none of these windows.
    Maintenance(Vec<MaintenanceWindow>),
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    name: String,
    policy: PolicyRef,
    label: Box<str>,
    /// Whether it has hosts of its own, and so may be found where its policy does not govern.
    has_hosts: bool,
    /// It, or its policy, changes nothing.
    pub(super) shadow: bool,
    /// Sorted by text, so that the document's order does not matter.
    paths: Option<Vec<PathTemplate>>,
    /// What it says of the request beside host, method and path; `None`: nothing.
    pub(super) about: Option<Box<About>>,
    /// Its methods name `CONNECT`.
    pub(super) names_connect: bool,
    /// `identity: none` of an allow or a defer.
    pub(super) is_public: bool,
    pub(super) conditions: Conditions,
    pub(super) effect: Effect,
}

impl Rule {
    /// `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The policy that it stands in.
    #[must_use]
    pub fn policy(&self) -> PolicyRef {
        self.policy
    }

    /// The path template by which it matches; of several the one whose text sorts first. `None` where the rule names no paths, or none that matches.
    #[must_use]
    pub fn template(&self, path: &CanonicalPath<'_>) -> Option<&PathTemplate> {
        self.paths
            .iter()
            .flatten()
            .find(|template| template.matches(path).is_some())
    }
}

impl PolicySet {
    /// Compiles the policies of a bundle with these Regions, which are sorted by name. The order of policies and of what is in them does not matter.
    ///
    /// Letter case of paths needs no word here: where it does not count, [`PathTemplate::parse_with`] has folded the literals already.
    #[must_use]
    pub fn compile(mut documents: Vec<document::Policy>, regions: &[document::Region]) -> Self {
        let names = RegionNames::new(regions);
        let mut index = IndexBuilder::new();
        let mut rules = Vec::with_capacity(documents.iter().map(|policy| policy.rules.len()).sum());
        let mut policies = Vec::with_capacity(documents.len());
        let mut has_shadow = false;
        documents.arrange_by(|a, b| a.name.cmp(&b.name));
        for mut document in documents {
            let policy = PolicyRef(policies.len());
            let selector = document.hosts.as_deref();
            if document.speaks() {
                index.add_policy(policy, selector);
            }
            let selected = index.roots(selector);
            let mut of_policy = core::mem::take(&mut document.rules);
            of_policy.arrange_by(|a, b| a.name.cmp(&b.name));
            has_shadow |= document.shadow;
            for mut rule in of_policy {
                rule.shadow |= document.shadow;
                has_shadow |= rule.shadow;
                index.add_rule(RuleRef(rules.len()), &rule, &selected);
                rules.push(Rule::compile(rule, policy, &document.name, &names));
            }
            policies.push(Policy::compile(document, &names));
        }
        let opens = policies
            .iter()
            .any(|policy: &Policy| policy.openings != Openings::default());
        let has_places = policies.iter().any(|policy| policy.has_place);
        let looks_at_device = policies.iter().any(Policy::looks_at_device) || rules.iter().any(Rule::looks_at_device);
        let any = |reads: fn(&When) -> bool| {
            let mut conditions = rules.iter().filter_map(|rule: &Rule| rule.conditions.when.as_ref());
            conditions.any(reads)
        };
        let looks_at_risk = any(|when| when.reads_score() || when.reads_failures());
        let looks_at_attributes = any(When::reads_attributes);
        Self {
            narrows: opens || has_places || rules.iter().any(|rule: &Rule| rule.about.is_some()),
            opens,
            upgrades: rules.iter().fold(0, |bits, rule| bits | rule.upgrades()),
            policies,
            rules,
            index: index.build(),
            has_shadow,
            looks_at_device,
            looks_at_risk,
            looks_at_attributes,
            has_trust_domains: regions.iter().any(|region| !region.trust_domains.is_empty()),
        }
    }

    /// Finds the rules that are about this request and the policies that govern it. What `candidates` held before is gone.
    pub fn candidates(&self, asked: &Asked<'_>, candidates: &mut Candidates) {
        let governs = |rule: RuleRef| self.rule(rule).is_some_and(|rule| self.governs(rule, asked.authority));
        self.index
            .find(asked.authority, asked.method, asked.path, governs, candidates);
        self.narrow(asked, candidates);
        if self.has_shadow {
            self.set_aside(candidates);
        }
    }

    /// The rules about this host, method and path, whatever else they say of the request.
    pub(super) fn on_route(&self, asked: &Asked<'_>) -> Vec<RuleRef> {
        let mut candidates = Candidates::default();
        let governs = |rule: RuleRef| self.rule(rule).is_some_and(|rule| self.governs(rule, asked.authority));
        self.index
            .find(asked.authority, asked.method, asked.path, governs, &mut candidates);
        candidates.rules
    }

    /// Whether any rule may let in a request for this protocol.
    #[must_use]
    pub fn names_upgrade(&self, upgrade: Upgrade) -> bool {
        self.upgrades & upgrade.bit() != 0
    }

    /// A rule; `None` for a reference of another set.
    #[must_use]
    pub fn rule(&self, rule: RuleRef) -> Option<&Rule> {
        self.rules.get(rule.0)
    }

    /// A policy, without its rules.
    pub(super) fn policy(&self, policy: PolicyRef) -> Option<&Policy> {
        self.policies.get(policy.0)
    }

    pub(super) fn all_policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter()
    }

    /// A policy's name; `None` for a reference of another set.
    #[must_use]
    pub fn policy_name(&self, policy: PolicyRef) -> Option<&str> {
        self.policies.get(policy.0).map(|policy| policy.name.as_str())
    }

    /// The `policy/rule` field of the decision line, percent-encoded: `policy/-` where no rule decided, `-/-` where no policy did.
    #[must_use]
    pub fn label(&self, by: By) -> &str {
        let label = match by {
            By::Nothing => None,
            By::Policy(policy) => self.policies.get(policy.0).map(|policy| &policy.label),
            By::Rule(rule) => self.rule(rule).map(|rule| &rule.label),
        };
        label.map_or(NOTHING, |label| label)
    }

    /// How many nodes the index has.
    #[cfg(test)]
    pub(super) fn index_nodes(&self) -> usize {
        self.index.nodes()
    }

    /// The rules found, by policy and rule name.
    pub(super) fn found<'s>(&'s self, candidates: &Candidates) -> impl Iterator<Item = (RuleRef, &'s Rule)> {
        let rules = candidates.rules.iter();
        rules.filter_map(|reference| Some((*reference, self.rule(*reference)?)))
    }

    /// The policies that govern the request and say something beside their rules, by name.
    pub(super) fn governing<'s>(&'s self, candidates: &Candidates) -> impl Iterator<Item = (PolicyRef, &'s Policy)> {
        let policies = candidates.policies.iter();
        policies.filter_map(|reference| Some((*reference, self.policies.get(reference.0)?)))
    }

    /// Whether the policy of a rule that is about this host governs it. A rule without hosts was found by those of its policy.
    fn governs(&self, rule: &Rule, authority: &Authority<'_>) -> bool {
        let selector = || {
            self.policies
                .get(rule.policy.0)
                .and_then(|policy| policy.selector.as_ref())
        };
        !rule.has_hosts || selector().is_none_or(|selector| selector.has(authority))
    }
}

impl Policy {
    /// Whether it demands anything of the device.
    pub(super) fn looks_at_device(&self) -> bool {
        let demands = |requirement: &Requirement| matches!(requirement, Requirement::Device(_));
        self.requirements.iter().any(demands)
    }

    fn compile(document: document::Policy, regions: &RegionNames<'_>) -> Self {
        let selector = document.hosts.map(|hosts| {
            let mut selector = HostMap::default();
            for host in &hosts {
                let () = selector.entry(host);
            }
            selector
        });
        let requirements = document.requirements.into_iter().map(|requirement| match requirement {
            document::Requirement::Certificate => Requirement::Certificate,
            document::Requirement::MultiFactor(wanted) => Requirement::MultiFactor(wanted),
            document::Requirement::Device(check) => Requirement::Device(check),
            document::Requirement::Source(restriction) => {
                Requirement::Source(SourceRestriction::compile(restriction, |names| regions.find(names)))
            }
            document::Requirement::BusinessHours => Requirement::BusinessHours,
            document::Requirement::Hours(calendar) => Requirement::Hours(calendar),
            document::Requirement::Dates(span) => Requirement::Dates(span),
            document::Requirement::Maintenance(windows) => Requirement::Maintenance(windows),
        });
        Self {
            label: label(&document.name, None),
            name: document.name,
            selector,
            has_place: document.place != document::Place::default(),
            local_regions: document.place.regions.map(|names| regions.find(&names)),
            served: document.place.workloads,
            openings: document.openings,
            shadow: document.shadow,
            default_allow: document.default_allow,
            forward: document.forward,
            requirements: requirements.collect(),
        }
    }
}

impl Rule {
    /// Whether its outcome may depend on the device: its condition reads it, or a center is told of it.
    pub(super) fn looks_at_device(&self) -> bool {
        matches!(self.effect, Effect::Defer(_)) || self.conditions.look_at_device()
    }

    fn compile(document: document::Rule, policy: PolicyRef, policy_name: &str, regions: &RegionNames<'_>) -> Self {
        let is_deny = matches!(document.effect, Effect::Deny(_));
        let is_public = !is_deny && document.identity == IdentityNeed::None;
        // Who is not let in by a public rule is somebody; who is refused is, only where the rule says so.
        let identity = match document.identity {
            IdentityNeed::Required => Demand::Token,
            IdentityNeed::Workload => Demand::Workload,
            IdentityNeed::Anybody if !is_deny => Demand::Token,
            IdentityNeed::None | IdentityNeed::Anybody => Demand::Nothing,
        };
        let mut paths = document.paths;
        if let Some(paths) = &mut paths {
            paths.arrange_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        let mut effect = document.effect;
        if let Effect::Defer(options) = &mut effect {
            options.claims.arrange();
            options.claims.dedup();
        }
        Self {
            label: label(policy_name, Some(&document.name)),
            name: document.name,
            policy,
            has_hosts: document.hosts.is_some(),
            shadow: document.shadow,
            paths,
            names_connect: document.methods.iter().flatten().any(|method| method == "CONNECT"),
            about: (document.about != About::default()).then(|| Box::new(document.about)),
            is_public,
            conditions: Conditions {
                identity,
                home_regions: document.from.home_regions.map(|names| regions.find(&names)),
                source_regions: document.from.source_regions.map(|names| regions.find(&names)),
                source_countries: document.from.source_countries,
                networks: document.from.networks,
                workloads: document.from.workloads,
                permissions: document.permissions,
                roles: document.roles,
                when: document.when,
            },
            effect,
        }
    }
}

/// Regions by name.
struct RegionNames<'r>(BTreeMap<&'r str, RegionId>);

impl<'r> RegionNames<'r> {
    fn new(regions: &'r [document::Region]) -> Self {
        let names = regions.iter().map(|region| region.name.as_str());
        let mut by_name = BTreeMap::new();
        by_name.extend(names.zip((0..=u16::MAX).map(RegionId)));
        Self(by_name)
    }

    /// The Regions that are named so. A name that no Region has can never be met, and so is left out.
    fn find(&self, names: &[String]) -> Vec<RegionId> {
        names
            .iter()
            .filter_map(|name| self.0.get(name.as_str()).copied())
            .collect()
    }
}
