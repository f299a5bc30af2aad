//! Who edits the policy, as an operator does: by `kubectl apply`, and with a look at what becomes of it.

use std::time::{Instant, SystemTime};

use regionguard_mesh::Result;
use regionguard_mesh::live::bundles::Fault;
use regionguard_mesh::live::oracle::{Push, serving};
use regionguard_mesh::live::site::{IN_FORCE, Probes, Site, WAIT, WORKERS};
use regionguard_mesh::live::way::{self, Way};
use serde_json::Value;

use crate::pushed::Pushed;

/// Connections on which an edit is seen after all workers have it.
const FRESH: usize = 16;

/// The operator.
pub struct Editor<'a> {
    site: &'a Site,
    probes: Probes,
    /// All pushes so far, the first bundle included.
    pub made: Vec<Push>,
}

impl<'a> Editor<'a> {
    /// Nobody else may connect meanwhile.
    pub async fn new(site: &'a Site) -> Result<Self> {
        Ok(Self {
            site,
            probes: Probes::new(site).await?,
            made: vec![Push::new("the first", 1, true)],
        })
    }

    /// The push that serves.
    pub fn serves(&self) -> usize {
        serving(&self.made).last().copied().unwrap_or_default()
    }

    /// A good edit, which is in force on every worker within two seconds.
    pub async fn edit(&mut self, version: u64) -> Result<()> {
        let number = self.made.len();
        let object = self.site.object(&self.site.signer.bundle(number, version))?;
        let (before, began) = (Pushed::now(self.site)?, SystemTime::now());
        self.made.push(Push::new("an edit", version, true));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        let applied = SystemTime::now();
        let pushed = before.next(self.site).await?;
        let in_force = self.probes.wait_for(number).await?;
        self.settled();
        let kubectl = applied.duration_since(began)?;
        let on_its_way = pushed.duration_since(began).unwrap_or_default();
        let took = in_force.map(|at| at.duration_since(pushed).unwrap_or_default());
        eprintln!(
            "{:?}, edit {number}: kubectl took {kubectl:.0?}, the proxy has it after {on_its_way:.0?}, its workers {took:.0?} later",
            self.site.way
        );
        for took in took {
            assert!(took < IN_FORCE, "edit {number} is in force after {took:?}");
        }
        if self.site.way == Way::WasmPlugin {
            self.istiod_says("SYNCED").await?;
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
    pub async fn older(&mut self, version: u64) -> Result<()> {
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
    pub async fn broken(&mut self, version: u64, fault: &Fault) -> Result<()> {
        let bundle = self.site.signer.broken(self.made.len(), version, fault);
        let object = self.site.object(&bundle)?;
        let (before, lines) = (self.refusals().await?, self.site.api.log().len());
        let nacks = self.nacks();
        self.made.push(Push::new("a broken one", version, false));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        self.site.wait_for_pushes("config_fail", before[0] + 1).await?;
        assert_eq!(self.refusals().await?, before.map(|count| count + 1));
        let log = self.site.api.log().split_off(lines);
        for named in fault.named {
            assert!(log.contains(named), "no `{named}` in the log:\n{log}");
        }
        if self.site.way == Way::WasmPlugin {
            self.istiod_says("ERROR").await?;
            assert_eq!(self.nacks(), nacks + 1, "{}", self.site.mesh.istiod_log());
        }
        let metrics = self.site.api.prometheus().await?;
        for (begins, ends) in [
            ("regionguard_bundle_refused", ""),
            ("envoy_extension_config_discovery_http_filter_", "_config_fail"),
            ("envoy_extension_config_discovery_http_filter_", "_update_rejected"),
        ] {
            let names = metrics.lines().filter_map(|line| line.split('{').next());
            let mut of_ours = names.filter(|name| name.contains("regionguard"));
            assert!(
                of_ours.any(|name| name.starts_with(begins) && name.ends_with(ends)),
                "no `{begins}…{ends}` for Prometheus"
            );
        }
        self.nothing_changes().await
    }

    /// What counts a refused bundle: Envoy's two counters, and the filter's own.
    async fn refusals(&self) -> Result<[u64; 3]> {
        Ok([
            self.site.pushes("config_fail").await?,
            self.site.pushes("update_rejected").await?,
            self.site.counter("wasmcustom.regionguard.bundle.refused").await?,
        ])
    }

    /// How often istiod was told that the proxy refuses an extension configuration.
    fn nacks(&self) -> usize {
        let line = format!("ADS:ECDS: ACK ERROR api-0.{}-", self.site.namespace);
        self.site.mesh.istiod_log().matches(&line).count()
    }

    /// Waits until `istioctl proxy-status` has this state of the proxy's extension configurations, in the table with all of them.
    async fn istiod_says(&self, state: &str) -> Result<()> {
        let istiod = self.site.mesh.istiod_xds().to_string();
        let command = [
            "proxy-status",
            "--verbosity",
            "1",
            "--plaintext",
            "--xds-address",
            &istiod,
        ];
        let deadline = Instant::now() + WAIT;
        loop {
            let output = self.site.mesh.istioctl(&command).await?;
            let table = String::from_utf8_lossy(&output.stdout).into_owned();
            if status(&table, &self.site.namespace).is_some_and(|found| found.starts_with(state)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let error = String::from_utf8_lossy(&output.stderr);
                return Err(format!("not `{state}` within {WAIT:?}: {table}{error}").into());
            }
        }
    }

    /// What Envoy itself cannot read: nothing changes, and Envoy tells of it.
    pub async fn unreadable(&mut self, what: &str, object: Value) -> Result<()> {
        let failed = self.site.pushes("update_failure").await?;
        self.made.push(Push::new(what, 0, false));
        way::kubectl_apply(&self.site.mesh, &object).await?;
        self.site.wait_for_pushes("update_failure", failed + 1).await?;
        assert!(
            self.site
                .api
                .log()
                .contains("Filesystem config update failure: in ./etc/regionguard/policy/regionguard.yaml")
        );
        self.nothing_changes().await
    }

    /// The file of what serves, where there was none. A kubelet swaps the folder before it makes the file's own link, and Envoy
    /// notices the first of the two only: it may find no file once more.
    pub async fn bring_back(&mut self) -> Result<()> {
        let serves = self.serves();
        let object = self
            .site
            .object(&self.site.signer.bundle(serves, self.made[serves].version))?;
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
}

/// What stands in the column ECDS in the line of this namespace.
fn status<'a>(table: &'a str, namespace: &str) -> Option<&'a str> {
    let column = table.lines().find_map(|line| line.find("ECDS"))?;
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("api-0.{namespace} ")))?;
    line.get(column..)
}
