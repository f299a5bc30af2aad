//! The one form of a document: its fields in the order of the documentation, two spaces for each level, comments where they belong.
//!
//! Text is moved and never made: each name and scalar stands as it was written. What comes out is read again, and only what holds the same values and the same
//! comments is given back; where the two differ, or a comment stands where no place is known for it, the text is left alone.

mod comments;
mod order;
mod writer;

use std::rc::Rc;

use super::budget::Budget;
use super::node::{Data, Node, Sources};
use super::yaml::{self, Text};
use crate::problem::{Place, Problem, Source};

use comments::Comments;
pub(super) use order::home_of;
use writer::Writer;

/// What became of a text.
pub(crate) enum Canonical {
    /// It is in this form already.
    Same,
    /// It is this, in that form.
    Changed(String),
    /// It is not for this: why.
    Left(&'static str),
    /// It cannot be read.
    Wrong(Vec<Problem>),
}

/// `text`, of the file `name`, in its one form.
pub(crate) fn canonical(name: &str, text: &str) -> Canonical {
    let unix = text.replace("\r\n", "\n");
    let (roots, blocks) = match read(name, &unix) {
        Ok(read) => read,
        Err(problems) => return Canonical::Wrong(problems),
    };
    let roots: Vec<Node> = roots
        .into_iter()
        .filter(|root| !matches!(root.value, Data::Null))
        .collect();
    if !roots.iter().all(is_ours) || roots.is_empty() {
        return Canonical::Left("it holds more than the head of a bundle and documents");
    }
    const UNSAFE: &str = "it holds a comment, or a way to write YAML, for which no place is known";
    let Some(comments) = Comments::of(&unix, &roots, &blocks) else {
        return Canonical::Left(UNSAFE);
    };
    let Some(written) = Writer::new(&unix, comments, &blocks).write(&roots) else {
        return Canonical::Left(UNSAFE);
    };
    if written == text {
        return Canonical::Same;
    }
    match is_the_same(name, &roots, &blocks, &unix, &written) {
        true => Canonical::Changed(written),
        false => Canonical::Left(UNSAFE),
    }
}

/// The documents of a text, and where its block scalars stand.
type Read = (Vec<Node>, Vec<usize>);

fn read(name: &str, text: &str) -> Result<Read, Vec<Problem>> {
    let source = Rc::new(Source::new(name.to_owned(), text.to_owned()));
    let mut problems = Vec::new();
    if text.contains('\t') && text.lines().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        problems.push(Problem::error(
            "yaml-syntax",
            Some(Place::whole(&source)),
            "a tab indents a line: indent with spaces",
        ));
    }
    let sources = Sources(vec![source]);
    let whole = Text {
        text,
        file: 0,
        to_file: &|bytes| bytes,
    };
    let read = yaml::read(&whole, &sources, &mut problems, &mut Budget::default());
    match problems.is_empty() {
        true => Ok((read.roots, read.blocks)),
        false => Err(problems),
    }
}

/// Whether it is a document, or the head of a bundle.
fn is_ours(root: &Node) -> bool {
    let is_object = matches!(root.value, Data::Object(_));
    match root.member("kind").and_then(Node::text) {
        Some(kind) => is_object && super::form::KINDS.contains(&kind),
        None => is_object && root.member("kind").is_none() && root.member("metadata").is_some(),
    }
}

/// Whether both texts hold the same values and comments.
fn is_the_same(name: &str, roots: &[Node], blocks: &[usize], text: &str, written: &str) -> bool {
    let Ok((again, blocks_again)) = read(name, written) else {
        return false;
    };
    let values = |roots: &[Node]| roots.iter().map(Node::to_json).collect::<Vec<_>>();
    let comments = |text: &str, roots: &[Node], blocks: &[usize]| {
        let mut texts = Comments::of(text, roots, blocks)?.texts();
        texts.sort_unstable();
        Some(texts)
    };
    let before = comments(text, roots, blocks);
    before.is_some() && values(roots) == values(&again) && before == comments(written, &again, &blocks_again)
}

#[cfg(test)]
mod tests;
