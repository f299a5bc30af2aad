//! A table of what is kept for a time.

use core::time::Duration;

use crate::bounded::Bounded;
use crate::time::{Monotonic, Now, WallTime};

/// The length of a key, in bytes: that of a SHA-256.
pub(crate) const KEY_BYTES: usize = 32;

/// Values by the SHA-256 of what they belong to, each until the earlier of the two clocks has reached its end; all together bounded by bytes.
pub(crate) struct Remembered<V> {
    entries: Bounded<Entry<V>>,
}

struct Entry<V> {
    value: V,
    wall_end: WallTime,
    monotonic_end: Monotonic,
}

impl<V> Remembered<V> {
    /// An empty table that may take `bytes`; `seed` is random.
    pub(crate) fn new(bytes: usize, seed: u64) -> Self {
        Self {
            entries: Bounded::new(bytes, seed),
        }
    }

    /// What is kept under `key`, if its time has not passed by either clock.
    pub(crate) fn find(&mut self, key: &[u8; KEY_BYTES], now: &Now<'_>) -> Option<&V> {
        let found = self.entries.find(key)?;
        let entry = self.entries.at(found)?;
        if entry.wall_end <= now.wall || entry.monotonic_end <= now.monotonic() {
            self.entries.remove(key);
            return None;
        }
        self.entries.at(found).map(|entry| &entry.value)
    }

    /// Keeps a value of `bytes` on the heap for `ttl`; one of no length is not kept, nor is what was kept before.
    pub(crate) fn keep(&mut self, key: &[u8; KEY_BYTES], value: V, bytes: usize, ttl: Duration, now: &Now<'_>) {
        if ttl.is_zero() {
            self.entries.remove(key);
            return;
        }
        let cost = Bounded::<Entry<V>>::SLOT_BYTES
            .saturating_add(KEY_BYTES)
            .saturating_add(bytes);
        let entry = Entry {
            value,
            wall_end: now.wall.after(ttl),
            monotonic_end: now.monotonic().after(ttl),
        };
        self.entries.insert(key, entry, cost);
    }

    /// What all of it costs, in bytes.
    #[cfg(test)]
    pub(crate) fn cost(&self) -> usize {
        self.entries.cost()
    }

    /// Forgets what is kept under `key`.
    pub(crate) fn forget(&mut self, key: &[u8; KEY_BYTES]) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::Remembered;
    use crate::time::{Monotonic, Now, WallTime};

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_value_ends_by_the_earlier_of_the_two_clocks() {
        let start = || Monotonic(0);
        let begin = Now::new(WallTime(100 * SECOND), &start);
        for (wall, monotonic, fresh) in [(109, 9, true), (110, 9, false), (109, 10, false), (10, 9, true)] {
            let mut table = Remembered::new(10_000, 7);
            table.keep(&[1; 32], (), 0, Duration::from_secs(10), &begin);
            let read = || Monotonic(monotonic * SECOND);
            let now = Now::new(WallTime(wall * SECOND), &read);
            assert_eq!(table.find(&[1; 32], &now).is_some(), fresh, "{wall} {monotonic}");
        }
    }

    #[test]
    fn bytes_are_bounded() {
        const BYTES: usize = 1 << 20;
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut table = Remembered::new(BYTES, 7);
        for number in 0u32..10_000 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            table.keep(&key, "x".repeat(500), 500, Duration::from_secs(60), &now);
            assert!(table.entries.cost() <= BYTES);
        }
        assert!(table.entries.len() > 1000);
        assert!(table.find(&[0; 32], &now).is_none(), "the oldest went first");
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut table = Remembered::new(10_000, 7);
        table.keep(&[1; 32], (), 0, Duration::from_secs(1), &now);
        table.keep(&[1; 32], (), 0, Duration::ZERO, &now);
        assert_eq!(table.find(&[1; 32], &now), None);
        assert_eq!(table.entries.cost(), 0);
    }
}
