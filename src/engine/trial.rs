//! What is tried before it is enforced: policies in shadow mode and the candidate of a bundle are judged beside what is in force, by the same facts, and what
//! would become of a request is counted and told. It makes no call, and changes nothing that what is in force goes by: what it has to verify for itself it remembers apart,
//! and its failures have a budget of their own.

use std::rc::Rc;

use super::attributes;
use super::authorize::{Bench, Stream, Understood};
use super::case::Case;
use super::device::Seen;
use super::effects::{Effect, Effects, Level};
use super::fetch::Dice;
use super::look::{Sight, View};
use super::revocation::{self, Lists, Standing};
use super::scope::{Scope, Verified};
use crate::audit::{Counter, DecidedBy};
use crate::bundle::document::Candidate;
use crate::decision::{Tried, shorten, visible};
use crate::device::PostureTokens;
use crate::identity::{Authenticated, Authenticator, Credential, FailureBudget, Scheme, Shown, TrustView, Workloads};
use crate::policy::{By, Candidates, Outcome as Ruling, PolicySet};
use crate::reason::{Reason, Verdict};
use crate::time::WallTime;

/// A request that what is in force has ruled on.
pub(super) struct Subject<'j, 'r> {
    pub(super) request: &'j Understood<'r>,
    /// What is in force and about it.
    pub(super) candidates: &'j Candidates,
    pub(super) view: &'j View<'j>,
    pub(super) ruling: &'j Ruling,
    /// `None`: it was refused whoever asks, and nobody looked.
    pub(super) asker: Option<Asker<'j>>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker<'j> {
    pub(super) who: Option<&'j Authenticated>,
    /// Why its token is not valid here.
    pub(super) refused: Option<Reason>,
}

/// What a scope remembers of what is tried.
pub(super) struct Trials {
    /// What was verified only because of what is tried.
    verified: Verified,
    budget: FailureBudget,
    dice: Dice,
    shadow: Pace,
    candidate: Pace,
}

impl Trials {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            verified: Verified {
                authenticator: Authenticator::new(seed),
                workloads: Workloads::new(seed),
                postures: PostureTokens::new(seed),
            },
            budget: FailureBudget::for_trials(seed),
            dice: Dice::new(seed),
            shadow: Pace::default(),
            candidate: Pace::default(),
        }
    }

    /// Whether one of the `sample` requests in [`Candidate::ALL`] is this one. What is drawn does not depend on what comes, so nothing that comes at regular
    /// intervals is always drawn, or never.
    fn draws(&mut self, sample: u32) -> bool {
        if sample >= Candidate::ALL {
            return true;
        }
        // The share of all numbers of 32 bits.
        let drawn = (self.dice.roll() >> 32).saturating_mul(u64::from(Candidate::ALL)) >> 32;
        drawn < u64::from(sample)
    }
}

/// Which of the two is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shadow,
    Candidate,
}

/// What a set of policies says to a request.
struct Said<'s> {
    /// `None`: a center would be asked.
    reason: Option<Reason>,
    by: &'s str,
    is_default: bool,
}

impl<'s> Said<'s> {
    fn new(ruling: &Ruling, refused: Option<Reason>, policies: &'s PolicySet) -> Self {
        let (reason, by) = match ruling {
            Ruling::NeedsIdentity { by, reason } => (Some(refused.unwrap_or(*reason)), *by),
            Ruling::Deny { reason, by, .. } | Ruling::Challenge { reason, by, .. } | Ruling::Allow { reason, by } => {
                (Some(*reason), *by)
            }
            Ruling::Defer { by, .. } => (None, By::Rule(*by)),
        };
        Self {
            reason,
            by: policies.label(by),
            is_default: matches!(
                (ruling, by),
                (Ruling::Deny { .. }, By::Nothing) | (Ruling::Allow { .. }, By::Policy(_))
            ),
        }
    }

    /// `None`: a center would be asked.
    fn verdict(&self) -> Option<Verdict> {
        self.reason.map(Reason::verdict)
    }

    /// As the decision line has it.
    fn line(&self, case: &Case<'_>) -> String {
        match self.reason {
            Some(reason) if self.is_default => case.line(reason, self.by, DecidedBy::Default),
            Some(reason) => case.line(reason, self.by, DecidedBy::Inline),
            None => case.question_line(self.by),
        }
    }
}

impl Bench<'_, '_> {
    /// Judges the request by all that is tried, and lets the case tell it.
    pub(super) fn try_others(
        &mut self,
        sight: &Sight,
        judged: &Subject<'_, '_>,
        case: &mut Case<'_>,
        fx: &mut Effects,
    ) {
        let mut sight = sight.clone();
        let view = judged.view;
        // They are counted by what is in force.
        if sight.failures.is_none() && view.generation.looks_at_risk() {
            sight.failures = self.failures(view.request.headers, view.generation);
        }
        self.change_sides();
        let shadow = self.try_shadow(&mut sight, judged, case, fx);
        let candidate = self.try_candidate(&mut sight, judged, case, fx);
        self.change_sides();
        if shadow.is_some() || candidate.is_some() {
            case.tried = Some(Rc::new(Tried { shadow, candidate }));
        }
    }

    /// Puts what is remembered for what is tried in the place of what is remembered for what is in force, or back: whoever verifies meanwhile needs not know for whom.
    fn change_sides(&mut self) {
        let Scope { verified, trials, .. } = &mut *self.scope;
        core::mem::swap(verified, &mut trials.verified);
        core::mem::swap(self.budget, &mut trials.budget);
    }

    /// What the decision line would be with all that is in shadow mode, where the verdict would be another one.
    fn try_shadow(
        &mut self,
        sight: &mut Sight,
        judged: &Subject<'_, '_>,
        case: &Case<'_>,
        fx: &mut Effects,
    ) -> Option<String> {
        let policies = &judged.view.generation.policies;
        let whole = judged.candidates.with_shadow()?;
        // Whoever is refused whatever asks is refused by a deny that would be there as well.
        let Some(asker) = judged.asker else {
            self.tally.count(Counter::ShadowJudged);
            return None;
        };
        let ruling = self.would_rule(sight, asker, policies, &whole, judged.view)?;
        self.tally.count(Counter::ShadowJudged);
        let now = Said::new(judged.ruling, asker.refused, policies);
        let then = Said::new(&ruling, asker.refused, policies);
        if now.verdict() == then.verdict() {
            return None;
        }
        Some(self.tell(Kind::Shadow, &now, &then, case, fx))
    }

    /// What the decision line would be by the candidate, where the verdict or its reason would be another one.
    fn try_candidate(
        &mut self,
        sight: &mut Sight,
        judged: &Subject<'_, '_>,
        case: &Case<'_>,
        fx: &mut Effects,
    ) -> Option<String> {
        let Subject { request, view, .. } = *judged;
        let candidate = view.generation.candidate.as_ref()?;
        if !self.scope.trials.draws(candidate.sample) {
            return None;
        }
        self.tally.count(Counter::CandidateJudged);
        let policies = &candidate.policies;
        let mut found = Candidates::default();
        let told = Stream(self.attrs);
        let asked = request.asked(self.scope.standing_of_candidate.as_ref(), &told);
        policies.candidates(&asked, &mut found);
        let now = |refused| Said::new(judged.ruling, refused, &view.generation.policies);
        let would = match judged.asker {
            Some(asker) => self
                .would_rule(sight, asker, policies, &found, view)
                .map(|ruling| (ruling, asker.refused)),
            None => {
                self.look(sight, policies, &found, view);
                match policies.refusal_for_everybody(&found, &sight.facts(None, false, view)) {
                    Some(ruling) => Some((ruling, None)),
                    None => self.peek(request, view).and_then(|peeked| {
                        let refused = peeked.as_ref().err().copied();
                        let who = peeked.as_ref().ok().and_then(Option::as_deref);
                        let ruling = self.would_rule(sight, Asker { who, refused }, policies, &found, view)?;
                        Some((ruling, refused))
                    }),
                }
            }
        };
        let Some((ruling, refused)) = would else {
            self.tally.count(Counter::CandidateUntold);
            return None;
        };
        let now = now(judged.asker.and_then(|asker| asker.refused));
        let then = Said::new(&ruling, refused, policies);
        if now.reason == then.reason {
            return None;
        }
        Some(self.tell(Kind::Candidate, &now, &then, case, fx))
    }

    /// What these policies would say; `None` where it cannot be told, because the budget of what is tried is used up.
    fn would_rule(
        &mut self,
        sight: &mut Sight,
        asker: Asker<'_>,
        policies: &PolicySet,
        found: &Candidates,
        view: &View<'_>,
    ) -> Option<Ruling> {
        let Asker { who, refused } = asker;
        let was_seen = sight.device.is_some();
        self.look(sight, policies, found, view);
        self.look_again(sight, who, policies, found, view);
        sight.forget_missed();
        if !was_seen && sight.device.as_ref().is_some_and(Seen::is_unaffordable) {
            sight.device = None;
            return None;
        }
        let ruling = policies.decide(found, &sight.facts(who, refused.is_some(), view));
        (!attributes::are_missed(sight.attributes.as_ref(), &ruling)).then_some(ruling)
    }

    /// Who asks, of a request that is refused to everybody: nothing is fetched or waited for, and no proof is taken for used. `None`: only a proof would tell, or a status
    /// list that is not there, or a signature for which the budget of what is tried has no room.
    fn peek(&mut self, request: &Understood<'_>, view: &View<'_>) -> Option<Result<Option<Rc<Authenticated>>, Reason>> {
        let token = match request.credential {
            Credential::None => return Some(Ok(None)),
            Credential::OtherScheme => return Some(Err(Reason::IdentityScheme)),
            Credential::Malformed(_) => return Some(Err(Reason::TokenMalformed)),
            Credential::Token(token) => token,
        };
        if !request
            .presented
            .may_authorise(token.place, &request.head, &request.authority)
        {
            return Some(Err(Reason::CrossSite));
        }
        let generation = view.generation;
        let Scope {
            verified,
            keys,
            fetcher,
            ..
        } = &mut *self.scope;
        let Verified {
            authenticator,
            workloads,
            ..
        } = verified;
        let trust = TrustView {
            keys,
            regions: &generation.regions,
            local: view.local,
            trust_digest: &generation.trust_digest,
            generation_digest: &generation.digest,
        };
        let connection = super::connection::Connection::new(self.attrs, request.headers, &generation.trust, workloads);
        let address = || connection.address();
        let recalled = authenticator.recall(token.text, &generation.trust_digest);
        let (known, _) = authenticator.authenticate(
            Shown {
                text: token.text,
                recalled,
            },
            trust,
            self.now,
            self.kit.verifier(),
            self.budget,
            &address,
        );
        let who = match known {
            Ok(who) => who,
            Err(refused) if refused.reason == Reason::VerificationBudget => return None,
            Err(refused) => return Some(Err(refused.reason)),
        };
        match revocation::standing(
            &who.identity,
            generation,
            Lists::Tried(fetcher),
            self.now.wall.numeric_date(),
        ) {
            Standing::InForce | Standing::Unchecked => {}
            Standing::Refused(reason) => return Some(Err(reason)),
            Standing::Unavailable(Some(_)) => return Some(Err(Reason::RevocationUnavailable)),
            Standing::Unavailable(None) => return None,
        }
        // As the sender is asked in force; what it would have to prove is not looked at.
        let binding = &who.identity.binding;
        if binding.key.is_some() != (token.scheme == Scheme::Dpop) {
            return Some(Err(Reason::ProofScheme));
        }
        binding.is_none().then(|| Ok(Some(self.granted(who, generation))))
    }

    /// Counts and logs what would become of a request; gives the line that it would have.
    fn tell(&mut self, kind: Kind, now: &Said<'_>, then: &Said<'_>, case: &Case<'_>, fx: &mut Effects) -> String {
        let same = now.verdict() == then.verdict();
        let (counter, would) = match (kind, then.verdict()) {
            (Kind::Candidate, _) if same => (Counter::CandidateOtherReason, "would give another reason"),
            (Kind::Shadow, Some(Verdict::Allow)) => (Counter::ShadowWouldAllow, "would allow"),
            (Kind::Shadow, Some(Verdict::Deny)) => (Counter::ShadowWouldDeny, "would deny"),
            (Kind::Shadow, None) => (Counter::ShadowWouldAsk, "would ask the center"),
            (Kind::Candidate, Some(Verdict::Allow)) => (Counter::CandidateWouldAllow, "would allow"),
            (Kind::Candidate, Some(Verdict::Deny)) => (Counter::CandidateWouldDeny, "would deny"),
            (Kind::Candidate, None) => (Counter::CandidateWouldAsk, "would ask the center"),
        };
        self.tally.count(counter);
        let line = then.line(case);
        let trials = &mut self.scope.trials;
        let (pace, name) = match kind {
            Kind::Shadow => (&mut trials.shadow, "what is in shadow mode"),
            Kind::Candidate => (&mut trials.candidate, "the candidate"),
        };
        if let Some(left_out) = pace.tells(self.now.wall) {
            let id = case.request_id.as_deref().unwrap_or("-");
            let id = visible(shorten(id));
            let more = match left_out {
                0 => String::new(),
                count => format!(" ({count} more were not logged)"),
            };
            let was = now.line(case);
            let text = format!("{name} {would}: {line} instead of {was}, request {id}{more}");
            fx.push(Effect::Log(Level::Warn, text));
        }
        line
    }
}

/// Lets ten lines a minute into the log: who sends requests must not fill it.
#[derive(Default)]
struct Pace {
    since: WallTime,
    lines: u32,
    left_out: u64,
}

impl Pace {
    const LINES: u32 = 10;
    const SECONDS: i64 = 60;

    /// Whether one more may be told now, and if so how many were not since the last.
    fn tells(&mut self, now: WallTime) -> Option<u64> {
        let passed = now.unix_seconds().saturating_sub(self.since.unix_seconds());
        if !(0..Self::SECONDS).contains(&passed) {
            (self.since, self.lines) = (now, 0);
        }
        if self.lines >= Self::LINES {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines = self.lines.saturating_add(1);
        Some(core::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Trials};
    use crate::time::WallTime;

    #[test]
    fn ten_lines_a_minute_are_told_and_the_others_counted() {
        let at = |seconds: u64| WallTime(seconds * 1_000_000_000);
        let mut pace = Pace::default();
        let told: Vec<_> = (0..12).map(|_| pace.tells(at(1_000))).collect();
        assert_eq!(told.iter().filter(|told| **told == Some(0)).count(), 10);
        assert_eq!(pace.tells(at(1_059)), None);
        assert_eq!(pace.tells(at(1_060)), Some(3));
        assert_eq!(pace.tells(at(1_060)), Some(0));
        // A clock that was set back starts a minute anew.
        assert_eq!(pace.tells(at(5)), Some(0));
    }

    #[test]
    fn the_sample_is_the_share_that_was_asked_for() {
        let mut trials = Trials::new(7);
        for (sample, least, most) in [(10_000, 100_000, 100_000), (500, 4_500, 5_500), (1, 1, 30)] {
            let drawn = (0..100_000).filter(|_| trials.draws(sample)).count();
            assert!((least..=most).contains(&drawn), "{sample}: {drawn}");
        }
    }
}
