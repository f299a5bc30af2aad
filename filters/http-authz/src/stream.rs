//! One stream's properties, read where the kernel asks for them.

use core::cell::Cell;

use regionguard::engine::Attrs;

use crate::abi;

/// The name of the decision line: filter state `wasm.regionguard`.
pub(crate) const LINE: &str = "regionguard";
/// Where the configuration puts the direct peer's address (`envoy.filters.http.set_filter_state`).
const DIRECT_PEER: &str = "filter_state\0regionguard.direct_peer";

/// The peer's leaf certificate: PEM, percent-encoded.
const PEER_CERTIFICATE: &str = "connection\0peer_certificate";
/// `envoy.config.core.v3.TrafficDirection` of this stream's listener, as an `int64`.
const LISTENER_DIRECTION: &str = "xds\0listener_direction";
/// `TrafficDirection.OUTBOUND`
const OUTBOUND: [u8; 8] = 2_i64.to_le_bytes();
/// `xds.node.id`: in Istio `ROLE~ADDRESS~NAME~DOMAIN`.
const NODE_ID: &str = "xds\0node\0id";
/// The role of Istio's gateways, whose listeners are outbound: what comes in there goes out to others by design.
const GATEWAY: &[u8] = b"router~";

/// The stream of the current callback.
pub(crate) struct Stream<'a> {
    /// What is known of the listeners of this stream's root context. The host makes a root context for each direction (it is part of a plugin's key), and tells
    /// the direction to streams only: so the first one asks for all.
    pub(crate) outbound: &'a Cell<Option<bool>>,
}

impl Attrs for Stream<'_> {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        abi::property(DIRECT_PEER)
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        abi::property(PEER_CERTIFICATE)
    }

    fn is_outbound(&self) -> bool {
        self.outbound.get().unwrap_or_else(|| {
            let outbound = is_sidecars_outbound();
            self.outbound.set(Some(outbound));
            outbound
        })
    }

    fn has_line(&self) -> bool {
        abi::property(LINE).is_some()
    }
}

/// Whether this stream's listener takes what a sidecar's workload sends. A listener that says nothing of its direction does not.
fn is_sidecars_outbound() -> bool {
    let outbound = abi::property(LISTENER_DIRECTION).is_some_and(|direction| direction == OUTBOUND);
    outbound && !abi::property(NODE_ID).is_some_and(|id| id.starts_with(GATEWAY))
}
