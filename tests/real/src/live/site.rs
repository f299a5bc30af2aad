//! A workload with two workers whose policy is pushed on one of the two ways, and connections to each of its workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use regionguard_harness::client::{Client, Connection, Request, Response};
use regionguard_harness::tools;

use super::bundles::{HOST, Signer};
use super::modules::Modules;
use super::way::{self, Way};
use crate::{Mesh, Result, Workload};

/// The threads of an Envoy here that take requests.
pub const WORKERS: usize = 2;
/// How long an edit may take until it is in force on every worker, once it has got into the pod.
pub const IN_FORCE: Duration = Duration::from_secs(2);

/// How long anything may take that has no limit of its own.
pub const WAIT: Duration = Duration::from_secs(60);
const TRIES: usize = 100;

/// A workload, and what is pushed to it.
#[derive(Debug)]
pub struct Site {
    /// The workload `api`.
    pub api: Workload,
    /// How bundles get to it.
    pub way: Way,
    /// Who signs the tokens that its bundles take.
    pub signer: Signer,
    /// Its namespace.
    pub namespace: String,
    /// Its mesh.
    pub mesh: Arc<Mesh>,
    /// Who asks it.
    pub caller: Caller,
    modules: Modules,
}

/// Who asks: by a good token.
#[derive(Clone, Debug)]
pub struct Caller {
    token: String,
}

impl Caller {
    /// A GET of this path.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        Request::new("GET", path).host(HOST).bearer(&self.token)
    }
}

impl Site {
    /// Starts the workload in a namespace of its own, pushes the bundle number 0, version 1, and waits until it is in force.
    ///
    /// # Errors
    /// When something refuses, or it is not in force in time.
    pub async fn start(mesh: &Arc<Mesh>, namespace: &str, way: Way) -> Result<Self> {
        let (signer, modules) = (
            Signer::new()?,
            Modules::serve(std::fs::read(tools::wasm_module()?)?).await?,
        );
        mesh.namespace(namespace).await?;
        for object in way.surroundings(namespace)? {
            mesh.kube().apply_object(&object).await?;
        }
        let first = way.object(namespace, &signer.bundle(0, 1), &modules.module)?;
        way::kubectl_apply(mesh, &first).await?;
        let api = mesh.workload(way.spec(namespace)?).await?;
        way::bring_module(api.dir())?;
        if let Some(filter) = way.filter(namespace)? {
            mesh.kube().apply_object(&filter).await?;
        }
        let site = Self {
            api,
            way,
            caller: Caller { token: signer.token()? },
            signer,
            namespace: namespace.to_owned(),
            mesh: Arc::clone(mesh),
            modules,
        };
        let deadline = Instant::now() + WAIT;
        while !matches!(site.ask("/marker/0").await, Ok(answer) if answer.status == 200) {
            if Instant::now() > deadline {
                return Err(format!("the first bundle is not in force within {WAIT:?}: {}", site.api.log()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(site)
    }

    /// A client of the inbound listener. Clients outside of the mesh come in without TLS, as long as nothing is STRICT.
    #[must_use]
    pub fn client(&self) -> Client {
        self.api.client()
    }

    /// Sends a request over a connection of its own.
    ///
    /// # Errors
    /// When it has no answer.
    pub async fn ask(&self, path: &str) -> Result<Response> {
        self.client().send(&self.caller.get(path)).await
    }

    /// The object that holds this bundle.
    ///
    /// # Errors
    /// As [`Way::object`].
    pub fn object(&self, bundle: &serde_json::Value) -> Result<serde_json::Value> {
        self.way.object(&self.namespace, bundle, &self.modules.module)
    }

    /// One of Envoy's counters of what was pushed for this filter. Istio names the filter of a WasmPlugin in its own way, by
    /// namespace and name and with more around them, which differs by its version.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub async fn pushes(&self, counter: &str) -> Result<u64> {
        Ok(pushes_in(&self.api.stats().await?, counter))
    }

    /// Waits until such a counter has reached a value.
    ///
    /// # Errors
    /// As [`Workload::wait_for`].
    pub async fn wait_for_pushes(&self, counter: &str, value: u64) -> Result<()> {
        let reached = self.api.wait_for(|stats| pushes_in(stats, counter) >= value).await;
        reached
            .map(drop)
            .map_err(|error| format!("`{counter}`: {error}").into())
    }

    /// A counter; 0 where there is none.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        let stats = self.api.stats().await?;
        Ok(stats.get(name).copied().unwrap_or(0))
    }

    /// How many connections each worker has taken in so far.
    ///
    /// # Errors
    /// When Envoy does not answer, or does not count by worker.
    pub async fn taken(&self) -> Result<[u64; WORKERS]> {
        let stats = self.api.stats().await?;
        let of = |worker: usize| {
            let listener = self.api.inbound().to_string().replace(':', "_");
            let name = format!("listener.{listener}.worker_{worker}.downstream_cx_total");
            stats.get(&name).copied().ok_or_else(|| format!("no `{name}`"))
        };
        Ok([of(0)?, of(1)?])
    }

    /// So many open connections to each worker. Nobody else may connect meanwhile.
    ///
    /// # Errors
    /// When a worker takes too few of many.
    pub async fn connections(&self, each: usize) -> Result<[Vec<Connection>; WORKERS]> {
        let mut connections: [Vec<Connection>; WORKERS] = Default::default();
        for _ in 0..TRIES {
            if connections.iter().all(|of_one| of_one.len() >= each) {
                return Ok(connections);
            }
            let (worker, connection) = self.connect().await?;
            if connections[worker].len() < each {
                connections[worker].push(connection);
            }
        }
        Err(format!("{TRIES} connections, and none to one of the workers").into())
    }

    async fn connect(&self) -> Result<(usize, Connection)> {
        let before = self.taken().await?;
        let mut connection = self.client().connect().await?;
        // Until its first bytes it is with the listener, which has to know whether they are TLS.
        connection.send(&self.caller.get("/which-worker")).await?;
        let deadline = Instant::now() + WAIT;
        loop {
            let now = self.taken().await?;
            if let Some(worker) = (0..WORKERS).find(|worker| now[*worker] > before[*worker]) {
                return Ok((worker, connection));
            }
            if Instant::now() > deadline {
                return Err("a connection that no worker has taken".into());
            }
        }
    }
}

/// A connection to each worker, by which one can see what is in force there.
#[derive(Debug)]
pub struct Probes {
    connections: [Connection; WORKERS],
    caller: Caller,
}

impl Probes {
    /// Nobody else may connect meanwhile.
    ///
    /// # Errors
    /// As [`Site::connections`].
    pub async fn new(site: &Site) -> Result<Self> {
        let [mut first, mut second] = site.connections(1).await?;
        let (Some(first), Some(second)) = (first.pop(), second.pop()) else {
            return Err("no connection to one of the workers".into());
        };
        Ok(Self {
            connections: [first, second],
            caller: site.caller.clone(),
        })
    }

    /// Waits until each worker serves the bundle of this push, and says when it did.
    ///
    /// # Errors
    /// When one does not in time, or answers neither 200 nor 403.
    pub async fn wait_for(&mut self, number: usize) -> Result<[SystemTime; WORKERS]> {
        let request = self.caller.get(&format!("/marker/{number}"));
        let [first, second] = &mut self.connections;
        let seen = tokio::try_join!(until(first, &request), until(second, &request));
        let (first, second) = seen.map_err(|error| format!("push {number} is not in force on a worker: {error}"))?;
        Ok([first, second])
    }
}

async fn until(connection: &mut Connection, request: &Request) -> Result<SystemTime> {
    let deadline = Instant::now() + WAIT;
    loop {
        let answer = connection.send(request).await?;
        if answer.status == 200 {
            return Ok(SystemTime::now());
        }
        if answer.status != 403 || Instant::now() > deadline {
            return Err(format!("answered {} within {WAIT:?}", answer.status).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One of Envoy's counters of what was pushed for this filter, such as `update_success`.
#[must_use]
pub fn pushes_in(stats: &BTreeMap<String, u64>, counter: &str) -> u64 {
    let of_filter = stats.iter().filter(|(name, _)| {
        name.strip_prefix("extension_config_discovery.http_filter.")
            .and_then(|name| name.strip_suffix(counter))
            .is_some_and(|name| name.contains("regionguard") && name.ends_with('.'))
    });
    of_filter.map(|(_, value)| value).sum()
}
