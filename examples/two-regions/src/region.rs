//! One region: an Envoy with the filter, an upstream, and a center.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use regionguard_harness::client::Client;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::{Envoy, Push};
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{Result, tools};
use serde_json::{Value, json};

use crate::center::RegionalCenter;

/// Where the parts of one region listen; 0 takes a free port.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RegionPorts {
    pub(crate) listener: u16,
    pub(crate) admin: u16,
    pub(crate) center: u16,
    pub(crate) upstream: u16,
}

/// A running region. Everything in it ends when it is dropped.
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) center: RegionalCenter,
    /// The way through the filter.
    pub(crate) guarded: SocketAddr,
    /// The same listener in the same Envoy, without filter and interlock: what times are compared with.
    pub(crate) bare: SocketAddr,
    folder: PolicyFolder,
    bundle: Value,
}

/// What is there before Envoy starts.
pub(crate) struct Prepared {
    name: String,
    upstream: Upstream,
    center: RegionalCenter,
    folder: PolicyFolder,
    bundle: Value,
    config: Config,
}

impl Prepared {
    /// Starts upstream and center of the region `name`, and writes its policy where Envoy will read it.
    pub(crate) async fn new(name: &str, bundle: Value, ports: RegionPorts, dir: &Path) -> Result<Self> {
        let upstream = Upstream::start_at(loopback(ports.upstream)).await?;
        let center = RegionalCenter::start(name, ports.center).await?;
        let folder = PolicyFolder::create(dir.join(format!("{name}.policy")), tools::wasm_module()?)?;
        folder.write(&bundle)?;
        let config = Config::shipped(Base::Sidecar)?
            .listen(loopback(ports.listener))
            .admin(loopback(ports.admin))
            .cluster("upstream", upstream.address())
            .cluster(&format!("center-{name}"), center.address())
            .policy(&folder)
            .edit(|bootstrap| {
                bootstrap["node"]["id"] = json!(name);
                bootstrap["node"]["locality"]["region"] = json!(name);
                add_bare_listener(bootstrap);
            });
        Ok(Self {
            name: name.to_owned(),
            upstream,
            center,
            folder,
            bundle,
            config,
        })
    }

    pub(crate) fn upstream(&self) -> SocketAddr {
        self.upstream.address()
    }

    pub(crate) fn center(&self) -> SocketAddr {
        self.center.address()
    }

    /// Starts Envoy.
    pub(crate) async fn start(self, dir: &Path) -> Result<Region> {
        let envoy = Envoy::start(&self.name, self.config, dir).await?;
        // Envoy is live all the same, and answers every request with an error.
        if envoy.stat(REFUSALS).await? > 0 {
            return Err(refusal(&self.name, &envoy.log()).into());
        }
        let guarded = listener(&envoy, "inbound").await?;
        let bare = listener(&envoy, BARE).await?;
        Ok(Region {
            name: self.name,
            envoy,
            upstream: self.upstream,
            center: self.center,
            guarded,
            bare,
            folder: self.folder,
            bundle: self.bundle,
        })
    }
}

impl Region {
    /// The bundle that was pushed last.
    pub(crate) fn bundle(&self) -> &Value {
        &self.bundle
    }

    /// Pushes a bundle, as a changed ConfigMap would, and waits until Envoy has taken or refused it.
    pub(crate) async fn push(&mut self, bundle: Value) -> Result<Pushed> {
        let seen = self.envoy.log().len();
        let push = self.envoy.push(&self.folder, |folder| folder.write(&bundle)).await?;
        self.bundle = bundle;
        Ok(match push {
            Push::Accepted if self.kept_newer(seen).await => Pushed::Older,
            Push::Accepted => Pushed::Accepted,
            Push::Refused => Pushed::Refused(complaints(self.envoy.log().get(seen..).unwrap_or_default())),
        })
    }

    /// Whether the workers said, in Envoy's log from `seen` on, that a newer version goes on serving. They judge a moment after Envoy has taken the bundle.
    async fn kept_newer(&self, seen: usize) -> bool {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let log = self.envoy.log();
        log.get(seen..).unwrap_or_default().contains(KEPT_NEWER)
    }
}

/// What became of a pushed bundle.
#[derive(Debug)]
pub(crate) enum Pushed {
    Accepted,
    /// It loads, and the newer version in force goes on serving.
    Older,
    /// With what the filter found wrong.
    Refused(Vec<String>),
}

/// What the filter logs of a bundle that is older than the one in force.
const KEPT_NEWER: &str = "older than the one in force";

/// Counts pushed configurations that were refused, the first one included.
const REFUSALS: &str = "extension_config_discovery.http_filter.regionguard.config_fail";

/// Why an Envoy with this log has no filter.
fn refusal(region: &str, log: &str) -> String {
    let mut lines = complaints(log);
    if lines.is_empty() {
        // What Envoy itself says of the module.
        let wasm = log
            .lines()
            .filter(|line| line.contains("[wasm]") && !line.contains("[info]"));
        lines = wasm.map(str::to_owned).collect();
    }
    format!("the filter of {region} does not load:\n  {}", lines.join("\n  "))
}

/// The filter's findings in a piece of Envoy's log, each once: every VM logs them.
fn complaints(log: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in log.lines() {
        if let Some((_, complaint)) = line.split_once(": regionguard: error: ")
            && !found.iter().any(|known| known == complaint)
        {
            found.push(complaint.to_owned());
        }
    }
    found
}

const BARE: &str = "bare";

/// A second listener, on a free port: the first one's copy without the filter, its interlock and its access log.
fn add_bare_listener(bootstrap: &mut Value) {
    let listeners = &mut bootstrap["static_resources"]["listeners"];
    let mut bare = listeners[0].clone();
    bare["name"] = json!(BARE);
    bare["address"]["socket_address"] = json!({"address": "127.0.0.1", "port_value": 0});
    let http = &mut bare["filter_chains"][0]["filters"][0]["typed_config"];
    http["stat_prefix"] = json!(BARE);
    http["access_log"] = json!([]);
    if let Some(filters) = http["http_filters"].as_array_mut() {
        filters.retain(|filter| filter["name"] == "envoy.filters.http.router");
    }
    if let Some(listeners) = listeners.as_array_mut() {
        listeners.push(bare);
    }
}

async fn listener(envoy: &Envoy, name: &str) -> Result<SocketAddr> {
    let listeners = Client::new(envoy.admin()).get("/listeners?format=json").await?.json()?;
    let found = listeners["listener_statuses"].as_array().into_iter().flatten();
    let address = found
        .filter(|listener| listener["name"] == name)
        .find_map(|listener| listener["local_address"]["socket_address"]["port_value"].as_u64());
    let port = address.and_then(|port| u16::try_from(port).ok());
    port.map(loopback)
        .ok_or_else(|| format!("Envoy has no listener `{name}`").into())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::{complaints, refusal};

    #[test]
    fn each_finding_is_told_once_without_its_frame() {
        let line = |text: &str| {
            format!("[2026-01-01 00:00:00.000][7][error][wasm] [context.cc:1] wasm log a b: regionguard: {text}\n")
        };
        let log =
            line("the bundle is refused, with 2 findings") + &line("error: one: `x`").repeat(2) + &line("error: two");
        assert_eq!(complaints(&log), ["one: `x`", "two"]);
        assert_eq!(refusal("r", &log), "the filter of r does not load:\n  one: `x`\n  two");
        let silent = "[7][info][wasm] fine\n[7][critical][wasm] no such file\n";
        assert_eq!(
            refusal("r", silent),
            "the filter of r does not load:\n  [7][critical][wasm] no such file"
        );
    }
}
