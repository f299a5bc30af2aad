//! What lets in more than somebody may have thought of.

use ipnet::IpNet;
use regionguard::bundle::document::{Effect, Region, WhenAway, Wildcard};
use regionguard::request::{HostMatch, HostPattern, PathTemplate, Segment};

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
    about: "an allow for every path, or every service of gRPC",
    help: "what the upstream serves tomorrow is allowed today: name the paths that are meant",
};

pub(super) const WIDE_HOSTS: Lint = Lint {
    id: "lint/wide-hosts",
    about: "an allow for all hosts below a name, which `trust.hosts` does not list one by one; or all below a top-level domain in that list",
    help: "every name below it is allowed, also one that is added later: name the hosts that are meant, here or in `trust.hosts`",
};

pub(super) const WIDE_ACCEPTS: Lint = Lint {
    id: "lint/wide-accepts",
    about: "`accepts` that lets every permission or role of another Region's tokens count",
    help: "what the other Region grants tomorrow counts here today: name the words that are meant, like `read:*`",
};

pub(super) const WIDE_NETWORKS: Lint = Lint {
    id: "lint/wide-networks",
    about: "a network that holds every address",
    help: "it is met by whoever asks; as `peers` of an edge, whoever connects may say from where a request comes: name the networks that are meant",
};

pub(super) const WIDE_WORKLOADS: Lint = Lint {
    id: "lint/wide-workloads",
    about: "an allow for every workload of a trust domain",
    help: "whoever runs anything there is let in: name the workloads that are meant, `spiffe://DOMAIN/ns/NAMESPACE/sa/NAME`, or a namespace",
};

pub(super) const STREAM_UNTIL_CLOSED: Lint = Lint {
    id: "lint/stream-until-closed",
    about: "`streams: untilClosed`: what stays open when its token has expired or is revoked",
    help: "leave it out, so that streams end when they would not be let in any more, or say that it is meant, `# allow: lint/stream-until-closed`",
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
        if rule.rule.about.until_closed {
            let message = "what this opens outlives its token, a revocation and the policy itself".to_owned();
            found.push((&STREAM_UNTIL_CLOSED, format!("{}.streams", rule.path), message));
        }
        if rule.rule.effect == Effect::Allow {
            found.extend(wide_paths(rule));
            found.extend(wide_hosts(rule, model));
            found.extend(wide_workloads(rule));
        }
        if let Some(networks) = rule.rule.from.networks.as_deref() {
            found.extend(every_address(networks, &format!("{}.from.networks", rule.path)));
        }
    }
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

/// The same in Regions and in what the operator trusts.
pub(super) fn find_beside_policies(model: &mut Model<'_>) {
    let mut found = Vec::new();
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
        if let Some(spec) = model.spec("Region", &region.name) {
            found.extend(every_address(&region.networks, &format!("{spec}.networks")));
            found.extend(wide_accepts(region, &spec));
        }
    }
    let trust = &model.bundle.trust;
    for (index, edge) in trust.edges.iter().enumerate() {
        found.extend(every_address(&edge.networks, &format!("trust.edges[{index}].peers")));
    }
    for (index, host) in trust.hosts.iter().flatten().enumerate() {
        // A suffix holds its own dot in front.
        let is_wide = matches!(host.host(), HostMatch::Suffix(suffix) if !suffix.trim_start_matches('.').contains('.'));
        if is_wide {
            let message = format!("every host that `{host}` takes in is served here");
            found.push((&WIDE_HOSTS, format!("trust.hosts[{index}]"), message));
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
        let message = "names no paths, so it allows every path".to_owned();
        return Some((&WIDE_PATHS, format!("{}.name", rule.path), message));
    };
    // The paths of calls are made of their services and methods.
    if rule.rule.about.grpc {
        let is_any = |path: &PathTemplate| !matches!(path.segments().first(), Some(Segment::Literal(_)));
        let message = "allows this of every service".to_owned();
        return paths
            .iter()
            .any(is_any)
            .then(|| (&WIDE_PATHS, format!("{}.grpc", rule.path), message));
    }
    let index = paths.iter().position(is_wide_path)?;
    let message = "allows every path".to_owned();
    Some((&WIDE_PATHS, format!("{}.paths[{index}]", rule.path), message))
}

/// `/**`, `/{a}/**` and the like: it says nothing of the path but how long it is.
fn is_wide_path(path: &PathTemplate) -> bool {
    let segments = path.segments();
    let names_none = |segment: &Segment| !matches!(segment, Segment::Literal(_));
    segments.ends_with(&[Segment::Rest]) && segments.iter().all(names_none)
}

fn wide_workloads(rule: &RuleAt<'_>) -> Option<Found> {
    let workloads = rule.rule.from.workloads.as_deref()?;
    let written = rule.written.pointer("/from/workloads")?.as_array()?;
    let mut each = workloads.iter().zip(written).enumerate();
    let domain = each.find_map(|(index, (pattern, written))| {
        let whole = format!("spiffe://{}/*", pattern.trust_domain());
        (written.as_str()? == whole).then(|| (index, pattern.trust_domain()))
    });
    let (index, domain) = domain?;
    let message = format!("lets in whatever runs in the trust domain `{domain}`");
    Some((
        &WIDE_WORKLOADS,
        format!("{}.from.workloads[{index}]", rule.path),
        message,
    ))
}

/// The first network that holds every address of its kind.
fn every_address(networks: &[IpNet], path: &str) -> Option<Found> {
    let index = networks.iter().position(|network| network.prefix_len() == 0)?;
    let network = networks.get(index)?;
    Some((
        &WIDE_NETWORKS,
        format!("{path}[{index}]"),
        format!("`{network}` holds every address"),
    ))
}

fn wide_accepts(region: &Region, spec: &str) -> Vec<Found> {
    let is_wide = |pattern: &Wildcard| *pattern == Wildcard::Prefix(String::new());
    let mut found = Vec::new();
    for (number, entry) in region.accepts.iter().enumerate() {
        for (field, patterns) in [("permissions", &entry.permissions), ("roles", &entry.roles)] {
            if let Some(index) = patterns.iter().position(is_wide) {
                let message = format!("all {field} that `{}` grants count here", entry.home);
                let path = format!("{spec}.accepts[{number}].{field}[{index}]");
                found.push((&WIDE_ACCEPTS, path, message));
            }
        }
    }
    found
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
