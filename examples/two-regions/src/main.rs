//! `two-regions demo`: a walk through what is let in, what is not, and why; `two-regions up`: the same two regions to play with.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use regionguard_harness::signal::signalled;
use two_regions::report::{self, Report, Style};
use two_regions::{Ports, TwoRegions, up, walk};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Two regions with a real Envoy, the filter and a policy center each, and one issuer for both
#[derive(Parser)]
#[command(name = "two-regions", args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    demo: Demo,
}

#[derive(Subcommand)]
enum Command {
    /// Walk through the requests and print what was decided; fails where a row is not as expected (the default)
    Demo(Demo),
    /// Keep both regions running, with curl commands to try
    Up(Up),
}

#[derive(Args)]
struct Demo {
    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    policies: Policies,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    policies: Policies,
}

#[derive(Args)]
struct Policies {
    /// The folder with us-east-1.yaml and eu-west-1.yaml, in place of examples/two-regions/policies
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // What was started is a value inside of these: whichever way one ends, it is dropped, and every process with it.
    let ended = match Options::parse().command() {
        Command::Demo(demo) => tokio::select! {
            ended = show(demo) => ended,
            status = signalled() => Ok(ExitCode::from(status)),
        },
        Command::Up(up) => tokio::select! {
            ended = keep_up(up) => ended,
            // That is how it is meant to end.
            _ = signalled() => Ok(ExitCode::SUCCESS),
        },
    };
    ended.unwrap_or_else(|error| {
        tell(&format!("error: {error}"));
        ExitCode::FAILURE
    })
}

impl Options {
    fn command(self) -> Command {
        self.command.unwrap_or(Command::Demo(self.demo))
    }
}

async fn show(demo: Demo) -> Result<ExitCode> {
    let mut regions = start(Ports::Free, &demo.policies, Duration::from_secs(3600)).await?;
    let style = Style::of(&std::io::stdout());
    let mut out = std::io::stdout();
    let mut report = Report::default();
    if !demo.json {
        report::print_head(&mut out, style)?;
    }
    let mut printed = Ok(());
    walk::walk(&mut regions, &mut |event| {
        report.note(&event);
        if !demo.json && printed.is_ok() {
            printed = report::print_event(&mut out, style, &event);
        }
    })
    .await?;
    printed?;
    if demo.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        report::print_foot(&mut out, style, &report)?;
        writeln!(out, "{}", up::next_steps(&regions))?;
    }
    Ok(if report.is_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn keep_up(options: Up) -> Result<ExitCode> {
    let regions = start(Ports::Fixed, &options.policies, Duration::from_secs(12 * 3600)).await?;
    up::keep(regions, Style::of(&std::io::stdout())).await?;
    Ok(ExitCode::SUCCESS)
}

async fn start(ports: Ports, policies: &Policies, lifetime: Duration) -> Result<TwoRegions> {
    TwoRegions::start(ports, policies.policies.as_deref(), lifetime, &mut |line| {
        eprintln!("{line}")
    })
    .await
}

/// Says something beside the output; where nobody listens, it is not said.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
