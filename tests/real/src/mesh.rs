//! The mesh as a whole.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use regionguard_harness::{RunDir, tools};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::error::Context as _;
use crate::kube::Kube;
use crate::kubelet::Kubelet;
use crate::plane::{self, ApiServer, Istiod};
use crate::process::Process;
use crate::progress::Progress;
use crate::workload::{SERVICE_PORT, Spec, WORKLOAD_PORT, Workload};
use crate::{Result, agent_data, places};

/// How a mesh is to be. The default is what tests want.
#[derive(Clone, Debug)]
pub struct Options {
    /// With what the name of its folder begins.
    pub name: String,
    /// Whether to say on standard error how far the start is.
    pub progress: bool,
    /// More environment variables for istiod.
    pub istiod_env: Vec<(String, String)>,
    /// Fields of the MeshConfig to set, beside our own.
    pub mesh_config: Value,
    /// The Envoy program of all workloads.
    pub envoy: Option<PathBuf>,
    /// Whether it has waypoints: istiod's ambient mode, and the kinds of the Gateway API.
    pub ambient: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "mesh".to_owned(),
            progress: true,
            istiod_env: Vec::new(),
            mesh_config: json!({}),
            envoy: None,
            ambient: false,
        }
    }
}

/// A running mesh. All of it ends when this is dropped; workloads end with their own values.
#[derive(Debug)]
pub struct Mesh {
    istiod: Mutex<Option<Process>>,
    plan: Istiod,
    _api_server: Process,
    _etcd: Process,
    shared: Arc<Shared>,
}

/// What workloads need of the mesh.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kube: Kube,
    pub(crate) kubelet: Kubelet,
    pub(crate) envoy: PathBuf,
    pub(crate) discovery: SocketAddr,
    /// `defaultConfig` of the MeshConfig.
    pub(crate) default_config: Map<String, Value>,
    pub(crate) run: RunDir,
}

impl Mesh {
    /// Starts etcd, the Kubernetes API with Istio's kinds, and istiod, and waits until all are ready.
    ///
    /// # Errors
    /// When a program is missing or does not get ready; the error holds the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        let progress = Progress::new(options.progress);
        for port in [SERVICE_PORT, WORKLOAD_PORT] {
            places::check_own(port)?;
        }
        let envoy = options.envoy.clone().map_or_else(tools::envoy, Ok)?;
        // Only those fail for want of it who let an agent fetch a module.
        if let Err(error) = agent_data::make(Path::new(agent_data::AGENT_DATA)) {
            progress.say(&format!("no module can be fetched: {error}"));
        }
        let run = RunDir::new(&options.name)?;
        let (etcd, etcd_address) = plane::start_etcd(run.path()).await?;
        progress.say("etcd");
        let ApiServer { process, kube } = plane::start_api_server(run.path(), etcd_address).await?;
        progress.say("kube-apiserver");
        plane::define_kinds(&kube, &kinds(options.ambient)?).await?;
        namespace(&kube, plane::SYSTEM, "disabled").await?;
        namespace(&kube, "default", "disabled").await?;
        plane::default_sidecar(&kube).await?;
        progress.say("the kinds of Istio");
        let plan = Istiod::plan(run.path(), &options)?;
        let istiod = plan.start().await?;
        progress.say("istiod");
        Ok(Self {
            shared: Arc::new(Shared {
                kubelet: Kubelet::start(&kube),
                kube,
                envoy,
                discovery: plan.discovery,
                default_config: options.mesh_config["defaultConfig"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                run,
            }),
            istiod: Mutex::new(Some(istiod)),
            plan,
            _api_server: process,
            _etcd: etcd,
        })
    }

    /// The Kubernetes API.
    #[must_use]
    pub fn kube(&self) -> &Kube {
        &self.shared.kube
    }

    /// The Envoy program of all workloads.
    pub(crate) fn envoy(&self) -> &Path {
        &self.shared.envoy
    }

    /// The kubelet's part.
    #[must_use]
    pub fn kubelet(&self) -> &Kubelet {
        &self.shared.kubelet
    }

    /// The folder with all that the mesh writes; it is removed when the mesh ends.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.shared.run.path()
    }

    /// Where istiod tells about itself: `/debug/syncz`, `/debug/push_status`, `/metrics`.
    #[must_use]
    pub fn istiod_debug(&self) -> SocketAddr {
        self.plan.monitoring
    }

    /// Leaves the folder where it is when the mesh ends: something in it is worth a look.
    pub fn keep_dir(&self) {
        self.shared.run.keep();
    }

    /// The configuration for `kubectl` and `istioctl`.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        plane::kubeconfig(self.dir())
    }

    /// Makes a namespace, where there is none of this name yet.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        namespace(self.kube(), name, "enabled").await
    }

    /// Applies documents: see [`Kube::apply`].
    ///
    /// # Errors
    /// As there.
    pub async fn apply(&self, yaml: &str) -> Result<Vec<Value>> {
        self.kube().apply(yaml).await
    }

    /// Deletes what documents name: see [`Kube::delete`].
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&self, yaml: &str) -> Result<()> {
        self.kube().delete(yaml).await
    }

    /// Starts a workload, and waits until it is ready. Its namespace has to be there.
    ///
    /// # Errors
    /// When the API refuses one of its objects, or it does not get ready; the error holds the end of its log.
    pub async fn workload(&self, spec: Spec) -> Result<Workload> {
        Workload::start(Arc::clone(&self.shared), spec).await
    }

    /// Ends istiod at once, as when its node is lost. Workloads go on with what they have.
    pub async fn stop_istiod(&self) {
        drop(self.istiod.lock().await.take());
    }

    /// Starts istiod anew, where it does not run, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_istiod(&self) -> Result<()> {
        let mut istiod = self.istiod.lock().await;
        if istiod.is_none() {
            *istiod = Some(self.plan.start().await?);
        }
        Ok(())
    }

    /// Where istiod serves xDS without TLS: for `istioctl … --plaintext --xds-address`, which cannot find it by a pod here.
    #[must_use]
    pub fn istiod_xds(&self) -> SocketAddr {
        self.plan.plain
    }

    /// All that istiod has logged.
    #[must_use]
    pub fn istiod_log(&self) -> String {
        let log = std::fs::read(self.plan.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Runs `kubectl` with these arguments.
    ///
    /// # Errors
    /// When it cannot be run; that it fails is in the output.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.run("kubectl", args).await
    }

    /// Runs `istioctl` with these arguments.
    ///
    /// # Errors
    /// When it cannot be run; that it fails is in the output.
    pub async fn istioctl(&self, args: &[&str]) -> Result<Output> {
        self.run("istioctl", args).await
    }

    async fn run(&self, program: &str, args: &[&str]) -> Result<Output> {
        let program = plane::program(program)?;
        let mut command = tokio::process::Command::new(&program);
        command
            .args(args)
            .env("KUBECONFIG", self.kubeconfig())
            .current_dir(self.dir())
            .kill_on_drop(true);
        let output = command.output().await;
        output.context(|| format!("cannot run `{}`", program.display()))
    }
}

/// The files of the kinds that a mesh knows.
fn kinds(ambient: bool) -> Result<Vec<PathBuf>> {
    let gateway_api = ambient.then_some("envoy-gateway-crds/gatewayapi-crds.yaml");
    let files = ["istio/crd-all.gen.yaml"].into_iter().chain(gateway_api);
    files.map(plane::program).collect()
}

/// Each namespace says what Istio's injector is to do in it, as `istioctl analyze` wants it.
async fn namespace(kube: &Kube, name: &str, injection: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"istio-injection": injection}},
    });
    kube.apply_object(&object).await.map(drop)
}
