//! A line of an access log: as much of a request as it carries, and what stands for the rest.

use regionguard::time::WallTime;
use serde_json::{Map, Value};

use super::line::{self, text};
use super::time;
use crate::trial::{Center, Token, Trial};

/// A request of a recording or of a log.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) trial: Trial,
    /// The decision line of a log; `None`: it is no line of one, or has none.
    pub(crate) decision: Option<String>,
    /// Whether it is a line of an access log.
    pub(crate) is_log: bool,
    /// What it does not carry, and what stands for that.
    pub(crate) assumed: Vec<String>,
}

/// What stands for a log's `null`.
const NOTHING: &str = "-";

/// A line of a recording, or of an access log of the shipped formats. `claims`: what the token says of logged requests that had a valid one, which no log holds.
///
/// # Errors
/// What would be right.
pub(crate) fn read(line: &str, otherwise_at: WallTime, claims: Option<&Map<String, Value>>) -> Result<Logged, String> {
    let members: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"))?;
    // A log has more to say than what was asked.
    if members.contains_key("decision") {
        return logged(&members, otherwise_at, claims);
    }
    let mut assumed = Vec::new();
    if !members.contains_key("at") {
        assumed.push("no `at`: tried at the time of `--at`, or now".to_owned());
    }
    Ok(Logged {
        trial: line::read(&members, otherwise_at)?,
        decision: None,
        is_log: false,
        assumed,
    })
}

fn logged(
    members: &Map<String, Value>,
    otherwise_at: WallTime,
    claims: Option<&Map<String, Value>>,
) -> Result<Logged, String> {
    let mut assumed = Vec::new();
    let mut lacks = |what: &str| assumed.push(what.to_owned());
    let said = |name: &str| Ok::<_, String>(text(members, name)?.filter(|text| *text != NOTHING));
    let request = line::request(members)?;
    if !request.path.starts_with('/') {
        return Err(format!("`path` is `{}`: not the path of a request", request.path));
    }
    if !members.contains_key("scheme") && !members.contains_key("url") {
        lacks("no scheme: https");
    }
    if !members.contains_key("headers") {
        lacks("no headers: none but the host, so also no posture of a device and no caller behind an edge");
    }
    if !request.path.contains('?') {
        lacks("no query: none");
    }
    let at = match said("time")?.or(said("at")?) {
        Some(text) => time(text)?,
        None => {
            lacks("no `time`: tried at the time of `--at`, or now");
            otherwise_at
        }
    };
    let address = match said("peer")?.or(said("address")?) {
        Some(text) => Some(address(text)?),
        None => {
            lacks("no `peer`: the address of the direct peer cannot be told");
            None
        }
    };
    if !members.contains_key("peer_identity") && !members.contains_key("workload") {
        lacks("no `peer_identity`: no client certificate");
    }
    // Of several names of a certificate none is its workload.
    let workload = said("peer_identity")?
        .or(said("workload")?)
        .filter(|identity| !identity.contains(','));
    let decision = said("decision")?.map(str::to_owned);
    let decided = decision.as_deref().map(Decided::of).unwrap_or_default();
    let token = match (decided.home, claims) {
        (Some(home), Some(claims)) => {
            lacks("no claims: the token of a line with a home says what `--claims` says");
            Some(super::of_somebody(Token {
                home: Some(home.to_owned()),
                claims: claims.clone(),
                ..Token::default()
            }))
        }
        (Some(_), None) => {
            lacks(
                "no claims, and somebody of a home Region was there: tried without a token; `--claims` says what theirs holds",
            );
            None
        }
        (None, _) => {
            lacks("no claims, and the decision went by nobody's: tried without a token");
            None
        }
    };
    Ok(Logged {
        trial: Trial {
            request,
            token,
            address,
            workload: workload.map(str::to_owned),
            at,
            center: decided.center,
            locality: decided.local.map(str::to_owned),
            ..Trial::default()
        },
        decision,
        is_log: true,
        assumed,
    })
}

/// With or without a port.
fn address(text: &str) -> Result<std::net::IpAddr, String> {
    let with_port = || text.parse().map(|address: std::net::SocketAddr| address.ip());
    let address = text.parse().or_else(|_| with_port());
    address.map_err(|_| format!("`peer` is `{text}`: not an address"))
}

/// What a decision line tells of its request.
#[derive(Default)]
struct Decided<'l> {
    home: Option<&'l str>,
    local: Option<&'l str>,
    center: Option<Center>,
}

impl<'l> Decided<'l> {
    fn of(line: &'l str) -> Self {
        let fields: Vec<&str> = line.split(';').collect();
        let [_, reason, _, _, _, regions] = fields.as_slice() else {
            return Self::default();
        };
        let told = |text: &&'l str| !matches!(*text, "-" | "?");
        let mut regions = regions.split('>');
        Self {
            home: regions.next().filter(told),
            local: regions.nth(1).filter(told),
            center: match *reason {
                "center.allowed" => Some(Center::Allow),
                "center.denied" => Some(Center::Deny),
                "center.error" => Some(Center::Wrong),
                "center.unavailable" | "center.unavailable_allowed" | "center.last_allowed" | "center.last_denied" => {
                    Some(Center::Away)
                }
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
