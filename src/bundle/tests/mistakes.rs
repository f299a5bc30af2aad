//! One line for each thing that is refused: what is changed in the sample, where the error stands, and a part of what it says.

use serde_json::json;

use super::*;

mod about;
mod candidate;
mod devices;
mod edges;
mod grants;
mod hours;
mod policies;
mod regions;
mod revocations;
mod rules;
mod tokens;
mod when;

/// Whatever a document is said to be a version of, its other errors are told at once, and it counts as there.
#[test]
fn another_version_hides_no_other_error() {
    let mut bundle = sample();
    set(&mut bundle, "documents[0].apiVersion", json!("security.io/v2"));
    set(&mut bundle, "documents[2].apiVersion", json!("security.io/v2"));
    set(&mut bundle, &of_rule("effect"), json!("alow"));
    let errors = refused(&bundle);
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        ["documents[0].apiVersion", "documents[2].apiVersion", &of_rule("effect")],
        "{}",
        lines(&errors)
    );
}

/// A rule of the sample that has nothing but what it must have, to put mistakes into.
const RULE: &str = "documents[2].spec.rules[0]";

/// Changes the sample so, and expects errors at `expected` (empty: at the place itself) that say `fragment`.
#[track_caller]
fn refuses(place: &str, value: Json, expected: &str, fragment: &str) {
    let mut bundle = sample();
    set(&mut bundle, place, value);
    expect(&bundle, if expected.is_empty() { place } else { expected }, fragment);
}

#[track_caller]
fn refuses_without(place: &str, expected: &str, fragment: &str) {
    let mut bundle = sample();
    remove(&mut bundle, place);
    expect(&bundle, expected, fragment);
}

#[track_caller]
fn expect(bundle: &Json, path: &str, fragment: &str) {
    let errors = refused(bundle);
    let found = errors
        .iter()
        .any(|error| error.path == path && error.to_string().contains(fragment));
    assert!(found, "{path}: …{fragment}…\n{}", lines(&errors));
}

fn of_rule(field: &str) -> String {
    format!("{RULE}.{field}")
}

#[test]
fn of_the_bundle() {
    refuses("metadata.name", json!("Shop"), "", "not a name");
    refuses("metadata.name", json!("-shop"), "", "not a name");
    refuses("metadata.name", json!("a".repeat(254)), "", "too many: 254");
    refuses("metadata.version", json!(0), "", "a whole number, like `1`; found `0`");
    refuses("metadata.version", json!(1.5), "", "whole number");
    refuses("metadata.version", json!("41"), "", "take the quotes away");
    refuses(
        "metadata.version",
        json!("two"),
        "",
        "must be a whole number, like `1`; found",
    );
    refuses("metadata.version", json!(null), "", "`version` has no value: give one");
    refuses("metadata.labels", json!({}), "", "no such field: `name` or `version`");
    refuses_without("metadata", "", "`metadata` is missing");
    refuses_without("metadata.version", "metadata", "`version` is missing");
    refuses_without("documents", "", "`documents` is missing");
    refuses(
        "region",
        json!("us-east1"),
        "",
        "`us-east1` is no Region of the bundle, which has `us-east-1` and `eu-west-1`; did you mean `us-east-1`?",
    );
    refuses("region", json!(true), "", "must be a string: quote it; found `true`");
    refuses(
        "documents",
        json!([]),
        "",
        "an empty list: only absence means not restricted",
    );
    refuses("documents", json!({"a": 1}), "", "must be a list; found an object of 1");
    refuses("document", json!([]), "", "did you mean `documents`?");
    refuses("layers", json!([1]), "", "`layers` is not supported yet");
}

#[test]
fn of_tokens() {
    let place = "tokens.sources[0]";
    refuses("tokens", json!({}), "", "an empty object");
    refuses("tokens.sources", json!([]), "", "an empty list");
    refuses("tokens.source", json!([{"cookie": "a"}]), "", "did you mean `sources`?");
    refuses(
        "tokens",
        json!({"sources": vec![json!({"cookie": "a"}); 9]}),
        "tokens.sources",
        "too many: 9, 8 at most",
    );
    for (source, field, says) in [
        (
            json!({"header": "X-Token"}),
            ".header",
            "header names are lower case here; did you mean `x-token`?",
        ),
        (json!({"header": ":path"}), ".header", "not a header name"),
        (
            json!({"header": "cookie"}),
            ".header",
            "tokens in cookies are `{cookie: NAME}`",
        ),
        (json!({"header": "host"}), ".header", "`host` means something else"),
        (json!({"header": "dpop"}), ".header", "`dpop` means something else"),
        (
            json!({"header": "proxy_authorization"}),
            ".header",
            "`proxy-authorization` means something else",
        ),
        (
            json!({"header": "x-regionguard-token"}),
            ".header",
            "`x-regionguard-token` means something else",
        ),
        (
            json!({"header": "x-forwarded-access-token"}),
            ".header",
            "means something else",
        ),
        (
            json!({"header": "authorization", "prefix": "Token "}),
            "",
            "has its schemes, `Bearer` and `DPoP`",
        ),
        (
            json!({"header": "x-token", "prefix": "Token"}),
            ".prefix",
            "must be empty, or a word and one space",
        ),
        (
            json!({"header": "x-token", "prefix": " "}),
            ".prefix",
            "must be empty, or a word and one space",
        ),
        (
            json!({"header": "x-token", "prefix": null}),
            ".prefix",
            "must be a string, not null",
        ),
        (
            json!({"cookie": "a", "prefix": ""}),
            "",
            "a `prefix` belongs to a `header`",
        ),
        (json!({"cookie": "a b"}), ".cookie", "not a cookie's name"),
        (json!({"cookie": ""}), ".cookie", "is empty"),
        (json!({"query": "a&b"}), ".query", "not a parameter's name"),
        (json!({"query": "a%5F"}), ".query", "not a parameter's name"),
        (
            json!({"query": "a", "cookie": "a"}),
            "",
            "must have exactly one of `header`, `cookie` and `query`",
        ),
        (json!({}), "", "an empty object"),
        (
            json!({"body": "a"}),
            ".body",
            "no such field: `header`, `prefix`, `cookie` or `query`",
        ),
    ] {
        refuses("tokens", json!({"sources": [source]}), &format!("{place}{field}"), says);
    }
    for (first, second) in [
        (json!({"header": "authorization"}), json!({"header": "authorization"})),
        (json!({"header": "x-token"}), json!({"header": "x_token", "prefix": ""})),
        (json!({"cookie": "session"}), json!({"cookie": "Session"})),
        (json!({"query": "access_token"}), json!({"query": "access.token"})),
    ] {
        let sources = json!({"sources": [first, second]});
        refuses(
            "tokens",
            sources,
            "tokens.sources[1]",
            "is the same place as tokens.sources[0]",
        );
    }
    refuses(
        "tokens",
        json!({"sources": [{"header": "x_user"}]}),
        "documents[2].spec.forward.claims.x-user",
        "`tokens.sources` takes tokens from `x-user`: no claim may fill it as well",
    );
}

#[test]
fn of_trust() {
    refuses("trust", json!({}), "", "an empty object: only absence");
    refuses("trust.hosts", json!([]), "", "an empty list");
    refuses("trust.hosts[0]", json!("*"), "", "`*`");
    refuses("trust.hosts[0]", json!("https://api.com/"), "", "api.com");
    refuses("trust.paths.strict", json!("yes"), "", "must be `true` or `false`");
    refuses(
        "trust.paths.allow[0]",
        json!("encodedSlashes"),
        "",
        "did you mean `encodedSlash`?",
    );
    refuses(
        "trust.paths.lowerCase",
        json!(true),
        "",
        "no such field: `strict`, `allow` or `caseInsensitive`",
    );
    refuses(
        "trust.peerVerification",
        json!("optional"),
        "",
        "must be `required` or `none`; found `optional`",
    );
    refuses(
        "trust.peerVerification",
        json!(true),
        "",
        "must be `required` or `none`; found `true`",
    );
    refuses(
        "trust.direction",
        json!("outbound"),
        "",
        "must be `inbound` or `any`; found `outbound`",
    );
}

#[test]
fn of_every_document() {
    refuses(
        "documents[2].apiVersion",
        json!("security.io/v2"),
        "",
        "must be `security.io/v1`; found `security.io/v2`",
    );
    refuses(
        "documents[2].kind",
        json!("ZeroTrustPolcy"),
        "",
        "did you mean `ZeroTrustPolicy`?",
    );
    refuses(
        "documents[2].kind",
        json!("PolicyTest"),
        "",
        "a PolicyTest is for `regionguard test`, and stands in no bundle: leave it out",
    );
    refuses("documents[2].metadata.name", json!("a b"), "", "not a name");
    refuses(
        "documents[2].metadata.namespace",
        json!("x"),
        "",
        "no such field: `name`",
    );
    refuses("documents[2].status", json!({}), "", "no such field");
    refuses(
        "documents[2]",
        json!("text"),
        "",
        "must be an object with fields like `apiVersion`, `kind`, `metadata` and `spec`; found `text`",
    );
    refuses_without("documents[2].apiVersion", "documents[2]", "`apiVersion` is missing");
    refuses_without("documents[2].kind", "documents[2]", "`kind` is missing");
    refuses_without("documents[2].metadata", "documents[2]", "`metadata` is missing");
    refuses_without("documents[2].spec", "documents[2]", "`spec` is missing");
    let mut bundle = sample();
    let copy = bundle["documents"][2].clone();
    set(&mut bundle, "documents[3]", copy);
    expect(
        &bundle,
        "documents[3].metadata.name",
        "documents[2] is a ZeroTrustPolicy of this name already",
    );
    let copy = bundle["documents"][0].clone();
    set(&mut bundle, "documents[3]", copy);
    expect(
        &bundle,
        "documents[3].metadata.name",
        "documents[0] is a Region of this name already",
    );
    set(&mut bundle, "documents[3]", region("shop", 3));
    assert!(
        compile_json(&bundle).is_ok(),
        "a Region and a policy may have the same name"
    );
    // Names that are none are not compared: of a long one only its beginning is told.
    let mut bundle = sample();
    let long = format!("Shop-{}", "x".repeat(60));
    for (at, end) in [("documents[2]", "a"), ("documents[3]", "b")] {
        let mut document = sample()["documents"][2].clone();
        document["metadata"]["name"] = json!(format!("{long}{end}"));
        set(&mut bundle, at, document);
    }
    let errors = compile_json(&bundle).expect_err("no names");
    let told: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|told| told.starts_with("not a name")), "{told:?}");
    let single = sample()["documents"][2].clone();
    expect(
        &single,
        "",
        "this is a single document: put it into the `documents` of a bundle",
    );
}

#[test]
fn of_counts() {
    let mut bundle = sample();
    bundle["documents"] = (0..65).map(|number| region(&format!("r{number}"), number)).collect();
    expect(
        &bundle,
        "documents",
        "too many documents of kind Region: 65, 64 at most",
    );
    let rule = |name: String, hosts: usize, paths: usize| {
        let hosts: Vec<String> = (0..hosts).map(|host| format!("h{host}.com")).collect();
        let paths: Vec<String> = (0..paths).map(|path| format!("/{path}")).collect();
        json!({"name": name, "hosts": hosts, "paths": paths, "effect": "allow"})
    };
    let mut bundle = sample();
    let rules: Vec<Json> = (0..4).map(|number| rule(format!("r{number}"), 250, 250)).collect();
    set(&mut bundle, "documents[2].spec.rules", json!(rules));
    expect(
        &bundle,
        "documents",
        "too many pairs of host and path in all rules: 250000, 200000 at most",
    );
    let small = |policy: &str| -> Vec<Json> {
        (0..11_000)
            .map(|number| json!({"name": format!("{policy}{number}"), "effect": "allow"}))
            .collect()
    };
    let mut bundle = sample();
    set(&mut bundle, "documents[2]", policy("a", json!({"rules": small("a")})));
    set(&mut bundle, "documents[3]", policy("b", json!({"rules": small("b")})));
    expect(&bundle, "documents", "too many rules: 22000, 20000 at most");
}

#[test]
fn fifty_mistakes_are_fifty_errors_at_once() {
    let mut bundle = sample();
    let rule = |number: usize| json!({"name": format!("r{number}"), "paths": ["relative"], "effect": "allow", "pemissions": {}});
    let rules: Vec<Json> = (0..20).map(rule).collect();
    set(&mut bundle, "documents[2].spec.rules", json!(rules));
    set(&mut bundle, "metadata.version", json!("41"));
    set(&mut bundle, "region", json!("us-east-2"));
    set(&mut bundle, "trust.edges", json!([]));
    set(&mut bundle, "trust.hosts[0]", json!("*"));
    set(&mut bundle, "documents[0].spec.issuer", json!(1));
    set(&mut bundle, "documents[1].spec.timezone", json!("Mars"));
    set(&mut bundle, "documents[1].spec.identity", json!({}));
    set(&mut bundle, "documents[2].spec.device", json!({}));
    set(&mut bundle, "documents[2].spec.mode", json!("shade"));
    set(&mut bundle, "documents[2].spec.selector.hosts", json!([]));
    let errors = refused(&bundle);
    assert_eq!(errors.len(), 50, "{}", lines(&errors));
    let of_policy = errors
        .iter()
        .filter(|error| error.document.as_deref() == Some("ZeroTrustPolicy shop"));
    assert_eq!(of_policy.count(), 43);
}

#[test]
fn of_two_hundred_errors_a_hundred_and_a_count_are_kept() {
    let mut bundle = sample();
    let rules: Vec<Json> = (0..200)
        .map(|number| json!({"name": format!("r{number}"), "effect": "alow"}))
        .collect();
    set(&mut bundle, "documents[2].spec.rules", json!(rules));
    let errors = refused(&bundle);
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].to_string(), "error: and 100 more");
}

#[test]
fn a_token_or_a_key_in_the_wrong_place_is_not_repeated() {
    let mut bundle = sample();
    set(&mut bundle, &of_rule("effect"), json!("eyJhbGciOiJub25lIn0.e30.c2ln"));
    set(
        &mut bundle,
        &of_rule("identity"),
        json!("-----BEGIN PRIVATE KEY-----MIIE"),
    );
    for place in [
        "hosts[0]",
        "paths[0]",
        "methods[0]",
        "from.networks[0]",
        "from.homeRegions[0]",
        "name",
    ] {
        set(
            &mut bundle,
            &of_rule(place),
            json!("Bearer eyJhbGciOiJub25lIn0.e30.c2ln"),
        );
    }
    set(&mut bundle, "documents[2].spec.eyJhbGciOiJub25lIn0", json!(1));
    set(&mut bundle, "documents[0].metadata.name", json!("eyJhbGciOiJub25lIn0"));
    set(&mut bundle, "documents[0].spec.timezone", json!("eyJhbGciOiJub25lIn0"));
    set(
        &mut bundle,
        "documents[1].spec.businessHours.from",
        json!("eyJhbGciOiJub25lIn0"),
    );
    set(
        &mut bundle,
        "documents[1].spec.center.authority",
        json!("eyJhbGciOiJub25lIn0@"),
    );
    set(
        &mut bundle,
        "documents[2].spec.forward.claims",
        json!({"eyJhbGciOiJub25lIn0": "sub"}),
    );
    let errors = lines(&refused(&bundle)).to_lowercase();
    assert!(!errors.contains("eyj") && !errors.contains("miie"), "{errors}");
}

/// Each of these would still be wrong with quotes around it, or a slash in front, or in lower case.
#[test]
fn what_is_advised_helps() {
    let policy = "documents[2].spec";
    for (field, value, fragment) in [
        (
            format!("{policy}.forward"),
            json!({"claims": {"Host": "sub"}}),
            "no claim may fill `host`: take a header of your own, like `x-user`",
        ),
        (
            format!("{policy}.forward"),
            json!({"claims": {"X-User": "sub"}}),
            "header names are lower case here; did you mean `x-user`?",
        ),
        (
            format!("{policy}.rules[0].headers"),
            json!([{"name": "Authorization", "present": true}]),
            "`authorization` holds a credential",
        ),
        (
            "tokens".to_owned(),
            json!({"sources": [{"header": "Authorization"}]}),
            "did you mean `authorization`?",
        ),
        (
            "tokens".to_owned(),
            json!({"sources": [{"header": "Host"}]}),
            "`host` means something else",
        ),
        (
            format!("{policy}.rules[0].hosts"),
            json!([true, 5]),
            "must be a string: quote it; found `true`",
        ),
        (
            format!("{policy}.rules[0].paths"),
            json!([5]),
            "`5` does not begin with a slash; write `/5`",
        ),
        (
            format!("{policy}.rules[0].paths"),
            json!(["^/v1/.*$"]),
            "`^/v1/.*$` does not begin with a slash: write a template, like `/v1/{id}` or `/v1/**`",
        ),
        (
            format!("{policy}.device"),
            json!({"compliance": [{"patchAge": 30}]}),
            "has no unit: write `30d`, or `30h` for hours",
        ),
        (
            format!("{policy}.mode"),
            json!(["shadow"]),
            "must be `enforce` or `shadow`; found a list of 1",
        ),
        (
            "documents[0].spec.businessHours.from".to_owned(),
            json!(540),
            "must be a time of the day in quotes, like `\"09:00\"`",
        ),
        (
            "documents[0].spec.timezone".to_owned(),
            json!(1),
            "must be the name of a time zone, like `Europe/Dublin`",
        ),
        (
            "documents[2].spec".to_owned(),
            Json::Null,
            "`spec` has no value: give one; what an object holds is indented further than its name",
        ),
        (
            "documents[0].spec.maxTokenLifetime".to_owned(),
            json!("1d"),
            "not a duration: write a whole number and `ms`, `s`, `m` or `h`, like `30s`; found `1d`; did you mean `24h`?",
        ),
        ("metadata.version".to_owned(), json!("0"), "a whole number, like `1`"),
        ("metadata.version".to_owned(), json!("1"), "take the quotes away"),
    ] {
        let mut bundle = sample();
        set(&mut bundle, &field, value);
        let errors = lines(&refused(&bundle));
        assert!(errors.contains(fragment), "{fragment}\n{errors}");
    }
}

/// A document whose name is none is judged like all others, and told from them.
#[test]
fn of_a_document_without_a_name() {
    let mut bundle = sample();
    set(&mut bundle, "documents[2].metadata", json!({"name": "My Shop\n"}));
    set(&mut bundle, "documents[2].spec.mode", json!("audit"));
    set(&mut bundle, "documents[1].metadata", json!("eu"));
    set(&mut bundle, "documents[1].spec.timezone", json!("Nowhere"));
    set(&mut bundle, "documents[0].metadata", json!({}));
    set(&mut bundle, "documents[0].spec.timezone", json!("Nowhere"));
    let errors = lines(&refused(&bundle));
    for fragment in [
        "error: ZeroTrustPolicy My Shop\\n: documents[2].metadata.name:",
        "error: ZeroTrustPolicy My Shop\\n: documents[2].spec.mode: must be",
        "error: documents[1].metadata: must be an object with fields like `name`",
        "error: Region ?: documents[1].spec.timezone: there is no time zone",
        "error: Region ?: documents[0].spec.timezone: there is no time zone",
    ] {
        assert!(errors.contains(fragment), "{fragment}\n{errors}");
    }
    assert!(!errors.contains("of this name already"), "{errors}");
}
