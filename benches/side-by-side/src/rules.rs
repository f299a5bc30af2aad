//! The same rules in two languages: as a bundle for Regionguard, and as policies of Envoy's RBAC filter.
//!
//! Rule n allows GET and HEAD on one literal path to whoever holds one permission of its own. Literal paths, compared before
//! the method, are the cheapest form that RBAC has.

use regionguard_harness::Result;
use regionguard_harness::issuer::Issuer;
use serde_json::{Map, Value, json};

/// The local region.
pub const REGION: &str = "us-east-1";
/// Who issues its tokens.
pub const ISSUER: &str = "identity.global.com";
/// The authority that is served.
pub const HOST: &str = "api.us-east-1.com";
/// The metadata key under which `jwt_authn` leaves the verified payload.
pub const PAYLOAD: &str = "payload";
/// How long either filter waits for the center: no request of a run is to be denied because the machine was busy.
pub const CENTER_TIMEOUT: &str = "5s";

/// The path of rule `n`.
pub fn path(n: usize) -> String {
    format!("/v1/items-{n:04}/list")
}

/// The permission that rule `n` asks for.
pub fn permission(n: usize) -> String {
    format!("read:items-{n:04}")
}

/// A bundle with `count` rules.
pub fn bundle(name: &str, issuer: &Issuer, count: usize) -> Result<Value> {
    let rules = (0..count).map(|n| {
        json!({
            "name": format!("items-{n:04}"), "methods": ["GET"], "paths": [path(n)],
            "permissions": {"anyOf": [permission(n)]}, "effect": "allow",
        })
    });
    with_rules(name, issuer, rules.collect())
}

/// A condition on the token, the request and the device.
const CONDITION: &str = "token.department == 'finance' && request.method in ['GET','HEAD'] && device.os_version >= version('14') && request.path.startsWith('/v1/')";

/// Gives each rule of a bundle that condition.
pub fn add_condition(bundle: &mut Value) {
    let rules = bundle["documents"][1]["spec"]["rules"].as_array_mut();
    for rule in rules.into_iter().flatten() {
        rule["when"] = json!(CONDITION);
    }
}

/// A bundle whose one rule leaves profiles to the center. An answer is kept for as long as the center says.
pub fn deferring_bundle(name: &str, issuer: &Issuer) -> Result<Value> {
    let rule = json!({
        "name": "profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"],
        "permissions": {"anyOf": ["read:profile"]}, "effect": "defer",
    });
    with_rules(name, issuer, vec![rule])
}

fn with_rules(name: &str, issuer: &Issuer, rules: Vec<Value>) -> Result<Value> {
    Ok(json!({
        "region": REGION,
        "metadata": {"name": name, "version": 1},
        "trust": {"hosts": [HOST]},
        "documents": [
            {
                "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": REGION},
                "spec": {
                    "issuer": ISSUER, "audiences": [HOST],
                    "keys": {"jwks": issuer.jwks()},
                    "center": {
                        "cluster": format!("center-{REGION}"), "authority": "center", "protocol": "authzen",
                        "path": "/access/v1/evaluation", "timeout": CENTER_TIMEOUT,
                    },
                },
            },
            {
                "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "items"},
                "spec": {"rules": rules},
            },
        ],
    }))
}

/// The `rules` of an RBAC filter behind `jwt_authn`: the same `count` rules, on the claims that it verified.
pub fn rbac(count: usize) -> Value {
    let policies: Map<String, Value> = (0..count).map(|n| (format!("items-{n:04}"), rbac_policy(n))).collect();
    json!({"action": "ALLOW", "policies": policies})
}

fn rbac_policy(n: usize) -> Value {
    let method = |name: &str| json!({"header": {"name": ":method", "string_match": {"exact": name}}});
    json!({
        "permissions": [{"and_rules": {"rules": [
            {"url_path": {"path": {"exact": path(n)}}},
            {"or_rules": {"rules": [method("GET"), method("HEAD")]}},
        ]}}],
        "principals": [{"metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": PAYLOAD}, {"key": "permissions"}, {"key": "global"}],
            "value": {"list_match": {"one_of": {"string_match": {"exact": permission(n)}}}},
        }}],
    })
}
