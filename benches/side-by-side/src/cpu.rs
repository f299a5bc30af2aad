//! CPU time of another process, and who runs where.

use std::time::Duration;

use regionguard_harness::Result;
use regionguard_harness::envoy::Envoy;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// User and system time of all of Envoy's threads since their start, in nanoseconds as the scheduler counts them. (The first field of
/// each thread's `schedstat`; Envoy's threads live as long as it does.)
///
/// The count of a thread that runs lags by up to a tick: read it when Envoy has nothing to do.
pub fn time(envoy: &Envoy) -> Result<Duration> {
    let tasks = format!("/proc/{}/task", envoy.pid());
    let mut nanoseconds: u64 = 0;
    for task in std::fs::read_dir(&tasks)? {
        let path = task?.path().join("schedstat");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!(
                "cannot read `{}`: {error}: this needs a Linux that counts",
                path.display()
            )
        })?;
        let first = text
            .split_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok());
        nanoseconds += first.ok_or_else(|| format!("`{}` has another form", path.display()))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// One core for the proxy, and the others for whoever sends and answers.
pub struct Cores {
    proxy: CpuSet,
    others: CpuSet,
}

impl Cores {
    /// Splits the cores that this process may use; `None` where there is only one.
    pub fn split() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let first = (0..CpuSet::MAX_CPU).find(|&core| all.is_set(core))?;
        let (mut proxy, mut others) = (CpuSet::new(), all);
        proxy.set(first);
        others.unset(first);
        (others.count() > 0).then_some(Self { proxy, others })
    }

    /// What this thread starts from now on (processes and threads) runs on the proxy's core.
    pub fn start_proxy_here(&self) -> Result<()> {
        Ok(sched_setaffinity(None, &self.proxy)?)
    }

    /// This thread, and what it starts from now on, runs on the other cores.
    pub fn stay_off_the_proxy(&self) -> Result<()> {
        Ok(sched_setaffinity(None, &self.others)?)
    }
}
