//! `regionguard check`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::documents::{self, Judged, Loaded, UNREADABLE};
use crate::output;
use crate::problem::Problem;
use crate::render;
use crate::report;
use crate::size::{Kilobytes, size};

/// What `check` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Folders of documents, or files: documents, a whole bundle, an ECDS file, a ConfigMap, a WasmPlugin, a TrafficExtension
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to say what is wrong
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Take a warning for an error
    #[arg(long)]
    deny_warnings: bool,
}

const AFTER: &str = "All that is given is read as one bundle: one document without `kind` is its head (`region`, `metadata`, `trust`, `tokens`), \
documents with `kind` join it.\n\nExit codes: 0 without errors, 1 with errors, 2 where a file cannot be read or the command is not understood.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

/// Runs `check`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let judged = documents::judge(&args.paths);
    let said = match args.format {
        Format::Text => text(args, &judged),
        Format::Json => as_json(&judged),
    };
    match output::print(&said) {
        Err(error) => {
            eprintln!("error: cannot write what was found: {error}");
            ExitCode::from(2)
        }
        Ok(()) => exit_code(args, &judged.problems),
    }
}

fn exit_code(args: &Args, problems: &[Problem]) -> ExitCode {
    if problems.iter().any(|problem| problem.code == UNREADABLE) {
        return ExitCode::from(2);
    }
    if problems.iter().any(|problem| args.deny_warnings || problem.is_error()) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn text(args: &Args, judged: &Judged) -> String {
    let colours = report::colours(&io::stdout());
    let mut said = String::new();
    for problem in &judged.problems {
        said.push_str(&report::text(problem, colours));
        said.push_str("\n\n");
    }
    if !judged.problems.is_empty() {
        said.push_str(&report::summary(&judged.problems));
        said.push('\n');
    }
    if !judged.complete {
        said.push_str("note: not all could be read, so whether documents name Regions that are there was not judged\n");
    }
    if !judged.problems.iter().any(Problem::is_error) {
        for bundle in &judged.bundles {
            said.push_str(&passed(bundle));
        }
        said.push_str(&tests(args, judged));
        said.push_str(&next(args, judged));
    }
    said
}

fn next(args: &Args, judged: &Judged) -> String {
    if judged.bundles.len() > 1 {
        return "next: give the files of one of these bundles to `regionguard render`\n".to_owned();
    }
    // A bundle without a center goes either way.
    let for_istio = judged
        .bundles
        .iter()
        .all(|bundle| render::Bundle::from(bundle).is_for_istio());
    let paths = paths(args);
    let (command, more) = match for_istio {
        true => (format!("istio {paths} --namespace NAMESPACE"), "lists more targets"),
        false => (
            format!("ecds {paths}"),
            "lists more targets; those for Istio want `outbound|PORT||HOST` in each `center.cluster`",
        ),
    };
    format!("next: `regionguard render {command}` makes of it what you apply; `regionguard render --help` {more}\n")
}

/// That there are tests, which `check` reads and does not run.
fn tests(args: &Args, judged: &Judged) -> String {
    let Some(count) = report::counted(judged.tests.len(), "PolicyTest") else {
        return String::new();
    };
    let paths = paths(args);
    format!("tests: {count}, which `regionguard test {paths}` runs\n")
}

fn paths(args: &Args) -> String {
    let paths = args.paths.iter();
    let paths: Vec<String> = paths
        .map(|path| report::printable(&path.display().to_string()))
        .collect();
    paths.join(" ")
}

/// What there is to say of a bundle without errors.
fn passed(bundle: &Loaded) -> String {
    let bytes = json_bytes(bundle);
    let files = report::counted(bundle.files.len(), "file").unwrap_or_default();
    let advice = size(bytes)
        .advice(bytes)
        .map(|advice| format!("note: {advice}\n"))
        .unwrap_or_default();
    format!(
        "ok: bundle `{}` from {files}, {} as JSON\n{advice}",
        bundle.generation.label,
        Kilobytes(bytes)
    )
}

fn as_json(judged: &Judged) -> String {
    let of = |errors: bool| -> Vec<_> {
        judged
            .problems
            .iter()
            .filter(|problem| problem.is_error() == errors)
            .map(report::json)
            .collect()
    };
    let files: Vec<&str> = judged.sources.iter().map(|source| source.name.as_str()).collect();
    let bundles: Vec<_> = judged
        .bundles
        .iter()
        .map(|bundle| {
            let digest: String = bundle
                .generation
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            json!({
                "name": bundle.generation.name,
                "version": bundle.generation.version,
                "digest": digest,
                "bytes": json_bytes(bundle),
            })
        })
        .collect();
    let one = match bundles.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    let all = json!({"errors": of(true), "warnings": of(false), "files": files, "bundle": one, "bundles": bundles});
    report::escaped(&format!("{all:#}\n"))
}

/// Bytes of the bundle as compact JSON.
fn json_bytes(bundle: &Loaded) -> usize {
    bundle.value.to_string().len()
}
