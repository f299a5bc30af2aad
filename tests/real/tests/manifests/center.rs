//! The cluster of a center: asked by mutual TLS, and only who has the center's own identity is asked.

use std::net::SocketAddr;
use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::tools::wasm_module;
use regionguard_mesh::kube::documents;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT, Workload, shipped};
use serde_json::{Value, json};

use crate::eventually;

const NAMESPACE: &str = "asks";
const CENTER: &str = "regional-center";
const CENTER_HOST: &str = "center.us-east-1.internal";

pub(crate) async fn asked(mesh: Arc<Mesh>) -> Result<()> {
    let answers = FaultServer::start(Behaviour::decide(true)).await?;
    let center = served(&mesh, CENTER, answers.address()).await?;
    mesh.namespace(NAMESPACE).await?;
    let api = mesh
        .workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1))
        .await?;
    for object in rendered(&mesh, NAMESPACE, &bundle()?, &center, "centers.yaml")? {
        mesh.kube().apply_object(&object).await?;
    }
    let ask = async || look(&api, api.client().send(&Request::new("GET", "/"))).await;
    eventually("the center is asked", async || {
        Ok(ask().await? == Seen::allowed("center.allowed"))
    })
    .await?;
    let line = center.access_log().wait_for(|line| line.status() == 200).await?;
    assert_eq!(
        line.text("peer_identity"),
        format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/api"),
        "the center knows who asks"
    );

    // Somebody else of the mesh in the center's place is not asked.
    let mut rule = mesh
        .kube()
        .get("networking.istio.io/v1", "DestinationRule", NAMESPACE, CENTER_HOST)
        .await?
        .ok_or("no DestinationRule")?;
    let expected = "spiffe://cluster.local/ns/regional-center/sa/another";
    rule["spec"]["trafficPolicy"]["tls"]["subjectAltNames"] = json!([expected]);
    let rule = json!({
        "apiVersion": rule["apiVersion"], "kind": rule["kind"], "spec": rule["spec"],
        "metadata": {"namespace": NAMESPACE, "name": CENTER_HOST},
    });
    mesh.kube().apply_object(&rule).await?;
    eventually("nobody else is asked", async || Ok(ask().await?.status == 503)).await?;
    let before = answers.count();
    for _ in 0..3 {
        assert_eq!(ask().await?, Seen::refused(503, "center.unavailable"));
    }
    assert_eq!(answers.count(), before, "none of these questions reached it");
    Ok(())
}

/// A workload of this name, in a namespace of this name, before what `answers`: it takes nothing but mutual TLS.
pub(crate) async fn served(mesh: &Mesh, name: &str, answers: SocketAddr) -> Result<Workload> {
    mesh.namespace(name).await?;
    let strict = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"namespace": name, "name": "strict"},
        "spec": {"mtls": {"mode": "STRICT"}},
    });
    mesh.kube().apply_object(&strict).await?;
    let log = shipped::manifest("istio/base/telemetry.yaml", name)?;
    mesh.kube().apply_object(&log).await?;
    let server = mesh.workload(Spec::new(name, name).workers(1)).await?;
    let sidecar = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
        "metadata": {"namespace": name, "name": name},
        "spec": {"ingress": [{
            "port": {"number": WORKLOAD_PORT, "protocol": "HTTP", "name": "http"},
            "bind": server.address().to_string(),
            "captureMode": "NONE",
            "defaultEndpoint": answers.to_string(),
        }]},
    });
    mesh.kube().apply_object(&sidecar).await?;
    let endpoint = format!("\"port_value\":{}", answers.port());
    server
        .wait_for_config(|config| config.replace(' ', "").contains(&endpoint))
        .await?;
    Ok(server)
}

/// All that `regionguard render istio` writes for a workload `api` and this bundle, with the places put in of the module and of the one server that it speaks to;
/// that one is in the file `clusters`.
pub(crate) fn rendered(
    mesh: &Mesh,
    namespace: &str,
    bundle: &Value,
    server: &Workload,
    clusters: &str,
) -> Result<Vec<Value>> {
    let files = [
        "interlock.yaml",
        "direct-peer.yaml",
        clusters,
        "telemetry.yaml",
        "wasmplugin.yaml",
    ];
    let options = ["--scope=workload", "--selector=app=api"];
    rendered_with(mesh, namespace, &options, bundle, server, &files)
}

/// The same by other options, and of it these files.
pub(crate) fn rendered_with(
    mesh: &Mesh,
    namespace: &str,
    options: &[&str],
    bundle: &Value,
    server: &Workload,
    files: &[&str],
) -> Result<Vec<Value>> {
    let (source, out) = (mesh.dir().join(format!("{namespace}.json")), mesh.dir().join(namespace));
    std::fs::write(&source, bundle.to_string())?;
    let namespace = format!("--namespace={namespace}");
    shipped::render(&source, &[&[namespace.as_str()], options].concat(), &out)?;
    let mut objects = Vec::new();
    for file in files {
        objects.extend(documents(&std::fs::read_to_string(out.join(file))?)?);
    }
    for object in &mut objects {
        match object["kind"].as_str() {
            Some("ServiceEntry") => {
                object["spec"]["resolution"] = json!("STATIC");
                let port = object["spec"]["ports"][0]["name"].as_str().ok_or("no port")?;
                let endpoint = json!({"address": server.address().to_string(), "ports": {port: WORKLOAD_PORT}});
                object["spec"]["endpoints"] = json!([endpoint]);
            }
            Some("WasmPlugin") => {
                shipped::set_module(object, &format!("file://{}", wasm_module()?.display()), None);
            }
            _ => {}
        }
    }
    Ok(objects)
}

/// Everything is asked of the center of the example.
fn bundle() -> Result<Value> {
    let plugin = shipped::manifest("istio/workload/wasmplugin.yaml", NAMESPACE)?;
    let mut bundle = plugin["spec"]["pluginConfig"].clone();
    if let Some(bundle) = bundle.as_object_mut() {
        bundle.remove("trust");
    }
    let documents = bundle["documents"].as_array_mut().ok_or("no documents")?;
    documents.retain(|document| document["kind"] == "Region");
    documents.push(json!({
        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
        "spec": {"rules": [{"name": "ask", "identity": "none", "effect": "defer"}]},
    }));
    Ok(bundle)
}
