//! Answers of a center, kept for as long as rule and center allow. It replaces the call only: every check before it runs on every request.

use core::time::Duration;

use crate::bounded::Bounded;
use crate::time::{Monotonic, Now, WallTime};

/// How many bytes the cache of one scope may take: each answer is counted with its reason, its key and what the table needs.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the center decided.
    pub allow: bool,
    /// What the center wants the caller to read.
    pub reason_user: Option<String>,
}

struct Entry {
    kept: Kept,
    wall_end: WallTime,
    monotonic_end: Monotonic,
}

/// Answers by the SHA-256 of their question.
pub struct DecisionCache {
    entries: Bounded<Entry>,
}

impl DecisionCache {
    /// An empty cache; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            entries: Bounded::new(BYTES_MAX, seed),
        }
    }

    /// The answer to the question `key`, if it is fresh by both clocks.
    pub fn find(&mut self, key: &[u8; KEY_BYTES], now: &Now<'_>) -> Option<Kept> {
        let entry = self.entries.get(key)?;
        if entry.wall_end > now.wall && entry.monotonic_end > now.monotonic() {
            return Some(entry.kept.clone());
        }
        self.entries.remove(key);
        None
    }

    /// Keeps an answer for `ttl`; one of no length is not kept, nor is what was kept before.
    pub fn keep(&mut self, key: [u8; KEY_BYTES], kept: Kept, ttl: Duration, now: &Now<'_>) {
        if ttl.is_zero() {
            self.entries.remove(&key);
            return;
        }
        let reason = kept.reason_user.as_ref().map_or(0, String::len);
        let cost = Bounded::<Entry>::SLOT_BYTES
            .saturating_add(KEY_BYTES)
            .saturating_add(reason);
        let entry = Entry {
            kept,
            wall_end: now.wall.after(ttl),
            monotonic_end: now.monotonic().after(ttl),
        };
        self.entries.insert(&key, entry, cost);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{BYTES_MAX, DecisionCache, Kept};
    use crate::time::{Monotonic, Now, WallTime};

    const SECOND: u64 = 1_000_000_000;

    fn kept() -> Kept {
        Kept {
            allow: true,
            reason_user: None,
        }
    }

    #[test]
    fn an_answer_ends_by_the_earlier_of_the_two_clocks() {
        let start = || Monotonic(0);
        let begin = Now::new(WallTime(100 * SECOND), &start);
        for (wall, monotonic, fresh) in [(109, 9, true), (110, 9, false), (109, 10, false), (10, 9, true)] {
            let mut cache = DecisionCache::new(7);
            cache.keep([1; 32], kept(), Duration::from_secs(10), &begin);
            let read = || Monotonic(monotonic * SECOND);
            let now = Now::new(WallTime(wall * SECOND), &read);
            assert_eq!(cache.find(&[1; 32], &now).is_some(), fresh, "{wall} {monotonic}");
        }
    }

    #[test]
    fn bytes_are_bounded() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut cache = DecisionCache::new(7);
        for number in 0u32..40_000 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let reason_user = Some("x".repeat(500));
            cache.keep(
                key,
                Kept {
                    allow: false,
                    reason_user,
                },
                Duration::from_secs(60),
                &now,
            );
            assert!(cache.entries.cost() <= BYTES_MAX);
        }
        assert!(cache.entries.len() > 1000);
        assert!(cache.find(&[0; 32], &now).is_none(), "the oldest went first");
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut cache = DecisionCache::new(7);
        cache.keep([1; 32], kept(), Duration::ZERO, &now);
        assert_eq!(cache.find(&[1; 32], &now), None);
        assert_eq!(cache.entries.cost(), 0);
    }
}
