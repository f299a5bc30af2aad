//! From text to tokens.

use super::issue::{Issue, Span, Wrong};
use super::literal;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    End,
    Word(&'s str),
    /// A name in backticks, without them.
    Quoted(&'s str),
    /// A whole number, without its sign.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*",
    "/", "%",
];

pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next token and where it stands.
    pub(super) fn next(&mut self) -> Result<(Token<'s>, Span), Wrong> {
        self.skip_blanks();
        let start = self.at;
        let rest = self.rest();
        let mut characters = rest.chars();
        let token = match characters.next() {
            None => Token::End,
            Some('0'..='9') => self.number()?,
            Some('.') if characters.next().is_some_and(|next| next.is_ascii_digit()) => self.number()?,
            Some('`') => self.quoted()?,
            Some('"' | '\'') => self.text(rest, false, false)?,
            Some('a'..='z' | 'A'..='Z' | '_') => self.word()?,
            Some(other) => self.sign(other)?,
        };
        Ok((token, Span::new(start, self.at)))
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    #[inline(never)]
    fn take(&mut self, bytes: usize) -> &'s str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    #[inline(never)]
    fn take_while(&mut self, fits: fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !fits(byte)).unwrap_or(rest.len());
        self.take(end)
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|byte| byte != b'\n');
        }
    }

    /// What is wrong from here on for `bytes`.
    fn wrong(&self, from: usize, bytes: usize, message: &str) -> Result<Token<'s>, Wrong> {
        Err(Issue::wrong(Span::new(from, from.saturating_add(bytes)), message))
    }

    fn sign(&mut self, first: char) -> Result<Token<'s>, Wrong> {
        let rest = self.rest();
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.take(sign.len());
            return Ok(Token::Sign(sign));
        }
        let meant = match first {
            '=' => ": did you mean `==`?",
            '&' => ": did you mean `&&`?",
            '|' => ": did you mean `||`?",
            '\u{2018}'..='\u{201f}' => ": texts stand in straight quotes, `'` or `\"`",
            _ => "",
        };
        let message = format!("`{}` has no meaning here{meant}", first.escape_debug());
        self.wrong(self.at, first.len_utf8(), &message)
    }

    fn word(&mut self) -> Result<Token<'s>, Wrong> {
        let rest = self.rest();
        // r'…', b'…' and br'…'.
        let bytes = usize::from(rest.starts_with(['b', 'B']));
        let raw = usize::from(rest.get(bytes..).is_some_and(|rest| rest.starts_with(['r', 'R'])));
        let prefix = bytes.saturating_add(raw);
        if let Some(text) = rest.get(prefix..)
            && prefix > 0
            && text.starts_with(['"', '\''])
        {
            self.take(prefix);
            return self.text(text, raw > 0, bytes > 0);
        }
        Ok(Token::Word(
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        ))
    }

    fn quoted(&mut self) -> Result<Token<'s>, Wrong> {
        let start = self.at;
        self.take(1);
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-/ :".contains(&byte));
        if name.is_empty() || self.take(1) != "`" {
            let message =
                "a name in backticks has letters, digits, `_`, `.`, `-`, `/`, `:` and spaces, and ends with one";
            return self.wrong(start, self.at.saturating_sub(start), message);
        }
        Ok(Token::Quoted(name))
    }

    /// A text, from its quote on.
    fn text(&mut self, rest: &'s str, raw: bool, bytes: bool) -> Result<Token<'s>, Wrong> {
        let start = self.at;
        let quote = ["\"\"\"", "'''", "\"", "'"]
            .into_iter()
            .find(|quote| rest.starts_with(quote))
            .unwrap_or("'");
        self.take(quote.len());
        let inner = self.rest();
        let Some(length) = literal::length(inner, quote, raw) else {
            let message = format!("this text has no end: {quote} is missing");
            return self.wrong(start, self.source.len().saturating_sub(start), &message);
        };
        let from = self.at;
        let inner = self.take(length);
        self.take(quote.len());
        let wrong = |(at, length, message): (usize, usize, &'static str)| {
            let at = from.saturating_add(at);
            Issue::wrong(Span::new(at, at.saturating_add(length)), message)
        };
        if quote.len() == 1
            && let Some(at) = inner.find(['\n', '\r'])
        {
            return Err(wrong((
                at,
                1,
                "a text of several lines stands in three quotes on each side",
            )));
        }
        Ok(match (bytes, raw) {
            (false, true) => Token::Text(inner.to_owned()),
            (true, true) => Token::Bytes(inner.as_bytes().to_vec()),
            (false, false) => Token::Text(literal::text(inner).map_err(wrong)?),
            (true, false) => Token::Bytes(literal::bytes(inner).map_err(wrong)?),
        })
    }

    fn number(&mut self) -> Result<Token<'s>, Wrong> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.take(2);
            let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
            return self.whole(start, digits, 16);
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let mut fractional = false;
        let has_digit = |text: &str, at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        if self.rest().starts_with('.') && has_digit(self.rest(), 1) {
            self.take(1);
            self.take_while(|byte| byte.is_ascii_digit());
            fractional = true;
        }
        let rest = self.rest();
        let signed = usize::from(rest.get(1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
        if rest.starts_with(['e', 'E']) && has_digit(rest, signed.saturating_add(1)) {
            self.take(signed.saturating_add(1));
            self.take_while(|byte| byte.is_ascii_digit());
            fractional = true;
        }
        if !fractional {
            return self.whole(start, digits, 10);
        }
        let text = self.source.get(start..self.at).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => self.ended(start, Token::Double(number)),
            _ => self.wrong(start, text.len(), "this number is beyond what a `double` holds"),
        }
    }

    fn whole(&mut self, start: usize, digits: &str, radix: u32) -> Result<Token<'s>, Wrong> {
        let number = u64::from_str_radix(digits, radix);
        let unsigned = self.rest().starts_with(['u', 'U']);
        if unsigned {
            self.take(1);
        }
        match number {
            Ok(number) if unsigned => self.ended(start, Token::Uint(number)),
            Ok(number) => self.ended(start, Token::Int(number)),
            Err(_) => {
                let length = self.at.saturating_sub(start);
                self.wrong(start, length, "this is no whole number of 64 bits")
            }
        }
    }

    /// Nothing that could be part of a word stands right behind a number.
    fn ended(&self, start: usize, token: Token<'s>) -> Result<Token<'s>, Wrong> {
        if self
            .rest()
            .starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
        {
            let length = self.at.saturating_sub(start).saturating_add(1);
            return self.wrong(
                start,
                length,
                "a number ends before a letter, but for the `u` of an unsigned one",
            );
        }
        Ok(token)
    }
}
