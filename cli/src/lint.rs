//! What loads, does what it says, and is probably not what was meant. Each lint has an id that stays, and is a warning.
//!
//! A lint says nothing where it cannot be sure: a condition that it does not know narrows a rule as far as any could.

mod comment;
mod cover;
mod hosts;
mod model;
mod reach;
mod shadow;
mod times;
pub(crate) mod when;
mod wide;
mod words;

use regionguard::bundle::{self, Encoding};

use crate::documents::{Loaded, Suite};
use crate::problem::Problem;

use model::Model;
pub(crate) use times::parse as parse_time;

/// One thing that is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lint {
    /// `lint/` and words that stay.
    pub(crate) id: &'static str,
    /// What it finds, in a few words.
    pub(crate) about: &'static str,
    /// Why that matters, and what would be right.
    pub(crate) help: &'static str,
}

/// All of them, by id.
pub(crate) const LINTS: &[&Lint] = &[
    &shadow::ALLOW_UNDER_DEFER,
    &wide::ALLOW_WHEN_UNAVAILABLE,
    &shadow::DENY_INSIDE_ALLOW,
    &times::GRANT_EXPIRED,
    &hosts::HOST_NOT_SERVED,
    &hosts::HOSTS_WITHOUT_TRUST,
    &times::OVERRIDE_NOT_IN_FORCE,
    &words::PERMISSION_UNUSED,
    &wide::PUBLIC_RULE,
    &reach::REQUIREMENTS_NEVER_MET,
    &times::REVOCATION_EXPIRED,
    &words::ROLE_UNUSED,
    &reach::RULE_NEVER_MATCHES,
    &shadow::RULE_SHADOWED,
    &wide::STREAM_UNTIL_CLOSED,
    &times::TIME_UNQUOTED,
    &when::WHEN_CONSTANT,
    &when::WHEN_WITHOUT_HAS,
    &wide::WIDE_ACCEPTS,
    &wide::WIDE_HOSTS,
    &wide::WIDE_NETWORKS,
    &wide::WIDE_PATHS,
    &wide::WIDE_WORKLOADS,
];

/// What the lints find in `loaded`. `now` is in seconds since the Unix epoch.
pub(crate) fn find(loaded: &Loaded, now: f64) -> Vec<Problem> {
    let Ok(bytes) = serde_json::to_vec(&loaded.value) else {
        return Vec::new();
    };
    // It compiled before, so it is read again.
    let Ok(documents) = bundle::documents(&bytes, Encoding::Json) else {
        return Vec::new();
    };
    let mut model = Model::enforced(loaded, &documents);
    let mut candidate = Model::tried(loaded, &documents);
    for model in [&mut model].into_iter().chain(&mut candidate) {
        reach::find(model, now);
        shadow::find(model);
        hosts::find(model);
        wide::find(model);
        when::find(model);
    }
    wide::find_beside_policies(&mut model);
    words::find(&mut model, candidate.as_ref());
    times::find(&mut model, now);
    let mut problems = model.into_problems();
    problems.extend(candidate.map(Model::into_problems).unwrap_or_default());
    problems
}

/// Whether a comment where this warning of the kernel stands says that it is meant.
pub(crate) fn is_allowed(warning: &Problem) -> bool {
    !warning.is_error() && comment::allows(warning.code, warning.place.as_ref())
}

/// What the lints find in a PolicyTest.
pub(crate) fn find_in_test(test: &Suite) -> Vec<Problem> {
    times::find_in_test(test)
}

#[cfg(test)]
mod tests {
    use super::LINTS;

    #[test]
    fn ids_are_sorted_and_told_apart() {
        assert!(LINTS.is_sorted_by(|a, b| a.id < b.id));
        for lint in LINTS {
            let name = lint.id.strip_prefix("lint/").expect("`lint/` in front");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{name}"
            );
        }
    }

    #[test]
    fn the_book_lists_each() {
        let book = include_str!("../../docs/command.md");
        for lint in LINTS {
            let row = format!("| `{}` | {} |", lint.id, lint.about);
            assert!(book.contains(&row), "docs/command.md lacks\n{row}");
        }
    }
}
