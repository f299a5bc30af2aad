//! The `ext_authz` check in Envoy's plain HTTP form (`http_service`): the request that is judged comes as a request of
//! the same method and path behind a prefix, with some of its headers. It is put as the same question that an AuthZEN
//! client would ask, so that the same policies decide it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method, Uri};
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use jiff::Timestamp;
use regorus::Value;

use crate::center::Center;
use crate::question::{Question, QuestionError};
use crate::strict_json;

/// The path below which checks are asked.
pub(crate) const PREFIX: &str = "/ext_authz";

/// The verified payload of a token, base64url, as Envoy's `jwt_authn` writes it with `forward_payload_header`.
const PAYLOAD: &str = "x-jwt-payload";
/// The subject and its home region, as Regionguard forwards them.
const SUBJECT: &str = "x-regionguard-subject";
const REGION: &str = "x-regionguard-region";

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Puts a check as a question about the request behind it.
///
/// # Errors
/// Why nobody can tell who asks: an identity header that stands twice or is malformed, or two kinds of identity.
pub(crate) fn question(center: &Center, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Question, String> {
    let mut context = object([
        ("time", Value::from(Timestamp::now().to_string())),
        ("local", Value::from(center.region.as_str())),
    ]);
    if let Some(id) = single(headers, "x-request-id")? {
        context.insert(Value::from("request_id"), Value::from(id));
    }
    let question = object([
        ("subject", subject(headers, &center.region)?),
        ("action", Value::from(object([("name", Value::from(method.as_str()))]))),
        ("resource", resource(center, uri, headers)?),
        ("context", Value::from(context)),
    ]);
    Question::from_value(&Value::from(question)).map_err(|error: QuestionError| error.to_string())
}

/// A path that fits no route is a resource of the type `path`, about which no regime has a finding.
fn resource(center: &Center, uri: &Uri, headers: &HeaderMap) -> Result<Value, String> {
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let mut properties = object([("path", Value::from(path))]);
    if let Some(host) = single(headers, "host")? {
        properties.insert(Value::from("host"), Value::from(host));
    }
    if let Some(query) = uri.query() {
        properties.insert(Value::from("query"), Value::from(query));
    }
    let (kind, id) = match center.routes.find(path) {
        Some(found) => {
            let captures = found
                .captures
                .into_iter()
                .map(|(name, given)| (Value::from(name), Value::from(given)));
            properties.insert(
                Value::from("captures"),
                Value::from(captures.collect::<BTreeMap<_, _>>()),
            );
            ("route", found.template)
        }
        None => ("path", path),
    };
    Ok(Value::from(object([
        ("type", Value::from(kind)),
        ("id", Value::from(id)),
        ("properties", Value::from(properties)),
    ])))
}

fn subject(headers: &HeaderMap, local: &str) -> Result<Value, String> {
    match (
        single(headers, PAYLOAD)?,
        single(headers, SUBJECT)?,
        single(headers, REGION)?,
    ) {
        (None, None, None) => Ok(Value::from(object([
            ("type", Value::from("anonymous")),
            ("id", Value::from("anonymous")),
        ]))),
        (Some(payload), None, None) => from_payload(payload, local),
        (None, Some(subject), Some(region)) => from_headers(subject, region),
        (None, _, _) => Err(format!("`{SUBJECT}` and `{REGION}` have to come together")),
        (Some(_), _, _) => Err(format!(
            "the identity stands in `{PAYLOAD}` and in `{SUBJECT}` or `{REGION}`"
        )),
    }
}

fn from_headers(subject: &str, region: &str) -> Result<Value, String> {
    // An encoded subject would compare unequal to the same one in the data.
    if subject.contains('%') || region.contains('%') {
        return Err(format!(
            "`{SUBJECT}` or `{REGION}` is percent-encoded: ask about such a subject by AuthZEN"
        ));
    }
    Ok(identity(subject, object([("home", Value::from(region))])))
}

fn from_payload(payload: &str, local: &str) -> Result<Value, String> {
    let bytes = BASE64URL
        .decode(payload)
        .map_err(|error| format!("`{PAYLOAD}` is not base64url: {error}"))?;
    let claims = strict_json::parse(&bytes).map_err(|error| format!("`{PAYLOAD}` is not JSON: {error}"))?;
    if claims.as_object().is_err() {
        return Err(format!("`{PAYLOAD}` is not a JSON object"));
    }
    let (Ok(subject), Ok(home)) = (claims["sub"].as_string(), claims["region"].as_string()) else {
        return Err(format!("`{PAYLOAD}` has no `sub` or no `region`"));
    };
    let mut properties = object([
        ("home", Value::from(&**home)),
        ("permissions", permissions(&claims["permissions"], local)),
    ]);
    for claim in ["iss", "roles", "acr", "amr", "auth_time"] {
        if claims[claim] != Value::Undefined {
            properties.insert(Value::from(claim), claims[claim].clone());
        }
    }
    Ok(identity(subject, properties))
}

/// The global permissions and those of the local region, as the filter hands them to a center.
fn permissions(claim: &Value, local: &str) -> Value {
    let lists = [&claim["global"], &claim["regional"][local]];
    let permissions = lists
        .into_iter()
        .filter_map(|list| list.as_array().ok())
        .flat_map(|list| list.iter().cloned());
    Value::from(permissions.collect::<Vec<_>>())
}

fn identity(subject: &str, properties: BTreeMap<Value, Value>) -> Value {
    Value::from(object([
        ("type", Value::from("identity")),
        ("id", Value::from(subject)),
        ("properties", Value::from(properties)),
    ]))
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("the header `{name}` stands more than once"));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| format!("the header `{name}` is not visible ASCII"))
}

fn object<const N: usize>(members: [(&str, Value); N]) -> BTreeMap<Value, Value> {
    members
        .into_iter()
        .map(|(name, value)| (Value::from(name), value))
        .collect()
}
