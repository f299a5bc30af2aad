//! Each field that the kernel reads is told.

use std::fs;

use crate::fixture::{rows, said};
use crate::run::workspace;

/// The fields of an object that the kernel reads.
fn shape(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("src/bundle").join(file)).expect("readable");
    let (_, shape) = text
        .split_once(&format!("const {name}: Shape = Shape {{"))
        .expect("the shape");
    let list = shape
        .split("fields: &[")
        .nth(1)
        .and_then(|list| list.split(']').next())
        .expect("its fields");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each field that a policy has is told with what it wants, or is none that wants something of a request: a new one has to be put here or into the bundle above.
#[test]
fn every_field_of_the_language_is_told() {
    let wants_nothing = [
        (
            "policy.rs",
            "SPEC",
            "osVersions",
            "says what `latest` is: its versions are told there",
        ),
        ("policy.rs", "SPEC", "mode", "`shadow`, a member of each policy"),
        ("policy.rs", "SPEC", "default", "a member of each policy"),
        ("policy.rs", "SPEC", "forward", "what the upstream gets"),
        ("policy.rs", "SPEC", "rules", "each is told"),
        (
            "authentication.rs",
            "IDENTITY",
            "authorization",
            "what rules may have: for `check`",
        ),
        ("authentication.rs", "METHOD", "method", "its values are told"),
        (
            "authentication.rs",
            "AUTHORIZATION",
            "rbac",
            "what rules may have: for `check`",
        ),
        (
            "authentication.rs",
            "AUTHORIZATION",
            "abac",
            "what rules may have: for `check`",
        ),
        ("rule.rs", "RULE", "name", "of each rule"),
        ("rule.rs", "RULE", "mode", "`shadow`, a member of each rule"),
        ("rule.rs", "RULE", "effect", "a member of each rule"),
        ("rule.rs", "RULE", "streams", "`stream`, how long what it opens lasts"),
        ("rule.rs", "RULE", "response", "what the caller is answered"),
        ("effect.rs", "DEFER", "cache", "for how long an answer counts"),
        ("effect.rs", "DEFER", "onUnavailable", "what holds without an answer"),
        ("effect.rs", "DEFER", "lastDecisionFor", "what holds without an answer"),
        ("effect.rs", "DEFER", "claims", "what the question says"),
        ("effect.rs", "DEFER", "reasonUser", "what the caller is answered"),
    ];
    let shapes = [
        ("policy.rs", "SPEC"),
        ("policy.rs", "CONTEXT"),
        ("openings.rs", "SELECTOR"),
        ("openings.rs", "PROBE"),
        ("place.rs", "RESTRICTION"),
        ("hours.rs", "RESTRICTION"),
        ("hours.rs", "BUSINESS_HOURS"),
        ("hours.rs", "ZONED_HOURS"),
        ("hours.rs", "WEEKLY"),
        ("hours.rs", "EXCEPTION"),
        ("hours.rs", "INTERVAL"),
        ("hours.rs", "WINDOW"),
        ("device.rs", "DEVICE"),
        ("device.rs", "COMPLIANCE"),
        ("authentication.rs", "IDENTITY"),
        ("authentication.rs", "METHOD"),
        ("authentication.rs", "AUTHORIZATION"),
        ("authentication.rs", "STEP_UP"),
        ("rule.rs", "RULE"),
        ("rule.rs", "FROM"),
        ("rule.rs", "WORDS"),
        ("about.rs", "MATCHER"),
        ("about.rs", "GRPC"),
        ("effect.rs", "DEFER"),
    ];
    // Of a request that meets all, and of one for another host, method and path.
    let mut told = rows(&said("good", &[], true));
    told.extend(rows(&said(
        "other-host",
        &[("--url", "https://other.x.com/v2"), ("--method", "PUT")],
        true,
    )));
    told.extend(rows(&said(
        "grpc",
        &[("--url", "https://api.x.com/shop.Orders/Get"), ("--method", "POST")],
        true,
    )));
    let mut words = Vec::new();
    for (_, row) in &told {
        for part in ["field", "wanted"] {
            let text = row[part].as_str().unwrap_or_default();
            let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
            words.extend(text.split(|character| !is_of_word(character)).map(camel_case));
        }
    }
    for (file, name) in shapes {
        for field in shape(file, name) {
            let is_told = words.contains(&field);
            let exempt = wants_nothing
                .iter()
                .any(|(of, shape, one, _)| (*of, *shape, *one) == (file, name, field.as_str()));
            assert!(
                is_told || exempt,
                "`{field}` of {name} in src/bundle/{file} is not told of:\n{told:#?}"
            );
        }
    }
    for (label, row) in &told {
        assert!(row["wanted"].is_string(), "{label} does not say what it wants: {row}");
        assert!(
            row["found"].is_string() || label.starts_with("when"),
            "{label} does not say what was found: {row}"
        );
    }
}

fn camel_case(word: &str) -> String {
    let mut parts = word.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
