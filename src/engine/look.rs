//! What the policies may look at beside host, method and path: read where one of them does.

use super::attributes;
use super::authorize::{Bench, Peer};
use super::device::{Seen, known};
use crate::bundle::{Generation, RegionId};
use crate::identity::Authenticated;
use crate::policy::{Attributes, Candidates, Facts, PolicySet, Requested, Source};
use crate::risk::Risk;
use crate::time::WallTime;

/// Where a request is looked at.
pub(super) struct View<'v> {
    pub(super) request: Requested<'v>,
    pub(super) generation: &'v Generation,
    pub(super) local: RegionId,
    pub(super) at: WallTime,
}

/// What was seen of a request so far.
#[derive(Clone, Default)]
pub(super) struct Sight {
    /// `None`: nothing asked for it.
    pub(super) source: Option<Source>,
    /// `None`: nothing asked for it.
    pub(super) peer: Option<Peer>,
    service_untold: bool,
    /// `None`: nothing asked for it.
    pub(super) device: Option<Seen>,
    /// What is known of the attributes of who asks; `None`: nothing asked for them.
    pub(super) attributes: Option<attributes::Seen>,
    /// The score of who asks; `None`: nothing asked for it.
    score: Option<Option<f64>>,
    /// `None`: nothing asked for it.
    pub(super) failures: Option<u32>,
}

impl Sight {
    /// The home region of a workload that counts here, if something asked for it.
    pub(super) fn service(&self) -> Option<RegionId> {
        self.peer.as_ref().and_then(Peer::service)
    }

    /// From here on, what is missed is missed anew.
    pub(super) fn forget_missed(&self) {
        if let Some(attributes::Seen::Untold { missed, .. }) = &self.attributes {
            missed.set(false);
        }
    }

    /// What is known of a request of `who`; `refused`: there is a token, and it is not valid here.
    pub(super) fn facts<'f>(&'f self, who: Option<&'f Authenticated>, refused: bool, view: &View<'f>) -> Facts<'f> {
        let service = self.service();
        let workload = self.peer.as_ref().and_then(Peer::workload);
        let by_token = who.and_then(|who| who.identity.workload.as_ref());
        let by_certificate = workload.filter(|_| service.is_some());
        Facts {
            subject: who.map(|who| &who.subject),
            device: known(self.device.as_ref(), who, view.generation),
            source: self.source.unwrap_or_default(),
            workload,
            service,
            service_untold: self.service_untold,
            token_refused: refused,
            claims: who.map(|who| &who.identity.claims),
            // What a token is bound to was compared when it was taken for valid.
            certificate: by_token.is_some() && by_token == by_certificate
                || who.is_some_and(|who| who.identity.binding.certificate.is_some()),
            attributes: match (who, &self.attributes) {
                (None, _) => Attributes::OfNobody,
                (Some(_), None) => Attributes::Unasked,
                (Some(_), Some(seen)) => seen.as_attributes(),
            },
            risk: Risk {
                score: self.score.flatten(),
                failures: self.failures,
            },
            request: view.request,
            local: view.local,
            at: view.at,
            regions: &view.generation.regions,
        }
    }
}

impl Bench<'_, '_> {
    /// Looks at what these policies may want to know whoever asks. What was seen before is not looked at again.
    pub(super) fn look(&mut self, sight: &mut Sight, policies: &PolicySet, candidates: &Candidates, view: &View<'_>) {
        let View {
            request: Requested { headers, .. },
            generation,
            local,
            ..
        } = *view;
        if sight.source.is_none() && policies.needs_source(candidates) {
            sight.source = Some(self.source(headers, generation));
        }
        if sight.peer.is_none() && policies.needs_workload(candidates) {
            sight.peer = Some(self.peer(headers, generation, local));
        }
        if sight.failures.is_none() && policies.needs_failures(candidates) {
            sight.failures = self.failures(headers, generation);
        }
        sight.service_untold = policies.deny_services(candidates)
            && sight
                .peer
                .as_ref()
                .is_some_and(|peer| self.is_untold(peer, headers, generation, local));
    }

    /// Looks at what these policies may want to know now that it is known who asks.
    pub(super) fn look_again(
        &mut self,
        sight: &mut Sight,
        who: Option<&Authenticated>,
        policies: &PolicySet,
        candidates: &Candidates,
        view: &View<'_>,
    ) {
        if let Some(who) = who
            && sight.device.is_none()
            && policies.needs_device(candidates)
        {
            sight.device = Some(self.device(view.request.headers, who, view.generation));
        }
        if let Some(who) = who
            && sight.attributes.is_none()
            && policies.needs_attributes(candidates)
        {
            sight.attributes = Some(self.attributes(who, view));
        }
        if let Some(who) = who
            && sight.score.is_none()
            && policies.needs_score(candidates)
        {
            sight.score = Some(self.score(who, view.generation, view.local));
        }
        if sight.peer.is_some() {
            return;
        }
        let wanted = match who {
            None => policies.needs_service(candidates),
            Some(who) => who.identity.workload.is_some() && policies.needs_certificate(candidates),
        };
        if wanted {
            sight.peer = Some(self.peer(view.request.headers, view.generation, view.local));
        }
    }
}
