//! The bundle that is rendered: a folder of documents, or one file.

use std::path::{Path, PathBuf};

use regionguard::bundle::{Encoding, compile};

use super::Failure;
use super::node::Node;
use super::options::is_subdomain;

/// A bundle that compiles, its documents as they were written.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The whole of it.
    pub(crate) node: Node,
}

/// A center that a Region names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Center {
    /// As in `center.cluster`.
    pub(crate) cluster: String,
    /// As in `center.authority`, without a port.
    pub(crate) host: Option<String>,
    /// As in `center.authority`.
    pub(crate) port: Option<u16>,
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

    /// `region` of the bundle, if it says one.
    pub(crate) fn region(&self) -> Option<&str> {
        self.node.text(&["region"])
    }

    /// The length of the bundle as JSON, in bytes.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(&self.node).unwrap_or_default()
    }

    fn documents(&self) -> &[Node] {
        match self.node.field("documents") {
            Some(Node::List(documents)) => documents,
            _ => &[],
        }
    }
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

/// Reads the folder or file at `path`.
///
/// # Errors
/// When it cannot be read, or is not a bundle that compiles.
pub(crate) fn load(path: &Path) -> Result<Bundle, Failure> {
    let mut head: Option<Vec<(String, Node)>> = None;
    let mut documents = Vec::new();
    for file in files(path)? {
        let text = std::fs::read_to_string(&file).map_err(|error| Failure::new(format!("cannot read `{}`: {error}", file.display())))?;
        let found: Vec<Node> =
            serde_saphyr::from_multiple(&text).map_err(|error| Failure::new(format!("`{}`: {error}", file.display())))?;
        for node in found {
            match node {
                Node::Map(fields) if node_is_head(&fields) => head = Some(fields),
                node => documents.push(node),
            }
        }
    }
    let mut fields = head.ok_or_else(|| Failure::new(format!("`{}` holds no head of a bundle", path.display())))?;
    match fields.iter_mut().find(|(key, _)| key == "documents") {
        Some((_, Node::List(own))) => own.append(&mut documents),
        _ => fields.push(("documents".to_owned(), Node::List(documents))),
    }
    let bundle = Bundle { node: Node::Map(fields) };
    compile(bundle.json().as_bytes(), Encoding::Json).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n"))
    })?;
    Ok(bundle)
}

fn node_is_head(fields: &[(String, Node)]) -> bool {
    fields.iter().all(|(key, _)| key != "kind")
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json"))
        .collect();
    found.sort();
    Ok(found)
}
