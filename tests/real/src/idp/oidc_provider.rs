//! npm's oidc-provider: an OpenID provider whose clients, resources and keys a run chooses.
//!
//! It speaks HTTP, at its issuer's address, and HTTPS, where clients may show a certificate that their tokens are bound to
//! (RFC 8705). Its logins are its own development pages: any name and password will do.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use regionguard_harness::client::Client;
use regionguard_harness::tls::{Authority, Identity};
use regionguard_harness::tools;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Tokens, basic, document, form};
use crate::certs::key_pair;
use crate::error::Context as _;
use crate::process::Process;
use crate::{Result, places, plane};

const READY: Duration = Duration::from_secs(40);

/// What a provider is started with, in the terms of its own configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `clients`: their metadata (RFC 7591).
    pub clients: Value,
    /// What access tokens are for, by resource indicator (RFC 8707): `audience`, `scope`, `accessTokenTTL` in seconds. The first
    /// one is meant where a client names none.
    pub resources: Value,
    /// More claims of access tokens, by subject.
    pub claims: Value,
}

/// A running provider; it ends when the value is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    port: u16,
    tls_port: u16,
    certificates: Authority,
    configuration: PathBuf,
    settings: Value,
    keys: Vec<(String, String)>,
    process: Option<Process>,
}

impl OidcProvider {
    /// Starts one, with its files in `dir`, and with one key, `first`.
    ///
    /// # Errors
    /// When it is not installed, or does not get ready.
    pub async fn start(dir: &Path, settings: Settings) -> Result<Self> {
        let (port, tls_port) = (places::port()?, places::port()?);
        let certificates = Authority::new()?;
        let server = certificates.server()?;
        let settings = json!({
            "library": plane::tools().join("oidc-provider"),
            "issuer": format!("http://127.0.0.1:{port}"),
            "port": port,
            "tls": {"port": tls_port, "key": server.key, "cert": server.certificate},
            "clients": settings.clients,
            "resources": settings.resources,
            "claims": settings.claims,
            "ttl": {},
            "rotateRefreshToken": true,
        });
        let mut provider = Self {
            port,
            tls_port,
            certificates,
            configuration: dir.join("oidc-provider.json"),
            settings,
            keys: Vec::new(),
            process: None,
        };
        provider.publish(&["first"])?;
        provider.run().await?;
        Ok(provider)
    }

    /// Its name in tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// Where it listens for HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its address as requests name it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address().to_string()
    }

    /// A client of its HTTP.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// Where it listens for HTTPS, as `localhost`.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.tls_port))
    }

    /// A client of its HTTPS that shows this certificate, or none.
    ///
    /// # Errors
    /// When the certificate and its key do not fit.
    pub fn tls_client(&self, certificate: Option<&Identity>) -> Result<Client> {
        Client::new(self.tls_address()).tls(&self.certificates, certificate)
    }

    /// The authority that vouches for its certificate, in PEM.
    #[must_use]
    pub fn authorities(&self) -> &str {
        self.certificates.pem()
    }

    /// Its key set, as it publishes it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn jwks(&self) -> Result<Value> {
        document(&self.client(), &self.authority(), "/jwks").await
    }

    /// Asks for tokens, as a client with a secret.
    ///
    /// # Errors
    /// When none are handed out.
    pub async fn tokens(&self, client: (&str, &str), fields: &[(&str, &str)]) -> Result<Tokens> {
        let request = form(&self.authority(), "/token", fields).header("authorization", basic(client.0, client.1));
        Tokens::ask(&self.client(), &request).await
    }

    /// Asks for tokens with a DPoP proof (RFC 9449, section 5) for `POST` to [`token_url`](Self::token_url).
    ///
    /// # Errors
    /// When none are handed out.
    pub async fn tokens_by_proof(&self, client: (&str, &str), fields: &[(&str, &str)], proof: &str) -> Result<Tokens> {
        let request = form(&self.authority(), "/token", fields).header("authorization", basic(client.0, client.1));
        Tokens::ask(&self.client(), &request.header("dpop", proof)).await
    }

    /// The address of the token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.issuer())
    }

    /// Asks for tokens over TLS, where the client shows this certificate.
    ///
    /// # Errors
    /// When none are handed out.
    pub async fn tokens_by_certificate(
        &self,
        client: (&str, &str),
        fields: &[(&str, &str)],
        certificate: &Identity,
    ) -> Result<Tokens> {
        let host = self.tls_address().to_string();
        let request = form(&host, "/token", fields).header("authorization", basic(client.0, client.1));
        Tokens::ask(&self.tls_client(Some(certificate))?, &request).await
    }

    /// From now on these keys are published, of which the first signs. A name that was there before is the same key as before.
    ///
    /// # Errors
    /// When it does not take them.
    pub async fn turn(&mut self, kids: &[&str]) -> Result<()> {
        self.publish(kids)?;
        let (client, authority) = (self.client(), self.authority());
        let process = self.process.as_mut().ok_or("the provider is stopped")?;
        let pid = process.pid().try_into().ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("no process id")?, Signal::HUP)?;
        process
            .wait_until(READY, async || {
                let jwks = document(&client, &authority, "/jwks").await.ok()?;
                let published = jwks["keys"].as_array()?.iter().map(|key| key["kid"].as_str());
                published.eq(kids.iter().map(|kid| Some(*kid))).then_some(())
            })
            .await
    }

    /// Ends it: it is away until [`resume`](Self::resume).
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again, at the same address and with the same keys.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn resume(&mut self) -> Result<()> {
        self.run().await
    }

    /// Writes the configuration with these keys.
    fn publish(&mut self, kids: &[&str]) -> Result<()> {
        for kid in kids {
            if !self.keys.iter().any(|(name, _)| name == kid) {
                self.keys.push(((*kid).to_owned(), key_pair()?.0));
            }
        }
        let pem = |kid: &str| self.keys.iter().find(|(name, _)| name == kid).map(|(_, pem)| pem);
        self.settings["keys"] = kids.iter().map(|kid| json!({"kid": kid, "pem": pem(kid)})).collect();
        plane::write(&self.configuration, self.settings.to_string())
    }

    async fn run(&mut self) -> Result<()> {
        let dir = self.configuration.parent().ok_or("no folder")?;
        let library = plane::tools().join("oidc-provider/node_modules/oidc-provider");
        if !library.is_dir() {
            return Err(format!("no `{}`: run `make setup-real`, which installs it", library.display()).into());
        }
        let script = tools::workspace_root().join("tests/real/tools/oidc-provider/server.mjs");
        let mut command = plane::command(&tools::tools_dir().join("bin/node"), dir);
        command.arg(script).arg(&self.configuration);
        let mut process = Process::start("oidc-provider", command, &dir.join("oidc-provider.log"))?;
        let (client, authority) = (self.client(), self.authority());
        process
            .wait_until(READY, async || document(&client, &authority, "/jwks").await.ok())
            .await
            .context(|| "no identity provider".to_owned())?;
        self.process = Some(process);
        Ok(())
    }
}
