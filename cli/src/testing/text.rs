//! What was found, for people.

use std::io;

use super::Run;
use super::case::Case;
use crate::documents::Suite;
use crate::report;

/// Several lines.
pub(super) fn text(run: &Run<'_>) -> String {
    let colours = report::colours(&io::stdout());
    let mut said = String::new();
    for (suite, cases) in &run.suites {
        for case in cases.iter().filter(|case| !case.passed()) {
            said.push_str(&report::text(&case.problem(run.bundle), colours));
            said.push_str("\n\n");
        }
        said.push_str(&line(suite, cases));
    }
    said.push_str(&coverage(run));
    let (cases, failed) = (run.cases().count(), run.failed());
    let requests = report::counted(cases, "request").unwrap_or_default();
    said.push_str(&match failed {
        0 if run.passed() => format!(
            "passed: {requests} as expected, with bundle `{}`\n",
            run.bundle.generation.label
        ),
        0 => format!("failed: {requests} as expected, but too few rules decided\n"),
        _ => format!("failed: {failed} of {requests}\n"),
    });
    said
}

/// One PolicyTest.
fn line(suite: &Suite, cases: &[Case<'_>]) -> String {
    let mut tests: Vec<&str> = cases.iter().map(|case| case.test.name.as_str()).collect();
    tests.dedup();
    let tests = report::counted(tests.len(), "test").unwrap_or_default();
    let requests = report::counted(cases.len(), "request").unwrap_or_default();
    let failed = cases.iter().filter(|case| !case.passed()).count();
    let outcome = match failed {
        0 => "ok".to_owned(),
        _ => format!("FAILED {failed}"),
    };
    let file = report::printable(suite.file());
    format!(
        "{outcome}: PolicyTest {} ({file}): {tests}, {requests}\n",
        suite.test.name
    )
}

fn coverage(run: &Run<'_>) -> String {
    let coverage = &run.coverage;
    let count = coverage.rules.len();
    if count == 0 {
        return String::new();
    }
    let mut said = format!(
        "coverage: {} of {count} rules decided, {} %",
        coverage.reached(),
        coverage.percent()
    );
    if !run.is_covered() {
        said.push_str(&format!(", {} % wanted", run.wanted.unwrap_or_default()));
    }
    said.push('\n');
    for rule in coverage.missing() {
        said.push_str(&format!("  never: {rule}\n"));
    }
    said
}
