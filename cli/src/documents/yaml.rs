//! YAML text, and JSON, which is a part of it, into values that know where they stand. What it cannot take as it is (a tag, an anchor, a repeated name) is reported, and reading goes on.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StrInput};

use super::budget::{Budget, ERRORS_OF_A_FILE, stopped};
use super::node::{Data, Member, Node, Sources, Span};
use super::scalar;
use super::syntax::{self, Syntax};
use crate::problem::{Place, Problem};

/// Objects and lists inside of each other: those of a bundle, and those that an ECDS file or a manifest has around it.
pub(crate) const DEPTH: usize = 64;

/// The documents of a text.
pub(super) struct Read {
    pub(super) roots: Vec<Node>,
    /// Whether all of the text could be read.
    pub(super) complete: bool,
    /// Where block scalars begin in the file.
    pub(super) blocks: Vec<usize>,
}

/// A text and where it stands.
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) file: usize,
    /// From a range of `text` to one of the file.
    pub(super) to_file: &'t dyn Fn(Range<usize>) -> Range<usize>,
}

/// Reads all documents of `text`; of a document that is broken what stands behind its end, if anything.
pub(super) fn read(text: &Text<'_>, sources: &Sources, problems: &mut Vec<Problem>, budget: &mut Budget) -> Read {
    let options = granit_parser::options! {
        strict_indentation: true,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    let mut parser = Parser::new_from_str_with_options(text.text, options);
    let mut reader = Reader {
        text,
        earlier: problems.len(),
        sources,
        problems,
        budget,
        open: Vec::new(),
        roots: Vec::new(),
        blocks: Vec::new(),
    };
    let mut complete = true;
    loop {
        match reader.event(&mut parser) {
            Ok(true) => {}
            Ok(false) => break,
            Err(Stop::TooMany) => {
                complete = false;
                break;
            }
            Err(Stop::Syntax(error)) => {
                complete = false;
                reader.syntax(&error);
                reader.open.clear();
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    Read {
        roots: reader.roots,
        complete,
        blocks: reader.blocks,
    }
}

enum Stop {
    Syntax(Box<ScanError>),
    TooMany,
}

struct Reader<'r> {
    text: &'r Text<'r>,
    sources: &'r Sources,
    /// The problems of the files before.
    earlier: usize,
    problems: &'r mut Vec<Problem>,
    budget: &'r mut Budget,
    open: Vec<Open>,
    roots: Vec<Node>,
    blocks: Vec<usize>,
}

/// A list or an object whose end has not come.
struct Open {
    node: Node,
    /// The name of the member that comes next.
    name: Option<Node>,
    plain: bool,
    /// Where each name stands.
    names: HashMap<String, Span>,
}

impl Reader<'_> {
    /// One event; `false` behind the last one.
    fn event<'p>(&mut self, parser: &mut Parser<'p, StrInput<'p>>) -> Result<bool, Stop> {
        let Some(next) = parser.next_event() else {
            return Ok(false);
        };
        let (event, marks) = next.map_err(|error| Stop::Syntax(Box::new(error)))?;
        if event.is_node() {
            let mut spent = self.budget.value();
            if self.open.is_empty() {
                spent = spent.and_then(|()| self.budget.document());
            }
            if let Err(why) = spent {
                let place = self.sources.place(&self.span(&marks));
                self.problems.push(stopped(&why, place, self.text.file, self.sources));
                return Err(Stop::TooMany);
            }
        }
        if self.problems.len() - self.earlier >= ERRORS_OF_A_FILE {
            let place = self.sources.place(&self.span(&marks));
            let place = place.map(|place| Place::whole(&place.source));
            let message = format!("{ERRORS_OF_A_FILE} errors in this file: the rest of it was not read");
            self.problems.push(Problem::error("too-large", place, message));
            return Err(Stop::TooMany);
        }
        let tag = event.tag().map(granit_parser::Tag::original);
        let tagged = tag.map(|tag| self.tag(&tag, &marks)).is_some();
        let span = self.span(&marks);
        match event {
            Event::StreamEnd => return Ok(false),
            Event::Scalar(text, style, ..) => {
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    self.blocks.push(span.bytes.start);
                }
                let mut node = self.scalar(&text, style, span);
                node.reported |= tagged;
                self.put(node, style == ScalarStyle::Plain);
            }
            Event::SequenceStart(..) => self.open(Data::List(Vec::new()), span),
            Event::MappingStart(..) => self.open(Data::Object(Vec::new()), span),
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(_) => self.alias(span),
            Event::UnresolvedAlias(_) => self.alias(span),
            Event::Anchor(_, name) => {
                let message = format!("the anchor `&{}` is refused", shown(&name));
                let help = format!(
                    "write the value where it is meant: Envoy, Kubernetes and this command do not read anchors alike; or quote it if it is text: `\"&{}…\"`",
                    shown(&name)
                );
                self.report("yaml-anchor", &span, message, Some(&help));
            }
            // The beginning and the end of a document.
            _ => {}
        }
        Ok(true)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let (value, reported) = if style == ScalarStyle::Plain {
            match scalar::resolve(text) {
                Ok(value) => (value, false),
                // A name is text, whatever it looks like.
                Err(_) if self.expects_name() => (Data::Text(text.to_owned()), false),
                Err(message) => {
                    self.report("yaml-ambiguous", &span, message, Some(&quote_it(text)));
                    (Data::Text(text.to_owned()), true)
                }
            }
        } else {
            (Data::Text(text.to_owned()), false)
        };
        Node { value, span, reported }
    }

    fn expects_name(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.node.value, Data::Object(_)) && open.name.is_none())
    }

    fn tag(&mut self, tag: &str, marks: &Marks) {
        let span = marks
            .tag_span()
            .map_or_else(|| self.span(marks), |marks| self.span(&marks));
        let message = format!("the tag `{}` is refused", shown(tag));
        let help = "leave it out: text is quoted, and everything else is what it looks like";
        self.report("yaml-tag", &span, message, Some(help));
    }

    fn alias(&mut self, span: Span) {
        let message = format!("the alias `{}` is refused", self.written(&span));
        let help = format!(
            "quote it if it is text: `\"{}\"`; else write the value where it is meant: Envoy, Kubernetes and this command do not read aliases alike",
            self.written(&span)
        );
        self.report("yaml-anchor", &span, message, Some(&help));
        let node = Node {
            value: Data::Null,
            span,
            reported: true,
        };
        self.put(node, false);
    }

    fn open(&mut self, value: Data, span: Span) {
        self.open.push(Open {
            node: Node {
                value,
                span,
                reported: false,
            },
            name: None,
            plain: false,
            names: HashMap::new(),
        });
    }

    fn close(&mut self, end: &Span) {
        if let Some(mut open) = self.open.pop() {
            let span = &mut open.node.span;
            // The end of a block collection is where the next thing begins.
            let text = &self.sources.0[span.file].text;
            let inside = text.get(span.bytes.start..end.bytes.end).unwrap_or_default();
            span.bytes.end = span.bytes.start + inside.trim_end().len();
            self.put(open.node, false);
        }
    }

    /// Puts `node` where it belongs: a name, the value of one, an item, or a whole document.
    fn put(&mut self, node: Node, plain: bool) {
        let Some(mut open) = self.open.pop() else {
            self.roots.push(node);
            return;
        };
        match (&mut open.node.value, open.name.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Object(_), None) => {
                open.name = Some(node);
                open.plain = plain;
            }
            (Data::Object(members), Some(name)) => {
                // Who has no name for it means another value.
                let has_name = !matches!(name.value, Data::List(_) | Data::Object(_));
                open.node.reported |= !has_name;
                if let Some(member) = self.member(name, open.plain, node, &mut open.names) {
                    members.push(member);
                }
            }
            _ => {}
        }
        self.open.push(open);
    }

    /// A member, unless its name is none.
    fn member(&mut self, name: Node, plain: bool, value: Node, names: &mut HashMap<String, Span>) -> Option<Member> {
        let span = name.span.clone();
        let text = match name.value {
            Data::Text(text) => text,
            Data::Null | Data::Bool(_) | Data::Number(_) => self.written(&span),
            Data::List(_) | Data::Object(_) => {
                let help = match self.written(&span).starts_with('{') {
                    true => "where this is a template, check what becomes of it; a text that begins with `{` is quoted",
                    false => "a text that begins with `[` or `{` is quoted",
                };
                self.report("yaml-name", &span, "a name must be text".to_owned(), Some(help));
                return None;
            }
        };
        if plain && text == "<<" {
            let message = "the merge key `<<` is refused".to_owned();
            let help = "write the members where they are meant: not every reader merges them";
            self.report("yaml-anchor", &span, message, Some(help));
            return None;
        }
        if let Some(first) = names.get(&text) {
            let first = self.sources.place(first);
            let message = format!("`{}` is given more than once", shown(&text));
            let mut problem =
                Problem::error("yaml-duplicate", self.sources.place(&span), message).help("keep one of them");
            problem.related = first.map(|first| (first, "given here first".to_owned()));
            self.problems.push(problem);
            return None;
        }
        names.insert(text.clone(), span.clone());
        Some(Member {
            name: text,
            name_span: span,
            plain,
            value,
        })
    }

    fn syntax(&mut self, error: &ScanError) {
        let Syntax {
            code,
            message,
            help,
            at,
            related,
        } = syntax::explain(error, self.text.text);
        let mut problem = Problem::error(code, self.sources.place(&self.in_file(at)), message);
        problem.help = help;
        let related = related.and_then(|(at, what)| Some((self.sources.place(&self.in_file(at))?, what.to_owned())));
        problem.related = related;
        self.problems.push(problem);
    }

    fn report(&mut self, code: &'static str, span: &Span, message: String, help: Option<&str>) {
        let problem = Problem::error(code, self.sources.place(span), message);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    /// What stands in the text there.
    fn written(&self, span: &Span) -> String {
        let text = self
            .sources
            .0
            .get(span.file)
            .and_then(|source| source.text.get(span.bytes.clone()));
        shown(text.unwrap_or_default())
    }

    fn span(&self, marks: &Marks) -> Span {
        let end = self.text.text.len();
        let offset = |marker: &granit_parser::Marker| marker.byte_offset().unwrap_or(end).min(end);
        let start = offset(&marks.start);
        self.in_file(start..offset(&marks.end).max(start))
    }

    fn in_file(&self, bytes: Range<usize>) -> Span {
        Span {
            file: self.text.file,
            bytes: (self.text.to_file)(bytes),
        }
    }
}

fn quote_it(text: &str) -> String {
    let quoted = format!("quote it if it is text: `\"{text}\"`");
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "on" => format!("{quoted}; or write `true`"),
        "n" | "no" | "off" => format!("{quoted}; or write `false`"),
        _ => quoted,
    }
}

/// `text` in a few printable characters.
pub(super) fn shown(text: &str) -> String {
    const KEPT: usize = 48;
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(KEPT).flat_map(char::escape_debug).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
