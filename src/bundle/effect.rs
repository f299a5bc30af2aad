//! What a rule does: its `effect`, with the options of that.

use core::time::Duration;
use std::sync::Arc;

use super::diagnostic::{Read, Sink};
use super::document::{Defer, Effect, Refusal, WhenAway};
use super::limits;
use super::reader::{At, Fields, Shape};
use super::value::Value;
use super::{authentication, body};

const DEFER: Shape = Shape {
    fields: &[
        "cache",
        "onUnavailable",
        "lastDecisionFor",
        "unless",
        "claims",
        "reasonUser",
    ],
    later: &[],
};

const RESPONSE: Shape = Shape {
    fields: &["status", "hide", "body", "contentType"],
    later: &[],
};

/// Properties of the question's subject that are there anyway.
const STANDARD_PROPERTIES: &[&str] = &[
    "home",
    "iss",
    "roles",
    "permissions",
    "acr",
    "amr",
    "auth_time",
    "workload",
];

/// A center's answer may be reused for so long at least and at most.
const CACHE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(24 * 3_600));

/// What a center said last may stand for it for so long at least and at most, and where nobody says for how long.
const LAST_DECISION: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));
const LAST_DECISION_FOR: Duration = Duration::from_secs(10 * 60);

/// Statuses that a deny may be answered with. One that says how to log in is a step-up's.
const STATUSES: &[(u64, u16)] = &[
    (402, 402),
    (403, 403),
    (404, 404),
    (409, 409),
    (410, 410),
    (423, 423),
    (429, 429),
    (451, 451),
    (503, 503),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Allow,
    Deny,
    StepUp,
    Defer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Away {
    Deny,
    LastDecision,
    Allow,
}

/// `effect` with what belongs to it; what belongs to another effect is an error.
pub(super) fn read(fields: &Fields<'_>, sink: &mut Sink) -> Read<Effect> {
    let words = [
        ("allow", Verb::Allow),
        ("deny", Verb::Deny),
        ("stepUp", Verb::StepUp),
        ("defer", Verb::Defer),
    ];
    let verb = fields.required("effect", sink, |at, sink| match at.value {
        Value::String(text) if text == "step_up" => Ok(Verb::StepUp),
        _ => at.word(&words, sink),
    });
    let step_up = fields.optional("stepUp", sink, authentication::step_up);
    let defer = fields.optional("defer", sink, |at, sink| defer(at, sink));
    let response = fields.optional("response", sink, |at, sink| response(at, sink));
    let verb = verb?;
    let owned = [
        ("stepUp", Verb::StepUp, "stepUp"),
        ("defer", Verb::Defer, "defer"),
        ("response", Verb::Deny, "deny"),
    ];
    for (field, owner, effect) in owned {
        if let Some(at) = fields.field(field).filter(|_| verb != owner) {
            sink.error(&at.path, format!("`{field}` goes with `effect: {effect}` only"));
        }
    }
    Ok(match verb {
        Verb::Allow => Effect::Allow,
        Verb::Deny => Effect::Deny(response?.unwrap_or_default()),
        Verb::StepUp => match step_up? {
            Some(step_up) => Effect::StepUp(step_up),
            None => {
                let message = "a step-up says what it wants: give `stepUp` with `acr`, `maxAge` or both";
                return Err(fields.wrong(message, sink));
            }
        },
        Verb::Defer => Effect::Defer(defer?.unwrap_or_default()),
    })
}

fn defer(at: &At<'_>, sink: &mut Sink) -> Read<Defer> {
    let fields = at.fields(&DEFER, sink)?;
    let cache = fields.optional("cache", sink, |at, sink| at.duration(CACHE.0, CACHE.1, sink));
    let when_away = when_away(&fields, sink);
    let unless_allowed = fields.optional("unless", sink, |at, sink| at.word(&[("allowed", true)], sink));
    let claims = fields.optional("claims", sink, |at, sink| {
        at.list(limits::DEFER_CLAIMS, sink, |at, sink| {
            let claim = at.text(sink)?;
            if STANDARD_PROPERTIES.contains(&claim) {
                let message = format!("`{claim}` is a property of the question anyway: take it out of the list");
                return Err(sink.error(&at.path, message));
            }
            Ok(claim.to_owned())
        })
    });
    let pass_reason = fields.optional("reasonUser", sink, |at, sink| {
        at.word(&[("pass", true), ("drop", false)], sink)
    });
    Ok(Defer {
        cache: cache?,
        when_away: when_away?,
        unless_allowed: unless_allowed?.unwrap_or_default(),
        claims: claims?.unwrap_or_default(),
        pass_reason: pass_reason?.unwrap_or_default(),
    })
}

/// `onUnavailable`, and `lastDecisionFor`, which goes with one of its words only.
fn when_away(fields: &Fields<'_>, sink: &mut Sink) -> Read<WhenAway> {
    let word = fields.optional("onUnavailable", sink, |at, sink| match at.value {
        Value::String(text) if text == "last_decision" => Ok(Away::LastDecision),
        _ => at.word(
            &[
                ("deny", Away::Deny),
                ("allow", Away::Allow),
                ("lastDecision", Away::LastDecision),
            ],
            sink,
        ),
    });
    let time = fields.optional("lastDecisionFor", sink, |at, sink| {
        at.duration(LAST_DECISION.0, LAST_DECISION.1, sink)
    });
    let word = word?.unwrap_or(Away::Deny);
    if let Some(at) = fields.field("lastDecisionFor").filter(|_| word != Away::LastDecision) {
        let message = "goes with `onUnavailable: lastDecision` only";
        return Err(sink.error(&at.path, message));
    }
    let time = time?.unwrap_or(LAST_DECISION_FOR);
    Ok(match word {
        Away::Deny => WhenAway::Deny,
        Away::LastDecision => WhenAway::LastDecision(time),
        Away::Allow => WhenAway::Allow,
    })
}

fn response(at: &At<'_>, sink: &mut Sink) -> Read<Refusal> {
    let fields = at.fields(&RESPONSE, sink)?;
    let hide = fields.optional("hide", sink, At::boolean);
    let status = fields.optional("status", sink, |at, sink| {
        let found = match at.value {
            Value::String(text) => text.parse().ok(),
            value => value.integer(),
        };
        match STATUSES.iter().find(|(status, _)| Some(*status) == found) {
            Some(_) if matches!(at.value, Value::String(_)) => {
                Err(sink.error(&at.path, "must be a number: take the quotes away"))
            }
            Some((_, status)) => Ok(*status),
            None if found == Some(401) => Err(sink.error(
                &at.path,
                "401 asks for another login, and a deny is for whoever asks: take `effect: stepUp`, or another status",
            )),
            None => Err(at.mismatch("402, 403, 404, 409, 410, 423, 429, 451 or 503", sink)),
        }
    });
    let content_type = fields.optional("contentType", sink, |at, sink| {
        at.word(
            &[
                ("application/json", "application/json"),
                ("application/problem+json", "application/problem+json"),
            ],
            sink,
        )
    });
    let template = fields.optional("body", sink, |at, sink| body::read(at, sink));
    let hide = hide?.unwrap_or_default();
    let status = status?.unwrap_or(if hide { 404 } else { 403 });
    if hide && status != 404 {
        return Err(sink.error(
            &at.path,
            "`hide: true` needs status 404: any other tells that something is there",
        ));
    }
    let (content_type, template) = (content_type?, template?);
    if let Some(at) = fields.field("contentType").filter(|_| template.is_none()) {
        let message = "goes with `body` only: without one, the answer is a problem document";
        return Err(sink.error(&at.path, message));
    }
    let body = template.map(|template| Arc::new(template.of_type(content_type.unwrap_or("application/json"))));
    Ok(Refusal { status, hide, body })
}
