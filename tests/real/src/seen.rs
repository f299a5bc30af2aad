//! What became of a request: its answer, who gave it, and what our filter said of it.

use std::fmt;
use std::time::{Duration, Instant};

use regionguard_harness::access_log::Entry;
use regionguard_harness::client::Response;

use crate::{Result, Workload};

/// One request as the workload that it was sent to saw it.
#[derive(PartialEq, Eq)]
pub struct Seen {
    /// Of the answer.
    pub status: u16,
    /// Who answered: Envoy's response code details.
    pub by: String,
    /// Verdict and reason of our decision line; empty where our filter did not see the request.
    pub decision: String,
    /// Whether the service behind the sidecar got the request.
    pub reached: bool,
}

impl Seen {
    /// Answered with this status by this, which is the service behind the sidecar or something in front of it.
    #[must_use]
    pub fn new(status: u16, by: &str, decision: &str) -> Self {
        Self {
            status,
            by: by.to_owned(),
            decision: decision.to_owned(),
            reached: by == UPSTREAM,
        }
    }

    /// Let in, by us for this reason.
    #[must_use]
    pub fn allowed(reason: &str) -> Self {
        Self::new(200, UPSTREAM, &format!("allow;{reason}"))
    }

    /// Let in where our filter does not stand.
    #[must_use]
    pub fn passed() -> Self {
        Self::new(200, UPSTREAM, "")
    }

    /// Refused by us.
    #[must_use]
    pub fn refused(status: u16, reason: &str) -> Self {
        Self::new(status, &format!("regionguard.{reason}"), &format!("deny;{reason}"))
    }

    /// Refused by the interlock, because our filter did not see it.
    #[must_use]
    pub fn unseen() -> Self {
        Self::new(403, NO_POLICY, "")
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            by,
            decision,
            reached,
        } = self;
        write!(
            f,
            "{status} by {by}, decision `{decision}`, {}",
            if *reached { "reached" } else { "not reached" }
        )
    }
}

const UPSTREAM: &str = "via_upstream";
/// The response code details of an RBAC filter that allows what matches a policy of its own.
pub const NO_POLICY: &str = "rbac_access_denied_matched_policy[none]";

/// Waits until nothing comes to the log of `server` any more: Envoy writes the lines of requests a moment after their answers, and a [`look`] at the next
/// request would take one of them for its own.
pub async fn settled(server: &Workload) {
    // Ten times the interval at which the log is written.
    const QUIET: Duration = Duration::from_millis(200);
    let mut lines = None;
    loop {
        let now = Some(server.access_log().entries().len());
        if now == lines {
            return;
        }
        lines = now;
        tokio::time::sleep(QUIET).await;
    }
}

/// Waits for the answer, and looks at what `server` has of the request. No other request may come in meanwhile, and those before have to be [`settled`].
///
/// # Errors
/// When there is no answer, or no line of the access log in time.
pub async fn look(server: &Workload, answer: impl Future<Output = Result<Response>>) -> Result<Seen> {
    let (lines, reached) = (server.access_log().entries().len(), server.upstream().count());
    let answer = answer.await?;
    let entry = request_after(server, lines).await?;
    let decision: Vec<&str> = entry.text("decision").splitn(3, ';').take(2).collect();
    Ok(Seen {
        status: answer.status,
        by: entry.text("details").to_owned(),
        decision: decision.join(";"),
        reached: server.upstream().count() > reached,
    })
}

/// The first request in the log behind so many lines. A connection that was refused has a line, too, which may come late.
async fn request_after(server: &Workload, lines: usize) -> Result<Entry> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut entries = server.access_log().entries().into_iter().skip(lines);
        if let Some(entry) = entries.find(|entry| !entry.text("method").is_empty()) {
            return Ok(entry);
        }
        if Instant::now() > deadline {
            return Err(format!("no request in the access log after the first {lines} lines").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
