//! Who asks: one issuer, a key for each region, and tokens that are made for the run.

use regionguard_harness::issuer::{Alg, Issuer, Kind, now};
use serde_json::{Value, json};

use crate::Result;

const ISSUER: &str = "identity.global.com";
const KID: &str = "run";
const LIFETIME: u64 = 12 * 3600;

/// The issuer's keys of both regions.
#[derive(Debug)]
pub(super) struct People {
    us: Issuer,
    eu: Issuer,
}

impl People {
    /// Makes keys for this run.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub(super) fn new() -> Result<Self> {
        let issuer = |region| Issuer::without_keys(ISSUER, region).with_key(KID, Kind::P256);
        Ok(Self {
            us: issuer("us-east-1")?,
            eu: issuer("eu-west-1")?,
        })
    }

    /// The public keys of each region, as a JWK Set.
    pub(super) fn keys(&self) -> [(&str, Value); 2] {
        [&self.us, &self.eu].map(|issuer| (issuer.region(), issuer.jwks()))
    }

    /// Shell variables and the header lines that they hold: a token for 12 hours each, and one that has expired.
    ///
    /// # Errors
    /// When a token cannot be signed.
    pub(super) fn tokens(&self) -> Result<[(&'static str, String); 3]> {
        let alice = json!(["read:orders", "read:profile"]);
        let bob = json!(["read:orders", "write:orders", "read:profile"]);
        Ok([
            ("ALICE", header(&self.us, "alice", &alice, now() + LIFETIME)?),
            ("BOB", header(&self.eu, "bob", &bob, now() + LIFETIME)?),
            ("EXPIRED", header(&self.us, "alice", &alice, now() - 3600)?),
        ])
    }
}

fn header(issuer: &Issuer, sub: &str, permissions: &Value, until: u64) -> Result<String> {
    let mut claims = issuer.claims(sub);
    claims["aud"] = json!(["api.us-east-1.com", "api.eu-west-1.com"]);
    claims["iat"] = json!(until - LIFETIME);
    claims["exp"] = json!(until);
    claims["permissions"] = json!({"global": permissions, "regional": {}});
    Ok(format!(
        "authorization: Bearer {}",
        issuer.mint(Alg::Es256, KID, &claims)?
    ))
}
