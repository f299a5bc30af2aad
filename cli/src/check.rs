//! `regionguard check`.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::documents::{self, Judged, Loaded, UNREADABLE};
use crate::lint;
use crate::output;
use crate::problem::Problem;
use crate::render;
use crate::report::{self, Bounded};
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
    /// Exit with 1 where there are warnings, too
    #[arg(long)]
    strict: bool,
    /// Say nothing of these warnings: a lint's id, or `suspicious`
    #[arg(long, value_name = "ID", value_parser = PossibleValuesParser::new(warnings()), hide_possible_values = true)]
    allow: Vec<String>,
    /// The time at which grants and revocations are looked at, like 2026-11-23T18:10:00Z; the clock tells it otherwise
    #[arg(long, value_name = "TIME", value_parser = lint::parse_time)]
    now: Option<f64>,
}

/// The codes of warnings that may be left unsaid.
fn warnings() -> Vec<&'static str> {
    report::codes::all()
        .filter(|code| code.is_warning)
        .map(|code| code.id)
        .collect()
}

const AFTER: &str = "All that is given is read as one bundle: one document without `kind` is its head (`region`, `metadata`, `trust`, `tokens`), \
documents with `kind` join it.\n\nA comment `# allow: lint/public-rule` on a line, or above it, allows one warning there.\n\nExit codes: 0 without errors, 1 with errors (with --strict also with warnings), 2 where a file cannot be read or the command is not understood.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: workflow commands, which it shows at their lines
    Github,
}

/// Runs `check`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let mut judged = documents::judge(&args.paths);
    let now = args.now.unwrap_or_else(clock);
    let lints = judged.bundles.iter().flat_map(|bundle| lint::find(bundle, now));
    let of_tests = judged.tests.iter().flat_map(lint::find_in_test);
    judged.add(lints.chain(of_tests).collect());
    judged.problems.retain(|problem| {
        problem.is_error() || !args.allow.iter().any(|code| code == problem.code) && !lint::is_allowed(problem)
    });
    let bounded = Bounded::of(&judged.problems, judged.more);
    let said = match args.format {
        Format::Text => text(args, &judged, &bounded),
        Format::Json => as_json(&judged, &bounded),
        Format::Sarif => report::escaped(&format!("{:#}\n", report::sarif(&bounded))),
        Format::Github => {
            let lines = bounded.problems.iter().map(|problem| report::github(problem));
            lines.chain(report::left_out(bounded.left)).collect()
        }
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
    if problems.iter().any(|problem| args.strict || problem.is_error()) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn text(args: &Args, judged: &Judged, bounded: &Bounded<'_>) -> String {
    let colours = report::colours(&io::stdout());
    let mut said = String::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let errors = bounded.problems.iter().copied().filter(|problem| problem.is_error());
    let mut errors = errors.count();
    for problem in &judged.problems {
        let is_shown = if problem.is_error() {
            let left = errors.checked_sub(1);
            errors = left.unwrap_or(0);
            left.is_some()
        } else {
            let count = counts.entry(problem.code).or_default();
            *count += 1;
            *count <= ALIKE
        };
        if is_shown {
            said.push_str(&report::text(problem, colours));
            said.push_str("\n\n");
        }
    }
    let mut more: Vec<(&str, usize)> = counts.into_iter().filter(|(_, count)| *count > ALIKE).collect();
    more.sort_unstable();
    let them = if bounded.left.has_warnings() { "more" } else { "all" };
    for (code, count) in more {
        let count = count - ALIKE;
        said.push_str(&format!(
            "warning[{code}]: and {count} more; `--format json` has {them} of them\n\n"
        ));
    }
    let left = bounded.left.errors();
    if let Some(more) = left.said() {
        said.push_str(&format!("{}: {more}\n\n", left.severity()));
    }
    if !judged.problems.is_empty() {
        said.push_str(&report::summary(&judged.problems, judged.more && left.said().is_some()));
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

/// Warnings with one code that are shown to people.
const ALIKE: usize = 20;

/// In seconds since the Unix epoch.
fn clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
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

fn as_json(judged: &Judged, bounded: &Bounded<'_>) -> String {
    let of = |errors: bool| -> Vec<_> {
        bounded
            .problems
            .iter()
            .filter(|problem| problem.is_error() == errors)
            .map(|problem| report::json(problem))
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
    let all = json!({"errors": of(true), "warnings": of(false), "leftOut": bounded.left, "files": files, "bundle": one, "bundles": bundles});
    report::escaped(&format!("{all:#}\n"))
}

/// Bytes of the bundle as compact JSON.
fn json_bytes(bundle: &Loaded) -> usize {
    bundle.value.to_string().len()
}
