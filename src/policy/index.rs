//! From a request's host, method and path to the rules that are about it and the policies that govern it.
//!
//! The cost depends on the labels of the host, the segments of the path and the rules that are found, not on how many rules there are.

use std::collections::BTreeMap;

use super::about::Notes;
use super::compile::{PolicyRef, RuleRef};
use super::hosts::HostMap;
use super::paths::{NodeId, PathTries, Walk};
use super::shadow::Whole;
use crate::bundle::document;
use crate::request::{Authority, CanonicalPath, HostPattern};
use crate::sort::Arrange as _;

/// A list of up to so many hosts gets its paths into the trie of each of them; a longer one gets a trie of its own, so that the index grows with
/// the bundle's length and not with its hosts times its paths. Rules with the same list share that trie.
pub(crate) const SPREAD: usize = 4;

/// What is found for one request. To be kept and filled again: then a look-up allocates nothing.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Sorted, so by policy and rule name.
    pub(super) rules: Vec<RuleRef>,
    /// Those that govern the request and say something beside their rules; sorted, so by name.
    pub(super) policies: Vec<PolicyRef>,
    pub(super) notes: Notes,
    /// With what is in shadow mode; `None` where nothing of that is about the request.
    pub(super) whole: Option<Whole>,
    pub(super) walk: Walk,
}

impl Candidates {
    /// The rules that are about the request, by policy and rule name.
    #[must_use]
    pub fn rules(&self) -> &[RuleRef] {
        &self.rules
    }

    /// The policies that govern the request and say something beside their rules, by name.
    #[must_use]
    pub fn policies(&self) -> &[PolicyRef] {
        &self.policies
    }

    /// How many nodes of the index the look-up touched: what it cost, whatever the machine.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.walk.steps
    }
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    hosts: HostMap<HostEntry>,
    tries: PathTries,
    /// The trie of the rules for any host.
    any_host: NodeId,
    /// The policies without a selector that say something beside their rules.
    everywhere: Vec<PolicyRef>,
}

#[derive(Debug, Default)]
struct HostEntry {
    roots: Vec<NodeId>,
    policies: Vec<PolicyRef>,
}

impl Index {
    /// Fills `candidates`; `governs` says whether the policy of a rule governs the request, which is asked only for rules that are found.
    pub(super) fn find(
        &self,
        authority: &Authority<'_>,
        method: &str,
        path: &CanonicalPath<'_>,
        governs: impl Fn(RuleRef) -> bool,
        candidates: &mut Candidates,
    ) {
        let Candidates {
            rules,
            policies,
            walk,
            whole,
            ..
        } = candidates;
        *whole = None;
        rules.clear();
        policies.clear();
        policies.extend_from_slice(&self.everywhere);
        walk.reached.clear();
        walk.reached.push(self.any_host);
        self.hosts.visit(authority, |entry| {
            walk.reached.extend_from_slice(&entry.roots);
            policies.extend_from_slice(&entry.policies);
        });
        // Several patterns of one list may match.
        walk.reached.arrange();
        walk.reached.dedup();
        self.tries.find(method, path, walk, rules);
        sort_once(policies);
        sort_once(rules);
        rules.retain(|rule| governs(*rule));
    }

    /// How many nodes it has.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.tries.nodes()
    }
}

fn sort_once<T: Ord>(list: &mut Vec<T>) {
    list.arrange();
    list.dedup();
}

/// Builds an [`Index`].
pub(super) struct IndexBuilder {
    index: Index,
    /// The trie of each list of hosts, which is sorted by what it says.
    lists: BTreeMap<Vec<String>, NodeId>,
}

impl IndexBuilder {
    pub(super) fn new() -> Self {
        let mut tries = PathTries::default();
        let any_host = tries.root();
        let index = Index {
            hosts: HostMap::default(),
            tries,
            any_host,
            everywhere: Vec::new(),
        };
        Self {
            index,
            lists: BTreeMap::new(),
        }
    }

    /// Adds a policy that says something beside its rules.
    pub(super) fn add_policy(&mut self, policy: PolicyRef, selector: Option<&[HostPattern]>) {
        let Some(hosts) = selector else {
            self.index.everywhere.push(policy);
            return;
        };
        for host in hosts {
            self.index.hosts.entry(host).policies.push(policy);
        }
    }

    /// The tries of the rules that have these hosts.
    pub(super) fn roots(&mut self, hosts: Option<&[HostPattern]>) -> Vec<NodeId> {
        let Some(hosts) = hosts else {
            return vec![self.index.any_host];
        };
        let mut named: Vec<_> = hosts.iter().map(|host| (host.to_string(), host)).collect();
        named.arrange_by(|(a, _), (b, _)| a.cmp(b));
        named.dedup_by(|(a, _), (b, _)| a == b);
        if named.len() > SPREAD {
            return vec![self.root_of(named)];
        }
        named.into_iter().map(|host| self.root_of(vec![host])).collect()
    }

    /// Adds a rule, whose hosts are its own or else those that its policy selects.
    pub(super) fn add_rule(&mut self, rule: RuleRef, document: &document::Rule, selected: &[NodeId]) {
        let own = document.hosts.as_deref().map(|hosts| self.roots(Some(hosts)));
        for root in own.as_deref().unwrap_or(selected).iter().copied() {
            let methods = document.methods.as_deref();
            match &document.paths {
                None => self.index.tries.add(root, None, methods, rule),
                Some(paths) => {
                    for template in paths {
                        self.index.tries.add(root, Some(template), methods, rule);
                    }
                }
            }
        }
    }

    pub(super) fn build(mut self) -> Index {
        self.index.tries.finish();
        self.index
    }

    fn root_of(&mut self, hosts: Vec<(String, &HostPattern)>) -> NodeId {
        let (names, hosts): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
        if let Some(root) = self.lists.get(&names) {
            return *root;
        }
        let root = self.index.tries.root();
        for host in hosts {
            self.index.hosts.entry(host).roots.push(root);
        }
        self.lists.insert(names, root);
        root
    }
}

#[cfg(test)]
mod tests;
