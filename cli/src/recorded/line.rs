//! A line of a recording: all that a request meets, as a JSON object.

use jiff::Timestamp;
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use super::{center, device, of_somebody, request_of, risk, serves, time};
use crate::trial::{Center, Request, Token, Trial};

/// The members of a recorded request.
const MEMBERS: [&str; 23] = [
    "url",
    "method",
    "scheme",
    "host",
    "path",
    "headers",
    "claims",
    "home",
    "without",
    "bound",
    "address",
    "workload",
    "device",
    "deviceIssuer",
    "deviceSignedAt",
    "identity",
    "risk",
    "port",
    "serves",
    "at",
    "center",
    "locality",
    "name",
];

/// A line of a recording.
///
/// # Errors
/// What would be right.
pub(super) fn read(members: &Map<String, Value>, otherwise_at: WallTime) -> Result<Trial, String> {
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(format!("no such member: `{unknown}`; there are {}", MEMBERS.join(", ")));
    }
    let text = |name: &str| text(members, name);
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
    let signed_at = text("deviceSignedAt")?.map(time).transpose()?;
    let issuer = text("deviceIssuer")?;
    let device = members.get("device").filter(|device| !device.is_null());
    let device = device
        .map(|device| device::read(device, issuer, signed_at))
        .transpose()?;
    let identity = match members.get("identity") {
        None | Some(Value::Null) => None,
        Some(Value::Object(attributes)) => Some(attributes.clone()),
        Some(_) => return Err("`identity` must be an object".to_owned()),
    };
    let risk = members.get("risk").filter(|risk| !risk.is_null());
    let risk = risk.map(risk::read).transpose()?;
    let port = match members.get("port") {
        None | Some(Value::Null) => None,
        Some(port) => {
            let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
            Some(number.ok_or_else(|| format!("`port` is {port}: not a port"))?)
        }
    };
    Ok(Trial {
        request: request(members)?,
        token,
        address: text("address")?.map(address).transpose()?,
        workload: text("workload")?.map(str::to_owned),
        device,
        identity,
        risk,
        port,
        serves: text("serves")?.map(serves).transpose()?.unwrap_or_default(),
        locality: text("locality")?.map(str::to_owned),
        at: text("at")?.map_or(Ok(otherwise_at), time)?,
        center: text("center")?.map(center).transpose()?,
        ..Trial::default()
    })
}

/// What is asked, as a recording and a log say it.
pub(super) fn request(members: &Map<String, Value>) -> Result<Request, String> {
    let text = |name: &str| text(members, name);
    let missing = || "`url`, or `host` and `path`, is missing".to_owned();
    let mut request = match text("url")? {
        Some(url) => request_of(url)?,
        None => Request {
            scheme: text("scheme")?.unwrap_or("https").to_owned(),
            host: text("host")?.or(text("authority")?).ok_or_else(missing)?.to_owned(),
            path: text("path")?.ok_or_else(missing)?.to_owned(),
            ..Request::default()
        },
    };
    request.method = text("method")?.unwrap_or("GET").to_owned();
    request.headers = headers(members.get("headers"))?;
    Ok(request)
}

pub(super) fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("`{name}` must be a string")),
    }
}

fn address(text: &str) -> Result<std::net::IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
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
    if let Some(device) = &trial.device {
        put("device", device::write(device));
        if let Some(issuer) = &device.issuer {
            put("deviceIssuer", issuer.as_str().into());
        }
        if let Some(signed_at) = device.signed_at.and_then(told) {
            put("deviceSignedAt", signed_at.into());
        }
    }
    if let Some(attributes) = &trial.identity {
        put("identity", Value::Object(attributes.clone()));
    }
    if let Some(risk) = trial.risk {
        put("risk", risk::write(risk));
    }
    if let Some(port) = trial.port {
        put("port", port.into());
    }
    let serves = &trial.serves;
    match (&serves.id, &serves.namespace, &serves.service_account) {
        (Some(id), ..) => put("serves", id.as_str().into()),
        (None, Some(namespace), Some(account)) => put("serves", format!("ns/{namespace}/sa/{account}").into()),
        _ => {}
    }
    if let Some(locality) = &trial.locality {
        put("locality", locality.as_str().into());
    }
    if let Some(at) = told(trial.at) {
        put("at", at.into());
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

fn told(at: WallTime) -> Option<String> {
    let at = Timestamp::from_nanosecond(at.0.into()).ok()?;
    Some(at.to_string())
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
        None | Some(Value::Null) => Ok(Vec::new()),
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
