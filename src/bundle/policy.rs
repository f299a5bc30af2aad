//! The ZeroTrustPolicy document.

use super::diagnostic::{Code, Problem, Read, Sink};
use super::document::{Policy, Requirement, Rule, Words};
use super::limits;
use super::reader::{At, Shape, all_of};
use super::root::Known;
use super::{authentication, device, forward, hours, openings, place, rule};
use crate::sort::Arrange as _;

const SPEC: Shape = Shape {
    fields: &[
        "identity",
        "device",
        "osVersions",
        "context",
        "selector",
        "mode",
        "default",
        "preflight",
        "probes",
        "forward",
        "rules",
    ],
    later: &["tokens", "tokenSources"],
};

const CONTEXT: Shape = Shape {
    fields: &["geoRestrictions", "timeRestrictions"],
    later: &[],
};

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Policy> {
    let fields = spec.fields(&SPEC, sink)?;
    let selector = fields.optional("selector", sink, |at, sink| openings::selector(at, known, sink));
    let openings = openings::read(&fields, known, sink);
    let mode = fields.optional("mode", sink, is_shadow);
    let default = fields.optional("default", sink, |at, sink| at.word(&[("allow", true)], sink));
    let forward = fields.optional("forward", sink, |at, sink| forward::read(at, sink));
    let identity = fields.optional("identity", sink, |at, sink| authentication::identity(at, sink));
    let checks = device::read(&fields, sink);
    let requirements = fields.optional("context", sink, |at, sink| context(at, known, sink));
    let rules = fields.optional("rules", sink, |at, sink| rules(at, known, sink));
    let identity = identity?.unwrap_or_default();
    let rules = rules?.unwrap_or_default();
    if identity.forbids_words {
        forbid_words(spec, &rules, sink)?;
    }
    if identity.forbids_when {
        forbid_when(spec, &rules, sink)?;
    }
    let mut all = identity.requirements;
    all.extend(checks?.into_iter().map(Requirement::Device));
    all.append(&mut requirements?.unwrap_or_default());
    let (hosts, place) = selector?.unwrap_or_default();
    Ok(Policy {
        name: name.to_owned(),
        hosts,
        place,
        openings: openings?,
        shadow: mode?.unwrap_or_default(),
        default_allow: default?.unwrap_or_default(),
        forward: forward?,
        requirements: all,
        rules,
    })
}

/// `mode` of a policy or of a rule.
pub(super) fn is_shadow(at: &At<'_>, sink: &mut Sink) -> Read<bool> {
    at.word(&[("enforce", false), ("shadow", true)], sink)
}

/// `rbac: false`: no rule of the policy looks at roles or permissions.
fn forbid_words(spec: &At<'_>, rules: &[Rule], sink: &mut Sink) -> Read<()> {
    let mut wrong = None;
    for (index, rule) in rules.iter().enumerate() {
        for (field, words) in [("permissions", &rule.permissions), ("roles", &rule.roles)] {
            if *words != Words::default() {
                let path = format!("{}.rules[{index}].{field}", spec.path);
                let message = format!("the policy says `rbac: false`, so no rule of it has `{field}`: leave one out");
                wrong = Some(sink.error_at(&path, message));
            }
        }
    }
    wrong.map_or(Ok(()), Err)
}

/// `abac: false`: no rule of the policy has a condition of its own making.
fn forbid_when(spec: &At<'_>, rules: &[Rule], sink: &mut Sink) -> Read<()> {
    let mut wrong = None;
    for (index, _) in rules.iter().enumerate().filter(|(_, rule)| rule.when.is_some()) {
        let path = format!("{}.rules[{index}].when", spec.path);
        let message = "the policy says `abac: false`, so no rule of it has `when`: leave one out";
        wrong = Some(sink.error_at(&path, message));
    }
    wrong.map_or(Ok(()), Err)
}

fn context(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Requirement>> {
    let fields = at.fields(&CONTEXT, sink)?;
    let geo = fields.optional("geoRestrictions", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, |at, sink| {
            place::restriction(at, known, sink)
        })
    });
    let time = fields.optional("timeRestrictions", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, hours::restriction)
    });
    let mut requirements: Vec<Requirement> = geo?.into_iter().flatten().map(Requirement::Source).collect();
    requirements.extend(time?.into_iter().flatten().flatten());
    Ok(requirements)
}

fn rules(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Rule>> {
    let rules = at.list(limits::RULES, sink, |at, sink| rule::read(at, known, sink))?;
    let mut names: Vec<(&str, usize)> = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| (rule.name.as_str(), i))
        .collect();
    names.arrange();
    let mut wrong = None;
    for pair in names.windows(2) {
        if let [(first, earlier), (second, later)] = pair
            && first == second
        {
            let path = format!("{}[{later}].name", at.path);
            wrong = Some(sink.error_at(
                &path,
                format!("`rules[{earlier}]` of this policy has the name `{first}` already"),
            ));
        }
    }
    wrong.map_or(Ok(rules), Err)
}

/// The name of a Region of the bundle.
pub(super) fn region_name(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.name(sink)?;
    if known.regions.contains(&name) {
        return Ok(name.to_owned());
    }
    let message = match known.regions.len() {
        0 => format!("`{name}` is no Region: the bundle has none"),
        1..=8 => format!(
            "`{name}` is no Region of the bundle, which has {}",
            all_of(known.regions)
        ),
        count => format!("`{name}` is none of the {count} Regions of the bundle"),
    };
    let problem = Problem::new(message)
        .code(Code::UnknownRegion)
        .suggest(sink.nearest(name, known.regions.iter().copied()));
    Err(sink.error(&at.path, problem))
}
