//! Another filter in the place of ours, with faults that ours does not have: the interlock stands behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

use crate::bundles::Signer;
use crate::scene::{INTERLOCK, Scene, WAIT};
use crate::seen::Seen;
use crate::way::{Way, bring_module, config_map, set_bundle};

/// So many that some refuse and some do not: `faulty.wat` says which.
const WORKERS: u16 = 3;
const TRIES: usize = 200;
const EACH: usize = 5;
/// From a trap until a new VM serves: one second, and what starting it takes.
const RELOAD: Duration = Duration::from_secs(1);

pub async fn on_some_workers(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "some-workers";
    let signer = Signer::new()?;
    let scene = start(&mesh, NAMESPACE, &signer, WORKERS, |config| {
        config["configuration"] = json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": "count the instances",
        });
    })
    .await?;
    // Envoy takes it: its canary has.
    tokio::time::sleep(Duration::from_secs(4)).await; eprintln!("{}", scene.api.ask("/stats?filter=http_filter").await?);
    scene.wait_for_pushes("update_success", 1).await?;
    assert_eq!(scene.pushes("config_fail").await?, 0);
    let denied = scene.counter("regionguard_interlock.denied").await?;
    let refused = until_both(&scene).await?;
    assert_eq!(scene.counter("regionguard_interlock.denied").await?, denied + refused);
    scene.assert_logged(&["Failed to configure"]);
    scene.assert_decided().await?;

    // Another module makes new VMs, of which each worker has one.
    scene.apply(&bundle(NAMESPACE, &signer)?).await?;
    scene.until("/marker/1", 200).await?;
    for _ in 0..TRIES / 4 {
        assert_eq!(scene.ask("/open/1").await?, Seen::allowed("rule.allowed"));
    }
    scene.assert_decided().await
}

/// Connects until a worker has let in and a worker has refused, several times each on one connection; says how many requests the
/// interlock has refused.
async fn until_both(scene: &Scene) -> Result<u64> {
    let (mut allowing, mut refusing) = (0, 0);
    for _ in 0..TRIES {
        if allowing > 0 && refusing > 0 {
            return Ok(refusing * EACH as u64);
        }
        let mut connection = scene.api.client().connect().await?;
        let mut statuses = Vec::new();
        for _ in 0..EACH {
            let (lines, reached) = (scene.api.access_log().entries().len(), scene.api.upstream().count());
            let answer = connection.send(&scene.get("/open/1")).await?;
            let entry = scene.api.access_log().after(lines).await?;
            if answer.status != 200 {
                let seen = (answer.status, entry.text("flags"), entry.text("details"));
                assert_eq!((seen, entry.decision()), (INTERLOCK, None), "{:#}", entry.0);
                assert_eq!(scene.api.upstream().count(), reached);
            }
            statuses.push(answer.status);
        }
        match statuses[0] {
            200 => allowing += 1,
            _ => refusing += 1,
        }
        assert!(statuses.iter().all(|status| *status == statuses[0]), "{statuses:?}");
    }
    Err(format!("of {TRIES} connections, {allowing} are let in and {refusing} refused").into())
}

pub async fn trapped(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "trapped";
    let signer = Signer::new()?;
    let scene = start(&mesh, NAMESPACE, &signer, 1, |config| {
        config.as_object_mut().map(|config| config.remove("configuration"));
    })
    .await?;
    scene.until("/open/1", 200).await?;
    for _ in 0..2 {
        let trap = scene.send(&scene.get("/open/1").header("x-trap", "1")).await?;
        assert_eq!((trap.status, trap.decision.as_str(), trap.reached), (503, "", false), "{trap:?}");
        let trapped = Instant::now();
        // The VM is away: its requests are refused, and then a new one serves.
        loop {
            let seen = scene.ask("/open/1").await?;
            if seen.status == 200 {
                assert_eq!(seen, Seen::allowed("rule.allowed"));
                break;
            }
            assert_eq!((seen.status, seen.decision.as_str(), seen.reached), (503, "", false), "{seen:?}");
            assert!(trapped.elapsed() < WAIT, "{}", scene.log_tail());
            tokio::time::sleep(RELOAD / 10).await;
        }
    }
    scene.assert_logged(&["Uncaught RuntimeError: unreachable"]);
    scene.assert_decided().await?;
    scene.apply(&bundle(NAMESPACE, &signer)?).await?;
    scene.until("/marker/1", 200).await?;
    scene.assert_decided().await
}

async fn start(
    mesh: &Arc<Mesh>,
    namespace: &str,
    signer: &Signer,
    workers: u16,
    edit: impl FnOnce(&mut Value),
) -> Result<Scene> {
    let map = config_map(namespace, |file| {
        let config = &mut file["resources"][0]["typed_config"]["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!("./etc/regionguard/module/faulty.wasm");
        edit(config);
    })?;
    let spec = Way::ConfigMap.spec(namespace)?.workers(workers);
    let scene = Scene::start(mesh, Way::ConfigMap, spec, signer, &map).await?;
    bring_module(scene.api.dir())?;
    let module = wat::parse_str(include_str!("faulty.wat"))?;
    std::fs::write(scene.api.dir().join("etc/regionguard/module/faulty.wasm"), module)?;
    scene.filter().await?;
    Ok(scene)
}

/// What mends it: our module, with a bundle.
fn bundle(namespace: &str, signer: &Signer) -> Result<Value> {
    config_map(namespace, |file| set_bundle(file, &signer.bundle(1, 1)))
}
