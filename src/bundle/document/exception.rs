//! What holds for all requests for a time, whatever the policies say.

use crate::time::WallTime;

/// `override` of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// What holds.
    pub mode: OverrideMode,
    /// Its end, in seconds since the Unix epoch.
    pub until: f64,
    /// The same, as the bundle writes it.
    pub told_until: String,
    /// Who wants it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// `override.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideMode {
    /// What a policy refuses is let in.
    Observe,
    /// Everything is refused.
    DenyAll,
}

/// Whether an [`Override`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    InForce,
    /// It lets requests in for so long that it must be a mistake: it does not hold before its end is near enough.
    TooLong,
    /// It has ended.
    Ended,
}

impl Override {
    /// How far ahead the end of what lets requests in may be, in seconds: 7 days.
    pub const LONGEST: f64 = 7.0 * 24.0 * 3_600.0;

    /// Whether it holds at `now`. Where nobody knows the time, what refuses holds, and what lets in has ended.
    #[must_use]
    pub fn standing(&self, now: WallTime) -> Standing {
        if !now.is_known() && self.mode == OverrideMode::DenyAll {
            return Standing::InForce;
        }
        let left = self.until - now.numeric_date();
        if left <= 0.0 {
            Standing::Ended
        } else if self.mode == OverrideMode::Observe && left > Self::LONGEST {
            Standing::TooLong
        } else {
            Standing::InForce
        }
    }

    /// What holds at `now`, if anything does.
    #[must_use]
    pub fn in_force(&self, now: WallTime) -> Option<OverrideMode> {
        (self.standing(now) == Standing::InForce).then_some(self.mode)
    }
}
