//! Where a request comes from, as an edge says it: region and country.

use serde_json::{Value as Json, json};

use super::documents::{bundle, home_region, policy};
use super::host::{Request, World, field, forwarded, get};
use super::tokens::token;
use crate::reason::Reason;

const EDGE: &[u8] = b"127.0.9.1";
const STRANGER: &[u8] = b"127.0.2.9";

/// Rules by region and by country, and an edge that tells both.
fn documents() -> Json {
    let rules = json!([
        {"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "identity": "none", "effect": "allow"},
        {"name": "german", "paths": ["/german"], "from": {"sourceCountries": ["DE"]}, "identity": "none", "effect": "allow"},
        {"name": "not-american", "paths": ["/german"], "from": {"sourceCountries": ["US"]}, "effect": "deny"},
        {"name": "any", "paths": ["/any"], "identity": "none", "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "effect": "defer"},
    ]);
    let mut documents = bundle(&[policy("shop", json!({"rules": rules}))]);
    documents["trust"]["edges"] = json!([{
        "peers": ["127.0.9.0/24"], "addressHeader": "x-forwarded-for", "regionHeader": "x-region", "countryHeader": "X-Country",
    }]);
    documents["documents"][0]["spec"]["country"] = json!("US");
    documents["documents"][1]["spec"]["country"] = json!("DE");
    documents
}

fn world_of(documents: &Json, peer: &[u8]) -> World {
    let mut world = World::new(documents);
    world.peer = Some(peer.to_vec());
    world
}

fn world(peer: &[u8]) -> World {
    world_of(&documents(), peer)
}

fn with(path: &str, name: &str, values: &[&str]) -> Request {
    values
        .iter()
        .fold(get(path), |request, value| request.header(name, value))
}

/// The source in the decision line.
fn region(world: &mut World, request: &Request) -> String {
    let decision = world.decide(request);
    field(&decision, 5).split('>').nth(1).expect("a source").to_owned()
}

#[test]
fn an_edge_says_the_region() {
    let mut world = world(EDGE);
    for (values, expected) in [
        (&["us-east-1"][..], "us-east-1"),
        (&["eu-west-1"], "eu-west-1"),
        (&[" eu-west-1\t"], "eu-west-1"),
        (&["mars"], "?"),
        (&["US-EAST-1"], "?"),
        (&["us-east-1, us-east-1"], "?"),
        (&["us-east-1", "us-east-1"], "?"),
        (&[""], "?"),
        (&["\u{e9}"], "?"),
        (&[], "?"),
    ] {
        assert_eq!(
            region(&mut world, &with("/near", "X-Region", values)),
            expected,
            "{values:?}"
        );
    }
    // Its word comes before what the networks say of the address.
    let both = get("/near").header("x-forwarded-for", "127.0.2.9");
    assert_eq!(
        region(&mut world, &both.clone().header("x-region", "us-east-1")),
        "us-east-1"
    );
    assert_eq!(region(&mut world, &both), "?");
}

#[test]
fn an_edge_says_the_country() {
    let mut world = world(EDGE);
    for (values, reason) in [
        (&["DE"][..], Reason::RulePublic),
        (&["de"], Reason::RulePublic),
        (&["US"], Reason::RuleDenied),
        (&["XX"], Reason::ConditionUnknown),
        (&["T1"], Reason::ConditionUnknown),
        (&["DEU"], Reason::ConditionUnknown),
        (&["DE", "DE"], Reason::ConditionUnknown),
        (&["DE,US"], Reason::ConditionUnknown),
        (&[], Reason::ConditionUnknown),
    ] {
        let request = with("/german", "x-country", values).header("x-region", "eu-west-1");
        assert_eq!(world.reason(&request), reason, "{values:?}");
    }
}

/// Without a word of an edge, the country is that of the region, however the region is told.
#[test]
fn the_country_is_that_of_the_region() {
    let mut direct = world(STRANGER);
    assert_eq!(direct.reason(&get("/german")), Reason::RulePublic);
    direct.peer = Some(b"127.0.1.9".to_vec());
    assert_eq!(direct.reason(&get("/german")), Reason::RuleDenied);
    for nowhere in [&b"127.0.3.9"[..], b"192.0.2.1"] {
        direct.peer = Some(nowhere.to_vec());
        assert_eq!(direct.reason(&get("/german")), Reason::ConditionUnknown);
    }
    let mut documents = documents();
    documents["trust"]["edges"] = json!([{"peers": ["127.0.9.0/24"], "regionHeader": "x-region"}]);
    let mut told = world_of(&documents, EDGE);
    assert_eq!(
        told.reason(&get("/german").header("x-region", "eu-west-1")),
        Reason::RulePublic
    );
    assert_eq!(
        told.reason(&get("/german").header("x-region", "us-east-1")),
        Reason::RuleDenied
    );
    assert_eq!(
        told.reason(&get("/german").header("x-country", "DE")),
        Reason::ConditionUnknown
    );
    documents["trust"]["edges"] =
        json!([{"peers": ["127.0.9.0/24"], "addressHeader": "x-forwarded-for", "countryHeader": "x-country"}]);
    let mut told = world_of(&documents, EDGE);
    let abroad = get("/german")
        .header("x-forwarded-for", "127.0.1.9")
        .header("x-country", "DE");
    assert_eq!(told.reason(&abroad), Reason::RulePublic);
    assert_eq!(region(&mut told, &abroad), "us-east-1");
}

#[test]
fn nobody_else_says_a_place() {
    let claiming = |path: &str| get(path).header("x-region", "us-east-1").header("x-country", "DE");
    let mut stranger = world(b"127.0.3.9");
    assert_eq!(region(&mut stranger, &claiming("/near")), "ap-southeast-1");
    assert_eq!(stranger.reason(&claiming("/german")), Reason::ConditionUnknown);
    stranger.peer = None;
    assert_eq!(region(&mut stranger, &claiming("/near")), "?");
    assert_eq!(stranger.reason(&claiming("/german")), Reason::ConditionUnknown);
}

/// The upstream gets what the edge said, and what nobody else did.
#[test]
fn the_headers_of_a_place_are_removed_from_the_requests_of_others() {
    let claiming = || {
        get("/any")
            .header("X-Region", "us-east-1")
            .header("x-country", "DE")
            .header("x_country", "US")
            .header("x-regionguard-subject", "me")
            .header("x-other", "stays")
    };
    let removed = |world: &mut World| {
        let decision = world.decide(&claiming());
        forwarded(&decision);
        let mut removed: Vec<String> = world
            .removed
            .drain(..)
            .map(|name| String::from_utf8(name).expect("a name"))
            .collect();
        removed.sort();
        removed
    };
    let all = ["X-Region", "x-country", "x-regionguard-subject", "x_country"];
    assert_eq!(removed(&mut world(STRANGER)), all);
    let mut unknown = world(STRANGER);
    unknown.peer = None;
    assert_eq!(removed(&mut unknown), all);
    assert_eq!(removed(&mut world(EDGE)), ["x-regionguard-subject", "x_country"]);
    // An edge that does not say the country passes on what its caller wrote.
    let mut documents = documents();
    let region_alone = json!({"peers": ["127.0.9.0/24"], "regionHeader": "x-region"});
    let country_alone = json!({"peers": ["127.0.8.0/24"], "countryHeader": "x-country"});
    documents["trust"]["edges"] = json!([region_alone, country_alone]);
    let mut two = world_of(&documents, EDGE);
    assert_eq!(removed(&mut two), ["x-country", "x-regionguard-subject", "x_country"]);
}

/// Who is at the other end is asked only where somebody writes such a header.
#[test]
fn a_request_without_such_headers_asks_nothing() {
    let mut world = world(EDGE);
    world.reason(&get("/any"));
    assert_eq!(world.peer_reads.get(), 0);
    world.reason(&get("/any").header("x-country", "DE"));
    assert_eq!(world.peer_reads.get(), 1);
}

#[test]
fn a_center_is_told_the_country() {
    let mut world = world(EDGE);
    let request = get("/ask").bearer(&token("us-east-1"));
    let said = request
        .clone()
        .header("x-region", "eu-west-1")
        .header("x-country", "FR");
    world.wait(&said);
    let source = world.question()["context"]["source"].clone();
    assert_eq!(source, json!({"region": "eu-west-1", "country": "FR"}));
    let mut silent = world_of(
        &bundle(&[policy("shop", json!({"rules": [{"name": "ask", "effect": "defer"}]}))]),
        STRANGER,
    );
    silent.wait(&request);
    let source = silent.question()["context"]["source"].clone();
    assert_eq!(source, json!({"address": "127.0.2.9", "region": "eu-west-1"}));
    assert!(home_region()["spec"].get("country").is_none());
}
