//! istiod is away for a minute: requests are decided as before, and policy still comes from ConfigMaps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_mesh::{Mesh, Result, Spec};

use crate::load::Load;
use crate::oracle::{Push, judge};
use crate::site::{Probes, Site, WORKERS};
use crate::way::{self, Way};

const AWAY: Duration = Duration::from_secs(60);
/// Until a proxy has found istiod again; it asks less and less often, up to every 30 s.
const BACK: Duration = Duration::from_secs(90);

pub async fn away(mesh: Arc<Mesh>) -> Result<()> {
    let (file, plugin) = tokio::try_join!(
        Site::start(&mesh, "outage-file", Way::ConfigMap),
        Site::start(&mesh, "outage-plugin", Way::WasmPlugin),
    )?;
    let mut sites = [Watched::new(&file).await?, Watched::new(&plugin).await?];
    let done = outage(&mesh, &mut sites).await;
    for site in sites {
        site.judge().await?;
    }
    done
}

async fn outage(mesh: &Arc<Mesh>, [file, plugin]: &mut [Watched<'_>; 2]) -> Result<()> {
    mesh.stop_istiod().await;
    let gone = Instant::now();
    file.edit(2).await?;
    file.in_force().await?;
    plugin.edit(2).await?;
    // A pod that is new gets neither certificate nor configuration: it does not get ready, and takes no request.
    let late = mesh.workload(Spec::new("outage-file", "late")).await;
    let late = late.err().ok_or("a workload has got ready without istiod")?.to_string();
    assert!(late.contains("not ready within"), "{late}");
    file.edit(3).await?;
    file.in_force().await?;
    for site in [&*file, &*plugin] {
        let log = site.site.api.log();
        assert!(log.contains("connection refused"), "{log}");
    }
    tokio::time::sleep(AWAY.saturating_sub(gone.elapsed())).await;
    assert_eq!(plugin.site.ask("/marker/0").await?.status, 200, "what is not pushed changes nothing");

    mesh.start_istiod().await?;
    let began = Instant::now();
    while plugin.site.ask("/marker/1").await?.status != 200 {
        if began.elapsed() > BACK {
            return Err(format!("the plugin's edit is not in force after {BACK:?}: {}", plugin.site.api.log()).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("istiod is back, and found after {:?}", began.elapsed());
    plugin.in_force().await?;
    plugin.edit(3).await?;
    plugin.in_force().await
}

/// A site under load, and what was pushed to it.
struct Watched<'a> {
    site: &'a Site,
    probes: Probes,
    load: Load,
    made: Vec<Push>,
}

impl<'a> Watched<'a> {
    async fn new(site: &'a Site) -> Result<Self> {
        Ok(Self {
            probes: Probes::new(site).await?,
            load: Load::start(site).await?,
            made: vec![Push::new("the first", 1, true)],
            site,
        })
    }

    /// Applies the next bundle, which need not be in force yet.
    async fn edit(&mut self, version: u64) -> Result<()> {
        let object = self.site.object(&self.site.signer.bundle(self.made.len(), version))?;
        let mut push = Push::new("an edit", version, true);
        // Not known: it is not due before it was seen.
        push.done += Duration::from_secs(3600);
        self.made.push(push);
        way::kubectl_apply(&self.site.mesh, &object).await
    }

    /// Waits until the last edit is in force on every worker.
    async fn in_force(&mut self) -> Result<()> {
        self.probes.wait_for(self.made.len() - 1).await?;
        if let Some(push) = self.made.last_mut() {
            push.done = Instant::now();
            push.settled = Some(push.done);
        }
        Ok(())
    }

    /// No request was lost, and each was decided by what was in force.
    async fn judge(self) -> Result<()> {
        let seen = self.load.finish(self.site).await?;
        let last = judge(&self.made, &seen)?;
        assert_eq!(last, [self.made.len() - 1; WORKERS]);
        eprintln!("{:?}: {} requests", self.site.way, seen.len());
        Ok(())
    }
}
