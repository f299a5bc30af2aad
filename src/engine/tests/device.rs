//! The posture of a device as the user's own token holds it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::documents::{bundle, policy, rules};
use super::host::{World, get};
use super::proofs::{bound, proof_of, target};
use super::tokens::{START, token, token_with};
use crate::reason::Reason;

/// A device with which nothing is wrong, with these changes; null takes a part away.
pub(super) fn fit_with(changes: &Json) -> Json {
    let mut fit = json!({"id": "C02XK0AAJGH5", "platform": "macOS", "os_version": "15.10", "encrypted": true, "managed": true,
        "jailbroken": false, "screen_lock": true, "certificate": true, "patched_at": START - 86_400});
    let members = fit.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    fit
}

/// A bundle whose policy `fit` demands everything of a device, and lets in everybody who has such a one.
pub(super) fn demanding() -> Json {
    let compliance = json!([
        {"encryption": "required"}, {"os_version": "latest"}, {"managed": true, "jailbroken": false}, {"patch_age": "30d"},
        {"screen_lock": "required"}, {"certificate": "required"}, {"os_version": {"macos": ">= 14.2", "linux": ">= 6"}},
    ]);
    let fit = json!({"default": "allow", "device": {"compliance": compliance}, "osVersions": {"macos": "15.2", "ios": "18.1"},
        "rules": [{"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"}]});
    let mut bundle = bundle(&[policy("fit", fit)]);
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

fn with_device(device: &Json) -> String {
    token_with("us-east-1", &json!({ "device": device }))
}

#[test]
fn what_policy_demands_is_looked_at_on_every_request() {
    let mut world = World::new(&demanding());
    let fit = get("/x").bearer(&with_device(&fit_with(&json!({}))));
    for _ in 0..2 {
        assert_eq!(world.reason(&fit), Reason::DefaultAllowed);
    }
    // The token is in the cache, and its posture is read: time goes on all the same.
    let soon = fit_with(&json!({"patched_at": START - 30 * 86_400 + 60}));
    let soon = get("/x").bearer(&with_device(&soon));
    assert_eq!(world.reason(&soon), Reason::DefaultAllowed);
    world.pass(core::time::Duration::from_secs(61));
    assert_eq!(world.reason(&soon), Reason::DevicePatchAge);
    assert_eq!(world.reason(&fit), Reason::DefaultAllowed);
}

/// What a person may write into their own token is not what the Region maps.
#[test]
fn only_the_claim_that_the_region_names_counts() {
    let mut bundle = demanding();
    bundle["documents"][0]["spec"]["claims"] = json!({"device": "mdm.posture"});
    let mut world = World::new(&bundle);
    let own = get("/x").bearer(&with_device(&fit_with(&json!({}))));
    assert_eq!(world.reason(&own), Reason::DeviceMissing);
    let mapped = token_with("us-east-1", &json!({"mdm": {"posture": fit_with(&json!({}))}}));
    assert_eq!(world.reason(&get("/x").bearer(&mapped)), Reason::DefaultAllowed);
}

/// A push that maps another claim is heeded by tokens that are known already.
#[test]
fn a_posture_is_read_as_the_generation_in_force_says() {
    let mut bundle = demanding();
    let mut world = World::new(&bundle);
    let both = json!({"device": fit_with(&json!({})), "other": fit_with(&json!({"managed": false}))});
    let request = get("/x").bearer(&token_with("us-east-1", &both));
    assert_eq!(world.reason(&request), Reason::DefaultAllowed);
    bundle["documents"][0]["spec"]["claims"] = json!({"device": "other"});
    bundle["metadata"]["version"] = json!(42);
    world.push(&bundle);
    assert_eq!(world.reason(&request), Reason::DeviceManaged);
}

#[test]
fn what_is_public_asks_for_no_device_and_nobody_is_asked_who_they_are() {
    let mut world = World::new(&demanding());
    assert_eq!(world.reason(&get("/open")), Reason::RulePublic);
    assert_eq!(
        world.reason(&get("/open").bearer(&token("us-east-1"))),
        Reason::RulePublic
    );
    assert_eq!(world.reason(&get("/x")), Reason::IdentityMissing);
    assert_eq!(
        world.reason(&get("/x").bearer("no.valid.token")),
        Reason::TokenMalformed
    );
}

#[test]
fn a_posture_that_is_bound_to_a_certificate_needs_it() {
    let mut world = World::new(&demanding());
    let bound = json!({"certificate": null, "cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([0xab; 32])}});
    let request = get("/x").bearer(&with_device(&fit_with(&bound)));
    for (digest, reason) in [
        (None, Reason::DeviceNotShown),
        (Some("ab".repeat(32)), Reason::DefaultAllowed),
        (Some("ac".repeat(32)), Reason::DeviceNotShown),
        (None, Reason::DeviceNotShown),
    ] {
        world.digest = digest.clone().map(String::into_bytes);
        assert_eq!(world.reason(&request), reason, "{digest:?}");
    }
}

/// The proof of the user's token shows the key, and no other key will do.
#[test]
fn a_posture_that_is_bound_to_a_key_needs_the_token_to_be_bound_to_it() {
    let mut world = World::new(&demanding());
    let own = claims_of(&bound(json!({})))["cnf"].clone();
    let other = json!({"jkt": URL_SAFE_NO_PAD.encode([7; 32])});
    for (number, (cnf, reason)) in [(own.clone(), Reason::DefaultAllowed), (other, Reason::DeviceNotShown)]
        .into_iter()
        .enumerate()
    {
        let device = fit_with(&json!({ "cnf": cnf }));
        let token = token_with("us-east-1", &json!({"cnf": own, "device": device}));
        let proof = proof_of(&target("https://api.us-east-1.com/x", &token, &number.to_string()));
        let request = get("/x")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof);
        assert_eq!(world.reason(&request), reason);
    }
    let unbound = get("/x").bearer(&with_device(&fit_with(&json!({ "cnf": own }))));
    assert_eq!(world.reason(&unbound), Reason::DeviceNotShown);
}

fn claims_of(token: &str) -> Json {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[test]
fn a_center_is_told_of_the_device() {
    let asked = |device: &Json| {
        let mut world = World::new(&rules(json!([{"name": "ask", "effect": "defer"}])));
        world.wait(&get("/a").bearer(&with_device(device)));
        world.question()["context"].get("device").cloned()
    };
    let told = json!({"platform": "macos", "managed": true, "patched_at": "2027-01-14T08:00:00Z"});
    let device =
        json!({"platform": "macOS", "managed": true, "patched_at": START - 86_400, "owner": "alice", "id": null});
    assert_eq!(asked(&device), Some(told));
    assert_eq!(
        asked(&json!({"managed": "true"})),
        None,
        "what is malformed is not there"
    );
}
