//! What rules and policies say of the request itself beside its host, method and path: headers, query, gRPC, upgrades, where the proxy stands, and what a policy lets
//! in without a token. All of it is known before anybody is asked who they are, so a rule that is not about the request is gone before its conditions are weighed.

use core::cell::OnceCell;

use super::compile::{Policy, PolicyRef, PolicySet, Rule, RuleRef};
use super::conditions::Truth;
use super::index::Candidates;
use super::standing::Presence;
use crate::bundle::document::{Effect, Matcher, ValueTest};
use crate::identity::{is_header, same_name};
use crate::reason::Reason;
use crate::request::{Authority, CanonicalPath, ContentKind, Headers, Parameter, Upgrade, parameters};

/// What is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The authority.
    pub authority: &'a Authority<'a>,
    /// The method as received.
    pub method: &'a str,
    /// The path, with its query.
    pub path: &'a CanonicalPath<'a>,
    /// All headers.
    pub headers: Headers<'a>,
    /// What the content type says.
    pub content: ContentKind,
    /// The protocol that is asked for beside HTTP.
    pub upgrade: Option<Upgrade>,
    /// Which policies stand where this proxy does; `None`: nobody has told, and those that say where they stand cannot be told to.
    pub standing: Option<&'a Presence>,
    /// What the host tells of the stream.
    pub told: &'a dyn Told,
}

impl<'a> Asked<'a> {
    /// A request without headers, of which the host tells nothing.
    #[must_use]
    pub fn new(authority: &'a Authority<'a>, method: &'a str, path: &'a CanonicalPath<'a>) -> Self {
        Self {
            authority,
            method,
            path,
            headers: Headers::NONE,
            content: ContentKind::Other,
            upgrade: None,
            standing: None,
            told: &Untold,
        }
    }
}

/// What the host tells of a stream, asked only where a policy needs it.
pub trait Told {
    /// The port that the connection was made to; `None`: it cannot be told.
    fn destination_port(&self) -> Option<u16>;

    /// Whether the request ends with its headers; `false` where that cannot be told.
    fn has_no_body(&self) -> bool;
}

struct Untold;

impl Told for Untold {
    fn destination_port(&self) -> Option<u16> {
        None
    }

    fn has_no_body(&self) -> bool {
        false
    }
}

/// What a policy lets in without a token beside its public rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A preflight: what the policy demands of who asks is lifted, as by a public rule.
    Preflight,
    /// A health probe: nobody is behind it, so whatever the policy itself demands is lifted.
    Probe,
}

impl Opening {
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Preflight => Reason::PreflightAllowed,
            Self::Probe => Reason::ProbeAllowed,
        }
    }
}

/// What narrowing has found for one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// Rules that cannot be told not to be about the request; sorted. No allow is among them.
    unsure: Vec<RuleRef>,
    /// Policies that cannot be told not to stand here; sorted.
    unsure_policies: Vec<PolicyRef>,
    /// What the policies that govern the request let in; sorted by policy.
    openings: Vec<(PolicyRef, Opening)>,
    /// It asks for another protocol.
    upgrade: bool,
}

impl Notes {
    /// Only these policies let anything in.
    pub(super) fn retain(&mut self, is_enforced: impl Fn(&PolicyRef) -> bool) {
        self.openings.retain(|(policy, _)| is_enforced(policy));
    }

    fn clear(&mut self) {
        self.unsure.clear();
        self.unsure_policies.clear();
        self.openings.clear();
        self.upgrade = false;
    }
}

impl Candidates {
    /// What is not known to be about the request is not known to match it.
    pub(super) fn certainty(&self, rule: RuleRef) -> Truth {
        if self.notes.unsure.contains(&rule) {
            Truth::Unknown
        } else {
            Truth::Match
        }
    }

    /// Whether this policy lets the request in without a token, and so lifts what it demands; `of_caller`: what it demands of who asks, and on what device.
    pub(super) fn lifts(&self, policy: PolicyRef, of_caller: bool) -> bool {
        self.notes
            .openings
            .iter()
            .any(|(opened, opening)| *opened == policy && (of_caller || *opening == Opening::Probe))
    }

    /// The first policy that lets the request in without a token.
    pub(super) fn opening(&self) -> Option<(PolicyRef, Opening)> {
        self.notes.openings.first().copied()
    }

    /// Whether the request asks for another protocol: then only a rule that names it lets it in.
    pub(super) fn is_upgrade(&self) -> bool {
        self.notes.upgrade
    }

    /// Whether the `default: allow` of a policy counts for the request.
    pub(super) fn takes_default(&self, policy: PolicyRef) -> bool {
        !self.notes.upgrade && !self.notes.unsure_policies.contains(&policy)
    }
}

impl PolicySet {
    /// Takes out of `candidates` what is not about the request, and notes what cannot be told.
    pub(super) fn narrow(&self, asked: &Asked<'_>, candidates: &mut Candidates) {
        let Candidates {
            rules, policies, notes, ..
        } = candidates;
        notes.clear();
        if !self.narrows && asked.upgrade.is_none() {
            return;
        }
        notes.upgrade = asked.upgrade.is_some();
        let stands = |policy: PolicyRef| match (asked.standing, self.policy(policy)) {
            (_, Some(policy)) if !policy.has_place => Truth::Match,
            (Some(standing), Some(_)) => standing.of(policy),
            _ => Truth::Unknown,
        };
        policies.retain(|policy| {
            let truth = stands(*policy);
            if truth == Truth::Unknown {
                notes.unsure_policies.push(*policy);
            }
            truth != Truth::NoMatch
        });
        let query = OnceCell::new();
        rules.retain(|reference| {
            let Some(rule) = self.rule(*reference) else {
                return false;
            };
            match stands(rule.policy()).min(rule.weigh_about(asked, &query)) {
                Truth::Match => true,
                Truth::NoMatch => false,
                // Unknown is no match for an allow.
                Truth::Unknown if rule.effect == Effect::Allow => false,
                Truth::Unknown => {
                    notes.unsure.push(*reference);
                    true
                }
            }
        });
        if asked.upgrade.is_none() && self.opens {
            for (reference, policy) in policies.iter().filter_map(|one| Some((*one, self.policy(*one)?))) {
                let opening = policy
                    .opening(asked)
                    .filter(|_| !notes.unsure_policies.contains(&reference));
                notes.openings.extend(opening.map(|opening| (reference, opening)));
            }
        }
    }
}

impl Policy {
    /// What lets this request in.
    fn opening(&self, asked: &Asked<'_>) -> Option<Opening> {
        if self.openings.preflight && is_preflight(asked) {
            return Some(Opening::Preflight);
        }
        let probes = &self.openings.probes;
        if probes.is_empty() || !matches!(asked.method, "GET" | "HEAD") {
            return None;
        }
        let mut meant = probes
            .iter()
            .filter(|probe| probe.path.matches(asked.path).is_some())
            .peekable();
        meant.peek()?;
        let port = asked.told.destination_port()?;
        meant.any(|probe| probe.port == port).then_some(Opening::Probe)
    }
}

/// What a browser asks before a request of another origin (Fetch §4.8): it has no body, and says whence and for which method.
pub(super) fn is_preflight(asked: &Asked<'_>) -> bool {
    let has_one = |name| {
        let mut values = asked.headers.values(name);
        values.next().is_some_and(|value| !value.is_empty()) && values.next().is_none()
    };
    asked.method == "OPTIONS"
        && has_one("origin")
        && has_one("access-control-request-method")
        && asked.told.has_no_body()
}

/// The parameters of the query, read once: `None` where it has no single reading.
type Query<'a> = OnceCell<Option<Vec<Parameter<'a>>>>;

impl Rule {
    /// Whether it is about this request, as far as its host, method and path do not tell.
    fn weigh_about<'a>(&self, asked: &Asked<'a>, query: &Query<'a>) -> Truth {
        let upgrade = Truth::from(self.takes_upgrade(asked.upgrade));
        let Some(about) = self.about.as_deref() else {
            return upgrade;
        };
        let mut truth = upgrade;
        if about.grpc {
            truth = truth.min(is_grpc(asked));
        }
        for matcher in &about.headers {
            truth = truth.min(header(matcher, asked.headers));
        }
        if !about.query.is_empty() && truth != Truth::NoMatch {
            let parameters = query.get_or_init(|| parameters(asked.path.query().unwrap_or_default()));
            for matcher in &about.query {
                truth = truth.min(
                    parameters
                        .as_deref()
                        .map_or(Truth::Unknown, |all| parameter(matcher, all)),
                );
            }
        }
        truth
    }

    /// Whether it is about requests for this protocol, or for none. What says nothing of upgrades refuses and challenges them, and lets none in.
    pub(super) fn takes_upgrade(&self, asked: Option<Upgrade>) -> bool {
        let named = self.about.as_deref().and_then(|about| about.upgrades.as_deref());
        match (asked, named) {
            (None, named) => named.is_none(),
            (Some(Upgrade::Connect), None) if self.names_connect => true,
            (Some(_), None) => !matches!(self.effect, Effect::Allow | Effect::Defer(_)),
            (Some(upgrade), Some(named)) => named.contains(&upgrade),
        }
    }

    /// The bits of the upgrades that it names and may let in.
    pub(super) fn upgrades(&self) -> u8 {
        if !matches!(self.effect, Effect::Allow | Effect::Defer(_)) {
            return 0;
        }
        let named = self.about.as_deref().and_then(|about| about.upgrades.as_deref());
        let connect = if self.names_connect && named.is_none() {
            Upgrade::Connect.bit()
        } else {
            0
        };
        named
            .unwrap_or_default()
            .iter()
            .fold(connect, |bits, upgrade| bits | upgrade.bit())
    }
}

/// gRPC is a POST of its own content type. Whether a server takes something else at the same path for a call of the same method (as with Connect and gateways that
/// make gRPC of JSON) cannot be told here.
pub(super) fn is_grpc(asked: &Asked<'_>) -> Truth {
    if asked.method == "POST" && asked.content != ContentKind::Other {
        Truth::Match
    } else {
        Truth::Unknown
    }
}

/// What an entry of `headers` says of all lines of its name. A line counts whole; some servers take it for a list, and all lines for one. A name with `_` for `-` may
/// be the same one to a server, so it may count, and nobody can tell.
pub(super) fn header(matcher: &Matcher, headers: Headers<'_>) -> Truth {
    let mut weighed = Weighed::default();
    for (name, value) in &headers {
        if is_header(name, &matcher.name) {
            let value = value.trim_ascii();
            let fits = matcher.test.fits(value);
            let may_fit = || {
                let mut parts = value.split(|byte| *byte == b',');
                parts.any(|part| matcher.test.fits(part.trim_ascii()))
            };
            weighed.add(
                name.eq_ignore_ascii_case(matcher.name.as_bytes()),
                fits,
                fits || may_fit(),
            );
        }
    }
    if weighed.count > 1 && matcher.test.mentions(b',') {
        weighed.may_fit = true;
    }
    weighed.truth(&matcher.test)
}

/// What an entry of `query` says of all parameters of its name, and of names that some server takes for it.
pub(super) fn parameter(matcher: &Matcher, parameters: &[Parameter<'_>]) -> Truth {
    let mut weighed = Weighed::default();
    for parameter in parameters {
        let is_it = parameter.name == matcher.name;
        if is_it || same_name(parameter.raw_name.as_bytes(), &matcher.name) {
            let fits = matcher.test.fits(parameter.value.as_bytes());
            weighed.add(is_it, fits, fits);
        }
    }
    weighed.truth(&matcher.test)
}

/// The values of one name.
#[derive(Default)]
struct Weighed {
    /// How many there are.
    count: usize,
    /// Of these, how many have the very name.
    certain: usize,
    /// How many do not fit as they stand.
    misfits: usize,
    /// One fits in some reading.
    may_fit: bool,
}

impl Weighed {
    fn add(&mut self, certain: bool, fits: bool, may_fit: bool) {
        self.count = self.count.saturating_add(1);
        self.certain = self.certain.saturating_add(usize::from(certain));
        self.misfits = self.misfits.saturating_add(usize::from(!fits));
        self.may_fit |= may_fit;
    }

    /// All of several values have to fit, since nobody can tell which one counts; where only some do, that is unknown. What is not there fits nothing, and that is known.
    fn truth(&self, test: &ValueTest) -> Truth {
        if *test == ValueTest::Absent {
            return match (self.count, self.certain) {
                (0, _) => Truth::Match,
                (_, 0) => Truth::Unknown,
                _ => Truth::NoMatch,
            };
        }
        let present = *test == ValueTest::Present;
        if self.certain > 0 && (present || self.misfits == 0) {
            Truth::Match
        } else if self.may_fit {
            Truth::Unknown
        } else {
            Truth::NoMatch
        }
    }
}

#[cfg(test)]
mod tests;
