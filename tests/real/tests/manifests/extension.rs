//! The plugin as a TrafficExtension: the same place in the chain, the same decisions.

use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::tools::wasm_module;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, shipped};
use serde_json::json;

use crate::{HOST, eventually};

pub(crate) async fn decides(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "extension";
    mesh.namespace(NAMESPACE).await?;
    let api = mesh
        .workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1))
        .await?;
    for file in [
        "workload/interlock.yaml",
        "workload/direct-peer.yaml",
        "base/telemetry.yaml",
    ] {
        let object = shipped::manifest(&format!("istio/{file}"), NAMESPACE)?;
        mesh.kube().apply_object(&object).await?;
    }
    let ask = async |path: &str| look(&api, api.client().send(&Request::new("GET", path).host(HOST))).await;
    eventually("the interlock refuses", async || {
        Ok(ask("/healthz").await? == Seen::unseen())
    })
    .await?;

    let mut extension = shipped::manifest("istio/trafficextension/trafficextension.yaml", NAMESPACE)?;
    let module = &mut extension["spec"]["wasm"];
    module["url"] = json!(format!("file://{}", wasm_module()?.display()));
    module.as_object_mut().ok_or("no `wasm`")?.remove("sha256");
    mesh.kube().apply_object(&extension).await?;
    eventually("the filter allows", async || {
        Ok(ask("/healthz").await? == Seen::allowed("rule.public"))
    })
    .await?;
    assert_eq!(ask("/v1/profiles/7").await?, Seen::refused(401, "identity.missing"));
    // Where nothing of ours was asked to stand: what the workload itself sends.
    let sent = api.call(&api, &Request::new("GET", "/healthz")).await?;
    assert_ne!(sent.status, 500, "config.direction");
    Ok(())
}
