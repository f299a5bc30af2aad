//! What the center is asked: the AuthZEN access evaluation request, member by member.

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::{Outcome, Owner};
use super::documents::rules;
use super::host::{Reply, Request, World, get};
use super::tokens::{START, claims, token, token_with};

fn world(rule: &Json) -> World {
    let mut whole = json!({"name": "ask", "effect": "defer"});
    whole
        .as_object_mut()
        .expect("an object")
        .append(rule.clone().as_object_mut().expect("an object"));
    World::new(&rules(json!([whole])))
}

#[track_caller]
fn asked(world: &mut World, request: &Request) -> Json {
    world.wait(request);
    world.question()
}

#[test]
fn the_question_has_exactly_these_members() {
    let mut world = world(
        &json!({"paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]},
        "defer": {"claims": ["department", "address", "absent"]}}),
    );
    let request = get("/v1/./profiles/4%322?a=b&c=%7E")
        .host("API.us-east-1.com:8443")
        .bearer(&token("us-east-1"));
    let question = asked(&mut world, &request);
    assert_eq!(
        question,
        json!({
            "subject": {"type": "identity", "id": "alice", "properties": {
                "home": "us-east-1", "iss": "identity.global.com", "roles": ["auditor", "viewer"],
                "permissions": ["read:profile", "write:ledger"], "acr": "urn:example:mfa", "amr": ["pwd", "otp"],
                "auth_time": START - 120, "department": "books", "address": {"country": "IE"},
            }},
            "action": {"name": "GET", "properties": {}},
            "resource": {"type": "route", "id": "/v1/profiles/{id}", "properties": {
                "host": "api.us-east-1.com:8443", "path": "/v1/profiles/422", "captures": {"id": "422"}, "query": "a=b&c=%7E",
            }},
            "context": {
                "time": "2027-01-15T08:00:00Z", "local": "us-east-1", "source": {"address": "127.0.1.9", "region": "us-east-1"},
                "request_id": "r-1", "policy": "shop", "rule": "ask", "bundle": world.label,
            },
        })
    );
}

#[test]
fn the_call_goes_to_the_local_regions_center() {
    let mut world = world(&json!({}));
    let Outcome::Waiting(id) = world.begin(&get("/a").bearer(&token("eu-west-1"))) else {
        panic!("decided")
    };
    let [call] = world.calls.as_slice() else {
        panic!("{:?}", world.calls)
    };
    assert_eq!(call.owner, Owner::Request(id));
    assert_eq!(
        (call.outgoing.cluster.as_str(), call.outgoing.timeout),
        ("center-us-east-1", Duration::from_millis(250))
    );
    let headers: Vec<(&str, &str)> = call
        .outgoing
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            (":method", "POST"),
            (":path", "/access/v1/evaluation"),
            (":authority", "center-us-east-1"),
            (":scheme", "http"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("x-request-id", "r-1"),
        ]
    );
    assert_eq!(world.engine.owner(call.id), Some(id));
}

#[test]
fn a_center_is_asked_as_its_region_says() {
    let mut bundle = rules(json!([{"name": "ask", "effect": "defer"}]));
    bundle["documents"][0]["spec"]["center"] =
        json!({"cluster": "pdp", "authority": "pdp.internal:8443", "path": "/v2/ask", "timeout": "2s"});
    let mut world = World::new(&bundle);
    world.wait(&get("/a").bearer(&token("us-east-1")));
    let outgoing = &world.calls[0].outgoing;
    assert_eq!(
        (outgoing.cluster.as_str(), outgoing.timeout),
        ("pdp", Duration::from_secs(2))
    );
    assert_eq!(
        (outgoing.headers[1].1.as_str(), outgoing.headers[2].1.as_str()),
        ("/v2/ask", "pdp.internal:8443")
    );
}

#[test]
fn what_is_unknown_is_not_there() {
    let mut world = world(&json!({}));
    world.peer = None;
    let bare = token_with(
        "us-east-1",
        &json!({"acr": null, "amr": null, "auth_time": null, "permissions": null, "roles": null}),
    );
    let question = asked(&mut world, &get("/a").without("x-request-id").bearer(&bare));
    assert_eq!(question["context"]["source"], json!({}));
    assert_eq!(question["context"].get("request_id"), None);
    assert_eq!(
        question["resource"],
        json!({"type": "route", "id": "/**", "properties": {"host": "api.us-east-1.com", "path": "/a", "captures": {}}})
    );
    let properties = json!({"home": "us-east-1", "iss": "identity.global.com", "roles": [], "permissions": []});
    assert_eq!(question["subject"]["properties"], properties);
    assert!(
        world.calls[0]
            .outgoing
            .headers
            .iter()
            .all(|(name, _)| *name != "x-request-id")
    );
    world.peer = Some(b"192.0.2.7".to_vec());
    let question = asked(&mut world, &get("/a").bearer(&bare));
    assert_eq!(
        question["context"]["source"],
        json!({"address": "192.0.2.7"}),
        "an address of no region"
    );
    world.peer = Some(b"not an address".to_vec());
    assert_eq!(
        asked(&mut world, &get("/a").bearer(&bare))["context"]["source"],
        json!({})
    );
}

#[test]
fn a_foreign_token_is_told_as_it_counts_here() {
    let mut world = world(&json!({}));
    let rich = token_with(
        "eu-west-1",
        &json!({"permissions": ["read:profile", "write:profile"], "roles": ["admin", "viewer"]}),
    );
    let question = asked(&mut world, &get("/a").bearer(&rich));
    let properties = &question["subject"]["properties"];
    assert_eq!(
        (&properties["home"], &question["context"]["local"]),
        (&json!("eu-west-1"), &json!("us-east-1"))
    );
    assert_eq!(
        (&properties["permissions"], &properties["roles"]),
        (&json!(["read:profile"]), &json!(["viewer"]))
    );
}

#[test]
fn grpc_is_told_by_service_and_method() {
    let mut world = world(&json!({}));
    let request = get("/shop.v1.Orders/Place")
        .method("POST")
        .header("content-type", "application/grpc")
        .bearer(&token("us-east-1"));
    let action = json!({"name": "POST", "properties": {"service": "shop.v1.Orders", "method": "Place"}});
    assert_eq!(asked(&mut world, &request)["action"], action);
    let plain = request.set("content-type", "application/json");
    assert_eq!(
        asked(&mut world, &plain)["action"],
        json!({"name": "POST", "properties": {}})
    );
    let odd = get("/alone")
        .header("content-type", "application/grpc")
        .bearer(&token("us-east-1"));
    assert_eq!(asked(&mut world, &odd)["action"]["properties"], json!({}));
}

#[test]
fn captures_are_decoded_and_the_path_is_not() {
    let mut world = world(&json!({"paths": ["/files/{owner}/**", "/{a}/{b}"]}));
    let question = asked(
        &mut world,
        &get("/files/J%C3%BCrgen%20O/a%20b").bearer(&token("us-east-1")),
    );
    assert_eq!(question["resource"]["id"], "/files/{owner}/**");
    let properties = &question["resource"]["properties"];
    assert_eq!(properties["captures"], json!({"owner": "J\u{fc}rgen O"}));
    assert_eq!(properties["path"], "/files/J%C3%BCrgen%20O/a%20b");
    assert_eq!(properties.get("query"), None);
    let question = asked(&mut world, &get("/x/y?").bearer(&token("us-east-1")));
    assert_eq!(
        (
            &question["resource"]["id"],
            &question["resource"]["properties"]["query"]
        ),
        (&json!("/{a}/{b}"), &json!(""))
    );
}

#[test]
fn nobody_is_told_as_nobody() {
    let mut world = world(&json!({"identity": "none", "defer": {"claims": ["department"]}}));
    let nobody = json!({"type": "anonymous", "id": "anonymous", "properties": {}});
    assert_eq!(asked(&mut world, &get("/a"))["subject"], nobody);
    assert_eq!(asked(&mut world, &get("/a").bearer("x.y.z"))["subject"], nobody);
    let known = asked(&mut world, &get("/a").bearer(&token("us-east-1")));
    assert_eq!(
        (&known["subject"]["id"], &known["subject"]["properties"]["department"]),
        (&json!("alice"), &json!("books"))
    );
}

/// Two rules that defer are one question by the first of them, and carry the claims of both.
#[test]
fn two_rules_that_defer_ask_once() {
    let mut world = World::new(&rules(json!([
        {"name": "b", "paths": ["/{x}"], "effect": "defer", "defer": {"claims": ["department"]}},
        {"name": "a", "paths": ["/{y}"], "effect": "defer", "defer": {"claims": ["address"]}},
    ])));
    let question = asked(&mut world, &get("/q").bearer(&token("us-east-1")));
    assert_eq!(world.calls.len(), 1);
    assert_eq!(
        (&question["context"]["rule"], &question["resource"]["id"]),
        (&json!("a"), &json!("/{y}"))
    );
    let properties = &question["subject"]["properties"];
    assert_eq!(
        (&properties["department"], &properties["address"]["country"]),
        (&json!("books"), &json!("IE"))
    );
}

#[test]
fn the_question_holds_no_credential() {
    let mut world = world(&json!({}));
    let token = token("us-east-1");
    world.answered(
        &get("/a").bearer(&token).header("cookie", "session=secret-7"),
        &Reply::decision(true),
    );
    let body = String::from_utf8(world.calls[0].outgoing.body.clone()).expect("text");
    let signature = token.rsplit('.').next().expect("a signature");
    assert!(!body.contains(signature) && !body.contains("secret-7"), "{body}");
    assert!(
        world.calls[0]
            .outgoing
            .headers
            .iter()
            .all(|(_, value)| !value.contains(signature))
    );
    assert!(
        !body.contains(claims("us-east-1")["jti"].as_str().expect("text")),
        "nor what nobody named"
    );
}
