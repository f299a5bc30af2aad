//! The Grants document.

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Grant, Grants};
use super::instant;
use super::limits;
use super::path::Path;
use super::policy::region_name;
use super::reader::{At, Shape};
use super::root::{Documents, Known};
use crate::identity::Window;

const SPEC: Shape = Shape {
    fields: &["grants"],
    later: &[],
};

const GRANT: Shape = Shape {
    fields: &["subject", "permissions", "notBefore", "expires", "approvedBy", "reason"],
    later: &["roles"],
};

const SUBJECT: Shape = Shape {
    fields: &["home", "issuer", "sub"],
    later: &[],
};

/// The longest window, in seconds: what somebody needs for longer is no matter of a grant.
const LONGEST: f64 = 30.0 * 24.0 * 3_600.0;

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Grants> {
    let fields = spec.fields(&SPEC, sink)?;
    let grants = fields.required("grants", sink, |at, sink| {
        at.list(limits::GRANTS, sink, |at, sink| grant(at, known, sink))
    });
    Ok(Grants {
        name: name.to_owned(),
        grants: grants?,
    })
}

fn grant(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Grant> {
    let fields = at.fields(&GRANT, sink)?;
    let subject = fields.required("subject", sink, |at, sink| subject(at, known, sink));
    let permissions = fields.required("permissions", sink, |at, sink| at.list(limits::WORDS, sink, permission));
    let from = fields.required("notBefore", sink, instant::read);
    let until = fields.required("expires", sink, instant::read);
    let approved_by = fields.required("approvedBy", sink, At::text);
    let reason = fields.required("reason", sink, At::text);
    let window = Window {
        from: from?,
        until: until?,
    };
    if window.until <= window.from {
        let message = "is never open: `expires` has to be later than `notBefore`";
        return Err(sink.error(&at.path, message));
    }
    if window.until - window.from > LONGEST {
        let message = "is open for more than 30 days: a permission for longer belongs into tokens";
        return Err(sink.error(&at.path, message));
    }
    let (home, issuer, subject) = subject?;
    Ok(Grant {
        home,
        issuer,
        subject,
        permissions: permissions?,
        window,
        approved_by: approved_by?.to_owned(),
        reason: reason?.to_owned(),
    })
}

fn subject(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<(String, String, String)> {
    let fields = at.fields(&SUBJECT, sink)?;
    let home = fields.required("home", sink, |at, sink| region_name(at, known, sink));
    let issuer = fields.required("issuer", sink, At::text);
    let subject = fields.required("sub", sink, At::text);
    Ok((home?, issuer?.to_owned(), subject?.to_owned()))
}

/// One permission, as rules name it.
fn permission(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let text = at.text(sink)?;
    if text.contains('*') {
        let message = "a grant names its permissions one by one, without `*`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(text.to_owned())
}

/// Reports what can give nothing, of which a slip of the pen would go unnoticed. `documents` are all that the bundle has.
pub(super) fn check(documents: &Documents, sink: &mut Sink) {
    let count: usize = documents.grants.iter().map(|placed| placed.document.grants.len()).sum();
    if count > limits::GRANTS {
        let message = format!("too many grants in all documents: {count}, {} at most", limits::GRANTS);
        sink.error(&Path::Member(&Path::Root, "documents"), message);
    }
    for placed in &documents.grants {
        sink.enter(Some(format!("Grants {}", placed.document.name)));
        for (index, grant) in placed.document.grants.iter().enumerate() {
            let home = documents
                .regions
                .iter()
                .find(|region| region.document.name == grant.home);
            let Some(home) = home.filter(|home| home.document.issuer != grant.issuer) else {
                continue;
            };
            let path = format!("documents[{}].spec.grants[{index}].subject.issuer", placed.index);
            let message = format!(
                "the issuer of `{}` is `{}`, so nobody of that region has this one",
                grant.home, home.document.issuer
            );
            sink.error_at(&path, message);
        }
        sink.enter(None);
    }
}
