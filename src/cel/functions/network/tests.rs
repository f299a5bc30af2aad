use super::{cidr, ip, is_global_unicast, is_link_local_multicast, is_link_local_unicast};

#[test]
fn an_address_is_one_whatever_it_is_written_as() {
    assert_eq!(ip("::ffff:c0a8:1"), ip("192.168.0.1"));
    assert_eq!(ip("2001:DB8::1"), ip("2001:db8:0:0::1"));
    for text in [
        "",
        "192.168.0.1.0",
        "192.168.0",
        "192.168.0.01",
        "192.168.0.256",
        "2001:db8:::68",
        "fe80::1%en0",
        "::ffff:192.168.0.1",
        "::192.168.0.1",
        "[::1]",
        "1.2.3.4:80",
        "1.2.3.4/32",
        " ::1",
        "1",
    ] {
        assert!(ip(text).is_err(), "{text}");
    }
}

#[test]
fn a_network_is_an_address_and_a_length() {
    let network = |text: &str| cidr(text).expect(text);
    assert_eq!(network("192.168.0.1/24").to_string(), "192.168.0.1/24");
    assert_eq!(network("2001:DB8::/32").to_string(), "2001:db8::/32");
    assert!(network("0.0.0.0/0").contains(&ip("203.0.113.7").expect("an address")));
    for text in [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "::/129",
        "10.0.0/8",
        "fe80::1%en0/24",
        "::ffff:192.168.0.1/24",
        "::ffff:c0a8:1/120",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/999",
    ] {
        assert!(cidr(text).is_err(), "{text}");
    }
}

#[test]
fn addresses_have_kinds() {
    for (text, global, link, multicast) in [
        ("192.168.0.1", true, false, false),
        ("8.8.8.8", true, false, false),
        ("255.255.255.255", false, false, false),
        ("0.0.0.0", false, false, false),
        ("127.8.0.1", false, false, false),
        ("224.0.0.1", false, false, true),
        ("224.0.1.1", false, false, false),
        ("169.254.169.254", false, true, false),
        ("::", false, false, false),
        ("::1", false, false, false),
        ("2001:db8::abcd", true, false, false),
        ("fd80::1", true, false, false),
        ("fe80::1", false, true, false),
        ("febf::1", false, true, false),
        ("ff02::1", false, false, true),
        ("ff32::1", false, false, true),
        ("ff05::1", false, false, false),
    ] {
        let address = ip(text).expect(text);
        assert_eq!(is_global_unicast(address), global, "{text}");
        assert_eq!(is_link_local_unicast(address), link, "{text}");
        assert_eq!(is_link_local_multicast(address), multicast, "{text}");
    }
}
