//! What an edit of the policy does.

use regionguard_harness::Result;
use serde_json::json;

use crate::manifests::rule;
use crate::stage::{Stage, get, wait};

pub(crate) async fn an_edit_of_the_policy_is_in_force_without_a_restart(stage: &mut Stage) -> Result<()> {
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    let version = stage
        .edit(|wasm| rule(wasm, "health")["paths"] = json!(["/alive"]))
        .await?;
    wait("the edit to be in force", async || {
        Ok(stage.client().send(&get("/alive")).await?.status == 200)
    })
    .await?;
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 401);
    stage.line_of_version(version).await
}

pub(crate) async fn a_policy_that_does_not_compile_changes_nothing(stage: &mut Stage) -> Result<()> {
    let before = stage.version;
    let refused = stage.proxy.stat("listener_manager.lds.update_rejected").await?;
    stage
        .edit(|wasm| rule(wasm, "health")["effekt"] = json!("deny"))
        .await?;
    wait("Envoy to refuse it", async || {
        Ok(stage.proxy.stat("listener_manager.lds.update_rejected").await? > refused)
    })
    .await?;
    assert!(stage.proxy.log().contains("effekt"), "{}", stage.proxy.log());
    // Envoy Gateway does not know the bundle, and says nothing of it.
    stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "True")
        .await?;
    for _ in 0..20 {
        assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    }
    assert_eq!(stage.client().send(&get("/v1/profiles/7")).await?.status, 401);
    stage.line_of_version(before).await
}

pub(crate) async fn the_module_can_come_from_a_web_server(stage: &mut Stage) -> Result<()> {
    // A registry is one: it hands out the layer, and Envoy Gateway unpacks what is packed.
    let layer = stage.registry.layer(&stage.image)?;
    let code = |sha256: &str| json!({"type": "HTTP", "http": {"url": layer, "sha256": sha256}});
    let (right, wrong) = (code(stage.image.module_hex()), code(&"1".repeat(64)));
    let version = stage.edit(|wasm| wasm["code"] = right).await?;
    stage.serves(version).await?;
    stage.edit(|wasm| wasm["code"] = wrong).await?;
    stage.refuses_by_the_interlock().await
}
