//! Keycloak, with realms that it imports from files, and the part of its admin API that the tests need.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Client, Request, Response};
use regionguard_harness::tools;
use serde_json::{Value, json};

use super::{Tokens, document, expect, form};
use crate::error::Context as _;
use crate::process::Process;
use crate::{Result, places, plane};

/// It makes a database of some hundred tables first, on a machine that may be busy.
const READY: Duration = Duration::from_secs(150);
/// A first answer of a kind loads its classes.
const ANSWER: Duration = Duration::from_secs(60);
const ADMINISTRATOR: &str = "admin";
const PASSWORD: &str = "only for one run";

/// The type of its components that hold keys.
const KEYS: &str = "org.keycloak.keys.KeyProvider";

/// A running Keycloak; it ends when the value is dropped.
#[derive(Debug)]
pub struct Keycloak {
    port: u16,
    _process: Process,
}

impl Keycloak {
    /// Starts it, with its files in the folder `keycloak` of `dir` and its database in memory, and with the realm of this file,
    /// whose name is the realm's.
    ///
    /// # Errors
    /// When it is not installed, or does not get ready.
    pub async fn start(dir: &Path, realm: &Path) -> Result<Self> {
        let installed = plane::tools().join("keycloak");
        if !installed.join("lib/quarkus-run.jar").is_file() {
            return Err(format!("no `{}`: run `make setup-real`, which installs it", installed.display()).into());
        }
        // A home of its own, of links to what is installed: what it writes goes into `data`.
        let (home, port) = (dir.join("keycloak"), places::port()?);
        let import = home.join("data/import");
        std::fs::create_dir_all(&import).context(|| format!("cannot make `{}`", import.display()))?;
        for part in ["lib", "conf", "providers", "themes"] {
            std::os::unix::fs::symlink(installed.join(part), home.join(part))?;
        }
        let name = realm
            .file_stem()
            .and_then(|name| name.to_str())
            .ok_or("a realm without a name")?;
        std::fs::copy(realm, import.join(format!("{name}.json"))).context(|| format!("no `{}`", realm.display()))?;
        let mut command = plane::command(Path::new("java"), &home);
        if let Some(java) = std::env::var_os("JAVA_HOME") {
            command.env("JAVA_HOME", java);
        }
        command
            .envs([
                ("KC_BOOTSTRAP_ADMIN_USERNAME", ADMINISTRATOR),
                ("KC_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD),
                // Alone: it looks for no others, and listens for none.
                ("KC_CACHE", "local"),
            ])
            // It lives for a minute: a small heap, and no time spent on optimising.
            .args([
                "-Xms64m",
                "-Xmx384m",
                "-XX:MaxMetaspaceSize=256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
            ])
            .arg("-Djava.util.logging.manager=org.jboss.logmanager.LogManager")
            .arg(format!("-Dkc.home.dir={}", home.display()))
            .arg(format!("-Djboss.server.config.dir={}", home.join("conf").display()))
            .args(["-jar", "lib/quarkus-run.jar", "start", "--optimized", "--import-realm"])
            .args([
                "--hostname-strict=false",
                "--http-enabled=true",
                "--http-host=127.0.0.1",
            ])
            .arg(format!("--http-port={port}"));
        let mut process = Process::start("keycloak", command, &dir.join("keycloak.log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let path = format!("/realms/{name}/.well-known/openid-configuration");
        process
            .wait_until(READY, async || {
                let answer = document(&Client::new(address), &address.to_string(), &path).await;
                answer.ok()
            })
            .await?;
        Ok(Self {
            port,
            _process: process,
        })
    }

    /// The file of a realm that comes with the tests.
    #[must_use]
    pub fn realm_file(name: &str) -> std::path::PathBuf {
        tools::workspace_root().join(format!("tests/real/realms/{name}.json"))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its address as requests name it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address().to_string()
    }

    /// The name of a realm in tokens.
    #[must_use]
    pub fn issuer(&self, realm: &str) -> String {
        format!("http://{}/realms/{realm}", self.authority())
    }

    /// The address of a realm's token endpoint.
    #[must_use]
    pub fn token_url(&self, realm: &str) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer(realm))
    }

    /// A realm's key set, as it publishes it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn jwks(&self, realm: &str) -> Result<Value> {
        let path = format!("/realms/{realm}/protocol/openid-connect/certs");
        document(&self.client(), &self.authority(), &path).await
    }

    /// Asks a realm for tokens.
    ///
    /// # Errors
    /// When none are handed out.
    pub async fn tokens(&self, realm: &str, fields: &[(&str, &str)]) -> Result<Tokens> {
        Tokens::ask(&self.client(), &self.endpoint(realm, "token", fields)).await
    }

    /// Asks a realm for tokens with a DPoP proof (RFC 9449, section 5) for `POST` to [`token_url`](Self::token_url).
    ///
    /// # Errors
    /// When none are handed out.
    pub async fn tokens_by_proof(&self, realm: &str, fields: &[(&str, &str)], proof: &str) -> Result<Tokens> {
        let request = self.endpoint(realm, "token", fields).header("dpop", proof);
        Tokens::ask(&self.client(), &request).await
    }

    /// Ends the session that a refresh token belongs to, as a client does when its user logs out.
    ///
    /// # Errors
    /// When it is not ended.
    pub async fn log_out(&self, realm: &str, client: &str, refresh_token: &str) -> Result<()> {
        let fields = [("client_id", client), ("refresh_token", refresh_token)];
        let answer = self.client().send(&self.endpoint(realm, "logout", &fields)).await?;
        expect(answer, 204, "logout").map(drop)
    }

    /// Gives a realm a new key for RS256 that signs from now on; the ones before are published still. Gives its `kid`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn add_key(&self, realm: &str) -> Result<String> {
        let before = self.signing_keys(realm).await?;
        let id = self.admin("GET", &format!("/{realm}"), None, 200).await?.json()?["id"].clone();
        let component = json!({
            "name": format!("rsa-{}", before.len()), "parentId": id, "providerType": KEYS, "providerId": "rsa-generated",
            "config": {
                "priority": [(200 + before.len()).to_string()], "enabled": ["true"], "active": ["true"],
                "keySize": ["2048"], "algorithm": ["RS256"],
            },
        });
        self.admin("POST", &format!("/{realm}/components"), Some(&component), 201)
            .await?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let now = self.signing_keys(realm).await?;
            if let Some(new) = now.into_iter().find(|kid| !before.contains(kid)) {
                return Ok(new);
            }
            if Instant::now() > deadline {
                return Err("the new key is not published".into());
            }
        }
    }

    /// Takes all keys for RS256 out of use and out of the key set but this one.
    ///
    /// # Errors
    /// When one cannot be disabled.
    pub async fn keep_only(&self, realm: &str, kid: &str) -> Result<()> {
        let keys = self.admin("GET", &format!("/{realm}/keys"), None, 200).await?.json()?;
        for key in keys["keys"].as_array().into_iter().flatten() {
            if key["algorithm"] != "RS256" || key["status"] == "DISABLED" || key["kid"] == kid {
                continue;
            }
            let path = format!("/{realm}/components/{}", key["providerId"].as_str().unwrap_or_default());
            let mut component = self.admin("GET", &path, None, 200).await?.json()?;
            component["config"]["enabled"] = json!(["false"]);
            self.admin("PUT", &path, Some(&component), 204).await?;
        }
        Ok(())
    }

    /// The ids of the keys in a realm's key set that sign.
    async fn signing_keys(&self, realm: &str) -> Result<Vec<String>> {
        let jwks = self.jwks(realm).await?;
        let keys = jwks["keys"].as_array().into_iter().flatten();
        let signing = keys.filter(|key| key["use"] == "sig");
        Ok(signing
            .filter_map(|key| Some(key["kid"].as_str()?.to_owned()))
            .collect())
    }

    fn client(&self) -> Client {
        Client::new(self.address()).timeout(ANSWER)
    }

    fn endpoint(&self, realm: &str, name: &str, fields: &[(&str, &str)]) -> Request {
        let path = format!("/realms/{realm}/protocol/openid-connect/{name}");
        form(&self.authority(), &path, fields)
    }

    /// Asks the admin API, below `/admin/realms`.
    async fn admin(&self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Result<Response> {
        let fields = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", ADMINISTRATOR),
            ("password", PASSWORD),
        ];
        let tokens = self.tokens("master", &fields).await?;
        let path = format!("/admin/realms{path}");
        let mut request = Request::new(method, &path)
            .host(&self.authority())
            .bearer(tokens.access());
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        expect(self.client().send(&request).await?, status, &path)
    }
}
