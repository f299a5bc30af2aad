//! Workload certificates that live for seconds: they are rotated while requests come in, and a workload stays who it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::client::Request;
use regionguard_mesh::live::bundles::Signer;
use regionguard_mesh::live::way::{Way, bring_module, config_map, set_bundle};
use regionguard_mesh::{Mesh, Result, Spec, Workload};
use serde_json::{Value, json};

use crate::scene::{Scene, WAIT, warnings};

const NAMESPACE: &str = "certificates";
/// Of a certificate; the agent asks for the next one after half of it.
const LIFE: &str = "20s";
/// So many certificates that the first has expired.
const CERTIFICATES: usize = 4;
const PAUSE: Duration = Duration::from_millis(40);

pub async fn rotated(mesh: Arc<Mesh>) -> Result<()> {
    let signer = Signer::new()?;
    let map = config_map(NAMESPACE, |file| set_bundle(file, &bundle(&signer)))?;
    let spec = Way::ConfigMap.spec(NAMESPACE)?.env("SECRET_TTL", LIFE);
    let scene = Scene::start(&mesh, Way::ConfigMap, spec, &signer, &map).await?;
    scene.apply(&strict()).await?;
    scene.apply(&connection_each(&scene.api)).await?;
    bring_module(scene.api.dir())?;
    let web = mesh
        .workload(Spec::new(NAMESPACE, "web").env("SECRET_TTL", LIFE))
        .await?;
    scene.filter().await?;
    let ask = async |path: &str| web.call(&scene.api, &Request::new("GET", path)).await;
    let deadline = Instant::now() + WAIT;
    while !matches!(ask("/peer/first").await, Ok(answer) if answer.status == 200) {
        assert!(
            Instant::now() < deadline,
            "{}\n{}",
            warnings(&web.log()),
            scene.log_tail()
        );
        tokio::time::sleep(PAUSE).await;
    }

    let (mut of_peers, mut of_server) = (BTreeSet::new(), BTreeSet::new());
    let deadline = Instant::now() + WAIT;
    for number in 0.. {
        if of_peers.len() >= CERTIFICATES && of_server.len() >= CERTIFICATES {
            break;
        }
        assert!(Instant::now() < deadline, "{of_peers:?}, {of_server:?}");
        let answer = ask(&format!("/peer/{number}")).await?;
        assert_eq!(answer.status, 200, "{}: {}", answer.text(), scene.log_tail());
        of_peers.insert(fingerprint(&answer.json()?)?);
        assert_eq!(ask(&format!("/others/{number}")).await?.status, 401);
        of_server.insert(serial(&scene.api).await?);
        tokio::time::sleep(PAUSE).await;
    }
    let entries = scene.api.access_log().entries();
    let lost = entries
        .iter()
        .find(|entry| ![200, 401].contains(&entry.status()) && entry.text("path") != "/peer/first");
    assert_eq!(lost, None);
    scene.assert_decided().await
}

/// What lets in web and nobody else, by its certificate alone.
fn bundle(signer: &Signer) -> Value {
    let mut bundle = signer.bundle(0, 1);
    bundle["trust"] = json!({"peerVerification": "required"});
    let rule = |name: &str, path: &str, account: &str| {
        json!({
            "name": name, "paths": [path], "identity": "none", "effect": "allow",
            "from": {"workloads": [format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/{account}")]},
        })
    };
    bundle["documents"][1]["spec"]["rules"] =
        json!([rule("web", "/peer/**", "web"), rule("others", "/others/**", "others"),]);
    bundle
}

fn strict() -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "strict", "namespace": NAMESPACE},
        "spec": {"mtls": {"mode": "STRICT"}},
    })
}

/// A TLS handshake for each request.
fn connection_each(api: &Workload) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "api", "namespace": NAMESPACE},
        "spec": {
            "host": api.host(),
            "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
        },
    })
}

/// The digest of the certificate that the client has shown, as the service is told.
fn fingerprint(echo: &Value) -> Result<String> {
    let headers = echo["headers"].as_array().into_iter().flatten();
    let value = headers
        .filter(|header| header[0] == "x-forwarded-client-cert")
        .find_map(|header| header[1].as_str());
    let hash = value.and_then(|value| value.split(';').find_map(|part| part.strip_prefix("Hash=")));
    hash.map(str::to_owned)
        .ok_or_else(|| format!("no digest in {echo:#}").into())
}

/// The serial number of the certificate that the workload shows.
async fn serial(workload: &Workload) -> Result<String> {
    let certificates: Value = serde_json::from_str(&workload.ask("/certs").await?)?;
    let chains = certificates["certificates"].as_array().into_iter().flatten();
    let serial = chains
        .filter_map(|certificate| certificate["cert_chain"][0]["serial_number"].as_str())
        .next();
    serial
        .map(str::to_owned)
        .ok_or_else(|| format!("no serial number in {certificates:#}").into())
}
