//! The control plane: etcd, the Kubernetes API server, and istiod, each with the flags that a mesh without nodes needs.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use regionguard_harness::client::Client;
use regionguard_harness::tools;
use serde_json::{Value, json};

use crate::certs::{Authority, key_pair};
use crate::error::Context as _;
use crate::kube::Kube;
use crate::mesh::Options;
use crate::process::Process;
use crate::{Result, places};

/// The namespace of istiod, and the root namespace of the mesh.
pub(crate) const SYSTEM: &str = "istio-system";
/// The trust domain of the mesh.
pub(crate) const TRUST_DOMAIN: &str = "cluster.local";
/// The only name in istiod's certificate that agents look for.
pub(crate) const ISTIOD_NAME: &str = "istiod.istio-system.svc";
const LIMIT: Duration = Duration::from_secs(60);

/// Where the programs of others are.
pub(crate) fn tools() -> PathBuf {
    tools::tools_dir().join("real")
}

/// A program that `scripts/setup real` builds.
///
/// # Errors
/// When it is not there.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = tools().join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("no `{}`: run `make setup-real`, which builds it", path.display()).into())
    }
}

/// A command without the environment of its caller, so that no run depends on it.
pub(crate) fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(dir);
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Writes a file, and says which in an error.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, content).context(|| format!("cannot write `{}`", path.display()))
}

/// Makes a folder with all above it, and says which in an error.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).context(|| format!("cannot make the folder `{}`", path.display()))
}

/// Closes a folder to other users of the machine: what is written below it lets in as administrator.
fn make_private(path: &Path) -> Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
        .context(|| format!("cannot close the folder `{}` to other users", path.display()))
}

pub(crate) fn kubeconfig(run: &Path) -> PathBuf {
    run.join("kubeconfig")
}

/// Whether a GET of `path` is answered with 200.
pub(crate) async fn answers(address: SocketAddr, path: &str) -> Option<()> {
    let client = Client::new(address).timeout(Duration::from_secs(2));
    (client.get(path).await.ok()?.status == 200).then_some(())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(crate) async fn start_etcd(run: &Path) -> Result<(Process, SocketAddr)> {
    let (client, peer) = (loopback(places::port()?), loopback(places::port()?));
    let mut command = command(&program("etcd")?, run);
    command.arg("--data-dir").arg(run.join("etcd"));
    for flag in ["--listen-client-urls", "--advertise-client-urls"] {
        command.arg(flag).arg(format!("http://{client}"));
    }
    for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
        command.arg(flag).arg(format!("http://{peer}"));
    }
    command.arg("--initial-cluster").arg(format!("default=http://{peer}"));
    // Nothing of it outlives the run.
    command.arg("--unsafe-no-fsync");
    let mut etcd = Process::start("etcd", command, &run.join("etcd.log"))?;
    etcd.wait_until(LIMIT, async || answers(client, "/health").await)
        .await?;
    Ok((etcd, client))
}

pub(crate) struct ApiServer {
    pub(crate) process: Process,
    pub(crate) kube: Kube,
}

pub(crate) async fn start_api_server(run: &Path, etcd: SocketAddr) -> Result<ApiServer> {
    let address = loopback(places::port()?);
    let dir = run.join("kube-apiserver");
    make_private(run)?;
    make_dir(&dir)?;
    let authority = Authority::new("Kubernetes of one run")?;
    let serving = authority.issue("kube-apiserver", &["localhost", "kubernetes.default.svc"])?;
    let (signing, verifying) = key_pair()?;
    // The keys of one run, and the only way in: as good as random.
    let token = token(&key_pair()?.0);
    let files = [
        ("serving.crt", serving.certificate),
        ("serving.key", serving.key),
        ("accounts.key", signing),
        ("accounts.pub", verifying),
        ("tokens.csv", format!("{token},admin,admin,system:masters\n")),
        ("ca.crt", authority.pem()),
    ];
    for (name, content) in files {
        write(&dir.join(name), content)?;
    }
    write(&kubeconfig(run), kubeconfig_text(address, &dir.join("ca.crt"), &token))?;
    let kube = Kube::new(address, &authority, &token)?;
    let command = api_server_command(&dir, address, etcd)?;
    let mut process = Process::start("kube-apiserver", command, &run.join("kube-apiserver.log"))?;
    process
        .wait_until(LIMIT, async || kube.read("/readyz").await.ok())
        .await?;
    Ok(ApiServer { process, kube })
}

fn api_server_command(dir: &Path, address: SocketAddr, etcd: SocketAddr) -> Result<Command> {
    const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
    let mut command = command(&program("kube-apiserver")?, dir);
    command.arg(format!("--etcd-servers=http://{etcd}"));
    command.arg(format!("--bind-address={}", address.ip()));
    command.arg(format!("--secure-port={}", address.port()));
    command.args([
        "--tls-cert-file=serving.crt",
        "--tls-private-key-file=serving.key",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        "--service-account-key-file=accounts.pub",
        "--service-account-signing-key-file=accounts.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        // No controller makes the default service account, and no node is there to register.
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--profiling=false",
    ]);
    command.arg(format!("--service-account-issuer={ISSUER}"));
    command.arg(format!("--api-audiences={ISSUER},istio-ca"));
    Ok(command)
}

fn token(key: &str) -> String {
    key.lines()
        .filter(|line| !line.starts_with('-'))
        .flat_map(str::chars)
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

fn kubeconfig_text(server: SocketAddr, authority: &Path, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mesh",
        "clusters": [{"name": "mesh", "cluster": {"server": format!("https://{server}"), "certificate-authority": authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "mesh", "context": {"cluster": "mesh", "user": "admin"}}],
    });
    format!("{config:#}\n")
}

/// Defines the kinds in these files, and waits until the server has taken each of them.
pub(crate) async fn define_kinds(kube: &Kube, files: &[PathBuf]) -> Result<()> {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut created = tokio::task::JoinSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).context(|| format!("cannot read `{}`", file.display()))?;
        let documents = text
            .split("\n---\n")
            .filter(|document| document.contains("\nkind: CustomResourceDefinition"));
        for document in documents {
            let (kube, document) = (kube.clone(), document.to_owned());
            created.spawn(async move { kube.create_text(DEFINITIONS, &document).await });
        }
    }
    let count = created.len();
    while let Some(result) = created.join_next().await {
        result?.context(|| "a kind is refused".to_owned())?;
    }
    let ready = async || -> Result<()> {
        while established(&kube.read(DEFINITIONS).await?) < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(LIMIT, ready()).await;
    waited.context(|| format!("the kinds are not served within {LIMIT:?}"))?
}

/// What holds for sidecars whose own `Sidecar` istiod does not know yet, in the moment after it was made: no listeners. Istio's own
/// default would bind the wildcard address, and so take ports from all other workloads of the machine.
pub(crate) async fn default_sidecar(kube: &Kube) -> Result<()> {
    let sidecar = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"namespace": SYSTEM, "name": "default"},
        "spec": {"egress": [{"hosts": ["~/*"]}]},
    });
    kube.apply_object(&sidecar).await.map(drop)
}

fn established(definitions: &Value) -> usize {
    let items = definitions["items"].as_array().into_iter().flatten();
    let is_established = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
    items
        .filter(|item| {
            let mut conditions = item["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(is_established)
        })
        .count()
}

/// What istiod needs for waypoints. It cannot tell their addresses here, since the API takes no loopback addresses as endpoints: so it does not write any status.
const AMBIENT: [(&str, &str); 2] = [
    ("PILOT_ENABLE_AMBIENT", "true"),
    ("PILOT_ENABLE_GATEWAY_API_STATUS", "false"),
];

/// How istiod is started, each time.
#[derive(Debug)]
pub(crate) struct Istiod {
    dir: PathBuf,
    env: Vec<(String, String)>,
    /// Where agents ask for configuration and certificates.
    pub(crate) discovery: SocketAddr,
    /// The same without TLS.
    pub(crate) plain: SocketAddr,
    http: SocketAddr,
    /// Where it tells about itself.
    pub(crate) monitoring: SocketAddr,
    introspection: u16,
}

impl Istiod {
    pub(crate) fn plan(run: &Path, options: &Options) -> Result<Self> {
        let dir = run.join("istiod");
        make_dir(&dir)?;
        write(
            &dir.join("mesh.yaml"),
            format!("{:#}\n", mesh_config(&options.mesh_config)),
        )?;
        Ok(Self {
            dir,
            env: istiod_env(options),
            discovery: loopback(places::port()?),
            plain: loopback(places::port()?),
            http: loopback(places::port()?),
            monitoring: loopback(places::port()?),
            introspection: places::port()?,
        })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("istiod.log")
    }

    pub(crate) async fn start(&self) -> Result<Process> {
        let mut command = command(&program("pilot-discovery")?, &self.dir);
        command
            .arg("discovery")
            .args(["--meshConfig", "mesh.yaml", "--kubeconfig", "../kubeconfig"]);
        command.arg("--secureGRPCAddr").arg(self.discovery.to_string());
        command.arg("--grpcAddr").arg(self.plain.to_string());
        command.arg("--httpAddr").arg(self.http.to_string());
        command.arg("--monitoringAddr").arg(self.monitoring.to_string());
        command.arg("--ctrlz_port").arg(self.introspection.to_string());
        // Its webhooks: nothing is injected here, and documents are checked by `istioctl`.
        command.args(["--httpsAddr", ""]);
        command.envs([
            // A stock Envoy lacks the filters that Istio's own Envoy has.
            ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
            ("PILOT_ENABLE_ALPN_FILTER", "false"),
            ("PILOT_CERT_PROVIDER", "istiod"),
            ("POD_NAMESPACE", SYSTEM),
            ("POD_NAME", "istiod-0"),
            ("CLUSTER_ID", "Kubernetes"),
            ("CLOUD_PLATFORM", "none"),
        ]);
        command.envs(self.env.iter().cloned());
        let mut istiod = Process::start("istiod", command, &self.log())?;
        istiod
            .wait_until(LIMIT, async || answers(self.http, "/ready").await)
            .await?;
        Ok(istiod)
    }
}

fn istiod_env(options: &Options) -> Vec<(String, String)> {
    let ambient = options.ambient.then_some(AMBIENT).into_iter().flatten();
    let ambient = ambient.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ambient.chain(options.istiod_env.iter().cloned()).collect()
}

/// MeshConfig: our own fields, and over them those that are asked for.
fn mesh_config(more: &Value) -> Value {
    // The fields of the access log in `envoy-config/sidecar.yaml`, and the peer's SPIFFE id.
    let log = json!({
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "authority": "%REQ(:AUTHORITY)%",
        "path": "%PATH(NQ:PATH)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS_NUMBER%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "peer_uri": "%DOWNSTREAM_PEER_URI_SAN%",
        "upstream": "%UPSTREAM_HOST%",
        "decision": "%FILTER_STATE(wasm.regionguard:PLAIN)%",
        "shadow": "%FILTER_STATE(wasm.regionguard_shadow:PLAIN)%",
        "candidate": "%FILTER_STATE(wasm.regionguard_candidate:PLAIN)%",
    });
    let mut config = json!({
        "trustDomain": TRUST_DOMAIN,
        "rootNamespace": SYSTEM,
        // Relative to an Envoy's working directory: one file for each workload.
        "accessLogFile": "./access.log",
        "accessLogEncoding": "JSON",
        "accessLogFormat": log.to_string(),
    });
    if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
        config.extend(more.clone());
    }
    config
}
