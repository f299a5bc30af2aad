//! A table by bytes that is bounded by what its entries cost: what was not used for longest makes room.

use core::hash::Hasher as _;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

/// No slot.
const NONE: u32 = u32::MAX;

/// A least-recently-used table. A look-up allocates nothing; it compares the whole key, the hash (seeded with random bytes) only finds candidates.
// INVARIANT: every slot with an entry is in the table once and in the list from `newest` to `oldest` once; every other slot is in `free`.
pub(super) struct Lru<V> {
    seed: u64,
    shared: SharedSeed,
    table: HashTable<u32>,
    slots: Vec<Slot<V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    cost: usize,
    bound: usize,
}

struct Slot<V> {
    hash: u64,
    newer: u32,
    older: u32,
    entry: Option<Entry<V>>,
}

struct Entry<V> {
    key: Box<[u8]>,
    value: V,
    cost: usize,
}

impl<V> Lru<V> {
    /// The bytes that a slot takes beside key and value, in table and list: what the caller adds to an entry's own cost where it counts bytes.
    pub(super) const SLOT_BYTES: usize = size_of::<Slot<V>>().saturating_add(32);

    /// An empty table whose entries may cost `bound` together. `seed` is random: nobody outside can tell which keys have the same hash.
    pub(super) fn new(bound: usize, seed: u64) -> Self {
        Self {
            seed: seed.rotate_left(32),
            shared: SharedSeed::from_u64(seed),
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            cost: 0,
            bound,
        }
    }

    /// What all entries cost.
    #[cfg(test)]
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The value of `key`, which is now the one used last.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut V> {
        let id = self.find(self.hash(key), key)?;
        self.unlink(id);
        self.link_newest(id);
        self.slot_mut(id)?.entry.as_mut().map(|entry| &mut entry.value)
    }

    /// Puts `value` in, as the one used last; others go until all fit. One that costs more than the bound is not kept.
    pub(super) fn insert(&mut self, key: &[u8], value: V, cost: usize) {
        self.remove(key);
        if cost > self.bound {
            return;
        }
        while self.cost > self.bound.saturating_sub(cost) {
            self.remove_id(self.oldest);
        }
        let hash = self.hash(key);
        let slot = Slot {
            hash,
            newer: NONE,
            older: NONE,
            entry: Some(Entry {
                key: key.into(),
                value,
                cost,
            }),
        };
        let Some(id) = self.place(slot) else { return };
        self.cost = self.cost.saturating_add(cost);
        let slots = &self.slots;
        self.table
            .insert_unique(hash, id, |other| at(slots, *other).map_or(0, |slot| slot.hash));
        self.link_newest(id);
    }

    /// Takes `key` out.
    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(id) = self.find(self.hash(key), key) {
            self.remove_id(id);
        }
    }

    /// Takes everything out, and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.table = HashTable::new();
        self.slots = Vec::new();
        self.free = Vec::new();
        (self.newest, self.oldest, self.cost) = (NONE, NONE, 0);
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let is_key = |id: &u32| {
            at(&self.slots, *id)
                .and_then(|slot| slot.entry.as_ref())
                .is_some_and(|entry| same(&entry.key, key))
        };
        self.table.find(hash, is_key).copied()
    }

    /// Puts the slot where there is room, and tells where.
    fn place(&mut self, slot: Slot<V>) -> Option<u32> {
        if let Some(id) = self.free.pop() {
            *self.slot_mut(id)? = slot;
            return Some(id);
        }
        let id = u32::try_from(self.slots.len()).ok().filter(|id| *id != NONE)?;
        self.slots.push(slot);
        Some(id)
    }

    fn remove_id(&mut self, id: u32) {
        self.unlink(id);
        let Some(slot) = self.slot_mut(id) else { return };
        let hash = slot.hash;
        let Some(entry) = slot.entry.take() else { return };
        self.cost = self.cost.saturating_sub(entry.cost);
        if let Ok(found) = self.table.find_entry(hash, |other| *other == id) {
            found.remove();
        }
        self.free.push(id);
    }

    fn link_newest(&mut self, id: u32) {
        let before = core::mem::replace(&mut self.newest, id);
        if let Some(slot) = self.slot_mut(id) {
            (slot.newer, slot.older) = (NONE, before);
        }
        match self.slot_mut(before) {
            Some(slot) => slot.newer = id,
            None => self.oldest = id,
        }
    }

    fn unlink(&mut self, id: u32) {
        let Some((newer, older)) = self.slot_mut(id).map(|slot| (slot.newer, slot.older)) else {
            return;
        };
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn slot_mut(&mut self, id: u32) -> Option<&mut Slot<V>> {
        self.slots.get_mut(usize::try_from(id).ok()?)
    }
}

fn at<V>(slots: &[Slot<V>], id: u32) -> Option<&Slot<V>> {
    slots.get(usize::try_from(id).ok()?)
}

/// Whether both are the same bytes, eight at a time: `==` becomes a loop over single bytes on wasm32, which was two thirds of the cost of a hit.
fn same(left: &[u8], right: &[u8]) -> bool {
    let ((left_words, left_rest), (right_words, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    left.len() == right.len() && left_rest == right_rest && left_words.iter().map(word).eq(right_words.iter().map(word))
}

#[cfg(test)]
mod tests {
    use super::Lru;

    fn table(bound: usize) -> Lru<u32> {
        Lru::new(bound, 7)
    }

    fn values(lru: &mut Lru<u32>, keys: [&[u8]; 5]) -> [Option<u32>; 5] {
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
