//! A client that shows with each request that it holds the key of its token (DPoP, RFC 9449).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard_harness::Result;
use regionguard_harness::issuer::{Alg, Issuer, Kind, now};
use serde_json::{Value, json};

use crate::rules::HOST;
use crate::tokens;

const KEY: &str = "client";

/// A key, and a token that is bound to it.
pub struct Prover {
    keys: Issuer,
    header: Value,
    /// The token.
    pub token: String,
    hash: String,
}

impl Prover {
    /// A new key, and a token of this issuer.
    pub fn new(issuer: &Issuer) -> Result<Self> {
        let keys = Issuer::without_keys("a client", "client").with_key(KEY, Kind::P256)?;
        let jwk = keys.jwk(KEY)?;
        let thumbprint = sha256(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            jwk["x"], jwk["y"]
        ));
        let token = tokens::bound(issuer, Alg::Rs256, json!({"jkt": thumbprint}))?;
        Ok(Self {
            header: json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}),
            hash: sha256(&token),
            keys,
            token,
        })
    }

    /// A proof for a GET of `path`, which is like no other.
    pub fn proof(&self, path: &str, id: &str) -> Result<String> {
        let claims =
            json!({"jti": id, "htm": "GET", "htu": format!("https://{HOST}{path}"), "iat": now(), "ath": self.hash});
        self.keys.mint_with_header(Alg::Es256, KEY, &self.header, &claims)
    }
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}
