use regionguard::time::WallTime;
use serde_json::json;

use super::super::write;
use super::{Logged, read};
use crate::trial::Center;

const LATER: WallTime = WallTime(7);

fn line(text: &str) -> Logged {
    read(text, LATER, None).expect("a request")
}

#[test]
fn what_is_written_is_read_again() {
    let text = r#"{"address":"10.1.2.3","at":"2026-11-23T18:10:00Z","bound":true,"center":"away","claims":{"sub":"alice"},"device":{"encrypted":true,"osVersion":"15.2"},"deviceIssuer":"mdm","deviceSignedAt":"2026-11-23T18:00:00Z","headers":{"a":"b"},"home":"here","locality":"there","method":"PUT","port":8080,"serves":"ns/shop/sa/api","url":"https://a.x/b?c","without":["exp"],"workload":"spiffe://here.x/a"}"#;
    assert_eq!(write(&line(text).trial).to_string(), text);
}

#[test]
fn recorded_requests() {
    let told = line(r#"{"url": "https://a.x/b", "claims": {"sub": "alice"}, "address": "10.1.2.3"}"#);
    assert_eq!((told.trial.at, told.is_log, told.assumed.len()), (LATER, false, 1));
    assert_eq!(told.trial.token.expect("a token").claims["sub"], "alice");
    for (wrong, said) in [
        ("[]", "not a JSON object"),
        (r#"{"url": "https://a.x/b", "claim": {}}"#, "no such member: `claim`"),
        (
            r#"{"url": "https://a.x/b", "claims": []}"#,
            "`claims` must be an object",
        ),
        (r#"{"url": "https://a.x/b", "at": "soon"}"#, "`soon` is no time"),
        (r#"{"url": "https://a.x/b", "address": "x"}"#, "`x` is no address"),
        (
            r#"{"url": "https://a.x/b", "port": 70000}"#,
            "`port` is 70000: not a port",
        ),
        (r#"{"url": "https://a.x/b", "serves": "x"}"#, "`x` is no workload"),
        (
            r#"{"url": "https://a.x/b", "device": {"encryption": true}}"#,
            "a device has no `encryption`",
        ),
        (r#"{"path": "/b"}"#, "is missing"),
        (
            r#"{"decision": "x", "authority": "a.x", "path": "b"}"#,
            "not the path of a request",
        ),
        (
            r#"{"decision": "x", "authority": "a.x", "path": "/b", "peer": "y"}"#,
            "`peer` is `y`: not an address",
        ),
    ] {
        let error = read(wrong, LATER, None).map(|_| ()).expect_err(wrong);
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

/// All that the shipped log of a mesh carries.
#[test]
fn a_log_is_read_as_far_as_it_tells() {
    let text = r#"{"authority":"api.us-east-1.com","decision":"allow;center.allowed;shop/read-profile;center:us-east-1;shop@1+14b31c72a37f;eu-west-1>?>us-east-1","details":"via_upstream","duration_ms":2,"flags":"-","method":"GET","path":"/v1/profiles/43","peer":"10.0.0.1","peer_identity":"spiffe://cluster.local/ns/us-east-1/sa/web","protocol":"HTTP/1.1","request_id":"b","status":200,"time":"2026-11-23T15:22:16.983Z","upstream":"127.0.0.1:43573"}"#;
    let told = line(text);
    assert!(
        told.is_log
            && told
                .decision
                .is_some_and(|decision| decision.starts_with("allow;center.allowed"))
    );
    assert_eq!(
        write(&told.trial),
        json!({
            "method": "GET",
            "url": "https://api.us-east-1.com/v1/profiles/43",
            "address": "10.0.0.1",
            "workload": "spiffe://cluster.local/ns/us-east-1/sa/web",
            "at": "2026-11-23T15:22:16.983Z",
            "center": "allow",
            "locality": "us-east-1",
        })
    );
    let assumed = told.assumed.join("\n");
    for (what, is_there) in [
        ("no scheme: https", true),
        ("no headers: none", true),
        ("no query: none", true),
        ("no claims, and somebody of a home Region was there", true),
        ("`time`", false),
        ("`peer`", false),
        ("`peer_identity`", false),
    ] {
        assert_eq!(assumed.contains(what), is_there, "{what}: {assumed}");
    }
    // Their token holds what is said of it.
    let claims = json!({"permissions": ["read:profile"]});
    let told = read(text, LATER, claims.as_object()).expect("a request");
    let token = told.trial.token.expect("a token");
    assert_eq!(token.home.as_deref(), Some("eu-west-1"));
    assert_eq!(token.claims["permissions"], json!(["read:profile"]));
}

#[test]
fn what_a_log_lacks_is_told() {
    // A gateway's log has no identities, and nobody decided.
    let told = line(
        r#"{"method":"GET","authority":"a.x","path":"/b?c","scheme":"http","time":null,"peer":"-","decision":null}"#,
    );
    assert_eq!(
        (told.trial.at, told.trial.address, told.trial.workload.as_deref()),
        (LATER, None, None)
    );
    assert_eq!(told.trial.request.scheme, "http");
    let assumed = told.assumed.join("\n");
    for what in [
        "no `time`: tried at",
        "no `peer`: the address",
        "no `peer_identity`: no client certificate",
        "no claims, and the decision went by nobody's",
    ] {
        assert!(assumed.contains(what), "{what}: {assumed}");
    }
    let with_port = r#"{"authority":"a.x","path":"/b","peer":"[2001:db8::1]:4711","decision":"x"}"#;
    assert_eq!(
        line(with_port).trial.address,
        Some("2001:db8::1".parse().expect("an address"))
    );
    // Two names are nobody's.
    let two = r#"{"authority":"a.x","path":"/b","peer_identity":"spiffe://a/b,spiffe://a/c","decision":"deny;center.unavailable;a/b;center:x;a@1+0;->->x"}"#;
    let told = line(two);
    assert_eq!((told.trial.workload, told.trial.center), (None, Some(Center::Away)));
}
