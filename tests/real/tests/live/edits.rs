//! Edits by `kubectl apply`, good and broken, on each of the two ways, while requests come in.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

use crate::bundles::{FAULTS, Fault};
use crate::load::{self, Load};
use crate::oracle::{Push, judge, serving};
use crate::site::{IN_FORCE, Probes, Site, WORKERS};
use crate::way::{self, Way, config_map_of};

const WAIT: Duration = Duration::from_secs(20);
/// Connections on which an edit is seen after all workers have it.
const FRESH: usize = 16;

pub async fn of_a_config_map(mesh: &Arc<Mesh>) -> Result<()> {
    let site = Site::start(mesh, "live-config-map", Way::ConfigMap).await?;
    under_load(&site, async |editor| {
        editor.edit(2).await?;
        editor.edit(3).await?;
        for fault in &FAULTS[..2] {
            editor.broken(4, fault).await?;
        }
        editor.unreadable("no YAML", config_map_of(&site.namespace, "resources: [\n")?).await?;
        let mut without = config_map_of(&site.namespace, "")?;
        without["data"] = json!({"elsewhere.yaml": ""});
        editor.unreadable("no file", without).await?;
        editor.bring_back().await?;
        editor.older(2).await?;
        editor.edit(3).await?;
        editor.edit(5).await
    })
    .await
}

pub async fn of_a_plugin_config(mesh: &Arc<Mesh>) -> Result<()> {
    let site = Site::start(mesh, "live-plugin-config", Way::WasmPlugin).await?;
    under_load(&site, async |editor| {
        editor.edit(2).await?;
        editor.edit(3).await?;
        for fault in &FAULTS[..2] {
            editor.broken(4, fault).await?;
        }
        editor.edit(3).await?;
        editor.edit(5).await
    })
    .await
}

/// Edits while a steady client goes on, and then judges each of its requests.
async fn under_load(site: &Site, edits: impl AsyncFnOnce(&mut Editor) -> Result<()>) -> Result<()> {
    let mut editor = Editor {
        probes: Probes::new(site).await?,
        made: vec![Push::new("the first", 1, true)],
        site,
    };
    let load = Load::start(site).await?;
    let edited = edits(&mut editor).await;
    let seen = load.finish(site).await;
    edited?;
    let seen = seen?;
    let last = judge(&editor.made, &seen)?;
    assert_eq!(last, [editor.serves(); WORKERS]);
    assert_eq!(load::workers(&seen), WORKERS);
    eprintln!("{:?}: {} edits, {} requests", site.way, editor.made.len() - 1, seen.len());
    Ok(())
}

struct Editor<'a> {
    site: &'a Site,
    probes: Probes,
    made: Vec<Push>,
}

impl Editor<'_> {
    /// The push that serves.
    fn serves(&self) -> usize {
        serving(&self.made).last().copied().unwrap_or_default()
    }

    /// A good edit, which is in force on every worker within two seconds.
    async fn edit(&mut self, version: u64) -> Result<()> {
        let number = self.made.len();
        let object = self.site.object(&self.site.signer.bundle(number, version))?;
        let (before, began) = (Pushed::now(self.site)?, SystemTime::now());
        self.made.push(Push::new("an edit", version, true));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        let applied = SystemTime::now();
        let pushed = before.next(self.site).await?;
        let in_force = self.probes.wait_for(number).await?;
        self.settled();
        for (worker, at) in in_force.into_iter().enumerate() {
            let took = at.duration_since(pushed).unwrap_or_default();
            eprintln!(
                "{:?} {number}: kubectl {:?}, pushed after {:?}, in force on worker {worker} after {took:?}",
                self.site.way,
                applied.duration_since(began)?,
                pushed.duration_since(began).unwrap_or_default(),
            );
            assert!(took < IN_FORCE, "push {number} on worker {worker} after {took:?}");
        }
        self.on_new_connections(number).await
    }

    /// New connections to each of the workers find it, too, and no older one.
    async fn on_new_connections(&self, number: usize) -> Result<()> {
        let before = self.site.taken().await?;
        let mut count = 0;
        loop {
            for path in [format!("/marker/{number}"), "/marker/0".to_owned()] {
                let expected = if path == "/marker/0" { 403 } else { 200 };
                let answer = self.site.ask(&path).await?;
                assert_eq!(answer.status, expected, "{path}: {}", answer.text());
            }
            count += 1;
            let now = self.site.taken().await?;
            if count >= FRESH && (0..WORKERS).all(|worker| now[worker] > before[worker]) {
                return Ok(());
            }
        }
    }

    /// An older version: it is taken, and what serves goes on serving.
    async fn older(&mut self, version: u64) -> Result<()> {
        let number = self.made.len();
        let object = self.site.object(&self.site.signer.bundle(number, version))?;
        let taken = self.site.pushes("update_success").await?;
        self.made.push(Push::new("an older one", version, true));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        self.site.wait_for_pushes("update_success", taken + 1).await?;
        tokio::time::sleep(IN_FORCE).await;
        self.probes.wait_for(self.serves()).await?;
        self.settled();
        let log = self.site.api.log();
        let line = format!("bundle shop@{version}+");
        assert!(
            log.lines()
                .any(|of_log| of_log.contains(&line) && of_log.contains("older than the one in force")),
            "{log}"
        );
        assert!(self.site.counter("wasmcustom.regionguard.bundle.older").await? > 0);
        Ok(())
    }

    /// A broken bundle: nothing changes, and log and counters tell of it.
    async fn broken(&mut self, version: u64, fault: &Fault) -> Result<()> {
        let bundle = self.site.signer.broken(self.made.len(), version, fault);
        let object = self.site.object(&bundle)?;
        let (lines, refused) = (self.site.api.log().len(), self.refused().await?);
        let (rejected, failed) = (
            self.site.pushes("update_rejected").await?,
            self.site.pushes("config_fail").await?,
        );
        self.made.push(Push::new("a broken one", version, false));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        self.site.wait_for_pushes("config_fail", failed + 1).await?;
        eprintln!("{}", self.site.api.ask("/stats?filter=extension_config_discovery|bundle").await?);
        assert_eq!(self.site.pushes("update_rejected").await?, rejected + 1);
        assert!(self.refused().await? > refused);
        let log = self.site.api.log().split_off(lines);
        for named in fault.named {
            assert!(log.contains(named), "no `{named}` in the log:\n{log}");
        }
        self.nothing_changes().await?;
        if self.site.way == Way::WasmPlugin {
            let istiod = self.site.mesh.istiod_log();
            let xds = self.site.mesh.istiod_xds().to_string();
            let out = self.site.mesh.istioctl(&["proxy-status", "--plaintext", "--xds-address", &xds]).await?;
            eprintln!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            let out = self.site.mesh.istioctl(&["proxy-status", "-v", "1", "--plaintext", "--xds-address", &xds]).await?;
            eprintln!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            eprintln!("{}", istiod.lines().filter(|line| line.contains("ECDS")).collect::<Vec<_>>().join("\n"));
        }
        Ok(())
    }

    /// What Envoy itself cannot read: nothing changes, and Envoy tells of it.
    async fn unreadable(&mut self, what: &str, object: Value) -> Result<()> {
        let failed = self.site.pushes("update_failure").await?;
        self.made.push(Push::new(what, 0, false));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        self.site.wait_for_pushes("update_failure", failed + 1).await?;
        assert!(self.site.api.log().contains("Filesystem config update failure: in ./etc/regionguard/policy/regionguard.yaml"));
        self.nothing_changes().await
    }

    /// The file of what serves, where there was none. A kubelet swaps the folder before it makes the file's own link, and Envoy
    /// notices the first of the two only: it may find no file once more.
    async fn bring_back(&mut self) -> Result<()> {
        let serves = self.serves();
        let object = self.site.object(&self.site.signer.bundle(serves, self.made[serves].version))?;
        let before = Pushed::now(self.site)?;
        way::kubectl_apply(&self.site.mesh, &object).await?;
        before.next(self.site).await?;
        self.nothing_changes().await
    }

    /// What served goes on serving, on every worker and in all of its parts.
    async fn nothing_changes(&mut self) -> Result<()> {
        self.probes.wait_for(self.serves()).await?;
        for path in ["/never", &format!("/marker/{}", self.made.len() - 1)] {
            assert_eq!(self.site.ask(path).await?.status, 403, "{path}");
        }
        self.settled();
        Ok(())
    }

    fn settled(&mut self) {
        if let Some(push) = self.made.last_mut() {
            push.done = Instant::now();
            push.settled = Some(push.done);
        }
    }

    async fn refused(&self) -> Result<u64> {
        self.site.counter("wasmcustom.regionguard.bundle.refused").await
    }
}

/// How far pushes have got, before Envoy.
enum Pushed {
    /// The folder to which `..data` points.
    Folder(std::path::PathBuf),
    /// How often istiod has pushed extension configurations to this proxy.
    Times(usize),
}

impl Pushed {
    fn now(site: &Site) -> Result<Self> {
        Ok(match site.way {
            Way::ConfigMap => Self::Folder(std::fs::read_link(data(site))?),
            Way::WasmPlugin => Self::Times(istiod_pushes(site)?.len()),
        })
    }

    /// When the next push gets to the proxy: the moment in which the kubelet's part has swapped the folder, or in which istiod
    /// has sent it.
    async fn next(&self, site: &Site) -> Result<SystemTime> {
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
        Err(format!("nothing is pushed within {WAIT:?}; istiod says\n{}", site.mesh.istiod_log()).into())
    }
}

fn data(site: &Site) -> std::path::PathBuf {
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
