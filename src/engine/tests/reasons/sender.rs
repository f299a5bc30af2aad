//! What a sender did not show.

use serde_json::{Value as Json, json};

use super::super::host::get;
use super::super::proofs::{bound, proof_of, target};
use super::super::sender::bound_to_certificate;
use super::super::tokens::{START, token_with};
use super::{NOWHERE, Table};
use crate::reason::Reason;

pub(super) fn unproven(table: &mut Table) {
    let by = "shop/read-profile;inline";
    let profile = |token: &str| get("/v1/profiles/7").bearer(token);
    let odd = token_with("us-east-1", &json!({"cnf": {"kid": "a"}}));
    table.row(Reason::TokenBound, by, NOWHERE, profile(&odd));
    let to_certificate = profile(&bound_to_certificate(&[7; 32]));
    table.row(Reason::CertificateMissing, by, NOWHERE, to_certificate.clone());
    let mut other = table.world();
    other.digest = Some(b"08".repeat(32));
    table.row_in(other, Reason::CertificateOther, by, NOWHERE, to_certificate);

    let token = bound(json!({}));
    table.row(Reason::ProofScheme, by, NOWHERE, profile(&token));
    let dpop = || get("/v1/profiles/7").header("authorization", format!("DPoP {token}"));
    table.row(Reason::ProofMissing, by, NOWHERE, dpop());
    let proof = |changes: Json| {
        let mut claims = target("https://api.us-east-1.com/v1/profiles/7", &token, "one");
        if let (Some(all), Json::Object(changes)) = (claims.as_object_mut(), changes) {
            all.extend(changes);
        }
        dpop().header("dpop", proof_of(&claims))
    };
    table.row(Reason::ProofInvalid, by, NOWHERE, proof(json!({"htm": "PUT"})));
    table.row(Reason::ProofNonce, by, NOWHERE, proof(json!({"iat": START - 61})));
    let mut used = table.world();
    let once = table.kind(proof(json!({})));
    assert_eq!(used.reason(&once), Reason::RuleAllowed);
    table.row_in(used, Reason::ProofReplayed, by, NOWHERE, once);
    let mut full = table.world();
    full.remember_proofs(1);
    assert_eq!(
        full.reason(&table.kind(proof(json!({"jti": "first"})))),
        Reason::RuleAllowed
    );
    table.row_in(full, Reason::ProofBudget, by, NOWHERE, proof(json!({"jti": "second"})));
}
