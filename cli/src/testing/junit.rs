//! What was found as JUnit's XML, in the form that CI systems have in common: suites, cases, failures.

use std::fmt::Write as _;

use super::Run;

/// One document.
pub(super) fn xml(run: &Run<'_>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (cases, failed) = (run.cases().count(), run.failed());
    // Coverage that is too low is a failure of its own.
    let uncovered = usize::from(!run.is_covered());
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"regionguard\" tests=\"{}\" failures=\"{}\">",
        cases + uncovered,
        failed + uncovered
    );
    for (suite, cases) in &run.suites {
        let failed = cases.iter().filter(|case| !case.passed()).count();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" file=\"{}\" tests=\"{}\" failures=\"{failed}\">",
            escaped(&suite.test.name),
            escaped(suite.file()),
            cases.len()
        );
        for case in cases {
            let class = format!("{}.{}", suite.test.name, case.test.name);
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{}\"",
                escaped(&class),
                escaped(&case.name())
            );
            if case.passed() {
                xml.push_str("/>\n");
                continue;
            }
            let problem = case.problem(run.bundle);
            let place = case.place().and_then(|place| Some((place.positions()?.0.line, place)));
            let place = place.map_or_else(String::new, |(line, place)| format!("{}:{line}\n", place.source.name));
            let text = format!("{place}{}", problem.help.unwrap_or_default());
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(&case.failures.join("; ")),
                escaped(&text)
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    if uncovered > 0 {
        let never: Vec<&str> = run.coverage.missing().collect();
        let message = format!(
            "{} % of the rules decided, {} % wanted",
            run.coverage.percent(),
            run.wanted.unwrap_or_default()
        );
        let _ = writeln!(
            xml,
            "  <testsuite name=\"coverage\" tests=\"1\" failures=\"1\">\n    <testcase classname=\"coverage\" name=\"rules that decided\">\n      \
             <failure message=\"{}\">never: {}</failure>\n    </testcase>\n  </testsuite>",
            escaped(&message),
            escaped(&never.join(", "))
        );
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text of an attribute or an element (XML 1.0 §2.4); what XML has no character for becomes U+FFFD (§2.2).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_ends_an_attribute() {
        assert_eq!(escaped("a\"<b>&\u{1b}\n'"), "a&quot;&lt;b&gt;&amp;\u{fffd}&#10;'");
    }
}
