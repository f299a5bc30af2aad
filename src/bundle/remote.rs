//! What is asked over the network: where, and how often.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Address, Host, Remote, Schedule};
use super::reader::{At, Fields, Shape};
use crate::request::Authority;

/// The fields of something that is fetched on a schedule.
pub(super) const REMOTE: Shape = Shape {
    fields: &[
        "cluster",
        "authority",
        "path",
        "refresh",
        "staleFor",
        "timeout",
        "waitFor",
    ],
    later: &[],
};

/// The least and the most for `refresh`: whoever fetches more often than that asks as often as all proxies have workers.
const REFRESHES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3_600));
/// The least and the most for `staleFor`.
const STALE_FOR: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30 * 24 * 3_600));
/// The least and the most for `timeout`.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// The least and the most for `waitFor`.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));

/// Something that is fetched on a schedule: `default_path` and `usual` stand for what is not said.
pub(super) fn remote(at: &At<'_>, default_path: &str, usual: Schedule, sink: &mut Sink) -> Read<Remote> {
    let fields = at.fields(&REMOTE, sink)?;
    let address = address(at, &fields, default_path, sink);
    let schedule = schedule(&fields, usual, sink);
    Ok(Remote {
        address: address?,
        schedule: schedule?,
    })
}

/// `cluster` and `authority` of what is at `at`; a cluster whose name can stand as a host does where there is no `usual` authority.
pub(super) fn host(at: &At<'_>, fields: &Fields<'_>, usual: Option<&str>, sink: &mut Sink) -> Read<Host> {
    let cluster = fields.required("cluster", sink, visible);
    let authority = fields.optional("authority", sink, |at, sink| {
        at.parsed(
            |text| Authority::parse(text.as_bytes(), None).map(|_| text.to_owned()),
            sink,
        )
    });
    let cluster = cluster?;
    let authority = match (authority?, usual) {
        (Some(authority), _) => authority,
        (None, Some(usual)) => usual.to_owned(),
        (None, None) if Authority::parse(cluster.as_bytes(), None).is_ok() => cluster.to_owned(),
        (None, None) => {
            let message = "the cluster's name cannot stand as a host: give `authority`";
            return Err(sink.error(&at.path, message));
        }
    };
    Ok(Host {
        cluster: cluster.to_owned(),
        authority,
    })
}

/// `cluster`, `authority` and `path` of what is at `at`.
pub(super) fn address(at: &At<'_>, fields: &Fields<'_>, default_path: &str, sink: &mut Sink) -> Read<Address> {
    let path = fields.optional("path", sink, path);
    let Host { cluster, authority } = host(at, fields, None, sink)?;
    Ok(Address {
        cluster,
        authority,
        path: path?.unwrap_or(default_path).to_owned(),
    })
}

/// The path of a document, which may have a query.
pub(super) fn path<'v>(at: &At<'v>, sink: &mut Sink) -> Read<&'v str> {
    let path = visible(at, sink)?;
    if !path.starts_with('/') || path.contains('#') {
        return Err(sink.error(
            &at.path,
            Problem::new("must begin with `/` and have no `#`").found(at.value),
        ));
    }
    Ok(path)
}

/// `refresh`, `staleFor`, `timeout` and `waitFor`.
pub(super) fn schedule(fields: &Fields<'_>, usual: Schedule, sink: &mut Sink) -> Read<Schedule> {
    let mut duration = |name, (least, most): (Duration, Duration)| {
        fields.optional(name, sink, |at, sink| at.duration(least, most, sink))
    };
    let (refresh, stale_for) = (duration("refresh", REFRESHES), duration("staleFor", STALE_FOR));
    let (timeout, wait_for) = (duration("timeout", TIMEOUTS), duration("waitFor", WAITS));
    let schedule = Schedule {
        refresh: refresh?.unwrap_or(usual.refresh),
        stale_for: stale_for?.unwrap_or(usual.stale_for),
        timeout: timeout?.unwrap_or(usual.timeout),
        wait_for: wait_for?.unwrap_or(usual.wait_for),
    };
    if schedule.stale_for < schedule.refresh {
        let message =
            "`staleFor` is shorter than `refresh`: what was fetched would be dropped before it is fetched again";
        return Err(match fields.field("staleFor").or_else(|| fields.field("refresh")) {
            Some(at) => sink.error(&at.path, message),
            None => sink.error_at("", message),
        });
    }
    Ok(schedule)
}

/// A string of visible ASCII.
pub(super) fn visible<'v>(at: &At<'v>, sink: &mut Sink) -> Read<&'v str> {
    let text = at.text(sink)?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(sink.error(
        &at.path,
        Problem::new("must be visible ASCII without spaces").found(at.value),
    ))
}
