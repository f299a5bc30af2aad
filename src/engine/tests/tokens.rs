//! Keys and tokens, signed as an issuer would.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value as Json, json};

/// When the tests begin, in seconds since the Unix epoch: Friday, 15 January 2027, 08:00 UTC.
pub(super) const START: u64 = 1_800_000_000;
/// The issuer of all regions.
pub(super) const ISSUER: &str = "identity.global.com";

/// RFC 3339 for a time of the tests, so many seconds after [`START`].
pub(super) fn at(seconds: i64) -> String {
    let start = i64::try_from(START).expect("a time");
    jiff::Timestamp::from_second(start.saturating_add(seconds))
        .expect("a time")
        .to_string()
}

/// A private key with its `kid`.
pub(super) struct Signer {
    kid: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The key of a region; another `seed`, another key.
    pub(super) fn new(region: &str, seed: u8) -> Self {
        let mut secret = [seed; 32];
        for (byte, name) in secret.iter_mut().zip(region.bytes()) {
            *byte ^= name;
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&secret).expect("a seed");
        Self {
            kid: format!("key-of-{region}"),
            pair,
        }
    }

    /// The same under another `kid`.
    pub(super) fn named(kid: &str, region: &str, seed: u8) -> Self {
        Self {
            kid: kid.to_owned(),
            ..Self::new(region, seed)
        }
    }

    /// The public key (RFC 8037).
    pub(super) fn jwk(&self) -> Json {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(self.pair.public_key())})
    }

    /// A token with these claims.
    pub(super) fn token(&self, claims: &Json) -> String {
        self.token_with(&json!({"alg": "EdDSA", "kid": self.kid, "typ": "at+jwt"}), claims)
    }

    /// A token with this header.
    pub(super) fn token_with(&self, header: &Json, claims: &Json) -> String {
        let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What a token of `home` says.
pub(super) fn claims(home: &str) -> Json {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": ["api.us-east-1.com"], "region": home, "jti": "token-one",
        "iat": START - 60, "nbf": START - 60, "exp": START + 600,
        "permissions": {"global": ["read:profile"], "regional": {"us-east-1": ["write:ledger"], "eu-west-1": ["read:ledger"]}},
        "roles": ["auditor", "viewer"], "acr": "urn:example:mfa", "amr": ["pwd", "otp"], "auth_time": START - 120,
        "department": "books", "address": {"country": "IE"},
    })
}

/// `claims(home)` with some members replaced; null takes one away.
pub(super) fn claims_with(home: &str, changes: &Json) -> Json {
    let mut claims = claims(home);
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Json::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// A valid token of `home`.
pub(super) fn token(home: &str) -> String {
    Signer::new(home, 1).token(&claims(home))
}

/// A token of `home` with some claims replaced.
pub(super) fn token_with(home: &str, changes: &Json) -> String {
    Signer::new(home, 1).token(&claims_with(home, changes))
}
