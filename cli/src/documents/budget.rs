//! How much of all files together is read, so that it ends at once whatever they hold.

use regionguard::bundle::limits;

use super::node::Sources;
use crate::problem::{Place, Problem};

/// YAML documents, and items of Kubernetes Lists: those of a bundle, and as many PolicyTests beside them.
pub(crate) const DOCUMENTS: usize = 2 * limits::DOCUMENTS;
/// Members, items and scalars.
pub(crate) const VALUES: usize = limits::NODES;
/// Errors of the text itself in one file, after which the rest of it is not read.
pub(crate) const ERRORS_OF_A_FILE: usize = 1_000;
/// Errors after which nothing more is looked at.
pub(crate) const ERRORS: usize = 10_000;

/// What may still be read.
pub(super) struct Budget {
    documents: usize,
    values: usize,
    is_stopped: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            documents: DOCUMENTS,
            values: VALUES,
            is_stopped: false,
        }
    }
}

impl Budget {
    /// Whether reading was stopped, which was said: nothing that was read is looked at.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether nothing more is looked at.
    pub(super) fn is_spent(&self, problems: &[Problem]) -> bool {
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        self.is_stopped || errors >= ERRORS
    }

    /// One more value; what is wrong where there is none left.
    pub(super) fn value(&mut self) -> Result<(), String> {
        let left = self.values.checked_sub(1);
        self.values = left.unwrap_or(0);
        self.is_stopped |= left.is_none();
        left.map(|_| ())
            .ok_or_else(|| format!("too many values: {VALUES} at most in all files"))
    }

    /// One more document; what is wrong where there is none left.
    pub(super) fn document(&mut self) -> Result<(), String> {
        let left = self.documents.checked_sub(1);
        self.documents = left.unwrap_or(0);
        self.is_stopped |= left.is_none();
        left.map(|_| ())
            .ok_or_else(|| format!("too many documents: {DOCUMENTS} at most in all files"))
    }
}

/// That nothing is read from `place` on. It is about the file as a whole, so that it stands before what is wrong in that.
pub(super) fn stopped(why: &str, place: Option<Place>, file: usize, sources: &Sources) -> Problem {
    let line = place.as_ref().and_then(Place::positions);
    let line = line.map_or(0, |(start, _)| start.line);
    let more = match sources.0.len().saturating_sub(file + 1) {
        0 => String::new(),
        1 => ", nor the file behind it".to_owned(),
        files => format!(", nor the {files} files behind it"),
    };
    let message = format!("{why}; this file was not read from line {line} on{more}");
    let place = place.map(|place| Place::whole(&place.source));
    let help = format!(
        "give the files of one bundle at a time: it has {} documents at most, and {VALUES} values",
        limits::DOCUMENTS
    );
    Problem::error("too-large", place, message).help(help)
}
