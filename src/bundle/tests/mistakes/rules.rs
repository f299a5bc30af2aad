//! Of rules.

use serde_json::json;

use super::*;

/// A workload has no identity where nobody says that its certificate was validated; one error is enough, and none hides another.
#[test]
fn of_workloads() {
    let unverified = "no peer has an identity here";
    let workloads = of_rule("from.workloads");
    for trust in [None, Some("none")] {
        let mut bundle = sample();
        match trust {
            Some(word) => set(&mut bundle, "trust.peerVerification", json!(word)),
            None => remove(&mut bundle, "trust.peerVerification"),
        }
        expect(&bundle, &workloads, unverified);
        bundle["trust"]["peerVerification"] = json!("required");
        compiled(&bundle);
        bundle["trust"]["peerVerification"] = json!("required!");
        assert!(
            !lines(&refused(&bundle)).contains(unverified),
            "it may have meant the right thing"
        );
    }
    let mut bundle = sample();
    bundle.as_object_mut().expect("an object").remove("trust");
    set(&mut bundle, &workloads, json!(["spiffe://prod/ns/web/sa/api"]));
    expect(&bundle, &workloads, unverified);
    refuses(&workloads, json!([]), "", "an empty list");
    refuses(&workloads, json!(["*"]), &format!("{workloads}[0]"), "whole segments");
    refuses(
        &workloads,
        json!(["spiffe://prod/ns/web", "spiffe://prod*/ns/web"]),
        &format!("{workloads}[1]"),
        "at the end only",
    );
    refuses(
        &workloads,
        json!(["cluster.local/ns/web/sa/api"]),
        &format!("{workloads}[0]"),
        "begins with `spiffe://`",
    );
}

#[test]
fn of_a_rule() {
    refuses_without(&of_rule("name"), RULE, "`name` is missing");
    refuses_without(&of_rule("effect"), RULE, "`effect` is missing");
    refuses(&of_rule("name"), json!("No Admin"), "", "not a name");
    refuses(
        "documents[2].spec.rules[1].name",
        json!("read-own-profile"),
        "",
        "`rules[0]` of this policy has the name `read-own-profile` already",
    );
    refuses(&of_rule("permisions"), json!({}), "", "did you mean `permissions`?");
    refuses(&of_rule("path"), json!("/"), "", "did you mean `paths`?");
    refuses(&of_rule("body"), json!("x"), "", "`body` is not supported yet");
    refuses(
        &of_rule("mode"),
        json!("shade"),
        "",
        "must be `enforce` or `shadow`; found `shade`",
    );
    for word in ["stepUp", "step_up"] {
        refuses(
            &of_rule("effect"),
            json!(word),
            RULE,
            "give `stepUp` with `acr`, `maxAge` or both",
        );
    }
    refuses(
        &of_rule("effect"),
        json!("permit"),
        "",
        "must be `allow`, `deny`, `stepUp` or `defer`",
    );
    refuses(&of_rule("hosts"), json!([]), "", "an empty list");
    refuses(&of_rule("hosts[0]"), json!("api.*.com"), "", "api.*.com");
    refuses(
        &of_rule("methods[0]"),
        json!("get"),
        "",
        "methods are upper case; found `get`; did you mean `GET`?",
    );
    refuses(&of_rule("methods[0]"), json!("*"), "", "leave `methods` out");
    refuses(&of_rule("methods[0]"), json!("GET POST"), "", "not a method");
    refuses(&of_rule("methods"), json!([]), "", "an empty list");
    refuses(
        &of_rule("paths"),
        json!(vec!["/a"; 257]),
        "",
        "too many: 257, 256 at most",
    );
    for (template, fragment) in [
        ("v1/x", "v1/x"),
        ("/v{n}", "v{n}"),
        ("/*.png", "*.png"),
        ("/**/x", "**"),
        ("/{id}/{id}", "{id}"),
        ("/{}", "{}"),
        ("/{a-b}", "a-b"),
        ("/a?b", "/a"),
        ("/a//b", "/a//b"),
        ("/a/../b", ".."),
    ] {
        refuses(&of_rule("paths[0]"), json!(template), "", fragment);
    }
    refuses(&of_rule("from"), json!({}), "", "an empty object");
    refuses(
        &of_rule("from.sourceRegions[0]"),
        json!("us_east_1"),
        "",
        "did you mean `us-east-1`?",
    );
    refuses(
        &of_rule("from.homeRegions[0]"),
        json!("mars"),
        "",
        "is no Region of the bundle",
    );
    refuses(&of_rule("from.networks[0]"), json!("10.0.0.1/8"), "", "10.0.0.0/8");
    refuses(
        &of_rule("from.sourceCountries[0]"),
        json!("UK"),
        "",
        "did you mean `GB`?",
    );
    refuses(&of_rule("from.sourceCountries"), json!("US"), "", "must be a list");
    refuses(&of_rule("from.networks"), json!([]), "", "an empty list");
    refuses(&of_rule("permissions"), json!({}), "", "an empty object");
    refuses(
        &of_rule("permissions"),
        json!(["read"]),
        "",
        "must be an object with fields like `anyOf` and `allOf`; found a list of 1",
    );
    refuses(&of_rule("permissions.anyOf"), json!([]), "", "an empty list");
    refuses(
        &of_rule("permissions.oneOf"),
        json!(["x"]),
        "",
        "no such field: `anyOf` or `allOf`",
    );
    refuses(&of_rule("roles.anyOf[0]"), json!(false), "", "quote it");
    refuses(
        &of_rule("roles.allOf"),
        json!(vec!["x"; 257]),
        "",
        "too many: 257, 256 at most",
    );
}

#[test]
fn of_identity_on_a_rule() {
    refuses(
        &of_rule("identity"),
        json!("optional"),
        "",
        "must be `required`, `workload` or `none`",
    );
    refuses(
        &of_rule("identity"),
        json!("none"),
        "",
        "nobody without a token has `permissions` or `roles`",
    );
    refuses(
        "documents[2].spec.rules[1].identity",
        json!("none"),
        "",
        "leave `identity` out",
    );
    refuses("documents[2].spec.rules[0].identity", json!(null), "", "not null");
}

#[test]
fn of_a_step_up() {
    let step_up = of_rule("stepUp");
    refuses(
        &step_up,
        json!({"maxAge": "15m"}),
        "",
        "`stepUp` goes with `effect: stepUp` only",
    );
    let refuses = |value: Json, path: &str, fragment: &str| {
        let mut bundle = sample();
        set(&mut bundle, &of_rule("effect"), json!("step_up"));
        set(&mut bundle, &of_rule("step_up"), value);
        let path = if path.starts_with("documents") {
            path.to_owned()
        } else {
            of_rule(path)
        };
        expect(&bundle, &path, fragment);
    };
    refuses(json!({}), "step_up", "an empty object");
    refuses(json!({"acr": []}), "step_up.acr", "an empty list");
    refuses(json!({"acr": "gold"}), "step_up.acr", "must be a list");
    refuses(json!({"acr": vec!["a"; 17]}), "step_up.acr", "too many: 17, 16 at most");
    for value in ["a b", "a\"b", "a\\b", "é"] {
        refuses(
            json!({"acr": ["x", value]}),
            "step_up.acr[1]",
            "must be visible ASCII without spaces",
        );
    }
    refuses(json!({"maxAge": "999ms"}), "step_up.maxAge", "must be from 1s to 8784h");
    refuses(
        json!({"maxAge": 900}),
        "step_up.maxAge",
        "has no unit: write `900s`, `900m` or `900h`",
    );
    refuses(json!({"max_ages": "1s"}), "step_up.max_ages", "did you mean `maxAge`?");
    let mut bundle = sample();
    set(&mut bundle, &of_rule("effect"), json!("stepUp"));
    set(
        &mut bundle,
        &of_rule("stepUp"),
        json!({"acr": ["urn:a"], "max_age": "15m"}),
    );
    compiled(&bundle);
    for field in ["permissions", "roles"] {
        remove(&mut bundle, &of_rule(field));
    }
    for whom in ["none", "workload"] {
        set(&mut bundle, &of_rule("identity"), json!(whom));
        expect(&bundle, &of_rule("identity"), "a step-up is for those with a token");
    }
}

#[test]
fn of_a_rule_for_workloads() {
    let identity = of_rule("identity");
    refuses(
        &identity,
        json!("workload"),
        "",
        "for services without a token, and nobody without a token has `permissions` or `roles`",
    );
    let mut bundle = sample();
    for field in ["permissions", "roles"] {
        remove(&mut bundle, &of_rule(field));
    }
    set(&mut bundle, &identity, json!("workload"));
    compiled(&bundle);
    for index in [1, 2] {
        let mut other = bundle.clone();
        set(
            &mut other,
            &format!("documents[2].spec.rules[{index}].identity"),
            json!("workload"),
        );
        compiled(&other);
    }
    let mut unverified = bundle.clone();
    set(&mut unverified, "trust.peerVerification", json!("none"));
    expect(&unverified, &identity, "no peer has an identity here");
    // Somebody's workloads have to count.
    remove(&mut bundle, "documents[0].spec.trustDomains");
    compiled(&bundle);
    remove(&mut bundle, "documents[0].spec.accepts[0].workloads");
    expect(
        &bundle,
        &identity,
        "no workload counts where `us-east-1` is the local Region",
    );
    remove(&mut bundle, "region");
    compiled(&bundle);
    remove(&mut bundle, "documents[1].spec.trustDomains");
    expect(&bundle, &identity, "no Region has `trustDomains`");
}

#[test]
fn of_what_goes_with_an_effect() {
    let defer = "documents[2].spec.rules[2].defer";
    refuses(
        &of_rule("defer"),
        json!({"cache": "30s"}),
        "",
        "`defer` goes with `effect: defer` only",
    );
    refuses(
        &of_rule("response"),
        json!({"status": 404}),
        "",
        "`response` goes with `effect: deny` only",
    );
    refuses(
        "documents[2].spec.rules[1].response.status",
        json!(302),
        "",
        "must be 402, 403, 404, 409, 410, 423, 429, 451 or 503; found `302`",
    );
    refuses(
        "documents[2].spec.rules[1].response.status",
        json!("404"),
        "",
        "must be a number: take the quotes away",
    );
    refuses(
        "documents[2].spec.rules[1].response.status",
        json!(403),
        "documents[2].spec.rules[1].response",
        "`hide: true` needs status 404",
    );
    refuses(defer, json!({}), "", "an empty object");
    refuses(&format!("{defer}.cache"), json!("0s"), "", "must be from 100ms to 24h");
    refuses(&format!("{defer}.cache"), json!("25h"), "", "must be from 100ms to 24h");
    refuses(
        &format!("{defer}.onUnavailable"),
        json!("alow"),
        "",
        "did you mean `allow`?",
    );
    refuses(
        &format!("{defer}.lastDecisionFor"),
        json!("10m"),
        "",
        "goes with `onUnavailable: lastDecision` only",
    );
    for time in ["999ms", "25h"] {
        refuses(
            defer,
            json!({"onUnavailable": "lastDecision", "lastDecisionFor": time}),
            &format!("{defer}.lastDecisionFor"),
            "must be from 1s to 24h",
        );
    }
    refuses(
        &format!("{defer}.unless"),
        json!("denied"),
        "",
        "must be `allowed`; found `denied`",
    );
    refuses(
        &format!("{defer}.reasonUser"),
        json!("yes"),
        "",
        "must be `pass` or `drop`",
    );
    refuses(&format!("{defer}.claims"), json!([]), "", "an empty list");
    for claim in [
        "home",
        "iss",
        "roles",
        "permissions",
        "acr",
        "amr",
        "auth_time",
        "workload",
    ] {
        refuses(
            &format!("{defer}.claims[0]"),
            json!(claim),
            "",
            "is a property of the question anyway",
        );
    }
}

#[test]
fn of_a_response() {
    let response = "documents[2].spec.rules[1].response";
    let refuses =
        |value: Json, path: &str, fragment: &str| refuses(response, value, &format!("{response}{path}"), fragment);
    refuses(
        json!({"status": 401}),
        ".status",
        "take `effect: stepUp`, or another status",
    );
    refuses(
        json!({"contentType": "application/json"}),
        ".contentType",
        "goes with `body` only",
    );
    refuses(
        json!({"body": {"a": "b"}, "contentType": "text/html"}),
        ".contentType",
        "must be `application/json` or `application/problem+json`; found `text/html`",
    );
    refuses(json!({"body": "no"}), ".body", "must be an object; found `no`");
    refuses(json!({"body": {}}), ".body", "an empty object");
    refuses(
        json!({"body": {"a": [{"b": "{reqest_id}"}]}}),
        ".body.a[0].b",
        "no such placeholder: `request_id`, `code`, `status` or `region`; a brace that is meant is written twice; did you mean `request_id`?",
    );
    refuses(json!({"body": {"a": "{host}"}}), ".body.a", "no such placeholder");
    for lonely in ["{", "}", "a{code", "a}b", "{{}"] {
        refuses(
            json!({"body": {"a": lonely}}),
            ".body.a",
            "a brace that belongs to no placeholder",
        );
    }
    refuses(
        json!({"body": {"a": "x".repeat(4_096)}}),
        ".body",
        "is too long: 4104 bytes of JSON, 4096 at most",
    );
    let deep = (0..8).fold(json!("x"), |inner, _| json!([inner]));
    refuses(
        json!({"body": {"a": deep}}),
        ".body.a[0][0][0][0][0][0][0][0]",
        "nested too deep: 8 levels",
    );
}
