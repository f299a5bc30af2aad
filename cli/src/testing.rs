//! `regionguard test`.

mod case;
mod coverage;
mod json;
mod junit;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::documents::{self, Judged, Loaded, Suite, UNREADABLE};
use crate::output;
use crate::problem::Problem;
use crate::report;
use crate::trial::Stage;

use case::Case;
pub(crate) use case::trial;
pub(crate) use coverage::{Coverage, path_of};

/// What `test` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Folders of documents, or files: one bundle, and the PolicyTests beside its documents
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to say what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only the tests in whose name (`PolicyTest: test`) this text stands; coverage is then theirs alone
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Fail where fewer of the rules than this, in percent, decided anything
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
}

const AFTER: &str = "Each principal of a test sends each of its requests, through the engine of the filter and at the time that the test says; keys are replaced by generated \
ones, and tokens signed with these. What is not listed in `expected` is expected to be denied.\n\n\
Exit codes: 0 where everything is as expected, 1 where something is not, where the documents have errors or too few rules decided, 2 where a file cannot be read or the \
command is not understood.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
    /// For CI: JUnit's XML
    Junit,
}

/// All that was tried.
struct Run<'r> {
    bundle: &'r Loaded,
    /// By PolicyTest and test, in the order of the documents.
    suites: Vec<(&'r Suite, Vec<Case<'r>>)>,
    coverage: Coverage,
    /// The least percentage of rules that have to decide.
    wanted: Option<u8>,
}

/// Runs `test`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let judged = documents::judge(&args.paths);
    let bundle = match ready(args, &judged) {
        Ok(bundle) => bundle,
        Err(problems) => {
            report::to_stderr(&problems);
            let unreadable = problems.iter().any(|problem| problem.code == UNREADABLE);
            return ExitCode::from(if unreadable { 2 } else { 1 });
        }
    };
    let run = match Run::new(args, bundle, &judged.tests) {
        Ok(run) => run,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let said = match args.format {
        Format::Text => text::text(&run),
        Format::Json => json::json(&run),
        Format::Junit => junit::xml(&run),
    };
    if let Err(error) = output::print(&said) {
        eprintln!("error: cannot write what was found: {error}");
        return ExitCode::from(2);
    }
    match run.passed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The one bundle that is tested, if it and all tests are in order.
fn ready<'j>(args: &Args, judged: &'j Judged) -> Result<&'j Loaded, Vec<Problem>> {
    let errors: Vec<Problem> = judged
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .cloned()
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let alone = |code, message: &str, help: &str| Err(vec![Problem::error(code, None, message).help(help)]);
    let [bundle] = judged.bundles.as_slice() else {
        return alone(
            "several-bundles",
            "not exactly one bundle: give the files of one",
            "run the command once for each",
        );
    };
    if judged.tests.is_empty() {
        let help =
            "write a document of `kind: PolicyTest` beside those of the bundle: docs/testing-policies.md says how";
        return alone("no-tests", "there is no PolicyTest in these files", help);
    }
    let only = args.only.as_deref().unwrap_or_default();
    if !judged
        .tests
        .iter()
        .any(|suite| suite.test.tests.iter().any(|test| is_meant(only, suite, &test.name)))
    {
        return alone(
            "no-tests",
            "no test has the text of `--only` in its name",
            "a name is `PolicyTest: test`",
        );
    }
    Ok(bundle)
}

fn is_meant(only: &str, suite: &Suite, test: &str) -> bool {
    format!("{}: {test}", suite.test.name).contains(only)
}

impl<'r> Run<'r> {
    fn new(args: &Args, bundle: &'r Loaded, suites: &'r [Suite]) -> Result<Self, String> {
        let stage = Stage::new(bundle)?;
        let only = args.only.as_deref().unwrap_or_default();
        let suites: Vec<(&Suite, Vec<Case<'_>>)> = suites
            .iter()
            .map(|suite| {
                let meant = |test: &str| is_meant(only, suite, test);
                (suite, case::all(suite, &meant, &stage))
            })
            .filter(|(_, cases)| !cases.is_empty())
            .collect();
        let found = suites
            .iter()
            .flat_map(|(_, cases)| cases)
            .filter_map(|case| case.found.as_ref().ok());
        let mut coverage = Coverage::new(&bundle.value);
        found.for_each(|found| coverage.add(found));
        Ok(Self {
            bundle,
            suites,
            coverage,
            wanted: args.min_coverage,
        })
    }

    fn cases(&self) -> impl Iterator<Item = &Case<'r>> {
        self.suites.iter().flat_map(|(_, cases)| cases)
    }

    /// How many requests did not become what was expected.
    fn failed(&self) -> usize {
        self.cases().filter(|case| !case.passed()).count()
    }

    /// Whether enough rules decided.
    fn is_covered(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.coverage.reaches(wanted))
    }

    fn passed(&self) -> bool {
        self.failed() == 0 && self.is_covered()
    }
}
