//! Plain Envoy: bootstraps, and the file that configures the filter.

use super::bundle::{Bundle, Center};
use super::node::Node;
use super::options::tls_name;
use super::settings::Settings;
use super::template::{Template, Values};
use super::{Failure, File, login};

/// Where `make build` puts the module, seen from a proxy.
const MODULE: &str = "/etc/regionguard/module/regionguard_http_authz.wasm";

/// A template.
const GATEWAY: &str = include_str!("../../templates/envoy/gateway.yaml");
/// A template.
pub(crate) const ECDS: &str = include_str!("../../templates/envoy/ecds.yaml");

/// A bootstrap for a sidecar and one for a gateway.
///
/// # Errors
/// When the address of a center or server is not known.
pub(crate) fn bootstraps(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let mut values = values(settings, bundle)?;
    login::none(&mut values);
    Ok(vec![
        file(
            "sidecar.yaml",
            include_str!("../../templates/envoy/sidecar.yaml"),
            &values,
        ),
        file("gateway.yaml", GATEWAY, &values),
    ])
}

/// A bootstrap for a gateway at which browsers log in, and the files that name its secrets.
///
/// # Errors
/// When a center's address is not known, or an option of the login is missing.
pub(crate) fn oauth2(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let mut values = values(settings, bundle)?;
    settings.login().set(&mut values)?;
    if let Some(warning) = login::warning(bundle) {
        eprintln!("{warning}");
    }
    let mut files = vec![file("gateway.yaml", GATEWAY, &values)];
    files.extend(login::secrets());
    Ok(files)
}

/// What both bootstraps name.
fn values(settings: &Settings, bundle: &Bundle) -> Result<Values, Failure> {
    let mut values = Values::default();
    let centers = bundle
        .centers()
        .iter()
        .map(|center| cluster(settings, center))
        .collect::<Result<_, _>>()?;
    let servers = bundle
        .servers()
        .iter()
        .map(|server| self::server(settings, server))
        .collect::<Result<_, _>>()?;
    let upgrade = |kind: &&str| Node::Map(vec![("upgrade_type".to_owned(), (*kind).into())]);
    let upgrades: Vec<Node> = bundle.upgrades().iter().map(upgrade).collect();
    values
        .set("region", bundle.region().unwrap_or("us-east-1"))
        .set("policy_file", settings.policy_file().as_str())
        .set("policy_folder", settings.policy_file().folder())
        .set("if refreshes", bundle.refreshes())
        .set("if upgrades", !upgrades.is_empty())
        .set("if no upgrades", upgrades.is_empty())
        .set("upgrades", Node::List(upgrades))
        .set("centers", Node::List(centers))
        .set("servers", Node::List(servers));
    Ok(values)
}

fn file(path: &str, template: &str, values: &Values) -> File {
    File {
        path: path.to_owned(),
        text: Template::parse(template).write(values),
    }
}

/// The file that configures the filter.
pub(crate) fn ecds(settings: &Settings, bundle: &Bundle) -> File {
    let module = settings.module_file().map_or(MODULE, |path| path.as_str());
    File {
        path: "regionguard.yaml".to_owned(),
        text: ecds_with(module, bundle),
    }
}

/// The text of the file that configures the filter, with the module at this place.
pub(crate) fn ecds_with(module: &str, bundle: &Bundle) -> String {
    let mut values = Values::default();
    values.set("module_file", module).set("bundle", bundle.node.clone());
    Template::parse(ECDS).write(&values)
}

fn cluster(settings: &Settings, center: &Center) -> Result<Node, Failure> {
    let said = settings.center(&center.cluster);
    let host = said.map(|said| said.host.as_str()).or(center.host.as_deref());
    let host = host.ok_or_else(|| {
        let cluster = &center.cluster;
        Failure::new(format!("error: where is the center `{cluster}`? Say it by `--center '{cluster}=HOST:PORT'`, or by `center.authority`"))
    })?;
    let port = said.map(|said| said.port).or(center.port).unwrap_or(DEFAULT_PORT);
    Ok(entry(&center.cluster, host, port))
}

fn server(settings: &Settings, server: &Center) -> Result<Node, Failure> {
    let said = settings.server(&server.cluster);
    let host = said.map(|said| said.host.as_str()).or(server.host.as_deref());
    let host = host.ok_or_else(|| {
        let cluster = &server.cluster;
        Failure::new(format!(
            "error: where is the server `{cluster}`? Say it by `--server '{cluster}=HOST:PORT'`, or by `authority`"
        ))
    })?;
    let port = said.map(|said| said.port).or(server.port).unwrap_or(SERVER_PORT);
    Ok(entry(&server.cluster, host, port))
}

fn entry(cluster: &str, host: &str, port: u16) -> Node {
    let (san_type, named) = tls_name(host);
    Node::Map(vec![
        ("cluster".to_owned(), cluster.into()),
        ("host".to_owned(), host.into()),
        ("port".to_owned(), Node::Number(port.into())),
        ("san_type".to_owned(), san_type.into()),
        ("named".to_owned(), Node::Bool(named)),
    ])
}

/// Where centers listen if nothing says otherwise.
const DEFAULT_PORT: u16 = 8181;
/// Where servers of keys and revocations listen if nothing says otherwise.
const SERVER_PORT: u16 = 443;
