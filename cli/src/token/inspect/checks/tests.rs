use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::reason::Reason;
use regionguard::time::WallTime;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::super::decode;
use super::{Check, Outcome, all, check_of};

const NOW: u64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"EdDSA","kid":"one","typ":"JWT"}"#;

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key")
}

fn jwk(kid: &str, seed: u8) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key(seed).public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
}

fn bundle() -> Value {
    let region = |name: &str, spec: Value| json!({"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name}, "spec": spec});
    json!({
        "region": "here",
        "metadata": {"name": "shop", "version": 1},
        "documents": [
            region("here", json!({
                "issuer": "identity.x.com",
                "audiences": ["api.x.com"],
                "keys": {"jwks": {"keys": [jwk("one", 1)]}},
                "claims": {"roles": "realm.roles", "grants": "grants", "require": {"token_use": "access"}},
                "maxTokenLifetime": "10m",
                "accepts": [{"home": "there", "permissions": ["read:*"]}],
                "trustDomains": ["here.x"],
                "revocation": {"statusLists": {"cluster": "lists", "authority": "lists.x.com", "uriPrefix": "https://lists.x.com/s/"}},
            })),
            region("there", json!({
                "issuer": "identity.y.com",
                "audiences": ["api.y.com"],
                "keys": {"jwks": {"keys": [jwk("two", 2)]}},
                "trustDomains": ["there.x"],
            })),
            region("far", json!({
                "issuer": "identity.z.com",
                "audiences": ["api.z.com"],
                "keys": {"jwks": {"keys": [jwk("three", 3)]}},
            })),
            {"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "gone"},
             "spec": {"tokens": [{"issuer": "identity.x.com", "jti": "stolen"}]}},
            {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": {"default": "allow"}},
        ],
    })
}

/// The claims of a good token, with these in place of theirs; a `null` takes one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "identity.x.com", "sub": "alice", "aud": "api.x.com", "region": "here", "token_use": "access",
        "iat": NOW - 10, "exp": NOW + 100, "permissions": ["read:a"],
    });
    for (name, value) in changes.as_object().expect("changes") {
        match value {
            Value::Null => claims.as_object_mut().expect("claims").remove(name),
            value => claims
                .as_object_mut()
                .expect("claims")
                .insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn signed(header: &str, payload: &str, seed: u8) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key(seed).sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn judged(text: &str) -> Vec<Check> {
    let token = decode(text).expect("it is shown");
    all(&token, &bundle(), None, &[], WallTime(NOW * 1_000_000_000)).expect("checks")
}

/// The rows that are not ok, the verdict aside, and the verdict.
#[track_caller]
fn refused(text: &str) -> (Vec<String>, String) {
    let mut checks = judged(text);
    let verdict = checks.pop().expect("a verdict");
    assert_eq!(
        (verdict.name, verdict.outcome),
        ("verdict", Outcome::Failed),
        "{}",
        verdict.said
    );
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed);
    (
        failed.map(|check| format!("{}: {}", check.name, check.said)).collect(),
        verdict.said,
    )
}

#[test]
fn a_good_token_fails_no_check() {
    for check in judged(&signed(HEADER, &claims(&json!({})).to_string(), 1)) {
        assert_eq!(check.outcome, Outcome::Ok, "{}: {}", check.name, check.said);
    }
    // So does a workload's, which may lack an issuer and a region.
    let workload = json!({"sub": "spiffe://here.x/a", "iss": null, "region": null});
    for check in judged(&signed(HEADER, &claims(&workload).to_string(), 1)) {
        assert_ne!(check.outcome, Outcome::Failed, "{}: {}", check.name, check.said);
    }
}

/// Each reason for which the kernel refuses a token by itself is said in a row that is not ok, not in the verdict alone.
#[test]
fn each_reason_shows_in_the_check_that_it_belongs_to() {
    let with = |changes: Value| signed(HEADER, &claims(&changes).to_string(), 1);
    let headed = |header: &str| signed(header, &claims(&json!({})).to_string(), 1);
    let good = claims(&json!({})).to_string();
    let twice = good.replacen('{', r#"{"sub":"bob","#, 1);
    let padding = json!({"padding": "x".repeat(13_000)});
    let table = [
        (Reason::TokenMalformed, signed(HEADER, &twice, 1), "form: "),
        (Reason::TokenMalformed, headed(r#"{"alg":"EdDSA","kid":7}"#), "form: "),
        (Reason::TokenTooLarge, with(padding), "form: "),
        (
            Reason::TokenType,
            headed(r#"{"alg":"EdDSA","kid":"one","typ":"logout+jwt"}"#),
            "form: ",
        ),
        (
            Reason::TokenType,
            headed(r#"{"alg":"EdDSA","kid":"one","typ":"JOSE"}"#),
            "form: ",
        ),
        (
            Reason::TokenCritical,
            headed(r#"{"alg":"EdDSA","kid":"one","crit":["exp"]}"#),
            "form: ",
        ),
        (Reason::IssuerUnknown, with(json!({"iss": "identity.mars"})), "issuer: "),
        (Reason::RegionMismatch, with(json!({"region": "mars"})), "region: "),
        (
            Reason::RegionMismatch,
            with(json!({"sub": "spiffe://here.x/a", "region": "there"})),
            "region: ",
        ),
        (
            Reason::RegionNotAccepted,
            signed(
                &HEADER.replace("one", "three"),
                &claims(&json!({"iss": "identity.z.com", "region": "far"})).to_string(),
                3,
            ),
            "accepted: ",
        ),
        (
            Reason::WorkloadNotAccepted,
            with(json!({"sub": "spiffe://mars.x/a"})),
            "accepted: ",
        ),
        (
            Reason::WorkloadNotAccepted,
            signed(
                &HEADER.replace("one", "two"),
                &claims(&json!({"sub": "spiffe://there.x/a", "iss": null, "region": null})).to_string(),
                2,
            ),
            "accepted: ",
        ),
        (Reason::KeyUnknown, headed(r#"{"alg":"EdDSA","kid":"other"}"#), "key: "),
        (
            Reason::TokenAlgorithm,
            headed(r#"{"alg":"ES256","kid":"one"}"#),
            "key: ",
        ),
        (Reason::TokenAlgorithm, headed(r#"{"alg":"none","kid":"one"}"#), "key: "),
        (Reason::TokenSignature, signed(HEADER, &good, 9), "signature: "),
        (
            Reason::TokenClaims,
            with(json!({"sub": null})),
            "claims: `sub` is missing",
        ),
        (Reason::TokenClaims, with(json!({"sub": ""})), "claims: `sub` is empty"),
        (
            Reason::TokenClaims,
            with(json!({"sub": 7})),
            "claims: `sub` is 7: not a string",
        ),
        (
            Reason::TokenClaims,
            with(json!({"iss": null})),
            "claims: `iss` is missing",
        ),
        (
            Reason::TokenClaims,
            with(json!({"jti": 7})),
            "claims: `jti` is 7: not a string",
        ),
        (
            Reason::TokenClaims,
            with(json!({"exp": null})),
            "claims: `exp` is missing",
        ),
        (
            Reason::TokenClaims,
            with(json!({"exp": "soon"})),
            "claims: `exp` is \"soon\"",
        ),
        (Reason::TokenClaims, with(json!({"nbf": -1})), "claims: `nbf` is -1"),
        (
            Reason::TokenClaims,
            with(json!({"iat": 1e300})),
            "claims: `iat` is 1e+300",
        ),
        (
            Reason::TokenClaims,
            with(json!({"aud": [7]})),
            "claims: `aud` is neither",
        ),
        (
            Reason::TokenClaims,
            with(json!({"token_use": "id"})),
            "claims: `token_use` is \"id\"; here demands `access`",
        ),
        (
            Reason::TokenClaims,
            with(json!({"permissions": {"global": "read:a"}})),
            "claims: `permissions` has a wrong form",
        ),
        (
            Reason::TokenClaims,
            with(json!({"realm": {"roles": [1]}})),
            "claims: `realm.roles` has a wrong form",
        ),
        (
            Reason::TokenClaims,
            with(json!({"grants": [{"permission": "a"}]})),
            "claims: `grants` has a wrong form",
        ),
        (Reason::TokenExpired, with(json!({"exp": NOW - 100})), "times: "),
        (Reason::TokenNotYetValid, with(json!({"nbf": NOW + 60})), "times: "),
        (Reason::TokenLifetime, with(json!({"exp": NOW + 5_000})), "times: "),
        (Reason::TokenAudience, with(json!({"aud": "api.y.com"})), "audience: "),
        (Reason::TokenAudience, with(json!({"aud": null})), "audience: "),
        (Reason::TokenBound, with(json!({"cnf": {"jwk": {}}})), "binding: "),
        (Reason::TokenBound, with(json!({"cnf": {"jkt": "short"}})), "binding: "),
        (Reason::TokenRevoked, with(json!({"jti": "stolen"})), "revoked: "),
        (
            Reason::TokenStatus,
            with(json!({"status": {"status_list": {"idx": 1, "uri": "https://elsewhere/s/1"}}})),
            "revoked: ",
        ),
    ];
    for (reason, token, said) in &table {
        let (rows, verdict) = refused(token);
        assert!(verdict.starts_with(reason.code()), "{said}: {verdict}");
        assert!(
            rows.iter().any(|row| row.starts_with(said)),
            "{}: {rows:#?}",
            reason.code()
        );
    }
    // Every reason about tokens is in the table, or is none of a token by itself.
    let beside = [
        (Reason::IdentityMissing, "there is no token"),
        (Reason::IdentityScheme, "what stands beside it"),
        (Reason::WorkloadMissing, "the connection"),
        (
            Reason::KeysUnavailable,
            "keys that are not here: the check `key` is unknown, and so is the verdict",
        ),
        (Reason::CrossSite, "where it stands"),
        (Reason::CertificateMissing, "the connection"),
        (Reason::CertificateOther, "the connection"),
        (Reason::ProofScheme, "what stands beside it"),
        (Reason::ProofMissing, "what stands beside it"),
        (Reason::ProofInvalid, "what stands beside it"),
        (Reason::ProofNonce, "what stands beside it"),
        (Reason::ProofReplayed, "what stands beside it"),
        (Reason::ProofBudget, "other requests"),
        (Reason::VerificationBudget, "other requests"),
        (Reason::ClaimTooLarge, "what a policy forwards"),
        (Reason::MultiFactorMissing, "what a policy demands"),
        (Reason::StepUpRequired, "what a policy demands"),
        (Reason::CertificateRequired, "what a policy demands"),
        (Reason::AttributesUnavailable, "what an identity replica tells"),
        (Reason::RevocationUnavailable, "lists that are fetched"),
        (Reason::RevocationUnavailableAllowed, "lists that are fetched"),
    ];
    let about_tokens = |reason: &&Reason| {
        ["identity.", "region."]
            .iter()
            .any(|area| reason.code().starts_with(area))
    };
    for reason in Reason::ALL.iter().filter(about_tokens) {
        let is_shown = table.iter().any(|(shown, ..)| shown == reason);
        let is_beside = beside.iter().any(|(known, _)| known == reason);
        assert!(is_shown != is_beside, "{}: in the table or beside it", reason.code());
        assert!(!is_shown || check_of(*reason).is_some(), "{}", reason.code());
    }
}
