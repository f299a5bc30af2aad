//! Another filter in the place of ours, with faults that ours does not have: the interlock stands behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_mesh::live::bundles::Signer;
use regionguard_mesh::live::way::{Way, bring_module, config_map, set_bundle};
use regionguard_mesh::seen::Seen;
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

use crate::scene::{Scene, WAIT};

const TRIES: usize = 200;
/// Connections that are looked at after each step: enough for each worker to have some.
const CONNECTIONS: usize = 16;
/// From a trap until a new VM is made.
const RELOAD: Duration = Duration::from_secs(1);

pub async fn on_one_worker(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "one-worker";
    let signer = Signer::new()?;
    mesh.namespace(NAMESPACE).await?;
    mesh.kube().apply_object(&one_chain(NAMESPACE)).await?;
    let scene = start(&mesh, NAMESPACE, &signer, 2, "first").await?;
    scene.until("/open/1", 200).await?;
    let mut marked = scene.api.client().connect().await?;
    assert_eq!(
        marked.send(&scene.get("/open/1").header("x-mark", "1")).await?.status,
        200
    );

    // Envoy takes the next configuration, because its canary does; one worker does not.
    let (taken, refused) = (
        scene.pushes("update_success").await?,
        scene.pushes("config_fail").await?,
    );
    scene.apply(&faulty(NAMESPACE, "second")?).await?;
    scene.wait_for_pushes("update_success", taken + 1).await?;
    assert_eq!(scene.pushes("config_fail").await?, refused);
    scene.until_on(&mut marked, "/open/1", 403).await?;
    scene.assert_logged(&["Failed to configure thread-local Wasm plugin"]);
    let denied = scene.counter("regionguard_interlock.denied").await?;
    let [allowing, refusing] = both(&scene).await?;
    assert!(allowing > 0 && refusing > 0, "{allowing} let in, {refusing} refused");
    assert_eq!(scene.counter("regionguard_interlock.denied").await?, denied + refusing);
    scene.assert_decided().await?;

    // Whatever is pushed for these VMs is refused from now on.
    let rejected = scene.pushes("update_rejected").await?;
    scene.apply(&faulty(NAMESPACE, "third")?).await?;
    scene.wait_for_pushes("update_rejected", rejected + 1).await?;
    let [_, refusing] = both(&scene).await?;
    assert!(refusing > 0);

    // Another module makes new VMs, of which each worker has one.
    scene.apply(&bundle(NAMESPACE, &signer)?).await?;
    scene.until("/marker/1", 200).await?;
    scene.until_on(&mut marked, "/marker/1", 200).await?;
    assert_eq!(both(&scene).await?[1], 0);
    scene.assert_decided().await
}

/// No chain of filters for mTLS beside the one for plain text. With both, Envoy hands a configuration to one after the other; a
/// worker that fails in between decides by its speed whether the second, and so the push, is refused.
fn one_chain(namespace: &str) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "plain", "namespace": namespace},
        "spec": {"mtls": {"mode": "DISABLE"}},
    })
}

/// How many requests are let in and how many the interlock refuses, over new connections.
async fn both(scene: &Scene) -> Result<[u64; 2]> {
    let [mut allowing, mut refusing] = [0, 0];
    for _ in 0..TRIES {
        if allowing + refusing >= CONNECTIONS as u64 && allowing > 0 {
            break;
        }
        let seen = scene.ask("/open/1").await?;
        match seen.status {
            200 => allowing += 1,
            _ => {
                assert_eq!(seen, Seen::unseen());
                refusing += 1;
            }
        }
    }
    Ok([allowing, refusing])
}

pub async fn trapped(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "trapped";
    let signer = Signer::new()?;
    let scene = start(&mesh, NAMESPACE, &signer, 1, "first").await?;
    scene.until("/open/1", 200).await?;
    for _ in 0..2 {
        let trap = scene.send(&scene.get("/open/1").header("x-trap", "1")).await?;
        assert_eq!(trap, Seen::new(503, "wasm_fail_stream", ""));
        let trapped = Instant::now();
        // The VM is away: its requests are refused, and then a new one serves.
        loop {
            let seen = scene.ask("/open/1").await?;
            if seen.status == 200 {
                assert_eq!(seen, Seen::allowed("rule.allowed"));
                break;
            }
            assert_eq!(
                (seen.status, seen.decision.as_str(), seen.reached),
                (503, "", false),
                "{seen:?}"
            );
            assert!(trapped.elapsed() < WAIT, "{}", scene.log_tail());
            tokio::time::sleep(RELOAD / 10).await;
        }
    }
    scene.assert_logged(&["proxy_on_request_headers failed: Uncaught RuntimeError: unreachable"]);
    // Each trap made a new VM; while a worker waits for it, requests count.
    assert_eq!(scene.counter("wasm.regionguard.vm_reload_success").await?, 2);
    assert!(scene.counter("wasm.regionguard.vm_reload_backoff").await? > 0);
    scene.assert_decided().await?;
    scene.apply(&bundle(NAMESPACE, &signer)?).await?;
    scene.until("/marker/1", 200).await?;
    scene.assert_decided().await
}

async fn start(mesh: &Arc<Mesh>, namespace: &str, signer: &Signer, workers: u16, configuration: &str) -> Result<Scene> {
    let spec = Way::ConfigMap.spec(namespace)?.workers(workers);
    let map = faulty(namespace, configuration)?;
    let scene = Scene::start(mesh, Way::ConfigMap, spec, signer, &map).await?;
    bring_module(scene.api.dir())?;
    let module = wat::parse_str(include_str!("faulty.wat"))?;
    std::fs::write(scene.api.dir().join("etc/regionguard/module/faulty.wasm"), module)?;
    scene.filter().await?;
    Ok(scene)
}

/// The other filter in the place of ours, with this configuration.
fn faulty(namespace: &str, configuration: &str) -> Result<Value> {
    config_map(namespace, |file| {
        let config = &mut file["resources"][0]["typed_config"]["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!("./etc/regionguard/module/faulty.wasm");
        config["configuration"] = json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": configuration,
        });
    })
}

/// What mends it: our module, with a bundle.
fn bundle(namespace: &str, signer: &Signer) -> Result<Value> {
    config_map(namespace, |file| set_bundle(file, &signer.bundle(1, 1)))
}
