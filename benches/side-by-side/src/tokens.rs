//! The tokens of a run: one that every proxy soon knows, and many that no proxy sees twice.

use regionguard_harness::Result;
use regionguard_harness::issuer::{Alg, Issuer, Kind};
use serde_json::{Value, json};

use crate::rules::{ISSUER, REGION, permission};

/// An issuer with a key of each kind.
pub fn issuer() -> Result<Issuer> {
    let issuer = Issuer::without_keys(ISSUER, REGION);
    issuer
        .with_key(&format!("{REGION}-rsa"), Kind::Rsa)?
        .with_key(&format!("{REGION}-p256"), Kind::P256)?
        .with_key(&format!("{REGION}-p384"), Kind::P384)?
        .with_key(&format!("{REGION}-ed25519"), Kind::Ed25519)
}

/// A token that the rule in the middle of each bundle lets in.
pub fn token(issuer: &Issuer, alg: Alg) -> Result<String> {
    mint(issuer, alg, claims(issuer, true))
}

/// The same, larger, and with what conditions look at.
pub fn conditional(issuer: &Issuer, alg: Alg) -> Result<String> {
    let mut claims = claims(issuer, true);
    claims["department"] = json!("finance");
    claims["device"] = json!({"platform": "macos", "os_version": "14.10", "managed": true});
    claims["groups"] = json!((0..12).map(|group| format!("group-{group:04}")).collect::<Vec<_>>());
    mint(issuer, alg, claims)
}

/// The same, bound to a sender.
pub fn bound(issuer: &Issuer, alg: Alg, cnf: Value) -> Result<String> {
    let mut claims = claims(issuer, true);
    claims["cnf"] = cnf;
    mint(issuer, alg, claims)
}

/// A valid token without the permission that any rule asks for.
pub fn token_without_permission(issuer: &Issuer, alg: Alg) -> Result<String> {
    mint(issuer, alg, claims(issuer, false))
}

/// As many tokens like [`token`], no two alike, signed on two threads.
pub fn distinct(issuer: &Issuer, alg: Alg, count: usize) -> Result<Vec<String>> {
    let half = |count: usize| (0..count).map(|_| token(issuer, alg)).collect::<Result<Vec<_>>>();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(count / 2));
        let mut tokens = half(count - count / 2)?;
        tokens.extend(other.join().map_err(|_| "a thread that signs has ended")??);
        Ok(tokens)
    })
}

fn mint(issuer: &Issuer, alg: Alg, claims: Value) -> Result<String> {
    issuer.mint(alg, issuer.kid(alg)?, &claims)
}

/// About what a real access token holds: 700 bytes with an RSA signature.
fn claims(issuer: &Issuer, permitted: bool) -> Value {
    let mut claims = issuer.claims("alice");
    let mut permissions = vec!["read:orders".to_owned(), "write:orders".to_owned()];
    if permitted {
        permissions.extend([
            permission(5),
            "read:profile".to_owned(),
            permission(500),
            permission(5000),
        ]);
    }
    permissions.push("read:invoices".to_owned());
    claims["permissions"] = json!({"global": permissions, "regional": {"eu-west-1": ["read:orders"]}});
    claims["roles"] = json!(["viewer", "clerk"]);
    claims["amr"] = json!(["pwd", "otp"]);
    claims
}
