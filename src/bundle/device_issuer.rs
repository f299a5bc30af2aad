//! The DeviceIssuer document: who signs postures of devices, and of whose.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::document::Policy;
use super::forward;
use super::keys;
use super::limits;
use super::policy::region_name;
use super::reader::{At, Fields, Shape};
use super::root::{Documents, Known, Placed};
use crate::device::{DeviceIssuer, Field, SubjectBinding};
use crate::identity::{ClaimPath, TokenSources};

const SPEC: Shape = Shape {
    fields: &[
        "issuer",
        "audiences",
        "keys",
        "header",
        "upstream",
        "type",
        "maxAge",
        "binding",
        "claims",
    ],
    later: &[],
};

const BINDING: Shape = Shape {
    fields: &["subject", "token", "home", "issuer", "regions"],
    later: &[],
};

/// In the order of [`Field::ALL`].
const CLAIMS: Shape = Shape {
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

/// In which header postures come, unless the document says otherwise.
const HEADER: &str = "x-device-posture";
/// How old a posture may be, unless the document says otherwise; the least and the most that it may say.
const AGE: Duration = Duration::from_secs(3_600);
const AGES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30 * 24 * 3_600));
/// Headers that have a meaning of their own.
const TAKEN: &[&str] = &["dpop", "origin", "sec-fetch-site"];

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<DeviceIssuer> {
    let fields = spec.fields(&SPEC, sink)?;
    let issuer = fields.required("issuer", sink, At::text);
    let audiences = fields.required("audiences", sink, |at, sink| {
        at.list(limits::AUDIENCES, sink, |at, sink| at.text(sink).map(str::to_owned))
    });
    let keys = fields.required("keys", sink, |at, sink| keys::read(at, issuer.ok(), sink));
    let header = fields.optional("header", sink, header);
    let pass = fields.optional("upstream", sink, |at, sink| {
        at.word(&[("strip", false), ("pass", true)], sink)
    });
    let kind = fields.optional("type", sink, |at, sink| at.text(sink).map(str::to_owned));
    let max_age = fields.optional("maxAge", sink, |at, sink| at.duration(AGES.0, AGES.1, sink));
    let binding = fields.optional("binding", sink, |at, sink| binding(at, known, sink));
    let claims = fields.optional("claims", sink, claims);
    let binding = binding?.unwrap_or_else(|| usual_binding(None, None));
    let says_whose = binding.home.is_some() || binding.issuer.is_some() || binding.regions.is_some();
    if known.regions.len() > 1 && !says_whose {
        let message = "the same `sub` in two regions is two people: say whose postures these are, by `binding` with the claim that names the user's `home` region or `issuer`, or with the `regions` of which it knows the users";
        return Err(match fields.field("binding") {
            Some(at) => sink.error(&at.path, message),
            None => sink.error(&spec.path, message),
        });
    }
    Ok(DeviceIssuer {
        name: name.to_owned(),
        issuer: issuer?.to_owned(),
        audiences: audiences?,
        keys: keys?,
        header: header?.unwrap_or_else(|| HEADER.to_owned()),
        pass: pass?.unwrap_or_default(),
        kind: kind?,
        max_age: max_age?.unwrap_or(AGE),
        binding,
        claims: match claims? {
            Some(claims) => claims,
            None => Field::ALL.into_iter().filter_map(usual).collect(),
        },
    })
}

/// What the DeviceIssuers of a bundle say of each other, and of what others say of their headers.
pub(super) fn check(documents: &Documents, tokens: &TokenSources, sink: &mut Sink) {
    let issuers = &documents.device_issuers;
    for (number, placed) in issuers.iter().enumerate() {
        let own = &placed.document;
        let mut wrong = |field: &str, message: String| {
            sink.enter(Some(format!("DeviceIssuer {}", own.name)));
            sink.error_at(&format!("{}[{}].spec.{field}", placed.list, placed.index), message);
            sink.enter(None);
        };
        let same = issuers
            .iter()
            .take(number)
            .find(|other| other.document.issuer == own.issuer);
        if let Some(other) = same {
            let message = format!("`{}` has this issuer already: a posture is of one", other.document.name);
            wrong("issuer", message);
        }
        let is_own = |header: &str| forward::same_header(header, &own.header);
        if tokens.headers().any(is_own) {
            let message = format!(
                "`tokens.sources` takes tokens from `{}`: take another header",
                own.header
            );
            wrong("header", message);
        }
        let mut policies = documents.all_policies();
        let fills = |policy: &&Placed<Policy>| {
            let mut claims = policy.document.forward.iter().flat_map(|forward| &forward.claims);
            claims.any(|(header, _)| is_own(header))
        };
        if let Some(policy) = policies.find(fills) {
            let message = format!(
                "the policy `{}` fills `{}` with a claim: take another header",
                policy.document.name, own.header
            );
            wrong("header", message);
        }
        let spelled_otherwise = issuers
            .iter()
            .take(number)
            .find(|other| other.document.header != own.header && is_own(&other.document.header));
        if let Some(other) = spelled_otherwise {
            let message = format!(
                "`{}` of `{}` is the same header to servers that take `_` for `-`: spell both alike",
                other.document.header, other.document.name
            );
            wrong("header", message);
        }
    }
}

/// A header of its own: nobody else writes or reads it.
fn header(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    forward::check_name(name, &at.path, sink)?;
    let folded = forward::folded(name);
    if forward::is_reserved(&folded) || TAKEN.contains(&folded.as_str()) {
        let message = format!("`{folded}` carries something else: take a header of your own, like `{HEADER}`");
        return Err(sink.error(&at.path, message));
    }
    forward::check_case(name, &at.path, sink)?;
    Ok(name.to_owned())
}

fn binding(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<SubjectBinding> {
    let fields = at.fields(&BINDING, sink)?;
    let subject = optional_path(&fields, "subject", sink);
    let token = optional_path(&fields, "token", sink);
    let home = optional_path(&fields, "home", sink);
    let issuer = optional_path(&fields, "issuer", sink);
    let regions = fields.optional("regions", sink, |at, sink| {
        at.list(limits::REGIONS, sink, |at, sink| region_name(at, known, sink))
    });
    Ok(SubjectBinding {
        home: home?,
        issuer: issuer?,
        regions: regions?,
        ..usual_binding(subject?, token?)
    })
}

/// `sub` of the posture is `sub` of the token, unless the document says otherwise.
fn usual_binding(subject: Option<ClaimPath>, token: Option<ClaimPath>) -> SubjectBinding {
    SubjectBinding {
        subject: subject.unwrap_or_else(ClaimPath::subject),
        token: token.unwrap_or_else(ClaimPath::subject),
        home: None,
        issuer: None,
        regions: None,
    }
}

/// Where each part is: what is not said is where a token of a user would have it.
fn claims(at: &At<'_>, sink: &mut Sink) -> Read<Vec<ClaimPath>> {
    let fields = at.fields(&CLAIMS, sink)?;
    let mut wrong = None;
    let mut all = Vec::with_capacity(Field::ALL.len());
    for (field, name) in Field::ALL.into_iter().zip(CLAIMS.fields) {
        match optional_path(&fields, name, sink) {
            Ok(path) => all.extend(path.or_else(|| usual(field))),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(all), Err)
}

fn usual(field: Field) -> Option<ClaimPath> {
    ClaimPath::new(&format!("device.{}", field.name()))
}

fn optional_path(fields: &Fields<'_>, name: &str, sink: &mut Sink) -> Read<Option<ClaimPath>> {
    fields.optional(name, sink, |at, sink| {
        let text = at.text(sink)?;
        ClaimPath::new(text).ok_or_else(|| {
            let message = format!("the name of a claim has at most {} bytes", ClaimPath::MAX_BYTES);
            sink.error(&at.path, Problem::new(message).found(at.value))
        })
    })
}
