//! A site under load: each of its requests is judged by what was pushed until then.

use std::time::{Duration, Instant};

use regionguard_mesh::Result;
use serde_json::Value;

use crate::load::Load;
use crate::oracle::{Push, judge};
use crate::site::{Probes, Site, WORKERS};
use crate::way::kubectl_apply;

const AFTER: Duration = Duration::from_millis(500);
/// Longer than any test.
const UNKNOWN: Duration = Duration::from_secs(3600);

/// A site under load, and what was pushed to it.
pub struct Watched<'a> {
    pub site: &'a Site,
    probes: Probes,
    load: Load,
    made: Vec<Push>,
}

impl<'a> Watched<'a> {
    pub async fn new(site: &'a Site) -> Result<Self> {
        Ok(Self {
            probes: Probes::new(site).await?,
            load: Load::start(site).await?,
            made: vec![Push::new("the first", 1, true)],
            site,
        })
    }

    /// The next bundle.
    pub fn next(&self) -> Value {
        let number = self.made.len();
        self.site.signer.bundle(number, number as u64 + 1)
    }

    /// Applies an object with the next bundle, which need not be in force yet.
    pub async fn apply(&mut self, object: Value) -> Result<()> {
        let mut push = Push::new("an edit", self.made.len() as u64 + 1, true);
        // Not known: it is not due before it was seen.
        push.done += UNKNOWN;
        self.made.push(push);
        kubectl_apply(&self.site.mesh, &object).await
    }

    /// Waits until the last edit is in force on every worker.
    pub async fn in_force(&mut self) -> Result<()> {
        self.probes.wait_for(self.made.len() - 1).await?;
        if let Some(push) = self.made.last_mut() {
            push.done = Instant::now();
            push.settled = Some(push.done);
        }
        Ok(())
    }

    /// No request was lost, and each was decided by what was in force.
    pub async fn judge(self) -> Result<()> {
        // Some requests of each worker come after the last edit.
        tokio::time::sleep(AFTER).await;
        let seen = self.load.finish(self.site).await?;
        let last = judge(&self.made, &seen)?;
        assert_eq!(last, [self.made.len() - 1; WORKERS]);
        eprintln!("{:?}: {} requests", self.site.way, seen.len());
        Ok(())
    }
}
