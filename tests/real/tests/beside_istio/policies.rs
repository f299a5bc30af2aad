//! RequestAuthentication and AuthorizationPolicy (CUSTOM, DENY, ALLOW) on the same workload as ours.

use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_harness::issuer::{Issuer, with_bad_signature};
use regionguard_mesh::seen::{NO_POLICY, Seen, look};
use regionguard_mesh::{Mesh, Result, Spec, WORKLOAD_PORT};
use serde_json::{Value, json};

use crate::authorizer::Authorizer;
use crate::chain;
use crate::manifests::{Manifests, bundle, issuer, token};

const NAMESPACE: &str = "policies";

const DIRECT_PEER: &str = "regionguard-direct-peer";
const RBAC: &str = "envoy.filters.http.rbac";
const EXT_AUTHZ: &str = "envoy.filters.http.ext_authz";
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
const OURS: &str = "policies.regionguard";
const INTERLOCK: &str = "regionguard-interlock";

/// Every request of the table, with Istio's policies alone, with both, with ours alone.
pub(crate) async fn each_decides(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace(NAMESPACE).await?;
    let authorizer = Authorizer::start(&mesh, "policies").await?;
    mesh.apply(&authorizer.service(NAMESPACE)).await?;
    mesh.apply(&chain::one_request_a_connection(NAMESPACE)).await?;
    let issuer = issuer()?;
    let istios = istios_policies(&issuer, true);
    mesh.apply(&istios).await?;
    let (web, api) = tokio::try_join!(
        mesh.workload(Spec::new(NAMESPACE, "web").workers(1)),
        mesh.workload(Spec::new(NAMESPACE, "api").region("us-east-1").workers(1)),
    )?;
    let tokens = Tokens::mint(&issuer)?;
    let ask = async |row: &Row| look(&api, web.call(&api, &row.request(&tokens))).await;

    chain::wait_for(&api, WORKLOAD_PORT, &[RBAC, EXT_AUTHZ, JWT_AUTHN, RBAC, RBAC]).await?;
    for row in &TABLE {
        assert_eq!(
            ask(row).await?,
            row.expected(Some(row.theirs), None),
            "Istio's alone: {row:?}"
        );
    }

    let ours = Manifests::render(
        &mesh,
        &bundle(&issuer, &rules()),
        &["--scope=workload", "--namespace=policies", "--selector=app=api"],
    )?;
    ours.apply(&mesh).await?;
    let both = [DIRECT_PEER, RBAC, EXT_AUTHZ, JWT_AUTHN, OURS, RBAC, RBAC, INTERLOCK];
    chain::wait_for(&api, WORKLOAD_PORT, &both).await?;
    for row in &TABLE {
        assert_eq!(
            ask(row).await?,
            row.expected(Some(row.theirs), Some(row.ours)),
            "both: {row:?}"
        );
    }

    // Istio's own default, `BASE`, has changed these before anybody looks at them; ours refuses what still has no single meaning.
    let denied = TABLE
        .iter()
        .find(|row| matches!(row.theirs, Theirs::Deny))
        .ok_or("no row")?;
    for (path, expected) in [
        (
            "/orders/../denied/7",
            denied.expected(Some(denied.theirs), Some(denied.ours)),
        ),
        (
            "/orders/%2E%2e/denied/7",
            denied.expected(Some(denied.theirs), Some(denied.ours)),
        ),
        ("/orders/%37", Seen::allowed("rule.allowed")),
        ("/orders//7", Seen::refused(400, "request.path_empty_segment")),
        ("/orders/a%2Fb", Seen::refused(400, "request.path_encoded_slash")),
        ("/orders/a;b", Seen::refused(400, "request.path_parameters")),
    ] {
        assert_eq!(
            ask(&row(path, Some(Good), false, Theirs::Allows, READ)).await?,
            expected,
            "{path}"
        );
    }

    mesh.delete(&istios).await?;
    chain::wait_for(&api, WORKLOAD_PORT, &[DIRECT_PEER, OURS, INTERLOCK]).await?;
    for row in &TABLE {
        assert_eq!(
            ask(row).await?,
            row.expected(None, Some(row.ours)),
            "ours alone: {row:?}"
        );
    }

    // Without `forwardOriginalToken`, RequestAuthentication takes the token away before ours sees the request.
    mesh.apply(&istios_policies(&issuer, false)).await?;
    chain::wait_for(&api, WORKLOAD_PORT, &both).await?;
    let taken = Row {
        path: "/orders/7",
        token: Some(Token::Good),
        asks: false,
        theirs: Theirs::Allows,
        ours: Ours::Refuses(401, "identity.missing"),
    };
    assert_eq!(ask(&taken).await?, Seen::refused(401, "identity.missing"));
    Ok(())
}

/// A request, and what each of the two says of it by itself.
#[derive(Debug)]
struct Row {
    path: &'static str,
    token: Option<Token>,
    /// Whether it carries the header by which the authorizer allows.
    asks: bool,
    theirs: Theirs,
    ours: Ours,
}

#[derive(Clone, Copy, Debug)]
enum Theirs {
    Allows,
    Custom,
    /// RequestAuthentication, with this status and reason.
    Token(u16, &'static str),
    Deny,
    /// No ALLOW policy matches.
    Allow,
}

#[derive(Clone, Copy, Debug)]
enum Ours {
    Allows(&'static str),
    Refuses(u16, &'static str),
}

use Ours::Refuses;
use Token::{Forged, Good, Narrow, Poor};

const READ: Ours = Ours::Allows("rule.allowed");
const PUBLIC: Ours = Ours::Allows("rule.public");
const POOR: Ours = Refuses(403, "permission.missing");
const NOBODY: Ours = Refuses(401, "identity.missing");
const FORGED: Ours = Refuses(401, "identity.signature");
const AUDIENCE: Theirs = Theirs::Token(403, "Audiences_in_Jwt_are_not_allowed");
const SIGNATURE: Theirs = Theirs::Token(401, "Jwt_verification_fails");

const TABLE: [Row; 17] = [
    row("/orders/7", Some(Good), false, Theirs::Allows, READ),
    row("/orders/7", Some(Poor), false, Theirs::Allows, POOR),
    row("/orders/7", None, false, Theirs::Allow, NOBODY),
    row("/orders/7", Some(Narrow), false, AUDIENCE, READ),
    row("/orders/7", Some(Forged), false, SIGNATURE, FORGED),
    row("/denied/7", Some(Good), false, Theirs::Deny, READ),
    row("/denied/7", Some(Poor), false, Theirs::Deny, POOR),
    row("/elsewhere", Some(Good), false, Theirs::Allow, READ),
    row("/elsewhere", Some(Poor), false, Theirs::Allow, POOR),
    row("/open/7", None, false, Theirs::Allows, PUBLIC),
    row("/open/7", Some(Poor), false, Theirs::Allows, PUBLIC),
    row("/open/7", Some(Narrow), false, AUDIENCE, PUBLIC),
    row("/custom/7", Some(Good), true, Theirs::Allows, READ),
    row("/custom/7", Some(Poor), true, Theirs::Allows, POOR),
    row("/custom/7", Some(Good), false, Theirs::Custom, READ),
    row("/custom/7", Some(Poor), false, Theirs::Custom, POOR),
    // The authorizer is asked before anybody has looked at the token.
    row("/custom/7", Some(Forged), false, Theirs::Custom, FORGED),
];

const fn row(path: &'static str, token: Option<Token>, asks: bool, theirs: Theirs, ours: Ours) -> Row {
    Row {
        path,
        token,
        asks,
        theirs,
        ours,
    }
}

impl Row {
    fn request(&self, tokens: &Tokens) -> Request {
        let mut request = Request::new("GET", self.path);
        if let Some(token) = self.token {
            request = request.bearer(tokens.get(token));
        }
        request.header("x-ext-authz", if self.asks { "allow" } else { "deny" })
    }

    /// What is seen where these of the two stand in the chain.
    fn expected(&self, theirs: Option<Theirs>, ours: Option<Ours>) -> Seen {
        let line = match ours {
            Some(Ours::Allows(reason)) => format!("allow;{reason}"),
            _ => String::new(),
        };
        match (theirs, ours) {
            // In front of ours.
            (Some(Theirs::Custom), _) => Seen::new(403, "ext_authz_denied", ""),
            (Some(Theirs::Token(status, reason)), _) => {
                Seen::new(status, &format!("jwt_authn_access_denied{{{reason}}}"), "")
            }
            (_, Some(Refuses(status, reason))) => Seen::refused(status, reason),
            // Behind ours.
            (Some(Theirs::Deny), _) => Seen::new(
                403,
                "rbac_access_denied_matched_policy[ns[policies]-policy[deny]-rule[0]]",
                &line,
            ),
            (Some(Theirs::Allow), _) => Seen::new(403, NO_POLICY, &line),
            (Some(Theirs::Allows) | None, Some(Ours::Allows(reason))) => Seen::allowed(reason),
            (Some(Theirs::Allows) | None, None) => Seen::passed(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Token {
    /// Valid for both, with the permission that ours asks for.
    Good,
    /// Valid for both, without it.
    Poor,
    /// Good, but not for the audience that RequestAuthentication asks for.
    Narrow,
    /// Good, with a bit of its signature turned.
    Forged,
}

struct Tokens {
    good: String,
    poor: String,
    narrow: String,
    forged: String,
}

impl Tokens {
    fn mint(issuer: &Issuer) -> Result<Self> {
        let both = ["api.us-east-1.com", "shop"];
        let good = token(issuer, &both, &["read:orders"])?;
        Ok(Self {
            forged: with_bad_signature(&good)?,
            good,
            poor: token(issuer, &both, &[])?,
            narrow: token(issuer, &["api.us-east-1.com"], &["read:orders"])?,
        })
    }

    fn get(&self, token: Token) -> &str {
        match token {
            Good => &self.good,
            Poor => &self.poor,
            Narrow => &self.narrow,
            Forged => &self.forged,
        }
    }
}

fn rules() -> Value {
    json!([
        {"name": "read", "permissions": {"anyOf": ["read:orders"]}, "effect": "allow"},
        {"name": "open", "paths": ["/open/{id}"], "identity": "none", "effect": "allow"},
    ])
}

/// Istio's policies on `api`.
fn istios_policies(issuer: &Issuer, forward: bool) -> String {
    let object = |api: &str, kind: &str, name: &str, spec: Value| {
        let mut object = json!({
            "apiVersion": format!("security.istio.io/{api}"), "kind": kind, "metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec,
        });
        object["spec"]["selector"] = json!({"matchLabels": {"app": "api"}});
        object.to_string()
    };
    let policy = |name: &str, spec: Value| object("v1", "AuthorizationPolicy", name, spec);
    let paths = |paths: &[&str]| json!([{"operation": {"paths": paths}}]);
    [
        object("v1", "RequestAuthentication", "tokens", json!({"jwtRules": [{
            "issuer": "identity.global.com", "audiences": ["shop"], "jwks": issuer.jwks().to_string(), "forwardOriginalToken": forward,
        }]})),
        policy("custom", json!({"action": "CUSTOM", "provider": {"name": "policies"}, "rules": [{"to": paths(&["/custom/*"])}]})),
        policy("deny", json!({"action": "DENY", "rules": [{"to": paths(&["/denied/*"])}]})),
        policy("allow", json!({"action": "ALLOW", "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/policies/sa/web"], "requestPrincipals": ["identity.global.com/alice"]}}],
                "to": paths(&["/orders/*", "/denied/*", "/custom/*"]),
            },
            {"to": paths(&["/open/*"])},
        ]})),
    ]
    .join("\n---\n")
}
