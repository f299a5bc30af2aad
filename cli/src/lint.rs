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
    &times::TIME_UNQUOTED,
    &when::WHEN_WITHOUT_HAS,
    &wide::WIDE_HOSTS,
    &wide::WIDE_PATHS,
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
    let mut model = Model::new(loaded, &documents);
    reach::find(&mut model);
    shadow::find(&mut model);
    hosts::find(&mut model);
    wide::find(&mut model);
    when::find(&mut model);
    words::find(&mut model);
    times::find(&mut model, now);
    model.into_problems()
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
