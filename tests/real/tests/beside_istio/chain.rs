//! The HTTP filters of a listener, as the configuration in force has them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use regionguard_mesh::{Result, Workload};
use serde_json::{Value, json};

/// The filters that Istio puts behind all others.
pub(crate) const REST: [&str; 4] = [
    "envoy.filters.http.grpc_stats",
    "envoy.filters.http.fault",
    "envoy.filters.http.cors",
    "envoy.filters.http.router",
];

const WAIT: Duration = Duration::from_secs(60);

/// Istio makes a TrafficExtension of each WasmPlugin; the filter's name says so at both ends.
const PLUGIN: (&str, &str) = ("extensions.istio.io/trafficextension/", "~istio-translated-wasmplugin");

/// Waits until every chain of the listener with this port has exactly these filters, in this order, and behind them [`REST`]. A plugin is
/// `NAMESPACE.NAME`.
pub(crate) async fn wait_for(workload: &Workload, port: u16, filters: &[&str]) -> Result<()> {
    let wanted = BTreeSet::from([filters
        .iter()
        .chain(&REST)
        .map(|&name| name.to_owned())
        .collect::<Vec<_>>()]);
    let deadline = Instant::now() + WAIT;
    loop {
        let listeners = workload.ask("/config_dump?resource=dynamic_listeners").await?;
        let found = chains(&serde_json::from_str(&listeners)?, port);
        if found == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the filters of port {port} are {found:#?}, not {wanted:#?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A connection is served by the filters of its first moment: with a new one for each request to the `api` of this namespace, each
/// is served by those in force now.
pub(crate) fn one_request_a_connection(namespace: &str) -> String {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"namespace": namespace, "name": "api"},
        "spec": {
            "host": format!("api.{namespace}.svc.cluster.local"),
            "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
        },
    })
    .to_string()
}

/// The HTTP filters of each chain of the listener with this port.
fn chains(dump: &Value, port: u16) -> BTreeSet<Vec<String>> {
    let listeners = dump["configs"].as_array().into_iter().flatten();
    let of_port = listeners
        .map(|listener| &listener["active_state"]["listener"])
        .filter(|listener| listener["address"]["socket_address"]["port_value"] == port);
    let chains = of_port.flat_map(|listener| listener["filter_chains"].as_array().into_iter().flatten());
    let networks = chains.flat_map(|chain| chain["filters"].as_array().into_iter().flatten());
    networks
        .filter_map(|filter| filter["typed_config"]["http_filters"].as_array())
        .map(|filters| names(filters))
        .collect()
}

fn names(filters: &[Value]) -> Vec<String> {
    filters.iter().map(|filter| name(filter).to_owned()).collect()
}

fn name(filter: &Value) -> &str {
    let name = filter["name"].as_str().unwrap_or_default();
    let plugin = name.strip_prefix(PLUGIN.0).and_then(|name| name.strip_suffix(PLUGIN.1));
    plugin.unwrap_or(name)
}
