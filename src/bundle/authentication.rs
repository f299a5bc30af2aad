//! How strongly, and how lately, somebody must have proved who they are: `identity` of a policy and `stepUp` of a rule.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{MultiFactor, Requirement, StepUp};
use super::limits;
use super::path::Path;
use super::reader::{At, Fields, Shape};
use crate::order;

const IDENTITY: Shape = Shape {
    fields: &["authentication", "authorization"],
    later: &[],
};

const METHOD: Shape = Shape {
    fields: &["method", "amr", "acr"],
    later: &[],
};

const AUTHORIZATION: Shape = Shape {
    fields: &["rbac", "abac"],
    later: &[],
};

const STEP_UP: Shape = Shape {
    fields: &["acr", "maxAge"],
    later: &[],
};

/// The least and the most for `maxAge`.
const AGES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(366 * 24 * 3_600));

/// What says that several factors were used, unless a policy says otherwise (RFC 8176 §2).
const MULTI_FACTOR: &str = "mfa";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    MultiFactor,
    Certificate,
}

/// `identity` of a policy.
#[derive(Default)]
pub(super) struct Identity {
    /// Sorted, each once: their order never matters.
    pub(super) requirements: Vec<Requirement>,
    /// `rbac: false`.
    pub(super) forbids_words: bool,
    /// `abac: false`.
    pub(super) forbids_when: bool,
}

pub(super) fn identity(at: &At<'_>, sink: &mut Sink) -> Read<Identity> {
    let fields = at.fields(&IDENTITY, sink)?;
    let authentication = fields.optional("authentication", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, method)
    });
    let forbids = fields.optional("authorization", sink, authorization);
    let mut requirements = authentication?.unwrap_or_default();
    let wanted = |requirement: &Requirement| match requirement {
        Requirement::MultiFactor(wanted) => Some(wanted.clone()),
        _ => None,
    };
    order::sort_by(&mut requirements, |left, right| wanted(left).cmp(&wanted(right)));
    requirements.dedup();
    let [forbids_words, forbids_when] = forbids?.unwrap_or_default();
    Ok(Identity {
        requirements,
        forbids_words,
        forbids_when,
    })
}

/// `stepUp` of a rule.
pub(super) fn step_up(at: &At<'_>, sink: &mut Sink) -> Read<StepUp> {
    let fields = at.fields(&STEP_UP, sink)?;
    let acr = fields.optional("acr", sink, values);
    let max_age = fields.optional("maxAge", sink, |at, sink| at.duration(AGES.0, AGES.1, sink));
    let (acr, max_age) = (acr?, max_age?);
    Ok(StepUp {
        acr: acr.unwrap_or_default(),
        max_age,
    })
}

fn method(at: &At<'_>, sink: &mut Sink) -> Read<Requirement> {
    let words = [
        ("multi-factor", Method::MultiFactor),
        ("certificate", Method::Certificate),
    ];
    let fields = at.fields(&METHOD, sink)?;
    let method = fields.required("method", sink, |at, sink| at.word(&words, sink));
    let amr = fields.optional("amr", sink, values);
    let acr = fields.optional("acr", sink, values);
    if method? == Method::Certificate {
        for field in ["amr", "acr"] {
            if let Some(at) = fields.field(field) {
                sink.error(&at.path, format!("`{field}` goes with `method: multi-factor` only"));
            }
        }
        return Ok(Requirement::Certificate);
    }
    let (amr, acr) = (amr?, acr?);
    Ok(Requirement::MultiFactor(match (amr, acr) {
        (None, None) => MultiFactor {
            amr: vec![MULTI_FACTOR.to_owned()],
            acr: Vec::new(),
        },
        (amr, acr) => MultiFactor {
            amr: amr.unwrap_or_default(),
            acr: acr.unwrap_or_default(),
        },
    }))
}

/// Whether `permissions` and `roles` are forbidden in rules, and whether `when` is.
fn authorization(at: &At<'_>, sink: &mut Sink) -> Read<[bool; 2]> {
    let mut said = [None, None];
    let mut wrong = None;
    let items = at.list(limits::RESTRICTIONS, sink, |at, sink| {
        let fields = at.fields(&AUTHORIZATION, sink)?;
        Ok([boolean(&fields, "rbac", sink)?, boolean(&fields, "abac", sink)?])
    })?;
    for (index, item) in items.iter().enumerate() {
        for ((found, known), name) in item.iter().zip(&mut said).zip(["rbac", "abac"]) {
            if found.is_some() && known.is_some() {
                let item = Path::Item(&at.path, index);
                wrong = Some(sink.error(&Path::Member(&item, name), format!("`{name}` is said already")));
            }
            *known = known.or(*found);
        }
    }
    wrong.map_or(Ok(said.map(|said| said == Some(false))), Err)
}

fn boolean(fields: &Fields<'_>, name: &str, sink: &mut Sink) -> Read<Option<bool>> {
    fields.optional(name, sink, At::boolean)
}

/// Values of `acr` or `amr`. They may stand in a challenge, one behind the other with spaces between them (RFC 9470 §3).
fn values(at: &At<'_>, sink: &mut Sink) -> Read<Vec<String>> {
    at.list(limits::AUTHENTICATION_VALUES, sink, |at, sink| {
        let text = at.text(sink)?;
        let may_stand_in_quotes = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if text.bytes().all(may_stand_in_quotes) {
            return Ok(text.to_owned());
        }
        let message = "must be visible ASCII without spaces, `\"` and `\\`: it stands in a challenge";
        Err(sink.error(&at.path, Problem::new(message).found(at.value)))
    })
}
