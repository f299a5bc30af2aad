//! The syntax of patterns.

use super::set::{Ranges, Set, named};
use super::{Look, MAX_DEPTH, PatternError, Wrong};

/// The largest count of a repetition, as in RE2.
const MAX_COUNT: u32 = 1000;

/// A pattern as it is written.
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) sets: Vec<Set>,
}

pub(super) enum Node {
    Empty,
    Character(char),
    /// The set of this number.
    Set(u16),
    Look(Look),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
    },
}

/// # Errors
/// It is no pattern of the subset: where, and why.
pub(super) fn parse(source: &str) -> Result<Tree, Wrong> {
    let mut parser = Parser {
        source,
        at: 0,
        sets: Vec::new(),
    };
    let root = parser.choice(Flags::default(), 0)?;
    if parser.peek().is_some() {
        return Err(parser.error("`)` closes no group: write `\\)` for the character"));
    }
    Ok(Tree {
        root,
        sets: parser.sets,
    })
}

/// What `(?ims)` switches.
#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    lines: bool,
    dot_all: bool,
}

struct Parser<'s> {
    source: &'s str,
    at: usize,
    sets: Vec<Set>,
}

/// What an escape or an item of a set stands for.
enum Item {
    Character(char),
    Ranges(Ranges),
    Look(Look),
}

impl Parser<'_> {
    fn choice(&mut self, mut flags: Flags, depth: usize) -> Result<Node, Wrong> {
        if depth > MAX_DEPTH {
            return Err(self.error(&format!("groups stand in each other more than {MAX_DEPTH} deep")));
        }
        let mut ways = Vec::new();
        let mut sequence = Vec::new();
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.bump();
                    ways.push(sequence_of(std::mem::take(&mut sequence)));
                }
                '(' => {
                    if let Some(node) = self.group(&mut flags, depth)? {
                        let node = self.repeated(node)?;
                        sequence.push(node);
                    }
                }
                _ => {
                    let node = self.atom(flags)?;
                    let node = self.repeated(node)?;
                    sequence.push(node);
                }
            }
        }
        let last = sequence_of(sequence);
        if ways.is_empty() {
            return Ok(last);
        }
        ways.push(last);
        Ok(Node::Choice(ways))
    }

    /// A group from its `(` on; none where it only switches flags for what follows.
    fn group(&mut self, flags: &mut Flags, depth: usize) -> Result<Option<Node>, Wrong> {
        let open = self.at;
        self.bump();
        let mut inner = *flags;
        if self.eat("?") {
            if ["=", "!", "<=", "<!"].iter().any(|look| self.rest().starts_with(look)) {
                let message = "look-around cannot be matched in linear time: write what is to match, and combine `matches` with `&&` and `!`";
                return Err(PatternError::new(open, message));
            } else if self.eat("P<") || self.eat("<") {
                self.group_name()?;
            } else if self.eat("P=") {
                return Err(PatternError::new(open, BACK_REFERENCE));
            } else if self.flags(&mut inner)? {
                *flags = inner;
                return Ok(None);
            }
        }
        let node = self.choice(inner, depth.saturating_add(1))?;
        if !self.eat(")") {
            return Err(PatternError::new(
                open,
                "this group is not closed: write `\\(` for the character",
            ));
        }
        Ok(Some(node))
    }

    fn group_name(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.bump();
        }
        if self.at == start || !self.eat(">") {
            return Err(PatternError::new(
                start,
                "the name of a group has letters, digits and `_`, and ends with `>`",
            ));
        }
        Ok(())
    }

    /// Flags up to their `)` or `:`; whether it was the `)`.
    fn flags(&mut self, flags: &mut Flags) -> Result<bool, Wrong> {
        let start = self.at;
        let mut on = true;
        loop {
            match self.bump() {
                Some('i') => flags.ignore_case = on,
                Some('m') => flags.lines = on,
                Some('s') => flags.dot_all = on,
                // Which of several matches is meant makes no difference to whether there is one.
                Some('U') => {}
                Some('-') if on => on = false,
                Some(':') => return Ok(false),
                Some(')') if self.at > start.saturating_add(1) => return Ok(true),
                _ => {
                    return Err(PatternError::new(
                        start,
                        "a group that begins with `(?` goes on with `:`, `P<name>` or flags out of `i`, `m`, `s` and `U`",
                    ));
                }
            }
        }
    }

    fn atom(&mut self, flags: Flags) -> Result<Node, Wrong> {
        let start = self.at;
        match self.bump() {
            None => Ok(Node::Empty),
            Some('^') => Ok(Node::Look(if flags.lines { Look::LineStart } else { Look::TextStart })),
            Some('$') => Ok(Node::Look(if flags.lines { Look::LineEnd } else { Look::TextEnd })),
            Some('.') => {
                let mut none = Ranges::default();
                if !flags.dot_all {
                    none.push('\n', '\n');
                }
                self.set(none.complement(), start)
            }
            Some('[') => {
                let ranges = self.class(flags, start)?;
                self.set(ranges, start)
            }
            Some('*' | '+' | '?') => Err(PatternError::new(
                start,
                "there is nothing to repeat before this: write a `\\` before it for the character",
            )),
            Some('\\') => match self.escape(start)? {
                Item::Character(character) => self.character(character, flags, start),
                Item::Ranges(ranges) => self.set(ranges, start),
                Item::Look(look) => Ok(Node::Look(look)),
            },
            Some(character) => self.character(character, flags, start),
        }
    }

    /// What follows says how often.
    fn repeated(&mut self, node: Node) -> Result<Node, Wrong> {
        let Some((least, most)) = self.repetition()? else {
            return Ok(node);
        };
        // Lazy or greedy makes no difference to whether there is a match.
        self.eat("?");
        let next = self.at;
        if self.repetition()?.is_some() {
            return Err(PatternError::new(
                next,
                "a repetition is repeated: put a group around the first",
            ));
        }
        Ok(Node::Repeat {
            node: Box::new(node),
            least,
            most,
        })
    }

    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, Wrong> {
        let bounds = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            // As in RE2, a brace that encloses no counts is a character.
            Some('{') => return self.counts(),
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some(bounds))
    }

    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, Wrong> {
        let start = self.at;
        let Some((inside, _)) = self.rest().get(1..).and_then(|rest| rest.split_once('}')) else {
            return Ok(None);
        };
        let (least, most) = match inside.split_once(',') {
            None => (inside, Some(inside)),
            Some((least, "")) => (least, None),
            Some((least, most)) => (least, Some(most)),
        };
        let is_count = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_count(least) || !most.is_none_or(is_count) {
            return Ok(None);
        }
        let end = start.saturating_add(inside.len()).saturating_add(2);
        let read = |text: &str| text.parse().ok().filter(|count| *count <= MAX_COUNT);
        let refuse = || {
            PatternError::new(
                start,
                &format!("a count is at most {MAX_COUNT}, and the second is not below the first"),
            )
        };
        let least = read(least).ok_or_else(refuse)?;
        let most = most
            .map(|most| read(most).filter(|most| *most >= least).ok_or_else(refuse))
            .transpose()?;
        self.at = end;
        Ok(Some((least, most)))
    }

    fn class(&mut self, flags: Flags, open: usize) -> Result<Ranges, Wrong> {
        let negated = self.eat("^");
        let mut ranges = Ranges::default();
        let mut empty = true;
        loop {
            let start = self.at;
            if self.eat("[:") {
                ranges.extend(self.posix(flags, start)?);
            } else {
                match self.bump() {
                    None => {
                        return Err(PatternError::new(
                            open,
                            "this set is not closed: write `\\[` for the character",
                        ));
                    }
                    // First in a set, it is one of its characters.
                    Some(']') if !empty => break,
                    Some('\\') => match self.escape(start)? {
                        Item::Character(first) => self.range(first, flags, start, &mut ranges)?,
                        Item::Ranges(other) => ranges.extend(other),
                        Item::Look(_) => {
                            return Err(PatternError::new(
                                start,
                                "this stands for no character, and cannot be in a set",
                            ));
                        }
                    },
                    Some(first) => self.range(first, flags, start, &mut ranges)?,
                }
            }
            empty = false;
        }
        if flags.ignore_case {
            ranges.fold();
        }
        Ok(if negated { ranges.complement() } else { ranges })
    }

    /// A range from `first` to what stands behind a `-`, or that character alone.
    fn range(&mut self, first: char, flags: Flags, start: usize, ranges: &mut Ranges) -> Result<(), Wrong> {
        let mut last = first;
        if self.peek() == Some('-') && !self.rest().starts_with("-]") {
            self.bump();
            let end = self.at;
            last = match self.bump() {
                Some('\\') => match self.escape(end)? {
                    Item::Character(last) => last,
                    _ => return Err(PatternError::new(end, "a range ends with a character")),
                },
                Some(last) => last,
                None => return Err(PatternError::new(start, "this range has no end")),
            };
        }
        if last < first {
            return Err(PatternError::new(start, "the end of this range comes before its start"));
        }
        if flags.ignore_case {
            ascii_only(last, start)?;
        }
        ranges.push(first, last);
        Ok(())
    }

    /// A class of POSIX, behind its `[:`.
    fn posix(&mut self, flags: Flags, start: usize) -> Result<Ranges, Wrong> {
        let negated = self.eat("^");
        let name = self.rest().split_once(":]").map(|(name, _)| name).unwrap_or_default();
        let length = name.len();
        // `[[:word:]]` is RE2's too, `[[:d:]]` is not.
        let mut ranges = Some(name).filter(|name| name.len() > 1).and_then(named).ok_or_else(|| {
            PatternError::new(start, "there is no such class: they are `[:alpha:]`, `[:digit:]`, `[:alnum:]`, `[:upper:]`, `[:lower:]`, `[:space:]`, `[:punct:]` and the others of POSIX")
        })?;
        self.at = self.at.saturating_add(length).saturating_add(2);
        // Before it is negated: the other case of what is not in it may be in it.
        if flags.ignore_case {
            ranges.fold();
        }
        Ok(if negated { ranges.complement() } else { ranges })
    }

    /// An escape, behind its `\`.
    fn escape(&mut self, start: usize) -> Result<Item, Wrong> {
        let Some(character) = self.bump() else {
            return Err(PatternError::new(
                start,
                "a `\\` stands before a character: write `\\\\` for itself",
            ));
        };
        Ok(match character {
            'd' | 's' | 'w' | 'D' | 'S' | 'W' => {
                let name = character.to_ascii_lowercase();
                let ranges = named(name.encode_utf8(&mut [0; 4])).unwrap_or_default();
                Item::Ranges(if character == name { ranges } else { ranges.complement() })
            }
            'A' => Item::Look(Look::TextStart),
            'z' => Item::Look(Look::TextEnd),
            'b' => Item::Look(Look::WordBoundary),
            'B' => Item::Look(Look::NoWordBoundary),
            'a' => Item::Character('\x07'),
            'f' => Item::Character('\x0c'),
            'n' => Item::Character('\n'),
            'r' => Item::Character('\r'),
            't' => Item::Character('\t'),
            'v' => Item::Character('\x0b'),
            'x' => Item::Character(self.hexadecimal(start)?),
            '0'..='9' => return Err(PatternError::new(start, BACK_REFERENCE)),
            'p' | 'P' => {
                let message = "classes of Unicode are not supported: name the characters, as in `[a-zäöü]`";
                return Err(PatternError::new(start, message));
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => Item::Character(other),
            other => {
                let message = format!("there is no escape `\\{}`", other.escape_default());
                return Err(PatternError::new(start, &message));
            }
        })
    }

    /// The digits of `\x41` or `\x{1F600}`.
    fn hexadecimal(&mut self, start: usize) -> Result<char, Wrong> {
        let rest = self.rest();
        let (digits, length) = match rest.strip_prefix('{') {
            Some(rest) => rest
                .split_once('}')
                .map(|(digits, _)| (digits, digits.len().saturating_add(2))),
            None => rest.get(..2).map(|digits| (digits, 2)),
        }
        .unwrap_or_default();
        let is_hexadecimal = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
        let character = number.and_then(char::from_u32).ok_or_else(|| {
            PatternError::new(
                start,
                "`\\x` is followed by two hexadecimal digits, or a code point in braces: `\\x41`, `\\x{1F600}`",
            )
        })?;
        self.at = self.at.saturating_add(length);
        Ok(character)
    }

    fn character(&mut self, character: char, flags: Flags, start: usize) -> Result<Node, Wrong> {
        if !flags.ignore_case {
            return Ok(Node::Character(character));
        }
        ascii_only(character, start)?;
        if !character.is_ascii_alphabetic() {
            return Ok(Node::Character(character));
        }
        let mut both = Ranges::default();
        both.push(character, character);
        both.fold();
        self.set(both, start)
    }

    fn set(&mut self, ranges: Ranges, start: usize) -> Result<Node, Wrong> {
        let set = ranges.into_set();
        let index = self.sets.iter().position(|other| *other == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len().saturating_sub(1)
        });
        let index = u16::try_from(index).map_err(|_| PatternError::new(start, "too many sets"))?;
        Ok(Node::Set(index))
    }

    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Not inlined: it is called from everywhere.
    #[inline(never)]
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    #[inline(never)]
    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at = self.at.saturating_add(character.len_utf8());
        Some(character)
    }

    #[inline(never)]
    fn eat(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at = self.at.saturating_add(text.len());
        }
        is_next
    }

    fn error(&self, message: &str) -> Wrong {
        PatternError::new(self.at, message)
    }
}

const BACK_REFERENCE: &str = "references to groups, and octal digits, are not supported: write a character as `\\x41`";

/// # Errors
/// The other case of this character is not known here.
fn ascii_only(character: char, start: usize) -> Result<(), Wrong> {
    if character.is_ascii() {
        return Ok(());
    }
    let message = "`(?i)` knows the letters of ASCII only: name both cases of others, as in `[äÄ]`, outside of it";
    Err(PatternError::new(start, message))
}

fn sequence_of(mut nodes: Vec<Node>) -> Node {
    match nodes.len() {
        0 => Node::Empty,
        1 => nodes.pop().unwrap_or(Node::Empty),
        _ => Node::Sequence(nodes),
    }
}
