//! What is applied: `regionguard render` writes it from a folder of documents, `kubectl` applies it, and what a cluster would do
//! with the pods is done here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use regionguard_harness::tools::envoy_config;
use serde_json::Value;

use super::{People, host};
use crate::error::Context as _;
use crate::{Mesh, Result, Spec, plane, relative_paths};

/// The folder of documents, the same for both regions but for names and keys.
const DOCUMENTS: [(&str, &str); 3] = [
    ("bundle.yaml", include_str!("../../policies/bundle.yaml")),
    ("regions.yaml", include_str!("../../policies/regions.yaml")),
    ("rules.yaml", include_str!("../../policies/rules.yaml")),
];
/// What stands for the address of the module where nobody has said one.
const NO_IMAGE: &str = "\"oci://registry.example.com/regionguard/http-authz:0.1.0\"";
/// Which groups may write policy: the default, and that of the administrator whom everybody is here.
const OPERATORS: [&str; 2] = ["regionguard-operators", "system:masters"];

/// Where the policy of a region comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyFrom {
    /// A WasmPlugin, by istiod.
    Plugin,
    /// A ConfigMap that the proxy mounts.
    ConfigMap,
}

/// A region, and where its policy comes from.
pub(super) type Place = (&'static str, PolicyFrom);

/// What the manifests are made from.
pub(super) struct Manifests<'m> {
    pub(super) mesh: &'m Mesh,
    /// The program `regionguard`.
    pub(super) command: &'m Path,
    pub(super) module: &'m Path,
    pub(super) people: &'m People,
    /// Where the centers of us-east-1 and eu-west-1 are.
    pub(super) centers: [SocketAddr; 2],
}

/// The folder of a region's documents.
pub(super) fn documents(mesh: &Mesh, region: &str) -> PathBuf {
    mesh.dir().join("policies").join(region)
}

/// The `meshConfig` that ships; the log goes to a file of each workload, and nowhere else.
///
/// # Errors
/// When it cannot be read.
pub(super) fn mesh_config() -> Result<Value> {
    let path = envoy_config("istio/mesh-config.yaml");
    let text = std::fs::read_to_string(&path).context(|| format!("cannot read `{}`", path.display()))?;
    let values: Value = serde_saphyr::from_str(&changed(&text, "/dev/stdout", "./access.log")?)?;
    let mut config = values["meshConfig"].clone();
    config["accessLogFile"] = Value::from("");
    Ok(config)
}

impl Manifests<'_> {
    /// Applies everything for `api` in one region, and gives what its pod has to be.
    ///
    /// # Errors
    /// When something cannot be written, or the API refuses it; the error holds what `regionguard` or `kubectl` said.
    pub(super) async fn apply(&self, place: Place) -> Result<Spec> {
        let (region, policy_from) = place;
        self.mesh.namespace(region).await?;
        self.write_documents(region)?;
        let folder = self.mesh.dir().join("manifests").join(region);
        self.render("istio", place, &folder).await?;
        self.fit(policy_from, &folder)?;
        let output = self
            .mesh
            .kubectl(&["apply", "--server-side", "-f", text(&folder)?])
            .await?;
        succeeded("kubectl apply", &output)?;
        self.pod(place, &folder).await
    }

    fn write_documents(&self, region: &str) -> Result<()> {
        let dir = documents(self.mesh, region);
        plane::make_dir(&dir)?;
        for (name, text) in DOCUMENTS {
            let mut text = text.replace("${REGION}", region);
            for (issuer, keys) in self.people.keys() {
                text = text.replace(&format!("${{JWKS:{issuer}}}"), &keys.to_string());
            }
            plane::write(&dir.join(name), text)?;
        }
        Ok(())
    }

    async fn render(&self, target: &str, (region, policy_from): Place, out: &Path) -> Result<()> {
        let mut command = tokio::process::Command::new(self.command);
        command.arg("render").arg(target);
        if target == "istio" {
            command.arg(documents(self.mesh, region));
        }
        command.args(["--scope", "workload", "--selector", "app=api", "--namespace", region]);
        for group in OPERATORS {
            command.args(["--operator-group", group]);
        }
        if policy_from == PolicyFrom::ConfigMap {
            command.args(["--policy-from", "configmap"]);
            command.arg("--module-file").arg(self.module);
        }
        command.arg("--out").arg(out).kill_on_drop(true);
        let output = command.output().await;
        let output = output.context(|| format!("cannot run `{}`", self.command.display()))?;
        succeeded(&format!("regionguard render {target}"), &output)
    }

    /// Puts in what the files mark with `CHANGE`: where module and centers are. And paths are relative here.
    fn fit(&self, policy_from: PolicyFrom, folder: &Path) -> Result<()> {
        edit(&folder.join("centers.yaml"), |text| {
            let documents: Result<Vec<String>> = text
                .split("\n---\n")
                .map(|document| self.fit_center(document))
                .collect();
            Ok(documents?.join("\n---\n"))
        })?;
        match policy_from {
            PolicyFrom::Plugin => edit(&folder.join("wasmplugin.yaml"), |text| {
                changed(text, NO_IMAGE, &format!("file://{}", self.module.display()))
            }),
            PolicyFrom::ConfigMap => edit(&folder.join("policy.yaml"), |text| Ok(relative_paths(text))),
        }
    }

    /// A center on this machine, without TLS and outside of the mesh.
    fn fit_center(&self, document: &str) -> Result<String> {
        let [us, eu] = self.centers;
        let center = if document.contains("host: center.eu-west-1") || document.contains("- center.eu-west-1") {
            eu
        } else {
            us
        };
        if document.contains("kind: ServiceEntry") {
            let endpoint = format!(
                "resolution: STATIC\n  endpoints:\n    - address: {}\n      ports: {{http-center: {}}}",
                center.ip(),
                center.port()
            );
            let document = changed(document, "resolution: DNS", &endpoint)?;
            return changed(&document, "location: MESH_INTERNAL", "location: MESH_EXTERNAL");
        }
        if document.contains("kind: DestinationRule") {
            return changed(document, "mode: ISTIO_MUTUAL", "mode: DISABLE");
        }
        Ok(document.to_owned())
    }

    /// The pod of `api`, with what `deployment-patch.yaml` and `metrics-patch.yaml` give it. There is no kubelet for image
    /// volumes: the module stays where it was built. And no injector: the piece of the bootstrap that its annotation would
    /// mount is a file.
    async fn pod(&self, place: Place, folder: &Path) -> Result<Spec> {
        let (region, policy_from) = place;
        let patches = self.mesh.dir().join("patches").join(region);
        let mut files = vec!["metrics-patch"];
        if policy_from == PolicyFrom::ConfigMap {
            files.push("deployment-patch");
        }
        let mut spec = Spec::new(region, "api").region(region).host(&host(region));
        for file in files {
            self.render(file, place, &patches).await?;
            spec = patched(spec, &read_yaml(&patches.join(format!("{file}.yaml")))?)?;
        }
        let tags = read_yaml(&folder.join("stats-tags.yaml"))?;
        let bootstrap = tags["data"]["custom_bootstrap.json"]
            .as_str()
            .ok_or("no bootstrap in `stats-tags.yaml`")?;
        let path = patches.join("custom_bootstrap.json");
        plane::write(&path, bootstrap)?;
        Ok(spec.env("ISTIO_BOOTSTRAP_OVERRIDE", text(&path)?))
    }
}

fn patched(mut spec: Spec, patch: &Value) -> Result<Spec> {
    let metadata = &patch["spec"]["template"]["metadata"];
    let entries = |name: &str| metadata[name].as_object().cloned().unwrap_or_default();
    for (name, value) in entries("labels") {
        spec = spec.label(&name, value.as_str().ok_or("a label that is no text")?);
    }
    for (name, value) in entries("annotations") {
        let value = value.as_str().ok_or("an annotation that is no text")?;
        spec = spec.annotation(&name, &without_image(&name, value)?);
    }
    Ok(spec)
}

fn without_image(name: &str, value: &str) -> Result<String> {
    if !name.starts_with("sidecar.istio.io/userVolume") {
        return Ok(value.to_owned());
    }
    let mut volumes: Value = serde_json::from_str(value)?;
    let removed = volumes.as_object_mut().and_then(|all| all.remove("regionguard-module"));
    removed.ok_or("no volume for the module in `deployment-patch.yaml`")?;
    Ok(volumes.to_string())
}

fn read_yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).context(|| format!("cannot read `{}`", path.display()))?;
    serde_saphyr::from_str(&text).context(|| format!("in `{}`", path.display()))
}

fn edit(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = std::fs::read_to_string(path).context(|| format!("cannot read `{}`", path.display()))?;
    plane::write(path, change(&text).context(|| format!("in `{}`", path.display()))?)
}

/// Replaces what has to be there.
fn changed(text: &str, from: &str, to: &str) -> Result<String> {
    if text.contains(from) {
        Ok(text.replace(from, to))
    } else {
        Err(format!("no `{from}` to be replaced").into())
    }
}

fn succeeded(what: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim_end()).into())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| format!("`{}` is not UTF-8", path.display()).into())
}
