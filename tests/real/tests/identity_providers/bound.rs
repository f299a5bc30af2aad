//! Tokens that the providers bind to a sender's certificate or key, with it and without it.

use regionguard_harness::Result;
use regionguard_mesh::idp;
use regionguard_mesh::idp::Tokens;
use regionguard_mesh::idp::dpop::DpopKey;

use crate::stage::{BATCH, BOUND, EU, PASSWORD, Seen, Site, Stage};

const SERVICE: &[(&str, &str)] = &[("grant_type", "client_credentials"), ("scope", "read:profile")];

pub(crate) async fn a_token_bound_to_a_certificate_counts_with_it_only(stage: &mut Stage) -> Result<()> {
    let (own, other) = (stage.us.certificate()?, stage.us.certificate()?);
    let tokens = stage.openid.tokens_by_certificate(BOUND, SERVICE, &own).await?;
    assert!(idp::claims(tokens.access())?["cnf"]["x5t#S256"].is_string());
    let (site, path) = (&stage.us, "/v1/profiles/7");
    let request = site.request("GET", path).bearer(tokens.access());
    // Twice: the second time from the cache of verified tokens.
    for _ in 0..2 {
        let seen = site.ask(&site.client_with(Some(&own))?, path, &request).await?;
        seen.allowed()?;
        let seen = site.ask(&site.client_with(None)?, path, &request).await?;
        seen.denied(401, "identity.certificate_missing")?;
        let seen = site.ask(&site.client_with(Some(&other))?, path, &request).await?;
        seen.denied(401, "identity.certificate_other")?;
    }
    Ok(())
}

pub(crate) async fn dpop_tokens_of_both_providers_count_with_a_new_proof_each(stage: &mut Stage) -> Result<()> {
    let key = DpopKey::new()?;
    let proof = key.proof("POST", &stage.openid.token_url(), None, None)?;
    let tokens = stage.openid.tokens_by_proof(BATCH, SERVICE, &proof).await?;
    bound(&stage.us, "/v1/profiles/7", &key, &tokens).await?;

    let proof = key.proof("POST", &stage.keycloak.token_url(EU), None, None)?;
    let fields = [
        ("grant_type", "password"),
        ("client_id", "bound-shop"),
        ("username", "marie"),
        ("password", PASSWORD),
    ];
    let tokens = stage.keycloak.tokens_by_proof(EU, &fields, &proof).await?;
    assert_eq!(idp::claims(tokens.access())?["typ"], "DPoP", "what Keycloak calls it");
    bound(&stage.eu, "/v1/drafts/7", &key, &tokens).await
}

/// What holds for every token that is bound to `key`.
async fn bound(site: &Site, path: &str, key: &DpopKey, tokens: &Tokens) -> Result<()> {
    assert_eq!(tokens.scheme(), "DPoP");
    let thumbprint = idp::claims(tokens.access())?["cnf"]["jkt"].clone();
    assert_eq!(thumbprint, key.thumbprint()?.as_str());
    let first = proven(site, path, key, tokens.access()).await?;
    first.seen.allowed()?;
    proven(site, path, key, tokens.access()).await?.seen.allowed()?;
    // The same proof once more; another key's; none; and as a bearer token.
    let seen = send(site, path, tokens.access(), Some(&first.proof)).await?;
    seen.denied(401, "identity.proof_replayed")?;
    let stranger = proven(site, path, &DpopKey::new()?, tokens.access()).await?;
    stranger.seen.denied(401, "identity.proof_invalid")?;
    let seen = send(site, path, tokens.access(), None).await?;
    seen.denied(401, "identity.proof_missing")?;
    site.get(path, tokens.access())
        .await?
        .denied(401, "identity.proof_scheme")?;
    Ok(())
}

struct Proven {
    seen: Seen,
    proof: String,
}

/// Sends a request with a proof by `key`, and once more with the nonce that the answer to it may demand.
async fn proven(site: &Site, path: &str, key: &DpopKey, token: &str) -> Result<Proven> {
    let url = format!("https://{}{path}", site.host());
    let proof = key.proof("GET", &url, Some(token), None)?;
    let seen = send(site, path, token, Some(&proof)).await?;
    let Some(nonce) = seen.answer.header("dpop-nonce").filter(|_| seen.answer.status == 401) else {
        return Ok(Proven { seen, proof });
    };
    let proof = key.proof("GET", &url, Some(token), Some(&nonce))?;
    let seen = send(site, path, token, Some(&proof)).await?;
    Ok(Proven { seen, proof })
}

async fn send(site: &Site, path: &str, token: &str, proof: Option<&str>) -> Result<Seen> {
    let request = site
        .request("GET", path)
        .header("authorization", format!("DPoP {token}"));
    let request = match proof {
        Some(proof) => request.header("dpop", proof),
        None => request,
    };
    site.ask(&site.client(), path, &request).await
}
