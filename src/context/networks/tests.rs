use proptest::prelude::*;

use super::*;

fn networks(list: &[(&str, u16)]) -> Result<Networks<u16>, Vec<Clash<u16>>> {
    Networks::new(
        list.iter()
            .map(|(network, value)| (network.parse().expect("a network"), *value)),
    )
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_longest_prefix_wins() {
    let networks = networks(&[
        ("10.1.0.0/16", 2),
        ("0.0.0.0/0", 0),
        ("10.1.2.0/24", 3),
        ("10.0.0.0/8", 1),
        ("10.1.2.3/32", 4),
        ("10.1.255.0/24", 5),
        ("255.255.255.255/32", 6),
        ("2001:db8::/32", 7),
        ("2001:db8:1::/48", 8),
        ("2001:db8:1::1/128", 9),
    ])
    .expect("no prefix twice");
    for (asked, expected) in [
        ("0.0.0.0", Some(0)),
        ("9.255.255.255", Some(0)),
        ("10.0.0.0", Some(1)),
        ("10.0.255.255", Some(1)),
        ("10.1.0.0", Some(2)),
        ("10.1.1.255", Some(2)),
        ("10.1.2.0", Some(3)),
        ("10.1.2.2", Some(3)),
        ("10.1.2.3", Some(4)),
        ("10.1.2.4", Some(3)),
        ("10.1.2.255", Some(3)),
        ("10.1.3.0", Some(2)),
        ("10.1.254.255", Some(2)),
        ("10.1.255.255", Some(5)),
        ("10.2.0.0", Some(1)),
        ("10.255.255.255", Some(1)),
        ("11.0.0.0", Some(0)),
        ("255.255.255.254", Some(0)),
        ("255.255.255.255", Some(6)),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ("2001:db8::", Some(7)),
        ("2001:db8:1::", Some(8)),
        ("2001:db8:1::1", Some(9)),
        ("2001:db8:1:ffff:ffff:ffff:ffff:ffff", Some(8)),
        ("2001:db8:2::", Some(7)),
        ("2001:db9::", None),
        ("::1", None),
    ] {
        assert_eq!(networks.find(address(asked)), expected, "{asked}");
    }
}

#[test]
fn nothing_is_in_no_network() {
    let networks = networks(&[]).expect("no prefix twice");
    assert!(networks.is_empty());
    assert_eq!(networks.find(address("10.0.0.1")), None);
    assert_eq!(networks.find(address("::")), None);
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let networks = networks(&[("10.0.0.0/8", 1), ("::/0", 2), ("::ffff:192.168.0.0/112", 3)]).expect("no prefix twice");
    assert!(!networks.is_empty());
    for (asked, expected) in [
        ("::ffff:10.0.0.1", Some(1)),
        ("10.0.0.1", Some(1)),
        ("::ffff:11.0.0.1", None),
        ("11.0.0.1", None),
        ("::ffff:192.168.1.1", Some(3)),
        ("192.168.1.1", Some(3)),
        ("192.169.0.0", None),
        ("::10.0.0.1", Some(2)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(2)),
    ] {
        assert_eq!(networks.find(address(asked)), expected, "{asked}");
    }
}

#[test]
fn a_prefix_with_two_values_is_named_with_both() {
    let clash = |network: &str, first, second| Clash {
        network: network.parse().expect("a network"),
        first,
        second,
    };
    let clashes = networks(&[
        ("2001:db8::/32", 7),
        ("10.0.0.0/8", 1),
        ("10.0.0.0/9", 2),
        ("10.0.0.0/8", 2),
        ("10.0.0.0/8", 1),
        ("::ffff:10.0.0.0/104", 3),
        ("2001:db8::/32", 8),
    ]);
    let expected = vec![
        clash("10.0.0.0/8", 1, 2),
        clash("10.0.0.0/8", 1, 3),
        clash("2001:db8::/32", 7, 8),
    ];
    assert_eq!(clashes.map(|_| ()), Err(expected));
    assert!(networks(&[("10.0.0.0/8", 1), ("10.0.0.0/8", 1)]).is_ok());
}

#[test]
fn networks_are_read() {
    for (text, expected) in [
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("2001:DB8:1::/48", "2001:db8:1::/48"),
        ("::/0", "::/0"),
        ("::1/128", "::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
    ] {
        assert_eq!(parse_network(text).expect(text).to_string(), expected, "{text}");
    }
}

#[test]
fn what_is_no_network_is_refused_with_what_would_be_right() {
    for (text, said) in [
        (
            "10.1.2.3/8",
            "bits set beyond its prefix length of 8: did you mean `10.0.0.0/8`?",
        ),
        (
            "2001:db8::1/32",
            "bits set beyond its prefix length of 32: did you mean `2001:db8::/32`?",
        ),
        ("::ffff:10.0.0.1/104", "did you mean `::ffff:10.0.0.0/104`?"),
        ("10.1.2.3", "for this address alone write `10.1.2.3/32`"),
        ("::1", "for this address alone write `::1/128`"),
        ("10.0.0.0/33", "not a whole number from `0` to `32`"),
        ("::/129", "not a whole number from `0` to `128`"),
        ("10.0.0.0/", "not a whole number from `0` to `32`"),
        ("10.0.0.0/08", "not a whole number from `0` to `32`"),
        ("10.0.0.0/+8", "not a whole number from `0` to `32`"),
        ("10.0.0.0/4294967304", "not a whole number from `0` to `32`"),
        ("10.0.0.0/255.0.0.0", "not a whole number from `0` to `32`"),
        ("10.0.0.0/8/8", "not a whole number from `0` to `32`"),
        ("10.0.0.0:80/8", "is not a network"),
        ("010.0.0.0/8", "is not a network"),
        ("10.0.0/8", "is not a network"),
        ("[::]/0", "is not a network"),
        ("fe80::%eth0/64", "is not a network"),
        (" 10.0.0.0/8", "is not a network"),
        (
            "us-east-1",
            "is not a network: write `address/length`, such as `10.1.0.0/16` or `2001:db8::/32`",
        ),
        ("", "`` is not a network"),
        ("\n", r"`\n` is not a network"),
    ] {
        let error = parse_network(text).expect_err(text).to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
    let long = parse_network(&"1".repeat(1000)).expect_err("too long").to_string();
    assert!(long.starts_with(&format!("`{}…`", "1".repeat(64))), "{long}");
}

#[test]
fn addresses_are_read_as_envoy_prints_them() {
    for (text, expected) in [
        ("10.0.0.1", Some("10.0.0.1")),
        ("10.0.0.1:80", Some("10.0.0.1")),
        ("10.0.0.1:0", Some("10.0.0.1")),
        ("10.0.0.1:65535", Some("10.0.0.1")),
        ("255.255.255.255", Some("255.255.255.255")),
        ("::1", Some("::1")),
        ("::", Some("::")),
        ("2001:db8::80", Some("2001:db8::80")),
        ("[::1]:443", Some("::1")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("[::ffff:10.0.0.1]:443", Some("10.0.0.1")),
        ("", None),
        ("10.0.0.1:", None),
        ("10.0.0.1:65536", None),
        ("10.0.0.1:080", None),
        ("10.0.0.1:+80", None),
        ("10.0.0.1:80:80", None),
        ("10.0.0.1 ", None),
        (" 10.0.0.1", None),
        ("10.0.0.1\n", None),
        ("10.0.0.1, 10.0.0.2", None),
        ("010.0.0.1", None),
        ("10.0.0", None),
        ("10.0.0.256", None),
        ("0x0a.0.0.1", None),
        ("167772161", None),
        ("[10.0.0.1]:80", None),
        ("[::1]", None),
        ("[::1]:", None),
        ("[::1]443", None),
        ("[::1]:65536", None),
        ("[[::1]]:443", None),
        ("::1]:443", None),
        ("fe80::1%eth0", None),
        ("[fe80::1%eth0]:443", None),
        ("[fe80::1%1]:443", None),
        ("/run/envoy.sock", None),
        ("envoy://internal_client_address/", None),
        ("localhost", None),
    ] {
        assert_eq!(parse_address(text.as_bytes()), expected.map(address), "{text:?}");
    }
    assert_eq!(parse_address(b"10.0.0.1\xff"), None);
    assert_eq!(parse_address(b"10.0.0.1\0"), None);
}

/// Addresses that share few bits or many, of both families and mapped ones.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let v4 = (
        prop_oneof![Just(0_u32), Just(0x0a01_0000), Just(u32::MAX)],
        any::<u32>(),
        0_u32..=32,
    );
    let v4 = v4.prop_map(|(base, noise, bits)| Ipv4Addr::from(base ^ noise.checked_shr(bits).unwrap_or(0)));
    let v6 = (
        prop_oneof![Just(0_u128), Just(0x2001_0db8 << 96), Just(u128::MAX)],
        any::<u128>(),
        0_u32..=128,
    );
    let v6 = v6.prop_map(|(base, noise, bits)| Ipv6Addr::from(base ^ noise.checked_shr(bits).unwrap_or(0)));
    prop_oneof![
        v4.clone().prop_map(IpAddr::V4),
        v6.prop_map(IpAddr::V6),
        v4.prop_map(|v4| v4.to_ipv6_mapped().into())
    ]
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    (addresses(), 0_u8..=128).prop_map(|(address, length)| {
        let length = if address.is_ipv4() { length.min(32) } else { length };
        IpNet::new(address, length).expect("a length of the family")
    })
}

/// The last longest prefix of the whole list.
fn scan(networks: &[(IpNet, u16)], address: IpAddr) -> Option<u16> {
    let holding = networks
        .iter()
        .filter(|(network, _)| network.contains(&address.to_canonical()));
    holding
        .max_by_key(|(network, _)| network.prefix_len())
        .map(|(_, value)| *value)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_look_up_equals_a_scan(list in prop::collection::vec(prefixes(), 0..40), more in prop::collection::vec(addresses(), 20)) {
        let mut networks: Vec<(IpNet, u16)> = Vec::new();
        for (value, network) in (0..).zip(list) {
            let network = canonical(network).trunc();
            if networks.iter().all(|(known, _)| *known != network) {
                networks.push((network, value));
            }
        }
        let map = Networks::new(networks.clone()).expect("each prefix once");
        let step = |address: IpAddr, up: bool| match address {
            IpAddr::V4(v4) => {
                let number = u32::from(v4);
                IpAddr::V4(if up { number.wrapping_add(1) } else { number.wrapping_sub(1) }.into())
            }
            IpAddr::V6(v6) => {
                let number = u128::from(v6);
                IpAddr::V6(if up { number.wrapping_add(1) } else { number.wrapping_sub(1) }.into())
            }
        };
        let edges = networks.iter().flat_map(|(network, _)| {
            let (first, last) = (network.network(), network.broadcast());
            [step(first, false), first, last, step(last, true)]
        });
        for address in edges.chain(more) {
            prop_assert_eq!(map.find(address), scan(&networks, address), "{}", address);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..50)) {
        let _ = parse_network(&text);
        let _ = parse_address(text.as_bytes());
        let _ = parse_address(&bytes);
    }

    #[test]
    fn what_looks_like_an_address_is_read_or_refused(text in "[\\[\\]:.%/0-9a-f]{0,24}") {
        let _ = parse_network(&text);
        let _ = parse_address(text.as_bytes());
    }

    #[test]
    fn an_address_is_read_back(address in addresses(), port in any::<u16>()) {
        let canonical = Some(address.to_canonical());
        prop_assert_eq!(parse_address(address.to_string().as_bytes()), canonical);
        let with_port = std::net::SocketAddr::new(address, port).to_string();
        prop_assert_eq!(parse_address(with_port.as_bytes()), canonical);
    }

    #[test]
    fn a_network_is_read_back(network in prefixes()) {
        let network = canonical(network.trunc());
        prop_assert_eq!(parse_network(&network.to_string()), Ok(network));
    }
}
