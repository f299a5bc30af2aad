//! Of what a rule looks at in the request, of where a policy stands, and of what it lets in without a token.

use serde_json::json;

use super::*;

#[test]
fn of_headers() {
    let one = of_rule("headers[0]");
    for (entry, field, says) in [
        (json!({}), "", "an empty object"),
        (json!({"exact": "a"}), "", "`name` is missing"),
        (
            json!({"name": "x-tenant"}),
            "",
            "must have exactly one of `exact`, `in`",
        ),
        (
            json!({"name": "x-tenant", "exact": "a", "prefix": "b"}),
            "",
            "must have exactly one of",
        ),
        (
            json!({"name": "x-tenant", "value": "a"}),
            ".value",
            "no such field: `name`, `exact`",
        ),
        (
            json!({"name": "x-tenant", "exakt": "a"}),
            ".exakt",
            "did you mean `exact`?",
        ),
        (json!({"name": "x-tenant", "exact": 7}), ".exact", "quote it"),
        (json!({"name": "x-tenant", "exact": ""}), ".exact", "is empty"),
        (json!({"name": "x-tenant", "in": []}), ".in", "an empty list"),
        (
            json!({"name": "x-tenant", "in": vec!["a"; 257]}),
            ".in",
            "too many: 257, 256 at most",
        ),
        (
            json!({"name": "x-tenant", "present": false}),
            ".present",
            "write `absent: true`",
        ),
        (
            json!({"name": "x-tenant", "absent": false}),
            ".absent",
            "write `present: true`",
        ),
        (
            json!({"name": "x-tenant", "present": "yes"}),
            ".present",
            "`true` or `false`",
        ),
        (
            json!({"name": "X-Tenant", "present": true}),
            ".name",
            "did you mean `x-tenant`?",
        ),
        (
            json!({"name": "x tenant", "present": true}),
            ".name",
            "not a header name",
        ),
        (
            json!({"name": ":path", "prefix": "/"}),
            ".name",
            "`:path` is no header: write `paths` and `query`",
        ),
        (json!({"name": ":Method", "exact": "GET"}), ".name", "write `methods`"),
        (json!({"name": "host", "exact": "a.com"}), ".name", "write `hosts`"),
        (
            json!({"name": "authorization", "present": true}),
            ".name",
            "holds a credential",
        ),
        (
            json!({"name": "cookie", "present": true}),
            ".name",
            "holds a credential",
        ),
        (
            json!({"name": "proxy_authorization", "present": true}),
            ".name",
            "holds a credential",
        ),
        (
            json!({"name": "upgrade", "exact": "websocket"}),
            ".name",
            "write `upgrades`",
        ),
        (
            json!({"name": "connection", "present": true}),
            ".name",
            "is about the connection",
        ),
        (
            json!({"name": "x-forwarded-for", "prefix": "10."}),
            ".name",
            "write `from.networks`",
        ),
        (
            json!({"name": "x-forwarded-client-cert", "present": true}),
            ".name",
            "write `from.workloads`",
        ),
        (
            json!({"name": "x-regionguard-subject", "exact": "a"}),
            ".name",
            "is removed from every request",
        ),
        // What the sample's policy fills.
        (
            json!({"name": "x-user", "exact": "alice"}),
            ".name",
            "is filled by `forward.claims`",
        ),
        (
            json!({"name": "x_user", "exact": "alice"}),
            ".name",
            "is filled by `forward.claims`",
        ),
    ] {
        refuses(&of_rule("headers"), json!([entry]), &format!("{one}{field}"), says);
    }
    refuses(&of_rule("headers"), json!([]), "", "an empty list");
    refuses(
        &of_rule("headers"),
        json!(vec![json!({"name": "a", "present": true}); 17]),
        "",
        "too many: 17, 16 at most",
    );
}

#[test]
fn of_tokens_that_are_looked_at() {
    for (source, field, name) in [
        (json!({"header": "x-access-token"}), "headers", "x_access-token"),
        (json!({"query": "access_token"}), "query", "access.token"),
    ] {
        let mut bundle = sample();
        set(&mut bundle, &of_rule(field), json!([{"name": name, "present": true}]));
        compiled(&bundle);
        set(&mut bundle, "tokens", json!({"sources": [source]}));
        let place = of_rule(&format!("{field}[0].name"));
        expect(&bundle, &place, "no rule looks at a token");
    }
}

#[test]
fn of_parameters() {
    for (entry, field, says) in [
        (
            json!({"name": "a b", "present": true}),
            ".name",
            "not a parameter's name",
        ),
        (
            json!({"name": "a%20", "present": true}),
            ".name",
            "not a parameter's name",
        ),
        (
            json!({"name": "a[]", "present": true}),
            ".name",
            "not a parameter's name",
        ),
        (json!({"name": "a"}), "", "must have exactly one of"),
    ] {
        let place = of_rule(&format!("query[0]{field}"));
        refuses(&of_rule("query"), json!([entry]), &place, says);
    }
}

#[test]
fn of_grpc() {
    let change = |fields: Json| {
        let mut bundle = sample();
        remove(&mut bundle, &of_rule("paths"));
        remove(&mut bundle, &of_rule("methods"));
        for (name, value) in fields.as_object().expect("fields") {
            set(&mut bundle, &of_rule(name), value.clone());
        }
        bundle
    };
    compiled(&change(
        json!({"grpc": {"services": ["shop.v1.Orders"], "methods": ["Get", "List"]}}),
    ));
    compiled(&change(json!({"grpc": {"services": ["*"]}})));
    compiled(&change(json!({"grpc": {"methods": ["Check"]}})));
    for (fields, place, says) in [
        (json!({"grpc": {}}), "grpc", "an empty object"),
        (
            json!({"grpc": {"service": ["a"]}}),
            "grpc.service",
            "did you mean `services`?",
        ),
        (
            json!({"grpc": {"services": ["/shop.v1.Orders"]}}),
            "grpc.services[0]",
            "not a service: write its package",
        ),
        (
            json!({"grpc": {"services": ["shop.*"]}}),
            "grpc.services[0]",
            "not a service",
        ),
        (
            json!({"grpc": {"services": ["shop..Orders"]}}),
            "grpc.services[0]",
            "not a service",
        ),
        (
            json!({"grpc": {"methods": ["Orders/Get"]}}),
            "grpc.methods[0]",
            "not a method: write its name alone",
        ),
        (
            json!({"grpc": {"methods": ["*"]}}),
            "grpc.methods[0]",
            "leave `methods` out",
        ),
        (
            json!({"grpc": {"services": vec!["a.B"; 20], "methods": vec!["C"; 20]}}),
            "grpc",
            "too many pairs of service and method: 400, 256 at most",
        ),
        (
            json!({"grpc": {"methods": ["Get"]}, "paths": ["/a"]}),
            "paths",
            "`paths` does not go with `grpc`",
        ),
        (
            json!({"grpc": {"methods": ["Get"]}, "methods": ["POST"]}),
            "methods",
            "the method of every call is POST",
        ),
        (
            json!({"grpc": {"methods": ["Get"]}, "upgrades": ["websocket"]}),
            "upgrades",
            "a call is no upgrade",
        ),
    ] {
        expect(&change(fields), &of_rule(place), says);
    }
}

#[test]
fn of_streams() {
    let change = |fields: Json| {
        let mut bundle = sample();
        for (name, value) in fields.as_object().expect("fields") {
            set(&mut bundle, &of_rule(name), value.clone());
        }
        bundle
    };
    let place = of_rule("streams");
    compiled(&change(json!({"upgrades": ["websocket"], "streams": "untilClosed"})));
    compiled(&change(json!({"upgrades": ["websocket"], "streams": "until_closed"})));
    expect(
        &change(json!({"streams": "untilClosed"})),
        &place,
        "this rule lets none in: name them in `upgrades` (`upgrades: [websocket]`), or leave it out",
    );
    for word in ["untilclosed", "ends", "untilExpired"] {
        let bundle = change(json!({"upgrades": ["websocket"], "streams": word}));
        expect(&bundle, &place, "must be `untilClosed`");
    }
    for effect in ["deny", "stepUp"] {
        let mut bundle = change(json!({"upgrades": ["websocket"], "streams": "untilClosed", "effect": effect}));
        if effect == "stepUp" {
            set(&mut bundle, &of_rule("stepUp"), json!({"maxAge": "5m"}));
        }
        expect(&bundle, &place, "is for rules that let in");
    }
}

#[test]
fn of_upgrades() {
    refuses(&of_rule("upgrades"), json!([]), "", "an empty list");
    let one = of_rule("upgrades[0]");
    refuses(
        &of_rule("upgrades"),
        json!(["Websocket"]),
        &one,
        "did you mean `websocket`?",
    );
    refuses(
        &of_rule("upgrades"),
        json!(["tls/1.0"]),
        &one,
        "must be `websocket`, `connect`, `connect-udp` or `spdy/3.1`",
    );
    refuses(
        &of_rule("upgrades"),
        json!(["h2c"]),
        &one,
        "nobody would judge the requests behind it",
    );
    refuses(
        &of_rule("upgrades"),
        json!(["HTTP/2.0"]),
        &one,
        "nobody would judge the requests behind it",
    );
    let change = |methods: Option<Json>, paths: Option<Json>, upgrades: Json| {
        let mut bundle = sample();
        for (field, value) in [("methods", methods), ("paths", paths)] {
            match value {
                Some(value) => set(&mut bundle, &of_rule(field), value),
                None => remove(&mut bundle, &of_rule(field)),
            }
        }
        set(&mut bundle, &of_rule("upgrades"), upgrades);
        bundle
    };
    compiled(&change(Some(json!(["CONNECT"])), None, json!(["connect"])));
    compiled(&change(None, None, json!(["connect"])));
    compiled(&change(
        Some(json!(["GET"])),
        Some(json!(["/ws"])),
        json!(["websocket", "connect"]),
    ));
    expect(
        &change(Some(json!(["GET", "CONNECT"])), None, json!(["websocket"])),
        &of_rule("methods"),
        "the method `CONNECT` is the upgrade `connect`",
    );
    expect(
        &change(Some(json!(["GET"])), None, json!(["connect"])),
        &of_rule("methods"),
        "never matches",
    );
    expect(
        &change(None, Some(json!(["/ws"])), json!(["connect"])),
        &of_rule("paths"),
        "a CONNECT has an authority and no path",
    );
}

#[test]
fn of_places_and_openings() {
    let spec = "documents[2].spec";
    let selector = format!("{spec}.selector");
    refuses(&format!("{selector}.localRegions"), json!([]), "", "an empty list");
    refuses(
        &format!("{selector}.local_regions"),
        json!(["us-east1"]),
        &format!("{selector}.local_regions[0]"),
        "did you mean `us-east-1`?",
    );
    let workloads = format!("{selector}.workloads");
    for (pattern, says) in [
        ("shop", "begins with `spiffe://`"),
        ("ns/shop", ""),
        ("ns/*/sa/api", "write `ns/NAMESPACE/sa/SERVICE-ACCOUNT`"),
        ("ns/shop/sa/", "write `ns/NAMESPACE/sa/SERVICE-ACCOUNT`"),
        ("spiffe://prod/ns/shop*", "whole segments"),
    ] {
        if says.is_empty() {
            let mut bundle = sample();
            set(&mut bundle, &workloads, json!([pattern]));
            compiled(&bundle);
            continue;
        }
        refuses(&workloads, json!([pattern]), &format!("{workloads}[0]"), says);
    }
    refuses(&format!("{spec}.preflight"), json!("deny"), "", "must be `allow`");
    refuses(
        &format!("{spec}.preflight"),
        json!(true),
        "",
        "must be `allow`; found `true`",
    );
    let probes = format!("{spec}.probes");
    for (probe, field, says) in [
        (json!({"path": "/healthz"}), "", "`port` is missing"),
        (json!({"port": 8080}), "", "`path` is missing"),
        (json!({"path": "/healthz", "port": 0}), ".port", "from 1 to 65535"),
        (json!({"path": "/healthz", "port": 65_536}), ".port", "from 1 to 65535"),
        (
            json!({"path": "/healthz", "port": "8080"}),
            ".port",
            "take the quotes away",
        ),
        (
            json!({"path": "/health/*", "port": 8080}),
            ".path",
            "a probe asks for one path",
        ),
        (
            json!({"path": "/{a}", "port": 8080}),
            ".path",
            "a probe asks for one path",
        ),
        (
            json!({"path": "healthz", "port": 8080}),
            ".path",
            "does not begin with a slash",
        ),
        (
            json!({"path": "/healthz", "port": 8080, "host": "a"}),
            ".host",
            "no such field: `path` or `port`",
        ),
    ] {
        refuses(&probes, json!([probe]), &format!("{probes}[0]{field}"), says);
    }
    refuses(&probes, json!([]), "", "an empty list");
}

#[test]
fn what_loads_and_probably_is_not_meant() {
    let spec = "documents[2].spec";
    let warns = |bundle: &Json, says: &str| lines(&compiled(bundle).warnings).contains(says);
    let (browsers, kubelet) = (
        "say `preflight: allow` in this policy",
        "a kubelet asks by the address of the pod",
    );
    let mut bundle = sample();
    assert!(!warns(&bundle, browsers) && !warns(&bundle, kubelet));
    set(
        &mut bundle,
        &of_rule("headers"),
        json!([{"name": "origin", "exact": "https://shop.example"}]),
    );
    assert!(warns(&bundle, browsers));
    set(&mut bundle, &format!("{spec}.preflight"), json!("allow"));
    assert!(!warns(&bundle, browsers));
    let mut bundle = sample();
    set(&mut bundle, &of_rule("methods"), json!(["GET", "OPTIONS"]));
    assert!(warns(&bundle, browsers));
    set(
        &mut bundle,
        &format!("{spec}.probes"),
        json!([{"path": "/healthz", "port": 8080}]),
    );
    assert!(warns(&bundle, kubelet));
    set(
        &mut bundle,
        "trust.hosts",
        json!(["api.us-east-1.com", "*.internal", "10.0.0.7"]),
    );
    assert!(!warns(&bundle, kubelet));
}

/// A bundle that is served in several Regions has the policies of all: what one of them needs is needed where it stands.
#[test]
fn a_policy_needs_a_center_only_where_it_stands() {
    let mut bundle = sample();
    remove(&mut bundle, "documents[0].spec.center");
    let says = "has no `center` that could be asked";
    assert!(lines(&refused(&bundle)).contains(says));
    set(
        &mut bundle,
        "documents[2].spec.selector.localRegions",
        json!(["us-east-1"]),
    );
    assert!(lines(&refused(&bundle)).contains(says));
    set(
        &mut bundle,
        "documents[2].spec.selector.localRegions",
        json!(["eu-west-1"]),
    );
    compiled(&bundle);
}
