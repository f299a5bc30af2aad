//! The budget of failing verifications: what an attacker with tokens of bad signatures may cost.
//!
//! A signature costs up to 3 ms (ES384 in the module itself), a failing one is never remembered, so a flood of them is the cheapest way to keep a worker busy.
//! Each direct peer may fail [`PEER`]; all peers of a worker together may fail [`SHARED`]; and where that is used up, peers that did not fail lately
//! may still fail [`RESERVE`]. Beyond that a token that is not in the cache is answered 429 without being verified. Nothing else is affected: cached tokens
//! never come here. A peer is an IPv4 address, or the /64 of an IPv6 address; all peers that cannot be told are one.

use core::net::IpAddr;
use core::time::Duration;

use crate::bounded::Bounded;
use crate::reason::Reason;
use crate::time::{Monotonic, Now};

/// One peer: 20 failures at once, then 5 a second.
pub(super) const PEER: Rate = Rate {
    burst: 20,
    period: Duration::from_millis(200),
};
/// One worker: 150 failures at once, then 75 a second.
pub(super) const SHARED: Rate = Rate {
    burst: 150,
    period: Duration::from_nanos(13_333_333),
};
/// The share that is kept for peers without failures: 50 at once, then 25 a second.
pub(super) const RESERVE: Rate = Rate {
    burst: 50,
    period: Duration::from_millis(40),
};
/// The share of what one filter tries beside what is in force, in one worker: a tenth of the above, so that trying costs little and never at the expense of what decides.
const TRIED: Rates = Rates {
    peer: Rate {
        burst: 5,
        period: Duration::from_secs(1),
    },
    shared: Rate {
        burst: 15,
        period: Duration::from_millis(133),
    },
    reserve: Rate {
        burst: 5,
        period: Duration::from_millis(400),
    },
};
/// Peers whose failures are remembered. An attacker with more addresses gets the oldest forgotten, and is held by the worker's ceiling.
pub(super) const PEERS: usize = 1_024;

/// A token bucket's size, and the time in which it gains one.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) period: Duration,
}

/// What a budget allows of each kind.
struct Rates {
    peer: Rate,
    shared: Rate,
    reserve: Rate,
}

/// Failing verifications of one worker.
pub struct FailureBudget {
    rates: &'static Rates,
    peers: Bounded<Bucket>,
    shared: Bucket,
    reserve: Bucket,
    /// When every bucket will be full again; `None`: they are, and neither clock nor peer is read.
    quiet_from: Option<Monotonic>,
}

impl FailureBudget {
    /// A full budget; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        const RATES: Rates = Rates {
            peer: PEER,
            shared: SHARED,
            reserve: RESERVE,
        };
        Self::with(&RATES, seed)
    }

    /// A full budget of what is only tried; `seed` is random.
    #[must_use]
    pub fn for_trials(seed: u64) -> Self {
        Self::with(&TRIED, seed)
    }

    /// A full budget for streams that are open: each was let in with a token that was valid, and fails once at most. `seed` is random.
    #[must_use]
    pub fn for_streams(seed: u64) -> Self {
        const RATES: Rates = Rates {
            peer: SHARED,
            shared: SHARED,
            reserve: RESERVE,
        };
        Self::with(&RATES, seed)
    }

    fn with(rates: &'static Rates, seed: u64) -> Self {
        Self {
            rates,
            peers: Bounded::new(PEERS, seed),
            shared: Bucket::default(),
            reserve: Bucket::default(),
            quiet_from: None,
        }
    }

    /// Whether a signature may be verified now. Where no failure counts any more, neither the clock nor the peer is read.
    ///
    /// # Errors
    /// [`Reason::VerificationBudget`].
    pub fn admit(&mut self, now: &Now<'_>, peer: &dyn Fn() -> Option<IpAddr>) -> Result<(), Reason> {
        let Some(quiet_from) = self.quiet_from else {
            return Ok(());
        };
        let now = now.monotonic();
        if now >= quiet_from {
            self.peers.clear();
            self.quiet_from = None;
            return Ok(());
        }
        let rates = self.rates;
        let own = self.peers.get(Peer::of(peer()).key()).copied().unwrap_or_default();
        let worker_has_room = match own.is_full(now) {
            true => self.shared.has_room(rates.shared, now) || self.reserve.has_room(rates.reserve, now),
            false => self.shared.has_room(rates.shared, now),
        };
        match worker_has_room && own.has_room(rates.peer, now) {
            true => Ok(()),
            false => Err(Reason::VerificationBudget),
        }
    }

    /// How many failures of a peer still count: each of them does until the rate of one peer has made up for it. Where none counts any more, neither the clock nor the
    /// peer is read.
    pub fn failures(&self, now: &Now<'_>, peer: &dyn Fn() -> Option<IpAddr>) -> u32 {
        let Some(quiet_from) = self.quiet_from else { return 0 };
        let now = now.monotonic();
        if now >= quiet_from {
            return 0;
        }
        let own = self.peers.peek(Peer::of(peer()).key()).copied().unwrap_or_default();
        own.taken(self.rates.peer, now)
    }

    /// Counts a signature that did not verify.
    pub fn failed(&mut self, now: &Now<'_>, peer: &dyn Fn() -> Option<IpAddr>) {
        let (now, peer) = (now.monotonic(), Peer::of(peer()));
        let rates = self.rates;
        let mut own = self.peers.get(peer.key()).copied().unwrap_or_default();
        match self.shared.has_room(rates.shared, now) {
            true => self.shared.take(rates.shared, now),
            false => self.reserve.take(rates.reserve, now),
        }
        own.take(rates.peer, now);
        self.peers.insert(peer.key(), own, 1);
        let full = own.full_at.max(self.shared.full_at).max(self.reserve.full_at);
        self.quiet_from = self.quiet_from.max(Some(full));
    }
}

/// A token bucket as the time at which it is full again (GCRA, ITU-T I.371).
#[derive(Clone, Copy, Default)]
struct Bucket {
    full_at: Monotonic,
}

impl Bucket {
    fn is_full(self, now: Monotonic) -> bool {
        self.full_at <= now
    }

    fn has_room(self, rate: Rate, now: Monotonic) -> bool {
        self.full_at.since(now) <= rate.period.saturating_mul(rate.burst.saturating_sub(1))
    }

    /// What was taken out of it and has not come back, in whole tokens.
    fn taken(self, rate: Rate, now: Monotonic) -> u32 {
        let missing = self.full_at.since(now).as_nanos();
        let taken = missing.div_ceil(rate.period.as_nanos().max(1));
        u32::try_from(taken).unwrap_or(u32::MAX)
    }

    fn take(&mut self, rate: Rate, now: Monotonic) {
        self.full_at = self.full_at.max(now).after(rate.period);
    }
}

/// Who is counted as one: its kind, and what tells it from others of that kind.
struct Peer([u8; 9]);

impl Peer {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self([0; 9]),
            Some(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                Self([4, a, b, c, d, 0, 0, 0, 0])
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self([6, a, b, c, d, e, f, g, h])
            }
        }
    }

    fn key(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
#[expect(clippy::arithmetic_side_effects, reason = "test counters are small")]
mod tests;
