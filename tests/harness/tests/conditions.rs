//! Conditions in CEL, on a real Envoy: what they read is what the request, the token and the connection say.

mod common;

use common::{EU, Issuers, NOWHERE, Site, US, bundle, claims, get, policy, sign};
use serde_json::{Value, json};

fn conditions() -> Value {
    policy(
        "conditions",
        json!({"rules": [
            {"name": "own", "paths": ["/own/{id}"], "when": "path.id == token.sub", "effect": "allow"},
            {"name": "finance", "paths": ["/ledger/**"], "effect": "allow",
             "when": "token.department == 'finance'\n  && request.method in ['GET', 'HEAD']\n  && request.path.startsWith('/ledger/')"},
            {"name": "near", "paths": ["/near"], "when": "source.region == local.region && cidr('127.0.1.0/24').containsIP(source.address)", "effect": "allow"},
            {"name": "lately", "paths": ["/lately"], "when": "request.time - token.iat < duration('1h') && request.time < token.exp", "effect": "allow"},
            {"name": "asked", "paths": ["/asked"], "identity": "none", "when": "request.query.q == 'a b' && request.headers['x-client'].matches('^new-[0-9]+$')", "effect": "allow"},
            {"name": "any", "paths": ["/any"], "effect": "allow"},
            {"name": "legacy", "paths": ["/any"], "when": "has(request.headers['x-client']) && request.headers['x-client'] == 'old'", "effect": "deny"},
            {"name": "suspended", "paths": ["/any"], "when": "has(token.suspended) && token.suspended", "effect": "deny"},
            {"name": "spoofed", "paths": ["/spoofed"], "when": "has(request.headers['x-regionguard-subject'])", "effect": "allow"},
        ]}),
    )
}

#[tokio::test]
async fn a_condition_decides_by_what_the_request_says() {
    let issuers = Issuers::new();
    let site = Site::start("conditions", &bundle(41, &issuers.regions(), &[conditions()])).await;
    let token = |sub: &str, claim: &str, value: Value| {
        let mut claims = claims(&issuers.us, sub, &[]);
        claims[claim] = value;
        sign(&issuers.us, &claims)
    };
    let alice = token("alice", "department", json!("finance"));
    let bob = token("bob", "suspended", json!("yes"));
    let ask = async |source: &str, path: &str, who: &str| site.ask_from(source, get(path).bearer(who)).await;

    ask(US, "/own/alice", &alice).await.allowed("rule.allowed", "inline");
    ask(US, "/own/bob", &alice).await.denied(403, "rule.when", "inline");
    // Twice: the claims of a token that is known are still those of the token.
    for _ in 0..2 {
        ask(US, "/ledger/7", &alice).await.allowed("rule.allowed", "inline");
        ask(US, "/ledger/7", &bob).await.denied(403, "rule.when", "inline");
    }
    ask(US, "/near", &alice).await.allowed("rule.allowed", "inline");
    for elsewhere in [EU, NOWHERE] {
        ask(elsewhere, "/near", &alice).await.denied(403, "rule.when", "inline");
    }
    ask(US, "/lately", &alice).await.allowed("rule.allowed", "inline");

    let public = |path: &str, client: &str| get(path).header("x-client", client);
    site.ask_from(US, public("/asked?q=a%20b", "new-7"))
        .await
        .allowed("rule.public", "inline");
    for (path, client) in [
        ("/asked?q=a%20b", "new-x"),
        ("/asked?q=a%20b&q=a%20b", "new-7"),
        ("/asked", "new-7"),
    ] {
        site.ask_from(US, public(path, client))
            .await
            .denied(401, "identity.missing", "inline");
    }

    // A deny that reads no token is for everybody; one that does is for who has shown one, and what cannot be told refuses.
    site.ask_from(US, public("/any", "old"))
        .await
        .denied(403, "rule.denied", "inline");
    site.ask_from(US, get("/any"))
        .await
        .denied(401, "identity.missing", "inline");
    ask(US, "/any", &alice).await.allowed("rule.allowed", "inline");
    ask(US, "/any", &bob)
        .await
        .denied(403, "rule.condition_unknown", "inline");

    // A header that no caller may set is not there.
    let spoofed = get("/spoofed").bearer(&alice).header("x-regionguard-subject", "root");
    site.ask_from(US, spoofed).await.denied(403, "rule.when", "inline");
}
