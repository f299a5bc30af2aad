//! The scores that centers send back with their decisions.

use core::time::Duration;

use serde_json::{Map, Value};

use crate::remembered::{KEY_BYTES, Remembered};
use crate::time::Now;

/// How many bytes the scores of one scope may take: about 5,000 of them.
const BYTES_MAX: usize = 1024 * 1024;
/// How long a score counts where its center does not say.
const TTL: Duration = Duration::from_secs(300);
/// The longest time for which a center may have a score counted.
const TTL_MAX: Duration = Duration::from_secs(3600);

/// What a center says of the risk of a subject.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// From 0, where nothing looks wrong, to 100.
    pub value: f64,
    /// For how long it counts.
    pub ttl: Duration,
}

impl Score {
    /// Reads `context.risk` of a center's answer: `{score, ttl}`, `ttl` in seconds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(risk: &Value) -> Result<Self, &'static str> {
        let members: &Map<String, Value> = risk.as_object().ok_or("`context.risk` is not an object")?;
        let value = members
            .get("score")
            .and_then(Value::as_f64)
            .filter(|score| (0.0..=100.0).contains(score))
            .ok_or("`context.risk.score` is not a number from 0 to 100")?;
        let ttl = match members.get("ttl") {
            None => TTL,
            Some(ttl) => ttl
                .as_f64()
                .filter(|seconds| *seconds >= 0.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(TTL_MAX.as_secs_f64())).ok())
                .ok_or("`context.risk.ttl` is not a number of seconds")?,
        };
        Ok(Self { value, ttl })
    }
}

/// Scores by their subject.
pub struct Scores {
    values: Remembered<f64>,
}

impl Scores {
    /// None; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            values: Remembered::new(BYTES_MAX, seed),
        }
    }

    /// The score of a subject, from 0 to 100, if it still counts by both clocks.
    pub fn find(&mut self, subject: &[u8; KEY_BYTES], now: &Now<'_>) -> Option<f64> {
        self.values.find(subject, now).copied()
    }

    /// Takes over what a center says; one that says something unreadable leaves nothing that could be too good.
    pub fn take(&mut self, subject: &[u8; KEY_BYTES], said: Result<Score, &'static str>, now: &Now<'_>) {
        match said {
            Ok(score) => self.values.keep(subject, score.value, 0, score.ttl, now),
            Err(_) => self.values.forget(subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use serde_json::json;

    use super::{BYTES_MAX, Score, Scores};
    use crate::identity::subject_key;
    use crate::time::{Monotonic, Now, WallTime};

    fn score(value: f64, seconds: u64) -> Result<Score, &'static str> {
        let ttl = Duration::from_secs(seconds);
        Ok(Score { value, ttl })
    }

    #[test]
    fn a_score_is_a_number_from_0_to_100_and_counts_for_a_time() {
        let not_a_score = Err("`context.risk.score` is not a number from 0 to 100");
        let not_a_time = Err("`context.risk.ttl` is not a number of seconds");
        for (risk, expected) in [
            (json!({"score": 0.25}), score(0.25, 300)),
            (json!({"score": 100}), score(100.0, 300)),
            (json!({"score": 0}), score(0.0, 300)),
            (json!({"score": 1, "ttl": 5, "reasons": ["new country"]}), score(1.0, 5)),
            (json!({"score": 0.5, "ttl": 1e300}), score(0.5, 3600)),
            (json!({"score": 0.5, "ttl": 0}), score(0.5, 0)),
            (json!({}), not_a_score),
            (json!({"score": 100.1}), not_a_score),
            (json!({"score": -0.01}), not_a_score),
            (json!({"score": "0.5"}), not_a_score),
            (json!({"score": null}), not_a_score),
            (json!({"score": 0.5, "ttl": -1}), not_a_time),
            (json!({"score": 0.5, "ttl": "5m"}), not_a_time),
            (json!({"score": 0.5, "ttl": null}), not_a_time),
            (json!("low"), Err("`context.risk` is not an object")),
            (json!([0.5]), Err("`context.risk` is not an object")),
        ] {
            assert_eq!(Score::read(&risk), expected, "{risk}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut scores = Scores::new(7);
        let (alice, bob) = ([1; 32], [2; 32]);
        scores.take(&alice, score(0.1, 60), &now);
        scores.take(&bob, score(0.2, 60), &now);
        scores.take(&alice, score(0.9, 60), &now);
        assert_eq!(
            (scores.find(&alice, &now), scores.find(&bob, &now)),
            (Some(0.9), Some(0.2))
        );
        scores.take(&alice, Err("unreadable"), &now);
        assert_eq!((scores.find(&alice, &now), scores.find(&bob, &now)), (None, Some(0.2)));
        let later = || Monotonic(60_000_000_000);
        assert_eq!(scores.find(&bob, &Now::new(WallTime(0), &later)), None);
    }

    #[test]
    fn their_memory_is_bounded() {
        let start = || Monotonic(0);
        let now = Now::new(WallTime(0), &start);
        let mut scores = Scores::new(7);
        for number in 0u32..20_000 {
            let key = subject_key(&[0; 32], "c", ["us", "iss", &number.to_string()]);
            scores.take(&key, score(0.5, 60), &now);
            assert!(scores.values.cost() <= BYTES_MAX);
        }
        let last = subject_key(&[0; 32], "c", ["us", "iss", "19999"]);
        assert_eq!(scores.find(&last, &now), Some(0.5));
    }
}
