//! Being told to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl-C or for being told to end, and gives the exit status that stands for it: 128 and the signal's number.
pub async fn signalled() -> u8 {
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
