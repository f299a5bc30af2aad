//! The kernel's pure parts in a browser's WebAssembly: what a playground or an editor needs of it.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#![expect(clippy::expect_used, reason = "a test says what is wrong by panicking")]

use regionguard::bundle::{self, Encoding};
use regionguard::context::{BusinessHours, Calendar, Zone};
use regionguard::policy::{Asked, Candidates, Facts, Outcome, Requested, Source};
use regionguard::reason::Reason;
use regionguard::request::{Authority, Headers, PathOptions, Scheme, canonicalise};
use regionguard::time::WallTime;
use wasm_bindgen_test::wasm_bindgen_test;

const BUNDLE: &str = r#"{
    "region": "us-east-1",
    "metadata": {"name": "shop", "version": 1},
    "documents": [
        {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"}, "spec": {
            "issuer": "identity.global.com", "audiences": ["api.us-east-1.com"],
            "keys": {"jwks": {"keys": [
                {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc"}
            ]}},
            "networks": ["10.1.0.0/16"]}},
        {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": {"rules": [
            {"name": "health", "paths": ["/healthz"], "identity": "none", "effect": "allow"},
            {"name": "no-internal", "paths": ["/internal/**"], "effect": "deny"}
        ]}}
    ]
}"#;

fn decide(path: &str) -> Outcome {
    let generation = bundle::compile(BUNDLE.as_bytes(), Encoding::Json).expect("a bundle");
    let authority = Authority::parse(b"api.us-east-1.com", Some(Scheme::Https)).expect("an authority");
    let path = canonicalise(path.as_bytes(), &PathOptions::default()).expect("a path");
    let mut candidates = Candidates::default();
    generation
        .policies
        .candidates(&Asked::new(&authority, "GET", &path), &mut candidates);
    let facts = Facts {
        risk: regionguard::risk::Risk::default(),
        attributes: regionguard::policy::Attributes::OfNobody,
        subject: None,
        source: Source::default(),
        workload: None,
        service: None,
        service_untold: false,
        token_refused: false,
        claims: None,
        certificate: false,
        device: Err(Reason::DeviceMissing),
        request: Requested {
            method: "GET",
            host: authority.host(),
            path: &path,
            headers: Headers::NONE,
            strip: &generation.strip,
            id: None,
        },
        local: generation.local.expect("a local region"),
        at: WallTime(1_800_000_000_000_000_000),
        regions: &generation.regions,
    };
    generation.policies.decide(&candidates, &facts)
}

#[wasm_bindgen_test]
fn a_bundle_compiles_and_decides() {
    assert!(matches!(
        decide("/healthz"),
        Outcome::Allow {
            reason: Reason::RulePublic,
            ..
        }
    ));
    assert!(matches!(
        decide("/internal/x"),
        Outcome::Deny {
            reason: Reason::RuleDenied,
            ..
        }
    ));
    assert!(matches!(decide("/v1/profiles/1"), Outcome::NeedsIdentity { .. }));
}

#[wasm_bindgen_test]
fn a_broken_bundle_says_what_is_wrong() {
    let broken = BUNDLE.replace("\"effect\": \"deny\"", "\"effekt\": \"deny\"");
    let diagnostics = bundle::compile(broken.as_bytes(), Encoding::Json).expect_err("an unknown field");
    assert!(
        diagnostics
            .iter()
            .any(|diagnostic| diagnostic.to_string().contains("effekt"))
    );
}

#[wasm_bindgen_test]
fn paths_have_one_meaning() {
    let options = PathOptions::default();
    let path = canonicalise(b"/%7Ea/./b?x=1", &options).expect("a path");
    assert_eq!((path.forward(), path.changed()), ("/~a/b?x=1", true));
    for trick in ["/a%2fb", "//a", "/a\\b", "/a;b", "/../a", "/%252e"] {
        assert!(canonicalise(trick.as_bytes(), &options).is_err(), "{trick}");
    }
}

#[wasm_bindgen_test]
fn calendars_know_daylight_saving() {
    let hours = BusinessHours::parse(&["mon"], "09:00", "17:00").expect("hours");
    let calendar = Calendar::new(Zone::named("America/New_York").expect("a zone"), hours);
    // Monday 2026-03-02, 13:59:59 and 14:00 UTC (EST); a week later New York is an hour earlier in UTC.
    assert!(!calendar.is_open(1_772_459_999));
    assert!(calendar.is_open(1_772_460_000));
    assert!(calendar.is_open(1_773_061_200));
}
