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

    /// Whether it is one of the edges at the other end.
    pub(super) fn is_edge(&self) -> bool {
        self.edge().is_some()
    }

    /// Where the request comes from: what the edge says, or else the direct peer. An edge that says nothing readable leaves it unknown.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.edge().and_then(|edge| edge.address.as_ref()) {
            Some(header) => forwarded_address(self.headers.values(&header.name), header.hops),
            None => self.direct_address(),
        }
    }

    /// The certificate that the sender has shown; none where nobody has validated it. An edge's own stands for nobody: it presents it for whoever comes to it.
    pub(super) fn certificate(&self) -> Option<Thumbprint> {
        match self.edge() {
            None if self.trust.peer_verification => self.own_certificate(),
            None => None,
            Some(edge) => {
                let header = edge.certificate.as_deref()?;
                forwarded_certificate(self.headers.values(header), self.own_certificate())
            }
        }
    }

    /// The edge that the direct peer is.
    fn edge(&self) -> Option<&'a Edge> {
        let edges = &self.trust.edges;
        let address = any(edges, |edge| !edge.networks.is_empty()).then(|| self.direct_address());
        let workload = any(edges, |edge| !edge.workloads.is_empty()).then(|| self.workload());
        let (address, workload) = (address.flatten(), workload.flatten());
        edges.iter().find(|edge| {
            let by_address = |address: &IpAddr| edge.networks.iter().any(|network| network.contains(address));
            let by_name = |workload: &SpiffeId| edge.workloads.iter().any(|pattern| pattern.matches(workload));
            address.as_ref().is_some_and(by_address) || workload.as_ref().is_some_and(by_name)
        })
    }

    fn direct_address(&self) -> Option<IpAddr> {
        parse_address(&self.attrs.direct_peer()?)
    }

    fn own_certificate(&self) -> Option<Thumbprint> {
        parse_digest(&self.attrs.peer_certificate_digest()?)
    }
}

fn any(edges: &[Edge], is: impl FnMut(&Edge) -> bool) -> bool {
    edges.iter().any(is)
}
