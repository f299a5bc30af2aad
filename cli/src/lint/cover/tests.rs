use regionguard::bundle::document::Words;
use regionguard::request::{HostPattern, PathTemplate};

use super::{host_within, hosts_meet, path_within, prefix, words_within};

fn host(text: &str) -> HostPattern {
    HostPattern::parse(text).expect("a host")
}

fn path(text: &str) -> PathTemplate {
    PathTemplate::parse(text).expect("a path")
}

#[test]
fn hosts_within_each_other() {
    for (inner, outer, within, meet) in [
        ("a.x", "a.x", true, true),
        ("a.x", "b.x", false, false),
        ("a.x", "*.x", true, true),
        ("x", "*.x", false, false),
        ("*.x", "a.x", false, true),
        ("*.a.x", "*.x", true, true),
        ("*.x", "*.a.x", false, true),
        ("*.ax", "*.x", false, false),
        ("a.x:80", "a.x", true, true),
        ("a.x", "a.x:80", false, true),
        ("a.x:80", "a.x:81", false, false),
    ] {
        assert_eq!(host_within(&host(inner), &host(outer)), within, "{inner} in {outer}");
        assert_eq!(hosts_meet(&host(inner), &host(outer)), meet, "{inner} and {outer}");
        assert_eq!(hosts_meet(&host(outer), &host(inner)), meet, "{outer} and {inner}");
    }
}

#[test]
fn paths_within_each_other() {
    for (inner, outer, within) in [
        ("/a", "/a", true),
        ("/a", "/b", false),
        ("/a", "/a/b", false),
        ("/a/b", "/a", false),
        ("/a", "/*", true),
        ("/*", "/a", false),
        ("/{id}", "/*", true),
        ("/*", "/{id}", true),
        ("/a/b", "/a/**", true),
        ("/a", "/a/**", true),
        ("/a/**", "/a/**", true),
        ("/a/**", "/a/*", false),
        ("/**", "/a/**", false),
        ("/a/**", "/**", true),
        ("/", "/**", true),
        ("/a/{x}/c", "/a/**", true),
    ] {
        assert_eq!(
            path_within(path(inner).segments(), path(outer).segments()),
            within,
            "{inner} in {outer}"
        );
    }
}

/// What holds a path begins with no other literals.
#[test]
fn what_is_within_has_the_same_beginning() {
    let paths = ["/", "/a", "/a/b", "/a/*", "/a/**", "/*/b", "/**", "/a/{x}/c", "/b"];
    for inner in paths.map(path) {
        for outer in paths.map(path) {
            if path_within(inner.segments(), outer.segments()) {
                assert!(prefix(inner.segments()).starts_with(&prefix(outer.segments())));
            }
        }
    }
}

#[test]
fn words_within_each_other() {
    let words = |any: &[&str], all: &[&str]| {
        let list = |words: &[&str]| (!words.is_empty()).then(|| words.iter().map(|word| (*word).to_owned()).collect());
        Words {
            any_of: list(any),
            all_of: list(all),
        }
    };
    let nothing = words(&[], &[]);
    for (inner, outer, within) in [
        (&nothing, &nothing, true),
        (&words(&["a"], &[]), &nothing, true),
        (&nothing, &words(&["a"], &[]), false),
        (&words(&["a"], &[]), &words(&["a", "b"], &[]), true),
        (&words(&["a", "b"], &[]), &words(&["a"], &[]), false),
        (&words(&["a"], &[]), &words(&[], &["a"]), true),
        (&words(&["a", "b"], &[]), &words(&[], &["a"]), false),
        (&words(&[], &["a", "b"]), &words(&[], &["a"]), true),
        (&words(&[], &["a"]), &words(&[], &["a", "b"]), false),
        (&words(&[], &["a"]), &words(&["a", "c"], &[]), true),
    ] {
        assert_eq!(words_within(inner, outer), within, "{inner:?} in {outer:?}");
    }
}
