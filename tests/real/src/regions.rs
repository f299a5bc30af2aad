//! Two regions in one mesh, each with a client and a server: to try things in, and to test what crosses a border.

use std::time::Instant;

use crate::process::running_in;
use crate::workload::SERVICE_PORT;
use crate::{Mesh, Options, Result, Spec, Workload, plane};

/// The regions, which are namespaces too.
pub const NAMES: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A mesh with both regions in it.
#[derive(Debug)]
pub struct TwoRegions {
    /// `us-east-1` and `eu-west-1`.
    pub regions: [Region; 2],
    /// The mesh; its parts end after the workloads.
    pub mesh: Mesh,
}

/// What runs in one region.
#[derive(Debug)]
pub struct Region {
    /// Its name, which is its namespace too.
    pub name: &'static str,
    /// A client.
    pub web: Workload,
    /// A server, known as `api.REGION.svc.cluster.local` and `api.REGION.com`.
    pub api: Workload,
}

impl TwoRegions {
    /// Starts a mesh, and `web` and `api` in each region.
    ///
    /// # Errors
    /// When one of them cannot be started.
    pub async fn start(options: Options) -> Result<Self> {
        let (began, aloud) = (Instant::now(), options.progress);
        let mesh = Mesh::start(options).await?;
        let [us, eu] = NAMES;
        let (us, eu) = tokio::try_join!(region(&mesh, us), region(&mesh, eu))?;
        if aloud {
            eprintln!(
                "mesh  {:>5.1} s  web and api in {} and {}",
                began.elapsed().as_secs_f64(),
                us.name,
                eu.name
            );
        }
        Ok(Self {
            regions: [us, eu],
            mesh,
        })
    }

    /// What to try, as lines for a shell.
    #[must_use]
    pub fn instructions(&self) -> String {
        let [us, eu] = &self.regions;
        let real = plane::tools();
        let (real, dir) = (real.display(), self.mesh.dir().display());
        let (here, there) = (us.api.host(), eu.api.host());
        let (web, api) = (us.web.outbound(SERVICE_PORT), us.api.inbound());
        let (admin, log) = (us.api.admin(), us.api.dir().join("access.log"));
        let log = log.display();
        format!(
            "
The mesh runs. For another terminal:
  export KUBECONFIG={kubeconfig}
  export PATH={real}:$PATH

From web of us-east-1 through both sidecars, over mTLS:
  curl -i -H 'host: {here}' http://{web}/v1/orders/7
  curl -i -H 'host: {there}' http://{web}/v1/orders/7      # across the border

Past web's sidecar, without TLS:
  curl -i http://{api}/v1/orders/7

What Kubernetes and Istio say:
  kubectl get pods,serviceentries,sidecars -A
  istioctl analyze -A
  curl -s http://{istiod}/debug/syncz                            # which sidecar has what
  istioctl proxy-config listeners --file <(curl -s '{admin}/config_dump')

What api of us-east-1 says:
  tail -f {log}                       # who asked: peer_uri
  curl -s http://{admin}/stats

{count} processes run, and everything that they write is in
  {dir}
Ctrl-C ends them and removes it.
",
            istiod = self.mesh.istiod_debug(),
            kubeconfig = self.mesh.kubeconfig().display(),
            count = running_in(self.mesh.dir()).len(),
        )
    }
}

async fn region(mesh: &Mesh, name: &'static str) -> Result<Region> {
    mesh.namespace(name).await?;
    let web = Spec::new(name, "web").region(name);
    let api = Spec::new(name, "api").region(name).host(&format!("api.{name}.com"));
    let (web, api) = tokio::try_join!(mesh.workload(web), mesh.workload(api))?;
    Ok(Region { name, web, api })
}
