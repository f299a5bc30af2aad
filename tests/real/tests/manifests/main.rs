//! Every manifest that ships, in a real mesh: the API server takes it, `istioctl analyze` finds nothing, and its effect is seen in a sidecar.

mod admission;
mod center;
mod extension;
mod gateway;
mod keys;
mod waypoint;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{ExitCode, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Request, Response};
use regionguard_harness::tools::{envoy_config, wasm_module};
use regionguard_mesh::{Mesh, Options, Result, Spec, Workload, relative_paths, shipped, suite};
use serde_json::{Value, json};

/// The folders of manifests that are applied.
const FOLDERS: [&str; 8] = [
    "base",
    "cluster",
    "workload",
    "mesh",
    "gateway",
    "waypoint",
    "policy-from-configmap",
    "trafficextension",
];
const HOST: &str = "api.us-east-1.com";
/// The annotations that stand in place of `proxyStatsMatcher` of the mesh's configuration.
const STATS_INCLUSION: &str = "sidecar.istio.io/statsInclusion";
/// Longer than Envoy takes to drain the connections of a listener that has changed (45 s).
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let options = Options {
        progress: false,
        mesh_config: mesh_config().expect("mesh-config.yaml that ships"),
        ambient: true,
        // Gateways know only the services that they route to, as many a mesh has it.
        istiod_env: vec![("PILOT_FILTER_GATEWAY_CLUSTER_CONFIG".to_owned(), "true".to_owned())],
        ..Options::default()
    };
    suite::run_in(
        options,
        [
            suite::test("the_api_server_takes_every_manifest", accepted),
            suite::test("the_api_server_takes_overlays_and_patches", patches_are_accepted),
            suite::test("istioctl_finds_nothing", analyzed),
            suite::test("nothing_is_let_in_where_only_the_interlock_is", interlocked),
            suite::test("policy_comes_from_a_config_map", from_config_map),
            suite::test("a_pod_without_the_mount_lets_nothing_in", unmounted),
            suite::test("only_operators_write_policy", admission::only_operators),
            suite::test("what_is_not_http_is_refused", http_only),
            suite::test("a_traffic_extension_decides_as_a_plugin_does", extension::decides),
            suite::test("a_center_is_asked_over_mutual_tls_and_by_its_name", center::asked),
            suite::test("keys_are_fetched_over_tls_and_by_name", keys::fetched),
            suite::test("a_gateway_that_is_named_judges_what_comes_in", gateway::judges),
            suite::test("a_waypoint_judges_what_comes_through_a_tunnel", waypoint::judges),
        ],
    )
}

/// The `meshConfig` that ships; the log goes where the mesh looks for it.
fn mesh_config() -> Result<Value> {
    let text = shipped("mesh-config.yaml")?.replace("/dev/stdout", "./access.log");
    let values: Value = serde_saphyr::from_str(&text)?;
    let mut config = values["meshConfig"].clone();
    // Only what the Telemetry object asks for is logged.
    config["accessLogFile"] = Value::from("");
    Ok(config)
}

async fn accepted(mesh: Arc<Mesh>) -> Result<()> {
    for namespace in ["us-east-1", "istio-ingress"] {
        mesh.namespace(namespace).await?;
    }
    for path in FOLDERS.iter().flat_map(|folder| manifests(folder)) {
        let file = path.to_str().ok_or("a path that is no text")?;
        let output = mesh
            .kubectl(&[
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                file,
            ])
            .await?;
        assert!(output.status.success(), "{file}: {}", text(&output));
        assert!(output.stderr.is_empty(), "{file}: {}", text(&output));
    }
    Ok(())
}

/// What is not applied as it is: an overlay, and the patches of a Deployment.
async fn patches_are_accepted(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "shop";
    for namespace in [NAMESPACE, "us-east-1"] {
        mesh.namespace(namespace).await?;
    }
    for folder in ["base", "cluster", "overlays/shop"] {
        let path = envoy_config(&format!("istio/{folder}")).display().to_string();
        let args = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-k",
            &path,
        ];
        let output = mesh.kubectl(&args).await?;
        assert!(output.status.success(), "{folder}: {}", text(&output));
    }
    let container = json!({"name": "app", "image": "echo"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": NAMESPACE, "name": "api"},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [container]}},
        },
    });
    mesh.kube().apply_object(&deployment).await?;
    for file in ["deployment-patch.yaml", "metrics-patch.yaml"] {
        let path = envoy_config(&format!("istio/{file}")).display().to_string();
        let args = [
            "patch",
            "deployment",
            "api",
            "--namespace",
            NAMESPACE,
            "--patch-file",
            &path,
        ];
        let output = mesh.kubectl(&args).await?;
        assert!(output.status.success(), "{file}: {}", text(&output));
    }
    let patched = mesh.kube().get("apps/v1", "Deployment", NAMESPACE, "api").await?;
    let template = &patched.ok_or("no Deployment")?["spec"]["template"]["metadata"];
    assert_eq!(template["labels"]["security.io/regionguard-policy"], "file");
    assert!(template["annotations"]["sidecar.istio.io/userVolumeMount"].is_string());
    Ok(())
}

async fn analyzed(mesh: Arc<Mesh>) -> Result<()> {
    for folder in FOLDERS {
        let files: Vec<String> = manifests(folder)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let mut args = vec!["analyze", "--use-kube=false", "--failure-threshold", "Info"];
        args.extend(files.iter().map(String::as_str));
        let output = mesh.istioctl(&args).await?;
        assert!(output.status.success(), "{folder}: {}", text(&output));
        assert!(
            text(&output).contains("No validation issues found"),
            "{folder}: {}",
            text(&output)
        );
    }
    Ok(())
}

async fn interlocked(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "interlocked";
    let (web, api) = pair(&mesh, NAMESPACE, Spec::new(NAMESPACE, "api")).await?;
    let request = Request::new("GET", "/healthz");
    assert_eq!(web.call(&api, &request).await?.status, 200);
    mesh.apply(&manifest("workload/interlock.yaml", NAMESPACE)?).await?;
    eventually("the interlock refuses", async || {
        all_answered(403, async || web.call(&api, &request).await).await
    })
    .await?;
    assert_eq!(api.client().send(&request).await?.status, 403, "without TLS, too");
    assert_eq!(
        web.client().send(&request).await?.status,
        200,
        "another workload is not touched"
    );
    // A value that a client could send counts for nothing: only the filter sets what the interlock reads.
    let forged = Request::new("GET", "/healthz").header("wasm.regionguard", "allow;");
    assert_eq!(web.call(&api, &forged).await?.status, 403);
    Ok(())
}

async fn from_config_map(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "from-config-map";
    mesh.namespace(NAMESPACE).await?;
    let folder = |file: &str| manifest(&format!("policy-from-configmap/{file}"), NAMESPACE);
    let policy = folder("configmap.yaml")?;
    mesh.apply(&policy).await?;
    mesh.apply(&folder("stats-tags.yaml")?).await?;
    let (web, api) = pair(&mesh, NAMESPACE, patched(&mesh, NAMESPACE)?).await?;
    for file in [
        "interlock",
        "direct-peer",
        "policy",
        "centers",
        "http-only",
        "telemetry",
    ] {
        mesh.apply(&folder(&format!("{file}.yaml"))?).await?;
    }
    let health = Request::new("GET", "/healthz").host(HOST);
    eventually("the filter allows", async || {
        let answer = web.call_host(HOST, &health).await?;
        Ok(answer.status == 200 && api.access_log().entries().iter().any(|line| line.decision().is_some()))
    })
    .await?;
    eventually("connections of before are gone", async || {
        all_answered(401, async || at(&web, "/v1/profiles/7").await).await
    })
    .await?;
    let line = api
        .access_log()
        .wait_for(|line| line.status() == 401 && line.text("path") == "/v1/profiles/7")
        .await?;
    assert!(line.text("decision").starts_with("deny;"), "{line:?}");
    assert_eq!(
        line.text("peer_identity"),
        format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/web")
    );
    let state = api.config_dump().await?.to_string();
    for cluster in ["center.us-east-1.internal", "center.eu-west-1.internal"] {
        assert!(
            state.contains(&format!("outbound|8181||{cluster}")),
            "no cluster for {cluster}"
        );
    }
    assert!(state.contains("regionguard.direct_peer"));
    metrics(&api).await?;
    edited(&mesh, &web, &api, &policy).await?;
    explained(&text(&mesh.istioctl(&["analyze", "--namespace", NAMESPACE]).await?))
}

/// All at once, as the chart brings it, to a pod that nobody has patched: its proxy has no file to read.
async fn unmounted(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "unmounted";
    let (web, api) = pair(&mesh, NAMESPACE, Spec::new(NAMESPACE, "api")).await?;
    let files = ["policy", "interlock", "direct-peer", "configmap"]
        .map(|file| manifest(&format!("policy-from-configmap/{file}.yaml"), NAMESPACE));
    let files: Vec<String> = files.into_iter().collect::<Result<_>>()?;
    mesh.apply(&files.join("---\n")).await?;
    let health = Request::new("GET", "/healthz").host(HOST);
    eventually("the interlock refuses", async || {
        Ok(web.call_host(HOST, &health).await?.status == 403)
    })
    .await?;
    assert_eq!(api.client().send(&health).await?.status, 403, "without TLS, too");
    Ok(())
}

/// Every message that `istioctl analyze` has for what runs is one that the README explains.
fn explained(said: &str) -> Result<()> {
    const EXPLAINED: [(&str, &str); 3] = [
        ("IST0133", "EnvoyFilter exposes internal implementation details"),
        ("IST0133", "will deny all traffic to TCP ports"),
        ("IST0135", "sidecar.istio.io/statsInclusion"),
    ];
    let readme = shipped("README.md")?;
    for line in said.lines().filter(|line| line.contains("[IST")) {
        let known = EXPLAINED
            .iter()
            .any(|(code, words)| line.contains(code) && line.contains(words) && readme.contains(code));
        assert!(known, "{line}");
    }
    assert!(said.contains("[IST0133]"), "{said}");
    Ok(())
}

/// What `mesh-config.yaml`, `stats-tags.yaml` and `metrics-patch.yaml` promise of the Prometheus endpoint.
async fn metrics(api: &Workload) -> Result<()> {
    eventually("the metrics are there", async || {
        let text = api.prometheus().await?;
        let has = |start: &str, words: &[&str]| {
            text.lines()
                .any(|line| line.starts_with(start) && words.iter().all(|word| line.contains(word)))
        };
        Ok(has("regionguard_decision{", &["verdict=\"allow\""])
            && has("regionguard_decision{", &["verdict=\"deny\"", "reason=\""])
            && text.contains("regionguard_interlock_allowed")
            && text.contains("extension_config_discovery_http_filter_regionguard_config_reload"))
    })
    .await
}

/// An edit of the ConfigMap is in force without istiod.
async fn edited(mesh: &Mesh, web: &Workload, api: &Workload, policy: &str) -> Result<()> {
    // With a candidate beside it that lets nothing in.
    let next = "{apiVersion: security.io/v1, kind: ZeroTrustPolicy, metadata: {name: next}, spec: {rules: [{name: closed, effect: deny}]}}";
    let documents = "                documents:\n";
    // And with a rule that hangs on where a request comes from.
    let health = "- name: health\n";
    let near = "- {name: near, paths: [/near], from: {networks: [127.0.1.0/24]}, identity: none, effect: allow}";
    let indent = policy.lines().find_map(|line| line.strip_suffix(health.trim_end()));
    let edit = policy
        .replacen(
            health,
            &format!("{near}\n{}{health}", indent.ok_or("no rule `health`")?),
            1,
        )
        .replace("/healthz", "/livez")
        .replace("version: 1}", "version: 2}")
        .replace(
            documents,
            &format!("                candidate: {{documents: [{next}]}}\n{documents}"),
        );
    assert!(edit.contains("candidate: {"), "{edit}");
    mesh.apply(&edit).await?;
    eventually("the edit is in force", async || {
        Ok(at(web, "/livez").await?.status == 200)
    })
    .await?;
    assert_eq!(at(web, "/healthz").await?.status, 401);
    let line = api
        .access_log()
        .wait_for(|line| line.status() == 200 && line.text("path") == "/livez")
        .await?;
    assert!(
        line.text("candidate").starts_with("deny;rule.denied;next/closed;"),
        "{line:?}"
    );
    assert!(line.0.get("shadow").is_some_and(Value::is_null), "{line:?}");
    for (last, status) in [(1, 200), (2, 401)] {
        let client = api.client().from(Ipv4Addr::new(127, 0, last, 9).into());
        let answer = client.send(&Request::new("GET", "/near").host(HOST)).await?;
        assert_eq!(answer.status, status, "the direct peer tells it");
    }
    Ok(())
}

async fn http_only(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "http-only";
    let (web, api) = pair(&mesh, NAMESPACE, Spec::new(NAMESPACE, "api")).await?;
    let request = Request::new("GET", "/");
    mesh.apply(&manifest("workload/interlock.yaml", NAMESPACE)?).await?;
    eventually("HTTP is judged", async || {
        Ok(api.client().send(&request).await?.status == 403)
    })
    .await?;
    // The same port, if its protocol were not declared or not HTTP: nobody judges it.
    let mut sidecar = mesh
        .kube()
        .get("networking.istio.io/v1", "Sidecar", NAMESPACE, "api")
        .await?
        .ok_or("no Sidecar")?;
    sidecar["spec"]["ingress"][0]["port"]["protocol"] = Value::from("TCP");
    for field in [
        "managedFields",
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "generation",
    ] {
        sidecar["metadata"].as_object_mut().ok_or("no metadata")?.remove(field);
    }
    mesh.kube().apply_object(&sidecar).await?;
    eventually("TCP passes", async || {
        Ok(api.client().send(&request).await?.status == 200)
    })
    .await?;
    // For all of the namespace, and for this workload.
    let whole = manifest("base/http-only.yaml", NAMESPACE)?;
    mesh.apply(&whole).await?;
    eventually("TCP is refused in the namespace", async || {
        Ok(api.client().send(&request).await.is_err())
    })
    .await?;
    assert_eq!(web.client().send(&request).await?.status, 200, "HTTP is not touched");
    mesh.delete(&whole).await?;
    eventually("TCP passes again", async || {
        Ok(api
            .client()
            .send(&request)
            .await
            .is_ok_and(|answer| answer.status == 200))
    })
    .await?;
    let policy = manifest("policy-from-configmap/http-only.yaml", NAMESPACE)?;
    mesh.apply(&policy).await?;
    eventually("TCP is refused", async || {
        Ok(api.client().send(&request).await.is_err())
    })
    .await?;
    assert_eq!(
        web.client().send(&request).await?.status,
        200,
        "HTTP of another workload is not touched"
    );
    Ok(())
}

/// Lets whoever comes from 127.0.1.0/24 in at `/near`, without a token.
fn near(bundle: &mut Value) -> Result<()> {
    let documents = bundle["documents"].as_array_mut().ok_or("no documents")?;
    let shop = documents
        .iter_mut()
        .find(|document| document["metadata"]["name"] == "shop");
    let rules = shop.and_then(|shop| shop["spec"]["rules"].as_array_mut());
    rules.ok_or("no rules")?.push(json!({
        "name": "near", "paths": ["/near"], "from": {"networks": ["127.0.1.0/24"]}, "identity": "none", "effect": "allow",
    }));
    Ok(())
}

/// `web`, and the workload of `spec` with the hosts of the example, in one namespace.
async fn pair(mesh: &Mesh, namespace: &str, api: Spec) -> Result<(Workload, Workload)> {
    mesh.namespace(namespace).await?;
    let web = mesh.workload(Spec::new(namespace, "web")).await?;
    let api = mesh.workload(api.host(HOST)).await?;
    Ok((web, api))
}

/// Whether several requests in a row are answered so: a connection that was opened before keeps the chain that it was opened with until
/// Envoy has drained it.
async fn all_answered(status: u16, ask: impl AsyncFn() -> Result<Response>) -> Result<bool> {
    for _ in 0..8 {
        if ask().await?.status != status {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A workload with what `deployment-patch.yaml` and `metrics-patch.yaml` give it. There is no kubelet for image volumes: the module stays where it is
/// built, and the ConfigMap that holds a piece of the bootstrap is a file.
fn patched(mesh: &Mesh, namespace: &str) -> Result<Spec> {
    let mut spec = Spec::new(namespace, "api");
    for file in ["deployment-patch.yaml", "metrics-patch.yaml"] {
        let patch: Value = serde_saphyr::from_str(&shipped(file)?)?;
        let metadata = &patch["spec"]["template"]["metadata"];
        for (name, value) in metadata["labels"].as_object().into_iter().flatten() {
            spec = spec.label(name, value.as_str().ok_or("a label that is no text")?);
        }
        let annotations = metadata["annotations"].as_object().into_iter().flatten();
        // What the mesh's configuration keeps is enough without these, and they would hide it.
        for (name, value) in annotations.filter(|(name, _)| !name.starts_with(STATS_INCLUSION)) {
            let value = value.as_str().ok_or("an annotation that is no text")?;
            spec = spec.annotation(name, &without_image(name, value)?);
        }
    }
    let tags: Value = serde_saphyr::from_str(&shipped("base/stats-tags.yaml")?)?;
    let bootstrap = tags["data"]["custom_bootstrap.json"].as_str().ok_or("no bootstrap")?;
    let path = write(mesh, "custom_bootstrap.json", bootstrap)?;
    Ok(spec.env("ISTIO_BOOTSTRAP_OVERRIDE", &path))
}

fn without_image(name: &str, value: &str) -> Result<String> {
    if !name.starts_with("sidecar.istio.io/userVolume") {
        return Ok(value.to_owned());
    }
    let mut volumes: Value = serde_json::from_str(value)?;
    let removed = volumes.as_object_mut().and_then(|all| all.remove("regionguard-module"));
    removed.ok_or("no volume for the module")?;
    Ok(volumes.to_string())
}

async fn at(web: &Workload, path: &str) -> Result<Response> {
    web.call_host(HOST, &Request::new("GET", path)).await
}

/// A shipped manifest, for another namespace and with the module that was built.
fn manifest(file: &str, namespace: &str) -> Result<String> {
    let module = wasm_module()?;
    let text = shipped(file)?
        .replace("namespace: us-east-1", &format!("namespace: {namespace}"))
        .replace("/etc/regionguard/module/plugin.wasm", &module.display().to_string());
    Ok(relative_paths(&text))
}

fn shipped(file: &str) -> Result<String> {
    shipped::text(&format!("istio/{file}"))
}

/// The manifests of a folder.
fn manifests(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(envoy_config(&format!("istio/{folder}")));
    let paths = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(|path| !path.ends_with("kustomization.yaml")).collect();
    files.sort();
    assert!(!files.is_empty(), "no files in `{folder}`");
    files
}

/// Writes a file into the folder of the mesh, and gives its path.
fn write(mesh: &Mesh, name: &str, text: &str) -> Result<String> {
    let path = mesh.dir().join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn eventually(what: &str, reached: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let last = reached().await;
        if matches!(last, Ok(true)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("not within {LIMIT:?}: {what} ({last:?})").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
