//! `regionguard check`.

use std::process::ExitCode;

/// What `check` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `check`.
pub(crate) fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
