//! Resources of Istio and Kubernetes.

use crate::size::{Size, size};

use super::bundle::{Bundle, Center};
use super::node::Node;
use super::options::is_subdomain;
use super::settings::{PolicyFrom, Scope, Settings};
use super::template::{Template, Value, Values};
use super::{Failure, File, envoy};

/// A template.
pub(crate) const INTERLOCK: &str = include_str!("../../templates/istio/interlock.yaml");
/// A template.
pub(crate) const DIRECT_PEER: &str = include_str!("../../templates/istio/direct-peer.yaml");
/// A template.
pub(crate) const WASMPLUGIN: &str = include_str!("../../templates/istio/wasmplugin.yaml");
/// A template.
pub(crate) const TRAFFICEXTENSION: &str = include_str!("../../templates/istio/trafficextension.yaml");
/// A template.
pub(crate) const CONFIGMAP: &str = include_str!("../../templates/istio/configmap.yaml");
/// A template.
pub(crate) const POLICY: &str = include_str!("../../templates/istio/policy.yaml");
/// A template.
pub(crate) const ADMISSION: &str = include_str!("../../templates/istio/admission.yaml");
/// A template.
pub(crate) const CENTERS: &str = include_str!("../../templates/istio/centers.yaml");
/// A template.
const SERVERS: &str = include_str!("../../templates/istio/servers.yaml");
/// A template.
pub(crate) const HTTP_ONLY: &str = include_str!("../../templates/istio/http-only.yaml");
/// A template.
pub(crate) const TELEMETRY: &str = include_str!("../../templates/istio/telemetry.yaml");
/// A template.
pub(crate) const STATS_TAGS: &str = include_str!("../../templates/istio/stats-tags.yaml");

/// The plugin.
///
/// # Errors
/// When it is too large for one object.
pub(crate) fn wasmplugin(settings: &Settings, bundle: &Bundle) -> Result<File, Failure> {
    plugin("wasmplugin.yaml", WASMPLUGIN, settings, bundle)
}

/// The plugin, as a TrafficExtension.
///
/// # Errors
/// When it is too large for one object.
pub(crate) fn trafficextension(settings: &Settings, bundle: &Bundle) -> Result<File, Failure> {
    plugin("trafficextension.yaml", TRAFFICEXTENSION, settings, bundle)
}

fn plugin(path: &str, template: &str, settings: &Settings, bundle: &Bundle) -> Result<File, Failure> {
    fits(path, bundle.bytes)?;
    let mut values = settings.values();
    values.set("bundle", bundle.node.clone());
    Ok(file(path, template, &values))
}

/// The ConfigMap that a proxy mounts.
///
/// # Errors
/// When it is too large for one object.
pub(crate) fn configmap(settings: &Settings, bundle: &Bundle) -> Result<File, Failure> {
    let mut values = settings.values();
    let inner = envoy::ecds_with(settings.mounted_module(), bundle);
    // As a string of JSON: that is how it is sent and kept.
    fits(
        "configmap.yaml",
        serde_json::Value::from(inner.as_str()).to_string().len(),
    )?;
    values.set("ecds", Value::Lines(inner));
    Ok(file("configmap.yaml", CONFIGMAP, &values))
}

/// What an object has beside its policy: at most so many bytes as JSON.
const FRAME: usize = 4 << 10;

/// Says what to do about an object with so many bytes of policy.
///
/// # Errors
/// When no API server takes it.
pub(crate) fn fits(path: &str, policy: usize) -> Result<(), Failure> {
    let bytes = policy + FRAME;
    let size = size(bytes);
    match size.advice(bytes) {
        Some(advice) if size == Size::TooLarge => Err(Failure::new(format!("error: {path}: {advice}"))),
        Some(advice) => {
            eprintln!("note: {path}: {advice}");
            Ok(())
        }
        None => Ok(()),
    }
}

/// What a workload needs whose policy comes from a ConfigMap.
pub(crate) fn deployment_patch(settings: &Settings) -> File {
    let template = include_str!("../../templates/istio/deployment-patch.yaml");
    file("deployment-patch.yaml", template, &settings.values())
}

/// What a workload needs for its metrics.
pub(crate) fn metrics_patch(settings: &Settings) -> File {
    let template = include_str!("../../templates/istio/metrics-patch.yaml");
    file("metrics-patch.yaml", template, &settings.values())
}

/// What istiod has to be told: with a Telemetry object for the access log, and without.
pub(crate) fn mesh_config() -> Vec<File> {
    let of = |path: &str, template: &str| file(path, template, &Values::default());
    vec![
        of(
            "mesh-config.yaml",
            include_str!("../../templates/istio/mesh-config.yaml"),
        ),
        of(
            "mesh-config-access-log.yaml",
            include_str!("../../templates/istio/mesh-config-access-log.yaml"),
        ),
    ]
}

/// The namespace of the overlay.
const OVERLAY: &str = "shop";

/// A base for kustomize, one for what a cluster has only once (kustomize would put that into a namespace), and an overlay to begin with.
///
/// # Errors
/// As [`everything`].
pub(crate) fn kustomize(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let (of_cluster, namespaced): (Vec<File>, Vec<File>) = everything(settings, bundle)?
        .into_iter()
        .partition(|file| file.path == "admission.yaml");
    let base = include_str!("../../templates/istio/kustomization.yaml");
    let cluster = include_str!("../../templates/istio/kustomization-cluster.yaml");
    let overlay = include_str!("../../templates/istio/overlay.yaml");
    let mut of_overlay = settings.values();
    of_overlay.set("overlay_namespace", OVERLAY);
    let centers = centers(settings, &bundle.centers())?;
    referenced(&centers, settings.scope(), OVERLAY, &mut of_overlay);
    let mut files = kustomization("base", base, namespaced, settings);
    files.append(&mut kustomization("cluster", cluster, of_cluster, settings));
    files.push(file(
        &format!("overlays/{OVERLAY}/kustomization.yaml"),
        overlay,
        &of_overlay,
    ));
    Ok(files)
}

/// A folder with these files and the one that lists them.
fn kustomization(folder: &str, template: &str, mut files: Vec<File>, settings: &Settings) -> Vec<File> {
    let mut values = settings.values();
    values.set(
        "files",
        Node::List(files.iter().map(|file| file.path.as_str().into()).collect()),
    );
    files.push(file("kustomization.yaml", template, &values));
    for file in &mut files {
        file.path = format!("{folder}/{}", file.path);
    }
    files
}

/// Interlock and direct peer; and the filter itself, where its policy comes from a file.
///
/// # Errors
/// When a center of `bundle` is no cluster of Istio.
pub(crate) fn envoyfilters(settings: &Settings, bundle: Option<&Bundle>) -> Result<Vec<File>, Failure> {
    let mut centers = bundle.map(Bundle::centers).unwrap_or_default();
    centers.extend(bundle.map(Bundle::servers).unwrap_or_default());
    let mut values = settings.values();
    let centers = self::centers(settings, &centers)?;
    referenced(&centers, settings.scope(), settings.namespace(), &mut values);
    Ok(filters(settings, &values))
}

/// All for one place in the mesh.
///
/// # Errors
/// When a center's address is not known.
pub(crate) fn everything(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let centers = centers(settings, &bundle.centers())?;
    let servers = self::centers(settings, &bundle.servers())?;
    let mut values = settings.values();
    let all = [centers.as_slice(), servers.as_slice()].concat();
    referenced(&all, settings.scope(), settings.namespace(), &mut values);
    let (has_centers, has_servers) = (!centers.is_empty(), !servers.is_empty());
    values
        .set("if refreshes", bundle.refreshes())
        .set("centers", Node::List(centers))
        .set("servers", Node::List(servers));
    let mut files = filters(settings, &values);
    match settings.policy_from() {
        PolicyFrom::Plugin => files.push(wasmplugin(settings, bundle)?),
        PolicyFrom::Configmap => files.push(configmap(settings, bundle)?),
    }
    files.push(file("admission.yaml", ADMISSION, &values));
    if has_centers {
        files.push(file("centers.yaml", CENTERS, &values));
    }
    if has_servers {
        files.push(file("servers.yaml", SERVERS, &values));
    }
    if settings.scope() != Scope::Mesh {
        files.push(file("http-only.yaml", HTTP_ONLY, &values));
    }
    files.push(file("telemetry.yaml", TELEMETRY, &values));
    files.push(file("stats-tags.yaml", STATS_TAGS, &values));
    Ok(files)
}

fn filters(settings: &Settings, values: &Values) -> Vec<File> {
    let mut files = vec![file("interlock.yaml", INTERLOCK, values)];
    if settings.scope() != Scope::Waypoint {
        files.push(file("direct-peer.yaml", DIRECT_PEER, values));
    }
    if settings.policy_from() == PolicyFrom::Configmap {
        files.push(file("policy.yaml", POLICY, values));
    }
    files
}

/// Makes the centers, which stand in `namespace`, known to a proxy that knows only what it routes to.
fn referenced(centers: &[Node], scope: Scope, namespace: &str, values: &mut Values) {
    let hosts: Vec<String> = centers
        .iter()
        .filter_map(|center| Some(format!("{namespace}/{}", center.text(&["host"])?)))
        .collect();
    let routes_only = matches!(scope, Scope::Gateway | Scope::Waypoint);
    values
        .set("if annotations", routes_only && !hosts.is_empty())
        .set("referenced_services", hosts.join(","));
}

/// What `centers.yaml` holds of each center.
///
/// # Errors
/// When a cluster is none of Istio's.
pub(crate) fn centers(settings: &Settings, centers: &[Center]) -> Result<Vec<Node>, Failure> {
    centers.iter().map(|center| entry(settings, center)).collect()
}

/// The fields of one center. Its cluster is Istio's name of a service, which says where it is.
fn entry(settings: &Settings, center: &Center) -> Result<Node, Failure> {
    let cluster = &center.cluster;
    let Some((port, host)) = service(cluster) else {
        return Err(Failure::new(format!(
            "error: `{cluster}` is no cluster of Istio: write `outbound|PORT||HOST` in `cluster`, of a center as of a server of keys or revocations"
        )));
    };
    Ok(Node::Map(vec![
        ("name".to_owned(), host.into()),
        ("host".to_owned(), host.into()),
        ("port".to_owned(), Node::Number(port.into())),
        ("identity".to_owned(), settings.center_identity().into()),
    ]))
}

/// Port and host of the service whose cluster in Istio has this name: `outbound|PORT|SUBSET|HOST`.
pub(crate) fn service(cluster: &str) -> Option<(u16, &str)> {
    let mut parts = cluster.split('|');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("outbound"), Some(port), Some(_), Some(host), None) if is_subdomain(host) => {
            Some((port.parse().ok().filter(|port| *port > 0)?, host))
        }
        _ => None,
    }
}

fn file(path: &str, template: &str, values: &Values) -> File {
    File {
        path: path.to_owned(),
        text: Template::parse(template).write(values),
    }
}
