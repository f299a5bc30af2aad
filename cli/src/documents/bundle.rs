//! From what was found to bundles, and from the kernel's diagnostics to places in the files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use regionguard::bundle::{self, Code, Diagnostic, Encoding, Part, Severity};

use super::Loaded;
use super::advice;
use super::form;
use super::node::{Data, Member, Node, Sources, Span};
use super::part;
use super::yaml::shown;
use crate::problem::{Place, Problem};

/// A bundle that is not judged yet.
pub(super) struct Draft {
    pub(super) tree: Node,
    /// Whether all of its files could be read.
    complete: bool,
    /// Whether somebody wrote its head.
    headed: bool,
}

impl Draft {
    /// The bundles of what was found: each head that holds documents of its own is one, or else all that was found is one.
    pub(super) fn all(found: form::Found, complete: bool, sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Self> {
        let form::Found {
            mut heads, documents, ..
        } = found;
        let whole = |head: &Node| head.member("documents").is_some();
        if documents.is_empty() && heads.len() > 1 && heads.iter().all(whole) {
            return heads
                .into_iter()
                .map(|tree| Self {
                    tree,
                    complete,
                    headed: true,
                })
                .collect();
        }
        for second in heads.iter().skip(1) {
            let place = sources.place(&headline(second));
            let problem = Problem::error("several-bundles", place, "a second head of a bundle")
                .help("a folder of documents has one head; give the files of one bundle at a time");
            problems.push(match heads.first().and_then(|first| sources.place(&headline(first))) {
                Some(first) => problem.related(first, "the first one"),
                None => problem,
            });
        }
        heads.truncate(1);
        let head = heads.pop();
        // What is missing may stand in what could not be read.
        if head.is_none() && (documents.is_empty() || !complete) && !problems.is_empty() {
            return unheaded(documents, complete).into_iter().collect();
        }
        if head.is_none() {
            let message = "no file holds the head of the bundle";
            let place = documents.first().and_then(|first| sources.place(&headline(first)));
            let help = "add a file with `metadata: {name: …, version: 1}`, and `region` and `trust` beside it";
            problems.push(Problem::error("no-head", place, message).help(help));
            return unheaded(documents, complete).into_iter().collect();
        }
        head.map(|head| Self {
            tree: joined(head, documents),
            complete,
            headed: true,
        })
        .filter(|draft| complete || draft.tree.member("documents").is_some())
        .into_iter()
        .collect()
    }

    /// The bundle, if it has no errors; its warnings with it and among `problems`.
    pub(super) fn compile(self, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Loaded> {
        let value = self.tree.to_json();
        let bytes = serde_json::to_vec(&value).ok()?;
        let outcome = bundle::check(&bytes, Encoding::Json);
        let diagnostics = match &outcome {
            Ok(generation) => &generation.warnings,
            Err(all) => all,
        };
        self.correct(diagnostics, sources, problems);
        let mut own: Vec<Problem> = diagnostics
            .iter()
            .filter(|diagnostic| self.counts(diagnostic))
            .map(|diagnostic| problem(diagnostic, &self.tree, sources))
            .collect();
        let clean = !problems.iter().any(Problem::is_error);
        let warnings: Vec<Problem> = own.iter().filter(|problem| !problem.is_error()).cloned().collect();
        problems.append(&mut own);
        let generation = outcome.ok().filter(|_| clean && self.headed)?;
        Some(Loaded {
            value,
            generation,
            warnings,
            files: files(&self.tree, sources),
            tree: self.tree,
            sources: sources.clone(),
        })
    }

    /// Of scalars that not every reader reads alike, it was advised to quote them: where the text would be wrong, too, what would be right.
    fn correct(&self, diagnostics: &[Diagnostic], sources: &Sources, problems: &mut [Problem]) {
        let numbers = sources.numbers();
        let place = |problem: &Problem| {
            let place = problem.place.as_ref()?;
            Some((*numbers.get(&Rc::as_ptr(&place.source))?, place.bytes.as_ref()?.start))
        };
        let mut ambiguous: HashMap<(usize, usize), &mut Problem> = problems
            .iter_mut()
            .filter(|problem| problem.code == "yaml-ambiguous")
            .filter_map(|problem| Some((place(problem)?, problem)))
            .collect();
        for diagnostic in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            let node = self.tree.find(&diagnostic.path).node;
            // There, it may be about the name in front.
            let is_header = diagnostic.path.contains(".forward.claims.");
            if node.reported
                && !is_header
                && let Some(problem) = ambiguous.get_mut(&(node.span.file, node.span.bytes.start))
            {
                let meant = diagnostic.suggestion.as_ref();
                let meant = meant.map(|meant| format!(": `\"{meant}\"`")).unwrap_or_default();
                problem.help = Some(format!("{}{meant}", diagnostic.message));
            }
        }
    }

    /// Whether it is said: once for each thing, and nothing that may only seem so because a file could not be read.
    fn counts(&self, diagnostic: &Diagnostic) -> bool {
        let guess = diagnostic.code == Code::UnknownRegion || diagnostic.severity == Severity::Warning;
        (self.complete || !guess) && !self.tree.find(&diagnostic.path).reported
    }
}

/// Kind and name, if both are text.
pub(super) fn label(document: &Node) -> Option<String> {
    let kind = document.member("kind")?.text()?;
    let name = document.at(&["metadata", "name"])?.text()?;
    Some(format!("{} {}", shown(kind), shown(name)))
}

/// Documents without a head, judged with one that nobody wrote.
fn unheaded(documents: Vec<Node>, complete: bool) -> Option<Draft> {
    let span = documents.first()?.span.clone();
    let node = |value: Data| Node {
        value,
        span: span.clone(),
        reported: false,
    };
    let member = |name: &str, value: Data| Member {
        name: name.to_owned(),
        name_span: span.clone(),
        plain: false,
        value: node(value),
    };
    let metadata = Data::Object(vec![
        member("name", Data::Text("unnamed".to_owned())),
        member("version", Data::Number(1.into())),
    ]);
    let head = node(Data::Object(vec![member("metadata", metadata)]));
    Some(Draft {
        tree: joined(head, documents),
        complete,
        headed: false,
    })
}

/// The head with `documents` behind those that it holds itself.
fn joined(mut head: Node, documents: Vec<Node>) -> Node {
    if documents.is_empty() {
        return head;
    }
    let span = headline(&head);
    let Data::Object(members) = &mut head.value else {
        return head;
    };
    match members.iter_mut().find(|member| member.name == "documents") {
        Some(member) => {
            if let Data::List(items) = &mut member.value.value {
                items.extend(documents);
            }
        }
        None => members.push(Member {
            name: "documents".to_owned(),
            name_span: span.clone(),
            plain: false,
            value: Node {
                value: Data::List(documents),
                span,
                reported: false,
            },
        }),
    }
    head
}

fn files(tree: &Node, sources: &Sources) -> Vec<PathBuf> {
    let documents = tree.member("documents").map(Node::items).unwrap_or_default();
    let mut files: Vec<usize> = std::iter::once(tree)
        .chain(documents)
        .map(|node| node.span.file)
        .collect();
    files.sort_unstable();
    files.dedup();
    files
        .into_iter()
        .filter_map(|file| sources.0.get(file))
        .map(|source| PathBuf::from(&source.name))
        .collect()
}

/// What the kernel says, at its place.
pub(super) fn problem(diagnostic: &Diagnostic, tree: &Node, sources: &Sources) -> Problem {
    let found = tree.find(&diagnostic.path);
    // What a claim fills is a header, and mistakes are about its name.
    let is_header = |claim: &str| diagnostic.path.contains(".forward.claims.") && !claim.trim().is_empty();
    let is_name = match diagnostic.code {
        Code::UnknownField => true,
        Code::Invalid => found.node.text().is_some_and(is_header),
        Code::NotSupported => found
            .name
            .is_some_and(|member| diagnostic.message.starts_with(&format!("`{}` ", member.name))),
        _ => false,
    };
    let place = match found.name.filter(|_| is_name) {
        Some(member) => sources.place(&member.name_span),
        None => place(tree, &diagnostic.path, sources),
    };
    let part = diagnostic
        .part
        .as_ref()
        .map(|part| (part, part_of(found.node, part, sources)));
    let (place, told) = match part {
        Some((_, Some(part))) => (Some(part), String::new()),
        Some((part, None)) => (place, format!("{part}: ")),
        None => (place, String::new()),
    };
    let field = in_document(&diagnostic.path);
    let document = diagnostic.path.strip_suffix(field).unwrap_or_default();
    let document = tree.find(document.trim_end_matches('.')).node;
    let help = advice::help(diagnostic, found.node, document, field);
    Problem {
        severity: diagnostic.severity,
        code: diagnostic.code.as_str(),
        message: told + &with_lines(&diagnostic.message, tree, sources),
        help,
        document: diagnostic.document.clone(),
        field: field.to_owned(),
        place,
        related: None,
    }
}

/// Where a part of a text stands in its file.
fn part_of(node: &Node, part: &Part, sources: &Sources) -> Option<Place> {
    let span = &node.span;
    let source = sources.0.get(span.file)?;
    let bytes = part::part(node.text()?, &part.bytes, &source.text, &span.bytes)?;
    sources.place(&Span { file: span.file, bytes })
}

/// A warning about what stands at `path` of a bundle without errors.
pub(super) fn warning(loaded: &Loaded, code: &'static str, path: &str, message: String, help: String) -> Problem {
    let document = path.split_once(']').and_then(|(document, _)| {
        let found = loaded.tree.find(&format!("{document}]"));
        label(found.node).filter(|_| {
            document
                .strip_prefix("candidate.")
                .unwrap_or(document)
                .starts_with("documents[")
        })
    });
    Problem {
        severity: Severity::Warning,
        code,
        message,
        help: Some(help),
        document,
        field: in_document(path).to_owned(),
        place: place(&loaded.tree, path, &loaded.sources),
        related: None,
    }
}

/// The text of the value at `path`, in its file.
pub(super) fn text<'l>(loaded: &'l Loaded, path: &str) -> Option<&'l str> {
    let span = &loaded.tree.find(path).node.span;
    loaded.sources.0.get(span.file)?.text.get(span.bytes.clone())
}

/// The scalars that stand without quotes, each with its path and text.
pub(super) fn plain_texts(tree: &Node, sources: &Sources) -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather(tree, String::new(), sources, &mut found);
    found
}

fn gather(node: &Node, path: String, sources: &Sources, found: &mut Vec<(String, String)>) {
    match &node.value {
        Data::List(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(item, format!("{path}[{index}]"), sources, found);
            }
        }
        Data::Object(members) => {
            for member in members {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", bundle::member_name(&member.name));
                gather(&member.value, path, sources, found);
            }
        }
        Data::Text(text) => {
            let source = sources.0.get(node.span.file);
            let written = source.and_then(|source| source.text.get(node.span.bytes.clone()));
            // Of what stands in a text of its own (a ConfigMap's), the file has the same characters.
            if written.is_some_and(|written| written.starts_with(text.as_str())) {
                found.push((path, text.clone()));
            }
        }
        _ => {}
    }
}

/// Where the value at `path` stands: a scalar as it is; of an object or a list, its name.
pub(super) fn place(tree: &Node, path: &str, sources: &Sources) -> Option<Place> {
    let found = tree.find(path);
    let is_scalar = !matches!(found.node.value, Data::Object(_) | Data::List(_));
    match found.name.filter(|_| !is_scalar) {
        Some(member) => sources.place(&member.name_span),
        None => sources.place(&headline(found.node)),
    }
}

/// A scalar as it is; of an object its first name, of a list where it begins.
pub(super) fn headline(node: &Node) -> Span {
    match &node.value {
        Data::Object(members) => members.first().map_or(&node.span, |member| &member.name_span).clone(),
        Data::List(items) => items.first().map_or_else(|| node.span.clone(), headline),
        _ => node.span.clone(),
    }
}

/// The path without the document in front.
fn in_document(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("documents[") else {
        return path;
    };
    rest.split_once(']')
        .map_or(path, |(_, rest)| rest.trim_start_matches('.'))
}

/// `message` with each `documents[3]` as the place where that document stands: its number counts over all files.
fn with_lines(message: &str, tree: &Node, sources: &Sources) -> String {
    let Some((before, rest)) = message.split_once("documents[") else {
        return message.to_owned();
    };
    let Some((index, after)) = rest.split_once(']') else {
        return message.to_owned();
    };
    let within = if before.ends_with("candidate.") {
        "candidate."
    } else {
        ""
    };
    let before = before.strip_suffix(within).unwrap_or(before);
    let written = format!("{within}documents[{index}]");
    let place = place(tree, &written, sources);
    let shown = place.and_then(|place| {
        let (start, _) = place.positions()?;
        Some(format!("`{}:{}`", place.source.name, start.line))
    });
    format!("{before}{}{after}", shown.unwrap_or(written))
}
