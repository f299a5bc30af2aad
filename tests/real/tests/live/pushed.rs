//! When a push gets to a proxy.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use regionguard_mesh::Result;
use regionguard_mesh::live::site::{Site, WAIT};
use regionguard_mesh::live::way::Way;

/// How far pushes have got, before Envoy.
pub enum Pushed {
    /// The folder to which `..data` points.
    Folder(PathBuf),
    /// How often istiod has pushed extension configurations to this proxy.
    Times(usize),
}

impl Pushed {
    pub fn now(site: &Site) -> Result<Self> {
        Ok(match site.way {
            Way::ConfigMap => Self::Folder(std::fs::read_link(data(site))?),
            Way::WasmPlugin => Self::Times(istiod_pushes(site)?.len()),
        })
    }

    /// When the next push gets to the proxy: the moment in which the kubelet's part has swapped the folder, or in which istiod
    /// has sent it.
    pub async fn next(&self, site: &Site) -> Result<SystemTime> {
        let deadline = Instant::now() + WAIT;
        while Instant::now() < deadline {
            match self {
                Self::Folder(before) => {
                    if std::fs::read_link(data(site))? != *before {
                        return Ok(std::fs::symlink_metadata(data(site))?.modified()?);
                    }
                }
                Self::Times(before) => {
                    if let Some(at) = istiod_pushes(site)?.get(*before) {
                        return Ok(*at);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(format!(
            "nothing is pushed within {WAIT:?}; istiod says\n{}",
            site.mesh.istiod_log()
        )
        .into())
    }
}

fn data(site: &Site) -> PathBuf {
    site.api.dir().join("etc/regionguard/policy/..data")
}

/// When istiod has pushed extension configurations to the workload.
fn istiod_pushes(site: &Site) -> Result<Vec<SystemTime>> {
    let proxy = format!("for node:api-0.{} ", site.namespace);
    let log = site.mesh.istiod_log();
    let pushes = log
        .lines()
        .filter(|line| line.contains("ECDS: PUSH") && line.contains(&proxy));
    pushes
        .map(|line| {
            let time: jiff::Timestamp = line.split_whitespace().next().unwrap_or_default().parse()?;
            Ok(SystemTime::from(time))
        })
        .collect()
}
