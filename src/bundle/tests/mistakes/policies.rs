//! Of ZeroTrustPolicy documents, but for their rules.

use serde_json::json;

use super::*;

#[test]
fn of_a_policy() {
    let spec = "documents[2].spec";
    refuses(
        &format!("{spec}.tokens"),
        json!({}),
        "",
        "`tokens` is not supported yet",
    );
    refuses(&format!("{spec}.streams"), json!("untilClosed"), "", "no such field");
    refuses(
        "documents[2].spec.mode",
        json!("enforced"),
        "",
        "did you mean `enforce`?",
    );
    refuses(
        "documents[2].spec.mode",
        json!("shade"),
        "",
        "must be `enforce` or `shadow`; found `shade`",
    );
    refuses("documents[2].spec.default", json!("deny"), "", "must be `allow`");
    refuses("documents[2].spec", json!({}), "", "an empty object");
    refuses("documents[2].spec.rule", json!([]), "", "did you mean `rules`?");
    refuses("documents[2].spec.rules", json!([]), "", "an empty list");
    refuses(
        "documents[2].spec.rules",
        json!(null),
        "",
        "not null: only absence means not restricted",
    );
    refuses("documents[2].spec.selector", json!({}), "", "an empty object");
    refuses("documents[2].spec.selector.hosts", json!([]), "", "an empty list");
}

#[test]
fn of_context() {
    let context = "documents[2].spec.context";
    refuses(context, json!({}), "", "an empty object");
    refuses(
        context,
        json!({"geo_restrictions": []}),
        &format!("{context}.geo_restrictions"),
        "an empty list",
    );
    refuses(
        context,
        json!({"geo_restrictions": [{}]}),
        &format!("{context}.geo_restrictions[0]"),
        "an empty object",
    );
    refuses(
        context,
        json!({"geo_restrictions": [{"allowed_regions": []}]}),
        &format!("{context}.geo_restrictions[0].allowed_regions"),
        "an empty list",
    );
    refuses(
        context,
        json!({"geo_restrictions": [{"allowed_region": ["a"]}]}),
        &format!("{context}.geo_restrictions[0].allowed_region"),
        "did you mean `allowedRegions`?",
    );
    let geo = |restriction: Json| json!({"geo_restrictions": [restriction]});
    let place = |rest: &str| format!("{context}.geo_restrictions[0]{rest}");
    refuses(
        context,
        geo(json!({"denied_regions": ["us-east-2"]})),
        &place(".denied_regions[0]"),
        "is no Region of the bundle",
    );
    for (code, fragment) in [
        ("UK", "did you mean `GB`?"),
        ("us", "did you mean `US`?"),
        ("EU", "`EU` is no country: write its two letters as ISO 3166-1 has them"),
        ("XX", "`XX` is no country"),
    ] {
        for list in ["allowedCountries", "denied_countries"] {
            refuses(
                context,
                geo(json!({list: ["DE", code]})),
                &place(&format!(".{list}[1]")),
                fragment,
            );
        }
    }
    refuses(
        context,
        geo(json!({"allowedCountries": vec!["US"; 251]})),
        &place(".allowedCountries"),
        "too many: 251, 250 at most",
    );
    refuses(
        context,
        geo(json!({"allowed_regions": ["us-east-1", "eu-west-1"], "denied_regions": ["eu-west-1"]})),
        &place(""),
        "`eu-west-1` is denied here, and in `allowedRegions` as well",
    );
    refuses(
        context,
        geo(json!({"allowed_countries": ["US"], "denied_countries": ["DE", "US"]})),
        &place(""),
        "`US` is denied here, and in `allowedCountries` as well",
    );
    refuses(
        context,
        json!({"time_restrictions": [{"business_hours": false}]}),
        &format!("{context}.time_restrictions[0].business_hours"),
        "leave it out",
    );
    refuses(
        context,
        json!({"time_restrictions": [{"business_hours": "true"}]}),
        &format!("{context}.time_restrictions[0].business_hours"),
        "must be `true` or `false`: take the quotes away; found `true`",
    );
    refuses(
        context,
        json!({"network_restrictions": []}),
        &format!("{context}.network_restrictions"),
        "no such field",
    );
    let both = json!({"geo_restrictions": [{"allowed_regions": ["us-east-1"]}], "geoRestrictions": [{"allowedRegions": ["us-east-1"]}]});
    let mut bundle = sample();
    set(&mut bundle, context, both);
    let errors = lines(&refused(&bundle));
    assert!(
        errors.contains("given twice, as `geoRestrictions` and as `geo_restrictions`"),
        "{errors}"
    );
}

#[test]
fn of_forwarding() {
    let claims = "documents[2].spec.forward.claims";
    refuses("documents[2].spec.forward", json!({}), "", "an empty object");
    refuses(
        "documents[2].spec.forward.token",
        json!("keep"),
        "",
        "must be `strip` or `pass`",
    );
    refuses(claims, json!({}), "", "an empty object");
    refuses(claims, json!({"x-user": 5}), &format!("{claims}.x-user"), "quote it");
    refuses(
        claims,
        json!({"X-User": "sub"}),
        &format!("{claims}.X-User"),
        "did you mean `x-user`?",
    );
    for header in [
        "host",
        "authorization",
        "cookie",
        "content-length",
        "content_length",
        "x-forwarded-for",
        "x_forwarded_for",
        "x-regionguard-subject",
        "x_regionguard_anything",
        "x-request-id",
        "te",
        "upgrade",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "transfer_encoding",
        "trailer",
        "proxy-authorization",
        "forwarded",
        "x-envoy-original-path",
        "via",
    ] {
        refuses(
            claims,
            json!({header: "sub"}),
            &format!("{claims}.{header}"),
            "no claim may fill",
        );
    }
    refuses(
        claims,
        json!({":path": "sub"}),
        &format!("{claims}.\":path\""),
        "not a header name",
    );
    refuses(
        claims,
        json!({"x user": "sub"}),
        &format!("{claims}.\"x user\""),
        "not a header name",
    );
    refuses(
        claims,
        json!({"x-user": "sub", "x_user": "sub"}),
        &format!("{claims}.x_user"),
        "are one header",
    );
    let many: serde_json::Map<String, Json> = (0..33).map(|number| (format!("x-{number}"), json!("sub"))).collect();
    refuses(claims, Json::Object(many), "", "too many: 33, 32 at most");
    for header in ["x-user", "x_user"] {
        let mut bundle = sample();
        set(
            &mut bundle,
            "documents[3]",
            policy("zoo", json!({"forward": {"claims": {header: "email"}}})),
        );
        expect(
            &bundle,
            &format!("documents[3].spec.forward.claims.{header}"),
            "policy `shop` fills this header with the claim `sub`, policy `zoo` with `email`",
        );
        set(
            &mut bundle,
            "documents[3]",
            policy("zoo", json!({"forward": {"claims": {header: "sub"}}})),
        );
        assert!(
            compile_json(&bundle).is_ok(),
            "the same claim in the same header is no clash"
        );
    }
}

#[test]
fn of_identity_of_a_policy() {
    let spec = "documents[2].spec.identity";
    let identity = |value: Json, path: &str, fragment: &str| refuses(spec, value, &format!("{spec}{path}"), fragment);
    identity(json!({}), "", "an empty object");
    identity(json!({"authentication": []}), ".authentication", "an empty list");
    let method = |value: Json, path: &str, fragment: &str| {
        identity(
            json!({"authentication": [value]}),
            &format!(".authentication[0]{path}"),
            fragment,
        );
    };
    method(json!({"amr": ["mfa"]}), "", "`method` is missing");
    method(
        json!({"method": "multifactor"}),
        ".method",
        "must be `multi-factor` or `certificate`; found `multifactor`; did you mean `multi-factor`?",
    );
    method(
        json!({"method": "certificate", "acr": ["a"]}),
        ".acr",
        "goes with `method: multi-factor` only",
    );
    method(json!({"method": "multi-factor", "amr": []}), ".amr", "an empty list");
    method(
        json!({"method": "multi-factor", "amr": ["a b"]}),
        ".amr[0]",
        "without spaces",
    );
    let authorization = |value: Json, path: &str, fragment: &str| {
        identity(
            json!({"authorization": value}),
            &format!(".authorization{path}"),
            fragment,
        );
    };
    authorization(
        json!([{"rbac": "yes"}]),
        "[0].rbac",
        "must be `true` or `false`; found `yes`",
    );
    authorization(
        json!([{"rbac": true}, {"rbac": false}]),
        "[1].rbac",
        "`rbac` is said already",
    );
    authorization(json!([{"acl": true}]), "[0].acl", "no such field: `rbac` or `abac`");
    for field in ["permissions", "roles"] {
        let mut bundle = sample();
        set(
            &mut bundle,
            spec,
            json!({"authorization": [{"rbac": false}, {"abac": false}]}),
        );
        expect(
            &bundle,
            &format!("{RULE}.{field}"),
            &format!("the policy says `rbac: false`, so no rule of it has `{field}`"),
        );
        set(
            &mut bundle,
            spec,
            json!({"authorization": [{"rbac": true, "abac": false}]}),
        );
        compiled(&bundle);
    }
}
