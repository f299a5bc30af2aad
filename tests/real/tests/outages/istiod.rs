//! istiod is away for a minute: requests are decided as before, and policy still comes from ConfigMaps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_mesh::live::site::Site;
use regionguard_mesh::live::watched::Watched;
use regionguard_mesh::live::way::Way;
use regionguard_mesh::{Mesh, Result, Spec};

const AWAY: Duration = Duration::from_secs(60);
/// After [`AWAY`], until Envoy has warned of it.
const WARNED: Duration = Duration::from_secs(60);
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
    edit(file).await?;
    file.in_force().await?;
    edit(plugin).await?;
    // A pod that is new gets neither certificate nor configuration: it does not get ready, and takes no request.
    let late = mesh.workload(Spec::new("outage-file", "late")).await;
    let late = late.err().ok_or("a workload has got ready without istiod")?.to_string();
    assert!(late.contains("not ready within"), "{late}");
    edit(file).await?;
    file.in_force().await?;
    tokio::time::sleep(AWAY.saturating_sub(gone.elapsed())).await;
    for site in [&*file, &*plugin] {
        let seen = site.site.api.prometheus().await?;
        let counted = "\nistio_agent_istiod_connection_terminations{type=\"error\"} ";
        assert!(seen.contains(counted), "{seen}");
        warned(site.site).await?;
    }
    assert_eq!(
        plugin.site.ask("/marker/0").await?.status,
        200,
        "what is not pushed changes nothing"
    );

    mesh.start_istiod().await?;
    let began = Instant::now();
    while plugin.site.ask("/marker/1").await?.status != 200 {
        if began.elapsed() > BACK {
            return Err(format!(
                "the plugin's edit is not in force after {BACK:?}: {}",
                plugin.site.api.log()
            )
            .into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("istiod is back, and found after {:?}", began.elapsed());
    plugin.in_force().await?;
    edit(plugin).await?;
    plugin.in_force().await
}

/// Waits until Envoy warns of it: it does when it has asked in vain for half a minute, and then asks once more.
async fn warned(site: &Site) -> Result<()> {
    const WARNING: &str = "gRPC config stream to xds-grpc closed since";
    let deadline = Instant::now() + WARNED;
    loop {
        let log = site.api.log();
        if log.contains(WARNING) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("no `{WARNING}…` within {:?}: {log}", AWAY + WARNED).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn edit(site: &mut Watched<'_>) -> Result<()> {
    let object = site.site.object(&site.next())?;
    site.apply(object).await
}
