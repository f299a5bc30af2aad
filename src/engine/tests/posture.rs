//! Posture tokens of a device manager: whose word counts, for whom, and for how long.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::super::Outcome;
use super::device::fit_with;
use super::documents::{bundle, policy};
use super::host::{Reply, Request, World, forwarded, get};
use super::tokens::{ISSUER, START, Signer, claims, token, token_with};
use crate::reason::Reason;

pub(super) const HEADER: &str = "x-device-posture";
const MANAGER: &str = "https://mdm.example.com";

/// The device manager's key; another `seed`, another key.
pub(super) fn manager(seed: u8) -> Signer {
    Signer::new("mdm", seed)
}

/// A DeviceIssuer of the usual form, with these changes in its `spec`.
pub(super) fn device_issuer(name: &str, changes: &Json) -> Json {
    let mut spec = json!({"issuer": MANAGER, "audiences": ["posture.us-east-1.com"], "keys": {"jwks": {"keys": [manager(1).jwk()]}},
        "binding": {"home": "user_region"}});
    let members = spec.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    json!({"apiVersion": "security.io/v1", "kind": "DeviceIssuer", "metadata": {"name": name}, "spec": spec})
}

/// A bundle that demands managed devices, and believes this manager.
pub(super) fn managed(changes: &Json) -> Json {
    let fit = json!({"selector": {"hosts": ["api.us-east-1.com"]}, "default": "allow", "device": {"compliance": [{"managed": true}]},
    "rules": [
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "effect": "defer"},
    ]});
    let free = json!({"selector": {"hosts": ["free.us-east-1.com"]}, "default": "allow"});
    let mut bundle = bundle(&[policy("fit", fit), policy("free", free), device_issuer("mdm", changes)]);
    bundle["trust"]["peerVerification"] = json!("required");
    bundle
}

/// What the manager says of alice's device, with these changes; null takes a claim away.
pub(super) fn says(changes: &Json) -> Json {
    let mut says = json!({"iss": MANAGER, "sub": "alice", "user_region": "us-east-1", "aud": "posture.us-east-1.com",
        "iat": START - 60, "exp": START + 600, "device": fit_with(&json!({}))});
    let members = says.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    says
}

pub(super) fn posture(changes: &Json) -> String {
    manager(1).token_with(&json!({"alg": "EdDSA", "kid": "key-of-mdm"}), &says(changes))
}

/// A request of alice with this posture.
pub(super) fn with_posture(posture: &str) -> Request {
    get("/x").bearer(&token("us-east-1")).header(HEADER, posture)
}

#[test]
fn the_managers_word_counts_and_the_upstream_does_not_hear_it() {
    let mut world = World::new(&managed(&json!({})));
    for _ in 0..2 {
        let decision = world.decide(&with_posture(&posture(&json!({}))));
        assert_eq!(decision.reason, Reason::DefaultAllowed);
        forwarded(&decision);
        assert_eq!(world.removed, [HEADER.as_bytes()]);
    }
    // Neither does a spelling that some server takes for it, nor one of a request that is refused or needs no posture.
    world.decide(&get("/x").header("X_Device-Posture", "a"));
    assert_eq!(world.removed, [b"X_Device-Posture"]);
    let free = with_posture("rubbish").host("free.us-east-1.com");
    assert_eq!(world.reason(&free), Reason::DefaultAllowed);
    assert_eq!(world.removed, [HEADER.as_bytes()]);
    let open = get("/open").header(HEADER, "rubbish");
    assert_eq!(world.reason(&open), Reason::RulePublic);

    let mut passing = World::new(&managed(&json!({"upstream": "pass"})));
    assert_eq!(
        passing.reason(&with_posture(&posture(&json!({})))),
        Reason::DefaultAllowed
    );
    assert!(passing.removed.is_empty());
}

#[test]
fn a_posture_is_of_one_person() {
    let mut world = World::new(&managed(&json!({})));
    // What alice's colleague, or her namesake of another region, has on their device says nothing of hers.
    for changes in [
        json!({"sub": "bob"}),
        json!({"sub": "Alice"}),
        json!({"sub": null}),
        json!({"sub": ["alice"]}),
        json!({"sub": ""}),
        json!({"user_region": "eu-west-1"}),
        json!({"user_region": null}),
    ] {
        assert_eq!(
            world.reason(&with_posture(&posture(&changes))),
            Reason::DeviceOtherSubject,
            "{changes}"
        );
    }
    // The same token is in the cache as alice's, and bob gets nothing of it.
    let good = posture(&json!({}));
    assert_eq!(world.reason(&with_posture(&good)), Reason::DefaultAllowed);
    let bob = token_with("us-east-1", &json!({"sub": "bob"}));
    assert_eq!(
        world.reason(&get("/x").bearer(&bob).header(HEADER, &good)),
        Reason::DeviceOtherSubject
    );
    let namesake = get("/x").bearer(&token("eu-west-1")).header(HEADER, &good);
    assert_eq!(world.reason(&namesake), Reason::DeviceOtherSubject);
    assert_eq!(world.reason(&get("/x").header(HEADER, &good)), Reason::IdentityMissing);
}

#[test]
fn whose_it_is_may_stand_elsewhere() {
    let binding =
        json!({"binding": {"subject": "user.mail", "token": "email", "issuer": "user.iss", "regions": ["us-east-1"]}});
    let mut world = World::new(&managed(&binding));
    let alice = token_with("us-east-1", &json!({"email": "a@x.com"}));
    let request = |user: Json, token: &str| {
        let posture = posture(&json!({"sub": "device-7", "user": user}));
        get("/x").bearer(token).header(HEADER, posture)
    };
    let own = json!({"mail": "a@x.com", "iss": ISSUER});
    assert_eq!(world.reason(&request(own.clone(), &alice)), Reason::DefaultAllowed);
    let nameless = token("us-east-1");
    let elsewhere = token_with("eu-west-1", &json!({"email": "a@x.com"}));
    for (user, token) in [
        (json!({"mail": "b@x.com", "iss": ISSUER}), &alice),
        (json!({"mail": "a@x.com", "iss": "another"}), &alice),
        (json!({"mail": "a@x.com"}), &alice),
        (own.clone(), &nameless),
        (own, &elsewhere),
    ] {
        assert_eq!(
            world.reason(&request(user.clone(), token)),
            Reason::DeviceOtherSubject,
            "{user}"
        );
    }
}

#[test]
fn a_posture_gets_old_in_the_cache_too() {
    let mut world = World::new(&managed(&json!({"maxAge": "5m"})));
    let fresh = with_posture(&posture(&json!({"exp": null})));
    assert_eq!(world.reason(&fresh), Reason::DefaultAllowed);
    world.pass(Duration::from_secs(240));
    assert_eq!(world.reason(&fresh), Reason::DefaultAllowed);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.reason(&fresh), Reason::DeviceStale);

    let mut world = World::new(&managed(&json!({"maxAge": "24h"})));
    for (changes, reason) in [
        (json!({"iat": START + 31}), Reason::DeviceStale),
        (
            json!({"iat": START - 90_000, "exp": START + 90_000}),
            Reason::DeviceStale,
        ),
        (json!({"exp": START - 31}), Reason::DeviceStale),
        (json!({"nbf": START + 31}), Reason::DeviceStale),
        (json!({"iat": null}), Reason::DeviceInvalid),
        (json!({"iat": "now"}), Reason::DeviceInvalid),
        (json!({"exp": "never"}), Reason::DeviceInvalid),
    ] {
        assert_eq!(world.reason(&with_posture(&posture(&changes))), reason, "{changes}");
    }
    let soon = with_posture(&posture(&json!({"exp": START + 60})));
    assert_eq!(world.reason(&soon), Reason::DefaultAllowed);
    world.pass(Duration::from_secs(91));
    assert_eq!(world.reason(&soon), Reason::DeviceStale);
}

#[test]
fn only_the_managers_own_keys_sign() {
    let mut world = World::new(&managed(&json!({})));
    let all = says(&json!({}));
    let header = |changes: Json| {
        let mut header = json!({"alg": "EdDSA", "kid": "key-of-mdm"});
        let members = header.as_object_mut().expect("an object");
        members.extend(changes.as_object().expect("an object").clone());
        members.retain(|_, value| !value.is_null());
        header
    };
    let by = |signer: &Signer, changes: Json| signer.token_with(&header(changes), &all);
    let unsigned = |alg: &str| {
        let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({"alg": alg})), part(&all))
    };
    let users = Signer::new("us-east-1", 1);
    for (what, token) in [
        (
            "the key of the user's own issuer",
            by(&users, json!({"kid": "key-of-us-east-1"})),
        ),
        ("the same under the manager's name", by(&users, json!({}))),
        ("another key of that name", by(&manager(2), json!({}))),
        (
            "a key that it brings along",
            by(&manager(2), json!({"jwk": manager(2).jwk()})),
        ),
        ("no algorithm", unsigned("none")),
        ("no signature", by(&manager(1), json!({"alg": "none"}))),
        ("a shared secret", by(&manager(1), json!({"alg": "HS256"}))),
        ("another algorithm", by(&manager(1), json!({"alg": "ES256"}))),
        ("an extension", by(&manager(1), json!({"crit": ["exp"]}))),
        ("an access token", by(&manager(1), json!({"typ": "at+jwt"}))),
        ("the user's token", token("us-east-1")),
        ("garbage", "a.b.c".to_owned()),
        ("nothing", String::new()),
        ("two in one", format!("{0},{0}", posture(&json!({})))),
    ] {
        assert_eq!(world.reason(&with_posture(&token)), Reason::DeviceInvalid, "{what}");
    }
    assert_eq!(
        world.reason(&with_posture(&by(&manager(1), json!({"typ": "JWT"})))),
        Reason::DefaultAllowed
    );
    assert_eq!(
        world.reason(&with_posture(&by(&manager(1), json!({"kid": null})))),
        Reason::DefaultAllowed
    );
    // Nor does the manager's key let anybody in.
    let forged = manager(1).token_with(&json!({"alg": "EdDSA", "kid": "key-of-mdm"}), &claims("us-east-1"));
    assert_eq!(world.reason(&get("/x").bearer(&forged)), Reason::KeyUnknown);
}

#[test]
fn what_is_signed_has_to_be_meant_for_this() {
    let mut world = World::new(&managed(&json!({"type": "device-posture+jwt"})));
    let typed = |typ: Json, changes: &Json| {
        let header = json!({"alg": "EdDSA", "kid": "key-of-mdm", "typ": typ});
        with_posture(&manager(1).token_with(&header, &says(changes)))
    };
    let good = json!("application/Device-Posture+jwt");
    for (typ, changes, reason) in [
        (good.clone(), json!({}), Reason::DefaultAllowed),
        (json!("JWT"), json!({}), Reason::DeviceInvalid),
        (json!(7), json!({}), Reason::DeviceInvalid),
        (good.clone(), json!({"aud": "api.us-east-1.com"}), Reason::DeviceInvalid),
        (good.clone(), json!({"aud": null}), Reason::DeviceInvalid),
        (
            good.clone(),
            json!({"aud": ["x", "posture.us-east-1.com"]}),
            Reason::DefaultAllowed,
        ),
        (
            good.clone(),
            json!({"aud": ["posture.us-east-1.com", 1]}),
            Reason::DeviceInvalid,
        ),
        (
            good.clone(),
            json!({"iss": "https://mdm.example.com/"}),
            Reason::DeviceInvalid,
        ),
        (good, json!({"iss": null}), Reason::DeviceInvalid),
    ] {
        assert_eq!(world.reason(&typed(typ.clone(), &changes)), reason, "{typ} {changes}");
    }
    assert_eq!(world.reason(&with_posture(&posture(&json!({})))), Reason::DeviceInvalid);
}

#[test]
fn a_posture_of_a_wrong_form_is_none() {
    let mut world = World::new(&managed(&json!({})));
    for device in [json!({"managed": "true"}), json!({"managed": true, "os_version": 15})] {
        let request = with_posture(&posture(&json!({ "device": device })));
        assert_eq!(world.reason(&request), Reason::DeviceMalformed, "{device}");
    }
    assert_eq!(
        world.reason(&with_posture(&posture(&json!({"cnf": {}})))),
        Reason::DeviceMalformed
    );
    // What it says otherwise is not where it is looked for.
    for device in [json!(null), json!("managed"), json!({"managed": false}), json!([true])] {
        let request = with_posture(&posture(&json!({ "device": device })));
        assert_eq!(world.reason(&request), Reason::DeviceManaged, "{device}");
    }
    // The same member twice has no one meaning.
    let text = says(&json!({}))
        .to_string()
        .replacen("\"managed\":true", "\"managed\":true,\"managed\":true", 1);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let twice = format!("{}.{}.{}", part(r#"{"alg":"EdDSA"}"#), part(&text), part("signature"));
    assert_eq!(world.reason(&with_posture(&twice)), Reason::DeviceInvalid);
}

#[test]
fn parts_may_stand_elsewhere() {
    let mut world = World::new(&managed(
        &json!({"claims": {"managed": "https://mdm.example.com/managed", "osVersion": "os.version"}}),
    ));
    let claims = json!({"https://mdm.example.com/managed": true, "device": {"managed": false, "os_version": 7}, "os": {"version": "15"}});
    assert_eq!(world.reason(&with_posture(&posture(&claims))), Reason::DefaultAllowed);
    assert_eq!(world.reason(&with_posture(&posture(&json!({})))), Reason::DeviceManaged);
}

#[test]
fn one_posture_and_in_its_own_header() {
    let good = posture(&json!({}));
    let mut world = World::new(&managed(&json!({})));
    for second in [HEADER, "X-Device-Posture", "x_device_posture"] {
        let twice = with_posture(&good).header(second, &good);
        assert_eq!(world.reason(&twice), Reason::DeviceAmbiguous, "{second}");
    }
    let plain = || get("/x").bearer(&token("us-east-1"));
    assert_eq!(
        world.reason(&plain().header("x_device_posture", &good)),
        Reason::DeviceInvalid
    );
    assert_eq!(
        world.reason(&plain().header("X-DEVICE-POSTURE", &good)),
        Reason::DefaultAllowed
    );
    assert_eq!(world.reason(&plain()), Reason::DeviceMissing);
    let long = posture(&json!({"filling": "x".repeat(8 * 1024)}));
    assert_eq!(world.reason(&with_posture(&long)), Reason::DeviceInvalid);

    let mut bundle = managed(&json!({"header": "x-one"}));
    let keys = json!({"jwks": {"keys": [manager(9).jwk()]}});
    let other = json!({"issuer": "other", "header": "x-two", "keys": keys});
    bundle["documents"]
        .as_array_mut()
        .expect("a list")
        .push(device_issuer("other", &other));
    let mut world = World::new(&bundle);
    assert_eq!(world.reason(&plain().header("x-one", &good)), Reason::DefaultAllowed);
    assert_eq!(world.reason(&plain().header("x-two", &good)), Reason::DeviceInvalid);
    let both = plain().header("x-one", &good).header("x-two", &good);
    assert_eq!(world.reason(&both), Reason::DeviceAmbiguous);
}

/// Where somebody who knows better is named, the token's claim counts only where its Region says so; and a posture that came is not made up for by it.
#[test]
fn the_token_says_nothing_beside_a_manager_unless_it_is_told_to() {
    let own = token_with("us-east-1", &json!({"device": fit_with(&json!({}))}));
    let mut world = World::new(&managed(&json!({})));
    assert_eq!(world.reason(&get("/x").bearer(&own)), Reason::DeviceMissing);
    let mut bundle = managed(&json!({}));
    bundle["documents"][0]["spec"]["claims"] = json!({"device": "device"});
    let mut world = World::new(&bundle);
    assert_eq!(world.reason(&get("/x").bearer(&own)), Reason::DefaultAllowed);
    let bad = posture(&json!({"device": {"managed": false}}));
    assert_eq!(
        world.reason(&get("/x").bearer(&own).header(HEADER, bad)),
        Reason::DeviceManaged
    );
    assert_eq!(
        world.reason(&get("/x").bearer(&own).header(HEADER, "rubbish")),
        Reason::DeviceInvalid
    );
}

#[test]
fn a_posture_that_is_bound_to_a_certificate_needs_it() {
    let mut world = World::new(&managed(&json!({})));
    let cnf = json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([0xab; 32])}});
    let request = with_posture(&posture(&cnf));
    for (digest, reason) in [
        (None, Reason::DeviceNotShown),
        (Some("ab".repeat(32)), Reason::DefaultAllowed),
        (Some("ac".repeat(32)), Reason::DeviceNotShown),
    ] {
        world.digest = digest.clone().map(String::into_bytes);
        assert_eq!(world.reason(&request), reason, "{digest:?}");
    }
}

#[test]
fn forged_postures_have_a_budget_and_known_ones_are_not_held_up() {
    let mut world = World::new(&managed(&json!({})));
    let good = with_posture(&posture(&json!({})));
    assert_eq!(world.reason(&good), Reason::DefaultAllowed);
    let forged = |number: u32| {
        let header = json!({"alg": "EdDSA", "kid": "key-of-mdm"});
        with_posture(&manager(2).token_with(&header, &says(&json!({ "number": number }))))
    };
    for number in 0..20 {
        assert_eq!(world.reason(&forged(number)), Reason::DeviceInvalid);
    }
    assert_eq!(world.reason(&forged(20)), Reason::VerificationBudget);
    assert_eq!(world.reason(&good), Reason::DefaultAllowed);
}

#[test]
fn keys_come_over_the_network_and_postures_wait_for_them() {
    let remote = json!({"keys": {"remote": {"cluster": "mdm", "refresh": "60s", "staleFor": "10m"}}});
    let mut world = World::new(&managed(&remote));
    let request = with_posture(&posture(&json!({})));
    let waiting = world.wait(&request);
    let call = world.call();
    world.reply(call, &Reply::of(&json!({"keys": [manager(1).jwk()]})));
    assert_eq!(world.finished(waiting).reason, Reason::DefaultAllowed);
    assert_eq!(world.logged("keys of the DeviceIssuer mdm: 1 in force"), 1);
    assert_eq!(world.reason(&request), Reason::DefaultAllowed);

    // A key that is not there yet may come; a push of other keys takes the old one's postures along.
    world.pass(Duration::from_secs(20));
    let next = Signer::named("next", "mdm", 7);
    let new = with_posture(&next.token_with(&json!({"alg": "EdDSA", "kid": "next"}), &says(&json!({}))));
    let waiting = world.wait(&new);
    let call = world.call();
    world.reply(call, &Reply::of(&json!({"keys": [next.jwk()]})));
    assert_eq!(world.finished(waiting).reason, Reason::DefaultAllowed);
    assert!(matches!(world.begin(&request), Outcome::Done(decision) if decision.reason == Reason::DeviceInvalid));

    // Nobody waits who is let in anyway, or is refused anyway.
    let mut world = World::new(&managed(&remote));
    assert_eq!(
        world.reason(&request.clone().host("free.us-east-1.com")),
        Reason::DefaultAllowed
    );
    assert_eq!(
        world.reason(&with_posture(&posture(&json!({"sub": "bob"})))),
        Reason::DeviceOtherSubject
    );
    let waiting = world.wait(&request);
    world.pass(Duration::from_secs(2));
    world.wake();
    assert_eq!(world.finished(waiting).reason, Reason::DeviceKeysUnavailable);
}

/// Whoever signs for both could sign as either.
#[test]
fn a_key_that_a_region_holds_as_well_verifies_for_neither() {
    let remote = json!({"keys": {"remote": {"cluster": "mdm"}}});
    let mut world =
        World::new(&managed(&remote)).fetched(&json!({"keys": [Signer::new("us-east-1", 1).jwk(), manager(1).jwk()]}));
    assert_eq!(
        world.logged("the Region us-east-1 and the DeviceIssuer mdm have a key in common"),
        1
    );
    assert_eq!(world.reason(&with_posture(&posture(&json!({})))), Reason::KeyUnknown);
    let elsewhere = get("/x").bearer(&token("eu-west-1"));
    let theirs = posture(&json!({"user_region": "eu-west-1"}));
    assert_eq!(world.reason(&elsewhere.header(HEADER, theirs)), Reason::DefaultAllowed);
}

#[test]
fn a_push_changes_whom_it_believes() {
    let mut world = World::new(&managed(&json!({})));
    let request = with_posture(&posture(&json!({})));
    assert_eq!(world.reason(&request), Reason::DefaultAllowed);
    for (number, (changes, reason)) in [
        (json!({"audiences": ["other"]}), Reason::DeviceInvalid),
        (json!({"maxAge": "30s"}), Reason::DeviceStale),
        (
            json!({"binding": {"subject": "device.id", "regions": ["us-east-1"]}}),
            Reason::DeviceOtherSubject,
        ),
        (
            json!({"claims": {"managed": "device.jailbroken"}}),
            Reason::DeviceManaged,
        ),
        (json!({"header": "x-other"}), Reason::DeviceMissing),
        (json!({"type": "other"}), Reason::DeviceInvalid),
        (
            json!({"keys": {"jwks": {"keys": [manager(3).jwk()]}}}),
            Reason::DeviceInvalid,
        ),
        (json!({}), Reason::DefaultAllowed),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bundle = managed(&changes);
        bundle["metadata"]["version"] = json!(100 + number);
        world.push(&bundle);
        assert_eq!(world.reason(&request), reason, "{changes}");
    }
}

#[test]
fn a_center_is_told_of_what_the_manager_says() {
    let mut world = World::new(&managed(&json!({})));
    let request = with_posture(&posture(&json!({"device": {"managed": true, "id": "d-7"}}))).set(":path", "/ask");
    world.wait(&request);
    assert_eq!(
        world.question()["context"]["device"],
        json!({"managed": true, "id": "d-7"})
    );
}
