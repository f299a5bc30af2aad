//! Hostile bytes from each side: what is pushed, what requests hold, what a center answers. None traps, and none has two answers.

use proptest::prelude::*;
use regionguard::request::encode;
use regionguard_harness::issuer::Alg;
use regionguard_harness::policy_folder::shipped_bundle;

use super::wasm_host::Action;
use super::{SHIPPED, bundle, many_rules, rules, send, token, warm};

/// A fresh VM's verdict on a configuration, and what it says about it.
fn verdict(configuration: &[u8], seed: u8) -> (bool, Vec<String>) {
    let mut vm = SHIPPED.instance(seed);
    vm.host_mut().time += u64::from(seed) * 1_000_000_007;
    let accepted = vm.configure(configuration).expect("no trap");
    (accepted, std::mem::take(&mut vm.host_mut().log))
}

fn assert_same_everywhere(configuration: &[u8]) -> bool {
    let (accepted, said) = verdict(configuration, 0);
    for seed in [1, 99] {
        assert_eq!(
            verdict(configuration, seed),
            (accepted, said.clone()),
            "each worker must say the same"
        );
    }
    accepted
}

#[test]
fn the_same_configuration_has_the_same_answer_in_every_vm() {
    let shipped = shipped_bundle().expect("the shipped bundle").to_string();
    assert!(assert_same_everywhere(shipped.as_bytes()));
    assert!(assert_same_everywhere(bundle(&rules()).to_string().as_bytes()));
    for wrong in [
        "",
        "{}",
        "null",
        "[]",
        "\0",
        "{\"region\":",
        &shipped.replace("allow", "alow"),
        &shipped[1..],
    ] {
        assert!(!assert_same_everywhere(wrong.as_bytes()), "{wrong}");
    }
}

#[test]
fn a_configuration_that_wants_to_exhaust_the_vm_is_refused() {
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let wide = format!("[{}0]", "0,".repeat(4 << 20));
    let long = format!("{{\"region\":\"{}\"}}", "x".repeat(33 << 20));
    let members = format!(
        "{{{}\"z\":0}}",
        (0..100_000).map(|index| format!("\"{index}\":0,")).collect::<String>()
    );
    let escapes = format!("{{\"region\":\"{}\"}}", "\\u0041".repeat(2 << 20));
    let rules = bundle(&many_rules(20_001)).to_string();
    for configuration in [deep, wide, long, members, escapes, rules] {
        let mut vm = SHIPPED.instance(1);
        assert!(!vm.configure(configuration.as_bytes()).expect("no trap"));
        assert!(!vm.host().log.is_empty(), "it is said why");
    }
    // A protobuf Struct whose values nest without end.
    let mut nested = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0x32];
        prost_length(&mut outer, nested.len() + 1 + length_of(nested.len()));
        outer.push(0x0a);
        prost_length(&mut outer, nested.len());
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    assert!(!SHIPPED.instance(1).configure(&nested).expect("no trap"));
}

fn length_of(length: usize) -> usize {
    let mut bytes = Vec::new();
    prost_length(&mut bytes, length);
    bytes.len()
}

fn prost_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
}

/// Names and values that mean something, and any bytes.
fn header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let names = prop::sample::select(vec![
        &b":method"[..],
        b":path",
        b":authority",
        b":scheme",
        b":protocol",
        b"host",
        b"authorization",
        b"content-type",
        b"x-request-id",
        b"upgrade",
        b"cookie",
        b"x-regionguard-subject",
        b"X_REGIONGUARD_REASON",
        b"",
    ]);
    let values = prop::sample::select(vec![
        &b"GET"[..],
        b"CONNECT",
        b"/v1/things-5/1",
        b"/ask",
        b"/near",
        b"/healthz",
        b"*",
        b"api.us-east-1.com",
        b"http",
        b"application/grpc",
        b"Bearer a.b.c",
        b"Bearer ",
        b"\xff\xfe",
        b"",
    ]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    (
        prop_oneof![3 => names.prop_map(<[u8]>::to_vec), 1 => bytes()],
        prop_oneof![2 => values.prop_map(<[u8]>::to_vec), 1 => bytes()],
    )
}

fn request_bytes() -> impl Strategy<Value = Vec<u8>> {
    let headers = prop::collection::vec(header(), 0..40).prop_map(|headers| {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        encode(&lines)
    });
    prop_oneof![4 => headers, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

/// The shipped bundle with a few bytes changed, as JSON.
fn damaged_bundle() -> impl Strategy<Value = Vec<u8>> {
    let bytes = bundle(&rules()).to_string().into_bytes();
    let edits = prop::collection::vec((0..bytes.len(), any::<u8>(), 0..4_usize), 1..6);
    edits.prop_map(move |edits| {
        let mut bytes = bytes.clone();
        for (at, byte, kind) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len()))),
                _ => {
                    let copy = bytes[at..(at + usize::from(byte)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        bytes
    })
}

/// One VM for many hostile requests: what one of them spoils, the next one shows.
fn attack(blocks: &[Vec<u8>], replies: &[(Vec<u8>, Vec<u8>)]) {
    let token = token("p256", Alg::Es256);
    let mut vm = warm(&token);
    for block in blocks {
        let (_, action) = vm.request(block.clone()).expect("no trap");
        let allowed = vm.line().is_some_and(|line| line.starts_with("allow;"));
        assert_eq!(
            allowed,
            action == Action::Continue,
            "only what is allowed goes on: {:?}",
            vm.line()
        );
        let waits = !vm.host().http_calls.is_empty() && vm.host().reply.is_none();
        assert!(
            allowed || vm.host().reply.is_some() || waits,
            "what does not go on is answered, or waits"
        );
    }
    for (headers, body) in replies {
        assert_eq!(send(&mut vm, "/ask", &[("authorization", &token)]), Action::Pause);
        vm.respond(1, headers.clone(), body).expect("no trap");
        let allowed = vm.line().is_some_and(|line| line.starts_with("allow;"));
        assert_eq!(allowed, vm.host().continued, "{:?}", vm.line());
    }
    assert_eq!(
        send(&mut vm, "/v1/things-5/1", &[("authorization", &token)]),
        Action::Continue,
        "the next request is decided as ever"
    );
    vm.tick().expect("no trap");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_traps(blocks in prop::collection::vec(request_bytes(), 1..20)) {
        attack(&blocks, &[]);
    }

    #[test]
    fn no_answer_of_a_center_traps(
        replies in prop::collection::vec((request_bytes(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "\\{\"decision\":(true|false|1|null|\"true\")(,\"context\":\\{\"ttl\":-?[0-9eE.]{0,12}\\})?\\}".prop_map(String::into_bytes),
        ]), 1..8)
    ) {
        attack(&[], &replies);
    }

    #[test]
    fn no_configuration_traps(configuration in prop_oneof![
        3 => damaged_bundle(),
        1 => prop::collection::vec(any::<u8>(), 0..600),
    ]) {
        let (first, second) = (verdict(&configuration, 3), verdict(&configuration, 200));
        prop_assert_eq!(first, second);
    }
}
