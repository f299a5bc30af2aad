//! Writes documents in their one form.

use std::ops::Range;

use super::super::node::{Data, Member, Node};
use super::comments::{Comment, Comments, block};
use super::order::Order;

/// Writes a text anew.
pub(super) struct Writer<'t> {
    text: &'t str,
    comments: Comments,
    /// The starts of block scalars.
    blocks: &'t [usize],
    out: String,
}

/// Where a collection is written.
struct Around<'o> {
    /// Spaces before it.
    indent: usize,
    /// It is an item of a list: its first line has the dash, two columns before.
    item: bool,
    /// Where it may begin and end in the text, comments included.
    region: Range<usize>,
    order: &'o Order<'o>,
}

impl<'t> Writer<'t> {
    pub(super) fn new(text: &'t str, comments: Comments, blocks: &'t [usize]) -> Self {
        Self {
            text,
            comments,
            blocks,
            out: String::new(),
        }
    }

    /// The whole text; `None` where something in it has no place.
    pub(super) fn write(mut self, roots: &[Node]) -> Option<String> {
        let mut from = 0;
        for (index, root) in roots.iter().enumerate() {
            let next = roots
                .get(index + 1)
                .map_or(self.text.len(), |next| next.span.bytes.start);
            // What stands before the line that separates two documents belongs to the one before.
            let until = match roots.get(index + 1) {
                None => next,
                Some(_) => self.separator(self.end(root)?, next)?,
            };
            if index > 0 {
                self.out.push_str("---\n");
            }
            let Data::Object(members) = &root.value else {
                return None;
            };
            let first = members.first()?.name_span.bytes.start;
            // What stands above all of it stays there.
            for comment in self.comments.take(from..first, |_| true) {
                self.comment(&comment, 0, self.is_behind_blank(comment.start) && !self.begins());
            }
            if self.is_behind_blank(first) && !self.begins() {
                self.out.push('\n');
            }
            let order = Order::of(root);
            let around = Around {
                indent: 0,
                item: false,
                region: first..until,
                order: &order,
            };
            self.object(members, &around)?;
            for comment in self.comments.take(self.end(root)?..until, |_| true) {
                self.comment(&comment, 0, self.is_behind_blank(comment.start));
            }
            from = until;
        }
        let all = self.comments.0.iter().all(|comment| comment.used);
        all.then_some(self.out)
    }

    /// Whether nothing of the document was written yet.
    fn begins(&self) -> bool {
        self.out.is_empty() || self.out.ends_with("---\n")
    }

    fn object(&mut self, members: &[Member], around: &Around<'_>) -> Option<()> {
        let column = self.column(members.first()?.name_span.bytes.start);
        let mut leads = Vec::new();
        let mut end = around.region.start;
        for member in members {
            let start = member.name_span.bytes.start;
            // Names of one object stand below each other.
            if self.column(start) != column {
                return None;
            }
            leads.push(end..start);
            end = self.end(&member.value)?.max(member.name_span.bytes.end);
        }
        let mut places: Vec<usize> = (0..members.len()).collect();
        places.sort_by_key(|place| {
            members
                .get(*place)
                .map_or(usize::MAX, |member| around.order.rank(&member.name))
        });
        // In the order of the text: what is deeper than the names belongs to the member before.
        let mut pieces = Vec::new();
        for (place, member) in members.iter().enumerate() {
            let lead = self.comments.take(leads.get(place)?.clone(), |_| true);
            let until = leads.get(place + 1).map_or(around.region.end, |next| next.end);
            let end = self.end(&member.value)?.max(member.name_span.bytes.end);
            let blank = lead.first().map_or(member.name_span.bytes.start, |first| first.start);
            let blank = place > 0 && self.is_behind_blank(blank);
            let before = std::mem::take(&mut self.out);
            self.member(member, around, until)?;
            let deeper = if place + 1 < members.len() {
                self.comments.take(end..until, |comment| comment.column > column)
            } else {
                self.comments.take(end..until, |comment| comment.column >= column)
            };
            for comment in &deeper {
                let indent = if comment.column > column {
                    around.indent + 2
                } else {
                    around.indent
                };
                self.comment(comment, indent, self.is_behind_blank(comment.start));
            }
            pieces.push((lead, blank, std::mem::replace(&mut self.out, before)));
        }
        for (written, place) in places.into_iter().enumerate() {
            let (lead, blank, piece) = std::mem::take(pieces.get_mut(place)?);
            let dash = around.item && written == 0;
            let indent = if dash { around.indent - 2 } else { around.indent };
            if blank && written > 0 {
                self.out.push('\n');
            }
            for (index, comment) in lead.iter().enumerate() {
                self.comment(comment, indent, index > 0 && self.is_behind_blank(comment.start));
            }
            self.indent(indent);
            self.out.push_str(if dash { "- " } else { "" });
            self.out.push_str(&piece);
        }
        Some(())
    }

    /// Name and value of a member, without its indentation.
    fn member(&mut self, member: &Member, around: &Around<'_>, until: usize) -> Option<()> {
        let name = self.text.get(member.name_span.bytes.clone())?;
        self.out.push_str(name);
        self.out.push(':');
        let order = around.order.of_member(&member.name);
        let end = member.name_span.bytes.end;
        let inner = Around {
            indent: around.indent + 2,
            item: false,
            region: end..until,
            order: &order,
        };
        match &member.value.value {
            Data::Object(members) if !self.is_flow(&member.value) => {
                self.open(end);
                self.object(members, &inner)
            }
            Data::List(items) if !self.is_flow(&member.value) => {
                self.open(end);
                self.list(items, &inner)
            }
            _ => {
                self.out.push(' ');
                let own = self.column(member.name_span.bytes.start);
                self.scalar(&member.value, around.indent, own, &order)
            }
        }
    }

    fn list(&mut self, items: &[Node], around: &Around<'_>) -> Option<()> {
        let column = self.column(self.dash(items.first()?)?);
        let mut end = around.region.start;
        for (place, item) in items.iter().enumerate() {
            let dash = self.dash(item)?;
            if self.column(dash) != column {
                return None;
            }
            let lead = self.comments.take(end..dash, |_| true);
            let blank = lead.first().map_or(dash, |first| first.start);
            if place > 0 && self.is_behind_blank(blank) {
                self.out.push('\n');
            }
            for (index, comment) in lead.iter().enumerate() {
                self.comment(comment, around.indent, index > 0 && self.is_behind_blank(comment.start));
            }
            end = self.end(item)?;
            let until = match items.get(place + 1) {
                Some(next) => self.dash(next)?,
                None => around.region.end,
            };
            let order = around.order.of_item(item);
            let inner = Around {
                indent: around.indent + 2,
                item: true,
                region: dash + 1..until,
                order: &order,
            };
            match &item.value {
                Data::Object(members) if !self.is_flow(item) => self.object(members, &inner)?,
                Data::List(_) if !self.is_flow(item) => return None,
                _ => {
                    self.indent(around.indent);
                    self.out.push_str("- ");
                    self.scalar(item, around.indent, column, &order)?;
                }
            }
            let last = place + 1 == items.len();
            let deeper = self.comments.take(end..until, |comment| {
                comment.column > column || last && comment.column == column
            });
            for comment in &deeper {
                let indent = if comment.column > column {
                    around.indent + 2
                } else {
                    around.indent
                };
                self.comment(comment, indent, self.is_behind_blank(comment.start));
            }
        }
        Some(())
    }

    /// A scalar or a flow collection, up to the end of its line. `own` is the column of its name or dash.
    fn scalar(&mut self, node: &Node, indent: usize, own: usize, order: &Order<'_>) -> Option<()> {
        if self.blocks.contains(&node.span.bytes.start) {
            return self.block(node, indent);
        }
        let slice = self.text.get(node.span.bytes.clone())?;
        let end = node.span.bytes.end;
        if slice.is_empty() {
            return None;
        }
        if self.is_flow(node) && !slice.contains('\n') {
            let flow = self.flow(node, order)?;
            self.out.push_str(&flow);
        } else {
            // Lines of their own keep their distance to the first.
            for (index, line) in slice.split('\n').enumerate() {
                if index > 0 {
                    self.out.push('\n');
                    let spaces = line.len() - line.trim_start_matches(' ').len();
                    if !line.trim().is_empty() {
                        self.indent((indent + spaces).saturating_sub(own).max(indent));
                    }
                }
                let kept = if index == 0 { line } else { line.trim_start_matches(' ') };
                self.out.push_str(kept.trim_end());
            }
            for comment in self
                .comments
                .0
                .iter_mut()
                .filter(|comment| node.span.bytes.contains(&comment.start))
            {
                comment.used = true;
            }
        }
        let behind = self.comments.behind(end, self.text);
        self.close(behind);
        Some(())
    }

    fn block(&mut self, node: &Node, indent: usize) -> Option<()> {
        let block = block(self.text, node.span.bytes.start)?;
        self.out.push_str(self.text.get(block.header.clone())?);
        let behind = self.comments.behind(block.header.end, self.text);
        self.close(behind);
        for line in self.text.get(block.content)?.lines() {
            if !line.trim().is_empty() {
                self.indent(indent + 2);
                self.out.push_str(line.get(block.indent..)?);
            }
            self.out.push('\n');
        }
        Some(())
    }

    /// A flow collection on one line.
    fn flow(&self, node: &Node, order: &Order<'_>) -> Option<String> {
        match &node.value {
            Data::Object(members) => {
                let mut members: Vec<&Member> = members.iter().collect();
                members.sort_by_key(|member| order.rank(&member.name));
                let members = members.into_iter().map(|member| {
                    let name = self.text.get(member.name_span.bytes.clone())?;
                    Some(format!(
                        "{name}: {}",
                        self.flow(&member.value, &order.of_member(&member.name))?
                    ))
                });
                Some(format!("{{{}}}", members.collect::<Option<Vec<_>>>()?.join(", ")))
            }
            Data::List(items) => {
                let items = items.iter().map(|item| self.flow(item, &order.of_item(item)));
                Some(format!("[{}]", items.collect::<Option<Vec<_>>>()?.join(", ")))
            }
            _ => {
                let slice = self.text.get(node.span.bytes.clone())?;
                (!slice.is_empty()).then(|| slice.to_owned())
            }
        }
    }

    /// The end of a line behind which a collection begins.
    fn open(&mut self, end: usize) {
        let colon = self
            .text
            .get(end..)
            .and_then(|rest| rest.find(':'))
            .map_or(end, |colon| end + colon);
        let behind = self.comments.behind(colon, self.text);
        self.close(behind);
    }

    fn close(&mut self, comment: Option<String>) {
        if let Some(comment) = comment {
            self.out.push(' ');
            self.out.push_str(&comment);
        }
        self.out.push('\n');
    }

    fn comment(&mut self, comment: &Comment, indent: usize, blank: bool) {
        if blank {
            self.out.push('\n');
        }
        self.indent(indent);
        self.out.push_str(&comment.text);
        self.out.push('\n');
    }

    fn indent(&mut self, spaces: usize) {
        self.out.extend(std::iter::repeat_n(' ', spaces));
    }

    fn is_flow(&self, node: &Node) -> bool {
        let first = self
            .text
            .get(node.span.bytes.start..)
            .and_then(|rest| rest.chars().next());
        matches!(node.value, Data::Object(_) | Data::List(_)) && matches!(first, Some('{' | '['))
    }

    /// Where the last of it ends.
    fn end(&self, node: &Node) -> Option<usize> {
        if self.blocks.contains(&node.span.bytes.start) {
            return Some(block(self.text, node.span.bytes.start)?.content.end);
        }
        match &node.value {
            Data::Object(members) if !self.is_flow(node) => {
                let last = members.last()?;
                Some(self.end(&last.value)?.max(last.name_span.bytes.end))
            }
            Data::List(items) if !self.is_flow(node) => self.end(items.last()?),
            _ => Some(node.span.bytes.end),
        }
    }

    /// The dash of an item of a block list.
    fn dash(&self, item: &Node) -> Option<usize> {
        let start = match self.blocks.contains(&item.span.bytes.start) {
            true => block(self.text, item.span.bytes.start)?.header.start,
            false => item.span.bytes.start,
        };
        let before = self.text.get(..start)?.trim_end_matches([' ']);
        before.ends_with('-').then(|| before.len() - 1)
    }

    /// Where the line `---` between two documents begins.
    fn separator(&self, from: usize, to: usize) -> Option<usize> {
        // A block scalar ends behind its last line.
        let from = from.checked_sub(1)?;
        let between = self.text.get(from..to)?;
        let at = between.find("\n---")?;
        Some(from + at + 1)
    }

    fn is_behind_blank(&self, at: usize) -> bool {
        let line = self.text.get(..at).and_then(|before| before.rfind('\n'));
        let before = line.and_then(|line| self.text.get(..line)).unwrap_or_default();
        line.is_some() && before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
    }

    fn column(&self, at: usize) -> usize {
        let line = self
            .text
            .get(..at)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |end| end + 1);
        at - line
    }
}
