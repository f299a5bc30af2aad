//! What loads the filter into Envoy Gateway.

use super::bundle::{Bundle, Center};
use super::node::Node;
use super::options::{CenterAddress, ImageUrl, Name, Namespace, Sha256};
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
const DEFAULT_CENTER_PORT: u16 = 443;

/// Where the filter is loaded, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// The namespace of the Gateway: every resource stands there.
    pub(crate) namespace: Option<&'a Namespace>,
    /// The Gateway.
    pub(crate) gateway: Option<&'a Name>,
    /// The ports of the Gateway's listeners that speak HTTP, with TLS or without.
    pub(crate) ports: &'a [u16],
    /// Where Envoy Gateway gets the module.
    pub(crate) image: &'a ImageUrl,
    /// The digest of the image; zeros where there is none.
    pub(crate) sha256: Option<&'a Sha256>,
    /// Where centers are that the bundle gives no address of.
    pub(crate) centers: &'a [CenterAddress],
}

/// The files for `bundle`, in the order in which they are applied. `values.yaml` is for the Helm chart of Envoy Gateway, the others
/// are for `kubectl apply --server-side`.
///
/// # Errors
/// When a port stands there twice, or the address of a center is not known.
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
        .set("ports", ports(place.ports)?)
        .set("bundle", bundle.node.clone());
    let centers = bundle.centers();
    let mut files = vec![
        file("values.yaml", VALUES, &values),
        file("gateway.yaml", GATEWAY, &values),
        file("interlock.yaml", INTERLOCK, &values),
    ];
    if !centers.is_empty() {
        let centers: Result<Vec<Node>, Failure> = centers.iter().map(|center| cluster(center, place.centers)).collect();
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

fn ports(ports: &[u16]) -> Result<Node, Failure> {
    let mut seen = std::collections::BTreeSet::new();
    let items = ports.iter().map(|port| {
        if *port == 0 || !seen.insert(port) {
            return Err(Failure::new(format!(
                "error: `--port {port}`: give each port of the Gateway once, from 1 to 65535"
            )));
        }
        let name = if ports.len() == 1 {
            "http".to_owned()
        } else {
            format!("http-{port}")
        };
        Ok(map([
            ("name", Node::Text(name)),
            ("port", Node::Number((*port).into())),
        ]))
    });
    Ok(Node::List(items.collect::<Result<_, _>>()?))
}

fn cluster(center: &Center, addresses: &[CenterAddress]) -> Result<Node, Failure> {
    let said = addresses.iter().find(|address| address.cluster == center.cluster);
    let (host, port) = match (said, &center.host) {
        (Some(said), _) => (said.host.clone(), said.port),
        (None, Some(host)) => (host.clone(), center.port.unwrap_or(DEFAULT_CENTER_PORT)),
        (None, None) => {
            let cluster = &center.cluster;
            return Err(Failure::new(format!(
                "error: nothing says where the center `{cluster}` is: set `center.authority` to its DNS name, or give `--center {cluster}=HOST:PORT`"
            )));
        }
    };
    Ok(map([
        ("cluster", Node::Text(center.cluster.clone())),
        ("host", Node::Text(host)),
        ("port", Node::Number(port.into())),
    ]))
}

fn map<const N: usize>(fields: [(&str, Node); N]) -> Node {
    Node::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

#[cfg(test)]
mod tests;
