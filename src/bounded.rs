//! A table by bytes that is bounded by what its entries cost: what was not used for longest makes room.

use core::hash::{BuildHasher, Hasher as _};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use lru::LruCache;

/// A least-recently-used table, seeded with random bytes, so that nobody who chooses keys can choose slots. A look-up allocates nothing, and compares the whole key.
pub(crate) struct Bounded<V> {
    /// By the hash of the key's end, so that keys are compared here and not by the table. Of two keys with one hash the later stays.
    entries: LruCache<u64, Held<V>, Seeded>,
    seeded: Seeded,
    offered: Offered,
    cost: usize,
    bound: usize,
}

/// Where a value is, until the table changes.
#[derive(Clone, Copy)]
pub(crate) struct Found(u64);

/// How much of a key's end tells its place: what an ECDSA signature takes, and more.
const PLACED_BY: usize = 128;

struct Held<V> {
    key: Box<[u8]>,
    value: V,
    cost: usize,
}

impl<V> Bounded<V> {
    /// The bytes that an entry takes beside key and value, in table and list: what the caller adds to an entry's own cost where it counts bytes.
    pub(crate) const SLOT_BYTES: usize = size_of::<Held<V>>().saturating_add(64);

    /// An empty table whose entries may cost `bound` together; `seed` is random.
    pub(crate) fn new(bound: usize, seed: u64) -> Self {
        let seeded = Seeded::new(seed);
        Self {
            entries: LruCache::unbounded_with_hasher(seeded),
            seeded,
            offered: Offered::default(),
            cost: 0,
            bound,
        }
    }

    /// The value of `key`, which is now the one used last.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&mut V> {
        let found = self.find(key)?;
        self.at(found)
    }

    /// The value of `key`, which is used no later for it.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<&V> {
        let held = self.entries.peek(&self.place(key))?;
        same(&held.key, key).then_some(&held.value)
    }

    /// Where the value of `key` is, which is now the one used last.
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<Found> {
        let place = self.place(key);
        let held = self.entries.get(&place)?;
        same(&held.key, key).then_some(Found(place))
    }

    /// The value that was found, if nothing was put in or taken out since.
    pub(crate) fn at(&mut self, found: Found) -> Option<&mut V> {
        self.entries.peek_mut(&found.0).map(|held| &mut held.value)
    }

    /// Puts `value` in, as the one used last; others go until all fit. One that costs more than the bound is not kept.
    pub(crate) fn insert(&mut self, key: &[u8], value: V, cost: usize) {
        self.remove(key);
        if cost > self.bound {
            return;
        }
        while self.cost > self.bound.saturating_sub(cost) {
            let Some((_, oldest)) = self.entries.pop_lru() else {
                break;
            };
            self.cost = self.cost.saturating_sub(oldest.cost);
        }
        let held = Held {
            key: key.into(),
            value,
            cost,
        };
        let replaced = self.entries.put(self.place(key), held).map_or(0, |other| other.cost);
        self.cost = self.cost.saturating_sub(replaced).saturating_add(cost);
    }

    /// Puts `value` in where there is room for it. Where others would have to go, it gets in only if its key was offered before, not long ago: what comes once
    /// never displaces what comes again, however much of it there is.
    pub(crate) fn offer(&mut self, key: &[u8], value: V, cost: usize) {
        let has_room = cost <= self.bound.saturating_sub(self.cost);
        if has_room || self.offered.again(self.place(key)) {
            self.insert(key, value, cost);
        }
    }

    /// The place of `key`, by its end: there stands what sets tokens and certificates apart, their signature. Keys with one end have one place, and the later stays: nobody
    /// can sign two such.
    fn place(&self, key: &[u8]) -> u64 {
        self.seeded
            .hash(key.last_chunk::<PLACED_BY>().map_or(key, <[u8; PLACED_BY]>::as_slice))
    }

    /// Takes `key` out.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let hash = self.place(key);
        if self.entries.peek(&hash).is_some_and(|held| same(&held.key, key))
            && let Some(held) = self.entries.pop(&hash)
        {
            self.cost = self.cost.saturating_sub(held.cost);
        }
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.offered = Offered::default();
        self.cost = 0;
    }

    /// What all entries cost.
    #[cfg(test)]
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Which keys were offered lately: a bit for each of 131,072 slots, all forgotten once a sixteenth of them is set. That two keys share a slot lets one of them in
/// a little early, and does no other harm.
#[derive(Default)]
struct Offered {
    bits: Vec<u64>,
    marks: u32,
}

impl Offered {
    const WORDS: u32 = 2048;
    const MARKS_MAX: u32 = Self::WORDS * 4;

    /// Whether the key with this hash was offered before; from now on it was.
    fn again(&mut self, hash: u64) -> bool {
        if self.bits.is_empty() || self.marks >= Self::MARKS_MAX {
            self.bits.clear();
            self.bits.resize(Self::WORDS as usize, 0);
            self.marks = 0;
        }
        // From the middle of the hash: the table itself looks at its ends.
        let bit = (hash >> 20) % 64;
        let word = (hash >> 26).checked_rem(u64::from(Self::WORDS)).unwrap_or_default();
        let mask = 1_u64.rotate_left(u32::try_from(bit).unwrap_or_default());
        let Some(word) = self.bits.get_mut(usize::try_from(word).unwrap_or_default()) else {
            return false;
        };
        let known = *word & mask != 0;
        *word |= mask;
        self.marks = self.marks.saturating_add(u32::from(!known));
        known
    }
}

/// Makes hashers that begin with a secret.
#[derive(Clone, Copy)]
pub(crate) struct Seeded {
    own: u64,
    shared: &'static SharedSeed,
}

impl Seeded {
    /// `seed` is random.
    pub(crate) fn new(seed: u64) -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        Self {
            own: seed,
            shared: SHARED.get_or_init(|| SharedSeed::from_u64(seed.rotate_left(32))),
        }
    }

    /// A number for a key.
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        FoldHasher::with_seed(self.own, self.shared)
    }
}

/// Whether both are the same bytes, eight at a time: `==` becomes a loop over single bytes on wasm32, which was two thirds of the cost of a token that is known.
fn same(left: &[u8], right: &[u8]) -> bool {
    let ((left_words, left_rest), (right_words, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    left.len() == right.len() && left_rest == right_rest && left_words.iter().map(word).eq(right_words.iter().map(word))
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    fn table(bound: usize) -> Bounded<u32> {
        Bounded::new(bound, 7)
    }

    fn values(lru: &mut Bounded<u32>, keys: [&[u8]; 5]) -> [Option<u32>; 5] {
        keys.map(|key| lru.get(key).copied())
    }

    #[test]
    fn what_was_used_last_stays() {
        let mut lru = table(3);
        for (key, value) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            lru.insert(key, value, 1);
        }
        assert_eq!(lru.get(b"a"), Some(&mut 1));
        lru.insert(b"d", 4, 1);
        assert_eq!((lru.len(), lru.cost()), (3, 3));
        lru.insert(b"e", 5, 2);
        assert_eq!(
            values(&mut lru, [b"a", b"b", b"c", b"d", b"e"]),
            [None, None, None, Some(4), Some(5)]
        );
    }

    #[test]
    fn what_comes_once_displaces_nothing() {
        let mut lru = table(2);
        lru.offer(b"a", 1, 1);
        lru.offer(b"b", 2, 1);
        for number in 0..1000_u32 {
            lru.offer(&number.to_le_bytes(), number, 1);
        }
        assert_eq!((lru.get(b"a").copied(), lru.len()), (Some(1), 2));
        lru.offer(b"e", 5, 1);
        assert_eq!(lru.get(b"e"), None);
        lru.offer(b"e", 5, 1);
        assert_eq!(
            values(&mut lru, [b"a", b"b", b"c", b"d", b"e"]),
            [Some(1), None, None, None, Some(5)]
        );
        // An offer of long ago is forgotten.
        lru.offer(b"f", 6, 1);
        for number in 1000..200_000_u32 {
            lru.offer(&number.to_le_bytes(), number, 1);
        }
        let mut known = 0;
        for number in 0..1000_u32 {
            lru.offer(&number.to_le_bytes(), number, 1);
            known += u32::from(lru.get(&number.to_le_bytes()).is_some());
        }
        assert!(known < 300, "{known}");
        lru.clear();
        lru.offer(b"a", 1, 2);
        lru.offer(b"e", 5, 1);
        assert_eq!(lru.get(b"e"), None, "nothing is known of what was offered before");
    }

    #[test]
    fn a_key_is_there_once() {
        let mut lru = table(10);
        lru.insert(b"a", 1, 4);
        lru.insert(b"a", 2, 5);
        assert_eq!(lru.get(b"a"), Some(&mut 2));
        assert_eq!((lru.len(), lru.cost()), (1, 5));
        lru.remove(b"a");
        lru.remove(b"a");
        assert_eq!(lru.get(b"a"), None);
        assert_eq!((lru.len(), lru.cost()), (0, 0));
    }

    #[test]
    fn what_costs_too_much_is_not_kept_and_moves_nobody() {
        let mut lru = table(3);
        lru.insert(b"a", 1, 3);
        lru.insert(b"b", 2, 4);
        assert_eq!(
            values(&mut lru, [b"a", b"b", b"", b"", b""]),
            [Some(1), None, None, None, None]
        );
    }

    #[test]
    fn the_whole_key_is_compared() {
        let key: Vec<u8> = (0..40).collect();
        for length in 0..=40 {
            let key = &key[..length];
            assert!(super::same(key, &[key, &[]].concat()));
            assert!(!super::same(key, &[key, &[0]].concat()) && !super::same(&[key, &[0]].concat(), key));
            for at in 0..length {
                let mut other = key.to_vec();
                other[at] ^= 0x80;
                assert!(!super::same(key, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn it_equals_a_plain_model() {
        let mut lru = table(40);
        let mut model: Vec<(Vec<u8>, u32, usize)> = Vec::new();
        let mut state = 1_u32;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = format!("k{}", (state >> 16) % 64).into_bytes();
            let found = model.iter().position(|entry| entry.0 == key);
            match (state >> 8) % 8 {
                0..=3 => {
                    assert_eq!(lru.get(&key).copied(), found.map(|at| model[at].1));
                    if let Some(at) = found {
                        let entry = model.remove(at);
                        model.push(entry);
                    }
                }
                4 => {
                    lru.remove(&key);
                    if let Some(at) = found {
                        model.remove(at);
                    }
                }
                5 if state >> 28 == 0 => {
                    lru.clear();
                    model.clear();
                }
                _ => {
                    let cost = usize::try_from((state >> 20) % 9).expect("small");
                    lru.insert(&key, step, cost);
                    if let Some(at) = found {
                        model.remove(at);
                    }
                    while model.iter().map(|entry| entry.2).sum::<usize>() + cost > 40 {
                        model.remove(0);
                    }
                    model.push((key, step, cost));
                }
            }
            assert_eq!(lru.cost(), model.iter().map(|entry| entry.2).sum::<usize>());
            assert_eq!(lru.len(), model.len());
        }
    }
}
