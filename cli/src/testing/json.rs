//! What was found, for programs.

use serde_json::{Value, json};

use super::Run;
use super::case::Case;
use crate::report;
use crate::trial::Found;

/// One object.
pub(super) fn json(run: &Run<'_>) -> String {
    let suites: Vec<Value> = run
        .suites
        .iter()
        .map(|(suite, cases)| {
            let cases: Vec<Value> = cases.iter().map(case).collect();
            json!({"name": suite.test.name, "file": suite.file(), "cases": cases})
        })
        .collect();
    let rules: Vec<Value> = run
        .coverage
        .rules
        .iter()
        .map(|(rule, decided)| json!({"rule": rule, "decided": decided}))
        .collect();
    let all = json!({
        "passed": run.passed(),
        "bundle": run.bundle.generation.label,
        "requests": run.cases().count(),
        "failed": run.failed(),
        "coverage": {"percent": run.coverage.percent(), "wanted": run.wanted, "rules": rules},
        "suites": suites,
    });
    report::escaped(&format!("{all:#}\n"))
}

fn case(case: &Case<'_>) -> Value {
    let place = case.place();
    let line = place
        .as_ref()
        .and_then(|place| place.positions())
        .map(|(start, _)| start.line);
    json!({
        "test": case.test.name,
        "principal": case.principal.name,
        "request": case.request.name,
        "passed": case.passed(),
        "expected": case.expected().as_str(),
        "found": case.found.as_ref().ok().map(found),
        "failures": case.failures,
        "line": line,
    })
}

fn found(found: &Found) -> Value {
    json!({
        "verdict": found.verdict.as_str(),
        "rule": found.by,
        "reason": found.reason.map(|reason| reason.code()),
        "status": found.status(),
        "decidedBy": found.decided_by,
        "decisionLine": found.line,
        "question": found.question,
        "shadow": found.shadow,
        "candidate": found.candidate,
    })
}
