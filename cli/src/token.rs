//! `regionguard token`: keys and tokens for development, and what a bundle thinks of a token.

mod inspect;
mod keys;
mod mint;
mod signer;

use std::process::ExitCode;

/// What `token` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key for development: the private key, and the JWK Set that a Region gets
    Keys(keys::Args),
    /// Sign a token for development, as a Region of a bundle expects it
    Mint(mint::Args),
    /// Decode a token, and say what a bundle thinks of it, check by check
    Inspect(inspect::Args),
}

/// Runs `token`.
pub(crate) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Command::Keys(args) => keys::run(args),
        Command::Mint(args) => mint::run(args),
        Command::Inspect(args) => inspect::run(args),
    }
}

/// Says what went wrong; the exit code is that of what cannot be done.
fn failed(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

/// The time of this machine, in nanoseconds since the Unix epoch; the epoch where that cannot be told.
fn now() -> regionguard::time::WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
    regionguard::time::WallTime(nanoseconds)
}
