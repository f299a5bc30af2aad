//! The answer: an AuthZEN access evaluation response (Authorization API 1.0 §6.2), and what is none.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::Response;
use crate::risk::Score;

/// The largest body that is read as an answer, in bytes.
pub const RESPONSE_MAX: usize = 64 * 1024;
/// The longest time for which a center may have its answer kept.
const TTL_MAX: Duration = Duration::from_secs(3600);

/// A center's decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `decision`.
    pub allow: bool,
    /// `context.reason_admin`: for the log.
    pub reason_admin: Option<String>,
    /// `context.reason_user`: for the caller, where the policy passes it on.
    pub reason_user: Option<String>,
    /// `context.ttl`, in seconds: for how long the answer may be kept.
    pub ttl: Option<Duration>,
    /// `context.risk`: what the center says of the risk of who asks, or what is wrong with it. The decision stands either way.
    pub risk: Option<Result<Score, &'static str>>,
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody was there to decide: `onUnavailable` holds.
    Away,
    /// Somebody answered, and it is no answer to the question: a deny, always. It says what was wrong.
    Wrong(&'static str),
}

#[derive(serde::Deserialize)]
struct Wire {
    decision: bool,
    #[serde(default)]
    context: Object<Context>,
}

#[derive(Default, serde::Deserialize)]
struct Context {
    #[serde(default)]
    reason_admin: Option<Value>,
    #[serde(default)]
    reason_user: Option<Value>,
    #[serde(default)]
    ttl: Option<Value>,
    #[serde(default)]
    risk: Option<Value>,
}

/// A JSON object and nothing else. A derived struct would take an array of its members as well, so that `[true]` were a yes.
#[derive(Default)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
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
        if !response.header("content-type").is_some_and(is_json) {
            return Err(Failure::Wrong("the content type is not application/json"));
        }
        if let (Some(echoed), Some(asked)) = (response.header("x-request-id"), request_id)
            && echoed != asked.as_bytes()
        {
            return Err(Failure::Wrong("it answers another question: `x-request-id` differs"));
        }
        let Object(wire) = serde_json::from_slice::<Object<Wire>>(body)
            .map_err(|_| Failure::Wrong("the body is not a JSON object with a boolean `decision`"))?;
        let Object(context) = wire.context;
        Ok(Self {
            allow: wire.decision,
            reason_admin: context.reason_admin.as_ref().and_then(text),
            reason_user: context.reason_user.as_ref().and_then(text),
            ttl: context.ttl.as_ref().map(read_ttl).transpose()?,
            risk: context.risk.as_ref().map(Score::read),
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

    use super::{Answer, Failure, Score};
    use crate::Response;
    use crate::request::{Headers, encode};

    const JSON: (&[u8], &[u8]) = (b"content-type", b"application/json; charset=utf-8");
    const ASKED: (&[u8], &[u8]) = (b"x-request-id", b"r-1");

    fn read(status: u16, body: &str) -> Result<Answer, Failure> {
        read_with(status, &[JSON, ASKED], Some(body))
    }

    fn read_with(status: u16, headers: &[(&[u8], &[u8])], body: Option<&str>) -> Result<Answer, Failure> {
        let block = encode(headers);
        let response = Response {
            status,
            headers: Headers::parse(&block).unwrap(),
            body: body.map(str::as_bytes),
        };
        Answer::read(response, Some("r-1"))
    }

    #[test]
    fn a_decision_with_reasons() {
        let body = r#"{"decision":false,"context":{"reason_admin":{"de":"x","en":"stays in the EU"},"reason_user":"no","ttl":1.5}}"#;
        assert_eq!(
            read(200, body),
            Ok(Answer {
                allow: false,
                reason_admin: Some("stays in the EU".to_owned()),
                reason_user: Some("no".to_owned()),
                ttl: Some(Duration::from_millis(1500)),
                risk: None,
            })
        );
    }

    #[test]
    fn what_is_said_of_the_risk_changes_no_decision() {
        for (risk, expected) in [
            (
                r#"{"score":0.25,"ttl":60}"#,
                Ok(Score {
                    value: 0.25,
                    ttl: Duration::from_secs(60),
                }),
            ),
            (r#""low""#, Err("`context.risk` is not an object")),
        ] {
            let answer = read(200, &format!(r#"{{"decision":true,"context":{{"risk":{risk}}}}}"#));
            let answer = answer.expect("an answer");
            assert_eq!((answer.allow, answer.risk), (true, Some(expected)), "{risk}");
        }
    }

    #[test]
    fn only_three_statuses_are_away() {
        for status in [502, 503, 504] {
            assert_eq!(read(status, ""), Err(Failure::Away));
        }
        for status in [
            0, 100, 201, 204, 301, 302, 400, 401, 403, 404, 413, 429, 431, 500, 501, 505,
        ] {
            assert!(
                matches!(read(status, r#"{"decision":true}"#), Err(Failure::Wrong(_))),
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
            r#"{"decision":true,"context":7}"#,
            r#"{"decision":true,"context":null}"#,
            r#"{"decision":true,"context":[null,null,9]}"#,
            "[true]",
            "[true,{}]",
            r#"{"decision":true,"context":{"ttl":"soon"}}"#,
            r#"{"decision":true,"context":{"ttl":-1}}"#,
            "\u{1}",
        ] {
            assert!(matches!(read(200, body), Err(Failure::Wrong(_))), "{body}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_wrong() {
        let yes = Some(r#"{"decision":true}"#);
        let other = (&b"x-request-id"[..], &b"r-2"[..]);
        assert!(matches!(read_with(200, &[JSON, other], yes), Err(Failure::Wrong(_))));
        assert!(read_with(200, &[JSON], yes).is_ok());
    }

    #[test]
    fn a_page_of_html_or_too_much_is_wrong() {
        let html = (&b"content-type"[..], &b"text/html"[..]);
        let yes = Some(r#"{"decision":true}"#);
        assert!(matches!(read_with(200, &[html, ASKED], yes), Err(Failure::Wrong(_))));
        assert!(matches!(read_with(200, &[JSON, ASKED], None), Err(Failure::Wrong(_))));
    }

    #[test]
    fn a_ttl_has_a_ceiling() {
        let answer = read(200, r#"{"decision":true,"context":{"ttl":1e300}}"#).unwrap();
        assert_eq!(answer.ttl, Some(Duration::from_secs(3600)));
    }
}
