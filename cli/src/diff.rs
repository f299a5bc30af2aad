//! `regionguard diff`: which decisions two bundles make otherwise.

mod generate;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use crate::documents::{self, Loaded};
use crate::input;
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
    /// What the token says of logged requests that somebody of a home Region sent, as JSON or a file that holds it: no log holds that
    #[arg(long, value_name = "JSON|FILE", requires = "requests")]
    claims: Option<String>,
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

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    /// The verdict, the status of the answer and the reason; or why it cannot be tried.
    decision: String,
    /// What decided.
    by: String,
    /// What is in shadow mode, and what the candidate, would decide where that differs: it changes nothing.
    beside: [Option<String>; 2],
    /// What goes with it: the headers that the upstream gets, or the answer to the caller.
    with: BTreeSet<(String, String)>,
}

impl Outcome {
    /// Whether a decision line says the same: verdict and reason.
    fn is_logged(&self, line: &str) -> bool {
        let mut said = line.split(';');
        let mut words = self.decision.split(' ');
        said.next() == words.next() && said.next() == words.next_back()
    }
}

/// Requests that are decided otherwise in the same way.
struct Change<'t> {
    was: Outcome,
    is: Outcome,
    count: usize,
    example: &'t Trial,
}

/// What is tried.
struct Tried {
    trials: Vec<Trial>,
    /// The decision line of each, where it is a line of a log.
    decisions: Vec<Option<String>>,
    /// What a recording says of itself; `None`: the requests were generated.
    recording: Option<Recording>,
}

/// A recording, beside its requests.
#[derive(Default)]
struct Recording {
    /// How many lines are of an access log.
    logged: usize,
    /// What lines do not carry and what stands for that, and of how many.
    assumed: BTreeMap<String, usize>,
    /// Lines that are no JSON, among others that are of a log.
    left_out: usize,
    /// Lines behind the last that is tried.
    behind: usize,
}

/// How many requests, and the names of what differs: headers, or `status` and `body`.
type Parts = (usize, BTreeSet<String>);

/// All that was found.
struct Compared<'t> {
    tried: usize,
    recording: Option<&'t Recording>,
    /// Lines of a log with a decision, and how many of these the bundle that is decides so.
    as_logged: (usize, usize),
    changes: Vec<Change<'t>>,
    /// Requests that another rule decides, with the same outcome.
    moved: usize,
    /// Requests that are decided alike, of which what is in shadow mode, or the candidate, would decide otherwise than before.
    beside: (usize, usize),
    /// Requests that are decided alike, of which the upstream gets, or the caller is answered, something else.
    with: (Parts, Parts),
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
    let compared = requests(args, &old, &new).and_then(|tried| {
        let compared = compare(&tried, &mut Side::new(&old)?, &mut Side::new(&new)?);
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
    documents::load_untested(std::slice::from_ref(path)).map_err(|problems| {
        let errors: Vec<_> = problems.into_iter().filter(|problem| problem.is_error()).collect();
        report::to_stderr(&errors);
    })
}

/// The most that a recording may have, in bytes: a day's log of a busy proxy.
const RECORDED_MOST: u64 = 256 << 20;

/// The requests that are tried, each as it comes.
fn requests(args: &Args, old: &Loaded, new: &Loaded) -> Result<Tried, String> {
    let at = args.at.unwrap_or_else(recorded::now);
    let Some(file) = &args.requests else {
        let trials = generate::requests(&[old, new], at, args.max);
        return Ok(Tried {
            decisions: trials.iter().map(|_| None).collect(),
            trials,
            recording: None,
        });
    };
    let text = input::up_to(file, RECORDED_MOST).map_err(|error| format!("the requests: {error}"))?;
    let claims = args.claims.as_deref().map(recorded::claims).transpose()?;
    let name = file.display().to_string();
    let tried = lines(&text, &name, at, claims.as_ref(), args.max)?;
    if tried.trials.is_empty() {
        return Err(format!("there is no request in `{name}`"));
    }
    Ok(tried)
}

/// The requests of these lines.
fn lines(
    text: &str,
    name: &str,
    at: WallTime,
    claims: Option<&Map<String, Value>>,
    most: usize,
) -> Result<Tried, String> {
    let mut recording = Recording::default();
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    // A log of a container has lines of the proxy itself among those of requests.
    let is_json = |line: &str| line.trim_start().starts_with('{');
    let is_log = lines().any(|(_, line)| is_json(line) && line.contains("\"decision\""));
    let (mut trials, mut decisions) = (Vec::new(), Vec::new());
    for (number, line) in lines() {
        if is_log && !is_json(line) {
            recording.left_out += 1;
            continue;
        }
        if trials.len() == most {
            recording.behind += 1;
            continue;
        }
        let read = recorded::read(line, at, claims).map_err(|error| format!("{name}:{}: {error}", number + 1))?;
        recording.logged += usize::from(read.is_log);
        for assumed in read.assumed {
            *recording.assumed.entry(assumed).or_default() += 1;
        }
        trials.push(read.trial);
        decisions.push(read.decision);
    }
    Ok(Tried {
        trials,
        decisions,
        recording: Some(recording),
    })
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
                beside: [None, None],
                with: BTreeSet::new(),
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

fn compare<'t>(tried: &'t Tried, old: &mut Side, new: &mut Side) -> Compared<'t> {
    let mut changes: BTreeMap<(Outcome, Outcome), (usize, &Trial)> = BTreeMap::new();
    let mut moved = 0;
    let mut as_logged = (0, 0);
    let mut beside = (0, 0);
    let mut with = <(Parts, Parts)>::default();
    let lets_in = |outcome: &Outcome| outcome.decision.starts_with("allow");
    for (trial, decision) in tried.trials.iter().zip(&tried.decisions) {
        let (was, is) = (old.outcome(trial), new.outcome(trial));
        if let Some(decision) = decision {
            as_logged.0 += 1;
            as_logged.1 += usize::from(was.is_logged(decision));
        }
        let is_decided_alike = was.decision == is.decision;
        if is_decided_alike && was.with != is.with {
            let differ = was.with.symmetric_difference(&is.with);
            let parts = if lets_in(&was) { &mut with.0 } else { &mut with.1 };
            parts.0 += 1;
            parts.1.extend(differ.map(|(name, _)| name.clone()));
        }
        let [shadow, candidate] = [0, 1].map(|one| was.beside.get(one) != is.beside.get(one));
        if !is_decided_alike {
            let alone = |outcome: Outcome| Outcome {
                beside: [None, None],
                with: BTreeSet::new(),
                ..outcome
            };
            changes.entry((alone(was), alone(is))).or_insert((0, trial)).0 += 1;
        } else if was.by != is.by {
            moved += 1;
        } else if shadow || candidate {
            beside.0 += usize::from(shadow);
            beside.1 += usize::from(candidate);
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
    changes.sort_by_key(|change| {
        let opens = lets_in(&change.is) && !lets_in(&change.was);
        (!opens, std::cmp::Reverse(change.count))
    });
    Compared {
        tried: tried.trials.len(),
        recording: tried.recording.as_ref(),
        as_logged,
        changes,
        moved,
        beside,
        with,
        idle: idle(&old.coverage, &new.coverage),
    }
}

/// What goes with a decision: what the upstream gets and whether a stream ends by itself, or what the caller is answered.
fn with(found: &Found) -> BTreeSet<(String, String)> {
    let answer = found.answer.iter().flat_map(|answer| {
        let headers = answer.headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), value.clone()));
        headers.chain([("body".to_owned(), answer.body.clone())])
    });
    let stream = found.stream_ends.then(|| ("(stream)".to_owned(), "ends".to_owned()));
    found.upstream.iter().cloned().chain(answer).chain(stream).collect()
}

/// Verdict, reason and rule of a decision line.
fn decided(line: &str) -> String {
    line.split(';').take(3).collect::<Vec<_>>().join(";")
}

fn outcome(found: Found) -> Outcome {
    let status = found.status().map(|status| format!(" {status}")).unwrap_or_default();
    let reason = found
        .reason
        .map(|reason| format!(" {}", reason.code()))
        .unwrap_or_default();
    Outcome {
        decision: format!("{}{status}{reason}", found.verdict.as_str()),
        with: with(&found),
        by: found.by,
        beside: [found.shadow, found.candidate].map(|line| Some(decided(&line?))),
    }
}

fn said(args: &Args, compared: &Compared<'_>) -> String {
    match args.format {
        Format::Text => text::text(compared, args.max),
        Format::Json => report::escaped(&format!("{:#}\n", as_json(compared))),
    }
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
        "generated": compared.recording.is_none(),
        "logged": compared.recording.map(|recording| recording.logged),
        "asLogged": compared.recording.map(|_| compared.as_logged.1),
        "assumed": compared.recording.map(|recording| &recording.assumed),
        "leftOut": compared.recording.map(|recording| recording.left_out),
        "notTried": compared.recording.map(|recording| recording.behind),
        "changed": compared.changed(),
        "moved": compared.moved,
        "inShadow": compared.beside.0,
        "byCandidate": compared.beside.1,
        "forwardedOtherwise": json!({"requests": compared.with.0.0, "headers": compared.with.0.1}),
        "answeredOtherwise": json!({"requests": compared.with.1.0, "parts": compared.with.1.1}),
        "changes": changes.collect::<Vec<_>>(),
        "decidedNothing": compared.idle,
    })
}
