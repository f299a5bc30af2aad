//! What a policy lets in without a token beside its public rules (`preflight`, `probes`), and where it stands (`selector`).

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Openings, Place, Policy, Probe, Rule, ServedPattern, Trust};
use super::limits;
use super::path::Path;
use super::policy::region_name;
use super::reader::{At, Fields, Shape};
use super::root::{Known, Placed};
use super::trust;
use crate::bundle::document::{Effect, IdentityNeed};
use crate::identity::SpiffePattern;
use crate::request::{HostPattern, PathTemplate, Segment};

const SELECTOR: Shape = Shape {
    fields: &["localRegions", "hosts", "workloads"],
    later: &[],
};

const PROBE: Shape = Shape {
    fields: &["path", "port"],
    later: &[],
};

/// `selector`: hosts, and where the policy stands.
pub(super) fn selector(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<(Option<Vec<HostPattern>>, Place)> {
    let fields = at.fields(&SELECTOR, sink)?;
    let hosts = fields.optional("hosts", sink, |at, sink| trust::hosts(at, sink));
    let regions = fields.optional("localRegions", sink, |at, sink| {
        at.list(limits::REGIONS, sink, |at, sink| region_name(at, known, sink))
    });
    let workloads = fields.optional("workloads", sink, |at, sink| at.list(limits::RULE_ITEMS, sink, served));
    let place = Place {
        regions: regions?,
        workloads: workloads?,
    };
    Ok((hosts?, place))
}

/// `preflight` and `probes` of a policy.
pub(super) fn read(fields: &Fields<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Openings> {
    let preflight = fields.optional("preflight", sink, |at, sink| at.word(&[("allow", true)], sink));
    let probes = fields.optional("probes", sink, |at, sink| {
        at.list(limits::PROBES, sink, |at, sink| probe(at, known, sink))
    });
    Ok(Openings {
        preflight: preflight?.unwrap_or_default(),
        probes: probes?.unwrap_or_default(),
    })
}

/// Whether a policy stands where `local` is the local Region, as far as its Regions tell.
pub(super) fn stands(policy: &Policy, local: &str) -> bool {
    let regions = policy.place.regions.as_ref();
    regions.is_none_or(|regions| regions.iter().any(|region| region == local))
}

/// Warns of policies whose browsers would not come through, and of probes that `trust.hosts` keeps out.
pub(super) fn warn(policies: &[Placed<Policy>], trust: &Trust, sink: &mut Sink) {
    let list = Path::Member(&Path::Root, "documents");
    for policy in policies {
        sink.enter(Some(format!("ZeroTrustPolicy {}", policy.document.name)));
        let document = Path::Item(&list, policy.index);
        let spec = Path::Member(&document, "spec");
        let Openings { preflight, probes } = &policy.document.openings;
        let browsers = policy.document.rules.iter().position(is_for_browsers);
        let answered = *preflight || policy.document.rules.iter().any(lets_options_in);
        if let Some(index) = browsers.filter(|_| !answered) {
            let rules = Path::Member(&spec, "rules");
            let message = "is for browsers of other origins, which ask first with an OPTIONS that never has a token: that is answered 401, and the page fails; say `preflight: allow` in this policy";
            sink.warn(&Path::Item(&rules, index), message);
        }
        if !probes.is_empty() && trust.hosts.is_some() {
            let message = "a kubelet asks by the address of the pod, which is not in `trust.hosts` and so is answered 421: give the probe a `Host` header that is";
            let named_by_address = trust.hosts.iter().flatten().any(is_address);
            if !named_by_address {
                sink.warn(&Path::Member(&spec, "probes"), message);
            }
        }
        sink.enter(None);
    }
}

/// A rule that says so itself: it looks at `origin`, or is for OPTIONS, and demands a token.
fn is_for_browsers(rule: &Rule) -> bool {
    let lets_in = matches!(rule.effect, Effect::Allow | Effect::Defer(_));
    let looks_at_origin = || rule.about.headers.iter().any(|matcher| matcher.name == "origin");
    let is_for_options = || rule.methods.iter().flatten().any(|method| method == "OPTIONS");
    lets_in && rule.identity == IdentityNeed::Required && (looks_at_origin() || is_for_options())
}

/// A public rule that lets a preflight in as well.
fn lets_options_in(rule: &Rule) -> bool {
    let takes = rule
        .methods
        .as_ref()
        .is_none_or(|methods| methods.iter().any(|method| method == "OPTIONS"));
    rule.effect == Effect::Allow && rule.identity == IdentityNeed::None && takes
}

fn is_address(host: &HostPattern) -> bool {
    let text = host.to_string();
    text.starts_with('[')
        || text
            .split(':')
            .next()
            .is_some_and(|host| host.parse::<core::net::Ipv4Addr>().is_ok())
}

/// `spiffe://…`, or `ns/…` whatever the trust domain.
fn served(at: &At<'_>, sink: &mut Sink) -> Read<ServedPattern> {
    let text = at.text(sink)?;
    if !text.starts_with("ns/") {
        let pattern = at.parsed(SpiffePattern::parse, sink)?;
        return Ok(ServedPattern {
            pattern,
            any_domain: false,
        });
    }
    let whole = format!("spiffe://{}/{text}", ServedPattern::ANY_DOMAIN);
    match SpiffePattern::parse(&whole) {
        Ok(pattern) => Ok(ServedPattern {
            pattern,
            any_domain: true,
        }),
        Err(_) => {
            let message = "not a workload: write `ns/NAMESPACE/sa/SERVICE-ACCOUNT` or `ns/NAMESPACE/*`, with or without `spiffe://TRUST-DOMAIN/` before it";
            Err(sink.error(&at.path, Problem::new(message).found(at.value)))
        }
    }
}

fn probe(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Probe> {
    let fields = at.fields(&PROBE, sink)?;
    let path = fields.required("path", sink, |at, sink| {
        let path = at.parsed(|text| PathTemplate::parse_with(text, known.paths), sink)?;
        let is_literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        if path.segments().iter().all(is_literal) {
            return Ok(path);
        }
        let message = "a probe asks for one path: write it out, or make a public rule (`identity: none`) of it";
        Err(sink.error(&at.path, Problem::new(message).found(at.value)))
    });
    let port = fields.required("port", sink, |at, sink| at.integer(1, 65_535, sink));
    let (path, port) = (path?, port?);
    let port = u16::try_from(port).map_err(|_| sink.error(&at.path, "not a port"))?;
    Ok(Probe { path, port })
}
