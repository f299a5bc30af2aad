//! `regionguard fmt`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::documents::{Canonical, canonical, yaml_files};
use crate::output;
use crate::problem::Problem;
use crate::report;

/// What `fmt` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Folders of documents, or files; `-` for standard input, which is written to standard output
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; say what would be changed
    #[arg(long)]
    check: bool,
    /// How to say what becomes of each file
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

const AFTER: &str = "Fields get the order of the documentation, levels two spaces, collections on one line the spacing `{a: 1, b: [2, 3]}`; line ends are LF, and no line ends with \
spaces. Names, scalars and comments stay as they are written, one blank line stays where there were some, and a comment goes with what it stands above. \
What comes out is read again: values and comments are the same, or the file is left alone and named.\n\n\
Exit codes: 0 where all is in form (now), 1 where `--check` found something that is not or a file is no YAML, 2 where a file cannot be read or written.";

/// How bad it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine,
    Wrong,
    Unreadable,
}

/// What became of a file, in a word.
#[derive(Clone, Copy, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is in form.
    Same,
    Changed,
    WouldChange,
    /// It is not looked at, or its form is not known.
    Left,
    /// It is no YAML.
    Wrong,
    Unwritable,
}

/// What became of a file.
struct Done {
    file: String,
    state: State,
    /// Why it was left as it is.
    why: Option<String>,
    problems: Vec<Problem>,
}

impl State {
    fn outcome(self) -> Outcome {
        match self {
            Self::Same | Self::Changed | Self::Left => Outcome::Fine,
            Self::WouldChange | Self::Wrong => Outcome::Wrong,
            Self::Unwritable => Outcome::Unreadable,
        }
    }
}

/// Runs `fmt`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let worst = match (args.paths == [PathBuf::from("-")], args.format) {
        (true, Format::Text) => stdin(args.check),
        (true, Format::Json) => {
            eprintln!("error: `--format json` tells of files: standard input is written to standard output");
            Outcome::Unreadable
        }
        (false, format) => files(args, format),
    };
    ExitCode::from(match worst {
        Outcome::Fine => 0,
        Outcome::Wrong => 1,
        Outcome::Unreadable => 2,
    })
}

fn stdin(check: bool) -> Outcome {
    let mut text = String::new();
    if let Err(error) = io::stdin().lock().take(16 << 20).read_to_string(&mut text) {
        eprintln!("error: cannot read standard input: {error}");
        return Outcome::Unreadable;
    }
    let (written, outcome) = match canonical("standard input", &text) {
        Canonical::Same => (text, Outcome::Fine),
        Canonical::Changed(written) => (written, if check { Outcome::Wrong } else { Outcome::Fine }),
        Canonical::Left(why) => {
            eprintln!("left as it is: {why}");
            (text, Outcome::Fine)
        }
        Canonical::Wrong(problems) => {
            report::to_stderr(&problems);
            return Outcome::Wrong;
        }
    };
    if check {
        return outcome;
    }
    match output::print(&written) {
        Ok(()) => outcome,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            Outcome::Unreadable
        }
    }
}

fn files(args: &Args, format: Format) -> Outcome {
    let (files, problems) = yaml_files(&args.paths);
    let unreadable = !problems.is_empty();
    let worst = if unreadable { Outcome::Unreadable } else { Outcome::Fine };
    let done = files.iter().map(|(name, text)| file(Path::new(name), text, args.check));
    match format {
        Format::Text => {
            report::to_stderr(&problems);
            done.fold(worst, |worst, done| {
                tell(&done);
                worst.max(done.state.outcome())
            })
        }
        Format::Json => {
            let done: Vec<Done> = done.collect();
            let of_files = done.iter().map(|done| {
                let problems: Vec<_> = done.problems.iter().map(report::json).collect();
                json!({"file": done.file, "state": done.state, "why": done.why, "errors": problems})
            });
            let of_files: Vec<_> = of_files.collect();
            let unread: Vec<_> = problems.iter().map(report::json).collect();
            let all = json!({"files": of_files, "errors": unread});
            let worst = done.iter().fold(worst, |worst, done| worst.max(done.state.outcome()));
            match output::print(&report::escaped(&format!("{all:#}\n"))) {
                Ok(()) => worst,
                Err(error) => {
                    eprintln!("error: cannot write to standard output: {error}");
                    Outcome::Unreadable
                }
            }
        }
    }
}

fn file(path: &Path, text: &str, check: bool) -> Done {
    let file = report::printable(&path.display().to_string());
    let done = |state| Done {
        file: file.clone(),
        state,
        why: None,
        problems: Vec::new(),
    };
    match canonical(&file, text) {
        Canonical::Same => done(State::Same),
        Canonical::Left(why) => Done {
            why: Some(why.to_owned()),
            ..done(State::Left)
        },
        Canonical::Wrong(problems) => Done {
            problems: problems.into_iter().collect(),
            ..done(State::Wrong)
        },
        Canonical::Changed(_) if check => done(State::WouldChange),
        Canonical::Changed(written) => match replace(path, &written) {
            Ok(()) => done(State::Changed),
            Err(error) => Done {
                why: Some(error.to_string()),
                ..done(State::Unwritable)
            },
        },
    }
}

/// Says to people what became of a file: of one in form, nothing.
fn tell(done: &Done) {
    let (name, why) = (&done.file, done.why.as_deref().unwrap_or_default());
    match done.state {
        State::Left => eprintln!("{name}: left as it is: {why}"),
        State::Wrong => report::to_stderr(&done.problems),
        State::WouldChange => println!("{name}: would be changed"),
        State::Changed => println!("{name}: changed"),
        State::Unwritable => eprintln!("error: cannot write {name}: {why}"),
        State::Same => {}
    }
}

/// Puts `text` in the place of what the file holds: all of it, or nothing. A link stays one, and permissions stay.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, permissions))
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // What could not take its place is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}
