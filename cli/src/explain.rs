//! `regionguard explain`: why one request is decided as it is.

mod elsewhere;
mod json;
mod line;
mod rows;
mod text;
mod times;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;

use regionguard::engine::Explained;

use crate::documents::{self, Judged, Loaded};
use crate::output;
use crate::problem::Problem;
use crate::recorded::{self, Asked};
use crate::report;
use crate::testing;
use crate::trial::{Found, Stage, Trial, Verdict};

/// What `explain` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Folders of documents, or files: one bundle
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// The test of a PolicyTest beside the documents (`PolicyTest: test`, or a part of that), of which --principal sends --request
    #[arg(long, value_name = "NAME", conflicts_with_all = ["url", "line"], requires = "principal", requires = "request")]
    test: Option<String>,
    /// Who asks in that test
    #[arg(long, value_name = "NAME", requires = "test")]
    principal: Option<String>,
    /// What is asked in that test
    #[arg(long, value_name = "NAME", requires = "test")]
    request: Option<String>,
    /// A decision line, or a line of an access log that holds one: what it says, and whether this bundle wrote it. A whole line in JSON is also tried anew: other options say what
    /// it does not carry. Or a request as `regionguard diff` reads and shows it
    #[arg(long, value_name = "LINE", conflicts_with = "url")]
    line: Option<String>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

const AFTER: &str = "The request goes through the engine of the filter; keys are replaced by generated ones, and a token with the given claims is signed with these.\n\n\
Exit codes: 0 where it is explained, whatever the verdict; 1 where the documents have errors, the request cannot be tried, or another bundle wrote the line; \
2 where a file cannot be read or the command is not understood.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

/// A request, what it met, and what became of it.
struct Told<'t> {
    bundle: &'t Loaded,
    trial: Trial,
    explained: Explained,
    found: Found,
    /// What was not told of the request, and what stands for it.
    assumed: Vec<String>,
}

/// How long what a request opens lasts.
#[derive(Clone, Copy)]
enum Lasts {
    UntilRefused,
    UntilClosed,
}

impl Lasts {
    /// For people.
    fn text(self) -> &'static str {
        match self {
            Self::UntilRefused => "it ends with its token, or as soon as this request would not be let in any more",
            Self::UntilClosed => "it stays open until one of its ends closes it (`streams: untilClosed`)",
        }
    }

    /// For programs.
    fn word(self) -> &'static str {
        match self {
            Self::UntilRefused => "ends",
            Self::UntilClosed => "untilClosed",
        }
    }
}

/// How long what this request opens lasts; `None`: it opens nothing, or the center has not said whether it does.
fn lasts(told: &Told<'_>) -> Option<Lasts> {
    if told.found.stream_ends {
        return Some(Lasts::UntilRefused);
    }
    let Explained::Weighed(explanation, _) = &told.explained else {
        return None;
    };
    let by = explanation
        .rules
        .iter()
        .find(|rule| told.found.by == format!("{}/{}", rule.policy, rule.name))?;
    let is_upgrade = by.parts.iter().any(|part| part.field == "upgrades");
    (told.found.verdict == Verdict::Allow && is_upgrade).then_some(Lasts::UntilClosed)
}

/// Runs `explain`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let judged = match args.test {
        Some(_) => documents::judge(&args.paths),
        None => documents::judge_bundles(&args.paths),
    };
    let errors: Vec<Problem> = judged
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .cloned()
        .collect();
    if !errors.is_empty() {
        report::to_stderr(&errors);
        return documents::exit_code(&errors);
    }
    let [bundle] = judged.bundles.as_slice() else {
        return wrong("not exactly one bundle: give the files of one");
    };
    let recorded = args.line.as_deref().filter(|line| is_recorded(line));
    if let Some(line) = args.line.as_deref().filter(|_| recorded.is_none()) {
        return explain_line(args, bundle, line);
    }
    let trial = match recorded {
        Some(line) => from_recording(args, line),
        None => trial(args, &judged),
    };
    let trial = match trial {
        Ok(trial) => trial,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match told(bundle, trial) {
        Ok(told) => print(&match args.format {
            Format::Text => text::text(&told),
            Format::Json => report::escaped(&format!("{:#}\n", json::json(&told))),
        }),
        Err(error) => wrong(&error),
    }
}

fn told(bundle: &Loaded, trial: Trial) -> Result<Told<'_>, String> {
    let stage = Stage::new(bundle)?;
    Ok(Told {
        bundle,
        explained: stage.explain(&trial)?,
        found: stage.run(&trial)?,
        trial,
        assumed: Vec::new(),
    })
}

fn explain_line(args: &Args, bundle: &Loaded, line: &str) -> ExitCode {
    let said = match line::Line::parse(line) {
        Ok(line) => line.against(bundle),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let again = match again(args, bundle, line) {
        Ok(again) => again,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let printed = print(&match args.format {
        Format::Text => {
            let again = again.as_ref().map_or_else(
                || "\nwhat was asked is not in it: give the whole line of the log, or the request with `--url`, and each requirement and rule is told\n".to_owned(),
                |told| format!("\nthe same request, tried with this bundle\n{}", text::text(told)),
            );
            said.text() + &again
        }
        Format::Json => {
            let mut object = said.json();
            object["tried"] = again.as_ref().map(json::json).into();
            report::escaped(&format!("{object:#}\n"))
        }
    });
    if said.fits() { printed } else { ExitCode::FAILURE }
}

/// Whether a line is one of a recording, as `diff` reads and shows it.
fn is_recorded(line: &str) -> bool {
    let members: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(line.trim()).ok();
    members.is_some_and(|members| !members.contains_key("decision"))
}

fn from_recording(args: &Args, line: &str) -> Result<Trial, String> {
    let mut trial = recorded::read(line.trim(), recorded::now(), None)?.trial;
    args.asked.complete(&mut trial)?;
    Ok(trial)
}

/// The request of a line of a log, tried with this bundle; `None` where the line does not say what was asked.
fn again<'t>(args: &Args, bundle: &'t Loaded, line: &str) -> Result<Option<Told<'t>>, String> {
    let members: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(line.trim()).ok();
    let asks = |members: &serde_json::Map<String, serde_json::Value>| members.contains_key("path");
    if !members.as_ref().is_some_and(asks) {
        return Ok(None);
    }
    let claims = args.asked.claims()?;
    let mut read = recorded::read(line.trim(), recorded::now(), claims.as_ref())?;
    args.asked.complete(&mut read.trial)?;
    let mut told = told(bundle, read.trial)?;
    told.assumed = read.assumed;
    Ok(Some(told))
}

fn print(said: &str) -> ExitCode {
    match output::print(said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write what was found: {error}");
            ExitCode::from(2)
        }
    }
}

fn wrong(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}

/// The request that is meant.
fn trial(args: &Args, judged: &Judged) -> Result<Trial, String> {
    let (Some(test), Some(principal), Some(request)) = (&args.test, &args.principal, &args.request) else {
        return args.asked.trial();
    };
    let mut tests = judged.tests.iter().flat_map(|suite| {
        let named = move |name: &str| format!("{}: {name}", suite.test.name);
        suite
            .test
            .tests
            .iter()
            .filter(move |found| named(&found.name).contains(test.as_str()))
            .map(move |found| (suite, found))
    });
    let (suite, found) = tests
        .next()
        .ok_or_else(|| format!("no PolicyTest here has a test `{test}`"))?;
    if tests.next().is_some() {
        return Err(format!(
            "several tests have `{test}` in their name: give the whole of `PolicyTest: test`"
        ));
    }
    let principals = &suite.test.principals;
    let principal = principals.iter().find(|one| one.name == *principal).ok_or_else(|| {
        let names = principals
            .iter()
            .map(|one| one.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        format!("`{principal}` is none of the principals: {names}")
    })?;
    let requests = &suite.test.requests;
    let request = requests.iter().find(|one| one.name == *request).ok_or_else(|| {
        let names = requests
            .iter()
            .map(|one| one.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        format!("`{request}` is none of the requests: {names}")
    })?;
    Ok(testing::trial(suite, found, principal, request))
}

/// `policies/shop.yaml:12:13`, where the rule `policy/rule` stands.
fn place(bundle: &Loaded, by: &str) -> Option<String> {
    let place = bundle.place(&testing::path_of(&bundle.value, by)?)?;
    let (start, _) = place.positions()?;
    let name = report::printable(&place.source.name);
    Some(format!("{name}:{}:{}", start.line, start.column))
}
