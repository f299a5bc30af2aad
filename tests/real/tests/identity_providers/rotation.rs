//! Keys that change at both providers while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regionguard_harness::Result;
use regionguard_harness::client::{Client, Request};
use regionguard_mesh::idp;
use tokio::task::JoinHandle;

use crate::access::person;
use crate::stage::{BATCH, EU, REFRESH, Stage};

const SERVICE: &[(&str, &str)] = &[("grant_type", "client_credentials"), ("scope", "read:profile")];

pub(crate) async fn keys_turn_at_both_providers_and_no_request_is_lost(stage: &mut Stage) -> Result<()> {
    let openid_before = stage.openid.tokens(BATCH, SERVICE).await?;
    let keycloak_before = person(stage, "luc").await?;
    stage
        .us
        .get("/v1/profiles/7", openid_before.access())
        .await?
        .allowed()?;
    stage
        .eu
        .get("/v1/reports/7", keycloak_before.access())
        .await?
        .allowed()?;
    let mut loads = Vec::new();
    for (site, path, token) in [
        (&stage.us, "/v1/profiles/8", openid_before.access()),
        (&stage.eu, "/v1/reports/8", keycloak_before.access()),
    ] {
        loads.push(Load::start(site.client(), site.request("GET", path).bearer(token)));
    }

    // New keys sign from now on, beside the ones before. The first token with one makes the proxy ask for the set.
    let calls = stage.us.fetches().await?;
    stage.openid.turn(&["second", "first"]).await?;
    let keycloak_key = stage.keycloak.add_key(EU).await?;
    let openid_after = stage.openid.tokens(BATCH, SERVICE).await?;
    let keycloak_after = person(stage, "luc").await?;
    assert_eq!(idp::header(openid_after.access())?["kid"], "second");
    assert_eq!(idp::header(keycloak_after.access())?["kid"], keycloak_key.as_str());
    stage.us.get("/v1/profiles/7", openid_after.access()).await?.allowed()?;
    stage
        .eu
        .get("/v1/reports/7", keycloak_after.access())
        .await?
        .allowed()?;
    assert!(stage.us.fetches().await? > calls, "it has asked");
    // Both keys verify while both are published.
    stage
        .us
        .get("/v1/profiles/7", openid_before.access())
        .await?
        .allowed()?;
    stage
        .eu
        .get("/v1/reports/7", keycloak_before.access())
        .await?
        .allowed()?;
    for load in loads {
        load.end().await?;
    }

    // The old keys are taken away, at Keycloak by its admin API. Their tokens end with the next refresh, cached as they are;
    // those of the new keys do not notice.
    let loads = [
        Load::start(
            stage.us.client(),
            stage.us.request("GET", "/v1/profiles/8").bearer(openid_after.access()),
        ),
        Load::start(
            stage.eu.client(),
            stage.eu.request("GET", "/v1/reports/8").bearer(keycloak_after.access()),
        ),
    ];
    stage.openid.turn(&["second"]).await?;
    stage.keycloak.keep_only(EU, &keycloak_key).await?;
    let deadline = Instant::now() + REFRESH + Duration::from_secs(10);
    for (site, path, token) in [
        (&stage.us, "/v1/profiles/7", openid_before.access()),
        (&stage.eu, "/v1/reports/7", keycloak_before.access()),
    ] {
        loop {
            let seen = site.get(path, token).await?;
            if seen.answer.status == 401 {
                seen.denied(401, "identity.key_unknown")?;
                break;
            }
            seen.allowed()?;
            if Instant::now() > deadline {
                return Err("a token whose key is gone gets in still".into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    for load in loads {
        load.end().await?;
    }
    Ok(())
}

pub(crate) async fn a_provider_that_is_away_takes_nobodys_access(stage: &mut Stage) -> Result<()> {
    let token = stage.openid.tokens(BATCH, SERVICE).await?;
    let fresh = stage.openid.tokens(BATCH, SERVICE).await?;
    stage.us.get("/v1/profiles/7", token.access()).await?.allowed()?;
    stage.openid.stop();
    tokio::time::sleep(REFRESH).await;
    // It was not seen before: its signature is verified with the keys that are there.
    let seen = stage.us.get("/v1/profiles/7", fresh.access()).await;
    stage.openid.resume().await?;
    seen?.allowed()?;
    Ok(())
}

/// One request again and again, each of which has to be answered 200.
struct Load {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<Result<()>>,
}

impl Load {
    fn start(client: Client, request: Request) -> Self {
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (Arc::clone(&over), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            let mut connection = client.connect().await?;
            while !until.load(Ordering::Relaxed) {
                let answer = connection.send(&request).await?;
                if answer.status != 200 {
                    return Err(format!("under load: {}: {}", answer.status, answer.text()).into());
                }
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        });
        Self { over, sent, task }
    }

    async fn end(self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await??;
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(sent > 20, "only {sent} requests were sent");
        Ok(())
    }
}
