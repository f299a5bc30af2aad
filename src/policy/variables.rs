//! What conditions may read: the variables of `when`, their types, and what they are for one request.

use core::cell::Cell;
use core::net::IpAddr;
use std::borrow::Cow;

use jiff::SignedDuration;
use serde_json::Value as Json;

use super::decide::{Attributes, Facts};
use crate::bundle::RegionId;
use crate::cel::{Budget, Declared, Entries, Fault, Field, List, Sig, Timestamp, Value, Variable, Variables};
use crate::context::Country;
use crate::identity::{Claims, is_header, same_name};
use crate::request::{CanonicalPath, Headers, Parameter, PathTemplate, StripSet, parameters};
use crate::sort::Arrange as _;
use crate::time::WallTime;

/// What conditions may read of the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Requested<'f> {
    /// The method.
    pub method: &'f str,
    /// The host, in lower case and without a port.
    pub host: &'f str,
    /// The path and the query.
    pub path: &'f CanonicalPath<'f>,
    /// The headers, as received.
    pub headers: Headers<'f>,
    /// Headers that no caller may set: they are as good as absent.
    pub strip: &'f StripSet,
    /// `x-request-id`.
    pub id: Option<&'f str>,
}

/// The claims of the token, but for those that have a type.
pub(super) const TOKEN: u16 = 100;
const REQUEST: u16 = 0;
const SOURCE: u16 = 50;
const LOCAL: u16 = 60;
const DEVICE: u16 = 70;
/// How many tokens with a bad signature came from where the request does.
pub(super) const FAILURES: u16 = 65;
/// What the center says of the risk of its subject: of nobody without a token, so it is among what a token tells.
pub(super) const SCORE: u16 = TOKEN + 50;
/// What an identity replica tells of the subject: likewise.
pub(super) const ATTRIBUTES: u16 = TOKEN + 100;
/// The first capture of a path; the others follow.
pub(super) const PATH: u16 = 1_000;

const METHOD: u16 = REQUEST;
const HOST: u16 = REQUEST + 1;
const PATH_TEXT: u16 = REQUEST + 2;
pub(super) const HEADERS: u16 = REQUEST + 3;
const TIME: u16 = REQUEST + 4;
const ID: u16 = REQUEST + 5;

const QUERY: u16 = REQUEST + 6;

const ADDRESS: u16 = SOURCE;
const SOURCE_REGION: u16 = SOURCE + 1;
const COUNTRY: u16 = SOURCE + 2;
/// The workload at the other end.
pub(super) const WORKLOAD: u16 = SOURCE + 3;

const TEXTS: Sig = Sig::List(&Sig::String);
const TEXT_MAP: Sig = Sig::Map(&Sig::String, &Sig::String);

/// `request`.
pub(super) const REQUEST_FIELDS: &[Field<'static>] = &[
    Field::new("method", Sig::String, METHOD),
    Field::new("host", Sig::String, HOST),
    Field::new("path", Sig::String, PATH_TEXT),
    Field::new("headers", TEXT_MAP, HEADERS),
    Field::new("time", Sig::Timestamp, TIME),
    Field::new("id", Sig::String, ID),
    Field::new("query", TEXT_MAP, QUERY),
];

/// The claims of `token` that have a type; all others are whatever they are. Ids in order from [`TOKEN`] on.
pub(super) const CLAIMS: &[Field<'static>] = &[
    Field::new("sub", Sig::String, TOKEN + 1),
    Field::new("iss", Sig::String, TOKEN + 2),
    Field::new("aud", TEXTS, TOKEN + 3),
    Field::new("exp", Sig::Timestamp, TOKEN + 4),
    Field::new("iat", Sig::Timestamp, TOKEN + 5),
    Field::new("nbf", Sig::Timestamp, TOKEN + 6),
    Field::new("auth_time", Sig::Timestamp, TOKEN + 7),
    Field::new("jti", Sig::String, TOKEN + 8),
    Field::new("acr", Sig::String, TOKEN + 9),
    Field::new("amr", TEXTS, TOKEN + 10),
    Field::new("azp", Sig::String, TOKEN + 11),
    Field::new("client_id", Sig::String, TOKEN + 12),
    Field::new("sid", Sig::String, TOKEN + 13),
    Field::new("scope", Sig::String, TOKEN + 14),
];

/// `source`.
pub(super) const SOURCE_FIELDS: &[Field<'static>] = &[
    Field::new("address", Sig::Ip, ADDRESS),
    Field::new("region", Sig::String, SOURCE_REGION),
    Field::new("country", Sig::String, COUNTRY),
    Field::new("workload", Sig::String, WORKLOAD),
];

/// `source` where no peer has an identity.
const SOURCE_WITHOUT_PEER: &[Field<'static>] = &[
    Field::new("address", Sig::Ip, ADDRESS),
    Field::new("region", Sig::String, SOURCE_REGION),
    Field::new("country", Sig::String, COUNTRY),
    Field {
        refused: Some(
            "no peer has an identity here: let the listener demand and validate client certificates, and say so with `trust: {peerVerification: required}`",
        ),
        ..Field::new("workload", Sig::String, WORKLOAD)
    },
];

/// `local`.
pub(super) const LOCAL_FIELDS: &[Field<'static>] = &[Field::new("region", Sig::String, LOCAL)];

/// `device`.
pub(super) const DEVICE_FIELDS: &[Field<'static>] = &[
    Field::new("id", Sig::String, DEVICE),
    Field::new("platform", Sig::String, DEVICE + 1),
    Field::new("os_version", Sig::Version, DEVICE + 2),
    Field::new("encrypted", Sig::Bool, DEVICE + 3),
    Field::new("managed", Sig::Bool, DEVICE + 4),
    Field::new("jailbroken", Sig::Bool, DEVICE + 5),
    Field::new("screen_lock", Sig::Bool, DEVICE + 6),
    Field::new("certificate", Sig::Bool, DEVICE + 7),
    Field::new("patched_at", Sig::Timestamp, DEVICE + 8),
];

/// `risk`.
pub(super) const RISK_FIELDS: &[Field<'static>] = &[
    Field::new("score", Sig::Double, SCORE),
    Field::new("failures", Sig::Int, FAILURES),
];

/// `risk` where there is no token.
const RISK_OF_NOBODY: &[Field<'static>] = &[
    Field {
        refused: Some(
            "a center's score is of somebody with a token, and this rule is for those without: leave one of them out",
        ),
        ..Field::new("score", Sig::Double, SCORE)
    },
    Field::new("failures", Sig::Int, FAILURES),
];

/// What the variables of one rule depend on.
pub(super) struct Setting<'s> {
    /// Why there is no token, and so no device, to read; `None`: there may be one.
    pub(super) no_token: Option<&'s str>,
    /// Whether a peer may have an identity.
    pub(super) peers: bool,
    /// The captures of the rule's paths.
    pub(super) captures: &'s [Field<'s>],
}

/// The variables that a `when` may read.
pub(super) fn variables<'s>(setting: &Setting<'s>) -> [Variable<'s>; 8] {
    let object = |name, fields| Variable {
        name,
        declared: Declared::Object { fields, open: None },
    };
    let refused = |name, why| Variable {
        name,
        declared: Declared::Refused(why),
    };
    let open = |name, fields, id| match setting.no_token {
        Some(why) => refused(name, why),
        None => Variable {
            name,
            declared: Declared::Object { fields, open: Some(id) },
        },
    };
    let token = open("token", CLAIMS, TOKEN);
    let device = match setting.no_token {
        Some(why) => refused("device", why),
        None => object("device", DEVICE_FIELDS),
    };
    let path = if setting.captures.is_empty() {
        refused(
            "path",
            "no path of this rule has a capture, as `{id}` in `/v1/{id}` is one: `request.path` is the whole path",
        )
    } else {
        object("path", setting.captures)
    };
    let source = if setting.peers {
        SOURCE_FIELDS
    } else {
        SOURCE_WITHOUT_PEER
    };
    let risk = match setting.no_token {
        Some(_) => RISK_OF_NOBODY,
        None => RISK_FIELDS,
    };
    [
        token,
        object("request", REQUEST_FIELDS),
        path,
        object("source", source),
        object("local", LOCAL_FIELDS),
        device,
        open("identity", &[], ATTRIBUTES),
        object("risk", risk),
    ]
}

/// Whether what has this id is told by the device.
pub(super) fn is_of_device(id: u16) -> bool {
    (DEVICE..TOKEN).contains(&id)
}

/// Whether what has this id is told by the token.
pub(super) fn is_of_token(id: u16) -> bool {
    (TOKEN..PATH).contains(&id)
}

/// Whether what has this id is told by where the request comes from.
pub(super) fn is_of_source(id: u16) -> bool {
    matches!(id, ADDRESS | SOURCE_REGION | COUNTRY)
}

/// The variables for one request.
pub(super) struct Seen<'f> {
    facts: &'f Facts<'f>,
    headers: HeaderMap<'f>,
    query: QueryMap<'f>,
    /// The paths of the rule, and the names of the captures that it reads, in order of their ids.
    paths: &'f [PathTemplate],
    captures: &'f [Box<str>],
    /// Which of `paths` is the first that the request has, once that was looked for: each of them has all captures.
    template: Cell<Option<&'f PathTemplate>>,
}

impl<'f> Seen<'f> {
    const UNTOLD: Fault = Fault::InvalidArgument("the identity replica has not told of the subject");

    pub(super) fn new(facts: &'f Facts<'f>, paths: &'f [PathTemplate], captures: &'f [Box<str>]) -> Self {
        Self {
            facts,
            headers: HeaderMap {
                headers: facts.request.headers,
                strip: facts.request.strip,
            },
            query: QueryMap {
                query: facts.request.path.query().unwrap_or_default(),
            },
            paths,
            captures,
            template: Cell::new(None),
        }
    }

    fn region(&self, region: Option<RegionId>) -> Result<Value<'_>, Fault> {
        let region = region.and_then(|region| self.facts.regions.get(region.index()));
        region.map(|region| Value::text(&region.name)).ok_or(Fault::Absent)
    }

    fn claim(&self, name: &str) -> Result<&'f Json, Fault> {
        self.facts
            .claims
            .and_then(|claims: &'f Claims| claims.get(name))
            .ok_or(Fault::Absent)
    }

    /// Where nobody has told, it is neither there nor not.
    fn attribute(&self, name: &str) -> Result<&'f Json, Fault> {
        match self.facts.attributes {
            Attributes::Told(attributes) => attributes.get(name).ok_or(Fault::Absent),
            Attributes::OfNobody => Err(Fault::Absent),
            Attributes::Unasked => Err(Self::UNTOLD),
            Attributes::Untold(missed) => {
                missed.set(true);
                Err(Self::UNTOLD)
            }
        }
    }

    /// A claim that has a type. Whether a list is one of texts is asked of each of its items.
    fn typed(&self, id: u16, budget: &mut Budget) -> Result<Value<'_>, Fault> {
        let field = CLAIMS.iter().find(|field| field.id == id).ok_or(Fault::Absent)?;
        let claim = self.claim(field.name)?;
        if let (Sig::List(_), Json::Array(items)) = (field.kind, claim) {
            budget.charge(items.len() / 4)?;
        }
        match (field.kind, claim) {
            (Sig::String, Json::String(text)) => Ok(Value::text(text)),
            // One audience may stand without a list (RFC 7519 §4.1.3).
            (Sig::List(_), Json::String(_)) => Ok(Value::List(List::Json(core::slice::from_ref(claim)))),
            (Sig::List(_), Json::Array(items)) if items.iter().all(Json::is_string) => {
                Ok(Value::List(List::Json(items)))
            }
            (Sig::Timestamp, Json::Number(seconds)) => numeric_date(seconds).map(Value::Timestamp),
            _ => Err(Fault::InvalidArgument(
                "the claim is of another type than it has by its specification",
            )),
        }
    }

    fn device(&self, id: u16) -> Result<Value<'_>, Fault> {
        let posture = self.facts.device.map_err(|_| Fault::Absent)?;
        let text = |text: &'f Option<String>| text.as_deref().map(Value::text);
        let flag = |flag: Option<bool>| flag.map(Value::Bool);
        let field = match id.saturating_sub(DEVICE) {
            0 => text(&posture.id),
            1 => text(&posture.platform),
            2 => posture.os_version.as_deref().map(|text| Value::Version(text.into())),
            3 => flag(posture.encrypted),
            4 => flag(posture.managed),
            5 => flag(posture.jailbroken),
            6 => flag(posture.screen_lock),
            // One that it is bound to was shown.
            7 => flag(posture.confirmation.certificate.map(|_| true).or(posture.certificate)),
            _ => return point(posture.patched_at.ok_or(Fault::Absent)?),
        };
        field.ok_or(Fault::Absent)
    }

    fn capture(&self, id: u16) -> Result<Value<'_>, Fault> {
        let name = self.captures.get(usize::from(id.saturating_sub(PATH)));
        let name = name.ok_or(Fault::Absent)?;
        let path = self.facts.request.path;
        let found = match self.template.get() {
            Some(template) => template.capture(path, name),
            None => self.paths.iter().find_map(|template| {
                let found = template.capture(path, name)?;
                self.template.set(Some(template));
                Some(found)
            }),
        };
        found.map(text_of).ok_or(Fault::Absent)
    }
}

impl Variables for Seen<'_> {
    fn read(&self, id: u16, budget: &mut Budget) -> Result<Value<'_>, Fault> {
        let request = &self.facts.request;
        let source = &self.facts.source;
        match id {
            METHOD => Ok(Value::text(request.method)),
            HOST => Ok(Value::text(request.host)),
            PATH_TEXT => Ok(text_of(request.path.compared())),
            HEADERS => Ok(Value::lazy(&self.headers)),
            QUERY => Ok(Value::lazy(&self.query)),
            TIME if !self.facts.at.is_known() => Err(Fault::Absent),
            TIME => point(self.facts.at),
            ID => request.id.map(Value::text).ok_or(Fault::Absent),
            ADDRESS => source
                .address
                .as_ref()
                .map(IpAddr::to_canonical)
                .map(Value::Ip)
                .ok_or(Fault::Absent),
            SOURCE_REGION => self.region(source.region),
            COUNTRY => source.country.map(Country::code).map(Value::text).ok_or(Fault::Absent),
            WORKLOAD => {
                let workload = self.facts.workload.ok_or(Fault::Absent)?;
                Ok(Value::text(workload.as_str()))
            }
            LOCAL => self.region(Some(self.facts.local)),
            FAILURES => self
                .facts
                .risk
                .failures
                .map(|count| Value::Int(count.into()))
                .ok_or(Fault::Absent),
            SCORE => self.facts.risk.score.map(Value::Double).ok_or(Fault::Absent),
            DEVICE..TOKEN => self.device(id),
            PATH.. => self.capture(id),
            _ => self.typed(id, budget),
        }
    }

    fn member(&self, id: u16, name: &str) -> Result<Value<'_>, Fault> {
        let found = match id {
            ATTRIBUTES => self.attribute(name),
            _ => self.claim(name),
        };
        found.map(Value::of_json)
    }
}

fn text_of(text: Cow<'_, str>) -> Value<'_> {
    match text {
        Cow::Borrowed(text) => Value::text(text),
        Cow::Owned(text) => Value::String(text.into()),
    }
}

fn point(time: WallTime) -> Result<Value<'static>, Fault> {
    let since_epoch = SignedDuration::from_nanos_i128(i128::from(time.0));
    Timestamp::new(since_epoch).map(Value::Timestamp)
}

/// Seconds since 1970, with their fraction.
fn numeric_date(seconds: &serde_json::Number) -> Result<Timestamp, Fault> {
    let since_epoch = match (seconds.as_i64(), seconds.as_f64()) {
        (Some(whole), _) => SignedDuration::from_secs(whole),
        (None, Some(seconds)) => SignedDuration::try_from_secs_f64(seconds).map_err(|_| Fault::Overflow)?,
        (None, None) => return Err(Fault::Overflow),
    };
    Timestamp::new(since_epoch)
}

/// The headers of a request by name, in lower case, each with one value: that of several lines is one with `, ` between them (RFC 9110 §5.3), `; ` in a
/// Cookie header (RFC 9113 §8.2.3). One that is not UTF-8 cannot be read. Pseudo-headers are none.
struct HeaderMap<'f> {
    headers: Headers<'f>,
    strip: &'f StripSet,
}

impl<'f> HeaderMap<'f> {
    const ALIKE: Fault = Fault::InvalidArgument("a header whose name some servers take for that of another");

    fn shows(&self, name: &[u8]) -> bool {
        !name.starts_with(b":") && !self.strip.contains(name)
    }

    fn text(value: &[u8]) -> Result<&str, Fault> {
        core::str::from_utf8(value).map_err(|_| Fault::InvalidArgument("a header that is not UTF-8"))
    }

    fn joined(name: &str, first: &'f str, more: impl Iterator<Item = &'f str>) -> Value<'f> {
        let mut several: Option<String> = None;
        let between = if name.eq_ignore_ascii_case("cookie") {
            "; "
        } else {
            ", "
        };
        for value in more {
            let joined = several.get_or_insert_with(|| first.to_owned());
            joined.push_str(between);
            joined.push_str(value);
        }
        several.map_or_else(|| Value::text(first), |joined| Value::String(joined.into()))
    }
}

impl Entries for HeaderMap<'_> {
    fn look_up_cost(&self) -> usize {
        // Names are compared one by one, and what is found is read.
        (self.headers.len() / 4).saturating_add(self.headers.block_len() / 256)
    }

    fn get(&self, key: &str) -> Result<Option<Value<'_>>, Fault> {
        // Names are lower case here: no other spelling is there.
        if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(None);
        }
        let is_another =
            |name: &[u8]| is_header(name, key) && !name.eq_ignore_ascii_case(key.as_bytes()) && self.shows(name);
        if self.headers.iter().any(|(name, _)| is_another(name)) {
            return Err(Self::ALIKE);
        }
        if !self.shows(key.as_bytes()) {
            return Ok(None);
        }
        // All lines can be read, or none is copied.
        self.headers
            .values(key)
            .try_for_each(|value| Self::text(value).map(|_| ()))?;
        let mut values = self.headers.values(key).filter_map(|value| Self::text(value).ok());
        let first = values.next();
        Ok(first.map(|first| Self::joined(key, first, values)))
    }

    fn pairs(&self) -> Result<Vec<(Value<'_>, Value<'_>)>, Fault> {
        // Nothing is copied before all of it can be read.
        let mut lines: Vec<(&str, &str)> = Vec::with_capacity(self.headers.len());
        for (name, value) in self.headers.iter().filter(|(name, _)| self.shows(name)) {
            let name = core::str::from_utf8(name).map_err(|_| Fault::InvalidArgument("a header's name"))?;
            lines.push((name, Self::text(value)?));
        }
        // Lines of the same name keep their order, and names that are alike stand together.
        fn folded(name: &str) -> impl Iterator<Item = u8> {
            name.bytes().map(|byte| match byte {
                b'_' => b'-',
                other => other.to_ascii_lowercase(),
            })
        }
        lines.arrange_by(|(a, _), (b, _)| folded(a).cmp(folded(b)));
        let is_another = |a: &str, b: &str| !a.eq_ignore_ascii_case(b) && is_header(a.as_bytes(), b);
        if lines
            .windows(2)
            .any(|two| matches!(two, [(a, _), (b, _)] if is_another(a, b)))
        {
            return Err(Self::ALIKE);
        }
        let mut pairs = Vec::with_capacity(lines.len());
        for group in lines.chunk_by(|(a, _), (b, _)| a.eq_ignore_ascii_case(b)) {
            if let Some(((name, first), more)) = group.split_first() {
                let value = Self::joined(name, first, more.iter().map(|(_, value)| *value));
                pairs.push((Value::String(name.to_ascii_lowercase().into()), value));
            }
        }
        Ok(pairs)
    }
}

/// The parameters of the query by name, each with the one value that it has. One that is given several times, or whose value servers read in two ways (a `+`), cannot
/// be read; neither can any of a query that has no single reading.
struct QueryMap<'f> {
    query: &'f str,
}

impl<'f> QueryMap<'f> {
    const AMBIGUOUS: Fault = Fault::InvalidArgument("a query, or a parameter, of more than one reading");
}

impl Entries for QueryMap<'_> {
    fn look_up_cost(&self) -> usize {
        // It is taken apart each time.
        self.query.len() / 8
    }

    fn get(&self, key: &str) -> Result<Option<Value<'_>>, Fault> {
        let all = parameters(self.query).ok_or(Self::AMBIGUOUS)?;
        let is_it = |parameter: &Parameter<'_>| parameter.name == key || same_name(parameter.raw_name.as_bytes(), key);
        let mut named = all.into_iter().filter(is_it);
        match (named.next(), named.next()) {
            (None, _) => Ok(None),
            (Some(one), None) if one.name == key => Ok(Some(text_of(one.value))),
            (Some(_), _) => Err(Self::AMBIGUOUS),
        }
    }

    fn pairs(&self) -> Result<Vec<(Value<'_>, Value<'_>)>, Fault> {
        let mut all = parameters(self.query).ok_or(Self::AMBIGUOUS)?;
        all.arrange_by(|a, b| a.name.cmp(&b.name));
        let twice = all.iter().zip(all.iter().skip(1)).any(|(a, b)| a.name == b.name);
        if twice {
            return Err(Self::AMBIGUOUS);
        }
        let pair = |Parameter { name, value, .. }| (text_of(name), text_of(value));
        Ok(all.into_iter().map(pair).collect())
    }
}
