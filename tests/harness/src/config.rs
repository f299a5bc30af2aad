//! The bootstraps that ship, with what a run has to choose filled in: addresses, ports, endpoints, paths. What is tested is what
//! ships, because only parsed YAML is edited, by the names that the shipped files use.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use crate::policy_folder::PolicyFolder;
use crate::tls::{Authority, ClientCertificates};
use crate::{Context as _, Result, tools};

/// Which shipped bootstrap to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// `envoy-config/sidecar.yaml`
    Sidecar,
    /// `envoy-config/gateway.yaml`
    Gateway,
}

/// A bootstrap on its way to an Envoy.
#[derive(Clone, Debug)]
pub struct Config {
    bootstrap: Value,
    concurrency: u32,
    log_level: String,
}

impl Config {
    /// A shipped bootstrap that listens on free ports of loopback. Every cluster's endpoint refuses connections until
    /// [`cluster`](Self::cluster) names one; without [`policy`](Self::policy) the filter's file is where a cluster would mount it.
    ///
    /// # Errors
    /// When the shipped file cannot be read, or has not the shape that it is edited by.
    pub fn shipped(base: Base) -> Result<Self> {
        let file = match base {
            Base::Sidecar => "sidecar.yaml",
            Base::Gateway => "gateway.yaml",
        };
        Self::read(&tools::envoy_config(file))
    }

    /// [`shipped`](Self::shipped), of a bootstrap in another file.
    ///
    /// # Errors
    /// As [`shipped`](Self::shipped).
    pub fn read(file: &Path) -> Result<Self> {
        let bootstrap = read_yaml(file)?;
        let mut config = Self {
            bootstrap,
            concurrency: 1,
            log_level: "info".to_owned(),
        };
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config = config.listen(free).admin(free);
        if http_connection_manager(&mut config.bootstrap).is_none() {
            let file = file.display();
            return Err(format!("`{file}` has no HTTP connection manager in its first listener").into());
        }
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        for name in config.cluster_names() {
            config = config.cluster(&name, nowhere);
        }
        Ok(config)
    }

    /// Where requests come in; port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.bootstrap["static_resources"]["listeners"][0]["address"] = socket_address(address);
        self
    }

    /// Where the admin interface is; port 0 takes a free one.
    #[must_use]
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.bootstrap["admin"]["address"] = socket_address(address);
        self
    }

    /// The number of worker threads (1 unless said).
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Envoy's `--log-level` (`info` unless said).
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Gives the cluster `name` this one endpoint; a cluster that does not ship is added as plain HTTP/1.1.
    #[must_use]
    pub fn cluster(mut self, name: &str, endpoint: SocketAddr) -> Self {
        let assignment = json!({
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(endpoint)}}]}],
        });
        let clusters = self.clusters();
        if let Some(cluster) = clusters.iter_mut().find(|cluster| cluster["name"] == name) {
            cluster["type"] = json!("STATIC");
            cluster["load_assignment"] = assignment;
        } else {
            let cluster =
                json!({"name": name, "type": "STATIC", "connect_timeout": "0.25s", "load_assignment": assignment});
            clusters.push(cluster);
        }
        self
    }

    /// Takes the cluster `name` out.
    #[must_use]
    pub fn without_cluster(mut self, name: &str) -> Self {
        self.clusters().retain(|cluster| cluster["name"] != name);
        self
    }

    /// Lets the filter read its configuration from this folder.
    #[must_use]
    pub fn policy(self, folder: &PolicyFolder) -> Self {
        let source = json!({"path": folder.file(), "watched_directory": {"path": folder.path()}});
        self.edit_http(|http| {
            if let Some(filter) = http_filter(http, "regionguard") {
                filter["config_discovery"]["config_source"]["path_config_source"] = source;
            }
        })
    }

    /// Takes the HTTP filter `name` out of the chain.
    #[must_use]
    pub fn without_filter(self, name: &str) -> Self {
        self.edit_http(|http| {
            if let Some(filters) = http["http_filters"].as_array_mut() {
                filters.retain(|filter| filter["name"] != name);
            }
        })
    }

    /// Lets the listener speak TLS with a certificate of this authority.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn tls(self, authority: &Authority, client_certificates: ClientCertificates) -> Result<Self> {
        let socket = authority.listener(client_certificates)?;
        Ok(self.edit(|bootstrap| {
            bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = socket;
        }))
    }

    /// Any other change of the bootstrap.
    #[must_use]
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.bootstrap);
        self
    }

    /// Any other change of the HTTP connection manager: `http_filters`, `route_config`, limits.
    #[must_use]
    pub fn edit_http(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Some(http) = http_connection_manager(&mut self.bootstrap) {
            change(http);
        }
        self
    }

    /// The bootstrap as it stands.
    #[must_use]
    pub fn bootstrap(&self) -> &Value {
        &self.bootstrap
    }

    pub(crate) fn workers(&self) -> u32 {
        self.concurrency
    }

    pub(crate) fn level(&self) -> &str {
        &self.log_level
    }

    /// Sends the access log to `path` instead of standard output.
    pub(crate) fn access_log(self, path: &Path) -> Self {
        self.edit_http(|http| {
            for log in http["access_log"].as_array_mut().into_iter().flatten() {
                log["typed_config"]["path"] = json!(path);
            }
        })
    }

    fn clusters(&mut self) -> &mut Vec<Value> {
        let clusters = &mut self.bootstrap["static_resources"]["clusters"];
        if !clusters.is_array() {
            *clusters = json!([]);
        }
        match clusters {
            Value::Array(clusters) => clusters,
            _ => unreachable!("made an array above"),
        }
    }

    fn cluster_names(&mut self) -> Vec<String> {
        self.clusters()
            .iter()
            .filter_map(|cluster| cluster["name"].as_str().map(str::to_owned))
            .collect()
    }
}

/// The configuration of the first listener's HTTP connection manager, where there is one.
pub fn http_connection_manager(bootstrap: &mut Value) -> Option<&mut Value> {
    bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
}

/// The HTTP filter `name` of an HTTP connection manager's configuration, where there is one.
pub fn http_filter<'a>(http: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    http["http_filters"]
        .as_array_mut()?
        .iter_mut()
        .find(|filter| filter["name"] == name)
}

/// Reads a file of YAML or JSON.
///
/// # Errors
/// When it cannot be read or parsed.
pub fn read_yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).context(|| format!("cannot read `{}`", path.display()))?;
    parse_yaml(&text).context(|| format!("in `{}`", path.display()))
}

/// Parses YAML or JSON.
///
/// # Errors
/// When it is neither.
pub fn parse_yaml(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).context(|| "not YAML".to_owned())
}

/// Writes block YAML with every string quoted, so that no reader takes one for a number or a truth value.
///
/// # Errors
/// When the value cannot be written.
pub fn to_yaml(value: &Value) -> Result<String> {
    let options = serde_saphyr::ser_options! { quote_all: true };
    serde_saphyr::to_string_with_options(value, options).context(|| "cannot write YAML".to_owned())
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Base, Config, http_connection_manager, http_filter, parse_yaml, to_yaml};

    #[test]
    fn both_bootstraps_have_the_chain_in_the_order_that_protects() {
        for base in [Base::Sidecar, Base::Gateway] {
            let mut bootstrap = Config::shipped(base).unwrap().bootstrap().clone();
            let http = http_connection_manager(&mut bootstrap).unwrap();
            let filters = http["http_filters"].as_array().unwrap();
            let names: Vec<_> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
            let expected = [
                "direct-peer",
                "regionguard",
                "regionguard-interlock",
                "envoy.filters.http.router",
            ];
            assert_eq!(names, expected, "{base:?}");
            assert_eq!(http["normalize_path"], false, "{base:?}");
            assert_eq!(http["merge_slashes"], false, "{base:?}");
            assert_eq!(http["path_with_escaped_slashes_action"], "KEEP_UNCHANGED", "{base:?}");
            assert!(http.get("upgrade_configs").is_none(), "{base:?}");
            let interlock = http_filter(http, "regionguard-interlock").unwrap();
            assert_eq!(interlock["typed_config"]["rules"]["action"], "ALLOW", "{base:?}");
        }
    }

    #[test]
    fn a_cluster_is_changed_or_added() {
        let config = Config::shipped(Base::Sidecar).unwrap();
        let known = config.bootstrap()["static_resources"]["clusters"]
            .as_array()
            .unwrap()
            .len();
        let config = config
            .cluster("upstream", "127.0.0.1:7".parse().unwrap())
            .cluster("other", "127.0.0.1:8".parse().unwrap())
            .without_cluster("center-eu-west-1");
        let clusters = config.bootstrap()["static_resources"]["clusters"].as_array().unwrap();
        assert_eq!(clusters.len(), known, "one more, one less");
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        assert_eq!(clusters[0].pointer(endpoint), Some(&json!(7)));
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let value = json!({"text": ["NO", "18.10", "09:00", "0x1F", "~", "", "1e3", "a: b", "# c", "é\n\"'"], "number": [1, 1.5, true, null], "empty": [{}, []]});
        assert_eq!(parse_yaml(&to_yaml(&value).unwrap()).unwrap(), value);
    }
}
