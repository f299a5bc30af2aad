//! What a request costs in a real Envoy above no filter: Regionguard beside `jwt_authn`, `rbac` and `ext_authz`, in one process,
//! under the same load, in one run. `docs/benchmarks.md` says how to read it.

mod cpu;
mod load;
mod mutual;
mod prover;
mod report;
mod revoked;
mod rounds;
mod rules;
mod scale;
mod tokens;
mod variants;

use std::process::ExitCode;

use clap::Parser;
use regionguard_harness::Result;

use crate::cpu::Cores;
use crate::report::Report;
use crate::variants::{ALL, Variant};

/// CPU per request in a real Envoy, above no filter: Regionguard beside Envoy's own filters.
#[derive(Parser)]
struct Options {
    /// Requests of a batch with a known token; batches with new tokens and with questions to the center have a quarter of it
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(160..=1_000_000))]
    requests: u32,

    /// Rounds; each measures every variant once, and medians are taken over rounds. After five minutes no more begin, if five are done
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Measure this variant only (and what it is measured above); may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,

    /// Succeed even where a threshold is missed
    #[arg(long)]
    no_thresholds: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(report) if report.1 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(Report, bool)> {
    let variants = chosen(&options.only)?;
    let cores = Cores::split();
    if let Some(cores) = &cores {
        // Before any thread is made: they inherit it.
        cores.stay_off_the_proxy()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let plan = rounds::Plan {
        variants: &variants,
        requests: options.requests as usize,
        rounds: options.rounds as usize,
        cores: cores.as_ref(),
    };
    let report = Report::new(runtime.block_on(rounds::measure(&plan))?);
    if options.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.table());
    }
    let good = options.no_thresholds || report.keeps_thresholds();
    Ok((report, good))
}

fn chosen(only: &[String]) -> Result<Vec<&'static Variant>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| ALL.iter().all(|variant| variant.name != **name))
    {
        let names: Vec<&str> = ALL.iter().map(|variant| variant.name).collect();
        return Err(format!("there is no variant `{unknown}`; there are {}", names.join(", ")).into());
    }
    let wanted =
        |variant: &&Variant| only.is_empty() || only.iter().any(|name| name == variant.name || is_above(name, variant));
    Ok(ALL.iter().filter(wanted).collect())
}

/// Whether the variant `name` is measured above this one.
fn is_above(name: &str, variant: &Variant) -> bool {
    ALL.iter()
        .any(|other| other.name == name && other.above == variant.name)
}
