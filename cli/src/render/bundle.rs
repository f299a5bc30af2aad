//! The bundle that is rendered: a folder of documents, or one file.

use crate::documents::Loaded;

use super::istio;
use super::node::Node;
use super::options::is_subdomain;

/// A bundle that compiles, its documents as they were written.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The whole of it.
    pub(crate) node: Node,
    /// Its length as JSON, in bytes.
    pub(crate) bytes: usize,
}

/// A center that a Region names, or a server that it fetches from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Center {
    /// As in `cluster`.
    pub(crate) cluster: String,
    /// As in `authority`, without a port.
    pub(crate) host: Option<String>,
    /// As in `authority`.
    pub(crate) port: Option<u16>,
}

impl From<&Loaded> for Bundle {
    fn from(loaded: &Loaded) -> Self {
        Self {
            node: loaded.written(),
            bytes: loaded.value.to_string().len(),
        }
    }
}

impl Bundle {
    /// The centers that its Regions name, each once, in their order.
    pub(crate) fn centers(&self) -> Vec<Center> {
        let mut centers: Vec<Center> = Vec::new();
        for document in self.documents() {
            let Some(cluster) = document.text(&["spec", "center", "cluster"]) else {
                continue;
            };
            if centers.iter().all(|known| known.cluster != cluster) {
                centers.push(center(cluster, document.text(&["spec", "center", "authority"])));
            }
        }
        centers
    }

    /// The servers that its Regions fetch from, each once, in their order, but for those whose cluster is a center's.
    pub(crate) fn servers(&self) -> Vec<Center> {
        let centers = self.centers();
        let mut servers: Vec<Center> = Vec::new();
        for document in self.documents() {
            for place in SERVERS {
                let at = |name| document.text(&[&["spec"], *place, &[name]].concat());
                let Some(cluster) = at("cluster") else { continue };
                // What it is named by where nothing else is said.
                let named = || match place.last() {
                    Some(&"discovery") => document.text(&["spec", "issuer"]),
                    Some(&"statusLists") => at("uriPrefix"),
                    _ => None,
                };
                let authority = at("authority").or_else(|| named().and_then(host_of));
                if centers.iter().chain(&servers).all(|known| known.cluster != cluster) {
                    servers.push(center(cluster, authority));
                }
            }
        }
        servers
    }

    /// Whether all of its centers and servers are clusters of Istio: objects for a mesh can be made of it.
    pub(crate) fn is_for_istio(&self) -> bool {
        self.centers()
            .iter()
            .chain(&self.servers())
            .all(|center| istio::service(&center.cluster).is_some())
    }

    /// Whether callers are told that their token ends soon.
    pub(crate) fn refreshes(&self) -> bool {
        self.node.text(&["tokens", "refreshBefore"]).is_some()
    }

    /// The protocols that its rules name, as Envoy calls them.
    pub(crate) fn upgrades(&self) -> Vec<&'static str> {
        let rules = self
            .documents()
            .iter()
            .filter_map(|document| match document.field("spec")?.field("rules")? {
                Node::List(rules) => Some(rules),
                _ => None,
            });
        let mut named: Vec<&str> = Vec::new();
        for rule in rules.flatten() {
            for field in ["upgrades", "methods"] {
                if let Some(Node::List(words)) = rule.field(field) {
                    named.extend(words.iter().filter_map(|word| word.text(&[])));
                }
            }
        }
        let known = UPGRADES
            .iter()
            .filter(|(names, _)| names.iter().any(|name| named.contains(name)));
        known.map(|(_, kind)| *kind).collect()
    }

    /// `region` of the bundle, if it says one.
    pub(crate) fn region(&self) -> Option<&str> {
        self.node.text(&["region"])
    }

    fn documents(&self) -> &[Node] {
        match self.node.field("documents") {
            Some(Node::List(documents)) => documents,
            _ => &[],
        }
    }
}

/// The words of rules, and Envoy's `upgrade_type` for them.
const UPGRADES: &[(&[&str], &str)] = &[
    (&["websocket"], "websocket"),
    (&["connect", "CONNECT"], "CONNECT"),
    (&["connect-udp"], "connect-udp"),
    (&["spdy/3.1"], "spdy/3.1"),
];

/// The places of a Region that name a server to fetch from.
const SERVERS: &[&[&str]] = &[
    &["keys", "remote"],
    &["keys", "discovery"],
    &["keys", "discovery", "jwks"],
    &["revocation", "list"],
    &["revocation", "statusLists"],
];

/// Host and port of a URL.
fn host_of(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split('/').next()
}

fn center(cluster: &str, authority: Option<&str>) -> Center {
    let (host, port) = match authority.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        Some((host, port)) => (Some(host), port.parse().ok()),
        None => (None, None),
    };
    Center {
        cluster: cluster.to_owned(),
        host: host.filter(|host| is_subdomain(host)).map(str::to_owned),
        port,
    }
}
