//! What a proxy in front says of its own caller: its address, and its certificate. Whether its word counts is not decided here.
//!
//! Both headers grow at their right end, and everything to the left of what the proxy itself wrote is whatever its caller sent. So both are read from the right,
//! and nothing to the left can change what is found.

use core::net::{IpAddr, Ipv6Addr};

use crate::context::parse_address;

/// The address that stands `hops` entries from the right of a list like that of `X-Forwarded-For`; 1 is the last. `lines` are the values of all lines of the
/// header, in the order received.
///
/// `None` where there are fewer entries, and where that one is anything but an address, with a port or without: an obfuscated name, `unknown`, quotes, nothing.
#[must_use]
pub fn forwarded_address<'a, I>(lines: I, hops: usize) -> Option<IpAddr>
where
    I: IntoIterator<Item = &'a [u8]>,
{
    let lines: Vec<&[u8]> = lines.into_iter().collect();
    let mut entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    let entry = entries.nth(hops.checked_sub(1)?)?;
    let entry = trim(entry);
    let bare = entry.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    match bare {
        // Brackets are for IPv6 alone, without its port.
        Some(address) => {
            let address: Ipv6Addr = core::str::from_utf8(address).ok()?.parse().ok()?;
            Some(IpAddr::V6(address).to_canonical())
        }
        None => parse_address(entry),
    }
}

/// The digest that stands in the last element of an `X-Forwarded-Client-Cert` header, as 64 hexadecimal digits; with `own`, the digest of the connection's own
/// certificate, in the one before where the last element has just that: some configurations let the proxy that this filter stands in append an element, too.
///
/// An element is `key=value` pairs with `;` between them, elements have `,` between them, and in a quoted value neither counts, nor does `\"`. The last element
/// is found from the right, because whoever wrote those before may have left a quote open. `None` where it has not exactly one `Hash` of the right form.
#[must_use]
pub fn forwarded_certificate<'a, I>(lines: I, own: Option<[u8; 32]>) -> Option<[u8; 32]>
where
    I: IntoIterator<Item = &'a [u8]>,
{
    let lines: Vec<&[u8]> = lines.into_iter().collect();
    let text = lines.join(&b',');
    let (before, last) = last_element(&text)?;
    let found = digest(last)?;
    if Some(found) != own {
        return Some(found);
    }
    digest(last_element(before?)?.1)
}

/// 32 bytes as 64 hexadecimal digits, in whichever case: how hosts print the SHA-256 of a certificate.
#[must_use]
pub fn parse_digest(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

/// What stands before the last comma that is in no quoted value, if there is one, and what stands behind it. `None` where a quote is open.
fn last_element(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut quoted = false;
    let mut rest = text;
    while let Some((byte, before)) = rest.split_last() {
        match byte {
            b'"' if !quoted || !is_escaped(before) => quoted = !quoted,
            b',' if !quoted => {
                let start = rest.len();
                return Some((Some(before), text.get(start..)?));
            }
            _ => {}
        }
        rest = before;
    }
    (!quoted).then_some((None, text))
}

/// Whether what follows is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes & 1 == 1
}

/// The value of the only `Hash` of an element.
fn digest(element: &[u8]) -> Option<[u8; 32]> {
    let mut quoted = false;
    let mut escaped = false;
    let pairs = element.split(|byte| {
        match (quoted, escaped, *byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, _, b'"') => quoted = !quoted,
            _ => {}
        }
        !quoted && *byte == b';'
    });
    let mut hashes = pairs.filter_map(|pair| {
        let (name, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
        trim(name).eq_ignore_ascii_case(b"hash").then_some(value)
    });
    match (hashes.next(), hashes.next()) {
        (Some([b'=', value @ ..]), None) => parse_digest(trim(value)),
        _ => None,
    }
}

/// Without spaces and tabs at both ends (`OWS`, RFC 9110 §5.6.3).
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
