//! The mesh itself: Envoy to Envoy over mTLS, volumes as a kubelet writes them, outages and restarts, and nothing left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use regionguard_harness::client::{Client, Request};
use regionguard_harness::tools;
use regionguard_mesh::process::{Process, running_in};
use regionguard_mesh::{Mesh, Options, Result, SERVICE_PORT, Spec, Workload, cli, relative_paths, suite};
use serde_json::Value;

fn main() -> ExitCode {
    let quiet = Options {
        progress: false,
        ..Options::default()
    };
    suite::run_in(
        quiet,
        [
            suite::test("other_users_do_not_get_into_the_folder_of_a_mesh", private),
            suite::test("a_request_passes_from_envoy_to_envoy_over_mtls", passes),
            suite::test("strict_peer_authentication_resets_a_plain_connection", strict),
            suite::test(
                "an_edit_of_a_config_map_or_a_secret_is_written_by_a_swap_within_a_second",
                volume,
            ),
            suite::test("envoy_follows_a_mounted_file_by_its_relative_path", followed),
            suite::test("annotations_of_a_pod_reach_its_proxy", annotated),
            suite::test("a_gateway_lets_requests_in", gateway),
            suite::test("requests_go_on_without_istiod_and_changes_arrive_after_it", outage),
            suite::test("agent_and_envoy_start_again_after_their_end", restarts),
            suite::test("a_document_that_is_wrong_is_refused_with_its_name", refused),
            suite::test("nothing_is_left_after_a_mesh_is_dropped", dropped),
            suite::test("nothing_is_left_after_the_owner_is_killed", killed),
        ],
    )
}

/// What is in it lets in as administrator.
async fn private(mesh: Arc<Mesh>) -> Result<()> {
    let mode = std::fs::metadata(mesh.dir())?.permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{mode:o}");
    assert!(mesh.kubeconfig().starts_with(mesh.dir()));
    Ok(())
}

async fn passes(mesh: Arc<Mesh>) -> Result<()> {
    let (web, api) = pair(&mesh, "passes").await?;
    let answer = web.call(&api, &Request::new("GET", "/v1/orders/7")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(api.upstream().count(), 1);
    let line = api
        .access_log()
        .wait_for(|line| line.text("path") == "/v1/orders/7")
        .await?;
    assert_eq!(line.text("peer_uri"), "spiffe://cluster.local/ns/passes/sa/web");
    let nodes = api.config_dump().await?;
    let locality = nodes.pointer("/configs/0/bootstrap/node/locality/region");
    assert_eq!(locality, Some(&"us-east-1".into()));
    assert!(api.prometheus().await?.contains("envoy_server_live"));
    Ok(())
}

async fn strict(mesh: Arc<Mesh>) -> Result<()> {
    let (web, api) = pair(&mesh, "strict").await?;
    let request = Request::new("GET", "/");
    assert_eq!(
        api.client().send(&request).await?.status,
        200,
        "as long as both are allowed"
    );
    mesh.apply(
        "apiVersion: security.istio.io/v1\n\
         kind: PeerAuthentication\n\
         metadata: {namespace: strict, name: default}\n\
         spec: {mtls: {mode: STRICT}}\n",
    )
    .await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while api.client().send(&request).await.is_ok() {
        assert!(Instant::now() < deadline, "a plain request still passes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(web.call(&api, &request).await?.status, 200);
    Ok(())
}

async fn volume(mesh: Arc<Mesh>) -> Result<()> {
    const ANNOTATIONS: [(&str, &str); 2] = [
        (
            "sidecar.istio.io/userVolume",
            r#"{"policy":{"configMap":{"name":"policy"}},"key":{"secret":{"secretName":"key"}}}"#,
        ),
        (
            "sidecar.istio.io/userVolumeMount",
            r#"{"policy":{"mountPath":"/etc/regionguard/policy"},"key":{"mountPath":"/etc/regionguard/key"}}"#,
        ),
    ];
    mesh.namespace("volume").await?;
    mesh.apply(&config_map("first")).await?;
    mesh.apply(&secret(b"\xfffirst")).await?;
    let spec = ANNOTATIONS
        .iter()
        .fold(Spec::new("volume", "api"), |spec, (name, value)| {
            spec.annotation(name, value)
        });
    let api = mesh.workload(spec).await?;
    let mounted = |volume: &str| api.dir().join("etc/regionguard").join(volume);
    let (policy, key) = (mounted("policy"), mounted("key"));
    assert_eq!(std::fs::read(policy.join("policy.yaml"))?, b"first");
    assert_eq!(
        std::fs::read(key.join("key.bin"))?,
        b"\xfffirst",
        "decoded, and whatever its bytes are"
    );
    let secret_before = std::fs::read_link(key.join("..data"))?;
    swapped(&mesh, &policy.join("policy.yaml"), &config_map("second"), b"second").await?;
    assert_eq!(
        std::fs::read_link(key.join("..data"))?,
        secret_before,
        "an edit of one leaves the other alone"
    );
    swapped(&mesh, &key.join("key.bin"), &secret(b"second\xff"), b"second\xff").await?;
    assert_eq!(mesh.kubelet().errors(), Vec::<String>::new());
    Ok(())
}

/// The edit of an object is in the file of its volume within a second, by one rename of `..data`.
async fn swapped(mesh: &Mesh, file: &Path, edit: &str, content: &[u8]) -> Result<()> {
    let data = file.with_file_name("..data");
    let before = std::fs::read_link(&data)?;
    mesh.apply(edit).await?;
    let edited = Instant::now();
    while std::fs::read(file)? != content {
        assert!(
            edited.elapsed() < Duration::from_secs(1),
            "not written: {}",
            file.display()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(std::fs::read_link(&data)?, before);
    let name = file.file_name().ok_or("no file")?;
    assert_eq!(std::fs::read_link(file)?, Path::new("..data").join(name));
    Ok(())
}

/// An HTTP filter out of a mounted ConfigMap: it sets the response header `x-version`.
async fn followed(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("followed").await?;
    mesh.apply(&filter_map("one")).await?;
    let api = mesh
        .workload(
            Spec::new("followed", "api")
                .annotation(
                    "sidecar.istio.io/userVolume",
                    r#"{"policy":{"configMap":{"name":"filter"}}}"#,
                )
                .annotation(
                    "sidecar.istio.io/userVolumeMount",
                    r#"{"policy":{"mountPath":"/etc/regionguard/policy"}}"#,
                ),
        )
        .await?;
    mesh.apply(&relative_paths(FOLLOWED)).await?;
    let version = async || {
        Some(
            api.client()
                .send(&Request::new("GET", "/"))
                .await
                .ok()?
                .header("x-version"),
        )
    };
    for (number, limit) in [("one", 10), ("two", 2)] {
        mesh.apply(&filter_map(number)).await?;
        let deadline = Instant::now() + Duration::from_secs(limit);
        while version().await != Some(Some(number.to_owned())) {
            assert!(
                Instant::now() < deadline,
                "version {number} is not in force: {:?}",
                version().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

const FOLLOWED: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {namespace: followed, name: from-a-file}
spec:
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: SIDECAR_INBOUND
        listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}
      patch:
        operation: INSERT_BEFORE
        value:
          name: from-a-file
          config_discovery:
            config_source:
              path_config_source:
                path: /etc/regionguard/policy/filter.yaml
                watched_directory: {path: /etc/regionguard/policy}
            type_urls: [type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation]
"#;

fn filter_map(version: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{namespace: followed, name: filter}}
data:
  filter.yaml: |
    version_info: "{version}"
    resources:
      - "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
        name: from-a-file
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
          mutations:
            response_mutations: [{{append: {{header: {{key: x-version, value: "{version}"}}}}}}]
"#
    )
}

async fn annotated(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("annotated").await?;
    let spec = Spec::new("annotated", "api");
    let plain = mesh.workload(spec.clone()).await?;
    assert!(!plain.stats().await?.contains_key("runtime.load_success"));
    drop(plain);
    let api = mesh
        .workload(
            spec.annotation("sidecar.istio.io/statsInclusionPrefixes", "runtime")
                .annotation(
                    "proxy.istio.io/config",
                    "extraStatTags: [one_of_ours]\nstatNameLength: 100\n",
                ),
        )
        .await?;
    assert!(api.stats().await?.contains_key("runtime.load_success"));
    let config = api.config_dump().await?;
    let tags = config
        .pointer("/configs/0/bootstrap/stats_config/stats_tags")
        .and_then(Value::as_array);
    assert!(tags.into_iter().flatten().any(|tag| tag["tag_name"] == "one_of_ours"));
    Ok(())
}

async fn gateway(mesh: Arc<Mesh>) -> Result<()> {
    const PORT: u16 = 17_090;
    mesh.namespace("gateway").await?;
    let (gateway, api) = tokio::try_join!(
        mesh.workload(Spec::new("gateway", "gateway").gateway()),
        mesh.workload(Spec::new("gateway", "api")),
    )?;
    mesh.apply(&format!(
        r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{namespace: gateway, name: gateway}}
spec:
  selector: {{app: gateway}}
  servers: [{{bind: {address}, port: {{number: {PORT}, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{namespace: gateway, name: api}}
spec:
  hosts: ["*"]
  gateways: [gateway]
  http: [{{route: [{{destination: {{host: {host}, port: {{number: {SERVICE_PORT}}}}}}}]}}]
"#,
        address = gateway.address(),
        host = api.host(),
    ))
    .await?;
    let client = Client::new(gateway.outbound(PORT));
    let deadline = Instant::now() + Duration::from_secs(10);
    while client
        .send(&Request::new("GET", "/in"))
        .await
        .map_or(0, |answer| answer.status)
        != 200
    {
        assert!(Instant::now() < deadline, "the gateway lets nothing in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let line = api.access_log().wait_for(|line| line.text("path") == "/in").await?;
    assert_eq!(line.text("peer_uri"), "spiffe://cluster.local/ns/gateway/sa/gateway");
    Ok(())
}

async fn outage(mesh: Arc<Mesh>) -> Result<()> {
    // A mesh of its own: the others need their istiod.
    drop(mesh);
    let mesh = own_mesh("outage").await?;
    let (web, api) = pair(&mesh, "outage").await?;
    mesh.stop_istiod().await;
    assert!(!names(mesh.dir()).contains(&"pilot-discovery".to_owned()));
    let request = Request::new("GET", "/");
    assert_eq!(web.call(&api, &request).await?.status, 200);
    mesh.apply(
        "apiVersion: security.istio.io/v1\n\
         kind: AuthorizationPolicy\n\
         metadata: {namespace: outage, name: nobody}\n\
         spec: {}\n",
    )
    .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(web.call(&api, &request).await?.status, 200, "nobody tells the sidecar");
    mesh.start_istiod().await?;
    let deadline = Instant::now() + Duration::from_secs(40);
    while web.call(&api, &request).await?.status != 403 {
        assert!(Instant::now() < deadline, "the change does not arrive");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn restarts(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("restarts").await?;
    let mut api = mesh.workload(Spec::new("restarts", "api")).await?;
    let first = (api.agent_pid(), api.envoy_pid());
    api.restart_envoy().await?;
    let second = (api.agent_pid(), api.envoy_pid());
    api.restart_agent().await?;
    let third = (api.agent_pid(), api.envoy_pid());
    assert!(first.1.is_some() && second.1.is_some() && third.1.is_some());
    assert!(first.1 != second.1 && second.0 != third.0 && second.1 != third.1);
    assert_eq!(api.client().send(&Request::new("GET", "/")).await?.status, 200);
    Ok(())
}

async fn refused(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("refused").await?;
    let documents = "apiVersion: v1\n\
                     kind: ConfigMap\n\
                     metadata: {namespace: refused, name: good}\n\
                     ---\n\
                     apiVersion: extensions.istio.io/v1alpha1\n\
                     kind: WasmPlugin\n\
                     metadata: {namespace: refused, name: bad}\n\
                     spec: {url: 'oci://registry/image', phaze: AUTHZ}\n";
    let error = mesh.apply(documents).await.expect_err("an unknown field").to_string();
    assert!(
        error.contains("`WasmPlugin refused/bad`") && error.contains("spec.phaze"),
        "{error}"
    );
    let good = mesh.kube().get("v1", "ConfigMap", "refused", "good").await?;
    assert!(good.is_some());
    mesh.delete(documents).await?;
    assert_eq!(mesh.kube().get("v1", "ConfigMap", "refused", "good").await?, None);
    Ok(())
}

async fn dropped(mesh: Arc<Mesh>) -> Result<()> {
    drop(mesh);
    let mesh = own_mesh("dropped").await?;
    mesh.namespace("dropped").await?;
    let api = mesh.workload(Spec::new("dropped", "api")).await?;
    let dir = mesh.dir().to_owned();
    assert_eq!(
        names(&dir),
        ["envoy", "etcd", "kube-apiserver", "pilot-agent", "pilot-discovery"]
    );
    drop(api);
    drop(mesh);
    assert_eq!(names(&dir), [""; 0]);
    assert!(!dir.exists());
    Ok(())
}

async fn killed(mesh: Arc<Mesh>) -> Result<()> {
    drop(mesh);
    let owner = Owner::start()?;
    let dir = owner.wait_for("kube-apiserver").await?;
    Process::kill_one(owner.0.id())?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !running_in(&dir).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", running_in(&dir));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// `istio-up`, as somebody runs it in a terminal.
struct Owner(Child);

impl Owner {
    fn start() -> Result<Self> {
        // It renders by the command that is built beside it.
        cli::program()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_istio-up"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    /// Waits until one of the programs of its mesh runs, and gives the folder of the mesh.
    async fn wait_for(&self, program: &str) -> Result<PathBuf> {
        let dir = tools::workspace_root()
            .join(".run")
            .join(format!("istio-up-{}-0", self.0.id()));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !names(&dir).iter().any(|name| name == program) {
            assert!(Instant::now() < deadline, "no {program} within a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(dir)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn own_mesh(name: &str) -> Result<Mesh> {
    let options = Options {
        name: name.to_owned(),
        progress: false,
        ..Options::default()
    };
    Mesh::start(options).await
}

async fn pair(mesh: &Mesh, namespace: &str) -> Result<(Workload, Workload)> {
    mesh.namespace(namespace).await?;
    tokio::try_join!(
        mesh.workload(Spec::new(namespace, "web")),
        mesh.workload(Spec::new(namespace, "api").region("us-east-1")),
    )
}

fn config_map(text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: volume, name: policy}}\ndata: {{policy.yaml: {text}}}\n"
    )
}

fn secret(key: &[u8]) -> String {
    let key = BASE64.encode(key);
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{namespace: volume, name: key}}\ndata: {{key.bin: {key}}}\n")
}

/// The programs that run in a folder, in order, threads' names of 15 bytes aside.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = running_in(dir).into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}
