//! The login of browsers by Envoy's own `oauth2` filter: its options, and the files that it needs beside a bootstrap.

use std::str::FromStr;

use super::node::Node;
use super::options::{FilePath, is_subdomain, tls_name};
use super::template::{Template, Values};
use super::{Bundle, Failure, File};

/// The cookie in which the access token reaches the filter, as the template names it.
pub(crate) const COOKIE: &str = "__Host-token";

const SECRET: &str = include_str!("../../templates/envoy/login-secret.yaml");

/// The options that `envoy-oauth2` alone looks at.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of envoy-oauth2")]
pub(crate) struct LoginOptions {
    /// The host that browsers ask for. Required
    #[arg(long, value_name = "HOST")]
    login_host: Option<Host>,
    /// The client by which the identity provider knows this gateway. Required
    #[arg(long, value_name = "ID")]
    login_client: Option<Word>,
    /// The provider's authorization endpoint. Required
    #[arg(long, value_name = "URL")]
    login_authorization: Option<Url>,
    /// The provider's token endpoint. Required
    #[arg(long, value_name = "URL")]
    login_token: Option<Url>,
    /// The provider's end-session endpoint, where a sign-out goes on [default: the cookies are removed, and the provider is not told]
    #[arg(long, value_name = "URL")]
    login_logout: Option<Url>,
    /// A scope to ask for; may be given several times
    #[arg(long, value_name = "SCOPE", default_value = "openid")]
    login_scope: Vec<Word>,
    /// What the token is to be for (RFC 8707); may be given several times
    #[arg(long, value_name = "URI")]
    login_resource: Vec<Word>,
    /// The authorities that vouch for the provider's certificate
    #[arg(long, value_name = "PATH", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    login_authorities: FilePath,
}

/// The host of a service, with a port other than 443 if need be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host(String);

/// The address of an endpoint: `https://HOST[:PORT]/PATH[?QUERY]`. Nothing in it has a meaning to Envoy, which takes `%` for the begin of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    text: String,
    host: String,
    port: u16,
}

/// A scope, a client or a resource: visible ASCII without quotes, as RFC 6749 (appendix A) has a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word(String);

/// Sets what the template of a gateway names, without a login.
pub(crate) fn none(values: &mut Values) {
    values
        .set("filters", "four")
        .set("if login", false)
        .set("if no login", true);
}

impl LoginOptions {
    /// Sets what the template of a gateway names, with a login.
    ///
    /// # Errors
    /// When an option is missing.
    pub(crate) fn set(&self, values: &mut Values) -> Result<(), Failure> {
        let host = required(
            self.login_host.as_ref(),
            "--login-host",
            "the host that browsers ask for",
        )?;
        let client = required(
            self.login_client.as_ref(),
            "--login-client",
            "the client's id at the provider",
        )?;
        let authorization = required(
            self.login_authorization.as_ref(),
            "--login-authorization",
            "the provider's authorization endpoint",
        )?;
        let token = required(
            self.login_token.as_ref(),
            "--login-token",
            "the provider's token endpoint",
        )?;
        let logout = self.login_logout.as_ref();
        let (san_type, named) = tls_name(&token.host);
        values
            .set("filters", "five")
            .set("if login", true)
            .set("if no login", false)
            .set("redirect_uri", format!("https://{}/oauth2/callback", host.0))
            .set("authorization_url", authorization.text.as_str())
            .set("token_url", token.text.as_str())
            .set("token_host", token.host.as_str())
            .set("if token named", named)
            .set("token_san_type", san_type)
            .set("token_port", Node::Number(token.port.into()))
            .set("client", client.0.as_str())
            .set("scopes", words(&self.login_scope))
            .set("if resources", !self.login_resource.is_empty())
            .set("resources", words(&self.login_resource))
            .set("if logout", logout.is_some())
            .set("logout_url", logout.map_or("", |url| url.text.as_str()))
            .set("authorities", self.login_authorities.as_str());
        Ok(())
    }
}

/// The files that name where the secrets are.
pub(crate) fn secrets() -> Vec<File> {
    let file = |secret: &str, what: &str| {
        let mut values = Values::default();
        values
            .set("secret", secret)
            .set("file", format!("/etc/regionguard/login/{secret}"));
        File {
            path: format!("{secret}.yaml"),
            // A comment: it takes no value.
            text: Template::parse(&SECRET.replace("<<what>>", what)).write(&values),
        }
    };
    vec![
        file("client-secret", "what the identity provider has given to the client."),
        file(
            "cookie-secret",
            "32 random bytes or more (`openssl rand -base64 32`). Who has them can make cookies.",
        ),
    ]
}

/// What to say where the policy does not read the cookie.
pub(crate) fn warning(bundle: &Bundle) -> Option<String> {
    (!bundle.node.yaml(0).contains(COOKIE)).then(|| {
        format!("warning: no token is read from the cookie `{COOKIE}`: name it in the bundle's `tokens.sources`, or whoever has logged in is answered 401")
    })
}

fn required<'a, T>(option: Option<&'a T>, name: &str, what: &str) -> Result<&'a T, Failure> {
    option.ok_or_else(|| Failure::new(format!("error: give `{name}`, {what}")))
}

fn words(words: &[Word]) -> Node {
    Node::List(words.iter().map(|word| word.0.as_str().into()).collect())
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match host_and_port(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err("not a host: a DNS name in lower case, with a port other than 443 if need be".to_owned()),
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            "not the address of an endpoint: `https://HOST[:PORT]/PATH[?QUERY]`, of letters, digits and `-._~/?&=+`";
        let rest = text.strip_prefix("https://").ok_or(form)?;
        let slash = rest.find('/').ok_or(form)?;
        let (authority, path) = rest.split_at(slash);
        let (host, port) = host_and_port(authority).ok_or(form)?;
        if !path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~/?&=+".contains(c))
        {
            return Err(form.to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_part = |c: char| c.is_ascii_graphic() && !"\"\\%".contains(c);
        if !text.is_empty() && text.len() <= 1_024 && text.chars().all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err("not one word of visible ASCII characters without `\"`, `\\` and `%`".to_owned())
    }
}

/// A DNS name and its port, which is 443 if nothing is said.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.split_once(':') {
        // `parse` alone would take `+80`.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port.parse().ok()?),
        Some(_) => return None,
        None => (text, 443),
    };
    (is_subdomain(host) && port > 0).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::{Host, Url, Word};

    #[test]
    fn an_endpoint_is_https_and_holds_nothing_that_envoy_would_read() {
        let url: Url = "https://login.example.com:8443/oauth2/authorize?access_type=offline"
            .parse()
            .unwrap();
        assert_eq!((url.host.as_str(), url.port), ("login.example.com", 8443));
        assert_eq!("https://login.example.com/a".parse::<Url>().unwrap().port, 443);
        for bad in [
            "http://login.example.com/a",
            "https://login.example.com",
            "https://login.example.com/%REQ(x)%",
            "https://a@login.example.com/a",
            "https://login.example.com:+1/a",
            "https://login.example.com:0/a",
            "https://Login.example.com/a",
            "https://login.example.com/a#b",
            "https://login.example.com/a\nb",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_and_words_are_what_they_are() {
        assert!("shop.example.com:8443".parse::<Host>().is_ok());
        assert!("https://shop.example.com".parse::<Host>().is_err());
        assert!("%REQ(:authority)%".parse::<Host>().is_err());
        assert!("api://shop/read.profile".parse::<Word>().is_ok());
        for bad in ["", "two words", "a\"b", "a%b", "é", "a\nb"] {
            assert!(bad.parse::<Word>().is_err(), "{bad}");
        }
    }
}
