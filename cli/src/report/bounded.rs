//! Of very many problems, the first are written out, and of the others it is said how many there are: nobody reads more, and the output stays small.

use serde::Serialize;

use super::counted;
use crate::problem::Problem;

/// Errors that are written out, and as many warnings.
pub(crate) const WRITTEN: usize = 1_000;

/// The problems that are written out.
pub(crate) struct Bounded<'p> {
    /// These, in their order.
    pub(crate) problems: Vec<&'p Problem>,
    /// The others.
    pub(crate) left: Left,
}

/// What is not written out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    errors: usize,
    warnings: usize,
    /// Whether there may be more than these: not all was looked at.
    at_least: bool,
}

impl<'p> Bounded<'p> {
    /// The first of `problems`; `more`: there may be more than these.
    pub(crate) fn of(problems: &'p [Problem], more: bool) -> Self {
        let mut left = Left {
            errors: 0,
            warnings: 0,
            at_least: more,
        };
        let (mut errors, mut warnings) = (WRITTEN, WRITTEN);
        let mut is_written = |problem: &Problem| {
            let (written, counted) = match problem.is_error() {
                true => (&mut errors, &mut left.errors),
                false => (&mut warnings, &mut left.warnings),
            };
            match written.checked_sub(1) {
                Some(fewer) => *written = fewer,
                None => *counted += 1,
            }
            *counted == 0
        };
        let problems = problems.iter().filter(|problem| is_written(problem)).collect();
        left.at_least &= left.errors + left.warnings > 0;
        Self { problems, left }
    }
}

impl Left {
    /// Whether warnings are among them.
    pub(crate) fn has_warnings(self) -> bool {
        self.warnings > 0
    }

    /// The errors among them.
    pub(crate) fn errors(self) -> Self {
        Self { warnings: 0, ..self }
    }

    /// `error`, or `warning` where there are only warnings.
    pub(crate) fn severity(self) -> &'static str {
        if self.errors > 0 { "error" } else { "warning" }
    }

    /// How many there are, in one line; `None` where all is written out.
    pub(crate) fn said(self) -> Option<String> {
        let counts = [counted(self.errors, "error"), counted(self.warnings, "warning")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        let at_least = if self.at_least { "at least " } else { "" };
        (!counts.is_empty()).then(|| {
            let counts = counts.join(", ").replacen(' ', " more ", 1);
            format!("and {at_least}{counts}; the first {WRITTEN} of a severity are written out")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounded, WRITTEN};
    use crate::problem::{Problem, Severity};

    fn problems(errors: usize, warnings: usize) -> Vec<Problem> {
        let warning = Problem {
            severity: Severity::Warning,
            ..Problem::error("suspicious", None, "hm")
        };
        let mut all = vec![Problem::error("invalid", None, "no"); errors];
        all.extend(vec![warning; warnings]);
        all
    }

    #[test]
    fn the_first_of_each_severity_are_written_out_and_the_others_are_counted() {
        for (errors, warnings, more, said) in [
            (0, 0, true, None),
            (WRITTEN, WRITTEN, true, None),
            (
                WRITTEN + 1,
                0,
                false,
                Some("and 1 more error; the first 1000 of a severity are written out"),
            ),
            (
                WRITTEN + 20,
                WRITTEN + 3,
                true,
                Some("and at least 20 more errors, 3 warnings; the first 1000 of a severity are written out"),
            ),
            (
                5,
                WRITTEN + 2,
                false,
                Some("and 2 more warnings; the first 1000 of a severity are written out"),
            ),
        ] {
            let all = problems(errors, warnings);
            let bounded = Bounded::of(&all, more);
            let written = errors.min(WRITTEN) + warnings.min(WRITTEN);
            assert_eq!(bounded.problems.len(), written, "{errors} {warnings}");
            assert_eq!(bounded.left.said().as_deref(), said);
        }
    }
}
