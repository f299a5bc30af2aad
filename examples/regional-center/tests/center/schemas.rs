//! Questions and answers against the JSON Schemas that the OpenID AuthZEN working group publishes. They are not part of
//! this project: `REGIONGUARD_VECTORS` names the folder that holds them, from the root of the workspace or absolute.

use std::io::Write;
use std::path::PathBuf;

use crate::client::{Reply, Server};
use jsonschema::Validator;
use serde_json::{Value as Json, json};

struct Published {
    request: Validator,
    response: Validator,
    examples: Vec<Json>,
    todo: Vec<Json>,
}

/// Reads the folder. Where it is absent, the test says that it was left out, or fails if
/// `REGIONGUARD_REQUIRE_VECTORS=1`.
fn published() -> Option<Published> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root
        .join(std::env::var_os("REGIONGUARD_VECTORS").unwrap_or("../shared/vectors".into()))
        .join("authzen");
    if !folder.is_dir() {
        let required = std::env::var("REGIONGUARD_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "the published schemas are required, and `{}` is not there",
            folder.display()
        );
        // Past the capture of the test runner: a test that is left out must not look like one that passed.
        let mut uncaptured = std::io::stderr();
        writeln!(
            uncaptured,
            "left out: the published schemas are not in `{}`",
            folder.display()
        )
        .unwrap();
        return None;
    }
    let read = |name: &str| -> Json { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };
    let request = read("schemas/evaluation-request.schema.json");
    let todo = read("todo-decisions-1_0-01.json");
    Some(Published {
        examples: request["examples"].as_array().unwrap().clone(),
        request: jsonschema::validator_for(&request).unwrap(),
        response: jsonschema::validator_for(&read("schemas/evaluation-response.schema.json")).unwrap(),
        todo: todo["evaluation"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| case["request"].clone())
            .collect(),
    })
}

async fn evaluate(server: &Server, question: &Json) -> Reply {
    let json = [("content-type", "application/json")];
    server
        .send("POST", "/access/v1/evaluation", &json, question.to_string().as_bytes())
        .await
}

fn question(id: &str) -> Json {
    json!({
        "subject": {
            "type": "identity",
            "id": "alice",
            "properties": {"home": "us-east-1", "iss": "identity.global.com", "roles": ["clerk"], "permissions": ["read:profile"]},
        },
        "action": {"name": "GET", "properties": {}},
        "resource": {
            "type": "route",
            "id": "/v1/profiles/{id}",
            "properties": {"host": "api.us-east-1.com", "path": format!("/v1/profiles/{id}"), "captures": {"id": id}, "query": "a=b"},
        },
        "context": {
            "time": "2026-01-01T00:00:00Z",
            "local": "us-east-1",
            "source": {"address": "127.0.1.1", "region": "us-east-1"},
            "request_id": "r-1",
            "policy": "profiles",
            "rule": "read",
            "bundle": "shop@41+abcdef012345",
        },
    })
}

/// Whatever the published request schema lets pass is answered by what the response schema wants.
#[tokio::test]
async fn published_questions_get_answers_of_the_published_form() {
    let Some(published) = published() else { return };
    let server = Server::start("us-east-1").await;
    let own = ["41", "42", "43", "99"].map(question);
    let questions: Vec<&Json> = own.iter().chain(&published.examples).chain(&published.todo).collect();
    assert!(questions.len() > 20, "the published cases are there");
    for question in questions {
        assert!(published.request.is_valid(question), "{question}");
        let reply = evaluate(&server, question).await;
        assert_eq!(reply.status, 200, "{question}: {}", reply.text());
        assert!(
            published.response.is_valid(&reply.json()),
            "{question}: {}",
            reply.text()
        );
    }
}

/// A question is refused exactly where the published schema refuses it.
#[tokio::test]
async fn the_schema_and_the_center_refuse_the_same() {
    let Some(published) = published() else { return };
    let server = Server::start("us-east-1").await;
    let values = [
        None,
        Some(json!(null)),
        Some(json!("")),
        Some(json!("x")),
        Some(json!(7)),
        Some(json!([])),
        Some(json!({})),
    ];
    let mut refused = 0;
    for pointer in [
        "/subject",
        "/subject/type",
        "/subject/id",
        "/subject/properties",
        "/action",
        "/action/name",
        "/action/properties",
        "/resource",
        "/resource/type",
        "/resource/id",
        "/resource/properties",
        "/context",
        "/context/local",
        "/unknown",
    ] {
        for value in &values {
            let changed = with(question("43"), pointer, value.clone());
            let valid = published.request.is_valid(&changed);
            refused += usize::from(!valid);
            let reply = evaluate(&server, &changed).await;
            assert_eq!(
                reply.status,
                if valid { 200 } else { 400 },
                "{changed}: {}",
                reply.text()
            );
        }
    }
    assert!(refused > 40, "{refused} were refused");
}

/// The same question with the member at `pointer` replaced, or taken away.
fn with(mut question: Json, pointer: &str, value: Option<Json>) -> Json {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = question.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(member.to_owned(), value)),
        None => drop(parent.remove(member)),
    }
    question
}
