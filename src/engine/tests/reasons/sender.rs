//! What a sender did not show.

use serde_json::json;

use super::super::host::get;
use super::super::sender::bound_to_certificate;
use super::super::tokens::token_with;
use super::{NOWHERE, Table};
use crate::reason::Reason;

pub(super) fn unproven(table: &mut Table) {
    let by = "shop/read-profile;inline";
    let profile = |token: &str| get("/v1/profiles/7").bearer(token);
    let odd = token_with("us-east-1", &json!({"cnf": {"kid": "a"}}));
    table.row(Reason::TokenBound, by, NOWHERE, profile(&odd));
    let bound = profile(&bound_to_certificate(&[7; 32]));
    table.row(Reason::CertificateMissing, by, NOWHERE, bound.clone());
    let mut other = table.world();
    other.digest = Some(b"08".repeat(32));
    table.row_in(other, Reason::CertificateOther, by, NOWHERE, bound);
}
