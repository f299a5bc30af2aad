use super::*;
use PathError as E;
use proptest::prelude::*;

const NONE: PathOptions = PathOptions {
    strict: false,
    encoded_slash: false,
    path_parameters: false,
    empty_segments: false,
    case_insensitive: false,
};
const STRICT: PathOptions = PathOptions { strict: true, ..NONE };
const SLASH: PathOptions = PathOptions {
    encoded_slash: true,
    ..NONE
};
const PARAMETERS: PathOptions = PathOptions {
    path_parameters: true,
    ..NONE
};
const EMPTY: PathOptions = PathOptions {
    empty_segments: true,
    ..NONE
};
const NO_CASE: PathOptions = PathOptions {
    case_insensitive: true,
    ..NONE
};
const ALL: PathOptions = PathOptions {
    encoded_slash: true,
    path_parameters: true,
    empty_segments: true,
    ..NONE
};

/// What is forwarded, by default options.
const GOOD: &[(&str, &str)] = &[
    // As they stand.
    ("/", "/"),
    ("/a", "/a"),
    ("/a/", "/a/"),
    ("/a/b/c", "/a/b/c"),
    ("/v1/profiles/42", "/v1/profiles/42"),
    ("/A/b", "/A/b"),
    ("/-._~", "/-._~"),
    ("/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"),
    ("/v1/things/1:cancel", "/v1/things/1:cancel"),
    ("/a|b^c`d{e}f[g]\"h<i>", "/a|b^c`d{e}f[g]\"h<i>"),
    ("/.well-known/jwks.json", "/.well-known/jwks.json"),
    ("/...", "/..."),
    ("/..a/.b/c..", "/..a/.b/c.."),
    ("/a.", "/a."),
    ("/%20", "/%20"),
    ("/a%2Cb", "/a%2Cb"),
    ("/%3F%23", "/%3F%23"),
    (
        "/%21%24%26%27%28%29%2A%2B%3A%3D%40",
        "/%21%24%26%27%28%29%2A%2B%3A%3D%40",
    ),
    ("/%5B%5D%7B%7D%7C%5E%60%22%3C%3E", "/%5B%5D%7B%7D%7C%5E%60%22%3C%3E"),
    ("/caf%C3%A9", "/caf%C3%A9"),
    ("/%E2%82%AC", "/%E2%82%AC"),
    ("/%F0%9F%98%80", "/%F0%9F%98%80"),
    ("/100%25", "/100%25"),
    ("/100%25/", "/100%25/"),
    ("/100%25off", "/100%25off"),
    ("/100%25zz", "/100%25zz"),
    ("/%25", "/%25"),
    ("/%25/41", "/%25/41"),
    ("/%25up", "/%25up"),
    ("/%25u12", "/%25u12"),
    // Encodings that stand for themselves, and lower-case digits.
    ("/%7Eme", "/~me"),
    ("/%7eme", "/~me"),
    ("/%61dmin", "/admin"),
    ("/%41%5A%30%39%2D%5F", "/AZ09-_"),
    ("/caf%c3%a9", "/caf%C3%A9"),
    ("/caf%C3%a9", "/caf%C3%A9"),
    ("/%2c", "/%2C"),
    ("/a%2eb", "/a.b"),
    ("/%25%4a", "/%25J"),
    ("/%25%67", "/%25g"),
    // Dot segments.
    ("/.", "/"),
    ("/./", "/"),
    ("/./a", "/a"),
    ("/a/.", "/a/"),
    ("/a/./", "/a/"),
    ("/a/./b", "/a/b"),
    ("/a/..", "/"),
    ("/a/../", "/"),
    ("/a/../b", "/b"),
    ("/a/b/..", "/a/"),
    ("/a/b/../", "/a/"),
    ("/a/b/../../c", "/c"),
    ("/a/b/c/./../../g", "/a/g"),
    ("/%2e/a", "/a"),
    ("/%2E/a", "/a"),
    ("/a/%2e%2e/b", "/b"),
    ("/a/%2E%2e/b", "/b"),
    ("/a/.%2e/b", "/b"),
    ("/a/%2e./b", "/b"),
    ("/public/../admin", "/admin"),
    ("/a/%2e%2e", "/"),
    ("/a/%2e", "/a/"),
    ("/%2e%2e%2e", "/..."),
    // The query stays as it is.
    ("/?", "/?"),
    ("/a?", "/a?"),
    ("/a?b=c&d", "/a?b=c&d"),
    ("/a??b", "/a??b"),
    ("/a?b=/../%2e%2e/;//\\", "/a?b=/../%2e%2e/;//\\"),
    ("/a?%zz%", "/a?%zz%"),
    ("/%61?%61", "/a?%61"),
    ("/a/..?x", "/?x"),
    ("/?/../..", "/?/../.."),
];

/// What is refused, by default options.
const BAD: &[(&str, PathError)] = &[
    ("", E::Empty),
    ("?a", E::Empty),
    ("*", E::NotAbsolute),
    ("a", E::NotAbsolute),
    ("a/b", E::NotAbsolute),
    ("http://x.com/a", E::NotAbsolute),
    ("x.com:443", E::NotAbsolute),
    ("\\a", E::NotAbsolute),
    ("%2Fa", E::NotAbsolute),
    (" /a", E::NotAbsolute),
    ("/a%2fb", E::EncodedSlash),
    ("/a%2Fb", E::EncodedSlash),
    ("/%2f", E::EncodedSlash),
    ("/..%2fadmin", E::EncodedSlash),
    ("/a%5cb", E::EncodedBackslash),
    ("/..%5Cadmin", E::EncodedBackslash),
    ("/a\\b", E::Backslash),
    ("/a\\..\\b", E::Backslash),
    ("/\\x.com", E::Backslash),
    ("/a%00", E::EncodedControl),
    ("/a%00.png", E::EncodedControl),
    ("/a%0a", E::EncodedControl),
    ("/a%0D%0Ax:y", E::EncodedControl),
    ("/a%09", E::EncodedControl),
    ("/a%1F", E::EncodedControl),
    ("/a%7f", E::EncodedControl),
    ("/a%C2%80", E::EncodedControl),
    ("/a%c2%85", E::EncodedControl),
    ("/a\0", E::Control),
    ("/a\n", E::Control),
    ("/a\r\nx: y", E::Control),
    ("/a\tb", E::Control),
    ("/a\x7f", E::Control),
    ("/a b", E::Space),
    ("/a ", E::Space),
    ("/\u{e9}", E::NotAscii),
    ("/\u{ff0f}", E::NotAscii),
    ("/a#b", E::Fragment),
    ("/#", E::Fragment),
    ("/a#?b", E::Fragment),
    ("/%", E::InvalidEncoding),
    ("/%4", E::InvalidEncoding),
    ("/%/a", E::InvalidEncoding),
    ("/%4/1", E::InvalidEncoding),
    ("/%zz", E::InvalidEncoding),
    ("/%4g", E::InvalidEncoding),
    ("/%+1", E::InvalidEncoding),
    ("/%-1", E::InvalidEncoding),
    ("/%%41", E::InvalidEncoding),
    ("/%4?1", E::InvalidEncoding),
    ("/100%", E::InvalidEncoding),
    ("/%u002e", E::UnicodeEscape),
    ("/%U002e", E::UnicodeEscape),
    ("/%u", E::UnicodeEscape),
    ("/%25u002e", E::UnicodeEscape),
    ("/%25U2215", E::UnicodeEscape),
    ("/%25%75002e", E::UnicodeEscape),
    ("/%252e%252e/a", E::DoubleEncoding),
    ("/%252f", E::DoubleEncoding),
    ("/%2541", E::DoubleEncoding),
    ("/%2500", E::DoubleEncoding),
    ("/%25252e", E::DoubleEncoding),
    ("/%25%32%65", E::DoubleEncoding),
    ("/%25%32e", E::DoubleEncoding),
    ("/%252%65", E::DoubleEncoding),
    ("/a%25%2541", E::DoubleEncoding),
    ("/%c0%ae", E::InvalidUtf8),
    ("/%C0%AF", E::InvalidUtf8),
    ("/%e0%80%af", E::InvalidUtf8),
    ("/%f0%80%80%af", E::InvalidUtf8),
    ("/%ff", E::InvalidUtf8),
    ("/%e9", E::InvalidUtf8),
    ("/%c3", E::InvalidUtf8),
    ("/%c3x", E::InvalidUtf8),
    ("/%c3/%a9", E::InvalidUtf8),
    ("/%a9", E::InvalidUtf8),
    ("/%ed%a0%80", E::InvalidUtf8),
    ("/%f4%90%80%80", E::InvalidUtf8),
    ("//", E::EmptySegment),
    ("//a", E::EmptySegment),
    ("//x.com/a", E::EmptySegment),
    ("///", E::EmptySegment),
    ("/a//", E::EmptySegment),
    ("/a//b", E::EmptySegment),
    ("/a//../b", E::EmptySegment),
    ("/.//a", E::EmptySegment),
    ("/a;b", E::Parameter),
    ("/a;", E::Parameter),
    ("/;", E::Parameter),
    ("/a;jsessionid=1/b", E::Parameter),
    ("/..;/admin", E::Parameter),
    ("/a/..;x=y/b", E::Parameter),
    ("/a%3Bb", E::Parameter),
    ("/a%3bb", E::Parameter),
    ("/..%3b/admin", E::Parameter),
    ("/..", E::AboveRoot),
    ("/../", E::AboveRoot),
    ("/../a", E::AboveRoot),
    ("/a/../..", E::AboveRoot),
    ("/a/../../b", E::AboveRoot),
    ("/./..", E::AboveRoot),
    ("/%2e%2e/a", E::AboveRoot),
    ("/a/%2e%2e/%2e%2e/b", E::AboveRoot),
    ("/a?b#c", E::Query),
    ("/a?b c", E::Query),
    ("/a?\n", E::Query),
    ("/a?\0", E::Query),
    ("/a?\x7f", E::Query),
    ("/a?\u{e9}", E::Query),
];

/// The same with options.
const WITH_OPTIONS: &[(PathOptions, &str, Result<&str, PathError>)] = &[
    (STRICT, "/a/b?c", Ok("/a/b?c")),
    (STRICT, "/caf%C3%A9", Ok("/caf%C3%A9")),
    (STRICT, "/caf%c3%a9", Err(E::NotCanonical)),
    (STRICT, "/%7Eme", Err(E::NotCanonical)),
    (STRICT, "/a/../b", Err(E::NotCanonical)),
    (STRICT, "/a/.", Err(E::NotCanonical)),
    (STRICT, "/..", Err(E::AboveRoot)),
    (SLASH, "/a%2Fb", Ok("/a%2Fb")),
    (SLASH, "/a%2fb", Ok("/a%2Fb")),
    (SLASH, "/%2F", Ok("/%2F")),
    (SLASH, "/a%5cb", Err(E::EncodedBackslash)),
    (SLASH, "/a%252fb", Err(E::DoubleEncoding)),
    (SLASH, "/a%2F..%2Fb", Err(E::AmbiguousDots)),
    (SLASH, "/a%2f%2e%2e", Err(E::AmbiguousDots)),
    (SLASH, "/..%2Fa", Err(E::AmbiguousDots)),
    (SLASH, "/.%2Fa", Err(E::AmbiguousDots)),
    (SLASH, "/a%2F.", Err(E::AmbiguousDots)),
    (SLASH, "/a/b%2Fc/../d", Err(E::AmbiguousDots)),
    (SLASH, "/a%2fc/..", Err(E::AmbiguousDots)),
    (SLASH, "/a%2Fb/c/..", Ok("/a%2Fb/")),
    (SLASH, "/a%2F...", Ok("/a%2F...")),
    (SLASH, "/a;b", Err(E::Parameter)),
    (SLASH, "/a//b", Err(E::EmptySegment)),
    (PARAMETERS, "/a;b=c/d", Ok("/a;b=c/d")),
    (PARAMETERS, "/a%3bb", Ok("/a%3Bb")),
    (PARAMETERS, "/a;", Ok("/a;")),
    (PARAMETERS, "/a/..;/b", Err(E::AmbiguousDots)),
    (PARAMETERS, "/a/..;x=y/b", Err(E::AmbiguousDots)),
    (PARAMETERS, "/a/..%3b/b", Err(E::AmbiguousDots)),
    (PARAMETERS, "/a/%2e%2e;/b", Err(E::AmbiguousDots)),
    (PARAMETERS, "/a/.;/b", Err(E::AmbiguousDots)),
    (PARAMETERS, "/a/;x/b", Err(E::EmptySegment)),
    (PARAMETERS, "/a/;", Err(E::EmptySegment)),
    (PARAMETERS, "/a;x/../b", Ok("/b")),
    (PARAMETERS, "/a;..", Ok("/a;..")),
    (PARAMETERS, "/a%2Fb", Err(E::EncodedSlash)),
    (EMPTY, "/a//b", Ok("/a//b")),
    (EMPTY, "/a///b//", Ok("/a///b//")),
    (EMPTY, "//", Err(E::EmptySegment)),
    (EMPTY, "//x.com/a", Err(E::EmptySegment)),
    (EMPTY, "/.//a", Err(E::EmptySegment)),
    (EMPTY, "/a/..//b", Err(E::EmptySegment)),
    (EMPTY, "/a//../b", Err(E::AmbiguousDots)),
    (EMPTY, "/a//..", Err(E::AmbiguousDots)),
    (EMPTY, "/a//b/../../c", Err(E::AmbiguousDots)),
    (EMPTY, "/a//b/../c", Ok("/a//c")),
    (EMPTY, "/a//./b", Ok("/a//b")),
    (ALL, "/a/;x/b", Ok("/a/;x/b")),
    (ALL, "/a%2F..;x", Err(E::AmbiguousDots)),
    (ALL, "/a%2f;b//c", Ok("/a%2F;b//c")),
    (NO_CASE, "/A/%c3%89", Ok("/A/%C3%89")),
];

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
                let depth = |end: usize| parts.iter().take(end).fold(0_i32, |depth, part| match *part { "." => depth, ".." => depth - 1, _ => depth + 1 });
                prop_assert!((0..=parts.len()).any(|end| depth(end) < 0));
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
            let end = input
                .char_indices()
                .skip(1)
                .find(|(_, c)| *c == '/')
                .map_or(input.len(), |(at, _)| at);
            output.push_str(&input[..end]);
            input = input[end..].to_owned();
        }
    }
    output
}
