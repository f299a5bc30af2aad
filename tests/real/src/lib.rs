//! A real Istio mesh on one machine: etcd, kube-apiserver, istiod, and a pilot-agent with its Envoy for each workload, all on
//! free loopback ports, all ended when their owner is.
//!
//! ```no_run
//! # use regionguard_mesh::{Mesh, Options, Result, Spec};
//! # use regionguard_harness::client::Request;
//! # async fn example() -> Result<()> {
//! let mesh = Mesh::start(Options::default()).await?;
//! mesh.namespace("shop").await?;
//! let web = mesh.workload(Spec::new("shop", "web")).await?;
//! let api = mesh.workload(Spec::new("shop", "api").region("us-east-1")).await?;
//! mesh.apply("apiVersion: …").await?; // any documents, CRDs included
//! let answer = web.call(&api, &Request::new("GET", "/v1/orders/7")).await?; // web's Envoy, mTLS, api's Envoy, echo server
//! assert_eq!(answer.status, 200);
//! api.wait_for(|stats| stats.get("server.live") == Some(&1)).await?;
//! api.access_log().wait_for(|line| line.text("peer_uri").ends_with("/sa/web")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! - [`Mesh`]: `kube()` (get, apply, delete, watch, tokens), `kubectl([…])`, `istioctl([…])`, `stop_istiod()`, `start_istiod()`.
//! - [`Workload`]: `client()` of its inbound port, `call(&other, &request)` through its own Envoy, `upstream()` (the echo server
//!   behind it), `stats()`, `wait_for(…)`, `config_dump()`, `prometheus()`, `access_log()`, `log()`, `restart_agent()`,
//!   `restart_envoy()`, `dir()`. The annotations of its [`Spec`] act as they do on a pod that Istio injects: volumes of
//!   `sidecar.istio.io/userVolume` and `userVolumeMount` are mounted, `sidecar.istio.io/statsInclusionPrefixes`,
//!   `proxy.istio.io/config` and the like reach the bootstrap.
//! - There is no mount namespace: a path `/etc/x` of a pod is `./etc/x` of the workload's folder, which is its Envoy's working
//!   directory. In a real pod that directory is `/`, so the relative path means the same in both; [`relative_paths`] rewrites
//!   a manifest.
//! - Manifests are the shipped ones: [`shipped`]. The image of the module comes from a [`registry`]; whoever lets an agent fetch a module from
//!   elsewhere than a disk holds an [`agent_data::Kept`], as [`live::modules::Modules`] does.
//! - Policy that changes under load, and who judges each request of it: [`live`]. What became of one request: [`seen`].
//! - A waypoint is a [`Workload`] of [`Options::ambient`]; what ztunnel does for who speaks to it, a [`tunnel`] does.
//! - A file of tests is a binary with a `main` of one line: see [`suite`]. Each test makes a namespace of its own.

pub mod agent_data;
pub mod certs;
pub mod cli;
mod error;
pub mod gateway;
pub mod idp;
pub mod kube;
pub mod kubelet;
pub mod live;
mod mesh;
pub mod places;
mod plane;
pub mod process;
mod progress;
pub mod regions;
pub mod registry;
pub mod seen;
pub mod shipped;
pub mod suite;
pub mod tunnel;
mod workload;

use std::sync::Arc;

pub use mesh::{Mesh, Options};
pub use regionguard_harness::{Error, Result};
pub use workload::{Role, SERVICE_PORT, Spec, WORKLOAD_PORT, Workload};

/// The text of a manifest with its paths under `/etc/regionguard/` made relative to a workload's folder.
#[must_use]
pub fn relative_paths(manifest: &str) -> String {
    manifest.replace("/etc/regionguard/", "./etc/regionguard/")
}

fn ring_provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
