//! Of what policies demand of devices.

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
    item(json!({"encryption": true}), "encryption", "must be a string");
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
        (json!(30), "must be a string"),
    ] {
        item(json!({"patch_age": age}), "patch_age", fragment);
    }
    for (version, fragment) in [
        (json!("14.2"), "did you mean `>= 14.2`?"),
        (json!("lastest"), "did you mean `latest`?"),
        (json!("> 14.2"), "must be `latest`, or the least version like `>= 14.2`"),
        (json!(">= 14.x"), "a version is numbers between dots"),
        (json!(">="), "a version is numbers between dots"),
        (json!(14), "must be a string: quote it"),
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
