//! How pilot-agent is started: the arguments and variables that Istio's injector would write into the pod.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::{Value, json};

use super::{Place, Role, Spec, waypoint};
use crate::mesh::Shared;
use crate::{Result, plane};

/// Envoy's log level for one pod.
const LOG_LEVEL: &str = "sidecar.istio.io/logLevel";

pub(super) fn command(spec: &Spec, place: &Place, shared: &Shared) -> Result<Command> {
    let mut command = plane::command(&plane::program("pilot-agent")?, &place.dir);
    command.args(["proxy", spec.role.name(), "--domain"]);
    command.arg(format!("{}.svc.cluster.local", spec.namespace));
    let template = plane::program("istio/envoy_bootstrap.json")?;
    command.arg("--templateFile").arg(match spec.role {
        Role::Waypoint => waypoint::stock_bootstrap(&template, &place.dir)?,
        Role::Sidecar | Role::Gateway => template,
    });
    command
        .arg("--proxyLogLevel")
        .arg(spec.annotations.get(LOG_LEVEL).unwrap_or(&spec.log_level));
    let labels: Value = spec.all_labels().into_iter().collect();
    command.envs([
        ("POD_NAME", spec.pod()),
        ("POD_NAMESPACE", spec.namespace.clone()),
        ("INSTANCE_IP", place.address.to_string()),
        ("HOST_IP", Ipv4Addr::LOCALHOST.to_string()),
        ("SERVICE_ACCOUNT", spec.service_account.clone()),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes".to_owned()),
        ("ISTIO_META_WORKLOAD_NAME", spec.name.clone()),
        ("ISTIO_META_MESH_ID", plane::TRUST_DOMAIN.to_owned()),
        ("ISTIO_METAJSON_LABELS", labels.to_string()),
        // Certificates come from where configuration comes from; only then does the agent look for this name in istiod's.
        ("ISTIOD_SAN", plane::ISTIOD_NAME.to_owned()),
        ("TRUST_DOMAIN", plane::TRUST_DOMAIN.to_owned()),
        ("PILOT_CERT_PROVIDER", "istiod".to_owned()),
        // Not to ask the clouds whose machine this is.
        ("CLOUD_PLATFORM", "none".to_owned()),
        ("ENVOY_STATUS_PORT", place.envoy_status.to_string()),
        ("ENVOY_PROMETHEUS_PORT", place.envoy_prometheus.to_string()),
        ("PROXY_CONFIG", proxy_config(spec, place, shared).to_string()),
    ]);
    match spec.role {
        // No iptables: each listener binds a port of its own.
        Role::Sidecar => {
            command.env("ISTIO_META_INTERCEPTION_MODE", "NONE");
        }
        Role::Gateway => {}
        Role::Waypoint => {
            command.env("ISTIO_META_ISTIO_VERSION", waypoint::VERSION);
        }
    }
    command.envs(spec.env.iter().cloned());
    Ok(command)
}

/// ProxyConfig: the mesh's `defaultConfig`, and over it what this machine needs. The agent itself puts the pod's annotation
/// `proxy.istio.io/config` over both.
fn proxy_config(spec: &Spec, place: &Place, shared: &Shared) -> Value {
    let mut config = shared.default_config.clone();
    let own = json!({
        "discoveryAddress": shared.discovery.to_string(),
        "binaryPath": shared.envoy,
        // Relative, because the path of a socket within it may not have more than 107 bytes.
        "configPath": "./etc/istio/proxy",
        "statusPort": place.status.port(),
        "proxyAdminPort": place.admin.port(),
        "concurrency": spec.workers,
        "terminationDrainDuration": "1s",
        // The access log is written at once.
        "fileFlushInterval": "0.020s",
        "fileFlushMinSizeKb": 1,
    });
    config.extend(own.as_object().cloned().unwrap_or_default());
    Value::Object(config)
}
