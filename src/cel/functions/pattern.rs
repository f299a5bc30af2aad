//! Regular expressions that are matched in linear time: what `matches` understands.
//!
//! The syntax is a subset of RE2's, which is CEL's: what is written means there what it means here, and what is not of the subset is refused by name. A text is matched
//! by following every way through the pattern at once, so a match takes no more than the length of the text times that of the pattern, whatever either of them is, and
//! no memory but a few words on the stack.

mod compile;
mod parse;
mod set;

use std::fmt;

use compile::{Program, Step};
use set::Set;

/// The longest pattern, in bytes.
pub(super) const MAX_PATTERN: usize = 1024;

/// The most steps of a pattern, where each repetition with a count is written out.
pub(super) const MAX_STEPS: usize = 1024;

/// How deep groups may stand in each other.
pub(super) const MAX_DEPTH: usize = 32;

/// A pattern, ready to be matched.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    program: Program,
    /// What the first character of a match can be, where every match has one.
    first: Option<First>,
    /// A match begins where the text does.
    anchored: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is none, is outside of the subset, or is too long: where, and why.
    pub(super) fn new(source: &str) -> Result<Self, Wrong> {
        if source.len() > MAX_PATTERN {
            return Err(PatternError::new(
                0,
                &format!(
                    "a pattern has at most {MAX_PATTERN} bytes, and this one has {}",
                    source.len()
                ),
            ));
        }
        let tree = parse::parse(source)?;
        let program = compile::compile(tree)?;
        let (anchored, first) = beginning(&program);
        Ok(Self {
            program,
            first,
            anchored,
        })
    }

    /// Whether the pattern matches some part of the text; `None` where that took more than `fuel` steps, of which as many are taken as were needed.
    #[must_use]
    pub(super) fn is_match(&self, text: &str, fuel: &mut u64) -> Option<bool> {
        // One place more than there are steps is the end.
        if self.program.steps.len() < 64 {
            self.run::<1>(text, fuel)
        } else {
            self.run::<{ MAX_STEPS.div_ceil(64) }>(text, fuel)
        }
    }

    fn run<const WORDS: usize>(&self, text: &str, fuel: &mut u64) -> Option<bool> {
        let mut places = Bits::<WORDS>::default();
        let mut before = None;
        let mut rest = text;
        loop {
            if !self.anchored || before.is_none() {
                places.insert(0);
            }
            let mut characters = rest.chars();
            let here = Here {
                before,
                after: characters.next(),
            };
            let waiting = match self.close(places, &here, fuel)? {
                Closed::Matched => return Some(true),
                Closed::Waiting(waiting) => waiting,
            };
            let Some(character) = here.after else {
                return Some(false);
            };
            places = self.advance(waiting, character, fuel)?;
            before = Some(character);
            rest = characters.as_str();
            if places.is_empty() {
                if self.anchored {
                    return Some(false);
                }
                if let Some(first) = &self.first {
                    let skipped = first.skip(rest);
                    *fuel = fuel.checked_sub(u64::try_from(skipped.div_euclid(16)).unwrap_or(u64::MAX))?;
                    rest = rest.get(skipped..).unwrap_or_default();
                }
            }
        }
    }

    /// Follows what takes no character, up to the steps that wait for one.
    fn close<const WORDS: usize>(&self, mut places: Bits<WORDS>, here: &Here, fuel: &mut u64) -> Option<Closed<WORDS>> {
        let mut seen = Bits::<WORDS>::default();
        let mut waiting = Bits::<WORDS>::default();
        while let Some(place) = places.pop() {
            if !seen.insert(place) {
                continue;
            }
            *fuel = fuel.checked_sub(1)?;
            match self.program.steps.get(place) {
                None => return Some(Closed::Matched),
                Some(Step::Character(_) | Step::Set(_)) => {
                    waiting.insert(place);
                }
                Some(Step::Either(this, that)) => {
                    places.insert_unless(usize::from(*this), &seen);
                    places.insert_unless(usize::from(*that), &seen);
                }
                Some(Step::Look(look)) => {
                    if here.is(*look) {
                        places.insert_unless(place.saturating_add(1), &seen);
                    }
                }
            }
        }
        Some(Closed::Waiting(waiting))
    }

    fn advance<const WORDS: usize>(
        &self,
        mut waiting: Bits<WORDS>,
        character: char,
        fuel: &mut u64,
    ) -> Option<Bits<WORDS>> {
        let mut places = Bits::<WORDS>::default();
        while let Some(place) = waiting.pop() {
            *fuel = fuel.checked_sub(1)?;
            let taken = match self.program.steps.get(place) {
                Some(Step::Character(wanted)) => *wanted == character,
                Some(Step::Set(index)) => self
                    .program
                    .sets
                    .get(usize::from(*index))
                    .is_some_and(|set| set.contains(character)),
                _ => false,
            };
            if taken {
                places.insert(place.saturating_add(1));
            }
        }
        Some(places)
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatternError {
    at: usize,
    message: String,
}

/// The same where it is handed on: in a box, which costs little.
type Wrong = Box<PatternError>;

impl PatternError {
    #[cold]
    #[inline(never)]
    fn new(at: usize, message: &str) -> Wrong {
        Box::new(Self {
            at,
            message: message.to_owned(),
        })
    }

    /// Where in the pattern, in bytes.
    #[must_use]
    pub(super) fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What can be asked of a place between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}

/// A place between two characters.
struct Here {
    before: Option<char>,
    after: Option<char>,
}

impl Here {
    fn is(&self, look: Look) -> bool {
        let word = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let boundary = word(self.before) != word(self.after);
        match look {
            Look::TextStart => self.before.is_none(),
            Look::TextEnd => self.after.is_none(),
            Look::LineStart => self.before.is_none_or(|c| c == '\n'),
            Look::LineEnd => self.after.is_none_or(|c| c == '\n'),
            Look::WordBoundary => boundary,
            Look::NoWordBoundary => !boundary,
        }
    }
}

enum Closed<const WORDS: usize> {
    Matched,
    Waiting(Bits<WORDS>),
}

/// A set of places in a program.
#[derive(Clone, Copy)]
struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Bits<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> Bits<WORDS> {
    /// Whether the place was not there before. There is none beyond the end: a program is shorter than the set has bits.
    fn insert(&mut self, place: usize) -> bool {
        let bit = 1 << (place % 64);
        let Some(word) = self.0.get_mut(place / 64) else {
            return false;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn insert_unless(&mut self, place: usize, other: &Self) {
        if other
            .0
            .get(place / 64)
            .is_some_and(|word| word & (1 << (place % 64)) == 0)
        {
            self.insert(place);
        }
    }

    fn pop(&mut self) -> Option<usize> {
        for (index, word) in self.0.iter_mut().enumerate() {
            if *word != 0 {
                let bit = usize::try_from(word.trailing_zeros()).unwrap_or_default();
                *word &= word.wrapping_sub(1);
                return Some(index.saturating_mul(64).saturating_add(bit));
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// The characters with which a match can begin: those of ASCII that are in the mask, and all others.
#[derive(Debug, Clone)]
struct First(u128);

impl First {
    /// How many bytes of the text no match can begin at.
    fn skip(&self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let may_begin = |byte: &u8| !byte.is_ascii() || self.0 & (1 << (byte & 0x7f)) != 0;
        bytes.iter().position(may_begin).unwrap_or(bytes.len())
    }
}

/// Whether each match begins with the text, and with which characters it can begin, where that hangs on nothing else.
fn beginning(program: &Program) -> (bool, Option<First>) {
    let anchored = matches!(program.steps.first(), Some(Step::Look(Look::TextStart)));
    let mut places = Bits::<{ MAX_STEPS.div_ceil(64) }>::default();
    let mut seen = places;
    let mut first = 0;
    places.insert(0);
    while let Some(place) = places.pop() {
        if !seen.insert(place) {
            continue;
        }
        match program.steps.get(place) {
            // An empty match begins anywhere, and what looks around has to be asked everywhere.
            None | Some(Step::Look(_)) => return (anchored, None),
            Some(Step::Character(character)) => {
                if let Ok(byte @ ..0x80) = u8::try_from(*character) {
                    first |= 1 << byte;
                }
            }
            Some(Step::Set(index)) => first |= program.sets.get(usize::from(*index)).map_or(u128::MAX, Set::ascii),
            Some(Step::Either(this, that)) => {
                places.insert(usize::from(*this));
                places.insert(usize::from(*that));
            }
        }
    }
    (anchored, Some(First(first)))
}

#[cfg(test)]
mod tests;
