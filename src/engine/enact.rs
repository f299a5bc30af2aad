//! From a ruling of the policies to a decision, or to a question for the center.

use core::time::Duration;
use std::rc::Rc;

use super::authorize::{Bench, Judged, Peer, Understood};
use super::case::Case;
use super::deferred::{Asking, Deferred};
use super::forward::{self, Claims};
use super::overriding::refusal;
use super::scope::ScopeId;
use crate::audit::{Counter, DecidedBy};
use crate::decision::{Decision, Forwarded};
use crate::device::Posture;
use crate::identity::Authenticated;
use crate::policy::{By, Candidates, Outcome as Ruling};
use crate::reason::Reason;
use crate::request::has_trailing_dot;
use crate::time::WallTime;

/// A request that the policies have ruled on.
pub(super) struct Ruled<'a, 'r> {
    pub(super) request: &'a Understood<'r>,
    pub(super) candidates: &'a Candidates,
    pub(super) case: &'a mut Case<'r>,
    pub(super) who: Option<&'a Authenticated>,
    /// `None`: nothing is known of it.
    pub(super) device: Option<&'a Posture>,
    /// `None`: nothing asked for it.
    pub(super) peer: Option<Peer>,
    /// When it came.
    pub(super) at: WallTime,
}

impl Bench<'_, '_> {
    /// Turns a ruling into a decision, or into a question.
    pub(super) fn enact(
        &mut self,
        id: ScopeId,
        ruling: Ruling,
        refused: Option<Reason>,
        mut ruled: Ruled<'_, '_>,
    ) -> Judged {
        // A token that is not valid is no matter of policy.
        if ruled.case.observed
            && refused.is_none()
            && ruled.case.generation.policies.may_be_let_in(ruled.candidates)
            && let Some((reason, by)) = refusal(&ruling)
        {
            return Judged::Decided(ruled.observed(reason, by));
        }
        let policies = &ruled.case.generation.policies;
        let decision = match ruling {
            Ruling::Deny { reason, by, refusal } => {
                let decided_by = if by == By::Nothing {
                    DecidedBy::Default
                } else {
                    DecidedBy::Inline
                };
                ruled.case.deny(reason, policies.label(by), decided_by, refusal, None)
            }
            Ruling::NeedsIdentity { by, reason } => {
                let reason = refused.unwrap_or(reason);
                ruled
                    .case
                    .deny(reason, policies.label(by), DecidedBy::Inline, None, None)
            }
            Ruling::Challenge { reason, by, demand } => ruled.case.challenge(reason, policies.label(by), demand),
            Ruling::Allow { reason, by } => {
                let decided_by = if matches!(by, By::Policy(_)) {
                    DecidedBy::Default
                } else {
                    DecidedBy::Inline
                };
                let label = policies.label(by);
                let by_grant = reason == Reason::GrantAllowed;
                // What nobody could tell of its token is no matter where anybody is let in.
                let reason = match reason {
                    Reason::RuleAllowed | Reason::DefaultAllowed | Reason::GrantAllowed if ruled.case.unchecked => {
                        Reason::RevocationUnavailableAllowed
                    }
                    other => other,
                };
                match ruled.forwarded() {
                    Ok(mut forwarded) => {
                        if by_grant {
                            forward::add_reason(&mut forwarded, Reason::GrantAllowed);
                        }
                        ruled.case.allow(reason, label, decided_by, forwarded)
                    }
                    Err(reason) => ruled.case.deny(reason, label, DecidedBy::Inline, None, None),
                }
            }
            Ruling::Defer { by, options, .. } => {
                let source = ruled
                    .case
                    .source
                    .unwrap_or_else(|| self.source(ruled.request.headers, &ruled.case.generation));
                ruled.case.source = Some(source);
                let peer = match (ruled.peer.take(), ruled.case.local) {
                    (Some(peer), _) => peer,
                    (None, Some(local)) => self.peer(ruled.request.headers, &Rc::clone(&ruled.case.generation), local),
                    (None, None) => Peer::default(),
                };
                ruled.case.home = ruled.case.home.or(peer.service());
                let forwarded = match ruled.forwarded() {
                    Ok(forwarded) => forwarded,
                    Err(reason) => {
                        let label = ruled.case.generation.policies.label(By::Rule(by));
                        return Judged::Decided(ruled.case.deny(reason, label, DecidedBy::Inline, None, None));
                    }
                };
                let asking = Asking {
                    request: ruled.request,
                    who: ruled.who,
                    device: ruled.device,
                    peer: &peer,
                    case: ruled.case,
                    by,
                    at: self.now.wall,
                };
                return self.ask(Deferred::new(id, &asking, options, forwarded));
            }
        };
        Judged::Decided(decision)
    }

    /// The answer that is kept, or the question for the center.
    fn ask(&mut self, deferred: Result<Deferred, Box<Decision>>) -> Judged {
        let deferred = match deferred {
            Ok(deferred) => deferred,
            Err(decision) => return Judged::Decided(*decision),
        };
        let Some(kept) = self.scope.decisions.find(deferred.key(), self.now) else {
            self.tally.count(Counter::DecisionCacheMiss);
            return Judged::Ask(Box::new(deferred));
        };
        self.tally.count(Counter::DecisionCacheHit);
        Judged::Decided(deferred.kept(&kept))
    }
}

impl Ruled<'_, '_> {
    /// What the upstream gets otherwise than it came.
    pub(super) fn forwarded(&self) -> Result<Option<Box<Forwarded>>, Reason> {
        let generation = &self.case.generation;
        let forwarding = generation.policies.forwarding(self.candidates);
        // A token that was not valid must not look valid to the upstream: the request is anonymous.
        let strip = forwarding.strip_token || self.who.is_none();
        let place = self.request.credential.place().filter(|_| strip);
        let refresh = self.refresh();
        let has_dot = has_trailing_dot(self.request.head.authority);
        let as_it_came = !forwarding.identity
            && !self.case.unchecked
            && place.is_none()
            && refresh.is_none()
            && self.case.late.is_none()
            && !self.request.path.changed()
            && !has_dot;
        if as_it_came {
            return Ok(None);
        }
        let claims = self.who.and_then(|who| Claims::new(who, self.case.local, generation));
        let headers = match &claims {
            Some(claims) if forwarding.identity => forward::headers(&forwarding, claims)?,
            _ => Vec::new(),
        };
        let mut forwarded = Some(Box::new(Forwarded {
            path: self
                .request
                .path
                .changed()
                .then(|| self.request.path.forward().to_owned()),
            authority: has_dot.then(|| self.request.authority.to_string()),
            strip: place.and_then(|place| self.request.presented.strip(place)),
            strip_proof: place.is_some()
                && (self.request.uses_dpop()
                    || self.who.is_none() && self.request.headers.values("dpop").next().is_some()),
            refresh,
            removed: self.case.late.as_deref().map(<[_]>::to_vec).unwrap_or_default(),
            headers,
        }));
        if self.case.unchecked {
            forward::add_reason(&mut forwarded, Reason::RevocationUnavailableAllowed);
        }
        Ok(forwarded)
    }

    /// In how many seconds the token ends, where that is so soon that it is to be refreshed. One within its leeway has none left.
    fn refresh(&self) -> Option<u64> {
        let before = self.case.generation.refresh_before?;
        let left = self.who?.identity.times.expires - self.at.numeric_date();
        if left >= before.as_secs_f64() {
            return None;
        }
        Some(Duration::try_from_secs_f64(left).map_or(0, |left| left.as_secs()))
    }
}
