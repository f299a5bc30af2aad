//! A problem as a good compiler shows one: the message, the line, what would be right.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use regionguard::bundle::Severity;

use super::mask::mask;
use super::steers;
use crate::problem::{Place, Problem};

/// Bytes of a line that is shown.
const LINE: usize = 400;

/// `problem` in several lines, without a line feed at the end.
pub(crate) fn text(problem: &Problem, colours: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(beyond_ascii(&problem.message)).id(problem.code));
    if let Some(place) = &problem.place {
        group = shown(group, place, "", AnnotationKind::Primary);
    }
    if let Some((place, what)) = &problem.related {
        group = shown(group, place, what, AnnotationKind::Context);
    }
    if let Some(context) = context(problem) {
        group = group.element(Level::NOTE.message(beyond_ascii(&context)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(beyond_ascii(help)));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// Document and field.
fn context(problem: &Problem) -> Option<String> {
    match (&problem.document, problem.field.as_str()) {
        (None, "") => None,
        (Some(document), "") => Some(format!("in {document}")),
        (None, field) => Some(format!("at `{field}`")),
        (Some(document), field) => Some(format!("in {document}, at `{field}`")),
    }
}

/// The line of `place`; where it is too long, or the file as a whole is meant, only where that is.
fn shown<'p>(group: Group<'p>, place: &Place, label: &str, kind: AnnotationKind) -> Group<'p> {
    let name = printable(&place.source.name);
    let origin = Origin::path(name.clone());
    let (Some(bytes), Some((start, _))) = (&place.bytes, place.positions()) else {
        return group.element(origin);
    };
    let line = place.source.line_around(bytes.start);
    if line.len() > LINE {
        return group.element(origin.line(start.line).char_column(start.column));
    }
    let source = mask(&place.source.text, line.clone());
    // Of what goes on for several lines, the first is shown.
    let from = bytes.start.min(line.end) - line.start;
    let to = (bytes.end.min(line.end) - line.start).max(from);
    let shown_to = |end: usize| beyond_ascii(source.get(..end).unwrap_or_default()).len();
    let mut annotation = kind.span(shown_to(from)..shown_to(to));
    if !label.is_empty() {
        annotation = annotation.label(label.to_owned());
    }
    group.element(
        Snippet::source(beyond_ascii(&source))
            .path(name)
            .line_start(start.line)
            .annotation(annotation),
    )
}

/// `text` without what a terminal would obey beyond ASCII; the renderer itself replaces what is in it.
fn beyond_ascii(text: &str) -> String {
    let shown = |character: char| match steers(character) && !character.is_ascii() {
        true => '\u{FFFD}',
        false => character,
    };
    text.chars().map(shown).collect()
}

/// `name` without what a terminal would obey: a file's name may hold anything.
pub(crate) fn printable(name: &str) -> String {
    let shown = |character: char| if steers(character) { '\u{FFFD}' } else { character };
    name.chars().map(shown).collect()
}
