//! One row of the walk: what is asked, what is expected, and what came of it.

use std::net::{IpAddr, Ipv4Addr};

use regionguard_harness::access_log::Decision;
use regionguard_harness::client::{Request, Response};
use serde::Serialize;

use crate::people::Token;

/// What was asked, what was decided, and whether it is what was expected.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// In words.
    pub what: String,
    /// Which region was asked.
    pub region: String,
    /// Method, and path; with the authority in front where it is not the region's own.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// The reason code; `-` where there is no decision.
    pub reason: String,
    /// `inline`, `cache`, `center` or `default`; `-` where there is no decision.
    pub decided: String,
    /// The whole decision line, where there is one.
    pub line: Option<String>,
    /// The time that the filter adds, in microseconds; negative where its answer comes before the upstream's would.
    pub added_us: Option<f64>,
    /// What the caller is told beyond the status, or what the row shows beside the answer.
    pub note: Option<String>,
    /// How it differs from what is expected; empty where it does not.
    pub differences: Vec<String>,
}

impl Row {
    /// Whether it is as expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Which region a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Us,
    Eu,
}

/// From where a request comes: a source address on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Us,
    Eu,
    Ap,
    /// An address that no Region lists.
    Unknown,
}

impl Network {
    pub(crate) fn address(self) -> IpAddr {
        let third = match self {
            Self::Us => 1,
            Self::Eu => 2,
            Self::Ap => 3,
            Self::Unknown => 0,
        };
        IpAddr::V4(Ipv4Addr::new(127, 0, third, 7))
    }
}

/// How the time of a request is taken: by further requests, after the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// The same request again: its token is known by then.
    Same,
    /// Each with a token that was never seen before.
    FreshToken,
    /// Each with another query, so that the center is asked each time.
    FreshQuery,
    /// Not at all.
    None,
}

/// A request and what is expected of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) host: Option<&'static str>,
    pub(crate) at: Place,
    pub(crate) from: Network,
    pub(crate) token: Token,
    pub(crate) timing: Timing,
    status: u16,
    reason: &'static str,
    decided: &'static str,
    bundle: Option<&'static str>,
    detail: Option<&'static str>,
}

impl Case {
    /// A request to us-east-1 from its own network, without a token, of which a 200 is expected.
    pub(crate) fn new(what: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            what,
            method,
            path,
            host: None,
            at: Place::Us,
            from: Network::Us,
            token: Token::None,
            timing: Timing::Same,
            status: 200,
            reason: "-",
            decided: "-",
            bundle: None,
            detail: None,
        }
    }

    pub(crate) fn with(self, token: Token) -> Self {
        Self { token, ..self }
    }

    pub(crate) fn host(self, host: &'static str) -> Self {
        Self {
            host: Some(host),
            ..self
        }
    }

    pub(crate) fn from(self, from: Network) -> Self {
        Self { from, ..self }
    }

    /// To eu-west-1, from its own network.
    pub(crate) fn in_eu(self) -> Self {
        Self {
            at: Place::Eu,
            from: Network::Eu,
            ..self
        }
    }

    pub(crate) fn timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    pub(crate) fn expect(self, status: u16, reason: &'static str, decided: &'static str) -> Self {
        Self {
            status,
            reason,
            decided,
            ..self
        }
    }

    /// The bundle that is expected to have decided: `name@version`.
    pub(crate) fn by_bundle(self, bundle: &'static str) -> Self {
        Self {
            bundle: Some(bundle),
            ..self
        }
    }

    /// What the caller is expected to be told.
    pub(crate) fn told(self, detail: &'static str) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }

    /// The authority: the region's own unless said.
    pub(crate) fn authority(&self) -> &'static str {
        self.host.unwrap_or(match self.at {
            Place::Us => "api.us-east-1.com",
            Place::Eu => "api.eu-west-1.com",
        })
    }

    /// The request, with these values of `authorization`.
    pub(crate) fn request(&self, authorization: &[String], query: &str) -> Request {
        let request = Request::new(self.method, &format!("{}{query}", self.path)).host(self.authority());
        authorization
            .iter()
            .fold(request, |request, value| request.header("authorization", value))
    }

    /// The row, from what came back, the access log's word on it, and how many requests have reached the upstream meanwhile.
    pub(crate) fn row(&self, region: &str, response: &Response, line: Option<&str>, reached: u64) -> Row {
        let decision = line.and_then(Decision::parse);
        let field = |value: Option<&String>| value.map_or("-", String::as_str).to_owned();
        let by = field(decision.as_ref().map(|decision| &decision.by));
        let mut row = Row {
            what: self.what.to_owned(),
            region: region.to_owned(),
            request: format!("{} {}{}", self.method, self.host.unwrap_or_default(), self.path),
            status: response.status,
            reason: field(decision.as_ref().map(|decision| &decision.reason)),
            decided: by.split(':').next().unwrap_or_default().to_owned(),
            line: line.map(str::to_owned),
            added_us: None,
            note: detail(response),
            differences: Vec::new(),
        };
        self.compare(&mut row, decision.as_ref(), reached);
        row
    }

    fn compare(&self, row: &mut Row, decision: Option<&Decision>, reached: u64) {
        let mut differences = Vec::new();
        let mut check = |name: &str, found: &str, expected: &str| {
            if found != expected {
                differences.push(format!("{name} is `{found}`, expected `{expected}`"));
            }
        };
        check("status", &row.status.to_string(), &self.status.to_string());
        check("reason", &row.reason, self.reason);
        check("decided by", &row.decided, self.decided);
        if let Some(expected) = self.bundle {
            let bundle = decision.map_or("-", |decision| decision.bundle.as_str());
            check("bundle", bundle.split('+').next().unwrap_or_default(), expected);
        }
        if self.detail.is_some() {
            check(
                "told",
                row.note.as_deref().unwrap_or("-"),
                self.detail.unwrap_or_default(),
            );
        }
        let verdict = decision.map_or("deny", |decision| decision.verdict.as_str());
        check("verdict", verdict, if self.status == 200 { "allow" } else { "deny" });
        check(
            "requests that reached the upstream",
            &reached.to_string(),
            &u64::from(self.status == 200).to_string(),
        );
        row.differences = differences;
    }
}

/// `detail` of an `application/problem+json` (RFC 9457).
fn detail(response: &Response) -> Option<String> {
    let problem = response.json().ok().filter(|_| response.status >= 400)?;
    problem["detail"].as_str().map(str::to_owned)
}
