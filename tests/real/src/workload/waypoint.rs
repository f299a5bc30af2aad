//! What a waypoint is in the API. Istiod's own controllers would make the Service beside the Gateway, and tell the address in its status.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Spec;
use crate::error::Context as _;
use crate::{Result, plane};

/// The version of Istio that a waypoint claims: the last one whose filter states are Envoy's own strings. Those of later ones are Istio's, which a stock
/// Envoy does not know.
pub(super) const VERSION: &str = "1.29.1";
/// Where a waypoint takes tunnels (HBONE) in.
pub(super) const HBONE: u16 = 15_008;
/// Filters of Istio's own Envoy, which tell its metrics who speaks to whom.
const OF_ISTIO: [&str; 2] = ["waypoint_downstream_peer_metadata", "waypoint_upstream_peer_metadata"];

/// With the labels by which istiod knows the pods of a waypoint.
pub(super) fn labelled(mut spec: Spec) -> Spec {
    let labels = [
        ("gateway.networking.k8s.io/gateway-name", spec.name.as_str()),
        ("gateway.networking.k8s.io/gateway-class-name", "istio-waypoint"),
        ("gateway.istio.io/managed", "istio.io-mesh-controller"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    spec.labels.extend(labels);
    spec
}

/// The Gateway, the Service in front of its pods, and what a stock Envoy on one machine needs to be changed.
pub(super) fn objects(spec: &Spec, address: Ipv4Addr) -> [Value; 3] {
    [gateway(spec), service(spec), stock_envoy(spec, address)]
}

/// What istiod's controller tells of the Gateway once a pod is ready.
pub(super) fn status(spec: &Spec) -> Value {
    let mut gateway = gateway(spec);
    if let Some(gateway) = gateway.as_object_mut() {
        gateway.remove("spec");
    }
    gateway["status"] = json!({"addresses": [{"type": "Hostname", "value": spec.host_name()}]});
    gateway
}

fn gateway(spec: &Spec) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": spec.namespace, "name": spec.name, "labels": {"istio.io/waypoint-for": "service"}},
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "port": HBONE, "protocol": "HBONE"}],
        },
    })
}

fn service(spec: &Spec) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": spec.namespace, "name": spec.name, "labels": spec.labels},
        "spec": {
            "selector": {"gateway.networking.k8s.io/gateway-name": spec.name},
            "ports": [{"name": "mesh", "port": HBONE, "protocol": "TCP", "appProtocol": "hbone"}],
        },
    })
}

/// A template of the bootstrap without the extension of Istio's own Envoy by which each waypoint looks up who has which address, for metrics: in the folder
/// `dir`.
///
/// # Errors
/// When the template has another shape, or a file cannot be read or written.
pub(super) fn stock_bootstrap(template: &Path, dir: &Path) -> Result<PathBuf> {
    const CONDITION: &str = "{{- if .metadata_discovery }}";
    let text = std::fs::read_to_string(template).context(|| format!("cannot read `{}`", template.display()))?;
    if !text.contains(CONDITION) {
        return Err(format!("`{}` does not say `{CONDITION}`", template.display()).into());
    }
    let path = dir.join("envoy_bootstrap.json");
    plane::write(&path, text.replace(CONDITION, "{{- if false }}"))?;
    Ok(path)
}

/// Tunnels come in at the workload's own address instead of every one, and the filters that a stock Envoy lacks are taken out.
fn stock_envoy(spec: &Spec, address: Ipv4Addr) -> Value {
    let at = |port: u16| json!({"socket_address": {"address": address.to_string(), "port_value": port}});
    let bind = json!({
        "applyTo": "LISTENER",
        "match": {"context": "SIDECAR_INBOUND", "listener": {"name": "connect_terminate"}},
        "patch": {
            "operation": "MERGE_AND_REPLACE_LIST",
            // A list can be replaced and not emptied: any free port instead of every IPv6 address.
            "value": {"address": at(HBONE), "additional_addresses": [{"address": at(0)}]},
        },
    });
    let out = OF_ISTIO.map(|filter| {
        let chain =
            json!({"filter": {"name": "envoy.filters.network.http_connection_manager", "subFilter": {"name": filter}}});
        json!({
            "applyTo": "HTTP_FILTER",
            "match": {"context": "SIDECAR_INBOUND", "listener": {"filterChain": chain}},
            "patch": {"operation": "REMOVE"},
        })
    });
    let patches: Vec<Value> = [bind].into_iter().chain(out).collect();
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"namespace": spec.namespace, "name": format!("{}-stock-envoy", spec.name)},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": spec.name}],
            "configPatches": patches,
        },
    })
}
