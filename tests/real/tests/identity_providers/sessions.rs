//! Sessions of people at Keycloak that end.

use std::time::{Duration, Instant};

use regionguard_harness::Result;
use regionguard_harness::shelf::Document;
use regionguard_mesh::idp;
use serde_json::json;

use crate::access::person;
use crate::stage::{EU, REFRESH, REVOCATIONS, Stage};

pub(crate) async fn a_session_that_was_logged_out_and_revoked_is_over(stage: &mut Stage) -> Result<()> {
    let path = "/v1/reports/7";
    let (first, second) = (person(stage, "marie").await?, person(stage, "marie").await?);
    let sid = idp::claims(first.access())?["sid"].clone();
    assert!(sid.is_string());
    assert_ne!(
        sid,
        idp::claims(second.access())?["sid"],
        "each log-in is a session of its own"
    );
    stage.keycloak.log_out(EU, "shop", first.refresh()?).await?;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "shop"),
        ("refresh_token", first.refresh()?),
    ];
    assert!(
        stage.keycloak.tokens(EU, &fields).await.is_err(),
        "nothing new comes out of it"
    );
    // Keycloak does not tell those who check tokens by its keys: until `exp`, the token is as good as before.
    stage.eu.get(path, first.access()).await?.allowed()?;

    // So who is told of log-outs says so in a document of the bundle: from the next request on, it is over.
    let issuer = stage.keycloak.issuer(EU);
    let document = json!({
        "apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "log-outs"},
        "spec": {"sessions": [{"issuer": issuer, "sid": sid}]},
    });
    stage.push(EU, &[document]).await?;
    stage
        .eu
        .get(path, first.access())
        .await?
        .denied(401, "identity.revoked")?;
    // Her other session goes on, until the list that the region pulls names it.
    stage.eu.get(path, second.access()).await?.allowed()?;
    let sid = idp::claims(second.access())?["sid"].clone();
    stage
        .revocations
        .put(REVOCATIONS, Document::json(&json!({"sessions": [{"sid": sid}]})));
    let deadline = Instant::now() + REFRESH + Duration::from_secs(10);
    loop {
        let seen = stage.eu.get(path, second.access()).await?;
        if seen.answer.status == 401 {
            seen.denied(401, "identity.revoked")?;
            break;
        }
        seen.allowed()?;
        if Instant::now() > deadline {
            return Err("a token whose session is in the list gets in still".into());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let other = person(stage, "luc").await?;
    stage.eu.get(path, other.access()).await?.allowed()?;
    Ok(())
}
