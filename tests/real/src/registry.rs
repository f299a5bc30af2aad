//! A container registry on loopback, and the image of the module in it, as operators build and push it.
//!
//! ```no_run
//! # use regionguard_mesh::registry::{Image, Registry};
//! # use regionguard_mesh::{Mesh, Result};
//! # async fn example(mesh: &Mesh) -> Result<()> {
//! let registry = Registry::start(mesh.dir()).await?;
//! let _kept = registry.kept_by_agents()?; // where Istio's agents fetch from it
//! let image = Image::build(mesh.dir(), "1.2.3")?;
//! registry.push(&image, "1.2.3")?;
//! let url = format!("oci://{}", registry.tag("1.2.3")); // with `sha256` = image.digest_hex()
//! let url = format!("oci://{}", registry.by_digest(&image)); // or without
//! # Ok(())
//! # }
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use regionguard_harness::tools;
use serde_json::Value;

use crate::agent_data::Kept;
use crate::error::Context as _;
use crate::process::{Process, output_of};
use crate::{Result, cli, plane};

/// The name of the repository in each registry.
const REPOSITORY: &str = "regionguard";
const READY: Duration = Duration::from_secs(40);

/// The image of the module under test, as a layout on disk.
#[derive(Debug)]
pub struct Image {
    layout: PathBuf,
    digest: String,
    module: String,
}

impl Image {
    /// Builds it by `regionguard image` into the folder `image` of `dir`, labelled with this version.
    ///
    /// # Errors
    /// When there is no module, or the command fails.
    pub fn build(dir: &Path, version: &str) -> Result<Self> {
        let (layout, module) = (dir.join("image"), tools::wasm_module()?);
        let args = ["image", "--version", version, "--module"].map(OsStr::new);
        let said =
            cli::regionguard(
                args.into_iter()
                    .chain([module.as_os_str(), OsStr::new("--out"), layout.as_os_str()]),
            )?;
        let digest = |name: &str| {
            let found = said
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            found.ok_or_else(|| format!("`regionguard image` names no digest behind `{name}`: {said}"))
        };
        Ok(Self {
            digest: digest("image ")?.to_owned(),
            module: hex(digest("module ")?).to_owned(),
            layout,
        })
    }

    /// The folder of its OCI layout.
    #[must_use]
    pub fn layout(&self) -> &Path {
        &self.layout
    }

    /// The digest of its manifest, `sha256:…`: what a reference by digest names.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// [`digest`](Self::digest) in hexadecimal alone: `sha256` of a WasmPlugin and of an EnvoyExtensionPolicy.
    #[must_use]
    pub fn digest_hex(&self) -> &str {
        hex(&self.digest)
    }

    /// The SHA-256 of the module in it, in hexadecimal.
    #[must_use]
    pub fn module_hex(&self) -> &str {
        &self.module
    }
}

/// A registry without TLS and without accounts, on a free port of 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    _process: Process,
}

impl Registry {
    /// Starts it, empty; its log is `registry.log` in `dir`.
    ///
    /// # Errors
    /// When the program is missing or does not get ready.
    pub async fn start(dir: &Path) -> Result<Self> {
        let (mut command, log) = (Command::new(plane::program("registry")?), dir.join("registry.log"));
        command.args(["-port", "0"]);
        let mut process = Process::start("registry", command, &log)?;
        let port = process
            .wait_until(READY, async || {
                let log = std::fs::read_to_string(&log).ok()?;
                log.lines()
                    .find_map(|line| line.split_once("serving on port ")?.1.parse().ok())
            })
            .await?;
        Ok(Self {
            port,
            _process: process,
        })
    }

    /// Pushes the image under this tag.
    ///
    /// # Errors
    /// When it cannot be pushed, or the registry has it under another digest than its own.
    pub fn push(&self, image: &Image, tag: &str) -> Result<()> {
        let said = crane([OsStr::new("push"), image.layout.as_os_str(), OsStr::new(&self.tag(tag))])?;
        let (pushed, expected) = (said.trim(), self.by_digest(image));
        if pushed == expected {
            return Ok(());
        }
        Err(format!("pushed as `{pushed}`, not as `{expected}`").into())
    }

    /// The reference of an image by tag, without a scheme.
    #[must_use]
    pub fn tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository())
    }

    /// The reference of an image by digest, without a scheme.
    #[must_use]
    pub fn by_digest(&self, image: &Image) -> String {
        format!("{}@{}", self.repository(), image.digest)
    }

    /// A reference to an image that is in no registry, in a repository of its own.
    #[must_use]
    pub fn absent(&self) -> String {
        format!("127.0.0.1:{}/absent:dev", self.port)
    }

    /// The URL of the layer that holds the module, of an image that was pushed: an HTTP server hands it out.
    ///
    /// # Errors
    /// When the image is not there.
    pub fn layer(&self, image: &Image) -> Result<String> {
        let manifest: Value = serde_json::from_str(&crane(["manifest", &self.by_digest(image)])?)
            .context(|| "a manifest that is not JSON".to_owned())?;
        let layer = manifest["layers"].as_array().and_then(|layers| layers.last());
        let digest = layer
            .and_then(|layer| layer["digest"].as_str())
            .ok_or_else(|| format!("an image without layers: {manifest}"))?;
        Ok(format!("http://127.0.0.1:{}/v2/{REPOSITORY}/blobs/{digest}", self.port))
    }

    /// What Istio's agents keep of the images here: removed from their folder when the value is dropped.
    ///
    /// # Errors
    /// As [`Kept::of`].
    pub fn kept_by_agents(&self) -> Result<Kept> {
        Kept::of(&format!("oci://{}", self.repository()))
    }

    fn repository(&self) -> String {
        format!("127.0.0.1:{}/{REPOSITORY}", self.port)
    }
}

/// Runs `crane`, a registry's client, with these arguments, and gives what it printed.
///
/// # Errors
/// When it is missing or fails; the error holds what it said.
pub fn crane<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String> {
    output_of(Command::new(plane::program("crane")?).args(args))
}

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}
