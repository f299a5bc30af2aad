use serde_json::{Value, json};

use crate::identity::testing::{NOW, Point, Signer, accepts, claims, claims_with, region};
use crate::identity::{SpiffeId, SpiffePattern};
use crate::reason::Reason;

const OURS: &str = "spiffe://us.example/ns/billing/sa/reporter";
const ACCEPTED: &str = "spiffe://eu.example/ns/pay/sa/a";
const OTHER: &str = "spiffe://eu.example/ns/web/sa/a";

/// `us-east-1` with keys for people and for workloads; of the workloads of `eu-west-1`, whose keys are for workloads alone, it accepts those below `ns/pay`.
struct Mesh {
    point: Point,
    people: Signer,
    us: Signer,
    eu: Signer,
}

/// As it stands in a SPIFFE bundle.
fn for_svids(signer: &Signer) -> Value {
    let mut jwk = signer.jwk();
    jwk["use"] = json!("jwt-svid");
    jwk
}

fn mesh() -> Mesh {
    let (people, us, eu) = (
        Signer::ed25519("people", 1),
        Signer::p256("C6vs25we"),
        Signer::p256("eu"),
    );
    let mut authority = Signer::p256("x").jwk();
    authority["use"] = json!("x509-svid");
    let mut regions = vec![
        region("eu-west-1", &[authority, for_svids(&eu)]),
        region("us-east-1", &[people.jwk(), for_svids(&us)]),
    ];
    regions[0].trust_domains = vec!["eu.example".to_owned()];
    regions[1].trust_domains = vec!["us.example".to_owned()];
    let mut entry = accepts("eu-west-1", &[], &[]);
    entry.workloads = vec![SpiffePattern::parse("spiffe://eu.example/ns/pay/*").expect("a pattern")];
    regions[1].accepts = vec![entry];
    let mut point = Point::new(regions);
    point.local = 1;
    Mesh { point, people, us, eu }
}

/// What a SPIFFE issuer signs: no `iss`, no region, and often no `iat`.
fn svid(subject: &str) -> Value {
    json!({"sub": subject, "aud": ["api.us-east-1.com"], "exp": NOW + 300})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[test]
fn a_jwt_svid_is_a_token_of_the_region_that_lists_its_trust_domain() {
    let Mesh { mut point, us, eu, .. } = mesh();
    for (signer, subject, home) in [(&us, OURS, "us-east-1"), (&eu, ACCEPTED, "eu-west-1")] {
        let kid = if home == "us-east-1" { "C6vs25we" } else { "eu" };
        for header in [
            json!({"alg": "ES256", "kid": kid, "typ": "JWT"}),
            json!({"alg": "ES256", "kid": kid, "typ": "JOSE"}),
            json!({"alg": "ES256", "kid": kid}),
            json!({"alg": "ES256"}),
        ] {
            let token = signer.token_with(&header.to_string(), &svid(subject).to_string());
            let found = point
                .ask(&token)
                .unwrap_or_else(|reason| panic!("{header}: {reason:?}"));
            let identity = &found.identity;
            assert_eq!(
                (identity.home_name.as_str(), identity.subject.as_str()),
                (home, subject)
            );
            assert_eq!(identity.issuer, "identity.global.com");
            assert_eq!(identity.workload, SpiffeId::parse(subject.as_bytes()));
            assert!(found.subject.permissions.is_empty() && found.subject.roles.is_empty());
        }
    }
    let issued = with(svid(OURS), "iss", json!("identity.global.com"));
    assert!(point.ask(&us.token(&issued)).is_ok());
}

#[test]
fn what_it_says_beside_its_subject_must_not_say_otherwise() {
    let Mesh { mut point, us, .. } = mesh();
    for (claims, reason) in [
        (
            with(svid(OURS), "iss", json!("https://oidc.example")),
            Reason::RegionMismatch,
        ),
        (with(svid(OURS), "iss", json!(1)), Reason::RegionMismatch),
        (with(svid(OURS), "region", json!("eu-west-1")), Reason::RegionMismatch),
        (
            with(svid(OURS), "aud", json!(["api.eu-west-1.com"])),
            Reason::TokenAudience,
        ),
        (with(svid(OURS), "aud", json!([])), Reason::TokenAudience),
        (with(svid(OURS), "exp", json!(NOW - 31)), Reason::TokenExpired),
        (with(svid(OURS), "exp", json!(null)), Reason::TokenClaims),
        (with(svid(OURS), "cnf", json!({"kid": "a"})), Reason::TokenBound),
    ] {
        assert_eq!(point.refusal(&us.token(&claims)), Some(reason), "{claims}");
    }
}

#[test]
fn a_workload_that_is_not_accepted_is_not_by_its_token_either() {
    let Mesh { mut point, eu, .. } = mesh();
    assert_eq!(
        point.refusal(&eu.token(&svid(OTHER))),
        Some(Reason::WorkloadNotAccepted)
    );
    let accepted = eu.token(&svid(ACCEPTED));
    assert!(point.ask(&accepted).is_ok());
    // On a hit of the cache as well.
    point.regions[1].accepts[0].workloads.clear();
    assert_eq!(point.refusal(&accepted), Some(Reason::WorkloadNotAccepted));
    point.regions[1].accepts.clear();
    assert_eq!(point.refusal(&accepted), Some(Reason::RegionNotAccepted));
}

/// A key that is for JWT-SVIDs signs nothing else, and where a Region has such keys no other one signs a JWT-SVID.
#[test]
fn keys_are_for_workloads_or_for_others() {
    let Mesh {
        mut point,
        people,
        us,
        eu,
    } = mesh();
    assert!(point.ask(&people.token(&claims("us-east-1"))).is_ok());
    assert_eq!(point.refusal(&us.token(&claims("us-east-1"))), Some(Reason::KeyUnknown));
    assert_eq!(point.refusal(&people.token(&svid(OURS))), Some(Reason::KeyUnknown));
    // Another trust domain's keys are another Region's.
    assert_eq!(point.refusal(&eu.token(&svid(OURS))), Some(Reason::KeyUnknown));
    let header = json!({"alg": "ES256", "kid": "C6vs25we"}).to_string();
    let forged = eu.token_with(&header, &svid(OURS).to_string());
    assert_eq!(point.refusal(&forged), Some(Reason::TokenSignature));
    // Where none is for JWT-SVIDs alone (an OIDC discovery provider of SPIFFE says nothing, or `sig`), all may sign them.
    let plain = Signer::p256("plain");
    let mut region = region("us-east-1", &[plain.jwk()]);
    region.trust_domains = vec!["us.example".to_owned()];
    let mut alone = Point::new(vec![region]);
    assert!(alone.ask(&plain.token(&svid(OURS))).is_ok());
}

#[test]
fn no_other_token_poses_as_a_workload() {
    let Mesh {
        mut point, people, us, ..
    } = mesh();
    for subject in [
        "spiffe://unlisted.example/a",
        "spiffe://us.example",
        "spiffe://us.example/",
        "spiffe://us.example/a//b",
        "spiffe://us.example/%61",
        "SPIFFE://us.example/a",
        "spiffe://US.example/a",
        "spiffe://us.example:8443/a",
    ] {
        let claims = claims_with("us-east-1", "sub", json!(subject));
        assert_eq!(
            point.refusal(&people.token(&claims)),
            Some(Reason::WorkloadNotAccepted),
            "{subject}"
        );
        let reason = point.refusal(&us.token(&svid(subject)));
        assert_eq!(
            reason,
            Some(Reason::TokenClaims),
            "no `iss` tells its Region: {subject}"
        );
    }
    let header = json!({"alg": "EdDSA", "kid": "people", "typ": "JOSE"}).to_string();
    let token = people.token_with(&header, &claims("us-east-1").to_string());
    assert_eq!(point.refusal(&token), Some(Reason::TokenType));
    // Where a Region has no trust domains, `sub` is what its issuer says.
    point.regions[1].trust_domains.clear();
    point.trust[0] ^= 1;
    let found = point.ask(&people.token(&claims_with("us-east-1", "sub", json!("spiffe://x/y"))));
    assert_eq!(found.expect("valid").identity.workload, None);
}
