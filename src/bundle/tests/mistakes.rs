//! One line for each thing that is refused: what is changed in the sample, where the error stands, and a part of what it says.

use serde_json::json;

use super::*;

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
    refuses(
        "metadata.version",
        json!(0),
        "",
        "from 1 to 9007199254740992; found `0`",
    );
    refuses("metadata.version", json!(1.5), "", "whole number");
    refuses("metadata.version", json!("41"), "", "take the quotes away");
    refuses(
        "metadata.version",
        json!(null),
        "",
        "not null: only absence means not restricted",
    );
    refuses("metadata.labels", json!({}), "", "no such field: `name` or `version`");
    refuses_without("metadata", "", "`metadata` is missing");
    refuses_without("metadata.version", "metadata", "`version` is missing");
    refuses_without("documents", "", "`documents` is missing");
    refuses(
        "region",
        json!("us-east1"),
        "",
        "no such Region in the bundle: `us-east-1` or `eu-west-1`; found `us-east1`; did you mean `us-east-1`?",
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
    for later in ["layers", "candidate", "override"] {
        refuses(later, json!([1]), "", &format!("`{later}` is not supported yet"));
    }
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
        json!("required"),
        "",
        "`peerVerification` is not supported yet",
    );
    refuses(
        "trust.peer_verification",
        json!("none"),
        "",
        "`peer_verification` is not supported yet",
    );
    refuses("trust.edges", json!([]), "", "`edges` is not supported yet");
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
    for kind in ["DeviceIssuer", "Revocations", "Grants", "PolicyTest"] {
        refuses(
            "documents[2].kind",
            json!(kind),
            "",
            &format!("`{kind}` is not supported yet"),
        );
    }
    refuses("documents[2].metadata.name", json!("a b"), "", "not a name");
    refuses(
        "documents[2].metadata.namespace",
        json!("x"),
        "",
        "no such field: `name`",
    );
    refuses("documents[2].status", json!({}), "", "no such field");
    refuses("documents[2]", json!("text"), "", "must be an object; found `text`");
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
    let single = sample()["documents"][2].clone();
    expect(
        &single,
        "",
        "this is a single document: put it into the `documents` of a bundle",
    );
}

#[test]
fn of_a_region() {
    let spec = "documents[0].spec";
    for field in ["issuer", "audiences", "keys"] {
        refuses_without(&format!("{spec}.{field}"), spec, &format!("`{field}` is missing"));
    }
    refuses(
        "documents[0].spec.issuer",
        json!(18.10),
        "",
        "must be a string: quote it; found `18.1`",
    );
    refuses("documents[0].spec.issuer", json!(""), "", "is empty");
    refuses("documents[0].spec.issuer", json!(" x"), "", "white space");
    refuses("documents[0].spec.issuer", json!("a\u{7}b"), "", "control character");
    refuses(
        "documents[0].spec.issuer",
        json!("x".repeat(1_025)),
        "",
        "too long: 1025 bytes, 1024 at most",
    );
    refuses(
        "documents[0].spec.audiences",
        json!("api"),
        "",
        "must be a list; found `api`",
    );
    refuses("documents[0].spec.audiences", json!([]), "", "an empty list");
    refuses(
        "documents[0].spec.audiences",
        json!(vec!["a"; 33]),
        "",
        "too many: 33, 32 at most",
    );
    refuses(
        "documents[0].spec.claims.scope",
        json!("x"),
        "",
        "no such field: `region`, `permissions` or `roles`",
    );
    refuses(
        "documents[0].spec.claims.roles",
        json!("x".repeat(257)),
        "",
        "at most 256 bytes",
    );
    refuses(
        "documents[0].spec.claims.region",
        json!({"fromIssuer": false}),
        "documents[0].spec.claims.region.fromIssuer",
        "`false` says nothing here",
    );
    refuses(
        "documents[0].spec.claims.region",
        json!({"fromIssuer": true}),
        "",
        "Region `eu-west-1` has the same issuer",
    );
    refuses(
        "documents[0].spec.timezone",
        json!("America/New_Yrok"),
        "",
        "did you mean `America/New_York`?",
    );
    refuses("documents[0].spec.businessHours.days[1]", json!("tues"), "", "tues");
    refuses("documents[0].spec.businessHours.from", json!("9"), "", "`9`");
    refuses("documents[0].spec.businessHours.from", json!(540), "", "quote it");
    refuses("documents[0].spec.businessHours.until", json!("9"), "", "no such field");
    refuses_without(
        "documents[0].spec.businessHours.to",
        "documents[0].spec.businessHours",
        "`to` is missing",
    );
    refuses_without(
        "documents[0].spec.timezone",
        "documents[0].spec.businessHours",
        "a time without a zone means nothing",
    );
    refuses("documents[0].spec.maxTokenLifetime", json!("1d"), "", "not a duration");
    refuses(
        "documents[0].spec.maxTokenLifetime",
        json!("0s"),
        "",
        "must be from 1s to 8784h",
    );
    refuses(
        "documents[0].spec.maxTokenLifetime",
        json!("9999999999s"),
        "",
        "not a duration",
    );
    refuses("documents[0].spec.maxTokenLifetime", json!(30), "", "quote it");
    for later in ["identity", "endpoint"] {
        refuses(
            &format!("{spec}.{later}"),
            json!({}),
            "",
            &format!("`{later}` is not supported yet"),
        );
    }
}

#[test]
fn of_networks() {
    refuses("documents[0].spec.networks[0]", json!("10.1.2.3/16"), "", "10.1.0.0/16");
    refuses("documents[0].spec.networks[0]", json!("10.1.2.3"), "", "10.1.2.3/32");
    refuses("documents[0].spec.networks[0]", json!("somewhere"), "", "somewhere");
    refuses(
        "documents[1].spec.networks[1]",
        json!("10.1.0.0/16"),
        "documents[0].spec.networks[0]",
        "`10.1.0.0/16` is a network of both `eu-west-1` and `us-east-1`",
    );
    refuses(
        "documents[1].spec.networks[1]",
        json!("::ffff:10.1.0.0/112"),
        "documents[0].spec.networks[0]",
        "both `eu-west-1` and `us-east-1`",
    );
}

#[test]
fn of_what_is_accepted() {
    refuses(
        "documents[0].spec.accepts[0].home",
        json!("eu-west-2"),
        "",
        "did you mean `eu-west-1`?",
    );
    refuses(
        "documents[0].spec.accepts[0].home",
        json!("us-east-1"),
        "",
        "accepts its own tokens anyway",
    );
    refuses_without(
        "documents[0].spec.accepts[0].home",
        "documents[0].spec.accepts[0]",
        "`home` is missing",
    );
    refuses(
        "documents[0].spec.accepts[1]",
        json!({"home": "eu-west-1"}),
        "documents[0].spec.accepts[1].home",
        "listed already",
    );
}

#[test]
fn of_words_that_are_accepted() {
    let accepts = |entry: Json| {
        let mut bundle = sample();
        set(&mut bundle, "documents[0].spec.accepts", entry);
        bundle
    };
    let path = "documents[0].spec.accepts";
    expect(
        &accepts(json!([{"home": "eu-west-1", "permissions": ["re*d"]}])),
        &format!("{path}[0].permissions[0]"),
        "at the end only",
    );
    expect(
        &accepts(json!([{"home": "eu-west-1", "roles": ["**"]}])),
        &format!("{path}[0].roles[0]"),
        "at the end only",
    );
    expect(
        &accepts(json!([{"home": "eu-west-1", "roles": []}])),
        &format!("{path}[0].roles"),
        "an empty list",
    );
}

#[test]
fn of_keys() {
    let keys = "documents[0].spec.keys";
    let jwks = |keys: Json| json!({"jwks": {"keys": keys}});
    let first = "documents[0].spec.keys.jwks.keys[0]";
    refuses_without("documents[0].spec.keys.jwks", keys, "`jwks` is missing");
    refuses(
        keys,
        json!({"remote": {"cluster": "x"}}),
        "documents[0].spec.keys.remote",
        "`remote` is not supported yet",
    );
    for name in ["none", "HS256", "hs512", "None"] {
        refuses(
            "documents[0].spec.keys.algorithms[0]",
            json!(name),
            "",
            &format!("`{name}` is never allowed"),
        );
    }
    refuses(
        "documents[0].spec.keys.algorithms[0]",
        json!("EdDSS"),
        "",
        "did you mean `EdDSA`?",
    );
    refuses(
        "documents[0].spec.keys.algorithms[0]",
        json!("ES512"),
        "",
        "must be `RS256`",
    );
    refuses(
        "documents[0].spec.keys.algorithms",
        json!(["RS256"]),
        "documents[0].spec.keys.jwks.keys",
        "not one of the keys can be used",
    );
    refuses(
        keys,
        jwks(json!([])),
        "documents[0].spec.keys.jwks.keys",
        "an empty list",
    );
    refuses(keys, jwks(json!([rsa_key("a", 255)])), first, "an RSA key of 2040 bits");
    refuses(
        keys,
        jwks(json!([rsa_key("a", 1_025)])),
        first,
        "an RSA key of 8200 bits",
    );
    for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut private = key("a", 1);
        private[secret] = json!("c2VjcmV0LXZhbHVl");
        let mut bundle = sample();
        set(&mut bundle, keys, jwks(json!([private])));
        expect(&bundle, first, "secrets are never in a bundle");
        assert!(!lines(&refused(&bundle)).contains("c2VjcmV0"), "{secret}");
    }
    refuses(
        keys,
        jwks(json!([{"kty": "oct", "kid": "x"}])),
        "documents[0].spec.keys.jwks.keys",
        "not one of the keys can be used",
    );
    refuses(keys, jwks(json!(["text"])), first, "must be an object");
    refuses(
        keys,
        jwks(json!([{"kty": 1}])),
        &format!("{first}.kty"),
        "must be a string",
    );
    refuses(
        keys,
        jwks(json!([{"kty": "EC", "crv": "P-256", "kid": "x"}])),
        first,
        "key `x`: `x` is missing",
    );
    refuses(
        keys,
        jwks(json!([{"kty": "RSA", "n": "A".repeat(17_000), "e": "AQAB"}])),
        &format!("{first}.n"),
        "too long",
    );
    refuses(
        keys,
        jwks(json!([{"kty": "RSA", "x5c": vec!["x"; 200]}])),
        first,
        "more than 128 values",
    );
    refuses(
        keys,
        jwks(json!(vec![key("a", 1); 65])),
        "documents[0].spec.keys.jwks.keys",
        "too many: 65, 64 at most",
    );
    refuses(
        keys,
        jwks(json!([key("a", 1), key("a", 3)])),
        first,
        "several `EC` keys have this `kid`",
    );
    refuses(
        keys,
        jwks(json!([key("other", 2)])),
        "documents[0].spec.keys.jwks",
        "Regions `eu-west-1` and `us-east-1` have a key in common",
    );
}

#[test]
fn of_a_center() {
    let center = "documents[0].spec.center";
    refuses_without("documents[0].spec.center.cluster", center, "`cluster` is missing");
    for (place, value, fragment) in [
        ("protocol", json!("opa"), "`opa` is not supported yet"),
        ("protocol", json!("ext_authz"), "`ext_authz` is not supported yet"),
        ("protocol", json!("rest"), "must be `authzen`"),
        ("delegates", json!(["eu-west-1"]), "`delegates` is not supported yet"),
        ("timeout", json!("5ms"), "must be from 10ms to 10s; found `5ms`"),
        ("timeout", json!("11s"), "must be from 10ms to 10s"),
        ("timeout", json!("1.5s"), "not a duration"),
        ("path", json!("access"), "must begin with `/`"),
        ("path", json!("/a b"), "visible ASCII"),
        ("cluster", json!("a b"), "visible ASCII"),
    ] {
        refuses(&format!("{center}.{place}"), value, "", fragment);
    }
    refuses(
        "documents[0].spec.center.cluster",
        json!("outbound|80||pdp"),
        center,
        "give `authority`",
    );
    let mut bundle = sample();
    set(
        &mut bundle,
        center,
        json!({"cluster": "outbound|80||pdp", "authority": "user@pdp"}),
    );
    expect(&bundle, "documents[0].spec.center.authority", "");
    set(
        &mut bundle,
        center,
        json!({"cluster": "outbound|80||pdp", "authority": "pdp:80"}),
    );
    assert!(compile_json(&bundle).is_ok());
    refuses_without(
        center,
        "documents[2].spec.rules[2].effect",
        "the local Region `us-east-1` has no `center`",
    );
}

#[test]
fn of_a_policy() {
    let spec = "documents[2].spec";
    for later in [
        "identity",
        "device",
        "osVersions",
        "os_versions",
        "preflight",
        "probes",
        "streams",
    ] {
        refuses(
            &format!("{spec}.{later}"),
            json!({}),
            "",
            &format!("`{later}` is not supported yet"),
        );
    }
    refuses(
        "documents[2].spec.mode",
        json!("shadow"),
        "",
        "`shadow` is not supported yet",
    );
    refuses(
        "documents[2].spec.mode",
        json!("enforced"),
        "",
        "did you mean `enforce`?",
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
    for later in ["localRegions", "workloads", "local_regions"] {
        refuses(
            &format!("{spec}.selector.{later}"),
            json!(["x"]),
            "",
            &format!("`{later}` is not supported yet"),
        );
    }
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
        "must be `true` or `false`; found `true`",
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
fn of_a_rule() {
    refuses_without(&of_rule("name"), RULE, "`name` is missing");
    refuses_without(&of_rule("effect"), RULE, "`effect` is missing");
    refuses(&of_rule("name"), json!("No Admin"), "", "not a name");
    refuses(
        "documents[2].spec.rules[1].name",
        json!("read-own-profile"),
        "",
        "rule 0 of this policy has the name `read-own-profile` already",
    );
    refuses(&of_rule("permisions"), json!({}), "", "did you mean `permissions`?");
    refuses(&of_rule("path"), json!("/"), "", "did you mean `paths`?");
    for later in ["when", "stepUp", "step_up", "upgrades", "streams", "body"] {
        refuses(
            &of_rule(later),
            json!("x"),
            "",
            &format!("`{later}` is not supported yet"),
        );
    }
    refuses(&of_rule("mode"), json!("shadow"), "", "`shadow` is not supported yet");
    refuses(&of_rule("effect"), json!("stepUp"), "", "`stepUp` is not supported yet");
    refuses(
        &of_rule("effect"),
        json!("permit"),
        "",
        "must be `allow`, `deny` or `defer`",
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
    refuses(
        &of_rule("methods[0]"),
        json!("CONNECT"),
        "",
        "`CONNECT` is not supported yet",
    );
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
        &of_rule("from.workloads"),
        json!(["spiffe://x"]),
        "",
        "`workloads` is not supported yet",
    );
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
        "no such Region in the bundle",
    );
    refuses(&of_rule("from.networks[0]"), json!("10.0.0.1/8"), "", "10.0.0.0/8");
    refuses(&of_rule("from.networks"), json!([]), "", "an empty list");
    refuses(&of_rule("permissions"), json!({}), "", "an empty object");
    refuses(
        &of_rule("permissions"),
        json!(["read"]),
        "",
        "must be an object; found a list of 1",
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
        "must be `required` or `none`",
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
        "must be 403, 404, 410 or 451; found `302`",
    );
    refuses(
        "documents[2].spec.rules[1].response.status",
        json!("404"),
        "",
        "must be 403, 404, 410 or 451",
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
        json!("lastDecision"),
        "",
        "`lastDecision` is not supported yet",
    );
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
        "`lastDecisionFor` is not supported yet",
    );
    refuses(
        &format!("{defer}.unless"),
        json!("allowed"),
        "",
        "`unless` is not supported yet",
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
    set(&mut bundle, "documents[2].spec.mode", json!("shadow"));
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
    let errors = lines(&refused(&bundle));
    assert!(!errors.contains("eyJ") && !errors.contains("MIIE"), "{errors}");
}
