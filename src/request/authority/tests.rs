use super::*;
use AuthorityError as E;
use Scheme::{Http, Https};
use proptest::prelude::*;

/// Canonical form of `text`, as text.
fn canonical(text: &[u8], scheme: Option<Scheme>) -> Result<String, E> {
    Authority::parse(text, scheme).map(|authority| authority.to_string())
}

const GOOD: &[(&str, Scheme, &str)] = &[
    ("api.x.com", Https, "api.x.com"),
    ("API.X.Com", Https, "api.x.com"),
    ("api.x.com.", Https, "api.x.com"),
    ("API.x.com.:443", Https, "api.x.com"),
    ("api.x.com:443", Https, "api.x.com"),
    ("api.x.com:443", Http, "api.x.com:443"),
    ("api.x.com:80", Http, "api.x.com"),
    ("api.x.com:80", Https, "api.x.com:80"),
    ("api.x.com:8443", Https, "api.x.com:8443"),
    ("api.x.com:65535", Https, "api.x.com:65535"),
    ("api.x.com:1", Https, "api.x.com:1"),
    ("localhost", Http, "localhost"),
    ("localhost:10000", Http, "localhost:10000"),
    (
        "my_service.ns.svc.cluster.local",
        Http,
        "my_service.ns.svc.cluster.local",
    ),
    ("xn--bcher-kva.example", Https, "xn--bcher-kva.example"),
    ("a", Http, "a"),
    ("1a", Http, "1a"),
    ("1.2.3.4.example", Http, "1.2.3.4.example"),
    ("0xg", Http, "0xg"),
    ("127.0.0.1", Http, "127.0.0.1"),
    ("127.0.0.1.", Http, "127.0.0.1"),
    ("127.0.0.1:8080", Http, "127.0.0.1:8080"),
    ("[::1]", Http, "[::1]"),
    ("[::1]:80", Http, "[::1]"),
    ("[::1]:8080", Http, "[::1]:8080"),
    ("[2001:DB8:0:0:0:0:0:1]", Http, "[2001:db8::1]"),
    ("[2001:0db8::0001]", Http, "[2001:db8::1]"),
    ("[::ffff:192.0.2.1]", Http, "[::ffff:192.0.2.1]"),
    ("[::ffff:c000:201]", Http, "[::ffff:192.0.2.1]"),
];

const BAD: &[(&str, E)] = &[
    ("", E::Empty),
    (":443", E::Empty),
    (".", E::InvalidName),
    ("..", E::InvalidName),
    (".x.com", E::InvalidName),
    ("x..com", E::InvalidName),
    ("x.com..", E::InvalidName),
    ("user@x.com", E::UserInformation),
    ("user:pw@x.com", E::UserInformation),
    ("@x.com", E::UserInformation),
    ("x.com@", E::UserInformation),
    ("a.com,b.com", E::Joined),
    ("a.com, a.com", E::Joined),
    ("x.com:", E::InvalidPort),
    ("x.com:0", E::InvalidPort),
    ("x.com:00443", E::InvalidPort),
    ("x.com:+443", E::InvalidCharacter),
    ("x.com:-1", E::InvalidPort),
    ("x.com:65536", E::InvalidPort),
    ("x.com:99999999999999999999", E::InvalidPort),
    ("x.com:https", E::InvalidPort),
    ("x.com:443:443", E::InvalidPort),
    ("x.com:4 43", E::InvalidCharacter),
    ("::1", E::InvalidPort),
    ("2001:db8::1", E::InvalidPort),
    ("x .com", E::InvalidCharacter),
    (" x.com", E::InvalidCharacter),
    ("x.com ", E::InvalidCharacter),
    ("x.com\t", E::InvalidCharacter),
    ("x.com\r\nhost: y", E::InvalidCharacter),
    ("x\0.com", E::InvalidCharacter),
    ("x.com/", E::InvalidCharacter),
    ("x.com/a", E::InvalidCharacter),
    ("x.com\\a", E::InvalidCharacter),
    ("x.com?a", E::InvalidCharacter),
    ("x.com#a", E::InvalidCharacter),
    ("http://x.com", E::InvalidCharacter),
    ("x%2ecom", E::InvalidCharacter),
    ("x.com%00", E::InvalidCharacter),
    ("*.x.com", E::InvalidCharacter),
    ("x!com", E::InvalidCharacter),
    ("x;com", E::InvalidCharacter),
    ("b\u{fc}cher.example", E::InvalidCharacter),
    ("x\u{3002}com", E::InvalidCharacter),
    ("x.com\u{ff0f}", E::InvalidCharacter),
    ("127.1", E::InvalidIpv4),
    ("127.0.0.1.1", E::InvalidIpv4),
    ("127.0.0.01", E::InvalidIpv4),
    ("0177.0.0.1", E::InvalidIpv4),
    ("0x7f.0.0.1", E::InvalidIpv4),
    ("127.0.0.0x1", E::InvalidIpv4),
    ("x.0X", E::InvalidIpv4),
    ("2130706433", E::InvalidIpv4),
    ("256.0.0.1", E::InvalidIpv4),
    ("x.1", E::InvalidIpv4),
    ("[]", E::InvalidIpv6),
    ("[::1", E::InvalidIpv6),
    ("::1]", E::InvalidPort),
    ("x]", E::InvalidName),
    ("x[", E::InvalidName),
    ("[[::1]]", E::InvalidIpv6),
    ("[:::1]", E::InvalidIpv6),
    ("[1:2:3]", E::InvalidIpv6),
    ("[::g]", E::InvalidIpv6),
    ("[::1%25eth0]", E::InvalidCharacter),
    ("[fe80::1%eth0]", E::InvalidCharacter),
    ("[v1.a]", E::InvalidIpv6),
    ("[127.0.0.1]", E::InvalidIpv6),
    ("[x.com]", E::InvalidIpv6),
    ("[::1].", E::InvalidPort),
    ("[::1]x", E::InvalidPort),
    ("[::1]:", E::InvalidPort),
    ("[::1]:0", E::InvalidPort),
    ("[::1][::1]", E::InvalidPort),
    ("x.[::1]", E::InvalidPort),
];

#[test]
fn good_ones_take_their_canonical_form() {
    for (text, scheme, expected) in GOOD {
        assert_eq!(
            canonical(text.as_bytes(), Some(*scheme)),
            Ok((*expected).to_owned()),
            "{text}"
        );
    }
}

#[test]
fn bad_ones_are_refused() {
    for (text, expected) in BAD {
        assert_eq!(canonical(text.as_bytes(), Some(Https)), Err(*expected), "{text:?}");
    }
    assert_eq!(canonical(b"x\xff.com", Some(Https)), Err(E::InvalidCharacter));
}

#[test]
fn holds_its_limits() {
    let label = "a".repeat(MAX_LABEL);
    assert!(canonical(label.as_bytes(), None).is_ok());
    assert_eq!(canonical(format!("{label}a").as_bytes(), None), Err(E::InvalidName));
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), MAX_NAME);
    assert!(canonical(longest.as_bytes(), None).is_ok());
    assert!(canonical(format!("{longest}.").as_bytes(), None).is_ok());
    assert_eq!(canonical(format!("{longest}a").as_bytes(), None), Err(E::InvalidName));
}

#[test]
fn knows_the_port_that_is_meant() {
    for (text, scheme, expected) in [
        ("x.com", Some(Https), Some(443)),
        ("x.com:443", Some(Https), Some(443)),
        ("x.com", Some(Http), Some(80)),
        ("x.com:443", Some(Http), Some(443)),
        ("x.com", None, None),
        ("x.com:443", None, Some(443)),
    ] {
        assert_eq!(
            Authority::parse(text.as_bytes(), scheme)
                .expect("valid")
                .effective_port(),
            expected,
            "{text} {scheme:?}"
        );
    }
}

#[test]
fn a_plain_name_is_not_copied() {
    let authority = Authority::parse(b"api.x.com:8443", Some(Https)).expect("valid");
    assert!(matches!(authority.host, Cow::Borrowed(_)));
    assert_eq!(authority.clone().into_owned(), authority);
}

#[test]
fn schemes_are_two() {
    for (text, expected) in [("http", Some(Http)), ("HTTPS", Some(Https)), ("ws", None), ("", None)] {
        assert_eq!(Scheme::parse(text.as_bytes()), expected);
    }
    assert_eq!((Http.as_str(), Https.as_str()), ("http", "https"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_authority_or_an_error(text in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = canonical(&text, Some(Https));
    }

    #[test]
    fn what_is_canonical_stays_so(text in r"[a-cA-C0-2x:.\[\]_-]{1,12}", https in any::<bool>()) {
        let scheme = Some(if https { Https } else { Http });
        if let Ok(once) = canonical(text.as_bytes(), scheme) {
            prop_assert_eq!(canonical(once.as_bytes(), scheme), Ok(once));
        }
    }
}
