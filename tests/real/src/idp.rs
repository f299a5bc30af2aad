//! Identity providers that others wrote: servers that `scripts/setup idp` installs, and what a client does with each of them.

pub mod browser;
pub mod dpop;
pub mod keycloak;
pub mod oidc_provider;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use regionguard_harness::client::{Client, Request, Response};
use serde_json::Value;

use crate::Result;
use crate::error::Context as _;

/// What a token endpoint handed out.
#[derive(Clone, Debug)]
pub struct Tokens(Value);

impl Tokens {
    /// Asks a token endpoint.
    ///
    /// # Errors
    /// When it does not answer 200 with an access token; the error holds what it said.
    pub async fn ask(client: &Client, request: &Request) -> Result<Self> {
        let answer = client.send(request).await?;
        let tokens = Self(answer.json()?);
        match answer.status {
            200 if tokens.text("access_token").is_some() => Ok(tokens),
            status => Err(format!("the token endpoint answers {status}: {}", answer.text()).into()),
        }
    }

    /// The access token.
    #[must_use]
    pub fn access(&self) -> &str {
        self.text("access_token").unwrap_or_default()
    }

    /// The refresh token.
    ///
    /// # Errors
    /// When there is none.
    pub fn refresh(&self) -> Result<&str> {
        self.text("refresh_token").ok_or_else(|| "no refresh token".into())
    }

    /// The ID token, where one was asked for.
    ///
    /// # Errors
    /// When there is none.
    pub fn id(&self) -> Result<&str> {
        self.text("id_token").ok_or_else(|| "no ID token".into())
    }

    /// The scheme by which the access token is to be sent.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text("token_type").unwrap_or_default()
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.0[member].as_str()
    }
}

/// A POST of a form (application/x-www-form-urlencoded) to `path` at the authority `host`.
#[must_use]
pub fn form(host: &str, path: &str, fields: &[(&str, &str)]) -> Request {
    Request::new("POST", path)
        .host(host)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encoded(fields))
}

/// The value of an Authorization header for a client that authenticates by its secret (RFC 6749, section 2.3.1). Neither may
/// need percent-encoding.
#[must_use]
pub fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

/// Fields as a form or a query has them.
#[must_use]
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The header of a token, unverified.
///
/// # Errors
/// When it is no compact JWS.
pub fn header(token: &str) -> Result<Value> {
    part(token, 0)
}

/// The claims of a token, unverified.
///
/// # Errors
/// When it is no compact JWS.
pub fn claims(token: &str) -> Result<Value> {
    part(token, 1)
}

/// A JSON document from a server, which must answer 200.
async fn document(client: &Client, host: &str, path: &str) -> Result<Value> {
    expect(client.send(&Request::new("GET", path).host(host)).await?, 200, path)?.json()
}

fn expect(answer: Response, status: u16, what: &str) -> Result<Response> {
    if answer.status == status {
        return Ok(answer);
    }
    Err(format!("`{what}` answers {}, not {status}: {}", answer.status, answer.text()).into())
}

fn part(token: &str, index: usize) -> Result<Value> {
    let failed = || "not a token".to_owned();
    let part = token.split('.').nth(index).ok_or_else(failed)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).context(failed)?).context(failed)
}

/// Unreserved characters as they are, all others encoded (RFC 3986, section 2.3).
fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
