//! Answers of a center, kept for as long as rule and center allow. It replaces the call only: every check before it runs on every request.

use core::time::Duration;

use crate::remembered::{KEY_BYTES, Remembered};
use crate::time::Now;

/// How many bytes the cache of one scope may take: each answer is counted with its reason, its key and what the table needs.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the center decided.
    pub allow: bool,
    /// What the center wants the caller to read.
    pub reason_user: Option<String>,
}

/// Answers by the SHA-256 of their question.
pub struct DecisionCache {
    answers: Remembered<Kept>,
}

impl DecisionCache {
    /// An empty cache; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            answers: Remembered::new(BYTES_MAX, seed),
        }
    }

    /// The answer to the question `key`, if it is fresh by both clocks.
    pub fn find(&mut self, key: &[u8; KEY_BYTES], now: &Now<'_>) -> Option<Kept> {
        self.answers.find(key, now).cloned()
    }

    /// Keeps an answer for `ttl`; one of no length is not kept, nor is what was kept before.
    pub fn keep(&mut self, key: [u8; KEY_BYTES], kept: Kept, ttl: Duration, now: &Now<'_>) {
        let reason = kept.reason_user.as_ref().map_or(0, String::len);
        self.answers.keep(&key, kept, reason, ttl, now);
    }
}
