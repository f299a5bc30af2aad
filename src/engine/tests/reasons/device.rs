//! What is not as it should be with the device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::super::device;
use super::super::host::{World, get};
use super::super::posture::{HEADER, managed, posture, with_posture};
use super::super::tokens::{START, token, token_with};
use super::{AT_HOME, Table};
use crate::reason::Reason;

pub(super) fn unfit(table: &mut Table) {
    let by = "fit/-;inline";
    for (reason, request) in [
        (
            Reason::DeviceAmbiguous,
            with_posture(&posture(&json!({}))).header(HEADER, "another"),
        ),
        (Reason::DeviceInvalid, with_posture("a.b.c")),
        (
            Reason::DeviceStale,
            with_posture(&posture(&json!({"iat": START - 3_601}))),
        ),
        (
            Reason::DeviceOtherSubject,
            with_posture(&posture(&json!({"sub": "bob"}))),
        ),
    ] {
        table.row_in(World::new(&managed(&json!({}))), reason, by, AT_HOME, request);
    }
    let remote = json!({"keys": {"remote": {"cluster": "mdm"}}});
    let mut away = World::new(&managed(&remote));
    let waiting = away.wait(&table.kind(with_posture(&posture(&json!({})))));
    away.pass(core::time::Duration::from_secs(2));
    away.wake();
    let decision = away.finished(waiting);
    table.expect(&mut away, &decision, Reason::DeviceKeysUnavailable, by, AT_HOME);
    let world = || World::new(&device::demanding());
    let with = |changes: Json| {
        let claim = device::fit_with(&changes);
        get("/x").bearer(&token_with("us-east-1", &json!({ "device": claim })))
    };
    table.row_in(
        world(),
        Reason::DeviceMissing,
        by,
        AT_HOME,
        get("/x").bearer(&token("us-east-1")),
    );
    let bound = json!({"x5t#S256": URL_SAFE_NO_PAD.encode([7; 32])});
    for (reason, changes) in [
        (Reason::DeviceMalformed, json!({"encrypted": "true"})),
        (Reason::DeviceNotShown, json!({ "cnf": bound })),
        (Reason::DeviceJailbroken, json!({"jailbroken": true})),
        (Reason::DeviceManaged, json!({"managed": false})),
        (Reason::DeviceEncryption, json!({"encrypted": null})),
        (Reason::DeviceScreenLock, json!({"screen_lock": false})),
        (Reason::DeviceCertificate, json!({"certificate": false})),
        (Reason::DeviceOsVersion, json!({"os_version": "15.1.9"})),
        (Reason::DeviceLatestUnknown, json!({"platform": "linux"})),
        (Reason::DevicePatchAge, json!({"patched_at": START - 31 * 86_400})),
    ] {
        table.row_in(world(), reason, by, AT_HOME, with(changes));
    }
}
