use serde_json::json;

use super::super::*;
use super::{expect, refuses};

#[test]
fn of_edges() {
    let good = json!({"peers": ["10.0.0.0/8"], "addressHeader": "x-forwarded-for"});
    let edge = |field: &str, value: Json| {
        let mut edge = good.clone();
        edge[field] = value;
        json!([edge])
    };
    let mut bundle = sample();
    set(&mut bundle, "trust.edges", json!([good]));
    parsed(&bundle);

    refuses("trust.edges", json!([]), "", "an empty list");
    refuses(
        "trust.edges",
        json!(vec![good.clone(); 17]),
        "",
        "too many: 17, 16 at most",
    );
    refuses(
        "trust.edges",
        json!([{"addressHeader": "x-forwarded-for"}]),
        "trust.edges[0]",
        "`peers` is missing",
    );
    refuses(
        "trust.edges",
        json!([{"peers": ["10.0.0.0/8"]}]),
        "trust.edges[0]",
        "give `addressHeader`, `certificateHeader`, `regionHeader` or `countryHeader`",
    );
    refuses(
        "trust.edges",
        edge("peers", json!([])),
        "trust.edges[0].peers",
        "an empty list",
    );
    for (peer, fragment) in [
        ("10.0.0.1", "did you mean"),
        ("10.0.0.1/8", "did you mean `10.0.0.0/8`?"),
        ("edge.example.com", "not a network"),
        ("spiffe://prod", "names a trust domain"),
        ("spiffe://*", "whole segments"),
    ] {
        let fragment = if peer == "10.0.0.1" {
            "write `10.0.0.1/32`"
        } else {
            fragment
        };
        refuses(
            "trust.edges",
            edge("peers", json!([peer])),
            "trust.edges[0].peers[0]",
            fragment,
        );
    }
    for header in [
        "authorization",
        "Cookie",
        "dpop",
        "host",
        ":path",
        "x forwarded",
        "x-regionguard-subject",
    ] {
        for field in ["addressHeader", "certificateHeader"] {
            let place = format!("trust.edges[0].{field}");
            refuses(
                "trust.edges",
                edge(field, json!(header)),
                &place,
                "not a header in which",
            );
        }
    }
    refuses(
        "trust.edges",
        edge("addressHeader", json!("Forwarded")),
        "trust.edges[0].addressHeader",
        "RFC 7239",
    );
    for header in [
        "X-Forwarded-Country",
        "x_forwarded_country",
        "x-envoy-country",
        "content-type",
        "x-real-ip",
        "via",
    ] {
        for field in ["regionHeader", "countryHeader"] {
            let place = format!("trust.edges[0].{field}");
            refuses(
                "trust.edges",
                edge(field, json!(header)),
                &place,
                "says something else already",
            );
        }
    }
    for field in ["regionHeader", "countryHeader"] {
        let place = format!("trust.edges[0].{field}");
        refuses(
            "trust.edges",
            edge(field, json!("x country")),
            &place,
            "not a header in which",
        );
        refuses(
            "trust.edges",
            edge(field, json!("authorization")),
            &place,
            "not a header in which",
        );
    }
    refuses(
        "trust.edges",
        json!([{"peers": ["10.0.0.0/8"], "regionHeader": "x-place", "countryHeader": "X_Place"}]),
        "trust.edges[0]",
        "`x-place` cannot say two things",
    );
    for hops in [json!(0), json!(17), json!("1"), json!(1.5)] {
        refuses("trust.edges", edge("hops", hops), "trust.edges[0].hops", "must be");
    }
    refuses(
        "trust.edges",
        json!([{"peers": ["10.0.0.0/8"], "certificateHeader": "x-forwarded-client-cert", "hops": 1}]),
        "trust.edges[0].hops",
        "goes with `addressHeader`",
    );
    refuses(
        "trust.edges",
        edge("certificate", json!("x")),
        "trust.edges[0].certificate",
        "no such field",
    );
}

/// Who has not said that certificates are validated cannot tell an edge by its certificate.
#[test]
fn an_edge_by_name_needs_verified_peers() {
    let edges = json!([{"peers": ["spiffe://prod/ns/edge/*"], "addressHeader": "x-forwarded-for"}]);
    let mut bundle = sample();
    set(&mut bundle, "trust.edges", edges);
    set(&mut bundle, "trust.peerVerification", json!("required"));
    parsed(&bundle);
    // What it may have meant is not held against the edge.
    set(&mut bundle, "trust.peerVerification", json!("required!"));
    assert_eq!(refused(&bundle).len(), 1);
    for word in [Some("none"), None] {
        match word {
            Some(word) => set(&mut bundle, "trust.peerVerification", json!(word)),
            None => remove(&mut bundle, "trust.peerVerification"),
        }
        expect(&bundle, "trust.edges[0].peers[0]", "no peer has an identity here");
    }
}

/// What an edge says stands in a header that nobody else fills.
#[test]
fn a_place_has_a_header_of_its_own() {
    for field in ["regionHeader", "countryHeader"] {
        let edges = json!([{"peers": ["10.0.0.0/8"], field: "X_User"}]);
        let mut bundle = sample();
        set(&mut bundle, "trust.edges", edges);
        let place = format!("trust.edges[0].{field}");
        expect(&bundle, &place, "fills this header with a claim");
        remove(&mut bundle, "documents[2].spec.forward");
        parsed(&bundle);
        set(&mut bundle, "tokens", json!({"sources": [{"header": "x-user"}]}));
        expect(&bundle, &place, "takes tokens from this header");
    }
}
