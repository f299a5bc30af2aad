//! What a rule wants, in the words of its document, and what was found of that.

use regionguard::policy::Seen;
use serde_json::Value;

use crate::documents::{Loaded, member};
use crate::testing;

/// The rule `policy/rule`, as it was written.
pub(super) fn rule<'l>(bundle: &'l Loaded, name: &str) -> Option<&'l Value> {
    let path = testing::path_of(&bundle.value, name)?;
    let pointer = path.trim_end_matches(".name").replace(['.', '['], "/").replace(']', "");
    bundle.value.pointer(&format!("/{pointer}"))
}

/// The document of this kind and name that is in force.
pub(super) fn document<'l>(bundle: &'l Loaded, kind: &str, name: &str) -> Option<&'l Value> {
    let mut documents = bundle.value.get("documents")?.as_array()?.iter();
    let text = |document: &'l Value, pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    documents.find(|document| text(document, "/kind") == Some(kind) && text(document, "/metadata/name") == Some(name))
}

/// The claim that holds the permissions or roles of tokens of this Region, where it is not the usual one: in brackets, behind their name.
pub(super) fn mapped(bundle: &Loaded, home: Option<&str>, what: &str) -> String {
    let region = home.and_then(|home| document(bundle, "Region", home));
    let claims = region.and_then(|region| member(member(region, "spec")?, "claims"));
    match claims.and_then(|claims| member(claims, what)?.as_str()) {
        Some(claim) if claim != what => format!("{what} (the claim `{claim}`)"),
        _ => what.to_owned(),
    }
}

/// Where a policy stands, by its `selector`.
pub(super) fn place(selector: &Value) -> String {
    let fields = ["localRegions", "workloads"];
    let said = fields
        .into_iter()
        .filter_map(|name| Some((name, member(selector, name)?)));
    let said: Vec<String> = said.map(|(name, value)| format!("{name} {}", short(value))).collect();
    said.join(", ")
}

/// What a rule says in this field, in a line; `None` where it says nothing.
pub(super) fn wanted(rule: Option<&Value>, field: &str) -> Option<String> {
    let rule = rule?;
    let value = field.split('.').try_fold(rule, |value, name| member(value, name))?;
    Some(short(value))
}

/// What was found of what this field is about.
pub(super) fn found(seen: &Seen, field: &str) -> Option<String> {
    let held = |words: Option<&Vec<String>>| match words {
        None => "no valid token".to_owned(),
        Some(words) if words.is_empty() => "none".to_owned(),
        Some(words) => words.join(", "),
    };
    let subject = seen.subject.as_ref();
    Some(match field {
        "identity" if seen.subject.is_some() => "a valid token".to_owned(),
        "identity" if seen.service => "a workload that counts".to_owned(),
        "identity" if seen.token_refused => "a token that is not valid here".to_owned(),
        "identity" => "no token".to_owned(),
        "from.homeRegions" => seen.home.clone()?,
        "from.workloads" => seen
            .workload
            .clone()
            .unwrap_or_else(|| "none that can be told".to_owned()),
        "from.sourceRegions" | "from.sourceCountries" | "from.networks" => source(seen),
        "permissions" => held(subject.map(|subject| &subject.permissions)),
        "roles" => held(subject.map(|subject| &subject.roles)),
        _ => return None,
    })
}

/// Address, region and country of the source.
pub(super) fn source(seen: &Seen) -> String {
    let address = seen.address.map(|address| address.to_string());
    format!(
        "{} (region {}, country {})",
        address.as_deref().unwrap_or("an address that cannot be told"),
        seen.source_region.as_deref().unwrap_or("unknown"),
        seen.source_country.as_deref().unwrap_or("unknown"),
    )
}

/// A value in one line, without the quotes that nobody needs to read it.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let item = |value: &Value| match value {
                Value::Object(_) => format!("{{{}}}", short(value)),
                value => short(value),
            };
            let items: Vec<String> = items.iter().map(item).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name} {}", short(value)))
                .collect();
            members.join(", ")
        }
        other => other.to_string(),
    }
}
