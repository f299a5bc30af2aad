use core::cell::Cell;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use super::{FailureBudget, PEER, PEERS, RESERVE, SHARED};
use crate::reason::Reason;
use crate::time::{Monotonic, Now, WallTime};

/// A budget, and the time in which it is asked.
struct Worker {
    budget: FailureBudget,
    time: Cell<Monotonic>,
    reads: Cell<u32>,
}

impl Worker {
    fn new() -> Self {
        Self {
            budget: FailureBudget::new(3),
            time: Cell::new(Monotonic(5)),
            reads: Cell::new(0),
        }
    }

    fn pass(&self, time: Duration) {
        self.time.set(self.time.get().after(time));
    }

    fn read(&self) -> Monotonic {
        self.reads.set(self.reads.get() + 1);
        self.time.get()
    }

    /// One bad signature: whether it was looked at.
    fn bad(&mut self, peer: Option<IpAddr>) -> bool {
        let admitted = self.good(peer);
        if admitted {
            let time = self.time.get();
            let clock = || time;
            self.budget.failed(&Now::new(WallTime(0), &clock), &|| peer);
        }
        admitted
    }

    /// One good signature: whether it was looked at.
    fn good(&mut self, peer: Option<IpAddr>) -> bool {
        let mut budget = core::mem::replace(&mut self.budget, FailureBudget::new(0));
        let clock = || self.read();
        let ask = || {
            self.reads.set(self.reads.get() + 1);
            peer
        };
        let answer = budget.admit(&Now::new(WallTime(0), &clock), &ask);
        self.budget = budget;
        assert!(matches!(answer, Ok(()) | Err(Reason::VerificationBudget)));
        answer.is_ok()
    }

    fn bad_of(&mut self, peer: Option<IpAddr>, times: u32) -> u32 {
        (0..times).map(|_| u32::from(self.bad(peer))).sum()
    }
}

fn peer(number: u32) -> Option<IpAddr> {
    Some(IpAddr::from(number.to_be_bytes()))
}

#[test]
fn a_peer_has_its_own_budget() {
    let mut worker = Worker::new();
    assert_eq!(worker.bad_of(peer(1), 100), PEER.burst);
    assert!(!worker.good(peer(1)));
    assert!(worker.good(peer(2)) && worker.good(None));
    worker.pass(PEER.period);
    assert_eq!(worker.bad_of(peer(1), 100), 1);
    worker.pass(PEER.period * 3);
    assert_eq!(worker.bad_of(peer(1), 100), 3);
}

#[test]
fn without_failures_nothing_is_read() {
    let mut worker = Worker::new();
    assert!((0..100).all(|_| worker.good(peer(1))));
    assert_eq!(worker.reads.get(), 0);
    assert!(worker.bad(peer(1)));
    assert!(worker.good(peer(2)));
    assert_eq!(worker.reads.get(), 2);
    worker.pass(PEER.period);
    assert!(worker.good(peer(2)));
    assert_eq!(worker.reads.get(), 3, "the clock tells that all is well again");
    assert!(worker.good(peer(2)) && worker.good(peer(1)));
    assert_eq!(worker.reads.get(), 3);
    assert_eq!(worker.budget.peers.len(), 0);
}

#[test]
fn the_worker_has_a_ceiling_and_keeps_a_share() {
    let mut worker = Worker::new();
    let noisy: u32 = (0..10).map(|number| worker.bad_of(peer(number), 100)).sum();
    assert_eq!(
        noisy,
        SHARED.burst + 2,
        "the last two peers came when the common share was gone: each had its first failure from the reserve"
    );
    assert!((0..10).all(|number| !worker.good(peer(number))));
    let fresh: u32 = (100..1_000).map(|number| worker.bad_of(peer(number), 100)).sum();
    assert_eq!(fresh, RESERVE.burst - 2);
    assert!(!worker.good(peer(5_000)), "beyond the ceiling nobody is verified");
    worker.pass(SHARED.period);
    assert!(
        worker.good(peer(5_000)),
        "the common share fills again, for those who did not fail"
    );
    assert!(worker.bad(peer(5_000)) && !worker.good(peer(5_001)));
    worker.pass(RESERVE.period - SHARED.period);
    assert!(worker.good(peer(5_001)), "and so does the reserve");
}

#[test]
fn a_worker_never_does_more_than_its_ceiling() {
    let mut worker = Worker::new();
    let mut looked_at = 0;
    for step in 0..100_000_u32 {
        worker.pass(Duration::from_micros(100));
        looked_at += worker.bad_of(peer(step % 5_000), 1);
    }
    assert!(
        looked_at <= SHARED.burst + RESERVE.burst + 10 * (75 + 25) + 2,
        "{looked_at}"
    );
    assert!(worker.budget.peers.len() <= PEERS);
}

#[test]
fn what_counts_as_one_peer() {
    let mut worker = Worker::new();
    let v6 = |text: &str| Some(IpAddr::from(text.parse::<Ipv6Addr>().expect("an address")));
    assert_eq!(worker.bad_of(v6("2001:db8:1:2::1"), 100), PEER.burst);
    assert!(!worker.good(v6("2001:db8:1:2:ffff::9")));
    assert!(worker.good(v6("2001:db8:1:3::1")));

    assert_eq!(worker.bad_of(v6("::ffff:10.0.0.1"), 100), PEER.burst);
    assert!(!worker.good(Some(IpAddr::from([10, 0, 0, 1]))));
    assert!(worker.good(Some(IpAddr::from([10, 0, 0, 2]))));

    assert_eq!(worker.bad_of(None, 100), PEER.burst);
    assert!(!worker.good(None));
    assert!(worker.good(Some(IpAddr::from([0, 0, 0, 0]))));
}
