//! How rules, requirements and defaults combine to one outcome. Order never matters: where several would decide alike, the one whose policy and rule name
//! sort first is named.

use core::cell::Cell;
use core::net::IpAddr;
use core::time::Duration;

use super::authentication::{is_multi_factor, meets};
use super::compile::{PolicyRef, PolicySet, Requirement, Rule, RuleRef};
use super::conditions::{Demand, Truth, holds, words};
use super::index::Candidates;
use super::variables::Requested;
use super::when::When;
use crate::bundle::document::{Defer, Effect, Refusal, StepUp};
use crate::bundle::{RegionId, document};
use crate::context::Country;
use crate::device::Device;
use crate::identity::{Claims, SpiffeId, Subject};
use crate::reason::Reason;
use crate::risk::Risk;
use crate::sort::Arrange as _;
use crate::time::WallTime;

/// What is known of a request beside its host, method and path.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks; `None`: an anonymous request.
    pub subject: Option<&'f Subject>,
    /// What the subject's token says.
    pub claims: Option<&'f Claims>,
    /// The token's subject has shown a certificate of its own.
    pub certificate: bool,
    /// The device that it comes from; of an anonymous request nothing is known.
    pub device: Device<'f>,
    /// Where it comes from.
    pub source: Source,
    /// The workload at the other end of the connection; `None`: it cannot be told.
    pub workload: Option<&'f SpiffeId>,
    /// That workload's home region, where it counts here ([`counting_home`](crate::identity::counting_home)).
    pub service: Option<RegionId>,
    /// Nobody can tell whether it counts here, or whether there is one: `service` is `None` then. Only a deny asks ([`PolicySet::deny_services`]).
    pub service_untold: bool,
    /// There is a token, and it is not valid here. `subject` is `None` then.
    pub token_refused: bool,
    /// What an identity replica told of the subject.
    pub attributes: Attributes<'f>,
    /// What looks wrong.
    pub risk: Risk,
    /// What is asked.
    pub request: Requested<'f>,
    /// Where this proxy stands.
    pub local: RegionId,
    /// When it came.
    pub at: WallTime,
    /// The Regions of the bundle, sorted by name.
    pub regions: &'f [document::Region],
}

impl Facts<'_> {
    /// The home region: the token's, or without one that of a workload that counts here; a request of nobody has the local one.
    pub(super) fn home(&self) -> RegionId {
        let of_token = self.subject.map(|subject| subject.home);
        of_token.or(self.service).unwrap_or(self.local)
    }

    /// Whether nobody asks, as far as can be told.
    fn is_anonymous(&self) -> bool {
        self.subject.is_none() && !self.is_service()
    }

    /// Whether a workload that counts here asks, with a valid token or without one. Whoever shows a token that is not valid here asks as nobody.
    fn is_service(&self) -> bool {
        self.service.is_some() && !self.token_refused
    }
}

/// What is known of a subject beside what its token says.
#[derive(Clone, Copy, Debug)]
pub enum Attributes<'f> {
    /// Nobody with a valid token asks, so there are none.
    OfNobody,
    /// No condition that may decide reads them.
    Unasked,
    /// The identity replica of the home region told these.
    Told(&'f Claims),
    /// Nobody has told: whatever reads them is unknown, and leaves a mark here.
    Untold(&'f Cell<bool>),
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `None`: it cannot be told.
    pub address: Option<IpAddr>,
    /// `None`: unknown.
    pub region: Option<RegionId>,
    /// `None`: unknown.
    pub country: Option<Country>,
}

/// What decided, for the decision line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Neither a rule nor a policy: nothing was there that could.
    Nothing,
    /// A requirement or the default of this policy.
    Policy(PolicyRef),
    /// This rule.
    Rule(RuleRef),
}

/// What policy says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused.
    Deny {
        /// Why.
        reason: Reason,
        /// The deny rule, the policy whose requirement is not met, or the rule that nearly let it in.
        by: By,
        /// The answer that a deny rule asks for.
        refusal: Option<Refusal>,
    },
    /// It is anonymous, and nothing public lets it in: 401, whether or not a token would.
    NeedsIdentity {
        /// The first rule for this route that demands a token, or else a workload.
        by: By,
        /// What is missing, where there is no token.
        reason: Reason,
    },
    /// Its subject has to log in otherwise, or anew: 401.
    Challenge {
        /// Why.
        reason: Reason,
        /// The rule that steps up, or the policy whose requirement is not met.
        by: By,
        /// What would do, as far as it can be told.
        demand: StepUp,
    },
    /// It goes on.
    Allow {
        /// Why.
        reason: Reason,
        /// The rule, or the policy whose default it is.
        by: By,
    },
    /// The local region's center is to be asked.
    Defer {
        /// The first of the rules that defer.
        by: RuleRef,
        /// The strictest options of all rules that defer.
        options: Defer,
        /// Whether all of them are public.
        public: bool,
    },
}

impl PolicySet {
    /// Whether the outcome may depend on the source: else it need not be read.
    #[must_use]
    pub fn needs_source(&self, candidates: &Candidates) -> bool {
        let restricts = |requirement: &Requirement| matches!(requirement, Requirement::Source(_));
        self.found(candidates).any(|(_, rule)| rule.conditions.look_at_source())
            || self
                .governing(candidates)
                .any(|(_, policy)| policy.requirements.iter().any(restricts))
    }

    /// Whether the outcome may depend on the workload: else it need not be read.
    #[must_use]
    pub fn needs_workload(&self, candidates: &Candidates) -> bool {
        self.found(candidates)
            .any(|(_, rule)| rule.conditions.look_at_workload())
    }

    /// Whether the outcome may depend on whether it can be told that a workload counts: else that need not be read.
    #[must_use]
    pub fn deny_services(&self, candidates: &Candidates) -> bool {
        self.found(candidates)
            .any(|(_, rule)| rule.conditions.identity == Demand::Workload && !rule.could_let_in())
    }

    /// Whether the outcome for a request without a valid token may depend on the workload, as one that counts or by its home region: else it need not be read.
    #[must_use]
    pub fn needs_service(&self, candidates: &Candidates) -> bool {
        let looks =
            |requirement: &Requirement| matches!(requirement, Requirement::BusinessHours) || requirement.is_of_caller();
        self.has_trust_domains
            && (self.found(candidates).any(|(_, rule)| rule.conditions.look_at_home())
                || self
                    .governing(candidates)
                    .any(|(_, policy)| policy.requirements.iter().any(looks)))
    }

    /// Whether the outcome for a token may depend on whether its subject has shown a certificate of its own.
    #[must_use]
    pub fn needs_certificate(&self, candidates: &Candidates) -> bool {
        let demands = |requirement: &Requirement| matches!(requirement, Requirement::Certificate);
        self.governing(candidates)
            .any(|(_, policy)| policy.requirements.iter().any(demands))
    }

    /// Whether the outcome, or the question for a center, may depend on the device: else its posture need not be read.
    #[must_use]
    pub fn needs_device(&self, candidates: &Candidates) -> bool {
        self.looks_at_device
            && (self.governing(candidates).any(|(_, policy)| policy.looks_at_device())
                || self.found(candidates).any(|(_, rule)| rule.looks_at_device()))
    }

    /// Whether the outcome may depend on what an identity replica tells of who asks: else it need not be asked.
    #[must_use]
    pub fn needs_attributes(&self, candidates: &Candidates) -> bool {
        self.looks_at_attributes && self.conditions(candidates).any(When::reads_attributes)
    }

    /// Whether the outcome may depend on the score of who asks: else it need not be looked up.
    #[must_use]
    pub fn needs_score(&self, candidates: &Candidates) -> bool {
        self.looks_at_risk && self.conditions(candidates).any(When::reads_score)
    }

    /// Whether the outcome may depend on how many tokens with a bad signature came from where the request does: else that need not be counted.
    #[must_use]
    pub fn needs_failures(&self, candidates: &Candidates) -> bool {
        self.looks_at_risk && self.conditions(candidates).any(When::reads_failures)
    }

    /// Whether any rule looks at what identity replicas tell.
    #[must_use]
    pub fn looks_at_attributes(&self) -> bool {
        self.looks_at_attributes
    }

    /// Whether any rule looks at the risk.
    #[must_use]
    pub fn looks_at_risk(&self) -> bool {
        self.looks_at_risk
    }

    fn conditions<'s>(&'s self, candidates: &Candidates) -> impl Iterator<Item = &'s When> {
        self.found(candidates)
            .filter_map(|(_, rule)| rule.conditions.when.as_ref())
    }

    /// A refusal that holds whoever asks, so that no token has to be looked at. It needs of `facts` the source and the workload only.
    #[must_use]
    pub fn refusal_for_everybody(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        self.refusal(candidates, facts, |rule| rule.conditions.ignore_identity())
    }

    /// The outcome.
    #[must_use]
    pub fn decide(&self, candidates: &Candidates, facts: &Facts<'_>) -> Outcome {
        // First what is refused to everybody, so that the outcome is the same whether or not the engine asked for that before it looked at the token.
        self.refusal_for_everybody(candidates, facts)
            .or_else(|| self.missing_identity(candidates, facts))
            .or_else(|| self.refusal(candidates, facts, |rule| !rule.conditions.ignore_identity()))
            .or_else(|| self.unmet_requirement(candidates, facts))
            .or_else(|| self.step_up(candidates, facts))
            .or_else(|| self.deferral(candidates, facts))
            .or_else(|| self.allowance(candidates, facts))
            .or_else(|| self.default_allowance(candidates, facts))
            .or_else(|| opened(candidates))
            .unwrap_or_else(|| self.nearest_miss(candidates, facts))
    }

    /// A deny rule wins over all; one that cannot be told not to match counts as a match.
    fn refusal(&self, candidates: &Candidates, facts: &Facts<'_>, concerns: impl Fn(&Rule) -> bool) -> Option<Outcome> {
        self.found(candidates).find_map(|(reference, rule)| {
            let Effect::Deny(refusal) = &rule.effect else {
                return None;
            };
            if !concerns(rule) {
                return None;
            }
            let by = By::Rule(reference);
            let truth = rule.conditions.weigh(facts).all();
            let reason = match truth.min(candidates.certainty(reference)) {
                Truth::NoMatch => return None,
                // Nobody has told who they are, and it may hang on that.
                Truth::Unknown
                    if facts.subject.is_none()
                        && (rule.conditions.look_at_token() || rule.conditions.look_at_device()) =>
                {
                    let reason = Reason::IdentityMissing;
                    return Some(Outcome::NeedsIdentity { by, reason });
                }
                Truth::Unknown => Reason::ConditionUnknown,
                Truth::Match => Reason::RuleDenied,
            };
            let refusal = Some(refusal.clone());
            Some(Outcome::Deny { reason, by, refusal })
        })
    }

    /// A request without a valid token that nothing lets in is told so before anything else about the route: one of nobody always, one of a workload that
    /// counts here unless the route is for workloads, and a token could have made no difference.
    fn missing_identity(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        let could_let_in = || self.found(candidates).filter(|(_, rule)| rule.could_let_in());
        let lets_in = |rule: &Rule| rule.conditions.identity != Demand::Token && rule.takes_effect(facts);
        let is_open = candidates.opening().is_some();
        if facts.subject.is_some() || is_open || could_let_in().any(|(_, rule)| lets_in(rule)) {
            return None;
        }
        let demanding = |demand| could_let_in().find(move |(_, rule)| rule.conditions.identity == demand);
        let for_tokens = demanding(Demand::Token);
        let default = || self.governing(candidates).any(|(_, policy)| policy.default_allow);
        let for_workloads = demanding(Demand::Workload);
        if facts.is_service() && for_workloads.is_some() && for_tokens.is_none() && !default() {
            return None;
        }
        let for_workloads = for_workloads.filter(|_| !facts.is_service());
        let reason = match (for_tokens, for_workloads, facts.workload) {
            (None, Some(_), _) if facts.service.is_some() => Reason::IdentityMissing,
            (None, Some(_), None) => Reason::WorkloadMissing,
            (None, Some(_), Some(_)) => Reason::WorkloadNotAccepted,
            _ => Reason::IdentityMissing,
        };
        let by = for_tokens
            .or(for_workloads)
            .map_or(By::Nothing, |(reference, _)| By::Rule(reference));
        Some(Outcome::NeedsIdentity { by, reason })
    }

    /// Every requirement of every policy that governs the request has to be met, whichever rule lets it in.
    fn unmet_requirement(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        self.governing(candidates).find_map(|(policy, governing)| {
            let (requirement, reason) = governing.requirements.iter().find_map(|requirement| {
                let reason = requirement.shortfall(facts)?;
                let of_caller = requirement.is_of_caller();
                let lifted =
                    candidates.lifts(policy, of_caller) || of_caller && self.is_public(policy, candidates, facts);
                (!lifted).then_some((requirement, reason))
            })?;
            let by = By::Policy(policy);
            Some(match requirement {
                _ if requirement.is_of_caller() && facts.is_anonymous() => Outcome::NeedsIdentity {
                    by,
                    reason: Reason::IdentityMissing,
                },
                Requirement::MultiFactor(wanted) => Outcome::Challenge {
                    reason,
                    by,
                    demand: StepUp {
                        acr: wanted.acr.clone(),
                        max_age: None,
                    },
                },
                _ => Outcome::Deny {
                    reason,
                    by,
                    refusal: None,
                },
            })
        })
    }

    /// Whether what policies refuse may be let in all the same. What comes through a tunnel is judged by nobody, so a rule has to name its protocol for this route.
    pub(crate) fn may_be_let_in(&self, candidates: &Candidates) -> bool {
        !candidates.is_upgrade() || self.found(candidates).any(|(_, rule)| rule.could_let_in())
    }

    /// Whether a public rule of this policy lets the request in: that lifts what the policy, and no other, demands of who asks. One that is not known to match
    /// lifts nothing, and neither does a defer that gives way to an allow.
    pub(super) fn is_public(&self, policy: PolicyRef, candidates: &Candidates, facts: &Facts<'_>) -> bool {
        let matches = |reference, rule: &Rule| {
            rule.takes_effect(facts)
                && rule.conditions.weigh(facts).all().min(candidates.certainty(reference)) == Truth::Match
        };
        let gives_way = |rule: &Rule| match &rule.effect {
            Effect::Defer(options) => options.unless_allowed && self.allowance(candidates, facts).is_some(),
            _ => false,
        };
        self.found(candidates).any(|(reference, rule)| {
            rule.policy() == policy && rule.is_public && matches(reference, rule) && !gives_way(rule)
        })
    }

    /// Every step-up that matches must be met; the first that is not is named, with the least age that any of them takes.
    fn step_up(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        let mut unmet: Option<(RuleRef, &StepUp)> = None;
        let mut max_age: Option<Duration> = None;
        for (reference, rule) in self.found(candidates) {
            let Effect::StepUp(demand) = &rule.effect else { continue };
            if !rule.takes_effect(facts) {
                continue;
            }
            max_age = max_age.into_iter().chain(demand.max_age).min();
            if unmet.is_none() && !facts.claims.is_some_and(|claims| meets(claims, demand, facts.at)) {
                unmet = Some((reference, demand));
            }
        }
        let (reference, demand) = unmet?;
        Some(Outcome::Challenge {
            reason: Reason::StepUpRequired,
            by: By::Rule(reference),
            demand: StepUp {
                acr: demand.acr.clone(),
                max_age,
            },
        })
    }

    /// All rules that defer are one question with the strictest options.
    fn deferral(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        let mut deferring = self
            .found(candidates)
            .filter_map(|(reference, rule)| match &rule.effect {
                Effect::Defer(options) if rule.takes_effect(facts) => Some((reference, options, rule.is_public)),
                _ => None,
            });
        let (by, options, public) = deferring.next()?;
        let mut options = options.clone();
        let mut all_public = public;
        for (_, more, public) in deferring {
            options = stricter(options, more);
            all_public &= public;
        }
        // One that is asked whatever else there is makes it a question.
        if options.unless_allowed && self.allowance(candidates, facts).is_some() {
            return None;
        }
        let public = all_public;
        Some(Outcome::Defer { by, options, public })
    }

    pub(super) fn allowance(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        let allows = |rule: &Rule| rule.effect == Effect::Allow && rule.takes_effect(facts);
        // A grant is named only where nothing else would have let the request in. Each rule is weighed once: it may have a condition.
        let mut first = None;
        let mut allowing = self.found(candidates).filter(|(_, rule)| allows(rule));
        let without_grant = allowing.find(|found| {
            first = first.or(Some(*found));
            !found.1.needs_grant(facts)
        });
        let (reference, rule) = without_grant.or(first)?;
        let reason = if rule.needs_grant(facts) {
            Reason::GrantAllowed
        } else if rule.is_public {
            Reason::RulePublic
        } else {
            Reason::RuleAllowed
        };
        let by = By::Rule(reference);
        Some(Outcome::Allow { reason, by })
    }

    /// `default: allow` is for valid tokens. No anonymous request comes as far as this; should the order above ever change, it is still not let in.
    fn default_allowance(&self, candidates: &Candidates, facts: &Facts<'_>) -> Option<Outcome> {
        facts.subject?;
        let (reference, _) = self
            .governing(candidates)
            .find(|(reference, policy)| policy.default_allow && candidates.takes_default(*reference))?;
        let by = By::Policy(reference);
        let reason = Reason::DefaultAllowed;
        Some(Outcome::Allow { reason, by })
    }

    /// Whether what an upgrade opens stays open until one of its ends closes it: every rule that lets it in says so.
    #[must_use]
    pub fn stays_until_closed(&self, candidates: &Candidates, facts: &Facts<'_>) -> bool {
        let mut letting_in = self
            .found(candidates)
            .filter(|(_, rule)| rule.could_let_in() && rule.takes_effect(facts))
            .map(|(_, rule)| rule.about.as_deref().is_some_and(|about| about.until_closed))
            .peekable();
        letting_in.peek().is_some() && letting_in.all(|until_closed| until_closed)
    }

    /// Why nothing let it in: of the rules that could have, the one that it came furthest with.
    fn nearest_miss(&self, candidates: &Candidates, facts: &Facts<'_>) -> Outcome {
        let mut nearest: Option<(Stage, Reason, RuleRef)> = None;
        for (reference, rule) in self.found(candidates).filter(|(_, rule)| rule.could_let_in()) {
            let (stage, reason) = rule.miss(facts);
            if nearest.is_none_or(|(reached, ..)| stage > reached) {
                nearest = Some((stage, reason, reference));
            }
        }
        let reason = if candidates.is_upgrade() {
            Reason::UpgradeNotAllowed
        } else {
            Reason::NoRule
        };
        let nothing = (reason, By::Nothing);
        let (reason, by) = nearest.map_or(nothing, |(_, reason, reference)| (reason, By::Rule(reference)));
        let refusal = None;
        Outcome::Deny { reason, by, refusal }
    }
}

/// How far a request came with a rule, in the order in which a person would look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Identity,
    Home,
    Source,
    Workload,
    Permissions,
    Roles,
    When,
}

impl Rule {
    /// Whether a request that it matches may go on because of it.
    fn could_let_in(&self) -> bool {
        matches!(self.effect, Effect::Allow | Effect::Defer(_))
    }

    /// Whether its permissions are there only because they are granted for a time.
    fn needs_grant(&self, facts: &Facts<'_>) -> bool {
        let granted = facts.subject.filter(|subject| !subject.granted.is_empty());
        granted.is_some_and(|subject| {
            let has = |word: &str| holds(&subject.permissions, word) && !holds(&subject.granted, word);
            words(&self.conditions.permissions, has) != Truth::Match
        })
    }

    /// Unknown is no match for an allow, and a match for what refuses or asks.
    pub(super) fn takes_effect(&self, facts: &Facts<'_>) -> bool {
        // A deny holds for a workload whatever token it shows; a rule that would let it in does not overlook one that is not valid.
        if self.conditions.identity == Demand::Workload && self.could_let_in() && !facts.is_service() {
            return false;
        }
        match self.conditions.weigh(facts).all() {
            Truth::NoMatch => false,
            Truth::Unknown => self.effect != Effect::Allow,
            Truth::Match => true,
        }
    }

    /// The first condition that is not met, of a rule that did not let a request in.
    fn miss(&self, facts: &Facts<'_>) -> (Stage, Reason) {
        let findings = self.conditions.weigh(facts);
        if findings.identity != Truth::Match {
            (Stage::Identity, Reason::WorkloadNotMatched)
        } else if findings.home != Truth::Match {
            (Stage::Home, Reason::HomeNotMatched)
        } else if findings.source != Truth::Match {
            (Stage::Source, Reason::SourceNotMatched)
        } else if findings.workload != Truth::Match {
            (Stage::Workload, Reason::WorkloadNotMatched)
        } else if findings.permissions != Truth::Match {
            (Stage::Permissions, self.missing_permission(facts))
        } else if findings.roles != Truth::Match {
            (Stage::Roles, Reason::RoleMissing)
        } else {
            (Stage::When, Reason::ConditionNotMet)
        }
    }

    /// Whether the permissions that are missing are there in another region, or were not accepted.
    fn missing_permission(&self, facts: &Facts<'_>) -> Reason {
        let would_do = |subject: &Subject, more: &[String]| {
            let has = |word: &str| holds(&subject.permissions, word) || holds(more, word);
            words(&self.conditions.permissions, has) == Truth::Match
        };
        match facts.subject {
            Some(subject) if would_do(subject, &subject.elsewhere) => Reason::PermissionOtherRegion,
            Some(subject) if would_do(subject, &subject.refused) => Reason::PermissionNotAccepted,
            _ => Reason::PermissionMissing,
        }
    }
}

impl Requirement {
    /// Whether it is about who asks, and on what device.
    pub(super) fn is_of_caller(&self) -> bool {
        matches!(self, Self::Certificate | Self::MultiFactor(_) | Self::Device(_))
    }

    /// Why it is not met. Absence never meets it.
    pub(super) fn shortfall(&self, facts: &Facts<'_>) -> Option<Reason> {
        match self {
            // With a token, the certificate has to be its subject's: that of a gateway in between says nothing of whoever is behind it.
            Self::Certificate => {
                let shown = match facts.subject {
                    Some(_) => facts.certificate,
                    None => facts.is_service(),
                };
                (!shown).then_some(Reason::CertificateRequired)
            }
            Self::MultiFactor(wanted) => {
                let several = facts.claims.is_some_and(|claims| is_multi_factor(claims, wanted));
                (!several).then_some(Reason::MultiFactorMissing)
            }
            Self::Device(check) => match facts.device {
                Ok(device) => check.shortfall(device, facts.at),
                Err(absent) => Some(absent),
            },
            Self::Source(restriction) => restriction.shortfall(facts.source),
            // A host that has no time cannot tell that a window is over.
            Self::Hours(calendar) => {
                let is_open = facts.at.is_known() && calendar.is_open(facts.at.unix_seconds());
                (!is_open).then_some(Reason::OutsideHours)
            }
            Self::Dates(span) => {
                let is_in_it = facts.at.is_known() && span.holds(facts.at);
                (!is_in_it).then_some(Reason::OutsideDates)
            }
            Self::Maintenance(windows) => {
                let is_on = !facts.at.is_known() || windows.iter().any(|window| window.holds(facts.at));
                is_on.then_some(Reason::Maintenance)
            }
            Self::BusinessHours => {
                let region = facts.regions.get(facts.home().index());
                match region.and_then(|region| region.calendar.as_ref()) {
                    None => Some(Reason::CalendarMissing),
                    Some(calendar) if facts.at.is_known() && calendar.is_open(facts.at.unix_seconds()) => None,
                    Some(_) => Some(Reason::OutsideBusinessHours),
                }
            }
        }
    }
}

/// What a policy lets in without a token beside its public rules.
fn opened(candidates: &Candidates) -> Option<Outcome> {
    let (policy, opening) = candidates.opening()?;
    let by = By::Policy(policy);
    let reason = opening.reason();
    Some(Outcome::Allow { reason, by })
}

/// Each option as strict as the stricter of the two. Without `cache` nothing is reused, which is the shortest.
fn stricter(a: Defer, b: &Defer) -> Defer {
    let mut claims = a.claims;
    claims.extend_from_slice(&b.claims);
    claims.arrange();
    claims.dedup();
    Defer {
        cache: shorter(a.cache, b.cache),
        when_away: a.when_away.stricter(b.when_away),
        unless_allowed: a.unless_allowed && b.unless_allowed,
        claims,
        pass_reason: a.pass_reason && b.pass_reason,
    }
}

/// The shorter time. A rule without one leaves it to the center, which may say more or less than another rule's: then nothing is kept.
fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (None, None) => None,
        _ => Some(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests;
