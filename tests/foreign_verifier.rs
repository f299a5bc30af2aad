//! Where another `CryptoProvider` of `jsonwebtoken` came first, no token lets anybody in. A process of its own, as there is one provider a process.
#![expect(clippy::expect_used, reason = "a test says what is wrong by panicking")]

mod driven;

use driven::{Driven, bearer, block};
use jsonwebtoken::crypto::{CryptoProvider, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, new_error};
use regionguard::decision::Action;
use regionguard::engine::{Effects, Outcome};
use regionguard::reason::Reason;
use serde_json::json;

static FOREIGN: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn no_token_is_trusted_and_public_stays_public() {
    assert!(FOREIGN.install_default().is_ok());
    let mut driven = Driven::new(&json!([
        {"name": "read", "paths": ["/read"], "effect": "allow"},
        {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
    ]));
    let bearer = bearer();
    let mut decide =
        |path: &str| match driven.begin(&block(path, &[("authorization", &bearer)]), &mut Effects::default()) {
            Outcome::Done(decision) => Some(decision),
            _ => None,
        };
    let refused = decide("/read").expect("decided");
    assert_eq!(refused.reason, Reason::ForeignVerifier);
    assert!(
        refused
            .line
            .starts_with("deny;config.foreign_verifier;shop/read;inline;shop@41+"),
        "{}",
        refused.line
    );
    assert!(
        matches!(refused.action, Action::Answer(answer) if answer.status == 503 && answer.body.contains("\"code\":\"unavailable\""))
    );
    let public = decide("/public").expect("decided");
    assert_eq!(public.reason, Reason::RulePublic);
    assert!(public.forwarded().is_some_and(|forwarded| forwarded.strip.is_some()));
}
