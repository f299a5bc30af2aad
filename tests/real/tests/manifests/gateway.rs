//! A gateway of the Gateway API, found by its name instead of by labels: what comes in there is judged, and its neighbour is left alone.

use std::sync::Arc;

use regionguard_harness::client::{Client, Request};
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_mesh::seen::{Seen, look, settled};
use regionguard_mesh::{Mesh, Result, Spec, Workload};
use serde_json::{Value, json};

use crate::{HOST, all_answered, center, eventually, waypoint};

const NAMESPACE: &str = "ingress";
const PORT: u16 = 17_090;
/// Of the pods of a gateway: by it, istiod knows which ones `targetRefs` mean.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
const REFERENCED: &str = "envoyfilter.istio.io/referenced-services";

pub(crate) async fn judges(mesh: Arc<Mesh>) -> Result<()> {
    let answers = FaultServer::start(Behaviour::decide(true)).await?;
    let center = center::served(&mesh, "ingress-center", answers.address()).await?;
    mesh.namespace(NAMESPACE).await?;
    let (edge, neighbour) = tokio::try_join!(gateway(&mesh, "edge"), gateway(&mesh, "neighbour"))?;
    for object in routes(&edge) {
        mesh.kube().apply_object(&object).await?;
    }
    let ask = async |of: &Workload, path: &str| {
        let client = Client::new(of.outbound(PORT));
        client.send(&Request::new("GET", path).host(HOST)).await
    };
    let passes = async |of: &Workload| all_answered(200, async || ask(of, "/healthz").await).await;
    eventually("requests pass both gateways", async || {
        Ok(passes(&edge).await? && passes(&neighbour).await?)
    })
    .await?;

    let objects = manifests(&mesh, &center)?;
    let (plugin, before): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["kind"] == "WasmPlugin");
    for object in before {
        mesh.kube().apply_object(object).await?;
    }
    eventually("the interlock refuses", async || {
        all_answered(403, async || ask(&edge, "/healthz").await).await
    })
    .await?;
    settled(&edge).await;
    assert_eq!(look(&edge, ask(&edge, "/healthz")).await?, Seen::unseen());
    assert!(passes(&neighbour).await?, "another gateway of the namespace");

    for object in plugin {
        mesh.kube().apply_object(object).await?;
    }
    eventually("the filter allows", async || {
        Ok(ask(&edge, "/healthz").await?.status == 200)
    })
    .await?;
    settled(&edge).await;
    let seen = async |path: &str| look(&edge, ask(&edge, path)).await;
    assert_eq!(seen("/healthz").await?, Seen::allowed("rule.public"));
    assert_eq!(seen("/v1/profiles/7").await?, Seen::refused(401, "identity.missing"));
    assert_eq!(seen("/ask").await?, Seen::allowed("center.allowed"));
    let line = center.access_log().wait_for(|line| line.status() == 200).await?;
    assert_eq!(
        line.text("peer_identity"),
        format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/edge"),
        "the center knows that the gateway asks"
    );
    assert!(passes(&neighbour).await?, "another gateway of the namespace");
    known_by_name_alone(&mesh, &edge, &objects).await?;
    let before = answers.count();
    assert_eq!(seen("/ask").await?, Seen::refused(503, "center.error"));
    assert_eq!(answers.count(), before, "nobody was asked");
    Ok(())
}

/// No route of the gateway leads to the center: without the interlock's annotation, the gateway does not know it any more.
async fn known_by_name_alone(mesh: &Mesh, edge: &Workload, objects: &[Value]) -> Result<()> {
    let knows = async || -> Result<bool> {
        let clusters = edge.ask("/config_dump?resource=dynamic_active_clusters").await?;
        Ok(clusters.contains("outbound|8181||center.us-east-1.internal"))
    };
    let interlock = objects
        .iter()
        .find(|object| object["metadata"]["annotations"][REFERENCED].is_string());
    let mut interlock = interlock.ok_or("no object names the center")?.clone();
    assert!(knows().await?);
    interlock["metadata"]["annotations"] = json!({});
    mesh.kube().apply_object(&interlock).await?;
    eventually("the gateway forgets the center", async || Ok(!knows().await?)).await
}

/// Pods of a gateway that somebody deployed by hand, and the Gateway.
async fn gateway(mesh: &Mesh, name: &str) -> Result<Workload> {
    let spec = Spec::new(NAMESPACE, name).gateway().label(GATEWAY_NAME, name);
    let gateway = mesh.workload(spec.region("us-east-1").workers(1)).await?;
    let object = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "gatewayClassName": "istio",
            "addresses": [{"type": "Hostname", "value": gateway.host()}],
            "listeners": [{"name": "http", "port": PORT, "protocol": "HTTP"}],
        },
    });
    mesh.kube().apply_object(&object).await?;
    // Of the Gateway itself istiod would make a listener at every address, behind a Service, whose endpoints may not be loopback addresses.
    let listener = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "selector": {"app": name},
            "servers": [{
                "port": {"number": PORT, "name": "http", "protocol": "HTTP"},
                "bind": gateway.address().to_string(),
                "hosts": ["*"],
            }],
        },
    });
    mesh.kube().apply_object(&listener).await?;
    Ok(gateway)
}

/// Both gateways lead to the service of the first one.
fn routes(edge: &Workload) -> [Value; 2] {
    let (host, upstream) = (format!("shop.{NAMESPACE}.example.com"), edge.upstream().address());
    let service = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"namespace": NAMESPACE, "name": "shop"},
        "spec": {
            "exportTo": ["."],
            "hosts": [host],
            "resolution": "STATIC",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": upstream.port()}],
            "endpoints": [{"address": upstream.ip().to_string()}],
        },
    });
    let route = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": NAMESPACE, "name": "shop"},
        "spec": {
            "hosts": ["*"],
            "gateways": ["edge", "neighbour"],
            "http": [{"route": [{"destination": {"host": host, "port": {"number": 80}}}]}],
        },
    });
    [service, route]
}

/// What `regionguard render istio --scope gateway --gateway edge` writes for the policy that ships, and one rule that asks.
fn manifests(mesh: &Mesh, center: &Workload) -> Result<Vec<Value>> {
    let options = [
        "--scope=gateway",
        "--gateway=edge",
        "--center-identity=spiffe://cluster.local/ns/ingress-center/sa/ingress-center",
    ];
    let files = [
        "interlock.yaml",
        "direct-peer.yaml",
        "centers.yaml",
        "http-only.yaml",
        "telemetry.yaml",
        "wasmplugin.yaml",
    ];
    center::rendered_with(mesh, NAMESPACE, &options, &waypoint::bundle()?, center, &files)
}
