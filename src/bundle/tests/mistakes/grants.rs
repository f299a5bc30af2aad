//! Of Grants documents.

use serde_json::json;

use super::*;
use crate::bundle::limits;

const SPEC: &str = "documents[3].spec";

/// The sample, and a document with one grant.
fn granting() -> Json {
    let mut bundle = sample();
    let grant = json!({
        "subject": {"home": "us-east-1", "issuer": "identity.global.com", "sub": "alice"},
        "permissions": ["write:ledger"],
        "notBefore": "2026-11-23T18:00:00Z", "expires": "2026-11-23T20:00:00+01:00",
        "approvedBy": "the owner of the ledger", "reason": "incident 4711",
    });
    let document = json!({"apiVersion": "security.io/v1", "kind": "Grants", "metadata": {"name": "on-call"}, "spec": {"grants": [grant]}});
    set(&mut bundle, "documents[3]", document);
    bundle
}

#[track_caller]
fn refuses(place: &str, value: Json, expected: &str, fragment: &str) {
    let mut bundle = granting();
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
    let bundle = granting();
    assert_eq!(lines(&compiled(&bundle).warnings), "");
    let [document] = parsed(&bundle).grants.try_into().expect("one document");
    let window = document.grants[0].window;
    assert_eq!(
        (document.name.as_str(), window.until - window.from),
        ("on-call", 3_600.0)
    );
}

#[test]
fn of_grants() {
    refuses("grant", json!([]), "", "did you mean `grants`?");
    refuses("grants", json!([]), "", "an empty list");
    refuses("grants[0].roles", json!(["admin"]), "", "not supported yet");
    refuses("grants[0].permissions", json!([]), "", "an empty list");
    refuses(
        "grants[0].permissions[0]",
        json!("write:*"),
        "",
        "one by one, without `*`",
    );
    refuses(
        "grants[0].subject.home",
        json!("us-west-1"),
        "",
        "`us-west-1` is no Region of the bundle",
    );
    refuses(
        "grants[0].subject.issuer",
        json!("identity.other.com"),
        "",
        "nobody of that region has this one",
    );
    refuses("grants[0].notBefore", json!("2026-11-23"), "", "zone");
    refuses(
        "grants[0].notBefore",
        json!(1_795_457_400),
        "",
        "must be a time in quotes, like",
    );
    refuses(
        "grants[0].expires",
        json!("2026-11-23T18:00:00Z"),
        "grants[0]",
        "is never open: `expires` has to be later than `notBefore`",
    );
    refuses(
        "grants[0].expires",
        json!("2026-12-24T18:00:00Z"),
        "grants[0]",
        "more than 30 days",
    );
    for field in ["subject", "permissions", "notBefore", "expires", "approvedBy", "reason"] {
        let mut bundle = granting();
        let grant = &mut bundle["documents"][3]["spec"]["grants"][0];
        grant.as_object_mut().expect("an object").remove(field);
        expect(&bundle, &format!("{SPEC}.grants[0]"), &format!("`{field}` is missing"));
    }
}

#[test]
fn all_documents_together_have_a_limit() {
    let mut bundle = granting();
    let grant = bundle["documents"][3]["spec"]["grants"][0].clone();
    bundle["documents"][3]["spec"]["grants"] = Json::Array(vec![grant.clone(); limits::GRANTS]);
    compiled(&bundle);
    let mut more = bundle["documents"][3].clone();
    more["metadata"]["name"] = json!("one-more");
    more["spec"]["grants"] = json!([grant]);
    set(&mut bundle, "documents[4]", more);
    expect(
        &bundle,
        "documents",
        "too many grants in all documents: 10001, 10000 at most",
    );
}
