//! One plugin, interlock and direct peer for the whole mesh, in every namespace; and the access log as MeshConfig alone asks for it.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Client, Request};
use regionguard_harness::tools::wasm_module;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Options, Result, Spec, Workload, shipped, suite};
use serde_json::{Value, json};

/// Longer than Envoy takes to drain the connections of a listener that has changed (45 s).
const LIMIT: Duration = Duration::from_secs(60);
const NAMESPACES: [&str; 2] = ["shop", "stock"];
/// Of the region's network, and not.
const NEAR: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 9);
const FAR: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 9);

fn main() -> ExitCode {
    let options = Options {
        progress: false,
        mesh_config: mesh_config().expect("mesh-config-access-log.yaml that ships"),
        ..Options::default()
    };
    suite::run_in(options, [suite::test("every_namespace_is_guarded", guarded)])
}

/// The `meshConfig` that ships; the log goes where the mesh looks for it.
fn mesh_config() -> Result<Value> {
    let text = shipped::text("istio/mesh-config-access-log.yaml")?.replace("/dev/stdout", "./access.log");
    let values: Value = serde_saphyr::from_str(&text)?;
    Ok(values["meshConfig"].clone())
}

async fn guarded(mesh: Arc<Mesh>) -> Result<()> {
    let mut servers = Vec::new();
    for namespace in NAMESPACES {
        mesh.namespace(namespace).await?;
        let server = Spec::new(namespace, "api").region("us-east-1").workers(1);
        servers.push(mesh.workload(server).await?);
    }
    for server in &servers {
        assert_eq!(ask(server, "/near", NEAR).await?, Seen::passed());
    }

    for object in rendered(&mesh, &["interlock.yaml", "direct-peer.yaml"])? {
        mesh.kube().apply_object(&object).await?;
    }
    for server in &servers {
        eventually(server, Seen::unseen()).await?;
    }
    for mut plugin in rendered(&mesh, &["wasmplugin.yaml"])? {
        shipped::set_module(&mut plugin, &format!("file://{}", wasm_module()?.display()), None);
        mesh.kube().apply_object(&plugin).await?;
    }
    for server in &servers {
        eventually(server, Seen::allowed("rule.public")).await?;
        // Who is known by the address alone has to show a token elsewhere.
        assert_eq!(ask(server, "/near", FAR).await?, Seen::refused(401, "identity.missing"));
        assert_eq!(
            ask(server, "/elsewhere", NEAR).await?,
            Seen::refused(401, "identity.missing")
        );
    }
    // What a workload sends is not asked for twice.
    let [shop, stock] = &servers[..] else {
        return Err("two namespaces".into());
    };
    let sent = look(stock, shop.call(stock, &Request::new("GET", "/elsewhere"))).await?;
    assert_eq!(sent, Seen::refused(401, "identity.missing"));
    Ok(())
}

/// What `regionguard render istio --scope mesh` writes into these files for a policy that looks at where requests come from.
fn rendered(mesh: &Mesh, files: &[&str]) -> Result<Vec<Value>> {
    let (source, out) = (mesh.dir().join("bundle.json"), mesh.dir().join("rendered"));
    let plugin = shipped::manifest("istio/mesh/wasmplugin.yaml", "istio-system")?;
    let mut bundle = json!({"region": "us-east-1", "metadata": {"name": "mesh", "version": 1}, "documents": []});
    let mut region = plugin["spec"]["pluginConfig"]["documents"][0].clone();
    region["spec"]["networks"] = json!(["127.0.1.0/24"]);
    for field in ["center", "accepts"] {
        region["spec"].as_object_mut().ok_or("no Region")?.remove(field);
    }
    let near = json!({"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "identity": "none", "effect": "allow"});
    let policy = json!({
        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "near"},
        "spec": {"rules": [near]},
    });
    bundle["documents"] = json!([region, policy]);
    std::fs::write(&source, bundle.to_string())?;
    shipped::render(&source, &["--scope=mesh", "--namespace=istio-system"], &out)?;
    let read = |file: &&str| shipped::one(&std::fs::read_to_string(out.join(file))?);
    files.iter().map(read).collect()
}

async fn ask(server: &Workload, path: &str, from: Ipv4Addr) -> Result<Seen> {
    let client: Client = server.client().from(from.into());
    look(server, client.send(&Request::new("GET", path))).await
}

async fn eventually(server: &Workload, wanted: Seen) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = ask(server, "/near", NEAR).await?;
        if seen == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{wanted:?} not within {LIMIT:?}, but {seen:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
