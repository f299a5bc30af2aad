//! Requests made of what bundles name: hosts, methods, paths, permissions, roles, homes, networks and workloads. For each rule one that it is about, and some that
//! differ from it in one way each.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use regionguard::bundle::document::{Bundle, Effect, IdentityNeed, Policy, Region, Requirement, Rule, Words};
use regionguard::bundle::{self, Encoding};
use regionguard::identity::ClaimPath;
use regionguard::request::{HostMatch, HostPattern, PathTemplate, Segment};
use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use crate::documents::Loaded;
use crate::recorded;
use crate::trial::{Request, Token, Trial};

/// Homes, source regions, methods and paths beside those of a rule that are tried with it.
const OTHERS: usize = 4;

/// Up to `most` requests.
pub(super) fn requests(bundles: &[&Loaded], at: WallTime, most: usize) -> Vec<Trial> {
    let read: Vec<Bundle> = bundles
        .iter()
        .filter_map(|loaded| bundle::documents(loaded.value.to_string().as_bytes(), Encoding::Json).ok())
        .collect();
    let world = World::new(&read, at);
    let mut made: Vec<std::vec::IntoIter<Trial>> = read
        .iter()
        .flat_map(|bundle| &bundle.policies)
        .flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)))
        .map(|(policy, rule)| world.about(policy, rule).into_iter())
        .collect();
    made.push(world.beside_rules().into_iter());
    // One of each rule, then a second one: a limit cuts variations off, and no rules.
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

/// What both bundles name.
struct World {
    hosts: Vec<String>,
    regions: Vec<String>,
    locality: Option<String>,
    /// An address in each Region that has networks.
    places: Vec<IpAddr>,
    permissions: BTreeSet<String>,
    roles: BTreeSet<String>,
    /// Where tokens of a Region hold permissions and roles, under each bundle.
    mappings: Vec<(String, String, String)>,
    /// What a token says of a login that all policies are content with, as far as there is one: nothing where none asks.
    login: Map<String, Value>,
    at: WallTime,
}

impl World {
    fn new(bundles: &[Bundle], at: WallTime) -> Self {
        let regions = || bundles.iter().flat_map(|bundle| &bundle.regions);
        let rules = || {
            let policies = bundles.iter().flat_map(|bundle| &bundle.policies);
            policies.flat_map(|policy| &policy.rules)
        };
        let words = |of: fn(&Rule) -> &Words| -> BTreeSet<String> {
            let lists = rules().map(of).flat_map(|words| [&words.any_of, &words.all_of]);
            lists.flatten().flatten().cloned().collect()
        };
        let served = bundles
            .iter()
            .filter_map(|bundle| bundle.trust.hosts.as_deref())
            .flatten();
        let mut hosts: Vec<String> = served.map(host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let mappings = regions().map(|region| {
            let claims = &region.claims;
            let path = |path: &ClaimPath| path.as_str().to_owned();
            (region.name.clone(), path(&claims.permissions), path(&claims.roles))
        });
        let mappings = mappings.collect();
        let mut names: Vec<String> = regions().map(|region| region.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let local = bundles.iter().find_map(|bundle| bundle.region.clone());
        let place = |region: &Region| region.networks.first().map(first_host);
        let own = regions()
            .filter(|region| local.as_ref() == Some(&region.name))
            .find_map(place);
        let mut places: Vec<IpAddr> = own.into_iter().chain(regions().filter_map(place)).collect();
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert(*place));
        Self {
            hosts,
            locality: local.or_else(|| names.first().cloned()),
            regions: names,
            places,
            permissions: words(|rule| &rule.permissions),
            roles: words(|rule| &rule.roles),
            mappings,
            login: login(bundles, at),
            at,
        }
    }

    /// A request that this rule is about, and some that differ from it in one way.
    fn about(&self, policy: &Policy, rule: &Rule) -> Vec<Trial> {
        let own = rule.hosts.as_deref().or(policy.hosts.as_deref());
        let mut hosts: Vec<String> = own.unwrap_or_default().iter().map(host).collect();
        if hosts.is_empty() {
            hosts.clone_from(&self.hosts);
        }
        if hosts.is_empty() {
            hosts.push("any.example.com".to_owned());
        }
        let paths: Vec<String> = match rule.paths.as_deref() {
            None => vec!["/".to_owned()],
            Some(paths) => paths.iter().flat_map(self::paths).collect(),
        };
        let methods = rule.methods.clone().unwrap_or_else(|| vec!["GET".to_owned()]);
        let base = self.base(rule, &hosts, &paths, &methods);
        let mut trials = vec![base.clone()];
        let mut vary = |change: &dyn Fn(&mut Trial)| {
            let mut trial = base.clone();
            change(&mut trial);
            trials.push(trial);
        };
        // Who asks.
        vary(&|trial| trial.token = None);
        vary(&|trial| trial.token = Some(token(Map::new(), None)));
        vary(&|trial| trial.token = Some(token(self.everything(), None)));
        for claim in self.login.keys() {
            vary(&|trial| {
                if let Some(token) = &mut trial.token {
                    token.claims.remove(claim);
                }
            });
        }
        for home in self.regions.iter().take(OTHERS) {
            vary(&|trial| trial.token = Some(token(self.wanted(rule, Some(home)), Some(home.clone()))));
        }
        // From where.
        vary(&|trial| trial.address = None);
        for place in self.places.iter().take(OTHERS) {
            vary(&|trial| trial.address = Some(*place));
        }
        vary(&|trial| trial.workload = None);
        // What is asked.
        let other = ["GET", "POST", "PUT", "DELETE"].map(str::to_owned);
        let others = methods
            .iter()
            .skip(1)
            .chain(other.iter().filter(|method| !methods.contains(method)));
        for method in others.take(OTHERS) {
            vary(&|trial| trial.request.method.clone_from(method));
        }
        for path in paths.iter().skip(1).take(2 * OTHERS) {
            vary(&|trial| trial.request.path.clone_from(path));
        }
        vary(&|trial| trial.request.path = format!("{}/more", trial.request.path.trim_end_matches('/')));
        for host in hosts.iter().skip(1).take(OTHERS) {
            vary(&|trial| trial.request.host.clone_from(host));
        }
        trials
    }

    fn base(&self, rule: &Rule, hosts: &[String], paths: &[String], methods: &[String]) -> Trial {
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        let from = &rule.from;
        let network = from
            .networks
            .as_ref()
            .and_then(|networks| networks.first())
            .map(first_host);
        let workload = from.workloads.as_ref().and_then(|patterns| patterns.first());
        let home = from.home_regions.as_ref().and_then(|homes| homes.first()).cloned();
        let without_token = matches!(rule.identity, IdentityNeed::None | IdentityNeed::Workload);
        Trial {
            request: Request {
                method: first(methods),
                scheme: "https".to_owned(),
                host: first(hosts),
                path: first(paths),
                headers: Vec::new(),
            },
            // What these keep out is what something else would let in.
            token: match rule.effect {
                _ if without_token => None,
                Effect::Deny(_) | Effect::StepUp(_) => Some(token(self.everything(), home)),
                _ => Some(token(self.wanted(rule, home.as_ref()), home)),
            },
            address: network.or_else(|| self.places.first().copied()),
            workload: workload.map(|pattern| format!("spiffe://{}/ns/any/sa/any", pattern.trust_domain())),
            locality: self.locality.clone(),
            at: self.at,
            ..Trial::default()
        }
    }

    /// Requests that no rule may be about.
    fn beside_rules(&self) -> Vec<Trial> {
        let none = ["any.example.com".to_owned()];
        let hosts = if self.hosts.is_empty() { &none[..] } else { &self.hosts };
        let each = hosts.iter().take(2 * OTHERS).flat_map(|host| {
            [None, Some(token(self.everything(), None))].map(|token| Trial {
                request: Request {
                    method: "GET".to_owned(),
                    scheme: "https".to_owned(),
                    host: host.clone(),
                    path: "/what/no/rule/may/name".to_owned(),
                    headers: Vec::new(),
                },
                token,
                address: self.places.first().copied(),
                locality: self.locality.clone(),
                at: self.at,
                ..Trial::default()
            })
        });
        each.collect()
    }

    fn everything(&self) -> Map<String, Value> {
        let all = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>();
        self.said(&all(&self.permissions), &all(&self.roles), None)
    }

    /// The claims that a rule wants of a token of this Region, or of the local one.
    fn wanted(&self, rule: &Rule, home: Option<&String>) -> Map<String, Value> {
        let words = |words: &Words| -> Vec<String> {
            let any = words.any_of.iter().flatten().take(1);
            any.chain(words.all_of.iter().flatten()).cloned().collect()
        };
        self.said(&words(&rule.permissions), &words(&rule.roles), home)
    }

    /// Permissions and roles where tokens of this Region hold them.
    fn said(&self, permissions: &[String], roles: &[String], home: Option<&String>) -> Map<String, Value> {
        let home = home.or(self.locality.as_ref());
        let mut claims = self.login.clone();
        for (_, at, roles_at) in self.mappings.iter().filter(|(region, ..)| home == Some(region)) {
            for (path, words) in [(at, permissions), (roles_at, roles)] {
                if !words.is_empty() {
                    put(&mut claims, path, json!(words));
                }
            }
        }
        claims
    }
}

/// The claims of a login just now, by all factors that a policy asks for. A token has one `acr`: the first that one asks for.
fn login(bundles: &[Bundle], at: WallTime) -> Map<String, Value> {
    let policies = || bundles.iter().flat_map(|bundle| &bundle.policies);
    let mut factors = BTreeSet::new();
    let mut classes = Vec::new();
    let mut fresh = false;
    for rule in policies().flat_map(|policy| &policy.rules) {
        if let Effect::StepUp(wanted) = &rule.effect {
            classes.extend(wanted.acr.first());
            fresh |= wanted.max_age.is_some();
        }
    }
    for requirement in policies().flat_map(|policy| &policy.requirements) {
        if let Requirement::MultiFactor(wanted) = requirement {
            factors.extend(&wanted.amr);
            classes.extend(wanted.acr.first());
        }
    }
    let mut claims = Map::new();
    if !factors.is_empty() {
        claims.insert("amr".to_owned(), json!(factors));
    }
    if let Some(first) = classes.first() {
        claims.insert("acr".to_owned(), json!(first));
    }
    if fresh {
        claims.insert("auth_time".to_owned(), json!(at.0 / 1_000_000_000));
    }
    claims
}

/// Puts a value at the claim of this name, or where names with dots between them lead.
fn put(claims: &mut Map<String, Value>, path: &str, value: Value) {
    let dots = if path.contains("://") {
        None
    } else {
        path.split_once('.')
    };
    match dots {
        None => {
            claims.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = claims.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

fn token(claims: Map<String, Value>, home: Option<String>) -> Token {
    recorded::of_somebody(Token {
        home,
        claims,
        ..Token::default()
    })
}

/// A host that the pattern matches.
fn host(pattern: &HostPattern) -> String {
    let host = match pattern.host() {
        HostMatch::Exact(host) => host.to_owned(),
        HostMatch::Suffix(suffix) => format!("any{suffix}"),
    };
    match pattern.port() {
        None => host,
        Some(port) => format!("{host}:{port}"),
    }
}

/// Paths that the template matches.
fn paths(template: &PathTemplate) -> Vec<String> {
    let mut path = String::new();
    for segment in template.segments() {
        match segment {
            Segment::Literal(literal) => {
                path.push('/');
                for byte in literal.bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte) {
                        path.push(char::from(byte));
                    } else {
                        path.push_str(&format!("%{byte:02X}"));
                    }
                }
            }
            Segment::Capture(_) | Segment::Any => path.push_str("/any"),
            Segment::Rest => {
                let itself = if path.is_empty() { "/".to_owned() } else { path.clone() };
                return vec![format!("{path}/any"), format!("{path}/any/below"), itself];
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    vec![path]
}

/// The first address behind that of the network itself, where there is one.
fn first_host(network: &IpNet) -> IpAddr {
    network.hosts().next().unwrap_or_else(|| network.addr())
}

#[cfg(test)]
mod tests {
    use regionguard::request::{HostPattern, PathOptions, PathTemplate, canonicalise};

    use super::{host, paths};

    #[test]
    fn what_is_made_of_a_template_matches_it() {
        for text in ["/", "/a", "/a/{id}/b", "/a/*", "/**", "/a/**", "/ü/x", "/a%20b"] {
            let template = PathTemplate::parse(text).expect("a template");
            for path in paths(&template) {
                let canonical = canonicalise(path.as_bytes(), &PathOptions::default()).expect("a path");
                assert!(template.matches(&canonical).is_some(), "{text}: {path}");
            }
        }
    }

    #[test]
    fn hosts_have_their_ports() {
        for (pattern, made) in [("a.x", "a.x"), ("*.x", "any.x"), ("*.x:8443", "any.x:8443")] {
            assert_eq!(host(&HostPattern::parse(pattern).expect("a pattern")), made);
        }
    }
}
