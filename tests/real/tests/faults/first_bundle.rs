//! The first bundle that a workload gets is refused.

use std::sync::Arc;

use regionguard_harness::client::Client;
use regionguard_harness::tools;
use regionguard_mesh::live::bundles::{FAULTS, Signer};
use regionguard_mesh::live::modules::Modules;
use regionguard_mesh::live::way::{Way, bring_module};
use regionguard_mesh::seen::Seen;
use regionguard_mesh::{Mesh, Result};

use crate::scene::Scene;

pub async fn of_a_config_map(mesh: Arc<Mesh>) -> Result<()> {
    refused(&mesh, Way::ConfigMap, "first-bundle-file").await.map(drop)
}

pub async fn of_a_plugin(mesh: Arc<Mesh>) -> Result<()> {
    let scene = refused(&mesh, Way::WasmPlugin, "first-bundle-plugin").await?;
    // To istiod, too, Envoy says that it does not take it.
    let metrics = Client::new(mesh.istiod_debug()).get("/metrics").await?.text();
    let rejects = metrics
        .lines()
        .filter(|line| line.starts_with("pilot_total_xds_rejects"));
    let said = rejects.clone().any(|line| line.contains("type=\"ecds\""));
    assert!(said, "{:?}", rejects.collect::<Vec<_>>());
    let log = mesh.istiod_log();
    let proxy = format!("api-0.{}", scene.namespace);
    let refused = log
        .lines()
        .find(|line| line.contains("ACK ERROR") && line.contains(&proxy));
    assert!(refused.is_some(), "{log}");
    Ok(())
}

async fn refused(mesh: &Arc<Mesh>, way: Way, namespace: &str) -> Result<Scene> {
    let (signer, fault) = (Signer::new()?, &FAULTS[0]);
    let served = Modules::serve(std::fs::read(tools::wasm_module()?)?).await?;
    let object = |bundle| way.object(namespace, &bundle, &served.module);
    let first = object(signer.broken(0, 1, fault))?;
    let scene = Scene::start(mesh, way, way.spec(namespace)?, &signer, &first).await?;
    bring_module(scene.api.dir())?;
    scene.filter().await?;
    scene.until("/open/1", 500).await?;
    assert_eq!(scene.ask("/open/1").await?, Seen::new(500, "", ""), "Envoy itself");

    scene.assert_closed().await?;
    scene.assert_logged(&["the bundle is refused"]);
    scene.assert_logged(&fault.named);
    assert!(scene.pushes("config_fail").await? >= 1);
    // Ready and closed: a load balancer does not see it, an alert on the answers does.
    assert_eq!(Client::new(scene.api.admin()).get("/ready").await?.status, 200);

    // The next edit mends it, in the same Envoy.
    let envoy = scene.api.envoy_pid();
    scene.apply(&object(signer.bundle(1, 1))?).await?;
    scene.until("/marker/1", 200).await?;
    assert_eq!(scene.ask("/open/1").await?, Seen::allowed("rule.allowed"));
    assert_eq!(scene.ask("/never/1").await?, Seen::refused(403, "policy.no_rule"));
    assert_eq!(scene.api.envoy_pid(), envoy, "without a restart");
    scene.assert_decided().await?;
    Ok(scene)
}
