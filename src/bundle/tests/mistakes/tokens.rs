use serde_json::json;

use super::super::*;
use super::refuses;

#[test]
fn of_proofs() {
    let mut bundle = sample();
    for dpop in [
        json!({"nonce": "required"}),
        json!({"nonce": "onRestart", "maxAge": "5s"}),
        json!({"maxAge": "5m"}),
    ] {
        set(&mut bundle, "tokens", json!({"dpop": dpop}));
        let found = parsed(&bundle).dpop.expect("said");
        assert_eq!(found.nonce_required, dpop["nonce"] == "required");
    }
    refuses("tokens", json!({}), "", "an empty object");
    refuses("tokens", json!({"dpop": {}}), "tokens.dpop", "an empty object");
    refuses("tokens", json!({"dpop": true}), "tokens.dpop", "must be an object");
    refuses(
        "tokens",
        json!({"dpop": {"nonce": "always"}}),
        "tokens.dpop.nonce",
        "must be `onRestart` or `required`; found `always`",
    );
    refuses(
        "tokens",
        json!({"dpop": {"nonce": true}}),
        "tokens.dpop.nonce",
        "must be `onRestart` or `required`; found `true`",
    );
    for age in ["4s", "301s", "6m", "24h"] {
        refuses(
            "tokens",
            json!({"dpop": {"maxAge": age}}),
            "tokens.dpop.maxAge",
            "must be from 5s to 5m",
        );
    }
    refuses(
        "tokens",
        json!({"refreshBefore": 2}),
        "tokens.refreshBefore",
        "has no unit: write `2s`, `2m` or `2h`; found `2`",
    );
    refuses(
        "tokens",
        json!({"dpop": {"maxAge": 60}}),
        "tokens.dpop.maxAge",
        "has no unit: write `60s`; found `60`",
    );
    refuses(
        "tokens",
        json!({"dpop": {"max_aeg": "60s"}}),
        "tokens.dpop.max_aeg",
        "no such field: `nonce` or `maxAge`",
    );
}
