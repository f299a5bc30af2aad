//! What a rule looks at in the request itself, where a policy stands, and what it lets in without a token.

use serde_json::{Value as Json, json};

use super::documents::{bundle, policy, rules};
use super::host::{Request, World, get};
use super::tokens::token;
use crate::policy::Served;
use crate::reason::Reason;

fn websocket(path: &str) -> Request {
    get(path).header("connection", "Upgrade").header("upgrade", "websocket")
}

/// The same over HTTP/2, on a host that leaves it as it came.
fn extended(path: &str) -> Request {
    get(path).method("CONNECT").header(":protocol", "websocket")
}

fn preflight(path: &str) -> Request {
    get(path)
        .method("OPTIONS")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "PUT")
}

#[track_caller]
fn expect(world: &mut World, cases: &[(Request, Reason)]) {
    for (request, reason) in cases {
        assert_eq!(world.reason(request), *reason, "{request:?}");
    }
}

#[test]
fn a_rule_is_about_the_headers_and_the_query_that_it_names() {
    let mut world = World::new(&rules(json!([
        {"name": "tenant", "paths": ["/t"], "identity": "none", "headers": [{"name": "x-tenant", "in": ["a", "b"]}], "effect": "allow"},
        {"name": "draft", "paths": ["/q"], "identity": "none", "query": [{"name": "draft", "absent": true}], "effect": "allow"},
        {"name": "public", "paths": ["/d"], "identity": "none", "effect": "allow"},
        {"name": "debug", "paths": ["/d"], "headers": [{"name": "x-debug", "present": true}], "effect": "deny"},
        {"name": "danger", "paths": ["/d"], "query": [{"name": "force", "exact": "true"}], "effect": "deny"},
    ])));
    expect(
        &mut world,
        &[
            (get("/t").header("x-tenant", "a"), Reason::RulePublic),
            (get("/t").header("X-Tenant", "b"), Reason::RulePublic),
            (get("/t"), Reason::IdentityMissing),
            (get("/t").header("x-tenant", "a, b"), Reason::IdentityMissing),
            (get("/t").bearer(&token("us-east-1")), Reason::NoRule),
            (get("/q?x=1"), Reason::RulePublic),
            (get("/q?draft=1"), Reason::IdentityMissing),
            (get("/q?a=%zz"), Reason::IdentityMissing),
            (get("/d"), Reason::RulePublic),
            (get("/d?force=false"), Reason::RulePublic),
            (get("/d").header("x-debug", "1"), Reason::RuleDenied),
            (get("/d").header("x_debug", "1"), Reason::ConditionUnknown),
            (get("/d?force=true"), Reason::RuleDenied),
            (get("/d?force=false&force=true"), Reason::ConditionUnknown),
            (get("/d?x=1;force=true"), Reason::ConditionUnknown),
        ],
    );
}

#[test]
fn grpc_is_let_in_as_grpc_alone() {
    let mut world = World::new(&rules(json!([
        {"name": "health", "grpc": {"services": ["grpc.health.v1.Health"]}, "identity": "none", "effect": "allow"},
        {"name": "orders", "grpc": {"services": ["shop.v1.Orders"], "methods": ["Get", "List"]}, "identity": "none", "effect": "allow"},
        {"name": "all", "paths": ["/shop.v1.Admin/*"], "identity": "none", "effect": "allow"},
        {"name": "no-drop", "grpc": {"methods": ["Drop"]}, "effect": "deny"},
    ])));
    let call = |path: &str| {
        get(path)
            .method("POST")
            .header("content-type", "application/grpc+proto")
    };
    let json = |path: &str| get(path).method("POST").header("content-type", "application/json");
    expect(
        &mut world,
        &[
            (call("/grpc.health.v1.Health/Check"), Reason::RulePublic),
            (call("/shop.v1.Orders/List"), Reason::RulePublic),
            (call("/shop.v1.Orders/Delete"), Reason::IdentityMissing),
            (call("/shop.v1.Orders/List/x"), Reason::IdentityMissing),
            (json("/shop.v1.Orders/List"), Reason::IdentityMissing),
            (call("/shop.v1.Orders/List").method("GET"), Reason::IdentityMissing),
            (call("/shop.v1.Admin/Read"), Reason::RulePublic),
            (call("/shop.v1.Admin/Drop"), Reason::RuleDenied),
            (json("/shop.v1.Admin/Drop"), Reason::ConditionUnknown),
            (get("/shop.v1.Admin/Drop"), Reason::ConditionUnknown),
        ],
    );
}

#[test]
fn an_upgrade_is_let_in_only_by_a_rule_that_names_it() {
    let mut world = World::new(&bundle(&[
        policy("any", json!({"default": "allow"})),
        policy(
            "shop",
            json!({"rules": [
                {"name": "socket", "paths": ["/ws"], "methods": ["GET"], "permissions": {"anyOf": ["read:profile"]}, "upgrades": ["websocket"], "effect": "allow"},
                {"name": "open", "paths": ["/open"], "identity": "none", "upgrades": ["websocket"], "effect": "allow"},
                {"name": "public", "paths": ["/open", "/plain"], "identity": "none", "effect": "allow"},
                {"name": "closed", "paths": ["/open/**"], "from": {"networks": ["10.0.0.0/8"]}, "effect": "deny"},
            ]}),
        ),
    ]));
    let token = token("us-east-1");
    for upgrade in [websocket, extended] {
        expect(
            &mut world,
            &[
                (upgrade("/ws").bearer(&token), Reason::RuleAllowed),
                (upgrade("/ws"), Reason::IdentityMissing),
                (upgrade("/open"), Reason::RulePublic),
                // Nobody without a token learns for which paths there are upgrades.
                (upgrade("/plain"), Reason::IdentityMissing),
                (upgrade("/nowhere"), Reason::IdentityMissing),
                // Neither a rule that does not name it nor a default lets it in.
                (upgrade("/plain").bearer(&token), Reason::UpgradeNotAllowed),
                (upgrade("/nowhere").bearer(&token), Reason::UpgradeNotAllowed),
            ],
        );
    }
    expect(
        &mut world,
        &[
            // A rule that names upgrades is about nothing else.
            (get("/ws").bearer(&token), Reason::DefaultAllowed),
            (get("/open"), Reason::RulePublic),
            // What no rule of the bundle names is refused at once.
            (
                get("/open").header("connection", "upgrade").header("upgrade", "h2c"),
                Reason::UpgradeNotAllowed,
            ),
            (
                get("/open")
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket, h2c"),
                Reason::UpgradeNotAllowed,
            ),
            (get("/open").header("upgrade", "websocket"), Reason::UpgradeNotAllowed),
            (get("/").method("CONNECT").without(":path"), Reason::UpgradeNotAllowed),
        ],
    );
    world.peer = Some(b"10.0.0.1".to_vec());
    expect(&mut world, &[(websocket("/open"), Reason::RuleDenied)]);
}

#[test]
fn a_tunnel_is_let_in_by_its_method_or_by_its_name() {
    for rule in [json!({"methods": ["CONNECT"]}), json!({"upgrades": ["connect"]})] {
        let mut named = json!({"name": "tunnel", "hosts": ["db.us-east-1.com:5432"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"});
        named
            .as_object_mut()
            .expect("a rule")
            .append(rule.clone().as_object_mut().expect("fields"));
        let mut world = World::new(&rules(json!([named])));
        let connect = |authority: &str| {
            let request = get("/").method("CONNECT").without(":path").without(":scheme");
            request.host(authority).bearer(&token("us-east-1"))
        };
        expect(
            &mut world,
            &[
                (connect("db.us-east-1.com:5432"), Reason::RuleAllowed),
                (connect("db.us-east-1.com:22"), Reason::UpgradeNotAllowed),
                (
                    websocket("/").host("db.us-east-1.com:5432").bearer(&token("us-east-1")),
                    Reason::UpgradeNotAllowed,
                ),
                (
                    get("/").host("db.us-east-1.com:5432").bearer(&token("us-east-1")),
                    Reason::NoRule,
                ),
            ],
        );
    }
}

#[test]
fn preflights_and_probes_are_let_in_by_the_policy_that_says_so() {
    let strict = json!({"identity": {"authentication": [{"method": "multi-factor"}]},
        "context": {"geo_restrictions": [{"allowed_regions": ["us-east-1"]}]},
        "preflight": "allow", "probes": [{"path": "/healthz", "port": 8080}]});
    let mut world = World::new(&bundle(&[
        policy("strict", strict),
        policy(
            "never",
            json!({"rules": [{"name": "no-admin", "paths": ["/admin/**"], "effect": "deny"}]}),
        ),
    ]));
    world.peer = Some(b"127.0.1.1".to_vec());
    world.port = Some(8080);
    expect(
        &mut world,
        &[
            (preflight("/x"), Reason::PreflightAllowed),
            (preflight("/admin/x"), Reason::RuleDenied),
            (
                preflight("/x").header("origin", "https://other.example"),
                Reason::IdentityMissing,
            ),
            (get("/x").method("OPTIONS"), Reason::IdentityMissing),
        ],
    );
    assert_eq!(world.port_reads.get(), 0);
    expect(
        &mut world,
        &[
            (get("/healthz"), Reason::ProbeAllowed),
            (get("/x"), Reason::IdentityMissing),
        ],
    );
    assert_eq!(world.port_reads.get(), 1);
    // What the policy demands of the source holds for a preflight, as for all that is public, and not for a probe.
    world.peer = Some(b"192.0.2.1".to_vec());
    expect(
        &mut world,
        &[
            (preflight("/x"), Reason::SourceUnknown),
            (get("/healthz"), Reason::ProbeAllowed),
        ],
    );
    world.port = Some(9090);
    expect(&mut world, &[(get("/healthz"), Reason::IdentityMissing)]);
    world.has_no_body = false;
    expect(&mut world, &[(preflight("/x"), Reason::IdentityMissing)]);
}

#[test]
fn one_policy_lifts_nothing_that_another_demands() {
    let open = json!({"preflight": "allow", "probes": [{"path": "/healthz", "port": 8080}]});
    let strict = json!({"identity": {"authentication": [{"method": "multi-factor"}]}});
    let mut world = World::new(&bundle(&[policy("open", open), policy("strict", strict)]));
    world.port = Some(8080);
    expect(
        &mut world,
        &[
            (preflight("/x"), Reason::IdentityMissing),
            (get("/healthz"), Reason::IdentityMissing),
        ],
    );
}

#[test]
fn a_policy_holds_where_it_stands() {
    let standing = |selector: Json| {
        let rules = json!([
            {"name": "all", "identity": "none", "effect": "allow"},
            {"name": "blocked", "paths": ["/blocked"], "effect": "deny"},
        ]);
        let mut bundle = bundle(&[policy("shop", json!({"selector": selector, "rules": rules}))]);
        bundle.as_object_mut().expect("a bundle").remove("region");
        bundle
    };
    let api = Served {
        id: None,
        namespace: Some("shop".to_owned()),
        service_account: Some("api".to_owned()),
    };
    for (selector, locality, served, open, blocked) in [
        (
            json!({"localRegions": ["us-east-1"]}),
            "us-east-1",
            None,
            Reason::RulePublic,
            Reason::RuleDenied,
        ),
        (
            json!({"localRegions": ["us-east-1"]}),
            "eu-west-1",
            None,
            Reason::IdentityMissing,
            Reason::IdentityMissing,
        ),
        (
            json!({"workloads": ["ns/shop/*"]}),
            "us-east-1",
            Some(&api),
            Reason::RulePublic,
            Reason::RuleDenied,
        ),
        (
            json!({"workloads": ["ns/web/*"]}),
            "us-east-1",
            Some(&api),
            Reason::IdentityMissing,
            Reason::IdentityMissing,
        ),
        // What the node does not tell refuses, and lets nothing in.
        (
            json!({"workloads": ["ns/shop/*"]}),
            "us-east-1",
            None,
            Reason::IdentityMissing,
            Reason::ConditionUnknown,
        ),
        (
            json!({"workloads": ["spiffe://prod/ns/shop/*"]}),
            "us-east-1",
            Some(&api),
            Reason::IdentityMissing,
            Reason::ConditionUnknown,
        ),
    ] {
        let mut world = World::empty();
        if let Some(served) = served {
            world.engine.serves(served.clone());
        }
        world.push_to("regionguard", &standing(selector.clone()), Some(locality));
        let found = [world.reason(&get("/x")), world.reason(&get("/blocked"))];
        assert_eq!(found, [open, blocked], "{selector} {locality}");
    }
}
