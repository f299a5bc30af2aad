//! The objects that stand for a workload in the API.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{Role, SERVICE_PORT, Spec, WORKLOAD_PORT, waypoint};

/// All objects of a workload at `address`, whose program listens on `app` of 127.0.0.1.
pub(super) fn of(spec: &Spec, address: Ipv4Addr, app: u16) -> Vec<Value> {
    let mut objects = vec![service_account(spec), node(spec), pod(spec)];
    match spec.role {
        Role::Sidecar => objects.extend([sidecar(spec, address, app), service_entry(spec, address)]),
        Role::Gateway => {}
        Role::Waypoint => objects.extend(waypoint::objects(spec, address)),
    }
    objects
}

/// What a kubelet tells of a pod that runs.
pub(super) fn pod_status(spec: &Spec, address: Ipv4Addr) -> Value {
    let mut pod = pod(spec);
    if let Some(pod) = pod.as_object_mut() {
        pod.remove("spec");
    }
    let running = |name: &str| {
        json!({
            "name": name, "image": "-", "imageID": "-", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {}},
        })
    };
    pod["status"] = json!({
        "phase": "Running",
        "podIP": address.to_string(),
        "podIPs": [{"ip": address.to_string()}],
        "hostIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
        "containerStatuses": [running("app"), running("istio-proxy")],
    });
    pod
}

fn service_account(spec: &Spec) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": spec.namespace, "name": spec.service_account},
    })
}

/// The node of a region: nothing runs on it but what we say.
fn node(spec: &Spec) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name(spec)}});
    if let Some(region) = spec.region_name() {
        node["metadata"]["labels"] = json!({"topology.kubernetes.io/region": region});
    }
    node
}

fn node_name(spec: &Spec) -> String {
    spec.region_name()
        .map_or_else(|| "node".to_owned(), |region| format!("node-{region}"))
}

fn pod(spec: &Spec) -> Value {
    let mut annotations = spec.annotations.clone();
    // By this, tools know that the pod has a sidecar.
    annotations.insert("sidecar.istio.io/status".to_owned(), "{}".to_owned());
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": spec.namespace,
            "name": spec.pod(),
            "labels": spec.all_labels(),
            "annotations": annotations,
        },
        "spec": {
            "serviceAccountName": spec.service_account,
            "nodeName": node_name(spec),
            "containers": [
                {"name": "app", "image": "echo", "ports": [{"containerPort": WORKLOAD_PORT, "name": "http"}]},
                {"name": "istio-proxy", "image": "istio/proxyv2"},
            ],
        },
    })
}

/// The listeners: one inbound, and one outbound for each port of each service, all bound to the workload's own address.
fn sidecar(spec: &Spec, address: Ipv4Addr, app: u16) -> Value {
    let address = address.to_string();
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"namespace": spec.namespace, "name": spec.name},
        "spec": {
            "workloadSelector": {"labels": spec.labels},
            "ingress": [{
                "port": {"number": WORKLOAD_PORT, "protocol": "HTTP", "name": "http"},
                "bind": address,
                "captureMode": "NONE",
                "defaultEndpoint": format!("127.0.0.1:{app}"),
            }],
            "egress": [{"bind": address, "captureMode": "NONE", "hosts": ["*/*"]}],
        },
    })
}

/// The service as others see it. A Service with an EndpointSlice would be the usual form, but the API refuses loopback addresses
/// in those.
fn service_entry(spec: &Spec, address: Ipv4Addr) -> Value {
    let mut hosts = vec![spec.host_name()];
    hosts.extend(spec.hosts.iter().cloned());
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"namespace": spec.namespace, "name": spec.name},
        "spec": {
            "hosts": hosts,
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": SERVICE_PORT, "name": "http", "protocol": "HTTP", "targetPort": WORKLOAD_PORT}],
            "endpoints": [{
                "address": address.to_string(),
                "labels": spec.all_labels(),
                "serviceAccount": spec.service_account,
            }],
        },
    })
}
