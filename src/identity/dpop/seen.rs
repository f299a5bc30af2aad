//! Which proofs were used: each is remembered for as long as it could be used again, in bounded memory, and what cannot be remembered is refused.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::bounded::Seeded;
use crate::identity::binding::Thumbprint;
use crate::reason::Reason;

/// The most proofs that one VM remembers at a time; together they take up to 12 MiB: 17 bytes each, as many for its subject, and what tables leave free while they grow.
pub const PROOFS_MAX: usize = 131_072;
/// What one subject may take of the places that are free: an eighth.
const SHARE: usize = 8;
/// Proofs are forgotten in slices of so many seconds.
const SLICE_SECONDS: i64 = 16;

/// What a proof is known by: half of the SHA-256 of its key's thumbprint and its `jti`.
type Mark = [u8; 16];

/// The proofs that were used.
///
/// Whoever holds one valid token could make proofs until no other has a place. So each subject may hold an eighth of what is free, at most (dynamic thresholds,
/// Choudhury and Hahne 1998): one alone comes to a ninth of all places, a thousand together leave eight in a thousand free, and of these each newcomer gets an eighth.
/// Nothing that was used is ever forgotten early to make room: a replay is never let in.
pub(super) struct Seen {
    slices: Vec<Slice>,
    places: usize,
    seeded: Seeded,
    /// The latest time that was told: a clock that is set back brings nothing back that was forgotten.
    latest: i64,
}

/// Proofs that can be used until times in one slice.
struct Slice {
    /// Which: multiples of [`SLICE_SECONDS`].
    number: i64,
    marks: HashSet<Mark, Seeded>,
    /// How many each subject has.
    held: HashMap<u64, usize, Seeded>,
}

/// A place for a proof that was not used before.
pub(super) struct Place {
    mark: Mark,
    subject: u64,
    until: i64,
}

impl Seen {
    /// Room for so many; `seed` is random.
    pub(super) fn new(places: usize, seed: u64) -> Self {
        Self {
            slices: Vec::new(),
            places,
            seeded: Seeded::new(seed),
            latest: i64::MIN,
        }
    }

    /// Whether anything was ever remembered.
    pub(super) fn is_new(&self) -> bool {
        self.latest == i64::MIN
    }

    /// Forgets everything where the clock was set back by more than so many seconds, and gives the time that was told before.
    pub(super) fn set_back(&mut self, now: i64, seconds: i64) -> Option<i64> {
        if now >= self.latest.saturating_sub(seconds) {
            return None;
        }
        self.slices.clear();
        Some(core::mem::replace(&mut self.latest, now))
    }

    /// A number for a subject, which nobody outside can choose.
    pub(super) fn subject(&self, home: &str, subject: &str) -> u64 {
        self.seeded.hash(&[home.as_bytes(), &[0], subject.as_bytes()].concat())
    }

    /// Whether the proof `id` of this key, which could be used until `until`, is new and may be remembered at `now`, both in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Reason::ProofReplayed`]; [`Reason::ProofBudget`] where the subject, or everybody, has no more places; [`Reason::ProofNonce`] where the time in which it
    /// could be used is over.
    pub(super) fn place(
        &mut self,
        key: &Thumbprint,
        id: &str,
        subject: u64,
        until: i64,
        now: i64,
    ) -> Result<Place, Reason> {
        self.latest = self.latest.max(now);
        let current = self.latest.div_euclid(SLICE_SECONDS);
        self.slices.retain(|slice| slice.number >= current);
        if until < self.latest {
            return Err(Reason::ProofNonce);
        }
        let mark = mark(key, id);
        if self.slices.iter().any(|slice| slice.marks.contains(&mark)) {
            return Err(Reason::ProofReplayed);
        }
        let own = |slice: &Slice| slice.held.get(&subject).copied().unwrap_or_default();
        let held: usize = self.slices.iter().map(own).fold(0, usize::saturating_add);
        let free = self.places.saturating_sub(self.len());
        match held < free.div_ceil(SHARE) {
            true => Ok(Place { mark, subject, until }),
            false => Err(Reason::ProofBudget),
        }
    }

    /// From now on the proof was used.
    pub(super) fn remember(&mut self, place: Place) {
        let number = place.until.div_euclid(SLICE_SECONDS);
        let known = self.slices.iter_mut().position(|slice| slice.number == number);
        let index = known.unwrap_or_else(|| {
            self.slices.push(Slice {
                number,
                marks: HashSet::with_hasher(self.seeded),
                held: HashMap::with_hasher(self.seeded),
            });
            self.slices.len().saturating_sub(1)
        });
        if let Some(slice) = self.slices.get_mut(index) {
            slice.marks.insert(place.mark);
            let held = slice.held.entry(place.subject).or_default();
            *held = held.saturating_add(1);
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        let marks = self.slices.iter().map(|slice| slice.marks.len());
        marks.fold(0, usize::saturating_add)
    }
}

fn mark(key: &Thumbprint, id: &str) -> Mark {
    let digest = Sha256::new().chain_update(key).chain_update(id).finalize();
    let mut mark = Mark::default();
    mark.iter_mut().zip(digest).for_each(|(mark, byte)| *mark = byte);
    mark
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "times of tests are small")]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{PROOFS_MAX, Place, Seen};
    use crate::reason::Reason;

    const KEY: [u8; 32] = [7; 32];

    fn seen() -> Seen {
        Seen::new(PROOFS_MAX, 7)
    }

    fn uses(seen: &mut Seen, id: &str, subject: u64, until: i64, now: i64) -> Result<(), Reason> {
        let place: Place = seen.place(&KEY, id, subject, until, now)?;
        seen.remember(place);
        Ok(())
    }

    #[test]
    fn a_proof_is_used_once_for_as_long_as_it_could_be() {
        let mut seen = seen();
        assert!(seen.is_new());
        for until in [1_000, 1_001, 1_015, 1_016] {
            let id = format!("proof {until}");
            assert_eq!(uses(&mut seen, &id, 1, until, 940), Ok(()));
            for now in [940, 960, until - 1, until] {
                let mut later = super::Seen::new(PROOFS_MAX, 7);
                uses(&mut later, &id, 1, until, 940).expect("new");
                assert_eq!(
                    uses(&mut later, &id, 1, until, now),
                    Err(Reason::ProofReplayed),
                    "{until} {now}"
                );
            }
        }
        assert_eq!(seen.len(), 4);
        assert_eq!(uses(&mut seen, "late", 1, 1_100, 1_040), Ok(()));
        assert_eq!(seen.len(), 1, "what cannot be used any more is forgotten");
        assert!(!seen.is_new());
    }

    /// Another key's proof with the same `jti` is another proof.
    #[test]
    fn a_proof_is_its_keys() {
        let mut seen = seen();
        uses(&mut seen, "a", 1, 100, 50).expect("new");
        assert!(seen.place(&[8; 32], "a", 1, 100, 50).is_ok());
        assert!(seen.place(&KEY, "b", 1, 100, 50).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_brings_nothing_back() {
        let mut seen = seen();
        uses(&mut seen, "a", 1, 100, 50).expect("new");
        uses(&mut seen, "b", 1, 2_000, 1_900).expect("new");
        assert_eq!(uses(&mut seen, "a", 1, 100, 60), Err(Reason::ProofNonce));
        assert_eq!(uses(&mut seen, "b", 1, 2_000, 60), Err(Reason::ProofReplayed));
    }

    /// One subject takes a ninth; however many there are, the next one still gets a place until nothing is free; and then nobody gets anything.
    #[test]
    fn nobody_can_take_the_place_of_others() {
        let mut seen = seen();
        let mut number = 0_u32;
        let mut flood = |seen: &mut Seen, subject: u64| {
            let mut taken = 0_usize;
            loop {
                number += 1;
                match uses(seen, &number.to_string(), subject, 1_000, 950) {
                    Ok(()) => taken += 1,
                    Err(reason) => {
                        assert_eq!(reason, Reason::ProofBudget);
                        return taken;
                    }
                }
            }
        };
        let first = flood(&mut seen, 1);
        assert!(first.abs_diff(PROOFS_MAX / 9) <= 1, "{first}");
        assert_eq!(flood(&mut seen, 1), 0);
        assert!(flood(&mut seen, 2) > PROOFS_MAX / 12);
        for subject in 3..60 {
            assert!(flood(&mut seen, subject) > 0, "{subject}");
        }
        for subject in 60..2_000 {
            flood(&mut seen, subject);
        }
        assert_eq!(seen.len(), PROOFS_MAX);
        assert_eq!(uses(&mut seen, "newcomer", 9_999, 1_000, 950), Err(Reason::ProofBudget));
        assert_eq!(uses(&mut seen, "1", 1, 1_000, 950), Err(Reason::ProofReplayed));
        assert_eq!(
            uses(&mut seen, "newcomer", 9_999, 2_000, 1_100),
            Ok(()),
            "time gives all of it back"
        );
    }

    proptest! {
        /// Whatever comes in whichever order, no proof is used twice while it could be, and the table never exceeds its bound.
        #[test]
        fn nothing_is_used_twice(uses_of in prop::collection::vec((0_u8..40, 0_i64..120, 0_i64..30), 0..400)) {
            let mut seen = seen();
            let (mut now, mut used) = (1_000, HashMap::<u8, i64>::new());
            for (id, life, passed) in uses_of {
                now += passed;
                let until = *used.get(&id).filter(|until| **until >= now).unwrap_or(&(now + life));
                let again = used.contains_key(&id) && until == used[&id];
                let outcome = uses(&mut seen, &id.to_string(), u64::from(id), until, now);
                if again {
                    prop_assert_eq!(outcome, Err(Reason::ProofReplayed));
                } else if outcome.is_ok() {
                    used.insert(id, until);
                }
                prop_assert!(seen.len() <= PROOFS_MAX);
            }
        }
    }
}
