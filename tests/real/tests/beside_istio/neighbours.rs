//! A WasmPlugin of another maker, hostile, in each place of the chain. All plugins of a proxy share one namespace of shared data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::neighbour;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT, Workload};
use serde_json::{Value, json};

use crate::chain;
use crate::manifests::{Manifests, apply, bundle, center_service, issuer, token};

const NAMESPACE: &str = "neighbours";
const DIRECT_PEER: &str = "regionguard-direct-peer";
const OURS: &str = "neighbours.regionguard";
const INTERLOCK: &str = "regionguard-interlock";
const CENTER: &str = "outbound|8181||center.internal";

pub(crate) async fn hostile(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace(NAMESPACE).await?;
    let center = FaultServer::start(Behaviour::decide(true)).await?;
    mesh.apply(&center_service(NAMESPACE, "center.internal", &center))
        .await?;
    let issuer = issuer()?;
    let mut bundle = bundle(&issuer, &rules());
    bundle["documents"][0]["spec"]["center"] =
        json!({"cluster": CENTER, "authority": "center.internal", "timeout": "5s"});
    let ours = Manifests::render(
        &mesh,
        &bundle,
        &["--scope=workload", "--namespace=neighbours", "--selector=app=api"],
    )?;
    ours.apply(&mesh).await?;
    let api = mesh
        .workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1))
        .await?;
    let alice = token(&issuer, &["api.us-east-1.com"], &["read:orders"])?;
    let ask = async |path: &str| look(&api, api.client().send(&Request::new("GET", path).bearer(&alice))).await;

    // In front, it floods and replays what is shared, and writes filter state and headers.
    let flooding = Neighbour::new(&mesh, "flooding", "AUTHN")?;
    flooding
        .stands(&mesh, &api, &[DIRECT_PEER, &flooding.filter(), OURS, INTERLOCK])
        .await?;
    for round in 0..3 {
        assert_eq!(ask("/read").await?, Seen::allowed("rule.allowed"), "{round}");
        assert_eq!(
            ask("/write").await?,
            Seen::refused(403, "permission.missing"),
            "{round}"
        );
        assert_eq!(ask("/closed").await?, Seen::refused(403, "rule.denied"), "{round}");
        // It says that every request comes from us-east-1.
        assert_eq!(ask("/near").await?, Seen::refused(403, "rule.source"), "{round}");
        center.set(Behaviour::decide(true));
        assert_eq!(ask("/ask/yes").await?, Seen::allowed("center.allowed"), "{round}");
        center.set(Behaviour::decide(false));
        assert_eq!(ask("/ask/no").await?, Seen::refused(403, "center.denied"), "{round}");
    }
    flooding.goes(&mesh).await?;

    // In front, it says `allow` for us: everything is refused.
    let forging = Neighbour::new(&mesh, "forging", "AUTHN")?.told();
    forging
        .stands(&mesh, &api, &[DIRECT_PEER, &forging.filter(), OURS, INTERLOCK])
        .await?;
    for path in ["/read", "/closed", "/ask/yes"] {
        assert_eq!(ask(path).await?, Seen::refused(500, "config.duplicate_filter"));
    }
    forging.goes(&mesh).await?;

    // In our phase, any priority puts it in front of us, who have none.
    let prior = Neighbour::new(&mesh, "prior", "AUTHZ")?.told().priority(i32::MIN + 1);
    prior
        .stands(&mesh, &api, &[DIRECT_PEER, &prior.filter(), OURS, INTERLOCK])
        .await?;
    assert_eq!(ask("/read").await?, Seen::refused(500, "config.duplicate_filter"));
    prior.goes(&mesh).await?;

    // In our phase, one without a priority that is younger than ours stands behind us, and what we refuse does not get there.
    let younger = Neighbour::new(&mesh, "younger", "AUTHZ")?.told();
    younger
        .stands(&mesh, &api, &[DIRECT_PEER, OURS, &younger.filter(), INTERLOCK])
        .await?;
    assert_eq!(ask("/read").await?.status, 200);
    for (path, reason) in [
        ("/write", "permission.missing"),
        ("/closed", "rule.denied"),
        ("/near", "rule.source"),
    ] {
        assert_eq!(ask(path).await?, Seen::refused(403, reason));
    }
    younger.goes(&mesh).await?;

    // Where ours is missing, one between its place and the interlock can say `allow` for it: it is trusted.
    let silent = Neighbour::new(&mesh, "silent", "STATS")?;
    silent
        .stands(&mesh, &api, &[DIRECT_PEER, OURS, &silent.filter(), INTERLOCK])
        .await?;
    mesh.delete(&ours.plugin.to_string()).await?;
    chain::wait_for(&api, WORKLOAD_PORT, &[DIRECT_PEER, &silent.filter(), INTERLOCK]).await?;
    assert_eq!(ask("/closed").await?, Seen::unseen());
    silent.goes(&mesh).await?;
    let trusted = Neighbour::new(&mesh, "trusted", "STATS")?.told();
    trusted
        .stands(&mesh, &api, &[DIRECT_PEER, &trusted.filter(), INTERLOCK])
        .await?;
    assert_eq!(ask("/closed").await?, Seen::allowed("rule.allowed"));
    Ok(())
}

fn rules() -> Value {
    json!([
        {"name": "read", "paths": ["/read"], "permissions": {"anyOf": ["read:orders"]}, "effect": "allow"},
        {"name": "write", "paths": ["/write"], "permissions": {"anyOf": ["write:orders"]}, "effect": "allow"},
        {"name": "near", "paths": ["/near"], "from": {"networks": ["127.0.1.0/24"]}, "effect": "allow"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
        {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer", "defer": {"cache": "60s"}},
    ])
}

/// The plugin of another maker, on `api`.
struct Neighbour {
    name: String,
    plugin: Value,
}

impl Neighbour {
    fn new(mesh: &Mesh, name: &str, phase: &str) -> Result<Self> {
        let plugin = json!({
            "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"namespace": NAMESPACE, "name": name},
            "spec": {
                "selector": {"matchLabels": {"app": "api"}},
                "url": format!("file://{}", module(mesh.dir())?.display()),
                "phase": phase,
                "match": [{"mode": "SERVER"}],
            },
        });
        Ok(Self {
            name: name.to_owned(),
            plugin,
        })
    }

    /// It sets our decision line.
    fn told(mut self) -> Self {
        self.plugin["spec"]["pluginConfig"] = json!({"forge": true});
        self
    }

    fn priority(mut self, priority: i32) -> Self {
        self.plugin["spec"]["priority"] = json!(priority);
        self
    }

    fn filter(&self) -> String {
        format!("{NAMESPACE}.{}", self.name)
    }

    /// Applies it, and waits until the chain of `api` is this.
    async fn stands(&self, mesh: &Mesh, api: &Workload, filters: &[&str]) -> Result<()> {
        apply(mesh, &self.plugin).await?;
        chain::wait_for(api, WORKLOAD_PORT, filters).await
    }

    async fn goes(&self, mesh: &Mesh) -> Result<()> {
        mesh.delete(&self.plugin.to_string()).await
    }
}

/// Where its module is.
fn module(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("neighbour.wasm");
    if !path.exists() {
        std::fs::write(&path, neighbour::module()?)?;
    }
    Ok(path)
}
