//! Resources of Istio and Kubernetes.

use super::bundle::{Bundle, Center};
use super::node::Node;
use super::options::is_subdomain;
use super::settings::{PolicyFrom, Scope, Settings};
use super::template::{Template, Value, Values};
use super::{Failure, File, envoy};

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../templates/istio/", $name))
    };
}

/// The plugin.
pub(crate) fn wasmplugin(settings: &Settings, bundle: &Bundle) -> File {
    let mut values = settings.values();
    values.set("bundle", bundle.node.clone());
    file("wasmplugin.yaml", template!("wasmplugin.yaml"), &values)
}

/// The plugin, as a TrafficExtension.
pub(crate) fn trafficextension(settings: &Settings, bundle: &Bundle) -> File {
    let mut values = settings.values();
    values.set("bundle", bundle.node.clone());
    file("trafficextension.yaml", template!("trafficextension.yaml"), &values)
}

/// The ConfigMap that a proxy mounts.
pub(crate) fn configmap(settings: &Settings, bundle: &Bundle) -> File {
    let mut values = settings.values();
    let inner = envoy::ecds_with(settings.mounted_module(), bundle);
    values.set("ecds", Value::Lines(inner));
    file("configmap.yaml", template!("configmap.yaml"), &values)
}

/// Interlock and direct peer; and the filter itself, where its policy comes from a file.
pub(crate) fn envoyfilters(settings: &Settings) -> Vec<File> {
    let mut values = settings.values();
    referenced(&[], settings, &mut values);
    filters(settings, &values)
}

/// All for one place in the mesh.
///
/// # Errors
/// When a center's address is not known.
pub(crate) fn everything(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let centers = centers(settings, &bundle.centers())?;
    let mut values = settings.values();
    referenced(&centers, settings, &mut values);
    values.set("centers", Node::List(centers));
    let mut files = filters(settings, &values);
    match settings.policy_from() {
        PolicyFrom::Plugin => files.push(wasmplugin(settings, bundle)),
        PolicyFrom::Configmap => {
            files.push(configmap(settings, bundle));
            files.push(file("admission.yaml", template!("admission.yaml"), &values));
        }
    }
    files.push(file("centers.yaml", template!("centers.yaml"), &values));
    if settings.scope() != Scope::Mesh {
        files.push(file("http-only.yaml", template!("http-only.yaml"), &values));
    }
    files.push(file("telemetry.yaml", template!("telemetry.yaml"), &values));
    Ok(files)
}

fn filters(settings: &Settings, values: &Values) -> Vec<File> {
    let mut files = vec![file("interlock.yaml", template!("interlock.yaml"), values)];
    if settings.scope() != Scope::Waypoint {
        files.push(file("direct-peer.yaml", template!("direct-peer.yaml"), values));
    }
    if settings.policy_from() == PolicyFrom::Configmap {
        files.push(file("policy.yaml", template!("policy.yaml"), values));
    }
    files
}

/// Makes the centers known to a proxy that knows only what it routes to.
fn referenced(centers: &[Node], settings: &Settings, values: &mut Values) {
    let namespace = settings.namespace();
    let hosts: Vec<String> = centers
        .iter()
        .filter_map(|center| Some(format!("{namespace}/{}", center.text(&["host"])?)))
        .collect();
    let routes_only = matches!(settings.scope(), Scope::Gateway | Scope::Waypoint);
    values
        .set("if annotations", routes_only && !hosts.is_empty())
        .set("referenced_services", hosts.join(","));
}

/// What `centers.yaml` holds of each center.
fn centers(settings: &Settings, centers: &[Center]) -> Result<Vec<Node>, Failure> {
    centers.iter().map(|center| entry(settings, center)).collect()
}

/// The fields of one center. Its cluster is Istio's name of a service, which says where it is.
fn entry(settings: &Settings, center: &Center) -> Result<Node, Failure> {
    let cluster = &center.cluster;
    let mut parts = cluster.split('|');
    let place = match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("outbound"), Some(port), Some(_), Some(host), None) => port.parse::<u16>().ok().filter(|port| *port > 0).zip(Some(host)),
        _ => None,
    };
    let Some((port, host)) = place.filter(|(_, host)| is_subdomain(host)) else {
        return Err(Failure::new(format!(
            "error: the center `{cluster}` is no cluster of Istio: write `outbound|PORT||HOST` in `center.cluster`"
        )));
    };
    Ok(Node::Map(vec![
        ("name".to_owned(), host.into()),
        ("host".to_owned(), host.into()),
        ("port".to_owned(), Node::Number(port.into())),
        ("identity".to_owned(), settings.center_identity().into()),
    ]))
}

fn file(path: &str, template: &str, values: &Values) -> File {
    File {
        path: path.to_owned(),
        text: Template::parse(template).write(values),
    }
}
