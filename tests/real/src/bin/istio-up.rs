//! Keeps a real Istio mesh of two regions running on this machine, until Ctrl-C.

use std::io::Write as _;
use std::process::ExitCode;

use regionguard_mesh::regions::TwoRegions;
use regionguard_mesh::{Options, Result};
use tokio::signal::unix::{SignalKind, signal};

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
    let options = Options {
        name: "istio-up".to_owned(),
        ..Options::default()
    };
    let regions = TwoRegions::start(options).await?;
    std::io::stdout().write_all(regions.instructions().as_bytes())?;
    std::future::pending().await
}

/// Waits for Ctrl-C or for being told to end, and gives the exit status that stands for it.
async fn signalled() -> u8 {
    let on = async |kind| match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = on(SignalKind::interrupt()) => 130,
        () = on(SignalKind::terminate()) => 143,
        () = on(SignalKind::hangup()) => 129,
    }
}
