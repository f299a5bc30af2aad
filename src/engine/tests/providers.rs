//! Key sets and tokens in the form that identity providers document, with the Region that takes them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value as Json, json};

use super::documents::policy;
use super::host::{Reply, World, get};
use super::tokens::START;
use crate::reason::Reason;

/// A provider as its Region document sees it.
struct Provider {
    issuer: &'static str,
    audiences: &'static [&'static str],
    claims: Json,
    /// What rules demand.
    permission: &'static str,
    role: Option<&'static str>,
    jwks: Json,
    header: Json,
}

/// The public key that signs all of these tokens, with these members.
fn rsa(members: Json) -> Json {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(signer().public());
    let mut jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e)});
    merge(&mut jwk, members);
    jwk
}

/// Another RSA key, which signs nothing here.
fn other(members: Json) -> Json {
    let mut modulus = vec![0xC3; 256];
    modulus[255] = 0x0B;
    let mut jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"});
    merge(&mut jwk, members);
    jwk
}

/// A certificate chain as sets carry it: base64 with padding, and never looked at.
fn x5c() -> Json {
    json!([STANDARD.encode([0x30; 700])])
}

fn merge(into: &mut Json, members: Json) {
    let Json::Object(members) = members else { return };
    for (name, value) in members {
        match value {
            Json::Null => into.as_object_mut().expect("an object").remove(&name),
            value => into.as_object_mut().expect("an object").insert(name, value),
        };
    }
}

/// The key was made for tests, and is used for nothing else.
fn signer() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../../identity/testdata/throwaway-rsa2048.pk8")).expect("a key")
}

impl Provider {
    fn region(&self, name: &str) -> Json {
        json!({"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": name}, "spec": {
            "issuer": self.issuer,
            "audiences": self.audiences,
            "keys": {"algorithms": ["RS256"], "remote": {"cluster": "identity", "path": "/jwks"}},
            "claims": self.claims,
        }})
    }

    /// A world whose keys have been fetched.
    fn world(&self, name: &str) -> World {
        let mut rule =
            json!({"name": "read", "paths": ["/read"], "permissions": {"anyOf": [self.permission]}, "effect": "allow"});
        if self.permission.is_empty() {
            rule.as_object_mut().expect("an object").remove("permissions");
        }
        if let Some(role) = self.role {
            rule["roles"] = json!({"anyOf": [role]});
        }
        let mut world = World::new(&json!({
            "region": name, "metadata": {"name": "shop", "version": 1},
            "documents": [self.region(name), policy("shop", json!({"rules": [rule]}))],
        }));
        world.wake();
        let call = world.calls.remove(0).id;
        world.reply(call, &Reply::of(&self.jwks));
        world
    }

    fn token(&self, claims: &Json) -> String {
        let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&self.header), part(claims));
        let mut signature = vec![0; 256];
        signer()
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                input.as_bytes(),
                &mut signature,
            )
            .expect("signed");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The token is let in as it stands, and refused for these reasons with these changes.
    #[track_caller]
    fn check(&self, name: &str, claims: &Json, refused: &[(Json, Reason)]) {
        let mut world = self.world(name);
        let mut claims = claims.clone();
        merge(&mut claims, json!({"iat": START - 60, "exp": START + 3600}));
        let mut reason = |claims: &Json| world.reason(&get("/read").bearer(&self.token(claims)));
        assert_eq!(reason(&claims), Reason::RuleAllowed);
        for (changes, expected) in refused {
            let mut changed = claims.clone();
            merge(&mut changed, changes.clone());
            assert_eq!(reason(&changed), *expected, "{changes}");
        }
    }
}

/// Two keys, one for each kind of token. An access token names its client in `client_id` and has no `aud`; an ID token has it in `aud`.
#[test]
fn cognito() {
    let provider = Provider {
        issuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE",
        audiences: &["55ucbexample"],
        claims: json!({"region": {"fromIssuer": true}, "permissions": "scope", "roles": "cognito:groups",
            "audience": "client_id", "require": {"token_use": "access"}}),
        permission: "orders/read",
        role: Some("admins"),
        jwks: json!({"keys": [
            other(json!({"alg": "RS256", "kid": "id+key/1=", "use": "sig"})),
            rsa(json!({"alg": "RS256", "kid": "access+key/2=", "use": "sig"})),
        ]}),
        header: json!({"kid": "access+key/2=", "alg": "RS256"}),
    };
    let access = json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "us-east-1_aaaa", "cognito:groups": ["admins"],
        "iss": provider.issuer, "version": 2, "client_id": "55ucbexample", "origin_jti": "a", "event_id": "b",
        "token_use": "access", "scope": "openid orders/read", "auth_time": START - 60, "jti": "c", "username": "alice",
    });
    provider.check(
        "us-east-1",
        &access,
        &[
            (json!({"client_id": "another"}), Reason::TokenAudience),
            (json!({"client_id": null}), Reason::TokenAudience),
            // One that is bound to a resource counts there and nowhere else.
            (json!({"aud": "https://other.example.com"}), Reason::TokenAudience),
            (json!({"token_use": "id", "aud": "55ucbexample"}), Reason::TokenClaims),
            (json!({"token_use": null}), Reason::TokenClaims),
            (json!({"cognito:groups": ["users"]}), Reason::RoleMissing),
            (json!({"scope": "openid"}), Reason::PermissionMissing),
            (
                json!({"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_OTHER"}),
                Reason::IssuerUnknown,
            ),
        ],
    );
}

/// One user pool, several regions: an attribute of the pool tells which. The docs say who may write it.
#[test]
fn cognito_with_an_attribute_for_the_region() {
    let provider = Provider {
        issuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE",
        audiences: &["55ucbexample"],
        claims: json!({"region": "custom:region", "roles": "cognito:groups", "require": {"token_use": "id"}}),
        permission: "",
        role: Some("admins"),
        jwks: json!({"keys": [rsa(json!({"alg": "RS256", "kid": "k", "use": "sig"}))]}),
        header: json!({"kid": "k", "alg": "RS256"}),
    };
    let id = json!({
        "sub": "aaaaaaaa", "cognito:groups": ["admins"], "iss": provider.issuer, "cognito:username": "alice", "custom:region": "us-east-1",
        "aud": "55ucbexample", "token_use": "id", "auth_time": START - 60, "email_verified": true, "email": "alice@example.com",
    });
    provider.check(
        "us-east-1",
        &id,
        &[
            (json!({"custom:region": "eu-west-1"}), Reason::RegionMismatch),
            (json!({"custom:region": null}), Reason::RegionMismatch),
            (
                json!({"custom:region": null, "custom": {"region": "us-east-1"}}),
                Reason::RegionMismatch,
            ),
        ],
    );
}

/// Keys without `alg`, with certificates; `kid` and `x5t` are the same. Version 1 and 2 have different issuers and audiences.
#[test]
fn entra_id() {
    let keys = json!({"keys": [
        other(json!({"use": "sig", "kid": "old", "x5t": "old", "x5c": x5c()})),
        rsa(json!({"use": "sig", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE", "x5t": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE", "x5c": x5c(),
            "cloud_instance_name": "microsoftonline.com", "issuer": "https://login.microsoftonline.com/tenant/v2.0"})),
    ]});
    let second = Provider {
        issuer: "https://login.microsoftonline.com/tenant/v2.0",
        audiences: &["11112222-bbbb-3333-cccc-4444dddd5555"],
        claims: json!({"region": {"fromIssuer": true}, "permissions": "scp", "roles": "roles", "require": {"tid": "tenant"}}),
        permission: "Orders.Read",
        role: None,
        jwks: keys.clone(),
        header: json!({"typ": "JWT", "alg": "RS256", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE"}),
    };
    let delegated = json!({
        "aud": "11112222-bbbb-3333-cccc-4444dddd5555", "iss": second.issuer, "nbf": START - 60, "aio": "opaque", "azp": "client", "azpacr": "0",
        "name": "Alice", "oid": "object", "preferred_username": "alice@example.com", "rh": "0.opaque", "scp": "User.Read Orders.Read",
        "sub": "pairwise", "tid": "tenant", "uti": "opaque", "ver": "2.0",
    });
    second.check(
        "eu-west-1",
        &delegated,
        &[
            (json!({"tid": "other"}), Reason::TokenClaims),
            (
                json!({"aud": "00000003-0000-0000-c000-000000000000"}),
                Reason::TokenAudience,
            ),
            (json!({"iss": "https://sts.windows.net/tenant/"}), Reason::IssuerUnknown),
            // An application of its own has roles and no `scp`.
            (
                json!({"scp": null, "roles": ["Orders.Read"], "idtyp": "app"}),
                Reason::PermissionMissing,
            ),
        ],
    );
    let first = Provider {
        issuer: "https://sts.windows.net/tenant/",
        audiences: &["api://orders"],
        claims: json!({"region": {"fromIssuer": true}, "permissions": "scp", "roles": "roles"}),
        permission: "",
        role: Some("Orders.ReadAll"),
        jwks: keys,
        header: json!({"typ": "JWT", "alg": "RS256", "x5t": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE", "kid": "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE"}),
    };
    let application = json!({
        "aud": "api://orders", "iss": first.issuer, "nbf": START - 60, "aio": "opaque", "appid": "client", "appidacr": "1", "idp": first.issuer,
        "oid": "object", "rh": "0.opaque", "roles": ["Orders.ReadAll"], "sub": "object", "tid": "tenant", "uti": "opaque", "ver": "1.0",
    });
    first.check(
        "eu-west-1",
        &application,
        &[(json!({"roles": null}), Reason::RoleMissing)],
    );
}

/// An ID token of a service account: `aud` is what it asked for, and there is neither scope nor role.
#[test]
fn google() {
    let provider = Provider {
        issuer: "https://accounts.google.com",
        audiences: &["https://orders.example.com"],
        claims: json!({"region": {"fromIssuer": true}, "require": {"email": "billing@shop.iam.gserviceaccount.com"}}),
        permission: "",
        role: None,
        jwks: json!({"keys": [
            rsa(json!({"use": "sig", "alg": "RS256", "kid": "f833e8a7fe3fe4b878948219a1684afa373ca86f"})),
            other(json!({"use": "sig", "alg": "RS256", "kid": "8bfd2f2c9bd1e8c4a8f7f3c1f2a7d6b5c4e3d2f1"})),
        ]}),
        header: json!({"alg": "RS256", "kid": "f833e8a7fe3fe4b878948219a1684afa373ca86f", "typ": "JWT"}),
    };
    let id = json!({
        "aud": "https://orders.example.com", "azp": "112233", "email": "billing@shop.iam.gserviceaccount.com", "email_verified": true,
        "iss": provider.issuer, "sub": "112233",
    });
    provider.check(
        "us-east-1",
        &id,
        &[
            (json!({"aud": "https://other.example.com"}), Reason::TokenAudience),
            // Anybody can have a token of this issuer: who counts has to be said.
            (
                json!({"email": "mallory@evil.iam.gserviceaccount.com"}),
                Reason::TokenClaims,
            ),
            (json!({"iss": "accounts.google.com"}), Reason::IssuerUnknown),
        ],
    );
}

/// A key for encryption beside that for signatures, both with certificates; roles inside of an object.
#[test]
fn keycloak() {
    let provider = Provider {
        issuer: "https://id.example.com/realms/shop",
        audiences: &["orders"],
        claims: json!({"region": "region", "permissions": "scope", "roles": "realm_access.roles", "require": {"typ": "Bearer"}}),
        permission: "orders:read",
        role: Some("clerk"),
        jwks: json!({"keys": [
            other(json!({"kid": "enc", "alg": "RSA-OAEP", "use": "enc", "x5c": x5c(), "x5t": "a", "x5t#S256": "b"})),
            rsa(json!({"kid": "nnniBrxL0qhG79pkF3ccQj", "alg": "RS256", "use": "sig", "x5c": x5c(), "x5t": "c", "x5t#S256": "d"})),
        ]}),
        header: json!({"alg": "RS256", "typ": "JWT", "kid": "nnniBrxL0qhG79pkF3ccQj"}),
    };
    let access = json!({
        "auth_time": START - 60, "jti": "onrtac:1234", "iss": provider.issuer, "aud": ["orders", "account"], "sub": "f:1", "typ": "Bearer",
        "azp": "web", "sid": "s", "acr": "1", "allowed-origins": ["https://shop.example.com"], "realm_access": {"roles": ["clerk", "offline_access"]},
        "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid orders:read", "email_verified": true, "region": "eu-west-1",
        "preferred_username": "alice",
    });
    provider.check(
        "eu-west-1",
        &access,
        &[
            (json!({"typ": "ID"}), Reason::TokenClaims),
            (json!({"typ": "Refresh"}), Reason::TokenClaims),
            (json!({"aud": "account"}), Reason::TokenAudience),
            (json!({"realm_access": null}), Reason::RoleMissing),
            (
                json!({"realm_access": {"roles": "clerk"}, "scope": null}),
                Reason::PermissionMissing,
            ),
            (json!({"region": "us-east-1"}), Reason::RegionMismatch),
        ],
    );
    let encryption = Provider {
        header: json!({"alg": "RS256", "typ": "JWT", "kid": "enc"}),
        ..provider
    };
    let mut world = encryption.world("eu-west-1");
    let mut claims = access;
    merge(&mut claims, json!({"iat": START - 60, "exp": START + 3600}));
    assert!(matches!(
        world.begin(&get("/read").bearer(&encryption.token(&claims))),
        super::super::Outcome::Waiting(_)
    ));
}
