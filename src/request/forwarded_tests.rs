use core::net::IpAddr;

use proptest::prelude::*;

use super::{forwarded_address, forwarded_certificate, parse_digest};

fn address(lines: &[&str], hops: usize) -> Option<IpAddr> {
    forwarded_address(lines.iter().map(|line| line.as_bytes()), hops)
}

fn certificate(lines: &[&str], own: Option<u8>) -> Option<u8> {
    let found = forwarded_certificate(lines.iter().map(|line| line.as_bytes()), own.map(|byte| [byte; 32]))?;
    assert_eq!(found, [found[0]; 32]);
    Some(found[0])
}

/// The digest whose bytes are all this one.
fn hash(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

#[test]
fn addresses_are_counted_from_the_right() {
    for (lines, hops, expected) in [
        (&["192.0.2.1"][..], 1, Some("192.0.2.1")),
        (&["198.51.100.7, 192.0.2.1"], 1, Some("192.0.2.1")),
        (&["198.51.100.7, 192.0.2.1"], 2, Some("198.51.100.7")),
        (&["198.51.100.7,192.0.2.1"], 3, None),
        (&["198.51.100.7", "192.0.2.1"], 1, Some("192.0.2.1")),
        (&["198.51.100.7", "192.0.2.1"], 2, Some("198.51.100.7")),
        (&["a, b", "198.51.100.7, 192.0.2.1"], 2, Some("198.51.100.7")),
        (&["192.0.2.1\t "], 1, Some("192.0.2.1")),
        (&["192.0.2.1:443"], 1, Some("192.0.2.1")),
        (&["2001:db8::1"], 1, Some("2001:db8::1")),
        (&["[2001:db8::1]"], 1, Some("2001:db8::1")),
        (&["[2001:db8::1]:443"], 1, Some("2001:db8::1")),
        (&["::ffff:192.0.2.1"], 1, Some("192.0.2.1")),
        (&["\"garbage, 192.0.2.1"], 1, Some("192.0.2.1")),
        (&[], 1, None),
        (&["192.0.2.1"], 0, None),
    ] {
        assert_eq!(
            address(lines, hops),
            expected.map(|text| text.parse().unwrap()),
            "{lines:?} {hops}"
        );
    }
}

/// Unknown, never the next best.
#[test]
fn what_is_no_address_is_unknown() {
    for entry in [
        "",
        " ",
        "unknown",
        "_hidden",
        "\"192.0.2.1\"",
        "for=192.0.2.1",
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.256",
        "0x7f.0.0.1",
        "017.0.0.1",
        "2130706433",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1/32",
        "192.0.2.1 192.0.2.2",
        "2001:db8::1::",
        "fe80::1%eth0",
        "[192.0.2.1]",
        "[192.0.2.1:1]",
        "[[::1]:1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[]",
        "[[::1]]",
        "１92.0.2.1",
    ] {
        assert_eq!(address(&[&format!("198.51.100.7, {entry}")], 1), None, "{entry}");
    }
}

#[test]
fn the_last_element_is_the_proxys_own() {
    let (a, b) = (hash(0xaa), hash(0xbb));
    for (lines, expected) in [
        (vec![format!("Hash={a}")], Some(0xaa)),
        (
            vec![format!(
                "By=spiffe://mesh/ns/edge/sa/edge;Hash={a};Subject=\"CN=alice\";URI="
            )],
            Some(0xaa),
        ),
        (vec![format!("hash={}", a.to_uppercase())], Some(0xaa)),
        (vec![format!("Hash={b},Hash={a}")], Some(0xaa)),
        (vec![format!("Hash={b}"), format!("Hash={a}")], Some(0xaa)),
        (vec![format!("Hash={b}, By=x; Hash={a} ")], Some(0xaa)),
        // Separators and quotes inside of a quoted value.
        (vec![format!("Hash={a};Subject=\"CN=x,Hash={b}\"")], Some(0xaa)),
        (vec![format!("Hash={a};Subject=\"CN=x;Hash={b}\"")], Some(0xaa)),
        (vec![format!("Hash={a};Subject=\"CN=\\\",Hash={b}\"")], Some(0xaa)),
        (vec![format!("Hash={a};Subject=\"CN=\\\\\\\",Hash={b}\"")], Some(0xaa)),
        (vec![format!("Hash={a};Subject=\"CN=\\\\\"")], Some(0xaa)),
        // What the caller sent leaves a quote open.
        (
            vec![format!("Subject=\",Hash={a};Subject=\"CN=,Hash={b}\"")],
            Some(0xaa),
        ),
        (vec![format!("Subject=\"CN=\\,Hash={a}")], Some(0xaa)),
        // None, several, and what is no digest.
        (vec![], None),
        (vec![String::new()], None),
        (vec![format!("Hash={a},")], None),
        (vec![format!("Hash={a}"), String::new()], None),
        (vec![format!("Hash={a},By=x")], None),
        (vec![format!("Hash={a};Hash={a}")], None),
        (vec![format!("Hash={a};hash={b}")], None),
        (vec![format!("Hash=\"{a}\"")], None),
        (vec![format!("Hash={}", a.split_at(1).1)], None),
        (vec![format!("Hash={a}0")], None),
        (vec![format!("XHash={a}")], None),
        (vec![format!("Hash:{a}")], None),
        (vec![format!("Hash={a};Subject=\"CN=x")], None),
        (vec![format!("Subject=\"CN=x;Hash={a}\"")], None),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(certificate(&lines, None), expected, "{lines:?}");
    }
}

/// Where the proxy of this filter appends the edge itself, the edge's caller stands before that; and only then.
#[test]
fn the_certificate_of_the_edge_itself_is_passed_over_once() {
    let (alice, edge) = (hash(0xaa), hash(0xee));
    for (value, expected) in [
        (format!("Hash={alice},Hash={edge}"), Some(0xaa)),
        (format!("Hash={alice}"), Some(0xaa)),
        (format!("Hash={edge}"), None),
        (format!("Hash={alice},Hash={edge},Hash={edge}"), Some(0xee)),
        (format!("Hash={edge},Hash={alice}"), Some(0xaa)),
        (format!("Hash={alice},,Hash={edge}"), None),
        (
            format!("Hash={alice};Subject=\"x,\",By=e;Hash={edge};Subject=\"y,\""),
            Some(0xaa),
        ),
    ] {
        assert_eq!(certificate(&[&value], Some(0xee)), expected, "{value}");
    }
}

#[test]
fn hexadecimal_digests() {
    let text = "00ff".repeat(16);
    let bytes: [u8; 32] = core::array::from_fn(|place| if place % 2 == 0 { 0 } else { 0xff });
    assert_eq!(parse_digest(text.as_bytes()), Some(bytes));
    assert_eq!(parse_digest(text.to_uppercase().as_bytes()), Some(bytes));
    for wrong in [
        "",
        "0",
        text.split_at(1).1,
        &format!("{text}00"),
        &"0g".repeat(32),
        &"+1".repeat(32),
    ] {
        assert_eq!(parse_digest(wrong.as_bytes()), None, "{wrong}");
    }
}

proptest! {
    /// Whatever stands to the left, in the same line or in others, what the proxy wrote is what is found.
    #[test]
    fn nothing_to_the_left_counts(left in any::<Vec<u8>>(), other in any::<Vec<u8>>(), cut in any::<bool>()) {
        let own = format!("By=spiffe://m/e;Hash={};Subject=\"CN=a\\\"b,c;d\\\\\"", hash(0xaa));
        let joined = if cut { [left.as_slice(), b",", own.as_bytes()].concat() } else { own.clone().into_bytes() };
        let lines = [other.as_slice(), &left, &joined];
        prop_assert_eq!(forwarded_certificate(lines, None), Some([0xaa; 32]));
        let address = [left.as_slice(), b", 192.0.2.1"].concat();
        prop_assert_eq!(forwarded_address([other.as_slice(), &address], 1), "192.0.2.1".parse().ok());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(lines in any::<Vec<Vec<u8>>>(), hops in 0_usize..5) {
        let lines = || lines.iter().map(Vec::as_slice);
        let _ = forwarded_certificate(lines(), None);
        let _ = forwarded_certificate(lines(), Some([0; 32]));
        let _ = forwarded_address(lines(), hops);
    }
}
