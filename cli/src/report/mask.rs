//! What nobody should see in a log of a check: tokens, and the private halves of keys.

/// Characters of a word from which on it may be a secret.
const SHORTEST: usize = 16;
/// Members of a JWK that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "k", "t"];

/// `line` with `*` for each character of a secret; as many bytes as before.
pub(super) fn mask(line: &str) -> String {
    if line.contains("-----BEGIN") {
        return "*".repeat(line.len());
    }
    let mut masked = String::with_capacity(line.len());
    let mut name = "";
    let mut in_token = false;
    for piece in pieces(line) {
        let is_word = piece.starts_with(is_word_character);
        let begins = piece.len() >= SHORTEST && piece.starts_with("eyJ");
        let is_private = piece.len() >= SHORTEST && PRIVATE.contains(&name);
        // What follows the head of a token behind a dot is the rest of it.
        in_token = if is_word {
            begins || in_token
        } else {
            in_token && piece == "."
        };
        if is_word && (in_token || is_private) {
            masked.push_str(&"*".repeat(piece.len()));
        } else {
            masked.push_str(piece);
        }
        if is_word {
            name = piece;
        }
    }
    masked
}

/// Words of base64url, and what stands between them.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let of_a_word = is_word_character(first);
        let end = rest
            .find(|character| is_word_character(character) != of_a_word)
            .unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

fn is_word_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_all_else_is() {
        let secret = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
        let stars = "*".repeat(secret.len());
        for (line, expected) in [
            (format!("  d: {secret} # key"), format!("  d: {stars} # key")),
            (
                format!("{{\"kty\": \"EC\", \"d\": \"{secret}\"}}"),
                format!("{{\"kty\": \"EC\", \"d\": \"{stars}\"}}"),
            ),
            (format!("  x: {secret}"), format!("  x: {secret}")),
            ("  d: short".to_owned(), "  d: short".to_owned()),
            (
                "t: Bearer eyJhbGciOiJub25lIn0.e30.c2ln".to_owned(),
                format!("t: Bearer {}.***.****", "*".repeat(19)),
            ),
            ("-----BEGIN é".to_owned(), "*".repeat(13)),
        ] {
            assert_eq!(mask(&line), expected);
            assert_eq!(mask(&line).len(), line.len());
        }
    }
}
