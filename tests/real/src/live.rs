//! Policy that is pushed while requests come in: what several files of tests have in common.
//!
//! A [`Site`](site::Site) is a workload whose [bundles](bundles) get into its proxy on one of the two [ways](way::Way). A
//! [`Load`](load::Load) of requests goes on meanwhile, and the [oracle] judges each of them by the pushes until then.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use regionguard_mesh::live::{site::Site, watched::Watched, way::Way};
//! # use regionguard_mesh::{Mesh, Result};
//! # async fn example(mesh: Arc<Mesh>) -> Result<()> {
//! let site = Site::start(&mesh, "shop", Way::ConfigMap).await?; // with the first bundle
//! let mut watched = Watched::new(&site).await?; // under load
//! watched.apply(site.object(&watched.next())?).await?; // the next bundle
//! watched.in_force().await?; // on every worker
//! watched.judge().await // no request is lost or decided by anything else than what was in force
//! # }
//! ```

pub mod bundles;
pub mod load;
pub mod modules;
pub mod oracle;
pub mod site;
pub mod watched;
pub mod way;
