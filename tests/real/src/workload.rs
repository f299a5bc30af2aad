//! A workload: a service account, a pod and a sidecar (or a gateway), as the API and as running programs.

mod agent;
mod objects;
mod spec;
mod volumes;
mod waypoint;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::access_log::AccessLog;
use regionguard_harness::client::{Client, Request, Response};
use regionguard_harness::upstream::Upstream;
use serde_json::Value;

use crate::error::Context as _;
use crate::mesh::Shared;
use crate::plane::{self, answers, loopback};
use crate::process::Process;
use crate::{Result, places};
pub use spec::{Role, Spec};

/// The port of each sidecar's inbound listener, at the workload's own address. In Envoy: `inbound|17080||`.
pub const WORKLOAD_PORT: u16 = 17_080;
/// The port under which other workloads know the service. In Envoy: `outbound|17000||NAME.NAMESPACE.svc.cluster.local`.
pub const SERVICE_PORT: u16 = 17_000;

const READY: Duration = Duration::from_secs(90);
const WAIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A running workload. It ends when this is dropped; its objects in the API stay, as those of a pod whose node is lost.
#[derive(Debug)]
pub struct Workload {
    agent: Option<Process>,
    upstream: Upstream,
    place: Place,
    spec: Spec,
    shared: Arc<Shared>,
}

/// Where a workload is.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    address: Ipv4Addr,
    admin: SocketAddr,
    status: SocketAddr,
    envoy_status: u16,
    envoy_prometheus: u16,
}

impl Workload {
    pub(crate) async fn start(shared: Arc<Shared>, spec: Spec) -> Result<Self> {
        let place = Place {
            dir: shared
                .run
                .path()
                .join("workloads")
                .join(&spec.namespace)
                .join(&spec.name),
            address: spec.address.map_or_else(places::address, Ok)?,
            admin: loopback(places::port()?),
            status: loopback(places::port()?),
            envoy_status: places::port()?,
            envoy_prometheus: places::port()?,
        };
        let mut workload = Self {
            agent: None,
            upstream: Upstream::start().await?,
            place,
            spec,
            shared,
        };
        workload
            .begin()
            .await
            .context(|| format!("workload `{}`", workload.spec.id()))?;
        Ok(workload)
    }

    /// Its own address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.place.address
    }

    /// Where its sidecar takes requests in.
    #[must_use]
    pub fn inbound(&self) -> SocketAddr {
        SocketAddr::from((self.place.address, WORKLOAD_PORT))
    }

    /// Where its sidecar takes requests to services of this port out; the host of a request chooses the service.
    #[must_use]
    pub fn outbound(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.place.address, port))
    }

    /// Where a waypoint takes tunnels in.
    #[must_use]
    pub fn tunnels(&self) -> SocketAddr {
        SocketAddr::from((self.place.address, waypoint::HBONE))
    }

    /// Where Envoy's admin interface is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.place.admin
    }

    /// Where the agent hands out metrics to Prometheus, at `/stats/prometheus`.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.place.status
    }

    /// The host under which other workloads know it.
    #[must_use]
    pub fn host(&self) -> String {
        self.spec.host_name()
    }

    /// What it was started from.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its folder, which is its agent's and its Envoy's working directory and stands for the root folder of a pod.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The service behind the sidecar.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// A client of the inbound listener, without TLS.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.inbound())
    }

    /// Sends a request as this workload's program would: through its own sidecar to the other's, whose [`host`](Self::host) is
    /// put into the request.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn call(&self, other: &Self, request: &Request) -> Result<Response> {
        self.call_host(&other.host(), request).await
    }

    /// [`call`](Self::call) of a service by one of its hosts.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn call_host(&self, host: &str, request: &Request) -> Result<Response> {
        let client = Client::new(self.outbound(SERVICE_PORT));
        client.send(&request.clone().host(host)).await
    }

    /// All counters and gauges by name. A counter that Istio's bootstrap leaves out is not among them.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stats(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.ask("/stats").await?;
        let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
        Ok(pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// Waits up to 20 s until `reached` accepts the counters and gauges, and gives them.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_for(&self, reached: impl Fn(&BTreeMap<String, u64>) -> bool) -> Result<BTreeMap<String, u64>> {
        let deadline = Instant::now() + WAIT;
        loop {
            let stats = self.stats().await;
            if let Ok(stats) = stats
                && reached(&stats)
            {
                return Ok(stats);
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the statistics of `{}` do not get there within {WAIT:?}",
                    self.spec.id()
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The configuration in force, endpoints and extension configurations included.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn config_dump(&self) -> Result<Value> {
        serde_json::from_str(&self.ask("/config_dump?include_eds").await?)
            .context(|| "the config dump is no JSON".to_owned())
    }

    /// Waits up to 20 s until the text of the configuration in force is as `reached` wants it.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn wait_for_config(&self, reached: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            if self
                .ask("/config_dump?include_eds")
                .await
                .is_ok_and(|config| reached(&config))
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the configuration of `{}` does not get there within {WAIT:?}",
                    self.spec.id()
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What Prometheus scrapes from a pod of the mesh: the agent's port, which adds Envoy's own numbers.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub async fn prometheus(&self) -> Result<String> {
        let answer = Client::new(self.place.status).get("/stats/prometheus").await?;
        Ok(answer.text())
    }

    /// Asks the admin interface of Envoy.
    ///
    /// # Errors
    /// When it does not answer with 200.
    pub async fn ask(&self, path: &str) -> Result<String> {
        let answer = Client::new(self.place.admin).get(path).await?;
        if answer.status == 200 {
            Ok(answer.text())
        } else {
            Err(format!("`{path}` answers {}", answer.status).into())
        }
    }

    /// Envoy's access log: JSON with the fields of `envoy-config/sidecar.yaml`, and `peer_uri`. It holds inbound and outbound
    /// requests.
    #[must_use]
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(self.place.dir.join("access.log"))
    }

    /// All that the agent and its Envoy have logged, over all restarts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// The process id of its agent.
    #[must_use]
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Process::pid)
    }

    /// The process id of its Envoy.
    #[must_use]
    pub fn envoy_pid(&self) -> Option<u32> {
        let children = self.agent.as_ref()?.children();
        children
            .into_iter()
            .find(|(name, _)| name == "envoy")
            .map(|(_, pid)| pid)
    }

    /// Ends the agent at once and its Envoy with it, as a container that is killed, and starts it anew.
    ///
    /// # Errors
    /// When it does not get ready again.
    pub async fn restart_agent(&mut self) -> Result<()> {
        drop(self.agent.take());
        self.run_agent().await
    }

    /// Ends Envoy alone and at once, as a crash would, waits until its agent has noticed and ended, and starts it anew, as a
    /// kubelet does.
    ///
    /// # Errors
    /// When Envoy does not run, the agent does not end, or does not get ready again.
    pub async fn restart_envoy(&mut self) -> Result<()> {
        let envoy = self.envoy_pid().ok_or("no Envoy runs")?;
        Process::kill_one(envoy)?;
        let deadline = Instant::now() + WAIT;
        while let Some(agent) = &mut self.agent
            && agent.ended()?.is_none()
        {
            if Instant::now() > deadline {
                return Err(format!("the agent does not end within {WAIT:?} after its Envoy").into());
            }
            tokio::time::sleep(LOOK).await;
        }
        self.restart_agent().await
    }

    /// Ends agent and Envoy at once; [`restart_agent`](Self::restart_agent) starts them again.
    pub fn stop(&mut self) {
        drop(self.agent.take());
    }

    async fn begin(&mut self) -> Result<()> {
        for object in objects::of(&self.spec, self.place.address, self.upstream.address().port()) {
            self.shared.kube.apply_object(&object).await?;
        }
        self.shared
            .kube
            .apply_status(&objects::pod_status(&self.spec, self.place.address))
            .await?;
        if self.spec.role == Role::Waypoint {
            self.shared.kube.apply_status(&waypoint::status(&self.spec)).await?;
        }
        self.prepare().await?;
        self.run_agent().await
    }

    /// The folder as a pod's containers would see it.
    async fn prepare(&self) -> Result<()> {
        let dir = &self.place.dir;
        for part in [
            "etc/istio/pod",
            "etc/istio/proxy",
            "etc/istio-output-certs",
            "var/run/secrets/tokens",
        ] {
            plane::make_dir(&dir.join(part))?;
        }
        plane::write(
            &dir.join("etc/istio/pod/labels"),
            volumes::downward(&self.spec.all_labels()),
        )?;
        plane::write(
            &dir.join("etc/istio/pod/annotations"),
            volumes::downward(&self.spec.annotations),
        )?;
        for (source, path) in volumes::of(&self.spec)? {
            self.shared.kubelet.mount(source, &dir.join(path)).await?;
        }
        Ok(())
    }

    async fn run_agent(&mut self) -> Result<()> {
        let Spec {
            namespace,
            service_account,
            ..
        } = &self.spec;
        let token = self.shared.kube.token(namespace, service_account, "istio-ca").await?;
        plane::write(&self.place.dir.join("var/run/secrets/tokens/istio-token"), token)?;
        // The socket of an earlier run would make the agent take its certificates from there.
        let _ = std::fs::remove_dir_all(self.place.dir.join("var/run/secrets/workload-spiffe-uds"));
        let mut agent = Process::start(
            "pilot-agent",
            agent::command(&self.spec, &self.place, &self.shared)?,
            &self.log_path(),
        )?;
        let status = self.place.status;
        agent
            .wait_until(READY, async || answers(status, "/healthz/ready").await)
            .await?;
        if self.spec.role == Role::Sidecar {
            let inbound = self.inbound();
            agent
                .wait_until(READY, async || tokio::net::TcpStream::connect(inbound).await.ok())
                .await?;
        }
        self.agent = Some(agent);
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.place.dir.join("agent.log")
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.shared.kubelet.forget(&self.place.dir);
    }
}
