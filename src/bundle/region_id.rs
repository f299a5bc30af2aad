//! Regions by number.

/// A Region of one generation: its place among the Regions sorted by name. Never kept beyond its generation, but for what is keyed by the trust digest, which
/// covers the names and so the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u16);

impl RegionId {
    /// The place, to look up with.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
