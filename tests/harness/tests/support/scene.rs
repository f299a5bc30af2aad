//! One Envoy with the shipped sidecar bootstrap, two upstreams behind it, and what each request became.
#![allow(dead_code, reason = "each file of tests takes what it needs")]

use regionguard_harness::RunDir;
use regionguard_harness::access_log::Entry;
use regionguard_harness::client::{Protocol, Request, Response};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::issuer::{Alg, Issuer, Kind};
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::raw::exchange;
use regionguard_harness::tools::wasm_module;
use regionguard_harness::upstream::Upstream;
use serde_json::{Value, json};

/// The cluster that only the paths below `/second/` are routed to.
pub const SECOND: &str = "second";

/// Everything of one run; it all ends when this is dropped.
pub struct Scene {
    pub issuer: Issuer,
    pub upstream: Upstream,
    /// Behind the route for `/second/`.
    pub second: Upstream,
    pub folder: PolicyFolder,
    pub envoy: Envoy,
    _run: RunDir,
}

/// What became of one request.
#[derive(Debug)]
pub struct Outcome {
    /// The answer; an error where the connection was closed without one.
    pub response: Result<Response, String>,
    /// Its line in the access log.
    pub entry: Entry,
    /// How many requests reached an upstream meanwhile.
    pub reached: u64,
}

impl Outcome {
    /// The reason code of the decision line; `-` where the filter has not set one.
    pub fn reason(&self) -> String {
        self.entry
            .decision()
            .map_or_else(|| "-".to_owned(), |decision| decision.reason)
    }

    /// Status, reason, and how often an upstream was reached.
    pub fn summary(&self) -> (u16, String, u64) {
        (self.entry.status(), self.reason(), self.reached)
    }

    pub fn response(&self) -> &Response {
        self.response.as_ref().expect("a response")
    }
}

/// The issuer of all tokens: keys that are quick to make.
pub fn issuer() -> Issuer {
    let issuer = Issuer::without_keys("identity.global.com", "us-east-1");
    issuer.with_key("p256", Kind::P256).expect("a key")
}

/// A bundle of one Region, whose issuer this is, and these policies.
pub fn bundle(issuer: &Issuer, trust: &Value, policies: &[(&str, Value)]) -> Value {
    let region = json!({
        "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"},
        "spec": {
            "issuer": "identity.global.com", "audiences": ["api.us-east-1.com"], "keys": {"jwks": issuer.jwks()},
            "center": {"cluster": "center-us-east-1", "authority": "center.us-east-1.internal", "protocol": "authzen"},
        },
    });
    let policies = policies.iter().map(|(name, spec)| {
        json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": name}, "spec": spec})
    });
    let documents: Vec<_> = std::iter::once(region).chain(policies).collect();
    json!({"region": "us-east-1", "metadata": {"name": "shop", "version": 1}, "trust": trust, "documents": documents})
}

impl Scene {
    /// Starts it with a bundle, and the bootstrap as `change` makes it.
    pub async fn start(
        name: &str,
        bundle: impl FnOnce(&Issuer) -> Value,
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let run = RunDir::new(name).expect("a folder");
        let issuer = issuer();
        let upstream = Upstream::start().await.expect("an upstream");
        let second = Upstream::start().await.expect("an upstream");
        let module = wasm_module().expect("the module");
        let folder = PolicyFolder::create(run.path().join("policy"), module).expect("a folder");
        folder.write(&bundle(&issuer)).expect("a policy");
        let config = Config::shipped(Base::Sidecar).expect("the bootstrap").policy(&folder);
        let config = config
            .cluster("upstream", upstream.address())
            .cluster(SECOND, second.address());
        let config = change(config.edit_http(second_route));
        let envoy = Envoy::start("envoy", config, run.path()).await.expect("Envoy");
        Self {
            issuer,
            upstream,
            second,
            folder,
            envoy,
            _run: run,
        }
    }

    /// A token of `sub` with these global permissions.
    pub fn token(&self, sub: &str, permissions: &[&str]) -> String {
        let mut claims = self.issuer.claims(sub);
        claims["permissions"]["global"] = json!(permissions);
        self.issuer.mint(Alg::Es256, "p256", &claims).expect("a token")
    }

    /// Sends exactly these bytes.
    pub async fn bytes(&self, bytes: &[u8]) -> Outcome {
        let address = self.envoy.address();
        self.watch(async { exchange(address, None, bytes).await }).await
    }

    /// Sends a request over this protocol.
    pub async fn send(&self, protocol: Protocol, request: &Request) -> Outcome {
        let client = self.envoy.client().over(protocol);
        self.watch(async { client.send(request).await }).await
    }

    /// What becomes of the one request that `exchange` sends.
    pub async fn watch(&self, exchange: impl Future<Output = regionguard_harness::Result<Response>>) -> Outcome {
        let log = self.envoy.access_log();
        let (lines, reached) = (log.entries().len(), self.reached());
        let response = exchange.await.map_err(|error| error.to_string());
        let entry = log
            .after(lines)
            .await
            .unwrap_or_else(|error| panic!("{error}; the answer: {response:?}"));
        Outcome {
            response,
            entry,
            reached: self.reached() - reached,
        }
    }

    /// Fails where the module has trapped, or was loaded anew.
    pub async fn assert_never_trapped(&self) {
        let stats = self.envoy.stats().await.expect("the admin interface");
        let reloads: Vec<_> = stats
            .iter()
            .filter(|(name, value)| name.contains("vm_reload") && **value > 0)
            .collect();
        assert!(reloads.is_empty(), "{reloads:?}");
        let log = self.envoy.log();
        let bad = ["Function", "unreachable", "panicked", "Wasm VM failed", "wasm trap"];
        let lines: Vec<_> = log
            .lines()
            .filter(|line| bad.iter().any(|word| line.contains(word)))
            .collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }

    fn reached(&self) -> u64 {
        self.upstream.count() + self.second.count()
    }
}

fn second_route(http: &mut Value) {
    let routes = http
        .pointer_mut("/route_config/virtual_hosts/0/routes")
        .and_then(Value::as_array_mut);
    routes.expect("routes").insert(
        0,
        json!({"match": {"prefix": "/second/"}, "route": {"cluster": SECOND}}),
    );
}
