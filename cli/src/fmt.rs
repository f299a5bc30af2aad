//! `regionguard fmt`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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

/// Runs `fmt`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let worst = if args.paths == [PathBuf::from("-")] {
        stdin(args.check)
    } else {
        files(args)
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

fn files(args: &Args) -> Outcome {
    let (files, problems) = yaml_files(&args.paths);
    report::to_stderr(&problems);
    let unreadable = !problems.is_empty();
    let mut worst = if unreadable { Outcome::Unreadable } else { Outcome::Fine };
    for (name, text) in files {
        worst = worst.max(file(Path::new(&name), &text, args.check));
    }
    worst
}

fn file(path: &Path, text: &str, check: bool) -> Outcome {
    let name = report::printable(&path.display().to_string());
    match canonical(&name, text) {
        Canonical::Same => Outcome::Fine,
        Canonical::Left(why) => {
            eprintln!("{name}: left as it is: {why}");
            Outcome::Fine
        }
        Canonical::Wrong(problems) => {
            report::to_stderr(&problems.into_iter().collect::<Vec<Problem>>());
            Outcome::Wrong
        }
        Canonical::Changed(_) if check => {
            println!("{name}: would be changed");
            Outcome::Wrong
        }
        Canonical::Changed(written) => match replace(path, &written) {
            Ok(()) => {
                println!("{name}: changed");
                Outcome::Fine
            }
            Err(error) => {
                eprintln!("error: cannot write {name}: {error}");
                Outcome::Unreadable
            }
        },
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
