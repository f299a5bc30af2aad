//! Two regions in one mesh, each with a client and a guarded server: `make istio-up`.
//!
//! In one region the policy comes with a WasmPlugin, from istiod; in the other from a ConfigMap that the proxy mounts. What is
//! applied is what `regionguard render` writes, and `kubectl` applies it.

mod decisions;
mod instructions;
mod manifests;
mod people;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use regional_center::Center;
use regionguard_harness::client::Request;
use regionguard_harness::tools::wasm_module;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::Context as _;
use crate::progress::Progress;
use crate::{Mesh, Options, Result, Spec, Workload, plane};
use manifests::{Manifests, PolicyFrom};
use people::People;

/// The regions, which are namespaces too, and where the policy of each comes from.
const REGIONS: [(&str, PolicyFrom); 2] = [("us-east-1", PolicyFrom::Plugin), ("eu-west-1", PolicyFrom::ConfigMap)];
/// How long a sidecar may take until it decides: two of them compile the module at the same time.
const DECIDES: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A mesh with both regions in it.
#[derive(Debug)]
pub struct TwoRegions {
    regions: [Region; 2],
    people: People,
    command: PathBuf,
    module: PathBuf,
    /// Its parts end after the workloads.
    mesh: Mesh,
}

/// What runs in one region.
#[derive(Debug)]
struct Region {
    /// Its name, which is its namespace too.
    name: &'static str,
    /// A client.
    web: Workload,
    /// A server, known as `api.REGION.svc.cluster.local` and `api.REGION.com`.
    api: Workload,
    _center: RegionalCenter,
}

impl TwoRegions {
    /// Starts a mesh, and in each region a center, `web` and `api`, and waits until both filters decide. `command` is the
    /// program `regionguard`.
    ///
    /// # Errors
    /// When a program or the module is missing, or something does not start.
    pub async fn start(name: &str, command: PathBuf) -> Result<Self> {
        let module = wasm_module()?;
        if !command.is_file() {
            return Err(format!("no `{}`: run `make cli`, which builds it", command.display()).into());
        }
        let progress = Progress::new(true);
        let mesh = Mesh::start(Options {
            name: name.to_owned(),
            mesh_config: manifests::mesh_config()?,
            ..Options::default()
        })
        .await?;
        let people = People::new()?;
        let centers = [
            RegionalCenter::start(REGIONS[0].0).await?,
            RegionalCenter::start(REGIONS[1].0).await?,
        ];
        let manifests = Manifests {
            mesh: &mesh,
            command: &command,
            module: &module,
            people: &people,
            centers: [centers[0].address, centers[1].address],
        };
        let [us, eu] = REGIONS;
        let (us_api, eu_api) = (manifests.apply(us).await?, manifests.apply(eu).await?);
        progress.say("policies and manifests, applied by kubectl");
        let [us_center, eu_center] = centers;
        let (us, eu) = tokio::try_join!(
            Region::start(&mesh, us.0, us_api, us_center),
            Region::start(&mesh, eu.0, eu_api, eu_center)
        )?;
        progress.say("web and api in us-east-1 and eu-west-1");
        let regions = Self {
            regions: [us, eu],
            people,
            command,
            module,
            mesh,
        };
        tokio::try_join!(regions.regions[0].decides(), regions.regions[1].decides())?;
        progress.say("Regionguard decides in both");
        Ok(regions)
    }

    /// Writes the file with what the commands need, and gives what to try, as lines for a shell. Titles stand out if `colour`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn instructions(&self, colour: bool) -> Result<String> {
        instructions::write_environment(self)?;
        Ok(instructions::text(self, colour))
    }

    /// Prints each decision, until it is dropped.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub async fn print_decisions(&self) -> Result<()> {
        decisions::print(&self.regions).await
    }
}

impl Region {
    async fn start(mesh: &Mesh, name: &'static str, api: Spec, center: RegionalCenter) -> Result<Self> {
        let web = Spec::new(name, "web").region(name);
        let (web, api) = tokio::try_join!(mesh.workload(web), mesh.workload(api))?;
        Ok(Self {
            name,
            web,
            api,
            _center: center,
        })
    }

    fn host(&self) -> String {
        host(self.name)
    }

    /// Waits until a request is let in by a decision.
    async fn decides(&self) -> Result<()> {
        let deadline = Instant::now() + DECIDES;
        let health = Request::new("GET", "/healthz");
        loop {
            let answer = self.web.call_host(&self.host(), &health).await;
            let decided = || {
                self.api
                    .access_log()
                    .entries()
                    .iter()
                    .any(|line| line.decision().is_some())
            };
            if answer.is_ok_and(|answer| answer.status == 200) && decided() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the filter in `{}` does not decide within {DECIDES:?}; its log: {}",
                    self.name,
                    self.api.dir().join("agent.log").display()
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn host(region: &str) -> String {
    format!("api.{region}.com")
}

/// The center of one region; it ends when this is dropped.
#[derive(Debug)]
struct RegionalCenter {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

impl RegionalCenter {
    async fn start(region: &str) -> Result<Self> {
        let listener = TcpListener::bind(plane::loopback(crate::places::port()?))
            .await
            .context(|| format!("the center of {region} cannot listen"))?;
        let address = listener.local_addr()?;
        let center = Center::embedded(region)?.quiet();
        let task = tokio::spawn(regional_center::serve(listener, center, std::future::pending()));
        Ok(Self { address, task })
    }
}

impl Drop for RegionalCenter {
    fn drop(&mut self) {
        self.task.abort();
    }
}
