//! Envoy, or its agent, ends and is started anew while requests come in.

use std::sync::Arc;

use regionguard_harness::client::Response;
use regionguard_mesh::live::bundles::Signer;
use regionguard_mesh::live::way::{Way, bring_module, config_map, set_bundle};
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::steady::Steady;

const NAMESPACE: &str = "restarts";
const LANES: usize = 3;
const KINDS: [&str; 2] = ["open", "never"];

pub async fn under_load(mesh: Arc<Mesh>) -> Result<()> {
    let signer = Signer::new()?;
    let mut bundle = signer.bundle(0, 1);
    // So that the service can tell what was decided from what was not: only the filter writes such headers.
    bundle["documents"][1]["spec"]["forward"] = json!({"token": "pass"});
    let map = config_map(NAMESPACE, |file| set_bundle(file, &bundle))?;
    let spec = Way::ConfigMap.spec(NAMESPACE)?;
    let mut scene = Scene::start(&mesh, Way::ConfigMap, spec, &signer, &map).await?;
    bring_module(scene.api.dir())?;
    scene.filter().await?;
    scene.until("/open/1", 200).await?;

    let lanes: Vec<Steady> = (0..LANES)
        .map(|lane| {
            let get = scene.getter();
            Steady::start(scene.api.client(), move |number| {
                let path = format!("/{}/{lane}/{number}", KINDS[number % KINDS.len()]);
                let request = get(&path).header("x-regionguard-subject", "mallory");
                (path, request)
            })
        })
        .collect();
    let first = scene.api.envoy_pid();
    scene.api.restart_envoy().await?;
    let second = scene.api.envoy_pid();
    scene.api.restart_agent().await?;
    let third = scene.api.envoy_pid();
    assert!(first != second && second != third && third.is_some());
    for _ in 0..20 {
        assert_eq!(scene.api.client().send(&scene.get("/open/1")).await?.status, 200);
    }

    let mut counts = Counts::default();
    for lane in lanes {
        for (path, answer) in lane.finish().await? {
            counts.add(&path, answer.ok().as_ref());
        }
    }
    assert!(counts.lost > 0 && counts.allowed > 0 && counts.denied > 0, "{counts:?}");
    let seen = scene.api.upstream().seen();
    assert_eq!(seen.len() as u64, scene.api.upstream().count(), "all of it is known");
    if let Some(undecided) = seen.iter().find(|seen| !decided(seen)) {
        return Err(format!("let in undecided: {undecided:#}").into());
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Counts {
    allowed: usize,
    denied: usize,
    /// Without an answer: no connection, or one that has ended.
    lost: usize,
}

impl Counts {
    fn add(&mut self, path: &str, answer: Option<&Response>) {
        match (answer.map(|answer| answer.status), path.starts_with("/open/")) {
            (None, _) => self.lost += 1,
            (Some(200), true) => self.allowed += 1,
            (Some(403), false) => self.denied += 1,
            (status, _) => panic!("{path} is answered {status:?}"),
        }
    }
}

/// Whether our filter has let in what the service got.
fn decided(seen: &Value) -> bool {
    let headers = seen["headers"].as_array().into_iter().flatten();
    let subjects: Vec<&Value> = headers
        .filter(|header| header[0] == "x-regionguard-subject")
        .map(|header| &header[1])
        .collect();
    let path = seen["path"].as_str().unwrap_or_default();
    path.starts_with("/open/") && subjects == [&json!("alice")]
}
