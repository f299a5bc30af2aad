//! A hostile neighbour: another maker's Wasm filter, for the chain of ours.

use crate::{Context as _, Result};

/// The module: on every request it overwrites and replays shared data, floods a queue, and sets filter state and headers that are
/// others'. With any configuration at all it also sets the decision line to an allow. It serves under every root id.
///
/// # Errors
/// When its text is wrong.
pub fn module() -> Result<Vec<u8>> {
    wat::parse_str(include_str!("neighbour.wat")).context(|| "cannot assemble the neighbour".to_owned())
}
