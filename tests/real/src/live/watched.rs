//! A site under load: each of its requests is judged by what was pushed until then.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::Load;
use super::oracle::{Push, judge};
use super::site::{Probes, Site, WORKERS};
use super::way::kubectl_apply;
use crate::Result;

const AFTER: Duration = Duration::from_millis(500);
/// Longer than any test.
const UNKNOWN: Duration = Duration::from_secs(3600);

/// A site under load, and what was pushed to it.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The site.
    pub site: &'a Site,
    probes: Probes,
    load: Load,
    made: Vec<Push>,
}

impl<'a> Watched<'a> {
    /// Begins the load. Nobody else may connect until this is done.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub async fn new(site: &'a Site) -> Result<Self> {
        Ok(Self {
            probes: Probes::new(site).await?,
            load: Load::start(site).await?,
            made: vec![Push::new("the first", 1, true)],
            site,
        })
    }

    /// The next bundle.
    #[must_use]
    pub fn next(&self) -> Value {
        let number = self.made.len();
        self.site.signer.bundle(number, number as u64 + 1)
    }

    /// Applies an object with the next bundle, which need not be in force yet.
    ///
    /// # Errors
    /// As [`kubectl_apply`].
    pub async fn apply(&mut self, object: Value) -> Result<()> {
        let mut push = Push::new("an edit", self.made.len() as u64 + 1, true);
        // Not known: it is not due before it was seen.
        push.done += UNKNOWN;
        self.made.push(push);
        kubectl_apply(&self.site.mesh, &object).await
    }

    /// Waits until the last edit is in force on every worker.
    ///
    /// # Errors
    /// As [`Probes::wait_for`].
    pub async fn in_force(&mut self) -> Result<()> {
        self.probes.wait_for(self.made.len() - 1).await?;
        if let Some(push) = self.made.last_mut() {
            push.done = Instant::now();
            push.settled = Some(push.done);
        }
        Ok(())
    }

    /// Ends the load: no request was lost, each was decided by what was in force, and the last one of each worker by the last bundle.
    ///
    /// # Errors
    /// As [`Load::finish`] and [`judge`].
    ///
    /// # Panics
    /// When another bundle than the last one is in force on a worker.
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
