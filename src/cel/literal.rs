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
    let mut out = String::with_capacity(text.len());
    each(text, |part| {
        match part {
            Part::Plain(plain) => out.push(plain),
            Part::Byte(code) | Part::Point(code) => out.push(char::from_u32(code)?),
        }
        Some(())
    })?;
    Ok(out)
}

/// What bytes with escapes are.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::with_capacity(text.len());
    each(text, |part| {
        match part {
            Part::Plain(plain) => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
            Part::Byte(code) => out.push(u8::try_from(code).ok()?),
            Part::Point(_) => return None,
        }
        Some(())
    })?;
    Ok(out)
}

enum Part {
    Plain(char),
    /// By `\x` or in octal: in bytes, one of them.
    Byte(u32),
    /// By `\u` or `\U`.
    Point(u32),
}

fn each(text: &str, mut take: impl FnMut(Part) -> Option<()>) -> Result<(), Wrong> {
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
        take(part).ok_or((at, length, "this escape is no character here"))?;
        at = at.saturating_add(length);
    }
    Ok(())
}

/// The escape that the text begins with, and its length.
fn escape(text: &str) -> Option<(Part, usize)> {
    let kind = text.chars().nth(1)?;
    let plain = |character| Some((Part::Plain(character), 2));
    let number = |digits: usize, from: usize, radix: u32| {
        let end = from.checked_add(digits)?;
        let digits = text.get(from..end)?;
        // A sign is not a digit.
        let clean = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, radix).ok()?;
        clean.then_some((code, end))
    };
    match kind {
        'a' => plain('\u{7}'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\u{b}'),
        '\\' | '?' | '"' | '\'' | '`' => plain(kind),
        'x' | 'X' => number(2, 2, 16).map(|(code, end)| (Part::Byte(code), end)),
        'u' => number(4, 2, 16).map(|(code, end)| (Part::Point(code), end)),
        'U' => number(8, 2, 16).map(|(code, end)| (Part::Point(code), end)),
        '0'..='3' => number(3, 1, 8).map(|(code, end)| (Part::Byte(code), end)),
        _ => None,
    }
}
