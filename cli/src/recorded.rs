//! A request as people write it on the command line.

use std::fs;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use crate::trial::{Center, Request, Token, Trial};

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
    /// What the token says, as JSON or a file that holds it; what is missing (`iss`, `aud`, `exp` and the like) is filled in. Without it there is no token
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
        let headers: Result<Vec<(String, String)>, String> = self
            .header
            .iter()
            .map(|header| {
                let (name, value) = header
                    .split_once(':')
                    .ok_or_else(|| format!("`{header}` is no header: write `name: value`"))?;
                Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let mut request = request_of(url)?;
        request.method = self.method.clone();
        request.headers = headers?;
        let claims = self.claims.as_deref().map(claims).transpose()?;
        let token = match (claims, &self.home) {
            (None, None) => None,
            (claims, home) => Some(Token {
                home: home.clone(),
                claims: claims.unwrap_or_default(),
                ..Token::default()
            }),
        };
        Ok(Trial {
            request,
            token,
            address: self.source,
            workload: self.peer.clone(),
            locality: self.locality.clone(),
            at: self.at.unwrap_or_else(now),
            center: self.center,
            lists_away: false,
        })
    }
}

/// The clock's time.
pub(crate) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
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

/// The claims in `text`, or in the file of this name.
fn claims(text: &str) -> Result<Map<String, Value>, String> {
    let read;
    let json = if text.trim_start().starts_with('{') {
        text
    } else {
        read = fs::read_to_string(text).map_err(|error| format!("cannot read the claims in `{text}`: {error}"))?;
        read.as_str()
    };
    serde_json::from_str(json).map_err(|error| format!("the claims are no JSON object: {error}"))
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
    use super::request_of;

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
}
