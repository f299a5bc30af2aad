//! What a proxy in front may say of those behind it, and what everybody else may not.

use serde_json::{Value as Json, json};

use super::documents::rules;
use super::host::{Request, World, field, get};
use super::sender::bound_to_certificate;
use super::tokens::{Signer, claims, token};
use crate::identity::peer_certificate;
use crate::reason::Reason;

const EDGE: &str = "spiffe://prod/ns/edge/sa/edge";

fn world(edges: Json) -> World {
    let mut bundle = rules(json!([
        {"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "identity": "none", "effect": "allow"},
        {"name": "read", "paths": ["/profile"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!("required");
    bundle["trust"]["edges"] = edges;
    World::new(&bundle)
}

fn by_network() -> World {
    let mut world = world(json!([
        {"peers": ["127.0.9.0/24", "2001:db8:9::/48"], "addressHeader": "X-Forwarded-For", "certificateHeader": "X-Forwarded-Client-Cert"}
    ]));
    world.peer = Some(b"127.0.9.1".to_vec());
    world
}

fn by_name() -> World {
    let mut world = world(json!([
        {"peers": ["spiffe://prod/ns/edge/*"], "addressHeader": "x-forwarded-for", "certificateHeader": "x-forwarded-client-cert"}
    ]));
    world.certificate = Some(peer_certificate(&[EDGE]));
    world.digest = Some(b"ee".repeat(32));
    world.peer = Some(b"192.0.2.1".to_vec());
    world
}

/// The source in the decision line.
fn source(world: &mut World, forwarded_for: &[&str]) -> String {
    let request = forwarded_for
        .iter()
        .fold(get("/near"), |request, value| request.header("x-forwarded-for", value));
    let decision = world.decide(&request);
    let place = field(&decision, 5);
    place.split('>').nth(1).expect("a source").to_owned()
}

#[test]
fn an_edge_says_where_a_request_comes_from() {
    for mut world in [by_network(), by_name()] {
        for (header, expected) in [
            (&["127.0.1.9"][..], "us-east-1"),
            (&["127.0.1.9, 127.0.2.9"], "eu-west-1"),
            (&["127.0.1.9", "127.0.2.9"], "eu-west-1"),
            (&["127.0.2.9, 127.0.1.9:443"], "us-east-1"),
            (&["127.0.1.9, unknown"], "?"),
            (&["127.0.1.9,"], "?"),
            (&[], "?"),
        ] {
            assert_eq!(source(&mut world, header), expected, "{header:?}");
        }
    }
}

/// Never the edge's own, which says nothing of where its callers are.
#[test]
fn what_an_edge_does_not_say_is_unknown() {
    let mut world = world(json!([{"peers": ["127.0.1.0/24"], "addressHeader": "x-forwarded-for"}]));
    world.peer = Some(b"127.0.1.7".to_vec());
    for header in [
        &[][..],
        &["unknown"],
        &[""],
        &["127.0.2.9,"],
        &["127.0.1.9, 127.0.2.9, _"],
    ] {
        assert_eq!(source(&mut world, header), "?", "{header:?}");
    }
    assert_eq!(source(&mut world, &["127.0.2.9"]), "eu-west-1");
}

/// Each is who it is by its own address, whatever it writes.
#[test]
fn nobody_else_says_anything() {
    let mut stranger = by_network();
    stranger.peer = Some(b"127.0.2.9".to_vec());
    assert_eq!(source(&mut stranger, &["127.0.1.9"]), "eu-west-1");
    let mut unknown = by_network();
    unknown.peer = None;
    assert_eq!(source(&mut unknown, &["127.0.1.9"]), "?");

    let mut other = by_name();
    other.peer = Some(b"127.0.2.9".to_vec());
    other.certificate = Some(peer_certificate(&["spiffe://prod/ns/web/sa/web"]));
    assert_eq!(source(&mut other, &["127.0.1.9"]), "eu-west-1");
    other.certificate = Some(peer_certificate(&[EDGE, "spiffe://prod/ns/web/sa/web"]));
    assert_eq!(source(&mut other, &["127.0.1.9"]), "eu-west-1");
    (other.certificate, other.digest) = (None, None);
    assert_eq!(source(&mut other, &["127.0.1.9"]), "eu-west-1");
    other.certificate = Some(peer_certificate(&[EDGE]));
    assert_eq!(source(&mut other, &["127.0.1.9"]), "us-east-1");
}

#[test]
fn an_edge_by_an_ipv6_network() {
    let mut world = by_network();
    world.peer = Some(b"2001:db8:9::1".to_vec());
    assert_eq!(source(&mut world, &["::ffff:127.0.1.9"]), "us-east-1");
    world.peer = Some(b"::ffff:127.0.9.1".to_vec());
    assert_eq!(source(&mut world, &["127.0.1.9"]), "us-east-1");
    world.peer = Some(b"2001:db8:8::1".to_vec());
    assert_eq!(source(&mut world, &["127.0.1.9"]), "?");
}

#[test]
fn hops_are_counted_from_the_right() {
    let mut two = world(json!([{"peers": ["127.0.9.0/24"], "addressHeader": "x-forwarded-for", "hops": 2}]));
    two.peer = Some(b"127.0.9.1".to_vec());
    assert_eq!(source(&mut two, &["127.0.3.9, 127.0.1.9, 127.0.2.9"]), "us-east-1");
    assert_eq!(source(&mut two, &["127.0.1.9"]), "?");
}

/// Of several that a peer may be, the first; an edge that vouches for certificates only leaves the address to the connection.
#[test]
fn the_first_edge_that_fits_counts() {
    let certificates = json!({"peers": ["127.0.1.0/24"], "certificateHeader": "x-cert"});
    let addresses = json!({"peers": ["127.0.0.0/16"], "addressHeader": "x-forwarded-for"});
    let mut one = world(json!([certificates, addresses]));
    one.peer = Some(b"127.0.1.1".to_vec());
    assert_eq!(source(&mut one, &["127.0.2.9"]), "us-east-1");
    let mut other = world(json!([addresses, certificates]));
    other.peer = Some(b"127.0.1.1".to_vec());
    assert_eq!(source(&mut other, &["127.0.2.9"]), "eu-west-1");
}

fn bound(certificate: Option<&str>) -> Request {
    let request = get("/profile").bearer(&bound_to_certificate(&[0xab; 32]));
    match certificate {
        Some(value) => request.header("x-forwarded-client-cert", value),
        None => request,
    }
}

#[test]
fn an_edge_says_which_certificate_its_caller_has_shown() {
    let (ours, other, edge) = ("ab".repeat(32), "ac".repeat(32), "ee".repeat(32));
    for mut world in [by_network(), by_name()] {
        for (header, reason) in [
            (Some(format!("Hash={ours}")), Reason::RuleAllowed),
            (
                Some(format!("Hash={other},By=x;Hash={ours};URI={EDGE}")),
                Reason::RuleAllowed,
            ),
            (Some(format!("Hash={ours},Hash={other}")), Reason::CertificateOther),
            (Some(format!("Hash={ours},By=x")), Reason::CertificateMissing),
            (Some(format!("URI={EDGE}")), Reason::CertificateMissing),
            (Some("Hash=ab".to_owned()), Reason::CertificateMissing),
            (None, Reason::CertificateMissing),
        ] {
            assert_eq!(world.reason(&bound(header.as_deref())), reason, "{header:?}");
        }
    }
    // Where the proxy of this filter appends what it saw itself, that is the edge's own certificate.
    let mut appending = by_name();
    let header = format!("Hash={ours},Hash={edge}");
    assert_eq!(appending.reason(&bound(Some(&header))), Reason::RuleAllowed);
    let header = format!("Hash={edge}");
    assert_eq!(appending.reason(&bound(Some(&header))), Reason::CertificateMissing);
}

/// An edge presents its own certificate for whoever comes to it, so it stands for nobody.
#[test]
fn the_certificate_of_an_edge_is_nobodys() {
    let mut edge = by_name();
    edge.digest = Some(b"ab".repeat(32));
    assert_eq!(edge.reason(&bound(None)), Reason::CertificateMissing);
    let mut addresses = world(json!([{"peers": [EDGE], "addressHeader": "x-forwarded-for"}]));
    addresses.certificate = Some(peer_certificate(&[EDGE]));
    addresses.digest = Some(b"ab".repeat(32));
    let header = format!("Hash={}", "ab".repeat(32));
    assert_eq!(addresses.reason(&bound(Some(&header))), Reason::CertificateMissing);
}

#[test]
fn a_certificate_header_from_elsewhere_is_not_read() {
    let header = format!("Hash={}", "ab".repeat(32));
    let mut inside = by_network();
    inside.peer = Some(b"127.0.1.1".to_vec());
    assert_eq!(inside.reason(&bound(Some(&header))), Reason::CertificateMissing);
    inside.digest = Some(b"ac".repeat(32));
    assert_eq!(inside.reason(&bound(Some(&header))), Reason::CertificateOther);
    // A direct connection shows its own.
    inside.digest = Some(b"ab".repeat(32));
    assert_eq!(inside.reason(&bound(None)), Reason::RuleAllowed);
    let mut workload = by_name();
    workload.certificate = Some(peer_certificate(&["spiffe://prod/ns/web/sa/web"]));
    assert_eq!(workload.reason(&bound(Some(&header))), Reason::CertificateOther);
}

/// An edge that verifies nothing of its own listener still is told by its network: its word is the operator's.
#[test]
fn an_edge_by_network_needs_no_certificate_of_its_own() {
    let mut bundle = rules(json!([{"name": "read", "paths": ["/profile"], "effect": "allow"}]));
    bundle["trust"]["edges"] = json!([{"peers": ["127.0.9.0/24"], "certificateHeader": "x-forwarded-client-cert"}]);
    let mut world = World::new(&bundle);
    world.peer = Some(b"127.0.9.1".to_vec());
    let header = format!("Hash={}", "ab".repeat(32));
    assert_eq!(world.reason(&bound(Some(&header))), Reason::RuleAllowed);
    world.peer = Some(b"127.0.8.1".to_vec());
    assert_eq!(world.reason(&bound(Some(&header))), Reason::CertificateMissing);
}

/// Whoever sends bad signatures through an edge uses up his own budget, not that of everybody behind it.
#[test]
fn failures_are_counted_for_whom_the_edge_names() {
    let mut world = by_network();
    let forged = Signer::new("us-east-1", 2).token(&claims("us-east-1"));
    let from = |token: &str, address: &str| get("/profile").bearer(token).header("x-forwarded-for", address);
    for _ in 0..20 {
        assert_eq!(world.reason(&from(&forged, "127.0.1.66")), Reason::TokenSignature);
    }
    assert_eq!(world.reason(&from(&forged, "127.0.1.66")), Reason::VerificationBudget);
    assert_eq!(world.reason(&from(&forged, "127.0.1.67")), Reason::TokenSignature);
    assert_eq!(
        world.reason(&from(&token("us-east-1"), "127.0.1.67")),
        Reason::RuleAllowed
    );
}

/// Where the host does not say what tells an edge, anybody may be one: then nothing that a peer shows stands for it, and nothing that it writes counts.
#[test]
fn who_may_be_an_edge_stands_for_nobody() {
    let header = format!("Hash={}", "ab".repeat(32));
    let mut unaddressed = by_network();
    unaddressed.peer = None;
    let mut unnamed = by_name();
    unnamed.certificate = None;
    for mut world in [unaddressed, unnamed] {
        world.digest = Some(b"ab".repeat(32));
        assert_eq!(world.reason(&bound(None)), Reason::CertificateMissing);
        assert_eq!(world.reason(&bound(Some(&header))), Reason::CertificateMissing);
        assert_eq!(source(&mut world, &["127.0.1.9"]), "?");
    }
    // A peer without a certificate is no edge that is told by one.
    let mut plain = by_name();
    (plain.certificate, plain.digest) = (None, None);
    plain.peer = Some(b"127.0.2.9".to_vec());
    assert_eq!(source(&mut plain, &["127.0.1.9"]), "eu-west-1");
    let mut readable = by_name();
    readable.certificate = Some(b"no certificate".to_vec());
    readable.digest = Some(b"ab".repeat(32));
    assert_eq!(readable.reason(&bound(None)), Reason::RuleAllowed);
}

/// A bundle with edges asks for nothing where no rule does.
#[test]
fn a_request_that_nothing_asks_about_reads_nothing() {
    let mut world = by_name();
    assert_eq!(
        world.reason(&get("/profile").bearer(&token("us-east-1"))),
        Reason::RuleAllowed
    );
    assert_eq!((world.peer_reads.get(), world.certificate_reads.get()), (0, 0));
}

/// An edge forwards for whoever comes to it, so it is no service that asks on its own behalf; a rule may still be for what comes through it.
#[test]
fn an_edge_is_no_subject() {
    let mut bundle = rules(json!([
        {"name": "service", "paths": ["/service"], "identity": "workload", "effect": "allow"},
        {"name": "through", "paths": ["/through"], "identity": "none", "from": {"workloads": [EDGE]}, "effect": "allow"},
    ]));
    bundle["trust"]["peerVerification"] = json!("required");
    bundle["documents"][0]["spec"]["trustDomains"] = json!(["prod"]);
    let mut without = World::new(&bundle);
    without.certificate = Some(peer_certificate(&[EDGE]));
    assert_eq!(without.reason(&get("/service")), Reason::RuleAllowed);
    bundle["trust"]["edges"] = json!([{"peers": [EDGE], "addressHeader": "x-forwarded-for"}]);
    let mut world = World::new(&bundle);
    world.certificate = Some(peer_certificate(&[EDGE]));
    assert_ne!(world.reason(&get("/service")), Reason::RuleAllowed);
    assert_eq!(world.reason(&get("/through")), Reason::RulePublic);
    world.certificate = Some(peer_certificate(&["spiffe://prod/ns/web/sa/web"]));
    assert_eq!(world.reason(&get("/service")), Reason::RuleAllowed);
    // Nor is a peer of which nobody can tell whether it is one.
    bundle["trust"]["edges"] = json!([{"peers": ["127.0.9.0/24"], "addressHeader": "x-forwarded-for"}]);
    let mut untold = World::new(&bundle);
    untold.certificate = Some(peer_certificate(&["spiffe://prod/ns/web/sa/web"]));
    assert_eq!(untold.reason(&get("/service")), Reason::RuleAllowed);
    untold.peer = None;
    assert_eq!(untold.reason(&get("/service")), Reason::WorkloadNotAccepted);
}
