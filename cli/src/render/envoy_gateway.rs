//! What loads the filter into Envoy Gateway.

use super::bundle::{Bundle, Center};
use super::node::Node;
use super::options::{CenterAddress, ImageUrl, ListenerPort, Name, Namespace, Sha256, tls_name};
use super::template::{Template, Values};
use super::{Failure, File};

const VALUES: &str = include_str!("../../templates/envoy-gateway/values.yaml");
const GATEWAY: &str = include_str!("../../templates/envoy-gateway/gateway.yaml");
const INTERLOCK: &str = include_str!("../../templates/envoy-gateway/interlock.yaml");
const CENTERS: &str = include_str!("../../templates/envoy-gateway/centers.yaml");
const POLICY: &str = include_str!("../../templates/envoy-gateway/policy.yaml");

/// The GatewayClass of the example.
const CLASS: &str = "envoy-gateway";
const DEFAULT_PLACE: &str = "edge";
/// Of an HTTPS address without one.
const DEFAULT_PORT: u16 = 443;

/// What a cluster leads to: its name as the option has it, and the field that may say where it is.
struct Kind {
    name: &'static str,
    field: &'static str,
}

const CENTER: Kind = Kind {
    name: "center",
    field: "center.authority",
};
const SERVER: Kind = Kind {
    name: "server",
    field: "authority",
};

/// Where the filter is loaded, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// The namespace of the Gateway: every resource stands there.
    pub(crate) namespace: Option<&'a Namespace>,
    /// The Gateway.
    pub(crate) gateway: Option<&'a Name>,
    /// The Gateway's listeners that speak HTTP, with TLS or without, those of HTTP/3 among them.
    pub(crate) ports: &'a [ListenerPort],
    /// Where Envoy Gateway gets the module.
    pub(crate) image: &'a ImageUrl,
    /// The digest of the image; zeros where there is none.
    pub(crate) sha256: Option<&'a Sha256>,
    /// Where centers are that the bundle gives no address of.
    pub(crate) centers: &'a [CenterAddress],
    /// Where servers are that the bundle gives no address of.
    pub(crate) servers: &'a [CenterAddress],
}

/// The files for `bundle`, in the order in which they are applied. `values.yaml` is for the Helm chart of Envoy Gateway, the others
/// are for `kubectl apply --server-side`.
///
/// # Errors
/// When a port stands there twice, or with HTTP/3 alone, or the address of a center is not known.
pub(crate) fn files(place: &Place<'_>, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let mut values = Values::default();
    values
        .set("namespace", place.namespace.map_or(DEFAULT_PLACE, Namespace::as_str))
        .set("gateway", place.gateway.map_or(DEFAULT_PLACE, Name::as_str))
        .set("class", CLASS)
        // Without the scheme: Envoy Gateway takes it with and without, and its own examples have it without.
        .set("image", place.image.url().trim_start_matches("oci://"))
        .set(
            "sha256",
            place.sha256.map_or("0".repeat(64), |digest| digest.as_str().to_owned()),
        )
        .set("listeners", listeners(place.ports)?)
        .set("plain_ports", ports(place.ports, false))
        .set("http3_ports", ports(place.ports, true))
        .set("if http3", place.ports.iter().any(|port| port.udp))
        .set("bundle", bundle.node.clone());
    let (centers, servers) = (bundle.centers(), bundle.servers());
    let mut files = vec![
        file("values.yaml", VALUES, &values),
        file("gateway.yaml", GATEWAY, &values),
        file("interlock.yaml", INTERLOCK, &values),
    ];
    if !centers.is_empty() || !servers.is_empty() {
        let centers = centers.iter().map(|center| cluster(center, place.centers, &CENTER));
        let servers = servers.iter().map(|server| cluster(server, place.servers, &SERVER));
        let centers: Result<Vec<Node>, Failure> = centers.chain(servers).collect();
        values.set("centers", Node::List(centers?));
        files.push(file("centers.yaml", CENTERS, &values));
    }
    files.push(file("policy.yaml", POLICY, &values));
    Ok(files)
}

fn file(path: &str, template: &str, values: &Values) -> File {
    File {
        path: path.to_owned(),
        text: Template::parse(template).write(values),
    }
}

/// What `interlock.yaml` patches: each listener by the name that Envoy Gateway gives it (`XDSNameSchemeV2`).
fn listeners(ports: &[ListenerPort]) -> Result<Node, Failure> {
    let mut seen = std::collections::BTreeSet::new();
    let items = ports.iter().map(|port| {
        if !seen.insert(port) {
            return Err(Failure::new(format!("error: `--port {port}` is given more than once")));
        }
        // Envoy Gateway opens it beside the one of TCP, never alone: nobody shall forget that one.
        let beside = ListenerPort { udp: false, ..*port };
        if !ports.contains(&beside) {
            return Err(Failure::new(format!(
                "error: `--port {port}` without `--port {beside}`: Envoy Gateway serves HTTP/3 beside HTTPS on the same port, and a listener that is not named has no interlock"
            )));
        }
        let protocol = if port.udp { "udp" } else { "tcp" };
        Ok(map([("name", Node::Text(format!("{protocol}-{}", port.port)))]))
    });
    Ok(Node::List(items.collect::<Result<_, _>>()?))
}

/// What `gateway.yaml` has as listeners: the ports with HTTP/3, or those without.
fn ports(all: &[ListenerPort], http3: bool) -> Node {
    let of_tcp: Vec<&ListenerPort> = all.iter().filter(|port| !port.udp).collect();
    let speaks_http3 = |port: &ListenerPort| all.contains(&ListenerPort { udp: true, ..*port });
    let protocol = if http3 { "https" } else { "http" };
    let name = |port: &ListenerPort| match of_tcp.len() {
        1 => protocol.to_owned(),
        _ => format!("{protocol}-{}", port.port),
    };
    let ports = of_tcp.iter().filter(|port| speaks_http3(port) == http3).map(|port| {
        map([
            ("name", Node::Text(name(port))),
            ("port", Node::Number(port.port.into())),
        ])
    });
    Node::List(ports.collect())
}

fn cluster(center: &Center, addresses: &[CenterAddress], kind: &Kind) -> Result<Node, Failure> {
    let said = addresses.iter().find(|address| address.cluster == center.cluster);
    let (host, port) = match (said, &center.host) {
        (Some(said), _) => (said.host.clone(), said.port),
        (None, Some(host)) => (host.clone(), center.port.unwrap_or(DEFAULT_PORT)),
        (None, None) => {
            let cluster = &center.cluster;
            let Kind { name, field } = kind;
            return Err(Failure::new(format!(
                "error: nothing says where the {name} `{cluster}` is: set `{field}` to its DNS name, or give `--{name} {cluster}=HOST:PORT`"
            )));
        }
    };
    let (san_type, named) = tls_name(&host);
    Ok(map([
        ("cluster", Node::Text(center.cluster.clone())),
        ("host", Node::Text(host)),
        ("port", Node::Number(port.into())),
        ("san_type", san_type.into()),
        ("named", Node::Bool(named)),
    ]))
}

fn map<const N: usize>(fields: [(&str, Node); N]) -> Node {
    Node::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

#[cfg(test)]
mod tests;
