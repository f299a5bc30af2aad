//! Problems as workflow commands, which GitHub Actions shows at their lines.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use super::bounded::Left;
use super::steers;
use crate::problem::Problem;

/// `problem` as one line, with its end.
pub(crate) fn github(problem: &Problem) -> String {
    let command = if problem.is_error() { "error" } else { "warning" };
    let mut properties = Vec::new();
    if let Some(place) = &problem.place {
        let name = place.source.name.as_str();
        properties.push(("file", name.strip_prefix("./").unwrap_or(name).to_owned()));
        if let Some((start, end)) = place.positions() {
            properties.push(("line", start.line.to_string()));
            properties.push(("endLine", end.line.to_string()));
            // Columns are of one line only.
            if start.line == end.line {
                properties.push(("col", start.column.to_string()));
                properties.push(("endColumn", end.column.to_string()));
            }
        }
    }
    properties.push(("title", problem.code.to_owned()));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", property(&value)))
        .collect();
    let mut message = problem.message.clone();
    let context = [problem.document.as_deref(), Some(problem.field.as_str())];
    let context: Vec<&str> = context.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if !context.is_empty() {
        message.push_str(&format!("\nin {}", context.join(", at ")));
    }
    if let Some(help) = &problem.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    format!("::{command} {}::{}\n", properties.join(","), data(&message))
}

/// What is not written out, as one line more.
pub(crate) fn left_out(left: Left) -> Option<String> {
    let said = left.said()?;
    Some(format!("::{} title=more::{}\n", left.severity(), data(&said)))
}

/// As `escapeData` of the toolkit: nothing in it begins another command. What would steer a terminal that shows the log is replaced.
fn data(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            _ if steers(character) => escaped.push('\u{FFFD}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// As `escapeProperty` of the toolkit.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::github;
    use crate::problem::{Place, Problem, Source};

    #[test]
    fn nothing_in_it_is_a_command_of_its_own() {
        let source = Rc::new(Source::new("./a,b:c%.yaml".to_owned(), "ü: x\n".to_owned()));
        let place = Place {
            source,
            bytes: Some(4..5),
        };
        let problem = Problem::error("invalid", Some(place), "100%\r\n::set-output name=a::b\u{1b}[2J").help("x\ny");
        let said = github(&problem);
        assert_eq!(
            said,
            "::error file=a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=4,endColumn=5,title=invalid::100%25%0D%0A::set-output name=a::b\u{FFFD}[2J%0Ahelp: x%0Ay\n"
        );
    }
}
