//! Of what policies demand of devices, and of who says what these are.

use core::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn of_compliance() {
    let device = "documents[2].spec.device";
    let list = format!("{device}.compliance");
    let item = |value: Json, field: &str, fragment: &str| {
        refuses(
            device,
            json!({"compliance": [value]}),
            &format!("{list}[0].{field}"),
            fragment,
        );
    };
    refuses(device, json!({}), "", "an empty object");
    refuses(
        device,
        json!({"complience": []}),
        &format!("{device}.complience"),
        "did you mean `compliance`?",
    );
    refuses(device, json!({"compliance": []}), &list, "an empty list");
    refuses(
        device,
        json!({"compliance": [{}]}),
        &format!("{list}[0]"),
        "an empty object",
    );
    let many: Vec<Json> = (0..17).map(|_| json!({"managed": true})).collect();
    refuses(device, json!({ "compliance": many }), &list, "too many: 17, 16 at most");
    item(json!({"encrypted": true}), "encrypted", "no such field: `encryption`");
    item(
        json!({"encryption": true}),
        "encryption",
        "must be `required`; found `true`",
    );
    item(
        json!({"encryption": "requierd"}),
        "encryption",
        "did you mean `required`?",
    );
    item(json!({"screenLock": "yes"}), "screenLock", "must be `required`");
    item(json!({"certificate": "optional"}), "certificate", "must be `required`");
    item(json!({"managed": false}), "managed", "`false` says nothing here");
    item(json!({"managed": "true"}), "managed", "must be `true` or `false`");
    item(
        json!({"jailbroken": true}),
        "jailbroken",
        "demands that devices are jailbroken",
    );
    for (age, fragment) in [
        (json!("30 days"), "not a duration"),
        (json!("0d"), "must be from 1h to 366d"),
        (json!("367d"), "must be from 1h to 366d"),
        (json!("10m"), "must be from 1h to 8784h"),
        (json!(30), "has no unit"),
    ] {
        item(json!({"patch_age": age}), "patch_age", fragment);
    }
    for (version, fragment) in [
        (json!("14.2"), "did you mean `>= 14.2`?"),
        (json!("lastest"), "did you mean `latest`?"),
        (json!("> 14.2"), "must be `latest`, or the least version like `>= 14.2`"),
        (json!(">= 14.x"), "a version is numbers between dots"),
        (json!(">="), "a version is numbers between dots"),
        (json!(14), "or the least version like `\">= 14.2\"`; found `14`"),
    ] {
        item(json!({"os_version": version}), "os_version", fragment);
    }
    item(json!({"os_version": {}}), "os_version", "an empty object");
    item(
        json!({"os_version": {"mac": ">= 14"}}),
        "os_version.mac",
        "did you mean `macos`?",
    );
    item(
        json!({"os_version": {"macos": "latest"}}),
        "os_version.macos",
        "the least version like",
    );
}

#[test]
fn of_os_versions() {
    let versions = "documents[2].spec.osVersions";
    refuses(versions, json!({}), "", "an empty object");
    refuses(versions, json!("15.2"), "", "must be an object");
    refuses(
        versions,
        json!({"macos": 15.2}),
        &format!("{versions}.macos"),
        "quote it",
    );
    refuses(
        versions,
        json!({"macos": "15.2 (24C101)"}),
        &format!("{versions}.macos"),
        "numbers between dots",
    );
    refuses(
        versions,
        json!({"beos": "5"}),
        &format!("{versions}.beos"),
        "no such platform: `android`, `chromeos`",
    );
}

#[test]
fn what_says_nothing_is_a_warning() {
    let warnings = |spec: Json| {
        let mut bundle = sample();
        for (name, value) in spec.as_object().expect("an object") {
            set(&mut bundle, &format!("documents[2].spec.{name}"), value.clone());
        }
        lines(&compiled(&bundle).warnings)
    };
    let latest = json!({"compliance": [{"os_version": "latest"}]});
    let never = warnings(json!({ "device": latest }));
    assert!(
        never.contains("documents[2].spec.device: `os_version: latest` is never met"),
        "{never}"
    );
    let said = warnings(json!({"device": latest, "os_versions": {"macos": "15.2"}}));
    assert_eq!(said, "");
    let useless = warnings(json!({"osVersions": {"macos": "15.2"}}));
    assert!(
        useless.contains("documents[2].spec.osVersions: nothing looks at it"),
        "{useless}"
    );
    let service = warnings(json!({"device": {"compliance": [{"managed": true}]},
        "rules": [{"name": "a", "effect": "allow"}, {"name": "b", "identity": "workload", "effect": "allow"}]}));
    assert!(
        service.contains("documents[2].spec.rules[1].identity: lets no workload in"),
        "{service}"
    );
}

/// The sample with a DeviceIssuer behind its documents, with these changes.
fn with_issuer(changes: &Json) -> Json {
    let mut spec = json!({"issuer": "https://mdm.example.com", "audiences": ["posture"], "keys": {"jwks": {"keys": [key("mdm", 77)]}},
        "binding": {"home": "user_region"}});
    let members = spec.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    let mut bundle = sample();
    let issuer =
        json!({"apiVersion": "security.io/v1", "kind": "DeviceIssuer", "metadata": {"name": "mdm"}, "spec": spec});
    bundle["documents"].as_array_mut().expect("a list").push(issuer);
    bundle
}

fn place_of_issuer() -> String {
    let count = sample()["documents"].as_array().expect("a list").len();
    format!("documents[{count}].spec")
}

#[test]
fn a_device_issuer_has_what_it_says_and_the_usual_beside() {
    let issuer = parsed(&with_issuer(&json!({}))).device_issuers.remove(0);
    assert_eq!(
        (issuer.name.as_str(), issuer.issuer.as_str()),
        ("mdm", "https://mdm.example.com")
    );
    assert_eq!(
        (issuer.header.as_str(), issuer.pass, issuer.kind),
        ("x-device-posture", false, None)
    );
    assert_eq!(issuer.max_age, Duration::from_secs(3_600));
    let path = |path: &crate::identity::ClaimPath| path.as_str().to_owned();
    assert_eq!(
        (path(&issuer.binding.subject), path(&issuer.binding.token)),
        ("sub".to_owned(), "sub".to_owned())
    );
    let claims: Vec<String> = issuer.claims.iter().map(path).collect();
    assert_eq!(
        (claims.len(), claims[2].as_str(), claims[8].as_str()),
        (9, "device.os_version", "device.patched_at")
    );

    let whole = json!({"header": "x-mdm", "upstream": "pass", "type": "posture+jwt", "max_age": "5m",
        "binding": {"subject": "user", "token": "email", "issuer": "user_iss", "regions": ["us-east-1"]},
        "claims": {"os_version": "os.version", "patchedAt": "patched"}});
    let issuer = parsed(&with_issuer(&whole)).device_issuers.remove(0);
    assert_eq!(
        (issuer.header.as_str(), issuer.pass, issuer.kind.as_deref()),
        ("x-mdm", true, Some("posture+jwt"))
    );
    assert_eq!(issuer.binding.regions, Some(vec!["us-east-1".to_owned()]));
    let claims: Vec<String> = issuer.claims.iter().map(path).collect();
    assert_eq!(
        (claims[2].as_str(), claims[3].as_str(), claims[8].as_str()),
        ("os.version", "device.encrypted", "patched")
    );
    // The claim of the user's own token counts only where its Region says so.
    assert_eq!(parsed(&with_issuer(&json!({}))).regions[0].claims.device, None);
    assert!(parsed(&sample()).regions[0].claims.device.is_some());
}

#[test]
fn of_a_device_issuer() {
    let spec = place_of_issuer();
    let wrong = |changes: Json, field: &str, fragment: &str| {
        expect(&with_issuer(&changes), &format!("{spec}{field}"), fragment);
    };
    for name in ["issuer", "audiences", "keys"] {
        wrong(json!({ name: null }), "", &format!("`{name}` is missing"));
    }
    wrong(json!({"audience": ["x"]}), ".audience", "did you mean `audiences`?");
    wrong(
        json!({"keys": {"algorithms": ["HS256"]}}),
        ".keys.algorithms[0]",
        "is never allowed",
    );
    wrong(
        json!({"header": "X-Posture"}),
        ".header",
        "header names are lower case here",
    );
    for header in [
        "authorization",
        "cookie",
        "x-forwarded-for",
        "x-regionguard-device",
        "dpop",
        "host",
    ] {
        wrong(json!({ "header": header }), ".header", "carries something else");
    }
    wrong(json!({"upstream": "keep"}), ".upstream", "must be `strip` or `pass`");
    wrong(json!({"type": ""}), ".type", "is empty");
    wrong(json!({"maxAge": "5s"}), ".maxAge", "must be from 10s to 720h");
    wrong(
        json!({"binding": null}),
        "",
        "the same `sub` in two regions is two people",
    );
    wrong(
        json!({"binding": {"subject": "user"}}),
        ".binding",
        "the same `sub` in two regions is two people",
    );
    wrong(
        json!({"binding": {"regions": ["mars"]}}),
        ".binding.regions[0]",
        "is no Region of the bundle",
    );
    wrong(
        json!({"binding": {"region": "x"}}),
        ".binding.region",
        "did you mean `regions`?",
    );
    wrong(
        json!({"claims": {"encryption": "x"}}),
        ".claims.encryption",
        "no such field: `id`, `platform`",
    );
    wrong(
        json!({"claims": {"managed": "x".repeat(257)}}),
        ".claims.managed",
        "at most 256 bytes",
    );
    wrong(
        json!({"claims": {"managed": true}}),
        ".claims.managed",
        "must be a string",
    );
}

#[test]
fn of_device_issuers_beside_others() {
    let spec = place_of_issuer();
    let shared =
        json!({"keys": {"jwks": {"keys": [at(&mut sample(), "documents[0].spec.keys.jwks.keys[0]").clone()]}}});
    expect(
        &with_issuer(&shared),
        &format!("{spec}.keys.jwks"),
        "the Region `us-east-1` and the DeviceIssuer `mdm` have a key in common",
    );
    let mut bundle = with_issuer(&json!({"keys": {"remote": {"cluster": "identity"}}}));
    set(
        &mut bundle,
        "documents[0].spec.keys",
        json!({"remote": {"cluster": "identity"}}),
    );
    let message = "the Region `us-east-1` and the DeviceIssuer `mdm` fetch their keys at one address";
    expect(&bundle, &format!("{spec}.keys.remote"), message);

    let mut bundle = with_issuer(&json!({}));
    let mut second = bundle["documents"]
        .as_array()
        .expect("a list")
        .last()
        .expect("an issuer")
        .clone();
    second["metadata"]["name"] = json!("second");
    second["spec"]["keys"] = json!({"jwks": {"keys": [key("second", 78)]}});
    second["spec"]["header"] = json!("x_device_posture");
    bundle["documents"].as_array_mut().expect("a list").push(second);
    let later = spec.replace(
        &format!("[{}]", sample()["documents"].as_array().expect("a list").len()),
        &format!("[{}]", sample()["documents"].as_array().expect("a list").len() + 1),
    );
    expect(&bundle, &format!("{later}.issuer"), "`mdm` has this issuer already");
    expect(&bundle, &format!("{later}.header"), "spell both alike");

    let mut bundle = with_issuer(&json!({}));
    set(
        &mut bundle,
        "tokens",
        json!({"sources": [{"header": "x-device-posture"}]}),
    );
    expect(
        &bundle,
        &format!("{spec}.header"),
        "`tokens.sources` takes tokens from `x-device-posture`",
    );
    let mut bundle = with_issuer(&json!({}));
    set(
        &mut bundle,
        "documents[2].spec.forward",
        json!({"claims": {"x-device-posture": "sub"}}),
    );
    expect(
        &bundle,
        &format!("{spec}.header"),
        "fills `x-device-posture` with a claim",
    );
    let many: Vec<Json> = (0..17)
        .map(|number| {
            let mut issuer = with_issuer(&json!({}))["documents"]
                .as_array()
                .expect("a list")
                .last()
                .expect("an issuer")
                .clone();
            issuer["metadata"]["name"] = json!(format!("mdm-{number}"));
            issuer
        })
        .collect();
    let mut bundle = sample();
    bundle["documents"].as_array_mut().expect("a list").extend(many);
    expect(
        &bundle,
        "documents",
        "too many documents of kind DeviceIssuer: 17, 16 at most",
    );
}
