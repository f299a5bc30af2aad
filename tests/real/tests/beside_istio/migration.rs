//! The worked example of `docs/istio-policies.md`: Istio's policies and our bundle, read from the page, let in the same requests.

use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::issuer::{Alg, Issuer, with_bad_signature};
use regionguard_harness::tools;
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT, Workload, kube};
use serde_json::{Value, json};

use crate::authorizer::Authorizer;
use crate::chain;
use crate::manifests::{Manifests, apply, center_service, issuer};

const NAMESPACE: &str = "shop";

pub(crate) async fn alike(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace(NAMESPACE).await?;
    let page = std::fs::read_to_string(tools::workspace_root().join("docs/istio-policies.md"))?;
    let (issuer, center) = (issuer()?, FaultServer::start(Behaviour::decide(true)).await?);
    let authorizer = Authorizer::start(&mesh, "authorizer").await?;
    mesh.apply(&authorizer.service(NAMESPACE)).await?;
    mesh.apply(&center_service(NAMESPACE, "center.us-east-1.internal", &center))
        .await?;
    mesh.apply(&chain::one_request_a_connection(NAMESPACE)).await?;
    let theirs = istios(&page, &issuer)?;
    for object in &theirs {
        apply(&mesh, object).await?;
    }
    let (web, api) = tokio::try_join!(
        mesh.workload(Spec::new(NAMESPACE, "web").workers(1)),
        mesh.workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1)),
    )?;
    let sides = Sides {
        web: &web,
        api: &api,
        center: &center,
        issuer: &issuer,
    };

    let rbac = "envoy.filters.http.rbac";
    let filters = [
        rbac,
        "envoy.filters.http.ext_authz",
        "envoy.filters.http.jwt_authn",
        rbac,
        rbac,
    ];
    chain::wait_for(&api, WORKLOAD_PORT, &filters).await?;
    sides.let_in_what_they_should("Istio's").await?;

    Manifests::render(
        &mesh,
        &ours(&page, &issuer)?,
        &["--scope=workload", "--namespace=shop", "--selector=app=api"],
    )?
    .apply(&mesh)
    .await?;
    // What stays with Istio stays.
    for object in theirs.iter().filter(|object| object["kind"] != "PeerAuthentication") {
        mesh.delete(&object.to_string()).await?;
    }
    chain::wait_for(
        &api,
        WORKLOAD_PORT,
        &["regionguard-direct-peer", "shop.regionguard", "regionguard-interlock"],
    )
    .await?;
    sides.let_in_what_they_should("ours").await
}

struct Sides<'a> {
    web: &'a Workload,
    api: &'a Workload,
    center: &'a FaultServer,
    issuer: &'a Issuer,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Viewer,
    /// A valid token without a role.
    Other,
    Forged,
    Nobody,
    /// The viewer, from another workload.
    Elsewhere,
}

use Who::{Elsewhere, Forged, Nobody, Other, Viewer};

impl Sides<'_> {
    async fn let_in_what_they_should(&self, whose: &str) -> Result<()> {
        for (who, method, path, approved, let_in) in [
            (Viewer, "GET", "/v1/orders/7", false, true),
            (Viewer, "GET", "/v1/orders/7/lines", false, true),
            (Other, "GET", "/v1/orders/7", true, false),
            (Forged, "GET", "/v1/orders/7", true, false),
            (Nobody, "GET", "/v1/orders/7", true, false),
            (Elsewhere, "GET", "/v1/orders/7", true, false),
            (Viewer, "DELETE", "/v1/orders/7", true, false),
            (Viewer, "GET", "/v1/orders/7/raw", true, false),
            (Viewer, "GET", "/elsewhere", true, false),
            (Nobody, "GET", "/healthz", false, true),
            (Nobody, "POST", "/healthz", true, false),
            (Other, "POST", "/v1/refunds/1", true, true),
            (Other, "POST", "/v1/refunds/2", false, false),
            (Nobody, "POST", "/v1/refunds/3", true, false),
            (Other, "GET", "/v1/refunds/4", true, false),
        ] {
            let request = self.request(who, method, path, approved)?;
            self.center.set(Behaviour::decide(approved));
            let client = if who == Elsewhere { self.api } else { self.web };
            let reached = self.api.upstream().count();
            let answer = client.call(self.api, &request).await?;
            let seen = (answer.status == 200, self.api.upstream().count() > reached);
            assert_eq!(
                seen,
                (let_in, let_in),
                "{whose}: {who:?} {method} {path}, approved {approved}: {}",
                answer.status
            );
        }
        assert!(
            self.api.client().send(&Request::new("GET", "/healthz")).await.is_err(),
            "{whose}: STRICT"
        );
        Ok(())
    }

    /// A request that Istio's authorizer approves, or not.
    fn request(&self, who: Who, method: &str, path: &str, approved: bool) -> Result<Request> {
        let request = Request::new(method, path).header("x-ext-authz", if approved { "allow" } else { "deny" });
        let mut claims = self.issuer.claims("alice");
        if matches!(who, Viewer | Elsewhere) {
            claims["roles"] = json!(["viewer"]);
        }
        let token = self.issuer.mint(Alg::Es256, self.issuer.kid(Alg::Es256)?, &claims)?;
        Ok(match who {
            Nobody => request,
            Forged => request.bearer(&with_bad_signature(&token)?),
            Viewer | Other | Elsewhere => request.bearer(&token),
        })
    }
}

/// Istio's policies of the page, with the keys of this run.
fn istios(page: &str, issuer: &Issuer) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for text in blocks(page, "istio") {
        objects.extend(kube::documents(text)?);
    }
    let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    let policy = "AuthorizationPolicy";
    assert_eq!(
        kinds,
        ["RequestAuthentication", policy, policy, policy, "PeerAuthentication"]
    );
    objects[0]["spec"]["jwtRules"][0]["jwks"] = json!(issuer.jwks().to_string());
    Ok(objects)
}

/// The bundle of the page, with the keys of this run.
fn ours(page: &str, issuer: &Issuer) -> Result<Value> {
    let text = blocks(page, "bundle").next().ok_or("no bundle in the page")?;
    let mut bundle = kube::documents(text)?.pop().ok_or("no document in the bundle")?;
    bundle["documents"][0]["spec"]["keys"]["jwks"] = issuer.jwks();
    Ok(bundle)
}

/// The fenced blocks of a page with this title.
fn blocks<'a>(page: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```yaml title={title}\n");
    let mut rest = page;
    std::iter::from_fn(move || {
        let (block, behind) = rest.split_once(&fence)?.1.split_once("```\n")?;
        rest = behind;
        Some(block)
    })
}
