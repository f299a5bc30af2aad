use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value as Json, json};

use super::*;

fn payload(lst: &str, bits: u8) -> Json {
    json!({"sub": "https://example.com/statuslists/1", "iat": 1_686_920_170, "status_list": {"bits": bits, "lst": lst}})
}

#[track_caller]
fn read(lst: &str, bits: u8) -> StatusList {
    StatusListClaims::parse(payload(lst, bits).to_string().as_bytes())
        .expect("a list")
        .list
}

fn compressed(bytes: &[u8]) -> String {
    base64url::encode(&compress_to_vec_zlib(bytes, 6))
}

/// The examples of the draft: "Compressed Byte Array" and "Test vectors for Status List encoding".
#[test]
fn the_examples_of_the_draft() {
    let all = |list: &StatusList, count| (0..count).map(|index| list.get(index)).collect::<Vec<_>>();
    let one = read("eNrbuRgAAhcBXQ", 1);
    let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1].map(Some);
    assert_eq!(all(&one, 16), expected);
    assert_eq!(one.get(16), None);
    let two = read("eNo76fITAAPfAgc", 2);
    assert_eq!(all(&two, 12), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3].map(Some));
    assert_eq!(two.get(12), None);
    let long = read(
        "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb",
        1,
    );
    let set: Vec<u64> = (0..1 << 20).filter(|index| long.get(*index) == Some(1)).collect();
    assert_eq!(
        set,
        [
            0, 1_993, 25_460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345
        ]
    );
    assert_eq!((long.get((1 << 20) - 1), long.get(1 << 20)), (Some(0), None));
}

#[test]
fn each_width_is_read_from_the_low_bits_on() {
    let bytes = [0b1110_0100, 0b0001_1011];
    for (bits, expected) in [
        (1, &[0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0][..]),
        (2, &[0, 1, 2, 3, 3, 2, 1, 0]),
        (4, &[4, 14, 11, 1]),
        (8, &[228, 27]),
    ] {
        let list = read(&compressed(&bytes), bits);
        let found: Vec<u8> = (0..).map_while(|index| list.get(index)).collect();
        assert_eq!(found, expected, "{bits} bits");
        for far in [expected.len() as u64, u64::MAX, u64::MAX / 8 + 1, u64::from(u32::MAX)] {
            assert_eq!(list.get(far), None, "{far} of {bits} bits");
        }
    }
}

#[test]
fn a_list_of_nothing_has_nobody() {
    let list = read(&compressed(&[]), 1);
    assert_eq!((list.size(), list.get(0)), (0, None));
}

#[test]
fn its_times_are_read() {
    let mut claims = payload("eNrbuRgAAhcBXQ", 1);
    claims["exp"] = json!(2_291_720_170_u64);
    claims["ttl"] = json!(43_200);
    claims["iss"] = json!("anything else may be there");
    let read = StatusListClaims::parse(claims.to_string().as_bytes()).expect("a list");
    assert_eq!(read.subject, "https://example.com/statuslists/1");
    assert_eq!((read.issued, read.expires), (1_686_920_170.0, Some(2_291_720_170.0)));
    assert_eq!(read.ttl, Some(Duration::from_secs(43_200)));
    claims["ttl"] = json!(1e300);
    let read = StatusListClaims::parse(claims.to_string().as_bytes()).expect("a list");
    assert_eq!(read.ttl, Some(Duration::MAX));
}

#[test]
fn what_is_no_status_list_is_refused() {
    let with = |pointer: &str, value: Json| {
        let mut claims = payload("eNrbuRgAAhcBXQ", 1);
        claims["ttl"] = json!(1);
        claims["exp"] = json!(1);
        *claims.pointer_mut(pointer).expect("a member") = value;
        StatusListClaims::parse(claims.to_string().as_bytes())
    };
    for (pointer, value, name) in [
        ("/sub", json!(1), "sub"),
        ("/iat", json!("1"), "iat"),
        ("/iat", json!(-1), "iat"),
        ("/exp", json!("1"), "exp"),
        ("/exp", Json::Null, "exp"),
        ("/ttl", json!(0), "ttl"),
        ("/ttl", json!(-1), "ttl"),
        ("/ttl", json!("1"), "ttl"),
        ("/status_list", json!([]), "status_list"),
        ("/status_list/bits", json!(3), "status_list.bits"),
        ("/status_list/bits", json!(0), "status_list.bits"),
        ("/status_list/bits", json!("1"), "status_list.bits"),
        ("/status_list/lst", json!(1), "status_list.lst"),
        ("/status_list/lst", json!("eNrbuRgAAhcBXQ=="), "status_list.lst"),
        ("/status_list/lst", json!("eNrbuRgAAhcB+Q"), "status_list.lst"),
    ] {
        assert_eq!(
            with(pointer, value.clone()),
            Err(StatusListError::Claim(name)),
            "{pointer} {value}"
        );
    }
    for lst in ["", "eA", "eNrbuRgAAhcBXg", "eNrbuRgAAhcB", "uRgAAhcBXQ", "AAAAAAAA"] {
        assert_eq!(
            with("/status_list/lst", json!(lst)),
            Err(StatusListError::Compression),
            "{lst}"
        );
    }
    for text in ["", "[]", "1", "{", "{}{}", r#"{"sub":"a","sub":"a"}"#, "\u{feff}{}"] {
        assert_eq!(
            StatusListClaims::parse(text.as_bytes()),
            Err(StatusListError::Json),
            "{text}"
        );
    }
    assert_eq!(StatusListClaims::parse(b"{\"a\":\"\xff\"}"), Err(StatusListError::Json));
    assert_eq!(StatusListClaims::parse(b"{}"), Err(StatusListError::Claim("sub")));
}

/// A few kilobytes that say they are gigabytes cost no more than the largest list.
#[test]
fn a_bomb_does_not_go_off() {
    let most = vec![0; STATUS_LIST_BYTES];
    assert_eq!(read(&compressed(&most), 1).size(), STATUS_LIST_BYTES);
    for size in [STATUS_LIST_BYTES + 1, 64 * STATUS_LIST_BYTES] {
        let bomb = compressed(&vec![0; size]);
        let parsed = StatusListClaims::parse(payload(&bomb, 1).to_string().as_bytes());
        assert_eq!(parsed, Err(StatusListError::Size), "{size}");
    }
}

#[test]
fn a_token_says_where_its_status_is() {
    let uri = "https://example.com/1";
    let status = json!({"status_list": {"idx": 7, "uri": uri, "other": 1}});
    assert_eq!(StatusReference::read(&status), Some(StatusReference { index: 7, uri }));
    for wrong in [
        json!({}),
        json!(null),
        json!("x"),
        json!([{"status_list": {"idx": 7, "uri": uri}}]),
        json!({"status_list": {"idx": 7, "uri": uri}, "identifier_list": {}}),
        json!({"status_list": {"idx": -1, "uri": uri}}),
        json!({"status_list": {"idx": 1.5, "uri": uri}}),
        json!({"status_list": {"idx": "7", "uri": uri}}),
        json!({"status_list": {"idx": 7}}),
        json!({"status_list": {"uri": uri}}),
        json!({"status_list": {"idx": 7, "uri": 7}}),
        json!({"status_list": []}),
    ] {
        assert_eq!(StatusReference::read(&wrong), None, "{wrong}");
    }
}
