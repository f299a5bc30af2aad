//! What was probably meant.

/// Longer names are not compared: nothing that is known is as long.
const LONGEST: usize = 64;
/// How many edits still look like a slip.
const SLIP: usize = 2;

/// The one of `known` that is nearest to `given`: at most two edits away (Damerau-Levenshtein, adjacent transpositions), whatever the case and the `_` and `-`.
pub(crate) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let mut known = known.into_iter();
    nearest_of(given, &mut || known.next())
}

// One for every kind of list: each would have a copy of its own.
#[inline(never)]
fn nearest_of<'k>(given: &str, next: &mut dyn FnMut() -> Option<&'k str>) -> Option<&'k str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = folded(given);
    core::iter::from_fn(next)
        .filter(|name| name.len() <= LONGEST)
        .filter_map(|name| {
            let other = folded(name);
            let edits = distance(&given, &other);
            // Half of a short word is no slip.
            let near = edits <= SLIP && edits.saturating_mul(2) < given.len().max(other.len());
            near.then_some((edits, name))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Optimal string alignment with three rolling rows.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i.saturating_add(1));
        for (j, b) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
            let next = j.saturating_add(1);
            let replaced = at(&last, j).saturating_add(usize::from(a != b));
            let removed = at(&last, next).saturating_add(1);
            let inserted = at(&row, j).saturating_add(1);
            let mut least = replaced.min(removed).min(inserted);
            let swapped = i.checked_sub(1).zip(j.checked_sub(1));
            if let Some((i, j)) = swapped
                && left.get(i) == Some(b)
                && right.get(j) == Some(a)
            {
                least = least.min(at(&before, j).saturating_add(1));
            }
            row.push(least);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["permissions", "paths", "from", "hosts", "maxTokenLifetime"];
        for (given, meant) in [
            ("permisions", Some("permissions")),
            ("premissions", Some("permissions")),
            ("form", Some("from")),
            ("path", Some("paths")),
            ("Hosts", Some("hosts")),
            ("max_token_life_time", Some("maxTokenLifetime")),
            ("max-token-lifetimes", Some("maxTokenLifetime")),
            ("if", None),
            ("to", None),
            ("completely", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }

    #[test]
    fn edits_are_counted() {
        let count = |left: &str, right: &str| distance(&folded(left), &folded(right));
        for (left, right, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("abc", "acb", 1),
            ("abc", "xbz", 2),
            ("abcd", "bcd", 1),
        ] {
            assert_eq!(count(left, right), edits, "{left} {right}");
            assert_eq!(count(right, left), edits, "{right} {left}");
        }
    }
}
