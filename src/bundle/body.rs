//! `response.body`: a JSON object with placeholders in its strings.

use super::diagnostic::{Code, Problem, Read, Sink};
use super::limits;
use super::path::Path;
use super::reader::{At, one_of};
use super::value::{Member, Value};
use crate::decision::{Body, Placeholder};

/// How deep objects and lists may stand in each other.
const DEPTH: usize = 8;

/// The template that `at` holds, which must be an object.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Body> {
    let members = at.members(sink)?;
    let mut body = Body::default();
    object(members, &at.path, 1, &mut body, sink)?;
    if body.len() > limits::RESPONSE_BODY {
        let message = format!(
            "is too long: {} bytes of JSON, {} at most",
            body.len(),
            limits::RESPONSE_BODY
        );
        return Err(sink.error(&at.path, message));
    }
    Ok(body)
}

fn object(members: &[Member], path: &Path<'_>, depth: usize, body: &mut Body, sink: &mut Sink) -> Read<()> {
    let mut outcome = Ok(());
    body.raw("{");
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.raw(",");
        }
        body.raw("\"");
        body.text(name);
        body.raw("\":");
        outcome = outcome.and(any(value, &Path::Member(path, name), depth, body, sink));
    }
    body.raw("}");
    outcome
}

fn any(value: &Value, path: &Path<'_>, depth: usize, body: &mut Body, sink: &mut Sink) -> Read<()> {
    if depth > DEPTH {
        return Err(sink.error(path, format!("nested too deep: {DEPTH} levels at most")));
    }
    match value {
        Value::Null => body.raw("null"),
        Value::Bool(value) => body.raw(if *value { "true" } else { "false" }),
        // Written without an exponent, and without a fraction where there is none.
        Value::Number(number) => body.raw(&number.to_string()),
        Value::String(text) => return string(text, path, body, sink),
        Value::List(items) => {
            let mut outcome = Ok(());
            body.raw("[");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    body.raw(",");
                }
                outcome = outcome.and(any(item, &Path::Item(path, index), depth.saturating_add(1), body, sink));
            }
            body.raw("]");
            return outcome;
        }
        Value::Object(members) => return object(members, path, depth.saturating_add(1), body, sink),
    }
    Ok(())
}

/// Text with placeholders in braces; a brace that is meant stands twice.
fn string(text: &str, path: &Path<'_>, body: &mut Body, sink: &mut Sink) -> Read<()> {
    body.raw("\"");
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at_checked(at).unwrap_or((rest, ""));
        body.text(before);
        if let Some(after) = brace.strip_prefix("{{") {
            body.text("{");
            rest = after;
            continue;
        }
        if let Some(after) = brace.strip_prefix("}}") {
            body.text("}");
            rest = after;
            continue;
        }
        let Some((name, after)) = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            let message = "a brace that belongs to no placeholder: write it twice, `{{` or `}}`, where it is meant";
            return Err(sink.error(path, message));
        };
        let Some(placeholder) = Placeholder::named(name) else {
            let names: Vec<&str> = Placeholder::ALL.iter().map(|known| known.name()).collect();
            let meant = sink.nearest(name, names.iter().copied());
            let problem = Problem::new(format!(
                "no such placeholder: {}; a brace that is meant is written twice",
                one_of(&names)
            ));
            return Err(sink.error(path, problem.code(Code::UnknownField).suggest(meant)));
        };
        body.placeholder(placeholder);
        rest = after;
    }
    body.text(rest);
    body.raw("\"");
    Ok(())
}
