//! What each policy and each rule says to one request, for people: nothing here is needed to decide.

mod demands;
mod parts;

use core::net::IpAddr;

use serde_json::Value;

use super::about::Asked;
use super::compile::{PolicyRef, PolicySet, Requirement, Rule};
use super::conditions::{Conditions, Findings, Truth};
use super::decide::Facts;
use super::index::Candidates;
use crate::bundle::RegionId;
use crate::bundle::document::Effect;
use crate::identity::Binding;
use crate::reason::Reason;
use crate::risk::Risk;
use crate::time::WallTime;

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
    /// Rules about its host, method and path that are not about it all the same: because of its headers, query, gRPC call or upgrade, or of where they stand.
    pub beside: Vec<BesideSaid>,
}

/// A rule about the host, method and path of a request that is not about the request.
#[derive(Debug)]
pub struct BesideSaid {
    /// Its policy's name.
    pub policy: String,
    /// Its name.
    pub name: String,
    /// What it says of the request beside host, method and path.
    pub parts: Vec<PartSaid>,
}

/// A part of what a rule or policy says of the request itself, or of where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSaid {
    /// The field: `headers`, `query`, `grpc`, `upgrades`, `preflight`, `probes`, or `selector` for all of it but its hosts.
    pub field: &'static str,
    /// Which entry of the field, where it is a list of such.
    pub index: Option<usize>,
    /// Whether the request is so.
    pub holds: Holds,
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
    /// What the token says of its subject's login; `None`: no valid token.
    pub login: Option<LoginSeen>,
    /// Why nothing is known of the device; `None`: its posture counts.
    pub device: Option<Reason>,
    /// What is known of its risk, as far as anything asked for it.
    pub risk: Risk,
    /// To what the token is bound, which its sender has shown; `None`: no valid token.
    pub binding: Option<Binding>,
    /// When it came.
    pub at: WallTime,
}

/// `acr`, `amr` and `auth_time` of a token, as they stand there.
#[derive(Debug)]
pub struct LoginSeen {
    /// `acr`.
    pub acr: Option<Value>,
    /// `amr`.
    pub amr: Option<Value>,
    /// `auth_time`.
    pub auth_time: Option<Value>,
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
    /// Whether that counts for this request: not for an upgrade, and not where it cannot be told that the policy stands here.
    pub default_counts: bool,
    /// Where it stands, and what it lets in without a token: what it says of these.
    pub parts: Vec<PartSaid>,
    /// Each requirement.
    pub requirements: Vec<RequirementSaid>,
}

/// One requirement.
#[derive(Debug)]
pub struct RequirementSaid {
    /// The field of the document that demands it.
    pub field: &'static str,
    /// What it demands; `None` where only the document can say it: times.
    pub wanted: Option<String>,
    /// What was found of that; `None` likewise.
    pub found: Option<String>,
    /// Whether it is met; unknown is not.
    pub holds: Holds,
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
    /// What it says of the request beside host, method and path, which is in `about` as a whole.
    pub parts: Vec<PartSaid>,
    /// What its effect wants to know where it matches: `stepUp`, and `defer.unless`.
    pub demands: Vec<DemandSaid>,
}

/// What the effect of a rule looks at beside its conditions.
#[derive(Debug)]
pub struct DemandSaid {
    /// `stepUp.acr`, `stepUp.maxAge` or `defer.unless`.
    pub field: &'static str,
    /// What is wanted.
    pub wanted: String,
    /// What was found.
    pub found: String,
    /// Whether it is met; what is absent is unknown, and does not meet it.
    pub holds: Holds,
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
            default_counts: policy.default_allow && candidates.takes_default(reference),
            parts: parts::of_policy(policy, reference, asked),
            requirements: policy
                .requirements
                .iter()
                .map(|requirement| self.required(reference, requirement, candidates, facts))
                .collect(),
        });
        let rules = self
            .found(candidates)
            .map(|(reference, rule)| self.said(rule, candidates.certainty(reference), asked, candidates, facts));
        let opened = candidates.opening().and_then(|(policy, opening)| {
            let name = self.policy_name(policy)?;
            Some((name.to_owned(), opening.reason()))
        });
        let on_route = self.on_route(asked).into_iter();
        let beside = on_route
            .filter(|reference| !candidates.rules().contains(reference))
            .filter_map(|reference| {
                let rule = self.rule(reference)?;
                Some(BesideSaid {
                    policy: self.policy_name(rule.policy())?.to_owned(),
                    name: rule.name().to_owned(),
                    parts: self.parts(rule, asked),
                })
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
        let shortfall = requirement.shortfall(facts);
        RequirementSaid {
            field: requirement.field(),
            wanted: requirement.wanted(facts),
            found: requirement.found(facts),
            holds: match shortfall {
                None => Holds::Yes,
                Some(_) if requirement.is_untold(facts) => Holds::Unknown,
                Some(_) => Holds::No,
            },
            shortfall,
            lifted: candidates.lifts(policy, requirement.is_of_caller())
                || requirement.is_of_caller() && self.is_public(policy, candidates, facts),
        }
    }

    fn said(
        &self,
        rule: &Rule,
        certainty: Truth,
        asked: &Asked<'_>,
        candidates: &Candidates,
        facts: &Facts<'_>,
    ) -> RuleSaid {
        let findings = rule.conditions.weigh(facts);
        let mut conditions = listed(&rule.conditions, &findings, facts);
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
            parts: self.parts(rule, asked),
            demands: self.demands(rule, candidates, facts),
        }
    }
}

/// The conditions in the order in which a person would look.
fn listed(conditions: &Conditions, findings: &Findings, facts: &Facts<'_>) -> Vec<(&'static str, Holds)> {
    // Each one is named, so that none is forgotten.
    let Findings {
        identity,
        home,
        source: _,
        workload,
        permissions,
        roles,
        when,
    } = findings;
    let [region, country, network] = conditions.weigh_source_by_part(facts);
    let mut listed = vec![
        ("identity", Holds::from(*identity)),
        ("from.homeRegions", Holds::from(*home)),
        ("from.sourceRegions", Holds::from(region)),
        ("from.sourceCountries", Holds::from(country)),
        ("from.networks", Holds::from(network)),
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
        login: facts.claims.map(|claims| LoginSeen {
            acr: claims.get("acr").cloned(),
            amr: claims.get("amr").cloned(),
            auth_time: claims.get("auth_time").cloned(),
        }),
        device: facts.device.err(),
        risk: facts.risk,
        binding: None,
        at: facts.at,
    }
}
