//! What only HTTP/2 can say.

use serde_json::Value;

use super::{API, OPEN, PUBLIC, Scene, assert_outcome, h2, on_the_shipped_chain, over_h2};

type Field = (&'static [u8], &'static [u8]);

#[test]
fn http2_has_its_own_ways_to_be_ambiguous() {
    on_the_shipped_chain(async |scene| {
        const HOST: &[u8] = OPEN.as_bytes();
        const SAME_HOST: &[Field] = &[(b"host", HOST)];
        let before = scene.upstream.seen().len();
        let base: Vec<Field> = vec![
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":authority", HOST),
            (b":path", b"/x"),
        ];
        let with = |more: &[Field]| -> Vec<Field> { [&base, more].concat() };
        let fields = |method: &'static [u8], authority: &'static [u8], path: &'static [u8]| {
            vec![
                (&b":method"[..], method),
                (b":scheme", b"http"),
                (b":authority", authority),
                (b":path", path),
            ]
        };
        for (what, fields, expected) in [
            ("plain", base.clone(), PUBLIC),
            (
                "a value that is not text",
                with(&[
                    (b"user-agent", b"\xE9\xFF"),
                    (b"cookie", b"\xFF"),
                    (b"authorization", b"Bearer \xFF"),
                ]),
                PUBLIC,
            ),
            (
                "two tokens",
                with(&[(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]),
                (400, "request.token_ambiguous", false),
            ),
            (
                "dot segments",
                fields(b"GET", OPEN.as_bytes(), b"/x/../admin"),
                (403, "rule.denied", false),
            ),
            (
                "a small method",
                fields(b"get", OPEN.as_bytes(), b"/x"),
                (400, "request.malformed", false),
            ),
            (
                "another authority",
                fields(b"GET", b"other.com", b"/x"),
                (421, "request.authority_not_served", false),
            ),
            (
                "a method that nobody knows",
                fields(b"PURGE", OPEN.as_bytes(), b"/x"),
                PUBLIC,
            ),
            ("the same host", with(SAME_HOST), PUBLIC),
            // Envoy keeps the authority and drops the other (RFC 9113 section 8.3.1): what is judged is what goes on.
            ("another host", with(&[(b"host", b"api.us-east-1.com")]), PUBLIC),
            (
                "its own header",
                with(&[(b"x-regionguard-subject", b"root"), (b"x_user", b"root")]),
                PUBLIC,
            ),
        ] {
            assert_outcome(what, &over_h2(scene, &fields).await, expected);
        }
        let seen = Value::from(scene.upstream.seen().split_off(before)).to_string();
        assert!(!seen.contains("root") && !seen.contains(API), "{seen}");
        a_late_pseudo_header_changes_nothing(scene, &base).await;
        // Refused by Envoy or by the filter: what counts is that nothing of it reaches an upstream. Envoy takes a second to close each
        // connection, so all go at once.
        let (lines, reached) = (scene.envoy.access_log().entries().len(), scene.upstream.count());
        let mut sent = tokio::task::JoinSet::new();
        for (what, fields) in [
            ("two paths", with(&[(b":path", b"/admin")])),
            ("two methods", with(&[(b":method", b"POST")])),
            ("two authorities", with(&[(b":authority", b"other.com")])),
            ("an unknown pseudo-header", with(&[(b":regionguard", b"1")])),
            ("a capital name", with(&[(b"X-Upper", b"1")])),
            (
                "connection",
                with(&[(b"connection", b"upgrade"), (b"upgrade", b"websocket")]),
            ),
            ("NUL", with(&[(b"x", b"a\0b")])),
            ("CRLF", with(&[(b"x", b"a\r\nx-user: root")])),
            ("an empty name", with(&[(b"", b"x")])),
            ("no path", base[..3].to_vec()),
            ("no method", base[1..].to_vec()),
            ("no authority", vec![base[0], base[1], base[3]]),
            ("an empty path", fields(b"GET", OPEN.as_bytes(), b"")),
            ("a path without a slash", fields(b"GET", OPEN.as_bytes(), b"x")),
            (
                "an absolute path",
                fields(b"GET", OPEN.as_bytes(), b"http://open.shop.internal/x"),
            ),
            ("a path of any bytes", fields(b"GET", OPEN.as_bytes(), b"/\xE9")),
            ("a fragment", fields(b"GET", OPEN.as_bytes(), b"/x#y")),
            ("a space", fields(b"GET", OPEN.as_bytes(), b"/x y")),
            ("an asterisk", fields(b"GET", OPEN.as_bytes(), b"*")),
            ("user information", fields(b"GET", b"a@open.shop.internal", b"/x")),
            ("any bytes for a host", fields(b"GET", b"\xE9.shop.internal", b"/x")),
            ("a method with a space", fields(b"GET /admin", OPEN.as_bytes(), b"/x")),
        ] {
            let address = scene.envoy.address();
            sent.spawn(async move { (what, h2::send(address, &fields).await) });
        }
        for (what, ended) in sent.join_all().await {
            assert!(ended.is_some(), "{what}: neither answered nor refused");
        }
        assert_eq!(scene.upstream.count(), reached);
        for entry in scene.envoy.access_log().entries().split_off(lines) {
            assert!((400..500).contains(&entry.status()) || entry.status() == 0, "{entry:?}");
        }
        assert_outcome("the next request", &over_h2(scene, &base).await, PUBLIC);
        scene.assert_never_trapped().await;
    });
}

/// A pseudo-header behind other headers (RFC 9113, 8.3): Envoy 1.36 lets it pass, later ones refuse it. What counts is that the
/// upstream gets the one path that was judged.
async fn a_late_pseudo_header_changes_nothing(scene: &Scene, base: &[Field]) {
    let (lines, before) = (scene.envoy.access_log().entries().len(), scene.upstream.seen().len());
    let late = [base[0], base[1], base[2], (b"x", b"y"), base[3]];
    let ended = h2::send(scene.envoy.address(), &late).await;
    assert!(ended.is_some(), "neither answered nor refused");
    let entry = scene.envoy.access_log().after(lines).await.unwrap();
    for seen in scene.upstream.seen().split_off(before) {
        assert_eq!(
            (&seen["method"], &seen["path"]),
            (&"GET".into(), &"/x".into()),
            "{seen}"
        );
        assert!(entry.text("decision").starts_with("allow;rule.public;"), "{entry:?}");
    }
}
