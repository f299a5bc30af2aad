//! Requests that nobody sends by accident: each gets an answer, and nothing of it gets where it should not.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::documents::{bundle, policy};
use super::host::{Reply, Request, World, answer, get};
use super::tokens::token;
use crate::reason::Reason;
use crate::request::Headers;

fn world() -> World {
    let shop = json!({"forward": {"claims": {"x-user": "sub"}}, "rules": [
        {"name": "read", "paths": ["/read/**"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
        {"name": "blocked", "paths": ["/public/admin/**"], "effect": "deny"},
        {"name": "ask", "paths": ["/ask/**"], "effect": "defer", "defer": {"cache": "30s"}},
    ]});
    World::new(&bundle(&[policy("shop", shop)]))
}

#[test]
fn a_thousand_header_lines() {
    let mut world = world();
    let many = |name: fn(usize) -> String| {
        (0..1_000).fold(get("/read/a").bearer(&token("us-east-1")), |request, number| {
            request.header(name(number), "v")
        })
    };
    assert_eq!(world.reason(&many(|number| format!("x-{number}"))), Reason::RuleAllowed);
    assert_eq!(world.removed.len(), 0);
    assert_eq!(world.reason(&many(|_| "x-user".to_owned())), Reason::RuleAllowed);
    assert_eq!(world.removed, [b"x-user".to_vec()], "one name, once");
    assert_eq!(
        world.reason(&many(|number| format!("x-regionguard-{number}"))),
        Reason::RuleAllowed
    );
    assert_eq!(world.removed.len(), 1_000);
    assert_eq!(
        world.reason(&many(|_| "authorization".to_owned())),
        Reason::TokenAmbiguous
    );
    assert_eq!(world.reason(&many(|_| "host".to_owned())), Reason::AuthorityInvalid);
}

#[test]
fn a_block_that_is_no_block_of_headers() {
    let block = crate::request::encode(&[(b":method", b"GET")]);
    for end in 1..block.len() {
        assert!(Headers::parse(&block[..end]).is_err());
    }
    let mut world = world();
    assert_eq!(world.reason(&Request { lines: Vec::new() }), Reason::RequestMalformed);
}

/// Any byte in any place is judged, and comes out nowhere as it went in (the host of these tests checks every line, header and log).
#[test]
fn bytes_that_are_not_text() {
    let valid = token("us-east-1");
    for byte in (0..=255_u8).filter(|byte| !byte.is_ascii_graphic()) {
        for odd in [
            vec![byte],
            vec![b'a', byte, b'b'],
            [&[byte; 4][..], b"\xff\xc0\xaf"].concat(),
        ] {
            for name in [":method", ":authority", ":path", ":scheme", "x-request-id"] {
                let mut world = world();
                let request = get("/public/a").set(name, &odd);
                let reason = world.reason(&request);
                assert_eq!(reason == Reason::RulePublic, name == "x-request-id", "{name}: {odd:?}");
            }
            let mut world = world();
            let inside = [&b"/public/"[..], &odd].concat();
            assert_ne!(
                world.reason(&get("/").set(":path", &inside)),
                Reason::RulePublic,
                "{odd:?}"
            );
            assert_eq!(
                world.reason(&get("/public/a").header("x-anything", &odd)),
                Reason::RulePublic
            );
            assert_eq!(world.reason(&get("/public/a").header(&odd, "v")), Reason::RulePublic);
            let bearer = [format!("Bearer {valid}").as_bytes(), &odd].concat();
            assert_eq!(
                world.reason(&get("/read/a").header("authorization", &bearer)),
                Reason::TokenMalformed,
                "{odd:?}"
            );
        }
    }
}

#[test]
fn a_request_id_that_would_forge_a_line_counts_as_absent() {
    for id in [
        "r\r\nset-cookie: a=b",
        "r\n",
        "r;allow",
        "r\u{e9}",
        "",
        " r",
        "\u{1b}[2J",
        &"r".repeat(129),
    ] {
        let mut world = world();
        let request = get("/nowhere").set("x-request-id", id);
        let body: Json = serde_json::from_str(&answer(&world.decide(&request)).body).expect("JSON");
        let told = body.get("request_id").and_then(Json::as_str);
        assert_eq!(told, (id == "r;allow").then_some(id), "{id:?}");
        let ask = get("/ask/a").set("x-request-id", id).bearer(&token("us-east-1"));
        let denial = json!({"decision": false, "context": {"reason_admin": "no"}});
        world.answered(
            &ask,
            &Reply {
                request_id: None,
                ..Reply::of(&denial)
            },
        );
        let line = &world.logs.last().expect("a line").1;
        assert!(
            line.ends_with(&format!("(request {}): no", told.unwrap_or("-"))),
            "{line}"
        );
    }
}

#[test]
fn a_path_of_any_size() {
    let valid = token("us-east-1");
    for (path, reason) in [
        (format!("/read/{}", "a".repeat(8_186)), Reason::RuleAllowed),
        (format!("/read/{}", "a".repeat(8_187)), Reason::PathInvalid),
        (format!("/read{}", "/a".repeat(255)), Reason::RuleAllowed),
        (format!("/read{}", "/a".repeat(256)), Reason::PathInvalid),
        (format!("/read/{}", "a".repeat(1_000_000)), Reason::PathInvalid),
        (format!("/read/{}", "%41".repeat(300_000)), Reason::PathInvalid),
        (format!("/read/{}", "../".repeat(200)), Reason::PathInvalid),
        (format!("/read/a?{}", "q".repeat(900_000)), Reason::RuleAllowed),
    ] {
        assert_eq!(
            world().reason(&get(&path).bearer(&valid)),
            reason,
            "{} bytes",
            path.len()
        );
    }
}

/// A deny for everybody is not walked around by a spelling of its path.
#[test]
fn a_refused_path_has_no_other_spelling() {
    for path in [
        "/public/admin/x",
        "/public/admin",
        "/public/admin/",
        "/public/./admin/x",
        "/public/a/../admin/x",
        "/public/%61dmin/x",
        "/public/%61%64min/x",
        "/public//admin/x",
        "/public/admin%2fx",
        "/public/admin%2Fx",
        "/public/admin;a=b/x",
        "/public\\admin\\x",
        "/public/%2e%2e/public/admin/x",
        "//public/admin/x",
        "/public/admin/%00",
        "/public/admin%00",
        "/public/%2561dmin/x",
        "/public/admin#",
        "/public/\u{ff41}dmin/../admin/x",
    ] {
        let reason = world().reason(&get(path));
        assert_ne!(reason, Reason::RulePublic, "{path}");
        assert!(
            reason == Reason::RuleDenied || reason.row().status == 400,
            "{path}: {reason:?}"
        );
    }
}

#[test]
fn no_header_overrides_the_method() {
    let methods = World::new(&super::documents::rules(json!([
        {"name": "read", "methods": ["GET"], "identity": "none", "effect": "allow"},
        {"name": "no-delete", "methods": ["DELETE"], "effect": "deny"},
    ])));
    let mut world = methods;
    assert_eq!(
        world.reason(&get("/a").method("DELETE").header("x-http-method-override", "GET")),
        Reason::RuleDenied
    );
    assert_eq!(world.reason(&get("/a").method("delete")), Reason::RequestMalformed);
    assert_eq!(world.reason(&get("/a").method("HEAD")), Reason::RulePublic);
}

/// What a token says is told nowhere as a separator, a control character or a second header.
#[test]
fn a_subject_cannot_forge_a_line() {
    let names = [
        "a;allow;rule.allowed",
        "a\r\nx-admin: 1",
        "\u{202e}a",
        "a>b>c",
        "\u{0}",
        "allow;",
    ];
    for name in names {
        let odd = super::tokens::token_with("us-east-1", &json!({"sub": name, "roles": [name]}));
        let mut world = world();
        assert_eq!(world.reason(&get("/read/a").bearer(&odd)), Reason::RuleAllowed);
        world.answered(&get("/ask/a").bearer(&odd), &Reply::status(500));
        assert_eq!(world.question()["subject"]["id"], name);
    }
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":method",
        ":path",
        ":authority",
        ":scheme",
        ":protocol",
        "host",
        "authorization",
        "x-request-id",
        "content-type",
        "upgrade",
        "x-user",
        "X_User",
        "x-regionguard-subject",
        ":status",
        "",
    ];
    prop_oneof![
        4 => prop::sample::select(known.map(|name| name.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let valid = format!("Bearer {}", token("us-east-1"));
    let known = [
        "GET",
        "CONNECT",
        "https",
        "api.us-east-1.com",
        "/read/a",
        "/public/%61",
        "/ask/a",
        "/public/admin",
        "Bearer a.b.c",
        "Basic YTpi",
        "r-1",
        "application/grpc",
        "websocket",
        &valid,
    ];
    prop_oneof![
        4 => prop::sample::select(known.map(|value| value.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "[/a-z%0-9A-F.;?#]{0,40}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the lines are, there is a decision or a question, and none of it panics.
    #[test]
    fn any_header_lines(lines in prop::collection::vec((any_name(), any_value()), 0..24), peer in prop::option::of(prop::collection::vec(any::<u8>(), 0..12))) {
        let mut world = world();
        world.peer = peer;
        if let Outcome::Waiting(id) = world.begin(&Request { lines }) {
            world.reply(world.calls[0].id, &Reply { request_id: None, ..Reply::decision(false) });
            prop_assert_eq!(world.finished(id).reason, Reason::CenterDenied);
        }
    }

    /// Nor does any further line in a request that is otherwise in order let in what was not let in before.
    #[test]
    fn no_header_opens_a_door(name in any_name(), value in any_value()) {
        let mut world = world();
        let with_token = value.starts_with(b"Bearer e") && name.eq_ignore_ascii_case(b"authorization");
        let decision = world.decide(&get("/read/a").header(name, value));
        prop_assert!(with_token || decision.line.starts_with("deny;"), "{}", decision.line);
    }

    /// Any bytes as the block: it is read or refused, and what is read is decided.
    #[test]
    fn any_block(block in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(headers) = Headers::parse(&block) {
            let lines = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            let decision = world().decide(&Request { lines });
            prop_assert!(decision.line.starts_with("deny;"), "{}", decision.line);
        }
    }

    /// Any answer of a center decides, and what is not a plain yes lets nobody in.
    #[test]
    fn any_reply(status in 0..600_u16, body in any::<String>(), json in any::<bool>()) {
        let mut world = world();
        let reply = Reply { status, content_type: json.then_some("application/json"), request_id: None, headers: Vec::new(), body: Some(body) };
        let decision = world.answered(&get("/ask/a").bearer(&token("us-east-1")), &reply);
        prop_assert!(decision.line.starts_with("deny;"), "{}", decision.line);
    }
}
