//! The policies to start from: each is in order, does what its tests say, and has no rule that these do not show.

use std::collections::BTreeSet;
use std::fs;

use crate::run::{regionguard, workspace};

fn examples() -> BTreeSet<String> {
    let folders = fs::read_dir(workspace().join("examples/policies")).expect("the examples");
    folders
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect()
}

#[test]
fn each_passes_its_tests_and_every_rule_is_covered() {
    for example in examples() {
        let path = format!("examples/policies/{example}");
        let run = regionguard(&workspace(), &["check", "--strict", &path]);
        assert_eq!(run.code, 0, "{}", run.stdout);
        let run = regionguard(&workspace(), &["test", "--min-coverage", "100", &path]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn each_is_listed() {
    let readme = fs::read_to_string(workspace().join("examples/policies/README.md")).expect("the README");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once("/)"));
    let listed: BTreeSet<String> = links.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(listed, examples());
}
