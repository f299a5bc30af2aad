//! Edits by `kubectl apply`, good and broken, on each of the two ways, while requests come in.

use std::sync::Arc;

use regionguard_mesh::live::bundles::FAULTS;
use regionguard_mesh::live::load::{self, Load};
use regionguard_mesh::live::oracle::judge;
use regionguard_mesh::live::site::{Site, WORKERS};
use regionguard_mesh::live::way::{Way, config_map_of};
use regionguard_mesh::{Mesh, Result};
use serde_json::json;

use crate::editor::Editor;

pub async fn of_a_config_map(mesh: &Arc<Mesh>) -> Result<()> {
    let site = Site::start(mesh, "live-config-map", Way::ConfigMap).await?;
    under_load(&site, async |editor| {
        editor.edit(2).await?;
        editor.edit(3).await?;
        for fault in &FAULTS[..2] {
            editor.broken(4, fault).await?;
        }
        editor
            .unreadable("no YAML", config_map_of(&site.namespace, "resources: [\n")?)
            .await?;
        let mut without = config_map_of(&site.namespace, "")?;
        without["data"] = json!({"elsewhere.yaml": ""});
        editor.unreadable("no file", without).await?;
        editor.bring_back().await?;
        editor.older(2).await?;
        editor.edit(3).await?;
        editor.edit(5).await
    })
    .await
}

pub async fn of_a_plugin_config(mesh: &Arc<Mesh>) -> Result<()> {
    let site = Site::start(mesh, "live-plugin-config", Way::WasmPlugin).await?;
    under_load(&site, async |editor| {
        editor.edit(2).await?;
        editor.edit(3).await?;
        for fault in &FAULTS[..2] {
            editor.broken(4, fault).await?;
        }
        editor.edit(3).await?;
        editor.edit(5).await
    })
    .await
}

/// Edits while a steady client goes on, and then judges each of its requests.
async fn under_load(site: &Site, edits: impl AsyncFnOnce(&mut Editor) -> Result<()>) -> Result<()> {
    let mut editor = Editor::new(site).await?;
    let load = Load::start(site).await?;
    let edited = edits(&mut editor).await;
    let seen = load.finish(site).await;
    edited?;
    let seen = seen?;
    let last = judge(&editor.made, &seen)?;
    assert_eq!(last, [editor.serves(); WORKERS]);
    assert_eq!(load::workers(&seen), WORKERS);
    eprintln!(
        "{:?}: {} edits, {} requests",
        site.way,
        editor.made.len() - 1,
        seen.len()
    );
    Ok(())
}
