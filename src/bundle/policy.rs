//! The ZeroTrustPolicy document.

use super::diagnostic::{Code, Problem, Read, Sink};
use super::document::{Policy, Requirement, Rule, Words};
use super::limits;
use super::reader::{At, Shape, one_of};
use super::root::Known;
use super::{authentication, forward, place, rule, trust};
use crate::request::HostPattern;

const SPEC: Shape = Shape {
    fields: &["identity", "context", "selector", "mode", "default", "forward", "rules"],
    later: &[
        "device",
        "osVersions",
        "preflight",
        "probes",
        "streams",
        "tokens",
        "tokenSources",
    ],
};

const CONTEXT: Shape = Shape {
    fields: &["geoRestrictions", "timeRestrictions"],
    later: &[],
};

const TIME: Shape = Shape {
    fields: &["businessHours"],
    later: &[],
};

const SELECTOR: Shape = Shape {
    fields: &["hosts"],
    later: &["localRegions", "workloads"],
};

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Policy> {
    let fields = spec.fields(&SPEC, sink)?;
    let hosts = fields.optional("selector", sink, |at, sink| selector(at, sink));
    let mode = fields.optional("mode", sink, |at, sink| {
        at.word_or_later(&[("enforce", ())], &["shadow"], sink)
    });
    let default = fields.optional("default", sink, |at, sink| at.word(&[("allow", true)], sink));
    let forward = fields.optional("forward", sink, |at, sink| forward::read(at, sink));
    let identity = fields.optional("identity", sink, |at, sink| authentication::identity(at, sink));
    let requirements = fields.optional("context", sink, |at, sink| context(at, known, sink));
    let rules = fields.optional("rules", sink, |at, sink| rules(at, known, sink));
    mode?;
    let identity = identity?.unwrap_or_default();
    let rules = rules?.unwrap_or_default();
    if identity.forbids_words {
        forbid_words(spec, &rules, sink)?;
    }
    if identity.forbids_when {
        forbid_when(spec, &rules, sink)?;
    }
    let mut all = identity.requirements;
    all.append(&mut requirements?.unwrap_or_default());
    Ok(Policy {
        name: name.to_owned(),
        hosts: hosts?,
        default_allow: default?.unwrap_or_default(),
        forward: forward?,
        requirements: all,
        rules,
    })
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

fn selector(at: &At<'_>, sink: &mut Sink) -> Read<Vec<HostPattern>> {
    let fields = at.fields(&SELECTOR, sink)?;
    fields.required("hosts", sink, |at, sink| trust::hosts(at, sink))
}

fn context(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Requirement>> {
    let fields = at.fields(&CONTEXT, sink)?;
    let geo = fields.optional("geoRestrictions", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, |at, sink| {
            place::restriction(at, known, sink)
        })
    });
    let time = fields.optional("timeRestrictions", sink, |at, sink| {
        at.list(limits::RESTRICTIONS, sink, |at, sink| {
            let fields = at.fields(&TIME, sink)?;
            fields.required("businessHours", sink, At::only_true)
        })
    });
    let mut requirements: Vec<Requirement> = geo?.into_iter().flatten().map(Requirement::Source).collect();
    if time?.is_some() {
        requirements.push(Requirement::BusinessHours);
    }
    Ok(requirements)
}

fn rules(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Rule>> {
    let rules = at.list(limits::RULES, sink, |at, sink| rule::read(at, known, sink))?;
    let mut names: Vec<(&str, usize)> = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| (rule.name.as_str(), i))
        .collect();
    names.sort_unstable();
    let mut wrong = None;
    for pair in names.windows(2) {
        if let [(first, earlier), (second, later)] = pair
            && first == second
        {
            let path = format!("{}[{later}].name", at.path);
            wrong = Some(sink.error_at(
                &path,
                format!("rule {earlier} of this policy has the name `{first}` already"),
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
        0 => "the bundle has no Region".to_owned(),
        1..=8 => format!("no such Region in the bundle: {}", one_of(known.regions)),
        count => format!("no such Region among the {count} of the bundle"),
    };
    let problem = Problem::new(message)
        .code(Code::UnknownRegion)
        .found(at.value)
        .suggest(sink.nearest(name, known.regions.iter().copied()));
    Err(sink.error(&at.path, problem))
}
