//! Networks to regions: the longest prefix that holds an address.
//!
//! An IPv4 address is the same network location whether it is written as `10.0.0.1` or, IPv4-mapped, as `::ffff:10.0.0.1`
//! (RFC 4291 section 2.5.5.2), and a dual-stack socket may report either. So mapped addresses and mapped prefixes are
//! IPv4 here, and an IPv6 prefix such as `::/0` never holds an IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::quoted;
use crate::order;

/// A map from networks to values, such as the index of a region, that answers with the value of the longest prefix.
///
/// Prefixes either nest or are apart, so at build time they are flattened into ranges that do not overlap. A look-up is
/// one binary search among the starts of these ranges: of at most twice as many ranges as prefixes, however deep they
/// nest.
#[derive(Clone, Debug)]
pub struct Networks<T> {
    v4: Ranges<T>,
    v6: Ranges<T>,
}

impl<T: Copy + PartialEq> Networks<T> {
    /// Builds the map. Host bits in a prefix are ignored; [`parse_network`] refuses them where a user wrote them.
    ///
    /// # Errors
    /// Every prefix that is listed twice with different values, in the order of the prefixes. Listed twice with the same
    /// value is no error.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, T)>) -> Result<Self, Vec<Clash<T>>> {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for (network, value) in networks {
            let network = canonical(network).trunc();
            let family = if network.addr().is_ipv4() { &mut v4 } else { &mut v6 };
            family.push((network, value));
        }
        let mut clashes = Vec::new();
        for family in [&mut v4, &mut v6] {
            // Outer networks come before the ones inside of them. The sort is stable: of equals, the first listed leads.
            let key = |network: &IpNet| (number(network.network()), network.prefix_len());
            order::sort_by(family, |(left, _), (right, _)| key(left).cmp(&key(right)));
            family.dedup_by(|(network, value), (kept, first)| {
                if network == kept && value != first {
                    clashes.push(Clash {
                        network: *network,
                        first: *first,
                        second: *value,
                    });
                }
                network == kept
            });
        }
        if clashes.is_empty() {
            Ok(Self {
                v4: Ranges::flatten(&v4),
                v6: Ranges::flatten(&v6),
            })
        } else {
            Err(clashes)
        }
    }

    /// The value of the longest prefix that holds `address`; `None` where no prefix does.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<T> {
        let address = address.to_canonical();
        let family = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        family.find(number(address))
    }

    /// Whether there is no prefix at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }
}

/// One prefix that was listed with two different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash<T> {
    /// The prefix, in its canonical form.
    pub network: IpNet,
    /// The value that was listed first.
    pub first: T,
    /// The value that was listed later.
    pub second: T,
}

/// Why a text is not a network: its [`Display`](fmt::Display) says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

/// Reads a network in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3): `10.1.0.0/16`, `2001:db8:1::/48`.
///
/// An IPv4-mapped prefix comes back as the IPv4 network that it is: `::ffff:10.0.0.0/104` as `10.0.0.0/8`.
///
/// # Errors
/// Anything else: no prefix length, one that is too long, bits set beyond it, or no address. The error says what would be
/// right where that can be told.
pub fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse(), Some(length)),
        None => (text.parse(), None),
    };
    let address: IpAddr = address.map_err(|_| not_a_network(text))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else {
        let found = quoted(text);
        return Err(NetworkError(format!(
            "{found} is an address without a prefix length: for this address alone write `{text}/{longest}`"
        )));
    };
    let length = decimal(length.as_bytes(), longest).ok_or_else(|| {
        let found = quoted(text);
        NetworkError(format!(
            "the prefix length of {found} is not a whole number from `0` to `{longest}`"
        ))
    })?;
    let network = u8::try_from(length)
        .ok()
        .and_then(|length| IpNet::new(address, length).ok());
    let network = network.ok_or_else(|| not_a_network(text))?;
    let suggestion = network.trunc();
    if suggestion != network {
        let found = quoted(text);
        return Err(NetworkError(format!(
            "{found} has bits set beyond its prefix length of {length}: did you mean `{suggestion}`?"
        )));
    }
    Ok(canonical(network))
}

fn not_a_network(text: &str) -> NetworkError {
    let found = quoted(text);
    NetworkError(format!(
        "{found} is not a network: write `address/length`, such as `10.1.0.0/16` or `2001:db8::/32`"
    ))
}

/// Reads an address as Envoy prints it: `10.0.0.1`, `::1`, and with a port `10.0.0.1:80`, `[::1]:443`.
///
/// An IPv4-mapped address comes back as IPv4. `None` for everything else, an address with a scope (`fe80::1%eth0`) included:
/// a scope has its meaning on one machine only, so it names no region.
#[must_use]
pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once("]:")?;
        is_port(port).then_some(())?;
        return Some(address.parse::<Ipv6Addr>().ok()?.to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    is_port(port).then_some(())?;
    Some(IpAddr::V4(address.parse::<Ipv4Addr>().ok()?))
}

fn is_port(text: &str) -> bool {
    decimal(text.as_bytes(), u16::MAX.into()).is_some()
}

/// A decimal number of at most `most`, without sign, space or leading zero.
fn decimal(digits: &[u8], most: u32) -> Option<u32> {
    if digits.is_empty() || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number
            .checked_mul(10)?
            .checked_add(digit.into())
            .filter(|number| *number <= most)
    })
}

/// The network with an IPv4-mapped prefix turned into IPv4. A prefix that is shorter than `::ffff:0:0/96` is IPv6 alone.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}

/// The address as a number within its own family.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The starts of consecutive ranges in ascending order, each with its value. A range ends where the next one starts, so of
/// those that start at one address only the last has any; before the first there is nothing.
#[derive(Clone, Debug)]
struct Ranges<T>(Vec<(u128, Option<T>)>);

impl<T: Copy> Ranges<T> {
    /// INVARIANT: `networks` are of one family, each once, in ascending order of their start, the shorter prefix first.
    fn flatten(networks: &[(IpNet, T)]) -> Self {
        let mut ranges = Self(Vec::new());
        // The networks that hold the current position, the innermost last, each with its last address.
        let mut open: Vec<(u128, T)> = Vec::new();
        for (network, value) in networks {
            let start = number(network.network());
            while let Some((end, _)) = open.pop_if(|(end, _)| *end < start) {
                ranges.resume(end, &open);
            }
            ranges.0.push((start, Some(*value)));
            open.push((number(network.broadcast()), *value));
        }
        while let Some((end, _)) = open.pop() {
            ranges.resume(end, &open);
        }
        ranges
    }

    /// After `end`, the innermost network that is still open goes on. Nothing comes after the family's last address.
    fn resume(&mut self, end: u128, open: &[(u128, T)]) {
        if let Some(next) = end.checked_add(1) {
            self.0.push((next, open.last().map(|(_, value)| *value)));
        }
    }

    fn find(&self, address: u128) -> Option<T> {
        let following = self.0.partition_point(|(start, _)| *start <= address);
        self.0.get(following.checked_sub(1)?)?.1
    }
}

#[cfg(test)]
mod tests;
