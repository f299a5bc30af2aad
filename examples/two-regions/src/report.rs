//! The table for people, and the document for machines.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::case::Row;
use crate::walk::{Event, SAMPLES};

/// The widths of the columns; together with mark, status, decided, added and the spaces between they make [`WIDTH`].
pub(crate) const WHAT: usize = 36;
const REQUEST: usize = 30;
const REASON: usize = 28;
/// No line is longer.
const WIDTH: usize = 119;

/// Colours, where they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colours: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Good,
    Bad,
    Title,
    Faint,
}

impl Style {
    /// Colours where `stream` is a terminal that has them; never where `NO_COLOR` is set (see no-color.org).
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            colours: stream.is_terminal() && !set("NO_COLOR") && !dumb,
        }
    }

    /// No colours.
    #[must_use]
    pub fn plain() -> Self {
        Self { colours: false }
    }

    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "31;1",
            Paint::Title => "1",
            Paint::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Everything that the walk saw.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many rows there are.
    pub total: usize,
    /// How many of them are as expected.
    pub met: usize,
    /// The rows by theme, in order.
    pub themes: Vec<Theme>,
}

/// Rows that belong together.
#[derive(Debug, Serialize)]
pub struct Theme {
    /// What they are about.
    pub name: String,
    /// In order.
    pub rows: Vec<Row>,
}

impl Report {
    /// Takes in what the walk saw.
    pub fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Theme(name) => self.themes.push(Theme {
                name: (*name).to_owned(),
                rows: Vec::new(),
            }),
            Event::Row(row) => {
                self.total += 1;
                self.met += usize::from(row.is_met());
                if let Some(theme) = self.themes.last_mut() {
                    theme.rows.push((*row).clone());
                }
            }
        }
    }

    /// Whether every row is as expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.total > 0 && self.met == self.total
    }
}

/// Prints the heads of the columns.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print_head(out: &mut impl Write, style: Style) -> std::io::Result<()> {
    let (front, back) = columns("", "what", "request", "reason", "decided", "added");
    let head = format!("{front}     {back}");
    writeln!(out, "\n{}", style.paint(Paint::Faint, &head))
}

/// Prints a theme or a row.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print_event(out: &mut impl Write, style: Style, event: &Event<'_>) -> std::io::Result<()> {
    match event {
        Event::Theme(name) => writeln!(out, "\n{}", style.paint(Paint::Title, name)),
        Event::Row(row) => print_row(out, style, row),
    }
}

fn print_row(out: &mut impl Write, style: Style, row: &Row) -> std::io::Result<()> {
    let mark = if row.is_met() { "ok" } else { "!!" };
    let status = row.status.to_string();
    let added = row.added_us.map_or("-".to_owned(), duration);
    let (front, back) = columns(mark, &row.what, &row.request, &row.reason, &row.decided, &added);
    if row.is_met() {
        let paint = if row.status < 400 { Paint::Good } else { Paint::Bad };
        writeln!(out, "{front} {} {back}", style.paint(paint, &status))?;
    } else {
        writeln!(out, "{}", style.paint(Paint::Bad, &format!("{front} {status} {back}")))?;
    }
    for difference in &row.differences {
        writeln!(out, "{}", style.paint(Paint::Bad, &format!("   !! {difference}")))?;
    }
    if let Some(note) = &row.note {
        for line in wrapped(note, WIDTH - 3) {
            writeln!(out, "   {}", style.paint(Paint::Faint, &line))?;
        }
    }
    Ok(())
}

/// What stands before and behind the status.
fn columns(mark: &str, what: &str, request: &str, reason: &str, decided: &str, added: &str) -> (String, String) {
    (
        format!("{mark:2} {what:WHAT$} {request:REQUEST$}"),
        format!("{reason:REASON$} {decided:7} {added:>7}"),
    )
}

/// Microseconds, with a sign.
fn duration(us: f64) -> String {
    let ms = us / 1000.0;
    match us.abs() {
        ..1000.0 => format!("{us:+.0} µs"),
        ..10_000.0 => format!("{ms:+.1} ms"),
        _ => format!("{ms:+.0} ms"),
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Prints what the columns mean, how many rows are as expected, and what to do next.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print_foot(out: &mut impl Write, style: Style, report: &Report) -> std::io::Result<()> {
    let faint = [
        "decided   inline: in the proxy; center: asked now; cache: what the center said before; default: nothing else did".to_owned(),
        format!(
            "added     the median of {SAMPLES} such requests over one open connection, less that of the same requests through the same"
        ),
        "          Envoy without the filter; below zero where the filter answers before the upstream would have".to_owned(),
    ];
    writeln!(out)?;
    for line in faint {
        writeln!(out, "{}", style.paint(Paint::Faint, &line))?;
    }
    let (met, total) = (report.met, report.total);
    let (paint, verdict) = if report.is_met() {
        (Paint::Good, format!("all {total} rows are as expected"))
    } else {
        (
            Paint::Bad,
            format!("{} of {total} rows are not as expected: see `!!`", total - met),
        )
    };
    writeln!(out, "\n{}", style.paint(paint, &verdict))
}

#[cfg(test)]
mod tests {
    use super::{Report, Style, WHAT, WIDTH, duration, print_event, print_foot, print_head, wrapped};
    use crate::case::Row;
    use crate::walk::Event;

    fn row() -> Row {
        Row {
            what: "alice, from 127.0.2.7 = eu-west-1 ..".to_owned(),
            region: "us-east-1".to_owned(),
            request: "POST /v1/postings/1001/approve".to_owned(),
            status: 403,
            reason: "request.authority_not_served".to_owned(),
            decided: "default".to_owned(),
            line: None,
            added_us: Some(-12345.6),
            note: Some("word ".repeat(60)),
            differences: Vec::new(),
        }
    }

    fn printed(style: Style, row: &Row) -> String {
        let mut out = Vec::new();
        print_event(&mut out, style, &Event::Row(row)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_table() {
        let mut report = Report::default();
        report.note(&Event::Theme("theme"));
        let mut out = Vec::new();
        print_head(&mut out, Style::plain()).unwrap();
        print_foot(&mut out, Style::plain(), &report).unwrap();
        assert_eq!(row().what.len(), WHAT);
        let text = String::from_utf8(out).unwrap() + &printed(Style::plain(), &row());
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(!report.is_met(), "nothing was asked");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let coloured = printed(Style { colours: true }, &row());
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, printed(Style::plain(), &row()));
        assert!(coloured.contains("\u{1b}[31;1m403\u{1b}[0m"), "{coloured}");
    }

    #[test]
    fn a_row_that_differs_is_marked_and_counted() {
        let mut report = Report::default();
        report.note(&Event::Theme("theme"));
        report.note(&Event::Row(&row()));
        assert!(report.is_met());
        let odd = Row {
            differences: vec!["status is `200`, expected `403`".to_owned()],
            ..row()
        };
        report.note(&Event::Row(&odd));
        assert_eq!((report.met, report.total, report.is_met()), (1, 2, false));
        let text = printed(Style::plain(), &odd);
        assert!(text.starts_with("!! ") && text.contains("expected `403`"), "{text}");
    }

    #[test]
    fn times_have_a_fitting_unit() {
        assert_eq!(duration(41.4), "+41 µs");
        assert_eq!(duration(-96.0), "-96 µs");
        assert_eq!(duration(1234.0), "+1.2 ms");
        assert_eq!(duration(-12_345.6), "-12 ms");
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
    }
}
