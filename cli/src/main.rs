//! `regionguard`, the command for people.

mod check;
mod completions;
mod diff;
mod documents;
mod explain;
mod fmt;
mod image;
mod input;
mod lint;
mod output;
mod problem;
mod recorded;
mod render;
mod report;
mod schema;
mod size;
mod testing;
mod token;
mod trial;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Checks what you wrote, and renders what you apply.
#[derive(Debug, Parser)]
#[command(name = "regionguard", version, arg_required_else_help = true, after_help = NEXT)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const NEXT: &str = "Begin with `regionguard check FOLDER`, where FOLDER holds your documents: it says all that is wrong with them, and what to do next.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Check documents: all errors at once, each with its place and what would be right
    Check(check::Args),
    /// Test policies: who sends what, when, and what is expected to become of it
    Test(testing::Args),
    /// Compare two bundles: which decisions change, over recorded or generated requests
    Diff(diff::Args),
    /// Explain one decision: what each requirement and rule makes of a request, or what a decision line says
    Explain(Box<explain::Args>),
    /// Render what operators apply: plain Envoy, ConfigMap, Istio and Envoy Gateway resources, Helm values
    Render(Box<render::Args>),
    /// Bring documents into their one form: the order of fields, indentation, spacing
    Fmt(fmt::Args),
    /// Make keys and tokens for development, and see what a bundle thinks of a token
    Token(token::Args),
    /// Print every field of documents: JSON Schema for editors, or a page for people
    Schema(schema::Args),
    /// Write the completions of a shell to standard output
    Completions(completions::Args),
    /// Build the OCI image of the module
    Image(image::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Test(args) => testing::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Image(args) => image::run(&args),
    }
}
