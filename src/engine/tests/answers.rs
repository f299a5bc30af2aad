//! What a caller is told, and what not.

use serde_json::Value as Json;

use super::host::{World, answer, get, header};
use super::reasons::everything;
use crate::decision::Decision;
use crate::reason::Reason;

#[test]
fn a_hidden_refusal_looks_as_if_nothing_were_there() {
    let decision = World::new(&everything()).decide(&get("/hidden/a"));
    assert_eq!(decision.reason, Reason::RuleDenied);
    let answer = answer(&decision);
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("\"code\":\"not_found\""), "{}", answer.body);
}

#[test]
fn a_challenge_names_an_error_only_where_a_token_came() {
    let mut world = World::new(&everything());
    let challenge = |decision: Decision| {
        header(answer(&decision), "www-authenticate")
            .expect("a challenge")
            .to_owned()
    };
    let none = "Bearer realm=\"us-east-1\"";
    let invalid = "Bearer realm=\"us-east-1\", error=\"invalid_token\"";
    let profile = || get("/v1/profiles/7");
    assert_eq!(challenge(world.decide(&profile())), none);
    assert_eq!(
        challenge(world.decide(&profile().header("authorization", "Basic YTpi"))),
        none
    );
    assert_eq!(challenge(world.decide(&profile().bearer("x.y.z"))), invalid);
    assert_eq!(
        challenge(world.decide(&profile().header("authorization", "Bearer"))),
        invalid,
        "what came was no token"
    );
}

#[test]
fn the_request_id_comes_back_in_the_answer() {
    let decision = World::new(&everything()).decide(&get("/nowhere"));
    let body: Json = serde_json::from_str(&answer(&decision).body).expect("JSON");
    assert_eq!(body["request_id"], "r-1");
}
