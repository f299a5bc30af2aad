//! `trust.edges`: proxies in front, and which of their headers count.

use ipnet::IpNet;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{AddressHeader, Edge, Trust};
use super::forward::{folded, is_reserved, same_header};
use super::limits;
use super::path::Path;
use super::reader::{At, Shape};
use super::root::Documents;
use crate::context::parse_network;
use crate::identity::{SpiffePattern, TokenSources};

const EDGE: Shape = Shape {
    fields: &[
        "peers",
        "addressHeader",
        "hops",
        "certificateHeader",
        "regionHeader",
        "countryHeader",
    ],
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

/// What an edge says of a place is in a header of its own: no policy fills it, and no token stands in it.
pub(super) fn check(trust: &Trust, documents: &Documents, tokens: &TokenSources, sink: &mut Sink) {
    let trust_path = Path::Member(&Path::Root, "trust");
    let edges = Path::Member(&trust_path, "edges");
    let policies = documents.policies.iter().map(|placed| &placed.document);
    let filled: Vec<(&str, &str)> = policies
        .flat_map(|policy| policy.forward.iter().map(move |forward| (policy, forward)))
        .flat_map(|(policy, forward)| {
            forward
                .claims
                .iter()
                .map(move |(header, _)| (policy.name.as_str(), header.as_str()))
        })
        .collect();
    for (index, edge) in trust.edges.iter().enumerate() {
        let edge_path = Path::Item(&edges, index);
        for (field, header) in [("regionHeader", &edge.region), ("countryHeader", &edge.country)] {
            let Some(header) = header else { continue };
            let path = Path::Member(&edge_path, field);
            if let Some((policy, _)) = filled.iter().find(|(_, filled)| same_header(filled, header)) {
                let message = format!(
                    "policy `{policy}` fills this header with a claim (`forward.claims`): one header has one meaning"
                );
                sink.error(&path, message);
            }
            if tokens.headers().any(|name| same_header(name, header)) {
                sink.error(
                    &path,
                    "`tokens.sources` takes tokens from this header: one header has one meaning",
                );
            }
        }
    }
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
    let region = fields.optional("regionHeader", sink, own_header);
    let country = fields.optional("countryHeader", sink, own_header);
    let (peers, address, hops, certificate) = (peers?, address?, hops?, certificate?);
    let (region, country) = (region?, country?);
    let headers: Vec<&String> = [&address, &certificate, &region, &country]
        .into_iter()
        .flatten()
        .collect();
    if headers.is_empty() {
        let message = "an edge of which nothing counts: give `addressHeader`, `certificateHeader`, `regionHeader` or `countryHeader`";
        return Err(sink.error(&at.path, message));
    }
    for (index, header) in headers.iter().enumerate() {
        if headers
            .iter()
            .skip(index)
            .skip(1)
            .any(|other| same_header(other, header))
        {
            let message = format!("`{header}` cannot say two things: give each its own header");
            return Err(sink.error(&at.path, message));
        }
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
        region,
        country,
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

/// A header that only such an edge writes: it is removed from the requests of everybody else.
fn own_header(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = header(at, sink)?;
    if is_reserved(&folded(&name)) {
        let message = "this header says something else already, and it would be removed from the requests of everybody but the edge: take one of the edge's own, like `x-client-country`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(name)
}
