//! Both providers, and for each region a proxy that guards its API by the one bundle of both.

use std::path::PathBuf;
use std::time::Duration;

use regionguard_harness::access_log::Decision;
use regionguard_harness::client::{Client, Request, Response};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::{Envoy, Push};
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::shelf::{Document, Shelf};
use regionguard_harness::tls::{Authority, ClientCertificates, Identity};
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{Result, RunDir, tools};
use regionguard_mesh::idp::keycloak::Keycloak;
use regionguard_mesh::idp::oidc_provider::{OidcProvider, Settings};
use serde_json::{Value, json};

/// The two regions; each is also the name of Keycloak's realm, if it is that.
pub(crate) const US: &str = "us-east-1";
pub(crate) const EU: &str = "eu-west-1";
/// The path of the list of revocations.
pub(crate) const REVOCATIONS: &str = "/revocations";
/// How often proxies ask for keys and lists: as often as they may be told to.
pub(crate) const REFRESH: Duration = Duration::from_secs(10);
/// A client of the OpenID provider that speaks for itself.
pub(crate) const BATCH: (&str, &str) = ("batch", "only-for-one-run");
/// The same, whose tokens are bound to the certificate that it shows.
pub(crate) const BOUND: (&str, &str) = ("bound", "only-for-one-run");
/// The gateway at which browsers log in, as a client of the OpenID provider; what its tokens are for, and how long they live.
pub(crate) const BROWSER: (&str, &str) = ("browser", "only-for-one-run");
pub(crate) const BROWSER_RESOURCE: &str = "https://browsers.api.us-east-1.com";
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(3);
/// What a person of Keycloak's realm asks for tokens with, through its client `shop`.
pub(crate) const PASSWORD: &str = "only for one run";

/// What all tests share.
pub(crate) struct Stage {
    // Dropped in this order: the proxies go first, the folder with all files last.
    pub(crate) us: Site,
    pub(crate) eu: Site,
    pub(crate) openid: OidcProvider,
    pub(crate) keycloak: Keycloak,
    /// Where eu-west-1 pulls its list of revocations from, at [`REVOCATIONS`].
    pub(crate) revocations: Shelf,
    run: RunDir,
    dirs: usize,
    version: u64,
}

/// A proxy of one region, and what stands behind it.
pub(crate) struct Site {
    pub(crate) envoy: Envoy,
    _upstream: Upstream,
    client: Client,
    folder: PolicyFolder,
    authority: Authority,
    region: &'static str,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) answer: Response,
    pub(crate) decision: Decision,
}

impl Stage {
    pub(crate) async fn start() -> Result<Self> {
        let run = RunDir::new("identity-providers")?;
        let realm = Keycloak::realm_file(EU);
        let (keycloak, openid) = tokio::join!(
            Keycloak::start(run.path(), &realm),
            OidcProvider::start(run.path(), settings()),
        );
        let (keycloak, openid) = (keycloak?, openid?);
        let revocations = Shelf::start().await?;
        revocations.put(REVOCATIONS, Document::json(&json!({"sessions": []})));
        let documents = documents(&openid, &keycloak);
        let mut sites = Vec::new();
        for region in [US, EU] {
            let config = around(Config::shipped(Base::Sidecar)?, &openid, &keycloak, &revocations);
            sites.push(Site::start(&run, region, config, &documents).await?);
        }
        let (Some(eu), Some(us)) = (sites.pop(), sites.pop()) else {
            return Err("two sites".into());
        };
        Ok(Self {
            us,
            eu,
            openid,
            keycloak,
            revocations,
            run,
            dirs: 0,
            version: 1,
        })
    }

    /// The bundle of a region's proxy.
    pub(crate) fn bundle(&self, region: &str) -> Value {
        bundle(region, 1, &documents(&self.openid, &self.keycloak))
    }

    /// Gives a region's proxy a new version of its bundle, with these documents in it.
    pub(crate) async fn push(&mut self, region: &str, documents: &[Value]) -> Result<()> {
        self.version += 1;
        let mut bundle = self.bundle(region);
        bundle["metadata"]["version"] = json!(self.version);
        let all = bundle["documents"].as_array_mut().ok_or("no documents")?;
        all.extend_from_slice(documents);
        let site = if region == US { &self.us } else { &self.eu };
        match site.envoy.push(&site.folder, |folder| folder.write(&bundle)).await? {
            Push::Accepted => Ok(()),
            Push::Refused => Err(format!("the bundle is refused:\n{}", site.envoy.log()).into()),
        }
    }

    /// Tells a proxy where the servers are that it asks.
    pub(crate) fn around(&self, config: Config) -> Config {
        around(config, &self.openid, &self.keycloak, &self.revocations)
    }

    /// A folder for what one test writes.
    pub(crate) fn dir(&mut self, name: &str) -> Result<PathBuf> {
        self.dirs += 1;
        let dir = self.run.path().join(format!("{name}-{}", self.dirs));
        std::fs::create_dir(&dir)?;
        Ok(dir)
    }

    /// Leaves the folder of the run where it is.
    pub(crate) fn keep_dir(&self) {
        self.run.keep();
    }
}

impl Site {
    async fn start(run: &RunDir, region: &'static str, config: Config, documents: &Value) -> Result<Self> {
        let folder = PolicyFolder::create(run.path().join(region), tools::wasm_module()?)?;
        folder.write(&bundle(region, 1, documents))?;
        let (upstream, authority) = (Upstream::start().await?, Authority::new()?);
        let config = config
            .policy(&folder)
            .cluster("upstream", upstream.address())
            .tls(&authority, ClientCertificates::Optional)?;
        let envoy = Envoy::start(region, config, run.path()).await?;
        let refused = envoy
            .stat("extension_config_discovery.http_filter.regionguard.config_fail")
            .await?;
        if refused > 0 {
            return Err(format!("{region}: the bundle is refused:\n{}", envoy.log()).into());
        }
        let client = envoy.client().tls(&authority, None)?;
        Ok(Self {
            envoy,
            _upstream: upstream,
            client,
            folder,
            authority,
            region,
        })
    }

    /// A request to the API of this region.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).host(&self.host())
    }

    /// A client of this proxy.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its authority.
    pub(crate) fn host(&self) -> String {
        format!("api.{}.com", self.region)
    }

    /// A client's certificate that this proxy takes: a new one.
    pub(crate) fn certificate(&self) -> Result<Identity> {
        self.authority.workload(&["spiffe://clients.example/batch"])
    }

    /// A client of this proxy that shows this certificate, or none.
    pub(crate) fn client_with(&self, certificate: Option<&Identity>) -> Result<Client> {
        self.envoy.client().tls(&self.authority, certificate)
    }

    /// How often the proxy has asked the providers for something, as its clusters count it.
    pub(crate) async fn fetches(&self) -> Result<u64> {
        let stats = self.envoy.stats().await?;
        let clusters = stats
            .iter()
            .filter(|(name, _)| name.starts_with("cluster.identity-") && name.ends_with(".upstream_rq_completed"));
        Ok(clusters.map(|(_, count)| count).sum())
    }

    /// A GET with this bearer token.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Seen> {
        self.ask(&self.client, path, &self.request("GET", path).bearer(token))
            .await
    }

    /// Sends a request of `path`, and looks at what became of it. No other is sent to this path at the same time.
    pub(crate) async fn ask(&self, client: &Client, path: &str, request: &Request) -> Result<Seen> {
        let log = self.envoy.access_log();
        let lines = || {
            log.entries()
                .into_iter()
                .filter(move |entry| entry.text("path") == path)
        };
        let before = lines().count();
        let answer = client.send(request).await?;
        log.wait_for(|_| lines().count() > before).await?;
        let entry = lines().next_back().ok_or("no line")?;
        let decision = entry.decision().ok_or_else(|| format!("no decision: {entry:?}"))?;
        Ok(Seen { answer, decision })
    }
}

impl Seen {
    /// It was let in.
    pub(crate) fn allowed(&self) -> Result<&Self> {
        self.is(200, "allow", "rule.allowed")
    }

    /// It was answered with this status, for this reason.
    pub(crate) fn denied(&self, status: u16, reason: &str) -> Result<&Self> {
        self.is(status, "deny", reason)
    }

    /// A header that the upstream got.
    pub(crate) fn forwarded(&self, name: &str) -> Result<Option<String>> {
        let echo = self.answer.json()?;
        let headers = echo["headers"].as_array().into_iter().flatten();
        let mut found = headers.filter(|pair| pair[0] == name);
        Ok(found.find_map(|pair| Some(pair[1].as_str()?.to_owned())))
    }

    fn is(&self, status: u16, verdict: &str, reason: &str) -> Result<&Self> {
        let found = (
            self.answer.status,
            self.decision.verdict.as_str(),
            self.decision.reason.as_str(),
        );
        if found == (status, verdict, reason) {
            return Ok(self);
        }
        let answer = self.answer.text();
        Err(format!("not {status} {verdict} {reason}, but {:?}: {answer}", self.decision).into())
    }
}

fn around(config: Config, openid: &OidcProvider, keycloak: &Keycloak, revocations: &Shelf) -> Config {
    config
        .cluster("identity-us-east-1", openid.address())
        .cluster("identity-eu-west-1", keycloak.address())
        .cluster("revocations-eu-west-1", revocations.address())
}

fn settings() -> Settings {
    let service = |id: &str| {
        json!({
            "client_id": id, "client_secret": BATCH.1, "grant_types": ["client_credentials"],
            "redirect_uris": [], "response_types": [],
        })
    };
    let mut bound = service(BOUND.0);
    bound["tls_client_certificate_bound_access_tokens"] = json!(true);
    let browser = json!({
        "client_id": BROWSER.0, "client_secret": BROWSER.1, "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["https://api.us-east-1.com/oauth2/callback"],
        "post_logout_redirect_uris": ["https://api.us-east-1.com/"],
    });
    let resource = |life: Duration| {
        json!({
            "audience": "api.us-east-1.com", "scope": "read:profile write:profile", "accessTokenTTL": life.as_secs(),
            "jwt": {"sign": {"alg": "ES256"}},
        })
    };
    Settings {
        clients: json!([service(BATCH.0), bound, browser]),
        resources: json!({
            "https://api.us-east-1.com": resource(Duration::from_secs(120)), BROWSER_RESOURCE: resource(TOKEN_LIFE),
        }),
        claims: json!({"batch": {"region": US, "roles": ["viewer"]}, "bound": {"region": US}, "alice": {"region": US}}),
    }
}

fn bundle(region: &str, version: u64, documents: &Value) -> Value {
    json!({
        "region": region,
        "metadata": {"name": "shop", "version": version},
        // The listeners validate each certificate that they are shown; they demand none, as these clients show none.
        "trust": {"hosts": [format!("api.{region}.com")], "peerVerification": "required"},
        "documents": documents,
    })
}

fn documents(openid: &OidcProvider, keycloak: &Keycloak) -> Value {
    let refresh = format!("{}s", REFRESH.as_secs());
    let region = |name: &str, spec: Value| json!({"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name}, "spec": spec});
    json!([
        region(US, json!({
            "issuer": openid.issuer(),
            "audiences": ["api.us-east-1.com"],
            "keys": {"discovery": {"cluster": "identity-us-east-1", "refresh": refresh}},
            "claims": {"region": "region", "permissions": "scope", "roles": "roles"},
            "accepts": [{"home": EU, "roles": ["viewer"]}],
        })),
        region(EU, json!({
            "issuer": keycloak.issuer(EU),
            "audiences": ["api.eu-west-1.com"],
            "keys": {"remote": {
                "cluster": "identity-eu-west-1", "authority": keycloak.authority(),
                "path": format!("/realms/{EU}/protocol/openid-connect/certs"), "refresh": refresh,
            }},
            "claims": {"region": {"fromIssuer": true}, "permissions": "scope", "roles": "realm_access.roles"},
            "revocation": {"list": {"cluster": "revocations-eu-west-1", "path": REVOCATIONS, "refresh": refresh}},
        })),
        {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": {
            "forward": {"claims": {"x-user": "sub", "x-token-id": "jti"}},
            "rules": [
                {"name": "read-profile", "methods": ["GET", "POST"], "paths": ["/v1/profiles/{id}"],
                 "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
                {"name": "view", "methods": ["GET"], "paths": ["/v1/reports/{id}"], "roles": {"anyOf": ["viewer"]}, "effect": "allow"},
                {"name": "edit", "methods": ["GET"], "paths": ["/v1/drafts/{id}"], "roles": {"anyOf": ["editor"]}, "effect": "allow"},
            ],
        }},
    ])
}
