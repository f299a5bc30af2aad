//! Of the candidate.

use serde_json::json;

use super::*;

fn policy(name: &str, spec: Json) -> Json {
    json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": name}, "spec": spec})
}

#[test]
fn of_the_candidate() {
    let good = || policy("next", json!({"default": "allow"}));
    let refuses_with = |candidate: Json, path: &str, fragment: &str| refuses("candidate", candidate, path, fragment);
    refuses_with(json!({}), "", "an empty object");
    refuses_with(json!({"sample": "5%"}), "", "`documents` is missing");
    refuses_with(json!({"documents": []}), "candidate.documents", "an empty list");
    refuses_with(
        json!({"documents": [good()], "samples": "5%"}),
        "candidate.samples",
        "did you mean `sample`?",
    );
    for sample in ["5", "0%", "101%", "0.001%"] {
        refuses_with(
            json!({"documents": [good()], "sample": sample}),
            "candidate.sample",
            "must be a share of all requests from `0.01%` to `100%`",
        );
    }
    refuses_with(
        json!({"documents": [good()], "sample": 0.05}),
        "candidate.sample",
        "with its sign, like `5%`; found `0.05`",
    );
    let region = sample()["documents"][0].clone();
    refuses_with(
        json!({"documents": [good(), region]}),
        "candidate.documents[1].kind",
        "a candidate has policies alone",
    );
    refuses_with(
        json!({"documents": [good(), good()]}),
        "candidate.documents[1].metadata.name",
        "candidate.documents[0] is a ZeroTrustPolicy of this name already",
    );
    let rule = |rule: Json| json!({"documents": [good(), policy("more", json!({"rules": [rule]}))]});
    refuses_with(
        rule(json!({"name": "a", "efect": "allow"})),
        "candidate.documents[1].spec.rules[0].efect",
        "did you mean `effect`?",
    );
    refuses_with(
        rule(json!({"name": "a", "effect": "allow", "from": {"homeRegions": ["mars"]}})),
        "candidate.documents[1].spec.rules[0].from.homeRegions[0]",
        "`mars` is no Region of the bundle",
    );
    // What the documents of a bundle say of each other holds for these as well.
    let mut bundle = sample();
    remove(&mut bundle, "documents[0].spec.center");
    set(
        &mut bundle,
        "documents[2].spec.rules[2]",
        json!({"name": "plain", "effect": "allow"}),
    );
    bundle["candidate"] = rule(json!({"name": "a", "effect": "defer"}));
    expect(
        &bundle,
        "candidate.documents[1].spec.rules[0].effect",
        "has no `center` that could be asked",
    );
    let fills = |claim: &str| policy(claim, json!({"forward": {"claims": {"x-user": claim}}}));
    refuses_with(
        json!({"documents": [fills("email"), fills("sub")]}),
        "candidate.documents[1].spec.forward.claims.x-user",
        "one header has one meaning",
    );
}

/// A candidate may use the names of what is in force, and fill its headers otherwise.
#[test]
fn a_candidate_stands_for_itself() {
    let mut bundle = sample();
    let mut document = bundle["documents"][2].clone();
    document["spec"]["forward"] = json!({"claims": {"x-user": "email"}});
    bundle["candidate"] = json!({"documents": [document]});
    let generation = compiled(&bundle);
    assert!(generation.tries() && !generation.policies.has_shadow());
    assert!(!compiled(&sample()).tries());
    // Nothing in shadow mode lets anybody in.
    bundle["candidate"]["documents"] = json!([policy("next", json!({"default": "allow", "mode": "shadow"}))]);
    let warnings = compiled(&bundle).warnings;
    let says = |path: &str| {
        warnings
            .iter()
            .any(|warning| warning.path == path && warning.to_string().contains("can allow"))
    };
    assert!(says("candidate") && !says("documents"), "{warnings:?}");
}

#[test]
fn of_an_override() {
    let good =
        || json!({"mode": "observe", "until": "2026-11-24T08:00:00Z", "who": "the owner", "why": "incident 4711"});
    for (field, value, fragment) in [
        (
            "mode",
            json!("allowAll"),
            "must be `observe` or `denyAll`; found `allowAll`",
        ),
        ("until", json!("tomorrow"), "not a time: write it as RFC 3339 does"),
        (
            "until",
            json!("2026-11-24T08:00:00"),
            "not a time: write it as RFC 3339 does",
        ),
        (
            "until",
            json!(1_800_000_000),
            "must be a time in quotes, like `\"2026-11-23T18:10:00Z\"`",
        ),
        ("who", json!(""), "is empty"),
        ("why", json!(7), "must be a string: quote it"),
    ] {
        let mut over = good();
        over[field] = value;
        refuses("override", over, &format!("override.{field}"), fragment);
    }
    for field in ["mode", "until", "who", "why"] {
        let mut over = good();
        over.as_object_mut().expect("an object").remove(field);
        refuses("override", over, "override", &format!("`{field}` is missing"));
    }
    refuses(
        "override",
        json!({"mode": "observe", "untill": "x"}),
        "override.untill",
        "did you mean `until`?",
    );
    // It loads, and nobody overlooks it.
    for mode in ["observe", "denyAll", "deny_all"] {
        let mut bundle = sample();
        bundle["override"] = good();
        bundle["override"]["mode"] = json!(mode);
        let warnings = compiled(&bundle).warnings;
        assert!(
            warnings.iter().any(|warning| warning.path == "override"),
            "{warnings:?}"
        );
    }
}
