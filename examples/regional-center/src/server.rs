//! The center on the network: HTTP/1.1 and HTTP/2 (prior knowledge) without TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::center::Center;
use crate::check;
use crate::policies::Decision;
use crate::question::Question;

/// The path of the AuthZEN access evaluation.
const EVALUATION: &str = "/access/v1/evaluation";
/// The largest question.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Why a check was allowed or denied, without facts; outside visible ASCII and space it is percent-encoded.
const REASON: HeaderName = HeaderName::from_static("x-regional-center-reason");

/// Serves the center until `shutdown` is ready; then requests that are under way are answered and connections closed.
///
/// # Errors
/// The listener has no address. (A connection that fails ends alone.)
pub async fn serve(
    listener: TcpListener,
    center: Center,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    // An answer is one small write: waiting to fill a segment would only delay it. A connection for which that cannot be
    // set works all the same.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, router(center, address))
        .with_graceful_shutdown(shutdown)
        .await
}

fn router(center: Center, address: SocketAddr) -> Router {
    let metadata = Arc::new(Metadata::of(&center, address));
    Router::new()
        .route(EVALUATION, post(evaluate))
        .route("/.well-known/authzen-configuration", get(async move || Json(metadata)))
        .route("/healthz", get(async || "ok\n"))
        .route("/ext_authz", any(check))
        .route("/ext_authz/", any(check))
        .route("/ext_authz/{*path}", any(check))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                format!("nothing is here: ask at POST {EVALUATION}\n"),
            )
        })
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(echo_request_id))
        .with_state(Arc::new(center))
}

/// The body of an answer, as in the AuthZEN Authorization API 1.0, section "Decision".
#[derive(Serialize)]
struct Answer<'a> {
    decision: bool,
    context: AnswerContext<'a>,
}

#[derive(Serialize)]
struct AnswerContext<'a> {
    reason_admin: Reason<'a>,
    reason_user: Reason<'a>,
    ttl: u64,
}

#[derive(Serialize)]
struct Reason<'a> {
    en: &'a str,
}

impl<'a> From<&'a Decision> for Answer<'a> {
    fn from(decision: &'a Decision) -> Self {
        Self {
            decision: decision.allow,
            context: AnswerContext {
                reason_admin: Reason {
                    en: &decision.reason_admin,
                },
                reason_user: Reason {
                    en: &decision.reason_user,
                },
                ttl: decision.ttl,
            },
        }
    }
}

async fn evaluate(State(center): State<Arc<Center>>, request: Request) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let refuse = |status: StatusCode, message: &str| {
        center.log.refusal(status.as_u16(), message, id.as_ref());
        (status, format!("{message}\n")).into_response()
    };
    if !is_json(request.headers()) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type has to be `application/json`",
        );
    }
    let body = match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refuse(rejection.status(), &format!("the body is larger than {MAX_BODY} bytes"));
        }
        Ok(Err(rejection)) => return refuse(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    let question = match Question::parse(&body) {
        Ok(question) => question,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match center.decide(&question) {
        Ok(decision) => {
            center.log.decision(&question, &decision, id.as_ref());
            Json(Answer::from(&decision)).into_response()
        }
        Err(error) => {
            center.log.fault(&question, &error, id.as_ref());
            (StatusCode::INTERNAL_SERVER_ERROR, "the policies gave no decision\n").into_response()
        }
    }
}

/// Exactly one content type, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = first.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Answers 200 or 403 and nothing else: to Envoy a 5xx is a failure of this service, which some let requests pass on.
async fn check(State(center): State<Arc<Center>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let id = headers.get(REQUEST_ID);
    let question = match check::question(&center, &method, &uri, &headers) {
        Ok(question) => question,
        Err(reason) => {
            center.log.refusal(StatusCode::FORBIDDEN.as_u16(), &reason, id);
            return verdict(StatusCode::FORBIDDEN, "It is not clear who asks.");
        }
    };
    match center.decide(&question) {
        Ok(decision) => {
            center.log.decision(&question, &decision, id);
            verdict(
                if decision.allow {
                    StatusCode::OK
                } else {
                    StatusCode::FORBIDDEN
                },
                &decision.reason_user,
            )
        }
        Err(error) => {
            center.log.fault(&question, &error, id);
            verdict(StatusCode::FORBIDDEN, "The policies gave no decision.")
        }
    }
}

fn verdict(status: StatusCode, reason: &str) -> Response {
    (status, [(REASON, header_value(reason))], format!("{reason}\n")).into_response()
}

fn header_value(text: &str) -> HeaderValue {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static(""))
}

async fn not_allowed(uri: Uri) -> Response {
    let method = if uri.path() == EVALUATION { "POST" } else { "GET" };
    (
        StatusCode::METHOD_NOT_ALLOWED,
        [(ALLOW, method)],
        format!("this is asked with {method}\n"),
    )
        .into_response()
}

/// AuthZEN, section "Request Identification": whatever the answer is, the id of the request comes back.
async fn echo_request_id(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// AuthZEN, section "Policy Decision Point Metadata".
#[derive(Serialize)]
struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
}

impl Metadata {
    fn of(center: &Center, address: SocketAddr) -> Self {
        let base = center.url.clone().unwrap_or_else(|| format!("http://{address}"));
        Self {
            access_evaluation_endpoint: format!("{base}{EVALUATION}"),
            policy_decision_point: base,
        }
    }
}
