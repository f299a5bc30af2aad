//! What people write: a folder of documents, or one file that holds a bundle in one of the forms in which it is applied. Read as a whole, with all that is wrong with it and where.

mod advice;
pub(crate) mod budget;
mod bundle;
mod canonical;
mod embedded;
mod files;
mod form;
mod naming;
mod node;
mod part;
mod scalar;
mod suite;
mod syntax;
mod yaml;

use std::path::PathBuf;
use std::rc::Rc;

use regionguard::bundle::{Code, Generation};
use serde_json::Value;

use crate::problem::{Place, Problem, Source};

use budget::Budget;
use bundle::Draft;
pub(crate) use canonical::{Canonical, canonical};
pub(crate) use files::UNREADABLE;
use node::{Node, Sources};
pub(crate) use node::{camel_case, member};
pub(crate) use suite::{Suite, deciders};

/// A bundle that was read, and compiles.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The bundle as the filter is configured with it: `region`, `metadata`, `trust`, `tokens`, `documents`.
    pub(crate) value: Value,
    /// What the kernel made of it: `name`, `version`, `digest` and all the rest.
    pub(crate) generation: Generation,
    /// What loads, and probably does not do what was meant.
    pub(crate) warnings: Vec<Problem>,
    /// The files that were read, in the order in which their documents stand in the bundle.
    pub(crate) files: Vec<PathBuf>,
    tree: Node,
    sources: Sources,
}

impl Loaded {
    /// The bundle with its fields in the order in which they were written.
    pub(crate) fn written(&self) -> crate::render::Node {
        self.tree.written()
    }

    /// Where the field at `path` stands (`documents[2].spec.rules[0].paths[1]`, as the kernel writes it), or the nearest thing around it.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        bundle::place(&self.tree, path, &self.sources)
    }

    /// The text of the field at `path`, as it was written.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        bundle::text(self, path)
    }

    /// A warning about the field at `path`.
    pub(crate) fn warning(&self, code: &'static str, path: &str, message: String, help: String) -> Problem {
        bundle::warning(self, code, path, message, help)
    }

    /// The texts that stand without quotes, each with its path.
    pub(crate) fn plain_texts(&self) -> Vec<(String, String)> {
        bundle::plain_texts(&self.tree, &self.sources)
    }
}

/// Everything that was read.
pub(crate) struct Judged {
    /// All files, in the order in which they were read.
    pub(crate) sources: Vec<Rc<Source>>,
    /// The bundles without an error.
    pub(crate) bundles: Vec<Loaded>,
    /// The PolicyTests without an error.
    pub(crate) tests: Vec<Suite>,
    /// All errors and warnings, in the order in which they stand in the files.
    pub(crate) problems: Vec<Problem>,
    /// Whether all of the files could be read; if not, what documents say of each other was not judged.
    pub(crate) complete: bool,
    /// Whether there may be more errors than `problems` has.
    pub(crate) more: bool,
}

impl Judged {
    /// Adds what was found later, and keeps the order.
    pub(crate) fn add(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
        sort(&mut self.problems, &Sources(self.sources.clone()));
    }
}

/// The exit code where these errors end it: 2 where the system does not give a file.
pub(crate) fn exit_code(errors: &[Problem]) -> std::process::ExitCode {
    let unreadable = errors.iter().any(|problem| problem.code == UNREADABLE);
    std::process::ExitCode::from(if unreadable { 2 } else { 1 })
}

/// Reads the one bundle at `paths` (files and folders), which must compile.
///
/// # Errors
/// All that is wrong, errors and warnings, in the order in which it stands in the files; [`crate::report`] prints it.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Loaded, Vec<Problem>> {
    alone(judge(paths))
}

/// The same, whatever is said in the PolicyTests beside the bundle: they may name what it does not have any more.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_untested(paths: &[PathBuf]) -> Result<Loaded, Vec<Problem>> {
    alone(judge_bundles(paths))
}

fn alone(judged: Judged) -> Result<Loaded, Vec<Problem>> {
    let Judged {
        mut bundles,
        mut problems,
        ..
    } = judged;
    let Some(first) = bundles.pop().filter(|_| !problems.iter().any(Problem::is_error)) else {
        return Err(problems);
    };
    if let Some(second) = bundles.pop() {
        let message = "more than one bundle: give the files of one";
        let problem = Problem::error("several-bundles", first.place(""), message);
        problems.push(match second.place("") {
            Some(place) => problem.related(place, "another bundle begins here"),
            None => problem,
        });
        return Err(problems);
    }
    Ok(first)
}

/// Reads all bundles at `paths` and says all that is wrong with them, and with the PolicyTests beside them.
pub(crate) fn judge(paths: &[PathBuf]) -> Judged {
    judged(paths, true)
}

/// The same without the PolicyTests.
pub(crate) fn judge_bundles(paths: &[PathBuf]) -> Judged {
    judged(paths, false)
}

fn judged(paths: &[PathBuf], with_tests: bool) -> Judged {
    let mut problems = Vec::new();
    let mut sources = Sources(files::read(paths, &mut problems));
    let mut complete = problems.is_empty();
    let mut found = form::Found::default();
    let mut budget = Budget::default();
    for file in 0..sources.0.len() {
        if budget.is_spent(&problems) {
            complete = false;
            break;
        }
        complete &= form::read(file, &sources, &mut found, &mut problems, &mut budget);
    }
    let mut tests = std::mem::take(&mut found.tests);
    if !with_tests {
        tests.clear();
    }
    let mut bundles = Vec::new();
    // Of what is too much, it is said that it is too much.
    let drafts = match budget.is_spent(&problems) {
        true => Vec::new(),
        false => Draft::all(found, complete, &sources, &mut problems),
    };
    naming::name(&drafts, &sources, &mut problems);
    let mut more = !complete;
    for draft in drafts {
        match budget.is_spent(&problems) {
            true => more = true,
            false => bundles.extend(draft.compile(&sources, &mut problems)),
        }
    }
    let beside = match bundles.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    let tests = suite::read(tests, beside, &sources, &mut problems, &budget);
    more |= budget.is_spent(&problems) || problems.iter().any(|problem| problem.code == MORE);
    problems.retain(|problem| problem.code != MORE);
    sort(&mut problems, &sources);
    Judged {
        sources: std::mem::take(&mut sources.0),
        bundles,
        tests,
        problems,
        complete,
        more,
    }
}

/// The files of YAML at `paths`, in the order in which they are read, with their names and texts; and what could not be read.
pub(crate) fn yaml_files(paths: &[PathBuf]) -> (Vec<(String, String)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let sources = files::read(paths, &mut problems);
    let is_yaml = |source: &&Rc<Source>| !source.name.to_ascii_lowercase().ends_with(".json");
    let texts = sources.iter().filter(is_yaml);
    let texts = texts.map(|source| (source.name.clone(), source.text.clone()));
    (texts.collect(), problems)
}

/// The code under which the kernel says how many more there are than it keeps.
const MORE: &str = Code::More.as_str();

/// By file, then by place. What could not be read comes first, what has no place last.
fn sort(problems: &mut [Problem], sources: &Sources) {
    let numbers = sources.numbers();
    problems.sort_by_cached_key(|problem| {
        let Some(place) = &problem.place else {
            return (usize::MAX, 0);
        };
        let file = numbers.get(&Rc::as_ptr(&place.source));
        (
            file.map_or(0, |file| file + 1),
            place.bytes.as_ref().map_or(0, |bytes| bytes.start),
        )
    });
}
