//! In which document and field the problems are that were found while reading.

use std::collections::HashMap;

use super::bundle::{Draft, label};
use super::node::{Node, Sources, Span};
use crate::problem::Problem;

/// Says of each of `problems` in which document of `drafts` and in which field it is, where that was not said yet.
pub(super) fn name(drafts: &[Draft], sources: &Sources, problems: &mut [Problem]) {
    let documents = drafts
        .iter()
        .flat_map(|draft| draft.tree.member("documents").map(Node::items).unwrap_or_default());
    let documents = Pieces::of(documents);
    let heads = Pieces::of(drafts.iter().map(|draft| &draft.tree));
    let numbers = sources.numbers();
    for problem in problems {
        let span = problem.place.as_ref().and_then(|place| {
            let file = *numbers.get(&std::rc::Rc::as_ptr(&place.source))?;
            let bytes = place.bytes.clone()?;
            Some(Span { file, bytes })
        });
        let Some(span) = span else { continue };
        let (path, label) = match documents.around(&span) {
            Some((document, path)) => (path, label(document)),
            None => match heads.around(&span) {
                Some((_, path)) => (path, None),
                None => continue,
            },
        };
        if problem.field.is_empty() {
            problem.field = path;
        }
        if problem.document.is_none() {
            problem.document = label;
        }
    }
}

/// Values that do not overlap, by where they begin in each file.
struct Pieces<'n>(HashMap<usize, Vec<&'n Node>>);

impl<'n> Pieces<'n> {
    fn of(nodes: impl Iterator<Item = &'n Node>) -> Self {
        let mut files: HashMap<usize, Vec<&'n Node>> = HashMap::new();
        for node in nodes {
            files.entry(node.span.file).or_default().push(node);
        }
        for nodes in files.values_mut() {
            nodes.sort_by_key(|node| node.span.bytes.start);
        }
        Self(files)
    }

    /// The value in which `span` stands, and the path to it there.
    fn around(&self, span: &Span) -> Option<(&'n Node, String)> {
        let nodes = self.0.get(&span.file)?;
        let behind = nodes.partition_point(|node| node.span.bytes.start <= span.bytes.start);
        let node = nodes.get(behind.checked_sub(1)?)?;
        Some((node, node.path_to(span)?))
    }
}
