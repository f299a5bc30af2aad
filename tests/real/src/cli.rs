//! The command `regionguard` of this checkout, as operators run it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use regionguard_harness::tools;

use crate::Result;
use crate::process::output_of;

/// Runs `regionguard` with these arguments, and gives what it printed. It runs in the root folder of the checkout, where relative
/// paths begin.
///
/// # Errors
/// When it cannot be built or fails; the error holds what it said.
pub fn regionguard<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String> {
    output_of(Command::new(program()?).args(args).current_dir(tools::workspace_root()))
}

/// The program, brought up to date by Cargo the first time that this process asks for it.
///
/// # Errors
/// When it cannot be built; the error holds what Cargo said.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build().map_err(|error| error.to_string()));
    built.as_deref().map_err(|error| error.clone().into())
}

fn build() -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "regionguard-cli"]);
    // What Cargo tells this process of its package: ring's build script looks at it, and would run again each time that it differs.
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|prefix| told.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    output_of(command.current_dir(tools::workspace_root()))?;
    Ok(tools::target_dir().join("debug/regionguard"))
}
