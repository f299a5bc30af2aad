//! One stream's properties, read where the kernel asks for them.

use core::cell::Cell;

use regionguard::engine::Attrs;

use crate::abi;

/// The name of the decision line: filter state `wasm.regionguard`.
pub(crate) const LINE: &str = "regionguard";
/// The property that holds in how many seconds the token ends, where the caller is to be told: filter state `wasm.regionguard_refresh`.
pub(crate) const REFRESH: &str = "regionguard_refresh";
/// The properties that hold the lines which a request would have had by what is only tried: filter states `wasm.regionguard_shadow` and
/// `wasm.regionguard_candidate`.
pub(crate) const SHADOW: &str = "regionguard_shadow";
pub(crate) const CANDIDATE: &str = "regionguard_candidate";
/// Where the configuration puts the direct peer's address (`envoy.filters.http.set_filter_state`).
const DIRECT_PEER: &str = "filter_state\0regionguard.direct_peer";

/// The peer's leaf certificate: PEM, percent-encoded.
const PEER_CERTIFICATE: &str = "connection\0peer_certificate";
/// The SHA-256 of the same, in hexadecimal: known to hosts that do not give the certificate itself, and less to copy.
const PEER_CERTIFICATE_DIGEST: &str = "connection\0sha256_peer_certificate_digest";
/// `envoy.config.core.v3.TrafficDirection` of this stream's listener, as an `int64`.
const LISTENER_DIRECTION: &str = "xds\0listener_direction";
/// `TrafficDirection.OUTBOUND`
const OUTBOUND: [u8; 8] = 2_i64.to_le_bytes();
/// The port of the connection's own end, which in a sidecar is the one that was meant before it was redirected; as an `int64`.
const DESTINATION_PORT: &str = "destination\0port";
/// In Istio `ROLE~ADDRESS~NAME~DOMAIN`.
const NODE_ID: &str = "xds\0node\0id";

/// Which streams of a root context are asked for the direction of their listener. The host tells it to streams only, each time at the price of an allocating call,
/// and one root context may serve listeners of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Each. Whoever loads a plugin into an Istio sidecar without saying where has it in both chains; and where one outbound stream was seen, there are more.
    Each,
    /// The next one.
    Next,
    /// None until the next tick: the last that was asked was not outbound.
    Later,
    /// None: the listeners of an Istio gateway are outbound, since what comes in there goes out to others by design.
    Never,
}

impl Watch {
    /// What this node wants; to be asked in a root context.
    pub(crate) fn of_node() -> Self {
        match abi::property(NODE_ID) {
            Some(id) if id.starts_with(b"sidecar~") => Self::Each,
            Some(id) if id.starts_with(b"router~") => Self::Never,
            _ => Self::Next,
        }
    }

    /// A tick has passed.
    pub(crate) fn refreshed(self) -> Self {
        if self == Self::Later { Self::Next } else { self }
    }
}

/// The stream of the current callback.
pub(crate) struct Stream<'a> {
    /// Of its root context.
    pub(crate) watch: &'a Cell<Watch>,
    /// The request ends with its headers.
    pub(crate) has_no_body: bool,
}

impl Attrs for Stream<'_> {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        abi::property(DIRECT_PEER)
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        abi::property(PEER_CERTIFICATE)
    }

    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        abi::property(PEER_CERTIFICATE_DIGEST)
    }

    fn destination_port(&self) -> Option<u16> {
        let bytes = abi::property(DESTINATION_PORT)?;
        u16::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    fn has_no_body(&self) -> bool {
        self.has_no_body
    }

    fn is_outbound(&self) -> bool {
        let watch = self.watch.get();
        if matches!(watch, Watch::Later | Watch::Never) {
            return false;
        }
        // A listener that says nothing of its direction is not outbound.
        let outbound = abi::property(LISTENER_DIRECTION).is_some_and(|direction| direction == OUTBOUND);
        if watch == Watch::Next {
            self.watch.set(if outbound { Watch::Each } else { Watch::Later });
        }
        outbound
    }

    fn has_line(&self) -> bool {
        abi::property(LINE).is_some()
    }
}
