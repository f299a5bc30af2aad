//! `revocation` of a Region: what its issuer publishes of tokens that are not to be used any more.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{RegionRevocation, Schedule, StatusLists};
use super::reader::{At, Shape};
use super::remote::{host, remote, schedule, visible};
use super::url::Url;

const REVOCATION: Shape = Shape {
    fields: &["list", "statusLists", "onUnavailable"],
    later: &[],
};

const STATUS_LISTS: Shape = Shape {
    fields: &[
        "cluster",
        "authority",
        "uriPrefix",
        "refresh",
        "staleFor",
        "timeout",
        "waitFor",
    ],
    later: &[],
};

/// Where a list is fetched where the Region does not say.
const LIST: &str = "/revocations";
/// When a list is fetched where the Region does not say: what was revoked should not be used for long.
const LIST_SCHEDULE: Schedule = Schedule {
    refresh: Duration::from_secs(60),
    stale_for: Duration::from_secs(600),
    timeout: Duration::from_secs(10),
    wait_for: Duration::from_secs(2),
};
/// The same for status lists, whose own `ttl` says when they are due.
const STATUS_SCHEDULE: Schedule = Schedule {
    refresh: Duration::from_secs(300),
    stale_for: Duration::from_secs(3_600),
    timeout: Duration::from_secs(10),
    wait_for: Duration::from_secs(2),
};

/// `revocation` of a Region.
pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<RegionRevocation> {
    let fields = at.fields(&REVOCATION, sink)?;
    let list = fields.optional("list", sink, |at, sink| remote(at, LIST, LIST_SCHEDULE, sink));
    let status_lists = fields.optional("statusLists", sink, status_lists);
    let allow = fields.optional("onUnavailable", sink, |at, sink| {
        at.word(&[("deny", false), ("allow", true)], sink)
    });
    let (list, status_lists) = (list?, status_lists?);
    if list.is_none() && status_lists.is_none() {
        let message = "says nothing of where revocations are: give `list`, `statusLists` or both";
        return Err(sink.error(&at.path, message));
    }
    Ok(RegionRevocation {
        list,
        status_lists,
        allow_when_unavailable: allow?.unwrap_or(false),
    })
}

fn status_lists(at: &At<'_>, sink: &mut Sink) -> Read<StatusLists> {
    let fields = at.fields(&STATUS_LISTS, sink)?;
    let prefix = fields.required("uriPrefix", sink, |at, sink| {
        let text = visible(at, sink)?;
        match Url::parse(text) {
            Some(url) if url.path.ends_with('/') && !url.path.contains('?') => Ok((text, url)),
            _ => {
                let message = "must be the beginning of an http(s) URI, up to a `/` behind the host, like `https://status.example.com/lists/`";
                Err(sink.error(&at.path, Problem::new(message).found(at.value)))
            }
        }
    });
    // Where the prefix is wrong, that is said already.
    let usual = prefix
        .as_ref()
        .map_or_else(|_| String::new(), |(_, url)| url.authority.to_string());
    let host = host(at, &fields, Some(&usual), sink);
    let schedule = schedule(&fields, STATUS_SCHEDULE, sink);
    let (prefix, _) = prefix?;
    Ok(StatusLists {
        host: host?,
        uri_prefix: prefix.to_owned(),
        schedule: schedule?,
    })
}
