use serde_json::{Value as Json, json};

use super::*;
use crate::bundle::RegionId;
use crate::identity::{Claims, Times};

const NOW: f64 = 1_800_000_000.0;

fn reader() -> ListReader {
    ListReader::new(FingerprintKey::new(b"0123456789abcdef"))
}

#[track_caller]
fn list(body: &Json) -> RevocationList {
    match reader().part(body.to_string().as_bytes(), NOW) {
        Ok(Part::Last(list)) => list,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(text: &str) -> ListError {
    reader().part(text.as_bytes(), NOW).expect_err(text)
}

/// A token of `alice`, issued a minute ago.
fn identity(changes: &Json) -> Identity {
    let mut claims = json!({"sub": "alice", "jti": "t-1", "sid": "s-1", "iat": NOW - 60.0});
    let members = claims.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    Identity {
        home: RegionId(0),
        home_name: "us-east-1".to_owned(),
        issuer: "identity.global.com".to_owned(),
        subject: claims["sub"].as_str().expect("a string").to_owned(),
        workload: None,
        audiences: Vec::new(),
        times: Times {
            expires: NOW + 600.0,
            not_before: None,
            issued: claims["iat"].as_f64(),
        },
        key: SigningKey {
            kid: Some("one".to_owned()),
            thumbprint: [7; 32],
        },
        binding: crate::identity::Binding::default(),
        claims: Claims::new(claims.to_string(), 0),
    }
}

#[track_caller]
fn revokes(body: &Json, changes: &Json) -> bool {
    list(body).revokes(&identity(changes), NOW)
}

#[test]
fn each_kind_of_entry_revokes_what_it_says() {
    let same = json!({});
    for (entry, other) in [
        (
            json!({"tokens": [{"jti": "t-0"}, {"jti": "t-1"}]}),
            json!({"jti": "t-2"}),
        ),
        (
            json!({"tokens": [{"jti": "t-1", "exp": NOW + 600.0, "reason": "stolen"}]}),
            json!({"jti": null}),
        ),
        (json!({"sessions": [{"sid": "s-1"}]}), json!({"sid": "t-1"})),
        (
            json!({"subjects": [{"sub": "alice", "notBefore": NOW}]}),
            json!({"iat": NOW}),
        ),
        (
            json!({"subjects": [{"sub": "alice", "notBefore": NOW - 59.5}]}),
            json!({"sub": "bob"}),
        ),
    ] {
        assert!(revokes(&entry, &same), "{entry}");
        assert!(!revokes(&entry, &other), "{entry} {other}");
    }
    assert!(revokes(
        &json!({"subjects": [{"sub": "alice", "notBefore": 1}]}),
        &json!({"iat": null})
    ));
    assert!(revokes(&json!({"keys": [{"kid": "one"}]}), &same));
    assert!(!revokes(&json!({"keys": [{"kid": "two"}]}), &same));
    let thumbprint = |byte| crate::identity::base64url::encode(&[byte; 32]);
    assert!(revokes(&json!({"keys": [{"thumbprint": thumbprint(7)}]}), &same));
    assert!(!revokes(&json!({"keys": [{"thumbprint": thumbprint(8)}]}), &same));
}

#[test]
fn an_empty_list_revokes_nothing() {
    for body in [
        json!({"tokens": []}),
        json!({"keys": []}),
        json!({"tokens": [], "sessions": [], "subjects": [], "keys": []}),
    ] {
        let list = list(&body);
        assert!(list.is_empty() && !list.revokes(&identity(&json!({})), NOW), "{body}");
    }
}

/// Fractions count for longer, never for shorter; what is over when the list comes is not kept at all.
#[test]
fn an_entry_counts_until_the_token_has_expired() {
    let until =
        |exp: f64| list(&json!({"tokens": [{"jti": "t-1", "exp": exp}], "sessions": [{"sid": "x", "exp": exp}]}));
    let short = until(NOW + 10.5);
    for (later, revoked) in [(0.0, true), (40.9, true), (41.0, false)] {
        assert_eq!(short.revokes(&identity(&json!({})), NOW + later), revoked, "{later}");
    }
    assert_eq!(until(NOW - 29.9).len(), 2);
    assert_eq!(until(NOW - 30.0).len(), 0);
    let long = until(1e15);
    assert!(long.revokes(&identity(&json!({})), 9e9), "later than 32 bits can tell");
}

#[test]
fn parts_come_together() {
    let mut reader = reader();
    for number in 0..5 {
        let body = json!({"tokens": [{"jti": format!("t-{number}")}], "next": format!("/revoked?after={number}")});
        reader = match reader.part(body.to_string().as_bytes(), NOW).expect("a part") {
            Part::Next(reader, next) => {
                assert_eq!(next, format!("/revoked?after={number}"));
                reader
            }
            Part::Last(list) => panic!("{list:?}"),
        };
    }
    let Ok(Part::Last(list)) = reader.part(br#"{"sessions":[{"sid":"s-9"}]}"#, NOW) else {
        panic!("the last")
    };
    assert_eq!(list.len(), 6);
    for jti in ["t-0", "t-4"] {
        assert!(list.revokes(&identity(&json!({"jti": jti})), NOW));
    }
}

#[test]
fn what_is_no_list_is_refused() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "{",
        r#"{"tokens":[{"jti":"a"}]"#,
        r#"{"tokens":[{"jti":"a"}]}{}"#,
        r#"{"tokens":[{"jti":"a"}],"tokens":[]}"#,
        r#"{"tokens":{"jti":"a"}}"#,
        r#"{"tokens":null}"#,
        r#"{"tokens":["a"]}"#,
        r#"{"tokens":[{"jti":1}]}"#,
        r#"{"tokens":[{"exp":1}]}"#,
        r#"{"tokens":[{"jti":"a","jti":"b"}]}"#,
        r#"{"tokens":[{"jti":"a","exp":"1"}]}"#,
        r#"{"tokens":[{"jti":"a","exp":-1}]}"#,
        r#"{"tokens":[{"jti":"a","exp":1e999}]}"#,
        r#"{"sessions":[{"jti":"a"}]}"#,
        r#"{"subjects":[{"sub":"a"}]}"#,
        r#"{"subjects":[{"sub":"a","notBefore":"2026-11-23T18:10:00Z"}]}"#,
        r#"{"subjects":[{"sub":"a","notBefore":-1}]}"#,
        r#"{"keys":[{}]}"#,
        r#"{"keys":[{"kid":"a","thumbprint":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}]}"#,
        r#"{"keys":[{"thumbprint":"short"}]}"#,
        r#"{"tokens":[],"devices":[]}"#,
        r#"{"tokens":[],"next":1}"#,
        "<html>",
    ] {
        assert!(matches!(refused(text), ListError::Form { .. }), "{text}");
    }
    assert_eq!(refused("{}"), ListError::Nothing);
    assert_eq!(refused(r#"{"next":"/a"}"#), ListError::Nothing);
    for next in [
        "",
        "a",
        "https://elsewhere.com/a",
        "//elsewhere.com/a b",
        "/a#b",
        "/ä",
        "/a\r\nb",
    ] {
        assert_eq!(
            refused(&json!({"tokens": [], "next": next}).to_string()),
            ListError::Next,
            "{next}"
        );
    }
    let at = refused("{\"tokens\":[\n{\"jti\": 1}]}");
    assert_eq!(
        at.to_string(),
        "not a list of revocations: the error is in line 2, column 9"
    );
}

#[test]
fn everything_has_an_end() {
    let keys: Vec<Json> = (0..=limits::REVOKED_KEYS)
        .map(|number| json!({"kid": number.to_string()}))
        .collect();
    assert_eq!(list(&json!({"keys": keys[1..]})).len(), limits::REVOKED_KEYS);
    assert_eq!(refused(&json!({"keys": keys}).to_string()), ListError::Entries);

    let mut reader = reader();
    for _ in 1..LIST_PARTS {
        let Ok(Part::Next(next, _)) = reader.part(br#"{"tokens":[],"next":"/again"}"#, NOW) else {
            panic!("a part")
        };
        reader = next;
    }
    assert_eq!(
        reader
            .part(br#"{"tokens":[],"next":"/again"}"#, NOW)
            .expect_err("the end"),
        ListError::Parts
    );

    let many: Vec<String> = (0..=RevokedSet::MOST)
        .map(|number| format!(r#"{{"sid":"{number}"}}"#))
        .collect();
    assert_eq!(
        refused(&format!(r#"{{"sessions":[{}]}}"#, many.join(","))),
        ListError::Entries
    );
}
