//! One line for each decision, in plain text. Everything that a request brought is quoted and cut to length, so that no
//! request can write a line of its own.

use std::io::Write;

use axum::http::HeaderValue;
use jiff::Timestamp;

use crate::policies::{Decision, EvaluationError};
use crate::question::Question;

/// How many characters of one value a line shows.
const MAX_VALUE: usize = 256;

type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Where the lines go, if anywhere.
pub(crate) struct Log(Option<Sink>);

impl Log {
    pub(crate) fn off() -> Self {
        Self(None)
    }

    pub(crate) fn to(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(sink)))
    }

    pub(crate) fn stderr() -> Self {
        // A closed stderr is no reason to stop deciding.
        Self::to(|line| drop(writeln!(std::io::stderr().lock(), "{line}")))
    }

    /// `TIME allow|deny subject="home/issuer/sub" resource="GET /path" reason="…" id="…"`.
    pub(crate) fn decision(&self, question: &Question, decision: &Decision, id: Option<&HeaderValue>) {
        let verdict = if decision.allow { "allow" } else { "deny" };
        self.answered(verdict, question, &decision.reason_admin, id);
    }

    /// The same with `fault` for a question that the policies failed at.
    pub(crate) fn fault(&self, question: &Question, error: &EvaluationError, id: Option<&HeaderValue>) {
        self.answered("fault", question, &error.to_string(), id);
    }

    /// `TIME refused STATUS reason="…" id="…"` for what is no question.
    pub(crate) fn refusal(&self, status: u16, reason: &str, id: Option<&HeaderValue>) {
        self.write(|time| format!("{time} refused {status} reason={}{}", quoted(reason), shown(id)));
    }

    fn answered(&self, verdict: &str, question: &Question, reason: &str, id: Option<&HeaderValue>) {
        self.write(|time| {
            format!(
                "{time} {verdict} subject={} resource={} reason={}{}",
                quoted(&question.subject()),
                quoted(&question.resource()),
                quoted(reason),
                shown(id),
            )
        });
    }

    fn write(&self, line: impl FnOnce(String) -> String) {
        if let Some(sink) = &self.0 {
            sink(&line(format!("{:.3}", Timestamp::now())));
        }
    }
}

fn shown(id: Option<&HeaderValue>) -> String {
    id.map(|id| format!(" id={}", quoted(&String::from_utf8_lossy(id.as_bytes()))))
        .unwrap_or_default()
}

fn quoted(value: &str) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_value_cannot_end_its_line_or_fill_the_log() {
        assert_eq!(
            quoted("a\n2026 allow \"x\"\u{1b}[2J"),
            r#""a\n2026 allow \"x\"\u{1b}[2J""#
        );
        assert_eq!(quoted(&"é".repeat(300)), format!("\"{}\"…", "é".repeat(256)));
    }
}
