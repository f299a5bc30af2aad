//! `regionguard diff`: which decisions two bundles make otherwise.

mod generate;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use regionguard::time::WallTime;
use serde_json::{Value, json};

use crate::documents::{self, Loaded};
use crate::output;
use crate::recorded;
use crate::report;
use crate::testing::Coverage;
use crate::trial::{Found, Stage, Trial};

/// What `diff` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The bundle that is: a folder of documents, or a file
    old: PathBuf,
    /// The bundle that is to be
    new: PathBuf,
    /// Recorded requests, one JSON object a line; `-` reads standard input. Without it requests are generated from what both bundles name
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// How many requests are tried at most
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    max: usize,
    /// When requests come that do not say it, like 2026-11-23T18:10:00Z; without it, now
    #[arg(long, value_name = "TIME", value_parser = recorded::time)]
    at: Option<WallTime>,
    /// How to say what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

const AFTER: &str = "Each request goes through the engine of the filter under both bundles. Where verdict, reason or status differ, the decision does; another rule with the same \
outcome is only counted.\n\n\
Exit codes: 0 where no decision differs, 1 where one does, 2 where there is nothing to compare: documents with errors, requests that cannot be read, wrong arguments.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

/// How many rules that decided nothing are named to people.
const NAMED: usize = 20;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    /// The verdict, the status of the answer and the reason; or why it cannot be tried.
    decision: String,
    /// What decided.
    by: String,
}

/// Requests that are decided otherwise in the same way.
struct Change<'t> {
    was: Outcome,
    is: Outcome,
    count: usize,
    example: &'t Trial,
}

/// All that was found.
struct Compared<'t> {
    tried: usize,
    generated: bool,
    changes: Vec<Change<'t>>,
    /// Requests that another rule decides, with the same outcome.
    moved: usize,
    /// `policy/rule` of those that decided nothing under either bundle, in the order of the documents, the new ones first.
    idle: Vec<String>,
}

impl Compared<'_> {
    fn changed(&self) -> usize {
        self.changes.iter().map(|change| change.count).sum()
    }
}

/// Runs `diff`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let (old, new) = match (load(&args.old), load(&args.new)) {
        (Ok(old), Ok(new)) => (old, new),
        _ => return ExitCode::from(2),
    };
    let compared = requests(args, &old, &new).and_then(|trials| {
        let generated = args.requests.is_none();
        let compared = compare(&trials, generated, &mut Side::new(&old)?, &mut Side::new(&new)?);
        Ok((said(args, &compared), compared.changed() > 0))
    });
    match compared {
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
        Ok((said, differ)) => match output::print(&said) {
            Err(error) => {
                eprintln!("error: cannot write what was found: {error}");
                ExitCode::from(2)
            }
            Ok(()) => ExitCode::from(u8::from(differ)),
        },
    }
}

fn load(path: &PathBuf) -> Result<Loaded, ()> {
    documents::load(std::slice::from_ref(path)).map_err(|problems| {
        let errors: Vec<_> = problems.into_iter().filter(|problem| problem.is_error()).collect();
        report::to_stderr(&errors);
    })
}

/// The requests that are tried, each as it comes.
fn requests(args: &Args, old: &Loaded, new: &Loaded) -> Result<Vec<Trial>, String> {
    let at = args.at.unwrap_or_else(recorded::now);
    let Some(file) = &args.requests else {
        return Ok(generate::requests(&[old, new], at, args.max));
    };
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        read.map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| format!("cannot read the requests in `{}`: {error}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let trials: Result<Vec<Trial>, String> = lines
        .take(args.max)
        .map(|(number, line)| {
            recorded::read(line, at).map_err(|error| format!("{}:{}: {error}", file.display(), number + 1))
        })
        .collect();
    let trials = trials?;
    if trials.is_empty() {
        return Err(format!("there is no request in `{}`", file.display()));
    }
    Ok(trials)
}

/// One of the bundles.
struct Side {
    stage: Stage,
    coverage: Coverage,
}

impl Side {
    fn new(loaded: &Loaded) -> Result<Self, String> {
        Ok(Self {
            stage: Stage::new(loaded)?,
            coverage: Coverage::new(&loaded.value),
        })
    }

    fn outcome(&mut self, trial: &Trial) -> Outcome {
        match self.stage.run(trial) {
            Ok(found) => {
                self.coverage.add(&found);
                outcome(found)
            }
            Err(error) => Outcome {
                decision: format!("not tried: {error}"),
                by: "-/-".to_owned(),
            },
        }
    }
}

/// The rules that decided nothing under either bundle, of those that each has.
fn idle(old: &Coverage, new: &Coverage) -> Vec<String> {
    let in_new = new.missing().filter(|rule| old.misses(rule) != Some(false));
    let gone = old.missing().filter(|rule| new.misses(rule).is_none());
    in_new.chain(gone).map(str::to_owned).collect()
}

fn compare<'t>(trials: &'t [Trial], generated: bool, old: &mut Side, new: &mut Side) -> Compared<'t> {
    let mut changes: BTreeMap<(Outcome, Outcome), (usize, &Trial)> = BTreeMap::new();
    let mut moved = 0;
    for trial in trials {
        let (was, is) = (old.outcome(trial), new.outcome(trial));
        if was.decision != is.decision {
            changes.entry((was, is)).or_insert((0, trial)).0 += 1;
        } else if was.by != is.by {
            moved += 1;
        }
    }
    let mut changes: Vec<Change<'_>> = changes
        .into_iter()
        .map(|((was, is), (count, example))| Change {
            was,
            is,
            count,
            example,
        })
        .collect();
    // What is let in now and was not comes first, then what most requests meet.
    let lets_in = |outcome: &Outcome| outcome.decision.starts_with("allow");
    changes.sort_by_key(|change| {
        let opens = lets_in(&change.is) && !lets_in(&change.was);
        (!opens, std::cmp::Reverse(change.count))
    });
    Compared {
        tried: trials.len(),
        generated,
        changes,
        moved,
        idle: idle(&old.coverage, &new.coverage),
    }
}

fn outcome(found: Found) -> Outcome {
    let status = found.status().map(|status| format!(" {status}")).unwrap_or_default();
    let reason = found
        .reason
        .map(|reason| format!(" {}", reason.code()))
        .unwrap_or_default();
    Outcome {
        decision: format!("{}{status}{reason}", found.verdict.as_str()),
        by: found.by,
    }
}

fn said(args: &Args, compared: &Compared<'_>) -> String {
    match args.format {
        Format::Text => text(compared),
        Format::Json => report::escaped(&format!("{:#}\n", as_json(compared))),
    }
}

fn text(compared: &Compared<'_>) -> String {
    let kind = if compared.generated { "generated" } else { "recorded" };
    let tried = report::counted(compared.tried, "request").unwrap_or_else(|| "no requests".to_owned());
    let mut said = match compared.changed() {
        0 => format!("no decision differs ({tried}, {kind})\n"),
        1 => format!("1 of {tried} ({kind}) is decided otherwise\n"),
        changed => format!("{changed} of {tried} ({kind}) are decided otherwise\n"),
    };
    match compared.moved {
        0 => {}
        1 => said.push_str("1 is decided by another rule, with the same outcome\n"),
        moved => said.push_str(&format!("{moved} are decided by another rule, with the same outcome\n")),
    }
    if !compared.changes.is_empty() {
        said.push_str(&table(&compared.changes));
    }
    if let Some(idle) = named(&compared.idle) {
        said.push_str(&format!(
            "\ndecided nothing under either bundle: {idle}; what they decide is not compared: record requests for them (`--requests`)\n"
        ));
    }
    said.lines().map(|line| report::printable(line) + "\n").collect()
}

/// The first of them, and how many there are beside; nothing of none.
fn named(rules: &[String]) -> Option<String> {
    let (first, more) = rules.split_at_checked(NAMED).unwrap_or((rules, &[]));
    let first = first.join(", ");
    match more.len() {
        0 => Some(first).filter(|first| !first.is_empty()),
        more => Some(format!("{first} and {more} more")),
    }
}

fn table(changes: &[Change<'_>]) -> String {
    let told = |outcome: &Outcome| match outcome.by.as_str() {
        "-/-" => outcome.decision.clone(),
        by => format!("{} ({by})", outcome.decision),
    };
    let rows: Vec<(String, String)> = changes
        .iter()
        .map(|change| (told(&change.was), told(&change.is)))
        .collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let first = widest(&mut rows.iter().map(|(was, _)| was.chars().count()));
    let second = widest(&mut rows.iter().map(|(_, is)| is.chars().count()));
    let mut said = format!("\n{:<first$}    {:<second$}  requests\n", "was", "is");
    for ((was, is), change) in rows.iter().zip(changes) {
        said.push_str(&format!("{was:<first$}  → {is:<second$}  {:>8}\n", change.count));
        said.push_str(&format!("    {}\n", recorded::write(change.example)));
    }
    said.push_str("\nunder each: an example; `--requests` reads such lines, and `regionguard explain` says why\n");
    said
}

fn as_json(compared: &Compared<'_>) -> Value {
    let changes = compared.changes.iter().map(|change| {
        let outcome = |outcome: &Outcome| json!({"decision": outcome.decision, "by": outcome.by});
        json!({
            "was": outcome(&change.was),
            "is": outcome(&change.is),
            "count": change.count,
            "example": recorded::write(change.example),
        })
    });
    json!({
        "requests": compared.tried,
        "generated": compared.generated,
        "changed": compared.changed(),
        "moved": compared.moved,
        "changes": changes.collect::<Vec<_>>(),
        "decidedNothing": compared.idle,
    })
}
