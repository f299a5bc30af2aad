//! Answers of a center, kept for as long as rule and center allow. It replaces the call only: every check before it runs on every request.

use core::hash::BuildHasher;
use core::num::NonZeroUsize;
use core::time::Duration;
use std::hash::RandomState;

use lru::LruCache;

use crate::time::{Monotonic, Now, WallTime};

/// How many bytes the cache of one scope may take: each answer is counted with its reason, its key and what the table needs.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Key, times, flags and the table's own pointers, in bytes, rounded up.
const ENTRY_OVERHEAD: usize = 160;

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

impl Entry {
    fn bytes(&self) -> usize {
        self.kept.reason_user.as_ref().map_or(0, String::len).saturating_add(ENTRY_OVERHEAD)
    }
}

/// Answers by the SHA-256 of their question.
pub struct DecisionCache<S: BuildHasher = RandomState> {
    entries: LruCache<[u8; 32], Entry, S>,
    bytes: usize,
}

impl Default for DecisionCache {
    fn default() -> Self {
        // As many as fit if none has a reason; bytes bound it further.
        let most = NonZeroUsize::new(BYTES_MAX / ENTRY_OVERHEAD).unwrap_or(NonZeroUsize::MIN);
        let mut entries = LruCache::unbounded_with_hasher(RandomState::new());
        entries.resize(most);
        Self { entries, bytes: 0 }
    }
}

impl DecisionCache {
    /// The answer to the question `key`, if it is fresh by both clocks.
    pub fn find(&mut self, key: &[u8; 32], now: &Now<'_>) -> Option<Kept> {
        let entry = self.entries.get(key)?;
        if entry.wall_end > now.wall && entry.monotonic_end > now.monotonic() {
            return Some(entry.kept.clone());
        }
        self.remove(key);
        None
    }

    /// Keeps an answer for `ttl`; one of no length is not kept.
    pub fn keep(&mut self, key: [u8; 32], kept: Kept, ttl: Duration, now: &Now<'_>) {
        self.remove(&key);
        if ttl.is_zero() {
            return;
        }
        let entry = Entry { kept, wall_end: now.wall.after(ttl), monotonic_end: now.monotonic().after(ttl) };
        self.bytes = self.bytes.saturating_add(entry.bytes());
        if let Some((_, evicted)) = self.entries.push(key, entry) {
            self.bytes = self.bytes.saturating_sub(evicted.bytes());
        }
        while self.bytes > BYTES_MAX {
            let Some((_, evicted)) = self.entries.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(evicted.bytes());
        }
    }

    fn remove(&mut self, key: &[u8; 32]) {
        if let Some(entry) = self.entries.pop(key) {
            self.bytes = self.bytes.saturating_sub(entry.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{BYTES_MAX, DecisionCache, Kept};
    use crate::time::{Monotonic, Now, WallTime};

    const SECOND: u64 = 1_000_000_000;

    fn kept() -> Kept {
        Kept { allow: true, reason_user: None }
    }

    #[test]
    fn an_answer_ends_by_the_earlier_of_the_two_clocks() {
        let start = || Monotonic(0);
        let begin = Now::new(WallTime(100 * SECOND), &start);
        for (wall, monotonic, fresh) in [(109, 9, true), (110, 9, false), (109, 10, false), (10, 9, true)] {
            let mut cache = DecisionCache::default();
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
        let mut cache = DecisionCache::default();
        for number in 0u32..40_000 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let reason_user = Some("x".repeat(500));
            cache.keep(key, Kept { allow: false, reason_user }, Duration::from_secs(60), &now);
            assert!(cache.bytes <= BYTES_MAX);
        }
        assert!(cache.entries.len() > 1000);
        assert!(cache.find(&[0; 32], &now).is_none(), "the oldest went first");
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut cache = DecisionCache::default();
        cache.keep([1; 32], kept(), Duration::ZERO, &now);
        assert_eq!(cache.find(&[1; 32], &now), None);
        assert_eq!(cache.bytes, 0);
    }
}
