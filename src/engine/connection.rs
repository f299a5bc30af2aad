//! Who is at the other end of the connection, and what it may say of those behind it (`trust.edges`).

use core::cell::RefCell;
use core::net::IpAddr;

use super::host::Attrs;
use crate::bundle::document::{Edge, Trust};
use crate::context::parse_address;
use crate::identity::{SpiffeId, Thumbprint, Workloads};
use crate::request::{Headers, forwarded_address, forwarded_certificate, parse_digest};

/// The connection of one request. Each question is asked of the host when it comes up: most requests ask none.
pub(super) struct Connection<'a> {
    attrs: &'a dyn Attrs,
    headers: Headers<'a>,
    trust: &'a Trust,
    workloads: RefCell<&'a mut Workloads>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        attrs: &'a dyn Attrs,
        headers: Headers<'a>,
        trust: &'a Trust,
        workloads: &'a mut Workloads,
    ) -> Self {
        Self {
            attrs,
            headers,
            trust,
            workloads: RefCell::new(workloads),
        }
    }

    /// The workload at the other end of the connection, an edge or not; none where nobody has validated its certificate.
    pub(super) fn workload(&self) -> Option<SpiffeId> {
        if !self.trust.peer_verification {
            return None;
        }
        let certificate = self.attrs.peer_certificate()?;
        self.workloads.borrow_mut().find(&certificate)
    }

    /// Whether the peer asks on its own behalf, as none of the edges does; `None` where it cannot be told whether it is one.
    pub(super) fn stands_for_itself(&self) -> Option<bool> {
        match self.peer() {
            Peer::Other => Some(true),
            Peer::Edge(_) => Some(false),
            Peer::Unknown => None,
        }
    }

    /// Whether the peer has shown a certificate that names its workload, and that the host does not hand over, as Envoy before 1.38.
    pub(super) fn hides_its_name(&self) -> bool {
        self.trust.peer_verification && self.attrs.peer_certificate().is_none() && self.own_certificate().is_some()
    }

    /// The edge at the other end of the connection, if it is one.
    pub(super) fn edge(&self) -> Option<&'a Edge> {
        match self.peer() {
            Peer::Edge(edge) => Some(edge),
            Peer::Other | Peer::Unknown => None,
        }
    }

    /// Where the request comes from, as [`address`](Self::address) has it; and the values of the headers in which the edge, if the peer is one, says the Region
    /// and the country.
    pub(super) fn origin(&self) -> Origin<'a> {
        let peer = self.peer();
        let edge = match &peer {
            Peer::Edge(edge) => Some(*edge),
            Peer::Other | Peer::Unknown => None,
        };
        let told = |header: fn(&Edge) -> &Option<String>| match edge.map(header) {
            Some(Some(name)) => Told::Header(only(self.headers.values(name))),
            _ => Told::Nowhere,
        };
        Origin {
            address: self.address_of(&peer),
            region: told(|edge| &edge.region),
            country: told(|edge| &edge.country),
        }
    }

    /// From which address the request comes: what the edge says, or else the direct peer. An edge that says nothing readable leaves it unknown, and so does whoever may
    /// be one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address_of(&self.peer())
    }

    fn address_of(&self, peer: &Peer<'_>) -> Option<IpAddr> {
        match peer {
            Peer::Edge(Edge {
                address: Some(header), ..
            }) => forwarded_address(self.headers.values(&header.name), header.hops),
            Peer::Edge(_) | Peer::Other => self.direct_address(),
            Peer::Unknown => None,
        }
    }

    /// The certificate that the sender has shown; none where nobody has validated it. An edge's own stands for nobody: it presents it for whoever comes to it.
    pub(super) fn certificate(&self) -> Option<Thumbprint> {
        match self.peer() {
            Peer::Other if self.trust.peer_verification => self.own_certificate(),
            Peer::Other | Peer::Unknown => None,
            Peer::Edge(edge) => {
                let header = edge.certificate.as_deref()?;
                forwarded_certificate(self.headers.values(header), self.own_certificate())
            }
        }
    }

    /// What the direct peer is.
    fn peer(&self) -> Peer<'a> {
        let edges = &self.trust.edges;
        let by_network = any(edges, |edge| !edge.networks.is_empty());
        let by_name = any(edges, |edge| !edge.workloads.is_empty());
        let address = by_network.then(|| self.direct_address()).flatten();
        let workload = by_name.then(|| self.workload()).flatten();
        let found = edges.iter().find(|edge| {
            let by_address = |address: &IpAddr| edge.networks.iter().any(|network| network.contains(address));
            let by_name = |workload: &SpiffeId| edge.workloads.iter().any(|pattern| pattern.matches(workload));
            address.as_ref().is_some_and(by_address) || workload.as_ref().is_some_and(by_name)
        });
        // What tells an edge from others is not there: what an edge shows stands for nobody, so neither does what this peer shows.
        let is_untold = || by_network && address.is_none() || by_name && workload.is_none() && self.hides_its_name();
        match found {
            Some(edge) => Peer::Edge(edge),
            None if is_untold() => Peer::Unknown,
            None => Peer::Other,
        }
    }

    fn direct_address(&self) -> Option<IpAddr> {
        parse_address(&self.attrs.direct_peer()?)
    }

    fn own_certificate(&self) -> Option<Thumbprint> {
        parse_digest(&self.attrs.peer_certificate_digest()?)
    }
}

/// Where a request comes from, before the bundle has said what that means.
pub(super) struct Origin<'h> {
    pub(super) address: Option<IpAddr>,
    pub(super) region: Told<'h>,
    pub(super) country: Told<'h>,
}

/// What an edge says of a place.
pub(super) enum Told<'h> {
    /// No edge says it.
    Nowhere,
    /// The value of its header; `None` where it has not exactly one.
    Header(Option<&'h [u8]>),
}

/// The value of a header that stands once, without the white space around it.
fn only<'h>(mut values: impl Iterator<Item = &'h [u8]>) -> Option<&'h [u8]> {
    let value = values.next()?;
    values.next().is_none().then(|| value.trim_ascii())
}

/// What the direct peer is, as far as edges go.
enum Peer<'t> {
    /// This edge.
    Edge(&'t Edge),
    /// None of the edges.
    Other,
    /// It cannot be told whether it is one.
    Unknown,
}

fn any(edges: &[Edge], is: impl FnMut(&Edge) -> bool) -> bool {
    edges.iter().any(is)
}
