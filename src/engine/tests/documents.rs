//! Regions, policies and the bundles that they make.

use serde_json::{Value as Json, json};

use super::tokens::{ISSUER, Signer};

/// A Region of the usual form, with a center.
pub(super) fn region(name: &str) -> Json {
    region_with_key(name, 1)
}

/// The same with another key.
pub(super) fn region_with_key(name: &str, seed: u8) -> Json {
    let network = match name {
        "us-east-1" => "127.0.1.0/24",
        "eu-west-1" => "127.0.2.0/24",
        _ => "127.0.3.0/24",
    };
    json!({"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name}, "spec": {
        "issuer": ISSUER,
        "audiences": [format!("api.{name}.com")],
        "keys": {"jwks": {"keys": [Signer::new(name, seed).jwk()]}},
        "networks": [network],
        "center": {"cluster": format!("center-{name}"), "timeout": "250ms"},
        "trustDomains": [format!("{name}.example")],
        "maxTokenLifetime": "24h",
    }})
}

/// The local region of most tests: it accepts some of what tokens of eu-west-1 say, and has business hours.
pub(super) fn home_region() -> Json {
    let mut region = region("us-east-1");
    region["spec"]["accepts"] = json!([{
        "home": "eu-west-1", "permissions": ["read:*"], "roles": ["viewer"], "workloads": ["spiffe://eu-west-1.example/pay/*"],
    }]);
    region["spec"]["trustDomains"] = json!(["prod"]);
    region["spec"]["timezone"] = json!("Europe/London");
    region["spec"]["businessHours"] =
        json!({"days": ["mon", "tue", "wed", "thu", "fri"], "from": "07:00", "to": "18:00"});
    region
}

/// A ZeroTrustPolicy.
pub(super) fn policy(name: &str, spec: Json) -> Json {
    json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": name}, "spec": spec})
}

/// A bundle `shop@41` for us-east-1 with three regions and these policies; it serves `*.us-east-1.com`.
pub(super) fn bundle(policies: &[Json]) -> Json {
    let regions = [home_region(), region("eu-west-1"), region("ap-southeast-1")];
    let documents: Vec<Json> = regions.iter().chain(policies).cloned().collect();
    json!({
        "region": "us-east-1",
        "metadata": {"name": "shop", "version": 41},
        "trust": {"hosts": ["*.us-east-1.com"]},
        "documents": documents,
    })
}

/// A bundle whose one policy `shop` has these rules.
pub(super) fn rules(rules: Json) -> Json {
    bundle(&[policy("shop", json!({"rules": rules}))])
}
