//! What each policy and each rule says to one request, for people: nothing here is needed to decide.

use core::net::IpAddr;

use super::about::Asked;
use super::compile::{PolicyRef, PolicySet, Requirement, Rule};
use super::conditions::{Findings, Truth};
use super::decide::Facts;
use super::index::Candidates;
use crate::bundle::RegionId;
use crate::bundle::document::Effect;
use crate::reason::Reason;

/// What was known of a request, and what each policy and rule that is about it made of that.
#[derive(Debug)]
pub struct Explanation {
    /// What was known.
    pub seen: Seen,
    /// The policies that govern it and say something beside their rules, by name.
    pub policies: Vec<PolicySaid>,
    /// The rules that are about it, by policy and name.
    pub rules: Vec<RuleSaid>,
    /// The policy that lets a preflight or a probe in, and the reason that it has for that.
    pub opened: Option<(String, Reason)>,
    /// Rules about its host, method and path that its headers, query, gRPC call or upgrade are not: `policy/rule`.
    pub beside: Vec<String>,
}

/// What was known of a request beside its host, method and path.
#[derive(Debug)]
pub struct Seen {
    /// The token's permissions, roles and home region, as far as they count; `None`: no valid token.
    pub subject: Option<SubjectSeen>,
    /// A token was there that is not valid here.
    pub token_refused: bool,
    /// The token's subject has shown a certificate of its own.
    pub certificate: bool,
    /// The home region that rules and requirements go by.
    pub home: Option<String>,
    /// The local region.
    pub local: Option<String>,
    /// The source address; `None`: it cannot be told, or nothing asked for it.
    pub address: Option<IpAddr>,
    /// The source region; `None`: unknown, or nothing asked for it.
    pub source_region: Option<String>,
    /// The source country; `None`: unknown, or nothing asked for it.
    pub source_country: Option<String>,
    /// The workload at the other end; `None`: it cannot be told, or nothing asked for it.
    pub workload: Option<String>,
    /// That workload counts here.
    pub service: bool,
}

/// What counts of a token.
#[derive(Debug)]
pub struct SubjectSeen {
    /// What it may.
    pub permissions: Vec<String>,
    /// What it is.
    pub roles: Vec<String>,
    /// Permissions that it holds for other regions only.
    pub elsewhere: Vec<String>,
    /// Permissions that the local Region does not accept.
    pub refused: Vec<String>,
    /// Of its permissions those that are there for a time.
    pub granted: Vec<String>,
}

/// What one policy requires.
#[derive(Debug)]
pub struct PolicySaid {
    /// Its name.
    pub name: String,
    /// `mode: shadow`: it demands nothing.
    pub shadow: bool,
    /// `default: allow`.
    pub default_allow: bool,
    /// Each requirement.
    pub requirements: Vec<RequirementSaid>,
}

/// One requirement.
#[derive(Debug)]
pub struct RequirementSaid {
    /// The field of the document that demands it.
    pub field: &'static str,
    /// Why it is not met; `None`: it is.
    pub shortfall: Option<Reason>,
    /// A public rule of the policy lifts it, or what else the policy lets in without a token.
    pub lifted: bool,
}

/// One rule.
#[derive(Debug)]
pub struct RuleSaid {
    /// Its policy's name.
    pub policy: String,
    /// Its name.
    pub name: String,
    /// `allow`, `deny`, `stepUp` or `defer`.
    pub effect: &'static str,
    /// `mode: shadow`, its own or its policy's: it decides nothing.
    pub shadow: bool,
    /// All conditions together.
    pub all: Holds,
    /// Whether it has a say: unknown is no match for an allow, and a match for what refuses or asks.
    pub takes_effect: bool,
    /// The conditions by the fields of the rule, those that restrict nothing included; `about`: whether it can be told that the rule is about this request.
    pub conditions: Vec<(&'static str, Holds)>,
}

/// The value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It holds.
    Yes,
    /// What it looks at is not there.
    Unknown,
    /// It does not hold.
    No,
}

impl Holds {
    /// In a word or two.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "match",
            Self::Unknown => "unknown",
            Self::No => "no match",
        }
    }
}

impl core::convert::From<Truth> for Holds {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::Match => Self::Yes,
            Truth::Unknown => Self::Unknown,
            Truth::NoMatch => Self::No,
        }
    }
}

impl PolicySet {
    /// What each of them makes of `asked`, of which these are the candidates and the facts; what is in shadow mode included.
    #[must_use]
    pub fn explain(&self, asked: &Asked<'_>, candidates: &Candidates, facts: &Facts<'_>) -> Explanation {
        let whole = candidates.with_shadow();
        let candidates = whole.as_ref().unwrap_or(candidates);
        let policies = self.governing(candidates).map(|(reference, policy)| PolicySaid {
            name: self.policy_name(reference).unwrap_or_default().to_owned(),
            shadow: policy.shadow,
            default_allow: policy.default_allow,
            requirements: policy
                .requirements
                .iter()
                .map(|requirement| self.required(reference, requirement, candidates, facts))
                .collect(),
        });
        let rules = self
            .found(candidates)
            .map(|(reference, rule)| self.said(rule, candidates.certainty(reference), facts));
        let opened = candidates.opening().and_then(|(policy, opening)| {
            let name = self.policy_name(policy)?;
            Some((name.to_owned(), opening.reason()))
        });
        let on_route = self.on_route(asked).into_iter();
        let beside = on_route
            .filter(|reference| !candidates.rules().contains(reference))
            .filter_map(|reference| {
                let rule = self.rule(reference)?;
                Some(format!("{}/{}", self.policy_name(rule.policy())?, rule.name()))
            });
        Explanation {
            policies: policies.collect(),
            rules: rules.collect(),
            opened,
            beside: beside.collect(),
            seen: seen(facts),
        }
    }

    fn required(
        &self,
        policy: PolicyRef,
        requirement: &Requirement,
        candidates: &Candidates,
        facts: &Facts<'_>,
    ) -> RequirementSaid {
        RequirementSaid {
            field: requirement.field(),
            shortfall: requirement.shortfall(facts),
            lifted: candidates.lifts(policy, requirement.is_of_caller())
                || requirement.is_of_caller() && self.is_public(policy, candidates, facts),
        }
    }

    fn said(&self, rule: &Rule, certainty: Truth, facts: &Facts<'_>) -> RuleSaid {
        let findings = rule.conditions.weigh(facts);
        let mut conditions = listed(&findings);
        conditions.insert(0, ("about", certainty.into()));
        RuleSaid {
            policy: self.policy_name(rule.policy()).unwrap_or_default().to_owned(),
            name: rule.name().to_owned(),
            effect: match rule.effect {
                Effect::Allow => "allow",
                Effect::Deny(_) => "deny",
                Effect::StepUp(_) => "stepUp",
                Effect::Defer(_) => "defer",
            },
            shadow: rule.shadow,
            all: findings.all().min(certainty).into(),
            takes_effect: rule.takes_effect(facts),
            conditions,
        }
    }
}

/// The conditions in the order in which a person would look.
fn listed(findings: &Findings) -> Vec<(&'static str, Holds)> {
    // Each one is named, so that none is forgotten.
    let Findings {
        identity,
        home,
        source,
        workload,
        permissions,
        roles,
        when,
    } = findings;
    let mut listed = vec![
        ("identity", Holds::from(*identity)),
        ("from.homeRegions", Holds::from(*home)),
        ("from", Holds::from(*source)),
        ("from.workloads", Holds::from(*workload)),
        ("permissions", Holds::from(*permissions)),
        ("roles", Holds::from(*roles)),
    ];
    // Beside a condition that does not hold, the expression is not looked at.
    if listed.iter().all(|(_, holds)| *holds != Holds::No) {
        listed.push(("when", Holds::from(*when)));
    }
    listed
}

impl Requirement {
    fn field(&self) -> &'static str {
        match self {
            Self::Certificate => "identity.authentication: certificate",
            Self::MultiFactor(_) => "identity.authentication: multi-factor",
            Self::Device(_) => "device.compliance",
            Self::Source(_) => "context.geoRestrictions",
            Self::BusinessHours => "context.timeRestrictions: businessHours",
            Self::Hours(_) => "context.timeRestrictions: hours",
            Self::Dates(_) => "context.timeRestrictions: dates",
            Self::Maintenance(_) => "context.timeRestrictions: maintenance",
        }
    }
}

fn seen(facts: &Facts<'_>) -> Seen {
    let name = |id: RegionId| facts.regions.get(id.index()).map(|region| region.name.clone());
    Seen {
        subject: facts.subject.map(|subject| SubjectSeen {
            permissions: subject.permissions.clone(),
            roles: subject.roles.clone(),
            elsewhere: subject.elsewhere.clone(),
            refused: subject.refused.clone(),
            granted: subject.granted.clone(),
        }),
        token_refused: facts.token_refused,
        certificate: facts.certificate,
        home: name(facts.home()),
        local: name(facts.local),
        address: facts.source.address,
        source_region: facts.source.region.and_then(name),
        source_country: facts.source.country.map(|country| country.to_string()),
        workload: facts.workload.map(ToString::to_string),
        service: facts.service.is_some(),
    }
}
