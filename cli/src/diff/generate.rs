//! Requests made of what bundles say. For each rule one that it is about and that meets all that is demanded of it, and such that differ from it in one way each: by
//! one demand that is not met, or by what either bundle names.

mod meet;
mod pools;
mod route;
mod times;
mod vary;
mod when;

use std::collections::{HashMap, HashSet};

use regionguard::bundle::document::{Bundle, Effect, Openings, Policy, Rule, Words};
use regionguard::bundle::{self, Encoding};
use regionguard::time::WallTime;
use serde_json::Value;

use self::meet::{World, token, wanted};
use self::pools::Pools;
use self::vary::Variations;
use self::when::Solver;
use crate::documents::Loaded;
use crate::recorded;
use crate::trial::{Request, Trial};

/// Variations of one rule, at most; the more rules there are, the fewer.
const VARIATIONS: usize = 160;
const FEWEST: usize = 12;

/// Up to `most` requests.
pub(super) fn requests(bundles: &[&Loaded], at: WallTime, most: usize) -> Vec<Trial> {
    let read: Vec<(Bundle, &Loaded)> = bundles
        .iter()
        .filter_map(|loaded| {
            let text = loaded.value.to_string();
            let bundle = bundle::documents(text.as_bytes(), Encoding::Json).ok()?;
            Some((bundle, *loaded))
        })
        .collect();
    let documents: Vec<&Bundle> = read.iter().map(|(bundle, _)| bundle).collect();
    let pools = Pools::new(&documents, at);
    let count: usize = documents
        .iter()
        .flat_map(|bundle| &bundle.policies)
        .map(|policy| policy.rules.len())
        .sum();
    let each = (4 * most)
        .checked_div(count.max(1))
        .unwrap_or(most)
        .clamp(FEWEST, VARIATIONS);
    let mut made: Vec<Vec<std::vec::IntoIter<Trial>>> = Vec::new();
    for (bundle, loaded) in &read {
        let world = World { bundle, pools: &pools };
        let mut solver = Solver::new(loaded);
        let others = read.iter().filter(|(_, other)| !std::ptr::eq(*other, *loaded));
        let others: HashSet<String> = others
            .flat_map(|(_, other)| texts(other))
            .map(|(_, text)| text)
            .collect();
        let own: HashMap<String, String> = texts(loaded).collect();
        let is_new = |name: &str| own.get(name).is_none_or(|text| !others.contains(text));
        let differs =
            |policy: &Policy, rule: &Rule| is_new(&policy.name) || is_new(&format!("{}/{}", policy.name, rule.name));
        let rules = bundle
            .policies
            .iter()
            .flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        let mut rules: Vec<_> = rules.collect();
        // What one bundle says and the other does not is tried first.
        rules.sort_by_cached_key(|(policy, rule)| !differs(policy, rule));
        let mut of_bundle: Vec<std::vec::IntoIter<Trial>> = Vec::new();
        // Where there are more rules than requests, those that differ are varied, and some others get one each.
        let news = rules.iter().take_while(|(policy, rule)| differs(policy, rule)).count();
        let others = most.saturating_sub(news.saturating_mul(each + 1));
        let tried = if count <= most { most } else { news + others };
        for (policy, rule) in rules.into_iter().take(tried.min(most)) {
            let is_varied = count <= most || differs(policy, rule);
            let mut trials = of_rule(&world, &mut solver, policy, rule, is_varied);
            trials.truncate(each);
            of_bundle.push(trials.into_iter());
        }
        let beside = bundle
            .policies
            .iter()
            .map(|policy| beside_rules(&world, policy).into_iter());
        of_bundle.extend(beside.take(most));
        of_bundle.push(beside_policies(&world).into_iter());
        made.push(of_bundle);
    }
    round_robin(made, most)
}

/// Each policy without its rules, and each rule, by its name: what both bundles say alike has the same text in both.
fn texts(loaded: &Loaded) -> impl Iterator<Item = (String, String)> {
    let documents = loaded.value.get("documents").and_then(Value::as_array);
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let of_document = move |document: &Value| {
        let mut texts = Vec::new();
        let policy = document.get("metadata").and_then(name).unwrap_or_default();
        let mut head = document.clone();
        let rules = head
            .get_mut("spec")
            .and_then(|spec| spec.as_object_mut()?.remove("rules"));
        for rule in rules.iter().filter_map(Value::as_array).flatten() {
            let rule_name = format!("{policy}/{}", name(rule).unwrap_or_default());
            texts.push((rule_name.clone(), format!("{rule_name} {rule}")));
        }
        texts.push((policy, head.to_string()));
        texts
    };
    let policies = documents.into_iter().flatten().filter(|document| {
        let kind = document.get("kind").and_then(Value::as_str);
        kind == Some("ZeroTrustPolicy")
    });
    policies.flat_map(of_document)
}

/// One of each, of both bundles in turn; then a second one: a limit cuts variations off, and no rules.
fn round_robin(made: Vec<Vec<std::vec::IntoIter<Trial>>>, most: usize) -> Vec<Trial> {
    let longest = made.iter().map(Vec::len).max().unwrap_or_default();
    let mut bundles: Vec<_> = made.into_iter().map(Vec::into_iter).collect();
    let turns = (0..longest).flat_map(|_| bundles.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>());
    let mut made: Vec<std::vec::IntoIter<Trial>> = turns.collect();
    let mut seen = HashSet::new();
    let mut trials = Vec::new();
    loop {
        let mut any = false;
        for rule in &mut made {
            let Some(trial) = rule.next() else { continue };
            any = true;
            if trials.len() < most && seen.insert(recorded::write(&trial).to_string()) {
                trials.push(trial);
            }
        }
        if !any || trials.len() >= most {
            return trials;
        }
    }
}

/// A request that this rule is about, and some that differ from it in one way where it `is_varied`.
fn of_rule<'b>(
    world: &World<'b>,
    solver: &mut Solver<'_>,
    policy: &'b Policy,
    rule: &Rule,
    is_varied: bool,
) -> Vec<Trial> {
    let hosts = route::hosts(policy, Some(rule), world.bundle.trust.hosts.as_deref());
    let Some(host) = hosts.first() else { return Vec::new() };
    let demands = world.demands(policy, Some(rule), host);
    let base = world.base(policy, rule, &demands, host);
    let (base, more) = solver.solve(rule, base, &world.pools.times);
    if !is_varied {
        return vec![base];
    }
    let mut trials = Variations::of_rule(world, policy, rule, &demands, base);
    let rest = trials.split_off(1);
    trials.extend(more);
    if matches!(rule.effect, Effect::Deny(_) | Effect::StepUp(_)) {
        trials.extend(kept_out(world, rule));
    }
    trials.extend(rest);
    trials
}

/// What other rules would let in, and what this one is about as well: by whoever it means.
fn kept_out(world: &World<'_>, rule: &Rule) -> Vec<Trial> {
    let mut trials = Vec::new();
    for policy in &world.bundle.policies {
        for other in &policy.rules {
            if trials.len() >= KEPT_OUT || !matches!(other.effect, Effect::Allow | Effect::Defer(_)) {
                continue;
            }
            let hosts = route::hosts(policy, Some(other), world.bundle.trust.hosts.as_deref());
            let is_meant = |host: &&String| rule.hosts.as_ref().is_none_or(|hosts| route::matches(hosts, host));
            let Some(host) = hosts.iter().find(is_meant) else {
                continue;
            };
            let demands = world.demands(policy, Some(other), host);
            let base = world.base(policy, other, &demands, host);
            let methods = other
                .methods
                .clone()
                .unwrap_or_else(|| vec![base.request.method.clone()]);
            for method in methods {
                let mut trial = base.clone();
                trial.request.method = method;
                if !meet::route_may_be(rule, &trial.request) {
                    continue;
                }
                if let Some(token) = &mut trial.token {
                    let both = |of: fn(&Rule) -> &Words| [wanted(of(rule)), wanted(of(other))].concat();
                    let (permissions, roles) = (both(|rule| &rule.permissions), both(|rule| &rule.roles));
                    let said = world.pools.said(&permissions, &roles, demands.home.as_deref());
                    token.claims.extend(said);
                }
                trials.push(trial);
            }
        }
    }
    trials
}

/// Requests that a rule keeps out, at most.
const KEPT_OUT: usize = 12;

/// Requests about what a policy says beside its rules: its default, preflights and probes.
fn beside_rules<'b>(world: &World<'b>, policy: &'b Policy) -> Vec<Trial> {
    let hosts = route::hosts(policy, None, world.bundle.trust.hosts.as_deref());
    let Some(host) = hosts.first().filter(|_| policy.speaks()) else {
        return Vec::new();
    };
    let demands = world.demands(policy, None, host);
    let Openings { preflight, probes } = &policy.openings;
    let asked = |method: &str, path: &str| Trial {
        request: Request {
            method: method.to_owned(),
            scheme: "https".to_owned(),
            host: host.clone(),
            path: path.to_owned(),
            headers: Vec::new(),
        },
        ..world.plain(policy)
    };
    let mut trials = Vec::new();
    if policy.default_allow {
        let mut base = asked("GET", NOWHERE);
        base.token = Some(token(
            world.pools.everything(None, demands.home.as_deref()),
            demands.home.as_deref(),
        ));
        world.meet(&mut base, None, &demands);
        trials.extend(Variations::of_policy(world, &demands, base));
    }
    if *preflight {
        let mut base = asked("OPTIONS", NOWHERE);
        route::set_header(&mut base.request, "origin", Some("https://app.example.com"));
        route::set_header(&mut base.request, "access-control-request-method", Some("GET"));
        world.meet(&mut base, None, &demands);
        trials.extend(Variations::of_policy(world, &demands, base));
    }
    for probe in probes {
        for path in route::paths(&probe.path) {
            for port in [Some(probe.port), Some(probe.port ^ 1), None] {
                let mut base = asked("GET", &path);
                base.port = port;
                trials.push(base);
            }
        }
    }
    trials
}

/// A path that no rule may name.
const NOWHERE: &str = "/what/no/rule/may/name";

/// Requests that no rule may be about, of nobody and of somebody who may everything.
fn beside_policies(world: &World<'_>) -> Vec<Trial> {
    let local = world.local().map(|region| region.name.clone());
    let none = ["any.example.com".to_owned()];
    let hosts = if world.pools.hosts.is_empty() {
        &none[..]
    } else {
        &world.pools.hosts
    };
    let each = hosts.iter().take(8).flat_map(|host| {
        [
            None,
            Some(token(world.pools.everything(None, local.as_deref()), local.as_deref())),
        ]
        .map(|token| Trial {
            request: Request {
                method: "GET".to_owned(),
                scheme: "https".to_owned(),
                host: host.clone(),
                path: NOWHERE.to_owned(),
                headers: Vec::new(),
            },
            token,
            address: world.pools.places.first().copied(),
            locality: local.clone(),
            at: world.pools.at,
            ..Trial::default()
        })
    });
    each.collect()
}
