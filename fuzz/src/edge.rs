//! What a proxy in front says of its caller, and what a certificate says.

use core::net::IpAddr;

use regionguard::identity::workload;
use regionguard::request::{forwarded_address, forwarded_certificate};

/// Lines of a header, with line feeds between them; before them a byte that says how many hops count.
///
/// Nothing that stands to the left of what the proxy itself wrote changes what is found. A workload has a SPIFFE id, whatever is read as a certificate.
pub fn edge(data: &[u8]) {
    let Some((hops, rest)) = data.split_first() else { return };
    let hops = usize::from(hops % 4) + 1;
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let address = forwarded_address(lines.iter().copied(), hops);
    let (naive, has_port) = naive_address(rest, hops);
    // Ports are read more strictly than by the standard library: one with zeros in front is none.
    if address.is_some() || !has_port {
        assert_eq!(address, naive, "{}", rest.escape_ascii());
    }
    for forged in [&b"10.0.0.1"[..], b"\"", b"Hash=00,", b"a;b=\"c"] {
        let mut more = vec![forged];
        more.extend(&lines);
        if address.is_some() {
            assert_eq!(forwarded_address(more, hops), address, "the caller's own word counts");
        }
    }
    let digest = forwarded_certificate(lines.iter().copied(), None);
    if let Some(digest) = digest {
        let text = rest.to_ascii_lowercase();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            text.windows(64).any(|part| part == hex.as_bytes()),
            "a digest that nobody wrote"
        );
        let own = forwarded_certificate(lines.iter().copied(), Some(digest));
        assert!(own != Some(digest) || text.windows(64).filter(|part| *part == hex.as_bytes()).count() > 1);
        let mut more = vec![&b"By=x;Hash=0000000000000000000000000000000000000000000000000000000000000000"[..]];
        more.extend(&lines);
        assert_eq!(
            forwarded_certificate(more, None),
            Some(digest),
            "the caller's own word counts"
        );
    }
    if let Some(workload) = workload(rest) {
        let id = workload.as_str();
        assert!(id.starts_with("spiffe://") && id.len() <= 2048 && id.is_ascii(), "{id}");
        assert!(
            !workload.trust_domain().is_empty() && !id.contains("/../") && !id.ends_with('/'),
            "{id}"
        );
    }
}

/// The address in the entry so many from the right, and whether a port stands behind it.
fn naive_address(lines: &[u8], hops: usize) -> (Option<IpAddr>, bool) {
    let text = String::from_utf8_lossy(lines).replace('\n', ",");
    let entries: Vec<&str> = text.split(',').collect();
    let Some(entry) = entries.len().checked_sub(hops).and_then(|at| entries.get(at)) else {
        return (None, false);
    };
    let entry = entry.trim_matches([' ', '\t']);
    let plain = entry.parse::<IpAddr>().ok();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare
        .and_then(|bare| bare.parse::<IpAddr>().ok())
        .filter(IpAddr::is_ipv6);
    let with_port = entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let has_port = plain.is_none() && bare.is_none() && with_port.is_some();
    (
        plain.or(bare).or(with_port).map(|address| address.to_canonical()),
        has_port,
    )
}
