//! What programs read of `check`, and which warnings it leaves unsaid.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{folder_of, regionguard};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/check/cases")
        .join(name)
}

fn sarif(name: &str) -> Value {
    let run = regionguard(&case(name), &["check", "--format", "sarif", "documents"]);
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// The members that the schema of SARIF 2.1.0 requires, and those that code scanning wants besides.
#[test]
fn sarif_has_what_its_schema_requires() {
    for name in ["fifty-mistakes", "lints", "broken-file", "empty", "duplicate-names"] {
        let log = sarif(name);
        assert_eq!(log["version"], "2.1.0");
        assert!(
            log["$schema"]
                .as_str()
                .is_some_and(|schema| schema.ends_with("sarif-schema-2.1.0.json"))
        );
        let [run] = log["runs"].as_array().expect("runs").as_slice() else {
            panic!("one run: {log}");
        };
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "regionguard");
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        let rules = driver["rules"].as_array().expect("rules");
        for rule in rules {
            assert!(
                rule["id"].is_string() && rule["shortDescription"]["text"].is_string(),
                "{rule}"
            );
            assert!(
                rule["help"]["text"].as_str().is_some_and(|text| !text.is_empty()),
                "{rule}"
            );
        }
        let results = run["results"].as_array().expect("results");
        assert!(!results.is_empty());
        for result in results {
            assert!(
                result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()),
                "{result}"
            );
            assert!(
                matches!(result["level"].as_str(), Some("error" | "warning")),
                "{result}"
            );
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("a rule")).expect("a small number");
            assert_eq!(rules[index]["id"], result["ruleId"]);
            for location in result["locations"]
                .as_array()
                .into_iter()
                .chain(result["relatedLocations"].as_array())
                .flatten()
            {
                physical(&location["physicalLocation"]);
            }
        }
    }
    let log = sarif("lints");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let related: Vec<&str> = results
        .iter()
        .filter_map(|result| result["relatedLocations"][0]["message"]["text"].as_str())
        .collect();
    assert!(
        related.contains(&"the deny") && related.contains(&"the wider rule"),
        "{related:?}"
    );
}

fn physical(location: &Value) {
    let uri = location["artifactLocation"]["uri"].as_str().expect("a URI");
    assert!(uri.starts_with("documents/"), "{uri}");
    let region = &location["region"];
    if region.is_null() {
        return;
    }
    for name in ["startLine", "startColumn", "endLine", "endColumn"] {
        assert!(region[name].as_u64().is_some_and(|number| number > 0), "{location}");
    }
    let at = |line: &str, column: &str| (region[line].as_u64(), region[column].as_u64());
    assert!(
        at("startLine", "startColumn") <= at("endLine", "endColumn"),
        "{location}"
    );
}

#[test]
fn each_format_says_the_same_number() {
    let count = |format: &str| {
        regionguard(
            &case("lints"),
            &[
                "check",
                "--now",
                "2026-11-23T18:00:00Z",
                "--format",
                format,
                "documents",
            ],
        )
    };
    let json: Value = serde_json::from_str(&count("json").stdout).expect("JSON");
    let warnings = json["warnings"].as_array().map_or(0, Vec::len);
    assert!(warnings > 20, "{warnings}");
    let github = count("github");
    assert_eq!(github.stdout.lines().count(), warnings);
    assert!(
        github
            .stdout
            .lines()
            .all(|line| line.starts_with("::warning file=documents/")),
        "{}",
        github.stdout
    );
    assert_eq!(github.code, 0);
    let sarif: Value = serde_json::from_str(&count("sarif").stdout).expect("JSON");
    assert_eq!(sarif["runs"][0]["results"].as_array().map_or(0, Vec::len), warnings);
}

#[test]
fn errors_are_errors_in_each_format() {
    let run = regionguard(&case("fifty-mistakes"), &["check", "--format", "github", "documents"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout.matches("::error file=documents/").count(),
        50,
        "{}",
        run.stdout
    );
    let log = sarif("fifty-mistakes");
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 50);
    assert!(results.iter().all(|result| result["level"] == "error"));
}

#[test]
fn single_lints_are_left_unsaid() {
    let case = case("lints-allowed");
    let run = regionguard(&case, &["check", "--strict", "documents"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let run = regionguard(
        &case,
        &["check", "--strict", "--allow", "lint/public-rule", "documents"],
    );
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.starts_with("ok: "), "{}", run.stdout);
    let run = regionguard(&case, &["check", "--allow", "lint/public-rules", "documents"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("lint/public-rule"), "{}", run.stderr);
    // Errors are never left unsaid.
    let run = regionguard(&case, &["check", "--allow", "invalid", "documents"]);
    assert_eq!(run.code, 2);
}

#[test]
fn the_time_is_given_or_the_clocks() {
    let grants = |now: &[&str]| {
        let mut arguments = vec!["check", "--format", "json", "documents"];
        arguments.extend(now);
        regionguard(&case("lints"), &arguments)
            .stdout
            .matches("lint/grant-expired")
            .count()
    };
    assert_eq!(grants(&["--now", "2026-11-20T21:59:59Z"]), 0);
    assert_eq!(grants(&["--now", "2026-11-20T22:00:00Z"]), 1);
    assert_eq!(grants(&["--now", "2030-01-01T00:00:00+01:00"]), 2);
    let run = regionguard(&case("lints"), &["check", "--now", "tomorrow", "documents"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("RFC 3339"), "{}", run.stderr);
}

/// Of very many alike, people see the first and a count.
#[test]
fn very_many_alike_are_counted() {
    let rules: String = (0..2_000)
        .map(|number| format!("        - {{name: rule-{number}, paths: [/v1/{number}/**], identity: none, effect: allow}}\n        - {{name: not-{number}, paths: [/v1/{number}/x], effect: deny}}\n"))
        .collect();
    let bundle = format!(
        "metadata: {{name: shop, version: 1}}\ndocuments:\n  - apiVersion: security.io/v1\n    kind: ZeroTrustPolicy\n    metadata: {{name: shop}}\n    spec:\n      rules:\n{rules}"
    );
    let folder = folder_of("many-lints", &[("bundle.yaml", bundle.as_bytes())]);
    let began = std::time::Instant::now();
    let run = regionguard(&folder, &["check", "."]);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(run.stdout.matches("warning[lint/public-rule]: lets in").count(), 20);
    for code in ["public-rule", "deny-inside-allow"] {
        let more = format!("warning[lint/{code}]: and 1980 more");
        assert!(run.stdout.contains(&more), "{}", run.stdout);
    }
    assert!(run.stdout.contains("4001 warnings in 1 file"), "{}", run.stdout);
}

/// A policy with 20,000 bad rules, of which each has one mistake: what is written is counted, in each format, and the rest is told.
#[test]
fn of_very_many_errors_the_first_are_written_out() {
    const RULES: usize = 3_000;
    let head = "metadata: {name: shop, version: 1}\ndocuments:\n  - apiVersion: security.io/v1\n    kind: ZeroTrustPolicy\n    metadata: {name: shop}\n    spec:\n      rules:\n";
    let rule =
        |number: usize| format!("        - {{name: r{number}, paths: [/{number}], identity: nobody, effect: allow}}\n");
    let of = |name: &str, rules: usize| {
        let rules: String = (0..rules).map(rule).collect();
        folder_of(name, &[("bundle.yaml", format!("{head}{rules}").as_bytes())])
    };
    let said = |folder: &Path, format: &str| {
        let run = regionguard(folder, &["check", "--format", format, "."]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        run.stdout
    };
    let folder = of("many-errors", RULES);
    let left = "and 2000 more errors; the first 1000 of a severity are written out";
    let text = said(&folder, "text");
    assert_eq!(text.matches("error[invalid]").count(), 1_000);
    assert!(
        text.contains(&format!("\nerror: {left}\n\n3000 errors in 1 file\n")),
        "{text}"
    );
    // In the order of the file, from its first.
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("--> ")).collect();
    for (number, line) in lines.iter().enumerate() {
        assert!(
            line.ends_with(&format!(
                "bundle.yaml:{}:{}",
                number + 8,
                line.rsplit(':').next().unwrap_or_default()
            )),
            "{line}"
        );
    }
    let json: Value = serde_json::from_str(&said(&folder, "json")).expect("JSON");
    assert_eq!(json["errors"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(
        json["leftOut"],
        serde_json::json!({"errors": 2_000, "warnings": 0, "atLeast": false})
    );
    let sarif: Value = serde_json::from_str(&said(&folder, "sarif")).expect("JSON");
    let run = &sarif["runs"][0];
    assert_eq!(run["results"].as_array().map(Vec::len), Some(1_000));
    let notification = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(notification["message"]["text"], left);
    assert_eq!(notification["level"], "error");
    let github = said(&folder, "github");
    assert_eq!(github.matches("::error file=").count(), 1_000);
    assert!(github.ends_with(&format!("\n::error title=more::{left}\n")), "{github}");
    // Beyond what the kernel keeps, nobody knows how many there are.
    let json: Value = serde_json::from_str(&said(&of("too-many-errors", 12_000), "json")).expect("JSON");
    assert_eq!(
        json["leftOut"],
        serde_json::json!({"errors": 9_000, "warnings": 0, "atLeast": true})
    );
    // Other commands say it, too.
    let run = regionguard(&folder, &["render", "ecds", "."]);
    assert_eq!(run.stderr.matches("error[invalid]").count(), 1_000);
    assert!(run.stderr.contains("more errors; the first 1000"), "{}", run.stderr);
    assert_eq!(run.code, 1);
}

/// The book says the numbers that the code has.
#[test]
fn the_book_says_how_much() {
    let book = fs::read_to_string(crate::run::workspace().join("docs/command.md")).expect("the book");
    let source = |file: &str, name: &str| {
        let source = fs::read_to_string(crate::run::workspace().join("cli/src").join(file)).expect("the source");
        let (_, rest) = source
            .split_once(&format!("const {name}: usize = "))
            .expect("the constant");
        rest.split(';').next().expect("its value").replace('_', ",")
    };
    for (row, value) in [
        (
            "errors of YAML in one file, after which the rest of it is not read",
            source("documents/budget.rs", "ERRORS_OF_A_FILE"),
        ),
        (
            "errors of a bundle, warnings of it, or errors of all files, after which nothing more is looked at",
            source("documents/budget.rs", "ERRORS"),
        ),
        (
            "errors that are written out, and warnings",
            source("report/bounded.rs", "WRITTEN"),
        ),
        (
            "pairs of rules that one lint compares",
            source("lint/cover.rs", "PAIRS"),
        ),
        (
            "objects and lists inside of each other",
            source("documents/yaml.rs", "DEPTH"),
        ),
    ] {
        assert!(book.contains(&format!("| {row} | {value} |")), "{row}: {value}");
    }
}

/// A condition over several lines: an annotation stands where its mistake is.
#[test]
fn mistakes_in_conditions_have_their_own_line() {
    let run = regionguard(&case("when-lines"), &["check", "--format", "github", "documents"]);
    for said in [
        "::error file=documents/policy.yaml,line=12,endLine=12,col=9,endColumn=14,title=invalid::no such variable `devic`",
        "::error file=documents/policy.yaml,line=24,endLine=24,col=17,endColumn=21,title=invalid::`request` has no field `hots`",
        "::error file=documents/policy.json,line=4,endLine=4,col=110,endColumn=114,title=invalid::`request` has no field `hots`",
    ] {
        assert!(run.stdout.contains(said), "{said}\n{}", run.stdout);
    }
}
