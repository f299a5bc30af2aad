//! Of Region documents.

use serde_json::json;

use super::*;

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
        "must be a list, also of one: `[\"api\"]`; found `api`",
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
        "no such field: `region`, `permissions`, `roles`, `grants`, `device`, `audience` or `require`",
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
    refuses("documents[0].spec.country", json!("usa"), "", "did you mean `US`?");
    refuses("documents[0].spec.country", json!(["US"]), "", "must be a string");
    refuses("documents[0].spec.businessHours.days[1]", json!("tues"), "", "tues");
    refuses("documents[0].spec.businessHours.from", json!("9"), "", "`9`");
    refuses(
        "documents[0].spec.businessHours.from",
        json!(540),
        "",
        "must be a time of the day in quotes",
    );
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
    refuses(
        "documents[0].spec.maxTokenLifetime",
        json!(30),
        "",
        "has no unit: write `30s`, `30m` or `30h`; found `30`",
    );
    refuses(
        "documents[0].spec.maxTokenLifetime",
        json!("30"),
        "",
        "has no unit: write `30s`, `30m` or `30h`",
    );
    refuses(
        &format!("{spec}.endpoint"),
        json!({}),
        "",
        "`endpoint` is not supported yet",
    );
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
    refuses(
        keys,
        json!({"algorithms": ["ES256"]}),
        keys,
        "`jwks` is missing, or `remote` or `discovery`",
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
fn of_required_claims() {
    let claims = "documents[0].spec.claims";
    let many: serde_json::Map<String, Json> = (0..17).map(|index| (format!("c{index}"), json!("x"))).collect();
    for (require, place, fragment) in [
        (json!({}), "", "an empty object"),
        (json!({"token_use": true}), ".token_use", "must be a string: quote it"),
        (json!({"token_use": ""}), ".token_use", "is empty"),
        (json!({"": "access"}), "", "the name of a claim has 1 to 256 bytes"),
        (json!(many), "", "too many: 17, 16 at most"),
        (json!(["token_use"]), "", "must be an object"),
    ] {
        let mut bundle = sample();
        set(&mut bundle, claims, json!({ "require": require }));
        let errors = refused(&bundle);
        let found = errors.iter().any(|error| {
            error.path.starts_with(&format!("{claims}.require{place}")) && error.to_string().contains(fragment)
        });
        assert!(found, "{fragment}: {}", lines(&errors));
    }
    refuses(
        claims,
        json!({"audience": ""}),
        "documents[0].spec.claims.audience",
        "is empty",
    );
}

#[test]
fn of_keys_from_the_network() {
    let keys = "documents[0].spec.keys";
    let remote = |changes: Json| {
        let mut remote = json!({"cluster": "identity"});
        for (name, value) in changes.as_object().expect("an object") {
            remote[name] = value.clone();
        }
        json!({ "remote": remote })
    };
    let at = |field: &str| format!("{keys}.remote.{field}");
    for (changes, field, fragment) in [
        (json!({"cluster": "a b"}), "cluster", "visible ASCII"),
        (json!({"path": "jwks"}), "path", "must begin with `/`"),
        (json!({"path": "/jwks#a"}), "path", "must begin with `/`"),
        (json!({"authority": "a@b"}), "authority", ""),
        (
            json!({"refresh": "9s"}),
            "refresh",
            "must be from 10s to 24h; found `9s`",
        ),
        (json!({"staleFor": "721h"}), "staleFor", "must be from 10s to 720h"),
        (
            json!({"stale_for": "1m"}),
            "stale_for",
            "`staleFor` is shorter than `refresh`",
        ),
        (json!({"timeout": "31s"}), "timeout", "must be from 100ms to 30s"),
        (json!({"waitFor": "31s"}), "waitFor", "must be from 10ms to 30s"),
        (json!({"interval": "1m"}), "interval", "no such field"),
    ] {
        refuses(keys, remote(changes), &at(field), fragment);
    }
    refuses(
        keys,
        json!({"remote": {"path": "/jwks"}}),
        &format!("{keys}.remote"),
        "`cluster` is missing",
    );
    refuses(
        keys,
        remote(json!({"cluster": "outbound|443||id"})),
        &format!("{keys}.remote"),
        "give `authority`",
    );
    let mut both = remote(json!({}));
    both["jwks"] = json!({"keys": [key("a", 1)]});
    refuses(keys, both, keys, "keys come from one place");
    let discovery = format!("{keys}.discovery");
    refuses(
        keys,
        json!({"discovery": {"cluster": "identity", "jwks": {"cluster": "a b"}}}),
        &format!("{discovery}.jwks.cluster"),
        "visible ASCII",
    );
    refuses(
        keys,
        json!({"discovery": {"cluster": "identity"}}),
        &discovery,
        "the issuer is no URL that its configuration could stand under: give `path`",
    );
    // Whichever cluster leads there.
    for (first, second) in [
        (
            remote(json!({"authority": "ID.example.com", "path": "/jwks"})),
            remote(json!({"cluster": "other", "authority": "id.example.com", "path": "/jwks"})),
        ),
        (
            json!({"discovery": {"cluster": "identity", "path": "/c"}}),
            json!({"discovery": {"cluster": "identity", "path": "/c"}}),
        ),
    ] {
        let mut bundle = sample();
        set(&mut bundle, keys, first);
        set(&mut bundle, "documents[1].spec.keys", second);
        let errors = refused(&bundle);
        let found = errors.iter().any(|error| {
            error.path.starts_with("documents[") && error.to_string().contains("fetch their keys at one address")
        });
        assert!(found, "{}", lines(&errors));
    }
}

#[test]
fn of_a_replica() {
    let identity = "documents[0].spec.identity";
    let mut bundle = sample();
    set(&mut bundle, identity, json!({"cluster": "people"}));
    assert!(compile_json(&bundle).is_ok());
    let in_path = "must hold `{sub}`, which stands for the subject, once and as a whole segment";
    for (field, value, fragment) in [
        ("path", json!("/identities"), in_path),
        ("path", json!("/identities/{id}"), in_path),
        ("path", json!("/identities/u{sub}"), in_path),
        ("path", json!("/identities/{sub}.json"), in_path),
        ("path", json!("/identities/{sub}/{sub}"), in_path),
        ("path", json!("/identities?sub={sub}"), in_path),
        ("path", json!("/identities?a/{sub}"), in_path),
        ("path", json!("identities/{sub}"), "must begin with `/`"),
        ("ttl", json!("0s"), "must be from 1s to 24h"),
        ("ttl", json!("25h"), "must be from 1s to 24h"),
        ("timeout", json!("11s"), "must be from 10ms to 10s"),
        ("cluster", json!("outbound|80||people"), "give `authority`"),
        ("refresh", json!("1h"), "no such field"),
    ] {
        let mut bundle = sample();
        set(&mut bundle, identity, json!({"cluster": "people"}));
        set(&mut bundle, &format!("{identity}.{field}"), value.clone());
        let errors = refused(&bundle);
        let found = errors
            .iter()
            .any(|error| error.path.starts_with(identity) && error.to_string().contains(fragment));
        assert!(found, "{field}: {value}: {}", lines(&errors));
    }
    refuses(identity, json!({"path": "/a/{sub}"}), identity, "`cluster` is missing");
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
fn of_trust_domains() {
    let domains = "documents[0].spec.trustDomains";
    refuses(domains, json!([]), "", "an empty list");
    refuses(domains, json!(vec!["a"; 33]), "", "too many: 33, 32 at most");
    for (name, fragment) in [
        ("spiffe://prod", "stands alone, as `prod.example`"),
        ("Prod", "not a trust domain: it has 1 to 255 lower-case letters"),
        ("prod/ns", "no path, user or port"),
        ("prod:8443", "no path, user or port"),
        ("*.prod", "not a trust domain"),
    ] {
        refuses(&format!("{domains}[0]"), json!(name), "", fragment);
    }
    refuses(
        &format!("{domains}[1]"),
        json!("us-east-1.example"),
        "",
        "`us-east-1.example` is a trust domain of `us-east-1` already",
    );
    refuses(
        "documents[1].spec.trustDomains[0]",
        json!("us-east-1.example"),
        "documents[0].spec.trustDomains[0]",
        "is a trust domain of `eu-west-1` already: a workload is at home in one Region",
    );
    let accepted = "documents[0].spec.accepts[0].workloads";
    refuses(accepted, json!([]), "", "an empty list");
    refuses(&format!("{accepted}[0]"), json!("*"), "", "whole segments");
    refuses(
        &format!("{accepted}[1]"),
        json!("spiffe://us-east-1.example/ns/pay/*"),
        "",
        "`us-east-1.example` is no trust domain of the Region `eu-west-1`",
    );
}
