//! The manifests that operators apply: those that ship in `envoy-config/`, and those that `regionguard render` writes.
//!
//! ```no_run
//! # use regionguard_mesh::{Mesh, Result, shipped};
//! # async fn example(mesh: &Mesh) -> Result<()> {
//! let mut plugin = shipped::manifest("istio/workload/wasmplugin.yaml", "shop")?;
//! shipped::set_module(&mut plugin, "oci://registry.example.com/regionguard:1.2.3", None);
//! mesh.kube().apply_object(&plugin).await?;
//! # Ok(())
//! # }
//! ```

use std::ffi::OsStr;
use std::path::Path;

use regionguard_harness::tools;
use serde_json::{Value, json};

use crate::error::Context as _;
use crate::kube::documents;
use crate::{Result, cli, relative_paths};

/// The text of a file below `envoy-config/`, as it ships.
///
/// # Errors
/// When there is none.
pub fn text(file: &str) -> Result<String> {
    let path = tools::envoy_config(file);
    std::fs::read_to_string(&path).context(|| format!("cannot read `{}`", path.display()))
}

/// The one object of a file below `envoy-config/`, in this namespace, with its paths as [`relative_paths`] has them.
///
/// # Errors
/// When there is no such file, or it does not hold one document.
pub fn manifest(file: &str, namespace: &str) -> Result<Value> {
    let mut object = one(&relative_paths(&text(file)?)).context(|| format!("in `{file}`"))?;
    object["metadata"]["namespace"] = json!(namespace);
    Ok(object)
}

/// Sets where a WasmPlugin has its module from, and which: `sha256` is the digest of the image or of the file, in hexadecimal, and
/// `None` takes away the one that the manifest names, which is that of another image.
pub fn set_module(plugin: &mut Value, url: &str, sha256: Option<&str>) {
    plugin["spec"]["url"] = json!(url);
    if let Some(spec) = plugin["spec"].as_object_mut() {
        spec.remove("sha256");
    }
    if let Some(sha256) = sha256 {
        plugin["spec"]["sha256"] = json!(sha256);
    }
}

/// Renders `source`, a file or a folder of documents, by `regionguard render istio` with these options into the folder `out`.
///
/// # Errors
/// When the command fails; the error holds what it said.
pub fn render(source: &Path, options: &[&str], out: &Path) -> Result<()> {
    let args = ["render", "istio"]
        .map(OsStr::new)
        .into_iter()
        .chain([source.as_os_str()]);
    let out = [OsStr::new("--out"), out.as_os_str()];
    cli::regionguard(args.chain(options.iter().map(OsStr::new)).chain(out)).map(drop)
}

/// The one document of a YAML text.
///
/// # Errors
/// When it is not YAML, or holds none or several.
pub fn one(yaml: &str) -> Result<Value> {
    let found: Result<[Value; 1], _> = documents(yaml)?.try_into();
    let [document] = found.map_err(|found: Vec<Value>| format!("{} documents instead of one", found.len()))?;
    Ok(document)
}
