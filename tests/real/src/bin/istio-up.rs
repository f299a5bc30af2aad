//! Keeps a real Istio mesh of two regions running on this machine, guarded by Regionguard, until Ctrl-C.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use regionguard_harness::signal::signalled;
use regionguard_mesh::Result;
use regionguard_mesh::regions::TwoRegions;

#[tokio::main]
async fn main() -> ExitCode {
    // Whatever ends first: all that was started ends with the other.
    let ended = tokio::select! {
        ended = keep() => ended,
        status = signalled() => return ExitCode::from(status),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("istio-up: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn keep() -> Result<()> {
    let regions = TwoRegions::start("istio-up", command()?).await?;
    let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    stdout().write_all(regions.instructions(colour)?.as_bytes())?;
    regions.print_decisions().await
}

/// The program `regionguard`, which is built beside this one.
fn command() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("regionguard"))
}
