//! The two regions together.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regionguard_harness::{Result, RunDir, tools};

use crate::people::People;
use crate::policy;
use crate::region::{Prepared, Region, RegionPorts, loopback};

/// Which ports the two regions take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Any that are free.
    Free,
    /// The ones that the documentation names, and another one for each that is taken.
    Fixed,
}

/// Two running regions; everything that was started ends when the value is dropped.
pub struct TwoRegions {
    pub(crate) us: Region,
    pub(crate) eu: Region,
    pub(crate) people: People,
    pub(crate) policies: PathBuf,
    // Last: the folder goes when nothing runs in it any more.
    pub(crate) run: RunDir,
}

impl TwoRegions {
    /// Starts everything, with the policy files in `policies` or else the ones that ship, and says by `progress` what is started
    /// where. Tokens made later are valid for `lifetime`.
    ///
    /// # Errors
    /// When Envoy or the module is missing (the error says which `make` target brings it), or something does not start.
    pub async fn start(
        ports: Ports,
        policies: Option<&Path>,
        lifetime: Duration,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let envoy = tools::envoy()?;
        let module = tools::wasm_module()?;
        progress(&format!("envoy      {}", envoy.display()));
        progress(&format!("filter     {}", module.display()));
        let policies = policies.map_or_else(policy::shipped_folder, Path::to_path_buf);
        let run = RunDir::new("two-regions")?;
        let people = People::new(lifetime)?;
        progress(
            "issuer     identity.global.com, with keys made for this run in us-east-1, eu-west-1 and ap-southeast-1",
        );
        let mut prepared = Vec::new();
        for (index, name) in ["us-east-1", "eu-west-1"].into_iter().enumerate() {
            let file = policy::file(&policies, name);
            let bundle = policy::read(&file, &people)?;
            let region = Prepared::new(name, bundle, choose(ports, index), run.path()).await?;
            progress(&format!("{name:10} policy {}", file.display()));
            progress(&format!("{name:10} upstream http://{}", region.upstream()));
            progress(&format!("{name:10} center http://{}", region.center()));
            prepared.push(region);
        }
        progress("both       Envoy compiles the filter, for about three seconds …");
        let (Some(eu), Some(us)) = (prepared.pop(), prepared.pop()) else {
            return Err("two regions were not prepared".into());
        };
        let (us, eu) = tokio::try_join!(us.start(run.path()), eu.start(run.path()))?;
        for region in [&us, &eu] {
            let (name, pid) = (&region.name, region.envoy.pid());
            progress(&format!(
                "{name:10} envoy http://{} (process {pid}, admin http://{})",
                region.guarded,
                region.envoy.admin()
            ));
        }
        Ok(Self {
            us,
            eu,
            people,
            policies,
            run,
        })
    }

    pub(crate) fn region(&mut self, name: &str) -> Option<&mut Region> {
        [&mut self.us, &mut self.eu]
            .into_iter()
            .find(|region| region.name == name)
    }
}

/// The ports of the first or second region.
fn choose(ports: Ports, index: usize) -> RegionPorts {
    let or_free = |base: u16| {
        let port = base.saturating_add(u16::try_from(index).unwrap_or(0));
        match ports {
            Ports::Fixed => free_or_zero(port),
            Ports::Free => 0,
        }
    };
    RegionPorts {
        listener: or_free(10001),
        admin: or_free(10011),
        center: or_free(10021),
        upstream: or_free(10031),
    }
}

/// The port, where nothing listens on it; else 0, for which the system takes a free one.
pub(crate) fn free_or_zero(port: u16) -> u16 {
    TcpListener::bind(loopback(port)).map_or(0, |_| port)
}
