//! What a request gets: on to the upstream, with what the policy forwards, or an answer from here.

mod body;

use core::fmt::Write as _;
use std::borrow::Cow;
use std::rc::Rc;

use serde::Serialize;

use crate::bundle::document::{Refusal, StepUp};
use crate::engine::{Admitted, StreamId};
use crate::identity::PROOF_ALGORITHMS;
use crate::reason::{Reason, Verdict};

pub use body::{Body, Placeholder};

/// How a request was decided, and what the host does about it.
#[derive(Debug)]
pub struct Decision {
    /// Why.
    pub reason: Reason,
    /// The decision line: filter state `wasm.regionguard`.
    pub line: String,
    /// What the host does.
    pub action: Action,
    /// What would have become of the request by what is tried; `None` where that is the same, or nothing is.
    pub tried: Option<Rc<Tried>>,
    /// Under which what it opens is looked after: the host ends it when [`Effect::Close`](crate::engine::Effect::Close) says so, and says when it is gone.
    /// `None`: it ends by itself, as all that is no upgrade, or is denied.
    pub stream: Option<StreamId>,
    /// What it opens, until the engine looks after it.
    pub(crate) opens: Option<Box<Admitted>>,
}

/// Decision lines that a request would have had.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// With all that is in shadow mode: filter state `wasm.regionguard_shadow`.
    pub shadow: Option<String>,
    /// By the candidate: filter state `wasm.regionguard_candidate`.
    pub candidate: Option<String>,
}

/// What the host does with a decided request.
#[derive(Debug)]
pub enum Action {
    /// Changes the request as said (`None`: not at all, as most), sets the line as the last call, and lets the request go on.
    Continue(Option<Box<Forwarded>>),
    /// Sets the line and answers.
    Answer(Box<Answer>),
}

/// What changes on the way to the upstream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The canonical path and query, where the received one differed: `:path` is replaced and the route chosen again.
    pub path: Option<String>,
    /// The canonical authority, where the received one had a trailing dot: `:authority` is replaced and the route chosen again.
    pub authority: Option<String>,
    /// Where the token is taken from on the way; `None`: it goes on, or is not there. (One in the query is gone before anything is decided.)
    pub strip: Option<Strip>,
    /// The `DPoP` header is removed with it.
    pub strip_proof: bool,
    /// The token ends in so many seconds: the caller is to be told, so that it refreshes in time.
    pub refresh: Option<u64>,
    /// Headers that only the filter may write, as they came: of a request for which that was settled while it waited. (From others they are gone already.)
    pub removed: Vec<Vec<u8>>,
    /// Header names, lower case, and values of visible ASCII.
    pub headers: Vec<(String, String)>,
}

/// Nothing changes.
static NOTHING: Forwarded = Forwarded {
    path: None,
    authority: None,
    strip: None,
    strip_proof: false,
    refresh: None,
    removed: Vec::new(),
    headers: Vec::new(),
};

impl Decision {
    /// What changes on the way to the upstream; `None` where the request is answered from here.
    #[must_use]
    pub fn forwarded(&self) -> Option<&Forwarded> {
        match &self.action {
            Action::Continue(forwarded) => Some(forwarded.as_deref().unwrap_or(&NOTHING)),
            Action::Answer(_) => None,
        }
    }
}

/// How a token is taken out of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strip {
    /// The header of this name is removed.
    Header(Cow<'static, [u8]>),
    /// The Cookie header is replaced by what stays of it; where nothing does, it is removed.
    Cookies(Vec<u8>),
}

impl Strip {
    /// Of the Authorization header.
    pub const AUTHORIZATION: Self = Self::Header(Cow::Borrowed(b"authorization"));
}

/// An answer from here.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status, for a gRPC request.
    pub grpc_status: Option<u8>,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// `application/problem+json` (RFC 9457), what the rule says, or the message of a gRPC status.
    pub body: String,
    /// The response code details, for the access log.
    pub details: String,
}

/// What an answer needs to know of its request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A gRPC request: it gets a gRPC status.
    pub grpc: bool,
    /// The request came with a token (RFC 6750 §3.1: the challenge names an error only then).
    pub token: bool,
    /// The token came with the scheme `DPoP`.
    pub dpop: bool,
    /// Callers without a token are told that it may come with the scheme `DPoP`, too.
    pub offers_dpop: bool,
    /// For a client whose proof wants a nonce (RFC 9449 §9).
    pub nonce: Option<String>,
    /// How the subject has to log in, where its token is not enough (RFC 9470 §3).
    pub demand: Option<StepUp>,
    /// `x-request-id`, as received.
    pub request_id: Option<String>,
    /// The protection space of the challenge: the local region.
    pub realm: String,
}

/// How long a caller should wait before it asks again where something is away, in seconds.
const RETRY_AFTER: &str = "5";
/// The longest detail that a caller is told, in bytes.
const DETAIL_MAX: usize = 512;

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Answer {
    /// The answer to a request that `reason` denies. `refusal` is the deny rule's own `response`; `detail` is what the center wants the caller to read, where the
    /// policy passes it on.
    #[must_use]
    pub fn new(reason: Reason, refusal: Option<&Refusal>, detail: Option<&str>, asked: &Asked) -> Self {
        let row = reason.row();
        let hide = refusal.is_some_and(|refusal| refusal.hide);
        let status = refusal.map_or(row.status, |refusal| refusal.status);
        let public = if hide { "not_found" } else { row.public };
        let title = title(public, status);
        let details = format!("regionguard.{}", reason.code());
        let mut headers = Vec::new();
        if status == 401 {
            headers.extend(challenges(reason, asked).map(|challenge| ("www-authenticate", challenge)));
            headers.extend(asked.nonce.clone().map(|nonce| ("dpop-nonce", nonce)));
        }
        if matches!(status, 429 | 503) {
            headers.push(("retry-after", RETRY_AFTER.to_owned()));
        }
        headers.push(("cache-control", "no-store".to_owned()));
        let detail = detail.filter(|_| !hide).map(shorten);
        if asked.grpc {
            let body = detail.unwrap_or(title).to_owned();
            return Self {
                status,
                grpc_status: Some(grpc_status(status)),
                headers,
                body,
                details,
            };
        }
        if let Some(template) = refusal.and_then(|refusal| refusal.body.as_deref()) {
            headers.push(("content-type", template.content_type().to_owned()));
            let body = template.fill(|placeholder| match placeholder {
                Placeholder::RequestId => visible(shorten(asked.request_id.as_deref().unwrap_or_default())),
                Placeholder::Code => public.to_owned(),
                Placeholder::Status => status.to_string(),
                Placeholder::Region => asked.realm.clone(),
            });
            return Self {
                status,
                grpc_status: None,
                headers,
                body,
                details,
            };
        }
        headers.push(("content-type", "application/problem+json".to_owned()));
        let problem = Problem {
            kind: format!("urn:regionguard:problem:{public}"),
            title,
            status,
            code: public,
            detail,
            request_id: asked.request_id.as_deref().map(visible),
        };
        // A struct of strings and numbers always serialises.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        Self {
            status,
            grpc_status: None,
            headers,
            body,
            details,
        }
    }
}

impl Decision {
    /// Whether the request goes on.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.reason.verdict()
    }
}

fn title(public: &str, status: u16) -> &'static str {
    match (public, status) {
        ("bad_request", _) => "The request has no single meaning",
        ("misdirected", _) => "This authority is not served here",
        ("unauthenticated", _) => "A valid token is required",
        ("insufficient_user_authentication", _) => "A stronger or more recent login is required",
        ("too_many_requests", _) => "Too many requests",
        ("unavailable", _) => "The service cannot decide right now",
        ("misconfigured", _) => "The service is misconfigured",
        ("not_found", _) => "Not found",
        (_, 404) => "Not found",
        _ => "Not allowed",
    }
}

/// What a caller has to come with: in the scheme that it used, with an error, and with what would do, only where a token was given (RFC 6750 §3, RFC 9449 §7.1, RFC 9470
/// §3); without one, each scheme that may be used.
fn challenges(reason: Reason, asked: &Asked) -> impl Iterator<Item = String> {
    let realm = visible(&asked.realm).replace(['"', '\\'], "");
    let dpop = asked.dpop || dpop_error(reason).is_some();
    let told = told(reason, asked);
    let bearer = (!dpop).then(|| format!("Bearer realm=\"{realm}\"{told}"));
    let proof = (dpop || asked.offers_dpop).then(|| {
        let algorithms: Vec<&str> = PROOF_ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
        let told = if dpop { told.as_str() } else { "" };
        format!("DPoP realm=\"{realm}\"{told}, algs=\"{}\"", algorithms.join(" "))
    });
    bearer.into_iter().chain(proof)
}

/// The parameters of a challenge that say what was wrong with the token; none where there was no token.
fn told(reason: Reason, asked: &Asked) -> String {
    if !asked.token {
        return String::new();
    }
    let Some(demand) = &asked.demand else {
        return format!(", error=\"{}\"", dpop_error(reason).unwrap_or("invalid_token"));
    };
    let mut told = ", error=\"insufficient_user_authentication\"".to_owned();
    if !demand.acr.is_empty() {
        // Nothing in these values ends a quoted string: what would is refused at load.
        let _ = write!(told, ", acr_values=\"{}\"", demand.acr.join(" "));
    }
    if let Some(max_age) = demand.max_age {
        let _ = write!(told, ", max_age=\"{}\"", max_age.as_secs());
    }
    told
}

/// What is wrong with how a token that is bound to a key came (RFC 9449 §7.1 and §9).
fn dpop_error(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::ProofNonce => Some("use_dpop_nonce"),
        Reason::ProofMissing | Reason::ProofInvalid | Reason::ProofReplayed => Some("invalid_dpop_proof"),
        Reason::ProofScheme => Some("invalid_token"),
        _ => None,
    }
}

/// The gRPC status of an HTTP status: the mapping of the gRPC project, but for 400, 404, 410 and 421, whose gRPC statuses say more than `INTERNAL` or `UNKNOWN`.
fn grpc_status(status: u16) -> u8 {
    match status {
        400 => 3,
        401 => 16,
        404 | 410 | 421 => 5,
        429 => 8,
        500 => 13,
        503 => 14,
        _ => 7,
    }
}

/// What a log, a header or a body may hold of what came from outside: visible ASCII and spaces; everything else percent-encoded.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, 0x20..=0x7E) && byte != b'%' {
            shown.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(shown, "%{byte:02X}");
        }
    }
    shown
}

/// The beginning of `text`, cut at a character, in as many bytes as a caller is told.
#[must_use]
pub fn shorten(text: &str) -> &str {
    let end = (0..=DETAIL_MAX.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Answer, Asked, shorten, visible};
    use crate::bundle::document::{Refusal, StepUp};
    use crate::reason::Reason;

    fn asked() -> Asked {
        Asked {
            grpc: false,
            token: true,
            dpop: false,
            offers_dpop: false,
            nonce: None,
            demand: None,
            request_id: Some("r-1\r\nx: y".to_owned()),
            realm: "us-east-1".to_owned(),
        }
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer
            .headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_refusal_tells_the_public_code_only() {
        let answer = Answer::new(Reason::PermissionOtherRegion, None, None, &asked());
        assert_eq!(answer.status, 403);
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
        assert_eq!(answer.details, "regionguard.permission.other_region");
        assert!(answer.body.contains("\"code\":\"forbidden\""), "{}", answer.body);
        assert!(!answer.body.contains("permission"), "{}", answer.body);
        assert!(answer.body.contains("r-1%0D%0Ax: y"), "{}", answer.body);
    }

    #[test]
    fn a_challenge_names_an_error_only_where_a_token_was_given() {
        let with = Answer::new(Reason::TokenExpired, None, None, &asked());
        assert_eq!(
            header(&with, "www-authenticate"),
            Some("Bearer realm=\"us-east-1\", error=\"invalid_token\"")
        );
        let without = Answer::new(
            Reason::IdentityMissing,
            None,
            None,
            &Asked {
                token: false,
                ..asked()
            },
        );
        assert_eq!(header(&without, "www-authenticate"), Some("Bearer realm=\"us-east-1\""));
    }

    /// RFC 9449 §7.1 and §9: each in the scheme that the token came with, and no error where there was no token.
    #[test]
    fn a_challenge_is_in_the_scheme_that_was_used() {
        let challenges = |reason: Reason, asked: &Asked| -> Vec<String> {
            let answer = Answer::new(reason, None, None, asked);
            let all = answer.headers.into_iter();
            all.filter(|(name, _)| *name == "www-authenticate")
                .map(|(_, value)| value)
                .collect()
        };
        let algs = "algs=\"ES256 ES384 EdDSA PS256 RS256\"";
        let dpop = |error: &str| vec![format!("DPoP realm=\"us-east-1\", error=\"{error}\", {algs}")];
        let came = Asked { dpop: true, ..asked() };
        for (reason, error) in [
            (Reason::TokenExpired, "invalid_token"),
            (Reason::ProofScheme, "invalid_token"),
            (Reason::ProofMissing, "invalid_dpop_proof"),
            (Reason::ProofInvalid, "invalid_dpop_proof"),
            (Reason::ProofReplayed, "invalid_dpop_proof"),
            (Reason::ProofNonce, "use_dpop_nonce"),
        ] {
            assert_eq!(challenges(reason, &came), dpop(error), "{reason:?}");
        }
        // A bound token that came as a bearer token.
        assert_eq!(challenges(Reason::ProofScheme, &asked()), dpop("invalid_token"));
        let offering = Asked {
            token: false,
            offers_dpop: true,
            ..asked()
        };
        assert_eq!(
            challenges(Reason::IdentityMissing, &offering),
            [
                "Bearer realm=\"us-east-1\"".to_owned(),
                format!("DPoP realm=\"us-east-1\", {algs}")
            ]
        );
    }

    #[test]
    fn a_nonce_goes_with_a_challenge_only() {
        let asked = Asked {
            nonce: Some("n".to_owned()),
            dpop: true,
            ..asked()
        };
        let answer = Answer::new(Reason::ProofNonce, None, None, &asked);
        assert_eq!(header(&answer, "dpop-nonce"), Some("n"));
        let refusal = Refusal {
            status: 404,
            hide: true,
            body: None,
        };
        let hidden = Answer::new(Reason::RuleDenied, Some(&refusal), None, &asked);
        assert_eq!(header(&hidden, "dpop-nonce"), None);
    }

    #[test]
    fn a_step_up_says_how_to_log_in() {
        let challenge = |token, acr: &[&str], max_age| {
            let demand = StepUp {
                acr: acr.iter().map(|value| (*value).to_owned()).collect(),
                max_age,
            };
            let asked = Asked {
                token,
                demand: Some(demand),
                ..asked()
            };
            let answer = Answer::new(Reason::StepUpRequired, None, None, &asked);
            assert_eq!(answer.status, 401);
            assert!(
                answer.body.contains("\"code\":\"insufficient_user_authentication\""),
                "{}",
                answer.body
            );
            header(&answer, "www-authenticate").map(str::to_owned)
        };
        let start = "Bearer realm=\"us-east-1\", error=\"insufficient_user_authentication\"";
        let minutes = Some(Duration::from_millis(900_999));
        for (acr, max_age, rest) in [
            (
                &["urn:a", "urn:b"][..],
                minutes,
                ", acr_values=\"urn:a urn:b\", max_age=\"900\"",
            ),
            (&["urn:a"], None, ", acr_values=\"urn:a\""),
            (&[], minutes, ", max_age=\"900\""),
            (&[], None, ""),
        ] {
            assert_eq!(challenge(true, acr, max_age), Some(format!("{start}{rest}")));
        }
        let ordinary = Some("Bearer realm=\"us-east-1\"".to_owned());
        assert_eq!(challenge(false, &["urn:a"], minutes), ordinary, "there was no login");
    }

    #[test]
    fn hiding_looks_like_nothing_is_there() {
        let refusal = Refusal {
            status: 404,
            hide: true,
            body: None,
        };
        let answer = Answer::new(Reason::RuleDenied, Some(&refusal), Some("because"), &asked());
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("\"code\":\"not_found\""), "{}", answer.body);
        assert!(!answer.body.contains("because"), "{}", answer.body);
    }

    #[test]
    fn what_is_away_says_when_to_come_back() {
        let answer = Answer::new(Reason::CenterUnavailable, None, None, &asked());
        assert_eq!((answer.status, header(&answer, "retry-after")), (503, Some("5")));
    }

    #[test]
    fn every_denial_of_a_grpc_request_is_a_grpc_status() {
        for (reason, status) in [
            (Reason::IdentityMissing, 16),
            (Reason::NoRule, 7),
            (Reason::RequestMalformed, 3),
            (Reason::AuthorityNotServed, 5),
            (Reason::VerificationBudget, 8),
            (Reason::CenterUnavailable, 14),
            (Reason::DuplicateFilter, 13),
        ] {
            let answer = Answer::new(reason, None, None, &Asked { grpc: true, ..asked() });
            assert_eq!(answer.grpc_status, Some(status), "{reason:?}");
            assert_eq!(header(&answer, "content-type"), None);
        }
    }

    #[test]
    fn text_from_outside_is_cut_at_a_character_and_shown_in_ascii() {
        let long = "é".repeat(400);
        assert_eq!(shorten(&long).len(), 512);
        assert_eq!(visible("a\u{1b}[31mé%"), "a%1B[31m%C3%A9%25");
    }
}
