//! Hosts, and whether they are served.

use regionguard::bundle::document::{Effect, IdentityNeed};
use regionguard::request::HostPattern;

use super::Lint;
use super::cover::{hosts_meet, lists_meet};
use super::model::{Model, RuleAt};
use super::when;

pub(super) const HOST_NOT_SERVED: Lint = Lint {
    id: "lint/host-not-served",
    about: "a host in a `selector` or a rule that `trust.hosts` does not have",
    help: "requests for it are answered 421 before any rule: add it to `trust.hosts`, or take it out",
};

pub(super) const HOSTS_WITHOUT_TRUST: Lint = Lint {
    id: "lint/hosts-without-trust",
    about: "a requirement, a deny, a step-up or a public rule that hangs on the host, without `trust.hosts`",
    help: "whoever sends a request writes its Host header, and an upstream may not look at it: list the hosts that are served here in `trust: {hosts: […]}`; any other is answered 421",
};

pub(super) fn find(model: &mut Model<'_>) {
    let found = match model.bundle.trust.hosts.as_deref() {
        Some(served) => not_served(model, served),
        None => on_the_host_alone(model),
    };
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

type Found = (&'static Lint, String, String);

fn not_served(model: &Model<'_>, served: &[HostPattern]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut each = |hosts: Option<&[HostPattern]>, path: &str| {
        for (index, host) in hosts.unwrap_or_default().iter().enumerate() {
            if !served.iter().any(|one| hosts_meet(host, one)) {
                let message = format!("`{host}` is not served here: `trust.hosts` does not have it");
                found.push((&HOST_NOT_SERVED, format!("{path}[{index}]"), message));
            }
        }
    };
    for policy in &model.policies {
        each(
            policy.policy.hosts.as_deref(),
            &format!("{}.selector.hosts", policy.path),
        );
    }
    for rule in &model.rules {
        let own = rule.rule.hosts.as_deref();
        // Where none is, the rule never matches, and that is said.
        if lists_meet(own, Some(served)) {
            each(own, &format!("{}.hosts", rule.path));
        }
    }
    found
}

fn on_the_host_alone(model: &Model<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for policy in &model.policies {
        if policy.policy.hosts.is_some() && !policy.policy.requirements.is_empty() {
            let message =
                "what this policy requires is required for these hosts only, and the client says which host it means";
            found.push((
                &HOSTS_WITHOUT_TRUST,
                format!("{}.selector.hosts", policy.path),
                message.to_owned(),
            ));
        }
    }
    for rule in &model.rules {
        let asks = rule.when().is_some_and(when::reads_host);
        let field = match (&rule.rule.hosts, rule.hosts()) {
            (Some(_), _) => "hosts",
            (None, Some(_)) => "name",
            (None, None) if asks => "when",
            (None, None) => continue,
        };
        let what = match (&rule.rule.effect, is_public(rule)) {
            (Effect::Deny(_), _) => "denies",
            (Effect::StepUp(_), _) => "challenges",
            (_, true) => "is public",
            _ => continue,
        };
        let message = format!("{what} for some hosts only, and the client says which host it means");
        let path = format!("{}.{field}", rule.path);
        found.push((&HOSTS_WITHOUT_TRUST, path, message));
    }
    found
}

/// Whether it lets in whoever asks.
pub(super) fn is_public(rule: &RuleAt<'_>) -> bool {
    rule.lets_in() && rule.rule.identity == IdentityNeed::None
}
