//! Requests that look harmless to what is in force and are expensive to what is tried beside it.

use regionguard_harness::config::Base;
use regionguard_harness::issuer::with_bad_signature;
use serde_json::json;

use crate::common::{EU, Issuers, Site, US, bundle, get, policy, token};
use crate::scene::{never_trapped, profile, shop};

/// Everybody is refused at `/closed` before a token is looked at; only the candidate would look. Bad signatures sent there cost what is in force nothing: neither the
/// peer's budget nor the worker's.
#[tokio::test(flavor = "multi_thread")]
async fn bad_signatures_for_a_candidate_alone_leave_the_budget_whole() {
    let issuers = Issuers::new();
    let close = policy(
        "close",
        json!({"rules": [{"name": "closed", "paths": ["/closed"], "effect": "deny"}]}),
    );
    let open = policy(
        "open",
        json!({"rules": [{"name": "closed", "paths": ["/closed"], "effect": "allow"}]}),
    );
    let mut bundle = bundle(41, &issuers.regions(), &[shop(), close]);
    bundle["candidate"] = json!({"documents": [shop(), open], "sample": "100%"});
    let site = Site::start_with("attacks-tried", Base::Sidecar, &bundle, |config| config.concurrency(1)).await;

    let bad = |number: usize| {
        with_bad_signature(&token(&issuers.us, &format!("mallory-{number}"), &["read:profile"])).unwrap()
    };
    // More than any budget of what is in force has room for at once.
    let peers = [US, EU, "127.0.2.2", "127.0.2.3", "127.0.2.4", "127.0.2.5"];
    for number in 0..300 {
        let peer = peers[number % peers.len()];
        let answer = site
            .client(peer)
            .send(&get("/closed").bearer(&bad(number)))
            .await
            .unwrap();
        assert_eq!(answer.status, 403);
    }
    for number in 0..15 {
        let answer = site.client(US).send(&profile(&bad(number))).await.unwrap();
        assert_eq!(answer.status, 401, "a bad signature of what is in force is looked at");
    }
    let fresh = token(&issuers.us, "newcomer", &["read:profile"]);
    let answer = site.client(US).send(&profile(&fresh)).await.unwrap();
    assert_eq!(answer.status, 200, "a newcomer");
    let (judged, untold) = (
        site.counter("candidate.judged").await,
        site.counter("candidate.untold").await,
    );
    println!("{judged} judged by the candidate, of {untold} it cannot be told");
    assert!(judged >= 300 && untold > 100, "{judged}, {untold}");
    never_trapped(&site).await;
}
