//! The plugin of the whole mesh and the plugin of a namespace, in one chain.

use std::net::Ipv4Addr;
use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT};
use serde_json::json;

use crate::chain;
use crate::manifests::{Manifests, apply, bundle, issuer};

const DIRECT_PEER: &str = "regionguard-direct-peer";
const NAMESPACES: &str = "twice.regionguard";
const MESHS: &str = "istio-system.regionguard";
const INTERLOCK: &str = "regionguard-interlock";

pub(crate) async fn refused(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("twice").await?;
    let open = json!([
        {"name": "open", "paths": ["/"], "identity": "none", "effect": "allow"},
        {"name": "near", "paths": ["/near"], "from": {"networks": ["127.0.1.0/24"]}, "identity": "none", "effect": "allow"},
    ]);
    let bundle = bundle(&issuer()?, &open);
    let of_namespace = Manifests::render(&mesh, &bundle, &["--scope=namespace", "--namespace=twice"])?;
    let mut of_mesh = Manifests::render(&mesh, &bundle, &["--scope=mesh", "--namespace=istio-system"])?;
    // The other tests of this mesh are none of its business.
    of_mesh.plugin["spec"]["selector"] = json!({"matchLabels": {"app": "twice"}});
    of_namespace.apply(&mesh).await?;
    let api = mesh
        .workload(Spec::new("twice", "twice").region("us-east-1").workers(1))
        .await?;
    let ask = async || look(&api, api.client().send(&Request::new("GET", "/"))).await;

    chain::wait_for(&api, WORKLOAD_PORT, &[DIRECT_PEER, NAMESPACES, INTERLOCK]).await?;
    assert_eq!(ask().await?, Seen::allowed("rule.public"));
    // The direct peer of a namespace tells from where a request comes.
    for (last, seen) in [
        (1, Seen::allowed("rule.public")),
        (2, Seen::refused(401, "identity.missing")),
    ] {
        let client = api.client().from(Ipv4Addr::new(127, 0, last, 9).into());
        assert_eq!(look(&api, client.send(&Request::new("GET", "/near"))).await?, seen);
    }

    // The namespace's own first, though it is the older one that allows: the second finds its line.
    apply(&mesh, &of_mesh.plugin).await?;
    chain::wait_for(&api, WORKLOAD_PORT, &[DIRECT_PEER, NAMESPACES, MESHS, INTERLOCK]).await?;
    for _ in 0..3 {
        assert_eq!(ask().await?, Seen::refused(500, "config.duplicate_filter"));
    }

    // Either of them alone serves.
    mesh.delete(&of_namespace.plugin.to_string()).await?;
    chain::wait_for(&api, WORKLOAD_PORT, &[DIRECT_PEER, MESHS, INTERLOCK]).await?;
    assert_eq!(ask().await?, Seen::allowed("rule.public"));
    Ok(())
}
