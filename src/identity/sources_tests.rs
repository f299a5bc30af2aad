use super::{Presented, TokenSource, TokenSources};
use crate::decision::Strip;
use crate::identity::{Credential, Place, Scheme, Token};
use crate::reason::Reason;
use crate::request::{Authority, Headers, RequestHead, StripSet, encode};

type Lines<'a> = &'a [(&'a str, &'a str)];

fn header(name: &str, scheme: Option<&str>) -> TokenSource {
    TokenSource::Header {
        name: name.to_owned(),
        scheme: scheme.map(str::to_owned),
    }
}

fn all() -> TokenSources {
    TokenSources::new([
        TokenSource::Authorization,
        header("x-access-token", None),
        header("x-jwt", Some("bearer")),
        TokenSource::Cookie("session".to_owned()),
        TokenSource::Query("access_token".to_owned()),
    ])
}

/// What is found in a request for `target` with these headers, what it makes of the target, and what stripping does.
fn found(
    sources: &TokenSources,
    target: &str,
    lines: Lines<'_>,
) -> (Result<String, Reason>, Option<String>, Option<Strip>) {
    let mut all = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a.com"),
        (":path", target),
    ];
    all.extend(lines);
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let block = encode(&all);
    let headers = Headers::parse(&block).unwrap();
    let mut presented = Presented::new(sources);
    let head = RequestHead::read_with(&headers, &StripSet::default(), &mut Vec::new(), presented.collector()).unwrap();
    let rest = presented
        .take_query(head.path)
        .map(|rest| String::from_utf8_lossy(&rest).into_owned());
    let credential = presented.credential(&head, |_| false);
    let strip = credential
        .ok()
        .and_then(|credential| presented.strip(credential.place()?));
    (credential.map(shown), rest, strip)
}

fn shown(credential: Credential<'_>) -> String {
    let place = match credential.place() {
        None => return format!("{credential:?}"),
        Some(Place::Header(name)) => String::from_utf8_lossy(name).into_owned(),
        Some(place) => format!("{place:?}"),
    };
    match credential {
        Credential::Token(Token { text, scheme, .. }) => {
            let proof = if scheme == Scheme::Dpop { " with a proof" } else { "" };
            format!("{} in {place}{proof}", String::from_utf8_lossy(text))
        }
        _ => format!("malformed in {place}"),
    }
}

#[test]
fn one_token_in_any_place() {
    let cases: &[(&str, Lines<'_>, &str)] = &[
        ("/", &[], "None"),
        ("/", &[("authorization", "Bearer t")], "t in Authorization"),
        ("/", &[("authorization", "DPoP t")], "t in Authorization with a proof"),
        ("/", &[("x-access-token", "t")], "t in x-access-token"),
        ("/", &[("X-Access_Token", "t")], "t in X-Access_Token"),
        ("/", &[("x-access-token", "")], " in x-access-token"),
        ("/", &[("x-access-token", "Bearer t")], "malformed in x-access-token"),
        ("/", &[("x-access-token", "DPoP t")], "malformed in x-access-token"),
        ("/", &[("x-access-token", "Basic YTpi")], "OtherScheme"),
        ("/", &[("x-jwt", "BEARER t")], "t in x-jwt"),
        ("/", &[("x-jwt", "t")], "OtherScheme"),
        ("/", &[("x-jwt", "DPoP t")], "OtherScheme"),
        ("/", &[("x-jwt", "Bearer")], "malformed in x-jwt"),
        ("/", &[("cookie", "session=t")], "t in Cookie"),
        ("/", &[("cookie", "a=1;session=\"t\" ; b=2")], "t in Cookie"),
        ("/", &[("cookie", " session = t")], "t in Cookie"),
        ("/", &[("cookie", "a=1"), ("cookie", "session=t")], "t in Cookie"),
        ("/", &[("cookie", "session=")], " in Cookie"),
        ("/", &[("cookie", "session")], " in Cookie"),
        ("/", &[("cookie", "Session=t")], "malformed in Cookie"),
        ("/", &[("cookie", "sess%69on=t")], "malformed in Cookie"),
        ("/", &[("cookie", "a=b,session=t")], "malformed in Cookie"),
        ("/", &[("cookie", "sessions=t; xsession=t; a=session")], "None"),
        ("/?access_token=t", &[], "t in Query"),
        ("/?a=1&access%5Ftoken=t&b", &[], "t in Query"),
        ("/?access_token=", &[], " in Query"),
        ("/?access_token", &[], " in Query"),
        ("/?ACCESS_TOKEN=t", &[], "malformed in Query"),
        ("/?access.token=t", &[], "malformed in Query"),
        ("/?access_token[]=t", &[], "malformed in Query"),
        ("/?a=1;access_token=t", &[], "malformed in Query"),
        ("/?access_token=t;a=1", &[], "malformed in Query"),
        ("/access_token=t?a=access_token", &[], "None"),
        (
            "/?a=1",
            &[("authorization", "Basic YTpi"), ("x-access-token", "t")],
            "t in x-access-token",
        ),
        ("/?access_token=t", &[("authorization", "Negotiate YII=")], "t in Query"),
        (
            "/",
            &[
                ("authorization", "Bearer t"),
                ("x-access-token", "Basic YTpi"),
                ("cookie", "a=1"),
            ],
            "t in Authorization",
        ),
        (
            "/",
            &[("authorization", "Basic YTpi"), ("x-jwt", "Basic YTpi")],
            "OtherScheme",
        ),
    ];
    for (target, lines, expected) in cases {
        let (credential, ..) = found(&all(), target, lines);
        assert_eq!(credential.as_deref(), Ok(*expected), "{target} {lines:?}");
    }
}

#[test]
fn two_tokens_are_none() {
    let cases: &[(&str, Lines<'_>)] = &[
        ("/", &[("authorization", "Bearer t"), ("authorization", "Bearer t")]),
        ("/", &[("authorization", ""), ("authorization", "")]),
        ("/", &[("authorization", "Basic t"), ("authorization", "Bearer t")]),
        ("/", &[("authorization", "Bearer t, Bearer t")]),
        ("/", &[("authorization", "Bearer t"), ("x-access-token", "t")]),
        ("/", &[("authorization", "Bearer t"), ("cookie", "session=t")]),
        ("/", &[("authorization", "Bearer"), ("cookie", "session=t")]),
        ("/?access_token=t", &[("authorization", "Bearer t")]),
        ("/?access_token=t", &[("cookie", "session=t")]),
        ("/", &[("x-access-token", "t"), ("x-jwt", "Bearer t")]),
        ("/", &[("x-access-token", "t"), ("x-access-token", "t")]),
        ("/", &[("x-access-token", "t"), ("x_access_token", "t")]),
        ("/", &[("x-access-token", "t"), ("x-access-token", "Basic YTpi")]),
        ("/", &[("x-access-token", "t,u")]),
        ("/", &[("x-access-token", "t,")]),
        ("/", &[("x-jwt", "Bearer t, Bearer t")]),
        ("/", &[("x-jwt", "Basic YTpi, Bearer t")]),
        ("/", &[("cookie", "session=t; session=t")]),
        ("/", &[("cookie", "session=t"), ("cookie", "session=t")]),
        ("/", &[("cookie", "session=t; SESSION=u")]),
        ("/", &[("cookie", "session=t,session=u")]),
        ("/?access_token=t&access_token=t", &[]),
        ("/?access_token=t&access%5Ftoken=u", &[]),
        ("/?access_token=t&Access_Token=u", &[]),
        ("/?a=1;access_token=t&access_token=u", &[]),
    ];
    for (target, lines) in cases {
        let (credential, ..) = found(&all(), target, lines);
        assert_eq!(credential, Err(Reason::TokenAmbiguous), "{target} {lines:?}");
    }
}

#[test]
fn a_place_that_is_not_configured_is_not_looked_at() {
    let lines: Lines<'_> = &[
        ("authorization", "Bearer t"),
        ("authorization", "Bearer u"),
        ("x-access-token", "t"),
        ("cookie", "session=t"),
    ];
    let only = |source| found(&TokenSources::new([source]), "/?access_token=t", lines);
    let (credential, rest, _) = only(header("x-access-token", None));
    assert_eq!((credential.as_deref(), rest), (Ok("t in x-access-token"), None));
    let (credential, rest, _) = only(TokenSource::Cookie("session".to_owned()));
    assert_eq!((credential.as_deref(), rest), (Ok("t in Cookie"), None));
    let (credential, rest, _) = only(TokenSource::Query("access_token".to_owned()));
    assert_eq!((credential.as_deref(), rest.as_deref()), (Ok("t in Query"), Some("/")));
    let single: Lines<'_> = &[
        ("authorization", "Bearer t"),
        ("cookie", "session=u"),
        ("x-access-token", "u"),
    ];
    let (credential, rest, _) = found(&TokenSources::default(), "/?access_token=u", single);
    assert_eq!((credential.as_deref(), rest), (Ok("t in Authorization"), None));
}

#[test]
fn a_parameter_goes_and_the_others_stay() {
    for (target, rest) in [
        ("/p?access_token=t", Some("/p")),
        ("/p?access_token=t&", Some("/p?")),
        ("/p?&access_token=t", Some("/p?")),
        ("/p?a=%20b&access_token=t&c=d+e&&f", Some("/p?a=%20b&c=d+e&&f")),
        ("/p?a&access_token=t&access_token=u", Some("/p?a")),
        ("/p?a=1;access_token=t&b", Some("/p?b")),
        ("/p?q=x?access_token=t", None),
        ("/p?b=\u{e9}&access_token=t", Some("/p?b=\u{e9}")),
        ("/p?", None),
        ("/p", None),
        ("/p?access_tokens=t", None),
    ] {
        let (_, found, _) = found(&all(), target, &[]);
        assert_eq!(found.as_deref(), rest, "{target}");
    }
}

#[test]
fn a_token_is_taken_out_of_where_it_stands() {
    let strip = |target: &str, lines: Lines<'_>| found(&all(), target, lines).2;
    let cookies = |rest: &str| Some(Strip::Cookies(rest.as_bytes().to_vec()));
    assert_eq!(strip("/", &[]), None);
    assert_eq!(strip("/", &[("authorization", "Basic YTpi")]), None);
    assert_eq!(strip("/", &[("authorization", "Bearer t")]), Some(Strip::AUTHORIZATION));
    let named = Some(Strip::Header(b"X_Access-Token".to_vec().into()));
    assert_eq!(strip("/", &[("X_Access-Token", "t")]), named);
    assert_eq!(strip("/?access_token=t", &[]), None, "it is gone already");
    assert_eq!(strip("/", &[("cookie", "session=t")]), cookies(""));
    assert_eq!(strip("/", &[("cookie", "Session=t")]), cookies(""));
    assert_eq!(
        strip("/", &[("cookie", "a=\"1 2\"; session=t;b=x=y;;c"), ("cookie", "d=4")]),
        cookies("a=\"1 2\"; b=x=y; c; d=4")
    );
    assert_eq!(strip("/", &[("cookie", "a=1, session=t; b=2")]), cookies("b=2"));
}

#[test]
fn a_cookie_authorises_what_changes_something_from_its_own_origin_only() {
    let cases: &[(Lines<'_>, bool)] = &[
        (&[], false),
        (&[("origin", "https://a.com")], true),
        (&[("origin", "https://A.com:443")], true),
        (&[("origin", "http://a.com")], false),
        (&[("origin", "http://a.com:443")], false),
        (&[("origin", "https://a.com:8443")], false),
        (&[("origin", "https://a.com.evil.com")], false),
        (&[("origin", "https://evil.a.com")], false),
        (&[("origin", "https://u@a.com")], false),
        (&[("origin", "https://a.com/")], false),
        (&[("origin", "a.com")], false),
        (&[("origin", "null")], false),
        (&[("origin", "")], false),
        (&[("origin", "https://a.com, https://a.com")], false),
        (&[("origin", "https://a.com"), ("origin", "https://a.com")], false),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
        (&[("sec-fetch-site", "same-origin"), ("origin", "http://a.com")], true),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "null"),
                ("origin", "null"),
            ],
            false,
        ),
        (
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            false,
        ),
        (&[("sec-fetch-site", "same-site"), ("origin", "https://a.com")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", "https://a.com")], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("referer", "https://a.com/")], false),
    ];
    for (lines, expected) in cases {
        for (method, more) in [
            ("POST", *expected),
            ("DELETE", *expected),
            ("TRACE", *expected),
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
        ] {
            assert_eq!(authorises(method, lines, Place::Cookie), more, "{method} {lines:?}");
        }
        let upgrade: Vec<_> = lines.iter().copied().chain([("upgrade", "websocket")]).collect();
        assert_eq!(
            authorises("GET", &upgrade, Place::Cookie),
            *expected,
            "an upgrade {lines:?}"
        );
        for place in [Place::Authorization, Place::Header(b"x"), Place::Query] {
            assert!(authorises("POST", lines, place));
        }
    }
}

fn authorises(method: &str, lines: Lines<'_>, place: Place<'_>) -> bool {
    let mut all_lines = vec![
        (":method", method),
        (":scheme", "https"),
        (":authority", "a.com"),
        (":path", "/"),
    ];
    all_lines.extend(lines);
    let bytes: Vec<_> = all_lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let block = encode(&bytes);
    let headers = Headers::parse(&block).unwrap();
    let sources = all();
    let mut presented = Presented::new(&sources);
    let head = RequestHead::read_with(&headers, &StripSet::default(), &mut Vec::new(), presented.collector()).unwrap();
    let authority = Authority::parse(head.authority, head.scheme).unwrap();
    presented.may_authorise(place, &head, &authority)
}
