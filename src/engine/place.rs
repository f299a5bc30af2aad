//! Where a request comes from: the address, the region and the country, and which headers count for that.

use super::authorize::Bench;
use super::connection::Told;
use crate::bundle::Generation;
use crate::bundle::document::Edge;
use crate::context::Country;
use crate::policy::Source;
use crate::request::Headers;

impl Bench<'_, '_> {
    /// Where the request comes from. An edge that has a header for the region, or for the country, alone tells it; else the region is the one whose networks hold
    /// the address, and the country is that of the region.
    pub(super) fn source(&mut self, headers: Headers<'_>, generation: &Generation) -> Source {
        let origin = self.connection(headers, generation).origin();
        let region = match origin.region {
            Told::Header(value) => value
                .and_then(|value| core::str::from_utf8(value).ok())
                .and_then(|name| generation.region_named(name)),
            Told::Nowhere => origin.address.and_then(|address| generation.networks.find(address)),
        };
        let country = match origin.country {
            Told::Header(value) => value.and_then(Country::from_header),
            Told::Nowhere => region
                .and_then(|region| generation.region(region))
                .and_then(|region| region.country),
        };
        Source {
            address: origin.address,
            region,
            country,
        }
    }

    /// Takes out of `removals` the headers in which the edge at the other end says a place, as it spells them: the upstream may go by them. Who is at the other end
    /// is asked only where such a header is there.
    pub(super) fn spare_the_edge(&mut self, removals: &mut Vec<&[u8]>, headers: Headers<'_>, generation: &Generation) {
        let says = |edge: &Edge, name: &[u8]| {
            let mut own = edge.place_headers();
            own.any(|own| own.as_bytes().eq_ignore_ascii_case(name))
        };
        let edges = &generation.trust.edges;
        if removals.iter().any(|name| edges.iter().any(|edge| says(edge, name)))
            && let Some(edge) = self.connection(headers, generation).edge()
        {
            removals.retain(|name| !says(edge, name));
        }
    }
}
