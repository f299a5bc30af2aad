//! The file of the filter's configuration names a module that is not there.

use std::sync::Arc;

use regionguard_mesh::live::bundles::Signer;
use regionguard_mesh::live::way::{Way, bring_module, config_map, set_bundle};
use regionguard_mesh::seen::Seen;
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

use crate::scene::{Scene, WAIT};

const NAMESPACE: &str = "missing-module";
const MODULE: &str = "etc/regionguard/module/plugin.wasm";

pub async fn missing(mesh: Arc<Mesh>) -> Result<()> {
    let signer = Signer::new()?;
    let spec = Way::ConfigMap.spec(NAMESPACE)?;
    let mut scene = Scene::start(&mesh, Way::ConfigMap, spec, &signer, &map(&signer, 1, MODULE)?).await?;

    // At start: the listener comes up, closed.
    scene.filter().await?;
    scene.until("/open/1", 500).await?;
    scene.assert_closed().await?;
    assert!(scene.pushes("config_fail").await? >= 1);
    scene.assert_logged(&["Filesystem config update rejected", MODULE]);

    // It is not looked for again before the configuration changes.
    bring_module(scene.api.dir())?;
    scene.assert_closed().await?;
    scene.apply(&map(&signer, 2, MODULE)?).await?;
    scene.until("/open/1", 200).await?;
    assert_eq!(scene.ask("/open/1").await?, Seen::allowed("rule.allowed"));
    assert_eq!(scene.ask("/never/1").await?, Seen::refused(403, "policy.no_rule"));

    // In a later push: what serves goes on serving.
    let rejected = scene.pushes("update_rejected").await?;
    scene
        .apply(&map(&signer, 3, "etc/regionguard/module/next.wasm")?)
        .await?;
    scene.wait_for_pushes("update_rejected", rejected + 1).await?;
    scene.assert_logged(&["etc/regionguard/module/next.wasm"]);
    assert_eq!(scene.ask("/marker/2").await?, Seen::allowed("rule.allowed"));
    assert_eq!(scene.ask("/marker/3").await?, Seen::refused(403, "policy.no_rule"));

    // Until the proxy starts anew.
    tokio::time::timeout(WAIT, scene.api.restart_agent()).await??;
    scene.until("/open/1", 500).await?;
    scene.assert_closed().await?;
    scene.apply(&map(&signer, 4, MODULE)?).await?;
    scene.until("/marker/4", 200).await?;
    scene.assert_decided().await
}

fn map(signer: &Signer, number: usize, module: &str) -> Result<Value> {
    config_map(NAMESPACE, |file| {
        set_bundle(file, &signer.bundle(number, number as u64));
        let config = &mut file["resources"][0]["typed_config"]["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!(format!("./{module}"));
    })
}
