//! A steady client: connections that are kept to each worker, and one after the other that is new. Each of its requests has an
//! answer, and each line of the access log a decision.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use regionguard_harness::access_log::{Decision, Entry};
use regionguard_harness::client::{Client, Connection};
use tokio::task::JoinSet;

use super::bundles::number_of;
use super::site::{Caller, Site, WORKERS};
use crate::Result;

const KEPT: usize = 3;
const PAUSE: Duration = Duration::from_millis(6);
const FRESH: Duration = Duration::from_millis(25);
const WRITTEN: Duration = Duration::from_secs(30);

/// What the paths of the load begin with.
const KINDS: [&str; 3] = ["open", "odd", "never"];

/// A client that goes on until it is told to end.
#[derive(Debug)]
pub struct Load {
    over: Arc<AtomicBool>,
    tasks: JoinSet<Result<Vec<Sent>>>,
    /// How many lines the access log had before.
    before: usize,
}

#[derive(Debug)]
struct Sent {
    path: String,
    worker: Option<usize>,
    status: u16,
    sent: Instant,
    answered: Instant,
}

/// A request of the load, from both ends.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `/KIND/CONNECTION/NUMBER`.
    pub path: String,
    /// Which worker has decided, where that is known.
    pub worker: Option<usize>,
    /// Before it was sent.
    pub sent: Instant,
    /// After it was answered.
    pub answered: Instant,
    /// Its decision.
    pub decision: Decision,
}

impl Seen {
    /// What its path begins with: `open`, `odd` or `never`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// The version of the bundle that has decided.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        let (version, _digest) = self.decision.bundle.strip_prefix("shop@")?.split_once('+')?;
        version.parse().ok()
    }
}

impl Load {
    /// Begins. Nobody else may connect until this is done.
    ///
    /// # Errors
    /// When there is a worker that takes no connection.
    pub async fn start(site: &Site) -> Result<Self> {
        let (over, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let caller = &site.caller;
        let connections = site.connections(KEPT).await?;
        let before = lines(site);
        for (worker, connections) in connections.into_iter().enumerate() {
            for (index, connection) in connections.into_iter().enumerate() {
                let (over, caller) = (Arc::clone(&over), caller.clone());
                let lane = format!("worker-{worker}-{index}");
                tasks.spawn(async move { keep(&over, connection, worker, &lane, &caller).await });
            }
        }
        let (client, caller, ending) = (site.client(), caller.clone(), Arc::clone(&over));
        tasks.spawn(async move { afresh(&ending, &client, &caller).await });
        Ok(Self { over, tasks, before })
    }

    /// Ends, and gives all requests with their decisions, in the order in which they were sent.
    ///
    /// # Errors
    /// When a request was lost, was answered other than 200 or 403, or has no decision, or when what was decided and what
    /// was answered differ.
    pub async fn finish(mut self, site: &Site) -> Result<Vec<Seen>> {
        self.over.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        while let Some(of_one) = self.tasks.join_next().await {
            sent.extend(of_one??);
        }
        let deadline = Instant::now() + WRITTEN;
        let mut entries = Vec::new();
        while Instant::now() < deadline {
            if lines(site) >= self.before + sent.len() {
                entries = site.api.access_log().entries().split_off(self.before);
                if entries.iter().filter(|entry| is_load(entry)).count() >= sent.len() {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let all = site.api.access_log().entries();
        let allowed = all.iter().filter(|entry| entry.status() == 200).count();
        let reached = site.api.upstream().count();
        if reached != allowed as u64 {
            return Err(format!("{allowed} requests were allowed, and {reached} have got through").into());
        }
        let mut decisions = HashMap::new();
        for entry in entries {
            let decision = decided(&entry)?;
            if is_load(&entry) && decisions.insert(entry.text("path").to_owned(), decision).is_some() {
                return Err(format!("two lines for `{}`", entry.text("path")).into());
            }
        }
        let mut seen = Vec::new();
        for sent in sent {
            seen.push(sent.with(decisions.remove(&sent.path))?);
        }
        if !decisions.is_empty() {
            return Err(format!("lines that nobody has asked for: {:?}", decisions.keys()).into());
        }
        seen.sort_by_key(|seen| seen.sent);
        Ok(seen)
    }
}

impl Sent {
    fn with(&self, decision: Option<Decision>) -> Result<Seen> {
        let decision = decision.ok_or_else(|| format!("no line for `{}`", self.path))?;
        let fits = match self.status {
            200 => decision.verdict == "allow" && decision.reason == "rule.allowed",
            403 => decision.verdict == "deny" && decision.reason == "policy.no_rule",
            _ => false,
        };
        if !fits {
            return Err(format!("`{}` is answered {}: {decision:?}", self.path, self.status).into());
        }
        Ok(Seen {
            path: self.path.clone(),
            worker: self.worker,
            sent: self.sent,
            answered: self.answered,
            decision,
        })
    }
}

/// The decision of a line, whoever has asked. None is let in without one, and none is refused without one either.
fn decided(entry: &Entry) -> Result<Decision> {
    let decision = entry.decision().ok_or_else(|| format!("undecided: {:#}", entry.0))?;
    let allowed = decision.verdict == "allow";
    // A rule of the bundle that allows it has its number, and belongs to nothing that was refused.
    if allowed != (entry.status() == 200) || allowed && number_of(&decision.rule).is_none() {
        return Err(format!("decided otherwise than answered: {:#}", entry.0).into());
    }
    Ok(decision)
}

async fn keep(
    over: &AtomicBool,
    mut connection: Connection,
    worker: usize,
    lane: &str,
    caller: &Caller,
) -> Result<Vec<Sent>> {
    let mut all = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let kind = KINDS[all.len() % KINDS.len()];
        let path = format!("/{kind}/{lane}/{}", all.len());
        let sent = Instant::now();
        let answer = connection.send(&caller.get(&path)).await;
        let answer = answer.map_err(|error| format!("`{path}` is lost after {:?}: {error}", sent.elapsed()))?;
        all.push(Sent {
            path,
            worker: Some(worker),
            status: answer.status,
            sent,
            answered: Instant::now(),
        });
        tokio::time::sleep(PAUSE).await;
    }
    Ok(all)
}

async fn afresh(over: &AtomicBool, client: &Client, caller: &Caller) -> Result<Vec<Sent>> {
    let mut all = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let path = format!("/{}/fresh/{}", KINDS[all.len() % KINDS.len()], all.len());
        let sent = Instant::now();
        let answer = client.send(&caller.get(&path)).await;
        let answer = answer.map_err(|error| format!("`{path}` is lost after {:?}: {error}", sent.elapsed()))?;
        all.push(Sent {
            path,
            worker: None,
            status: answer.status,
            sent,
            answered: Instant::now(),
        });
        tokio::time::sleep(FRESH).await;
    }
    Ok(all)
}

fn is_load(entry: &Entry) -> bool {
    let parts: Vec<&str> = entry.text("path").split('/').collect();
    parts.len() == 4 && KINDS.contains(&parts[1])
}

fn lines(site: &Site) -> usize {
    let log = std::fs::read(site.api.access_log().path()).unwrap_or_default();
    log.iter().filter(|byte| **byte == b'\n').count()
}

/// How many workers have decided one of these.
#[must_use]
pub fn workers(seen: &[Seen]) -> usize {
    (0..WORKERS)
        .filter(|worker| seen.iter().any(|seen| seen.worker == Some(*worker)))
        .count()
}
