//! Permissions and roles that are given and never asked for.

use std::collections::HashSet;

use regionguard::bundle::document::{Effect, Rule, Wildcard, Words};
use regionguard::identity::{ClaimMapping, ClaimPath};

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

/// What neither the policies in force nor those of the candidate ask for.
pub(super) fn find(model: &mut Model<'_>, candidate: Option<&Model<'_>>) {
    let models = || [&*model].into_iter().chain(candidate);
    // Centers may look at what no rule names. An expression looks at the token itself, whatever is accepted of it.
    let defers = |rule: &RuleAt<'_>| matches!(rule.rule.effect, Effect::Defer(_));
    if models().any(|model| model.rules.iter().any(defers)) {
        return;
    }
    let asked = |of: fn(&Rule) -> &Words| models().flat_map(move |model| words(model, of)).collect();
    let (permissions, roles): (HashSet<&str>, HashSet<&str>) =
        (asked(|rule| &rule.permissions), asked(|rule| &rule.roles));
    // So may an upstream that is told them.
    let told = |claim: fn(&ClaimMapping) -> &ClaimPath| {
        let mut regions = model.bundle.regions.iter();
        regions.any(|region| models().any(|model| forwards(model, claim(&region.claims))))
    };
    let (permissions_told, roles_told) = (told(|claims| &claims.permissions), told(|claims| &claims.roles));
    let mut found = Vec::new();
    for region in &model.bundle.regions {
        let Some(spec) = model.spec("Region", &region.name) else {
            continue;
        };
        for (number, entry) in region.accepts.iter().enumerate() {
            for (lint, field, patterns, asked, told) in [
                (
                    &PERMISSION_UNUSED,
                    "permissions",
                    &entry.permissions,
                    &permissions,
                    permissions_told,
                ),
                (&ROLE_UNUSED, "roles", &entry.roles, &roles, roles_told),
            ] {
                for (index, pattern) in patterns.iter().enumerate() {
                    if !told && !asked.iter().any(|word| pattern.matches(word)) {
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
                if !permissions_told && !permissions.contains(permission.as_str()) {
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

/// Whether a header tells the upstream the words of this claim, or what holds them.
fn forwards(model: &Model<'_>, claim: &ClaimPath) -> bool {
    let forwards = model
        .policies
        .iter()
        .filter_map(|policy| policy.policy.forward.as_ref());
    let holds = |forwarded: &str| {
        let rest = claim.as_str().strip_prefix(forwarded);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    forwards
        .flat_map(|forward| &forward.claims)
        .any(|(_, forwarded)| holds(forwarded))
}

/// The words that rules ask for.
fn words<'m>(model: &Model<'m>, of: impl Fn(&'m Rule) -> &'m Words) -> Vec<&'m str> {
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
