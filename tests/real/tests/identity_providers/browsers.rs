//! The gateway that `regionguard render envoy-oauth2` writes, between a browser and the OpenID provider.

use std::path::Path;
use std::time::Duration;

use regionguard_harness::Result;
use regionguard_harness::client::{Client, Request, Response};
use regionguard_harness::config::Config;
use regionguard_harness::envoy::Envoy;
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::tls::Authority;
use regionguard_harness::tools;
use regionguard_harness::upstream::Upstream;
use regionguard_mesh::cli;
use regionguard_mesh::idp::browser::Browser;
use regionguard_mesh::idp::oidc_provider::OidcProvider;
use serde_json::{Value, json};

use crate::stage::{BATCH, BROWSER, BROWSER_RESOURCE, Stage, TOKEN_LIFE, US};

const HOST: &str = "api.us-east-1.com";
const PAGE: &str = "https://api.us-east-1.com/v1/profiles/7";
const PATH: &str = "/v1/profiles/7";
const PERSON: &[(&str, &str)] = &[("login", "alice"), ("password", "any")];

pub(crate) async fn a_browser_logs_in_and_stays_logged_in(stage: &mut Stage) -> Result<()> {
    let gateway = Gateway::start(stage).await?;
    let mut browser = gateway.browser(&stage.openid)?;

    // A script cannot log in, so it is told; a page is led through the login, and back to where it wanted to go.
    let script = fetch(&mut browser, "GET", &[("sec-fetch-mode", "cors")]).await?;
    assert_eq!((script.status, script.header("location")), (401, None));
    let page = browser.visit(PAGE, PERSON).await?;
    assert_eq!(
        (page.answer.status, page.url.as_str()),
        (200, PAGE),
        "{:#?}",
        page.passed
    );
    assert!(
        page.passed.iter().any(|url| url.contains("code_challenge_method=S256")),
        "PKCE: {:#?}",
        page.passed
    );
    let first = token_id(&page.answer)?;
    assert_eq!(forwarded(&page.answer, "x-user")?.as_deref(), Some("alice"));
    assert_eq!(
        forwarded(&page.answer, "cookie")?,
        None,
        "no cookie of the login gets behind the filter"
    );
    assert_eq!(forwarded(&page.answer, "authorization")?, None);
    for name in ["__Host-token", "__Host-token-refresh", "__Host-token-hmac"] {
        let attributes = browser.attributes(HOST, name).ok_or("no cookie")?.to_ascii_lowercase();
        for needed in ["secure", "httponly", "samesite=lax", "path=/"] {
            assert!(attributes.contains(needed), "{name}: {attributes}");
        }
        assert!(!attributes.contains("domain"), "{name}: {attributes}");
    }
    // Encrypted: a token has two dots.
    assert!(!browser.cookie(HOST, "__Host-token").ok_or("no cookie")?.contains('.'));

    // The access token ends. The next request is answered as if it had not: by a new one, and a new refresh token.
    let before = browser.clone();
    tokio::time::sleep(TOKEN_LIFE + Duration::from_secs(1)).await;
    assert_eq!(
        browser.cookie(HOST, "__Host-token"),
        None,
        "the cookie ends with its token"
    );
    let renewed = fetch(&mut browser, "GET", &[("sec-fetch-mode", "cors")]).await?;
    assert_eq!(renewed.status, 200, "no redirect, no error: {}", renewed.text());
    assert_ne!(token_id(&renewed)?, first);
    assert_eq!(forwarded(&renewed, "x-user")?.as_deref(), Some("alice"));
    let refresh = |browser: &Browser| browser.cookie(HOST, "__Host-token-refresh").map(str::to_owned);
    assert!(
        refresh(&browser).is_some_and(|new| Some(new) != refresh(&before)),
        "the refresh token was rotated"
    );
    assert_eq!(
        token_id(&fetch(&mut browser, "GET", &[]).await?)?,
        token_id(&renewed)?,
        "kept until it ends"
    );

    // Another site's page has the browser send a POST. (The browser would leave the cookies out, by SameSite.)
    for (header, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200)] {
        let answer = fetch(&mut browser, "POST", &[("sec-fetch-site", header)]).await?;
        assert_eq!(answer.status, status, "{header}: {}", answer.text());
    }
    let other = fetch(&mut browser, "POST", &[("origin", "https://other.example")]).await?;
    assert_eq!(other.status, 403);
    assert_eq!(
        fetch(&mut browser, "POST", &[("origin", "https://api.us-east-1.com")])
            .await?
            .status,
        200
    );

    // The person signs out, here and at the provider, which then asks for name and password again.
    let page = browser
        .visit("https://api.us-east-1.com/oauth2/sign-out", &[("logout", "yes")])
        .await?;
    assert!(
        page.passed.iter().any(|url| url.contains("/session/end")) && page.url.contains("/interaction/"),
        "{page:#?}"
    );
    for name in ["__Host-token", "__Host-token-refresh", "__Host-token-hmac"] {
        assert_eq!(browser.cookie(HOST, name), None, "{name}");
    }
    sent_to_login(&fetch(&mut browser, "GET", &[]).await?);
    Ok(())
}

pub(crate) async fn a_login_is_not_forged_or_stolen(stage: &mut Stage) -> Result<()> {
    let gateway = Gateway::start(stage).await?;
    let fields = [("grant_type", "client_credentials"), ("scope", "read:profile")];
    let token = stage.openid.tokens(BATCH, &fields).await?;
    // A program brings its own token, past the login.
    let program = |request: Request| async { gateway.client.send(&request.host(HOST)).await };
    let answer = program(Request::new("GET", PATH).bearer(token.access())).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = program(Request::new("GET", PATH).bearer("not.a.token")).await?;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("location"), None, "the filter's answer, and no login");
    // A good token in the cookie, which nobody has signed, is no login; and beside another token it is one too many.
    let cookie = format!("__Host-token={}", token.access());
    sent_to_login(&program(Request::new("GET", PATH).header("cookie", &cookie)).await?);
    let both = Request::new("GET", PATH)
        .header("cookie", &cookie)
        .bearer(token.access());
    assert_eq!(program(both).await?.status, 400);

    // Somebody has a copy of all cookies. Once the browser has refreshed, the copy's refresh token is used up; and
    // whoever uses it ends the session, for the provider sees that two have it.
    let mut browser = gateway.browser(&stage.openid)?;
    assert_eq!(browser.visit(PAGE, PERSON).await?.answer.status, 200);
    let mut thief = browser.clone();
    tokio::time::sleep(TOKEN_LIFE + Duration::from_secs(1)).await;
    assert_eq!(fetch(&mut browser, "GET", &[]).await?.status, 200);
    sent_to_login(&fetch(&mut thief, "GET", &[]).await?);
    tokio::time::sleep(TOKEN_LIFE + Duration::from_secs(1)).await;
    sent_to_login(&fetch(&mut browser, "GET", &[]).await?);
    Ok(())
}

/// The rendered gateway, and what is behind it.
struct Gateway {
    _envoy: Envoy,
    _upstream: Upstream,
    client: Client,
}

impl Gateway {
    async fn start(stage: &mut Stage) -> Result<Self> {
        let dir = stage.dir("gateway")?;
        let bootstrap = render(&dir, &stage.openid)?;
        let authority = Authority::new()?;
        let server = authority.server()?;
        for (file, content) in [
            ("tls.crt", server.certificate.as_str()),
            ("tls.key", &server.key),
            ("client-secret", BROWSER.1),
            ("cookie-secret", "32 bytes or more, for one run only"),
        ] {
            std::fs::write(dir.join(file), content)?;
        }
        let folder = PolicyFolder::create(dir.join("policy"), tools::wasm_module()?)?;
        let mut bundle = stage.bundle(US);
        bundle["tokens"] = json!({"sources": [{"header": "authorization"}, {"cookie": "__Host-token"}]});
        for document in bundle["documents"].as_array_mut().ok_or("no documents")? {
            if document["kind"] == "ZeroTrustPolicy" {
                document["spec"]["forward"]["token"] = json!("strip");
            }
        }
        folder.write(&bundle)?;
        let upstream = Upstream::start().await?;
        let config = stage
            .around(Config::read(&bootstrap)?)
            .policy(&folder)
            .cluster("upstream", upstream.address())
            .cluster("login", stage.openid.tls_address());
        let envoy = Envoy::start("gateway", config, &dir).await?;
        Ok(Self {
            client: envoy.client().tls(&authority, None)?,
            _envoy: envoy,
            _upstream: upstream,
        })
    }

    fn browser(&self, openid: &OidcProvider) -> Result<Browser> {
        let provider = format!("localhost:{}", openid.tls_address().port());
        Ok(Browser::new()
            .server(HOST, self.client.clone())
            .server(&provider, openid.tls_client(None)?))
    }
}

/// Renders the gateway as an operator does, and puts its paths into `dir`.
fn render(dir: &Path, openid: &OidcProvider) -> Result<std::path::PathBuf> {
    let authorities = dir.join("authorities.pem");
    std::fs::write(&authorities, openid.authorities())?;
    let provider = format!("https://localhost:{}", openid.tls_address().port());
    let (out, authorities) = (dir.display().to_string(), authorities.display().to_string());
    let endpoint = |path: &str| format!("{provider}{path}");
    let (authorization, token, logout) = (endpoint("/auth"), endpoint("/token"), endpoint("/session/end"));
    cli::regionguard([
        "render",
        "envoy-oauth2",
        "envoy-config/documents",
        "--out",
        &out,
        "--login-host",
        HOST,
        "--login-client",
        BROWSER.0,
        "--login-authorization",
        &authorization,
        "--login-token",
        &token,
        "--login-logout",
        &logout,
        "--login-scope",
        "openid",
        "--login-scope",
        "read:profile",
        "--login-resource",
        BROWSER_RESOURCE,
        "--login-authorities",
        &authorities,
    ])?;
    for file in ["gateway.yaml", "client-secret.yaml", "cookie-secret.yaml"] {
        let path = dir.join(file);
        let mut text = std::fs::read_to_string(&path)?;
        for folder in ["/etc/regionguard/tls/", "/etc/regionguard/login/"] {
            text = text.replace(folder, &format!("{out}/"));
        }
        std::fs::write(&path, text)?;
    }
    Ok(dir.join("gateway.yaml"))
}

async fn fetch(browser: &mut Browser, method: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let request = headers
        .iter()
        .fold(Request::new(method, PATH), |request, (name, value)| {
            request.header(name, value)
        });
    browser.fetch(HOST, PATH, request).await
}

#[track_caller]
fn sent_to_login(answer: &Response) {
    let location = answer.header("location").unwrap_or_default();
    assert!(
        answer.status == 302 && location.contains("/auth?"),
        "{} {location}",
        answer.status
    );
}

/// The `jti` of the token that the upstream was told of.
fn token_id(answer: &Response) -> Result<String> {
    forwarded(answer, "x-token-id")?.ok_or_else(|| format!("no token: {}", answer.text()).into())
}

fn forwarded(answer: &Response, name: &str) -> Result<Option<String>> {
    let echo: Value = answer.json()?;
    let headers = echo["headers"].as_array().into_iter().flatten();
    let mut found = headers.filter(|pair| pair[0] == name);
    Ok(found.find_map(|pair| Some(pair[1].as_str()?.to_owned())))
}
