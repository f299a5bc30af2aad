//! What is known of the risk of a request, and what is kept of what centers say of it.

use super::authorize::Bench;
use super::{Engine, ScopeId};
use crate::bundle::document::Center;
use crate::bundle::{Generation, RegionId};
use crate::identity::{Authenticated, subject_key};
use crate::request::Headers;
use crate::risk::Risk;

impl Bench<'_, '_> {
    /// What the local region's center said last of this subject, if that still counts.
    pub(super) fn score(&mut self, who: &Authenticated, generation: &Generation, local: RegionId) -> Option<f64> {
        if let Some(risk) = self.scope.supposed {
            return risk.score;
        }
        let center = generation.region(local)?.center.as_ref()?;
        self.scope.scores.find(&key(who, generation, center), self.now)
    }

    /// How many tokens with a bad signature have come lately from where the request comes from.
    pub(super) fn failures(&mut self, headers: Headers<'_>, generation: &Generation) -> Option<u32> {
        if let Some(risk) = self.scope.supposed {
            return risk.failures;
        }
        let (budget, now) = (self.failing.unwrap_or(&*self.budget), self.now);
        let scope = &mut *self.scope;
        let connection =
            super::connection::Connection::new(self.attrs, headers, &generation.trust, &mut scope.verified.workloads);
        Some(budget.failures(now, &|| connection.address()))
    }
}

/// Under which the scores of a center for a subject are kept.
pub(super) fn key(who: &Authenticated, generation: &Generation, center: &Center) -> [u8; 32] {
    let identity = &who.identity;
    let subject = [
        identity.home_name.as_ref(),
        identity.issuer.as_ref(),
        identity.subject.as_ref(),
    ];
    subject_key(&generation.trust_digest, &center.identity(), subject)
}

impl Engine {
    /// Has every request of a scope judged as if this were known of its risk: for those who try a policy.
    pub fn suppose(&mut self, scope: ScopeId, risk: Risk) {
        if let Some(scope) = self.memory.scopes.get_mut(scope) {
            scope.supposed = Some(risk);
        }
    }
}
