//! A request as far as it is known: enough for its line and its answer, whichever way it ends.

use std::borrow::Cow;
use std::rc::Rc;

use super::fetch::ResourceId;
use crate::audit::{DecidedBy, Line};
use crate::bundle::document::{Refusal, StepUp};
use crate::bundle::{Generation, RegionId};
use crate::decision::{Action, Answer, Asked, Decision, Forwarded, Tried};
use crate::policy::Source;
use crate::reason::Reason;

/// What is known of a request so far: enough for its line, whichever way it ends.
pub(super) struct Case<'r> {
    pub(super) generation: Rc<Generation>,
    pub(super) local: Option<RegionId>,
    pub(super) home: Option<RegionId>,
    /// `None`: nothing asked for it.
    pub(super) source: Option<Source>,
    pub(super) grpc: bool,
    pub(super) token: bool,
    /// Its token counts, although nobody can tell whether it is revoked.
    pub(super) unchecked: bool,
    /// What may tell whether its token is revoked.
    pub(super) awaits: Option<ResourceId>,
    /// Who asks is known, and has proven it.
    pub(super) identified: bool,
    /// The token came with the scheme `DPoP`.
    pub(super) dpop: bool,
    /// For a client whose proof wants one.
    pub(super) nonce: Option<Rc<str>>,
    /// Borrowed until the request waits: most never need it.
    pub(super) request_id: Option<Cow<'r, str>>,
    /// Of a request that waited while another generation came into force: the headers that this one takes out of every request.
    pub(super) late: Option<Rc<[Vec<u8>]>>,
    /// What a policy refuses it for does not count: the bundle's `override` lets it in.
    pub(super) observed: bool,
    /// What would have become of it by what is tried.
    pub(super) tried: Option<Rc<Tried>>,
}

impl Case<'_> {
    /// Nothing is known yet of a request that stays.
    pub(super) fn new(generation: Rc<Generation>, local: Option<RegionId>) -> Self {
        Self {
            generation,
            local,
            home: None,
            source: None,
            grpc: false,
            token: false,
            unchecked: false,
            awaits: None,
            identified: false,
            dpop: false,
            nonce: None,
            request_id: None,
            late: None,
            observed: false,
            tried: None,
        }
    }

    /// The same, for as long as the request waits.
    pub(super) fn to_owned(&self) -> Case<'static> {
        Case {
            generation: Rc::clone(&self.generation),
            request_id: self.request_id.as_ref().map(|id| Cow::Owned(id.clone().into_owned())),
            nonce: self.nonce.clone(),
            late: self.late.clone(),
            tried: self.tried.clone(),
            ..*self
        }
    }

    fn region(&self, id: Option<RegionId>, otherwise: &'static str) -> &str {
        id.and_then(|id| self.generation.regions.get(id.index()))
            .map_or(otherwise, |region| region.name.as_str())
    }

    pub(super) fn name_of(&self, region: RegionId) -> &str {
        self.region(Some(region), "?")
    }

    pub(super) fn local_name(&self) -> &str {
        self.region(self.local, "?")
    }

    pub(super) fn line(&self, reason: Reason, by: &str, decided_by: DecidedBy<'_>) -> String {
        self.render(reason.verdict().as_str(), reason.code(), by, decided_by)
    }

    /// The line of a request for which a center would be asked, who has not said anything.
    pub(super) fn question_line(&self, by: &str) -> String {
        self.render("ask", "-", by, DecidedBy::Center(self.local_name()))
    }

    fn render(&self, verdict: &str, reason: &str, by: &str, decided_by: DecidedBy<'_>) -> String {
        let source = match self.source {
            None => "-",
            Some(source) => self.region(source.region, "?"),
        };
        let line = Line {
            verdict,
            reason,
            by,
            decided_by,
            bundle: &self.generation.label,
            home: self.region(self.home, "-"),
            source,
            local: self.local_name(),
        };
        line.render()
    }

    pub(super) fn allow(
        &self,
        reason: Reason,
        by: &str,
        decided_by: DecidedBy<'_>,
        forwarded: Option<Box<Forwarded>>,
    ) -> Decision {
        Decision {
            reason,
            line: self.line(reason, by, decided_by),
            action: Action::Continue(forwarded),
            tried: self.tried.clone(),
            stream: None,
            opens: None,
        }
    }

    /// A denial by a part of the filter itself, or by nothing at all.
    pub(super) fn refuse(&self, reason: Reason) -> Decision {
        self.deny(reason, "-/-", DecidedBy::Inline, None, None)
    }

    pub(super) fn deny(
        &self,
        reason: Reason,
        by: &str,
        decided_by: DecidedBy<'_>,
        refusal: Option<Refusal>,
        detail: Option<&str>,
    ) -> Decision {
        self.denied(reason, by, decided_by, |asked| {
            Answer::new(reason, refusal.as_ref(), detail, &asked)
        })
    }

    /// A denial that says how to log in.
    pub(super) fn challenge(&self, reason: Reason, by: &str, demand: StepUp) -> Decision {
        self.denied(reason, by, DecidedBy::Inline, |mut asked| {
            asked.demand = Some(demand);
            Answer::new(reason, None, None, &asked)
        })
    }

    fn denied(
        &self,
        reason: Reason,
        by: &str,
        decided_by: DecidedBy<'_>,
        answer: impl FnOnce(Asked) -> Answer,
    ) -> Decision {
        let asked = Asked {
            grpc: self.grpc,
            token: self.token,
            dpop: self.dpop,
            offers_dpop: self.generation.dpop.is_some(),
            nonce: self.nonce.as_deref().map(str::to_owned),
            demand: None,
            request_id: self.request_id.as_deref().map(str::to_owned),
            realm: self.local_name().to_owned(),
        };
        Decision {
            reason,
            line: self.line(reason, by, decided_by),
            action: Action::Answer(Box::new(answer(asked))),
            tried: self.tried.clone(),
            stream: None,
            opens: None,
        }
    }
}
