//! What lets nothing in.

use regionguard_harness::Result;
use serde_json::json;

use crate::manifests::{API, NAMESPACE};
use crate::stage::{OTHER_TAG, Stage};

pub(crate) async fn an_image_of_another_digest_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    // At an address of its own: after ten failures at one, Envoy Gateway does not ask there again for an hour.
    let image = json!({"url": stage.registry.tag(OTHER_TAG), "sha256": "1".repeat(64)});
    stage.edit(|wasm| wasm["code"]["image"] = image).await?;
    stage.refuses_by_the_interlock().await?;
    let policy = stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "False")
        .await?;
    assert!(policy.to_string().contains("which does not match"), "{policy:#}");
    // The interlock stays where there is no filter in front of it.
    stage
        .has("EnvoyPatchPolicy", "regionguard-interlock", "Programmed", "True")
        .await?;
    stage
        .has("EnvoyPatchPolicy", "regionguard-reload", "Programmed", "False")
        .await?;
    Ok(())
}

pub(crate) async fn an_image_that_is_not_there_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    // Another repository: with a digest, Envoy Gateway takes what it has of the same one, whatever the tag.
    let url = stage.registry.absent();
    stage.edit(|wasm| wasm["code"]["image"]["url"] = json!(url)).await?;
    stage.refuses_by_the_interlock().await
}

pub(crate) async fn without_the_policy_nothing_is_let_in(stage: &mut Stage) -> Result<()> {
    stage.gateway.kube().delete(&stage.policy.to_string()).await?;
    stage.refuses_by_the_interlock().await
}

pub(crate) async fn a_route_with_a_policy_of_its_own_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    let own = json!({
        "apiVersion": API, "kind": "EnvoyExtensionPolicy", "metadata": {"name": "own", "namespace": NAMESPACE},
        "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "api"}]},
    });
    stage.gateway.kube().apply_object(&own).await?;
    let refused = stage.refuses_by_the_interlock().await;
    stage.gateway.kube().delete(&own.to_string()).await?;
    refused
}

pub(crate) async fn a_request_that_no_route_takes_is_refused(stage: &mut Stage) -> Result<()> {
    let route = stage.named("HTTPRoute", "api");
    let mut narrow = route.clone();
    narrow["spec"]["rules"][0]["matches"] = json!([{"path": {"type": "PathPrefix", "value": "/v1"}}]);
    stage.gateway.kube().apply_object(&narrow).await?;
    let refused = stage.refuses_by_the_interlock().await;
    stage.gateway.kube().apply_object(&route).await?;
    refused
}
