//! A case is a folder: what is checked in `documents/`, what is said of it in `expected.txt` and `expected.json`. `REGIONGUARD_BLESS=1` writes these anew, to be read before they are kept.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::regionguard;

/// When the cases are looked at.
const NOW: &str = "2026-11-23T18:00:00Z";

pub(crate) fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/cases");
    let entries = fs::read_dir(folder).expect("the cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    cases
}

/// Whether `said` is what `file` holds.
fn agrees(file: &Path, said: &str) -> bool {
    if std::env::var_os("REGIONGUARD_BLESS").is_some() {
        fs::write(file, said).expect("the expectation is written");
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != said {
        println!("--- {} expects\n{expected}\n+++ but was\n{said}", file.display());
    }
    expected == said
}

#[test]
fn each_case_says_what_it_should() {
    let cases = cases();
    assert!(cases.len() >= 24, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let text = regionguard(&case, &["check", "--now", NOW, "documents"]);
        let json = regionguard(&case, &["check", "--now", NOW, "--format", "json", "documents"]);
        assert_eq!(text.stderr, "", "{}", case.display());
        assert_eq!(json.code, text.code, "{}", case.display());
        let said = format!("{}exit code {}\n", text.stdout, text.code);
        let agree = agrees(&case.join("expected.txt"), &said) & agrees(&case.join("expected.json"), &json.stdout);
        if !agree {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn fifty_mistakes_are_fifty_errors_at_once() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/cases/fifty-mistakes");
    let run = regionguard(&case, &["check", "--format", "json", "documents"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let errors = said["errors"].as_array().expect("a list of errors");
    assert_eq!(errors.len(), 50, "{}", run.stdout);
    assert_eq!(run.code, 1);
    // Each mistake stands on a line of its own, which says so.
    for error in errors {
        let file = error["file"].as_str().expect("a file");
        let line = usize::try_from(error["line"].as_u64().expect("a line")).expect("a small number");
        let text = fs::read_to_string(case.join(file)).expect("the file");
        let text = text.lines().nth(line - 1).expect("the line");
        assert!(text.contains("# mistake"), "{file}:{line}: {text}: {error}");
    }
    let mut places: Vec<_> = errors
        .iter()
        .map(|error| (error["file"].as_str(), error["line"].as_u64()))
        .collect();
    let sorted = {
        let mut sorted = places.clone();
        sorted.sort();
        sorted
    };
    assert_eq!(places, sorted, "errors stand in the order of the files");
    places.dedup();
    assert_eq!(places.len(), 50, "two errors stand on one line");
}

#[test]
fn more_errors_than_a_proxy_logs_are_all_said() {
    let rule = "        - {name: UPPER, paths: [/healthz], identity: none, effect: allow}\n";
    let head = "metadata: {name: shop, version: 1}\ndocuments:\n  - apiVersion: security.io/v1\n    kind: ZeroTrustPolicy\n    metadata: {name: shop}\n    spec:\n      rules:\n";
    let bundle = format!("{head}{}", rule.repeat(300));
    let folder = crate::run::folder_of("many", &[("bundle.yaml", bundle.as_bytes())]);
    let run = regionguard(&folder, &["check", "."]);
    assert!(run.stdout.contains("300 errors in 1 file"), "{}", run.stdout);
    assert!(!run.stdout.contains(" more"), "{}", run.stdout);
}
