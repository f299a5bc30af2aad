//! The plugin as a TrafficExtension: the same place in the chain, the same decisions.

use std::net::Ipv4Addr;
use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::tools::wasm_module;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, shipped};
use serde_json::json;

use crate::{HOST, eventually, near};

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
    near(&mut extension["spec"]["wasm"]["pluginConfig"])?;
    mesh.kube().apply_object(&extension).await?;
    eventually("the filter allows", async || {
        Ok(ask("/healthz").await? == Seen::allowed("rule.public"))
    })
    .await?;
    assert_eq!(ask("/v1/profiles/7").await?, Seen::refused(401, "identity.missing"));
    // The direct peer of a workload tells from where a request comes.
    for (last, seen) in [
        (1, Seen::allowed("rule.public")),
        (2, Seen::refused(401, "identity.missing")),
    ] {
        let client = api.client().from(Ipv4Addr::new(127, 0, last, 9).into());
        let request = Request::new("GET", "/near").host(HOST);
        assert_eq!(look(&api, client.send(&request)).await?, seen);
    }
    // Where nothing of ours was asked to stand: what the workload itself sends.
    let sent = api.call(&api, &Request::new("GET", "/healthz")).await?;
    assert_ne!(sent.status, 500, "config.direction");
    Ok(())
}
