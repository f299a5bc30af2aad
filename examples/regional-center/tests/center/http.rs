//! The center over a real socket: what a client sends, and what it gets byte for byte.

use std::sync::{Arc, Mutex};

use crate::client::{Reply, Server, TempDir};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const EVALUATION: &str = "/access/v1/evaluation";
const JSON: (&str, &str) = ("content-type", "application/json");

fn question(home: &str, id: &str) -> Json {
    json!({
        "subject": {"type": "identity", "id": "alice", "properties": {"home": home, "iss": "identity.global.com"}},
        "action": {"name": "GET", "properties": {}},
        "resource": {
            "type": "route",
            "id": "/v1/profiles/{id}",
            "properties": {"host": "api.us-east-1.com", "path": format!("/v1/profiles/{id}"), "captures": {"id": id}},
        },
        "context": {"local": "us-east-1", "time": "2026-01-01T00:00:00Z", "request_id": "r-1"},
    })
}

async fn evaluate(server: &Server, question: &Json) -> Reply {
    server
        .send("POST", EVALUATION, &[JSON], question.to_string().as_bytes())
        .await
}

#[tokio::test]
async fn an_evaluation_is_answered_with_decision_reasons_and_ttl() {
    let server = Server::start("us-east-1").await;
    let allowed = evaluate(&server, &question("us-east-1", "43")).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("content-type"), Some("application/json"));
    assert_eq!(
        allowed.json(),
        json!({
            "decision": true,
            "context": {
                "reason_admin": {"en": "GDPR: profile 43 resides in eu-west-1 and may go to us-east-1: consent or contract"},
                "reason_user": {"en": "This transfer is covered by consent or a contract."},
                "ttl": 60,
            },
        })
    );
    let denied = evaluate(&server, &question("us-east-1", "42")).await;
    assert_eq!(denied.status, 200);
    assert_eq!(denied.json()["decision"], json!(false));
    assert_eq!(denied.json()["context"]["ttl"], json!(10));
}

#[tokio::test]
async fn the_request_id_comes_back_whatever_the_answer_is() {
    let server = Server::start("us-east-1").await;
    let id = ("x-request-id", "bfe9eb29-ab87");
    let body = question("us-east-1", "43").to_string();
    for (method, path, body, status) in [
        ("POST", EVALUATION, body.as_bytes(), 200),
        ("POST", EVALUATION, b"{".as_slice(), 400),
        ("GET", EVALUATION, b"".as_slice(), 405),
        ("GET", "/nothing", b"".as_slice(), 404),
        ("GET", "/ext_authz/v1/profiles/43", b"".as_slice(), 403),
        ("GET", "/healthz", b"".as_slice(), 200),
    ] {
        let reply = server.send(method, path, &[JSON, id], body).await;
        assert_eq!(
            (reply.status, reply.header("x-request-id")),
            (status, Some("bfe9eb29-ab87")),
            "{method} {path}"
        );
    }
    let without = server.send("POST", EVALUATION, &[JSON], body.as_bytes()).await;
    assert_eq!(without.header("x-request-id"), None);
}

#[tokio::test]
async fn what_is_no_question_is_told_what_is_wrong_with_it() {
    let server = Server::start("us-east-1").await;
    for (body, message) in [
        (&b"{\"subject\":"[..], "the body is not JSON: "),
        (b"", "the body is not JSON: "),
        (b"\xff\xfe", "the body is not JSON: "),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "`subject` is missing"),
        (
            br#"{"subject":{"type":"t","id":"i"},"subject":{"type":"t","id":"j"}}"#,
            "the body is not JSON: the member",
        ),
        (
            br#"{"subject":{"type":"t","id":"i"},"action":{"name":"n"}}"#,
            "`resource` is missing",
        ),
    ] {
        let reply = server.send("POST", EVALUATION, &[JSON], body).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().starts_with(message), "{}", reply.text());
    }
}

#[tokio::test]
async fn the_content_type_is_json_and_stands_once() {
    let server = Server::start("us-east-1").await;
    let body = question("us-east-1", "43").to_string();
    for (headers, status) in [
        (&[JSON][..], 200),
        (&[("content-type", "Application/JSON; charset=utf-8")], 200),
        (&[("content-type", "text/plain")], 415),
        (&[("content-type", "application/jsonp")], 415),
        (&[("content-type", "")], 415),
        (&[JSON, JSON], 415),
        (&[], 415),
    ] {
        let reply = server.send("POST", EVALUATION, headers, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_or_without_a_length() {
    let server = Server::start("us-east-1").await;
    let mut question = question("us-east-1", "43");
    let padding = 64 * 1024 - question.to_string().len() - r#","x":"""#.len();
    question["x"] = json!("x".repeat(padding));
    let fits = question.to_string();
    assert_eq!(fits.len(), 64 * 1024);
    assert_eq!(
        server.send("POST", EVALUATION, &[JSON], fits.as_bytes()).await.status,
        200
    );
    let over = format!("{fits} ");
    assert_eq!(
        server.send("POST", EVALUATION, &[JSON], over.as_bytes()).await.status,
        413
    );
    let reply = server.send_chunked(EVALUATION, &[JSON], over.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.text()),
        (413, "the body is larger than 65536 bytes\n".to_owned())
    );
}

#[tokio::test]
async fn unknown_members_change_nothing() {
    let server = Server::start("us-east-1").await;
    let mut extended = question("us-east-1", "42");
    for pointer in [
        "",
        "/subject",
        "/subject/properties",
        "/action",
        "/resource",
        "/context",
    ] {
        extended.pointer_mut(pointer).unwrap()["decision"] = json!(true);
    }
    let (plain, extended) = (
        evaluate(&server, &question("us-east-1", "42")).await,
        evaluate(&server, &extended).await,
    );
    assert_eq!(extended.status, 200);
    assert_eq!(extended.json(), plain.json());
}

#[tokio::test]
async fn many_at_once_get_their_own_answers() {
    let server = Arc::new(Server::start("us-east-1").await);
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let id = if number % 2 == 0 { "42" } else { "43" };
                (
                    id,
                    evaluate(&server, &question("us-east-1", id)).await.json()["decision"].clone(),
                )
            })
        })
        .collect();
    for task in tasks {
        let (id, decision) = task.await.unwrap();
        assert_eq!(decision, json!(id == "43"));
    }
}

#[tokio::test]
async fn the_metadata_name_the_endpoint_that_answers() {
    let server = Server::start("us-east-1").await;
    let reply = server.send("GET", "/.well-known/authzen-configuration", &[], b"").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    let base = format!("http://{}", server.address);
    assert_eq!(
        reply.json(),
        json!({"policy_decision_point": base, "access_evaluation_endpoint": format!("{base}{EVALUATION}")})
    );
}

fn payload(claims: &Json) -> String {
    URL_SAFE_NO_PAD.encode(claims.to_string())
}

#[tokio::test]
async fn a_check_is_decided_by_the_same_policies() {
    let server = Server::start("us-east-1").await;
    let us = [("x-regionguard-subject", "bob"), ("x-regionguard-region", "us-east-1")];
    let alice = [
        ("x-regionguard-subject", "alice"),
        ("x-regionguard-region", "us-east-1"),
    ];
    for (method, path, headers, status) in [
        ("GET", "/v1/profiles/43", &us, 200),
        ("GET", "/v1/profiles/43?view=full", &us, 200),
        ("GET", "/v1/profiles/42", &us, 403),
        ("GET", "/v1/profiles/99", &us, 403),
        ("PUT", "/v1/profiles/43/export", &us, 200),
        ("POST", "/v1/postings/1001/approve", &us, 200),
        ("POST", "/v1/postings/1001/approve", &alice, 403),
        ("GET", "/v1/postings/1001/approve", &us, 403),
        ("GET", "/v1/profiles/../profiles/43", &us, 403),
        ("GET", "/v1/profiles/4%33", &us, 403),
        ("GET", "//v1/profiles/43", &us, 403),
        ("GET", "/v1/profiles/{id}", &us, 403),
        ("GET", "/", &us, 403),
        ("GET", "", &us, 403),
    ] {
        let reply = server.send(method, &format!("/ext_authz{path}"), headers, b"").await;
        assert_eq!(reply.status, status, "{method} {path} {headers:?}: {}", reply.text());
        assert!(reply.header("x-regional-center-reason").is_some());
    }
    let reply = server.send("GET", "/ext_authz/v1/profiles/42", &us, b"").await;
    let reason = "This data may not leave the EU without consent or a contract.";
    assert_eq!(reply.header("x-regional-center-reason"), Some(reason));
    assert_eq!(
        server.send("GET", "/ext_authzv1/profiles/43", &us, b"").await.status,
        404
    );
}

#[tokio::test]
async fn a_check_takes_the_identity_from_a_verified_payload() {
    let server = Server::start("us-east-1").await;
    let claims =
        |sub: &str| json!({"iss": "identity.global.com", "sub": sub, "region": "us-east-1", "roles": ["clerk"]});
    let path = "/ext_authz/v1/postings/1001/approve";
    for (value, status) in [
        (payload(&claims("bob")), 200),
        (payload(&claims("alice")), 403),
        (format!("{}==", payload(&claims("alice")).trim_end_matches('=')), 403),
        (payload(&json!({"sub": "bob"})), 403),
        (payload(&json!({"region": "us-east-1"})), 403),
        (payload(&json!({"sub": 1, "region": "us-east-1"})), 403),
        (payload(&json!(["bob"])), 403),
        (
            URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","sub":"bob","region":"us-east-1"}"#),
            403,
        ),
        ("!".to_owned(), 403),
        (String::new(), 403),
    ] {
        let reply = server.send("POST", path, &[("x-jwt-payload", &value)], b"").await;
        assert_eq!(reply.status, status, "{value}: {}", reply.text());
    }
}

/// Nothing that a client could add beside what its proxy sets makes it somebody else.
#[tokio::test]
async fn a_check_with_two_identities_is_denied() {
    let server = Server::start("us-east-1").await;
    let bob = payload(&json!({"sub": "bob", "region": "us-east-1"}));
    let (subject, region) = (("x-regionguard-subject", "bob"), ("x-regionguard-region", "us-east-1"));
    for headers in [
        &[("x-jwt-payload", bob.as_str()), subject, region][..],
        &[("x-jwt-payload", bob.as_str()), region],
        &[("x-jwt-payload", bob.as_str()), ("x-jwt-payload", bob.as_str())],
        &[subject, subject, region],
        &[subject, region, region],
        &[subject],
        &[region],
        &[("x-regionguard-subject", "b%6Fb"), region],
        &[("x-regionguard-subject", "b\u{f6}b"), region],
        &[],
    ] {
        let reply = server
            .send("POST", "/ext_authz/v1/postings/1001/approve", headers, b"")
            .await;
        assert_eq!(reply.status, 403, "{headers:?}");
    }
}

#[tokio::test]
async fn each_decision_has_one_line_that_no_request_can_forge() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let center = regional_center::Center::embedded("us-east-1")
        .unwrap()
        .with_log(move |line| sink.lock().unwrap().push(line.to_owned()));
    let server = Server::start_center(center).await;
    let mut forged = question("us-east-1", "42");
    forged["subject"]["id"] = json!("x\n2026-01-01T00:00:00Z allow");
    server
        .send(
            "POST",
            EVALUATION,
            &[JSON, ("x-request-id", "r-1")],
            forged.to_string().as_bytes(),
        )
        .await;
    server.send("POST", EVALUATION, &[JSON], b"{}").await;
    server.send("GET", "/ext_authz/v1/profiles/43", &[], b"").await;
    let lines = lines.lock().unwrap();
    let untimed: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        untimed,
        [
            r#"deny subject="us-east-1/identity.global.com/x\n2026-01-01T00:00:00Z allow" resource="GET /v1/profiles/42" reason="GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1: neither consent nor contract" id="r-1""#,
            r#"refused 400 reason="`subject` is missing: an access evaluation has `subject`, `action` and `resource`""#,
            r#"deny subject="-/-/anonymous" resource="GET /v1/profiles/43" reason="GDPR: the question lacks an identity with a home region, the local region or the profile's id""#,
        ]
    );
}

#[tokio::test]
async fn policies_at_fault_are_an_error_to_authzen_and_a_deny_to_a_check() {
    let directory = TempDir::new();
    directory.write("center.rego", "package center\nanswer := input.never");
    let sources = regional_center::Sources::embedded()
        .with_policies(directory.path())
        .unwrap();
    let server = Server::start_center(regional_center::Center::new("us-east-1", &sources).unwrap().quiet()).await;
    assert_eq!(evaluate(&server, &question("us-east-1", "43")).await.status, 500);
    assert_eq!(
        server.send("GET", "/ext_authz/v1/profiles/43", &[], b"").await.status,
        403
    );
}

#[tokio::test]
async fn it_stops_when_told() {
    let mut server = Server::start("us-east-1").await;
    // A client that keeps its connection does not hold it up.
    let mut kept = tokio::net::TcpStream::connect(server.address).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_ne!(kept.read(&mut [0; 512]).await.unwrap(), 0);
    server.stop().await;
    assert_eq!(kept.read(&mut [0; 512]).await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}
