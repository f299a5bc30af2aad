//! What a client, or the configuration around the filter, must not be able to turn into an allow.

use std::net::SocketAddr;
use std::time::Duration;

use regionguard_harness::client::Request;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::policy_folder::{PolicyFolder, shipped_bundle};
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{RunDir, tools};
use serde_json::{Value, json};

const HOST: &str = "api.us-east-1.com";
const CENTER: &str = "center-us-east-1";

/// The shipped bundle with one policy of public rules: `/open` is allowed, `/ask` is deferred.
fn bundle(defer: &Value) -> Value {
    let mut bundle = shipped_bundle().unwrap();
    let documents = bundle["documents"].as_array_mut().unwrap();
    documents.retain(|document| document["kind"] == "Region");
    documents[0]["spec"]["center"]["timeout"] = json!("3s");
    documents.push(json!({
        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "public"},
        "spec": {"rules": [
            {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
            {"name": "ask", "paths": ["/ask"], "identity": "none", "effect": "defer", "defer": defer},
        ]},
    }));
    bundle
}

struct Scene {
    envoy: Envoy,
    _run: RunDir,
}

/// An Envoy with this bundle; `wasm` changes the filter's own configuration, `config` the bootstrap.
async fn scene(
    bundle: &Value,
    upstream: SocketAddr,
    center: SocketAddr,
    wasm: impl FnOnce(&mut Value),
    config: impl FnOnce(Config) -> Config,
) -> Scene {
    let run = RunDir::new("attacks").unwrap();
    let policy = PolicyFolder::create(run.path().join("policy"), tools::wasm_module().unwrap()).unwrap();
    policy
        .write_resource(|resource| {
            resource["typed_config"]["config"]["configuration"]["value"] = bundle.clone();
            wasm(&mut resource["typed_config"]["config"]);
        })
        .unwrap();
    let shipped = Config::shipped(Base::Gateway)
        .unwrap()
        .cluster("upstream", upstream)
        .cluster(CENTER, center)
        .policy(&policy);
    let envoy = Envoy::start("proxy", config(shipped), run.path()).await.unwrap();
    Scene { envoy, _run: run }
}

fn center_cluster(bootstrap: &mut Value) -> &mut Value {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.iter_mut().find(|cluster| cluster["name"] == CENTER).unwrap()
}

/// Envoy can be told to stop headers alone while a filter waits. A body must not push such a request on, interlock or not.
#[tokio::test]
async fn a_body_does_not_send_on_a_request_that_waits() {
    let upstream = Upstream::start().await.unwrap();
    let center = FaultServer::start(Behaviour::AnswerAfter(
        Duration::from_millis(300),
        json!({"decision": false}),
    ))
    .await
    .unwrap();
    let scene = scene(
        &bundle(&json!({"onUnavailable": "deny"})),
        upstream.address(),
        center.address(),
        |wasm| wasm["allow_on_headers_stop_iteration"] = json!(true),
        |config| config.without_filter("regionguard-interlock"),
    )
    .await;
    let request = Request::new("POST", "/ask")
        .host(HOST)
        .body("a body that comes at once");
    let answer = scene.envoy.client().send(&request).await.unwrap();
    assert_eq!((answer.status, upstream.count()), (403, 0), "{}", scene.envoy.log());
}

/// Whoever sends enough requests fills the center's circuit breaker. That is no absence, for which a rule may allow.
#[tokio::test]
async fn a_full_circuit_breaker_is_no_absent_center() {
    let upstream = Upstream::start().await.unwrap();
    let center = FaultServer::start(Behaviour::AnswerAfter(
        Duration::from_millis(500),
        json!({"decision": false}),
    ))
    .await
    .unwrap();
    let scene = scene(
        &bundle(&json!({"onUnavailable": "allow"})),
        upstream.address(),
        center.address(),
        |_| (),
        |config| {
            config.edit(|bootstrap| {
                center_cluster(bootstrap)["circuit_breakers"] =
                    json!({"thresholds": [{"max_connections": 1, "max_pending_requests": 1}]});
            })
        },
    )
    .await;
    let mut running = Vec::new();
    for _ in 0..6 {
        let client = scene.envoy.client();
        running.push(tokio::spawn(async move {
            client
                .send(&Request::new("GET", "/ask").host(HOST))
                .await
                .unwrap()
                .status
        }));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut statuses = Vec::new();
    for one in running {
        statuses.push(one.await.unwrap());
    }
    assert_eq!(upstream.count(), 0, "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");

    // An absent one still is: the rule allows.
    drop(center);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = scene
        .envoy
        .client()
        .send(&Request::new("GET", "/ask").host(HOST))
        .await
        .unwrap();
    assert_eq!((answer.status, upstream.count()), (200, 1), "{}", scene.envoy.log());
}
