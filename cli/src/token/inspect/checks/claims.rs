//! The claims that every token needs, and the forms that claims must have: each one that is wrong is named.

use regionguard::bundle::document::Region;
use regionguard::identity::ClaimPath;
use serde_json::{Map, Value};

use super::{Check, Outcome, Place, check};
use crate::trial::find_claim;

impl Place<'_> {
    /// What is missing or has a wrong form. Whether times and audience are right is said beside.
    pub(super) fn claims(&self, home: Option<&Region>) -> Check {
        let payload = &self.token.payload;
        let mut wrong = Vec::new();
        match payload.get("sub") {
            Some(Value::String(subject)) if !subject.is_empty() => {}
            Some(Value::String(_)) => wrong.push("`sub` is empty".to_owned()),
            other => wrong.push(not_a_string("sub", other)),
        }
        match payload.get("iss") {
            Some(Value::String(_)) => {}
            None if self.is_workload() => {}
            other => wrong.push(not_a_string("iss", other)),
        }
        if let Some(id) = payload.get("jti").filter(|id| !id.is_string()) {
            wrong.push(not_a_string("jti", Some(id)));
        }
        for name in ["exp", "nbf", "iat"] {
            match payload.get(name) {
                None if name == "exp" => wrong.push("`exp` is missing".to_owned()),
                Some(value) if !is_date(value) => {
                    wrong.push(format!(
                        "`{name}` is {value}: not a number of seconds since the Unix epoch"
                    ));
                }
                _ => {}
            }
        }
        wrong.extend(home.into_iter().flat_map(|home| of_region(payload, home)));
        match wrong.as_slice() {
            [] if home.is_none() => check(
                "claims",
                Outcome::Unknown,
                "those of every token are there; what its Region demands beside cannot be told: nobody knows whose token it is",
            ),
            [] => check("claims", Outcome::Ok, "`sub` and all that its Region demands are there"),
            wrong => check("claims", Outcome::Failed, wrong.join("; ")),
        }
    }
}

/// What is wrong with claims that the home Region says something of.
fn of_region(payload: &Map<String, Value>, home: &Region) -> Vec<String> {
    let mapping = &home.claims;
    let mut wrong = Vec::new();
    for (path, wanted) in &mapping.require {
        let found = find_claim(path, payload);
        if found.and_then(Value::as_str) != Some(wanted) {
            let found = found.map_or("missing".to_owned(), Value::to_string);
            wrong.push(format!(
                "`{}` is {found}; {} demands `{wanted}` (`claims.require`)",
                path.as_str(),
                home.name
            ));
        }
    }
    let instead = || find_claim(mapping.audience.as_ref()?, payload);
    if let Some(audience) = payload.get("aud").or_else(instead)
        && !audience.is_string()
        && !is_list_of_strings(audience)
    {
        wrong.push("`aud` is neither a string nor a list of strings".to_owned());
    }
    let mut form = |path: &ClaimPath, is_right: &dyn Fn(&Value) -> bool, right: &str| {
        if find_claim(path, payload).is_some_and(|value| !is_right(value)) {
            wrong.push(format!("`{}` has a wrong form: it must be {right}", path.as_str()));
        }
    };
    form(
        &mapping.permissions,
        &is_permissions,
        "a list of strings, a string of words, or `{global: […], regional: {REGION: […]}}`",
    );
    form(&mapping.roles, &is_words, "a list of strings or a string of words");
    if let Some(path) = &mapping.grants {
        let is_grants = |value: &Value| matches!(value, Value::Array(grants) if grants.iter().all(is_grant));
        form(
            path,
            &is_grants,
            "a list of `{permission, expires, not_before}`, the times as numbers",
        );
    }
    wrong
}

fn not_a_string(name: &str, value: Option<&Value>) -> String {
    match value {
        None => format!("`{name}` is missing"),
        Some(value) => format!("`{name}` is {value}: not a string"),
    }
}

/// Up to 2^53, as far as a double holds every whole second.
fn is_date(value: &Value) -> bool {
    let is_one = |seconds: f64| seconds.is_sign_positive() && seconds <= 9_007_199_254_740_992.0;
    value.as_f64().is_some_and(is_one)
}

fn is_list_of_strings(value: &Value) -> bool {
    matches!(value, Value::Array(items) if items.iter().all(Value::is_string))
}

fn is_words(value: &Value) -> bool {
    value.is_string() || is_list_of_strings(value)
}

fn is_permissions(value: &Value) -> bool {
    let Value::Object(members) = value else {
        return is_words(value);
    };
    members.iter().all(|(name, value)| match (name.as_str(), value) {
        ("global", value) => is_list_of_strings(value),
        ("regional", Value::Object(regions)) => regions.values().all(is_list_of_strings),
        _ => false,
    })
}

fn is_grant(value: &Value) -> bool {
    let is_permission = |value: &Value| value.as_str().is_some_and(|word| !word.is_empty());
    value.get("permission").is_some_and(is_permission)
        && value.get("expires").is_some_and(is_date)
        && value.get("not_before").is_none_or(is_date)
}
