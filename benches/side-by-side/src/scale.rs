//! A bundle of 10,000 rules: how long a worker takes to compile it, and how much memory that takes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use regionguard_harness::Result;
use regionguard_harness::envoy::{Envoy, Push};
use regionguard_harness::issuer::Issuer;
use serde_json::json;

use crate::mutual::Mutual;
use crate::rules;
use crate::variants::{self, ALL};

/// The variant whose bundle it is, and its rules.
pub const NAME: &str = "ours-10000";
const RULES: usize = 10_000;
/// How often the bundle is pushed again.
const PUSHES: u64 = 5;
/// How long Envoy may take for a push.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a worker takes for a bundle of 10,000 rules.
pub struct Compiled {
    /// Milliseconds in a VM that has compiled nothing before, not even its own code.
    pub first: f64,
    /// Milliseconds in one that has: the least of the pushes that follow, since whatever else the machine does only adds to it.
    pub again: f64,
    /// Bytes of a VM's memory once it has compiled the bundle.
    pub memory: u64,
    /// The same after the pushes, each of which was compiled while the one before served.
    pub memory_after: u64,
}

/// Measures it in a proxy of its own, whose VM holds nothing else.
pub async fn measure(
    issuer: &Issuer,
    mutual: &Mutual,
    dir: &Path,
    module: &Path,
    nobody: SocketAddr,
) -> Result<Compiled> {
    let dir = dir.join("scale");
    std::fs::create_dir_all(&dir)?;
    let alone: Vec<_> = ALL.iter().filter(|variant| variant.name == NAME).collect();
    let (config, folders) = variants::config(&alone, issuer, mutual, &dir, module, [nobody, nobody])?;
    let folder = folders.first().ok_or("no folder of the bundle")?;
    let envoy = Envoy::start("scale", config, &dir).await?;
    let (first, memory) = gauges(&envoy, None).await?;
    let mut bundle = rules::bundle("bench-10000", issuer, RULES)?;
    let mut again = f64::INFINITY;
    let mut memory_after = memory;
    for version in 2..2 + PUSHES {
        let before = applied(&envoy).await?;
        bundle["metadata"]["version"] = json!(version);
        if envoy.push(folder, |folder| folder.write(&bundle)).await? == Push::Refused {
            return Err("the bundle of 10,000 rules is refused".into());
        }
        let (took, memory) = gauges(&envoy, Some(before)).await?;
        again = again.min(took);
        memory_after = memory_after.max(memory);
    }
    Ok(Compiled {
        first,
        again,
        memory,
        memory_after,
    })
}

/// Milliseconds and bytes of the compilation that came last, once more bundles than `before` were put in force.
async fn gauges(envoy: &Envoy, before: Option<u64>) -> Result<(f64, u64)> {
    let begin = Instant::now();
    while applied(envoy).await? <= before.unwrap_or(0) {
        if begin.elapsed() > PATIENCE {
            return Err("no worker put the bundle of 10,000 rules in force".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let microseconds = envoy.stat("wasmcustom.regionguard.bundle.compile_time_us").await?;
    let memory = envoy.stat("wasmcustom.regionguard.memory_bytes").await?;
    if microseconds == 0 || memory == 0 {
        return Err("the module does not tell how long it compiled, or how much memory it has".into());
    }
    Ok((microseconds as f64 / 1e3, memory))
}

async fn applied(envoy: &Envoy) -> Result<u64> {
    envoy.stat("wasmcustom.regionguard.bundle.applied").await
}
