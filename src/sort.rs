//! Sorting, by one routine for all types: the standard library makes 10 to 30 KB of code for each type that it sorts, which were a fifth of the module.

use core::cmp::Ordering;

/// Slices that can be put in order. All of these keep equal items in the order in which they stood.
pub(crate) trait Arrange<T> {
    /// Puts the items in their own order.
    fn arrange(&mut self)
    where
        T: Ord;

    /// Puts the items in the order of their keys.
    fn arrange_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K);

    /// Puts the items in the order that `compare` says, which has to be a total one. Few items are moved where they stand, without an allocation.
    fn arrange_by(&mut self, compare: impl FnMut(&T, &T) -> Ordering);
}

/// Up to so many items are a few: moving each to its place takes fewer steps than anything else.
const FEW: usize = 16;

impl<T> Arrange<T> for [T] {
    fn arrange(&mut self)
    where
        T: Ord,
    {
        self.arrange_by(T::cmp);
    }

    fn arrange_by_key<K: Ord>(&mut self, mut key: impl FnMut(&T) -> K) {
        self.arrange_by(|left, right| key(left).cmp(&key(right)));
    }

    fn arrange_by(&mut self, mut compare: impl FnMut(&T, &T) -> Ordering) {
        if self.len() <= FEW {
            for end in 1..self.len() {
                let mut at = end;
                while let Some(before) = at.checked_sub(1)
                    && let (Some(left), Some(right)) = (self.get(before), self.get(at))
                    && compare(left, right) == Ordering::Greater
                {
                    self.swap(before, at);
                    at = before;
                }
            }
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        sort_numbers(&mut order, &mut |left, right| match (self.get(left), self.get(right)) {
            (Some(left), Some(right)) => compare(left, right),
            _ => Ordering::Equal,
        });
        for start in 0..order.len() {
            // What belongs here comes from there, what belongs there from elsewhere, until what stood here at first has its place.
            let mut at = start;
            while let Some(place) = order.get_mut(at) {
                let from = core::mem::replace(place, at);
                if from == start {
                    break;
                }
                self.swap(at, from);
                at = from;
            }
        }
    }
}

fn sort_numbers(numbers: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    numbers.sort_unstable_by(|left, right| compare(*left, *right).then(left.cmp(right)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Arrange as _;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(mut items: Vec<(u8, u32)>) {
            let mut expected = items.clone();
            expected.sort();
            let mut by_key = items.clone();
            items.arrange();
            prop_assert_eq!(&items, &expected);
            let mut stable = by_key.clone();
            stable.sort_by_key(|(key, _)| *key);
            by_key.arrange_by_key(|(key, _)| *key);
            prop_assert_eq!(by_key, stable);
        }
    }
}
