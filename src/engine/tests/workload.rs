//! Who is at the other end of the connection: what a rule may ask of it, what a center is told, and where nobody is.

use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::documents::rules;
use super::host::{Reply, Request, World, forwarded, get};
use super::tokens::{Signer, claims, token};
use crate::identity::peer_certificate;
use crate::reason::Reason;

const WEB: &str = "spiffe://prod/ns/web/sa/web";

fn shop(peer_verification: &str) -> Json {
    let mut bundle = rules(json!([
        {"name": "service", "paths": ["/service"], "identity": "none", "from": {"workloads": ["spiffe://prod/ns/web/*"]}, "effect": "allow"},
        {"name": "both", "paths": ["/both"], "from": {"workloads": [WEB]}, "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "any", "paths": ["/guarded"], "identity": "none", "effect": "allow"},
        {"name": "not-web", "paths": ["/guarded"], "from": {"workloads": ["spiffe://prod/ns/web/*"]}, "effect": "deny"},
        {"name": "ask-web", "paths": ["/ask-web"], "identity": "none", "from": {"workloads": [WEB]}, "effect": "defer"},
        {"name": "ask", "paths": ["/ask"], "identity": "none", "effect": "defer", "defer": {"cache": "30s"}},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!(peer_verification);
    bundle
}

fn world(uris: &[&str]) -> World {
    let mut world = World::new(&shop("required"));
    world.certificate = Some(peer_certificate(uris));
    world
}

/// Everything in which no workload can be told, with certificates and without.
fn nobodies() -> Vec<World> {
    let mut none = world(&[]);
    none.certificate = None;
    let mut empty = world(&[]);
    empty.certificate = Some(Vec::new());
    let mut broken = world(&[WEB]);
    broken.certificate.as_mut().expect("a certificate").truncate(90);
    vec![
        none,
        empty,
        broken,
        world(&[]),
        world(&[WEB, WEB]),
        world(&[WEB, "spiffe://prod/ns/web/sa/other"]),
        world(&["https://prod/ns/web/sa/web"]),
        world(&["spiffe://prod"]),
    ]
}

#[test]
fn a_rule_may_name_the_workload() {
    for (uri, service, guarded) in [
        (WEB, Reason::RulePublic, Reason::RuleDenied),
        ("spiffe://prod/ns/web/x", Reason::RulePublic, Reason::RuleDenied),
        ("spiffe://prod/ns/web", Reason::IdentityMissing, Reason::RulePublic),
        (
            "spiffe://prod/ns/web-2/sa/web",
            Reason::IdentityMissing,
            Reason::RulePublic,
        ),
        (
            "spiffe://prod.evil/ns/web/sa/web",
            Reason::IdentityMissing,
            Reason::RulePublic,
        ),
    ] {
        let mut world = world(&[uri]);
        assert_eq!(world.reason(&get("/service")), service, "{uri}");
        assert_eq!(world.reason(&get("/guarded")), guarded, "{uri}");
    }
}

/// A workload and a token are two things, of which a rule may demand both.
#[test]
fn a_workload_is_no_token_and_a_token_no_workload() {
    let ours = token("us-east-1");
    let mut web = world(&[WEB]);
    assert_eq!(web.reason(&get("/both").bearer(&ours)), Reason::RuleAllowed);
    assert_eq!(web.reason(&get("/both")), Reason::IdentityMissing);
    let mut other = world(&["spiffe://prod/ns/other/sa/web"]);
    assert_eq!(other.reason(&get("/both").bearer(&ours)), Reason::WorkloadNotMatched);
    assert_eq!(
        other.reason(&get("/service").bearer(&ours)),
        Reason::WorkloadNotMatched,
        "a valid token does not open what is for a workload"
    );
}

/// Unknown is no match for an allow, and a match for what refuses or asks.
#[test]
fn a_workload_that_cannot_be_told_lets_nothing_in() {
    for (index, mut world) in nobodies().into_iter().enumerate() {
        assert_eq!(world.reason(&get("/service")), Reason::IdentityMissing, "{index}");
        assert_eq!(
            world.reason(&get("/both").bearer(&token("us-east-1"))),
            Reason::WorkloadNotMatched,
            "{index}"
        );
        assert_eq!(world.reason(&get("/guarded")), Reason::ConditionUnknown, "{index}");
        let decision = world.answered(&get("/ask-web"), &Reply::decision(true));
        assert_eq!(decision.reason, Reason::CenterAllowed, "{index}");
        let question = world.question();
        assert_eq!(question["subject"]["type"], "anonymous", "{index}");
        assert_eq!(question["context"]["source"].get("workload"), None, "{index}");
    }
}

/// Nobody has said that the listener validates it: whatever the peer presents counts for nothing, and is not even read.
#[test]
fn a_certificate_that_nobody_validated_is_not_read() {
    let mut bundle = shop("required");
    bundle["trust"]["peerVerification"] = json!("none");
    let all = bundle["documents"][3]["spec"]["rules"].as_array_mut().expect("rules");
    all.retain(|rule| rule["from"].get("workloads").is_none());
    let mut world = World::new(&bundle);
    world.certificate = Some(peer_certificate(&[WEB]));
    world.answered(&get("/ask"), &Reply::decision(true));
    assert_eq!(world.question()["subject"]["type"], "anonymous");
    assert_eq!(world.question()["context"]["source"].get("workload"), None);
    assert_eq!(world.certificate_reads.get(), 0);
}

/// The ledger of host calls: once, and only where a rule that may match, or a question, wants it.
#[test]
fn the_certificate_is_read_where_it_is_needed() {
    let mut world = world(&[WEB]);
    for request in [get("/open"), get("/nowhere"), get("/a//b"), get("/open").method("POST")] {
        world.decide(&request);
    }
    assert_eq!(world.certificate_reads.get(), 0);
    for (reads, path) in (1..).zip(["/service", "/guarded", "/both"]) {
        world.decide(&get(path));
        assert_eq!(world.certificate_reads.get(), reads, "{path}");
    }
    for (reads, path) in (4..).zip(["/ask", "/ask-web"]) {
        world.answered(&get(path), &Reply::decision(false));
        assert_eq!(world.certificate_reads.get(), reads, "{path}");
    }
}

#[track_caller]
fn asked(world: &mut World, request: &Request) -> Json {
    world.wait(request);
    world.question()
}

#[test]
fn a_center_is_told_the_workload() {
    let mut world = world(&[WEB]);
    let by_certificate = asked(&mut world, &get("/ask"));
    let workload = json!({"type": "workload", "id": WEB, "properties": {"workload": WEB, "home": "us-east-1"}});
    assert_eq!(by_certificate["subject"], workload);
    let source = json!({"address": "127.0.1.9", "region": "us-east-1", "workload": WEB});
    assert_eq!(by_certificate["context"]["source"], source);

    let by_token = asked(&mut world, &get("/ask").bearer(&token("us-east-1")));
    let subject = &by_token["subject"];
    assert_eq!(
        (&subject["type"], &subject["id"], &subject["properties"]["workload"]),
        (&json!("identity"), &json!("alice"), &json!(WEB))
    );
    assert_eq!(by_token["context"]["source"]["workload"], WEB);

    // A token that is not valid is no identity; the certificate still is one.
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    assert_eq!(asked(&mut world, &get("/ask").bearer(&forged))["subject"], workload);
}

/// Whose trust domain no Region lists, or whom the local one does not accept, is nobody; a center may know its name all the same.
#[test]
fn a_workload_that_does_not_count_is_anonymous_to_a_center() {
    for uri in [
        "spiffe://prod.evil/ns/web/sa/web",
        "spiffe://eu-west-1.example/web",
        "spiffe://ap-southeast-1.example/pay/a",
    ] {
        let question = asked(&mut world(&[uri]), &get("/ask"));
        let subject = json!({"type": "anonymous", "id": "anonymous", "properties": {"workload": uri}});
        assert_eq!(question["subject"], subject, "{uri}");
        assert_eq!(question["context"]["source"]["workload"], uri);
    }
    let accepted = "spiffe://eu-west-1.example/pay/a";
    let subject = &asked(&mut world(&[accepted]), &get("/ask"))["subject"];
    assert_eq!(
        (&subject["type"], &subject["id"], &subject["properties"]["home"]),
        (&json!("workload"), &json!(accepted), &json!("eu-west-1"))
    );
}

/// An answer about one workload is none about another, or about nobody.
#[test]
fn a_kept_answer_is_about_one_workload() {
    let mut world = world(&[WEB]);
    assert_eq!(
        world.answered(&get("/ask"), &Reply::decision(true)).reason,
        Reason::CenterAllowed
    );
    assert!(matches!(world.begin(&get("/ask")), Outcome::Done(_)), "kept");
    for other in [
        Some(peer_certificate(&["spiffe://prod/ns/web/sa/other"])),
        Some(peer_certificate(&[])),
        None,
    ] {
        world.certificate = other;
        assert!(matches!(world.begin(&get("/ask")), Outcome::Waiting(_)));
    }
}

/// Where a sidecar's own workload sends, everything is refused; told otherwise, everything is judged as ever.
#[test]
fn the_outbound_chain_of_a_sidecar_is_refused_unless_told() {
    for (direction, reason) in [
        (None, Reason::Direction),
        (Some("inbound"), Reason::Direction),
        (Some("any"), Reason::RulePublic),
    ] {
        let mut bundle = shop("required");
        if let Some(direction) = direction {
            bundle["trust"]["direction"] = json!(direction);
        }
        let mut world = World::new(&bundle);
        assert_eq!(forwarded(&world.decide(&get("/open"))).path, None);
        world.outbound = true;
        assert_eq!(world.reason(&get("/open")), reason, "{direction:?}");
        // A line that is there already is told first: the filter stands twice.
        world.has_line = true;
        assert_eq!(world.reason(&get("/open")), Reason::DuplicateFilter);
        // A header that is not the client's to send is removed whatever becomes of the request.
        world.has_line = false;
        world.decide(&get("/open").header("x-regionguard-subject", "root"));
        assert_eq!(world.removed, [b"x-regionguard-subject".to_vec()]);
    }
}
