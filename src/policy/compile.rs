//! The policies of a bundle, compiled: names are resolved, rules are in the index, labels are made.

use std::collections::BTreeMap;

use super::conditions::{Conditions, Demand};
use super::decide::By;
use super::hosts::HostMap;
use super::index::{Candidates, Index, IndexBuilder};
use super::label::{NOTHING, label};
use super::place::SourceRestriction;
use crate::bundle::document::{Effect, IdentityNeed};
use crate::bundle::{RegionId, document};
use crate::request::{Authority, CanonicalPath, PathTemplate};

/// A rule of one [`PolicySet`]. They sort by policy name, then by rule name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef(usize);

/// A policy of one [`PolicySet`]. They sort by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRef(usize);

/// All policies of a bundle.
#[derive(Debug)]
pub struct PolicySet {
    // INVARIANT: sorted by name, and the rules by policy and name, so that order among references is order among names.
    policies: Vec<Policy>,
    rules: Vec<Rule>,
    index: Index,
    /// Whether any Region has trust domains, so that a workload may have a home.
    pub(super) has_trust_domains: bool,
}

/// A policy, without its rules.
#[derive(Debug)]
pub(super) struct Policy {
    name: String,
    label: Box<str>,
    /// What it governs; `None`: everything.
    selector: Option<HostMap<()>>,
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
    /// Where it comes from.
    Source(SourceRestriction),
    /// It is within the business hours of the home region.
    BusinessHours,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    name: String,
    policy: PolicyRef,
    label: Box<str>,
    /// Whether it has hosts of its own, and so may be found where its policy does not govern.
    has_hosts: bool,
    /// Sorted by text, so that the document's order does not matter.
    paths: Option<Vec<PathTemplate>>,
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
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        for mut document in documents {
            let policy = PolicyRef(policies.len());
            let selector = document.hosts.as_deref();
            if !document.requirements.is_empty() || document.default_allow || document.forward.is_some() {
                index.add_policy(policy, selector);
            }
            let selected = index.roots(selector);
            let mut of_policy = core::mem::take(&mut document.rules);
            of_policy.sort_by(|a, b| a.name.cmp(&b.name));
            for rule in of_policy {
                index.add_rule(RuleRef(rules.len()), &rule, &selected);
                rules.push(Rule::compile(rule, policy, &document.name, &names));
            }
            policies.push(Policy::compile(document, &names));
        }
        Self {
            policies,
            rules,
            index: index.build(),
            has_trust_domains: regions.iter().any(|region| !region.trust_domains.is_empty()),
        }
    }

    /// Finds the rules that are about this host, method (as received) and path, and the policies that govern it. What `candidates` held before is gone.
    pub fn candidates(
        &self,
        authority: &Authority<'_>,
        method: &str,
        path: &CanonicalPath<'_>,
        candidates: &mut Candidates,
    ) {
        let governs = |rule: RuleRef| self.rule(rule).is_some_and(|rule| self.governs(rule, authority));
        self.index.find(authority, method, path, governs, candidates);
    }

    /// A rule; `None` for a reference of another set.
    #[must_use]
    pub fn rule(&self, rule: RuleRef) -> Option<&Rule> {
        self.rules.get(rule.0)
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
            document::Requirement::Source(restriction) => {
                Requirement::Source(SourceRestriction::compile(restriction, |names| regions.find(names)))
            }
            document::Requirement::BusinessHours => Requirement::BusinessHours,
        });
        Self {
            label: label(&document.name, None),
            name: document.name,
            selector,
            default_allow: document.default_allow,
            forward: document.forward,
            requirements: requirements.collect(),
        }
    }
}

impl Rule {
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
            paths.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        let mut effect = document.effect;
        if let Effect::Defer(options) = &mut effect {
            options.claims.sort_unstable();
            options.claims.dedup();
        }
        Self {
            label: label(policy_name, Some(&document.name)),
            name: document.name,
            policy,
            has_hosts: document.hosts.is_some(),
            paths,
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
        Self(names.zip((0..=u16::MAX).map(RegionId)).collect())
    }

    /// The Regions that are named so. A name that no Region has can never be met, and so is left out.
    fn find(&self, names: &[String]) -> Vec<RegionId> {
        names
            .iter()
            .filter_map(|name| self.0.get(name.as_str()).copied())
            .collect()
    }
}
