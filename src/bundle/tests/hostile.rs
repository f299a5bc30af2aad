//! Bytes that were made to harm.

use prost::Message as _;
use serde_json::json;

use super::*;

#[track_caller]
fn refuses(bytes: &[u8], encoding: Encoding, fragment: &str) {
    let errors = compile(bytes, encoding)
        .err()
        .map(|errors| lines(&errors))
        .unwrap_or_default();
    assert!(errors.contains(fragment), "{fragment}\n{errors}");
}

#[test]
fn nothing_and_what_is_neither() {
    for encoding in [Encoding::Json, Encoding::Struct, Encoding::Detect] {
        refuses(b"", encoding, "no configuration");
    }
    refuses(b" \n\t", Encoding::Detect, "nothing but white space");
    refuses(
        b"region: us-east-1\nmetadata: {}\n",
        Encoding::Detect,
        "YAML text in a string is not read here; give it as JSON, or as a Struct",
    );
    refuses(b"\n---\nregion: x", Encoding::Detect, "YAML text");
    refuses(b"[{}]", Encoding::Detect, "neither JSON that begins with `{`");
    refuses(
        b"[1]",
        Encoding::Json,
        "must be an object with fields like `region`, `metadata`, `trust`, `tokens`, `documents`, `candidate` and `override`; found a list of 1",
    );
    refuses(b"\xEF\xBB\xBF{}", Encoding::Detect, "byte order mark");
    refuses(b"\xFF\xFE", Encoding::Detect, "neither JSON");
    refuses(b"{}", Encoding::Detect, "an empty object");
}

#[test]
fn json_that_is_none_says_where() {
    refuses(
        b"{\n  \"region\": \n}",
        Encoding::Detect,
        "not valid JSON: expected value at line 3 column 1",
    );
    refuses(b"{} {}", Encoding::Detect, "trailing characters at line 1 column 4");
    refuses(b"{\"a\": 1,}", Encoding::Detect, "trailing comma");
    refuses(b"{\"a\": 01}", Encoding::Detect, "not valid JSON");
    refuses(b"{\"a\": NaN}", Encoding::Detect, "not valid JSON");
    refuses(
        b"{\"a\": \"\xE9\"}",
        Encoding::Detect,
        "not valid UTF-8 at line 1 column 8",
    );
    refuses(b"{\n\"a\":\x00 1}", Encoding::Detect, "a NUL byte at line 2 column 5");
    refuses(
        b"{\"a\": {\"b\": [\"x\\u0000\"]}}",
        Encoding::Detect,
        "error: a.b[0]: a string holds a NUL character",
    );
    refuses(b"{\"a\\u0000\": 1}", Encoding::Detect, "NUL character");
    refuses(b"{\"a\": \"\\ud800\"}", Encoding::Detect, "not valid JSON");
}

#[test]
fn a_member_that_is_given_twice_is_named() {
    refuses(
        b"{\"metadata\": {\"name\": \"a\", \"name\": \"b\"}, \"x\": 1, \"x\": 2}",
        Encoding::Detect,
        "error: metadata.name: this member is given more than once",
    );
    refuses(
        b"{\"metadata\": {\"name\": \"a\", \"name\": \"b\"}, \"x\": 1, \"x\": 2}",
        Encoding::Detect,
        "error: x: this member is given more than once",
    );
    let entry = to_struct(&json!({"region": "a"})).encode_to_vec();
    refuses(
        &[entry.clone(), entry].concat(),
        Encoding::Detect,
        "error: region: this member is given more than once",
    );
}

/// The command hands on text that nobody wrote: a line and a column in it are a place where nobody finds anything.
#[test]
fn a_limit_is_met_at_a_path_and_at_no_line() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    for json in [
        "{\n\"a\": \"x\\u0000\"}",
        "{\n\"a\\u0000\": 1}",
        "{\n\"a\": 9007199254740993}",
        deep.as_str(),
    ] {
        let errors = compile(json.as_bytes(), Encoding::Detect).expect_err("no bundle");
        assert!(!lines(&errors).contains("at line"), "{json}: {}", lines(&errors));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    refuses(nested(31).as_bytes(), Encoding::Detect, "no such field");
    refuses(
        nested(32).as_bytes(),
        Encoding::Detect,
        "nested too deep: 32 levels at most",
    );
    refuses(nested(1_000).as_bytes(), Encoding::Detect, "error: a[0][0]");
    refuses(nested(1_000_000).as_bytes(), Encoding::Detect, "nested too deep");
    let objects = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    refuses(objects.as_bytes(), Encoding::Detect, "nested too deep");
}

/// Lists in lists, as a Struct's bytes.
fn nested_struct(levels: usize) -> Vec<u8> {
    let mut value: Vec<u8> = vec![0x08, 0x00];
    for _ in 0..levels {
        let list = field(1, &value);
        value = field(6, &list);
    }
    field(1, &[field(1, b"a"), field(2, &value)].concat())
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

#[test]
fn the_depth_of_a_struct_is_bounded() {
    refuses(&nested_struct(30), Encoding::Detect, "no such field");
    refuses(
        &nested_struct(32),
        Encoding::Detect,
        "nested too deep: 32 levels at most",
    );
    refuses(&nested_struct(1_000), Encoding::Detect, "nested too deep");
}

#[test]
fn the_number_of_values_is_bounded() {
    let lists = |count: usize| format!("{{\"documents\":[{}[]]}}", "[],".repeat(count - 1));
    refuses(
        lists(100_000).as_bytes(),
        Encoding::Detect,
        "too many: 100000, 1208 at most",
    );
    refuses(
        lists(1_000_000).as_bytes(),
        Encoding::Detect,
        "too many values: 1000000 at most",
    );
    let many: String = (0..100_000).map(|number| format!("\"m{number}\":1,")).collect();
    refuses(
        format!("{{{many}\"x\":1}}").as_bytes(),
        Encoding::Detect,
        "too many: 100001, 256 at most",
    );
    // Four bytes on the wire are a list in memory.
    let list = field(6, &field(1, &field(6, b"")).repeat(2_000_000));
    let bytes = field(1, &[field(1, b"a"), field(2, &list)].concat());
    refuses(&bytes, Encoding::Detect, "too many values: 1000000 at most");
}

#[test]
fn numbers_that_cannot_be_told_apart_are_refused() {
    for number in [
        "9007199254740993",
        "18446744073709551616",
        "1e300",
        "-9007199254740994",
        "123456789012345678901234567890",
    ] {
        refuses(
            format!("{{\"a\":[{number}]}}").as_bytes(),
            Encoding::Detect,
            "error: a[0]: the number is too large: at most 2^53",
        );
    }
    refuses(b"{\"a\":1e999}", Encoding::Detect, "number out of range");
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let value = [&[0x11][..], &number.to_le_bytes()].concat();
        let bytes = field(1, &[field(1, b"a"), field(2, &value)].concat());
        refuses(
            &bytes,
            Encoding::Detect,
            "error: a: not a number: NaN and infinities are refused",
        );
    }
}

#[test]
fn large_texts_are_refused_without_being_repeated() {
    let text = "x".repeat(16 << 20);
    refuses(
        format!("{{\"region\":\"{text}\"}}").as_bytes(),
        Encoding::Detect,
        "too large: 16777229 bytes, 16777216 at most",
    );
    let shorter = "x".repeat((16 << 20) - 100);
    for json in [
        format!("{{\"region\":\"{shorter}\"}}"),
        format!("{{\"{shorter}\": 1}}"),
        format!("{{\"kind\":\"{shorter}\"}}"),
    ] {
        let errors = compile(json.as_bytes(), Encoding::Detect).expect_err("no bundle");
        assert!(lines(&errors).len() < 1_000, "{}", lines(&errors).len());
    }
}

#[test]
fn a_struct_that_is_none_says_so() {
    let broken = "not the serialized bytes of a google.protobuf.Struct";
    let entry = |value: &[u8]| field(1, &[field(1, b"a"), field(2, value)].concat());
    for value in [
        &[][..],
        &[0x08, 0x01],
        &[0x11, 0, 0],
        &[0x1A, 0x05, b'x'],
        &[0x20, 0x02],
        &[0x20, 0x01, 0x20, 0x01],
        &[0x38, 0x01],
        &[0x2A, 0x02, 0x08, 0x01],
        &[0x32, 0x02, 0x08, 0x01],
        &[0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        &[0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    ] {
        refuses(&entry(value), Encoding::Detect, broken);
    }
    refuses(&[0x0A], Encoding::Struct, broken);
    refuses(&[0x12, 0x00], Encoding::Struct, broken);
    refuses(&field(1, &field(1, b"a")), Encoding::Struct, broken);
    refuses(
        &field(1, &[field(1, b"a"), field(1, b"a"), field(2, &[0x08, 0])].concat()),
        Encoding::Struct,
        broken,
    );
    refuses(
        &entry(&[0x1A, 0x01, 0xFF]),
        Encoding::Detect,
        "error: a: a string is not valid UTF-8",
    );
    refuses(
        &entry(&[0x1A, 0x01, 0x00]),
        Encoding::Detect,
        "error: a: a string holds a NUL character",
    );
}

#[test]
fn an_error_is_one_printable_line() {
    let mut bundle = sample();
    set(
        &mut bundle,
        "documents[2].kind",
        json!("a\nerror: all is well\u{1b}[2J"),
    );
    bundle["x\ny"] = json!(1);
    for error in refused(&bundle) {
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
}

#[test]
fn what_multiplies_in_the_index_is_bounded() {
    let methods: Vec<String> = (0..crate::bundle::limits::RULE_ITEMS)
        .map(|number| format!("M{number}"))
        .collect();
    let paths: Vec<String> = (0..crate::bundle::limits::RULE_ITEMS)
        .map(|number| format!("/p{number}"))
        .collect();
    let rules: Vec<_> = (0..16)
        .map(|number| {
            json!({
                "name": format!("r{number}"), "hosts": ["a.com", "b.com", "c.com", "d.com"],
                "methods": methods, "paths": paths, "effect": "allow",
            })
        })
        .collect();
    let bundle = json!({
        "metadata": {"name": "shop", "version": 1},
        "documents": [{
            "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "many"},
            "spec": {"rules": rules},
        }],
    });
    refuses(
        bundle.to_string().as_bytes(),
        Encoding::Json,
        "they take 4227072 places in the index, 4000000 at most",
    );
}
