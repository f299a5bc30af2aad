//! The rules that are about other hosts, methods or paths, and the policies that govern other requests: why they have no say.

use regionguard::bundle::document::{Bundle, Policy, Rule};
use regionguard::bundle::{self, Encoding};
use regionguard::policy::{Explanation, Holds};
use regionguard::request::{Authority, CanonicalPath, HostPattern, Scheme, canonicalise};
use serde_json::{Value, json};

use super::rows::{Row, parts};
use super::{Told, place, written};

/// Something that has no say, and why.
pub(super) struct Elsewhere {
    /// `policy/rule`, or a policy.
    pub(super) name: String,
    pub(super) place: Option<String>,
    /// What it says of the request that is not so.
    pub(super) rows: Vec<Row>,
}

impl Elsewhere {
    pub(super) fn json(&self, what: &str) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::as_condition).collect();
        json!({what: self.name, "place": self.place, "conditions": rows})
    }
}

/// What is not about a request.
#[derive(Default)]
pub(super) struct Others {
    /// Rules about its host, method and path that look at something else in it.
    pub(super) beside: Vec<Elsewhere>,
    /// Rules about other hosts, methods or paths, the nearest first.
    pub(super) rules: Vec<Elsewhere>,
    /// Policies that require, open or default something for other requests or at other places.
    pub(super) policies: Vec<Elsewhere>,
}

impl Others {
    pub(super) fn of(told: &Told<'_>, explanation: &Explanation) -> Self {
        let beside = explanation.beside.iter().map(|beside| {
            let name = format!("{}/{}", beside.policy, beside.name);
            let document = written::rule(told.bundle, &name);
            let mut rows = parts(told, explanation, &beside.policy, document, &beside.parts);
            rows.retain(|row| row.holds != Holds::Yes);
            Elsewhere {
                place: place(told.bundle, &name),
                name,
                rows,
            }
        });
        let mut others = Self {
            beside: beside.collect(),
            ..Self::default()
        };
        let read = bundle::documents(told.bundle.value.to_string().as_bytes(), Encoding::Json);
        if let Ok(read) = read {
            others.look(told, explanation, &read);
        }
        // What differs in one way is what was probably meant.
        others.rules.sort_by_key(|rule| rule.rows.len());
        others
    }

    fn look(&mut self, told: &Told<'_>, explanation: &Explanation, read: &Bundle) {
        let request = &told.trial.request;
        let scheme = Scheme::parse(request.scheme.as_bytes());
        let (Ok(authority), Ok(path)) = (
            Authority::parse(request.host.as_bytes(), scheme),
            canonicalise(request.path.as_bytes(), &read.trust.paths),
        ) else {
            return;
        };
        let asked = Asked {
            authority,
            path,
            told_path: request.path.split('?').next().unwrap_or_default(),
            method: &request.method,
        };
        for policy in &read.policies {
            let governs = explanation.policies.iter().any(|said| said.name == policy.name);
            if policy.speaks() && !governs {
                let hosts = asked.hosts(policy.hosts.as_deref(), "selector.hosts");
                let rows: Vec<Row> = hosts.into_iter().chain(stands(told, explanation, policy)).collect();
                self.policies.push(Elsewhere {
                    name: policy.name.clone(),
                    place: None,
                    rows,
                });
            }
            for rule in &policy.rules {
                let is_it = |of: &str, name: &str| of == policy.name && name == rule.name;
                let is_told = explanation.rules.iter().any(|said| is_it(&said.policy, &said.name))
                    || explanation.beside.iter().any(|said| is_it(&said.policy, &said.name));
                if !is_told {
                    let name = format!("{}/{}", policy.name, rule.name);
                    self.rules.push(Elsewhere {
                        place: place(told.bundle, &name),
                        name,
                        rows: asked.route(policy, rule),
                    });
                }
            }
        }
    }
}

/// Host, method and path of the request.
struct Asked<'t> {
    authority: Authority<'t>,
    path: CanonicalPath<'t>,
    /// The same as it was written, without its query.
    told_path: &'t str,
    method: &'t str,
}

impl Asked<'_> {
    /// What of its route is not that of a rule.
    fn route(&self, policy: &Policy, rule: &Rule) -> Vec<Row> {
        let mut rows: Vec<Row> = self.hosts(rule.hosts.as_deref(), "hosts").into_iter().collect();
        rows.extend(self.hosts(policy.hosts.as_deref(), "selector.hosts"));
        if let Some(methods) = &rule.methods {
            let is_meant = |method: &String| method == self.method || method == "GET" && self.method == "HEAD";
            if !methods.iter().any(is_meant) {
                rows.push(no("methods", methods, self.method));
            }
        }
        if let Some(paths) = &rule.paths
            && paths.iter().all(|path| path.matches(&self.path).is_none())
        {
            rows.push(no("paths", paths, self.told_path));
        }
        rows
    }

    fn hosts(&self, hosts: Option<&[HostPattern]>, field: &str) -> Option<Row> {
        let hosts = hosts?;
        let matches = hosts.iter().any(|host| host.matches(&self.authority));
        (!matches).then(|| no(field, hosts, &self.authority))
    }
}

fn no(field: &str, wanted: &[impl ToString], found: impl ToString) -> Row {
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Row {
        field: field.to_owned(),
        holds: Holds::No,
        wanted: Some(format!("[{}]", wanted.join(", "))),
        found: Some(found.to_string()),
    }
}

/// Where a policy stands that is not about this place.
fn stands(told: &Told<'_>, explanation: &Explanation, policy: &Policy) -> Option<Row> {
    let is_placed = policy.place.regions.is_some() || policy.place.workloads.is_some();
    let part = regionguard::policy::PartSaid {
        field: "selector",
        index: None,
        holds: Holds::No,
    };
    is_placed
        .then(|| parts(told, explanation, &policy.name, None, &[part]).pop())
        .flatten()
}
