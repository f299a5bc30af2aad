//! YAML in a string of YAML, as in a ConfigMap: what is wrong with it is shown where it stands in the file.

use std::ops::Range;

use super::budget::Budget;
use super::node::{Node, Sources};
use super::yaml::{self, Read, Text};
use crate::problem::Problem;

/// Reads the documents in the text of `value`.
pub(super) fn read(value: &Node, sources: &Sources, problems: &mut Vec<Problem>, budget: &mut Budget) -> Read {
    let text = value.text().unwrap_or_default();
    let outer = value.span.bytes.clone();
    let lines = sources
        .0
        .get(value.span.file)
        .and_then(|source| lines(text, &source.text, &outer));
    let to_file = |bytes: Range<usize>| match &lines {
        Some(lines) => offset(lines, bytes.start)..offset(lines, bytes.end),
        None => outer.clone(),
    };
    let text = Text {
        text,
        file: value.span.file,
        to_file: &to_file,
    };
    yaml::read(&text, sources, problems, budget)
}

/// A line's offset in the text, and in the file.
type Line = (usize, usize);

/// Where each line of a literal block scalar stands in the file; `None` where the text is written in another way.
fn lines(text: &str, file: &str, outer: &Range<usize>) -> Option<Vec<Line>> {
    // A block scalar begins with its first line, behind the indentation.
    let mut at = file.get(..outer.start)?.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = Vec::new();
    let mut inner = 0;
    for line in text.split_inclusive('\n') {
        let end = file.get(at..)?.find('\n').map_or(file.len(), |end| at + end);
        let outer = file.get(at..end)?.trim_end_matches('\r');
        let content = line.trim_end_matches(['\n', '\r']);
        let indent = outer.strip_suffix(content)?;
        if !indent.bytes().all(|byte| byte == b' ') {
            return None;
        }
        lines.push((inner, at + indent.len()));
        inner += line.len();
        at = (end + 1).min(file.len());
    }
    Some(lines)
}

fn offset(lines: &[Line], at: usize) -> usize {
    let index = lines.partition_point(|(inner, _)| *inner <= at).saturating_sub(1);
    lines.get(index).map_or(0, |(inner, outer)| outer + (at - inner))
}
