//! What a bundle's `override` lets in, and who is told that there is one.

use super::effects::{Effect, Effects, Level};
use super::enact::Ruled;
use super::forward;
use super::scope::Scope;
use crate::audit::DecidedBy;
use crate::bundle::document::{OverrideMode, OverrideStanding};
use crate::decision::{Decision, visible};
use crate::policy::{By, Outcome as Ruling};
use crate::reason::Reason;
use crate::time::WallTime;

/// What a policy refuses a request for, of a ruling that refuses it.
pub(super) fn refusal(ruling: &Ruling) -> Option<(Reason, By)> {
    match ruling {
        Ruling::Deny { reason, by, .. }
        | Ruling::NeedsIdentity { by, reason }
        | Ruling::Challenge { reason, by, .. } => Some((*reason, *by)),
        Ruling::Allow { .. } | Ruling::Defer { .. } => None,
    }
}

impl Ruled<'_, '_> {
    /// Lets in what a policy refuses for `reason`. What cannot be told to the upstream as the policies want it is refused all the same.
    pub(super) fn observed(&self, reason: Reason, by: By) -> Decision {
        let label = self.case.generation.policies.label(by);
        match self.forwarded() {
            Ok(mut forwarded) => {
                forward::add_reason(&mut forwarded, Reason::OverrideObserved);
                let decided_by = DecidedBy::Override(Some(reason));
                self.case.allow(Reason::OverrideObserved, label, decided_by, forwarded)
            }
            Err(reason) => self.case.deny(reason, label, DecidedBy::Inline, None, None),
        }
    }
}

impl Scope {
    /// Logs that the override of this generation has begun or ended.
    pub(super) fn tell_override(&mut self, now: WallTime, fx: &mut Effects) {
        let over = self.generation.over.as_ref();
        if over.is_none() && self.override_told.is_none() {
            return;
        }
        let stands = over.map(|over| (over, over.standing(now)));
        let current = stands.and_then(|(over, standing)| {
            let mode = match over.mode {
                OverrideMode::Observe => "observe",
                OverrideMode::DenyAll => "denyAll",
            };
            let told = format!(
                "{mode} of bundle {} until {}, by {}: {}",
                self.generation.label,
                visible(&over.told_until),
                visible(&over.who),
                visible(&over.why)
            );
            match standing {
                OverrideStanding::InForce => Some(("is in force", told)),
                OverrideStanding::TooLong => Some(("does not count before its end is 7 days ahead", told)),
                OverrideStanding::Ended => None,
            }
        });
        if current == self.override_told {
            return;
        }
        if let Some(("is in force", told)) = &self.override_told {
            fx.push(Effect::Log(Level::Warn, format!("an override has ended: {told}")));
        }
        if let Some((what, told)) = &current {
            fx.push(Effect::Log(Level::Warn, format!("an override {what}: {told}")));
        }
        self.override_told = current;
    }
}
