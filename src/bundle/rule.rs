//! One rule of a policy.

use ipnet::IpNet;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Effect, From, IdentityNeed, Rule, Words};
use super::forward::is_token;
use super::limits;
use super::policy::{self, region_name};
use super::reader::{At, Fields, Shape, one_of};
use super::root::Known;
use super::{about, effect, place, trust, when};
use crate::context::parse_network;
use crate::identity::SpiffePattern;
use crate::request::PathTemplate;

const RULE: Shape = Shape {
    fields: &[
        "name",
        "hosts",
        "methods",
        "paths",
        "headers",
        "query",
        "grpc",
        "upgrades",
        "streams",
        "from",
        "identity",
        "permissions",
        "roles",
        "when",
        "effect",
        "stepUp",
        "defer",
        "response",
        "mode",
    ],
    later: &["body"],
};

const FROM: Shape = Shape {
    fields: &[
        "sourceRegions",
        "sourceCountries",
        "homeRegions",
        "networks",
        "workloads",
    ],
    later: &[],
};

const WORDS: Shape = Shape {
    fields: &["anyOf", "allOf"],
    later: &[],
};

pub(super) fn read(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Rule> {
    let fields = at.fields(&RULE, sink)?;
    let name = fields.required("name", sink, At::name);
    let hosts = fields.optional("hosts", sink, |at, sink| trust::hosts(at, sink));
    let methods = fields.optional("methods", sink, |at, sink| at.list(limits::RULE_ITEMS, sink, method));
    let paths = fields.optional("paths", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| {
            at.parsed(|text| PathTemplate::parse_with(text, known.paths), sink)
        })
    });
    let about = about::read(&fields, known, sink);
    let from = fields.optional("from", sink, |at, sink| from(at, known, sink));
    let permissions = fields.optional("permissions", sink, |at, sink| words(at, sink));
    let roles = fields.optional("roles", sink, |at, sink| words(at, sink));
    let mode = fields.optional("mode", sink, policy::is_shadow);
    let effect = effect::read(&fields, sink);
    let identity = identity(&fields, effect.as_ref().ok(), known, sink);
    let (about, calls) = about?;
    let paths = calls.or(paths?);
    let when = fields.optional("when", sink, |at, sink| {
        let need = identity.as_ref().ok().copied();
        when::read(at, need, paths.as_deref().unwrap_or_default(), known, sink)
    });
    Ok(Rule {
        name: name?.to_owned(),
        shadow: mode?.unwrap_or_default(),
        hosts: hosts?,
        methods: methods?,
        paths,
        about,
        from: from?.unwrap_or_default(),
        identity: identity?,
        permissions: permissions?.unwrap_or_default(),
        roles: roles?.unwrap_or_default(),
        when: when?,
        effect: effect?,
    })
}

/// A method as it stands in a request: a token (RFC 9110 §9.1), upper case.
fn method(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let text = at.text(sink)?;
    if text == "*" {
        return Err(sink.error(&at.path, "`*` is no method: leave `methods` out for all of them"));
    }
    if !text.bytes().all(is_token) || text.len() > 32 {
        return Err(sink.error(&at.path, Problem::new("not a method").found(at.value)));
    }
    let upper = text.to_ascii_uppercase();
    if upper != text {
        let problem = Problem::new("methods are upper case")
            .found(at.value)
            .suggest(Some(upper));
        return Err(sink.error(&at.path, problem));
    }
    Ok(upper)
}

fn from(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<From> {
    let fields = at.fields(&FROM, sink)?;
    let regions =
        |at: &At<'_>, sink: &mut Sink| at.list(limits::REGIONS, sink, |at, sink| region_name(at, known, sink));
    let source_regions = fields.optional("sourceRegions", sink, regions);
    let source_countries = fields.optional("sourceCountries", sink, place::countries);
    let home_regions = fields.optional("homeRegions", sink, regions);
    let networks = fields.optional("networks", sink, |at, sink| at.list(limits::RULE_ITEMS, sink, network));
    let workloads = fields.optional("workloads", sink, |at, sink| workloads(at, known, sink));
    Ok(From {
        source_regions: source_regions?,
        source_countries: source_countries?,
        home_regions: home_regions?,
        networks: networks?,
        workloads: workloads?,
    })
}

fn workloads(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<SpiffePattern>> {
    let workloads = at.list(limits::RULE_ITEMS, sink, |at, sink| {
        at.parsed(SpiffePattern::parse, sink)
    })?;
    peers_are_verified(at, known, sink)?;
    Ok(workloads)
}

fn peers_are_verified(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<()> {
    if known.peer_verification {
        return Ok(());
    }
    let message = "no peer has an identity here: let the listener demand and validate client certificates, and say so with `trust: {peerVerification: required}`";
    Err(sink.error(&at.path, message))
}

pub(super) fn network(at: &At<'_>, sink: &mut Sink) -> Read<IpNet> {
    at.parsed(parse_network, sink)
}

fn words(at: &At<'_>, sink: &mut Sink) -> Read<Words> {
    let fields = at.fields(&WORDS, sink)?;
    let list = |at: &At<'_>, sink: &mut Sink| at.list(limits::WORDS, sink, word);
    let any_of = fields.optional("anyOf", sink, list);
    let all_of = fields.optional("allOf", sink, list);
    Ok(Words {
        any_of: any_of?,
        all_of: all_of?,
    })
}

fn word(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let text = at.text(sink)?;
    if text.ends_with('*') {
        let message = "`*` has no meaning here: the token must hold exactly this word";
        sink.warn(&at.path, Problem::new(message).found(at.value));
    }
    Ok(text.to_owned())
}

fn identity(fields: &Fields<'_>, effect: Option<&Effect>, known: &Known<'_>, sink: &mut Sink) -> Read<IdentityNeed> {
    let words = [
        ("required", IdentityNeed::Required),
        ("workload", IdentityNeed::Workload),
        ("none", IdentityNeed::None),
    ];
    let need = fields.optional("identity", sink, |at, sink| at.word(&words, sink))?;
    if let Some(at) = fields.field("identity") {
        let demands: Vec<&str> = ["permissions", "roles"]
            .into_iter()
            .filter(|name| fields.field(name).is_some())
            .collect();
        let whom = match need {
            Some(IdentityNeed::None) => "`identity: none` is for everybody",
            Some(IdentityNeed::Workload) => "`identity: workload` is for services without a token",
            _ => "",
        };
        if need == Some(IdentityNeed::Workload) {
            peers_are_verified(&at, known, sink)?;
        }
        if let (Some(IdentityNeed::None | IdentityNeed::Workload), Some(Effect::StepUp(_))) = (need, effect) {
            let message = "a step-up is for those with a token, who can log in again: leave `identity` out";
            return Err(sink.error(&at.path, message));
        }
        if let (Some(IdentityNeed::None), Some(Effect::Deny(_))) = (need, effect) {
            let message = "a deny that says nothing of identity holds for everybody: leave `identity` out";
            return Err(sink.error(&at.path, message));
        }
        if !whom.is_empty() && !demands.is_empty() {
            let message = format!(
                "{whom}, and nobody without a token has {}: leave one of them out",
                one_of(&demands)
            );
            return Err(sink.error(&at.path, message));
        }
    }
    Ok(match (need, effect) {
        (Some(need), _) => need,
        (None, Some(Effect::Deny(_))) => IdentityNeed::Anybody,
        (None, _) => IdentityNeed::Required,
    })
}
