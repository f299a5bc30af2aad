//! The command `regionguard` of this checkout, as operators run it.

use std::ffi::OsStr;
use std::process::Command;

use regionguard_harness::tools;

use crate::Result;
use crate::process::output_of;

/// Runs `regionguard` with these arguments, built where it is not built yet, and gives what it printed. It runs in the root folder
/// of the checkout, where relative paths begin.
///
/// # Errors
/// When it cannot be built or fails; the error holds what it said.
pub fn regionguard<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "regionguard-cli", "--"]);
    command.args(args).current_dir(tools::workspace_root());
    output_of(&mut command)
}
