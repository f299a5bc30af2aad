//! Problems as SARIF, which code scanning reads.
//!
//! Static Analysis Results Interchange Format 2.1.0, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use serde_json::{Value, json};

use super::Bounded;
use super::codes::{self, Code};
use crate::problem::{Place, Problem};

/// Where the format's schema is published.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One log with one run.
pub(crate) fn sarif(bounded: &Bounded<'_>) -> Value {
    let codes: Vec<Code> = codes::all().collect();
    let rules: Vec<Value> = codes.iter().map(rule).collect();
    let results: Vec<Value> = bounded.problems.iter().map(|problem| result(problem, &codes)).collect();
    let mut log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "regionguard",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // As the columns of the other formats: characters, and not what UTF-16 takes for them.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    // A result has a place. What is about the run as a whole is a notification of the tool (§3.20.21).
    if let (Some(said), Some(run)) = (
        bounded.left.said(),
        log.pointer_mut("/runs/0").and_then(Value::as_object_mut),
    ) {
        let notification = json!({"level": bounded.left.severity(), "message": {"text": said}});
        let invocation = json!({"executionSuccessful": true, "toolExecutionNotifications": [notification]});
        run.insert("invocations".to_owned(), json!([invocation]));
    }
    log
}

fn rule(code: &Code) -> Value {
    let mut rule = json!({
        "id": code.id,
        "shortDescription": {"text": code.about},
        "help": {"text": code.help.unwrap_or("The message says what would be right.")},
        "defaultConfiguration": {"level": if code.is_warning { "warning" } else { "error" }},
    });
    if code.id.starts_with("lint/")
        && let Some(rule) = rule.as_object_mut()
    {
        rule.insert("properties".to_owned(), json!({"tags": ["security"]}));
    }
    rule
}

fn result(problem: &Problem, codes: &[Code]) -> Value {
    let text = match &problem.help {
        Some(help) => format!("{}\n{help}", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "ruleId": problem.code,
        "level": if problem.is_error() { "error" } else { "warning" },
        "message": {"text": text},
    });
    let Some(members) = result.as_object_mut() else {
        return result;
    };
    if let Some(index) = codes.iter().position(|code| code.id == problem.code) {
        members.insert("ruleIndex".to_owned(), json!(index));
    }
    if let Some(place) = &problem.place {
        let mut location = json!({"physicalLocation": physical(place)});
        let name = [problem.document.as_deref(), Some(problem.field.as_str())];
        let name: Vec<&str> = name.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        if !name.is_empty()
            && let Some(location) = location.as_object_mut()
        {
            let logical = json!([{"fullyQualifiedName": name.join(": ")}]);
            location.insert("logicalLocations".to_owned(), logical);
        }
        members.insert("locations".to_owned(), json!([location]));
    }
    if let Some((place, what)) = &problem.related {
        let related = json!([{"id": 1, "physicalLocation": physical(place), "message": {"text": what}}]);
        members.insert("relatedLocations".to_owned(), related);
    }
    result
}

fn physical(place: &Place) -> Value {
    let mut location = json!({"artifactLocation": {"uri": uri(&place.source.name)}});
    if let (Some((start, end)), Some(location)) = (place.positions(), location.as_object_mut()) {
        let region = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
        location.insert("region".to_owned(), region);
    }
    location
}

/// A path as a URI reference (RFC 3986 §4.2): relative where the path is, with every byte encoded that has no place in one.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("./a b/ü:1.yaml"), "a%20b/%C3%BC%3A1.yaml");
        assert_eq!(uri("/a.yaml"), "file:///a.yaml");
        assert_eq!(uri("../a.yaml"), "../a.yaml");
    }
}
