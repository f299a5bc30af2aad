//! Sets of characters.

use crate::order;

/// A set of characters: those of ASCII as a mask, the others as ranges in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    ascii: u128,
    ranges: Vec<(char, char)>,
}

impl Set {
    pub(super) fn contains(&self, character: char) -> bool {
        match u8::try_from(character) {
            Ok(byte @ ..0x80) => self.ascii & (1 << byte) != 0,
            _ => self
                .ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&character)),
        }
    }

    /// The characters of ASCII that are in the set.
    pub(super) fn ascii(&self) -> u128 {
        self.ascii
    }
}

/// A set in the making: ranges in any order, which may overlap.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(char, char)>);

impl Ranges {
    pub(super) fn push(&mut self, first: char, last: char) {
        self.0.push((first, last));
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All other characters.
    pub(super) fn complement(self) -> Self {
        let mut rest = Vec::new();
        let mut next = Some('\0');
        for (first, last) in self.normal() {
            if let Some(start) = next
                && let Some(end) = before(first)
                && start <= end
            {
                rest.push((start, end));
            }
            next = after(last);
        }
        rest.extend(next.map(|start| (start, char::MAX)));
        Self(rest)
    }

    /// With each letter of ASCII its other case.
    pub(super) fn fold(&mut self) {
        let mut folded = Vec::new();
        for (first, last) in &self.0 {
            for (letters, others) in [(('a', 'z'), ('A', 'Z')), (('A', 'Z'), ('a', 'z'))] {
                let (start, end) = ((*first).max(letters.0), (*last).min(letters.1));
                if start <= end {
                    let other = |letter: char| {
                        if others.0 == 'A' {
                            letter.to_ascii_uppercase()
                        } else {
                            letter.to_ascii_lowercase()
                        }
                    };
                    folded.push((other(start), other(end)));
                }
            }
        }
        self.0.extend(folded);
    }

    pub(super) fn into_set(self) -> Set {
        let mut set = Set {
            ascii: 0,
            ranges: Vec::new(),
        };
        for (first, last) in self.normal() {
            for byte in 0..0x80_u8 {
                if (first..=last).contains(&char::from(byte)) {
                    set.ascii |= 1 << byte;
                }
            }
            if last > '\x7f' {
                set.ranges.push((first.max('\u{80}'), last));
            }
        }
        set
    }

    /// The same characters, in ascending order, none twice.
    fn normal(mut self) -> Vec<(char, char)> {
        order::sort_by(&mut self.0, Ord::cmp);
        let mut merged: Vec<(char, char)> = Vec::new();
        for (first, last) in self.0 {
            match merged.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        merged
    }
}

/// The set of a name: `\d` and its kind as one letter, those of POSIX by their names.
pub(super) fn named(name: &str) -> Option<Ranges> {
    let ranges: &[(char, char)] = match name {
        "d" | "digit" => &[('0', '9')],
        "s" => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        "w" | "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(Ranges(ranges.to_vec()))
}

fn before(character: char) -> Option<char> {
    match character {
        '\0' => None,
        '\u{e000}' => Some('\u{d7ff}'),
        other => char::from_u32(u32::from(other).saturating_sub(1)),
    }
}

fn after(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other).saturating_add(1)),
    }
}
