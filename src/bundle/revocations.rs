//! The Revocations document.

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Region, Revocations, RevokedKey, RevokedSession, RevokedSubject, RevokedToken};
use super::instant;
use super::limits;
use super::path::Path;
use super::policy::region_name;
use super::reader::{At, Shape};
use super::root::{Documents, Known, Placed};
use super::value::Value;
use crate::identity::thumbprint;

const SPEC: Shape = Shape {
    fields: &["tokens", "subjects", "sessions", "keys"],
    later: &[],
};

const TOKEN: Shape = Shape {
    fields: &["issuer", "jti", "expires"],
    later: &[],
};

const SUBJECT: Shape = Shape {
    fields: &["home", "issuer", "sub", "notBefore"],
    later: &[],
};

const SESSION: Shape = Shape {
    fields: &["issuer", "sid"],
    later: &[],
};

const KEY: Shape = Shape {
    fields: &["region", "kid", "thumbprint"],
    later: &[],
};

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Revocations> {
    let fields = spec.fields(&SPEC, sink)?;
    let tokens = fields.optional("tokens", sink, |at, sink| at.list(limits::REVOCATIONS, sink, token));
    let subjects = fields.optional("subjects", sink, |at, sink| {
        at.list(limits::REVOCATIONS, sink, |at, sink| subject(at, known, sink))
    });
    let sessions = fields.optional("sessions", sink, |at, sink| at.list(limits::REVOCATIONS, sink, session));
    let keys = fields.optional("keys", sink, |at, sink| {
        at.list(limits::REVOKED_KEYS, sink, |at, sink| key(at, known, sink))
    });
    Ok(Revocations {
        name: name.to_owned(),
        tokens: tokens?.unwrap_or_default(),
        subjects: subjects?.unwrap_or_default(),
        sessions: sessions?.unwrap_or_default(),
        keys: keys?.unwrap_or_default(),
    })
}

fn token(at: &At<'_>, sink: &mut Sink) -> Read<RevokedToken> {
    let fields = at.fields(&TOKEN, sink)?;
    let issuer = fields.required("issuer", sink, At::text);
    let jti = fields.required("jti", sink, At::text);
    let expires = fields.optional("expires", sink, instant::read);
    Ok(RevokedToken {
        issuer: issuer?.to_owned(),
        jti: jti?.to_owned(),
        expires: expires?,
    })
}

fn subject(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<RevokedSubject> {
    let fields = at.fields(&SUBJECT, sink)?;
    let home = fields.required("home", sink, |at, sink| region_name(at, known, sink));
    let issuer = fields.required("issuer", sink, At::text);
    let subject = fields.required("sub", sink, At::text);
    let not_before = fields.required("notBefore", sink, instant::read);
    Ok(RevokedSubject {
        home: home?,
        issuer: issuer?.to_owned(),
        subject: subject?.to_owned(),
        not_before: not_before?,
    })
}

fn session(at: &At<'_>, sink: &mut Sink) -> Read<RevokedSession> {
    let fields = at.fields(&SESSION, sink)?;
    let issuer = fields.required("issuer", sink, At::text);
    let sid = fields.required("sid", sink, At::text);
    Ok(RevokedSession {
        issuer: issuer?.to_owned(),
        sid: sid?.to_owned(),
    })
}

fn key(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<RevokedKey> {
    let fields = at.fields(&KEY, sink)?;
    if fields.field("thumbprint").is_none() {
        let region = fields.required("region", sink, |at, sink| region_name(at, known, sink));
        let kid = fields.required("kid", sink, At::text);
        return Ok(RevokedKey::Named {
            region: region?,
            kid: kid?.to_owned(),
        });
    }
    for name in ["region", "kid"] {
        if let Some(beside) = fields.field(name) {
            let message = "a key is told by its `thumbprint`, or by `region` and `kid`: keep one of both";
            return Err(sink.error(&beside.path, message));
        }
    }
    fields
        .required("thumbprint", sink, |at, sink| {
            let text = at.text(sink)?;
            thumbprint(text).ok_or_else(|| {
                let message = "not a thumbprint: the SHA-256 of RFC 7638 in base64url has 43 characters";
                sink.error(&at.path, Problem::new(message).found(at.value))
            })
        })
        .map(RevokedKey::Thumbprint)
}

/// Reports what can revoke nothing, of which a slip of the pen would go unnoticed. `documents` are all that the bundle has.
pub(super) fn check(documents: &Documents, sink: &mut Sink) {
    let count: usize = documents.revocations.iter().map(|placed| placed.document.len()).sum();
    if count > limits::REVOCATIONS {
        let message = format!(
            "too many revocations in all documents: {count}, {} at most; longer lists are pulled by a Region's `revocation.list`",
            limits::REVOCATIONS
        );
        sink.error(&Path::Member(&Path::Root, "documents"), message);
    }
    for placed in &documents.revocations {
        sink.enter(Some(format!("Revocations {}", placed.document.name)));
        check_issuers(placed, &documents.regions, sink);
        sink.enter(None);
    }
}

fn check_issuers(placed: &Placed<Revocations>, regions: &[Placed<Region>], sink: &mut Sink) {
    let Revocations {
        tokens,
        subjects,
        sessions,
        ..
    } = &placed.document;
    let anywhere = tokens
        .iter()
        .map(|entry| ("tokens", None, &entry.issuer))
        .enumerate()
        .chain(
            sessions
                .iter()
                .map(|entry| ("sessions", None, &entry.issuer))
                .enumerate(),
        )
        .chain(
            subjects
                .iter()
                .map(|entry| ("subjects", Some(&entry.home), &entry.issuer))
                .enumerate(),
        );
    for (index, (list, home, issuer)) in anywhere {
        let meant = regions
            .iter()
            .map(|region| &region.document)
            .filter(|region| home.is_none_or(|home| region.name == *home));
        if meant.clone().any(|region| region.issuer == *issuer) {
            continue;
        }
        let message = match home {
            Some(home) => format!("Region `{home}` has another issuer"),
            None => "no Region of the bundle has this issuer".to_owned(),
        };
        let problem = Problem::new(format!("{message}, so this revokes nothing"))
            .found(&Value::String(issuer.clone()))
            .suggest(sink.nearest(issuer, meant.map(|region| region.issuer.as_str())));
        sink.error_at(
            &format!("documents[{}].spec.{list}[{index}].issuer", placed.index),
            problem,
        );
    }
}
