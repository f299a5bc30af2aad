//! 10,000 rules: what compiling them takes, and that a request does not pay for them. Instructions and bytes, so that it is the same on every machine.

use regionguard_harness::issuer::Alg;
use serde_json::Value;

use super::wasm_host::{Action, Vm};
use super::{SHIPPED, bundle, many_rules, send, token, warm_with};

/// What a worker's VM may have of memory with 10,000 rules.
const MEMORY_MAX: usize = 40_000_000;

#[test]
fn the_work_of_a_request_does_not_grow_with_rules_that_cannot_match() {
    let token = token("p256", Alg::Es256);
    let fuel = |rules: usize| {
        let mut vm = warm_with(&many_rules(rules), &token);
        let middle = format!("/v1/things-{}/1", rules / 2);
        let ask = |vm: &mut Vm| send(vm, &middle, &[("authorization", &token)]);
        for _ in 0..4 {
            assert_eq!(ask(&mut vm), Action::Continue);
        }
        vm.fuel_of(ask).1
    };
    let few = fuel(10);
    for rules in [1_000, 10_000] {
        let many = fuel(rules);
        println!("a request takes {few} instructions with 10 rules, {many} with {rules}");
        assert!(
            many * 10 <= few * 12,
            "{few} instructions with 10 rules, {many} with {rules}"
        );
    }
}

#[test]
fn compiling_takes_as_long_as_a_bundle_is_long() {
    for (form, encode) in [("JSON", json as fn(&Value) -> Vec<u8>), ("Struct", structure)] {
        let compile = |rules: usize| {
            let mut vm = SHIPPED.instance(7);
            let configuration = encode(&bundle(&many_rules(rules)));
            let (accepted, instructions) = vm.fuel_of(|vm| vm.configure(&configuration).expect("no trap"));
            assert!(accepted, "{:#?}", vm.host().log);
            (vm, instructions, configuration)
        };
        let (_, few, _) = compile(1_000);
        let (mut vm, many, configuration) = compile(10_000);
        let memory = vm.memory();
        println!("{form}: {few} instructions for 1,000 rules, {many} for 10,000, and {memory} bytes");
        assert!(
            many <= few * 11,
            "{form}: {few} instructions for 1,000 rules, {many} for 10,000"
        );
        assert!(memory <= MEMORY_MAX, "{form}: {memory} bytes");
        // Each push is compiled while the bundle before it serves; what that one held is used again.
        for _ in 0..4 {
            assert!(vm.configure(&configuration).expect("no trap"));
        }
        let after = vm.memory();
        println!("{form}: {after} bytes after four pushes");
        assert!(after <= MEMORY_MAX, "{form}: {after} bytes after four pushes");
    }
}

fn json(bundle: &Value) -> Vec<u8> {
    bundle.to_string().into_bytes()
}

/// The serialized bytes of a `google.protobuf.Struct` that says the same.
fn structure(bundle: &Value) -> Vec<u8> {
    let members = bundle.as_object().expect("an object").iter();
    members
        .flat_map(|(name, value)| field(1, &[field(1, name.as_bytes()), field(2, &value_of(value))].concat()))
        .collect()
}

fn value_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![1 << 3, 0],
        Value::Bool(value) => vec![4 << 3, u8::from(*value)],
        Value::Number(number) => {
            let bytes = number.as_f64().expect("a double").to_le_bytes();
            [&[2 << 3 | 1][..], &bytes].concat()
        }
        Value::String(text) => field(3, text.as_bytes()),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(|item| field(1, &value_of(item))).collect();
            field(6, &items)
        }
        Value::Object(_) => field(5, &structure(value)),
    }
}

/// A field of bytes, with its length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).expect("seven bits"));
    field.extend_from_slice(bytes);
    field
}
