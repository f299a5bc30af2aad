//! What rules and policies say of the request itself and of where they stand, part by part.

use super::{Holds, PartSaid};
use crate::policy::about::{Asked, header, is_grpc, is_preflight, parameter};
use crate::policy::compile::{Policy, PolicyRef, PolicySet, Rule};
use crate::policy::conditions::Truth;
use crate::request::parameters;

impl PolicySet {
    /// What a rule says of the request beside host, method and path, and where its policy stands.
    pub(super) fn parts(&self, rule: &Rule, asked: &Asked<'_>) -> Vec<PartSaid> {
        let policy = self.policy(rule.policy());
        let mut parts: Vec<PartSaid> = policy
            .and_then(|policy| stands(policy, rule.policy(), asked))
            .into_iter()
            .collect();
        let about = rule.about.as_deref();
        let named = about.and_then(|about| about.upgrades.as_ref());
        if asked.upgrade.is_some() || named.is_some() {
            parts.push(part("upgrades", None, rule.takes_upgrade(asked.upgrade).into()));
        }
        let Some(about) = about else {
            return parts;
        };
        if about.grpc {
            parts.push(part("grpc", None, is_grpc(asked)));
        }
        let headers = about.headers.iter().enumerate();
        parts.extend(headers.map(|(index, one)| part("headers", Some(index), header(one, asked.headers))));
        let query = parameters(asked.path.query().unwrap_or_default());
        for (index, one) in about.query.iter().enumerate() {
            let truth = query.as_deref().map_or(Truth::Unknown, |all| parameter(one, all));
            parts.push(part("query", Some(index), truth));
        }
        parts
    }
}

/// Where a policy stands, and what it lets in without a token.
pub(super) fn of_policy(policy: &Policy, reference: PolicyRef, asked: &Asked<'_>) -> Vec<PartSaid> {
    let mut parts: Vec<PartSaid> = stands(policy, reference, asked).into_iter().collect();
    if policy.openings.preflight {
        parts.push(part("preflight", None, is_preflight(asked).into()));
    }
    let is_read = matches!(asked.method, "GET" | "HEAD");
    for (index, probe) in policy.openings.probes.iter().enumerate() {
        let truth = if is_read && probe.path.matches(asked.path).is_some() {
            let port = asked.told.destination_port();
            port.map_or(Truth::Unknown, |port| Truth::from(port == probe.port))
        } else {
            Truth::NoMatch
        };
        parts.push(part("probes", Some(index), truth));
    }
    parts
}

/// Whether a policy that says where it stands stands here.
fn stands(policy: &Policy, reference: PolicyRef, asked: &Asked<'_>) -> Option<PartSaid> {
    let truth = asked.standing.map_or(Truth::Unknown, |standing| standing.of(reference));
    policy.has_place.then(|| part("selector", None, truth))
}

fn part(field: &'static str, index: Option<usize>, truth: Truth) -> PartSaid {
    PartSaid {
        field,
        index,
        holds: Holds::from(truth),
    }
}
