//! `regionguard render envoy-gateway`: what loads the filter into Envoy Gateway.
//!
//! The texts are templates beside this file, so that their comments reach whoever applies them; only names, ports, the module
//! and the bundle are put in.

use std::collections::BTreeMap;

use serde_json::Value;

/// Where the filter is loaded, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The namespace of the Gateway: every resource stands there.
    pub(crate) namespace: String,
    /// The name of the GatewayClass.
    pub(crate) class: String,
    /// The name of the Gateway.
    pub(crate) gateway: String,
    /// The ports of the Gateway's listeners that speak HTTP, with TLS or without.
    pub(crate) ports: Vec<u16>,
    /// Where Envoy Gateway gets the module.
    pub(crate) module: Module,
}

/// Where Envoy Gateway gets the module.
#[derive(Clone, Debug)]
pub(crate) enum Module {
    /// An OCI image.
    Image {
        /// Registry, repository and tag.
        url: String,
        /// The digest of its manifest: 64 hexadecimal digits.
        sha256: String,
    },
    /// A file on a web server.
    Http {
        /// Its address.
        url: String,
        /// The digest of its bytes: 64 hexadecimal digits.
        sha256: String,
    },
}

/// A file of resources.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct File {
    /// Its name in the folder that is written.
    pub(crate) name: &'static str,
    /// YAML, with comments that say what to change.
    pub(crate) text: String,
}

/// The files for `bundle`, in the order in which they are applied. `values.yaml` is for Envoy Gateway's Helm chart, the others
/// for `kubectl apply --server-side`.
///
/// # Errors
/// In words: when an option cannot stand in a manifest, or the bundle cannot be written as YAML.
pub(crate) fn files(bundle: &Value, options: &Options) -> Result<Vec<File>, String> {
    check(options)?;
    let fill = |template: &str| {
        template
            .replace("@NAMESPACE@", &options.namespace)
            .replace("@CLASS@", &options.class)
            .replace("@GATEWAY@", &options.gateway)
    };
    let mut files = vec![
        file("values.yaml", include_str!("envoy_gateway/values.yaml").to_owned()),
        file(
            "gateway.yaml",
            fill(include_str!("envoy_gateway/gateway.yaml")).replace("@LISTENERS@\n", &listeners(&options.ports)),
        ),
        file(
            "interlock.yaml",
            fill(include_str!("envoy_gateway/interlock.yaml"))
                .replace("@PATCHES@\n", &for_ports(include_str!("envoy_gateway/patches.yaml"), &options.ports))
                .replace("@RELOADS@\n", &for_ports(include_str!("envoy_gateway/reload.yaml"), &options.ports)),
        ),
    ];
    let clusters = clusters(bundle)?;
    if !clusters.is_empty() {
        let centers = fill(include_str!("envoy_gateway/centers.yaml"));
        files.push(file("centers.yaml", centers.replace("@CLUSTERS@\n", &clusters)));
    }
    let policy = fill(include_str!("envoy_gateway/policy.yaml"));
    let policy = policy.replace("@CODE@\n", &code(&options.module));
    files.push(file("policy.yaml", policy.replace("@BUNDLE@\n", &block(bundle, 8)?)));
    Ok(files)
}

/// Refuses what would change the meaning of the YAML around it.
fn check(options: &Options) -> Result<(), String> {
    for (what, name) in [
        ("namespace", &options.namespace),
        ("gateway class", &options.class),
        ("gateway", &options.gateway),
    ] {
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = name.as_bytes();
        if bytes.len() > 63 || !bytes.iter().all(|byte| label(*byte)) || !edge(bytes.first()) || !edge(bytes.last()) {
            return Err(format!(
                "the {what} `{name}` is not a name of Kubernetes: up to 63 of a-z, 0-9 and `-`, beginning and ending without `-`"
            ));
        }
    }
    if options.ports.is_empty() {
        return Err("no port: name each port of the Gateway that speaks HTTP, since one that is not named has no interlock".to_owned());
    }
    let (Module::Image { url, sha256 } | Module::Http { url, sha256 }) = &options.module;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+".contains(&byte);
    if url.is_empty() || !url.bytes().all(plain) {
        return Err(format!("the module's address `{url}` holds a character that no address of a module has"));
    }
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sha256.len() != 64 || !sha256.bytes().all(digit) {
        return Err(format!("the module's digest `{sha256}` is not a SHA-256: 64 hexadecimal digits in lower case"));
    }
    Ok(())
}

fn file(name: &'static str, text: String) -> File {
    File { name, text }
}

fn listeners(ports: &[u16]) -> String {
    let template = include_str!("envoy_gateway/listener.yaml");
    ports
        .iter()
        .map(|port| {
            let name = if ports.len() == 1 { "http".to_owned() } else { format!("http-{port}") };
            template.replace("@NAME@", &name).replace("@PORT@", &port.to_string())
        })
        .collect()
}

fn for_ports(template: &str, ports: &[u16]) -> String {
    ports.iter().map(|port| template.replace("@PORT@", &port.to_string())).collect()
}

fn code(module: &Module) -> String {
    let (template, url, sha256) = match module {
        Module::Image { url, sha256 } => (include_str!("envoy_gateway/image.yaml"), url, sha256),
        Module::Http { url, sha256 } => (include_str!("envoy_gateway/http.yaml"), url, sha256),
    };
    template.replace("@URL@", url).replace("@SHA256@", sha256)
}

/// A cluster for each name that a Region gives its center, at the address of its `authority`.
fn clusters(bundle: &Value) -> Result<String, String> {
    let mut centers = BTreeMap::new();
    for document in bundle["documents"].as_array().into_iter().flatten() {
        let center = &document["spec"]["center"];
        let Some(cluster) = center["cluster"].as_str() else { continue };
        centers.entry(cluster).or_insert_with(|| center["authority"].as_str().unwrap_or(cluster));
    }
    let template = include_str!("envoy_gateway/cluster.yaml");
    centers
        .into_iter()
        .map(|(cluster, authority)| {
            let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
            let scalar = |text: &str| serde_json::to_string(text).map_err(|error| error.to_string());
            let port: u16 = port
                .parse()
                .map_err(|_| format!("the center's authority `{authority}` ends with a port that is none: found `{port}`"))?;
            Ok(template
                .replace("@CLUSTER@", &scalar(cluster)?)
                .replace("@HOST@", &scalar(host)?)
                .replace("@PORT@", &port.to_string()))
        })
        .collect()
}

/// `value` as block YAML, each line set in by `indent` spaces. Every string is quoted: `kubectl` reads YAML 1.1, where `no` is a
/// truth value and `09:00` may be a number.
fn block(value: &Value, indent: usize) -> Result<String, String> {
    let options = serde_saphyr::ser_options! { quote_all: true };
    let text = serde_saphyr::to_string_with_options(value, options).map_err(|error| error.to_string())?;
    let pad = " ".repeat(indent);
    Ok(text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") }).collect())
}

#[cfg(test)]
mod tests;
