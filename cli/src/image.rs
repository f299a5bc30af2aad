//! `regionguard image`: the OCI image of the module, in the form that Istio's agent and Envoy Gateway read.
//!
//! The form is the *compat* variant of the Wasm Image Specification
//! (<https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>): one layer, a gzipped tar, with the module as
//! `plugin.wasm`. Behind the module the layer holds the licences and the SBOM, which readers of the module pass over. The same
//! arguments, module and sources give the same bytes, on any machine and at any time: nothing is read from the clock, the
//! environment (but for `SOURCE_DATE_EPOCH`) or the file system's own order, times and modes.

mod crates;
mod created;
mod layer;
mod layout;
mod manifest;
mod module;
mod notices;
mod sbom;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use self::created::Created;
use self::manifest::{Image, Labels};

/// What went wrong, in words for people.
type Result<T> = std::result::Result<T, String>;

const LICENCE: &str = include_str!("../../LICENSE");
const TITLE: &str = "Regionguard";
const DESCRIPTION: &str = "An Envoy and Istio authorization filter for region-scoped tokens, as a WebAssembly module";

/// What `image` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The module: what `make build` leaves as `regionguard_http_authz.wasm`
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The folder of the OCI image layout; an earlier layout in it is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The layout as one tar file too, which `skopeo copy oci-archive:FILE …` and `podman load` read
    #[arg(long, value_name = "FILE")]
    tar: Option<PathBuf>,
    /// The checkout that the module was built from: its crates are in the SBOM
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// The version in the labels, and the tag in the layout
    #[arg(long, value_name = "V", default_value = env!("CARGO_PKG_VERSION"), value_parser = tag)]
    version: String,
    /// The commit that the module was built from, for the labels
    #[arg(long, value_name = "COMMIT", value_parser = label)]
    revision: Option<String>,
    /// Where the sources are to be had, for the labels
    #[arg(long, value_name = "URL", value_parser = label)]
    source_url: Option<String>,
    /// Where you will push the image: for the commands that are printed at the end
    #[arg(long, value_name = "NAME", default_value = "registry.example.com/regionguard/http-authz", value_parser = label)]
    repository: String,
}

/// Runs `image`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let printed = build(args).and_then(|built| {
        crate::output::print(&summary(args, &built)).map_err(|error| format!("cannot write what was built: {error}"))
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was built, for the summary.
struct Built {
    image: String,
    module: String,
    module_size: usize,
    crates: usize,
}

fn build(args: &Args) -> Result<Built> {
    let created = Created::from_environment()?;
    let module = module::read(&args.module)?;
    let crates = crates::linked_into_the_module(&args.workspace)?;
    let digest = sha256(&module);
    let files = [
        layer::File::new("plugin.wasm", &module),
        layer::File::new("regionguard/LICENSE", LICENCE.as_bytes()),
        layer::File::new("regionguard/THIRD-PARTY-LICENSES", notices::of(&crates)?.as_bytes()),
        layer::File::new("regionguard/sbom.cdx.json", &sbom::of(&crates, &digest)?),
    ];
    let image = Image::of(&layer::pack(&files, created.seconds())?, &labels(args, &created))?;
    layout::write(&args.out, &image, &args.version)?;
    if let Some(file) = &args.tar {
        layout::write_tar(file, &image, &args.version, created.seconds())?;
    }
    Ok(Built {
        image: image.digest().to_owned(),
        module: digest,
        module_size: module.len(),
        crates: crates.packages.len(),
    })
}

fn labels(args: &Args, created: &Created) -> Labels {
    Labels {
        created: created.to_string(),
        title: TITLE,
        description: DESCRIPTION,
        version: args.version.clone(),
        licenses: env!("CARGO_PKG_LICENSE"),
        revision: args.revision.clone(),
        source: args.source_url.clone(),
    }
}

fn summary(args: &Args, built: &Built) -> String {
    let Built {
        image,
        module,
        module_size,
        crates,
    } = built;
    let (out, repository, version) = (args.out.display(), &args.repository, &args.version);
    let hex = image.trim_start_matches("sha256:");
    format!(
        "image   {image}
module  sha256:{module}  ({module_size} bytes, {crates} crates in its SBOM)
layout  {out}

push it, by one of:
  crane push {out} {repository}:{version}
  skopeo copy oci:{out}:{version} docker://{repository}:{version}
  oras cp --from-oci-layout {out}:{version} {repository}:{version}

and name it in a WasmPlugin by its digest:
  url: oci://{repository}@{image}

or by its tag; then `sha256` is the digest of the image, not of the module:
  url: oci://{repository}:{version}
  sha256: {hex}

or let it be written into all that is applied:
  regionguard render istio FOLDER --namespace NAMESPACE --image oci://{repository}:{version} --sha256 {hex} --out DIR
"
    )
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI Distribution Specification, "Pulling manifests").
fn tag(text: &str) -> Result<String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let rest = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    match text.as_bytes() {
        [first, others @ ..] if word(*first) && others.len() < 128 && others.iter().all(|byte| rest(*byte)) => {
            Ok(text.to_owned())
        }
        _ => Err("not a tag: up to 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`".to_owned()),
    }
}

/// What may stand in a label and on a terminal.
fn label(text: &str) -> Result<String> {
    match text.is_empty() || text.len() > 1024 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Err("write 1 to 1024 printable ASCII characters without spaces".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// An error about the file at `path`.
fn at(path: &Path, what: &str, error: impl Display) -> String {
    format!("cannot {what} `{}`: {error}", path.display())
}
