//! One region's word in another region: keys, audiences, permissions, names.

use regionguard_harness::issuer::Alg;
use serde_json::json;

use crate::common::{EU, Issuers, claims, get, sign};
use crate::scene::{profile, refused, site, unharmed};

#[tokio::test]
async fn the_keys_and_audiences_of_another_region() {
    let issuers = Issuers::new();
    let site = site("attacks-regions", &issuers).await;
    let (us, eu, ap) = (&issuers.us, &issuers.eu, &issuers.ap);
    let mut cases = Vec::new();
    // Every region's key under every other region's claims, under its own name and under the right one.
    for (signer, key) in [
        (us, "us-east-1-p256"),
        (eu, "eu-west-1-p256"),
        (ap, "ap-southeast-1-p256"),
    ] {
        for (victim, right) in [(us, "us-east-1-p256"), (eu, "eu-west-1-p256")] {
            if signer.region() == victim.region() {
                continue;
            }
            let good = claims(victim, "alice", &["read:profile"]);
            for (kid, reason) in [
                (Some(key), "identity.key_unknown"),
                (Some(right), "identity.signature"),
                (None, "identity.signature"),
            ] {
                let mut header = json!({"alg": "ES256"});
                if let Some(kid) = kid {
                    header["kid"] = json!(kid);
                }
                let token = signer.mint_with_header(Alg::Es256, key, &header, &good).unwrap();
                cases.push((format!("{key} for {}, kid {kid:?}", victim.region()), token, reason));
            }
        }
    }
    let with = |issuer: &regionguard_harness::issuer::Issuer, name: &str, value: serde_json::Value| {
        let mut claims = claims(issuer, "alice", &["read:profile"]);
        claims[name] = value;
        sign(issuer, &claims)
    };
    for aud in [
        json!("api.eu-west-1.com"),
        json!(["api.eu-west-1.com", "api.ap-southeast-1.com"]),
        json!("api.us-east-1.com.attacker.example"),
        json!("API.US-EAST-1.COM"),
        json!("https://api.us-east-1.com"),
        json!("us-east-1"),
        json!(""),
    ] {
        for issuer in [us, eu] {
            let what = format!("{} for the audience {aud}", issuer.region());
            cases.push((what, with(issuer, "aud", aud.clone()), "identity.audience"));
        }
    }
    cases.push((
        "no audience".to_owned(),
        with(us, "aud", json!(null)),
        "identity.claims",
    ));
    cases.push((
        "a region that is not accepted".to_owned(),
        with(ap, "x", json!(1)),
        "region.not_accepted",
    ));
    cases.push((
        "a region that is accepted, by name only".to_owned(),
        with(ap, "region", json!("eu-west-1")),
        "identity.key_unknown",
    ));
    cases.push((
        "a region that is none".to_owned(),
        with(eu, "region", json!("mars-1")),
        "region.mismatch",
    ));
    cases.push((
        "two regions".to_owned(),
        with(eu, "region", json!(["eu-west-1", "us-east-1"])),
        "region.mismatch",
    ));
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

/// What a home region writes into its tokens about another region counts as far as that other region lets it.
#[tokio::test]
async fn a_home_region_that_grants_itself_local_permissions() {
    let issuers = Issuers::new();
    let site = site("attacks-grants", &issuers).await;
    let mut greedy = claims(
        &issuers.eu,
        "mallory",
        &["local:only", "write:all", "*", "read:profile"],
    );
    greedy["permissions"]["regional"] = json!({
        "us-east-1": ["local:only", "*", "admin"], "eu-west-1": ["local:only"], "*": ["local:only"], "": ["local:only"],
    });
    greedy["roles"] = json!(["admin", "viewer", "*"]);
    greedy["accepts"] = json!([{"home": "eu-west-1", "permissions": ["*"], "roles": ["*"]}]);
    let token = sign(&issuers.eu, &greedy);
    let ask = async |path: &str| site.ask_from(EU, get(path).bearer(&token)).await;
    // us-east-1 takes `read:*` and the role `viewer` of eu-west-1.
    ask("/v1/profiles/42").await.allowed("rule.allowed", "inline");
    ask("/v1/local").await.denied(403, "permission.not_accepted", "inline");
    ask("/v1/admin").await.denied(403, "role.missing", "inline");

    // The local region's own word for the same permission is another matter.
    let mut own = claims(&issuers.us, "alice", &[]);
    own["permissions"]["regional"] = json!({"us-east-1": ["local:only"]});
    site.ask(get("/v1/local").bearer(&sign(&issuers.us, &own)))
        .await
        .allowed("rule.allowed", "inline");
    own["permissions"]["regional"] =
        json!({"eu-west-1": ["local:only"], "us-east-1 ": ["local:only"], "US-EAST-1": ["local:only"]});
    site.ask(get("/v1/local").bearer(&sign(&issuers.us, &own)))
        .await
        .denied(403, "permission.other_region", "inline");
    unharmed(&site, &issuers).await;
}

/// A name is a region's own: what one of them may, and what is remembered of it, is nothing to its namesake.
#[tokio::test]
async fn the_same_sub_in_two_regions() {
    let issuers = Issuers::new();
    let site = site("attacks-namesakes", &issuers).await;
    let (mut here, mut there) = (
        claims(&issuers.us, "alice", &["local:only", "read:profile"]),
        claims(&issuers.eu, "alice", &["local:only", "read:profile"]),
    );
    for claims in [&mut here, &mut there] {
        claims["jti"] = json!("one-and-the-same");
    }
    let (here, there) = (sign(&issuers.us, &here), sign(&issuers.eu, &there));
    for _ in 0..3 {
        let ours = site.ask(get("/v1/local").bearer(&here)).await;
        ours.allowed("rule.allowed", "inline");
        assert_eq!(ours.forwarded("x-regionguard-region"), ["us-east-1"]);
        assert_eq!(ours.decision().regions, "us-east-1>->us-east-1");
        let theirs = site.ask_from(EU, get("/v1/local").bearer(&there)).await;
        theirs.denied(403, "permission.not_accepted", "inline");
        let theirs = site.ask_from(EU, profile(&there)).await;
        theirs.allowed("rule.allowed", "inline");
        assert_eq!(theirs.forwarded("x-user"), ["alice"]);
        assert_eq!(theirs.forwarded("x-regionguard-region"), ["eu-west-1"]);
        assert_eq!(theirs.decision().regions, "eu-west-1>->us-east-1");
    }
    unharmed(&site, &issuers).await;
}
