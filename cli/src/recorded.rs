//! A request as people write it for `explain`, and as one line of a recording has it for `diff`.

mod device;
mod line;
mod log;
mod risk;

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use regionguard::policy::Served;
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use crate::input;
use crate::trial::{Center, Request, Token, Trial};

pub(crate) use line::write;
pub(crate) use log::read;

/// A request on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// What is asked: https://HOST/PATH
    #[arg(long, value_name = "URL", required_unless_present_any = ["test", "line"])]
    url: Option<String>,
    /// The method
    #[arg(long, default_value = "GET")]
    method: String,
    /// A header of the request, `name: value`; may be given more than once
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// What the token says, as JSON or a file that holds it; what is missing (`iss`, `sub`, `aud`, `exp` and the like) is filled in. Without it there is no token
    #[arg(long, value_name = "JSON|FILE")]
    claims: Option<String>,
    /// The Region that signs the token; otherwise the one that its claims name, or the local one
    #[arg(long, value_name = "REGION")]
    home: Option<String>,
    /// The address of the direct peer; without it, it cannot be told
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// The SPIFFE id in the certificate of the direct peer; without it, there is no certificate
    #[arg(long, value_name = "SPIFFE")]
    peer: Option<String>,
    /// What is known of the device, as a PolicyTest says it (`{"encrypted": true}`), as JSON or a file that holds it. It goes with a token
    #[arg(long, value_name = "JSON|FILE")]
    device: Option<String>,
    /// The DeviceIssuer that tells of the device; without it the bundle's first, or the token itself where there is none
    #[arg(long, value_name = "NAME", requires = "device")]
    device_issuer: Option<String>,
    /// What the identity replica tells of who asks (`{"clearance": 3}`), as JSON or a file that holds it; without it, that does not know them. It goes with a token
    #[arg(long, value_name = "JSON|FILE")]
    identity: Option<String>,
    /// What is known of the risk, as a PolicyTest says it (`{"score": 90, "failures": 3}`), as JSON or a file that holds it
    #[arg(long, value_name = "JSON|FILE")]
    risk: Option<String>,
    /// The token is bound to the certificate of the direct peer (RFC 8705)
    #[arg(long)]
    bound: bool,
    /// The port that the connection is made to, for probes; without it, it cannot be told
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Whom the proxy serves, for policies that say where they stand: a SPIFFE id, or ns/NAMESPACE/sa/SERVICE-ACCOUNT
    #[arg(long, value_name = "WORKLOAD", value_parser = serves)]
    serves: Option<Served>,
    /// When, like 2026-11-23T18:10:00Z; without it, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<WallTime>,
    /// What the center answers: allow, deny, away or wrong
    #[arg(long, value_name = "ANSWER", value_parser = center)]
    center: Option<Center>,
    /// The region in which the proxy stands, for a bundle without `region`
    #[arg(long, value_name = "REGION")]
    locality: Option<String>,
}

impl Asked {
    /// The request that is meant.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn trial(&self) -> Result<Trial, String> {
        let url = self.url.as_deref().ok_or("no request: give `--url`")?;
        let mut request = request_of(url)?;
        request.method = self.method.clone();
        let mut trial = Trial {
            request,
            at: now(),
            ..Trial::default()
        };
        self.complete(&mut trial)?;
        Ok(trial)
    }

    /// What the token says, if that is told.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn claims(&self) -> Result<Option<Map<String, Value>>, String> {
        self.claims.as_deref().map(claims).transpose()
    }

    /// Puts all that is said beside what is asked into a request.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn complete(&self, trial: &mut Trial) -> Result<(), String> {
        for header in &self.header {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| format!("`{header}` is no header: write `name: value`"))?;
            let line = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            trial.request.headers.push(line);
        }
        let claims = self.claims()?;
        let device = self.device.as_deref().map(json).transpose()?;
        let device = device
            .as_ref()
            .map(|device| device::read(device, self.device_issuer.as_deref(), None));
        let device = device.transpose()?;
        let identity = self
            .identity
            .as_deref()
            .map(|text| object(text, "`--identity` is"))
            .transpose()?;
        if claims.is_some() || self.home.is_some() || self.bound || device.is_some() || identity.is_some() {
            let token = trial.token.get_or_insert_default();
            if let Some(claims) = claims {
                token.claims = claims;
            }
            token.home = self.home.clone().or_else(|| token.home.take());
            token.bound |= self.bound;
            trial.token = trial.token.take().map(of_somebody);
        }
        trial.identity = identity.or(trial.identity.take());
        let risk = self.risk.as_deref().map(json).transpose()?;
        let risk = risk.as_ref().map(risk::read).transpose()?;
        trial.risk = risk.or(trial.risk);
        trial.device = device.or(trial.device.take());
        trial.address = self.source.or(trial.address);
        trial.workload = self.peer.clone().or(trial.workload.take());
        trial.locality = self.locality.clone().or(trial.locality.take());
        trial.port = self.port.or(trial.port);
        if let Some(serves) = &self.serves {
            trial.serves = serves.clone();
        }
        trial.at = self.at.unwrap_or(trial.at);
        trial.center = self.center.or(trial.center);
        Ok(())
    }
}

/// The token with a subject, as a PolicyTest fills it in: every token needs one.
pub(crate) fn of_somebody(mut token: Token) -> Token {
    if !token.without.iter().any(|name| name == "sub") {
        token.claims.entry("sub").or_insert_with(|| "somebody".into());
    }
    token
}

/// The clock's time, in whole seconds: as tokens have it.
pub(crate) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_secs().saturating_mul(1_000_000_000))
}

/// A time as RFC 3339 has it.
///
/// # Errors
/// What would be right.
pub(crate) fn time(text: &str) -> Result<WallTime, String> {
    let time: Option<Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_nanosecond()).ok())
        .map(WallTime)
        .ok_or_else(|| format!("`{text}` is no time: write it as RFC 3339 does, with its zone: `2026-11-23T18:10:00Z`"))
}

fn center(text: &str) -> Result<Center, String> {
    match text {
        "allow" => Ok(Center::Allow),
        "deny" => Ok(Center::Deny),
        "away" => Ok(Center::Away),
        "wrong" => Ok(Center::Wrong),
        _ => Err("a center answers `allow` or `deny`, is `away` or `wrong`".to_owned()),
    }
}

/// Whom a proxy serves, as a PolicyTest says it.
fn serves(text: &str) -> Result<Served, String> {
    if text.starts_with("spiffe://") {
        return Ok(Served {
            id: Some(text.to_owned()),
            ..Served::default()
        });
    }
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["ns", namespace, "sa", account] => Ok(Served {
            id: None,
            namespace: Some((*namespace).to_owned()),
            service_account: Some((*account).to_owned()),
        }),
        _ => Err(format!(
            "`{text}` is no workload: write its SPIFFE id, or `ns/NAMESPACE/sa/SERVICE-ACCOUNT`"
        )),
    }
}

/// The claims in `text`, or in the file of this name.
///
/// # Errors
/// What would be right.
pub(crate) fn claims(text: &str) -> Result<Map<String, Value>, String> {
    object(text, "the claims are")
}

/// The JSON object in `text`, or in the file of this name; `what` it is, and is not.
fn object(text: &str, what: &str) -> Result<Map<String, Value>, String> {
    match json(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(format!("{what} no JSON object")),
    }
}

/// The JSON in `text`, or in the file of this name.
fn json(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}: {}", text.trim()));
    }
    serde_json::from_str(&input::text(text)?).map_err(|error| format!("`{text}` is no JSON object: {error}"))
}

/// Scheme, authority and path of a URL.
fn request_of(url: &str) -> Result<Request, String> {
    let wrong = || format!("`{url}` is no URL: write `https://HOST/PATH`");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    if !matches!(scheme, "http" | "https") {
        return Err(wrong());
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end).ok_or_else(wrong)?;
    if host.is_empty() {
        return Err(wrong());
    }
    // Nobody sends a fragment.
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    Ok(Request {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        path,
        ..Request::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{request_of, serves};

    #[test]
    fn urls() {
        let request = request_of("http://a.x:8080/b?c#d").expect("a URL");
        assert_eq!(
            (request.scheme.as_str(), request.host.as_str(), request.path.as_str()),
            ("http", "a.x:8080", "/b?c")
        );
        assert_eq!(request_of("https://a.x").expect("a URL").path, "/");
        assert_eq!(request_of("https://a.x?b").expect("a URL").path, "/?b");
        for wrong in ["a.x/b", "ftp://a.x/", "https:///b"] {
            assert!(request_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whom_a_proxy_serves() {
        let by_names = serves("ns/shop/sa/api").expect("a workload");
        assert_eq!(
            (
                by_names.id,
                by_names.namespace.as_deref(),
                by_names.service_account.as_deref()
            ),
            (None, Some("shop"), Some("api"))
        );
        let by_id = serves("spiffe://prod/ns/shop/sa/api").expect("a workload");
        assert_eq!(by_id.id.as_deref(), Some("spiffe://prod/ns/shop/sa/api"));
        assert!(serves("shop/api").is_err());
    }
}
