//! A million revocations in 12 bytes each.

use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher24;

/// What an entry is about. Entries of different kinds never meet, whatever their texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `jti`.
    Token,
    /// A `sid`.
    Session,
    /// A `sub`.
    Subject,
}

/// The random key under which texts become fingerprints: SipHash-2-4, a pseudo-random function.
///
/// Whoever does not know the key cannot choose texts whose fingerprints are alike, so for any text the chance that one of the set's `n` fingerprints is its own is
/// `n × 2^-64`: with the 1,000,000 of [`RevokedSet::MOST`], below 2^-44. That a token is taken for a revoked one costs its bearer a log-in; it lets nobody in.
#[derive(Clone)]
pub struct FingerprintKey {
    token: SipHasher24,
    session: SipHasher24,
    subject: SipHasher24,
}

impl FingerprintKey {
    /// The key that is made of these random bytes: 16 of them are as good as more.
    #[must_use]
    pub fn new(random: &[u8]) -> Self {
        let keyed = |kind: &[u8]| {
            let digest: [u8; 32] = Sha256::new().chain_update(kind).chain_update(random).finalize().into();
            let (key, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
            SipHasher24::new_with_key(key)
        };
        Self {
            token: keyed(b"jti\0"),
            session: keyed(b"sid\0"),
            subject: keyed(b"sub\0"),
        }
    }

    fn of(&self, kind: Kind, text: &str) -> u64 {
        let hasher = match kind {
            Kind::Token => &self.token,
            Kind::Session => &self.session,
            Kind::Subject => &self.subject,
        };
        hasher.hash(text.as_bytes())
    }
}

/// A fingerprint and its time: in three words, since 64 bits would take 16 bytes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    high: u32,
    low: u32,
    /// Seconds since the Unix epoch. Of two entries for the same thing the later revokes more, whatever it is about.
    seconds: u32,
}

impl Entry {
    fn fingerprint(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// What is revoked, each with a time. It is made as a whole by a [`SetBuilder`] and never changes.
///
/// Entries are sorted by their fingerprint, and a table tells for the first bits of one between which places it must be: a look-up reads two numbers there, and
/// compares with the handful of entries between them. One entry takes 12 bytes and its part of the table 4 bytes in 8 to 16 entries: 12.3 MB for a million.
pub struct RevokedSet {
    key: FingerprintKey,
    entries: Box<[Entry]>,
    /// Of `2^bits` equal parts of all fingerprints, where each begins in `entries`, and the end.
    starts: Box<[u32]>,
    bits: u32,
}

impl RevokedSet {
    /// The entries that a set may have.
    pub const MOST: usize = 1_000_000;

    /// The time that stands beside `text`, in seconds since the Unix epoch; `None`: it is not in the set.
    #[must_use]
    pub fn get(&self, kind: Kind, text: &str) -> Option<u32> {
        let fingerprint = self.key.of(kind, text);
        let part = usize::try_from(fingerprint.checked_shr(64_u32.checked_sub(self.bits)?).unwrap_or(0)).ok()?;
        let (from, to) = (self.starts.get(part)?, self.starts.get(part.checked_add(1)?)?);
        let entries = self
            .entries
            .get(usize::try_from(*from).ok()?..usize::try_from(*to).ok()?)?;
        let found = entries
            .binary_search_by_key(&fingerprint, |entry| entry.fingerprint())
            .ok()?;
        entries.get(found).map(|entry| entry.seconds)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn new(key: FingerprintKey, entries: Box<[Entry]>) -> Self {
        // Eight to sixteen entries for each part.
        let bits = entries.len().checked_ilog2().unwrap_or(0).saturating_sub(3);
        let parts = 1_u64.checked_shl(bits).unwrap_or(1);
        let shift = 64_u32.saturating_sub(bits);
        let mut rest = entries.iter().zip(0_u32..).peekable();
        let mut end = 0;
        let starts = core::iter::once(0)
            .chain((0..parts).map(|part| {
                let is_within =
                    |(entry, _): &(&Entry, u32)| entry.fingerprint().checked_shr(shift).unwrap_or(0) <= part;
                while let Some((_, index)) = rest.next_if(is_within) {
                    end = index.saturating_add(1);
                }
                end
            }))
            .collect();
        Self {
            key,
            entries,
            starts,
            bits,
        }
    }
}

impl core::fmt::Debug for RevokedSet {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("RevokedSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Entries for which a set that is being filled makes room at least.
const LEAST: usize = 64;

/// There is no room for another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A set that is being filled. It holds what the finished one will, and up to two thirds of that again while [`settle`](Self::settle) runs.
pub struct SetBuilder {
    key: FingerprintKey,
    /// Sorted, each fingerprint once, up to `settled`; behind it as they came.
    entries: Vec<Entry>,
    settled: usize,
}

impl SetBuilder {
    /// An empty set under this key.
    #[must_use]
    pub fn new(key: FingerprintKey) -> Self {
        Self {
            key,
            entries: Vec::new(),
            settled: 0,
        }
    }

    /// Adds `text` with a time in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Full`], where there are [`RevokedSet::MOST`] already.
    pub fn add(&mut self, kind: Kind, text: &str, seconds: u32) -> Result<(), Full> {
        if self.entries.len() >= RevokedSet::MOST {
            return Err(Full);
        }
        // By an eighth at a time, and never to more than there may be: doubling would take twice the memory in the end.
        if self.entries.len() == self.entries.capacity() {
            let more = (self.entries.len() >> 3).max(LEAST);
            let most = RevokedSet::MOST.saturating_sub(self.entries.len());
            self.entries.reserve_exact(more.min(most));
        }
        let fingerprint = self.key.of(kind, text);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        self.entries.push(Entry {
            high: half(fingerprint >> 32),
            low: half(fingerprint),
            seconds,
        });
        Ok(())
    }

    /// Sorts what was added since the last time into the rest. Once for many entries: it goes through all.
    pub fn settle(&mut self) {
        if let Some(added) = self.entries.get_mut(self.settled..) {
            added.sort_unstable();
        }
        // Two runs that are sorted are merged in one pass.
        self.entries.sort();
        // The later time of equals is the last of them, and stays.
        self.entries.dedup_by(|later, kept| {
            let same = later.fingerprint() == kept.fingerprint();
            if same {
                kept.seconds = later.seconds;
            }
            same
        });
        self.settled = self.entries.len();
    }

    /// The number of entries, those that stand twice counted once for each [`settle`](Self::settle).
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The finished set.
    #[must_use]
    pub fn build(mut self) -> RevokedSet {
        self.settle();
        RevokedSet::new(self.key, self.entries.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::{FingerprintKey, Full, Kind, RevokedSet, SetBuilder};

    fn set(texts: &[(Kind, &str, u32)]) -> RevokedSet {
        let mut builder = SetBuilder::new(FingerprintKey::new(b"0123456789abcdef"));
        for (index, (kind, text, seconds)) in texts.iter().enumerate() {
            builder.add(*kind, text, *seconds).expect("room");
            if index.is_multiple_of(3) {
                builder.settle();
            }
        }
        builder.build()
    }

    #[test]
    fn what_was_added_is_found_with_its_time() {
        assert_eq!(set(&[]).get(Kind::Token, "a"), None);
        for count in [1, 2, 7, 8, 15, 16, 17, 100, 1_000] {
            let texts: Vec<String> = (0..count).map(|number| format!("t-{number}")).collect();
            let entries: Vec<_> = texts
                .iter()
                .zip(5..)
                .map(|(text, seconds)| (Kind::Token, text.as_str(), seconds))
                .collect();
            let set = set(&entries);
            assert_eq!(set.len(), entries.len());
            for (kind, text, seconds) in entries {
                assert_eq!(set.get(kind, text), Some(seconds), "{text} of {count}");
            }
            assert_eq!(set.get(Kind::Token, "t"), None);
        }
    }

    #[test]
    fn kinds_never_meet() {
        let set = set(&[(Kind::Token, "a", 1), (Kind::Session, "b", 2), (Kind::Subject, "c", 3)]);
        for (kind, text, found) in [
            (Kind::Token, "a", Some(1)),
            (Kind::Token, "b", None),
            (Kind::Session, "a", None),
            (Kind::Session, "b", Some(2)),
            (Kind::Subject, "c", Some(3)),
            (Kind::Subject, "a", None),
        ] {
            assert_eq!(set.get(kind, text), found, "{kind:?} {text}");
        }
    }

    #[test]
    fn of_two_times_the_later_holds() {
        for times in [[3, 9, 5, 1], [9, 3, 5, 1], [1, 3, 5, 9], [1, 3, 9, 5]] {
            let set = set(&times.map(|seconds| (Kind::Token, "a", seconds)));
            assert_eq!((set.len(), set.get(Kind::Token, "a")), (1, Some(9)), "{times:?}");
        }
    }

    #[test]
    fn another_key_makes_other_fingerprints() {
        let one = FingerprintKey::new(b"0123456789abcdef");
        let other = FingerprintKey::new(b"0123456789abcdeg");
        assert_ne!(one.of(Kind::Token, "a"), other.of(Kind::Token, "a"));
        assert_eq!(one.of(Kind::Token, "a"), one.clone().of(Kind::Token, "a"));
    }

    #[test]
    fn there_is_an_end() {
        let mut builder = SetBuilder::new(FingerprintKey::new(b"0123456789abcdef"));
        for _ in 0..RevokedSet::MOST {
            builder.add(Kind::Token, "the same", 1).expect("room");
        }
        assert_eq!(builder.add(Kind::Token, "another", 1), Err(Full));
        builder.settle();
        assert_eq!(builder.len(), 1);
        assert_eq!(builder.add(Kind::Token, "another", 1), Ok(()));
    }
}
