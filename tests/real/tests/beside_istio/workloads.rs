//! `from.workloads` is about the identity that istiod's CA gives, under PeerAuthentication PERMISSIVE and STRICT.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Request, Response};
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT, Workload};
use serde_json::json;

use crate::chain;
use crate::manifests::{Manifests, bundle, issuer, token};

const WEB: &str = "spiffe://cluster.local/ns/us-east-1/sa/web";

pub(crate) async fn identity(mesh: Arc<Mesh>) -> Result<()> {
    for namespace in ["us-east-1", "eu-west-1"] {
        mesh.namespace(namespace).await?;
    }
    let issuer = issuer()?;
    let mut bundle = bundle(
        &issuer,
        &json!([
            {"name": "service", "paths": ["/service"], "identity": "none", "from": {"workloads": [WEB]}, "effect": "allow"},
            {"name": "user", "paths": ["/user"], "from": {"workloads": [WEB]}, "permissions": {"anyOf": ["read:orders"]}, "effect": "allow"},
            {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
        ]),
    );
    bundle["trust"] = json!({"peerVerification": "required"});
    Manifests::render(
        &mesh,
        &bundle,
        &["--scope=workload", "--namespace=us-east-1", "--selector=app=api"],
    )?
    .apply(&mesh)
    .await?;
    let (web, other, api) = tokio::try_join!(
        mesh.workload(Spec::new("us-east-1", "web").workers(1)),
        // The same service account's name in another namespace.
        mesh.workload(Spec::new("eu-west-1", "web").workers(1)),
        mesh.workload(Spec::new("us-east-1", "api").region("us-east-1").workers(1)),
    )?;
    let ours = "us-east-1.regionguard";
    chain::wait_for(
        &api,
        WORKLOAD_PORT,
        &["regionguard-direct-peer", ours, "regionguard-interlock"],
    )
    .await?;
    let alice = token(&issuer, &["api.us-east-1.com"], &["read:orders"])?;

    let clients = [
        ("web", Client::Mesh(&web)),
        ("another", Client::Mesh(&other)),
        ("plain", Client::Plain),
    ];
    let nobody = || Seen::refused(401, "identity.missing");
    for (path, bearer, expected) in [
        ("/service", false, [Seen::allowed("rule.public"), nobody(), nobody()]),
        ("/user", false, [nobody(), nobody(), nobody()]),
        (
            "/user",
            true,
            [
                Seen::allowed("rule.allowed"),
                Seen::refused(403, "rule.workload"),
                Seen::refused(403, "rule.workload"),
            ],
        ),
        (
            "/open",
            false,
            [
                Seen::allowed("rule.public"),
                Seen::allowed("rule.public"),
                Seen::allowed("rule.public"),
            ],
        ),
    ] {
        let request = Request::new("GET", path);
        let request = if bearer { request.bearer(&alice) } else { request };
        // What a client says of itself counts for nothing.
        let request = request.header("x-forwarded-client-cert", format!("URI={WEB}"));
        for ((who, client), expected) in clients.iter().zip(expected) {
            assert_eq!(
                look(&api, client.ask(&api, &request)).await?,
                expected,
                "{who} {path} {bearer}"
            );
        }
    }

    mesh.apply(
        "apiVersion: security.istio.io/v1\n\
         kind: PeerAuthentication\n\
         metadata: {namespace: us-east-1, name: default}\n\
         spec: {mtls: {mode: STRICT}}\n",
    )
    .await?;
    let request = Request::new("GET", "/service");
    let deadline = Instant::now() + Duration::from_secs(60);
    while Client::Plain.ask(&api, &request).await.is_ok() {
        assert!(Instant::now() < deadline, "a plain request still passes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        look(&api, web.call(&api, &request)).await?,
        Seen::allowed("rule.public")
    );
    assert_eq!(look(&api, other.call(&api, &request)).await?, nobody());
    Ok(())
}

/// Who asks.
enum Client<'a> {
    /// Through its sidecar, over mTLS.
    Mesh(&'a Workload),
    /// Without TLS.
    Plain,
}

impl Client<'_> {
    async fn ask(&self, api: &Workload, request: &Request) -> Result<Response> {
        match self {
            Self::Mesh(workload) => workload.call(api, request).await,
            Self::Plain => api.client().send(request).await,
        }
    }
}
