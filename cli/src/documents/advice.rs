//! What would be right, where the kernel's message alone does not help somebody on.

use regionguard::bundle::{Code, Diagnostic};

use super::canonical::home_of;
use super::form::KINDS;
use super::node::Node;

/// Fields of other languages of policies, and what says it here.
const ELSEWHERE: [(&str, &str); 13] = [
    ("action", "each rule says what it does by its own `effect`"),
    ("condition", "`when` holds a condition"),
    ("conditions", "`when` holds a condition"),
    ("if", "`when` holds a condition"),
    (
        "jwksUri",
        "`remote` fetches keys from an address, `discovery` asks the issuer for it",
    ),
    (
        "matchLabels",
        "a policy is for `hosts`, `workloads` or `localRegions`: labels of pods are not seen by a proxy",
    ),
    ("notPaths", "write a rule with `effect: deny` for these"),
    ("operation", "`hosts`, `methods` and `paths` stand in the rule itself"),
    ("principals", "write `workloads`, as `spiffe://…`"),
    (
        "priority",
        "order and priority do not matter: a deny wins, then a defer, then an allow",
    ),
    (
        "source",
        "`from` has `workloads`, `networks`, `homeRegions` and the like itself",
    ),
    ("to", "`hosts`, `methods` and `paths` stand in the rule itself"),
    ("verbs", "write `methods`"),
];

/// What would be right, if more is known of that than `diagnostic` says. `found` is what stands at its place, in the document `document`.
pub(super) fn help(diagnostic: &Diagnostic, found: &Node, document: &Node, field: &str) -> Option<String> {
    let text = found.text().unwrap_or_default();
    if let Some(suggestion) = &diagnostic.suggestion {
        let help = format!("did you mean `{suggestion}`?");
        return (!diagnostic.message.contains(&help)).then_some(help);
    }
    if text.contains("${") || text.contains("{{") {
        return Some("this looks like a placeholder that nothing filled in".to_owned());
    }
    const QUOTES: [char; 5] = ['“', '”', '„', '‘', '’'];
    if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
        return Some("typographic quotes are part of the text: write `\"` or `'`".to_owned());
    }
    match diagnostic.code {
        Code::UnknownField => unknown(document, field),
        Code::Missing => missing(&diagnostic.message, document, field).map(str::to_owned),
        // The kernel knows of what stands in bundles only.
        _ if field == "kind" && !text.is_empty() && !KINDS.contains(&text) => {
            Some("a `PolicyTest` stands beside them, in a file of its own".to_owned())
        }
        _ => None,
    }
}

/// Where a field belongs that is unknown where it stands.
fn unknown(document: &Node, field: &str) -> Option<String> {
    let name = field.rsplit('.').next().unwrap_or(field);
    let is_test = document.member("kind").and_then(Node::text) == Some("PolicyTest");
    if let Some((_, help)) = ELSEWHERE.iter().find(|(other, _)| *other == name && !is_test) {
        return Some((*help).to_owned());
    }
    let home = home_of(document, field)?;
    let indent = if home.is_inside {
        "indent it further"
    } else {
        "indent it less"
    };
    let into = match home.path.as_str() {
        "" => "the document itself".to_owned(),
        path => format!("`{path}`"),
    };
    Some(format!("it belongs into {into}: {indent}"))
}

/// How a field is written that is missing.
fn missing(message: &str, document: &Node, field: &str) -> Option<&'static str> {
    let name = message.split('`').nth(1)?;
    match (name, field) {
        ("apiVersion", _) => Some("add `apiVersion: security.io/v1`"),
        ("metadata", "") if document.member("kind").is_some() => Some("add `metadata: {name: …}`"),
        ("metadata", "") => Some("add `metadata: {name: …, version: 1}`"),
        ("effect", _) => Some("add `effect: allow`, or `deny`, `stepUp` or `defer`"),
        ("name", rule) if rule.contains("rules[") => {
            Some("add a name that no other rule of the policy has: decisions are told by it")
        }
        _ => None,
    }
}
