//! What lets in more than somebody may have thought of.

use regionguard::bundle::document::{Effect, WhenAway};
use regionguard::request::{HostMatch, HostPattern, Segment};

use super::Lint;
use super::cover::hosts_meet;
use super::hosts::is_public;
use super::model::{Model, RuleAt};

pub(super) const PUBLIC_RULE: Lint = Lint {
    id: "lint/public-rule",
    about: "a rule that lets in whoever asks",
    help: "if that is meant, say so where it stands: `# allow: lint/public-rule`",
};

pub(super) const ALLOW_WHEN_UNAVAILABLE: Lint = Lint {
    id: "lint/allow-when-unavailable",
    about: "`onUnavailable: allow`: what is let in while nobody can be asked",
    help: "whoever can keep the center or the list away is let in: take `deny` (or of a center `lastDecision`), or say that it is meant, `# allow: lint/allow-when-unavailable`",
};

pub(super) const WIDE_PATHS: Lint = Lint {
    id: "lint/wide-paths",
    about: "an allow for every path",
    help: "what the upstream serves tomorrow is allowed today: name the paths that are meant",
};

pub(super) const WIDE_HOSTS: Lint = Lint {
    id: "lint/wide-hosts",
    about: "an allow for all hosts below a name, which `trust.hosts` does not list one by one",
    help: "every name below it is allowed, also one that is added later: name the hosts that are meant, here or in `trust.hosts`",
};

pub(super) fn find(model: &mut Model<'_>) {
    let mut found = Vec::new();
    for rule in model.rules.iter().filter(|rule| !rule.is_shadow()) {
        if is_public(rule) {
            let message = format!("lets in whoever asks for {}", routes(rule));
            found.push((&PUBLIC_RULE, format!("{}.identity", rule.path), message));
        }
        if let Effect::Defer(defer) = &rule.rule.effect
            && defer.when_away == WhenAway::Allow
        {
            let message = "lets in without an answer while the center is away".to_owned();
            let path = format!("{}.defer.onUnavailable", rule.path);
            found.push((&ALLOW_WHEN_UNAVAILABLE, path, message));
        }
        if rule.rule.effect == Effect::Allow {
            found.extend(wide_paths(rule));
            found.extend(wide_hosts(rule, model));
        }
    }
    for region in &model.bundle.regions {
        let allows = region
            .revocation
            .as_ref()
            .is_some_and(|revocation| revocation.allow_when_unavailable);
        if let Some(spec) = model.spec("Region", &region.name).filter(|_| allows) {
            let message = "lets tokens in that may be revoked, while the list of those is away".to_owned();
            found.push((
                &ALLOW_WHEN_UNAVAILABLE,
                format!("{spec}.revocation.onUnavailable"),
                message,
            ));
        }
    }
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

type Found = (&'static Lint, String, String);

/// What it is about, in a few words.
fn routes(rule: &RuleAt<'_>) -> String {
    let methods = match rule.rule.methods.as_deref() {
        None => "every method".to_owned(),
        Some(methods) => methods.join(", "),
    };
    match rule.rule.paths.as_deref() {
        None => format!("every path, {methods}"),
        Some([path]) => format!("`{path}`, {methods}"),
        Some([path, more @ ..]) => format!("`{path}` and {} more, {methods}", more.len()),
        Some([]) => methods,
    }
}

fn wide_paths(rule: &RuleAt<'_>) -> Option<Found> {
    let Some(paths) = rule.rule.paths.as_deref() else {
        // A call is named by its service, not by its path.
        if rule.written.get("grpc").is_some() {
            return None;
        }
        let message = "names no paths, so it allows every path".to_owned();
        return Some((&WIDE_PATHS, format!("{}.name", rule.path), message));
    };
    let index = paths.iter().position(|path| path.segments() == [Segment::Rest])?;
    let message = "allows every path".to_owned();
    Some((&WIDE_PATHS, format!("{}.paths[{index}]", rule.path), message))
}

/// The first pattern by which the client chooses among hosts that nobody listed.
fn wide_hosts(rule: &RuleAt<'_>, model: &Model<'_>) -> Option<Found> {
    let own = rule.rule.hosts.as_deref()?;
    let is_wide = |host: &HostPattern| matches!(host.host(), HostMatch::Suffix(_));
    let served = model.bundle.trust.hosts.as_deref();
    let unlisted =
        |host: &HostPattern| served.is_none_or(|served| served.iter().any(|one| is_wide(one) && hosts_meet(host, one)));
    let index = own.iter().position(|host| is_wide(host) && unlisted(host))?;
    let host = own.get(index)?;
    let message = format!("allows for every host that `{host}` takes in");
    Some((&WIDE_HOSTS, format!("{}.hosts[{index}]", rule.path), message))
}
