//! The oracle: what the design says of rules, requirements and defaults, read rule by rule from the documents, with no index and nothing compiled.
//!
//! It shares with the kernel only what tells whether one pattern matches one request, and what are the segments of its path. Three-valued logic is `Option<bool>` here, `None` being unknown.

mod about;
mod conditions;
mod device;
mod when;

use core::time::Duration;

use regionguard::bundle::document::{
    Defer, Effect, IdentityNeed, Policy, Refusal, Requirement, Rule, StepUp, WhenAway,
};
use regionguard::policy::Facts;
use regionguard::reason::Reason;
use regionguard::request::{Authority, CanonicalPath};

use super::random::RequestPlan;
use about::{looks, opening, stands};
use conditions::{
    all, governs, holds, is_about, is_met, matches_whoever_asks, miss, needs_no_grant, reads_token, unmet,
};

/// An outcome with names in place of references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Deny {
        reason: Reason,
        by: String,
        refusal: Option<Refusal>,
    },
    NeedsIdentity {
        by: String,
        reason: Reason,
    },
    Challenge {
        reason: Reason,
        by: String,
        demand: StepUp,
    },
    Allow {
        reason: Reason,
        by: String,
    },
    Defer {
        by: String,
        options: Defer,
        public: bool,
    },
}

/// One request.
pub(crate) struct Asked<'a> {
    pub(crate) authority: &'a Authority<'a>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a CanonicalPath<'a>,
    /// What else is seen of it.
    pub(crate) plan: &'a RequestPlan,
    pub(crate) facts: Facts<'a>,
    /// The headers that policies fill, so that no caller may.
    pub(crate) filled: &'a [String],
}

/// A rule that is about the host, method and path.
struct Judged<'a> {
    policy: &'a str,
    rule: &'a Rule,
    holds: Option<bool>,
}

impl Judged<'_> {
    fn label(&self) -> String {
        format!("{}/{}", self.policy, self.rule.name)
    }

    fn is_deny(&self) -> bool {
        matches!(self.rule.effect, Effect::Deny(_))
    }

    fn is_public(&self) -> bool {
        !self.is_deny() && self.rule.identity == IdentityNeed::None
    }

    fn may_let_in(&self) -> bool {
        matches!(self.rule.effect, Effect::Allow | Effect::Defer(_))
    }

    fn is_for_workloads(&self) -> bool {
        self.may_let_in() && self.rule.identity == IdentityNeed::Workload
    }

    fn is_for_tokens(&self) -> bool {
        self.may_let_in() && self.rule.identity == IdentityNeed::Required
    }

    /// Whether it lets the request go on, as far as this rule goes.
    fn takes_effect(&self) -> bool {
        self.holds == Some(true) || self.holds.is_none() && self.rule.effect != Effect::Allow
    }
}

/// What policy says to this request.
pub(crate) fn decide(policies: &[Policy], asked: &Asked<'_>) -> Verdict {
    let mut governing: Vec<&Policy> = policies.iter().filter(|policy| governs(policy, asked)).collect();
    governing.sort_by_key(|policy| policy.name.clone());
    let mut judged = Vec::new();
    for policy in &governing {
        for rule in &policy.rules {
            // "Unknown counts as no match for allow": such a rule is not about the request, and tells nothing of why it was refused.
            let about = all(&[stands(policy, asked), looks(rule, asked)]);
            let is_about =
                is_about(rule, asked) && (about == Some(true) || about.is_none() && rule.effect != Effect::Allow);
            if is_about {
                let holds = all(&[about, holds(rule, asked)]);
                let policy = policy.name.as_str();
                judged.push(Judged { policy, rule, holds });
            }
        }
    }
    judged.sort_by_key(|judged| (judged.policy.to_owned(), judged.rule.name.clone()));

    // "403 where a deny matches whoever asks".
    let denies = judged
        .iter()
        .filter(|judged| judged.is_deny() && judged.holds != Some(false));
    let denies: Vec<&Judged<'_>> = denies.collect();
    if let Some(deny) = denies.iter().find(|deny| matches_whoever_asks(deny.rule)) {
        return denied_by(deny);
    }
    // "401 for a token that is not there where nothing public lets the request in".
    let anonymous = asked.facts.subject.is_none();
    let opened: Vec<(&str, Reason)> = governing
        .iter()
        .filter_map(|policy| Some((policy.name.as_str(), opening(policy, asked)?)))
        .collect();
    let lets_in_without_token = judged
        .iter()
        .any(|judged| (judged.is_public() || judged.is_for_workloads()) && judged.takes_effect());
    if anonymous && !lets_in_without_token && opened.is_empty() {
        let for_tokens = judged.iter().find(|judged| judged.is_for_tokens());
        let for_workloads = judged.iter().find(|judged| judged.is_for_workloads());
        let default = governing.iter().any(|policy| policy.default_allow);
        let facts = &asked.facts;
        // "One of a workload that counts here is somebody": 403, where a token could have made no difference.
        let is_service = facts.service.is_some() && !facts.token_refused;
        if !(is_service && for_workloads.is_some() && for_tokens.is_none() && !default) {
            let (by, reason) = match (for_tokens, for_workloads) {
                (Some(rule), _) => (rule.label(), Reason::IdentityMissing),
                (None, Some(rule)) if !is_service => {
                    let reason = match (facts.service, facts.workload) {
                        (Some(_), _) => Reason::IdentityMissing,
                        (None, Some(_)) => Reason::WorkloadNotAccepted,
                        (None, None) => Reason::WorkloadMissing,
                    };
                    (rule.label(), reason)
                }
                _ => ("-/-".to_owned(), Reason::IdentityMissing),
            };
            return Verdict::NeedsIdentity { by, reason };
        }
    }
    // "A deny wins."
    if let Some(deny) = denies.first() {
        // "Where the outcome hangs on an identity that was not presented, the answer is 401."
        if deny.holds.is_none() && anonymous && reads_token(deny.rule) {
            return Verdict::NeedsIdentity {
                by: deny.label(),
                reason: Reason::IdentityMissing,
            };
        }
        return denied_by(deny);
    }
    let allows = || {
        let holding = judged.iter().filter(|judged| judged.holds == Some(true));
        holding.filter(|judged| judged.rule.effect == Effect::Allow)
    };
    // "A grant is named only where nothing else would have let the request in."
    let without_grant = allows().find(|judged| needs_no_grant(judged.rule, asked));
    let allow = without_grant.or(allows().next());
    // "A request must meet those of every policy that governs it, before any defer, allow."
    for policy in &governing {
        for requirement in &policy.requirements {
            // "Public lifts the identity and device requirements of its own policy only."
            let of_identity = matches!(
                requirement,
                Requirement::Certificate | Requirement::MultiFactor(_) | Requirement::Device(_)
            );
            let gives_way = |judged: &Judged<'_>| match &judged.rule.effect {
                Effect::Defer(defer) => defer.unless_allowed && allow.is_some(),
                _ => false,
            };
            let is_public = |judged: &Judged<'_>| {
                judged.policy == policy.name && judged.is_public() && judged.holds == Some(true) && !gives_way(judged)
            };
            if of_identity && judged.iter().any(is_public) {
                continue;
            }
            // A preflight is let in as by a public rule; nobody is behind a probe.
            let lifted = |(name, reason): &(&str, Reason)| {
                *name == policy.name && (of_identity || *reason == Reason::ProbeAllowed)
            };
            if opened.iter().any(lifted) {
                continue;
            }
            let Some(reason) = unmet(requirement, asked) else {
                continue;
            };
            let by = format!("{}/-", policy.name);
            // "Where the outcome hangs on an identity that was not presented, the answer is 401."
            let nobody = anonymous && (asked.facts.service.is_none() || asked.facts.token_refused);
            if of_identity && nobody {
                let reason = Reason::IdentityMissing;
                return Verdict::NeedsIdentity { by, reason };
            }
            if let Requirement::MultiFactor(wanted) = requirement {
                let demand = StepUp {
                    acr: wanted.acr.clone(),
                    max_age: None,
                };
                return Verdict::Challenge { reason, by, demand };
            }
            return Verdict::Deny {
                reason,
                by,
                refusal: None,
            };
        }
    }
    // "Every matching stepUp must be met, and the challenge names the strictest maxAge and the acr values of the first unmet one."
    let matching: Vec<(&Judged<'_>, &StepUp)> = judged
        .iter()
        .filter(|judged| judged.holds != Some(false))
        .filter_map(|judged| match &judged.rule.effect {
            Effect::StepUp(demand) => Some((judged, demand)),
            _ => None,
        })
        .collect();
    if let Some((first, demand)) = matching.iter().find(|(_, demand)| !is_met(demand, asked)) {
        return Verdict::Challenge {
            reason: Reason::StepUpRequired,
            by: first.label(),
            demand: StepUp {
                acr: demand.acr.clone(),
                max_age: matching.iter().filter_map(|(_, demand)| demand.max_age).min(),
            },
        };
    }
    // "Else a defer", and "matching defers are one question with the strictest options".
    let defers: Vec<(&Judged<'_>, &Defer)> = judged
        .iter()
        .filter(|judged| judged.holds != Some(false))
        .filter_map(|judged| match &judged.rule.effect {
            Effect::Defer(defer) => Some((judged, defer)),
            _ => None,
        })
        .collect();
    // "`unless: allowed` lets an inline allow win."
    let gives_way = allow.is_some() && defers.iter().all(|(_, defer)| defer.unless_allowed);
    if let Some((first, _)) = defers.first().filter(|_| !gives_way) {
        let mut claims: Vec<String> = defers.iter().flat_map(|(_, defer)| defer.claims.clone()).collect();
        claims.sort();
        claims.dedup();
        let open = defers.iter().filter(|(_, defer)| defer.cache.is_none()).count();
        let shortest = defers.iter().filter_map(|(_, defer)| defer.cache).min();
        let options = Defer {
            cache: if open == 0 || open == defers.len() {
                shortest
            } else {
                Some(Duration::ZERO)
            },
            when_away: when_away(&defers),
            unless_allowed: defers.iter().all(|(_, defer)| defer.unless_allowed),
            claims,
            pass_reason: defers.iter().all(|(_, defer)| defer.pass_reason),
        };
        return Verdict::Defer {
            by: first.label(),
            options,
            public: defers.iter().all(|(judged, _)| judged.is_public()),
        };
    }
    // "Else an allow."
    if let Some(allow) = allow {
        let reason = if without_grant.is_none() {
            Reason::GrantAllowed
        } else if allow.is_public() {
            Reason::RulePublic
        } else {
            Reason::RuleAllowed
        };
        return Verdict::Allow {
            reason,
            by: allow.label(),
        };
    }
    // "Else a `default: allow`", which is for valid tokens.
    let takes_default =
        |policy: &Policy| policy.default_allow && stands(policy, asked) == Some(true) && asked.plan.upgrade.is_none();
    if let Some(policy) = governing.iter().find(|policy| takes_default(policy) && !anonymous) {
        return Verdict::Allow {
            reason: Reason::DefaultAllowed,
            by: format!("{}/-", policy.name),
        };
    }
    // What a policy lets in without a token beside its rules.
    if let Some((policy, reason)) = opened.first() {
        return Verdict::Allow {
            reason: *reason,
            by: format!("{policy}/-"),
        };
    }
    // "Else deny", with the rule that the request came furthest with.
    let mut misses: Vec<(u8, Reason, String)> = judged
        .iter()
        .filter(|judged| judged.may_let_in())
        .map(|judged| {
            let (stage, reason) = miss(judged.rule, asked);
            (stage, reason, judged.label())
        })
        .collect();
    misses.sort_by_key(|(stage, ..)| std::cmp::Reverse(*stage));
    match misses.into_iter().next() {
        Some((_, reason, by)) => Verdict::Deny {
            reason,
            by,
            refusal: None,
        },
        None => Verdict::Deny {
            // "CONNECT and Upgrade are refused unless a rule names them."
            reason: match asked.plan.upgrade {
                None => Reason::NoRule,
                Some(_) => Reason::UpgradeNotAllowed,
            },
            by: "-/-".to_owned(),
            refusal: None,
        },
    }
}

/// What the condition of each rule about the request's host, method and path says, where it has one.
pub(crate) fn conditions(policies: &[Policy], asked: &Asked<'_>) -> Vec<(String, Option<bool>)> {
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let about = rules.filter(|rule| is_about(rule, asked));
    let said = about.filter_map(|rule| {
        let source = rule.when.as_ref()?.source();
        Some((source.to_owned(), when::holds(source, rule, asked)))
    });
    said.collect()
}

/// The claims that the upstream gets and whether it gets the token.
pub(crate) fn forwarding(policies: &[Policy], asked: &Asked<'_>) -> (bool, Vec<(String, String)>) {
    let mut governing: Vec<&Policy> = policies.iter().filter(|policy| governs(policy, asked)).collect();
    governing.sort_by_key(|policy| policy.name.clone());
    let forwards: Vec<_> = governing.iter().filter_map(|policy| policy.forward.as_ref()).collect();
    let mut claims: Vec<(String, String)> = Vec::new();
    for (header, claim) in forwards.iter().flat_map(|forward| &forward.claims) {
        if !claims.iter().any(|(known, _)| known == header) {
            claims.push((header.clone(), claim.clone()));
        }
    }
    claims.sort();
    (forwards.iter().any(|forward| forward.strip_token), claims)
}

fn denied_by(deny: &Judged<'_>) -> Verdict {
    let Effect::Deny(refusal) = &deny.rule.effect else {
        panic!("not a deny");
    };
    let reason = if deny.holds.is_none() {
        Reason::ConditionUnknown
    } else {
        Reason::RuleDenied
    };
    Verdict::Deny {
        reason,
        by: deny.label(),
        refusal: Some(refusal.clone()),
    }
}

/// "Deny before lastDecision before allow", and of several times the shortest.
fn when_away(defers: &[(&Judged<'_>, &Defer)]) -> WhenAway {
    let all = || defers.iter().map(|(_, defer)| defer.when_away);
    let times = all().filter_map(|away| match away {
        WhenAway::LastDecision(time) => Some(time),
        WhenAway::Deny | WhenAway::Allow => None,
    });
    match times.min() {
        _ if all().any(|away| away == WhenAway::Deny) => WhenAway::Deny,
        Some(time) => WhenAway::LastDecision(time),
        None => WhenAway::Allow,
    }
}
