//! A request as people write it for `explain`, and as one line of a recording has it for `diff`.

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
            (claims, home) => Some(of_somebody(Token {
                home: home.clone(),
                claims: claims.unwrap_or_default(),
                ..Token::default()
            })),
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
            ..Trial::default()
        })
    }
}

/// The token with a subject, as a PolicyTest fills it in: every token needs one.
pub(crate) fn of_somebody(mut token: Token) -> Token {
    if !token.without.iter().any(|name| name == "sub") {
        token.claims.entry("sub").or_insert_with(|| "somebody".into());
    }
    token
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

/// The members of a recorded request, and those that a line of an access log has for the same.
const MEMBERS: [&str; 17] = [
    "url",
    "method",
    "scheme",
    "host",
    "authority",
    "path",
    "headers",
    "claims",
    "home",
    "without",
    "bound",
    "address",
    "workload",
    "at",
    "center",
    "locality",
    "name",
];

/// A line of a recording: a JSON object. That of an access log will do, as far as it tells.
///
/// # Errors
/// What would be right.
pub(crate) fn read(line: &str, otherwise_at: WallTime) -> Result<Trial, String> {
    let members: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"))?;
    // A log has more to say than what was asked.
    if !members.contains_key("decision")
        && let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str()))
    {
        return Err(format!("no such member: `{unknown}`; there are {}", MEMBERS.join(", ")));
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("`{name}` must be a string")),
    };
    let mut request = match text("url")? {
        Some(url) => request_of(url)?,
        None => Request {
            scheme: text("scheme")?.unwrap_or("https").to_owned(),
            host: text("host")?
                .or(text("authority")?)
                .ok_or("`url`, or `host` and `path`, is missing")?
                .to_owned(),
            path: text("path")?
                .ok_or("`url`, or `host` and `path`, is missing")?
                .to_owned(),
            ..Request::default()
        },
    };
    request.method = text("method")?.unwrap_or("GET").to_owned();
    request.headers = headers(members.get("headers"))?;
    let home = text("home")?.map(str::to_owned);
    let said = match members.get("claims") {
        None | Some(Value::Null) => None,
        Some(Value::Object(claims)) => Some(claims.clone()),
        Some(_) => return Err("`claims` must be an object".to_owned()),
    };
    let token = match (said, home) {
        (None, None) => None,
        (said, home) => Some(of_somebody(Token {
            home,
            claims: said.unwrap_or_default(),
            without: words(members.get("without"))?,
            bound: members.get("bound").is_some_and(|bound| bound == true),
            ..Token::default()
        })),
    };
    let address = text("address")?
        .map(|address| address.parse().map_err(|_| format!("`{address}` is no address")))
        .transpose()?;
    Ok(Trial {
        request,
        token,
        address,
        workload: text("workload")?.map(str::to_owned),
        locality: text("locality")?.map(str::to_owned),
        at: text("at")?.map_or(Ok(otherwise_at), time)?,
        center: text("center")?.map(center).transpose()?,
        lists_away: false,
        ..Trial::default()
    })
}

/// The line of a recording that [`read`] makes this request of.
pub(crate) fn write(trial: &Trial) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    let Request {
        method,
        scheme,
        host,
        path,
        headers,
    } = &trial.request;
    put("method", method.as_str().into());
    put("url", format!("{scheme}://{host}{path}").into());
    if !headers.is_empty() {
        put("headers", headers.iter().cloned().collect());
    }
    if let Some(token) = &trial.token {
        put("claims", Value::Object(token.claims.clone()));
        if let Some(home) = &token.home {
            put("home", home.as_str().into());
        }
        if !token.without.is_empty() {
            put("without", token.without.as_slice().into());
        }
        if token.bound {
            put("bound", true.into());
        }
    }
    if let Some(address) = trial.address {
        put("address", address.to_string().into());
    }
    if let Some(workload) = &trial.workload {
        put("workload", workload.as_str().into());
    }
    if let Some(locality) = &trial.locality {
        put("locality", locality.as_str().into());
    }
    if let Ok(at) = Timestamp::from_nanosecond(trial.at.0.into()) {
        put("at", at.to_string().into());
    }
    if let Some(center) = trial.center {
        let answer = match center {
            Center::Allow => "allow",
            Center::Deny => "deny",
            Center::Away => "away",
            Center::Wrong => "wrong",
        };
        put("center", answer.into());
    }
    Value::Object(members)
}

fn words(list: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = || "`without` must be a list of strings".to_owned();
    match list {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn headers(members: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let wrong = || "`headers` must be an object of strings".to_owned();
    match members {
        None => Ok(Vec::new()),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().ok_or_else(wrong)?;
                Ok((name.to_ascii_lowercase(), value.to_owned()))
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use regionguard::time::WallTime;

    use super::{read, request_of, write};

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
    fn what_is_written_is_read_again() {
        let line = r#"{"address":"10.1.2.3","at":"2026-11-23T18:10:00Z","bound":true,"center":"away","claims":{"sub":"alice"},"headers":{"a":"b"},"home":"here","locality":"there","method":"PUT","url":"https://a.x/b?c","without":["exp"],"workload":"spiffe://here.x/a"}"#;
        let trial = read(line, WallTime(7)).expect("a request");
        assert_eq!(write(&trial).to_string(), line);
    }

    #[test]
    fn recorded_requests() {
        let at = WallTime(7);
        let trial = read(
            r#"{"url": "https://a.x/b", "claims": {"sub": "alice"}, "address": "10.1.2.3"}"#,
            at,
        );
        let trial = trial.expect("a request");
        assert_eq!(trial.at, at);
        assert_eq!(trial.token.expect("a token").claims["sub"], "alice");
        let logged = r#"{"method":"PUT","authority":"a.x","path":"/b","status":401,"details":"d","decision":"deny;x"}"#;
        let trial = read(logged, at).expect("a line of a log");
        assert_eq!(
            (trial.request.method.as_str(), trial.request.host.as_str()),
            ("PUT", "a.x")
        );
        assert!(trial.token.is_none());
        for (wrong, said) in [
            ("[]", "not a JSON object"),
            (r#"{"url": "https://a.x/b", "claim": {}}"#, "no such member: `claim`"),
            (
                r#"{"url": "https://a.x/b", "claims": []}"#,
                "`claims` must be an object",
            ),
            (r#"{"url": "https://a.x/b", "at": "soon"}"#, "`soon` is no time"),
            (r#"{"url": "https://a.x/b", "address": "x"}"#, "`x` is no address"),
            (r#"{"path": "/b"}"#, "is missing"),
        ] {
            let error = read(wrong, at).err().unwrap_or_default();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
