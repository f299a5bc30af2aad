//! Questions and answers against the JSON Schemas that the OpenID AuthZEN working group publishes for the Authorization API 1.0.
//!
//! They are read from the folder that `REGIONGUARD_VECTORS` names (absolute, or from the root of the workspace), or `../shared/vectors`. Without it the tests say that
//! they were left out; with `REGIONGUARD_REQUIRE_VECTORS=1` they fail.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod driven;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use driven::{Driven, bearer, block};
use jsonschema::Validator;
use regionguard::Response;
use regionguard::center::Answer;
use regionguard::engine::{Effect, Effects, Outcome};
use regionguard::request::{Headers, encode};
use serde_json::{Value as Json, json};

/// The folder of the schemas, where it is.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("REGIONGUARD_VECTORS").unwrap_or("../shared/vectors".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(named)
        .join("authzen/schemas");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("REGIONGUARD_REQUIRE_VECTORS").is_none_or(|required| required != "1"),
        "REGIONGUARD_REQUIRE_VECTORS=1, but `{}` is not there: name the folder of the vectors in REGIONGUARD_VECTORS",
        folder.display()
    );
    // Past the capture of the test runner: a test that is left out must not look like one that passed.
    writeln!(
        std::io::stderr(),
        "LEFT OUT: the published schemas are not in `{}`; name their folder in REGIONGUARD_VECTORS",
        folder.display()
    )
    .expect("written");
    None
}

fn schema(name: &str) -> Option<Validator> {
    let path = folder()?.join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    let schema: Json = serde_json::from_slice(&text).expect("JSON");
    Some(jsonschema::validator_for(&schema).expect("a schema"))
}

/// What the center is asked about a request.
fn question(driven: &mut Driven, block: &[u8]) -> Json {
    let mut fx = Effects::default();
    let outcome = driven.begin(block, &mut fx);
    assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
    let call = fx.list.iter().find_map(|effect| match effect {
        Effect::Call(call) => Some(call),
        _ => None,
    });
    serde_json::from_slice(&call.expect("a call").outgoing.body).expect("JSON")
}

#[test]
fn every_question_is_of_the_published_form() {
    let Some(published) = schema("evaluation-request.schema.json") else {
        return;
    };
    let rules = json!([
        {"name": "profile", "paths": ["/v1/profiles/{id}"], "effect": "defer", "defer": {"claims": ["department", "absent"]}},
        {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "defer"},
        {"name": "any", "paths": ["/shop.v1.Orders/*", "/any/**"], "effect": "defer"},
    ]);
    let (bearer, mut driven) = (bearer(), Driven::new(&rules));
    let authorization = ("authorization", bearer.as_str());
    for block in [
        block("/v1/profiles/42?a=b", &[authorization]),
        block("/public/a", &[]),
        block("/public/a", &[authorization]),
        block(
            "/shop.v1.Orders/Place",
            &[authorization, ("content-type", "application/grpc")],
        ),
        block("/any/%F0%9F%98%80%22?%00", &[authorization]),
    ] {
        let question = question(&mut driven, &block);
        let errors: Vec<String> = published
            .iter_errors(&question)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}: {question}");
        for (pointer, kind) in [("/subject/type", "identity"), ("/resource/type", "route")] {
            let mut changed = question.clone();
            *changed.pointer_mut(pointer).expect("a member") = json!(7);
            assert!(!published.is_valid(&changed), "the schema looks at {pointer} ({kind})");
        }
    }
}

/// What the published schema refuses is no answer here either, and what it lets pass is one, but for what only prose says.
#[test]
fn an_answer_is_what_the_published_form_says() {
    let Some(published) = schema("evaluation-response.schema.json") else {
        return;
    };
    let mut refused = 0_usize;
    for answer in [
        json!({"decision": true}),
        json!({"decision": false}),
        json!({"decision": true, "context": {}}),
        json!({"decision": true, "context": {"reason_admin": {"en": "a"}, "reason_user": {"en": "b"}, "other": [1]}}),
        json!({"decision": false, "context": {"id": "0", "reason_user": {"403": "c"}}, "unknown": null}),
        json!({"decision": "true"}),
        json!({"decision": 1}),
        json!({"decision": null}),
        json!({"decision": true, "context": null}),
        json!({"decision": true, "context": []}),
        json!({"decision": true, "context": [null, null, 7]}),
        json!({"decision": true, "context": "ttl"}),
        json!({"context": {}}),
        json!({}),
        json!([true]),
        json!([true, {}]),
        json!([]),
        json!(true),
        json!(null),
        json!("decision"),
    ] {
        let body = answer.to_string();
        let headers = encode(&[(b"content-type", b"application/json")]);
        let response = Response {
            status: 200,
            headers: Headers::parse(&headers).expect("headers"),
            body: Some(body.as_bytes()),
        };
        let read = Answer::read(response, None);
        assert_eq!(read.is_ok(), published.is_valid(&answer), "{body}: {read:?}");
        if let Ok(read) = read {
            assert_eq!(Json::from(read.allow), answer["decision"]);
        } else {
            refused = refused.saturating_add(1);
        }
    }
    assert_eq!(refused, 15);
}
