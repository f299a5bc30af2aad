//! Random policies and requests over small alphabets, so that things collide.
//!
//! A policy is drawn as a plain description, because documents cannot be copied and a property needs the same ones twice. It holds nothing that the format cannot say:
//! each can be written down ([`bundle`]).

mod demand;
mod request;
mod rule;
mod written;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionguard::bundle::RegionId;
use regionguard::bundle::document::{
    Acceptance, Effect, Forward, Openings, Place, Policy, Probe, Region, ServedPattern,
};
use regionguard::context::{BusinessHours, Calendar, Zone};
use regionguard::device::Platform;
use regionguard::identity::{ClaimMapping, KeyRing, SpiffePattern};
use regionguard::request::{HostPattern, PathOptions, PathTemplate};

use demand::Demand;
pub(crate) use request::{RequestPlan, request};
pub(crate) use rule::WHENS;
use rule::{RulePlan, rule};
pub(crate) use written::bundle;

/// The Regions, sorted by name; the last has no calendar.
pub(crate) const REGIONS: [&str; 3] = ["ap-southeast-1", "eu-west-1", "us-east-1"];
const HOSTS: &[&str] = &[
    "com",
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "b.com",
    "*.com",
    "*.a.com",
    "*.b.a.com",
    "a.com:80",
    "a.com:8080",
    "*.com:443",
    "*.a.com:8080",
    "[::1]",
    "10.0.0.1",
];
const SERVED_PATTERNS: &[&str] = &["spiffe://a/ns/x/*", "spiffe://b/ns/x/sa/y", "ns/x/sa/y", "ns/x/sa/z"];
const PROBES: &[(&str, u16)] = &[("/x", 80), ("/x/y", 80), ("/y", 81)];
const WORDS: &[&str] = &["p", "q", "r"];
const COUNTRIES: &[&str] = &["DE", "SG", "US"];
const ACR: &[&str] = &["gold", "silver"];
const AMR: &[&str] = &["hwk", "mfa"];
const VERSIONS: &[&str] = &["9", "14.9", "14.10", "14.10.0", "15"];
const CLAIMS: &[&str] = &["email", "groups", "tenant"];
const HEADERS: &[&str] = &["x-tenant", "x-user"];

/// A policy, described.
#[derive(Debug, Clone)]
pub(crate) struct PolicyPlan {
    hosts: Option<Vec<&'static str>>,
    place: Place,
    openings: Openings,
    default_allow: bool,
    forward: Option<Forward>,
    demands: Vec<Demand>,
    os_versions: Vec<(Platform, String)>,
    rules: Vec<(String, RulePlan)>,
}

/// Policies, each with the name that it is to have.
pub(crate) fn policies() -> impl Strategy<Value = Vec<(String, PolicyPlan)>> {
    vec(policy(), 0..5).prop_map(|mut plans| {
        // One header has one meaning in a bundle.
        let mut filled = BTreeMap::new();
        for forward in plans.iter_mut().filter_map(|plan| plan.forward.as_mut()) {
            forward
                .claims
                .retain(|(header, claim)| filled.entry(header.clone()).or_insert(claim.clone()) == claim);
        }
        named("policy", plans)
    })
}

/// How paths are read.
pub(crate) fn options() -> impl Strategy<Value = PathOptions> {
    (any::<bool>(), any::<bool>()).prop_map(|(empty_segments, case_insensitive)| PathOptions {
        empty_segments,
        case_insensitive,
        ..PathOptions::default()
    })
}

/// The Regions, of which two have calendars.
pub(crate) fn regions() -> Vec<Region> {
    let zones = [Some("Asia/Singapore"), Some("Europe/Dublin"), None];
    REGIONS
        .iter()
        .zip(zones)
        .map(|(name, zone)| region_document(name, zone))
        .collect()
}

/// The documents that the plans describe, in their order.
pub(crate) fn documents(plans: &[(String, PolicyPlan)], options: &PathOptions) -> Vec<Policy> {
    let of_plan = |(name, plan): &(String, PolicyPlan)| Policy {
        name: name.clone(),
        shadow: false,
        hosts: plan.hosts.as_deref().map(patterns),
        place: plan.place.clone(),
        openings: plan.openings.clone(),
        default_allow: plan.default_allow,
        forward: plan.forward.clone(),
        requirements: Demand::all(&plan.demands, &plan.os_versions),
        rules: plan
            .rules
            .iter()
            .map(|(name, rule)| rule.document(name, options))
            .collect(),
    };
    plans.iter().map(of_plan).collect()
}

/// The headers that policies fill with claims.
pub(crate) fn filled(plans: &[(String, PolicyPlan)]) -> Vec<String> {
    let forwards = plans.iter().filter_map(|(_, plan)| plan.forward.as_ref());
    let claims = forwards.flat_map(|forward| &forward.claims);
    claims.map(|(header, _)| header.clone()).collect()
}

/// Puts some of them and of their rules into shadow mode, as the bits of `which` say.
pub(crate) fn put_in_shadow(policies: &mut [Policy], which: u64) {
    let mut bits = (0..64).map(|place| which >> place & 1 == 1).cycle();
    for policy in policies {
        // Fewer policies than rules.
        policy.shadow = bits.next() == Some(true) && bits.next() == Some(true);
        for rule in &mut policy.rules {
            rule.shadow = bits.next() == Some(true);
        }
    }
}

/// The same policies in another order, in which their rules stand in another order too.
pub(crate) fn shuffled(plans: &[(String, PolicyPlan)], by: usize) -> Vec<(String, PolicyPlan)> {
    let mut plans = plans.to_vec();
    for (_, plan) in &mut plans {
        turn(&mut plan.rules, by);
        for (_, rule) in &mut plan.rules {
            rule.hosts.iter_mut().for_each(|hosts| turn(hosts, by));
            rule.paths.iter_mut().for_each(|paths| turn(paths, by));
            rule.methods.iter_mut().for_each(|methods| turn(methods, by));
            turn(&mut rule.about.headers, by);
            turn(&mut rule.about.query, by);
            if let Some(calls) = &mut rule.calls {
                calls.services.iter_mut().for_each(|services| turn(services, by));
                calls.methods.iter_mut().for_each(|methods| turn(methods, by));
            }
            rule.about.upgrades.iter_mut().for_each(|upgrades| turn(upgrades, by));
            if let Effect::Defer(options) = &mut rule.effect {
                turn(&mut options.claims, by);
            }
        }
    }
    turn(&mut plans, by);
    plans
}

fn turn<T>(list: &mut [T], by: usize) {
    list.rotate_left(by.checked_rem(list.len()).unwrap_or(0));
    if by % 2 == 1 {
        list.reverse();
    }
}

fn named<T>(prefix: &str, items: Vec<T>) -> Vec<(String, T)> {
    // Letters that sort otherwise than they stand.
    let letters = "dbaecgf".chars().map(|letter| format!("{prefix}-{letter}"));
    letters.zip(items).collect()
}

fn policy() -> impl Strategy<Value = PolicyPlan> {
    let rules = vec(rule(), 0..7).prop_map(|rules| named("rule", rules));
    let demands = prop_oneof![3 => Just(Vec::new()), 1 => vec(demand::demand(), 1..3)];
    let forward =
        (any::<bool>(), vec((words_of(HEADERS), words_of(CLAIMS)), 0..3)).prop_map(|(strip_token, mut claims)| {
            claims.sort();
            claims.dedup_by_key(|(header, _)| header.clone());
            Forward { strip_token, claims }
        });
    let hosts = option::weighted(0.5, subsequence(HOSTS, 1..8));
    (
        hosts,
        prop::bool::weighted(0.2),
        option::of(forward),
        (demands, demand::os_versions()),
        rules,
        (place(), openings()),
    )
        .prop_map(
            |(hosts, default_allow, forward, (demands, os_versions), rules, (place, openings))| PolicyPlan {
                hosts,
                place,
                openings,
                default_allow,
                forward,
                demands,
                os_versions,
                rules,
            },
        )
}

fn place() -> impl Strategy<Value = Place> {
    let workloads = subsequence(SERVED_PATTERNS, 1..3).prop_map(|texts| {
        let pattern = |text: &str| ServedPattern {
            any_domain: text.starts_with("ns/"),
            pattern: match text.strip_prefix("ns/") {
                Some(path) => SpiffePattern::parse(&format!("spiffe://any/ns/{path}")).unwrap(),
                None => SpiffePattern::parse(text).unwrap(),
            },
        };
        texts.into_iter().map(pattern).collect()
    });
    (
        option::weighted(0.15, some_of(&REGIONS)),
        option::weighted(0.15, workloads),
    )
        .prop_map(|(regions, workloads)| Place { regions, workloads })
}

fn openings() -> impl Strategy<Value = Openings> {
    let probes = prop_oneof![4 => Just(Vec::new()), 1 => subsequence(PROBES, 1..3)];
    (prop::bool::weighted(0.3), probes).prop_map(|(preflight, probes)| Openings {
        preflight,
        probes: probes
            .into_iter()
            .map(|(path, port)| Probe {
                path: PathTemplate::parse(path).unwrap(),
                port,
            })
            .collect(),
    })
}

fn region() -> impl Strategy<Value = RegionId> {
    (0_u16..3).prop_map(RegionId)
}

/// At least one of a list.
fn some_of(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(list, 1..=list.len()).prop_map(owned)
}

fn words_of(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(list).prop_map(str::to_owned)
}

fn owned(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

fn patterns(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect()
}

fn accepts() -> Vec<Acceptance> {
    vec![Acceptance {
        home: REGIONS[0].to_owned(),
        permissions: Vec::new(),
        roles: Vec::new(),
        workloads: vec![SpiffePattern::parse("spiffe://a/x/*").unwrap()],
    }]
}

fn region_document(name: &str, zone: Option<&str>) -> Region {
    let hours = BusinessHours::parse(&["mon", "tue", "wed", "thu", "fri"], "09:00", "17:30").unwrap();
    Region {
        name: name.to_owned(),
        issuer: "identity.global.com".to_owned(),
        audiences: Vec::new(),
        keys: KeyRing::default().into(),
        revocation: None,
        claims: ClaimMapping::default(),
        // `a` is at home in the first Region, which the last accepts some of; `b` in no Region.
        trust_domains: if name == REGIONS[0] {
            vec!["a".to_owned()]
        } else {
            Vec::new()
        },
        accepts: if name == REGIONS[2] { accepts() } else { Vec::new() },
        center: None,
        replica: None,
        networks: Vec::new(),
        country: None,
        calendar: zone.map(|zone| Calendar::new(Zone::named(zone).unwrap(), hours)),
        max_token_lifetime: None,
    }
}
