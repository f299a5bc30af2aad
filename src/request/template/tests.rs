use super::*;
use crate::request::canonicalise;
use proptest::prelude::*;

const RELAXED: PathOptions = PathOptions {
    strict: false,
    encoded_slash: true,
    path_parameters: true,
    empty_segments: true,
    case_insensitive: false,
};
const NO_CASE: PathOptions = PathOptions {
    case_insensitive: true,
    strict: false,
    encoded_slash: false,
    path_parameters: false,
    empty_segments: false,
};

/// The captures as `name=value` words, or nothing where there is no match.
fn captures(template: &str, path: &str, options: &PathOptions) -> Option<String> {
    let template = PathTemplate::parse_with(template, options).expect(template);
    let path = canonicalise(path.as_bytes(), options).expect(path);
    template.matches(&path).map(|captures| {
        captures
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    })
}

#[test]
fn matches_whole_segments() {
    for (template, path, expected) in [
        ("/", "/", Some("")),
        ("/", "/a", None),
        ("/a", "/a", Some("")),
        ("/a", "/a/", Some("")),
        ("/a/", "/a", Some("")),
        ("/a/", "/a/", Some("")),
        ("/a", "/a?b", Some("")),
        ("/a", "/A", None),
        ("/a", "/ab", None),
        ("/a", "/a/b", None),
        ("/a", "/", None),
        ("/a/b", "/a", None),
        ("/v1/profiles/{id}", "/v1/profiles/42", Some("id=42")),
        ("/v1/profiles/{id}", "/v1/profiles/42/", Some("id=42")),
        ("/v1/profiles/{id}", "/v1/profiles/", None),
        ("/v1/profiles/{id}", "/v1/profiles", None),
        ("/v1/profiles/{id}", "/v1/profiles/42/x", None),
        ("/v1/profiles/{id}", "/v1/x/../profiles/4%32", Some("id=42")),
        ("/v1/profiles/{id}", "/v1/profiles/caf%c3%a9", Some("id=caf\u{e9}")),
        ("/{a}/{b}", "/1/2", Some("a=1 b=2")),
        ("/{_a1}/x", "/1/x", Some("_a1=1")),
        ("/{a}", "/", None),
        ("/*", "/a", Some("")),
        ("/*", "/", None),
        ("/*", "/a/b", None),
        ("/a/*/c", "/a/b/c", Some("")),
        ("/a/*/c", "/a/c", None),
        ("/**", "/", Some("")),
        ("/**", "/a/b", Some("")),
        ("/static/**", "/static", Some("")),
        ("/static/**", "/static/", Some("")),
        ("/static/**", "/static/a/b.png", Some("")),
        ("/static/**/", "/static/a", Some("")),
        ("/static/**", "/statics", None),
        ("/static/**", "/", None),
        ("/static/**", "/static/../admin", None),
        ("/{t}/**", "/x/y/z", Some("t=x")),
        ("/caf\u{e9}", "/caf%C3%A9", Some("")),
        ("/caf%C3%A9", "/caf%c3%a9", Some("")),
        ("/a%20b", "/a%20b", Some("")),
        ("/%2A", "/*", Some("")),
        ("/%2A", "/%2a", Some("")),
        ("/%2A", "/a", None),
        ("/%7Bx%7D", "/{x}", Some("")),
        ("/v1/things:cancel", "/v1/things:cancel", Some("")),
        ("/v1/things:cancel", "/v1/things%3Acancel", Some("")),
        ("/.well-known/x", "/.well-known/x", Some("")),
    ] {
        assert_eq!(
            captures(template, path, &PathOptions::default()).as_deref(),
            expected,
            "{template} {path}"
        );
    }
}

#[test]
fn follows_the_options_of_the_paths() {
    for (options, template, path, expected) in [
        (RELAXED, "/a/{x}", "/a/", None),
        (RELAXED, "/a/{x}/b", "/a//b", None),
        (RELAXED, "/a/*/b", "/a//b", None),
        (RELAXED, "/a/{x}", "/a//", None),
        (RELAXED, "/a/b", "/a//b", None),
        (RELAXED, "/a/**", "/a//b", Some("")),
        (RELAXED, "/a/{x}", "/a/b%2fc", Some("x=b/c")),
        (RELAXED, "/a/b/c", "/a/b%2Fc", None),
        (RELAXED, "/a/b%2Fc", "/a/b%2fc", Some("")),
        (RELAXED, "/a;b", "/a%3Bb", Some("")),
        (RELAXED, "/a", "/a;b", None),
        (NO_CASE, "/Admin/\u{c9}/{Id}", "/aDMIN/%C3%A9/XyZ", Some("Id=xyz")),
        (NO_CASE, "/a", "/b", None),
    ] {
        assert_eq!(
            captures(template, path, &options).as_deref(),
            expected,
            "{template} {path}"
        );
    }
}

#[test]
fn shows_an_index_what_it_needs() {
    let template = PathTemplate::parse("/a/{id}/*/caf%C3%A9/**").expect("valid");
    let expected = [
        Segment::Literal("a".into()),
        Segment::Capture("id".into()),
        Segment::Any,
        Segment::Literal("caf\u{e9}".into()),
        Segment::Rest,
    ];
    assert_eq!(template.segments(), expected);
    assert_eq!(template.names().collect::<Vec<_>>(), ["id"]);
    assert_eq!(
        (template.as_str(), template.to_string().as_str()),
        ("/a/{id}/*/caf%C3%A9/**", "/a/{id}/*/caf%C3%A9/**")
    );
    let path = canonicalise(b"/a/7/x/caf%C3%A9", &PathOptions::default()).expect("valid");
    let captures = template.matches(&path).expect("a match");
    assert_eq!((captures.value("id"), captures.value("other")), (Some("7"), None));
}

#[test]
fn takes_the_notation_of_istio() {
    for (istio, own) in [
        ("/a/{*}/b", "/a/*/b"),
        ("/a/{**}", "/a/**"),
        ("/{*}/{id}/{**}", "/*/{id}/**"),
    ] {
        let template = PathTemplate::parse(istio).expect("valid");
        assert_eq!(template.segments(), PathTemplate::parse(own).expect("valid").segments());
        assert_eq!(template.as_str(), istio);
    }
}

#[test]
fn says_what_would_be_right() {
    let long = format!("/{}", "a".repeat(MAX_TEMPLATE));
    let deep = "/a".repeat(MAX_SEGMENTS + 1);
    for (text, code, words) in [
        ("", "path_not_absolute", "write `/`"),
        ("a/b", "path_not_absolute", "write `/a/b`"),
        ("**", "path_not_absolute", "write `/**`"),
        ("https://x.com/a/{b}", "path_not_absolute", "write `/a/{b}`"),
        ("https://x.com", "path_not_absolute", "write `/`"),
        (long.as_str(), "path_too_long", "1024"),
        (deep.as_str(), "path_too_many_segments", "64"),
        ("/a?b=c", "path_query", "write `/a`"),
        ("/a#b", "path_query", "write `/a`"),
        ("/a#b?c", "path_query", "write `/a`"),
        ("//", "path_empty_segment", "`//`"),
        ("//a", "path_empty_segment", "`//a`"),
        ("/a//b", "path_empty_segment", "`/a//b`"),
        ("/a//", "path_empty_segment", "`/a//`"),
        ("/**/a", "path_rest_not_last", "`*` for one segment"),
        ("/a/**/b", "path_rest_not_last", "`*` for one segment"),
        ("/**/**", "path_rest_not_last", "at the end only"),
        ("/{**}/a", "path_rest_not_last", "`*` for one segment"),
        ("/a/{**}/", "path_rest_with_slash", "write `/a/{**}`"),
        ("/{**}/", "path_rest_with_slash", "write `/{**}`"),
        ("/a{*}", "path_partial_capture", "`a{*}`"),
        ("/{***}", "path_capture_name", "`{***}`"),
        ("/*.png", "path_partial_wildcard", "`*.png`"),
        ("/a*", "path_partial_wildcard", "`a*`"),
        ("/***", "path_partial_wildcard", "`***`"),
        ("/v{n}", "path_partial_capture", "`v{n}`"),
        ("/{a}{b}", "path_partial_capture", "`{a}{b}`"),
        ("/{a}.json", "path_partial_capture", "`{a}.json`"),
        ("/{a", "path_partial_capture", "`{a`"),
        ("/a}", "path_partial_capture", "`a}`"),
        ("/{{a}}", "path_partial_capture", "`{{a}}`"),
        ("/{}", "path_capture_name", "write `{name}`"),
        ("/{1a}", "path_capture_name", "write `{name}`"),
        ("/{a-b}", "path_capture_name", "write `{a_b}`"),
        ("/{id:[0-9]+}", "path_capture_name", "write `{id}`"),
        ("/{path=**}", "path_capture_name", "write `{path}`"),
        ("/{path*}", "path_capture_name", "write `{path}`"),
        ("/{\u{e9}}", "path_capture_name", "write `{name}`"),
        ("/{a}/{b}/{a}", "path_capture_repeated", "`{a}`"),
        ("/users/:id", "path_foreign_capture", "write `{id}`"),
        ("/users/<id>", "path_foreign_capture", "write `{id}`"),
        ("/a/../b", "path_dot_segment", "`..`"),
        ("/./b", "path_dot_segment", "`.`"),
        ("/%2e%2e", "path_dot_segment", "`%2e%2e`"),
        ("/%7Eme", "path_not_canonical", "write `~me`"),
        ("/caf%c3%a9", "path_not_canonical", "write `caf%C3%A9`"),
        ("/a b", "path_literal", "space"),
        ("/a%2Fb", "path_literal", "slash"),
        ("/a;b", "path_literal", "semicolon"),
        ("/a\\b", "path_literal", "backslash"),
        ("/a%", "path_literal", "hex digits"),
        ("/a%2541", "path_literal", "encoded percent"),
        ("/%ff", "path_literal", "UTF-8"),
        ("/\n", "path_literal", "control"),
        ("/\u{85}", "path_literal", "control"),
    ] {
        let error = PathTemplate::parse(text).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn holds_its_limits() {
    assert!(PathTemplate::parse(&format!("/{}", "a".repeat(MAX_TEMPLATE - 1))).is_ok());
    assert!(PathTemplate::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_template_or_an_error(text in r"/?[a%2eE./{}*:;<>?\\\u{e9} ]{0,12}") {
        if let Err(error) = PathTemplate::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Whatever a path is, the template that spells its segments out matches it, and so do the wildcards above it.
    #[test]
    fn a_path_matches_its_own_template(parts in prop::collection::vec("[a-z\u{e9} %.]{1,4}", 0..5), slash in any::<bool>()) {
        let encode = |part: &String| part.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }).collect::<String>();
        let text = format!("/{}{}", parts.iter().map(encode).collect::<Vec<_>>().join("/"), if slash && !parts.is_empty() { "/" } else { "" });
        let Ok(path) = canonicalise(text.as_bytes(), &PathOptions::default()) else { return Ok(()) };
        prop_assert!(PathTemplate::parse("/**").expect("valid").matches(&path).is_some());
        if path.changed() {
            return Ok(());
        }
        prop_assert!(PathTemplate::parse(&text).expect("valid").matches(&path).is_some());
        let names = (0..parts.len()).map(|at| format!("/{{p{at}}}")).collect::<String>();
        let template = PathTemplate::parse(if names.is_empty() { "/" } else { &names }).expect("valid");
        let captures = template.matches(&path).expect("a match");
        prop_assert_eq!(captures.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>(), parts);
    }
}
