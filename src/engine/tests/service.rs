//! Requests of services: a workload's certificate in place of a token.

use serde_json::{Value as Json, json};

use super::documents::rules;
use super::host::{Reply, World, answer, forwarded, get, header};
use super::tokens::{Signer, claims, token};
use crate::identity::peer_certificate;
use crate::reason::Reason;

const OURS: &str = "spiffe://prod/ns/web/sa/web";
const ACCEPTED: &str = "spiffe://eu-west-1.example/pay/a";

fn shop() -> Json {
    let mut bundle = rules(json!([
        {"name": "report", "paths": ["/report"], "identity": "workload", "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "identity": "workload", "effect": "defer"},
        {"name": "near", "paths": ["/near"], "identity": "none", "from": {"homeRegions": ["us-east-1"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
        {"name": "read", "paths": ["/read"], "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

fn world(uri: Option<&str>) -> World {
    let mut world = World::new(&shop());
    world.certificate = uri.map(|uri| peer_certificate(&[uri]));
    world
}

#[test]
fn the_line_says_where_a_workload_is_at_home() {
    for (uri, line) in [
        (OURS, "allow;rule.allowed;shop/report;inline;us-east-1>->us-east-1"),
        (ACCEPTED, "allow;rule.allowed;shop/report;inline;eu-west-1>->us-east-1"),
    ] {
        let mut world = world(Some(uri));
        let decision = world.decide(&get("/report"));
        let told = decision.line.replace(&format!("{};", world.label), "");
        assert_eq!(told, line);
        // Its name is not forwarded: what a token says of its subject, only a token does.
        assert_eq!(forwarded(&decision).headers, []);
    }
}

/// Nobody learns by asking which paths are for workloads: everything but the log is the same.
#[test]
fn an_anonymous_caller_learns_nothing() {
    for uri in [
        None,
        Some("spiffe://prod.evil/web"),
        Some("spiffe://eu-west-1.example/web"),
    ] {
        let mut world = world(uri);
        let nowhere = world.decide(&get("/nowhere"));
        for path in ["/report", "/ask", "/read"] {
            let decision = world.decide(&get(path));
            let (one, other) = (answer(&decision), answer(&nowhere));
            assert_eq!(
                (one.status, &one.headers, &one.body),
                (401, &other.headers, &other.body),
                "{path}"
            );
        }
        assert_eq!(
            header(answer(&nowhere), "www-authenticate"),
            Some("Bearer realm=\"us-east-1\"")
        );
    }
}

#[test]
fn a_token_that_is_not_valid_beside_it_is_401() {
    let mut world = world(Some(OURS));
    assert_eq!(
        world.reason(&get("/report").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    for path in ["/report", "/ask"] {
        let decision = world.decide(&get(path).bearer(&forged));
        assert_eq!(decision.reason, Reason::TokenSignature, "{path}");
        let challenge = header(answer(&decision), "www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"us-east-1\", error=\"invalid_token\""));
    }
    assert_eq!(world.reason(&get("/open").bearer(&forged)), Reason::RulePublic);
}

#[test]
fn a_center_decides_about_a_workload() {
    let mut world = world(Some(ACCEPTED));
    let decision = world.answered(&get("/ask"), &Reply::decision(true));
    assert_eq!(decision.reason, Reason::CenterAllowed);
    assert!(
        decision.line.contains(";eu-west-1>us-east-1>us-east-1"),
        "{}",
        decision.line
    );
    assert_eq!(world.question()["subject"]["type"], "workload");
}

/// A deny for services holds for whoever may be one, and nobody may ask as one.
#[test]
fn a_service_that_cannot_be_told_is_denied_and_not_let_in() {
    let mut bundle = shop();
    let rules = bundle["documents"][3]["spec"]["rules"].as_array_mut().expect("a list");
    rules.push(json!({"name": "people", "paths": ["/people"], "effect": "allow"}));
    rules.push(json!({"name": "no-services", "paths": ["/people"], "identity": "workload", "effect": "deny"}));
    let person = get("/people").bearer(&token("us-east-1"));
    let mut hidden = World::new(&bundle);
    assert_eq!(hidden.reason(&person), Reason::RuleAllowed, "no certificate at all");
    hidden.digest = Some(b"ab".repeat(32));
    assert_eq!(hidden.reason(&person), Reason::ConditionUnknown);
    assert_eq!(hidden.reason(&get("/report")), Reason::WorkloadMissing);
    hidden.certificate = Some(b"no certificate".to_vec());
    assert_eq!(hidden.reason(&person), Reason::RuleAllowed, "it names none");
    bundle["trust"]["edges"] = json!([{"peers": ["127.0.9.0/24"], "addressHeader": "x-forwarded-for"}]);
    let mut untold = World::new(&bundle);
    untold.certificate = Some(peer_certificate(&[OURS]));
    assert_eq!(untold.reason(&person), Reason::RuleDenied);
    untold.peer = None;
    assert_eq!(untold.reason(&person), Reason::ConditionUnknown);
    untold.peer = Some(b"127.0.9.1".to_vec());
    assert_eq!(untold.reason(&person), Reason::RuleAllowed, "an edge is no service");
}

/// The certificate is read where the rule is for workloads, and, where Regions have trust domains, where the home region counts and no token tells it.
#[test]
fn the_certificate_is_read_where_it_is_needed() {
    let mut world = world(Some(OURS));
    let ours = token("us-east-1");
    for request in [get("/open"), get("/read"), get("/nowhere"), get("/near").bearer(&ours)] {
        world.decide(&request);
    }
    assert_eq!(world.certificate_reads.get(), 0);
    for (reads, path) in (1..).zip(["/report", "/near"]) {
        world.decide(&get(path));
        assert_eq!(world.certificate_reads.get(), reads, "{path}");
    }
}

/// A gateway opens connections for whoever comes to it: its own name makes nobody a service, and meets no requirement.
#[test]
fn an_edge_is_no_service() {
    let mut bundle = shop();
    bundle["trust"]["edges"] = json!([{"peers": [OURS], "certificateHeader": "x-forwarded-client-cert"}]);
    let mut world = World::new(&bundle);
    world.certificate = Some(peer_certificate(&[OURS]));
    let claiming = get("/report").header("x-forwarded-client-cert", "URI=spiffe://prod/ns/web/sa/api");
    for request in [get("/report"), get("/ask"), claiming] {
        assert_eq!(world.reason(&request), Reason::WorkloadNotAccepted);
    }
    world.certificate = Some(peer_certificate(&["spiffe://prod/ns/web/sa/api"]));
    assert_eq!(world.reason(&get("/report")), Reason::RuleAllowed);
}
