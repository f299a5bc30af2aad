//! `docs/istio-matching.md` says how patterns match here: its tables are read, and each row is tried.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use regionguard::request::{Authority, HostPattern, PathOptions, PathTemplate, Scheme, canonicalise};

const PAGE: &str = include_str!("../docs/istio-matching.md");

/// Pattern, what is asked, and what the page says of it here.
fn rows(section: &str) -> Vec<[String; 3]> {
    let heading = format!("## {section}\n");
    let (_, text) = PAGE.split_once(&heading).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| {
        let cells: Vec<String> = line
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect();
        match &cells[..] {
            [_, pattern, asked, own, _, _] => [pattern.clone(), asked.clone(), own.clone()],
            _ => panic!("{line}"),
        }
    };
    text.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn says(matches: Option<bool>) -> &'static str {
    match matches {
        Some(true) => "yes",
        Some(false) => "no",
        None => "error",
    }
}

#[test]
fn paths_match_as_the_page_says() {
    let rows = rows("Paths");
    assert!(rows.len() >= 20, "{rows:?}");
    for [template, path, own] in rows {
        let path = canonicalise(path.as_bytes(), &PathOptions::default()).expect("a path");
        let found = PathTemplate::parse(&template)
            .ok()
            .map(|template| template.matches(&path).is_some());
        assert_eq!(says(found), own, "{template} {path:?}");
    }
}

#[test]
fn hosts_match_as_the_page_says() {
    let rows = rows("Hosts");
    assert!(rows.len() >= 14, "{rows:?}");
    for [pattern, authority, own] in rows {
        let authority = Authority::parse(authority.as_bytes(), Some(Scheme::Http)).expect("an authority");
        let found = HostPattern::parse(&pattern)
            .ok()
            .map(|pattern| pattern.matches(&authority));
        assert_eq!(says(found), own, "{pattern} {authority:?}");
    }
}
