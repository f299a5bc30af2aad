//! Tokens in cookies (RFC 6265 §5.4: pairs with `; ` between them).

use super::super::bearer::{Credential, Place, Scheme, Token};
use super::names::same_name;

/// Finds what one Cookie header holds of these cookies.
pub(super) fn find<'r>(line: &'r [u8], known: &[String], found: &mut dyn FnMut(Credential<'r>)) {
    for pair in line.split(|byte| *byte == b';') {
        let (name, value) = split_pair(pair);
        if known.iter().any(|known| name == known.as_bytes()) {
            found(Credential::Token(Token {
                text: unquoted(value),
                scheme: Scheme::Bearer,
                place: Place::Cookie,
            }));
            // A comma is no separator to most (RFC 6265), and one to some (RFC 2965): then there may be another.
            if names(pair).skip(1).any(|name| is_known(name, known)) {
                found(Credential::Malformed(Place::Cookie));
            }
        } else if names(pair).any(|name| is_known(name, known)) {
            found(Credential::Malformed(Place::Cookie));
        }
    }
}

/// What stays of all Cookie headers without these cookies; empty where nothing does.
pub(super) fn without(lines: &[&[u8]], known: &[String]) -> Vec<u8> {
    let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
    let kept = pairs
        .filter(|pair| !names(pair).any(|name| is_known(name, known)))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty());
    let mut rest = Vec::new();
    for pair in kept {
        if !rest.is_empty() {
            rest.extend_from_slice(b"; ");
        }
        rest.extend_from_slice(pair);
    }
    rest
}

fn is_known(name: &[u8], known: &[String]) -> bool {
    known.iter().any(|known| same_name(name, known))
}

/// The name of a pair, and those that stand behind a comma in it.
fn names(pair: &[u8]) -> impl Iterator<Item = &[u8]> {
    pair.split(|byte| *byte == b',').map(|part| split_pair(part).0)
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let (name, value) = pair.split_at_checked(at).unwrap_or((pair, &[]));
    let value = value.strip_prefix(b"=").unwrap_or(value);
    (name.trim_ascii(), value.trim_ascii())
}

/// A value may stand in quotes (RFC 6265 §4.1.1).
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}
