//! The comments of a text, and where things end in it.

use std::iter::once;
use std::ops::Range;

use super::super::node::{Data, Node};

/// A comment, from its `#` to the end of its line.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) start: usize,
    /// Nothing but spaces stands before it.
    pub(super) own_line: bool,
    pub(super) column: usize,
    pub(super) text: String,
    pub(super) used: bool,
}

/// All comments, in the order of the text.
pub(super) struct Comments(pub(super) Vec<Comment>);

impl Comments {
    /// The comments between the scalars of `roots`; `blocks` are the starts of those that are block scalars. `None` where one of these cannot be told.
    pub(super) fn of(text: &str, roots: &[Node], blocks: &[usize]) -> Option<Self> {
        let mut scalars = Vec::new();
        for root in roots {
            leaves(root, text, blocks, &mut scalars)?;
        }
        scalars.sort_by_key(|range| range.start);
        let mut comments = Vec::new();
        let mut at = 0;
        let ends = scalars.into_iter().chain(once(text.len()..text.len()));
        for scalar in ends {
            let gap = text.get(at..scalar.start)?;
            let mut offset = 0;
            while let Some(found) = gap.get(offset..)?.find('#') {
                let start = at + offset + found;
                let line = text.get(..start)?.rfind('\n').map_or(0, |end| end + 1);
                let before = text.get(line..start)?;
                if !before.is_empty() && !before.ends_with([' ', '\t']) {
                    return None;
                }
                let end = text.get(start..)?.find('\n').map_or(text.len(), |end| start + end);
                comments.push(Comment {
                    start,
                    own_line: before.trim().is_empty(),
                    column: before.len(),
                    text: text.get(start..end)?.trim_end().to_owned(),
                    used: false,
                });
                offset = end.checked_sub(at)?;
                if offset > gap.len() {
                    return None;
                }
            }
            at = scalar.end.max(at);
        }
        Some(Self(comments))
    }

    /// What they say.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|comment| comment.text.clone()).collect()
    }

    /// Takes the comment behind `end` on the same line.
    pub(super) fn behind(&mut self, end: usize, text: &str) -> Option<String> {
        let comment = self.0.iter_mut().find(|comment| comment.start >= end)?;
        let same_line = text
            .get(end..comment.start)
            .is_some_and(|between| !between.contains('\n'));
        (same_line && !comment.own_line && !comment.used).then(|| {
            comment.used = true;
            comment.text.clone()
        })
    }

    /// Takes the comments on lines of their own in `range`, as far as `is_meant` goes without a break.
    pub(super) fn take(&mut self, range: Range<usize>, is_meant: impl Fn(&Comment) -> bool) -> Vec<Comment> {
        let free = |comment: &&mut Comment| range.contains(&comment.start) && comment.own_line && !comment.used;
        self.0
            .iter_mut()
            .filter(free)
            .take_while(|comment| is_meant(comment))
            .map(|comment| {
                comment.used = true;
                comment.clone()
            })
            .collect()
    }
}

/// The place of each name and scalar.
fn leaves(node: &Node, text: &str, blocks: &[usize], all: &mut Vec<Range<usize>>) -> Option<()> {
    match &node.value {
        Data::Object(members) => {
            for member in members {
                all.push(member.name_span.bytes.clone());
                leaves(&member.value, text, blocks, all)?;
            }
        }
        Data::List(items) => {
            for item in items {
                leaves(item, text, blocks, all)?;
            }
        }
        _ if blocks.contains(&node.span.bytes.start) => all.push(block(text, node.span.bytes.start)?.content),
        _ => all.push(node.span.bytes.clone()),
    }
    Some(())
}

/// A block scalar.
pub(super) struct Block {
    /// `|`, `>` and what stands behind it, but for a comment.
    pub(super) header: Range<usize>,
    /// Its lines.
    pub(super) content: Range<usize>,
    /// The spaces before each of them.
    pub(super) indent: usize,
}

/// The block scalar whose text begins at `start`; `None` where it says its indentation itself, or cannot be told.
pub(super) fn block(text: &str, start: usize) -> Option<Block> {
    let before = text.get(..start)?.trim_end();
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let header_line = before.get(line..)?;
    let code = header_line
        .find(" #")
        .map_or(header_line, |comment| &header_line[..comment])
        .trim_end();
    let mark = code.rfind(['|', '>'])?;
    let behind = code.get(mark + 1..)?;
    if !matches!(behind, "" | "-" | "+") {
        return None;
    }
    let end_of_header = text.get(line..)?.find('\n').map_or(text.len(), |end| line + end + 1);
    let mut indent = None;
    let mut end = end_of_header;
    let mut at = end_of_header;
    for line in text.get(end_of_header..)?.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            continue;
        }
        let own = line.len() - line.trim_start_matches(' ').len();
        if own < *indent.get_or_insert(own) {
            break;
        }
        end = at;
    }
    let parent = header_line.len() - header_line.trim_start_matches([' ', '-']).len();
    Some(Block {
        header: line + mark..line + code.len(),
        content: end_of_header..end,
        indent: indent.filter(|indent| *indent > 0 && *indent >= parent)?,
    })
}
