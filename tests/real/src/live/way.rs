//! The two ways on which a bundle gets into a proxy, each by the manifests that ship: a file that a ConfigMap brings, and the
//! `pluginConfig` of a WasmPlugin.

use std::path::{Path, PathBuf};

use regionguard_harness::tools;
use serde_json::{Value, json};

use super::modules::Module;
use crate::{Mesh, Result, Spec, shipped};

/// The name of the file in the ConfigMap.
const FILE: &str = "regionguard.yaml";

/// One of the two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A file with Envoy's configuration of the filter, which a ConfigMap brings.
    ConfigMap,
    /// `pluginConfig` of a WasmPlugin, which istiod pushes.
    WasmPlugin,
}

impl Way {
    /// The folder of its manifests.
    fn folder(self) -> &'static str {
        match self {
            Self::ConfigMap => "istio/policy-from-configmap",
            Self::WasmPlugin => "istio/workload",
        }
    }

    /// A manifest that ships, in this namespace.
    fn manifest(self, file: &str, namespace: &str) -> Result<Value> {
        shipped::manifest(&format!("{}/{file}", self.folder()), namespace)
    }

    /// What stands around the filter: the interlock and the direct peer.
    ///
    /// # Errors
    /// As [`shipped::manifest`].
    pub fn surroundings(self, namespace: &str) -> Result<[Value; 2]> {
        Ok([
            self.manifest("interlock.yaml", namespace)?,
            self.manifest("direct-peer.yaml", namespace)?,
        ])
    }

    /// What puts the filter into the chain, where the bundle itself does not.
    ///
    /// # Errors
    /// As [`shipped::manifest`].
    pub fn filter(self, namespace: &str) -> Result<Option<Value>> {
        match self {
            Self::ConfigMap => self.manifest("policy.yaml", namespace).map(Some),
            Self::WasmPlugin => Ok(None),
        }
    }

    /// The object that holds the bundle; `module` is what a WasmPlugin names.
    ///
    /// # Errors
    /// As [`shipped::manifest`] and [`config_map`].
    pub fn object(self, namespace: &str, bundle: &Value, module: &Module) -> Result<Value> {
        match self {
            Self::ConfigMap => config_map(namespace, |file| set_bundle(file, bundle)),
            Self::WasmPlugin => {
                let mut plugin = self.manifest("wasmplugin.yaml", namespace)?;
                shipped::set_module(&mut plugin, &module.url, Some(&module.sha256));
                plugin["spec"]["pluginConfig"] = bundle.clone();
                Ok(plugin)
            }
        }
    }

    /// The workload `api` with what the patches of its deployment bring.
    ///
    /// # Errors
    /// When one of the patches is not as it ships.
    pub fn spec(self, namespace: &str) -> Result<Spec> {
        let mut spec = Spec::new(namespace, "api").region("us-east-1");
        let mut patches = vec!["istio/metrics-patch.yaml"];
        if self == Self::ConfigMap {
            patches.push("istio/deployment-patch.yaml");
        }
        for patch in patches {
            let patch = shipped::one(&shipped::text(patch)?)?;
            let metadata = &patch["spec"]["template"]["metadata"];
            for (name, value) in entries(&metadata["labels"]) {
                spec = spec.label(name, value);
            }
            for (name, value) in entries(&metadata["annotations"]) {
                spec = spec.annotation(name, &annotation(name, value)?);
            }
        }
        Ok(spec)
    }
}

/// The ConfigMap that ships, the file in it changed by `edit`.
///
/// # Errors
/// As [`shipped::manifest`], or when there is no file in it.
pub fn config_map(namespace: &str, edit: impl FnOnce(&mut Value)) -> Result<Value> {
    let mut map = Way::ConfigMap.manifest("configmap.yaml", namespace)?;
    let text = map["data"][FILE]
        .as_str()
        .ok_or("the ConfigMap that ships has no file")?;
    let mut file = shipped::one(text)?;
    edit(&mut file);
    map["data"][FILE] = json!(serde_json::to_string_pretty(&file)?);
    Ok(map)
}

/// The ConfigMap that ships with this text in the place of its file.
///
/// # Errors
/// As [`shipped::manifest`].
pub fn config_map_of(namespace: &str, text: &str) -> Result<Value> {
    let mut map = Way::ConfigMap.manifest("configmap.yaml", namespace)?;
    map["data"][FILE] = json!(text);
    Ok(map)
}

/// Puts the bundle into a file as Envoy reads it.
pub fn set_bundle(file: &mut Value, bundle: &Value) {
    file["resources"][0]["typed_config"]["config"]["configuration"]["value"] = bundle.clone();
}

/// Puts the module where the file that ships looks for it below `root`, a workload's folder: there are no image volumes here.
///
/// # Errors
/// When there is no module, or the folder cannot be written to.
pub fn bring_module(root: &Path) -> Result<()> {
    let folder = root.join("etc/regionguard/module");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(tools::wasm_module()?, folder.join("plugin.wasm"))?;
    Ok(())
}

/// Writes the object into a file and applies it with `kubectl`, as an operator does.
///
/// # Errors
/// When `kubectl` fails; the error is what it said.
pub async fn kubectl_apply(mesh: &Mesh, object: &Value) -> Result<()> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let path: PathBuf = mesh.dir().join(format!("edited-{namespace}.yaml"));
    std::fs::write(&path, serde_json::to_string_pretty(object)?)?;
    let path = path.to_str().ok_or("a path in UTF-8")?;
    let output = mesh.kubectl(&["apply", "--filename", path]).await?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

/// The value of an annotation that ships, as far as it applies here: a module does not come as an image volume, and the counters
/// of listeners are there too, which tell the workers apart.
fn annotation(name: &str, value: &str) -> Result<String> {
    if name.ends_with("/statsInclusionPrefixes") {
        return Ok(format!("{value},listener."));
    }
    if !name.contains("/userVolume") {
        return Ok(value.to_owned());
    }
    let mut volumes: Value = serde_json::from_str(value)?;
    if let Some(volumes) = volumes.as_object_mut() {
        volumes.remove("regionguard-module");
    }
    Ok(volumes.to_string())
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let members = object.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}
