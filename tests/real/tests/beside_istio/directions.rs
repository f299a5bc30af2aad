//! In which chains the plugin is put by its `match`, and what the filter does there.

use std::net::Ipv4Addr;
use std::sync::Arc;

use regionguard_harness::client::{Client, Request, Response};
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, SERVICE_PORT, Spec, WORKLOAD_PORT};
use serde_json::json;

use crate::chain;
use crate::manifests::{Manifests, apply, bundle, issuer};

const DIRECT_PEER: &str = "regionguard-direct-peer";
const OURS: &str = "directions.regionguard";
const INTERLOCK: &str = "regionguard-interlock";

pub(crate) async fn both(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("directions").await?;
    let open = json!([{"name": "open", "identity": "none", "effect": "allow"}]);
    let options = ["--scope=workload", "--namespace=directions", "--selector=app=web"];
    let mut ours = Manifests::render(&mesh, &bundle(&issuer()?, &open), &options)?;
    if let Some(spec) = ours.plugin["spec"].as_object_mut() {
        spec.remove("match");
    }
    ours.apply(&mesh).await?;
    let web = mesh
        .workload(Spec::new("directions", "web").region("us-east-1").workers(1))
        .await?;
    let request = Request::new("GET", "/");
    // Its own service: what it sends stands for what it sends to anybody.
    let inward = async || look(&web, web.client().send(&request)).await;
    let outward = async || -> Result<Response> {
        let lines = web.access_log().entries().len();
        let answer = web.call(&web, &request).await?;
        // Its line is in the same log, and may come late.
        web.access_log().after(lines).await?;
        Ok(answer)
    };

    chain::wait_for(&web, WORKLOAD_PORT, &[DIRECT_PEER, OURS, INTERLOCK]).await?;
    chain::wait_for(&web, SERVICE_PORT, &[OURS]).await?;
    for _ in 0..3 {
        assert_eq!(inward().await?, Seen::allowed("rule.public"));
        let refused = outward().await?;
        assert_eq!(
            (refused.status, &refused.json()?["code"]),
            (500, &json!("misconfigured"))
        );
    }
    let sent = web
        .access_log()
        .wait_for(|line| line.text("decision").starts_with("deny;config.direction;"))
        .await?;
    assert_eq!(sent.text("details"), "regionguard.config.direction");

    // The gateways' direction: nothing of ours looks at what comes in, and the interlock says so.
    ours.plugin["spec"]["match"] = json!([{"mode": "CLIENT"}]);
    apply(&mesh, &ours.plugin).await?;
    chain::wait_for(&web, WORKLOAD_PORT, &[DIRECT_PEER, INTERLOCK]).await?;
    assert_eq!(inward().await?, Seen::unseen());
    assert_eq!(outward().await?.status, 500);

    // As it is shipped.
    ours.plugin["spec"]["match"] = json!([{"mode": "SERVER"}]);
    apply(&mesh, &ours.plugin).await?;
    chain::wait_for(&web, WORKLOAD_PORT, &[DIRECT_PEER, OURS, INTERLOCK]).await?;
    chain::wait_for(&web, SERVICE_PORT, &[]).await?;
    assert_eq!(inward().await?, Seen::allowed("rule.public"));
    assert_eq!(outward().await?.status, 200);
    Ok(())
}

const GATEWAY_PORT: u16 = 17_090;

pub(crate) async fn gateway(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("edge").await?;
    let rules = json!([
        {"name": "open", "identity": "none", "effect": "allow"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
        {"name": "near", "paths": ["/near"], "from": {"networks": ["127.0.1.0/24"]}, "effect": "deny"},
    ]);
    let options = ["--scope=gateway", "--namespace=edge", "--selector=app=edge"];
    let mut ours = Manifests::render(&mesh, &bundle(&issuer()?, &rules), &options)?;
    ours.apply(&mesh).await?;
    let edge = mesh
        .workload(Spec::new("edge", "edge").gateway().region("us-east-1").workers(1))
        .await?;
    mesh.apply(&listener(&edge.address().to_string())).await?;
    let filters = ["regionguard-direct-peer", "edge.regionguard", "regionguard-interlock"];
    chain::wait_for(&edge, GATEWAY_PORT, &filters).await?;
    let client = Client::new(edge.outbound(GATEWAY_PORT));
    let ask = async |path: &str| look(&edge, client.send(&Request::new("GET", path).host("api.us-east-1.com"))).await;
    // The gateway itself answers for the service behind it.
    assert_eq!(
        ask("/").await?,
        Seen {
            reached: false,
            ..Seen::new(200, "direct_response", "allow;rule.public")
        }
    );
    assert_eq!(ask("/closed").await?, Seen::refused(403, "rule.denied"));
    // An unknown source would be denied as well, and one from elsewhere is not.
    for (last, allowed) in [(1, false), (2, true)] {
        let client = client.from(Ipv4Addr::new(127, 0, last, 9).into());
        let seen = look(
            &edge,
            client.send(&Request::new("GET", "/near").host("api.us-east-1.com")),
        )
        .await?;
        assert_eq!(seen.status == 200, allowed, "{seen:?}");
    }

    // A gateway has no server's chain, so that direction puts the filter nowhere.
    ours.plugin["spec"]["match"] = json!([{"mode": "SERVER"}]);
    apply(&mesh, &ours.plugin).await?;
    chain::wait_for(
        &edge,
        GATEWAY_PORT,
        &["regionguard-direct-peer", "regionguard-interlock"],
    )
    .await?;
    assert_eq!(ask("/").await?, Seen::unseen());
    Ok(())
}

/// A listener of the gateway, and an answer for all that goes on.
fn listener(address: &str) -> String {
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"namespace": "edge", "name": "edge"},
        "spec": {
            "selector": {"app": "edge"},
            "servers": [{"port": {"number": GATEWAY_PORT, "name": "http", "protocol": "HTTP"}, "bind": address, "hosts": ["*"]}],
        },
    });
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"namespace": "edge", "name": "edge"},
        "spec": {
            "hosts": ["*"],
            "gateways": ["edge"],
            "http": [{"directResponse": {"status": 200}}],
        },
    });
    format!("{gateway}\n---\n{routes}")
}
