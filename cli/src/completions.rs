//! `regionguard completions`.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::output;

/// What `completions` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Whose
    #[arg(value_enum)]
    shell: Shell,
}

const AFTER: &str = "For example:\n  regionguard completions bash > ~/.local/share/bash-completion/completions/regionguard\n  \
regionguard completions zsh > ~/.zfunc/_regionguard\n  regionguard completions fish > ~/.config/fish/completions/regionguard.fish";

/// Runs `completions` for `command`.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "regionguard", &mut script);
    match output::print(&String::from_utf8_lossy(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}
