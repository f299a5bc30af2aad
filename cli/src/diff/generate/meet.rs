//! The request that a rule is about and that meets all that its bundle demands: of the rule, and of every policy that governs it.

use std::net::IpAddr;
use std::time::Duration;

use regionguard::bundle::document::{
    Bundle, Effect, IdentityNeed, Policy, Region, Requirement, Rule, SourceRestriction, Words,
};
use regionguard::context::{Calendar, Country};
use regionguard::device::{Check, Field, Minimum, Platform};
use regionguard::policy::Served;
use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use super::pools::{Pools, workload};
use super::route::{self, first_host};
use super::times;
use crate::recorded;
use crate::trial::{Device, Request, Token, Trial};

/// One of the bundles.
pub(super) struct World<'b> {
    pub(super) bundle: &'b Bundle,
    pub(super) pools: &'b Pools,
}

/// What is demanded of requests that a rule is about.
pub(super) struct Demands<'b> {
    /// Of every policy that governs them.
    pub(super) requirements: Vec<&'b Requirement>,
    /// Whether another policy than the rule's own demands something of who asks: no public rule lifts that.
    of_caller_elsewhere: bool,
    /// The name of the home Region.
    pub(super) home: Option<String>,
    /// The business hours there.
    pub(super) calendar: Option<&'b Calendar>,
}

/// Where a request may come from: an address, and what an edge says of who is behind it.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) address: Option<IpAddr>,
    pub(super) headers: Vec<(String, String)>,
    region: Option<String>,
    country: Option<Country>,
}

impl<'b> World<'b> {
    pub(super) fn local(&self) -> Option<&'b Region> {
        let name = self.bundle.region.as_deref();
        let named = self
            .bundle
            .regions
            .iter()
            .find(|region| name.is_none_or(|name| region.name == name));
        named.or_else(|| self.bundle.regions.first())
    }

    /// What is demanded of requests for this host that `rule` of `policy` is about.
    pub(super) fn demands(&self, policy: &'b Policy, rule: Option<&Rule>, host: &str) -> Demands<'b> {
        let local = self.local().map(|region| region.name.as_str());
        let stands = |policy: &&Policy| {
            let regions = policy.place.regions.as_ref();
            regions.is_none_or(|regions| regions.iter().any(|region| Some(region.as_str()) == local))
        };
        let governs = |other: &&Policy| {
            let is_own = other.name == policy.name;
            let hosts = other.hosts.as_deref();
            is_own || !other.shadow && hosts.is_none_or(|hosts| route::matches(hosts, host))
        };
        let governing = || self.bundle.policies.iter().filter(governs).filter(stands);
        let of_caller = |requirement: &Requirement| {
            matches!(
                requirement,
                Requirement::Certificate | Requirement::MultiFactor(_) | Requirement::Device(_)
            )
        };
        let elsewhere = || governing().filter(|other| other.name != policy.name);
        let requirements: Vec<&Requirement> = governing().flat_map(|policy| &policy.requirements).collect();
        let home = self.home(rule, &requirements);
        Demands {
            of_caller_elsewhere: elsewhere().any(|other| other.requirements.iter().any(of_caller)),
            calendar: home.and_then(|home| home.calendar.as_ref()),
            home: home.map(|home| home.name.clone()),
            requirements,
        }
    }

    /// The Region of whose token most counts here: of those that the rule takes, one with hours where these are demanded, and the local one first.
    fn home(&self, rule: Option<&Rule>, requirements: &[&Requirement]) -> Option<&'b Region> {
        let local = self.local()?;
        let wants_hours = requirements.contains(&&Requirement::BusinessHours);
        let named = rule.and_then(|rule| rule.from.home_regions.as_ref());
        let entry = |region: &Region| local.accepts.iter().find(|entry| entry.home == region.name);
        let is_own = |region: &Region| region.name == local.name;
        let mut rated: Vec<(usize, &Region)> = Vec::new();
        for region in &self.bundle.regions {
            let is_named = named.is_none_or(|named| named.contains(&region.name));
            if !is_named || !is_own(region) && entry(region).is_none() {
                continue;
            }
            let keeps = |words: &Words| {
                let entry = entry(region);
                let kept =
                    |word: &String| entry.is_none_or(|entry| entry.permissions.iter().any(|one| one.matches(word)));
                wanted(words).iter().all(kept)
            };
            let misses = [
                wants_hours && region.calendar.is_none(),
                rule.is_some_and(|rule| !keeps(&rule.permissions)),
                !is_own(region),
            ];
            rated.push((misses.into_iter().filter(|missed| *missed).count(), region));
        }
        let best = rated.into_iter().min_by_key(|(misses, _)| *misses);
        best.map(|(_, region)| region).or(Some(local))
    }

    /// The request itself.
    pub(super) fn base(&self, policy: &'b Policy, rule: &Rule, demands: &Demands<'b>, host: &str) -> Trial {
        let paths = rule.paths.as_ref().and_then(|paths| paths.first());
        let path = paths.and_then(|path| route::paths(path).into_iter().next());
        let methods = rule.methods.as_ref().and_then(|methods| methods.first().cloned());
        let mut request = Request {
            method: methods.unwrap_or_else(|| "GET".to_owned()),
            scheme: "https".to_owned(),
            host: host.to_owned(),
            path: path.unwrap_or_else(|| "/".to_owned()),
            headers: Vec::new(),
        };
        route::complete(&mut request, rule);
        let needs_nobody = matches!(rule.identity, IdentityNeed::None | IdentityNeed::Workload);
        let home = demands.home.as_deref();
        let said = match rule.effect {
            // What these keep out is what something else would let in.
            Effect::Deny(_) | Effect::StepUp(_) => self.pools.everything(Some(rule), home),
            _ => self.pools.said(&wanted(&rule.permissions), &wanted(&rule.roles), home),
        };
        let from = rule.from.workloads.as_ref().and_then(|patterns| patterns.first());
        let mut trial = Trial {
            request,
            workload: from.map(workload),
            ..self.plain(policy)
        };
        if !needs_nobody || demands.of_caller_elsewhere {
            trial.token = Some(token(said, home));
        }
        self.meet(&mut trial, Some(rule), demands);
        if let Effect::StepUp(wanted) = &rule.effect
            && let Some(token) = &mut trial.token
        {
            // It decides where it is not met.
            token
                .claims
                .remove(if wanted.acr.is_empty() { "auth_time" } else { "acr" });
        }
        trial
    }

    /// A request of nobody, where the policy stands.
    pub(super) fn plain(&self, policy: &Policy) -> Trial {
        let served = policy.place.workloads.as_ref().and_then(|patterns| patterns.first());
        Trial {
            serves: served.map(serves).unwrap_or_default(),
            locality: self.local().map(|region| region.name.clone()),
            at: self.pools.at,
            ..Trial::default()
        }
    }

    /// Has the trial meet all demands, and come from where the rule wants it.
    pub(super) fn meet(&self, trial: &mut Trial, rule: Option<&Rule>, demands: &Demands<'b>) {
        let at = times::find(self.pools.at, &self.pools.times, |at| is_time(demands, None, at));
        trial.at = at.unwrap_or(self.pools.at);
        let origins = self.origins(rule);
        let origin = origins.iter().find(|origin| is_origin(demands, rule, None, origin));
        if let Some(origin) = origin.or(origins.first()) {
            come_from(trial, origin);
        }
        let reads_device = rule
            .and_then(|rule| rule.when.as_ref())
            .is_some_and(regionguard::policy::When::reads_device);
        if trial.token.is_some() {
            self.log_in(trial, demands);
            trial.device = self.device(demands, reads_device, trial.at);
        }
        if let Some(token) = &mut trial.token {
            token.bound = demands.requirements.contains(&&Requirement::Certificate);
        } else if demands.requirements.contains(&&Requirement::Certificate) && trial.workload.is_none() {
            trial.workload = self.own_workload();
        }
    }

    /// A workload of the local Region.
    pub(super) fn own_workload(&self) -> Option<String> {
        let domain = self.local()?.trust_domains.first()?;
        Some(format!("spiffe://{domain}/ns/any/sa/any"))
    }

    /// What the token says of a login just now, by all factors that are asked for, and of the class that does for most.
    fn log_in(&self, trial: &mut Trial, demands: &Demands<'b>) {
        let (mut factors, mut wanted) = (Vec::new(), Vec::new());
        for requirement in &demands.requirements {
            if let Requirement::MultiFactor(one) = requirement {
                factors.extend(one.amr.first().cloned());
                if !one.acr.is_empty() {
                    wanted.push(&one.acr);
                }
            }
        }
        let rules = self.bundle.policies.iter().flat_map(|policy| &policy.rules);
        let step_ups = rules.filter_map(|rule| match &rule.effect {
            Effect::StepUp(step_up) if route_may_be(rule, &trial.request) => Some(step_up),
            _ => None,
        });
        let mut is_fresh = false;
        for step_up in step_ups {
            is_fresh |= step_up.max_age.is_some();
            if !step_up.acr.is_empty() {
                wanted.push(&step_up.acr);
            }
        }
        let does_for = |acr: &&String| wanted.iter().filter(|list| list.contains(acr)).count();
        let best = self
            .pools
            .acr
            .iter()
            .rev()
            .max_by_key(does_for)
            .filter(|_| !wanted.is_empty());
        let Some(token) = &mut trial.token else { return };
        if !factors.is_empty() {
            token.claims.insert("amr".to_owned(), json!(factors));
        }
        if let Some(best) = best {
            token.claims.insert("acr".to_owned(), json!(best));
        }
        if is_fresh {
            token
                .claims
                .insert("auth_time".to_owned(), json!(trial.at.0 / 1_000_000_000));
        }
    }

    /// The posture of a device that will do; `None`: nothing asks for one.
    fn device(&self, demands: &Demands<'b>, is_read: bool, at: WallTime) -> Option<Device> {
        let checks: Vec<&Check> = demands
            .requirements
            .iter()
            .filter_map(|requirement| match requirement {
                Requirement::Device(check) => Some(check),
                _ => None,
            })
            .collect();
        if checks.is_empty() && !is_read {
            return None;
        }
        let listed = checks.iter().find_map(|check| match check {
            Check::OsVersion(Minimum::Each(each) | Minimum::Latest(each)) => each.first(),
            _ => None,
        });
        let platform = listed.map_or(Platform::MacOs, |(platform, _)| *platform);
        Some(good_device(platform, &self.newest(platform), at))
    }

    /// The highest of all versions that are asked of a platform.
    pub(super) fn newest(&self, platform: Platform) -> String {
        let own = self
            .pools
            .versions
            .iter()
            .filter(|(of, _)| of.is_none_or(|of| of == platform));
        let parsed = own.filter_map(|(_, text)| Some((regionguard::version::Version::parse(text).ok()?, text)));
        let newest = parsed.max_by(|(one, _), (other, _)| one.cmp(other));
        newest.map_or_else(|| "15.0".to_owned(), |(_, text)| text.clone())
    }

    /// Where requests may come from, the local Region first: straight, or through the first edge that is told by its address.
    pub(super) fn origins(&self, rule: Option<&Rule>) -> Vec<Origin> {
        let own = self.local().and_then(|local| local.networks.first()).map(first_host);
        let of_rule = rule.and_then(|rule| rule.from.networks.as_ref());
        let of_rule = of_rule.and_then(|networks| networks.first()).map(first_host);
        let mut places: Vec<IpAddr> = Vec::new();
        for place in of_rule.into_iter().chain(own).chain(self.pools.places.iter().copied()) {
            if !places.contains(&place) && places.len() < PLACES {
                places.push(place);
            }
        }
        let edges = &self.bundle.trust.edges;
        let is_edge = |place: &IpAddr| {
            edges
                .iter()
                .any(|edge| edge.networks.iter().any(|network| network.contains(place)))
        };
        let mut origins: Vec<Origin> = Vec::new();
        for place in places.iter().filter(|place| !is_edge(place)) {
            let (region, country) = self.place(*place);
            origins.push(Origin {
                address: Some(*place),
                headers: Vec::new(),
                region: region.clone(),
                country,
            });
            let edge = edges.iter().find(|edge| !edge.networks.is_empty());
            let Some((edge, header)) = edge.and_then(|edge| Some((edge, edge.address.as_ref()?))) else {
                continue;
            };
            let Some(peer) = edge.networks.first().map(first_host) else {
                continue;
            };
            let behind = std::iter::repeat_n(peer.to_string(), header.hops.saturating_sub(1));
            let list: Vec<String> = std::iter::once(place.to_string()).chain(behind).collect();
            let mut headers = vec![(header.name.clone(), list.join(", "))];
            let told = |name: &Option<String>, value: Option<String>| Some((name.clone()?, value?));
            headers.extend(told(&edge.region, region.clone()));
            headers.extend(told(&edge.country, country.map(|country| country.to_string())));
            origins.push(Origin {
                address: Some(peer),
                headers,
                region,
                country,
            });
        }
        origins.push(Origin {
            address: None,
            headers: Vec::new(),
            region: None,
            country: None,
        });
        origins
    }

    /// The Region and the country of an address.
    fn place(&self, address: IpAddr) -> (Option<String>, Option<Country>) {
        let networks = self
            .bundle
            .regions
            .iter()
            .flat_map(|region| region.networks.iter().map(move |network| (network, region)));
        let holding = networks.filter(|(network, _)| network.contains(&address));
        let region = holding
            .max_by_key(|(network, _)| network.prefix_len())
            .map(|(_, region)| region);
        (
            region.map(|region| region.name.clone()),
            region.and_then(|region| region.country),
        )
    }
}

/// Places that are tried for one rule, at most.
const PLACES: usize = 24;

/// One of the words that any of would do, and all that are wanted.
pub(super) fn wanted(words: &Words) -> Vec<String> {
    let any = words.any_of.iter().flatten().take(1);
    any.chain(words.all_of.iter().flatten()).cloned().collect()
}

pub(super) fn token(claims: Map<String, Value>, home: Option<&str>) -> Token {
    recorded::of_somebody(Token {
        home: home.map(str::to_owned),
        claims,
        ..Token::default()
    })
}

/// A device with which nothing is wrong.
pub(super) fn good_device(platform: Platform, version: &str, at: WallTime) -> Device {
    let parts = Field::ALL.into_iter().filter_map(|field| {
        let value = match field {
            Field::Id => return None,
            Field::Platform => json!(platform.name()),
            Field::OsVersion => json!(version),
            Field::Encrypted | Field::Managed | Field::ScreenLock | Field::Certificate => json!(true),
            Field::Jailbroken => json!(false),
            Field::PatchedAt => json!((at.0 / 1_000_000_000).saturating_sub(1)),
        };
        Some((field, value))
    });
    Device {
        issuer: None,
        parts: parts.collect(),
        signed_at: None,
    }
}

/// Whether `at` meets all demands on the time but `unmet`, which it does not.
pub(super) fn is_time(demands: &Demands<'_>, unmet: Option<&Requirement>, at: WallTime) -> bool {
    let is_right = |requirement: &&&Requirement| {
        let wanted = unmet != Some(**requirement);
        times::is_met(requirement, demands.calendar, at).is_none_or(|met| met == wanted)
    };
    demands.requirements.iter().filter(is_right).count() == demands.requirements.len()
}

/// Whether an origin meets all demands on the source and the rule's own conditions, but `unmet`, which it does not.
pub(super) fn is_origin(
    demands: &Demands<'_>,
    rule: Option<&Rule>,
    unmet: Option<&Requirement>,
    origin: &Origin,
) -> bool {
    let is_right = |requirement: &&&Requirement| match requirement {
        Requirement::Source(restriction) => meets(restriction, origin) == (unmet != Some(**requirement)),
        _ => true,
    };
    let of_rule = rule.is_none_or(|rule| is_of_rule(rule, origin));
    of_rule && demands.requirements.iter().all(|requirement| is_right(&requirement))
}

/// Whether an origin is one that a rule is about.
pub(super) fn is_of_rule(rule: &Rule, origin: &Origin) -> bool {
    let from = &rule.from;
    // Behind an edge the address is that of who comes to it.
    let named = origin
        .headers
        .first()
        .map(|(_, list)| list.split(',').next().unwrap_or_default());
    let address = named.map_or(origin.address, |named| named.trim().parse().ok());
    let in_network =
        |networks: &Vec<ipnet::IpNet>| address.is_some_and(|address| networks.iter().any(|one| one.contains(&address)));
    let in_region = |regions: &Vec<String>| origin.region.as_ref().is_some_and(|region| regions.contains(region));
    let in_country = |countries: &Vec<Country>| origin.country.is_some_and(|country| countries.contains(&country));
    from.networks.as_ref().is_none_or(in_network)
        && from.source_regions.as_ref().is_none_or(in_region)
        && from.source_countries.as_ref().is_none_or(in_country)
}

fn meets(restriction: &SourceRestriction, origin: &Origin) -> bool {
    let among = |allowed: bool, list: &Option<Vec<String>>| match (list, &origin.region) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(list), Some(region)) => list.contains(region) == allowed,
    };
    let among_countries = |allowed: bool, list: &Option<Vec<Country>>| match (list, origin.country) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(list), Some(country)) => list.contains(&country) == allowed,
    };
    among(true, &restriction.allowed_regions)
        && among(false, &restriction.denied_regions)
        && among_countries(true, &restriction.allowed_countries)
        && among_countries(false, &restriction.denied_countries)
}

/// Has a trial come from there.
pub(super) fn come_from(trial: &mut Trial, origin: &Origin) {
    trial.address = origin.address;
    for (name, value) in &origin.headers {
        route::set_header(&mut trial.request, name, Some(value));
    }
}

/// Whether a rule may be about a request, as far as its method and path tell.
pub(super) fn route_may_be(rule: &Rule, request: &Request) -> bool {
    let method = rule
        .methods
        .as_ref()
        .is_none_or(|methods| methods.contains(&request.method));
    let path = request.path.split('?').next().unwrap_or_default();
    let canonical = regionguard::request::canonicalise(path.as_bytes(), &regionguard::request::PathOptions::default());
    let is_about = |paths: &Vec<regionguard::request::PathTemplate>| {
        let path = canonical.as_ref().ok();
        path.is_none_or(|path| paths.iter().any(|template| template.matches(path).is_some()))
    };
    method && rule.paths.as_ref().is_none_or(is_about)
}

fn serves(pattern: &regionguard::bundle::document::ServedPattern) -> Served {
    let id = workload(&pattern.pattern);
    let parts: Vec<&str> = id.split('/').collect();
    match parts.as_slice() {
        [_, _, _, "ns", namespace, rest @ ..] if pattern.any_domain => Served {
            id: None,
            namespace: Some((*namespace).to_owned()),
            service_account: Some((*rest.last().unwrap_or(&route::ANY)).to_owned()),
        },
        _ => Served {
            id: Some(id),
            ..Served::default()
        },
    }
}

/// A time before another.
pub(super) fn before(at: WallTime, age: Duration) -> u64 {
    (at.0 / 1_000_000_000).saturating_sub(age.as_secs())
}
