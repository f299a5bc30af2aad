//! The answer: an AuthZEN access evaluation response (Authorization API 1.0 §6.2), and what is none.

use core::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest body that is read as an answer, in bytes.
pub const RESPONSE_MAX: usize = 64 * 1024;
/// The longest time for which a center may have its answer kept.
const TTL_MAX: Duration = Duration::from_secs(3600);

/// What the host brought back from a call.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// `:status`; the host makes up 503 where there was no connection and 504 where the deadline passed.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<&'a [u8]>,
    /// `x-request-id`, which a center echoes (Authorization API 1.0 §10.1).
    pub request_id: Option<&'a [u8]>,
    /// The body; `None` where it was larger than [`RESPONSE_MAX`].
    pub body: Option<&'a [u8]>,
}

/// A center's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `decision`.
    pub allow: bool,
    /// `context.reason_admin`: for the log.
    pub reason_admin: Option<String>,
    /// `context.reason_user`: for the caller, where the policy passes it on.
    pub reason_user: Option<String>,
    /// `context.ttl`, in seconds: for how long the answer may be kept.
    pub ttl: Option<Duration>,
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody was there to decide: `onUnavailable` holds.
    Away,
    /// Somebody answered, and it is no answer to the question: a deny, always. It says what was wrong.
    Wrong(&'static str),
}

#[derive(Deserialize)]
struct Wire {
    decision: bool,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl Answer {
    /// Reads `response` to the question that was asked under `request_id`.
    ///
    /// # Errors
    /// [`Failure::Away`] for 502, 503 and 504; [`Failure::Wrong`] for any other status but 200, a body that is too large, not JSON or not a decision, and an
    /// echoed request id that is another one.
    pub fn read(response: Response<'_>, request_id: Option<&str>) -> Result<Self, Failure> {
        match response.status {
            200 => {}
            502..=504 => return Err(Failure::Away),
            _ => return Err(Failure::Wrong("the status is not 200")),
        }
        let body = response.body.ok_or(Failure::Wrong("the body is larger than 64 KiB"))?;
        if !response.content_type.is_some_and(is_json) {
            return Err(Failure::Wrong("the content type is not application/json"));
        }
        if let (Some(echoed), Some(asked)) = (response.request_id, request_id)
            && echoed != asked.as_bytes()
        {
            return Err(Failure::Wrong("it answers another question: `x-request-id` differs"));
        }
        let no_decision = Failure::Wrong("the body is not a JSON object with a boolean `decision`");
        // A list of members in their order would do for a derived struct too, and `[true]` is no decision.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(no_decision);
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| no_decision)?;
        let context = wire.context.unwrap_or_default();
        // `null` is as good as absent.
        let member = |name: &str| context.get(name).filter(|value| !value.is_null());
        Ok(Self {
            allow: wire.decision,
            reason_admin: member("reason_admin").and_then(text),
            reason_user: member("reason_user").and_then(text),
            ttl: member("ttl").map(read_ttl).transpose()?,
        })
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// A reason is a text, or an object of texts by language or status (Authorization API 1.0 §6.2.1): the English one, else the first.
fn text(reason: &Value) -> Option<String> {
    match reason {
        Value::String(text) => Some(text.clone()),
        Value::Object(texts) => texts
            .get("en")
            .or_else(|| texts.values().next())?
            .as_str()
            .map(str::to_owned),
        _ => None,
    }
}

/// A ttl that cannot be read must not become 'for ever', nor be ignored.
fn read_ttl(ttl: &Value) -> Result<Duration, Failure> {
    ttl.as_f64()
        .filter(|seconds| *seconds >= 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(TTL_MAX.as_secs_f64())).ok())
        .ok_or(Failure::Wrong("`context.ttl` is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Answer, Failure, Response};

    fn response(status: u16, body: &str) -> Response<'_> {
        Response {
            status,
            content_type: Some(b"application/json; charset=utf-8"),
            request_id: Some(b"r-1"),
            body: Some(body.as_bytes()),
        }
    }

    fn read(response: Response<'_>) -> Result<Answer, Failure> {
        Answer::read(response, Some("r-1"))
    }

    #[test]
    fn a_decision_with_reasons() {
        let body = r#"{"decision":false,"context":{"reason_admin":{"de":"x","en":"stays in the EU"},"reason_user":"no","ttl":1.5}}"#;
        assert_eq!(
            read(response(200, body)),
            Ok(Answer {
                allow: false,
                reason_admin: Some("stays in the EU".to_owned()),
                reason_user: Some("no".to_owned()),
                ttl: Some(Duration::from_millis(1500)),
            })
        );
    }

    #[test]
    fn only_three_statuses_are_away() {
        for status in [502, 503, 504] {
            assert_eq!(read(response(status, "")), Err(Failure::Away));
        }
        for status in [
            0, 100, 201, 204, 301, 302, 400, 401, 403, 404, 413, 429, 431, 500, 501, 505,
        ] {
            assert!(
                matches!(read(response(status, r#"{"decision":true}"#)), Err(Failure::Wrong(_))),
                "{status}"
            );
        }
    }

    #[test]
    fn what_is_not_a_decision_is_wrong() {
        for body in [
            "",
            "null",
            "true",
            "[]",
            "{}",
            r#"{"decision":"true"}"#,
            r#"{"decision":1}"#,
            r#"{"decision":null}"#,
            r#"{"decision":true,"decision":true}"#,
            r#"{"decision":false,"decision":true}"#,
            r#"{"decision":true} x"#,
            "[true]",
            r#" [true, {"ttl": 60}]"#,
            r#"{"decision":true,"context":7}"#,
            r#"{"decision":true,"context":[null,null,3600]}"#,
            r#"{"decision":true,"context":{"ttl":"soon"}}"#,
            r#"{"decision":true,"context":{"ttl":-1}}"#,
            "\u{1}",
        ] {
            assert!(matches!(read(response(200, body)), Err(Failure::Wrong(_))), "{body}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_wrong() {
        let other = Response {
            request_id: Some(b"r-2"),
            ..response(200, r#"{"decision":true}"#)
        };
        assert!(matches!(read(other), Err(Failure::Wrong(_))));
        let silent = Response {
            request_id: None,
            ..response(200, r#"{"decision":true}"#)
        };
        assert!(read(silent).is_ok());
    }

    #[test]
    fn a_page_of_html_or_too_much_is_wrong() {
        let html = Response {
            content_type: Some(b"text/html"),
            ..response(200, r#"{"decision":true}"#)
        };
        assert!(matches!(read(html), Err(Failure::Wrong(_))));
        let large = Response {
            body: None,
            ..response(200, "")
        };
        assert!(matches!(read(large), Err(Failure::Wrong(_))));
    }

    #[test]
    fn a_ttl_has_a_ceiling() {
        let answer = read(response(200, r#"{"decision":true,"context":{"ttl":1e300}}"#)).unwrap();
        assert_eq!(answer.ttl, Some(Duration::from_secs(3600)));
    }
}
