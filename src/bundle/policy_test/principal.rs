//! `principals`: who asks.

use serde_json::{Map, Number, Value as Json};

use super::{ANONYMOUS, Device, Known, Principal, Token, address, fixture, region, time};
use crate::bundle::diagnostic::{Problem, Read, Sink};
use crate::bundle::limits;
use crate::bundle::reader::{At, Fields, Shape};
use crate::bundle::value::Value;
use crate::device::Field;
use crate::identity::SpiffeId;
use crate::risk::Risk;

const PRINCIPAL: Shape = Shape {
    fields: &[
        "home",
        "claims",
        "without",
        "key",
        "bound",
        "revoked",
        "workload",
        "address",
        "device",
        "deviceIssuer",
        "deviceSignedAt",
        "identity",
        "risk",
    ],
    later: &[],
};

const RISK: Shape = Shape {
    fields: &["score", "failures"],
    later: &[],
};

/// The largest score.
const SCORE: u64 = 100;
/// As many failures may be said of one principal: more than ever count.
const FAILURES: u64 = 1_000;

/// In the order of [`Field::ALL`].
const DEVICE: Shape = Shape {
    fields: &[
        "id",
        "platform",
        "osVersion",
        "encrypted",
        "managed",
        "jailbroken",
        "screenLock",
        "certificate",
        "patchedAt",
    ],
    later: &[],
};

/// All of them, in their order.
pub(super) fn all(at: &At<'_>, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<Vec<Principal>> {
    let mut wrong = None;
    let mut all = Vec::new();
    for member in at.members(sink)? {
        let read = fixture(member, at, sink).and_then(|(name, at)| one(name, &at, known, sink));
        match read {
            Ok(principal) => all.push(principal),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(all), Err)
}

fn one(name: &str, at: &At<'_>, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<Principal> {
    if name == ANONYMOUS {
        let message = "`anonymous` has nothing to show, and is always there: take another name";
        return Err(sink.error(&at.path, message));
    }
    let fields = at.fields(&PRINCIPAL, sink)?;
    let home = fields.optional("home", sink, |at, sink| region(at, known, sink));
    let identity = fields.optional("identity", sink, claims);
    let claims = fields.optional("claims", sink, claims);
    let without = fields.optional("without", sink, |at, sink| {
        at.list(limits::WORDS, sink, |at, sink| at.text(sink).map(str::to_owned))
    });
    let key = fields.optional("key", sink, |at, sink| at.text(sink).map(str::to_owned));
    let bound = fields.optional("bound", sink, |at, sink| at.word(&[("certificate", true)], sink));
    let revoked = fields.optional("revoked", sink, At::only_true);
    let address = fields.optional("address", sink, address);
    let workload = fields.optional("workload", sink, |at, sink| {
        let text = at.text(sink)?;
        if SpiffeId::parse(text.as_bytes()).is_some() {
            return Ok(text.to_owned());
        }
        let message = "not the SPIFFE id of a workload: write one like `spiffe://prod/ns/web/sa/api`";
        Err(sink.error(&at.path, Problem::new(message).found(at.value)))
    });
    let device = device(&fields, known, sink);
    let risk = fields.optional("risk", sink, risk);
    let has_token = ["home", "claims", "without", "key", "bound", "revoked"]
        .iter()
        .any(|field| fields.field(field).is_some());
    let device = device?;
    if device.is_some() && !has_token {
        return Err(fields.wrong(
            "the posture of a device is read of who has a token: give `claims`",
            sink,
        ));
    }
    let risk = risk?;
    if risk.is_some_and(|risk| risk.score.is_some()) && !has_token {
        return Err(fields.wrong("a score is of who has a token: give `claims`", sink));
    }
    let identity = identity?;
    if identity.is_some() && !has_token {
        return Err(fields.wrong("a replica tells of who has a token: give `claims`", sink));
    }
    let without = without?.unwrap_or_default();
    let mut claims = claims?.unwrap_or_default();
    if has_token && !claims.contains_key("sub") && !without.iter().any(|name| name == "sub") {
        claims.insert("sub".to_owned(), Json::String(name.to_owned()));
    }
    let token = Token {
        home: home?,
        claims,
        without,
        key: key?,
        bound: bound?.unwrap_or_default(),
        revoked: revoked?.is_some(),
    };
    Ok(Principal {
        name: name.to_owned(),
        token: has_token.then_some(token),
        address: address?,
        workload: workload?,
        device,
        identity,
        risk,
    })
}

/// What is known of the risk.
fn risk(at: &At<'_>, sink: &mut Sink) -> Read<Risk> {
    let fields = at.fields(&RISK, sink)?;
    let score = fields.optional("score", sink, |at, sink| at.integer(0, SCORE, sink));
    let failures = fields.optional("failures", sink, |at, sink| at.integer(0, FAILURES, sink));
    Ok(Risk {
        score: score?.and_then(|score| u8::try_from(score).ok()).map(f64::from),
        // Where nobody says, none came.
        failures: Some(
            failures?
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or_default(),
        ),
    })
}

/// What is said of the device, and by whom.
fn device(fields: &Fields<'_>, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<Option<Device>> {
    let parts = fields.optional("device", sink, |at, sink| {
        let parts = at.fields(&DEVICE, sink)?;
        let named = Field::ALL.into_iter().zip(DEVICE.fields);
        let told = named.filter_map(|(field, name)| Some((field, json(parts.field(name)?.value))));
        Ok(told.collect())
    });
    let issuer = fields.optional("deviceIssuer", sink, |at, sink| {
        let name = at.text(sink)?;
        match known {
            Some(known) if !known.device_issuers.contains(&name) => {
                let problem = Problem::new("the bundle has no such DeviceIssuer")
                    .found(at.value)
                    .suggest(sink.nearest(name, known.device_issuers.iter().copied()));
                Err(sink.error(&at.path, problem))
            }
            _ => Ok(name.to_owned()),
        }
    });
    let signed_at = fields.optional("deviceSignedAt", sink, time);
    let (issuer, signed_at) = (issuer?, signed_at?);
    let Some(parts) = parts? else {
        for name in ["deviceIssuer", "deviceSignedAt"] {
            if let Some(at) = fields.field(name) {
                return Err(sink.error(&at.path, "says who tells of the device: give `device` too"));
            }
        }
        return Ok(None);
    };
    Ok(Some(Device {
        issuer,
        parts,
        signed_at,
    }))
}

/// Any claims: what the issuer may write, a token may say.
fn claims(at: &At<'_>, sink: &mut Sink) -> Read<Map<String, Json>> {
    let members = at.members(sink)?;
    Ok(members
        .iter()
        .map(|(name, value)| (name.to_string(), json(value)))
        .collect())
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => self::number(*number),
        Value::String(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.to_string(), json(value)))
            .collect::<Map<String, Json>>()
            .into(),
    }
}

/// A whole number stays one.
fn number(number: f64) -> Json {
    let whole = Value::Number(number.abs()).integer();
    let whole = whole.and_then(|whole| i64::try_from(whole).ok());
    match whole {
        Some(whole) if number < 0.0 => Json::from(whole.saturating_neg()),
        Some(whole) => Json::from(whole),
        None => Number::from_f64(number).map_or(Json::Null, Json::Number),
    }
}
