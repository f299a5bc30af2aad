//! What nobody should see in a log of a check: tokens, and the private halves of keys.

use std::ops::Range;

/// Characters of a word from which on it may be a secret, where it stands as one.
const SHORTEST: usize = 16;
/// Characters of a word from which on it is taken for a secret wherever it stands: 30 bytes in base64, 20 in hexadecimal.
const LONG: usize = 40;
/// Members of a JWK that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "k", "t"];
/// What may be long and is for everybody: the members of a public key (RFC 7517 §4, RFC 7518 §6.2.1, §6.3.1; `S256` is the end of `x5t#S256`), and digests.
const PUBLIC: [&str; 9] = ["n", "e", "x", "y", "x5c", "x5t", "S256", "kid", "sha256"];
/// How far in front of a line its member's name, or the head of its PEM block, is looked for, in bytes: more than a key of 16384 bits takes.
const BEFORE: usize = 1 << 15;
/// How many lines in front of a line its member's name is looked for in: such a key has fewer.
const LINES: usize = 1 << 10;

/// The line `line` of `text` with `*` for each character of a secret; as many bytes as before.
pub(super) fn mask(text: &str, line: Range<usize>) -> String {
    let shown = text.get(line.clone()).unwrap_or_default();
    let before = before(text, line.start);
    if shown.contains("-----BEGIN") || shown.contains("-----END") || is_in_pem(before) {
        return "*".repeat(shown.len());
    }
    let written = before
        .lines()
        .rev()
        .take(LINES)
        .filter(|line| !line.trim_start().starts_with('#'));
    let outer = written.flat_map(|line| names(line).pop()).map(|(_, name)| name).next();
    long_words(&short_words(shown, outer), outer)
}

/// What stands in front of `start`, as far as it is looked at.
fn before(text: &str, start: usize) -> &str {
    let mut from = start.saturating_sub(BEFORE);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..start).unwrap_or_default()
}

/// Whether a block that begins in `before` does not end there.
fn is_in_pem(before: &str) -> bool {
    before
        .rfind("-----BEGIN")
        .is_some_and(|begin| !before.get(begin..).unwrap_or_default().contains("-----END"))
}

/// Masks tokens, and what private members of a key hold. `outer` is the member whose value goes on in `line`.
fn short_words(line: &str, outer: Option<&str>) -> String {
    let members = names(line);
    let mut masked = String::with_capacity(line.len());
    let mut last = "";
    let mut in_token = false;
    for (at, piece) in pieces(line, is_word_character) {
        let is_word = piece.starts_with(is_word_character);
        let begins = piece.len() >= SHORTEST && piece.starts_with("eyJ");
        let of_private = |name: &str| PRIVATE.contains(&name);
        let is_private =
            piece.len() >= SHORTEST && (of_private(last) || member(&members, at, outer).is_some_and(of_private));
        // What follows the head of a token behind a dot is the rest of it.
        in_token = if is_word {
            begins || in_token
        } else {
            in_token && piece == "."
        };
        push(&mut masked, piece, is_word && (in_token || is_private));
        if is_word {
            last = piece;
        }
    }
    masked
}

/// Masks long words of base64 and of hexadecimal, but for those that are known to be for everybody.
fn long_words(line: &str, outer: Option<&str>) -> String {
    let members = names(line);
    let mut masked = String::with_capacity(line.len());
    for (at, piece) in pieces(line, is_base64) {
        let is_public = member(&members, at, outer).is_some_and(|name| PUBLIC.contains(&name));
        // So long a word in small letters alone is a name or a path.
        let is_random =
            piece.contains(|c: char| c.is_ascii_uppercase()) || piece.chars().all(|c| c.is_ascii_hexdigit());
        let is_long = piece.len() >= LONG && piece.starts_with(is_base64);
        push(&mut masked, piece, is_long && is_random && !is_public);
    }
    masked
}

fn push(masked: &mut String, piece: &str, is_secret: bool) {
    if is_secret {
        masked.push_str(&"*".repeat(piece.len()));
    } else {
        masked.push_str(piece);
    }
}

/// The member to whose value the byte `at` belongs.
fn member<'a>(members: &[(usize, &'a str)], at: usize, outer: Option<&'a str>) -> Option<&'a str> {
    let inner = members.iter().rev().find(|(end, _)| *end <= at);
    inner.map(|(_, name)| *name).or(outer)
}

/// The names of members in `line`, each with where it ends: words in front of a colon, as YAML and JSON have them.
fn names(line: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut last: Option<(usize, &str)> = None;
    for (at, piece) in pieces(line, is_word_character) {
        if piece.starts_with(is_word_character) {
            last = Some((at + piece.len(), piece));
        } else if let Some(name) = last.filter(|_| is_colon(piece, at + piece.len() == line.len())) {
            names.push(name);
        }
    }
    names
}

/// Whether `between` makes a name of the word in front of it. Without quotes there is a space behind the colon, or the line ends.
fn is_colon(between: &str, ends: bool) -> bool {
    match between.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.trim_start().starts_with(':'),
        None => between
            .strip_prefix(':')
            .is_some_and(|rest| rest.starts_with(char::is_whitespace) || rest.is_empty() && ends),
    }
}

/// Words of such characters, and what stands between them, each with where it begins.
fn pieces(line: &str, is_of_a_word: fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let at = line.len() - rest.len();
        let of_a_word = is_of_a_word(rest.chars().next()?);
        let end = rest
            .find(|character| is_of_a_word(character) != of_a_word)
            .unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some((at, piece))
    })
}

fn is_word_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

/// Of base64url, or of base64.
fn is_base64(character: char) -> bool {
    is_word_character(character) || matches!(character, '+' | '/')
}

#[cfg(test)]
mod tests;
