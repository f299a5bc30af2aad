//! A request that the local region's center decides.

use core::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::authorize::{Peer, Understood};
use super::case::Case;
use super::effects::{CallId, Effect, Level, Outgoing};
use super::exchange::{Cx, Flow, Step, Wakeup};
use super::forward::{self, Claims};
use super::risk;
use super::scope::ScopeId;
use super::streams::Admitted;
use crate::Response;
use crate::audit::{Counter, DecidedBy};
use crate::bundle::document::{Center, Defer, WhenAway};
use crate::center::{
    self, ActionPart, ContextPart, Failure, Kept, Question, RESPONSE_MAX, ResourcePart, SourcePart, SubjectPart,
};
use crate::context::Country;
use crate::decision::{Decision, Forwarded, shorten, visible};
use crate::device::Posture;
use crate::identity::Authenticated;
use crate::policy::{By, RuleRef};
use crate::reason::Reason;
use crate::request::{Captures, PathTemplate};
use crate::time::{Monotonic, WallTime};

/// How much later than the call's own deadline a request gives up: the host answers a call that is too late, and this is for the case that it does not.
const GRACE: Duration = Duration::from_millis(500);

/// The largest question that is asked, in bytes. What a request carries must not decide how much of the VM's memory waits for a center.
const QUESTION_MAX: usize = 128 * 1024;

/// All that a question is made of.
pub(super) struct Asking<'a, 'r> {
    pub(super) request: &'a Understood<'r>,
    pub(super) who: Option<&'a Authenticated>,
    pub(super) device: Option<&'a Posture>,
    pub(super) peer: &'a Peer,
    pub(super) case: &'a Case<'r>,
    pub(super) by: RuleRef,
    pub(super) at: WallTime,
}

/// A request on its way to the center.
pub(super) struct Deferred {
    scope: ScopeId,
    case: Case<'static>,
    by: RuleRef,
    options: Defer,
    forwarded: Option<Box<Forwarded>>,
    center: Center,
    /// Until it is sent: a request that waits should not hold it any longer.
    question: Option<Question>,
    key: [u8; 32],
    /// Under which a score of who asks is kept; `None`: nobody looks at it.
    subject: Option<[u8; 32]>,
    /// What the request opens, if the center lets it in.
    pub(super) opens: Option<Box<Admitted>>,
}

impl Deferred {
    /// The question of `asking` to its region's center.
    ///
    /// # Errors
    /// The denial of a request whose region has no center.
    pub(super) fn new(
        scope: ScopeId,
        asking: &Asking<'_, '_>,
        options: Defer,
        forwarded: Option<Box<Forwarded>>,
    ) -> Result<Self, Box<Decision>> {
        let case = asking.case;
        let region = case.local.and_then(|local| case.generation.regions.get(local.index()));
        let Some(center) = region.and_then(|region| region.center.clone()) else {
            let by = case.generation.policies.label(By::Rule(asking.by));
            return Err(Box::new(case.deny(
                Reason::CenterError,
                by,
                DecidedBy::Center(case.local_name()),
                None,
                None,
            )));
        };
        let question = question(asking, &options);
        let key = question.key(&center.identity(), &case.generation.digest);
        let generation = &case.generation;
        let subject = asking
            .who
            .filter(|_| generation.looks_at_risk())
            .map(|who| risk::key(who, generation, &center));
        Ok(Self {
            subject,
            scope,
            case: case.to_owned(),
            by: asking.by,
            options,
            forwarded,
            center,
            question: Some(question),
            key,
            opens: None,
        })
    }

    /// Under which its answer is kept.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The decision by an answer that was kept.
    pub(super) fn kept(self, kept: &Kept) -> Decision {
        self.decided(kept.allow, kept.reason_user.as_deref(), DecidedBy::Cache)
    }

    /// The decision where too many wait already.
    pub(super) fn overloaded(self) -> Decision {
        self.case
            .deny(Reason::Overloaded, self.label(), DecidedBy::Inline, None, None)
    }

    /// Asks.
    pub(super) fn ask(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Step {
        let body = self.question.take().map(|question| question.body()).unwrap_or_default();
        if body.len() > QUESTION_MAX {
            return Step::Done(self.wrong("the question is larger than 128 KiB", cx));
        }
        let mut headers = vec![
            (":method", "POST".to_owned()),
            (":path", self.center.path.clone()),
            (":authority", self.center.authority.clone()),
            (":scheme", "http".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        if let Some(id) = self.case.request_id.as_deref() {
            headers.push(("x-request-id", id.to_owned()));
        }
        let outgoing = Outgoing {
            cluster: self.center.cluster.clone(),
            headers,
            body,
            timeout: self.center.timeout,
            response_max: RESPONSE_MAX,
        };
        let asked_at = cx.now.monotonic();
        cx.wake_at(asked_at.after(self.center.timeout.saturating_add(GRACE)));
        let call = cx.call(outgoing);
        let deferred = *self;
        Step::Wait(Box::new(Awaited {
            deferred,
            call,
            asked_at,
        }))
    }

    fn label(&self) -> &str {
        self.case.generation.policies.label(By::Rule(self.by))
    }

    fn decided(self, allow: bool, reason_user: Option<&str>, decided_by: DecidedBy<'_>) -> Decision {
        if !allow && self.case.observed {
            return self.observed(Reason::CenterDenied);
        }
        if !allow {
            let detail = reason_user.filter(|_| self.options.pass_reason);
            return self
                .case
                .deny(Reason::CenterDenied, self.label(), decided_by, None, detail);
        }
        let label = self.label().to_owned();
        self.case
            .allow(Reason::CenterAllowed, &label, decided_by, self.forwarded)
    }

    /// The decision where nobody was there to decide.
    fn away(mut self, cx: &mut Cx<'_, '_>) -> Decision {
        let local = self.case.local_name().to_owned();
        let decided_by = DecidedBy::Center(&local);
        let label = self.label().to_owned();
        let last = match self.options.when_away {
            WhenAway::LastDecision(_) => self.last(cx),
            WhenAway::Deny | WhenAway::Allow => None,
        };
        let (reason, decided_by) = match (self.options.when_away, last) {
            (WhenAway::LastDecision(_), Some(last)) if last.allow => (Reason::CenterLastAllowed, DecidedBy::Cache),
            (WhenAway::LastDecision(_), Some(_)) if self.case.observed => {
                return self.observed(Reason::CenterLastDenied);
            }
            (WhenAway::LastDecision(_), Some(last)) => {
                let detail = last.reason_user.as_deref().filter(|_| self.options.pass_reason);
                return self
                    .case
                    .deny(Reason::CenterLastDenied, &label, DecidedBy::Cache, None, detail);
            }
            (WhenAway::Allow, _) => (Reason::CenterUnavailableAllowed, decided_by),
            (WhenAway::Deny | WhenAway::LastDecision(_), _) => {
                return self
                    .case
                    .deny(Reason::CenterUnavailable, &label, decided_by, None, None);
            }
        };
        forward::add_reason(&mut self.forwarded, reason);
        self.case.allow(reason, &label, decided_by, self.forwarded)
    }

    /// Lets in what the center refuses for `reason`.
    fn observed(mut self, reason: Reason) -> Decision {
        forward::add_reason(&mut self.forwarded, Reason::OverrideObserved);
        let label = self.label().to_owned();
        let decided_by = DecidedBy::Override(Some(reason));
        self.case
            .allow(Reason::OverrideObserved, &label, decided_by, self.forwarded)
    }

    /// What the center said last to this question, where that still counts.
    fn last(&self, cx: &mut Cx<'_, '_>) -> Option<Kept> {
        let scope = cx.memory.scopes.get_mut(self.scope)?;
        scope.last_decisions.find(&self.key, cx.now)
    }

    /// The decision where somebody answered and it is no answer.
    fn wrong(self, what: &str, cx: &mut Cx<'_, '_>) -> Decision {
        let local = self.case.local_name().to_owned();
        cx.fx.push(Effect::Log(
            Level::Warn,
            format!("center of {local}, asked by {}: {what}", self.label()),
        ));
        self.case
            .deny(Reason::CenterError, self.label(), DecidedBy::Center(&local), None, None)
    }
}

/// A request whose question is on its way.
struct Awaited {
    deferred: Deferred,
    call: CallId,
    asked_at: Monotonic,
}

impl Flow for Awaited {
    fn resume(self: Box<Self>, wakeup: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let Self {
            mut deferred,
            call,
            asked_at,
        } = *self;
        let opens = deferred.opens.take();
        let mut decision = match wakeup {
            Wakeup::Reply(_, response) => {
                let waited = cx.now.monotonic().since(asked_at);
                answered(deferred, response, waited, cx)
            }
            Wakeup::Refused(_) => {
                cx.memory.tally.count(Counter::CalloutRefused);
                deferred.wrong("the host refuses the call: is there such a cluster?", cx)
            }
            // The host should have answered by now. What it says later is of no interest.
            Wakeup::Timer | Wakeup::Told | Wakeup::Body { .. } => {
                cx.cancel(call);
                cx.memory.tally.count(Counter::CalloutAway);
                deferred.away(cx)
            }
        };
        decision.opens = opens.filter(|_| decision.forwarded().is_some());
        Step::Done(decision)
    }
}

fn answered(deferred: Deferred, response: Response<'_>, waited: Duration, cx: &mut Cx<'_, '_>) -> Decision {
    let read = if broke_off_at_deadline(response.status, waited, deferred.center.timeout) {
        Err(Failure::Away)
    } else {
        center::Answer::read(response, deferred.case.request_id.as_deref())
    };
    cx.memory.tally.count(match read {
        Ok(_) => Counter::CalloutAnswered,
        Err(Failure::Away) => Counter::CalloutAway,
        Err(Failure::Wrong(_)) => Counter::CalloutWrong,
    });
    let answer = match read {
        Ok(answer) => answer,
        Err(Failure::Away) => return deferred.away(cx),
        Err(Failure::Wrong(what)) => return deferred.wrong(what, cx),
    };
    let reason_user = answer.reason_user.as_deref().map(|reason| shorten(reason).to_owned());
    if let Some(scope) = cx.memory.scopes.get_mut(deferred.scope) {
        let kept = || Kept {
            allow: answer.allow,
            reason_user: reason_user.clone(),
        };
        if let Some(ttl) = shorter(deferred.options.cache, answer.ttl) {
            scope.decisions.keep(deferred.key, kept(), ttl, cx.now);
        }
        if let WhenAway::LastDecision(time) = deferred.options.when_away {
            scope.last_decisions.keep(deferred.key, kept(), time, cx.now);
        }
    }
    if let (Some(subject), Some(said)) = (&deferred.subject, answer.risk) {
        if let Err(what) = said {
            let local = deferred.case.local_name();
            let line = format!(
                "center of {local}, asked by {}: {what}; its score does not count",
                deferred.label()
            );
            cx.fx.push(Effect::Log(Level::Warn, line));
        }
        if let Some(scope) = cx.memory.scopes.get_mut(deferred.scope) {
            scope.scores.take(subject, said, cx.now);
        }
    }
    if let (false, Some(reason)) = (answer.allow, &answer.reason_admin) {
        let id = deferred.case.request_id.as_deref().unwrap_or("-");
        let reason = visible(shorten(reason));
        cx.fx.push(Effect::Log(
            Level::Info,
            format!("center denies {} (request {id}): {reason}", deferred.label()),
        ));
    }
    let local = deferred.case.local_name().to_owned();
    deferred.decided(answer.allow, reason_user.as_deref(), DecidedBy::Center(&local))
}

/// Whether the deadline passed while the answer was arriving. The host makes up a 504 only where nothing of an answer was there yet; one that broke off has no
/// status, and it may also have been too large, or cut short by the center: which of these, the time tells. The host's timer may run a little ahead of our clock.
fn broke_off_at_deadline(status: u16, waited: Duration, timeout: Duration) -> bool {
    status == 0 && waited >= timeout.saturating_sub(timeout.checked_div(10).unwrap_or_default())
}

/// The rule's and the center's word on how long an answer may be kept: the shorter, or the only one.
fn shorter(rule: Option<Duration>, center: Option<Duration>) -> Option<Duration> {
    match (rule, center) {
        (Some(rule), Some(center)) => Some(rule.min(center)),
        (one, other) => one.or(other),
    }
}

fn question(asking: &Asking<'_, '_>, options: &Defer) -> Question {
    let Asking { request, case, .. } = asking;
    let policies = &case.generation.policies;
    let rule = policies.rule(asking.by);
    let template = rule.and_then(|rule| rule.template(&request.path));
    Question {
        subject: subject(asking, options),
        action: action(request, case.grpc),
        resource: ResourcePart {
            kind: "route",
            id: template.map_or("/**", |template| template.as_str()).to_owned(),
            properties: resource_properties(request, template),
        },
        context: ContextPart {
            time: Timestamp::from_second(asking.at.unix_seconds())
                .ok()
                .map(|time| time.to_string()),
            local: case.local_name().to_owned(),
            source: SourcePart {
                address: case
                    .source
                    .and_then(|source| source.address)
                    .map(|address| address.to_string()),
                region: case
                    .source
                    .and_then(|source| source.region)
                    .map(|region| case.name_of(region).to_owned()),
                country: case.source.and_then(|source| source.country).map(Country::code),
                workload: asking.peer.workload().map(ToString::to_string),
            },
            device: asking.device.map(Posture::to_json).unwrap_or_default(),
            request_id: case.request_id.as_deref().map(str::to_owned),
            policy: rule
                .and_then(|rule| policies.policy_name(rule.policy()))
                .unwrap_or_default()
                .to_owned(),
            rule: rule.map(|rule| rule.name().to_owned()).unwrap_or_default(),
            bundle: case.generation.label.clone(),
        },
    }
}

/// Who asks: by token, by certificate alone where its workload counts here, or nobody.
fn subject(asking: &Asking<'_, '_>, options: &Defer) -> SubjectPart {
    let bare = |kind, id: &str| SubjectPart {
        kind,
        id: id.to_owned(),
        properties: Map::new(),
    };
    let workload = asking.peer.workload();
    let mut subject = match (asking.who, workload, asking.peer.service()) {
        (Some(who), ..) => identity(who, asking.case, options),
        (None, Some(workload), Some(home)) => {
            let mut subject = bare("workload", workload.as_str());
            let home = asking.case.name_of(home).into();
            subject.properties.insert("home".to_owned(), home);
            subject
        }
        (None, ..) => bare("anonymous", "anonymous"),
    };
    if let Some(workload) = workload {
        let id = workload.as_str().into();
        subject.properties.insert("workload".to_owned(), id);
    }
    subject
}

fn identity(who: &Authenticated, case: &Case<'_>, options: &Defer) -> SubjectPart {
    let identity = &who.identity;
    let claims = Claims::new(who, case.local, &case.generation);
    let mut properties = Map::new();
    properties.insert("home".to_owned(), identity.home_name.clone().into());
    properties.insert("iss".to_owned(), identity.issuer.clone().into());
    properties.insert("roles".to_owned(), who.subject.roles.clone().into());
    properties.insert("permissions".to_owned(), who.subject.permissions.clone().into());
    let named = ["acr", "amr", "auth_time"]
        .into_iter()
        .chain(options.claims.iter().map(String::as_str));
    for claim in named {
        if let Some(value) = claims.as_ref().and_then(|claims| claims.value(claim)) {
            properties.insert(claim.to_owned(), value.into_owned());
        }
    }
    SubjectPart {
        kind: "identity",
        id: identity.subject.clone(),
        properties,
    }
}

/// For gRPC, the path is `/service/method` (gRPC over HTTP/2).
fn action(request: &Understood<'_>, grpc: bool) -> ActionPart {
    let mut properties = Map::new();
    if grpc && let Some((service, method)) = request.path.path().trim_start_matches('/').split_once('/') {
        properties.insert("service".to_owned(), service.into());
        properties.insert("method".to_owned(), method.into());
    }
    if let Some(upgrade) = request.upgrade {
        properties.insert("upgrade".to_owned(), upgrade.name().into());
    }
    ActionPart {
        name: request.head.method.to_owned(),
        properties,
    }
}

fn resource_properties(request: &Understood<'_>, template: Option<&PathTemplate>) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("host".to_owned(), request.authority.to_string().into());
    properties.insert("path".to_owned(), request.path.path().into());
    let captures = template.and_then(|template| template.matches(&request.path));
    let captures: Map<String, Value> = captures
        .iter()
        .flat_map(Captures::iter)
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    properties.insert("captures".to_owned(), captures.into());
    if let Some(query) = request.path.query() {
        properties.insert("query".to_owned(), query.into());
    }
    properties
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::broke_off_at_deadline;

    #[test]
    fn only_what_broke_off_at_the_deadline_is_late() {
        let timeout = Duration::from_millis(250);
        for (status, waited, late) in [
            (0, 250, true),
            (0, 240, true),
            (0, 260, true),
            (0, 200, false),
            (0, 0, false),
            (200, 260, false),
            (500, 260, false),
        ] {
            let waited = Duration::from_millis(waited);
            assert_eq!(
                broke_off_at_deadline(status, waited, timeout),
                late,
                "{status} after {waited:?}"
            );
        }
    }
}
