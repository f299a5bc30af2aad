//! `when` of a rule: a condition in CEL, compiled against what the rule can know.

use super::diagnostic::{Part, Problem, Read, Sink};
use super::document::IdentityNeed;
use super::limits;
use super::reader::At;
use super::root::Known;
use super::value::Value;
use crate::cel::Issue;
use crate::policy::{Reach, When};
use crate::request::PathTemplate;

/// Reads the condition of a rule with these paths. What is wrong with `identity` or `paths` is told elsewhere.
pub(super) fn read(
    at: &At<'_>,
    identity: Option<IdentityNeed>,
    paths: &[PathTemplate],
    known: &Known<'_>,
    sink: &mut Sink,
) -> Read<When> {
    let source = text(at, sink)?;
    let reach = Reach {
        paths,
        identity,
        peers: known.peer_verification,
        // One expression may hold many names that nobody knows.
        suggests: !sink.is_full() && sink.may_suggest(),
    };
    match When::compile(source, &reach) {
        Ok(when) => {
            if when.reads_words() {
                let message = "what the token says of roles and permissions is its issuer's word, whatever `accepts` leaves of it here: `roles` and `permissions` of the rule look at what counts";
                sink.warn(&at.path, message);
            }
            if let Some(name) = when.reads_no_header() {
                let told = name.to_ascii_lowercase();
                let message = format!(
                    "no request has a header `{name}`: names are in lower case here, and `:method` and its like are none; write `{}`",
                    told.trim_start_matches(':')
                );
                sink.warn(&at.path, message);
            }
            Ok(when)
        }
        Err(issues) => {
            sink.suggested(issues.len());
            let mut reported = None;
            for issue in &issues {
                reported = Some(match sink.is_full() {
                    true => sink.error(&at.path, "not valid"),
                    false => sink.error(&at.path, problem(source, issue)),
                });
            }
            match reported {
                Some(reported) => Err(reported),
                None => Err(sink.error(&at.path, "is no expression")),
            }
        }
    }
}

/// A text of one line or several.
fn text<'v>(at: &At<'v>, sink: &mut Sink) -> Read<&'v str> {
    let Value::String(text) = at.value else {
        return Err(at.mismatch("an expression, as a string", sink));
    };
    let wrong = if text.trim().is_empty() {
        "is empty: give an expression, or leave it out".to_owned()
    } else if text.len() > limits::WHEN {
        format!("is too long: {} bytes, {} at most", text.len(), limits::WHEN)
    } else if text
        .chars()
        .any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
    {
        "holds a control character".to_owned()
    } else {
        return Ok(text);
    };
    Err(sink.error(&at.path, Problem::new(wrong).found(at.value)))
}

/// An issue with its place, and the part of the expression that it is about.
fn problem(source: &str, issue: &Issue) -> Problem {
    let (line, column) = issue.place(source);
    let excerpt = source.get(issue.range.clone()).unwrap_or_default();
    let part = Part {
        bytes: issue.range.clone(),
        line: source.trim_end().contains('\n').then_some(line),
        column,
    };
    Problem::new(issue.message.as_str()).part(part).excerpt(excerpt)
}
