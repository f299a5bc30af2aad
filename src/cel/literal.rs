//! What stands between quotes.

/// Where in the text, how many bytes, and what is wrong.
type Wrong = (usize, usize, &'static str);

/// The bytes before the closing quote; `None` where there is none.
pub(super) fn length(text: &str, quote: &str, raw: bool) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at);
        }
        let mut characters = rest.chars();
        let mut step = characters.next()?.len_utf8();
        if !raw && rest.starts_with('\\') {
            step = step.saturating_add(characters.next()?.len_utf8());
        }
        at = at.saturating_add(step);
    }
}

/// What a text with escapes says.
pub(super) fn text(text: &str) -> Result<String, Wrong> {
    // Only whole characters were put together.
    unescaped(text, false).map(|text| String::from_utf8(text).unwrap_or_default())
}

/// What bytes with escapes are.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, Wrong> {
    unescaped(text, true)
}

#[derive(Clone, Copy)]
enum Part {
    Plain(char),
    /// By `\x` or in octal: in bytes, one of them.
    Byte(u32),
    /// By `\u` or `\U`.
    Point(u32),
}

impl Part {
    /// Puts it behind the others; `None` where it cannot stand there.
    fn put(self, out: &mut Vec<u8>, in_bytes: bool) -> Option<()> {
        let character = match self {
            Self::Byte(code) if in_bytes => {
                out.push(u8::try_from(code).ok()?);
                return Some(());
            }
            Self::Point(_) if in_bytes => return None,
            Self::Plain(plain) => plain,
            Self::Byte(code) | Self::Point(code) => char::from_u32(code)?,
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }
}

fn unescaped(text: &str, in_bytes: bool) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (part, length) = if first == '\\' {
            escape(rest).ok_or((
                at,
                rest.chars().take(2).map(char::len_utf8).sum(),
                "no such escape: `\\\\` is a backslash, `r'…'` takes them as they are",
            ))?
        } else {
            (Part::Plain(first), first.len_utf8())
        };
        part.put(&mut out, in_bytes)
            .ok_or((at, length, "this escape is no character here"))?;
        at = at.saturating_add(length);
    }
    Ok(out)
}

/// The escape that the text begins with, and its length.
fn escape(text: &str) -> Option<(Part, usize)> {
    let kind = text.chars().nth(1)?;
    let plain = |character| Some((Part::Plain(character), 2));
    let (from, digits, radix) = match kind {
        'a' => return plain('\u{7}'),
        'b' => return plain('\u{8}'),
        'f' => return plain('\u{c}'),
        'n' => return plain('\n'),
        'r' => return plain('\r'),
        't' => return plain('\t'),
        'v' => return plain('\u{b}'),
        '\\' | '?' | '"' | '\'' | '`' => return plain(kind),
        'x' | 'X' => (2, 2, 16),
        'u' => (2, 4, 16),
        'U' => (2, 8, 16),
        '0'..='3' => (1, 3, 8),
        _ => return None,
    };
    let end = usize::checked_add(from, digits)?;
    let digits = text.get(from..end)?;
    // A sign is not a digit.
    let clean = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| clean)?;
    let part = match kind {
        'u' | 'U' => Part::Point(code),
        _ => Part::Byte(code),
    };
    Some((part, end))
}
