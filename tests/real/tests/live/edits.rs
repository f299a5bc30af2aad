//! Edits by `kubectl apply`, good and broken, on each of the two ways, while requests come in.
use std::sync::Arc;

use regionguard_mesh::{Mesh, Result};

pub async fn of_a_config_map(_mesh: &Arc<Mesh>) -> Result<()> {
    Ok(())
}

pub async fn of_a_plugin_config(_mesh: &Arc<Mesh>) -> Result<()> {
    Ok(())
}
