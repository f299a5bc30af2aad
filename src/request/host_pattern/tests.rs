use super::*;
use crate::request::Scheme;
use proptest::prelude::*;

fn matches(pattern: &str, authority: &str, scheme: Scheme) -> bool {
    let pattern = HostPattern::parse(pattern).expect("valid pattern");
    pattern.matches(&Authority::parse(authority.as_bytes(), Some(scheme)).expect("valid authority"))
}

#[test]
fn matches_hosts() {
    for (pattern, authority, expected) in [
        ("api.x.com", "api.x.com", true),
        ("api.x.com", "API.X.COM.", true),
        ("API.x.com.", "api.x.com", true),
        ("api.x.com", "api.x.com:8443", true),
        ("api.x.com", "xapi.x.com", false),
        ("api.x.com", "a.api.x.com", false),
        ("api.x.com", "x.com", false),
        ("*.x.com", "api.x.com", true),
        ("*.x.com", "a.b.x.com", true),
        ("*.X.com", "a.b.x.com:8443", true),
        ("*.x.com", "x.com", false),
        ("*.x.com", "xx.com", false),
        ("*.x.com", "api.x.com.evil", false),
        ("*.x.com", "evil-x.com", false),
        ("*.internal", "a.internal", true),
        ("api.x.com:8443", "api.x.com:8443", true),
        ("api.x.com:8443", "api.x.com", false),
        ("api.x.com:443", "api.x.com", true),
        ("api.x.com:443", "api.x.com:443", true),
        ("api.x.com:80", "api.x.com", false),
        ("*.x.com:443", "api.x.com", true),
        ("*.x.com:443", "api.x.com:444", false),
        ("127.0.0.1", "127.0.0.1:8080", true),
        ("[::1]", "[0:0::1]:8080", true),
        ("[0::1]:8080", "[::1]:8080", true),
        ("[::1]", "[::2]", false),
    ] {
        assert_eq!(
            matches(pattern, authority, Scheme::Https),
            expected,
            "{pattern} {authority}"
        );
    }
    assert!(matches("api.x.com:80", "api.x.com", Scheme::Http));
}

#[test]
fn a_port_needs_a_known_port() {
    let pattern = HostPattern::parse("api.x.com:443").expect("valid");
    assert!(!pattern.matches(&Authority::parse(b"api.x.com", None).expect("valid")));
}

#[test]
fn shows_an_index_what_it_needs() {
    let pattern = HostPattern::parse("*.X.com:8443").expect("valid");
    assert_eq!(
        (pattern.host(), pattern.port()),
        (HostMatch::Suffix(".x.com"), Some(8443))
    );
    assert_eq!(pattern.to_string(), "*.x.com:8443");
    let pattern = HostPattern::parse("x.com").expect("valid");
    assert_eq!((pattern.host(), pattern.port()), (HostMatch::Exact("x.com"), None));
    assert_eq!(pattern.to_string(), "x.com");
}

#[test]
fn says_what_would_be_right() {
    for (text, code, words) in [
        ("*", "host_everything", "leave the field out"),
        ("*.*", "host_everything", "leave the field out"),
        ("*:8443", "host_wildcard", "`*.example.com`"),
        ("", "host_invalid", "empty"),
        ("*x.com", "host_wildcard", "`*.x.com`"),
        ("api-*.x.com", "host_wildcard", "`*.x.com`"),
        ("a.*.x.com", "host_wildcard", "`*.x.com`"),
        ("*.*.x.com", "host_wildcard", "`*.x.com`"),
        ("**.x.com", "host_wildcard", "`*.x.com`"),
        ("api.x.*", "host_wildcard", "`*.example.com`"),
        ("*.", "host_wildcard", "`*.example.com`"),
        ("*.10.0.0.1", "host_wildcard_address", "not before an address"),
        ("*.[::1]", "host_wildcard_address", "not before an address"),
        ("https://api.x.com/a", "host_not_alone", "write `api.x.com`"),
        ("https://*.x.com", "host_not_alone", "write `*.x.com`"),
        ("api.x.com/", "host_not_alone", "write `api.x.com`"),
        ("api.x.com/v1/*", "host_not_alone", "write `api.x.com`"),
        ("api.x.com:*", "host_wildcard_port", "write `api.x.com`"),
        (".x.com", "host_leading_dot", "write `*.x.com`"),
        ("::1", "host_unbracketed", "write `[::1]`"),
        ("2001:db8::1", "host_unbracketed", "write `[2001:db8::1]`"),
        ("b\u{fc}cher.example", "host_not_ascii", "`xn--`"),
        ("x.com:0", "host_invalid", "port"),
        ("x.com:", "host_invalid", "port"),
        ("user@x.com", "host_invalid", "user information"),
        ("x y", "host_invalid", "character"),
        ("10.1", "host_invalid", "IPv4"),
        ("a.com,b.com", "host_invalid", "comma"),
    ] {
        let error = HostPattern::parse(text).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
        assert!(text.is_empty() || error.to_string().contains(text), "{text}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in r"[*a-c0-2.:/@\[\]\u{e9} -]{0,10}") {
        match HostPattern::parse(&text) {
            Ok(pattern) => prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_host_matches_itself_and_the_wildcard_above_it(name in "[a-c]{1,3}(\\.[a-c]{1,3}){0,2}", label in "[a-c]{1,3}") {
        let below = format!("{label}.{name}");
        let wildcard = format!("*.{name}");
        prop_assert!(matches(&name, &name, Scheme::Http));
        prop_assert!(matches(&wildcard, &below, Scheme::Http));
        prop_assert!(!matches(&wildcard, &name, Scheme::Http));
        prop_assert!(!matches(&name, &below, Scheme::Http));
    }
}
