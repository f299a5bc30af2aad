//! Bundles to start from, and what is expected of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::diagnostic::Sink;
use super::document::Bundle;
use super::{Diagnostic, Encoding, Generation, Severity, compile, root, value};

mod digests;
mod documents;
mod hostile;
mod mistakes;
mod properties;
mod struct_bytes;

use struct_bytes::to_struct;

/// An EC key; another `seed`, another key.
fn key(kid: &str, seed: u8) -> Json {
    let half = |byte: u8| URL_SAFE_NO_PAD.encode([byte; 32]);
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": half(seed), "y": half(!seed)})
}

/// An RSA key with a modulus of so many bytes.
fn rsa_key(kid: &str, bytes: usize) -> Json {
    json!({"kty": "RSA", "kid": kid, "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(vec![0xC1_u8; bytes])})
}

/// A Region with everything that one can have.
fn region(name: &str, seed: u8) -> Json {
    json!({
        "apiVersion": "security.io/v1",
        "kind": "Region",
        "metadata": {"name": name},
        "spec": {
            "issuer": "identity.global.com",
            "audiences": [format!("api.{name}.com")],
            "trustDomains": [format!("{name}.example")],
            "keys": {"algorithms": ["ES256", "EdDSA", "RS256", "PS256"], "jwks": {"keys": [key("one", seed)]}},
            "claims": {"region": "region", "permissions": "permissions", "roles": "roles"},
            "center": {"cluster": format!("center-{name}"), "protocol": "authzen", "timeout": "250ms"},
            "networks": [format!("10.{seed}.0.0/16"), format!("2001:db8:{seed}::/48")],
            "timezone": "America/New_York",
            "businessHours": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:30"},
            "maxTokenLifetime": "24h"
        }
    })
}

fn policy(name: &str, spec: Json) -> Json {
    json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": name}, "spec": spec})
}

fn bundle_of(documents: Vec<Json>) -> Json {
    json!({"region": "us-east-1", "metadata": {"name": "shop", "version": 41}, "documents": documents})
}

/// Two Regions and a policy: `documents[0]` is us-east-1, `[1]` eu-west-1, `[2]` the policy with an allow, a deny and a defer rule.
fn sample() -> Json {
    let mut east = region("us-east-1", 1);
    east["spec"]["accepts"] = json!([{
        "home": "eu-west-1", "permissions": ["read:*"], "roles": ["viewer"], "workloads": ["spiffe://eu-west-1.example/ns/pay/*"],
    }]);
    let rules = json!([
        {
            "name": "read-own-profile",
            "hosts": ["api.us-east-1.com", "*.internal"],
            "methods": ["GET", "HEAD"],
            "paths": ["/v1/profiles/{id}"],
            "from": {"sourceRegions": ["us-east-1"], "sourceCountries": ["US"], "homeRegions": ["us-east-1", "eu-west-1"], "networks": ["10.0.0.0/8"],
                     "workloads": ["spiffe://prod/ns/web/*"]},
            "identity": "required",
            "permissions": {"anyOf": ["read:profile"], "allOf": ["read:any"]},
            "roles": {"anyOf": ["viewer", "admin"]},
            "effect": "allow"
        },
        {"name": "no-admin", "paths": ["/admin/**"], "effect": "deny", "response": {"status": 404, "hide": true}},
        {
            "name": "ask",
            "paths": ["/v1/orders/{order}"],
            "effect": "defer",
            "defer": {"cache": "30s", "onUnavailable": "allow", "claims": ["department"], "reasonUser": "pass"}
        }
    ]);
    let spec = json!({
        "context": {
            "geo_restrictions": [{"allowed_regions": ["us-east-1", "eu-west-1"]}],
            "time_restrictions": [{"business_hours": true}]
        },
        "selector": {"hosts": ["api.us-east-1.com", "*.internal:8443"]},
        "mode": "enforce",
        "default": "allow",
        "forward": {"token": "strip", "claims": {"x-user": "sub", "x-department": "department"}},
        "rules": rules
    });
    let mut bundle = bundle_of(vec![east, region("eu-west-1", 2), policy("shop", spec)]);
    bundle["trust"] = json!({
        "peerVerification": "required",
        "direction": "any",
        "hosts": ["api.us-east-1.com", "*.shop.internal"],
        "paths": {"strict": false, "allow": ["encodedSlash"], "caseInsensitive": false}
    });
    bundle
}

fn compile_json(bundle: &Json) -> Result<Generation, Vec<Diagnostic>> {
    compile(bundle.to_string().as_bytes(), Encoding::Detect)
}

fn compile_struct(bundle: &Json) -> Result<Generation, Vec<Diagnostic>> {
    compile(&to_struct(bundle).encode_to_vec(), Encoding::Detect)
}

#[track_caller]
fn compiled(bundle: &Json) -> Generation {
    compile_json(bundle).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

/// The documents as they were read, before they are compiled.
#[track_caller]
fn parsed(bundle: &Json) -> Bundle {
    let mut sink = Sink::default();
    let read = value::read(bundle.to_string().as_bytes(), Encoding::Json, &mut sink)
        .and_then(|value| root::read(&value, &mut sink));
    match sink.judge(read) {
        Ok(((bundle, _), _)) => bundle,
        Err(errors) => panic!("{}", lines(&errors)),
    }
}

/// The errors of a bundle that is refused.
#[track_caller]
fn refused(bundle: &Json) -> Vec<Diagnostic> {
    match compile_json(bundle) {
        Ok(generation) => panic!("compiles to {}", generation.label),
        Err(all) => all
            .into_iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .collect(),
    }
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Sets the value at `place`, like `documents[2].spec.rules[0].name`; a member or an item behind the last one is added.
#[track_caller]
fn set(bundle: &mut Json, place: &str, value: Json) {
    *at(bundle, place) = value;
}

/// Takes the member at `place` away.
#[track_caller]
fn remove(bundle: &mut Json, place: &str) {
    let (parent, name) = place.rsplit_once('.').unwrap_or(("", place));
    let parent = if parent.is_empty() { bundle } else { at(bundle, parent) };
    assert!(
        parent.as_object_mut().expect("an object").remove(name).is_some(),
        "{place} is not there"
    );
}

#[track_caller]
fn at<'b>(bundle: &'b mut Json, place: &str) -> &'b mut Json {
    place.split('.').fold(bundle, |value, step| {
        let (name, index) = step.split_once('[').unwrap_or((step, ""));
        let member = &mut value[name];
        match index.trim_end_matches(']') {
            "" => member,
            index => {
                let index: usize = index.parse().expect("an index");
                let items = member.as_array_mut().expect("a list");
                if index == items.len() {
                    items.push(Json::Null);
                }
                &mut items[index]
            }
        }
    })
}
