use super::cases::{ALL, BAD, EMPTY, GOOD, NO_CASE, NONE, PARAMETERS, SLASH, WITH_OPTIONS};
use super::*;
use PathError as E;
use proptest::prelude::*;

fn forward(target: &[u8], options: &PathOptions) -> Result<String, PathError> {
    canonicalise(target, options).map(|path| {
        assert_eq!(
            path.changed(),
            path.forward().as_bytes() != target,
            "{}",
            path.forward()
        );
        path.forward().to_owned()
    })
}

fn segments(target: &str, options: &PathOptions) -> Vec<String> {
    canonicalise(target.as_bytes(), options)
        .expect("valid")
        .segments()
        .map(Cow::into_owned)
        .collect()
}

#[test]
fn good_ones_take_their_canonical_form() {
    for (target, expected) in GOOD {
        assert_eq!(
            forward(target.as_bytes(), &NONE),
            Ok((*expected).to_owned()),
            "{target:?}"
        );
    }
}

#[test]
fn bad_ones_are_refused() {
    for (target, expected) in BAD {
        assert_eq!(forward(target.as_bytes(), &NONE), Err(*expected), "{target:?}");
    }
    assert_eq!(forward(b"/\xff", &NONE), Err(E::NotAscii));
    assert_eq!(forward(b"/a?\xff", &NONE), Err(E::Query));
}

#[test]
fn options_relax_and_tighten_by_name() {
    for (options, target, expected) in WITH_OPTIONS {
        assert_eq!(
            forward(target.as_bytes(), options),
            expected.map(str::to_owned),
            "{target:?} {options:?}"
        );
    }
}

#[test]
fn what_is_bad_stays_bad_with_every_other_option() {
    for (target, expected) in BAD {
        let relaxed = matches!(expected, E::EncodedSlash | E::EmptySegment | E::Parameter);
        if !relaxed {
            assert!(forward(target.as_bytes(), &ALL).is_err(), "{target:?}");
        }
    }
}

#[test]
fn segments_are_decoded_once() {
    for (options, target, expected) in [
        (NONE, "/", &[][..]),
        (NONE, "/a", &["a"]),
        (NONE, "/a/", &["a"]),
        (NONE, "/a/b", &["a", "b"]),
        (NONE, "/a/../b/.", &["b"]),
        (NONE, "/a/..", &[]),
        (NONE, "/caf%c3%a9/%2A/a%20b?c/d", &["caf\u{e9}", "*", "a b"]),
        (NONE, "/100%25", &["100%"]),
        (NONE, "/A/%C3%89", &["A", "\u{c9}"]),
        (SLASH, "/a%2fb/c", &["a/b", "c"]),
        (PARAMETERS, "/a;b/c%3Bd", &["a;b", "c;d"]),
        (EMPTY, "/a//b", &["a", "", "b"]),
        (EMPTY, "/a//", &["a", ""]),
        (NO_CASE, "/A/%C3%89/b%4A", &["a", "\u{e9}", "bj"]),
    ] {
        assert_eq!(segments(target, &options), expected, "{target}");
    }
}

#[test]
fn tells_path_from_query() {
    for (target, path, query) in [
        ("/a", "/a", None),
        ("/a?", "/a", Some("")),
        ("/a?b", "/a", Some("b")),
        ("/%61/../b?c?d", "/b", Some("c?d")),
    ] {
        let canonical = canonicalise(target.as_bytes(), &NONE).expect("valid").into_owned();
        assert_eq!((canonical.path(), canonical.query()), (path, query), "{target}");
    }
}

#[test]
fn copies_only_what_it_changes() {
    for (target, copied) in [
        ("/a/b?c", false),
        ("/a%20b", false),
        ("/.well-known/x", false),
        ("/%61", true),
        ("/a/./b", true),
    ] {
        let path = canonicalise(target.as_bytes(), &NONE).expect("valid");
        assert_eq!(matches!(path.text, Cow::Owned(_)), copied, "{target}");
        assert!(
            path.segments()
                .all(|segment| matches!(segment, Cow::Borrowed(_)) || target.contains('%')),
            "{target}"
        );
    }
}

#[test]
fn holds_its_limits() {
    let longest = format!("/{}", "a".repeat(MAX_PATH - 1));
    assert!(forward(longest.as_bytes(), &NONE).is_ok());
    assert!(forward(format!("{longest}?query").as_bytes(), &NONE).is_ok());
    assert_eq!(forward(format!("{longest}a").as_bytes(), &NONE), Err(E::TooLong));
    assert!(forward("/a".repeat(MAX_SEGMENTS).as_bytes(), &NONE).is_ok());
    assert_eq!(
        forward("/a".repeat(MAX_SEGMENTS + 1).as_bytes(), &NONE),
        Err(E::TooManySegments)
    );
    assert_eq!(
        forward("/.".repeat(MAX_SEGMENTS + 1).as_bytes(), &NONE),
        Err(E::TooManySegments)
    );
}

fn quick() -> ProptestConfig {
    ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn options() -> impl Strategy<Value = PathOptions> {
    any::<[bool; 5]>().prop_map(
        |[strict, encoded_slash, path_parameters, empty_segments, case_insensitive]| PathOptions {
            strict,
            encoded_slash,
            path_parameters,
            empty_segments,
            case_insensitive,
        },
    )
}

/// Targets made of the pieces that attacks are made of.
fn target() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "/",
        "/",
        "a",
        "B",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%",
        "%25",
        "2",
        "e",
        "%32",
        "%65",
        "%u002e",
        "u",
        "%75",
        "0",
        "%c3%a9",
        "%C3",
        "%A9",
        "%c0%ae",
        "%00",
        "%7e",
        "%20",
        "?",
        "#",
        " ",
        "//",
        "/../",
        "/./",
        "/..;/",
        "%ef%bc%8f",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..10)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(quick())]

    #[test]
    fn any_bytes_are_a_path_or_an_error(target in prop::collection::vec(any::<u8>(), 0..40), options in options()) {
        let _ = forward(&[b"/", &target[..]].concat(), &options);
        let _ = forward(&target, &options);
    }

    #[test]
    fn what_is_canonical_stays_so(target in target(), options in options()) {
        if let Ok(once) = forward(target.as_bytes(), &options) {
            let strict = PathOptions { strict: true, ..options };
            prop_assert_eq!(forward(once.as_bytes(), &strict), Ok(once.clone()));
            prop_assert_eq!(segments(&once, &options), segments(&target, &options));
        }
    }

    #[test]
    fn nothing_ambiguous_is_forwarded(target in target()) {
        if let Ok(path) = canonicalise(target.as_bytes(), &NONE) {
            let text = path.path();
            prop_assert!(text.starts_with('/') && !text.contains("//"), "{}", text);
            prop_assert!(!text.contains(['\\', ';', '#', ' ', '?']), "{}", text);
            for encoded in ["%2F", "%5C", "%3B", "%2E", "%00", "%u", "%7E"] {
                prop_assert!(!text.to_ascii_uppercase().contains(encoded), "{}", text);
            }
            prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."), "{}", text);
            // Neither is there anything left for a server to find that decodes once more.
            for segment in path.segments() {
                let twice = segment::decode(&segment);
                prop_assert_eq!(&*twice, &*segment, "{}", text);
            }
        }
    }

    /// What RFC 3986 section 5.2.4 gives, by its own steps.
    #[test]
    fn dot_segments_go_as_the_standard_says(parts in prop::collection::vec(prop::sample::select(vec!["a", "b", ".", "..", "c.d"]), 1..10), slash in any::<bool>()) {
        let target = format!("/{}{}", parts.join("/"), if slash { "/" } else { "" });
        match forward(target.as_bytes(), &NONE) {
            Ok(path) => prop_assert_eq!(path, remove_dot_segments(&target)),
            Err(error) => {
                prop_assert_eq!(error, E::AboveRoot);
                prop_assert!((0..=parts.len()).any(|end| leads_above(&parts[..end])));
            }
        }
    }
}

/// RFC 3986 section 5.2.4, steps 2A to 2E, for inputs that begin with a slash.
fn remove_dot_segments(path: &str) -> String {
    let mut input = path.to_owned();
    let mut output = String::new();
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("/./") {
            input = format!("/{rest}");
        } else if input == "/." {
            input = "/".to_owned();
        } else if let Some(rest) = input.strip_prefix("/../").or_else(|| (input == "/..").then_some("")) {
            input = format!("/{rest}");
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let slash = input.match_indices('/').map(|(at, _)| at).find(|at| *at > 0);
            let rest = input.split_off(slash.unwrap_or(input.len()));
            output.push_str(&input);
            input = rest;
        }
    }
    output
}

/// Whether more of these lead up than down.
fn leads_above(parts: &[&str]) -> bool {
    let up = parts.iter().filter(|part| **part == "..").count();
    let down = parts.iter().filter(|part| **part != ".." && **part != ".").count();
    up > down
}
