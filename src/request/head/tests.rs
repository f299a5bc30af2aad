use super::*;
use crate::request::encode;
use proptest::prelude::*;

type Line<'a> = (&'a str, &'a str);

const GET: [Line<'static>; 4] = [
    (":method", "GET"),
    (":path", "/a?b"),
    (":authority", "api.x.com"),
    (":scheme", "https"),
];

/// Reads these lines and hands what came out to `check`.
fn read<T>(
    lines: &[Line<'_>],
    strip: &StripSet,
    check: impl FnOnce(Result<RequestHead<'_>, HeadError>, &[&[u8]]) -> T,
) -> T {
    let lines: Vec<(&[u8], &[u8])> = lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let block = encode(&lines);
    let headers = Headers::parse(&block).expect("valid");
    let mut removals = Vec::new();
    let head = RequestHead::read(&headers, strip, &mut removals);
    check(head, &removals)
}

fn error(lines: &[Line<'_>]) -> Option<HeadError> {
    read(lines, &StripSet::default(), |head, _| head.err())
}

fn with<'a>(more: &[Line<'a>]) -> Vec<Line<'a>> {
    GET.iter().copied().chain(more.iter().copied()).collect()
}

fn without<'a>(name: &str, more: &[Line<'a>]) -> Vec<Line<'a>> {
    GET.iter()
        .filter(|(found, _)| *found != name)
        .chain(more)
        .copied()
        .collect()
}

fn removed(strip: &StripSet, names: &[&str]) -> Vec<String> {
    let lines: Vec<Line<'_>> = names.iter().map(|name| (*name, "v")).collect();
    read(&with(&lines), strip, |_, removals| {
        removals
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    })
}

#[test]
fn collects_all_parts_in_one_pass() {
    let lines = with(&[
        ("authorization", "Bearer a"),
        ("Content-Type", "application/grpc+proto"),
        ("x-request-id", "id-1"),
        ("Authorization", "Bearer b"),
        ("x-request-id", "id-2"),
        ("content-type", "text/plain"),
    ]);
    read(&lines, &StripSet::default(), |head, removals| {
        let expected = RequestHead {
            method: "GET",
            path: b"/a?b",
            authority: b"api.x.com",
            scheme: Some(Scheme::Https),
            authorization: Some(b"Bearer a"),
            authorization_count: 2,
            request_id: Some("id-1"),
            content: ContentKind::Grpc,
            upgrade: false,
        };
        assert_eq!(head, Ok(expected));
        assert!(removals.is_empty());
    });
}

#[test]
fn a_head_is_refused_unless_each_part_is_there_once() {
    use HeadError as E;
    let long = "A".repeat(MAX_METHOD + 1);
    let cases: Vec<(Vec<Line<'_>>, Option<E>)> = vec![
        (GET.to_vec(), None),
        (vec![], Some(E::MethodMissing)),
        (without(":method", &[]), Some(E::MethodMissing)),
        (without(":path", &[]), Some(E::PathMissing)),
        (without(":scheme", &[]), Some(E::SchemeMissing)),
        (without(":authority", &[]), Some(E::AuthorityMissing)),
        (without(":authority", &[("host", "a")]), None),
        (without(":authority", &[("Host", "a")]), None),
        (
            without(":authority", &[("host", "a"), ("host", "b")]),
            Some(E::AuthorityRepeated),
        ),
        (
            without(":authority", &[("host", "a"), ("Host", "a")]),
            Some(E::AuthorityRepeated),
        ),
        (with(&[("host", "api.x.com")]), None),
        (with(&[("host", "b.x.com")]), Some(E::AuthorityRepeated)),
        (with(&[("host", "API.x.com")]), Some(E::AuthorityRepeated)),
        (with(&[("host", "")]), Some(E::AuthorityRepeated)),
        (with(&[(":authority", "api.x.com")]), Some(E::AuthorityRepeated)),
        (with(&[(":method", "GET")]), Some(E::MethodRepeated)),
        (with(&[(":path", "/a?b")]), Some(E::PathRepeated)),
        (with(&[(":scheme", "https")]), Some(E::SchemeRepeated)),
        (with(&[(":status", "200")]), Some(E::PseudoHeader)),
        (with(&[(":", "")]), Some(E::PseudoHeader)),
        (with(&[(":Method", "GET")]), Some(E::PseudoHeader)),
        (
            with(&[(":protocol", "websocket"), (":protocol", "websocket")]),
            Some(E::PseudoHeader),
        ),
        (without(":scheme", &[(":scheme", "ftp")]), Some(E::SchemeInvalid)),
        (without(":scheme", &[(":scheme", "")]), Some(E::SchemeInvalid)),
        (without(":scheme", &[(":scheme", "HTTPS")]), None),
        (without(":method", &[(":method", "")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "get")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "Get")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "GET ")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "G(T")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "G\u{c9}T")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "GET\0")]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", &long)]), Some(E::MethodInvalid)),
        (without(":method", &[(":method", "M-SEARCH")]), None),
        (vec![(":method", "CONNECT"), (":authority", "x:443")], None),
        (vec![(":method", "CONNECT")], Some(E::AuthorityMissing)),
    ];
    for (lines, expected) in cases {
        assert_eq!(error(&lines), expected, "{lines:?}");
    }
}

#[test]
fn a_tunnel_needs_neither_path_nor_scheme() {
    read(
        &[(":method", "CONNECT"), (":authority", "x:443")],
        &StripSet::default(),
        |head, _| {
            let head = head.expect("valid");
            assert!(head.is_connect());
            assert_eq!((head.path, head.scheme), (&b""[..], None));
        },
    );
}

#[test]
fn tells_upgrades() {
    for (lines, expected) in [
        (with(&[("upgrade", "websocket")]), true),
        (with(&[("Upgrade", "")]), true),
        (with(&[(":protocol", "websocket")]), true),
        (with(&[("connection", "upgrade")]), false),
    ] {
        assert_eq!(
            read(&lines, &StripSet::default(), |head, _| head.expect("valid").upgrade),
            expected,
            "{lines:?}"
        );
    }
}

#[test]
fn tells_grpc_from_its_neighbours() {
    use ContentKind::{Grpc, GrpcWeb, Other};
    for (value, expected) in [
        ("application/grpc", Grpc),
        ("application/grpc+proto", Grpc),
        ("application/grpc+", Grpc),
        ("Application/gRPC; charset=x", Grpc),
        ("application/grpc;x", Grpc),
        ("application/grpc-web", GrpcWeb),
        ("application/grpc-web+proto", GrpcWeb),
        ("application/grpc-web-text", GrpcWeb),
        ("application/grpc-web-text+proto", GrpcWeb),
        ("application/grpcx", Other),
        ("application/grpc-webx", Other),
        ("application/json", Other),
        ("text/application/grpc", Other),
        ("", Other),
    ] {
        assert_eq!(ContentKind::parse(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn a_request_id_that_is_not_plain_is_none() {
    let longest = "i".repeat(MAX_REQUEST_ID);
    let longer = "i".repeat(MAX_REQUEST_ID + 1);
    for (value, plain) in [
        ("a-1_!~", true),
        (longest.as_str(), true),
        (longer.as_str(), false),
        ("", false),
        ("a b", false),
        ("\u{e9}", false),
    ] {
        let lines = with(&[("x-request-id", value)]);
        let expected = plain.then_some(value.to_owned());
        read(&lines, &StripSet::default(), |head, _| {
            assert_eq!(head.expect("valid").request_id.map(str::to_owned), expected, "{value}");
        });
    }
}

#[test]
fn strips_its_own_names_in_every_spelling() {
    let strip = StripSet::default();
    for name in [
        "x-regionguard-subject",
        "X-RegionGuard-Anything",
        "x_regionguard_reason",
        "x-regionguard-",
        "x-regionguard_-",
    ] {
        assert_eq!(removed(&strip, &[name]), [name]);
    }
    for name in [
        "x-regionguard",
        "x-regionguardx",
        "y-regionguard-subject",
        "x--regionguard-a",
        "accept",
    ] {
        assert!(removed(&strip, &[name]).is_empty(), "{name}");
    }
}

#[test]
fn strips_the_names_of_the_policies() {
    let strip = StripSet::new(["X-User", "x-roles", "x_team-id"]);
    for name in ["x-user", "X-USER", "x_user", "X_Roles", "x-team_id", "x-team-id"] {
        assert_eq!(removed(&strip, &[name]), [name]);
    }
    for name in ["x-use", "x-users", "x-us-er", "xuser", "x-team-ix", "x user"] {
        assert!(removed(&strip, &[name]).is_empty(), "{name}");
    }
}

#[test]
fn strips_long_names_and_tells_them_apart() {
    let long = "x".repeat(100);
    let strip = StripSet::new([&long]);
    assert!(strip.contains(long.as_bytes()));
    assert!(!strip.contains("x".repeat(101).as_bytes()));
}

#[test]
fn names_each_spelling_once() {
    let strip = StripSet::new(["x-user"]);
    assert_eq!(
        removed(&strip, &["x-user", "x_user", "x-user", "X-User", "x_user"]),
        ["X-User", "x-user", "x_user"]
    );
}

#[test]
fn strips_even_where_the_head_is_refused_and_never_hides_a_part() {
    let strip = StripSet::new(["x-user", "host"]);
    let lines = [
        (":method", "get"),
        ("x-user", "root"),
        (":scheme", "http"),
        (":path", "/"),
        ("host", "a"),
    ];
    read(&lines, &strip, |head, removals| {
        assert_eq!(head, Err(HeadError::MethodInvalid));
        assert_eq!(removals, [&b"host"[..], b"x-user"]);
    });
}

#[test]
fn the_first_refusal_is_told() {
    assert_eq!(
        error(&with(&[(":x", ""), (":method", "GET")])),
        Some(HeadError::PseudoHeader)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_are_a_head_or_an_error(lines in prop::collection::vec((line_name(), any::<Vec<u8>>()), 0..12)) {
        let lines: Vec<(&[u8], &[u8])> = lines.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let block = encode(&lines);
        let headers = Headers::parse(&block).expect("valid");
        let _ = RequestHead::read(&headers, &StripSet::new(["x-user"]), &mut Vec::new());
    }

    #[test]
    fn a_set_holds_what_was_put_in(names in prop::collection::vec("[A-Za-z_-]{1,80}", 0..20), other in "[a-z_-]{1,4}") {
        let strip = StripSet::new(&names);
        let fold = |name: &str| name.to_ascii_lowercase().replace('_', "-");
        for name in &names {
            prop_assert!(strip.contains(name.to_ascii_uppercase().as_bytes()));
            prop_assert!(strip.contains(fold(name).as_bytes()));
        }
        prop_assert_eq!(strip.contains(other.as_bytes()), names.iter().any(|name| fold(name) == fold(&other)));
    }
}

fn line_name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":method",
        ":path",
        ":authority",
        "host",
        ":scheme",
        "authorization",
        "x_user",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()),
        any::<Vec<u8>>()
    ]
}
