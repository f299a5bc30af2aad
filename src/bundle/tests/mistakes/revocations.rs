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
        "`us-east-2` is no Region of the bundle, which has `us-east-1` and `eu-west-1`",
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
    refuses("keys[0].region", json!("mars"), "", "`mars` is no Region of the bundle");
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
        "must be a time in quotes, like `\"2026-11-23T18:10:00Z\"`",
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

#[test]
fn of_what_a_region_publishes() {
    let revocation = "documents[0].spec.revocation";
    let of = |value: Json, field: &str, fragment: &str| {
        let mut bundle = sample();
        set(&mut bundle, revocation, value);
        expect(&bundle, &format!("{revocation}{field}"), fragment);
    };
    of(json!({}), "", "an empty object");
    of(
        json!({"onUnavailable": "allow"}),
        "",
        "says nothing of where revocations are: give `list`, `statusLists` or both",
    );
    of(
        json!({"list": {"cluster": "lists"}, "onUnavailable": "lastDecision"}),
        ".onUnavailable",
        "must be `deny` or `allow`",
    );
    of(json!({"lists": {"cluster": "lists"}}), ".lists", "did you mean `list`?");
    of(json!({"list": {"path": "/a"}}), ".list", "`cluster` is missing");
    of(
        json!({"list": {"cluster": "lists", "path": "a"}}),
        ".list.path",
        "must begin with `/`",
    );
    of(
        json!({"list": {"cluster": "lists", "refresh": "1s"}}),
        ".list.refresh",
        "must be from 10s to 24h",
    );
    of(
        json!({"list": {"cluster": "lists", "staleFor": "20s"}}),
        ".list.staleFor",
        "`staleFor` is shorter than `refresh`",
    );
    of(
        json!({"statusLists": {"cluster": "lists"}}),
        ".statusLists",
        "`uriPrefix` is missing",
    );
    of(
        json!({"statusLists": {"uriPrefix": "https://lists.com/"}}),
        ".statusLists",
        "`cluster` is missing",
    );
    for wrong in [
        "lists.com/",
        "ftp://lists.com/",
        "https://lists.com",
        "https://lists.com/a",
        "https://lists.com/?a=/",
        "https://user@lists.com/",
        "https:///",
        "https://lists.com/#/",
    ] {
        of(
            json!({"statusLists": {"cluster": "lists", "uriPrefix": wrong}}),
            ".statusLists.uriPrefix",
            "must be the beginning of an http(s) URI, up to a `/` behind the host, like `https://status.example.com/lists/`; found",
        );
    }
    let mut old = sample();
    set(
        &mut old,
        "documents[0].spec.revocations",
        json!({"list": {"cluster": "lists"}}),
    );
    expect(&old, "documents[0].spec.revocations", "did you mean `revocation`?");
}

#[test]
fn what_a_region_publishes_is_read() {
    let mut bundle = sample();
    let revocation = json!({
        "list": {"cluster": "lists"},
        "status_lists": {"cluster": "outbound|443||lists", "uri_prefix": "https://lists.com:8443/a/"},
        "on_unavailable": "allow",
    });
    set(&mut bundle, "documents[0].spec.revocation", revocation);
    let regions = parsed(&bundle).regions;
    let region = regions.iter().find(|region| region.name == "us-east-1").expect("there");
    let revocation = region.revocation.as_ref().expect("there");
    let list = revocation.list.as_ref().expect("there");
    assert_eq!(
        (list.address.path.as_str(), list.address.authority.as_str()),
        ("/revocations", "lists")
    );
    assert_eq!(
        (list.schedule.refresh.as_secs(), list.schedule.stale_for.as_secs()),
        (60, 600)
    );
    let status = revocation.status_lists.as_ref().expect("there");
    assert_eq!(status.host.authority, "lists.com:8443");
    assert_eq!(
        (status.schedule.refresh.as_secs(), status.schedule.stale_for.as_secs()),
        (300, 3_600)
    );
    assert!(revocation.allow_when_unavailable);
    assert_eq!(status.path("https://lists.com:8443/a/7?x=1"), Some("/a/7?x=1"));
    assert_eq!(status.path("https://lists.com:8443/a/../b"), None);
}
