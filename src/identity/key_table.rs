//! Which keys verify for which Region now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::key_ring::KeyRing;
use crate::bundle::RegionId;
use crate::bundle::document::{KeySource, Region};

/// The key rings of all Regions of a generation: inline ones, and those that were fetched.
#[derive(Debug, Default)]
pub struct KeyTable {
    rows: Vec<Option<Row>>,
}

#[derive(Debug)]
struct Row {
    ring: Arc<KeyRing>,
    digest: [u8; 32],
}

/// A key that more than one Region holds: whoever signs for one could sign for the other, so it verifies for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedKey {
    /// The first Region that holds it.
    pub first: RegionId,
    /// Another one.
    pub second: RegionId,
}

impl KeyTable {
    /// The table of these Regions' inline keys; those of other Regions are not there.
    #[must_use]
    pub fn inline(regions: &[Region]) -> Self {
        let rings = regions.iter().map(|region| match &region.keys.source {
            KeySource::Inline(ring) => Some(Arc::clone(ring)),
            KeySource::Remote(_) | KeySource::Discovery(_) => None,
        });
        Self::new(rings).0
    }

    /// The table of these rings, in the order of their Regions; `None` where none is there. A key that two of them hold is left out of both, and told.
    #[must_use]
    pub fn new(rings: impl IntoIterator<Item = Option<Arc<KeyRing>>>) -> (Self, Vec<SharedKey>) {
        let rings: Vec<Option<Arc<KeyRing>>> = rings.into_iter().collect();
        let shared = shared(&rings);
        let row = |ring: Arc<KeyRing>| {
            let ring = if ring.thumbprints().any(|key| shared.contains_key(key)) {
                Arc::new(ring.without(|key| shared.contains_key(key)))
            } else {
                ring
            };
            Row {
                digest: ring.digest(),
                ring,
            }
        };
        let rows = rings.into_iter().map(|ring| ring.map(row)).collect();
        (Self { rows }, shared.into_values().collect())
    }

    /// The keys of a Region; `None` where they are not there (yet, or not any more).
    #[must_use]
    pub fn ring(&self, region: RegionId) -> Option<&KeyRing> {
        Some(&self.rows.get(region.index())?.as_ref()?.ring)
    }

    /// [`KeyRing::digest`] of those.
    #[must_use]
    pub fn digest(&self, region: RegionId) -> Option<&[u8; 32]> {
        Some(&self.rows.get(region.index())?.as_ref()?.digest)
    }
}

fn shared(rings: &[Option<Arc<KeyRing>>]) -> BTreeMap<[u8; 32], SharedKey> {
    let mut owners: BTreeMap<[u8; 32], RegionId> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for (second, ring) in (0..).map(RegionId).zip(rings) {
        let mut keys: BTreeSet<&[u8; 32]> = BTreeSet::new();
        keys.extend(ring.iter().flat_map(|ring| ring.thumbprints()));
        for key in keys {
            let first = *owners.entry(*key).or_insert(second);
            if first != second {
                shared.entry(*key).or_insert(SharedKey { first, second });
            }
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{KeyTable, SharedKey};
    use crate::bundle::RegionId;
    use crate::identity::{Algorithm, KeyRing, base64url};

    fn ring(keys: &[(&str, u8)]) -> Option<Arc<KeyRing>> {
        let jwk = |(kid, byte): &(&str, u8)| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64url::encode(&[*byte; 32])});
        let keys: Vec<Value> = keys.iter().map(jwk).collect();
        Some(Arc::new(KeyRing::from_json(&keys, None).ring))
    }

    #[test]
    fn a_key_that_two_regions_hold_verifies_for_neither() {
        // The same key under two names, too.
        let (table, shared) = KeyTable::new([
            ring(&[("own", 1), ("a", 9)]),
            None,
            ring(&[("b", 9), ("mine", 2)]),
            ring(&[("c", 9)]),
            ring(&[("d", 4), ("e", 4)]),
        ]);
        let told = SharedKey {
            first: RegionId(0),
            second: RegionId(2),
        };
        assert_eq!(shared, [told]);
        let knows = |region: u16, kid: &str| {
            let ring = table.ring(RegionId(region));
            ring.is_some_and(|ring| ring.select(Some(kid), Algorithm::EdDSA).is_ok())
        };
        assert!(knows(0, "own") && !knows(0, "a") && knows(2, "mine") && !knows(2, "b") && !knows(3, "c"));
        assert!(table.ring(RegionId(1)).is_none() && table.digest(RegionId(1)).is_none());
        assert!(table.ring(RegionId(3)).is_some_and(KeyRing::is_empty));
        assert!(table.ring(RegionId(5)).is_none());
        // Two names for one key within a Region are its own affair.
        assert!(knows(4, "d") && knows(4, "e"));
    }
}
