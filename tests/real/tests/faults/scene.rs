//! A workload with the manifests that ship, of which something may be missing or wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regionguard_harness::access_log::Entry;
use regionguard_harness::client::{Connection, Request, Response};
use regionguard_mesh::live::bundles::{HOST, Signer};
use regionguard_mesh::live::site::pushes_in;
use regionguard_mesh::live::way::Way;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, Workload};
use serde_json::Value;

/// How long anything may take on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);

const TAIL: usize = 12;
const LOOK: Duration = Duration::from_millis(50);

pub struct Scene {
    pub api: Workload,
    pub mesh: Arc<Mesh>,
    pub namespace: String,
    token: String,
    way: Way,
    /// Requests that have been answered, each of which has a line in the access log, soon.
    answered: AtomicUsize,
}

impl Scene {
    /// Puts interlock, direct peer and `first`, the object that holds the bundle, into a namespace of its own, and starts the
    /// workload `spec` in it. [`filter`](Self::filter) puts the filter into the chain, where that object does not.
    pub async fn start(mesh: &Arc<Mesh>, way: Way, spec: Spec, signer: &Signer, first: &Value) -> Result<Self> {
        let namespace = first["metadata"]["namespace"]
            .as_str()
            .ok_or("an object without a namespace")?;
        mesh.namespace(namespace).await?;
        for object in way.surroundings(namespace)? {
            mesh.kube().apply_object(&object).await?;
        }
        mesh.kube().apply_object(first).await?;
        Ok(Self {
            api: mesh.workload(spec).await?,
            mesh: Arc::clone(mesh),
            namespace: namespace.to_owned(),
            token: signer.token()?,
            way,
            answered: AtomicUsize::new(0),
        })
    }

    /// Puts the filter into the chain.
    pub async fn filter(&self) -> Result<()> {
        if let Some(filter) = self.way.filter(&self.namespace)? {
            self.apply(&filter).await?;
        }
        Ok(())
    }

    pub async fn apply(&self, object: &Value) -> Result<()> {
        self.mesh.kube().apply_object(object).await.map(drop)
    }

    /// A request with a good token.
    pub fn get(&self, path: &str) -> Request {
        self.getter()(path)
    }

    /// What makes requests with a good token.
    pub fn getter(&self) -> impl Fn(&str) -> Request + Send + 'static {
        let token = self.token.clone();
        move |path| Request::new("GET", path).host(HOST).bearer(&token)
    }

    pub async fn ask(&self, path: &str) -> Result<Seen> {
        self.send(&self.get(path)).await
    }

    pub async fn send(&self, request: &Request) -> Result<Seen> {
        self.settled().await?;
        let seen = look(&self.api, self.api.client().send(request)).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(seen)
    }

    /// Waits until a request is answered with this status, over new connections.
    pub async fn until(&self, path: &str, status: u16) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            let answer = self.api.client().send(&self.get(path)).await;
            if self.is_answered(path, answer, status, deadline)? {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a request over this connection is answered with this status.
    pub async fn until_on(&self, connection: &mut Connection, path: &str, status: u16) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            let answer = connection.send(&self.get(path)).await;
            if self.is_answered(path, answer, status, deadline)? {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_answered(&self, path: &str, answer: Result<Response>, status: u16, deadline: Instant) -> Result<bool> {
        self.answered.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        let answer = answer.map(|answer| answer.status);
        if Instant::now() > deadline {
            return Err(format!(
                "{path} is answered {answer:?}, not {status}, within {WAIT:?}: {}",
                self.log_tail()
            )
            .into());
        }
        Ok(matches!(answer, Ok(answered) if answered == status))
    }

    /// Waits until the lines of all requests that were answered are written.
    async fn settled(&self) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        while self.api.access_log().entries().len() < self.answered.load(Ordering::Relaxed) {
            if Instant::now() > deadline {
                return Err("the access log has fewer lines than there were answers".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whatever is asked is answered by Envoy with 500, since it has no configuration for the filter: without a decision, and
    /// without that it reaches the service.
    pub async fn assert_closed(&self) -> Result<()> {
        let forged = self
            .get("/open/1")
            .header("wasm.regionguard", "allow;rule.allowed;-/-;inline;-;-");
        let anonymous = Request::new("GET", "/open/1").host(HOST);
        for request in [self.get("/open/1"), self.get("/never/1"), forged, anonymous] {
            assert_eq!(self.send(&request).await?, Seen::new(500, "", ""));
            let entry = self.api.access_log().entries().pop();
            assert_eq!(
                entry.as_ref().map(|entry| entry.text("flags")),
                Some("NFCF"),
                "{entry:?}"
            );
        }
        Ok(())
    }

    /// Every request that has reached the service was allowed by a line of the access log, and as many were.
    pub async fn assert_decided(&self) -> Result<()> {
        let reached = usize::try_from(self.api.upstream().count())?;
        let allowed = |entry: &Entry| entry.decision().is_some_and(|decision| decision.verdict == "allow");
        let deadline = Instant::now() + WAIT;
        loop {
            let entries = self.api.access_log().entries();
            let let_in = entries.iter().filter(|entry| entry.text("details") == "via_upstream");
            if let Some(undecided) = let_in.clone().find(|entry| !allowed(entry)) {
                return Err(format!("let in undecided: {:#}", undecided.0).into());
            }
            if let_in.count() == reached {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(
                    format!("{reached} requests have reached the service, and not as many lines tell of it").into(),
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One of Envoy's counters of what was pushed for this filter.
    pub async fn pushes(&self, counter: &str) -> Result<u64> {
        Ok(pushes_in(&self.api.stats().await?, counter))
    }

    /// Waits until such a counter has reached a value.
    pub async fn wait_for_pushes(&self, counter: &str, value: u64) -> Result<()> {
        let reached = self.api.wait_for(|stats| pushes_in(stats, counter) >= value).await;
        reached
            .map(drop)
            .map_err(|error| format!("`{counter}`: {error}: {}", self.log_tail()).into())
    }

    /// The sum of the counters whose names end so.
    pub async fn counter(&self, suffix: &str) -> Result<u64> {
        let stats = self.api.stats().await?;
        let named = stats.iter().filter(|(name, _)| name.ends_with(suffix));
        Ok(named.map(|(_, value)| value).sum())
    }

    /// The log of agent and Envoy holds each of these.
    pub fn assert_logged(&self, parts: &[&str]) {
        let log = self.api.log();
        for part in parts {
            assert!(log.contains(part), "no `{part}` in the log:\n{}", self.log_tail());
        }
    }

    /// What warns at the end of the log of agent and Envoy.
    pub fn log_tail(&self) -> String {
        warnings(&self.api.log())
    }
}

/// The last lines of a log that are more than information.
pub fn warnings(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("\tinfo\t")).collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
