//! Problems as JSON, with fields that stay.

use serde::Serialize;

use super::steers;
use crate::problem::{Place, Problem};

/// A problem as `--format json` has it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'p> {
    code: &'static str,
    message: &'p str,
    help: Option<&'p str>,
    #[serde(flatten)]
    place: Where<'p>,
    document: Option<Document<'p>>,
    field: &'p str,
    related: Option<Related<'p>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Where<'p> {
    file: Option<&'p str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Document<'p> {
    kind: &'p str,
    name: &'p str,
}

#[derive(Debug, Serialize)]
struct Related<'p> {
    message: &'p str,
    #[serde(flatten)]
    place: Where<'p>,
}

/// `problem` as JSON.
pub(crate) fn json(problem: &Problem) -> Entry<'_> {
    Entry {
        code: problem.code,
        message: &problem.message,
        help: problem.help.as_deref(),
        place: place(problem.place.as_ref()),
        document: problem
            .document
            .as_deref()
            .and_then(|document| document.split_once(' '))
            .map(|(kind, name)| Document { kind, name }),
        field: &problem.field,
        related: problem.related.as_ref().map(|(at, message)| Related {
            message,
            place: place(Some(at)),
        }),
    }
}

/// `json`, a text of JSON, with escapes for what would steer a terminal. It says the same: such characters stand in strings only, but for the white
/// space between values, and JSON has each of them as `\uXXXX`, for none is beyond the Basic Multilingual Plane.
pub(crate) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if steers(character) && character != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn place(place: Option<&Place>) -> Where<'_> {
    let (start, end) = place.and_then(Place::positions).unzip();
    Where {
        file: place.map(|place| place.source.name.as_str()),
        line: start.map(|position| position.line),
        column: start.map(|position| position.column),
        end_line: end.map(|position| position.line),
        end_column: end.map(|position| position.column),
    }
}
