//! `trust.edges`: proxies in front, and which of their headers count.

use ipnet::IpNet;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{AddressHeader, Edge};
use super::limits;
use super::reader::{At, Shape};
use crate::context::parse_network;
use crate::identity::SpiffePattern;

const EDGE: Shape = Shape {
    fields: &["peers", "addressHeader", "hops", "certificateHeader"],
    later: &[],
};

/// What tells an edge from others.
enum Peer {
    Network(IpNet),
    Workload(SpiffePattern),
}

/// Headers that have a meaning of their own: none of them can be one in which a proxy says who came to it.
const NOT_AN_EDGES: &[&str] = &["authorization", "cookie", "dpop", "host"];

pub(super) fn read(at: &At<'_>, peer_verification: bool, sink: &mut Sink) -> Read<Vec<Edge>> {
    at.list(limits::EDGES, sink, |at, sink| edge(at, peer_verification, sink))
}

fn edge(at: &At<'_>, peer_verification: bool, sink: &mut Sink) -> Read<Edge> {
    let fields = at.fields(&EDGE, sink)?;
    let peers = fields.required("peers", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| peer(at, peer_verification, sink))
    });
    let address = fields.optional("addressHeader", sink, |at, sink| {
        let name = header(at, sink)?;
        if name == "forwarded" {
            let message = "`Forwarded` (RFC 7239) has another form than a list of addresses: let the edge write `x-forwarded-for`";
            return Err(sink.error(&at.path, message));
        }
        Ok(name)
    });
    let hops = fields.optional("hops", sink, |at, sink| at.integer(1, limits::HOPS, sink));
    let certificate = fields.optional("certificateHeader", sink, header);
    let (peers, address, hops, certificate) = (peers?, address?, hops?, certificate?);
    if address.is_none() && certificate.is_none() {
        let message = "an edge of which nothing counts: give `addressHeader`, `certificateHeader` or both";
        return Err(sink.error(&at.path, message));
    }
    if address.is_none()
        && let Some(hops) = fields.field("hops")
    {
        let message = "nothing to count in: `hops` goes with `addressHeader`";
        return Err(sink.error(&hops.path, message));
    }
    let hops = hops.and_then(|hops| usize::try_from(hops).ok()).unwrap_or(1);
    let mut edge = Edge {
        networks: Vec::new(),
        workloads: Vec::new(),
        address: address.map(|name| AddressHeader { name, hops }),
        certificate,
    };
    for peer in peers {
        match peer {
            Peer::Network(network) => edge.networks.push(network),
            Peer::Workload(pattern) => edge.workloads.push(pattern),
        }
    }
    Ok(edge)
}

fn peer(at: &At<'_>, peer_verification: bool, sink: &mut Sink) -> Read<Peer> {
    let text = at.text(sink)?;
    if !text.starts_with("spiffe:") {
        return at.parsed(parse_network, sink).map(Peer::Network);
    }
    let pattern = at.parsed(SpiffePattern::parse, sink)?;
    if !peer_verification {
        let message = "no peer has an identity here: let the listener demand and validate client certificates, and say so with `trust: {peerVerification: required}`; or name the edge by its network";
        return Err(sink.error(&at.path, message));
    }
    Ok(Peer::Workload(pattern))
}

/// The name of a header (`token`, RFC 9110 §5.6.2), in lower case.
fn header(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?.to_ascii_lowercase();
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(is_tchar) || NOT_AN_EDGES.contains(&name.as_str()) || name.starts_with("x-regionguard-") {
        let message = "not a header in which a proxy says who came to it: write its name, like `x-forwarded-for`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(name)
}
