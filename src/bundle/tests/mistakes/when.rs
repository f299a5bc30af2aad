//! Of conditions.

use serde_json::json;

use super::*;

#[test]
fn of_conditions() {
    let when = of_rule("when");
    for (expression, message) in [
        (
            json!("tokn.sub == 'a'"),
            "column 1: no such variable `tokn`: did you mean `token`?; found `tokn`",
        ),
        (
            json!("request.method == 'GET' &&\n  request.hots == 'a'"),
            "line 2, column 11: `request` has no field `hots`: did you mean `host`?; found `hots`",
        ),
        (
            json!("token.sub == 1"),
            "column 1: a `string` is compared with an `int`",
        ),
        (
            json!("token.exp"),
            "column 1: a condition is true or false, and this is of type `timestamp`; found `token.exp`",
        ),
        (
            json!("token.sub =="),
            "column 13: the expression ends where a value should be",
        ),
        (
            json!("device.mangaed"),
            "column 8: `device` has no field `mangaed`: did you mean `managed`?",
        ),
        (
            json!("device.os_version >= '14'"),
            "column 1: a `version` is compared with a `string`, which it can never be: write the text as `version('14.2')`",
        ),
        (
            json!("risk.scor > 50"),
            "column 6: `risk` has no field `scor`: did you mean `score`?",
        ),
        (
            json!("risk.score == 'high'"),
            "column 1: a `double` is compared with a `string`, which it can never be",
        ),
        (json!("path.other == token.sub"), "`path` has no field `other`"),
        (json!(""), "is empty: give an expression, or leave it out"),
        (json!(" \n"), "is empty: give an expression, or leave it out"),
        (json!("a".repeat(4_097)), "is too long: 4097 bytes, 4096 at most"),
        (json!("true\u{1}"), "holds a control character"),
        (json!(true), "must be an expression, as a string"),
        (json!("(".repeat(1_000)), "this is too deep: 96 levels at most"),
    ] {
        refuses(&when, expression, "", message);
    }
}

/// What a replica tells is of anybody with a token, where there is one to ask.
#[test]
fn of_attributes() {
    refuses(
        &of_rule("when"),
        json!("has(identity.team)"),
        "",
        "reads `identity`, and no Region whose tokens count here has a replica to ask",
    );
    let mut bundle = sample();
    set(&mut bundle, "documents[0].spec.identity", json!({"cluster": "people"}));
    for (expression, expected) in [
        (
            "has(identity.team) && identity['a/b'] == 1 && identity.`c-d`.e in ['f']",
            None,
        ),
        (
            "identity == 1",
            Some("column 1: `identity` is no value by itself: name one of its fields, as in `identity.name`"),
        ),
        (
            "identty.a",
            Some("column 1: no such variable `identty`: did you mean `identity`?"),
        ),
    ] {
        set(&mut bundle, &of_rule("when"), json!(expression));
        match expected {
            None => assert!(compile_json(&bundle).is_ok(), "{expression}"),
            Some(message) => expect(&bundle, &of_rule("when"), message),
        }
    }
    set(&mut bundle, &of_rule("when"), json!("has(identity.team)"));
    set(&mut bundle, &of_rule("identity"), json!("none"));
    let rule = bundle["documents"][2]["spec"]["rules"][0].as_object_mut();
    let rule = rule.expect("a rule");
    rule.remove("permissions");
    rule.remove("roles");
    expect(&bundle, &of_rule("when"), "column 5: `identity: none` is for everybody");
}

/// All that is wrong with an expression is told at once.
#[test]
fn of_several_parts_of_a_condition() {
    let mut bundle = sample();
    set(
        &mut bundle,
        &of_rule("when"),
        json!("tokn.a == 1 && request.metod == '' && token.sub == 2"),
    );
    let errors = refused(&bundle);
    let parts = errors.iter().filter_map(|error| error.part.as_ref());
    let places: Vec<(usize, usize)> = parts.map(|part| (part.column, part.bytes.start)).collect();
    assert_eq!(places, [(1, 0), (24, 23), (39, 38)], "{}", lines(&errors));
}

#[test]
fn of_what_a_condition_cannot_read() {
    let when = of_rule("when");
    let mut bundle = sample();
    set(&mut bundle, &of_rule("paths"), json!(["/a/{id}/{kind}", "/b/{id}"]));
    set(&mut bundle, &when, json!("path.id == token.sub"));
    compiled(&bundle);
    set(&mut bundle, &when, json!("path.kind == token.sub"));
    expect(&bundle, &when, "this capture is not in every path of the rule");
    set(&mut bundle, &of_rule("paths"), json!(["/a/*"]));
    expect(&bundle, &when, "no path of this rule has a capture");
    let mut bundle = sample();
    set(&mut bundle, &when, json!("source.workload == 'spiffe://a/b'"));
    compiled(&bundle);
    remove(&mut bundle, "trust.peerVerification");
    expect(&bundle, &when, "no peer has an identity here");
    for identity in ["none", "workload"] {
        let mut bundle = sample();
        for field in ["permissions", "roles"] {
            remove(&mut bundle, &of_rule(field));
        }
        set(&mut bundle, &of_rule("effect"), json!("allow"));
        set(&mut bundle, &of_rule("identity"), json!(identity));
        set(&mut bundle, &when, json!("request.method == 'GET'"));
        compiled(&bundle);
        set(&mut bundle, &when, json!("request.method == 'GET' && token.sub == 'a'"));
        expect(&bundle, &when, &format!("column 28: `identity: {identity}` is for"));
    }
}

#[test]
fn of_conditions_in_a_policy_without_them() {
    let mut bundle = sample();
    set(&mut bundle, &of_rule("when"), json!("token.sub == 'a'"));
    set(
        &mut bundle,
        "documents[2].spec.identity",
        json!({"authorization": [{"abac": true}]}),
    );
    compiled(&bundle);
    set(
        &mut bundle,
        "documents[2].spec.identity",
        json!({"authorization": [{"abac": false}]}),
    );
    expect(
        &bundle,
        &of_rule("when"),
        "the policy says `abac: false`, so no rule of it has `when`",
    );
}

/// It loads, and probably does not do what was meant.
#[test]
fn of_conditions_on_what_was_not_accepted() {
    let mut bundle = sample();
    set(&mut bundle, &of_rule("when"), json!("'admin' in token.roles"));
    let warnings = lines(&compiled(&bundle).warnings);
    assert!(warnings.contains("is its issuer's word"), "{warnings}");
    set(
        &mut bundle,
        &of_rule("when"),
        json!("request.headers['X-Client'] == 'a'"),
    );
    let warnings = lines(&compiled(&bundle).warnings);
    assert!(warnings.contains("no request has a header `X-Client`"), "{warnings}");
    set(&mut bundle, &of_rule("when"), json!("'admin' in token.duties"));
    let warnings = lines(&compiled(&bundle).warnings);
    assert!(!warnings.contains("is its issuer's word"), "{warnings}");
}

/// Names that nobody knows are compared with those that are known, but not very many.
#[test]
fn of_very_many_names() {
    let terms: Vec<String> = (0..20).map(|number| format!("tokn.a{number} == 1")).collect();
    let mut bundle = sample();
    let rule = json!({"name": "x", "paths": ["/x"], "effect": "allow", "when": terms.join(" && ")});
    let rules: Vec<Json> = (0..400)
        .map(|number| {
            let mut rule = rule.clone();
            rule["name"] = json!(format!("x{number}"));
            rule
        })
        .collect();
    set(&mut bundle, "documents[2].spec.rules", json!(rules));
    let errors = crate::bundle::check(bundle.to_string().as_bytes(), Encoding::Json).expect_err("errors");
    let helped = errors.iter().filter(|error| error.message.contains("did you mean"));
    let (all, helped) = (errors.len(), helped.count());
    assert_eq!(all, 8_000);
    assert!((1_000..4_000).contains(&helped), "{helped}");
}
