//! Where a part of a text stands in the file, in which the text is quoted, folded, indented or written with escapes.

use std::ops::Range;

/// The bytes of `file` that hold the bytes `part` of `text`, a scalar that was read from the bytes `span` of `file`; `None` where they do not agree.
///
/// White space is written in many ways, and what stands between it in one: so what is no white space is counted.
pub(super) fn part(text: &str, part: &Range<usize>, file: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let raw = file.get(span.clone())?;
    let style = Style::of(file, span.start, raw);
    let mut written = Written { raw, at: 0, style };
    if style != Style::Bare {
        written.at = 1;
    }
    // Where what was last told from white space ends.
    let mut last = written.at;
    let mut found: Option<usize> = None;
    for (at, character) in text.char_indices() {
        if at >= part.end && found.is_some() {
            break;
        }
        if character.is_whitespace() {
            continue;
        }
        if found.is_none() && at >= part.start && part.is_empty() {
            break;
        }
        let (read, range) = written.next()?;
        if read != character {
            return None;
        }
        if at >= part.start && found.is_none() {
            found = Some(range.start);
        }
        last = range.end;
    }
    let start = found.unwrap_or(last);
    Some(span.start + start..span.start + last.max(start))
}

/// How a scalar is written, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As it is: plain, or as a block.
    Bare,
    /// In `'`, which is doubled inside.
    Single,
    /// In `"`, with escapes.
    Double,
}

impl Style {
    fn of(file: &str, start: usize, raw: &str) -> Self {
        match raw.chars().next() {
            Some('"' | '\'') if is_block(file.get(..start).unwrap_or_default()) => Self::Bare,
            Some('"') => Self::Double,
            Some('\'') => Self::Single,
            _ => Self::Bare,
        }
    }
}

/// Whether `before` ends with the head of a block scalar and the indentation of its first line.
fn is_block(before: &str) -> bool {
    let Some(above) = before.trim_end_matches([' ', '\t']).strip_suffix('\n') else {
        return false;
    };
    let head = above.trim_end().rsplit('\n').next().unwrap_or_default();
    let head = head.split_once(" #").map_or(head, |(head, _)| head).trim_end();
    let head = head.trim_end_matches(|character: char| character.is_ascii_digit() || matches!(character, '+' | '-'));
    head.ends_with(['|', '>'])
}

/// The characters of a scalar as it is written.
struct Written<'r> {
    raw: &'r str,
    at: usize,
    style: Style,
}

impl Written<'_> {
    /// The next character that is no white space, and its bytes.
    fn next(&mut self) -> Option<(char, Range<usize>)> {
        loop {
            let start = self.at;
            let character = self.character()?;
            if !character.is_whitespace() {
                return Some((character, start..self.at));
            }
        }
    }

    /// The next character; of an escape what it stands for.
    fn character(&mut self) -> Option<char> {
        let rest = self.raw.get(self.at..)?;
        let character = rest.chars().next()?;
        self.at += character.len_utf8();
        match (self.style, character) {
            (Style::Single, '\'') => {
                self.at += 1;
                rest.starts_with("''").then_some('\'')
            }
            (Style::Double, '"') => None,
            (Style::Double, '\\') => {
                let code = rest.chars().nth(1)?;
                self.at += code.len_utf8();
                self.escaped(code)
            }
            _ => Some(character),
        }
    }

    fn escaped(&mut self, code: char) -> Option<char> {
        Some(match code {
            'n' | 'r' | 't' | 'N' | '_' | 'L' | 'P' | 'v' | 'f' | '\t' => ' ',
            'x' => char::from_u32(self.digits(2)?)?,
            'u' => match self.digits(4)? {
                // A pair of surrogates, as JSON has them.
                high @ 0xD800..=0xDBFF => {
                    self.at += 2;
                    let low = self.digits(4)?;
                    char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + low.checked_sub(0xDC00)?)?
                }
                one => char::from_u32(one)?,
            },
            'U' => char::from_u32(self.digits(8)?)?,
            // A line feed, too, which such an escape takes away.
            _ => code,
        })
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.raw.get(self.at..self.at + count)?;
        self.at += count;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::part;

    /// The text that `part` of `text` has in `file`, whose scalar stands between `<` and `>`.
    #[track_caller]
    fn found(file: &str, text: &str, wanted: &str) -> (usize, String) {
        let start = file.find('<').expect("where it begins");
        let end = file.rfind('>').expect("where it ends");
        let file = format!("{} {} {}", &file[..start], &file[start + 1..end], &file[end + 1..]);
        // A blank stands for `<`.
        let span = start + 1..end;
        let at = text.find(wanted).expect("the part");
        let place = part(text, &(at..at + wanted.len()), &file, &span).expect("the same text");
        let line = file[..place.start].matches('\n').count() + 1;
        (line, file[place].to_owned())
    }

    #[test]
    fn however_it_is_written() {
        let several = "a == 1 &&\nb == 'x'\n";
        for (file, text) in [
            ("when: <a == 1 && b == 'x'>", "a == 1 && b == 'x'"),
            ("when: <a == 1 &&\n  b == 'x'>", "a == 1 && b == 'x'"),
            ("when: |\n  <a == 1 &&\n  b == 'x'\n>", several),
            ("when: >-\n\n  <a == 1 &&\n\n  b == 'x'>", "a == 1 &&\nb == 'x'"),
            ("when: <\"a == 1 &&\\\n  \\ b == 'x'\">", "a == 1 && b == 'x'"),
            ("when: <\"a == 1 &&\\n\\u0062 == 'x'\">", several),
            ("when: <'a == 1 &&\n  b == ''x'''>", "a == 1 && b == 'x'"),
        ] {
            let (line, at) = found(file, text, "b ==");
            let first = 1 + file
                .split("b ==")
                .next()
                .map_or(0, |before| before.matches('\n').count());
            let first = if file.contains("\\u0062") { 1 } else { first };
            assert_eq!(line, first, "{file}");
            assert!(at == "b ==" || at == "\\u0062 ==", "{file}: {at}");
        }
        let quoted = "when: |\n  <\"x\" == a>";
        assert_eq!(found(quoted, "\"x\" == a", "\"x\""), (2, "\"x\"".to_owned()));
        assert_eq!(found("<\"\\ud83d\\ude00 b\">", "\u{1F600} b", "b"), (1, "b".to_owned()));
    }

    #[test]
    fn the_end_is_behind_the_last_character() {
        let file = "when: |\n  a ==\n";
        assert_eq!(part("a ==\n", &(5..5), file, &(10..15)), Some(14..14));
        assert_eq!(part("a ==\n", &(4..4), file, &(10..15)), Some(14..14));
        assert_eq!(part("a ==", &(0..0), "a ==", &(0..4)), Some(0..0));
    }

    #[test]
    fn another_text_has_no_part() {
        assert_eq!(part("abc", &(1..2), "xyz", &(0..3)), None);
        assert_eq!(part("abc", &(2..3), "ab", &(0..2)), None);
    }
}
