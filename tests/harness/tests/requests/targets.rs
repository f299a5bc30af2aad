//! Paths and authorities: one meaning, or none.

use regionguard_harness::message::escaped;
use serde_json::json;

use super::{
    API, Expected, OPEN, PUBLIC, RUNTIME, Scene, assert_outcome, echoed, echoed_path, get, on_the_shipped_chain,
    policies,
};

#[test]
fn a_path_has_one_meaning_or_is_refused() {
    on_the_shipped_chain(async |scene| {
        const DENIED: Expected = (403, "rule.denied", false);
        const ENCODING: Expected = (400, "request.path_encoding", false);
        const INVALID: Expected = (400, "request.path_invalid", false);
        const ENVOY: Expected = (400, "-", false);
        let table: &[(&[u8], Expected)] = &[
            (b"/x", PUBLIC),
            (b"/admin", DENIED),
            (b"/admin/x", DENIED),
            (b"/admin/", DENIED),
            (b"/x/../admin", DENIED),
            (b"/x/%2e%2E/admin", DENIED),
            (b"/x/.%2e/admin/./y", DENIED),
            (b"/./admin", DENIED),
            (b"/%61dmin", DENIED),
            (b"/%61%64%6D%69%6e/x", DENIED),
            (b"/admin?x=/../..", DENIED),
            (b"/admin/../x", PUBLIC),
            (b"//admin", (400, "request.path_empty_segment", false)),
            (b"/x//y", (400, "request.path_empty_segment", false)),
            (b"/admin//", (400, "request.path_empty_segment", false)),
            (b"/a%2fb", (400, "request.path_encoded_slash", false)),
            (b"/x/..%2Fadmin", (400, "request.path_encoded_slash", false)),
            (b"/a%5cb", (400, "request.path_encoded_slash", false)),
            (b"/a\\b", (400, "request.path_character", false)),
            (b"/x\\..\\admin", (400, "request.path_character", false)),
            (b"/admin;x", (400, "request.path_parameters", false)),
            (b"/x/..;/admin", (400, "request.path_parameters", false)),
            (b"/admin%00", ENCODING),
            (b"/%0d%0aadmin", ENCODING),
            (b"/a%7f", ENCODING),
            (b"/%u0061dmin", ENCODING),
            (b"/%252e%252e/admin", ENCODING),
            (b"/%2561dmin", ENCODING),
            (b"/%c0%ae%c0%ae/admin", ENCODING),
            (b"/%e0%80%ae", ENCODING),
            (b"/%c1%a1dmin", ENCODING),
            (b"/%ed%a0%80", ENCODING),
            (b"/%ff", ENCODING),
            (b"/a%", ENCODING),
            (b"/a%2", ENCODING),
            (b"/a%zz", ENCODING),
            (b"/..", INVALID),
            (b"/../admin", INVALID),
            (b"/x/../../admin", INVALID),
            (b"/%2e%2e/admin", INVALID),
            (b"/caf%c3%a9", PUBLIC),
            (b"/a%23b", PUBLIC),
            (b"/ADMIN", PUBLIC),
            // What Envoy's own parser refuses before any filter.
            (b"/a#b", ENVOY),
            (b"/a?b#c", ENVOY),
            (b"/caf\xC3\xA9", ENVOY),
            (b"/a\x01", ENVOY),
            (b"/a b", ENVOY),
            (b"/a?b c", ENVOY),
            (b"/a?\xE9", ENVOY),
            (b"admin", ENVOY),
            (b"?x", ENVOY),
            (b"*", ENVOY),
        ];
        for (target, expected) in table {
            assert_outcome(&escaped(target), &scene.bytes(&get(target, OPEN, b"")).await, *expected);
        }
        let options = [b"OPTIONS * HTTP/1.1\r\nHost: ", OPEN.as_bytes(), b"\r\n\r\n"].concat();
        assert_outcome("OPTIONS *", &scene.bytes(&options).await, (404, "-", false));
        let lines = b"x-http-method-override: DELETE\r\nx-original-url: /admin\r\nx-rewrite-url: /admin\r\n";
        let outcome = scene.bytes(&get("/x", OPEN, lines)).await;
        assert_outcome("an override", &outcome, PUBLIC);
        assert_eq!(outcome.response().json().expect("an echo")["method"], "GET");
        scene.assert_never_trapped().await;
    });
}

#[test]
fn the_upstream_gets_the_canonical_path_by_its_own_route() {
    on_the_shipped_chain(async |scene| {
        for (target, path) in [
            ("/x?a=%2e%2e/%7E&b=//&c=%00", "/x?a=%2e%2e/%7E&b=//&c=%00"),
            ("/%7Ex/%2d?y=%7E", "/~x/-?y=%7E"),
            ("/a/./b/../c", "/a/c"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/x/..?", "/?"),
        ] {
            let outcome = scene.bytes(&get(target, OPEN, b"")).await;
            assert_outcome(target, &outcome, PUBLIC);
            assert_eq!(echoed_path(&outcome), path, "{target}");
        }
        // Only the canonical form begins with `/second/`: the route is chosen by what was judged, not by what was sent.
        for (target, second) in [
            ("/x/../second/1?q", 1),
            ("/%73econd/1", 1),
            ("/second/../x", 0),
            ("/second/1", 1),
        ] {
            let before = scene.second.count();
            assert_outcome(target, &scene.bytes(&get(target, OPEN, b"")).await, PUBLIC);
            assert_eq!(scene.second.count() - before, second, "{target}");
        }
        let token = scene.token("alice", &["read:profile"]);
        let line = format!("authorization: Bearer {token}\r\n");
        let outcome = scene
            .bytes(&get("/x/%2e%2e/second/%31?q=%31", API, line.as_bytes()))
            .await;
        assert_outcome("with a token", &outcome, (200, "rule.allowed", true));
        assert_eq!(echoed_path(&outcome), "/second/1?q=%31");
        assert_eq!(
            scene.second.seen().last().map(|echo| echo["path"].clone()),
            Some(json!("/second/1?q=%31"))
        );
        scene.assert_never_trapped().await;
    });
}

/// Without the filter's change, Envoy finds no route for a host with a trailing dot.
#[test]
fn the_upstream_gets_the_host_that_was_judged_by_its_own_route() {
    RUNTIME.block_on(async {
        let scene = Scene::start("requests-dot", policies, |config| {
            config.edit_http(|http| {
                http["route_config"]["virtual_hosts"][0]["domains"] = json!([OPEN, format!("{OPEN}:8443")]);
            })
        })
        .await;
        for (sent, host) in [
            ("open.shop.internal", OPEN),
            ("open.shop.internal.", OPEN),
            ("OPEN.shop.internal.", OPEN),
            ("open.shop.internal.:80", OPEN),
            ("open.shop.internal.:8443", "open.shop.internal:8443"),
        ] {
            let outcome = scene.bytes(&get("/x", sent, b"")).await;
            assert_outcome(sent, &outcome, PUBLIC);
            assert_eq!(echoed(&outcome, "host"), [host], "{sent}");
        }
        scene.assert_never_trapped().await;
    });
}

#[test]
fn an_authority_is_served_here_or_refused() {
    on_the_shipped_chain(async |scene| {
        const INVALID: Expected = (400, "request.authority_invalid", false);
        const NOT_SERVED: Expected = (421, "request.authority_not_served", false);
        for (host, expected) in [
            ("open.shop.internal", PUBLIC),
            ("OPEN.Shop.Internal", PUBLIC),
            ("open.shop.internal.", PUBLIC),
            ("open.shop.internal:80", PUBLIC),
            ("open.shop.internal:8443", PUBLIC),
            ("other.com", NOT_SERVED),
            ("shop.internal", NOT_SERVED),
            ("openshop.internal", NOT_SERVED),
            ("open.shop.internal.other.com", NOT_SERVED),
            ("127.0.0.1", NOT_SERVED),
            ("[::1]:80", NOT_SERVED),
            ("", INVALID),
            (".", INVALID),
            ("open.shop.internal..", INVALID),
            ("open..shop.internal", INVALID),
            ("a@open.shop.internal", INVALID),
            ("open.shop.internal:x", INVALID),
            ("open.shop.internal:", INVALID),
            ("open.shop.internal:99999", INVALID),
            ("open.shop.internal:80:80", INVALID),
            ("open.shop.internal, other.com", INVALID),
        ] {
            let outcome = scene.bytes(&get("/x", host, b"")).await;
            // Whichever of the two refuses what is no host at all, it is a 400 and goes nowhere.
            if expected == INVALID && outcome.reason() == "-" {
                assert_outcome(host, &outcome, (400, "-", false));
            } else {
                assert_outcome(host, &outcome, expected);
            }
        }
        for (lines, expected) in [
            (&b"GET /x HTTP/1.1\r\n\r\n"[..], (400, "-", false)),
            (
                b"GET /x HTTP/1.1\r\nHost: open.shop.internal\r\nHost: open.shop.internal\r\n\r\n",
                INVALID,
            ),
            (
                b"GET /x HTTP/1.1\r\nHost: open.shop.internal\r\nHost: api.us-east-1.com\r\n\r\n",
                INVALID,
            ),
            (
                b"GET /x HTTP/1.1\r\nhost: other.com\r\nHOST: open.shop.internal\r\n\r\n",
                INVALID,
            ),
            // RFC 9112 section 3.2.2: the target's authority counts, and it is the one that goes on.
            (
                b"GET http://open.shop.internal/x HTTP/1.1\r\nHost: other.com\r\n\r\n",
                PUBLIC,
            ),
            (
                b"GET http://other.com/x HTTP/1.1\r\nHost: open.shop.internal\r\n\r\n",
                NOT_SERVED,
            ),
            (
                b"GET http://OPEN.shop.internal/admin HTTP/1.1\r\nHost: open.shop.internal\r\n\r\n",
                (403, "rule.denied", false),
            ),
            (
                b"GET http://u@open.shop.internal/admin HTTP/1.1\r\nHost: open.shop.internal\r\n\r\n",
                (403, "rule.denied", false),
            ),
        ] {
            let outcome = scene.bytes(lines).await;
            assert_outcome(&escaped(lines), &outcome, expected);
            if expected == PUBLIC {
                assert_eq!(echoed(&outcome, "host"), [OPEN]);
            }
        }
        // An absolute form's host decides the rule as any other does: nothing lets an API request in as a public one.
        let absolute = b"GET http://api.us-east-1.com/v1/profiles/1 HTTP/1.1\r\nHost: open.shop.internal\r\n\r\n";
        assert_outcome(
            "absolute",
            &scene.bytes(absolute).await,
            (401, "identity.missing", false),
        );
        scene.assert_never_trapped().await;
    });
}
