//! Permissions and roles that are given and never asked for.

use std::collections::HashSet;

use regionguard::bundle::document::{Effect, Wildcard, Words};

use super::Lint;
use super::model::{Model, RuleAt};

pub(super) const PERMISSION_UNUSED: Lint = Lint {
    id: "lint/permission-unused",
    about: "a permission that is accepted or granted and that no rule asks for",
    help: "it opens nothing: correct its spelling, or take it away",
};

pub(super) const ROLE_UNUSED: Lint = Lint {
    id: "lint/role-unused",
    about: "a role that is accepted and that no rule asks for",
    help: "it opens nothing: correct its spelling, or take it away",
};

pub(super) fn find(model: &mut Model<'_>) {
    // Centers and upstreams may look at what no rule names. An expression looks at the token itself, whatever is accepted of it.
    let defers = |rule: &RuleAt<'_>| matches!(rule.rule.effect, Effect::Defer(_));
    let forwards = || {
        model
            .bundle
            .policies
            .iter()
            .filter_map(|policy| policy.forward.as_ref())
    };
    let elsewhere = model.rules.iter().any(defers) || forwards().any(|forward| !forward.claims.is_empty());
    if elsewhere {
        return;
    }
    let permissions = asked(model, |rule| &rule.permissions);
    let roles = asked(model, |rule| &rule.roles);
    let mut found = Vec::new();
    for region in &model.bundle.regions {
        let Some(spec) = model.spec("Region", &region.name) else {
            continue;
        };
        for (number, entry) in region.accepts.iter().enumerate() {
            for (lint, field, patterns, asked) in [
                (&PERMISSION_UNUSED, "permissions", &entry.permissions, &permissions),
                (&ROLE_UNUSED, "roles", &entry.roles, &roles),
            ] {
                for (index, pattern) in patterns.iter().enumerate() {
                    if !asked.iter().any(|word| pattern.matches(word)) {
                        let message = format!("no rule asks for `{}`", written(pattern));
                        found.push((lint, format!("{spec}.accepts[{number}].{field}[{index}]"), message));
                    }
                }
            }
        }
    }
    for document in &model.bundle.grants {
        let Some(spec) = model.spec("Grants", &document.name) else {
            continue;
        };
        for (number, grant) in document.grants.iter().enumerate() {
            for (index, permission) in grant.permissions.iter().enumerate() {
                if !permissions.contains(permission.as_str()) {
                    let path = format!("{spec}.grants[{number}].permissions[{index}]");
                    found.push((&PERMISSION_UNUSED, path, format!("no rule asks for `{permission}`")));
                }
            }
        }
    }
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

/// The words that rules ask for.
fn asked<'m>(model: &Model<'m>, of: impl Fn(&'m regionguard::bundle::document::Rule) -> &'m Words) -> HashSet<&'m str> {
    let words = model.rules.iter().map(|rule| of(rule.rule));
    words
        .flat_map(|words| words.any_of.iter().chain(&words.all_of))
        .flatten()
        .map(String::as_str)
        .collect()
}

fn written(pattern: &Wildcard) -> String {
    match pattern {
        Wildcard::Exact(word) => word.clone(),
        Wildcard::Prefix(prefix) => format!("{prefix}*"),
    }
}
