//! What operators apply, as `regionguard render` writes it.

use std::path::Path;

use regionguard_harness::fault::FaultServer;
use regionguard_harness::issuer::{Alg, Issuer, Kind};
use regionguard_harness::tools;
use regionguard_mesh::{Mesh, Result, shipped};
use serde_json::{Value, json};

/// The local region of every bundle here, whose tokens count.
pub(crate) const REGION: &str = "us-east-1";

/// Objects of one place in the mesh. The module comes from this machine's disk: how it comes from a registry is shown elsewhere.
pub(crate) struct Manifests {
    pub(crate) plugin: Value,
    interlock: Value,
    direct_peer: Value,
}

impl Manifests {
    /// Renders the bundle by `regionguard render istio`, with these options more.
    pub(crate) fn render(mesh: &Mesh, bundle: &Value, options: &[&str]) -> Result<Self> {
        let id = options.join("_").replace(['-', '='], "");
        let (source, out) = (
            mesh.dir().join(format!("bundle_{id}.json")),
            mesh.dir().join(format!("rendered_{id}")),
        );
        std::fs::write(&source, bundle.to_string())?;
        shipped::render(&source, options, &out)?;
        let mut plugin = read(&out, "wasmplugin.yaml")?;
        shipped::set_module(
            &mut plugin,
            &format!("file://{}", tools::wasm_module()?.display()),
            None,
        );
        Ok(Self {
            plugin,
            interlock: read(&out, "interlock.yaml")?,
            direct_peer: read(&out, "direct-peer.yaml")?,
        })
    }

    /// Applies all of it, what guards the filter's place first.
    pub(crate) async fn apply(&self, mesh: &Mesh) -> Result<()> {
        self.apply_guards(mesh).await?;
        apply(mesh, &self.plugin).await
    }

    /// Applies all but the plugin.
    pub(crate) async fn apply_guards(&self, mesh: &Mesh) -> Result<()> {
        apply(mesh, &self.interlock).await?;
        apply(mesh, &self.direct_peer).await
    }
}

pub(crate) async fn apply(mesh: &Mesh, object: &Value) -> Result<()> {
    mesh.kube().apply_object(object).await.map(drop)
}

/// The bundle `shop` of [`REGION`] with these rules.
pub(crate) fn bundle(issuer: &Issuer, rules: &Value) -> Value {
    json!({
        "region": REGION,
        "metadata": {"name": "shop", "version": 1},
        "documents": [
            {
                "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": REGION},
                "spec": {
                    "issuer": "identity.global.com",
                    "audiences": ["api.us-east-1.com"],
                    "keys": {"jwks": issuer.jwks()},
                },
            },
            {
                "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
                "spec": {"rules": rules},
            },
        ],
    })
}

/// The issuer of the tokens, with one key.
pub(crate) fn issuer() -> Result<Issuer> {
    Issuer::without_keys("identity.global.com", REGION).with_key("us-east-1-p256", Kind::P256)
}

/// A token for these audiences with these permissions.
pub(crate) fn token(issuer: &Issuer, audiences: &[&str], permissions: &[&str]) -> Result<String> {
    let mut claims = issuer.claims("alice");
    claims["aud"] = json!(audiences);
    claims["permissions"]["global"] = json!(permissions);
    issuer.mint(Alg::Es256, issuer.kid(Alg::Es256)?, &claims)
}

/// How the mesh finds a center, at port 8181 of `host`.
pub(crate) fn center_service(namespace: &str, host: &str, center: &FaultServer) -> String {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"namespace": namespace, "name": "center"},
        "spec": {
            "hosts": [host],
            "resolution": "STATIC",
            "ports": [{"number": 8181, "name": "http", "protocol": "HTTP"}],
            "endpoints": [{"address": "127.0.0.1", "ports": {"http": center.address().port()}}],
        },
    })
    .to_string()
}

fn read(folder: &Path, file: &str) -> Result<Value> {
    let text = std::fs::read_to_string(folder.join(file))?;
    shipped::one(&text).map_err(|error| format!("in `{file}`: {error}").into())
}
