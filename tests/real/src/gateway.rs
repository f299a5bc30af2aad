//! Envoy Gateway on one machine: etcd, kube-apiserver, its control plane, and the Envoy that its Deployment asks for.
//!
//! There is no kubelet: the Deployment stays without a pod, and this starts an Envoy with the Deployment's own arguments and with
//! its volumes, each in a mount namespace of its own. So bootstrap, xDS over TLS and the server that hands out Wasm modules are
//! Envoy Gateway's.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use regionguard_harness::access_log::AccessLog;
use regionguard_harness::client::Client;
use regionguard_harness::{RunDir, tools};
use serde_json::{Value, json};

use crate::error::Context as _;
use crate::kube::Kube;
use crate::plane::{self, ApiServer, program};
use crate::process::Process;
use crate::{Result, places};

/// The namespace of Envoy Gateway, and of the Envoys that it makes.
const SYSTEM: &str = "envoy-gateway-system";
/// The name under which Envoy finds Envoy Gateway.
const SERVICE: &str = "envoy-gateway.envoy-gateway-system.svc.cluster.local";
/// A host name that leads every Envoy here to 127.0.0.1.
pub const UPSTREAM: &str = "upstream.internal";
/// xDS, modules and health of Envoy Gateway; admin, metrics and readiness of Envoy: ports that neither lets one choose.
const PORTS: [u16; 6] = [18000, 18002, 8081, 19000, 19001, 19003];
const ADMIN: u16 = 19000;
const METRICS: u16 = 19001;
const LIMIT: Duration = Duration::from_secs(120);

/// A running Envoy Gateway. All of it ends when this is dropped.
#[derive(Debug)]
pub struct EnvoyGateway {
    process: Process,
    kube: Kube,
    _api_server: Process,
    _etcd: Process,
    run: RunDir,
    _alone: File,
}

/// An Envoy as Envoy Gateway wants it.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    log: PathBuf,
}

impl EnvoyGateway {
    /// Starts etcd, the Kubernetes API with the kinds of Envoy Gateway and of the Gateway API, and Envoy Gateway with the
    /// configuration `settings` (`config.envoyGateway` of its Helm values). Waits for another run to end, since the ports are
    /// fixed.
    ///
    /// # Errors
    /// When a program is missing, a port is taken, or something does not get ready; the error holds the end of its log.
    pub async fn start(settings: &Value) -> Result<Self> {
        let alone = alone()?;
        for port in PORTS {
            free(port).await?;
        }
        let run = RunDir::new("envoy-gateway")?;
        let (etcd, etcd_address) = plane::start_etcd(run.path()).await?;
        let ApiServer { process, kube } = plane::start_api_server(run.path(), etcd_address).await?;
        define_kinds(&kube).await?;
        kube.apply_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}))
            .await?;
        make_certificates(run.path()).await?;
        let volumes = volumes(run.path(), "control-plane")?;
        write_secret(&kube, "envoy-gateway", &volumes.join("certs")).await?;
        let config = run.path().join("envoy-gateway.yaml");
        plane::write(&config, format!("{:#}\n", configuration(settings)?))?;
        let mut command = own_root(run.path(), &volumes, &program("envoy-gateway")?)?;
        command.arg("server").arg("--config-path").arg(config);
        environment(&mut command, run.path());
        let mut gateway = Process::start("envoy-gateway", command, &run.path().join("envoy-gateway.log"))?;
        gateway
            .wait_until(LIMIT, async || plane::answers(plane::loopback(8081), "/readyz").await)
            .await?;
        Ok(Self {
            process: gateway,
            kube,
            _api_server: process,
            _etcd: etcd,
            run,
            _alone: alone,
        })
    }

    /// The Kubernetes API.
    #[must_use]
    pub fn kube(&self) -> &Kube {
        &self.kube
    }

    /// The folder with all that it writes; it is removed at the end.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.run.path()
    }

    /// All that Envoy Gateway has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until `wanted` accepts an object of Envoy Gateway or of the Gateway API, and gives it.
    ///
    /// # Errors
    /// When that does not come within two minutes; the error holds the object as it is.
    pub async fn wait_for(
        &self,
        api: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let object = self.kube.get(api, kind, namespace, name).await?;
            match object {
                Some(object) if wanted(&object) => return Ok(object),
                object if Instant::now() > deadline => {
                    return Err(
                        format!("`{kind} {namespace}/{name}` does not become what is waited for: {object:#?}").into(),
                    );
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Starts the Envoy of the Gateway `namespace/name` with the arguments of its Deployment, and waits until it has its
    /// listeners. `argument` is among them: a Deployment without it is one of before what asks for that was seen.
    ///
    /// # Errors
    /// When there is no such Deployment within two minutes, or Envoy does not get ready; the error holds the end of its log.
    pub async fn proxy(&self, namespace: &str, name: &str, argument: &str) -> Result<Proxy> {
        let deployment = self.deployment(namespace, name, argument).await?;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().ok_or("a Deployment without arguments")?;
        let volumes = volumes(self.dir(), "proxy")?;
        write_secret(&self.kube, "envoy", &volumes.join("certs")).await?;
        let config_map = deployment["metadata"]["name"]
            .as_str()
            .ok_or("a Deployment without a name")?;
        let sds = self
            .kube
            .get("v1", "ConfigMap", SYSTEM, config_map)
            .await?
            .ok_or("no ConfigMap for SDS")?;
        for (key, value) in sds["data"].as_object().into_iter().flatten() {
            plane::write(&volumes.join("sds").join(key), value.as_str().unwrap_or_default())?;
        }
        let mut command = own_root(self.dir(), &volumes, &tools::envoy()?)?;
        for argument in arguments {
            let argument = argument.as_str().unwrap_or_default();
            // What a kubelet puts in.
            command.arg(
                argument
                    .replace("$(ENVOY_POD_NAME)", "proxy-0")
                    .replace("$(ENVOY_SERVICE_ZONE)", "zone-a"),
            );
        }
        // Beside other Envoys of this machine: no memory in common with any of them.
        command.args(["--base-id", &std::process::id().to_string()]);
        let log = self.dir().join("proxy.log");
        let mut process = Process::start("envoy", command, &log)?;
        process
            .wait_until(LIMIT, async || plane::answers(plane::loopback(ADMIN), "/ready").await)
            .await?;
        Ok(Proxy { process, log })
    }

    async fn deployment(&self, namespace: &str, name: &str, argument: &str) -> Result<Value> {
        let labels = format!(
            "gateway.envoyproxy.io/owning-gateway-namespace={namespace},gateway.envoyproxy.io/owning-gateway-name={name}"
        );
        let path = format!("/apis/apps/v1/namespaces/{SYSTEM}/deployments?labelSelector={labels}");
        let deadline = Instant::now() + LIMIT;
        loop {
            let list = self.kube.read(&path).await?;
            let has = |deployment: &&Value| {
                let arguments = deployment.pointer("/spec/template/spec/containers/0/args");
                let mut arguments = arguments.and_then(Value::as_array).into_iter().flatten();
                arguments.any(|one| one == argument)
            };
            if let Some(deployment) = list["items"].get(0).filter(has) {
                return Ok(deployment.clone());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "Envoy Gateway makes no Deployment for `{namespace}/{name}` with `{argument}`; its log:\n{}",
                    self.log()
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Proxy {
    /// A client of the listener at this port.
    #[must_use]
    pub fn client(&self, port: u16) -> Client {
        Client::new(plane::loopback(port))
    }

    /// Its access log, which is on standard output.
    #[must_use]
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(&self.log)
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// What its metrics endpoint says.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn prometheus(&self) -> Result<String> {
        Ok(Client::new(plane::loopback(METRICS))
            .get("/stats/prometheus")
            .await?
            .text())
    }

    /// A counter or gauge by its name; 0 where there is none yet.
    ///
    /// # Errors
    /// When the admin address does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let text = self.admin(&format!("/stats?filter=^{name}$")).await?.text();
        let value = text.trim().rsplit_once(": ").map_or("0", |(_, value)| value);
        Ok(value.parse()?)
    }

    /// The listeners that are in force, by name.
    ///
    /// # Errors
    /// When the admin address does not answer.
    pub async fn listener(&self, name: &str) -> Result<Value> {
        let dump = self.admin("/config_dump?resource=dynamic_listeners").await?.json()?;
        let listeners = dump["configs"].as_array().into_iter().flatten();
        let found = listeners
            .filter(|listener| listener["name"] == name)
            .find_map(|listener| listener.pointer("/active_state/listener"));
        found
            .cloned()
            .ok_or_else(|| format!("no listener `{name}` in {dump:#}").into())
    }

    async fn admin(&self, path: &str) -> Result<regionguard_harness::client::Response> {
        Client::new(plane::loopback(ADMIN)).get(path).await
    }
}

/// A lock that only one run on this machine has; waits for it.
fn alone() -> Result<File> {
    let path = std::env::temp_dir().join("regionguard-envoy-gateway.lock");
    let failed = || format!("cannot lock `{}`", path.display());
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .context(failed)?;
    file.lock().context(failed)?;
    Ok(file)
}

/// Waits until nothing listens on a port: what ran before may take a moment to end.
async fn free(port: u16) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context(|| format!("Envoy Gateway and its Envoy need port {port}, which is taken"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// The kinds of Envoy Gateway and of the Gateway API.
async fn define_kinds(kube: &Kube) -> Result<()> {
    let dir = tools::tools_dir().join("real/envoy-gateway-crds");
    let entries =
        std::fs::read_dir(&dir).context(|| format!("no `{}`: run `make setup-real`, which makes it", dir.display()))?;
    let files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    plane::define_kinds(kube, &files).await
}

/// Envoy Gateway's own certificates, as the job of its chart makes them: as Secrets.
async fn make_certificates(run: &Path) -> Result<()> {
    let mut command = plane::command(&program("envoy-gateway")?, run);
    command.args(["certgen", "--disable-topology-injector"]);
    environment(&mut command, run);
    let output = tokio::process::Command::from(command).output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`envoy-gateway certgen` has failed: {}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

fn environment(command: &mut Command, run: &Path) {
    command
        .env("KUBECONFIG", plane::kubeconfig(run))
        .env("ENVOY_GATEWAY_NAMESPACE", SYSTEM);
}

/// Folders that become /certs, /sds and /var/lib, and the file that becomes /etc/hosts.
fn volumes(run: &Path, name: &str) -> Result<PathBuf> {
    let volumes = run.join(name);
    for part in ["certs", "sds", "lib/eg/wasm", "root"] {
        plane::make_dir(&volumes.join(part))?;
    }
    // With the dot at the end, as the bootstrap has it: resolvers compare the text.
    let hosts = format!("127.0.0.1 localhost\n127.0.0.1 {SERVICE} {SERVICE}.\n127.0.0.1 {UPSTREAM} {UPSTREAM}.\n");
    plane::write(&volumes.join("hosts"), hosts)?;
    Ok(volumes)
}

async fn write_secret(kube: &Kube, name: &str, folder: &Path) -> Result<()> {
    let secret = kube.get("v1", "Secret", SYSTEM, name).await?;
    let secret = secret.ok_or_else(|| format!("no Secret `{name}`"))?;
    for (key, value) in secret["data"].as_object().into_iter().flatten() {
        plane::write(&folder.join(key), base64(value.as_str().unwrap_or_default())?)?;
    }
    Ok(())
}

fn base64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .context(|| "a Secret that is not base64".to_owned())
}

/// `settings`, with what a control plane outside of a cluster needs.
fn configuration(settings: &Value) -> Result<Value> {
    let mut configuration = settings.clone();
    let fields = configuration
        .as_object_mut()
        .ok_or("the settings of Envoy Gateway are no mapping")?;
    fields.insert("apiVersion".to_owned(), json!("gateway.envoyproxy.io/v1alpha1"));
    fields.insert("kind".to_owned(), json!("EnvoyGateway"));
    // One control plane, and no webhook that puts a zone into pods, which are not there.
    let kubernetes = json!({"leaderElection": {"disable": true}, "proxyTopologyInjector": {"disabled": true}});
    fields.insert(
        "provider".to_owned(),
        json!({"type": "Kubernetes", "kubernetes": kubernetes}),
    );
    // Its own ports would be those of its Envoy, which has a network of its own in a cluster.
    fields.insert(
        "admin".to_owned(),
        json!({"address": {"host": "127.0.0.1", "port": places::port()?}}),
    );
    fields.insert(
        "telemetry".to_owned(),
        json!({"metrics": {"prometheus": {"disable": true}}}),
    );
    Ok(configuration)
}

/// `program` in a mount namespace with a root of its own; without root, in a user namespace as well.
fn own_root(run: &Path, volumes: &Path, program: &Path) -> Result<Command> {
    let mut command = plane::command(Path::new("unshare"), run);
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let program = std::fs::canonicalize(program).context(|| format!("no `{}`", program.display()))?;
    command.args(["/bin/sh", "-c", include_str!("gateway/own_root.sh"), "own-root"]);
    command.arg(volumes.join("root")).arg(volumes).arg(program);
    Ok(command)
}
