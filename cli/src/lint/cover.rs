//! Which requests a rule is about, compared with another one's: whether all of them are the other's, or some.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use ipnet::IpNet;
use regionguard::bundle::document::{Effect, IdentityNeed, Rule, Words};
use regionguard::identity::SpiffePattern;
use regionguard::request::{HostMatch, HostPattern, PathTemplate, Segment};
use serde_json::{Map, Value};

use super::model::RuleAt;
use crate::documents::camel_case;

/// Whether each host that `inner` matches is one of `outer`'s.
pub(super) fn host_within(inner: &HostPattern, outer: &HostPattern) -> bool {
    let host = match (inner.host(), outer.host()) {
        (HostMatch::Exact(inner), HostMatch::Exact(outer)) => inner == outer,
        (HostMatch::Exact(inner), HostMatch::Suffix(outer)) => inner.len() > outer.len() && inner.ends_with(outer),
        (HostMatch::Suffix(inner), HostMatch::Suffix(outer)) => inner.ends_with(outer),
        (HostMatch::Suffix(_), HostMatch::Exact(_)) => false,
    };
    host && (outer.port().is_none() || inner.port() == outer.port())
}

/// Whether some host is matched by both.
pub(super) fn hosts_meet(one: &HostPattern, other: &HostPattern) -> bool {
    let host = match (one.host(), other.host()) {
        (HostMatch::Exact(one), HostMatch::Exact(other)) => one == other,
        (HostMatch::Exact(exact), HostMatch::Suffix(suffix)) | (HostMatch::Suffix(suffix), HostMatch::Exact(exact)) => {
            exact.len() > suffix.len() && exact.ends_with(suffix)
        }
        (HostMatch::Suffix(one), HostMatch::Suffix(other)) => one.ends_with(other) || other.ends_with(one),
    };
    let ports = match (one.port(), other.port()) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    host && ports
}

/// Whether some host is in both lists; `None` is every host.
pub(super) fn lists_meet(one: Option<&[HostPattern]>, other: Option<&[HostPattern]>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return true;
    };
    one.iter().any(|one| other.iter().any(|other| hosts_meet(one, other)))
}

/// Whether each path that `inner` matches is one of `outer`'s.
pub(super) fn path_within(inner: &[Segment], outer: &[Segment]) -> bool {
    match (inner.split_first(), outer.split_first()) {
        (_, Some((Segment::Rest, _))) | (None, None) => true,
        (Some((Segment::Literal(inner), more)), Some((Segment::Literal(outer), rest))) => {
            inner == outer && path_within(more, rest)
        }
        (Some((Segment::Literal(inner), more)), Some((Segment::Capture(_) | Segment::Any, rest))) => {
            !inner.is_empty() && path_within(more, rest)
        }
        (Some((Segment::Capture(_) | Segment::Any, more)), Some((Segment::Capture(_) | Segment::Any, rest))) => {
            path_within(more, rest)
        }
        _ => false,
    }
}

/// Rules by the literal segments that their paths begin with, so that few are compared with each other.
pub(super) struct Covering<'m> {
    rules: HashMap<String, Vec<&'m RuleAt<'m>>>,
    /// How many may still be looked at.
    left: Cell<usize>,
}

/// Pairs of rules that one lint compares: of a bundle with some thousand rules whose paths all begin alike, not every pair.
pub(crate) const PAIRS: usize = 4_000_000;

impl<'m> Covering<'m> {
    pub(super) fn new(rules: impl Iterator<Item = &'m RuleAt<'m>>) -> Self {
        let mut index: HashMap<String, Vec<&'m RuleAt<'m>>> = HashMap::new();
        for rule in rules {
            let paths = rule.rule.paths.as_deref();
            let mut keys: Vec<String> = match paths {
                None => vec![String::new()],
                Some(paths) => paths.iter().map(|path| prefix(path.segments())).collect(),
            };
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                index.entry(key).or_default().push(rule);
            }
        }
        Self {
            rules: index,
            left: Cell::new(PAIRS),
        }
    }

    /// The rules of which some path may hold all that `path` matches (`None`: every path), the closest first.
    pub(super) fn around(&self, path: Option<&PathTemplate>) -> impl Iterator<Item = &'m RuleAt<'m>> {
        let prefix = path.map(|path| prefix(path.segments())).unwrap_or_default();
        let ends = prefix.rmatch_indices('/').map(|(at, _)| at + 1).chain([0]);
        let found: Vec<&Vec<_>> = ends.filter_map(|end| self.rules.get(prefix.get(..end)?)).collect();
        let within_bounds = |_: &&RuleAt<'_>| {
            let left = self.left.get().checked_sub(1);
            self.left.set(left.unwrap_or(0));
            left.is_some()
        };
        found.into_iter().flatten().copied().take_while(within_bounds)
    }
}

/// The literals that a template begins with, each with a slash behind it: a segment that holds one is encoded.
fn prefix(segments: &[Segment]) -> String {
    let mut prefix = String::new();
    for segment in segments {
        let Segment::Literal(literal) = segment else { break };
        prefix.push_str(&literal.replace('/', "%2F"));
        prefix.push('/');
    }
    prefix
}

/// Whether each host, method and path that `inner` is about is one of `outer`'s.
pub(super) fn route_within(inner: &RuleAt<'_>, outer: &RuleAt<'_>) -> bool {
    hosts_within(inner, outer)
        && methods_within(inner.rule, outer.rule)
        && match (&inner.rule.paths, &outer.rule.paths) {
            (_, None) => true,
            (None, Some(outer)) => outer
                .iter()
                .any(|outer| path_within(&[Segment::Rest], outer.segments())),
            (Some(inner), Some(outer)) => inner.iter().all(|inner| {
                outer
                    .iter()
                    .any(|outer| path_within(inner.segments(), outer.segments()))
            }),
        }
}

fn hosts_within(inner: &RuleAt<'_>, outer: &RuleAt<'_>) -> bool {
    // A rule is about the hosts that it names and its policy governs.
    let lists = |rule: &RuleAt<'_>| {
        let (own, selected) = (rule.rule.hosts.clone(), rule.policy.policy.hosts.clone());
        [own, selected].into_iter().flatten().collect::<Vec<_>>()
    };
    let of_inner = lists(inner);
    lists(outer).iter().all(|outer| {
        let within = |inner: &HostPattern| outer.iter().any(|outer| host_within(inner, outer));
        of_inner.iter().any(|inner| inner.iter().all(within))
    })
}

fn methods_within(inner: &Rule, outer: &Rule) -> bool {
    match (methods(inner), methods(outer)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.is_subset(&outer),
    }
}

/// Whether some method is one of both.
pub(super) fn methods_meet(one: &Rule, other: &Rule) -> bool {
    match (methods(one), methods(other)) {
        (Some(one), Some(other)) => !one.is_disjoint(&other),
        _ => true,
    }
}

fn methods(rule: &Rule) -> Option<HashSet<&str>> {
    let named = rule.methods.as_ref()?;
    let mut methods: HashSet<&str> = named.iter().map(String::as_str).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    Some(methods)
}

/// What a rule holds beside its conditions.
const EFFECTS: [&str; 7] = ["name", "effect", "response", "stepUp", "defer", "mode", "streams"];
/// The conditions that are compared one by one; of any other one it counts whether both rules have the same.
const COMPARED: [&str; 8] = [
    "hosts",
    "methods",
    "paths",
    "upgrades",
    "from",
    "identity",
    "permissions",
    "roles",
];
const FROM_COMPARED: [&str; 4] = ["sourceRegions", "homeRegions", "networks", "workloads"];

/// Whether `outer` matches each request that `inner` matches, as far as can be told.
pub(super) fn within(inner: &RuleAt<'_>, outer: &RuleAt<'_>) -> bool {
    route_within(inner, outer) && conditions_within(inner, outer)
}

fn conditions_within(inner: &RuleAt<'_>, outer: &RuleAt<'_>) -> bool {
    let known: Vec<&str> = EFFECTS.into_iter().chain(COMPARED).collect();
    let (a, b) = (inner.rule, outer.rule);
    same_beside(inner.written, outer.written, &known)
        && upgrades_within(a, b)
        && same_beside(
            inner.written.get("from").unwrap_or(&Value::Null),
            outer.written.get("from").unwrap_or(&Value::Null),
            &FROM_COMPARED,
        )
        && same_beside(
            inner.policy.written.get("selector").unwrap_or(&Value::Null),
            outer.policy.written.get("selector").unwrap_or(&Value::Null),
            &["hosts"],
        )
        && items_within(
            a.from.source_regions.as_ref(),
            b.from.source_regions.as_ref(),
            |a, b| a == b,
        )
        && items_within(a.from.home_regions.as_ref(), b.from.home_regions.as_ref(), |a, b| {
            a == b
        })
        && items_within(a.from.networks.as_ref(), b.from.networks.as_ref(), |a: &IpNet, b| {
            b.contains(a)
        })
        && items_within(
            a.from.workloads.as_ref(),
            b.from.workloads.as_ref(),
            |a: &SpiffePattern, b| a == b,
        )
        && words_within(&a.permissions, &b.permissions)
        && words_within(&a.roles, &b.roles)
        && match b.identity {
            IdentityNeed::Anybody | IdentityNeed::None => true,
            need => a.identity == need,
        }
}

/// Whether each protocol that `inner` is about is one of `outer`'s: without `upgrades`, what lets in is about none but HTTP, and what keeps out about all.
fn upgrades_within(inner: &Rule, outer: &Rule) -> bool {
    match (&inner.about.upgrades, &outer.about.upgrades) {
        (Some(inner), Some(outer)) => inner.iter().all(|upgrade| outer.contains(upgrade)),
        (None, Some(_)) => false,
        (Some(_), None) => keeps_out(outer),
        (None, None) => keeps_out(outer) || !keeps_out(inner),
    }
}

fn keeps_out(rule: &Rule) -> bool {
    matches!(rule.effect, Effect::Deny(_) | Effect::StepUp(_))
}

/// Whether some request may be matched by both, as far as protocols and `from` can tell.
pub(super) fn conditions_meet(one: &Rule, other: &Rule) -> bool {
    let upgrades = match (&one.about.upgrades, &other.about.upgrades) {
        (Some(one), Some(other)) => one.iter().any(|upgrade| other.contains(upgrade)),
        (Some(_), None) => keeps_out(other),
        (None, Some(_)) => keeps_out(one),
        (None, None) => true,
    };
    let (a, b) = (&one.from, &other.from);
    upgrades
        && items_meet(a.source_regions.as_ref(), b.source_regions.as_ref(), |a, b| a == b)
        && items_meet(a.source_countries.as_ref(), b.source_countries.as_ref(), |a, b| a == b)
        && items_meet(a.home_regions.as_ref(), b.home_regions.as_ref(), |a, b| a == b)
        && items_meet(a.networks.as_ref(), b.networks.as_ref(), |a: &IpNet, b| {
            a.contains(b) || b.contains(a)
        })
}

fn items_meet<T>(one: Option<&Vec<T>>, other: Option<&Vec<T>>, meet: impl Fn(&T, &T) -> bool) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.iter().any(|one| other.iter().any(|other| meet(one, other))),
        _ => true,
    }
}

/// Whether each member of `outer` that is not in `known` is in `inner`, too.
fn same_beside(inner: &Value, outer: &Value, known: &[&str]) -> bool {
    let none = Map::new();
    let (inner, outer) = (inner.as_object().unwrap_or(&none), outer.as_object().unwrap_or(&none));
    let is_known = |name: &str| known.contains(&camel_case(name).as_str());
    outer
        .iter()
        .filter(|(name, _)| !is_known(name))
        .all(|(name, value)| inner.get(name) == Some(value))
}

fn items_within<T>(inner: Option<&Vec<T>>, outer: Option<&Vec<T>>, is_within: impl Fn(&T, &T) -> bool) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner
            .iter()
            .all(|inner| outer.iter().any(|outer| is_within(inner, outer))),
    }
}

/// Whether who holds the words that `inner` wants holds those that `outer` wants.
fn words_within(inner: &Words, outer: &Words) -> bool {
    let (any, all) = (inner.any_of.as_deref(), inner.all_of.as_deref().unwrap_or_default());
    // The one word of `anyOf` is held for sure.
    let sure = |word: &String| all.contains(word) || any.is_some_and(|any| any.iter().all(|one| one == word));
    let meets_any =
        |outer: &[String]| outer.iter().any(sure) || any.is_some_and(|any| any.iter().all(|word| outer.contains(word)));
    outer.any_of.as_deref().is_none_or(meets_any) && outer.all_of.iter().flatten().all(sure)
}

#[cfg(test)]
mod tests;
