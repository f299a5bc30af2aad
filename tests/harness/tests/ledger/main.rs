//! The ledger of host calls, and what hostile bytes do: the module that ships, in an interpreter, on a host that counts.
//!
//! A host call that returns data costs as much as the decision itself, so each one that a request makes is here for a reason.

mod hostile;
mod scale;
mod sender;
mod streams;
#[path = "../support/wasm_host.rs"]
mod wasm_host;

use std::sync::LazyLock;

use regionguard::request::encode;
use regionguard_harness::issuer::{Alg, Issuer, Kind, with_bad_signature};
use regionguard_harness::tls::Authority;
use serde_json::{Value, json};
use wasm_host::{Action, BAD_ARGUMENT, Shipped, Vm};

/// The size that the module may have, in bytes.
const MODULE_MAX: usize = 2 << 20;
/// Seconds of wall time at which the host stands.
const NOW: u64 = 1_800_000_000;

static SHIPPED: LazyLock<Shipped> = LazyLock::new(Shipped::load);
static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let issuer = Issuer::without_keys("identity.global.com", "us-east-1");
    let issuer = issuer.with_key("p256", Kind::P256).expect("a key");
    issuer.with_key("ed25519", Kind::Ed25519).expect("a key")
});

const PAIRS: (&str, usize) = ("proxy_get_header_map_pairs", 1);
const TIME: (&str, usize) = ("proxy_get_current_time_nanoseconds", 1);
const OWN_LINE: (&str, usize) = ("proxy_get_property", 1);
const OWN_LINE_AND_SOURCE: (&str, usize) = ("proxy_get_property", 2);
const OWN_LINE_AND_WORKLOAD: (&str, usize) = ("proxy_get_property", 2);
const SET_LINE: (&str, usize) = ("proxy_set_property", 1);
const REPLY: (&str, usize) = ("proxy_send_local_response", 1);
const MONOTONIC: (&str, usize) = ("clock_time_get", 1);

/// What each request costs whose decision needs nothing but its headers, the time and the policy.
const DECIDED: [(&str, usize); 4] = [TIME, PAIRS, OWN_LINE, SET_LINE];

fn bundle(rules: &[Value]) -> Value {
    json!({
        "region": "us-east-1",
        "metadata": {"name": "shop", "version": 1},
        "trust": {"hosts": ["api.us-east-1.com"]},
        "documents": [
            {
                "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"},
                "spec": {
                    "issuer": "identity.global.com", "audiences": ["api.us-east-1.com"], "keys": {"jwks": ISSUER.jwks()},
                    "center": {"cluster": "center-us-east-1", "authority": "center.us-east-1.internal", "protocol": "authzen"},
                    "identity": {"cluster": "people-us-east-1"},
                    "networks": ["127.0.1.0/24"],
                },
            },
            {
                "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
                "spec": {"rules": rules},
            },
        ],
    })
}

/// `count` rules that each allow one path to those who may read.
fn many_rules(count: usize) -> Vec<Value> {
    let rule = |index| {
        json!({
            "name": format!("rule-{index}"), "methods": ["GET"], "paths": [format!("/v1/things-{index}/{{id}}")],
            "permissions": {"anyOf": ["read:things"]}, "effect": "allow",
        })
    };
    (0..count).map(rule).collect()
}

/// A rule of each kind that needs a host call of its own.
fn rules() -> Vec<Value> {
    let mut rules = many_rules(10);
    rules.extend([
        json!({"name": "health", "methods": ["GET"], "paths": ["/healthz"], "identity": "none", "effect": "allow"}),
        json!({"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "effect": "allow"}),
        json!({"name": "ask", "paths": ["/ask"], "effect": "defer"}),
        json!({"name": "ask-and-keep", "paths": ["/keep"], "effect": "defer", "defer": {"cache": "30s"}}),
        json!({"name": "cleared", "paths": ["/cleared"], "when": "identity.clearance >= 3", "effect": "allow"}),
        json!({"name": "never", "paths": ["/never"], "effect": "deny"}),
    ]);
    rules
}

fn token(kid: &str, alg: Alg) -> String {
    let mut claims = ISSUER.claims("alice");
    (claims["iat"], claims["exp"]) = (json!(NOW - 10), json!(NOW + 3600));
    claims["permissions"]["global"] = json!(["read:things"]);
    format!("Bearer {}", ISSUER.mint(alg, kid, &claims).expect("a token"))
}

fn block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let fixed = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "api.us-east-1.com"),
        (":path", path),
        ("x-request-id", "r-1"),
        ("user-agent", "test"),
    ];
    let lines: Vec<_> = fixed
        .iter()
        .chain(more)
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    encode(&lines)
}

fn send(vm: &mut Vm, path: &str, more: &[(&str, &str)]) -> Action {
    vm.request(block(path, more)).expect("no trap").1
}

/// A VM in which this token is verified already.
fn warm(token: &str) -> Vm {
    warm_with(&rules(), token)
}

fn warm_with(rules: &[Value], token: &str) -> Vm {
    let mut vm = SHIPPED.configured(&bundle(rules));
    assert_eq!(
        send(&mut vm, "/v1/things-5/1", &[("authorization", token)]),
        Action::Continue
    );
    vm
}

fn reason(vm: &Vm) -> &str {
    vm.line().and_then(|line| line.split(';').nth(1)).expect("a line")
}

fn assert_ledger(vm: &Vm, expected: &[(&'static str, usize)]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(vm.ledger(), expected, "{:?}", vm.line());
}

#[test]
fn the_module_exports_what_is_called_and_nothing_more() {
    let exports: Vec<_> = SHIPPED
        .module
        .exports()
        .map(|export| export.name().to_owned())
        .collect();
    let callbacks: Vec<_> = exports
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with("ring_core_"))
        .collect();
    let expected = [
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_http_call_response",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_tick",
    ];
    let mut sorted = callbacks.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted, expected,
        "the host calls each exported callback for every stream"
    );
    assert!(SHIPPED.bytes.len() <= MODULE_MAX, "{} bytes", SHIPPED.bytes.len());
}

#[test]
fn a_decided_request_makes_four_calls() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    assert_eq!(
        send(&mut vm, "/v1/things-5/1?q=1", &[("authorization", &token)]),
        Action::Continue
    );
    assert_eq!(reason(&vm), "rule.allowed");
    assert_ledger(&vm, &DECIDED);
    assert_eq!(
        vm.host().last_call,
        "proxy_set_property",
        "`allow` is said as the last call"
    );
    assert!(
        vm.line().is_some_and(|line| line.ends_with(";us-east-1>->us-east-1")),
        "{:?}",
        vm.line()
    );

    assert_eq!(send(&mut vm, "/healthz", &[]), Action::Continue);
    assert_eq!(reason(&vm), "rule.public");
    assert_ledger(&vm, &DECIDED);
}

#[test]
fn a_refusal_makes_one_call_more() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    for (path, headers, expected) in [
        ("/v1/things-5/1", vec![], "identity.missing"),
        ("/nothing", vec![("authorization", token.as_str())], "policy.no_rule"),
        ("/never", vec![], "rule.denied"),
        ("/a//b", vec![], "request.path_empty_segment"),
        ("/healthz", vec![("host", "elsewhere")], "request.authority_invalid"),
        ("/healthz", vec![("upgrade", "websocket")], "request.upgrade"),
    ] {
        assert_eq!(send(&mut vm, path, &headers), Action::Pause, "{path}");
        assert_eq!(reason(&vm), expected, "{path}");
        let mut ledger = DECIDED.to_vec();
        ledger.push(REPLY);
        assert_ledger(&vm, &ledger);
    }
}

#[test]
fn the_source_is_read_where_a_rule_needs_it() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    for (peer, action) in [("127.0.1.9", Action::Continue), ("192.0.2.1", Action::Pause)] {
        let key = b"filter_state\0regionguard.direct_peer".to_vec();
        vm.host_mut().properties.insert(key, peer.as_bytes().to_vec());
        assert_eq!(send(&mut vm, "/near", &[("authorization", &token)]), action, "{peer}");
        let mut ledger = vec![PAIRS, TIME, OWN_LINE_AND_SOURCE, SET_LINE];
        if action == Action::Pause {
            ledger.push(REPLY);
        }
        assert_ledger(&vm, &ledger);
    }
}

/// The certificate is one call more, where a rule that may match asks for the workload; its PEM may hold anything.
#[test]
fn the_certificate_is_read_where_a_rule_needs_it() {
    let mut bundle = bundle(&[
        json!({"name": "web", "paths": ["/web"], "identity": "none", "from": {"workloads": ["spiffe://prod/*"]}, "effect": "allow"}),
        json!({"name": "health", "paths": ["/healthz"], "identity": "none", "effect": "allow"}),
    ]);
    bundle["trust"]["peerVerification"] = json!("required");
    let mut vm = SHIPPED.configured(&bundle);
    let certificate = b"connection\0peer_certificate".to_vec();
    let authority = Authority::new().expect("an authority");
    let named = |uris: &[&str]| {
        authority
            .workload(uris)
            .expect("a certificate")
            .certificate
            .into_bytes()
    };
    vm.host_mut()
        .properties
        .insert(certificate.clone(), named(&["spiffe://prod/web"]));
    for _ in 0..2 {
        assert_eq!(send(&mut vm, "/healthz", &[]), Action::Continue);
    }
    assert_ledger(&vm, &DECIDED);
    assert_eq!(send(&mut vm, "/web", &[]), Action::Continue);
    assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE_AND_WORKLOAD, SET_LINE]);
    let whole = named(&["spiffe://prod/web"]);
    for other in [
        named(&[]),
        named(&["spiffe://prod/web", "spiffe://prod/api"]),
        named(&["spiffe://other/web"]),
        whole[..whole.len() / 2].to_vec(),
        b"-----BEGIN CERTIFICATE-----\n////\n-----END CERTIFICATE-----\n".to_vec(),
        vec![0xff; 70_000],
        Vec::new(),
    ] {
        vm.host_mut().properties.insert(certificate.clone(), other);
        assert_eq!(send(&mut vm, "/web", &[]), Action::Pause);
        assert_eq!(reason(&vm), "identity.missing");
        assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE_AND_WORKLOAD, SET_LINE, REPLY]);
    }
}

/// The direction of a listener is one call more: for each request in an Istio sidecar, for none at an Istio gateway, and elsewhere once a tick, unless an
/// outbound listener was seen.
#[test]
fn the_direction_is_read_where_it_may_be_wrong() {
    let outbound = 2_i64.to_le_bytes().to_vec();
    let inbound = 1_i64.to_le_bytes().to_vec();
    for (node, direction, served, reads) in [
        (None, None, true, [2, 1, 2]),
        (None, Some(0_i64.to_le_bytes().to_vec()), true, [2, 1, 2]),
        (Some("plain"), Some(inbound.clone()), true, [2, 1, 2]),
        // Not what the host says today: taken for a listener that says nothing.
        (Some("plain"), Some(vec![2]), true, [2, 1, 2]),
        (Some("plain"), Some(outbound.clone()), false, [2, 2, 2]),
        (Some("router"), Some(outbound.clone()), false, [2, 2, 2]),
        (Some("router~x"), Some(outbound.clone()), true, [1, 1, 1]),
        (Some("sidecar~x"), Some(inbound), true, [2, 2, 2]),
        (Some("sidecar~x"), None, true, [2, 2, 2]),
        (Some("waypoint~x"), Some(outbound.clone()), false, [2, 2, 2]),
        (Some("sidecar~x"), Some(outbound.clone()), false, [2, 2, 2]),
    ] {
        let mut vm = on_node(node, &bundle(&rules()));
        if let Some(direction) = &direction {
            let key = b"xds\0listener_direction".to_vec();
            vm.host_mut().properties.insert(key, direction.clone());
        }
        let expected = if served {
            (Action::Continue, "rule.public")
        } else {
            (Action::Pause, "config.direction")
        };
        for (request, reads) in reads.into_iter().enumerate() {
            if request == 2 {
                vm.tick().expect("no trap");
            }
            let action = send(&mut vm, "/healthz", &[]);
            assert_eq!((action, reason(&vm)), expected, "{node:?} {direction:?}");
            assert_eq!(
                vm.host().calls["proxy_get_property"],
                reads,
                "{node:?} {direction:?} {request}"
            );
        }
    }
    let mut told = bundle(&rules());
    told["trust"]["direction"] = json!("any");
    let mut vm = on_node(Some("sidecar~x"), &told);
    vm.host_mut()
        .properties
        .insert(b"xds\0listener_direction".to_vec(), outbound);
    assert_eq!(send(&mut vm, "/healthz", &[]), Action::Continue);
    assert_ledger(&vm, &DECIDED);
}

/// One outbound stream among others is enough for each to be asked from then on: none of the others is refused.
#[test]
fn once_an_outbound_listener_is_seen_each_stream_is_told_apart() {
    let mut vm = on_node(None, &bundle(&rules()));
    let key = b"xds\0listener_direction".to_vec();
    for (direction, action) in [
        (2_i64, Action::Pause),
        (1, Action::Continue),
        (2, Action::Pause),
        (0, Action::Continue),
        (2, Action::Pause),
    ] {
        let value = direction.to_le_bytes().to_vec();
        vm.host_mut().properties.insert(key.clone(), value);
        assert_eq!(send(&mut vm, "/healthz", &[]), action, "{direction}");
    }
}

/// A VM on the node of this id.
fn on_node(id: Option<&str>, bundle: &Value) -> Vm {
    let mut vm = SHIPPED.instance(7);
    if let Some(id) = id {
        let key = b"xds\0node\0id".to_vec();
        vm.host_mut().properties.insert(key, id.as_bytes().to_vec());
    }
    assert!(vm.configure(bundle.to_string().as_bytes()).expect("no trap"));
    vm
}

#[test]
fn a_token_is_verified_once_by_the_host() {
    let token = token("p256", Alg::Es256);
    let mut vm = SHIPPED.configured(&bundle(&rules()));
    for verifications in [1, 0] {
        assert_eq!(
            send(&mut vm, "/v1/things-1/1", &[("authorization", &token)]),
            Action::Continue
        );
        let asked = vm.host().calls.get("proxy_call_foreign_function").copied().unwrap_or(0);
        assert_eq!(asked, verifications);
    }
    // What the host says no to is asked again, and counts against the direct peer: its address and the monotonic clock are for that.
    vm.host_mut().verify_signature = Some(false);
    let forged = with_bad_signature(&token).expect("a token");
    for _ in 0..2 {
        assert_eq!(
            send(&mut vm, "/v1/things-1/1", &[("authorization", &forged)]),
            Action::Pause
        );
        assert_eq!(reason(&vm), "identity.signature");
        assert_eq!(vm.host().calls["proxy_call_foreign_function"], 1);
        assert!(vm.host().calls["proxy_get_property"] >= 2);
        assert!(vm.host().calls["clock_time_get"] >= 1);
    }
}

#[test]
fn a_host_without_the_function_is_asked_once_and_the_module_verifies_itself() {
    let mut vm = SHIPPED.configured(&bundle(&rules()));
    vm.host_mut().verify_signature = None;
    let first = token("p256", Alg::Es256);
    assert_eq!(
        send(&mut vm, "/v1/things-1/1", &[("authorization", &first)]),
        Action::Continue,
        "{:?}",
        vm.line()
    );
    assert_eq!(vm.host().calls["proxy_call_foreign_function"], 1);
    let second = token("p256", Alg::Es256);
    assert_eq!(
        send(&mut vm, "/v1/things-1/1", &[("authorization", &second)]),
        Action::Continue
    );
    assert_eq!(vm.host().calls.get("proxy_call_foreign_function"), None);
    let forged = format!("{}.{}", second.rsplit_once('.').expect("a token").0, "A".repeat(86));
    assert_eq!(
        send(&mut vm, "/v1/things-1/1", &[("authorization", &forged)]),
        Action::Pause
    );
    assert_eq!(reason(&vm), "identity.signature");
}

#[test]
fn an_algorithm_that_the_host_lacks_is_verified_in_the_module() {
    let mut vm = SHIPPED.configured(&bundle(&rules()));
    let token = token("ed25519", Alg::EdDsa);
    assert_eq!(
        send(&mut vm, "/v1/things-1/1", &[("authorization", &token)]),
        Action::Continue
    );
    assert_eq!(vm.host().calls.get("proxy_call_foreign_function"), None);
}

fn answer(id: &str) -> Vec<u8> {
    encode(&[
        (b":status", b"200"),
        (b"content-type", b"application/json"),
        (b"x-request-id", id.as_bytes()),
    ])
}

#[test]
fn a_deferred_request_adds_its_call_and_a_kept_answer_saves_it() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    let authorization = [("authorization", token.as_str())];
    assert_eq!(send(&mut vm, "/keep", &authorization), Action::Pause);
    assert_eq!(vm.line(), None, "no line before a pause");
    let call = vm.host().http_calls.first().expect("a call");
    assert_eq!(call.cluster, "center-us-east-1");
    assert!(
        call.headers.contains(&("x-request-id".to_owned(), "r-1".to_owned())),
        "{:?}",
        call.headers
    );
    let question: Value = serde_json::from_slice(&call.body).expect("a question");
    assert_eq!(question["subject"]["id"], "alice");
    assert_eq!(vm.host().calls["proxy_http_call"], 1);
    assert_eq!(
        vm.host().calls["proxy_get_property"],
        2,
        "the question names the source"
    );
    for call in ["proxy_set_property", "proxy_send_local_response", "proxy_log"] {
        assert_eq!(vm.host().calls.get(call), None, "{call}");
    }

    vm.respond(1, answer("r-1"), br#"{"decision":true}"#).expect("no trap");
    assert!(vm.host().continued);
    assert_eq!(reason(&vm), "center.allowed");
    assert_eq!(vm.host().last_call, "proxy_continue_stream");

    assert_eq!(send(&mut vm, "/keep", &authorization), Action::Continue);
    assert!(
        vm.line().is_some_and(|line| line.contains(";cache;")),
        "{:?}",
        vm.line()
    );
    assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE_AND_SOURCE, SET_LINE, MONOTONIC]);
}

#[test]
fn what_a_replica_told_costs_the_clock_alone() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    let authorization = [("authorization", token.as_str())];
    assert_eq!(send(&mut vm, "/cleared", &authorization), Action::Pause);
    let call = vm.host().http_calls.first().expect("a call");
    assert_eq!(call.cluster, "people-us-east-1");
    assert!(
        call.headers
            .contains(&(":path".to_owned(), "/identities/alice".to_owned())),
        "{:?}",
        call.headers
    );
    assert_eq!((call.body.len(), vm.line()), (0, None));
    vm.respond(1, answer("r-1"), br#"{"clearance": 3}"#).expect("no trap");
    assert!(vm.host().continued);
    assert_eq!(
        (reason(&vm), vm.host().last_call),
        ("rule.allowed", "proxy_continue_stream")
    );

    assert_eq!(send(&mut vm, "/cleared", &authorization), Action::Continue);
    assert_ledger(&vm, &[PAIRS, TIME, OWN_LINE, SET_LINE, MONOTONIC]);
    // Whoever needs none of it is as before.
    assert_eq!(send(&mut vm, "/v1/things-5/1", &authorization), Action::Continue);
    assert_ledger(&vm, &DECIDED);
}

#[test]
fn an_answer_is_carried_out_once() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    assert_eq!(send(&mut vm, "/ask", &[("authorization", &token)]), Action::Pause);
    vm.respond(1, answer("r-1"), br#"{"decision":false}"#).expect("no trap");
    assert_eq!(reason(&vm), "center.denied");
    assert_eq!(vm.host().reply.as_ref().map(|reply| reply.status), Some(403));
    assert!(!vm.host().continued, "never resume and reply");
    for token in [1, 2, u32::MAX] {
        vm.respond(token, answer("r-1"), br#"{"decision":true}"#)
            .expect("no trap");
        assert!(vm.host().reply.is_none() && !vm.host().continued && vm.host().set.is_empty());
    }
}

#[test]
fn a_call_that_the_host_refuses_is_answered_at_once() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    vm.host_mut().call_status = BAD_ARGUMENT;
    assert_eq!(send(&mut vm, "/ask", &[("authorization", &token)]), Action::Pause);
    assert_eq!(reason(&vm), "center.error");
    assert_eq!(vm.host().reply.as_ref().map(|reply| reply.status), Some(503));
}

#[test]
fn a_tick_costs_what_was_counted() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    vm.tick().expect("no trap");
    for _ in 0..1000 {
        send(&mut vm, "/v1/things-1/1", &[("authorization", &token)]);
    }
    let quiet = ["proxy_define_metric", "proxy_increment_metric"];
    assert!(
        quiet.iter().all(|call| !vm.host().calls.contains_key(call)),
        "nothing is counted outside of the VM before the tick"
    );
    vm.tick().expect("no trap");
    assert_eq!(
        vm.host().calls["proxy_increment_metric"],
        2,
        "a thousand decisions are one sum, as are their cache hits"
    );
    let sum = vm
        .host()
        .metrics
        .iter()
        .find(|(name, _)| name == "regionguard.decision.allow.rule.allowed");
    assert_eq!(sum.map(|(_, sum)| *sum), Some(1001));
    vm.tick().expect("no trap");
    assert!(
        quiet.iter().all(|call| !vm.host().calls.contains_key(call)),
        "nothing new to tell"
    );
}

#[test]
fn a_headers_removal_and_a_new_path_are_calls_of_their_own() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    let forged = [
        ("authorization", token.as_str()),
        ("X-Regionguard_Subject", "root"),
        ("x-regionguard-reason", ""),
    ];
    assert_eq!(send(&mut vm, "/v1/./things-5/%31?a=%31", &forged), Action::Continue);
    assert_eq!(
        vm.host().removed,
        [b"X-Regionguard_Subject".to_vec(), b"x-regionguard-reason".to_vec()]
    );
    assert_eq!(
        vm.host().replaced,
        [(":path".to_owned(), "/v1/things-5/1?a=%31".to_owned())]
    );
    assert_ledger(
        &vm,
        &[
            PAIRS,
            TIME,
            OWN_LINE,
            SET_LINE,
            ("proxy_remove_header_map_value", 2),
            ("proxy_replace_header_map_value", 1),
            ("proxy_call_foreign_function", 1),
        ],
    );
    assert_eq!(vm.host().last_call, "proxy_set_property");
}

#[test]
fn a_line_that_is_there_already_is_a_misconfiguration() {
    let mut vm = SHIPPED.configured(&bundle(&rules()));
    vm.host_mut()
        .properties
        .insert(b"regionguard".to_vec(), b"allow;forged".to_vec());
    assert_eq!(send(&mut vm, "/healthz", &[]), Action::Pause);
    assert_eq!(reason(&vm), "config.duplicate_filter");
    let reply = vm.host().reply.as_ref().expect("a reply");
    assert_eq!(
        (reply.status, reply.details.as_str(), reply.grpc_status),
        (500, "regionguard.config.duplicate_filter", -1)
    );
}

#[test]
fn headers_that_the_host_does_not_hand_over_are_refused() {
    let mut vm = SHIPPED.configured(&bundle(&rules()));
    let too_many: Vec<(&[u8], &[u8])> = vec![(b"x", b"y"); 1025];
    for block in [
        vec![],
        encode(&too_many),
        encode(&[]),
        b"\xff\xff\xff\xff".to_vec(),
        vec![0; 1 << 21],
    ] {
        let (_, action) = vm.request(block).expect("no trap");
        assert_eq!((action, reason(&vm)), (Action::Pause, "request.malformed"));
    }
}

/// What a condition of four parts may cost, of what a request without one does: what that is in time, `make bench` tells (`ours-10-when`).
const CONDITION_SHARE: f64 = 0.6;

#[test]
fn a_condition_costs_little_and_no_host_call() {
    let mut claims = ISSUER.claims("alice");
    (claims["iat"], claims["exp"]) = (json!(NOW - 10), json!(NOW + 3600));
    claims["permissions"]["global"] = json!(["read:things"]);
    claims["department"] = json!("finance");
    claims["device"] = json!({"platform": "macos", "os_version": "14.10", "managed": true});
    // About 1 KB, as tokens of real issuers are.
    claims["groups"] = json!((0..24).map(|group| format!("group-{group:04}")).collect::<Vec<_>>());
    let token = format!("Bearer {}", ISSUER.mint(Alg::Es256, "p256", &claims).expect("a token"));
    assert!((950..1_200).contains(&token.len()), "{}", token.len());
    let fuel = |when: Option<&str>| {
        let mut rules = many_rules(10);
        for rule in &mut rules {
            if let Some(when) = when {
                rule["when"] = json!(when);
            }
        }
        let mut vm = warm_with(&rules, &token);
        for _ in 0..3 {
            send(&mut vm, "/v1/things-5/1", &[("authorization", &token)]);
        }
        let (action, fuel) = vm.fuel_of(|vm| send(vm, "/v1/things-5/1", &[("authorization", &token)]));
        assert_eq!((action, reason(&vm)), (Action::Continue, "rule.allowed"));
        assert_ledger(&vm, &DECIDED);
        fuel
    };
    let without = fuel(None);
    let when = "token.department == 'finance' && request.method in ['GET','HEAD'] && device.os_version >= version('14') && request.path.startsWith('/v1/')";
    let with = fuel(Some(when));
    let cost = with.saturating_sub(without);
    println!("{without} instructions without the condition, {with} with it: {cost}");
    assert!(
        cost as f64 <= without as f64 * CONDITION_SHARE,
        "{without} instructions without the condition, {with} with it"
    );
}

#[test]
fn the_work_of_a_request_does_not_grow_with_rules_that_cannot_match() {
    let token = token("p256", Alg::Es256);
    let fuel = |rules: usize| {
        let mut vm = warm_with(&many_rules(rules), &token);
        let middle = format!("/v1/things-{}/1", rules / 2);
        for _ in 0..3 {
            send(&mut vm, &middle, &[("authorization", &token)]);
        }
        let (action, _) = vm.fuel_of(|vm| send(vm, &middle, &[("authorization", &token)]));
        assert_eq!(action, Action::Continue);
        vm.fuel_of(|vm| send(vm, &middle, &[("authorization", &token)])).1
    };
    let (few, many) = (fuel(10), fuel(1000));
    assert!(
        many * 10 <= few * 12,
        "{few} instructions with 10 rules, {many} with 1,000"
    );
}
