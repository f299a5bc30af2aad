//! Status Lists: the payload of the token that holds one, and the compressed bits in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::identity::{STATUS_LIST_BYTES, StatusList, StatusListClaims, StatusListError};
use serde_json::{Value, json};

use crate::oracle::{members_are_unique, object};

/// The payload of a Status List Token, as `data` begins:
///
/// - with `{`: the payload itself;
/// - with `z` and the number of bits: a zlib stream;
/// - with anything else, of which two bits choose the number of bits: the bytes of a list, which are packed here without compression.
///
/// What is read is as small as it has to be, and each token has the bits that a naive reading finds.
pub fn status_list(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    match (first, rest) {
        (b'{', _) => payload(data),
        (b'z', [bits, stream @ ..]) => {
            if let Ok(claims) = StatusListClaims::parse(&framed(*bits, stream)) {
                bounded(&claims.list, *bits);
            }
        }
        (kind, bytes) => {
            let bits = [1, 2, 4, 8][usize::from(kind & 3)];
            let claims = StatusListClaims::parse(&framed(bits, &stored(bytes))).expect("a list");
            assert_eq!(claims.list.size(), bytes.len());
            bounded(&claims.list, bits);
            let count = bytes.len() as u64 * 8 / u64::from(bits);
            for index in 0..count {
                let mut status = 0;
                for bit in 0..u64::from(bits) {
                    let at = index * u64::from(bits) + bit;
                    status |= (bytes[(at / 8) as usize] >> (at % 8) & 1) << bit;
                }
                assert_eq!(
                    claims.list.get(index),
                    Some(status),
                    "token {index} of {count}, {bits} bits each"
                );
            }
        }
    }
}

fn payload(data: &[u8]) {
    match StatusListClaims::parse(data) {
        Ok(claims) => {
            assert!(members_are_unique(data), "a member twice");
            let naive = object(data).expect("an object");
            assert_eq!(naive["sub"].as_str(), Some(claims.subject.as_str()));
            assert_eq!(naive["iat"].as_f64(), Some(claims.issued));
            assert_eq!(naive.get("exp").and_then(Value::as_f64), claims.expires);
            assert!(claims.ttl.is_none_or(|ttl| !ttl.is_zero()) || naive["ttl"].as_f64().is_some_and(|ttl| ttl > 0.0));
            let bits = naive["status_list"]["bits"].as_f64().expect("a number") as u8;
            let lst = naive["status_list"]["lst"].as_str().expect("a text");
            assert_eq!(
                URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.decode(lst).expect("canonical")),
                lst
            );
            bounded(&claims.list, bits);
        }
        Err(StatusListError::Json) => {}
        Err(error) => assert!(object(data).is_some(), "{error}: but it is no JSON"),
    }
}

fn bounded(list: &StatusList, bits: u8) {
    assert!([1, 2, 4, 8].contains(&bits), "{bits} bits");
    assert!(list.size() <= STATUS_LIST_BYTES, "{} bytes", list.size());
    let count = list.size() as u64 * 8 / u64::from(bits);
    for index in [0, 1, count / 2, count.saturating_sub(1)] {
        let status = list.get(index);
        assert_eq!(status.is_some(), index < count, "token {index} of {count}");
        assert!(
            status.is_none_or(|status| bits == 8 || status >> bits == 0),
            "{status:?} in {bits} bits"
        );
    }
    for beyond in [count, count + 1, u64::MAX / 8, u64::MAX / 8 + 1, u64::MAX] {
        assert_eq!(list.get(beyond), None, "token {beyond} of {count}");
    }
}

fn framed(bits: u8, stream: &[u8]) -> Vec<u8> {
    let list = json!({"bits": bits, "lst": URL_SAFE_NO_PAD.encode(stream)});
    json!({"sub": "https://a.example/1", "iat": 1_800_000_000, "status_list": list})
        .to_string()
        .into_bytes()
}

/// A zlib stream (RFC 1950) of blocks that are not compressed (RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        stream.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}
