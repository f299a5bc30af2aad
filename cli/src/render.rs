//! `regionguard render`.

pub(crate) mod envoy_gateway;

use std::process::ExitCode;

/// What `render` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `render`.
pub(crate) fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
