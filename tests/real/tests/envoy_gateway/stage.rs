//! The control plane, a Gateway with its Envoy, and what is around them.

use std::time::{Duration, Instant};

use regionguard_harness::Result;
use regionguard_harness::client::{Client, Request};
use regionguard_harness::issuer::{Alg, Issuer};
use regionguard_harness::upstream::Upstream;
use regionguard_mesh::gateway::{EnvoyGateway, Proxy};
use regionguard_mesh::places;
use regionguard_mesh::registry::{Image, Registry};
use serde_json::{Value, json};

use crate::manifests::{self, API, NAMESPACE};

const HOST: &str = "api.us-east-1.com";
/// The tag of the image in the policy.
pub(crate) const TAG: &str = "dev";
/// Another tag of the same image.
pub(crate) const OTHER_TAG: &str = "again";
/// Long enough for a busy machine: an Envoy compiles the module for each of its workers.
const WAIT: Duration = Duration::from_secs(60);

/// What all tests share.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) gateway: EnvoyGateway,
    pub(crate) registry: Registry,
    /// What the policy names by the tag [`TAG`].
    pub(crate) image: Image,
    pub(crate) upstream: Upstream,
    issuer: Issuer,
    pub(crate) port: u16,
    /// All that was applied but the policy.
    manifests: Vec<Value>,
    /// The EnvoyExtensionPolicy as it is at the beginning of each test.
    pub(crate) policy: Value,
    /// The last version of the bundle that was applied.
    pub(crate) version: u64,
}

impl Stage {
    pub(crate) async fn start() -> Result<Self> {
        let gateway = EnvoyGateway::start(&manifests::settings()?).await?;
        let (registry, image) = (Registry::start(gateway.dir()).await?, Image::build(gateway.dir(), TAG)?);
        for tag in [TAG, OTHER_TAG] {
            registry.push(&image, tag)?;
        }
        let upstream = Upstream::start().await?;
        let issuer = Issuer::new("identity.global.com", "us-east-1")?;
        let port = places::port()?;
        let kube = gateway.kube();
        kube.apply_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
            .await?;
        // As they ship, first: unknown fields are refused, and every rule of the kinds is kept.
        let mut manifests = manifests::shipped()?;
        for manifest in &manifests {
            kube.apply_object(manifest).await?;
        }
        let policy = manifests.pop().ok_or("no policy")?;
        manifests.push(manifests::backend(upstream.address().port()));
        for manifest in &mut manifests {
            manifests::here(manifest, port);
            kube.apply_object(manifest).await?;
        }
        let policy = manifests::own_policy(policy, &issuer, &registry.tag(TAG), image.digest_hex())?;
        kube.apply_object(&policy).await?;
        let wanted = |gateway: &Value| gateway.to_string().contains(&format!("\"port\":{port}"));
        gateway
            .wait_for("gateway.networking.k8s.io/v1", "Gateway", NAMESPACE, "edge", wanted)
            .await?;
        let proxy = gateway.proxy(NAMESPACE, "edge", manifests::FLUSH).await?;
        let mut stage = Self {
            proxy,
            gateway,
            registry,
            image,
            upstream,
            issuer,
            port,
            manifests,
            policy,
            version: 1,
        };
        stage.restore().await?;
        Ok(stage)
    }

    /// Applies the policy as it was, as a newer version, and waits until it serves.
    pub(crate) async fn restore(&mut self) -> Result<()> {
        let version = self.edit(|_| {}).await?;
        self.serves(version).await
    }

    /// Applies the policy with one change, as a newer version.
    pub(crate) async fn edit(&mut self, change: impl FnOnce(&mut Value)) -> Result<u64> {
        self.version += 1;
        let mut policy = self.policy.clone();
        let wasm = &mut policy["spec"]["wasm"][0];
        wasm["config"]["metadata"]["version"] = json!(self.version);
        change(wasm);
        self.gateway.kube().apply_object(&policy).await?;
        Ok(self.version)
    }

    /// Waits until decisions are made by this version of the bundle.
    pub(crate) async fn serves(&self, version: u64) -> Result<()> {
        wait(&format!("version {version} to serve"), async || {
            let answered = self
                .client()
                .send(&get("/healthz"))
                .await
                .is_ok_and(|answer| answer.status == 200);
            Ok(answered
                && self
                    .last_bundle()
                    .is_some_and(|bundle| bundle.starts_with(&format!("shop@{version}+"))))
        })
        .await
    }

    /// Waits until the last decision is one of this version.
    pub(crate) async fn line_of_version(&self, version: u64) -> Result<()> {
        wait(&format!("a decision by version {version}"), async || {
            Ok(self
                .last_bundle()
                .is_some_and(|bundle| bundle.starts_with(&format!("shop@{version}+"))))
        })
        .await
    }

    fn last_bundle(&self) -> Option<String> {
        Some(self.proxy.access_log().entries().last()?.decision()?.bundle)
    }

    /// Waits until a public request is answered 403 by the interlock, and looks whether the upstream got nothing.
    pub(crate) async fn refuses_by_the_interlock(&self) -> Result<()> {
        let counter = format!("http.http-{}.rbac.regionguard_interlock.denied", self.port);
        let denied = self.proxy.stat(&counter).await?;
        wait("the interlock to refuse", async || {
            Ok(self.client().send(&get("/healthz")).await?.status == 403)
        })
        .await?;
        let count = self.upstream.count();
        assert_eq!(self.client().send(&get("/healthz?again")).await?.status, 403);
        assert_eq!(self.upstream.count(), count);
        assert!(self.proxy.stat(&counter).await? > denied);
        let line = self
            .proxy
            .access_log()
            .wait_for(|line| line.text("details").starts_with("rbac_access_denied"))
            .await?;
        assert!(line.decision().is_none(), "{line:?}");
        Ok(())
    }

    /// Waits until a condition of an object's first ancestor is this.
    pub(crate) async fn has(&self, kind: &str, name: &str, condition: &str, status: &str) -> Result<Value> {
        let wanted = |object: &Value| {
            let conditions = object
                .pointer("/status/ancestors/0/conditions")
                .and_then(Value::as_array);
            let found = conditions.into_iter().flatten().find(|one| one["type"] == condition);
            found.is_some_and(|one| {
                one["status"] == status && one["observedGeneration"] == object["metadata"]["generation"]
            })
        };
        self.gateway.wait_for(API, kind, NAMESPACE, name, wanted).await
    }

    pub(crate) fn named(&self, kind: &str, name: &str) -> Value {
        let found = self
            .manifests
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.cloned().unwrap_or_default()
    }

    pub(crate) fn client(&self) -> Client {
        self.proxy.client(self.port)
    }

    pub(crate) fn token(&self, permissions: &[&str]) -> Result<String> {
        let mut claims = self.issuer.claims("alice");
        claims["permissions"]["global"] = json!(permissions);
        self.issuer.mint(Alg::Es256, self.issuer.kid(Alg::Es256)?, &claims)
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request::new("GET", path).host(HOST)
}

pub(crate) async fn wait(what: &str, mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !done().await? {
        if Instant::now() > deadline {
            return Err(format!("waited {WAIT:?} in vain for {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
