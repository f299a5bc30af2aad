//! A client that proves with each request that it holds a key (RFC 9449).

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard_harness::issuer::{Alg, Issuer, Kind, now};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Result;

const NAME: &str = "dpop";

/// The key of one client, on P-256.
#[derive(Debug)]
pub struct DpopKey {
    keys: Issuer,
}

impl DpopKey {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            keys: Issuer::without_keys(NAME, NAME).with_key(NAME, Kind::P256)?,
        })
    }

    /// A new proof for one request of `method` to `url`, to be sent in the header `DPoP`: with the access token that goes with it, and
    /// the nonce that the server has given, if any.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn proof(&self, method: &str, url: &str, access_token: Option<&str>, nonce: Option<&str>) -> Result<String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut claims = json!({
            "jti": format!("{}-{count}", std::process::id()), "htm": method, "htu": url, "iat": now(),
        });
        if let Some(token) = access_token {
            claims["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()?});
        self.keys.mint_with_header(Alg::Es256, NAME, &header, &claims)
    }

    /// The thumbprint of the key (RFC 7638), as it stands in `cnf.jkt` of a token that is bound to it.
    ///
    /// # Errors
    /// When there is no key.
    pub fn thumbprint(&self) -> Result<String> {
        let jwk = self.jwk()?;
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)))
    }

    /// The public key, with no member that is not part of it.
    fn jwk(&self) -> Result<Value> {
        let jwk = self.keys.jwk(NAME)?;
        Ok(json!({"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"]}))
    }
}
