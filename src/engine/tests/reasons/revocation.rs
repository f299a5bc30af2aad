//! Of revocation.

use serde_json::json;

use super::super::host::{World, get};
use super::super::tokens::{ISSUER, token, token_with};
use super::{AT_HOME, NOWHERE, Table, everything};
use crate::reason::Reason;

const RULE: &str = "shop/read-profile;inline";

pub(super) fn revoked(table: &mut Table) {
    let profile = || get("/v1/profiles/7");
    let mut bundle = everything();
    let revoked = json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "stolen"},
        "spec": {"tokens": [{"issuer": ISSUER, "jti": "token-one"}]}});
    bundle["documents"].as_array_mut().expect("a list").push(revoked);
    let request = profile().bearer(&token("us-east-1"));
    table.row_in(World::new(&bundle), Reason::TokenRevoked, RULE, NOWHERE, request);

    let mut pulled = everything();
    pulled["documents"][0]["spec"]["revocation"] = json!({"list": {"cluster": "lists"}});
    let mut world = World::new(&pulled);
    let waiting = world.wait(&table.kind(profile().bearer(&token("us-east-1"))));
    world.pass(core::time::Duration::from_secs(2));
    world.wake();
    let decision = world.finished(waiting);
    table.expect(&mut world, &decision, Reason::RevocationUnavailable, RULE, NOWHERE);
    pulled["documents"][0]["spec"]["revocation"]["onUnavailable"] = json!("allow");
    let request = profile().bearer(&token("us-east-1"));
    table.row_in(
        World::new(&pulled),
        Reason::RevocationUnavailableAllowed,
        RULE,
        AT_HOME,
        request,
    );

    let lists = json!({"cluster": "lists", "uriPrefix": "https://lists.us-east-1.com/"});
    pulled["documents"][0]["spec"]["revocation"] = json!({"statusLists": lists});
    let elsewhere = json!({"status": {"status_list": {"idx": 0, "uri": "https://elsewhere.com/"}}});
    let request = profile().bearer(&token_with("us-east-1", &elsewhere));
    table.row_in(World::new(&pulled), Reason::TokenStatus, RULE, NOWHERE, request);
}
