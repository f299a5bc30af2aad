//! Services without tokens: workloads whose certificates come from istiod's CA, a partner's of another trust domain under the same root, and whoever stands
//! behind a gateway.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use regionguard_harness::RunDir;
use regionguard_harness::client::{Client, Request};
use regionguard_harness::issuer::{Issuer, Kind};
use regionguard_mesh::certs::Authority;
use regionguard_mesh::seen::{Seen, look};
use regionguard_mesh::{Mesh, Result, SERVICE_PORT, Spec, WORKLOAD_PORT, Workload};
use serde_json::{Value, json};

use crate::chain;
use crate::manifests::{Manifests, apply, bundle, issuer, token};

const NAMESPACE: &str = "services";
/// Istio lets workloads of this trust domain into the mesh, beside those of its own.
pub(crate) const PARTNER: &str = "eu.example";
const GATEWAY_PORT: u16 = 17_092;

/// The root of the mesh, and of a partner of another trust domain.
struct Root {
    authority: Authority,
    folder: RunDir,
}

static ROOT: LazyLock<Result<Root, String>> = LazyLock::new(|| Root::new().map_err(|error| error.to_string()));

impl Root {
    fn new() -> Result<Self> {
        let authority = Authority::new("the root of two meshes")?;
        let folder = RunDir::new("beside-root")?;
        let (certificate, key) = (authority.pem(), authority.key());
        for (name, content) in [
            ("root-cert.pem", &certificate),
            ("cert-chain.pem", &certificate),
            ("ca-cert.pem", &certificate),
            ("ca-key.pem", &key),
        ] {
            std::fs::write(folder.path().join(name), content)?;
        }
        Ok(Self { authority, folder })
    }

    fn get() -> Result<&'static Self> {
        ROOT.as_ref().map_err(|error| error.clone().into())
    }
}

/// What istiod has to be told, so that it signs under the root that a partner has too (Istio's plugged-in CA).
pub(crate) fn istiod_env() -> Vec<(String, String)> {
    let folder = Root::get().map(|root| root.folder.path().display().to_string());
    vec![("ROOT_CA_DIR".to_owned(), folder.unwrap_or_default())]
}

pub(crate) async fn without_tokens(mesh: Arc<Mesh>) -> Result<()> {
    for namespace in [NAMESPACE, "partners"] {
        mesh.namespace(namespace).await?;
    }
    let issuer = issuer()?;
    let options = ["--scope=workload", "--namespace=services", "--selector=app=api"];
    Manifests::render(&mesh, &shop(&issuer)?, &options)?
        .apply(&mesh)
        .await?;
    apply(
        &mesh,
        &json!({
            "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"namespace": NAMESPACE, "name": "default"},
            "spec": {"mtls": {"mode": "STRICT"}},
        }),
    )
    .await?;
    let (web, partner, edge, api) = tokio::try_join!(
        mesh.workload(Spec::new(NAMESPACE, "web").workers(1)),
        mesh.workload(Spec::new("partners", "partner").workers(1)),
        mesh.workload(Spec::new(NAMESPACE, "edge").gateway().workers(1)),
        mesh.workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1)),
    )?;
    let ours = [
        "regionguard-direct-peer",
        "services.regionguard",
        "regionguard-interlock",
    ];
    chain::wait_for(&api, WORKLOAD_PORT, &ours).await?;
    let report = Request::new("GET", "/report");

    // istiod's own CA has signed for this one.
    assert_eq!(
        look(&api, web.call(&api, &report)).await?,
        Seen::allowed("rule.allowed")
    );
    assert_eq!(home(&api), "us-east-1");
    let user = Request::new("GET", "/user");
    let missing = Seen::refused(401, "identity.missing");
    assert_eq!(look(&api, web.call(&api, &user)).await?, missing);

    // The same root has signed for the partner's workloads, whose trust domain Istio lets in: which of them count, the local Region says.
    let not_accepted = Seen::refused(401, "identity.workload_not_accepted");
    for (path, expected) in [
        ("/ns/pay/sa/a", Seen::allowed("rule.allowed")),
        ("/ns/web/sa/a", not_accepted),
    ] {
        present(&mesh, &format!("spiffe://{PARTNER}{path}")).await?;
        until(&partner, &api, expected.status).await?;
        assert_eq!(look(&api, partner.call(&api, &report)).await?, expected, "{path}");
    }
    // One of any other trust domain does not get through Istio's mTLS, though the root is the same: our filter never sees it.
    present(&mesh, "spiffe://stranger.example/ns/pay/sa/a").await?;
    until(&partner, &api, 503).await?;
    let before = requests(&api);
    assert_eq!(partner.call(&api, &report).await?.status, 503);
    assert_eq!(requests(&api), before);

    behind_a_gateway(&mesh, &edge, &api, &token(&issuer, &["api.us-east-1.com"], &[])?).await
}

/// The certificate that the api sees is the gateway's, whoever sends.
async fn behind_a_gateway(mesh: &Mesh, edge: &Workload, api: &Workload, alice: &str) -> Result<()> {
    mesh.apply(&way_in(&edge.address().to_string(), &api.host())).await?;
    chain::wait_for(edge, GATEWAY_PORT, &[]).await?;
    let client = Client::new(edge.outbound(GATEWAY_PORT));
    let get = |path: &str, host: &str| Request::new("GET", path).host(host);
    let deadline = Instant::now() + Duration::from_secs(60);
    let lines = requests(api);
    while client.send(&get("/open", "api.us-east-1.com")).await?.status != 200 {
        assert!(Instant::now() < deadline, "the gateway leads nowhere");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    written(api, lines + 1).await?;
    // It is one of `trust.edges`, so it is no service, of whatever trust domain; and no header makes anybody one.
    let claiming = get("/report", "api.us-east-1.com").header(
        "x-forwarded-client-cert",
        format!("URI=spiffe://cluster.local/ns/{NAMESPACE}/sa/web"),
    );
    for request in [get("/report", "api.us-east-1.com"), claiming] {
        assert_eq!(
            look(api, client.send(&request)).await?,
            Seen::refused(401, "identity.workload_not_accepted")
        );
    }
    // Its certificate is not alice's either.
    for (host, expected) in [
        ("api.us-east-1.com", Seen::allowed("rule.allowed")),
        (
            "strict.us-east-1.com",
            Seen::refused(403, "identity.certificate_required"),
        ),
    ] {
        let request = get("/user", host).bearer(alice);
        assert_eq!(look(api, client.send(&request)).await?, expected, "{host}");
    }
    Ok(())
}

fn shop(issuer: &Issuer) -> Result<Value> {
    let rules = json!([
        {"name": "report", "paths": ["/report"], "identity": "workload", "effect": "allow"},
        {"name": "user", "paths": ["/user"], "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]);
    let mut bundle = bundle(issuer, &rules);
    bundle["trust"] = json!({
        "peerVerification": "required",
        "edges": [{
            "peers": [format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/edge")],
            "certificateHeader": "x-forwarded-client-cert",
        }],
    });
    let us = &mut bundle["documents"][0]["spec"];
    us["trustDomains"] = json!(["cluster.local"]);
    us["accepts"] = json!([{"home": "eu-west-1", "workloads": [format!("spiffe://{PARTNER}/ns/pay/*")]}]);
    let eu = Issuer::without_keys("identity.global.com", "eu-west-1").with_key("eu-west-1-p256", Kind::P256)?;
    let more = [
        json!({
            "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "eu-west-1"},
            "spec": {
                "issuer": "identity.global.com",
                "audiences": ["api.eu-west-1.com"],
                "keys": {"jwks": eu.jwks()},
                "trustDomains": [PARTNER],
            },
        }),
        json!({
            "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "strict"},
            "spec": {
                "selector": {"hosts": ["strict.us-east-1.com"]},
                "identity": {"authentication": [{"method": "certificate"}]},
            },
        }),
    ];
    let documents = bundle["documents"].as_array_mut().ok_or("no documents")?;
    documents.extend(more);
    Ok(bundle)
}

/// Lets the partner's sidecar present a certificate with this id, as the partner's own mesh would give it one.
async fn present(mesh: &Mesh, id: &str) -> Result<()> {
    let root = Root::get()?;
    let pair = root.authority.workload(id)?;
    let name = id.replace(['/', ':'], "_");
    let file = |kind: &str, content: &str| -> Result<String> {
        let path = mesh.dir().join(format!("{name}.{kind}"));
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    };
    let rule = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"namespace": "partners", "name": "api"},
        "spec": {
            "host": format!("api.{NAMESPACE}.svc.cluster.local"),
            "trafficPolicy": {"tls": {
                "mode": "MUTUAL",
                "clientCertificate": file("crt", &pair.certificate)?,
                "privateKey": file("key", &pair.key)?,
                "caCertificates": file("ca", &root.authority.pem())?,
                "subjectAltNames": [format!("spiffe://cluster.local/ns/{NAMESPACE}/sa/api")],
            }},
        },
    });
    apply(mesh, &rule).await
}

/// Waits until a request of the partner's is answered with this status: until its sidecar has the new certificate.
async fn until(partner: &Workload, api: &Workload, status: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut lines = requests(api);
    loop {
        let found = partner.call(api, &Request::new("GET", "/report")).await?.status;
        // What its own sidecar answers is nothing that the api has heard of.
        lines += usize::from(found != 503);
        if found == status {
            return written(api, lines).await;
        }
        if Instant::now() > deadline {
            return Err(format!("the partner is answered {found}, not {status}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The requests in the access log.
fn requests(api: &Workload) -> usize {
    let lines = api.access_log().entries();
    lines.iter().filter(|line| !line.text("method").is_empty()).count()
}

/// Waits until so many requests are in the access log, where lines come a little late.
async fn written(api: &Workload, count: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while requests(api) < count {
        if Instant::now() > deadline {
            return Err(format!("only {} requests are in the access log, not {count}", requests(api)).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The home region in the last decision line.
fn home(api: &Workload) -> String {
    let lines = api.access_log().entries();
    let last = lines.iter().rev().find_map(|line| line.decision());
    let regions = last.map(|decision| decision.regions).unwrap_or_default();
    regions.split('>').next().unwrap_or_default().to_owned()
}

/// A listener of the gateway, from which everything goes to this host.
fn way_in(address: &str, host: &str) -> String {
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"namespace": NAMESPACE, "name": "edge"},
        "spec": {
            "selector": {"app": "edge"},
            "servers": [{"port": {"number": GATEWAY_PORT, "name": "http", "protocol": "HTTP"}, "bind": address, "hosts": ["*"]}],
        },
    });
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"namespace": NAMESPACE, "name": "edge"},
        "spec": {
            "hosts": ["*"],
            "gateways": ["edge"],
            "http": [{"route": [{"destination": {"host": host, "port": {"number": SERVICE_PORT}}}]}],
        },
    });
    format!("{gateway}\n---\n{routes}")
}
