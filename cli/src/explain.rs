//! `regionguard explain`: why one request is decided as it is.

mod line;
mod text;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;

use regionguard::engine::Explained;
use regionguard::policy::{Explanation, Holds};
use serde_json::{Value, json};

use crate::documents::{self, Judged, Loaded};
use crate::output;
use crate::problem::Problem;
use crate::recorded::Asked;
use crate::report;
use crate::testing;
use crate::trial::{Found, Stage, Trial};

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
    /// A decision line, or a line of an access log that holds one: what it says, and whether this bundle wrote it
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
    trial: &'t Trial,
    explained: Explained,
    found: Found,
}

/// Runs `explain`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let judged = documents::judge(&args.paths);
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
    if let Some(line) = &args.line {
        return explain_line(args, bundle, line);
    }
    let trial = match trial(args, &judged) {
        Ok(trial) => trial,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match told(bundle, &trial) {
        Ok(told) => print(&match args.format {
            Format::Text => text::text(&told),
            Format::Json => report::escaped(&format!("{:#}\n", as_json(&told))),
        }),
        Err(error) => wrong(&error),
    }
}

fn told<'t>(bundle: &'t Loaded, trial: &'t Trial) -> Result<Told<'t>, String> {
    let stage = Stage::new(bundle)?;
    Ok(Told {
        bundle,
        trial,
        explained: stage.explain(trial)?,
        found: stage.run(trial)?,
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
    let printed = print(&match args.format {
        Format::Text => said.text(),
        Format::Json => report::escaped(&format!("{:#}\n", said.json())),
    });
    if said.fits() { printed } else { ExitCode::FAILURE }
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

fn as_json(told: &Told<'_>) -> Value {
    let Found {
        verdict,
        reason,
        by,
        decided_by,
        line,
        question,
        ..
    } = &told.found;
    let (before, weighed) = match &told.explained {
        Explained::Before(reason) => (Some(reason.code()), None),
        Explained::Weighed(explanation, refused) => (refused.map(|refused| refused.code()), Some(explanation)),
    };
    json!({
        "verdict": verdict.as_str(),
        "reason": reason.map(|reason| reason.code()),
        "advice": reason.map(|reason| reason.row().advice),
        "status": told.found.status(),
        "by": by,
        "place": place(told.bundle, by),
        "decidedBy": decided_by,
        "line": line,
        "question": question,
        "refused": before,
        "seen": weighed.map(|explanation| seen(explanation)),
        "policies": weighed.map(|explanation| policies(explanation)),
        "rules": weighed.map(|explanation| rules(told, explanation)),
        "opened": weighed.and_then(|explanation| explanation.opened.as_ref()).map(|(policy, reason)| {
            json!({"policy": policy, "reason": reason.code()})
        }),
        "notAbout": weighed.map(|explanation| &explanation.beside),
    })
}

fn seen(explanation: &Explanation) -> Value {
    let seen = &explanation.seen;
    json!({
        "token": seen.subject.is_some(),
        "home": seen.home,
        "local": seen.local,
        "permissions": seen.subject.as_ref().map(|subject| &subject.permissions),
        "roles": seen.subject.as_ref().map(|subject| &subject.roles),
        "notAccepted": seen.subject.as_ref().map(|subject| &subject.refused),
        "elsewhere": seen.subject.as_ref().map(|subject| &subject.elsewhere),
        "granted": seen.subject.as_ref().map(|subject| &subject.granted),
        "certificate": seen.certificate,
        "workload": seen.workload,
        "address": seen.address.map(|address| address.to_string()),
        "sourceRegion": seen.source_region,
        "sourceCountry": seen.source_country,
    })
}

fn policies(explanation: &Explanation) -> Value {
    let policies = explanation.policies.iter().map(|policy| {
        let requirements = policy.requirements.iter().map(|requirement| {
            json!({
                "field": requirement.field,
                "met": requirement.shortfall.is_none(),
                "reason": requirement.shortfall.map(|reason| reason.code()),
                "lifted": requirement.lifted,
            })
        });
        json!({
            "policy": policy.name,
            "shadow": policy.shadow,
            "default": if policy.default_allow { "allow" } else { "deny" },
            "requirements": requirements.collect::<Vec<_>>(),
        })
    });
    policies.collect()
}

fn rules(told: &Told<'_>, explanation: &Explanation) -> Value {
    let rules = explanation.rules.iter().map(|rule| {
        let name = format!("{}/{}", rule.policy, rule.name);
        let written = written::rule(told.bundle, &name);
        let conditions = rule
            .conditions
            .iter()
            .filter(|(field, holds)| *holds != Holds::Yes || written::wanted(written, field).is_some())
            .map(|(field, holds)| {
                json!({
                    "field": field,
                    "holds": holds.as_str(),
                    "wanted": written::wanted(written, field),
                    "found": written::found(&explanation.seen, field),
                })
            });
        json!({
            "rule": name,
            "effect": rule.effect,
            "shadow": rule.shadow,
            "place": place(told.bundle, &name),
            "holds": rule.all.as_str(),
            "takesEffect": rule.takes_effect,
            "conditions": conditions.collect::<Vec<_>>(),
        })
    });
    rules.collect()
}
