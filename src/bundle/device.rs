//! `device` and `osVersions` of a policy: what it demands of the devices that requests come from.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::limits;
use super::path::Path;
use super::reader::{At, Fields, Shape, one_of, unitless};
use super::value::Value;
use crate::device::{Check, Minimum, Platform};
use crate::sort::Arrange as _;
use crate::version::Version;

const DEVICE: Shape = Shape {
    fields: &["compliance"],
    later: &[],
};

const COMPLIANCE: Shape = Shape {
    fields: &[
        "encryption",
        "osVersion",
        "managed",
        "jailbroken",
        "patchAge",
        "screenLock",
        "certificate",
    ],
    later: &[],
};

/// What stands for the newest version that the policy knows.
const LATEST: &str = "latest";
/// The least and the most for `patchAge`.
const AGES: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(366 * 24 * 3_600));
const DAY: u64 = 24 * 3_600;

/// The newest version of each platform that a policy names.
pub(super) type OsVersions = Vec<(Platform, String)>;

/// What `device` of a policy demands, sorted, each once; `latest` is what `os_versions` say, which are `None` where the policy has none.
pub(super) fn read(fields: &Fields<'_>, sink: &mut Sink) -> Read<Vec<Check>> {
    let os_versions = fields.optional("osVersions", sink, os_versions);
    let checks = fields.optional("device", sink, device);
    let (os_versions, checks) = (os_versions?, checks?);
    let demands_latest = |check: &Check| matches!(check, Check::OsVersion(Minimum::Latest(_)));
    let wants_latest = checks.iter().flatten().any(demands_latest);
    if let Some(at) = fields.field("osVersions").filter(|_| !wants_latest) {
        let message =
            "nothing looks at it: it says what `os_version: latest` of this policy's `device.compliance` means";
        sink.warn(&at.path, message);
    }
    if let Some(at) = fields.field("device").filter(|_| wants_latest && os_versions.is_none()) {
        let message = "`os_version: latest` is never met: no `osVersions` of this policy say which version that is, like `osVersions: {macos: \"15.2\"}`";
        sink.warn(&at.path, message);
    }
    let mut checks: Vec<Check> = checks.into_iter().flatten().collect();
    for check in &mut checks {
        if let Check::OsVersion(Minimum::Latest(known)) = check {
            known.clone_from(os_versions.as_ref().unwrap_or(&Vec::new()));
        }
    }
    checks.arrange();
    checks.dedup();
    Ok(checks)
}

fn device(at: &At<'_>, sink: &mut Sink) -> Read<Vec<Check>> {
    let fields = at.fields(&DEVICE, sink)?;
    let lists = fields.required("compliance", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, checks)
    })?;
    Ok(lists.into_iter().flatten().collect())
}

/// One entry: all that it says.
fn checks(at: &At<'_>, sink: &mut Sink) -> Read<Vec<Check>> {
    let fields = at.fields(&COMPLIANCE, sink)?;
    let required = |name: &str, check: Check, sink: &mut Sink| {
        let read = |at: &At<'_>, sink: &mut Sink| at.word(&[("required", ())], sink).map(|()| check);
        fields.optional(name, sink, read)
    };
    let encryption = required("encryption", Check::Encryption, sink);
    let screen_lock = required("screenLock", Check::ScreenLock, sink);
    let certificate = required("certificate", Check::Certificate, sink);
    let managed = fields.optional("managed", sink, |at, sink| at.only_true(sink).map(|()| Check::Managed));
    let jailbroken = fields.optional("jailbroken", sink, |at, sink| match at.boolean(sink)? {
        false => Ok(Check::NotJailbroken),
        true => {
            let message = "demands that devices are jailbroken: say `false`, or leave it out";
            Err(sink.error(&at.path, message))
        }
    });
    let os_version = fields.optional("osVersion", sink, |at, sink| minimum(at, sink).map(Check::OsVersion));
    let patch_age = fields.optional("patchAge", sink, |at, sink| age(at, sink).map(Check::PatchAge));
    let all = [
        encryption?,
        screen_lock?,
        certificate?,
        managed?,
        jailbroken?,
        os_version?,
        patch_age?,
    ];
    Ok(all.into_iter().flatten().collect())
}

/// `latest`, `>= 14.2`, or one of the latter for each platform.
fn minimum(at: &At<'_>, sink: &mut Sink) -> Read<Minimum> {
    match at.value {
        Value::String(text) if text == LATEST => Ok(Minimum::Latest(Vec::new())),
        Value::Object(_) => by_platform(at, sink, at_least).map(Minimum::Each),
        _ => at_least(at, sink).map(Minimum::Any),
    }
}

/// The version behind `>=`.
fn at_least(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let text = at.text_of("`latest`, or the least version like `\">= 14.2\"`", sink)?;
    let Some(least) = text.strip_prefix(">=") else {
        let meant = match Version::parse(text) {
            Ok(_) => Some(format!(">= {text}")),
            Err(_) => sink.nearest(text, [LATEST]).map(str::to_owned),
        };
        let problem = Problem::new("must be `latest`, or the least version like `>= 14.2`")
            .found(at.value)
            .suggest(meant);
        return Err(sink.error(&at.path, problem));
    };
    version(least.trim_start(), at, sink)
}

/// `osVersions`.
fn os_versions(at: &At<'_>, sink: &mut Sink) -> Read<OsVersions> {
    by_platform(at, sink, |at, sink| version(at.text(sink)?, at, sink))
}

fn version(text: &str, at: &At<'_>, sink: &mut Sink) -> Read<String> {
    match Version::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(sink.error(&at.path, Problem::new(error.to_string()).found(at.value))),
    }
}

/// What `read` makes of each platform's value, sorted by platform.
fn by_platform(
    at: &At<'_>,
    sink: &mut Sink,
    mut read: impl FnMut(&At<'_>, &mut Sink) -> Read<String>,
) -> Read<OsVersions> {
    let mut wrong = None;
    let mut all = Vec::new();
    for (name, value) in at.members(sink)? {
        let at = At::new(value, Path::Member(&at.path, name));
        let platform = Platform::ALL.into_iter().find(|platform| *platform.name() == **name);
        match (platform, read(&at, sink)) {
            (Some(platform), Ok(version)) => all.push((platform, version)),
            (None, _) => {
                let known = Platform::ALL.map(Platform::name);
                let problem = Problem::new(format!("no such platform: {}", one_of(&known)))
                    .suggest(sink.nearest(name, known).map(str::to_owned));
                wrong = Some(sink.error(&at.path, problem));
            }
            (_, Err(reported)) => wrong = Some(reported),
        }
    }
    all.arrange();
    wrong.map_or(Ok(all), Err)
}

/// A duration, also in days.
fn age(at: &At<'_>, sink: &mut Sink) -> Read<Duration> {
    let days = match at.value {
        Value::String(text) => text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()),
        _ => None,
    };
    if let Some(number) = unitless(at.value).filter(|days| (1..=366).contains(days)) {
        let message = format!("has no unit: write `{number}d`, or `{number}h` for hours");
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    let Some(days) = days else {
        return at.duration(AGES.0, AGES.1, sink);
    };
    let age = Duration::from_secs(u64::from(days).saturating_mul(DAY));
    if age < AGES.0 || age > AGES.1 {
        return Err(sink.error(&at.path, Problem::new("must be from 1h to 366d").found(at.value)));
    }
    Ok(age)
}
