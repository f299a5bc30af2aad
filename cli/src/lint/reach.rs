//! What no request can meet.

use ipnet::IpNet;
use regionguard::bundle::document::{
    Acceptance, IdentityNeed, Matcher, Policy, Region, Requirement, SourceRestriction, ValueTest, Words,
};
use regionguard::request::HostPattern;
use serde_json::Value;

use super::Lint;
use super::cover::lists_meet;
use super::model::{Model, PolicyAt, RuleAt};
use crate::documents::member;

pub(super) const RULE_NEVER_MATCHES: Lint = Lint {
    id: "lint/rule-never-matches",
    about: "a rule that no request can match",
    help: "correct what it is compared with, or take the rule away: an allow that never matches lets nobody in, a deny that never matches keeps nobody out",
};

pub(super) const REQUIREMENTS_NEVER_MET: Lint = Lint {
    id: "lint/requirements-never-met",
    about: "requirements that no request can meet together",
    help: "each one listed is required, all at once: correct the lists or the times, or take away what has passed",
};

/// `now` is in seconds since the Unix epoch.
pub(super) fn find(model: &mut Model<'_>, now: f64) {
    let mut found = Vec::new();
    for rule in &model.rules {
        if let Some((field, why)) = never(rule, model) {
            found.push((&RULE_NEVER_MATCHES, format!("{}.{field}", rule.path), why));
        }
    }
    for policy in &model.policies {
        if let Some(why) = never_met(policy).or_else(|| never_then(policy, now)) {
            found.push((&REQUIREMENTS_NEVER_MET, format!("{}.context", policy.path), why));
        }
    }
    for (lint, path, why) in found {
        model.say(lint, &path, why);
    }
}

/// The field because of which `rule` never matches, and why.
fn never(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<(&'static str, String)> {
    hosts(rule, model)
        .map(|why| ("hosts", why))
        .or_else(|| homes(rule, model).map(|why| ("from.homeRegions", why)))
        .or_else(|| words(rule, model))
        .or_else(|| source(rule, model).map(|why| ("from.networks", why)))
        .or_else(|| workloads(rule, model).map(|why| ("from.workloads", why)))
        .or_else(|| required_source(rule).map(|why| ("from.sourceRegions", why)))
        .or_else(|| absent("headers", &rule.rule.about.headers))
        .or_else(|| absent("query", &rule.rule.about.query))
}

fn hosts(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<String> {
    let own = rule.rule.hosts.as_deref()?;
    let selected = rule.policy.policy.hosts.as_deref();
    if !lists_meet(Some(own), selected) {
        return Some(format!(
            "never matches: its policy governs {} only",
            listed(selected.unwrap_or_default())
        ));
    }
    let served = model.bundle.trust.hosts.as_deref();
    (!lists_meet(Some(own), served)).then(|| {
        format!(
            "never matches: `trust.hosts` has {} only, and any other authority is answered 421",
            listed(served.unwrap_or_default())
        )
    })
}

/// The first few of them.
fn listed(hosts: &[HostPattern]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = hosts.iter().take(SHOWN).map(|host| format!("`{host}`")).collect();
    match hosts.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What the local Region accepts of another one's tokens.
fn acceptance<'r>(local: &'r Region, home: &str) -> Option<&'r Acceptance> {
    local.accepts.iter().find(|entry| entry.home == home)
}

fn homes(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<String> {
    let homes = rule.rule.from.home_regions.as_ref()?;
    let local = model.bundle.region.as_deref()?;
    let counts = |local: &Region| {
        homes
            .iter()
            .any(|home| *home == local.name || acceptance(local, home).is_some())
    };
    (!model.locals().any(counts)).then(|| {
        format!("never matches: tokens of these regions are refused, for `accepts` of `{local}` does not list them")
    })
}

/// A permission or role that no token has here.
fn words(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<(&'static str, String)> {
    let wanted = [("permissions", &rule.rule.permissions), ("roles", &rule.rule.roles)];
    wanted.into_iter().find_map(|(field, words)| {
        if *words == Words::default() || model.bundle.regions.is_empty() {
            return None;
        }
        let possible = |local: &Region| {
            let homes = rule.rule.from.home_regions.as_ref();
            let meant = |home: &str| homes.is_none_or(|homes| homes.iter().any(|one| one == home));
            // Its own tokens may hold anything.
            meant(&local.name)
                || local
                    .accepts
                    .iter()
                    .filter(|entry| meant(&entry.home))
                    .any(|entry| can_hold(words, |word| counts(field, entry, word, model)))
        };
        let never = !model.locals().any(possible);
        never.then(|| {
            let message =
                format!("never matches: `accepts` of the local Region lets no such {field} of these regions count");
            (field, message)
        })
    })
}

fn counts(field: &str, entry: &Acceptance, word: &str, model: &Model<'_>) -> bool {
    let accepted = match field {
        "roles" => &entry.roles,
        _ => &entry.permissions,
    };
    let is_granted = || field == "permissions" && model.granted.contains(&(entry.home.as_str(), word));
    accepted.iter().any(|pattern| pattern.matches(word)) || is_granted()
}

fn can_hold(words: &Words, can: impl Fn(&str) -> bool) -> bool {
    words.any_of.as_ref().is_none_or(|any| any.iter().any(|word| can(word)))
        && words.all_of.iter().flatten().all(|word| can(word))
}

/// Networks that are all outside of the source regions.
fn source(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<String> {
    let (networks, regions) = (
        rule.rule.from.networks.as_ref()?,
        rule.rule.from.source_regions.as_ref()?,
    );
    // An edge may tell the region, whatever the address.
    if edges_tell_regions(model) {
        return None;
    }
    let overlap = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let meets = |region: &Region| {
        region
            .networks
            .iter()
            .any(|own| networks.iter().any(|network| overlap(own, network)))
    };
    let mut meant = model
        .bundle
        .regions
        .iter()
        .filter(|region| regions.contains(&region.name));
    (!meant.any(meets)).then(|| "never matches: none of these networks is one of its `sourceRegions`".to_owned())
}

fn edges_tell_regions(model: &Model<'_>) -> bool {
    let trust = model.loaded.value.get("trust");
    let edges = trust.and_then(|trust| member(trust, "edges")).and_then(Value::as_array);
    edges
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .any(|edge| edge.keys().any(|name| name.to_ascii_lowercase().contains("region")))
}

/// Workloads of trust domains that do not count here, in a rule for workloads that do.
fn workloads(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<String> {
    let patterns = rule
        .rule
        .from
        .workloads
        .as_ref()
        .filter(|_| rule.rule.identity == IdentityNeed::Workload)?;
    let counts = |local: &Region| {
        patterns.iter().any(|pattern| {
            let domain = pattern.trust_domain();
            let own = local.trust_domains.iter().any(|own| own == domain);
            let mut accepted = local.accepts.iter().flat_map(|entry| &entry.workloads);
            own || accepted.any(|entry| entry.trust_domain() == domain)
        })
    };
    (!model.locals().any(counts)).then(|| {
        "never matches: these workloads do not count here, for neither `trustDomains` nor `accepts` of the local Region has their trust domain".to_owned()
    })
}

/// Source regions that the policy of the rule keeps out itself.
fn required_source(rule: &RuleAt<'_>) -> Option<String> {
    let regions = rule.rule.from.source_regions.as_ref()?;
    let kept_out = || restrictions(rule.policy.policy).any(|one| !regions.iter().any(|region| admits(one, region)));
    (rule.lets_in() && kept_out())
        .then(|| "lets nobody in: its policy demands other source regions (`context.geo_restrictions`)".to_owned())
}

/// What has to be absent, and has to have a value.
fn absent(field: &'static str, matchers: &[Matcher]) -> Option<(&'static str, String)> {
    let is_absent = |matcher: &&Matcher| matcher.test == ValueTest::Absent;
    let contradicted = |absent: &&Matcher| {
        matchers
            .iter()
            .any(|one| one.name == absent.name && one.test != ValueTest::Absent)
    };
    let found = matchers.iter().filter(is_absent).find(contradicted)?;
    Some((
        field,
        format!("never matches: `{}` has to be absent and to have a value", found.name),
    ))
}

/// Spans of time that have passed, or that have no moment in common.
fn never_then(policy: &PolicyAt<'_>, now: f64) -> Option<String> {
    let spans = || {
        policy
            .policy
            .requirements
            .iter()
            .filter_map(|requirement| match requirement {
                Requirement::Dates(span) => Some(span),
                _ => None,
            })
    };
    let end = spans().filter_map(|span| span.until).min()?;
    if end.numeric_date() <= now {
        return Some(
            "the time that `notAfter` allows has passed, so whatever this policy governs is denied".to_owned(),
        );
    }
    let begin = spans().filter_map(|span| span.from).max()?;
    (end <= begin).then(|| {
        "no moment is within all of `notBefore` and `notAfter`, so whatever this policy governs is denied".to_owned()
    })
}

fn never_met(policy: &PolicyAt<'_>) -> Option<String> {
    let regions = restrictions(policy.policy).map(|one| (one.allowed_regions.as_ref(), one.denied_regions.as_ref()));
    let countries =
        restrictions(policy.policy).map(|one| (one.allowed_countries.as_ref(), one.denied_countries.as_ref()));
    let what = if nothing_is_left(regions) {
        "region"
    } else if nothing_is_left(countries) {
        "country"
    } else {
        return None;
    };
    Some(format!(
        "no source {what} is allowed by all of the lists, so whatever this policy governs is denied"
    ))
}

/// Whether no item is in each list of what is allowed, where there is one, and in no list of what is denied.
fn nothing_is_left<'l, T: PartialEq + 'l>(
    lists: impl Iterator<Item = (Option<&'l Vec<T>>, Option<&'l Vec<T>>)> + Clone,
) -> bool {
    let allowed = || lists.clone().filter_map(|(allowed, _)| allowed);
    let admitted = |item: &T| {
        allowed().all(|list| list.contains(item))
            && !lists
                .clone()
                .filter_map(|(_, denied)| denied)
                .any(|list| list.contains(item))
    };
    allowed().next().is_some_and(|first| !first.iter().any(admitted))
}

fn restrictions(policy: &Policy) -> impl Iterator<Item = &SourceRestriction> + Clone {
    policy.requirements.iter().filter_map(|requirement| match requirement {
        Requirement::Source(restriction) => Some(restriction),
        _ => None,
    })
}

/// Whether requests from this region meet it, as far as the region goes.
fn admits(restriction: &SourceRestriction, region: &String) -> bool {
    let (allowed, denied) = (&restriction.allowed_regions, &restriction.denied_regions);
    allowed.as_ref().is_none_or(|list| list.contains(region))
        && denied.as_ref().is_none_or(|list| !list.contains(region))
}
