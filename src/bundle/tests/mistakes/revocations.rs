//! Of Revocations documents.

use serde_json::json;

use super::*;

const SPEC: &str = "documents[3].spec";

/// The sample, and a document that revokes one of everything.
fn revoking() -> Json {
    let mut bundle = sample();
    let spec = json!({
        "tokens": [{"issuer": "identity.global.com", "jti": "9f3c", "expires": "2026-11-23T18:10:00Z"}],
        "subjects": [{"home": "us-east-1", "issuer": "identity.global.com", "sub": "alice", "notBefore": "2026-11-23T19:10:00.25+01:00"}],
        "sessions": [{"issuer": "identity.global.com", "sid": "s-1"}],
        "keys": [{"region": "us-east-1", "kid": "one"}, {"thumbprint": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}],
    });
    let document =
        json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "stolen"}, "spec": spec});
    set(&mut bundle, "documents[3]", document);
    bundle
}

#[track_caller]
fn refuses(place: &str, value: Json, expected: &str, fragment: &str) {
    let mut bundle = revoking();
    let place = format!("{SPEC}.{place}");
    set(&mut bundle, &place, value);
    let expected = if expected.is_empty() {
        place
    } else {
        format!("{SPEC}.{expected}")
    };
    expect(&bundle, &expected, fragment);
}

#[test]
fn what_is_right_loads() {
    let bundle = revoking();
    assert_eq!(lines(&compiled(&bundle).warnings), "");
    let [document] = parsed(&bundle).revocations.try_into().expect("one document");
    assert_eq!((document.name.as_str(), document.len()), ("stolen", 5));
    assert_eq!(document.tokens[0].expires, Some(1_795_457_400.0));
    assert_eq!(document.subjects[0].not_before, 1_795_457_400.25);
    let mut twice = revoking();
    let list = &mut twice["documents"][3]["spec"]["tokens"];
    let again = list[0].clone();
    list.as_array_mut().expect("a list").push(again);
    compiled(&twice);
}

#[test]
fn of_revocations() {
    let mut empty = revoking();
    set(&mut empty, SPEC, json!({}));
    expect(&empty, SPEC, "an empty object");
    refuses("token", json!([]), "", "did you mean `tokens`?");
    refuses("tokens", json!([]), "", "an empty list: only absence means");
    refuses(
        "tokens[0].exp",
        json!(1),
        "",
        "no such field: `issuer`, `jti` or `expires`",
    );
    refuses("tokens[0].jti", json!(7), "", "must be a string: quote it; found `7`");
    refuses("tokens[0]", json!({"jti": "a"}), "", "`issuer` is missing");
    refuses(
        "tokens[0]",
        json!({"issuer": "identity.global.com"}),
        "",
        "`jti` is missing",
    );
    refuses(
        "tokens[0].issuer",
        json!("identity.globl.com"),
        "",
        "no Region of the bundle has this issuer, so this revokes nothing; found `identity.globl.com`; did you mean `identity.global.com`?",
    );
    refuses(
        "sessions[0].issuer",
        json!("x"),
        "",
        "no Region of the bundle has this issuer",
    );
    refuses(
        "sessions[0]",
        json!({"issuer": "identity.global.com"}),
        "",
        "`sid` is missing",
    );
    refuses(
        "subjects[0].home",
        json!("us-east-2"),
        "",
        "no such Region in the bundle: `us-east-1` or `eu-west-1`; found `us-east-2`",
    );
    refuses(
        "subjects[0].issuer",
        json!("x"),
        "",
        "Region `us-east-1` has another issuer",
    );
    for field in ["home", "issuer", "sub", "notBefore"] {
        let mut bundle = revoking();
        remove(&mut bundle, &format!("{SPEC}.subjects[0].{field}"));
        expect(
            &bundle,
            &format!("{SPEC}.subjects[0]"),
            &format!("`{field}` is missing"),
        );
    }
    refuses("keys[0].region", json!("mars"), "", "no such Region in the bundle");
    refuses("keys[0]", json!({"region": "us-east-1"}), "", "`kid` is missing");
    refuses("keys[0]", json!({"kid": "one"}), "", "`region` is missing");
    refuses(
        "keys[1].kid",
        json!("one"),
        "",
        "a key is told by its `thumbprint`, or by `region` and `kid`: keep one of both",
    );
    for wrong in [
        "kPrK",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4l",
        "kPrK/qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    ] {
        refuses("keys[1].thumbprint", json!(wrong), "", "has 43 characters; found");
    }
}

#[test]
fn of_times() {
    for wrong in [
        "2026-11-23",
        "2026-11-23T18:10:00",
        "2026-11-23 18:10:00Z",
        "2026-11-23t18:10:00Z",
        "2026-11-23T18:10:00z",
        "2026-11-23T18:10Z",
        "2026-11-23T18:10:00.Z",
        "2026-11-23T18:10:00.1234567890Z",
        "2026-11-23T18:10:00+0100",
        "2026-11-23T18:10:00+01",
        "2026-11-23T18:10:00[UTC]",
        "2026-11-23T18:10:00Z[UTC]",
        "2026-02-30T18:10:00Z",
        "2026-11-23T24:10:00Z",
        "2026-11-23T18:10:00+99:00",
        "1969-12-31T23:59:59Z",
        "-026-11-23T18:10:00Z",
        "now",
        "1795457400",
    ] {
        refuses(
            "tokens[0].expires",
            json!(wrong),
            "",
            "not a time: write it as RFC 3339 does, with its zone, like `\"2026-11-23T18:10:00Z\"`; found",
        );
    }
    refuses(
        "subjects[0].notBefore",
        json!(1_795_457_400),
        "",
        "must be a string: quote it",
    );
}

#[test]
fn of_their_number() {
    let many = |count: usize| -> Json {
        (0..count)
            .map(|number| json!({"issuer": "identity.global.com", "jti": format!("{number}")}))
            .collect()
    };
    let mut most = revoking();
    set(&mut most, &format!("{SPEC}.tokens"), many(9_996));
    compiled(&most);
    set(&mut most, &format!("{SPEC}.tokens"), many(9_997));
    expect(
        &most,
        "documents",
        "too many revocations in all documents: 10001, 10000 at most",
    );
    set(&mut most, &format!("{SPEC}.tokens"), many(10_001));
    expect(&most, &format!("{SPEC}.tokens"), "too many: 10001, 10000 at most");
}
