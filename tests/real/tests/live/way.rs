//! The two ways on which a bundle gets into a proxy, each by the manifests that ship: a file that a ConfigMap brings, and the
//! `pluginConfig` of a WasmPlugin.

use std::path::PathBuf;
use std::sync::Arc;

use regionguard_harness::tools;
use regionguard_mesh::kube::documents;
use regionguard_mesh::{Mesh, Result, Spec, relative_paths};
use serde_json::{Value, json};

/// The name of the file in the ConfigMap.
const FILE: &str = "regionguard.yaml";

/// Where the agent fetches the module, and what it has to find there.
pub struct Module {
    pub url: String,
    pub sha256: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ConfigMap,
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
        let mut manifest = one(&relative_paths(&read(&format!("{}/{file}", self.folder()))?))?;
        manifest["metadata"]["namespace"] = json!(namespace);
        Ok(manifest)
    }

    /// What stands around the filter: the interlock and the direct peer.
    pub fn surroundings(self, namespace: &str) -> Result<[Value; 2]> {
        Ok([
            self.manifest("interlock.yaml", namespace)?,
            self.manifest("direct-peer.yaml", namespace)?,
        ])
    }

    /// What puts the filter into the chain, where the bundle itself does not.
    pub fn filter(self, namespace: &str) -> Result<Option<Value>> {
        match self {
            Self::ConfigMap => self.manifest("policy.yaml", namespace).map(Some),
            Self::WasmPlugin => Ok(None),
        }
    }

    /// The object that holds the bundle; `module` is what a WasmPlugin names.
    pub fn object(self, namespace: &str, bundle: &Value, module: &Module) -> Result<Value> {
        match self {
            Self::ConfigMap => config_map(namespace, |file| set_bundle(file, bundle)),
            Self::WasmPlugin => {
                let mut plugin = self.manifest("wasmplugin.yaml", namespace)?;
                plugin["spec"]["url"] = json!(module.url);
                plugin["spec"]["sha256"] = json!(module.sha256);
                plugin["spec"]["pluginConfig"] = bundle.clone();
                Ok(plugin)
            }
        }
    }

    /// The workload `api` with what the patches of its deployment bring.
    pub fn spec(self, namespace: &str) -> Result<Spec> {
        let mut spec = Spec::new(namespace, "api").region("us-east-1");
        let mut patches = vec!["istio/metrics-patch.yaml"];
        if self == Self::ConfigMap {
            patches.push("istio/deployment-patch.yaml");
        }
        for patch in patches {
            let patch = one(&read(patch)?)?;
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
pub fn config_map(namespace: &str, edit: impl FnOnce(&mut Value)) -> Result<Value> {
    let mut map = Way::ConfigMap.manifest("configmap.yaml", namespace)?;
    let text = map["data"][FILE]
        .as_str()
        .ok_or("the ConfigMap that ships has no file")?;
    let mut file = one(text)?;
    edit(&mut file);
    map["data"][FILE] = json!(serde_json::to_string_pretty(&file)?);
    Ok(map)
}

/// The ConfigMap that ships with this text in the place of its file.
pub fn config_map_of(namespace: &str, text: &str) -> Result<Value> {
    let mut map = Way::ConfigMap.manifest("configmap.yaml", namespace)?;
    map["data"][FILE] = json!(text);
    Ok(map)
}

/// Puts the bundle into a file as Envoy reads it.
pub fn set_bundle(file: &mut Value, bundle: &Value) {
    file["resources"][0]["typed_config"]["config"]["configuration"]["value"] = bundle.clone();
}

/// Puts the module where the file that ships looks for it: there are no image volumes here.
pub fn bring_module(root: &std::path::Path) -> Result<()> {
    let folder = root.join("etc/regionguard/module");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(tools::wasm_module()?, folder.join("plugin.wasm"))?;
    Ok(())
}

/// Writes the object into a file and applies it with `kubectl`, as an operator does.
pub async fn kubectl_apply(mesh: &Arc<Mesh>, object: &Value) -> Result<()> {
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

fn read(file: &str) -> Result<String> {
    let path = tools::envoy_config(file);
    Ok(std::fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))?)
}

fn one(yaml: &str) -> Result<Value> {
    let document = documents(yaml)?.into_iter().next();
    document.ok_or_else(|| "a manifest without a document".into())
}
