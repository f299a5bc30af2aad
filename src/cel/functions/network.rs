//! Addresses and networks.
//!
//! An IPv4 address that is written as an IPv6 one (`::ffff:c0a8:1`) is that IPv4 address, so that a network of IPv4 cannot be got around.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Cost, Function};
use crate::cel::fault::Fault;
use crate::cel::types::Sig;
use crate::cel::value::Value;

const TEXT: Sig = Sig::String;

pub(super) const TABLE: &[Function] = &[
    Function::new("ip", &[TEXT], Sig::Ip, |_, given| Ok(Value::Ip(ip(given.text(0)?)?))),
    Function::new("isIP", &[TEXT], Sig::Bool, |_, given| {
        Ok(Value::Bool(ip(given.text(0)?).is_ok()))
    }),
    Function::new("ip.isCanonical", &[TEXT], Sig::Bool, |_, given| {
        let text = given.text(0)?;
        Ok(Value::Bool(ip(text)?.to_string() == **text))
    }),
    Function::method("family", &[Sig::Ip], Sig::Int, |_, given| {
        Ok(Value::Int(if given.ip(0)?.is_ipv4() { 4 } else { 6 }))
    }),
    Function::method("isUnspecified", &[Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.ip(0)?.is_unspecified()))
    }),
    Function::method("isLoopback", &[Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.ip(0)?.is_loopback()))
    }),
    Function::method("isLinkLocalMulticast", &[Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(is_link_local_multicast(*given.ip(0)?)))
    }),
    Function::method("isLinkLocalUnicast", &[Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(is_link_local_unicast(*given.ip(0)?)))
    }),
    Function::method("isGlobalUnicast", &[Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(is_global_unicast(*given.ip(0)?)))
    }),
    Function::new("cidr", &[TEXT], Sig::Cidr, |_, given| {
        Ok(Value::Cidr(cidr(given.text(0)?)?))
    })
    .cost(Cost::Linear),
    Function::new("isCIDR", &[TEXT], Sig::Bool, |_, given| {
        Ok(Value::Bool(cidr(given.text(0)?).is_ok()))
    })
    .cost(Cost::Linear),
    Function::method("containsIP", &[Sig::Cidr, Sig::Ip], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.cidr(0)?.contains(given.ip(1)?)))
    }),
    Function::method("containsIP", &[Sig::Cidr, TEXT], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.cidr(0)?.contains(&ip(given.text(1)?)?)))
    }),
    Function::method("containsCIDR", &[Sig::Cidr, Sig::Cidr], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.cidr(0)?.contains(given.cidr(1)?)))
    }),
    Function::method("containsCIDR", &[Sig::Cidr, TEXT], Sig::Bool, |_, given| {
        Ok(Value::Bool(given.cidr(0)?.contains(&cidr(given.text(1)?)?)))
    })
    .cost(Cost::Linear),
    Function::method("ip", &[Sig::Cidr], Sig::Ip, |_, given| {
        Ok(Value::Ip(given.cidr(0)?.addr()))
    }),
    Function::method("masked", &[Sig::Cidr], Sig::Cidr, |_, given| {
        Ok(Value::Cidr(given.cidr(0)?.trunc()))
    }),
    Function::method("prefixLength", &[Sig::Cidr], Sig::Int, |_, given| {
        Ok(Value::Int(i64::from(given.cidr(0)?.prefix_len())))
    }),
];

const ADDRESS: Fault = Fault::InvalidArgument(
    "an IP address has no zone, port or prefix, and IPv4 stands in its own form, like 192.0.2.1",
);
const NETWORK: Fault =
    Fault::InvalidArgument("a network is an IP address, `/` and the length of its prefix, like 10.0.0.0/8");

/// An address, as it is everywhere: IPv4 is IPv4.
fn ip(text: &str) -> Result<IpAddr, Fault> {
    let address: IpAddr = text.parse().map_err(|_| ADDRESS)?;
    if address.is_ipv6() && text.contains('.') {
        return Err(ADDRESS);
    }
    Ok(address.to_canonical())
}

/// A network, or an address with the length of its network's prefix.
fn cidr(text: &str) -> Result<IpNet, Fault> {
    let (address, prefix) = text.split_once('/').ok_or(NETWORK)?;
    let address: IpAddr = address.parse().map_err(|_| NETWORK)?;
    // No sign, and no zero in front.
    let is_length = prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    if !is_length || address.to_canonical() != address || (address.is_ipv6() && text.contains('.')) {
        return Err(NETWORK);
    }
    let length = prefix.parse().map_err(|_| NETWORK)?;
    IpNet::new(address, length).map_err(|_| NETWORK)
}

/// Of 224.0.0.0/24 or ff02::/16.
fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        // The scope, whatever its flags are.
        IpAddr::V6(address) => matches!(address.octets(), [0xff, scope, ..] if scope & 0x0f == 2),
    }
}

/// Of 169.254.0.0/16 or fe80::/10.
fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// None of unspecified, loopback, multicast, link-local and broadcast: a private address is one.
fn is_global_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || is_link_local_unicast(address)
        || is_broadcast)
}

#[cfg(test)]
mod tests;
