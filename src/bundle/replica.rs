//! `identity` of a Region: its identity replica, and what the rest of a bundle says of it.

use core::time::Duration;

use super::cross::policy_error;
use super::diagnostic::{Problem, Read, Sink};
use super::document::{Host, Region, Replica};
use super::path::Path;
use super::reader::{At, Shape};
use super::region::{TIMEOUT, TIMEOUTS};
use super::remote;
use super::root::{Documents, Placed};
use crate::policy::When;

const IDENTITY: Shape = Shape {
    fields: &["cluster", "authority", "path", "ttl", "timeout"],
    later: &[],
};

/// What stands for the subject in the path of a replica.
const SUBJECT: &str = "{sub}";
/// The path of a replica where the Region does not say.
const IDENTITIES: &str = "/identities/{sub}";
/// How long attributes are kept where the Region does not say.
const TTL: Duration = Duration::from_secs(3_600);
/// The least and the most that a Region may say.
const TTLS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));

/// `identity`: where the Region's subjects are looked up.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Replica> {
    let fields = at.fields(&IDENTITY, sink)?;
    let host = remote::host(at, &fields, None, sink);
    let path = fields.optional("path", sink, |at, sink| {
        let path = remote::path(at, sink)?;
        subject_path(path).ok_or_else(|| {
            let message =
                "must hold `{sub}`, which stands for the subject, once and as a whole segment: `/identities/{sub}`";
            sink.error(&at.path, Problem::new(message).found(at.value))
        })
    });
    let ttl = fields.optional("ttl", sink, |at, sink| at.duration(TTLS.0, TTLS.1, sink));
    let timeout = fields.optional("timeout", sink, |at, sink| at.duration(TIMEOUTS.0, TIMEOUTS.1, sink));
    let Host { cluster, authority } = host?;
    let path = path?.or_else(|| subject_path(IDENTITIES)).unwrap_or_default();
    Ok(Replica {
        cluster,
        authority,
        path,
        ttl: ttl?.unwrap_or(TTL),
        timeout: timeout?.unwrap_or(TIMEOUT),
    })
}

/// What stands before and behind the subject in a path.
fn subject_path(path: &str) -> Option<(String, String)> {
    let (before, behind) = path.split_once(SUBJECT)?;
    let is_segment = before.ends_with('/') && (behind.is_empty() || behind.starts_with(['/', '?']));
    let is_query = before.contains('?');
    let again = behind.contains(['{', '}']) || before.contains(['{', '}']);
    (is_segment && !is_query && !again).then(|| (before.to_owned(), behind.to_owned()))
}

/// The Regions whose tokens may count where the bundle does.
fn homes(documents: &Documents) -> impl Iterator<Item = &Placed<Region>> {
    let local = documents.region.as_deref();
    let local = documents
        .regions
        .iter()
        .map(|region| &region.document)
        .find(|region| Some(region.name.as_str()) == local);
    documents.regions.iter().filter(move |region| {
        let name = &region.document.name;
        local.is_none_or(|local| local.name == *name || local.accepts.iter().any(|accepted| accepted.home == *name))
    })
}

/// Whoever reads `identity` has somebody to ask: the replica of some home Region.
pub(super) fn check(documents: &Documents, sink: &mut Sink) {
    if homes(documents).any(|region| region.document.replica.is_some()) {
        return;
    }
    for policy in documents.all_policies() {
        for (index, rule) in policy.document.rules.iter().enumerate() {
            if rule.when.as_ref().is_some_and(When::reads_attributes) {
                let message = "reads `identity`, and no Region whose tokens count here has a replica to ask: give the Region `identity: {cluster: …}`";
                policy_error(policy, &format!(".spec.rules[{index}].when"), message.to_owned(), sink);
            }
        }
    }
}

/// Warns of Regions of whose subjects nobody tells, where others are asked.
pub(super) fn warn(documents: &Documents, sink: &mut Sink) {
    let reads = |policy: &Placed<super::document::Policy>| {
        let mut rules = policy.document.rules.iter();
        rules.any(|rule| rule.when.as_ref().is_some_and(When::reads_attributes))
    };
    let is_asked = homes(documents).any(|region| region.document.replica.is_some());
    if !is_asked || !documents.policies.iter().any(reads) {
        return;
    }
    let list = Path::Member(&Path::Root, "documents");
    for region in homes(documents).filter(|region| region.document.replica.is_none()) {
        sink.enter(Some(format!("Region {}", region.document.name)));
        let message = "has no `identity`: what conditions read as `identity` is unknown of its subjects";
        sink.warn(&Path::Item(&list, region.index), message);
        sink.enter(None);
    }
}
