use core::time::Duration;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::identity::testing::{NOW, Point, Signer, Yes, accepts, claims, claims_with, region};
use crate::identity::{ClaimMapping, ClaimPath, RegionClaim};
use crate::reason::Reason;

/// `us-east-1`, which accepts `read:*` and `viewer` of `eu-west-1`, and `ap-southeast-1`, which nobody accepts.
fn three_regions() -> (Point, [Signer; 3]) {
    let signers = [
        Signer::ed25519("k", 1),
        Signer::ed25519("k", 2),
        Signer::ed25519("k", 3),
    ];
    let names = ["ap-southeast-1", "eu-west-1", "us-east-1"];
    let mut regions: Vec<_> = names
        .iter()
        .zip(&signers)
        .map(|(name, signer)| region(name, &[signer.jwk()]))
        .collect();
    regions[2].accepts = vec![accepts("eu-west-1", &["read:*"], &["viewer"])];
    let mut point = Point::new(regions);
    point.local = 2;
    (point, signers)
}

fn eu_claims() -> Value {
    claims("eu-west-1")
}

#[test]
fn a_local_token_counts_in_full() {
    let (mut point, [_, _, us]) = three_regions();
    let found = point.ask(&us.token(&claims("us-east-1"))).expect("valid");
    let identity = &found.identity;
    assert_eq!(
        (
            identity.home_name.as_str(),
            identity.issuer.as_str(),
            identity.subject.as_str()
        ),
        ("us-east-1", "identity.global.com", "alice")
    );
    assert_eq!((identity.home.0, found.subject.home.0), (2, 2));
    assert_eq!(identity.claims.get("jti"), Some(&json!("1")));
    assert_eq!(found.subject.permissions, ["read:profile", "write:profile"]);
    assert_eq!(found.subject.roles, ["admin", "viewer"]);
    assert_eq!(found.subject.elsewhere, ["read:ledger"]);
    assert!(found.subject.refused.is_empty());
}

#[test]
fn a_foreign_token_counts_as_far_as_it_is_accepted() {
    let (mut point, [_, eu, _]) = three_regions();
    let found = point.ask(&eu.token(&eu_claims())).expect("valid");
    assert_eq!(found.identity.home_name, "eu-west-1");
    // The home region grants itself `write:profile` in the local one: it is dropped.
    assert_eq!(found.subject.permissions, ["read:profile"]);
    assert_eq!(found.subject.refused, ["write:profile"]);
    assert_eq!(found.subject.roles, ["viewer"]);
    assert_eq!(found.subject.elsewhere, ["read:ledger"]);
}

#[test]
fn an_entry_without_permissions_or_roles_accepts_none() {
    let (mut point, [_, eu, _]) = three_regions();
    point.regions[2].accepts = vec![accepts("eu-west-1", &[], &[])];
    let found = point.ask(&eu.token(&eu_claims())).expect("valid");
    assert!(found.subject.permissions.is_empty() && found.subject.roles.is_empty());
    assert_eq!(found.subject.refused, ["read:profile", "write:profile"]);
}

#[test]
fn the_region_is_told_by_issuer_and_claim() {
    let (mut point, [ap, eu, us]) = three_regions();
    let refused = |point: &mut Point, signer: &Signer, claims: Value| point.refusal(&signer.token(&claims));
    assert_eq!(
        refused(
            &mut point,
            &us,
            claims_with("us-east-1", "iss", json!("identity.other.com"))
        ),
        Some(Reason::IssuerUnknown)
    );
    assert_eq!(
        refused(
            &mut point,
            &us,
            claims_with("us-east-1", "iss", json!("IDENTITY.global.com"))
        ),
        Some(Reason::IssuerUnknown)
    );
    assert_eq!(
        refused(
            &mut point,
            &us,
            claims_with("us-east-1", "iss", json!("identity.global.com/"))
        ),
        Some(Reason::IssuerUnknown)
    );
    assert_eq!(
        refused(
            &mut point,
            &us,
            claims_with("us-east-1", "iss", json!(["identity.global.com"]))
        ),
        Some(Reason::TokenClaims)
    );
    assert_eq!(
        refused(&mut point, &us, claims_with("us-east-1", "iss", Value::Null)),
        Some(Reason::TokenClaims)
    );
    assert_eq!(refused(&mut point, &us, claims("mars")), Some(Reason::RegionMismatch));
    assert_eq!(
        refused(&mut point, &us, claims_with("us-east-1", "region", Value::Null)),
        Some(Reason::RegionMismatch)
    );
    assert_eq!(
        refused(
            &mut point,
            &us,
            claims_with("us-east-1", "region", json!(["us-east-1"]))
        ),
        Some(Reason::RegionMismatch)
    );
    assert_eq!(
        refused(&mut point, &ap, claims("ap-southeast-1")),
        Some(Reason::RegionNotAccepted)
    );
    assert_eq!(point.counting.calls.get(), 0, "nothing was verified for these");
    // A region's key signs for no other region.
    assert_eq!(
        refused(&mut point, &eu, claims("us-east-1")),
        Some(Reason::TokenSignature)
    );
    assert_eq!(
        refused(&mut point, &us, claims("eu-west-1")),
        Some(Reason::TokenSignature)
    );
}

#[test]
fn two_regions_that_a_token_may_mean_are_none() {
    let signer = Signer::ed25519("k", 1);
    let mut regions = vec![
        region("a", &[signer.jwk()]),
        region("b", &[Signer::ed25519("k", 2).jwk()]),
    ];
    regions[1].claims.region = RegionClaim::FromIssuer;
    let mut point = Point::new(regions);
    let token = signer.token(&claims_with("a", "aud", json!("api.a.com")));
    assert_eq!(point.refusal(&token), Some(Reason::RegionMismatch));
    point.regions[1].issuer = "identity.b.com".to_owned();
    assert!(point.ask(&token).is_ok());
}

#[test]
fn claims_may_stand_elsewhere() {
    let signer = Signer::ed25519("k", 1);
    let path = |path: &str| ClaimPath::new(path).expect("a path");
    let mut point = Point::with_keys(&[signer.jwk()]);
    point.regions[0].claims = ClaimMapping {
        region: RegionClaim::FromIssuer,
        permissions: path("scope"),
        roles: path("realm_access.roles"),
        ..ClaimMapping::default()
    };
    let mut claims = claims_with("us-east-1", "scope", json!("read:b read:a"));
    claims["realm_access"] = json!({"roles": ["auditor"]});
    let found = point.ask(&signer.token(&claims)).expect("valid");
    assert_eq!(
        (found.subject.permissions.join(" "), found.subject.roles.join(" ")),
        ("read:a read:b".to_owned(), "auditor".to_owned())
    );
    claims["realm_access"] = json!({"roles": {"auditor": true}});
    assert_eq!(point.refusal(&signer.token(&claims)), Some(Reason::TokenClaims));
}

#[test]
fn the_audience_is_the_local_regions() {
    let (mut point, [_, eu, us]) = three_regions();
    let refused = |point: &mut Point, aud: Value| point.refusal(&us.token(&claims_with("us-east-1", "aud", aud)));
    assert_eq!(refused(&mut point, json!(["x", "api.us-east-1.com"])), None);
    for aud in [
        json!("api.eu-west-1.com"),
        json!([]),
        Value::Null,
        json!("api.us-east-1.com "),
        json!("API.us-east-1.com"),
    ] {
        assert_eq!(refused(&mut point, aud), Some(Reason::TokenAudience));
    }
    assert_eq!(
        refused(&mut point, json!({"aud": "api.us-east-1.com"})),
        Some(Reason::TokenClaims)
    );
    let mut own = eu_claims();
    own["aud"] = json!("api.eu-west-1.com");
    assert_eq!(point.refusal(&eu.token(&own)), Some(Reason::TokenAudience));
}

#[test]
fn time_is_checked_first_and_on_each_hit() {
    let signer = Signer::ed25519("k", 1);
    let mut point = Point::with_keys(&[signer.jwk()]);
    for (name, value, reason) in [
        ("exp", json!(NOW - 30), Reason::TokenExpired),
        ("nbf", json!(NOW + 31), Reason::TokenNotYetValid),
        ("iat", json!(NOW + 31), Reason::TokenNotYetValid),
    ] {
        assert_eq!(
            point.refusal(&signer.token(&claims_with("us-east-1", name, value))),
            Some(reason)
        );
    }
    assert_eq!(point.counting.calls.get(), 0);

    let token = signer.token(&claims("us-east-1"));
    assert!(point.ask(&token).is_ok() && point.ask(&token).is_ok());
    assert_eq!(point.counting.calls.get(), 1);
    point.seconds = 629.0;
    assert!(point.ask(&token).is_ok());
    point.seconds = 630.0;
    assert_eq!(point.refusal(&token), Some(Reason::TokenExpired));
    assert_eq!((point.authenticator.cache.len(), point.counting.calls.get()), (0, 1));
}

#[test]
fn the_lifetime_is_the_shorter_of_home_and_local() {
    let (mut point, [_, eu, _]) = three_regions();
    let token = eu.token(&eu_claims());
    assert!(point.ask(&token).is_ok());
    for index in [1, 2] {
        point.regions[index].max_token_lifetime = Some(Duration::from_secs(659));
        assert_eq!(point.refusal(&token), Some(Reason::TokenLifetime), "on a hit");
        point.regions[index].max_token_lifetime = Some(Duration::from_secs(660));
        assert!(point.ask(&token).is_ok());
    }
    assert_eq!(point.counting.calls.get(), 1);
}

#[test]
fn a_token_that_is_bound_to_what_is_not_understood_is_refused() {
    let signer = Signer::ed25519("k", 1);
    let mut point = Point::with_keys(&[signer.jwk()]);
    for cnf in [
        json!({"x5t#S256": "AA"}),
        json!({"jkt": "AA"}),
        json!({}),
        json!(""),
        json!([]),
        json!(false),
    ] {
        let token = signer.token(&claims_with("us-east-1", "cnf", cnf));
        assert_eq!(point.refusal(&token), Some(Reason::TokenBound));
    }
    let null = claims("us-east-1").to_string().replacen('{', r#"{"cnf":null,"#, 1);
    assert_eq!(
        point.refusal(&signer.token_with(r#"{"alg":"EdDSA","kid":"k"}"#, &null)),
        Some(Reason::TokenBound)
    );
}

#[test]
fn malformed_permissions_and_roles_refuse_the_token() {
    let signer = Signer::ed25519("k", 1);
    let mut point = Point::with_keys(&[signer.jwk()]);
    for (name, value) in [
        ("permissions", json!(5)),
        ("permissions", json!({"global": "x"})),
        ("roles", json!({"a": 1})),
        ("roles", json!([1])),
    ] {
        assert_eq!(
            point.refusal(&signer.token(&claims_with("us-east-1", name, value))),
            Some(Reason::TokenClaims)
        );
    }
    assert_eq!(
        point.counting.calls.get(),
        0,
        "so nobody has them verified again and again"
    );
    let bare = signer.token(&claims_with("us-east-1", "permissions", Value::Null));
    assert!(point.ask(&bare).expect("valid").subject.permissions.is_empty());
}

#[test]
fn a_hit_serves_the_same_identity() {
    let signer = Signer::ed25519("k", 1);
    let mut point = Point::with_keys(&[signer.jwk()]);
    let token = signer.token(&claims("us-east-1"));
    let first = point.ask(&token).expect("valid");
    assert!(
        Rc::ptr_eq(&first, &point.ask(&token).expect("valid")),
        "a hit makes nothing new"
    );
    assert_eq!(point.hits, 1);
    assert_eq!(point.reads.get(), (0, 0), "neither clock nor peer is read");
}

#[test]
fn a_new_generation_is_a_new_view_of_the_same_identity() {
    let (mut point, [_, eu, _]) = three_regions();
    let token = eu.token(&eu_claims());
    let first = point.ask(&token).expect("valid");
    point.generation = [2; 32];
    point.regions[2].accepts = vec![accepts("eu-west-1", &["write:profile"], &[])];
    let second = point.ask(&token).expect("valid");
    assert!(Rc::ptr_eq(&first.identity, &second.identity));
    assert_eq!(
        (second.subject.permissions.join(" "), second.subject.roles.len()),
        ("write:profile".to_owned(), 0)
    );
    point.generation = [3; 32];
    point.regions[2].accepts = Vec::new();
    assert_eq!(point.refusal(&token), Some(Reason::RegionNotAccepted));
    point.regions[2].accepts = vec![accepts("eu-west-1", &["*"], &[])];
    point.regions[2].audiences = vec!["api.new.com".to_owned()];
    assert_eq!(point.refusal(&token), Some(Reason::TokenAudience));
    assert_eq!(point.counting.calls.get(), 1);
}

#[test]
fn another_trust_digest_forgets_everything() {
    let signer = Signer::ed25519("k", 1);
    let mut point = Point::with_keys(&[signer.jwk()]);
    let token = signer.token(&claims("us-east-1"));
    assert!(point.ask(&token).is_ok());
    // The key is taken away: a new trust.
    point.trust = [2; 32];
    point.regions = vec![region("us-east-1", &[Signer::ed25519("k", 5).jwk()])];
    assert_eq!(point.refusal(&token), Some(Reason::TokenSignature));
    assert_eq!(point.authenticator.cache.len(), 0);
    // And it does not come back from a cache when the old trust does.
    point.trust = [1; 32];
    point.regions = vec![region("us-east-1", &[signer.jwk()])];
    assert!(point.ask(&token).is_ok());
    assert_eq!(point.counting.calls.get(), 3);
}

#[test]
fn two_plugins_of_one_vm_do_not_trust_each_others_tokens() {
    let (ours, theirs) = (Signer::ed25519("k", 1), Signer::ed25519("k", 2));
    let mut first = Point::with_keys(&[ours.jwk()]);
    let mut second = Point::with_keys(&[theirs.jwk()]);
    let token = ours.token(&claims("us-east-1"));
    assert!(first.ask(&token).is_ok());
    assert_eq!(second.refusal(&token), Some(Reason::TokenSignature));
    assert!(first.ask(&token).is_ok());
    let token = theirs.token(&claims("us-east-1"));
    assert!(second.ask(&token).is_ok());
    assert_eq!(first.refusal(&token), Some(Reason::TokenSignature));
}

#[test]
fn the_same_sub_in_two_regions_is_two_subjects() {
    let (mut point, [_, eu, us]) = three_regions();
    let here = point.ask(&us.token(&claims("us-east-1"))).expect("valid");
    let there = point.ask(&eu.token(&eu_claims())).expect("valid");
    assert_eq!(here.identity.subject, there.identity.subject);
    assert_ne!(here.identity.home, there.identity.home);
    assert_ne!(here.subject, there.subject);
}

#[test]
fn refusals_are_not_remembered() {
    let (us, other) = (Signer::ed25519("k", 1), Signer::ed25519("k", 2));
    let mut point = Point::with_keys(&[us.jwk()]);
    let token = other.token(&claims("us-east-1"));
    assert_eq!(point.refusal(&token), Some(Reason::TokenSignature));
    assert_eq!(
        (point.authenticator.cache.len(), point.authenticator.cache.cost()),
        (0, 0)
    );
}

#[test]
fn twenty_thousand_tokens_stay_within_the_bound() {
    let mut point = Point::with_keys(&[Signer::ed25519("k", 1).jwk()]);
    point.verifier = Rc::new(Yes);
    let signer = Signer::ed25519("k", 2);
    let template = signer.token(&claims("us-east-1"));
    let (input, _) = template.rsplit_once('.').expect("a token");
    let bound = super::CACHE_BYTES;
    let mut peak = 0;
    for number in 0..20_000_u32 {
        let signature = [number.to_be_bytes(); 16].concat();
        let token = format!("{input}.{}", crate::identity::base64url::encode(&signature));
        // Once more, since a full cache takes in only what comes again.
        assert!(point.ask(&token).is_ok() && point.ask(&token).is_ok());
        let cost = point.authenticator.cache.cost();
        assert!(cost <= bound, "{cost}");
        peak = peak.max(cost);
    }
    let kept = point.authenticator.cache.len();
    assert!(
        peak > bound / 10 * 9 && (500..20_000).contains(&kept),
        "{peak} bytes, {kept} tokens"
    );
    // What was used last is there still.
    let last = format!(
        "{input}.{}",
        crate::identity::base64url::encode(&[19_999_u32.to_be_bytes(); 16].concat())
    );
    let first = point.ask(&last).expect("valid");
    assert!(Rc::ptr_eq(&first, &point.ask(&last).expect("valid")));
}

#[test]
fn tokens_that_come_once_do_not_push_out_those_in_use() {
    let mut point = Point::with_keys(&[Signer::ed25519("k", 1).jwk()]);
    point.verifier = Rc::new(Yes);
    let template = Signer::ed25519("k", 2).token(&claims("us-east-1"));
    let (input, _) = template.rsplit_once('.').expect("a token");
    let flood = |point: &mut Point, numbers: core::ops::Range<u32>| {
        for number in numbers {
            let signature = [number.to_be_bytes(); 16].concat();
            let token = format!("{input}.{}", crate::identity::base64url::encode(&signature));
            assert!(point.ask(&token).is_ok());
        }
    };
    flood(&mut point, 0..8_000);
    assert!(point.ask(&template).is_ok());
    // The cache is full, and this comes again.
    let known = point.ask(&template).expect("valid");
    flood(&mut point, 8_000..20_000);
    assert!(
        point.authenticator.cache.len() < 8_000,
        "the flood would have filled it"
    );
    assert!(Rc::ptr_eq(&known, &point.ask(&template).expect("valid")));
}

#[test]
fn claims_that_grow_in_memory_are_counted() {
    let mut point = Point::with_keys(&[Signer::ed25519("k", 1).jwk()]);
    point.verifier = Rc::new(Yes);
    let signer = Signer::ed25519("k", 2);
    let objects: Vec<Value> = (0..1_500).map(|_| json!({"": 0})).collect();
    let token = signer.token(&claims_with("us-east-1", "x", json!(objects)));
    assert!(token.len() < 16 * 1024);
    assert!(point.ask(&token).is_ok());
    let cost = point.authenticator.cache.cost();
    assert!(cost > 1_500 * 11 * 16, "{cost}");
}

#[test]
fn a_flood_of_bad_signatures_costs_its_peer_only() {
    let (ours, theirs) = (Signer::ed25519("k", 1), Signer::ed25519("k", 2));
    let mut point = Point::with_keys(&[ours.jwk()]);
    let cached = ours.token(&claims("us-east-1"));
    assert!(point.ask(&cached).is_ok());
    let bad = theirs.token(&claims("us-east-1"));
    let answers: Vec<_> = (0..500).map(|_| point.refusal(&bad)).collect();
    let verified = answers
        .iter()
        .filter(|answer| **answer == Some(Reason::TokenSignature))
        .count();
    assert_eq!(verified, 20);
    assert!(
        answers[20..]
            .iter()
            .all(|answer| *answer == Some(Reason::VerificationBudget))
    );
    assert_eq!(point.counting.calls.get(), 21);

    assert!(point.ask(&cached).is_ok(), "a cached token goes on, even for that peer");
    let fresh = ours.token(&claims_with("us-east-1", "jti", json!("2")));
    assert_eq!(
        point.refusal(&fresh),
        Some(Reason::VerificationBudget),
        "a new one of that peer does not"
    );
    point.peer = Some(core::net::IpAddr::from([10, 0, 0, 2]));
    assert!(point.ask(&fresh).is_ok(), "another peer goes on");
    point.peer = Some(core::net::IpAddr::from([10, 0, 0, 1]));
    point.seconds = 1.0;
    let later = ours.token(&claims_with("us-east-1", "jti", json!("3")));
    assert!(point.ask(&later).is_ok(), "and that peer too, after a while");
}
