//! Who gets in where, by which token.

use regionguard_harness::Result;
use regionguard_mesh::idp::{self, Tokens};

use crate::stage::{BATCH, EU, PASSWORD, Stage};

pub(crate) async fn a_service_gets_in_by_its_client_credentials(stage: &mut Stage) -> Result<()> {
    let fields = [("grant_type", "client_credentials"), ("scope", "read:profile")];
    let tokens = stage.openid.tokens(BATCH, &fields).await?;
    assert_eq!(idp::header(tokens.access())?["typ"], "at+jwt", "as RFC 9068 has it");
    let seen = stage.us.get("/v1/profiles/7", tokens.access()).await?;
    seen.allowed()?;
    assert_eq!(seen.forwarded("x-user")?.as_deref(), Some("batch"));
    stage.us.get("/v1/reports/7", tokens.access()).await?.allowed()?;
    stage
        .us
        .get("/v1/drafts/7", tokens.access())
        .await?
        .denied(403, "role.missing")?;
    // A scope that was not asked for is not in the token.
    let less = stage
        .openid
        .tokens(BATCH, &[("grant_type", "client_credentials")])
        .await?;
    let seen = stage.us.get("/v1/profiles/7", less.access()).await?;
    seen.denied(403, "permission.missing")?;
    // Where it is not accepted, it is nobody's.
    let seen = stage.eu.get("/v1/reports/7", tokens.access()).await?;
    seen.denied(401, "region.not_accepted")?;
    Ok(())
}

pub(crate) async fn roles_of_keycloak_count_where_they_are_accepted(stage: &mut Stage) -> Result<()> {
    let marie = person(stage, "marie").await?;
    let luc = person(stage, "luc").await?;
    for path in ["/v1/reports/7", "/v1/drafts/7"] {
        let seen = stage.eu.get(path, marie.access()).await?;
        seen.allowed()?;
        assert_eq!(seen.decision.regions.split('>').next(), Some(EU));
    }
    stage.eu.get("/v1/reports/7", luc.access()).await?.allowed()?;
    stage
        .eu
        .get("/v1/drafts/7", luc.access())
        .await?
        .denied(403, "role.missing")?;
    // us-east-1 takes the role `viewer` of eu-west-1, and no other.
    stage.us.get("/v1/reports/7", marie.access()).await?.allowed()?;
    stage
        .us
        .get("/v1/drafts/7", marie.access())
        .await?
        .denied(403, "role.missing")?;
    let batch = [
        ("grant_type", "client_credentials"),
        ("client_id", BATCH.0),
        ("client_secret", BATCH.1),
    ];
    let batch = stage.keycloak.tokens(EU, &batch).await?;
    stage.eu.get("/v1/reports/7", batch.access()).await?.allowed()?;
    Ok(())
}

pub(crate) async fn a_refreshed_token_gets_in_as_the_one_before(stage: &mut Stage) -> Result<()> {
    let first = person(stage, "marie").await?;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "shop"),
        ("refresh_token", first.refresh()?),
    ];
    let second = stage.keycloak.tokens(EU, &fields).await?;
    assert_ne!(first.access(), second.access());
    let claims = [idp::claims(first.access())?, idp::claims(second.access())?];
    for name in ["sub", "sid"] {
        assert!(claims[0][name].is_string());
        assert_eq!(claims[0][name], claims[1][name], "the same person, the same session");
    }
    let mut users = Vec::new();
    for tokens in [&first, &second] {
        let seen = stage.eu.get("/v1/drafts/7", tokens.access()).await?;
        users.push(seen.allowed()?.forwarded("x-user")?);
    }
    assert_eq!(users[0], users[1]);
    // Rotation is on: a refresh token serves once.
    let again = stage.keycloak.tokens(EU, &fields).await;
    assert!(again.is_err_and(|error| error.to_string().contains("invalid_grant")));
    Ok(())
}

pub(crate) async fn an_encryption_key_in_the_set_spoils_nothing(stage: &mut Stage) -> Result<()> {
    let jwks = stage.keycloak.jwks(EU).await?;
    let keys = jwks["keys"].as_array().ok_or("no keys")?;
    assert!(
        keys.iter().any(|key| key["use"] == "enc" && key["alg"] == "RSA-OAEP"),
        "{jwks}"
    );
    let tokens = person(stage, "luc").await?;
    stage.eu.get("/v1/reports/7", tokens.access()).await?.allowed()?;
    Ok(())
}

pub(crate) async fn an_id_token_of_keycloak_is_no_access_token(stage: &mut Stage) -> Result<()> {
    let fields = [
        ("grant_type", "password"),
        ("client_id", "shop"),
        ("username", "marie"),
        ("password", PASSWORD),
        ("scope", "openid"),
    ];
    let tokens = stage.keycloak.tokens(EU, &fields).await?;
    stage.eu.get("/v1/reports/7", tokens.access()).await?.allowed()?;
    let seen = stage.eu.get("/v1/reports/7", tokens.id()?).await?;
    seen.denied(401, "identity.audience")?;
    Ok(())
}

/// The tokens of a person of Keycloak's realm, who logs in.
pub(crate) async fn person(stage: &Stage, name: &str) -> Result<Tokens> {
    let fields = [
        ("grant_type", "password"),
        ("client_id", "shop"),
        ("username", name),
        ("password", PASSWORD),
    ];
    stage.keycloak.tokens(EU, &fields).await
}
