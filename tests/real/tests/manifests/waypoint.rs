//! A waypoint of an ambient mesh: what comes through a tunnel is judged there, before it goes on to the service.

use std::net::SocketAddr;
use std::sync::Arc;

use regionguard_harness::client::{Request, Response};
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_mesh::seen::{Seen, look, settled};
use regionguard_mesh::tunnel::{self, Tunnel};
use regionguard_mesh::{Mesh, Result, Spec, Workload, shipped};
use serde_json::{Value, json};

use crate::{HOST, all_answered, center, eventually};

const NAMESPACE: &str = "ambient";
/// The addresses of the services, as clients of the mesh know them.
const GUARDED: &str = "240.240.0.1";
const UNGUARDED: &str = "240.240.0.2";
const PORT: u16 = 80;
/// The same program, whose protocol nobody declares to be HTTP.
const TCP: u16 = 81;

pub(crate) async fn judges(mesh: Arc<Mesh>) -> Result<()> {
    let answers = FaultServer::start(Behaviour::decide(true)).await?;
    let center = center::served(&mesh, "ambient-center", answers.address()).await?;
    mesh.namespace(NAMESPACE).await?;
    let web = mesh
        .workload(tunnel::client(Spec::new(NAMESPACE, "web").workers(1)))
        .await?;
    let waypoint = mesh
        .workload(Spec::new(NAMESPACE, "waypoint").waypoint().workers(1))
        .await?;
    let service = waypoint.upstream().address();
    let label = json!({"istio.io/use-waypoint": "waypoint"});
    mesh.kube()
        .apply_object(&entry("guarded", GUARDED, label, service))
        .await?;
    let other = entry("unguarded", UNGUARDED, json!({}), service);
    mesh.kube().apply_object(&other).await?;
    let to = async |address: &str, port: u16| Tunnel::start(&mesh, &web, &waypoint, &format!("{address}:{port}")).await;
    let (tunnel, tcp, astray) = (
        to(GUARDED, PORT).await?,
        to(GUARDED, TCP).await?,
        to(UNGUARDED, PORT).await?,
    );
    let ask =
        async |path: &str| -> Result<Response> { tunnel.client().send(&Request::new("GET", path).host(HOST)).await };
    eventually("requests pass the waypoint", async || {
        Ok(ask("/healthz").await?.status == 200)
    })
    .await?;

    let health = Request::new("GET", "/healthz").host(HOST);
    assert_eq!(tcp.client().send(&health).await?.status, 200);

    let objects = manifests(&mesh, &center)?;
    let (plugin, before): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["kind"] == "WasmPlugin");
    for object in before {
        mesh.kube().apply_object(object).await?;
    }
    eventually("the interlock refuses", async || {
        all_answered(403, async || ask("/healthz").await).await
    })
    .await?;
    settled(&waypoint).await;
    assert_eq!(look(&waypoint, ask("/healthz")).await?, Seen::unseen());
    let state = waypoint.config_dump().await?.to_string();
    assert!(
        state.contains("outbound|8181||center.us-east-1.internal"),
        "the waypoint knows the center, to which it routes nothing"
    );

    for object in plugin {
        mesh.kube().apply_object(object).await?;
    }
    eventually("the filter allows", async || Ok(ask("/healthz").await?.status == 200)).await?;
    settled(&waypoint).await;
    assert_eq!(look(&waypoint, ask("/healthz")).await?, Seen::allowed("rule.public"));
    assert_eq!(
        look(&waypoint, ask("/v1/profiles/7")).await?,
        Seen::refused(401, "identity.missing")
    );
    assert_eq!(look(&waypoint, ask("/ask")).await?, Seen::allowed("center.allowed"));
    assert!(answers.count() > 0, "the center was asked");
    let line = center.access_log().wait_for(|line| line.status() == 200).await?;
    assert_eq!(
        line.text("peer_identity"),
        format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/waypoint"),
        "the center knows that the waypoint asks"
    );

    // What is not HTTP to the waypoint, and what it is not for, does not get through it.
    let reached = waypoint.upstream().count();
    for past in [tcp, astray] {
        let refused = past.client().send(&health).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(waypoint.upstream().count(), reached);
    Ok(())
}

/// What `regionguard render istio --scope waypoint` writes for [`bundle`].
fn manifests(mesh: &Mesh, center: &Workload) -> Result<Vec<Value>> {
    let options = [
        "--scope=waypoint",
        "--gateway=waypoint",
        "--center-identity=spiffe://cluster.local/ns/ambient-center/sa/ambient-center",
    ];
    let files = [
        "interlock.yaml",
        "centers.yaml",
        "http-only.yaml",
        "telemetry.yaml",
        "wasmplugin.yaml",
    ];
    center::rendered_with(mesh, NAMESPACE, &options, &bundle()?, center, &files)
}

/// The policy that ships, and one rule that asks.
pub(crate) fn bundle() -> Result<Value> {
    let plugin = shipped::manifest("istio/waypoint/wasmplugin.yaml", NAMESPACE)?;
    let mut bundle = plugin["spec"]["pluginConfig"].clone();
    let documents = bundle["documents"].as_array_mut().ok_or("no documents")?;
    let shop = documents
        .iter_mut()
        .find(|document| document["metadata"]["name"] == "shop");
    let rules = shop
        .and_then(|shop| shop["spec"]["rules"].as_array_mut())
        .ok_or("no rules")?;
    rules.push(json!({"name": "ask", "paths": ["/ask"], "identity": "none", "effect": "defer"}));
    Ok(bundle)
}

/// A service of the mesh at an address of its own, behind which is `upstream`. No other namespace has its host.
fn entry(name: &str, address: &str, labels: Value, upstream: SocketAddr) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"namespace": NAMESPACE, "name": name, "labels": labels},
        "spec": {
            "hosts": [format!("{name}.{NAMESPACE}.example.com")],
            "addresses": [address],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [
                {"number": PORT, "name": "http", "protocol": "HTTP", "targetPort": upstream.port()},
                {"number": TCP, "name": "tcp", "protocol": "TCP", "targetPort": upstream.port()},
            ],
            "endpoints": [{"address": upstream.ip().to_string()}],
        },
    })
}
