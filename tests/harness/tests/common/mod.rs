//! What the scenarios share: one proxy with all that stands around it, requests one after the other, and all that can be seen
//! of each of them.
#![allow(dead_code, reason = "each scenario file takes what it needs")]

use std::time::{Duration, Instant};

use regionguard_harness::access_log::{Decision, Entry};
use regionguard_harness::client::{Client, Request, Response};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::issuer::{Alg, Issuer, Kind};
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{RunDir, tools};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The issuer of all three regions.
pub const ISSUER: &str = "identity.global.com";
/// The authority that is served, and the audience of the local region, us-east-1.
pub const HOST: &str = "api.us-east-1.com";
/// Addresses of the regions' networks, and one of none.
pub const US: &str = "127.0.1.1";
pub const EU: &str = "127.0.2.1";
pub const AP: &str = "127.0.3.1";
pub const NOWHERE: &str = "127.0.0.1";
/// Envoy's counters of pushes.
pub const DISCOVERY: &str = "extension_config_discovery.http_filter.regionguard";

/// Where decisions of the local region's center are said to come from.
pub const CENTER: &str = "center:us-east-1";

/// Who signs the tokens of each region.
#[derive(Debug)]
pub struct Issuers {
    pub us: Issuer,
    pub eu: Issuer,
    pub ap: Issuer,
}

impl Issuers {
    /// One key for each region: an RSA key takes its time, and few scenarios are about keys.
    pub fn new() -> Self {
        let issuer = |region: &str| {
            Issuer::without_keys(ISSUER, region)
                .with_key(&format!("{region}-p256"), Kind::P256)
                .unwrap()
        };
        Self {
            us: issuer("us-east-1"),
            eu: issuer("eu-west-1"),
            ap: issuer("ap-southeast-1"),
        }
    }

    /// The Region documents: us-east-1 takes `read:*` and the role `viewer` of eu-west-1, and nothing of ap-southeast-1.
    pub fn regions(&self) -> Vec<Value> {
        let mut us = region(&self.us, "127.0.1.0/24");
        us["spec"]["accepts"] = json!([{"home": "eu-west-1", "permissions": ["read:*"], "roles": ["viewer"]}]);
        vec![us, region(&self.eu, "127.0.2.0/24"), region(&self.ap, "127.0.3.0/24")]
    }
}

/// A Region with this issuer's keys, a center `center-REGION`, and one network.
pub fn region(issuer: &Issuer, network: &str) -> Value {
    let name = issuer.region();
    json!({
        "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name},
        "spec": {
            "issuer": ISSUER,
            "audiences": [format!("api.{name}.com")],
            "keys": {"jwks": issuer.jwks()},
            "center": {"cluster": format!("center-{name}"), "timeout": "5s"},
            "networks": [network],
            "maxTokenLifetime": "24h",
        },
    })
}

/// A ZeroTrustPolicy.
pub fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": name}, "spec": spec})
}

/// The bundle `shop` of us-east-1.
pub fn bundle(version: u64, regions: &[Value], policies: &[Value]) -> Value {
    let documents = [regions, policies].concat();
    json!({
        "region": "us-east-1",
        "metadata": {"name": "shop", "version": version},
        "trust": {"hosts": [HOST]},
        "documents": documents,
    })
}

/// The policy `center`, with a rule for each way of deferring: `/RULE/{id}`.
pub fn deferring() -> Value {
    let rule = |name: &str, defer: Value| json!({"name": name, "paths": [format!("/{name}/{{id}}")], "effect": "defer", "defer": defer});
    let mut demanding = rule("demanding", json!({"onUnavailable": "deny"}));
    demanding["permissions"] = json!({"anyOf": ["read:profile"]});
    let mut public = rule("public", json!({"onUnavailable": "deny"}));
    public["identity"] = json!("none");
    let mut grpc = rule("grpc", json!({"onUnavailable": "deny"}));
    grpc["paths"] = json!(["/shop.Orders/*"]);
    policy(
        "center",
        json!({
            "forward": {"token": "strip", "claims": {"x-user": "sub"}},
            "rules": [
                rule("strict", json!({"cache": "30s", "onUnavailable": "deny"})),
                rule("lenient", json!({"cache": "30s", "onUnavailable": "allow"})),
                rule("plain", json!({"claims": ["department", "absent"]})),
                rule("cached", json!({"cache": "2s"})),
                rule("telling", json!({"reasonUser": "pass"})),
                demanding,
                public,
                grpc,
                {"name": "closed", "paths": ["/plain/closed"], "effect": "deny"},
            ],
        }),
    )
}

/// The claims of a token that us-east-1 takes for its own audience, with these global permissions.
pub fn claims(issuer: &Issuer, sub: &str, permissions: &[&str]) -> Value {
    let mut claims = issuer.claims(sub);
    claims["aud"] = json!([HOST, "api.eu-west-1.com"]);
    claims["permissions"]["global"] = json!(permissions);
    claims
}

/// A token with these claims, signed by the issuer's P-256 key.
pub fn sign(issuer: &Issuer, claims: &Value) -> String {
    issuer
        .mint(Alg::Es256, issuer.kid(Alg::Es256).unwrap(), claims)
        .unwrap()
}

/// An ordinary token.
pub fn token(issuer: &Issuer, sub: &str, permissions: &[&str]) -> String {
    sign(issuer, &claims(issuer, sub, permissions))
}

/// A GET of `path` at the served authority.
pub fn get(path: &str) -> Request {
    Request::new("GET", path).host(HOST)
}

/// A sidecar whose center decides by [`deferring`].
pub async fn deferring_site(name: &str, issuers: &Issuers) -> Site {
    Site::start(name, &bundle(41, &issuers.regions(), &[deferring()])).await
}

/// A proxy whose center is the one that ships as an example.
pub async fn regional_site(name: &str, issuers: &Issuers) -> (JoinHandle<()>, Site) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let center = regional_center::Center::embedded("us-east-1").unwrap().quiet();
    let served = tokio::spawn(async move {
        regional_center::serve(listener, center, std::future::pending())
            .await
            .unwrap();
    });
    let policy = policy(
        "regimes",
        json!({"rules": [
            {"name": "profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"], "effect": "defer",
             "defer": {"reasonUser": "pass"}},
            {"name": "approve", "methods": ["POST"], "paths": ["/v1/postings/{id}/approve"], "effect": "defer",
             "defer": {"cache": "30s", "reasonUser": "pass"}},
        ]}),
    );
    let bundle = bundle(41, &issuers.regions(), &[policy]);
    let site = Site::start_with(name, Base::Sidecar, &bundle, |config| {
        config.cluster("center-us-east-1", address)
    })
    .await;
    (served, site)
}

/// A proxy of us-east-1 with its upstream, its center (which allows everything until told otherwise) and its policy folder.
#[derive(Debug)]
pub struct Site {
    // Dropped in this order: the proxy goes first, the folder with its files last.
    pub envoy: Envoy,
    pub upstream: Upstream,
    pub center: FaultServer,
    pub folder: PolicyFolder,
    pub run: RunDir,
}

impl Site {
    /// A sidecar with this bundle.
    pub async fn start(name: &str, bundle: &Value) -> Self {
        Self::start_with(name, Base::Sidecar, bundle, |config| config).await
    }

    /// A proxy with this bundle, its bootstrap changed by `edit` at the end.
    pub async fn start_with(name: &str, base: Base, bundle: &Value, edit: impl FnOnce(Config) -> Config) -> Self {
        let module = tools::wasm_module().unwrap();
        let run = RunDir::new(name).unwrap();
        let folder = PolicyFolder::create(run.path().join("policy"), module).unwrap();
        folder.write(bundle).unwrap();
        let site = Self::start_in(run, folder, name, base, edit).await;
        let refused = site.envoy.stat(&format!("{DISCOVERY}.config_fail")).await.unwrap();
        assert_eq!(refused, 0, "the bundle is refused:\n{}", site.module_log().join("\n"));
        site
    }

    /// A proxy whose policy folder is there already.
    pub async fn start_in(
        run: RunDir,
        folder: PolicyFolder,
        name: &str,
        base: Base,
        edit: impl FnOnce(Config) -> Config,
    ) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let center = FaultServer::start(Behaviour::decide(true)).await.unwrap();
        let config = Config::shipped(base)
            .unwrap()
            .policy(&folder)
            .cluster("upstream", upstream.address())
            .cluster("center-us-east-1", center.address())
            .edit(patient);
        let envoy = Envoy::start(name, edit(config), run.path()).await.unwrap();
        Self {
            envoy,
            upstream,
            center,
            folder,
            run,
        }
    }

    /// A client that connects from this address.
    pub fn client(&self, source: &str) -> Client {
        self.envoy.client().from(source.parse().unwrap())
    }

    /// Sends a request from us-east-1 and looks at all that became of it. One at a time.
    pub async fn ask(&self, request: Request) -> Seen {
        self.ask_from(US, request).await
    }

    /// Sends a request from this address and looks at all that became of it. One at a time.
    pub async fn ask_from(&self, source: &str, request: Request) -> Seen {
        let client = self.client(source);
        self.observe(async { client.send(&request).await.unwrap() }).await
    }

    /// Looks at all that becomes of the one request that `sending` sends.
    pub async fn observe(&self, sending: impl Future<Output = Response>) -> Seen {
        let (lines, calls) = (self.envoy.access_log().entries().len(), self.center.count());
        let reached = self.upstream.seen().len();
        let answer = sending.await;
        let entry = self.envoy.access_log().after(lines).await.unwrap();
        Seen {
            answer,
            entry,
            upstream: self.upstream.seen().split_off(reached),
            asked: self.center.count() - calls,
        }
    }

    /// The lines of the access log once so many requests are done: exactly as many as these.
    pub async fn lines(&self, count: usize) -> Vec<Entry> {
        let log = self.envoy.access_log();
        let began = Instant::now();
        // Lines are written a little after their requests are answered.
        while log.entries().len() < count && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let lines = log.entries();
        assert_eq!(lines.len(), count, "one line for each request");
        lines
    }

    /// What the filter has logged so far.
    pub fn module_log(&self) -> Vec<String> {
        let log = self.envoy.log();
        log.lines()
            .filter_map(|line| Some(line.split_once("wasm log ")?.1.to_owned()))
            .collect()
    }

    /// One of the filter's own counters, after it has been flushed.
    pub async fn counter(&self, name: &str) -> u64 {
        // Counters are summed in the module and handed over once a second.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        self.envoy
            .stat(&format!("wasmcustom.regionguard.{name}"))
            .await
            .unwrap()
    }
}

/// Gives connections the time that a busy machine may take for them: what ships gives a center a quarter of a second.
fn patient(bootstrap: &mut Value) {
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        cluster["connect_timeout"] = json!("5s");
    }
}

/// One request, seen from everywhere.
pub struct Seen {
    /// What the client got.
    pub answer: Response,
    /// The line in the access log.
    pub entry: Entry,
    /// What the upstream got: nothing, or one request.
    pub upstream: Vec<Value>,
    /// How often the center was asked.
    pub asked: usize,
}

impl Seen {
    /// The decision line.
    #[track_caller]
    pub fn decision(&self) -> Decision {
        self.entry
            .decision()
            .unwrap_or_else(|| panic!("no decision: {self:#?}"))
    }

    /// It was let in, for this reason and decided there, and the upstream saw it once.
    #[track_caller]
    pub fn allowed(&self, reason: &str, by: &str) -> &Self {
        let decision = self.decision();
        let found = (
            self.answer.status,
            self.entry.status(),
            decision.verdict.as_str(),
            decision.reason.as_str(),
            decision.by.as_str(),
            self.upstream.len(),
        );
        assert_eq!(found, (200, 200, "allow", reason, by, 1), "{self:#?}");
        self
    }

    /// It was answered with this status, for this reason and decided there, and the upstream saw nothing of it.
    #[track_caller]
    pub fn denied(&self, status: u16, reason: &str, by: &str) -> &Self {
        let decision = self.decision();
        let found = (
            self.answer.status,
            self.entry.status(),
            decision.verdict.as_str(),
            decision.reason.as_str(),
            decision.by.as_str(),
            self.upstream.len(),
        );
        assert_eq!(found, (status, status, "deny", reason, by, 0), "{self:#?}");
        assert_eq!(self.entry.text("details"), format!("regionguard.{reason}"), "{self:#?}");
        self
    }

    /// The values of the header `name` (lower case) that the upstream got.
    #[track_caller]
    pub fn forwarded(&self, name: &str) -> Vec<String> {
        let request = self.upstream.first().unwrap_or_else(|| panic!("no request: {self:#?}"));
        let headers = request["headers"].as_array().unwrap().iter();
        headers
            .filter(|pair| pair[0] == name)
            .map(|pair| pair[1].as_str().unwrap().to_owned())
            .collect()
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Response {
            status,
            headers,
            body,
            elapsed,
            ..
        } = &self.answer;
        writeln!(
            f,
            "answer {status} after {elapsed:?}: {}",
            String::from_utf8_lossy(body)
        )?;
        for (name, value) in headers {
            writeln!(f, "  {name}: {}", String::from_utf8_lossy(value))?;
        }
        writeln!(f, "access log {}", self.entry.0)?;
        writeln!(f, "upstream {:?}, center asked {} times", self.upstream, self.asked)
    }
}
