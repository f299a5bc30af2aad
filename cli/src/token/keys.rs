//! `regionguard token keys`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::failed;
use super::signer::{Algorithm, Signer};
use crate::output;

/// What `token keys` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// The folder for `private.pem` and `jwks.json`, which must not be there yet
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What the key signs with
    #[arg(long, value_enum, default_value = "ES256")]
    algorithm: Algorithm,
    /// The key's name; without it, its thumbprint (RFC 7638)
    #[arg(long)]
    kid: Option<String>,
}

const AFTER: &str = "For development only: keys of an identity provider are made, kept and rotated by that. Both files are for their owner alone (mode 0600).";

/// Runs `token keys`.
pub(super) fn run(args: &Args) -> ExitCode {
    match write(args) {
        Ok(said) => match output::print(&said) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("cannot write to standard output: {error}")),
        },
        Err(error) => failed(&error),
    }
}

fn write(args: &Args) -> Result<String, String> {
    let (signer, pem) = Signer::generate(args.algorithm)?;
    let kid = args.kid.clone().unwrap_or_else(|| signer.thumbprint());
    if kid.is_empty() || kid.chars().any(char::is_control) {
        return Err("`--kid` is empty, or holds what cannot be seen".to_owned());
    }
    let jwks = json!({"keys": [signer.jwk(&kid)]});
    fs::create_dir_all(&args.out).map_err(|error| format!("cannot make {}: {error}", args.out.display()))?;
    let (private, public) = (args.out.join("private.pem"), args.out.join("jwks.json"));
    for path in [&private, &public] {
        // Before either is written: a key without its set is of no use.
        if fs::symlink_metadata(path).is_ok() {
            return Err(format!("{} is there already: take another folder", path.display()));
        }
    }
    create(&private, &pem)?;
    create(&public, &format!("{jwks:#}\n"))?;
    let shown = |path: &Path| crate::report::printable(&path.display().to_string());
    Ok(format!(
        "wrote {} (keep it to yourself) and {}\nfor the Region: `keys: {{jwks: {jwks}}}`\nnext: `regionguard token mint --key {} FOLDER` signs a token for the bundle in FOLDER\n",
        shown(&private),
        shown(&public),
        shown(&private),
    ))
}

/// A new file for its owner alone. Nothing that is there is opened, links included.
fn create(path: &Path, text: &str) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let cannot = |error| format!("cannot write {}: {error}", path.display());
    let mut file = options.open(path).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)
}
