//! `two-regions demo`: a walk through what is let in, what is not, and why; `two-regions up`: the same two regions to play with.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
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
    let options = Options::parse();
    let run = async {
        match options.command {
            Some(Command::Up(up)) => keep_up(up).await,
            Some(Command::Demo(demo)) => show(demo).await,
            None => show(options.demo).await,
        }
    };
    // What was started is a value inside `run`: whichever way that ends, it is dropped, and with it every process.
    let ended = tokio::select! {
        ended = run => ended,
        code = stopped() => Ok(code),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
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

/// Waits for Ctrl-C or for being told to end, and gives the exit status that says so.
async fn stopped() -> ExitCode {
    let on = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = on(SignalKind::interrupt()) => ExitCode::from(130),
        () = on(SignalKind::terminate()) => ExitCode::from(143),
        () = on(SignalKind::hangup()) => ExitCode::from(129),
    }
}
