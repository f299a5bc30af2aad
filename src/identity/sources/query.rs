//! Tokens in the query (RFC 6750 §2.3).

use super::super::bearer::{Credential, Place, Scheme, Token};
use super::names::same_name;

/// Finds these parameters in a request target, and gives the target without them; `None` where it has none of them.
pub(super) fn take<'r>(target: &'r [u8], known: &[String], found: &mut dyn FnMut(Credential<'r>)) -> Option<Vec<u8>> {
    let at = target.iter().position(|byte| *byte == b'?')?;
    let (path, query) = target.split_at_checked(at)?;
    let parameters = || query.strip_prefix(b"?").unwrap_or(query).split(|byte| *byte == b'&');
    if !parameters().any(|parameter| holds(parameter, known)) {
        return None;
    }
    let mut rest = path.to_vec();
    let mut separator = b'?';
    for parameter in parameters() {
        if holds(parameter, known) {
            found(credential(parameter, known));
        } else {
            rest.push(separator);
            rest.extend_from_slice(parameter);
            separator = b'&';
        }
    }
    Some(rest)
}

/// Whether some server finds one of the names in this part of a query: some take `;` for a separator as well.
fn holds(parameter: &[u8], known: &[String]) -> bool {
    let mut parts = parameter.split(|byte| *byte == b';');
    parts.any(|part| known.iter().any(|known| same_name(split(part).0, known)))
}

fn credential<'r>(parameter: &'r [u8], known: &[String]) -> Credential<'r> {
    let place = Place::Query;
    let (name, text) = split(parameter);
    if parameter.contains(&b';') || !known.iter().any(|known| is(name, known)) {
        return Credential::Malformed(place);
    }
    let scheme = Scheme::Bearer;
    Credential::Token(Token { text, scheme, place })
}

/// Whether a name is `known` once its percent-encodings are decoded, as all servers do.
fn is(name: &[u8], known: &str) -> bool {
    let mut known = known.bytes();
    let same = super::names::decoded(name).all(|byte| known.next() == Some(byte));
    same && known.next().is_none()
}

fn split(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
    let (name, value) = part.split_at_checked(at).unwrap_or((part, &[]));
    (name, value.strip_prefix(b"=").unwrap_or(value))
}
