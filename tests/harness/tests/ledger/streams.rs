//! What a stream costs that is looked after: a copy when it begins, nothing while it goes on, and one call to end it.

use regionguard_harness::issuer::Alg;
use serde_json::{Value, json};

use super::wasm_host::{Action, BAD_ARGUMENT, Vm};
use super::{DECIDED, MONOTONIC, PAIRS, SET_LINE, TIME, answer, assert_ledger, block, reason, rules, token, warm_with};

/// The line, and what judging the request again may ask for: the direct peer, its certificate and that one's digest, the port.
const OWN_LINE_AND_COPIES: (&str, usize) = ("proxy_get_property", 5);
const SECOND: u64 = 1_000_000_000;

fn upgrading() -> Vec<Value> {
    let mut rules = rules();
    rules.extend([
        json!({"name": "live", "paths": ["/live"], "upgrades": ["websocket"], "effect": "allow"}),
        json!({"name": "asked", "paths": ["/asked"], "upgrades": ["websocket"], "effect": "defer"}),
        json!({"name": "kept", "paths": ["/kept"], "upgrades": ["websocket"], "streams": "untilClosed", "effect": "allow"}),
    ]);
    rules
}

/// Asks for a WebSocket; its context, and what became of it.
fn ask(vm: &mut Vm, path: &str, token: &str) -> (u32, Action) {
    let upgrade = [
        ("authorization", token),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ];
    vm.request(block(path, &upgrade)).expect("no trap")
}

/// Lets so many seconds pass, and then one tick.
fn tick(vm: &mut Vm, seconds: u64) {
    vm.host_mut().time += seconds * SECOND;
    vm.host_mut().monotonic += seconds * SECOND;
    vm.tick().expect("no trap");
}

fn metric(vm: &Vm, name: &str) -> Option<u64> {
    let name = format!("regionguard.{name}");
    let found = vm.host().metrics.iter().find(|(found, _)| *found == name);
    found.map(|(_, sum)| *sum)
}

#[test]
fn a_stream_costs_a_copy_and_its_end_one_call() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm_with(&upgrading(), &token);
    assert_eq!(ask(&mut vm, "/kept", &token).1, Action::Continue);
    assert_ledger(&vm, &DECIDED);
    let (first, _) = ask(&mut vm, "/live", &token);
    assert_ledger(&vm, &[TIME, PAIRS, OWN_LINE_AND_COPIES, SET_LINE, MONOTONIC]);
    let (second, _) = ask(&mut vm, "/live", &token);
    let (third, _) = ask(&mut vm, "/live", &token);
    tick(&mut vm, 1);
    assert_eq!(metric(&vm, "open_streams"), Some(3));
    // One hangs up.
    vm.host_mut().gone.insert(second);
    tick(&mut vm, 60);
    assert_eq!(metric(&vm, "open_streams"), Some(2));
    assert!(vm.host().closed.is_empty() && vm.host().log.is_empty());
    // Its token was for an hour.
    tick(&mut vm, 3_570);
    let mut closed = vm.host().closed.clone();
    closed.sort_unstable();
    assert_eq!(
        closed,
        [(first, 0), (third, 0)],
        "the request's stream, in its own context"
    );
    assert_eq!(vm.host().log.len(), 2, "{:#?}", vm.host().log);
    assert!(
        vm.host().log[0].starts_with("regionguard: stream ended: identity.expired (request r-1): deny;"),
        "{:#?}",
        vm.host().log
    );
    assert_eq!(metric(&vm, "open_streams"), Some(0));
    assert_eq!(metric(&vm, "stream.opened"), Some(3));
    assert_eq!(metric(&vm, "stream_ended.expired"), Some(2));
    tick(&mut vm, 60);
    assert!(vm.host().closed.is_empty());
}

/// A stream that the host does not let begin is not looked after.
#[test]
fn what_could_not_be_let_in_opens_nothing() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm_with(&upgrading(), &token);
    vm.host_mut().set_status = BAD_ARGUMENT;
    assert_eq!(ask(&mut vm, "/live", &token).1, Action::Pause);
    assert_eq!(reason(&vm), "rule.allowed");
    assert_eq!(vm.host().reply.as_ref().map(|reply| reply.status), Some(500));
    tick(&mut vm, 1);
    assert_eq!(metric(&vm, "open_streams"), None);
    vm.host_mut().set_status = 0;
    assert_eq!(ask(&mut vm, "/live", &token).1, Action::Continue);
    tick(&mut vm, 1);
    assert_eq!(metric(&vm, "open_streams"), Some(1));
}

/// Other streams may have begun while the center was asked.
#[test]
fn what_the_center_lets_in_is_ended_in_its_own_context() {
    let token = token("p256", Alg::Es256);
    let mut vm = warm_with(&upgrading(), &token);
    let (first, action) = ask(&mut vm, "/asked", &token);
    assert_eq!(action, Action::Pause);
    ask(&mut vm, "/kept", &token);
    vm.respond(1, answer("r-1"), br#"{"decision":true}"#).expect("no trap");
    assert!(vm.host().continued);
    let (second, _) = ask(&mut vm, "/asked", &token);
    ask(&mut vm, "/kept", &token);
    vm.respond(1, answer("r-1"), br#"{"decision":false}"#).expect("no trap");
    tick(&mut vm, 1);
    assert_eq!(metric(&vm, "open_streams"), Some(1));
    tick(&mut vm, 3_630);
    assert_eq!(vm.host().closed, [(first, 0)], "{second} is refused");
}
