//! Status Lists that tokens name: who may have one fetched, from where, and what it says of whom.

use serde_json::{Value as Json, json};

use super::super::fetch::STATUS_LISTS_MAX;
use super::host::{Reply, Request, World, get};
use super::revocations::revoking;
use super::tokens::{START, Signer, claims_with, token, token_with};
use crate::reason::Reason;

pub(super) const URI: &str = "https://status.eu-west-1.com/lists/7";
/// 1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3: two bits each.
const LIST: &str = "eNo76fITAAPfAgc";

fn bundle(version: u64, revocation: &Json, revoked: Json) -> Json {
    let mut bundle = revoking(version, revoked);
    bundle["documents"][1]["spec"]["revocation"] = revocation.clone();
    bundle
}

pub(super) fn lists() -> Json {
    json!({"statusLists": {"cluster": "status-eu", "uriPrefix": "https://status.eu-west-1.com/lists/", "refresh": "60s", "staleFor": "5m"}})
}

fn world() -> World {
    World::new(&bundle(41, &lists(), Json::Null))
}

/// A request whose token says so of its status.
fn with(status: Json) -> Request {
    get("/a").bearer(&token_with("eu-west-1", &json!({"status": status})))
}

pub(super) fn named(uri: &str, index: u64) -> Request {
    with(json!({"status_list": {"idx": index, "uri": uri}}))
}

pub(super) fn claims(uri: &str) -> Json {
    json!({"sub": uri, "iat": START - 60, "exp": START + 3_600, "status_list": {"bits": 2, "lst": LIST}})
}

pub(super) fn list(claims: &Json) -> Reply {
    signed(&Signer::new("eu-west-1", 1), claims)
}

fn signed(signer: &Signer, claims: &Json) -> Reply {
    let header = json!({"alg": "EdDSA", "kid": "key-of-eu-west-1", "typ": "statuslist+jwt"});
    Reply {
        content_type: Some("application/statuslist+jwt"),
        body: Some(signer.token_with(&header, claims)),
        ..Reply::status(200)
    }
}

/// A world in which the usual list is there.
fn listed() -> World {
    let mut world = world();
    let id = world.wait(&named(URI, 2));
    let call = world.call();
    world.reply(call, &list(&claims(URI)));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    world
}

#[test]
fn the_first_token_that_names_a_list_has_it_fetched_and_waits() {
    let mut world = world();
    world.wake();
    world.quiet();
    let waiting = [world.wait(&named(URI, 2)), world.wait(&named(URI, 0))];
    let outgoing = &world.calls[0].outgoing;
    assert_eq!(outgoing.cluster, "status-eu");
    assert_eq!(outgoing.response_max, 4 << 20);
    for (name, value) in [
        (":path", "/lists/7"),
        (":authority", "status.eu-west-1.com"),
        ("accept", "application/statuslist+jwt"),
    ] {
        assert!(outgoing.headers.contains(&(name, value.to_owned())), "{name}");
    }
    // Who names none is not concerned, and no other region is.
    assert_eq!(
        world.reason(&get("/a").bearer(&token("eu-west-1"))),
        Reason::RuleAllowed
    );
    let local = get("/a").bearer(&token_with(
        "us-east-1",
        &json!({"status": {"status_list": {"idx": 0, "uri": URI}}}),
    ));
    assert_eq!(world.reason(&local), Reason::RuleAllowed);
    let call = world.call();
    world.reply(call, &list(&claims(URI)));
    let reasons = waiting.map(|id| world.finished(id).reason);
    assert_eq!(reasons, [Reason::RuleAllowed, Reason::TokenRevoked]);
}

#[test]
fn every_status_but_valid_is_refused() {
    let mut world = listed();
    for (index, status) in (0..).zip([1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]) {
        let reason = if status == 0 {
            Reason::RuleAllowed
        } else {
            Reason::TokenRevoked
        };
        assert_eq!(world.reason(&named(URI, index)), reason, "{index}");
    }
    for beyond in [12, u64::MAX] {
        assert_eq!(world.reason(&named(URI, beyond)), Reason::TokenStatus, "{beyond}");
    }
}

/// The URI of a token chooses nothing but a list of its own region's: no other host, no other path.
#[test]
fn a_token_cannot_have_anything_else_fetched() {
    let mut world = listed();
    for uri in [
        "https://status.eu-west-1.com/admin",
        "https://status.eu-west-1.com/lists",
        "https://status.eu-west-1.com/lists/../admin",
        "https://status.eu-west-1.com/lists/%2e%2e/admin",
        "https://status.eu-west-1.com/lists/a%2fb",
        "https://status.eu-west-1.com/lists//a",
        "https://status.eu-west-1.com/lists/a;b",
        "https://status.eu-west-1.com/lists/a#b",
        "https://status.eu-west-1.com/lists/a b",
        "https://status.eu-west-1.com/lists/a\r\nx: y",
        "https://status.eu-west-1.com/lists/\u{e9}",
        "http://status.eu-west-1.com/lists/7",
        "HTTPS://status.eu-west-1.com/lists/7",
        "https://status.eu-west-1.com:443/lists/7",
        "https://status.eu-west-1.com.evil.com/lists/7",
        "https://evil.com/lists/7",
        "/lists/7",
        "",
    ] {
        assert_eq!(world.reason(&named(uri, 2)), Reason::TokenStatus, "{uri}");
    }
    for status in [
        json!({}),
        json!("revoked"),
        json!({"status_list": {"idx": 2, "uri": URI}, "other": {}}),
        json!({"status_list": {"idx": "2", "uri": URI}}),
        json!({"status_list": {"idx": -1, "uri": URI}}),
        json!({"identifier_list": {"id": "x", "uri": URI}}),
    ] {
        assert_eq!(world.reason(&with(status.clone())), Reason::TokenStatus, "{status}");
    }
    // Nor can a token that is none.
    let other = Signer::new("eu-west-1", 2);
    let forged = other.token(&claims_with(
        "eu-west-1",
        &json!({"status": {"status_list": {"idx": 2, "uri": format!("{URI}7")}}}),
    ));
    assert_eq!(world.reason(&get("/a").bearer(&forged)), Reason::TokenSignature);
    world.wake();
    world.quiet();
}

#[test]
fn what_is_no_list_of_the_region_is_not_used() {
    let change = |name: &str, value: Json| {
        let mut claims = claims(URI);
        claims[name] = value;
        list(&claims)
    };
    for bad in [
        signed(&Signer::new("eu-west-1", 2), &claims(URI)),
        signed(&Signer::new("us-east-1", 1), &claims(URI)),
        change("sub", json!("https://status.eu-west-1.com/lists/8")),
        change("exp", json!(START - 30)),
        change("iat", json!(START + 31)),
        change("status_list", json!({"bits": 2, "lst": "AAAA"})),
        Reply {
            body: Some(token("eu-west-1")),
            ..Reply::status(200)
        },
        Reply::of(&json!({"status_list": {"bits": 2, "lst": LIST}})),
        Reply::status(200),
        Reply::status(404),
    ] {
        let mut world = world();
        let id = world.wait(&named(URI, 2));
        let call = world.call();
        world.reply(call, &bad);
        world.tick(3);
        assert_eq!(world.finished(id).reason, Reason::RevocationUnavailable, "{bad:?}");
        assert_eq!(
            world.logged("status list https://status.eu-west-1.com/lists/7 of eu-west-1 cannot be fetched"),
            1
        );
        let mut world = listed();
        let call = world.next_call();
        world.reply(call, &bad);
        assert_eq!(
            world.reason(&named(URI, 2)),
            Reason::RuleAllowed,
            "the last good one serves: {bad:?}"
        );
    }
}

#[test]
fn a_list_is_renewed_as_it_says_and_ends_when_it_says() {
    let mut world = world();
    let id = world.wait(&named(URI, 2));
    let mut short = claims(URI);
    (short["ttl"], short["exp"]) = (json!(20), json!(START + 100));
    let call = world.call();
    world.reply(call, &list(&short));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    world.tick(17);
    world.quiet();
    world.tick(3);
    let call = world.call();
    world.reply(call, &Reply::status(500));
    while world.wall < 130 * 1_000_000_000 {
        assert_eq!(
            world.reason(&named(URI, 2)),
            Reason::RuleAllowed,
            "after {} s",
            world.wall / 1_000_000_000
        );
        world.tick(1);
        for call in core::mem::take(&mut world.calls) {
            world.reply(call.id, &Reply::status(500));
        }
    }
    // The server has nothing newer than what has ended.
    assert_eq!(world.reason(&named(URI, 2)), Reason::RevocationUnavailable);
    let call = world.next_call();
    world.reply(call, &list(&short));
    assert_eq!(world.reason(&named(URI, 2)), Reason::RevocationUnavailable);
}

#[test]
fn a_status_that_changes_counts_with_the_next_list() {
    let mut world = listed();
    assert_eq!(world.reason(&named(URI, 0)), Reason::TokenRevoked);
    let call = world.next_call();
    let mut other = claims(URI);
    other["status_list"] = json!({"bits": 1, "lst": "eNrbuRgAAhcBXQ"});
    world.reply(call, &list(&other));
    for (index, reason) in [
        (0, Reason::TokenRevoked),
        (1, Reason::RuleAllowed),
        (3, Reason::TokenRevoked),
        (15, Reason::TokenRevoked),
        (16, Reason::TokenStatus),
    ] {
        assert_eq!(world.reason(&named(URI, index)), reason, "{index}");
    }
}

#[test]
fn a_list_that_a_revoked_key_signed_is_not_used() {
    let mut world = listed();
    let key = json!({"keys": [{"region": "eu-west-1", "kid": "another"}]});
    world.push(&bundle(42, &lists(), key));
    assert_eq!(world.reason(&named(URI, 2)), Reason::RuleAllowed);
    // The token is signed by another key than the list.
    let second = Signer::named("second", "eu-west-1", 3);
    let mut bundle = bundle(
        43,
        &lists(),
        json!({"keys": [{"region": "eu-west-1", "kid": "key-of-eu-west-1"}]}),
    );
    let keys = bundle["documents"][1]["spec"]["keys"]["jwks"]["keys"]
        .as_array_mut()
        .expect("a list");
    keys.push(second.jwk());
    world.push(&bundle);
    let token = second.token(&claims_with(
        "eu-west-1",
        &json!({"status": {"status_list": {"idx": 2, "uri": URI}}}),
    ));
    let request = get("/a").bearer(&token);
    let mut reasons = Vec::new();
    for _ in 0..2 {
        match world.begin(&request) {
            super::super::Outcome::Done(decision) => reasons.push(decision.reason),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reasons, [Reason::RevocationUnavailable; 2]);
}

#[test]
fn lists_are_few_and_those_that_nobody_names_go() {
    let mut world = world();
    let uri = |number: usize| format!("https://status.eu-west-1.com/lists/{number}");
    for number in 0..STATUS_LISTS_MAX {
        let id = world.wait(&named(&uri(number), 2));
        let call = world.call();
        world.reply(call, &list(&claims(&uri(number))));
        assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    }
    assert_eq!(world.reason(&named(&uri(99), 2)), Reason::RevocationUnavailable);
    world.quiet();
    // All are fetched once more, and then only the one that is still named.
    for round in [STATUS_LISTS_MAX, 1, 1] {
        let mut fetched = 0;
        for _ in 0..60 {
            assert_eq!(world.reason(&named(&uri(3), 2)), Reason::RuleAllowed);
            world.tick(1);
            for call in core::mem::take(&mut world.calls) {
                let path = call
                    .outgoing
                    .headers
                    .iter()
                    .find(|(name, _)| *name == ":path")
                    .expect("a path");
                let claims = claims(&format!("https://status.eu-west-1.com{}", path.1));
                world.reply(call.id, &list(&claims));
                fetched += 1;
            }
        }
        assert!(fetched <= round + 1 && fetched >= round, "{fetched} of {round}");
    }
    world.wait(&named(&uri(99), 2));
}

#[test]
fn a_push_leaves_the_lists_that_are_still_meant() {
    let mut world = listed();
    world.push(&bundle(
        42,
        &lists(),
        json!({"tokens": [{"issuer": super::tokens::ISSUER, "jti": "x"}]}),
    ));
    assert_eq!(world.reason(&named(URI, 2)), Reason::RuleAllowed);
    world.quiet();
    let mut elsewhere = lists();
    elsewhere["statusLists"]["uriPrefix"] = json!("https://status.eu-west-1.com/other/");
    world.push(&bundle(43, &elsewhere, Json::Null));
    assert_eq!(world.reason(&named(URI, 2)), Reason::TokenStatus);
    world.push(&bundle(44, &lists(), Json::Null));
    world.wait(&named(URI, 2));
}

#[test]
fn nobody_can_tell_without_a_list_and_the_region_says_what_holds() {
    let mut allowing = lists();
    allowing["onUnavailable"] = json!("allow");
    let mut world = World::new(&bundle(41, &allowing, Json::Null));
    assert_eq!(world.reason(&named(URI, 0)), Reason::RevocationUnavailableAllowed);
    assert_eq!(
        world.reason(&named("https://evil.com/", 0)),
        Reason::TokenStatus,
        "which no list could tell"
    );
    world.wake();
    let call = world.call();
    world.reply(call, &list(&claims(URI)));
    assert_eq!(world.reason(&named(URI, 0)), Reason::TokenRevoked);
}

/// A token must pass both.
#[test]
fn a_list_and_status_lists_stand_side_by_side() {
    let mut both = lists();
    both["list"] = json!({"cluster": "identity-eu"});
    let mut world = World::new(&bundle(41, &both, Json::Null)).fetched(&json!({"tokens": []}));
    let id = world.wait(&named(URI, 2));
    let call = world.call();
    world.reply(call, &list(&claims(URI)));
    assert_eq!(world.finished(id).reason, Reason::RuleAllowed);
    assert_eq!(world.reason(&named(URI, 0)), Reason::TokenRevoked);
    world.tick(60);
    for call in core::mem::take(&mut world.calls) {
        let reply = match call.outgoing.cluster.as_str() {
            "identity-eu" => Reply::of(&json!({"tokens": [{"jti": "token-one"}]})),
            _ => list(&claims(URI)),
        };
        world.reply(call.id, &reply);
    }
    assert_eq!(world.reason(&named(URI, 2)), Reason::TokenRevoked);
}
