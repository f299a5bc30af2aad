//! The manifests that ship, with what an operator changes in them.

use regionguard_harness::Result;
use regionguard_harness::issuer::Issuer;
use regionguard_harness::policy_folder::shipped_bundle;
use regionguard_mesh::gateway::UPSTREAM;
use regionguard_mesh::kube::documents;
use regionguard_mesh::shipped::{one, text};
use serde_json::{Value, json};

pub(crate) const API: &str = "gateway.envoyproxy.io/v1alpha1";
/// The namespace of all of them.
pub(crate) const NAMESPACE: &str = "edge";
/// In the order in which they are applied, the policy last.
const FILES: [&str; 4] = ["gateway", "interlock", "centers", "policy"];

/// The configuration of Envoy Gateway in its Helm values that ship. Here the routes name a Backend instead of a Service, which
/// would need pods.
pub(crate) fn settings() -> Result<Value> {
    let mut settings = one(&text("envoy-gateway/values.yaml")?)?["config"]["envoyGateway"].clone();
    settings["extensionApis"]["enableBackend"] = json!(true);
    Ok(settings)
}

/// How often Envoy writes its access log, in milliseconds.
pub(crate) const FLUSH: &str = "--file-flush-interval-msec";

/// All objects as they ship, the policy last.
pub(crate) fn shipped() -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in FILES {
        objects.extend(documents(&text(&format!("envoy-gateway/{file}.yaml"))?)?);
    }
    Ok(objects)
}

/// The service behind the Gateway, at this port of loopback.
pub(crate) fn backend(port: u16) -> Value {
    json!({
        "apiVersion": API, "kind": "Backend", "metadata": {"name": "api", "namespace": NAMESPACE},
        "spec": {"endpoints": [{"fqdn": {"hostname": UPSTREAM, "port": port}}]},
    })
}

/// What an operator changes, and what this machine lacks.
pub(crate) fn here(manifest: &mut Value, port: u16) {
    match manifest["kind"].as_str() {
        Some("Gateway") => manifest["spec"]["listeners"][0]["port"] = json!(port),
        Some("HTTPRoute") => {
            manifest["spec"]["rules"][0]["backendRefs"] =
                json!([{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "api"}]);
        }
        // Access log lines at once instead of within ten seconds.
        Some("EnvoyProxy") => manifest["spec"]["extraArgs"] = json!([FLUSH, "10"]),
        Some("EnvoyPatchPolicy") => {
            for patch in manifest["spec"]["jsonPatches"].as_array_mut().into_iter().flatten() {
                if patch["name"] == "tcp-80" {
                    patch["name"] = json!(format!("tcp-{port}"));
                }
            }
        }
        _ => {}
    }
}

/// The policy with keys of ours, and with this image.
pub(crate) fn own_policy(mut policy: Value, issuer: &Issuer, url: &str, sha256: &str) -> Result<Value> {
    let mut bundle = shipped_bundle()?;
    assert_eq!(
        policy["spec"]["wasm"][0]["config"], bundle,
        "the example is not the one that ships"
    );
    let region = &mut bundle["documents"][0]["spec"];
    region["keys"] = json!({"algorithms": ["ES256"], "jwks": issuer.jwks()});
    region["networks"] = json!(["127.0.1.0/24"]);
    let wasm = &mut policy["spec"]["wasm"][0];
    wasm["config"] = bundle;
    // A rule that only a request can meet whose direct peer is told.
    rule(wasm, "read-profile")["from"] = json!({"sourceRegions": ["us-east-1"]});
    wasm["code"]["image"] = json!({"url": url, "sha256": sha256});
    Ok(policy)
}

/// The rule of this name in the bundle of a policy's `wasm`.
pub(crate) fn rule<'a>(wasm: &'a mut Value, name: &str) -> &'a mut Value {
    let documents = wasm["config"]["documents"].as_array_mut().into_iter().flatten();
    let lists = documents.filter_map(|document| document.pointer_mut("/spec/rules")?.as_array_mut());
    let found = lists.flatten().find(|rule| rule["name"] == name);
    found.expect("the example has this rule")
}
