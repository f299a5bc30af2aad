//! What is wrong, as people read it, and as programs do.

mod bounded;
pub(crate) mod codes;
mod github;
mod json;
mod mask;
mod sarif;
mod text;

use std::env;
use std::io::{self, IsTerminal};

use crate::problem::Problem;

pub(crate) use bounded::{Bounded, WRITTEN};
pub(crate) use codes::SUSPICIOUS;
pub(crate) use github::{github, left_out};
pub(crate) use json::{escaped, json};
pub(crate) use sarif::sarif;
pub(crate) use text::{printable, text};

/// Whether what is written to `out` has colours: on a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` say otherwise, or `CLICOLOR_FORCE` says that it has anyway.
///
/// <https://no-color.org>, <https://bixense.com/clicolors>.
pub(crate) fn colours(out: &impl IsTerminal) -> bool {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    let refused = set("CLICOLOR").is_some_and(|value| value == "0") || set("TERM").is_some_and(|value| value == "dumb");
    out.is_terminal() && !refused
}

/// Whether a terminal may obey `character` (C0, DEL and C1 controls), or show what stands around it in another order (Unicode TR9 §2) or on another
/// line.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Writes `problems` to standard error, for a command whose output is something else: the first of them, where they are very many.
pub(crate) fn to_stderr(problems: &[Problem]) {
    let colours = colours(&io::stderr());
    // What stands behind the last one that is kept is not known here.
    let bounded = Bounded::of(problems, problems.len() > WRITTEN);
    for problem in &bounded.problems {
        eprintln!("{}\n", text(problem, colours));
    }
    if let Some(said) = bounded.left.said() {
        eprintln!("{}: {said}\n", bounded.left.severity());
    }
}

/// `3 errors, 1 warning in 2 files`; with `at least` in front where there may be more.
pub(crate) fn summary(problems: &[Problem], more: bool) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let mut files: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.place.as_ref())
        .map(|place| place.source.name.as_str())
        .collect();
    files.sort_unstable();
    files.dedup();
    let counts = [counted(errors, "error"), counted(problems.len() - errors, "warning")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = counts.join(", ");
    let counts = match more {
        true => format!("at least {counts}"),
        false => counts,
    };
    match counted(files.len(), "file") {
        Some(files) => format!("{counts} in {files}"),
        None => counts,
    }
}

/// `1 error`, `3 errors`; nothing of none.
pub(crate) fn counted(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    }
}
