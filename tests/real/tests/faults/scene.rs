//! A workload with the manifests that ship, of which something may be missing or wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::access_log::Entry;
use regionguard_harness::client::Request;
use regionguard_mesh::{Mesh, Result, Spec, Workload};
use serde_json::Value;

use crate::bundles::{HOST, Signer};
use crate::seen::{Seen, look};
use crate::way::Way;

/// How long anything may take on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);

const TAIL: usize = 12;

/// What Envoy answers for a filter from a discovery that has no configuration.
pub const NO_CONFIGURATION: (u16, &str, &str) = (500, "NFCF", "");
/// What the interlock answers where the filter has not decided.
pub const INTERLOCK: (u16, &str, &str) = (403, "-", "rbac_access_denied_matched_policy[none]");

pub struct Scene {
    pub api: Workload,
    pub mesh: Arc<Mesh>,
    pub namespace: String,
    token: String,
    way: Way,
}

impl Scene {
    /// Puts interlock, direct peer and `first`, the object that holds the bundle, into a namespace of its own, and starts the
    /// workload `spec` in it. [`filter`](Self::filter) puts the filter into the chain, where that object does not.
    pub async fn start(mesh: &Arc<Mesh>, way: Way, spec: Spec, signer: &Signer, first: &Value) -> Result<Self> {
        let namespace = first["metadata"]["namespace"].as_str().ok_or("an object without a namespace")?;
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
        look(&self.api, self.api.client().send(request)).await
    }

    /// Waits until requests are answered with this status.
    pub async fn until(&self, path: &str, status: u16) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            let answer = self.api.client().send(&self.get(path)).await;
            if answer.as_ref().is_ok_and(|answer| answer.status == status) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let answer = answer.map(|answer| answer.status);
                return Err(format!("{path} is answered {answer:?}, not {status}, within {WAIT:?}: {}", self.log_tail()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whatever is asked is answered by Envoy with this status, these flags and these details, without a decision, and does not
    /// reach the service.
    pub async fn assert_closed(&self, (status, flags, details): (u16, &str, &str)) -> Result<()> {
        let reached = self.api.upstream().count();
        let forged = self.get("/open/1").header("wasm.regionguard", "allow;rule.allowed;-/-;inline;-;-");
        let anonymous = Request::new("GET", "/open/1").host(HOST);
        for request in [self.get("/open/1"), self.get("/never/1"), forged, anonymous] {
            let lines = self.api.access_log().entries().len();
            let answer = self.api.client().send(&request).await?;
            let entry = self.api.access_log().after(lines).await?;
            let seen = (answer.status, entry.text("flags"), entry.text("details"), entry.decision());
            assert_eq!(seen, (status, flags, details, None), "{:#}", entry.0);
        }
        assert_eq!(self.api.upstream().count(), reached, "nothing reaches the service");
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
                return Err(format!("{reached} requests have reached the service, and not as many lines tell of it").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// One of Envoy's counters of what was pushed for this filter.
    pub async fn pushes(&self, counter: &str) -> Result<u64> {
        Ok(crate::site::pushes_in(&self.api.stats().await?, counter))
    }

    /// Waits until such a counter has reached a value.
    pub async fn wait_for_pushes(&self, counter: &str, value: u64) -> Result<()> {
        let reached = self.api.wait_for(|stats| crate::site::pushes_in(stats, counter) >= value).await;
        reached.map(drop).map_err(|error| format!("`{counter}`: {error}: {}", self.log_tail()).into())
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
