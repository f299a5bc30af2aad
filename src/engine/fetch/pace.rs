//! When a resource is fetched.

use core::time::Duration;

/// However short an answer says that it holds: a `max-age=0` must not make every proxy ask without pause.
const FLOOR: Duration = Duration::from_secs(10);
/// The pause after the first failure; it doubles with each further one.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// How often, for how long, and how patiently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Pace {
    /// The time from one good answer to the next attempt.
    pub(in crate::engine) refresh: Duration,
    /// How long the last good answer may be used.
    pub(in crate::engine) stale_for: Duration,
    /// The deadline of one call.
    pub(in crate::engine) timeout: Duration,
    /// How long a request may wait for it.
    pub(in crate::engine) wait_for: Duration,
}

impl Pace {
    /// The time to the next attempt after an answer that is fresh for `fresh_for`: at most `refresh`, and up to a tenth less, so that proxies that were started
    /// together do not ask together.
    pub(super) fn until_next(&self, fresh_for: Option<Duration>, dice: &mut Dice) -> Duration {
        let fresh_for = fresh_for.unwrap_or(self.refresh).max(FLOOR);
        dice.a_little_less(self.refresh.min(fresh_for))
    }

    /// The time to the next attempt after so many failures in a row.
    pub(super) fn back_off(&self, failures: u32, dice: &mut Dice) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let pause = BACK_OFF.saturating_mul(1_u32 << doublings).min(BACK_OFF_MAX);
        dice.a_little_less(pause.min(self.refresh))
    }
}

/// Random numbers that need not be secret (SplitMix64).
pub(in crate::engine) struct Dice(u64);

impl Dice {
    pub(in crate::engine) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `time` less up to a tenth of it.
    fn a_little_less(&mut self, time: Duration) -> Duration {
        let tenth = time.checked_div(10).unwrap_or_default();
        let thousandths = u32::try_from(self.roll() % 1000).unwrap_or_default();
        let less = tenth.saturating_mul(thousandths).checked_div(1000).unwrap_or_default();
        time.saturating_sub(less)
    }

    /// The next one.
    pub(in crate::engine) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeSet;

    use super::{Dice, Pace};

    const PACE: Pace = Pace {
        refresh: Duration::from_secs(300),
        stale_for: Duration::from_secs(3600),
        timeout: Duration::from_secs(5),
        wait_for: Duration::from_secs(2),
    };

    fn within_a_tenth(time: Duration, seconds: u64) -> bool {
        let most = Duration::from_secs(seconds);
        time <= most && time >= most.mul_f64(0.9)
    }

    #[test]
    fn an_answer_shortens_the_time_to_the_next_but_never_lengthens_it() {
        let mut dice = Dice::new(7);
        for (fresh_for, seconds) in [
            (None, 300),
            (Some(3600), 300),
            (Some(60), 60),
            (Some(0), 10),
            (Some(9), 10),
        ] {
            for _ in 0..100 {
                let next = PACE.until_next(fresh_for.map(Duration::from_secs), &mut dice);
                assert!(within_a_tenth(next, seconds), "{fresh_for:?}: {next:?}");
            }
        }
    }

    #[test]
    fn proxies_that_start_together_part() {
        let each = (0..64).map(|seed| PACE.until_next(None, &mut Dice::new(seed)));
        assert!(each.collect::<BTreeSet<_>>().len() > 48);
    }

    #[test]
    fn failures_are_further_and_further_apart() {
        let mut dice = Dice::new(7);
        for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (u32::MAX, 60)] {
            let pause = PACE.back_off(failures, &mut dice);
            assert!(within_a_tenth(pause, seconds), "{failures}: {pause:?}");
        }
        let quick = Pace {
            refresh: Duration::from_secs(10),
            ..PACE
        };
        assert!(within_a_tenth(quick.back_off(9, &mut dice), 10));
    }
}
