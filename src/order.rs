//! Sorting in little code, for what is done once when a bundle is loaded.
//!
//! Each use of the standard library's sorts is some 8 KB of the module, whatever is sorted; this is one sort for all of them.

use core::cmp::Ordering;

/// Sorts `items` by `compare`; those that are equal keep their order. It takes `n log n` comparisons and as many numbers as there are items.
pub(crate) fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    merge_sort(
        &mut order,
        &mut |left, right| match (items.get(left), items.get(right)) {
            (Some(left), Some(right)) => compare(left, right),
            _ => Ordering::Equal,
        },
    );
    // `order` says for each place which item comes there: each cycle of it is followed once.
    for start in 0..items.len() {
        let mut place = start;
        while let Some(slot) = order.get_mut(place) {
            let from = core::mem::replace(slot, place);
            if from == start || from == place {
                break;
            }
            items.swap(place, from);
            place = from;
        }
    }
}

/// Bottom-up, by pairs of runs.
fn merge_sort(order: &mut Vec<usize>, compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    let mut merged = Vec::with_capacity(order.len());
    let mut run = 1_usize;
    while run < order.len() {
        merged.clear();
        for pair in order.chunks(run.saturating_mul(2)) {
            let (mut left, mut right) = pair.split_at_checked(run).unwrap_or((pair, &[]));
            while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
                if compare(*first, *second).is_le() {
                    merged.push(*first);
                    left = left_rest;
                } else {
                    merged.push(*second);
                    right = right_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        core::mem::swap(order, &mut merged);
        run = run.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::sort_by;

    #[test]
    fn it_sorts_as_the_standard_library_does_and_keeps_the_order_of_equals() {
        let mut state = 12_345_u64;
        for length in (0..70).chain([1_000, 4_096, 10_007]) {
            let items: Vec<(u64, usize)> = (0..length)
                .map(|index| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (state >> 59, index)
                })
                .collect();
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(ours, theirs, "{length}");
        }
    }

    #[test]
    fn what_is_sorted_need_not_be_copied() {
        let mut texts = ["b", "a", "c"].map(Box::<str>::from);
        sort_by(&mut texts, Ord::cmp);
        assert_eq!(texts.iter().map(|text| &**text).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
