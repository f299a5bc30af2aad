//! What a rule does, and what goes with that.

use core::time::Duration;
use std::sync::Arc;

use super::StepUp;
use crate::decision::Body;

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Lets the request in.
    Allow,
    /// Refuses it.
    Deny(Refusal),
    /// Challenges who has not authenticated so.
    StepUp(StepUp),
    /// Asks the local region's center.
    Defer(Defer),
}

/// `response` of a deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer: 402, 403, 404, 409, 410, 423, 429, 451 or 503.
    pub status: u16,
    /// `hide`: the answer does not tell that a policy refused.
    pub hide: bool,
    /// `body`: what stands in the answer; `None`: a problem document.
    pub body: Option<Arc<Body>>,
}

impl Default for Refusal {
    /// 403, with a problem document.
    fn default() -> Self {
        Self {
            status: 403,
            hide: false,
            body: None,
        }
    }
}

/// `defer`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Defer {
    /// For how long an answer may be reused, unless the center says less.
    pub cache: Option<Duration>,
    /// `onUnavailable`.
    pub when_away: WhenAway,
    /// `unless: allowed`: nobody is asked where a rule allows the request.
    pub unless_allowed: bool,
    /// Claims that the question carries beside the standard ones.
    pub claims: Vec<String>,
    /// `reasonUser: pass`: the caller is told the center's `reason_user`.
    pub pass_reason: bool,
}

/// What holds while the center is away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Nobody is let in.
    #[default]
    Deny,
    /// What the center said last to the same question, if that is no longer ago than this; else nobody is let in.
    LastDecision(Duration),
    /// Whoever meets everything else is let in.
    Allow,
}

impl WhenAway {
    /// The stricter of the two: a deny before the last decision, the shorter time of two of these, and an allow last.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny, _) | (_, Self::Deny) => Self::Deny,
            (Self::LastDecision(one), Self::LastDecision(another)) => Self::LastDecision(one.min(another)),
            (Self::LastDecision(time), Self::Allow) | (Self::Allow, Self::LastDecision(time)) => {
                Self::LastDecision(time)
            }
            (Self::Allow, Self::Allow) => Self::Allow,
        }
    }
}
