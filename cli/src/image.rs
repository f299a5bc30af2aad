//! `regionguard image`.

use std::process::ExitCode;

/// What `image` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `image`.
pub(crate) fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
