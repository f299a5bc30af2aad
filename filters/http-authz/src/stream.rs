//! One stream's properties, read where the kernel asks for them.

use regionguard::engine::Attrs;

use crate::abi;

/// The name of the decision line: filter state `wasm.regionguard`.
pub(crate) const LINE: &str = "regionguard";
/// Where the configuration puts the direct peer's address (`envoy.filters.http.set_filter_state`).
const DIRECT_PEER: &str = "filter_state\0regionguard.direct_peer";

/// The stream of the current callback.
pub(crate) struct Stream;

impl Attrs for Stream {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        abi::property(DIRECT_PEER)
    }

    fn has_line(&self) -> bool {
        abi::property(LINE).is_some()
    }
}
