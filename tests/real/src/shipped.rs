//! The manifests that operators apply: those that ship in `envoy-config/`, and those that `regionguard render` writes.
//!
//! ```no_run
//! # use regionguard_mesh::{Mesh, Result, shipped};
//! # async fn example(mesh: &Mesh) -> Result<()> {
//! let mut plugin = shipped::manifest("istio/workload/wasmplugin.yaml", "shop")?;
//! shipped::set_module(&mut plugin, "oci://registry.example.com/regionguard/http-authz:1.2.3", None);
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

#[cfg(test)]
mod tests {
    use regionguard_harness::{RunDir, tools};
    use serde_json::json;

    use super::{manifest, one, render, set_module};

    #[test]
    fn what_ships_is_what_is_rendered_but_for_its_namespace() {
        let run = RunDir::new("shipped").unwrap();
        let options = ["--scope=workload", "--namespace=shop", "--selector=app=api"];
        render(&tools::envoy_config("istio/documents"), &options, run.path()).unwrap();
        for file in ["interlock.yaml", "wasmplugin.yaml"] {
            let rendered = one(&std::fs::read_to_string(run.path().join(file)).unwrap()).unwrap();
            assert_eq!(manifest(&format!("istio/workload/{file}"), "shop").unwrap(), rendered);
        }
        let refused = render(&run.path().join("none"), &options, run.path()).unwrap_err();
        assert!(refused.to_string().contains("none"), "{refused}");
    }

    #[test]
    fn a_digest_of_another_image_does_not_stay() {
        let mut plugin = manifest("istio/workload/wasmplugin.yaml", "shop").unwrap();
        assert!(plugin["spec"]["sha256"].is_string());
        set_module(&mut plugin, "file:///module", None);
        assert_eq!(
            (&plugin["spec"]["url"], &plugin["spec"]["sha256"]),
            (&json!("file:///module"), &json!(null))
        );
        set_module(&mut plugin, "oci://image", Some("00"));
        assert_eq!(plugin["spec"]["sha256"], "00");
    }

    #[test]
    fn one_document_is_not_several() {
        assert_eq!(one("a: 1\n---\n").unwrap(), json!({"a": 1}));
        let refused = one("a: 1\n---\nb: 2\n").unwrap_err().to_string();
        assert_eq!(refused, "2 documents instead of one");
    }
}
