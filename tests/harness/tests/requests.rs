//! Requests that no ordinary client sends, on a real Envoy: each is decided for the reason that it deserves, none traps the module,
//! and the upstream sees only what was judged.

#[path = "support/h2.rs"]
mod h2;
#[path = "support/scene.rs"]
mod scene;

use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::{Config, http_filter};
use regionguard_harness::issuer::Issuer;
use regionguard_harness::message::escaped;
use scene::{Outcome, Scene, bundle};
use serde_json::{Value, json};

/// Where everything is public but `/admin`.
const OPEN: &str = "open.shop.internal";
/// Where a token is needed.
const API: &str = "api.us-east-1.com";

fn policies(issuer: &Issuer) -> Value {
    let trust = json!({"hosts": [API, "*.shop.internal"]});
    let open = json!({
        "selector": {"hosts": [OPEN]},
        "forward": {"claims": {"x-user": "sub"}},
        "rules": [
            {"name": "all", "paths": ["/**"], "identity": "none", "effect": "allow"},
            {"name": "no-admin", "paths": ["/admin/**"], "effect": "deny"},
            {"name": "hidden", "paths": ["/hidden/**"], "effect": "deny", "response": {"status": 404, "hide": true}},
        ],
    });
    let api = json!({
        "selector": {"hosts": [API]},
        "forward": {"token": "strip", "claims": {"x-user": "sub"}},
        "rules": [
            {
                "name": "read", "methods": ["GET"], "paths": ["/v1/profiles/{id}", "/second/{id}"],
                "permissions": {"anyOf": ["read:profile"]}, "effect": "allow",
            },
            {
                "name": "grpc", "methods": ["POST"], "paths": ["/shop.Profiles/Get"],
                "permissions": {"anyOf": ["read:profile"]}, "effect": "allow",
            },
            {"name": "ask", "paths": ["/ask", "/shop.Profiles/Ask"], "effect": "defer"},
        ],
    });
    bundle(issuer, &trust, &[("open", open), ("api", api)])
}

async fn scene(name: &str) -> Scene {
    Scene::start(name, policies, |config| config).await
}

/// `GET target` to `host` with these header lines.
fn get(target: impl AsRef<[u8]>, host: &str, lines: &[u8]) -> Vec<u8> {
    [
        b"GET ",
        target.as_ref(),
        b" HTTP/1.1\r\nHost: ",
        host.as_bytes(),
        b"\r\n",
        lines,
        b"\r\n",
    ]
    .concat()
}

/// Status, reason, and whether an upstream was reached.
type Expected = (u16, &'static str, bool);

const PUBLIC: Expected = (200, "rule.public", true);

fn assert_outcome(what: &str, outcome: &Outcome, (status, reason, reached): Expected) {
    assert_eq!(
        outcome.summary(),
        (status, reason.to_owned(), u64::from(reached)),
        "{what}: {:?}",
        outcome.entry
    );
    if !reached && reason != "-" {
        assert_eq!(outcome.entry.text("details"), format!("regionguard.{reason}"), "{what}");
    }
}

fn echoed(outcome: &Outcome, name: &str) -> Vec<String> {
    let echo = outcome.response().json().expect("an echo");
    let headers = echo["headers"].as_array().expect("headers").iter();
    let values = headers.filter(|pair| pair[0] == name);
    values.map(|pair| pair[1].as_str().expect("text").to_owned()).collect()
}

fn echoed_path(outcome: &Outcome) -> String {
    outcome.response().json().expect("an echo")["path"]
        .as_str()
        .expect("a path")
        .to_owned()
}

#[tokio::test]
async fn bytes_that_are_not_text_never_trap() {
    let scene = scene("requests-bytes").await;
    for value in [
        &b"\xE9"[..],
        b"\xFF\xFE",
        b"caf\xE9",
        b"\xC3\x28",
        b"\xED\xA0\x80",
        b"\xF8\x88\x80\x80\x80",
        b"a\x80",
    ] {
        for name in [
            "user-agent",
            "x-request-id",
            "cookie",
            "referer",
            "x-forwarded-for",
            "content-type",
            "te",
            "x-user",
            "x-regionguard-subject",
            "accept",
        ] {
            let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
            assert_outcome(
                &format!("{name}: {}", escaped(value)),
                &scene.bytes(&get("/x", OPEN, &line)).await,
                PUBLIC,
            );
        }
        let bearer = [b"authorization: Bearer ", value, b"\r\n"].concat();
        assert_outcome("a token", &scene.bytes(&get("/x", OPEN, &bearer)).await, PUBLIC);
        assert_outcome(
            "a token",
            &scene.bytes(&get("/v1/profiles/1", API, &bearer)).await,
            (401, "identity.malformed", false),
        );
        let other = [b"authorization: ", value, b"\r\n"].concat();
        assert_outcome(
            "a scheme",
            &scene.bytes(&get("/v1/profiles/1", API, &other)).await,
            (401, "identity.scheme", false),
        );
        // Envoy's own parser refuses these.
        assert_outcome(
            "a path",
            &scene.bytes(&get([b"/", value].concat(), OPEN, b"")).await,
            (400, "-", false),
        );
        let host = [b"GET /x HTTP/1.1\r\nHost: ", value, b".shop.internal\r\n\r\n"].concat();
        assert_outcome("a host", &scene.bytes(&host).await, (400, "-", false));
        let name = [b"x-", value, b": 1\r\n"].concat();
        assert_outcome("a name", &scene.bytes(&get("/x", OPEN, &name)).await, (400, "-", false));
    }
    scene.assert_never_trapped().await;
}

/// Envoy's limits for headers, raised beyond what the host can hand to a module.
fn large(config: Config) -> Config {
    config.concurrency(2).edit_http(|http| {
        http["max_request_headers_kb"] = json!(1024);
        http["common_http_protocol_options"]["max_headers_count"] = json!(5000);
    })
}

#[tokio::test]
async fn header_lines_beyond_what_the_host_hands_over_are_refused() {
    let scene = Scene::start("requests-lines", policies, large).await;
    let lines = |count: usize| {
        (0..count)
            .flat_map(|index| format!("x-{index}: v\r\n").into_bytes())
            .collect::<Vec<_>>()
    };
    for (count, expected) in [
        (10, PUBLIC),
        (1000, PUBLIC),
        (1100, (400, "request.malformed", false)),
        (4000, (400, "request.malformed", false)),
    ] {
        assert_outcome(
            &format!("{count} lines"),
            &scene.bytes(&get("/x", OPEN, &lines(count))).await,
            expected,
        );
        assert_outcome("the next request", &scene.bytes(&get("/x", OPEN, b"")).await, PUBLIC);
    }
    let long = |name: usize, value: usize| format!("x-{}: {}\r\n", "n".repeat(name), "v".repeat(value)).into_bytes();
    for (name, value) in [(60_000, 1), (1, 900_000), (500_000, 200_000)] {
        assert_outcome(
            "a long line",
            &scene.bytes(&get("/x", OPEN, &long(name, value))).await,
            PUBLIC,
        );
    }
    // A thousand spellings of a header that only the filter may write.
    let spellings = |index: usize| {
        format!(
            "x{}regionguard{}h-{index}: v\r\n",
            if index % 2 == 0 { '-' } else { '_' },
            if index % 3 == 0 { '-' } else { '_' }
        )
    };
    let outcome = scene
        .bytes(&get(
            "/x",
            OPEN,
            &(0..900)
                .flat_map(|index| spellings(index).into_bytes())
                .collect::<Vec<_>>(),
        ))
        .await;
    assert_outcome("its own headers", &outcome, PUBLIC);
    assert!(
        !outcome.response().text().contains("regionguard"),
        "{}",
        outcome.response().text()
    );
    let repeated = b"x-regionguard-subject: root\r\nX-User: root\r\nx_user: root\r\n".repeat(300);
    let outcome = scene.bytes(&get("/x", OPEN, &repeated)).await;
    assert_outcome("repeated", &outcome, PUBLIC);
    assert!(
        !outcome.response().text().contains("root"),
        "{}",
        outcome.response().text()
    );
    scene.assert_never_trapped().await;
}

#[tokio::test]
async fn a_path_has_one_meaning_or_is_refused() {
    let scene = scene("requests-paths").await;
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
}

#[tokio::test]
async fn the_upstream_gets_the_canonical_path_by_its_own_route() {
    let scene = scene("requests-canonical").await;
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
}

#[tokio::test]
async fn an_authority_is_served_here_or_refused() {
    let scene = scene("requests-authority").await;
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
}

/// A chain that lets tunnels and WebSockets come as far as the filter, on both protocols.
fn tunnels(config: Config) -> Config {
    config.edit_http(|http| {
        http["upgrade_configs"] = json!([{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]);
        http["http2_protocol_options"]["allow_connect"] = json!(true);
        let routes = http.pointer_mut("/route_config/virtual_hosts/0/routes").and_then(Value::as_array_mut);
        let connect = json!({"match": {"connect_matcher": {}}, "route": {"cluster": "upstream", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}});
        routes.expect("routes").insert(0, connect);
    })
}

#[tokio::test]
async fn tunnels_and_upgrades_are_refused() {
    const REFUSED: Expected = (403, "request.upgrade", false);
    let scene = Scene::start("requests-upgrades", policies, tunnels).await;
    let upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    assert_outcome("websocket", &scene.bytes(&get("/x", OPEN, upgrade)).await, REFUSED);
    let connect = b"CONNECT open.shop.internal:443 HTTP/1.1\r\nHost: open.shop.internal:443\r\n\r\n";
    assert_outcome("CONNECT", &scene.bytes(connect).await, REFUSED);
    let extended: &[(&[u8], &[u8])] = &[
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"http"),
        (b":path", b"/x"),
        (b":authority", OPEN.as_bytes()),
    ];
    assert_outcome("extended CONNECT", &over_h2(&scene, extended).await, REFUSED);
    let plain: &[(&[u8], &[u8])] = &[(b":method", b"CONNECT"), (b":authority", b"open.shop.internal:443")];
    assert_outcome("CONNECT over HTTP/2", &over_h2(&scene, plain).await, REFUSED);
    scene.assert_never_trapped().await;
}

#[tokio::test]
async fn the_shipped_chain_refuses_upgrades_by_itself() {
    let scene = scene("requests-no-upgrades").await;
    let upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let outcome = scene.bytes(&get("/x", OPEN, upgrade)).await;
    assert_outcome("websocket", &outcome, (403, "-", false));
    assert_eq!(outcome.entry.text("details"), "upgrade_failed");
    let connect = b"CONNECT open.shop.internal:443 HTTP/1.1\r\nHost: open.shop.internal:443\r\n\r\n";
    assert_outcome("CONNECT", &scene.bytes(connect).await, (403, "request.upgrade", false));
    // HTTP/2 by upgrade is no other protocol to the filter: Envoy ignores it.
    let h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    assert_outcome("h2c", &scene.bytes(&get("/x", OPEN, h2c)).await, PUBLIC);
}

/// Sends header fields over HTTP/2.
async fn over_h2(scene: &Scene, fields: &[(&[u8], &[u8])]) -> Outcome {
    let address = scene.envoy.address();
    let answer = async {
        h2::send(address, fields)
            .await
            .map(|ended| Err(format!("{ended:?}").into()))
            .expect("an answer")
    };
    scene.watch(answer).await
}

#[tokio::test]
async fn http2_has_its_own_ways_to_be_ambiguous() {
    let scene = scene("requests-h2").await;
    type Field = (&'static [u8], &'static [u8]);
    const HOST: &[u8] = OPEN.as_bytes();
    const SAME_HOST: &[Field] = &[(b"host", HOST)];
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
        assert_outcome(what, &over_h2(&scene, &fields).await, expected);
    }
    let seen = Value::from(scene.upstream.seen()).to_string();
    assert!(!seen.contains("root") && !seen.contains(API), "{seen}");
    // Refused by Envoy or by the filter: what counts is that nothing of it reaches an upstream. Envoy takes a second to close each
    // connection, so all go at once.
    let (lines, reached) = (scene.envoy.access_log().entries().len(), scene.upstream.count());
    let mut sent = tokio::task::JoinSet::new();
    for (what, fields) in [
        ("two paths", with(&[(b":path", b"/admin")])),
        ("two methods", with(&[(b":method", b"POST")])),
        ("two authorities", with(&[(b":authority", b"other.com")])),
        ("an unknown pseudo-header", with(&[(b":regionguard", b"1")])),
        (
            "a pseudo-header too late",
            vec![base[0], base[1], base[2], (b"x", b"y"), base[3]],
        ),
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
    assert_outcome("the next request", &over_h2(&scene, &base).await, PUBLIC);
    scene.assert_never_trapped().await;
}

#[tokio::test]
async fn a_refusal_tells_its_caller_as_much_as_it_may() {
    let scene = scene("requests-answers").await;
    let http1 = |request: Request| async {
        let request = request;
        scene.send(Protocol::Http1, &request).await
    };
    let path = "/v1/profiles/42";

    let missing = http1(Request::new("GET", path).host(API).header("x-request-id", "r-1")).await;
    assert_outcome("no token", &missing, (401, "identity.missing", false));
    let answer = missing.response();
    assert_eq!(
        answer.header("www-authenticate").as_deref(),
        Some("Bearer realm=\"us-east-1\"")
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/problem+json")
    );
    let problem = json!({
        "type": "urn:regionguard:problem:unauthenticated", "title": "A valid token is required", "status": 401,
        "code": "unauthenticated", "request_id": "r-1",
    });
    assert_eq!(answer.json().expect("a problem"), problem);

    let token = scene.token("alice", &["write:profile"]);
    let forbidden = http1(Request::new("GET", path).host(API).bearer(&token)).await;
    assert_outcome("no permission", &forbidden, (403, "permission.missing", false));
    assert!(
        !forbidden.response().text().contains("permission"),
        "the reason is for the log"
    );
    assert_eq!(forbidden.response().header("www-authenticate"), None);
    assert_eq!(
        forbidden.entry.decision().map(|decision| decision.rule).as_deref(),
        Some("api/read")
    );

    let forged = http1(Request::new("GET", path).host(API).bearer("a.b.c")).await;
    assert_outcome("a bad token", &forged, (401, "identity.malformed", false));
    let challenge = forged.response().header("www-authenticate");
    assert_eq!(
        challenge.as_deref(),
        Some("Bearer realm=\"us-east-1\", error=\"invalid_token\"")
    );
    assert!(!forged.entry.0.to_string().contains("a.b.c"), "no token in a log");

    let away = http1(Request::new("GET", "/ask").host(API).bearer(&token)).await;
    assert_outcome("no center", &away, (503, "center.unavailable", false));
    assert_eq!(away.response().header("retry-after").as_deref(), Some("5"));

    let hidden = http1(Request::new("GET", "/hidden/x").host(OPEN)).await;
    assert_outcome("hidden", &hidden, (404, "rule.denied", false));
    assert_eq!(hidden.response().json().expect("a problem")["code"], "not_found");
    assert!(!hidden.response().text().contains("denied") && hidden.response().header("www-authenticate").is_none());

    // An id that could not stand in a log or a header is not repeated.
    let odd = http1(
        Request::new("GET", path)
            .host(API)
            .header("x-request-id", "\"<script>\" \u{e9}"),
    )
    .await;
    assert!(!odd.response().text().contains("script"), "{}", odd.response().text());
    scene.assert_never_trapped().await;
}

#[tokio::test]
async fn one_token_of_a_bearable_size_is_read() {
    let scene = scene("requests-tokens").await;
    let path = "/v1/profiles/42";
    let token = scene.token("alice", &["read:profile"]);
    for method in ["GET", "HEAD"] {
        let request = Request::new(method, path)
            .host(API)
            .bearer(&token)
            .header("x-user", "root");
        let outcome = scene.send(Protocol::Http1, &request).await;
        assert_outcome(method, &outcome, (200, "rule.allowed", true));
        let echo = scene.upstream.seen().pop().expect("an echo");
        let text = echo.to_string();
        assert!(!text.contains(&token) && !text.contains("root"), "{text}");
        let headers = echo["headers"].as_array().expect("headers");
        for (name, value) in [
            ("x-user", "alice"),
            ("x-regionguard-subject", "alice"),
            ("x-regionguard-region", "us-east-1"),
        ] {
            assert!(headers.contains(&json!([name, value])), "{text}");
        }
    }
    let denied = scene
        .send(Protocol::Http1, &Request::new("DELETE", path).host(API).bearer(&token))
        .await;
    assert_outcome("DELETE", &denied, (403, "policy.no_rule", false));

    for (what, lines, reason) in [
        (
            "two headers",
            format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
            "request.token_ambiguous",
        ),
        (
            "another first",
            format!("authorization: Basic eDp5\r\nauthorization: Bearer {token}\r\n"),
            "request.token_ambiguous",
        ),
        (
            "joined",
            format!("authorization: Bearer {token}, Bearer {token}\r\n"),
            "request.token_ambiguous",
        ),
        (
            "a comma",
            format!("authorization: Bearer {token},\r\n"),
            "request.token_ambiguous",
        ),
    ] {
        assert_outcome(
            what,
            &scene.bytes(&get(path, API, lines.as_bytes())).await,
            (400, reason, false),
        );
    }
    for (what, value, reason) in [
        ("another scheme", format!("Basic {token}"), "identity.scheme"),
        ("no scheme", token.clone(), "identity.scheme"),
        ("two spaces", format!("Bearer  {token}"), "identity.malformed"),
        ("a fourth part", format!("Bearer {token}.AA"), "identity.malformed"),
        (
            "too large",
            format!("Bearer {}", "a".repeat(16 * 1024 + 1)),
            "identity.too_large",
        ),
        (
            "much too large",
            format!("Bearer {token}{}", "a".repeat(40_000)),
            "identity.too_large",
        ),
    ] {
        let line = format!("authorization: {value}\r\n");
        assert_outcome(
            what,
            &scene.bytes(&get(path, API, line.as_bytes())).await,
            (401, reason, false),
        );
    }
    let mut claims = scene.issuer.claims("alice");
    claims["permissions"]["global"] = json!(["read:profile"]);
    claims["padding"] = json!("x".repeat(11_500));
    let large = scene
        .issuer
        .mint(regionguard_harness::issuer::Alg::Es256, "p256", &claims)
        .expect("a token");
    assert!((15_000..=16_384).contains(&large.len()), "{}", large.len());
    let outcome = scene
        .send(Protocol::Http1, &Request::new("GET", path).host(API).bearer(&large))
        .await;
    assert_outcome("as large as may be", &outcome, (200, "rule.allowed", true));
    scene.assert_never_trapped().await;
}

#[tokio::test]
async fn grpc_requests_get_grpc_statuses() {
    let scene = scene("requests-grpc").await;
    let reader = scene.token("alice", &["read:profile"]);
    let nobody = scene.token("bob", &[]);
    let call = |path: &str, host: &str, token: Option<&str>| {
        let request = Request::new("POST", path)
            .host(host)
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers");
        token.into_iter().fold(request, Request::bearer)
    };
    for (what, request, grpc_status, reason) in [
        (
            "no token",
            call("/shop.Profiles/Get", API, None),
            "16",
            "identity.missing",
        ),
        (
            "no permission",
            call("/shop.Profiles/Get", API, Some(&nobody)),
            "7",
            "permission.missing",
        ),
        (
            "no center",
            call("/shop.Profiles/Ask", API, Some(&reader)),
            "14",
            "center.unavailable",
        ),
        (
            "no meaning",
            call("/shop.Profiles//Get", API, Some(&reader)),
            "3",
            "request.path_empty_segment",
        ),
        (
            "elsewhere",
            call("/shop.Profiles/Get", "other.com", Some(&reader)),
            "5",
            "request.authority_not_served",
        ),
        ("hidden", call("/hidden/Get", OPEN, None), "5", "rule.denied"),
    ] {
        let outcome = scene.send(Protocol::Http2, &request).await;
        assert_outcome(what, &outcome, (200, reason, false));
        let answer = outcome.response();
        assert_eq!(answer.header("grpc-status").as_deref(), Some(grpc_status), "{what}");
        assert_eq!(
            answer.header("content-type").as_deref(),
            Some("application/grpc"),
            "{what}"
        );
        assert!(
            answer
                .header("grpc-message")
                .is_some_and(|message| !message.is_empty() && !message.contains(reason)),
            "{what}"
        );
    }
    let allowed = scene
        .send(Protocol::Http2, &call("/shop.Profiles/Get", API, Some(&reader)))
        .await;
    assert_outcome("allowed", &allowed, (200, "rule.allowed", true));
    assert_eq!(allowed.response().trailer("grpc-status").as_deref(), Some("0"));
    scene.assert_never_trapped().await;
}

/// A chain in which the filter stands twice.
fn twice(config: Config) -> Config {
    config.edit_http(|http| {
        let filter = http_filter(http, "regionguard").expect("the filter").clone();
        http["http_filters"].as_array_mut().expect("filters").insert(2, filter);
    })
}

#[tokio::test]
async fn a_second_instance_in_the_chain_denies() {
    let scene = Scene::start("requests-twice", policies, twice).await;
    let outcome = scene.bytes(&get("/x", OPEN, b"")).await;
    assert_outcome("twice", &outcome, (500, "config.duplicate_filter", false));
    assert_outcome(
        "a refusal by the first",
        &scene.bytes(&get("/admin", OPEN, b"")).await,
        (403, "rule.denied", false),
    );
    scene.assert_never_trapped().await;
}
