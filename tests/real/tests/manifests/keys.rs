//! The cluster of a server of keys: what is fetched comes over TLS, from the one that was named, or not at all.

use std::sync::Arc;
use std::time::Duration;

use regionguard_harness::client::Request;
use regionguard_harness::documents::{Document, DocumentServer};
use regionguard_harness::issuer::{Alg, Issuer};
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, shipped};
use serde_json::{Value, json};

use crate::center::{rendered, served};
use crate::eventually;

const NAMESPACE: &str = "fetches";
const SERVER: &str = "key-server";
const SERVER_HOST: &str = "keys.us-east-1.internal";
const REFRESH: Duration = Duration::from_secs(10);

pub(crate) async fn fetched(mesh: Arc<Mesh>) -> Result<()> {
    let issuer = Issuer::new("identity.global.com", "us-east-1")?;
    let keys = DocumentServer::start().await?;
    keys.set("/jwks", Document::json(&issuer.jwks()));
    let server = served(&mesh, SERVER, keys.address()).await?;
    mesh.namespace(NAMESPACE).await?;
    let api = mesh
        .workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1))
        .await?;
    let mut objects = rendered(&mesh, NAMESPACE, &bundle()?, &server, "servers.yaml")?;
    let rule = objects.iter().position(|object| object["kind"] == "DestinationRule");
    let mut rule = objects.remove(rule.ok_or("no DestinationRule")?);
    for object in objects {
        mesh.kube().apply_object(&object).await?;
    }

    // As it ships: TLS with the system's CAs, of which none knows this server.
    mesh.kube().apply_object(&rule).await?;
    let claims = issuer.claims("alice");
    let token = issuer.mint(Alg::Es256, issuer.kid(Alg::Es256)?, &claims)?;
    let ask = async || {
        let request = Request::new("GET", "/").header("authorization", format!("Bearer {token}"));
        look(&api, api.client().send(&request)).await
    };
    let without = Seen::refused(503, "identity.keys_unavailable");
    eventually("there are no keys", async || Ok(ask().await? == without)).await?;
    assert_eq!(keys.fetches().len(), 0, "nothing reached the server");

    // What the file says to change for a server of the mesh, with somebody else's name first.
    let mut named = async |account: &str| {
        let identity = format!("spiffe://cluster.local/ns/{SERVER}/sa/{account}");
        rule["spec"]["trafficPolicy"]["tls"] =
            json!({"mode": "ISTIO_MUTUAL", "sni": SERVER_HOST, "subjectAltNames": [identity]});
        mesh.kube().apply_object(&rule).await?;
        let told = format!("\"exact\":\"{identity}\"");
        api.wait_for_config(|config| config.replace(' ', "").contains(&told))
            .await
    };
    named("another").await?;
    // It tries again in the meantime.
    tokio::time::sleep(REFRESH + Duration::from_secs(2)).await;
    assert_eq!((ask().await?, keys.fetches().len()), (without, 0));
    named(SERVER).await?;
    let allowed = Seen::allowed("rule.allowed");
    eventually("a token gets in", async || Ok(ask().await? == allowed)).await?;
    assert_eq!(keys.fetches_of("/jwks").len(), keys.fetches().len());
    let line = server.access_log().wait_for(|line| line.status() == 200).await?;
    assert_eq!(
        line.text("peer_identity"),
        format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/api"),
        "the server knows who fetches"
    );
    Ok(())
}

/// One Region, whose keys are at a server of Istio's name, and whose tokens get in.
fn bundle() -> Result<Value> {
    let plugin = shipped::manifest("istio/workload/wasmplugin.yaml", NAMESPACE)?;
    let mut bundle = plugin["spec"]["pluginConfig"].clone();
    if let Some(bundle) = bundle.as_object_mut() {
        bundle.remove("trust");
    }
    let documents = bundle["documents"].as_array_mut().ok_or("no documents")?;
    documents.retain(|document| document["kind"] == "Region" && document["metadata"]["name"] == "us-east-1");
    let spec = documents
        .first_mut()
        .and_then(|document| document["spec"].as_object_mut())
        .ok_or("no Region")?;
    for other in ["accepts", "center"] {
        spec.remove(other);
    }
    spec["keys"] = json!({"algorithms": ["ES256"], "remote": {
        "cluster": format!("outbound|443||{SERVER_HOST}"), "authority": SERVER_HOST, "path": "/jwks", "refresh": format!("{}s", REFRESH.as_secs()),
    }});
    documents.push(json!({
        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
        "spec": {"rules": [{"name": "in", "effect": "allow"}]},
    }));
    Ok(bundle)
}
