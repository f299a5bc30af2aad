//! The path of one request, in the order in which callers are answered: 400, 421, a deny for everybody, 401, 403, then defer and allow.

use core::time::Duration;
use std::borrow::Cow;
use std::rc::Rc;

use super::Input;
use super::connection::Connection;
use super::deferred::{Asking, Deferred};
use super::effects::{Effect, Effects};
use super::fetch::ResourceId;
use super::forward::{self, Claims};
use super::host::{Attrs, Kit};
use super::revocation::{self, Standing};
use super::scope::{Scope, ScopeId};
use super::sender::{Means, Sender};
use super::waiting::{Patience, Waits};
use crate::audit::{Counter, DecidedBy, Line, Tally};
use crate::bundle::document::{Refusal, StepUp};
use crate::bundle::{Generation, RegionId};
use crate::decision::{Action, Answer, Asked, Decision, Forwarded};
use crate::identity::{
    Authenticated, Awaits, Credential, FailureBudget, Presented, Proofs, Refused, Scheme, SpiffeId, Token, TrustView,
    counting_home,
};
use crate::policy::{By, Candidates, Facts, Outcome as Ruling, Source};
use crate::reason::Reason;
use crate::request::{
    Authority, AuthorityError, CanonicalPath, ContentKind, HeadError, Headers, PathError, RequestHead, canonicalise,
    has_trailing_dot,
};
use crate::time::{Now, WallTime};

/// What a request is at once.
pub(super) enum Judged {
    /// Decided.
    Decided(Decision),
    /// For the center to decide.
    Ask(Box<Deferred>),
    /// For later: something is to be fetched first.
    Wait(Box<Waits>),
}

/// What a judgement takes.
pub(super) struct Bench<'a, 'h> {
    pub(super) scope: &'a mut Scope,
    pub(super) budget: &'a mut FailureBudget,
    pub(super) proofs: &'a mut Proofs,
    pub(super) tally: &'a mut Tally,
    pub(super) attrs: &'a dyn Attrs,
    pub(super) kit: &'a dyn Kit,
    pub(super) now: &'a Now<'h>,
    pub(super) patience: Patience,
}

/// What is known of a request so far: enough for its line, whichever way it ends.
pub(super) struct Case<'r> {
    pub(super) generation: Rc<Generation>,
    pub(super) local: Option<RegionId>,
    pub(super) home: Option<RegionId>,
    /// `None`: nothing asked for it.
    pub(super) source: Option<Source>,
    pub(super) grpc: bool,
    pub(super) token: bool,
    /// Its token counts, although nobody can tell whether it is revoked.
    pub(super) unchecked: bool,
    /// What may tell whether its token is revoked.
    pub(super) awaits: Option<ResourceId>,
    /// The token came with the scheme `DPoP`.
    pub(super) dpop: bool,
    /// For a client whose proof wants one.
    pub(super) nonce: Option<Rc<str>>,
    /// Borrowed until the request waits: most never need it.
    pub(super) request_id: Option<Cow<'r, str>>,
    /// Of a request that waited while another generation came into force: the headers that this one takes out of every request.
    pub(super) late: Option<Rc<[Vec<u8>]>>,
}

impl Case<'_> {
    /// The same, for as long as the request waits.
    pub(super) fn to_owned(&self) -> Case<'static> {
        Case {
            generation: Rc::clone(&self.generation),
            request_id: self.request_id.as_ref().map(|id| Cow::Owned(id.clone().into_owned())),
            nonce: self.nonce.clone(),
            late: self.late.clone(),
            ..*self
        }
    }

    fn region(&self, id: Option<RegionId>, otherwise: &'static str) -> &str {
        id.and_then(|id| self.generation.regions.get(id.index()))
            .map_or(otherwise, |region| region.name.as_str())
    }

    pub(super) fn name_of(&self, region: RegionId) -> &str {
        self.region(Some(region), "?")
    }

    pub(super) fn local_name(&self) -> &str {
        self.region(self.local, "?")
    }

    fn line(&self, reason: Reason, by: &str, decided_by: DecidedBy<'_>) -> String {
        let source = match self.source {
            None => "-",
            Some(source) => self.region(source.region, "?"),
        };
        let line = Line {
            reason,
            by,
            decided_by,
            bundle: &self.generation.label,
            home: self.region(self.home, "-"),
            source,
            local: self.local_name(),
        };
        line.render()
    }

    pub(super) fn allow(&self, reason: Reason, by: &str, decided_by: DecidedBy<'_>, forwarded: Forwarded) -> Decision {
        Decision {
            reason,
            line: self.line(reason, by, decided_by),
            action: Action::Continue(forwarded),
        }
    }

    /// A denial by a part of the filter itself, or by nothing at all.
    fn refuse(&self, reason: Reason) -> Decision {
        self.deny(reason, "-/-", DecidedBy::Inline, None, None)
    }

    pub(super) fn deny(
        &self,
        reason: Reason,
        by: &str,
        decided_by: DecidedBy<'_>,
        refusal: Option<Refusal>,
        detail: Option<&str>,
    ) -> Decision {
        self.denied(reason, by, decided_by, |asked| {
            Answer::new(reason, refusal, detail, &asked)
        })
    }

    /// A denial that says how to log in.
    fn challenge(&self, reason: Reason, by: &str, demand: StepUp) -> Decision {
        self.denied(reason, by, DecidedBy::Inline, |mut asked| {
            asked.demand = Some(demand);
            Answer::new(reason, None, None, &asked)
        })
    }

    fn denied(
        &self,
        reason: Reason,
        by: &str,
        decided_by: DecidedBy<'_>,
        answer: impl FnOnce(Asked) -> Answer,
    ) -> Decision {
        let asked = Asked {
            grpc: self.grpc,
            token: self.token,
            dpop: self.dpop,
            offers_dpop: self.generation.dpop.is_some(),
            nonce: self.nonce.as_deref().map(str::to_owned),
            demand: None,
            request_id: self.request_id.as_deref().map(str::to_owned),
            realm: self.local_name().to_owned(),
        };
        Decision {
            reason,
            line: self.line(reason, by, decided_by),
            action: Action::Answer(answer(asked)),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Default)]
pub(super) struct Peer {
    workload: Option<SpiffeId>,
    /// The workload's home region, where it counts here.
    service: Option<RegionId>,
}

impl Peer {
    /// The workload that the certificate names.
    pub(super) fn workload(&self) -> Option<&SpiffeId> {
        self.workload.as_ref()
    }

    /// The home region of a workload that counts here.
    pub(super) fn service(&self) -> Option<RegionId> {
        self.service
    }
}

/// A request that has a single meaning.
pub(super) struct Understood<'a> {
    pub(super) head: RequestHead<'a>,
    pub(super) authority: Authority<'a>,
    pub(super) path: CanonicalPath<'a>,
    pub(super) headers: Headers<'a>,
    credential: Credential<'a>,
    presented: Presented<'a>,
}

impl Understood<'_> {
    fn uses_dpop(&self) -> bool {
        matches!(self.credential, Credential::Token(token) if token.scheme == Scheme::Dpop)
    }
}

impl Bench<'_, '_> {
    /// Decides a request as far as it can be decided here.
    pub(super) fn judge(&mut self, id: ScopeId, input: Input<'_>, fx: &mut Effects) -> Judged {
        let generation = Rc::clone(&self.scope.generation);
        let mut removals = Vec::new();
        let mut presented = Presented::new(&generation.tokens);
        let head = RequestHead::read_with(&input.headers, &generation.strip, &mut removals, presented.collector());
        // A request that has waited lost them when it came.
        if self.patience.is_first() {
            fx.list
                .extend(removals.iter().map(|name| Effect::RemoveHeader(name.to_vec())));
        }
        // A query is written to logs and sent to others: from here on there is no token in it, whatever becomes of the request.
        let target = match &head {
            Ok(head) => Some(head.path),
            // It is refused, and logged as well.
            Err(_) => input.headers.values(":path").next(),
        };
        let without_token = target.and_then(|target| presented.take_query(target));
        let head = head.map(|head| RequestHead {
            path: without_token.as_deref().unwrap_or(head.path),
            ..head
        });
        if let Some(path) = &without_token
            && self.patience.is_first()
        {
            fx.push(Effect::ReplacePath(path.clone()));
        }
        let mut case = Case {
            generation: Rc::clone(&generation),
            local: self.scope.local,
            home: None,
            source: None,
            grpc: head.is_ok_and(|head| head.content == ContentKind::Grpc),
            token: false,
            unchecked: false,
            awaits: None,
            dpop: false,
            nonce: None,
            request_id: head.ok().and_then(|head| head.request_id).map(Cow::Borrowed),
            late: self
                .patience
                .is_late(&generation)
                .then(|| removals.iter().map(|name| name.to_vec()).collect()),
        };
        if self.attrs.has_line() {
            return Judged::Decided(case.refuse(Reason::DuplicateFilter));
        }
        if !generation.trust.any_direction && self.attrs.is_outbound() {
            return Judged::Decided(case.refuse(Reason::Direction));
        }
        let Some(local) = case.local else {
            return Judged::Decided(case.refuse(Reason::RegionUnknown));
        };
        let request = match head
            .map_err(HeadError::reason)
            .and_then(|head| understand(head, input.headers, presented, &generation))
        {
            Ok(request) => request,
            Err(reason) => return Judged::Decided(case.refuse(reason)),
        };
        let mut candidates = core::mem::take(&mut self.scope.candidates);
        generation
            .policies
            .candidates(&request.authority, request.head.method, &request.path, &mut candidates);
        let judged = self.rule(id, local, &request, &candidates, &mut case, fx);
        self.scope.candidates = candidates;
        judged
    }

    /// What the policies say, and who asks as far as they want to know.
    fn rule<'r>(
        &mut self,
        id: ScopeId,
        local: RegionId,
        request: &Understood<'r>,
        candidates: &Candidates,
        case: &mut Case<'r>,
        fx: &mut Effects,
    ) -> Judged {
        let generation = Rc::clone(&case.generation);
        let policies = &generation.policies;
        if policies.needs_source(candidates) {
            case.source = Some(self.source(request.headers, &generation));
        }
        let mut peer = policies
            .needs_workload(candidates)
            .then(|| self.peer(request.headers, &generation, local));
        let service_untold = policies.deny_services(candidates)
            && peer
                .as_ref()
                .is_some_and(|peer| self.is_untold(peer, request.headers, &generation, local));
        let anonymous = Facts {
            subject: None,
            source: case.source.unwrap_or_default(),
            workload: peer.as_ref().and_then(Peer::workload),
            service: peer.as_ref().and_then(Peer::service),
            service_untold,
            token_refused: false,
            claims: None,
            certificate: false,
            local,
            at: self.now.wall,
            regions: &generation.regions,
        };
        if let Some(Ruling::Deny { reason, by, refusal }) = policies.refusal_for_everybody(candidates, &anonymous) {
            return Judged::Decided(case.deny(reason, policies.label(by), DecidedBy::Inline, refusal, None));
        }
        let (who, refused) = match self.identify(request, case, local) {
            Ok(who) => (who.map(|who| self.granted(who, &generation)), None),
            Err(refused) => (None, Some(refused)),
        };
        if who.is_none() && peer.is_none() && policies.needs_service(candidates) {
            peer = Some(self.peer(request.headers, &generation, local));
        }
        let by_token = who.as_ref().and_then(|who| who.identity.workload.as_ref());
        if by_token.is_some() && peer.is_none() && policies.needs_certificate(candidates) {
            peer = Some(self.peer(request.headers, &generation, local));
        }
        let service = peer.as_ref().and_then(Peer::service);
        let by_certificate = peer.as_ref().filter(|_| service.is_some()).and_then(Peer::workload);
        case.home = who.as_ref().map(|who| who.identity.home).or(service);
        case.token = request.credential.place().is_some();
        case.dpop = request.uses_dpop();
        if refused.is_some_and(|refused| refused.reason == Reason::ProofNonce) {
            let nonce = self.proofs.nonce(self.now.wall, || self.kit.random());
            case.nonce = nonce.map(Rc::from);
        }
        let facts = Facts {
            subject: who.as_deref().map(|who| &who.subject),
            source: case.source.unwrap_or_default(),
            workload: peer.as_ref().and_then(Peer::workload),
            service,
            service_untold,
            token_refused: refused.is_some(),
            claims: who.as_deref().map(|who| &who.identity.claims),
            // What a token is bound to was compared when it was taken for valid.
            certificate: by_token.is_some() && by_token == by_certificate
                || who
                    .as_deref()
                    .is_some_and(|who| who.identity.binding.certificate.is_some()),
            local,
            at: self.now.wall,
            regions: &generation.regions,
        };
        let ruling = policies.decide(candidates, &facts);
        if let (Ruling::Allow { reason, .. }, Some(who)) = (&ruling, &who)
            && *reason == Reason::GrantAllowed
        {
            self.tell_grants(who, &generation, fx);
        }
        // What is public lets the request in whoever sends it; all else may depend on who does.
        if let Some(refused) = refused
            && !matches!(ruling, Ruling::Allow { .. })
            && let Some(waits) = self.hope(refused.awaits, case)
        {
            return Judged::Wait(Box::new(waits));
        }
        self.enact(
            id,
            ruling,
            refused.map(|refused| refused.reason),
            Ruled {
                request,
                candidates,
                case,
                who: who.as_deref(),
                peer,
                at: self.now.wall,
            },
        )
    }

    /// Who asks; `None` for an anonymous request.
    fn identify(
        &mut self,
        request: &Understood<'_>,
        case: &mut Case<'_>,
        local: RegionId,
    ) -> Result<Option<Rc<Authenticated>>, Refused> {
        let generation = &case.generation;
        let token = match request.credential {
            Credential::None => return Ok(None),
            Credential::OtherScheme => return Err(Reason::IdentityScheme.into()),
            Credential::Malformed(_) => return Err(Reason::TokenMalformed.into()),
            Credential::Token(token) => token,
        };
        let Token { text, scheme, place } = token;
        if !request
            .presented
            .may_authorise(place, &request.head, &request.authority)
        {
            return Err(Reason::CrossSite.into());
        }
        let Scope {
            authenticator,
            workloads,
            keys,
            fetcher,
            ..
        } = &mut *self.scope;
        let view = TrustView {
            keys,
            regions: &generation.regions,
            local,
            trust_digest: &generation.trust_digest,
            generation_digest: &generation.digest,
        };
        let connection = Connection::new(self.attrs, request.headers, &generation.trust, workloads);
        let address = || connection.address();
        let (found, known) =
            authenticator.authenticate(text, view, self.now, self.kit.verifier(), self.budget, &address);
        if self.patience.is_first() {
            self.tally.count(if known {
                Counter::TokenCacheHit
            } else {
                Counter::TokenCacheMiss
            });
        }
        let who = found?;
        let unchecked = match revocation::standing(&who.identity, generation, fetcher, self.now.wall.numeric_date()) {
            Standing::InForce => false,
            Standing::Unchecked => true,
            Standing::Refused(reason) => return Err(reason.into()),
            Standing::Unavailable(resource) => {
                case.awaits = resource;
                return Err(Reason::RevocationUnavailable.into());
            }
        };
        // Last, because it may cost a signature, and because a proof counts once.
        let sender = Sender {
            request,
            connection: &connection,
            scheme,
            generation,
        };
        let means = Means {
            proofs: &mut *self.proofs,
            budget: &mut *self.budget,
            kit: self.kit,
            now: self.now,
        };
        sender.check(&who.identity, means)?;
        if unchecked {
            case.unchecked = true;
            self.tally.count(Counter::RevocationUnchecked);
        }
        Ok(Some(who))
    }

    /// What to wait for, where that may help in time.
    fn hope(&self, awaits: Option<Awaits>, case: &Case<'_>) -> Option<Waits> {
        let resource = match awaits {
            Some(Awaits::Keys(home) | Awaits::Key(home)) => {
                let region = case.generation.region(home)?;
                self.scope.fetcher.keys_of(&region.name)?
            }
            None => self.scope.fetcher.get(case.awaits?)?,
        };
        let now = self.now.monotonic();
        let until = match self.patience {
            Patience::First => now.after(resource.wait_for()),
            Patience::Until { until, .. } => until,
        };
        let early = matches!(awaits, Some(Awaits::Key(_)));
        let may_help = if early {
            resource.may_be_early(now)
        } else {
            resource.is_tried_before(until)
        };
        (may_help && now < until).then(|| Waits {
            resource: resource.id(),
            early,
            until,
            came_under: case.generation.digest,
            queue: resource.queue(),
            overloaded: case.refuse(Reason::Overloaded),
        })
    }

    fn source(&mut self, headers: Headers<'_>, generation: &Generation) -> Source {
        let address = self.connection(headers, generation).address();
        Source {
            address,
            region: address.and_then(|address| generation.networks.find(address)),
        }
    }

    /// Who is at the other end; nobody where nobody has validated the certificate. An edge's identity is no subject: it asks for whoever comes to it. Neither is
    /// that of a peer that may be one.
    fn peer(&mut self, headers: Headers<'_>, generation: &Generation, local: RegionId) -> Peer {
        let connection = self.connection(headers, generation);
        let workload = connection.workload();
        let home = workload
            .as_ref()
            .and_then(|workload| counting_home(workload, local, &generation.regions));
        let service = home.filter(|_| connection.stands_for_itself() == Some(true));
        Peer { workload, service }
    }

    /// Whether nobody can tell if this peer is a workload that counts.
    fn is_untold(&mut self, peer: &Peer, headers: Headers<'_>, generation: &Generation, local: RegionId) -> bool {
        let connection = self.connection(headers, generation);
        match &peer.workload {
            _ if peer.service.is_some() => false,
            None => connection.hides_its_name(),
            Some(workload) => {
                counting_home(workload, local, &generation.regions).is_some()
                    && connection.stands_for_itself().is_none()
            }
        }
    }

    fn connection<'p>(&'p mut self, headers: Headers<'p>, generation: &'p Generation) -> Connection<'p> {
        Connection::new(self.attrs, headers, &generation.trust, &mut self.scope.workloads)
    }

    /// Turns a ruling into a decision, or into a question.
    fn enact(&mut self, id: ScopeId, ruling: Ruling, refused: Option<Reason>, mut ruled: Ruled<'_, '_>) -> Judged {
        let policies = &ruled.case.generation.policies;
        let decision = match ruling {
            Ruling::Deny { reason, by, refusal } => {
                let decided_by = if by == By::Nothing {
                    DecidedBy::Default
                } else {
                    DecidedBy::Inline
                };
                ruled.case.deny(reason, policies.label(by), decided_by, refusal, None)
            }
            Ruling::NeedsIdentity { by, reason } => {
                let reason = refused.unwrap_or(reason);
                ruled
                    .case
                    .deny(reason, policies.label(by), DecidedBy::Inline, None, None)
            }
            Ruling::Challenge { reason, by, demand } => ruled.case.challenge(reason, policies.label(by), demand),
            Ruling::Allow { reason, by } => {
                let decided_by = if matches!(by, By::Policy(_)) {
                    DecidedBy::Default
                } else {
                    DecidedBy::Inline
                };
                let label = policies.label(by);
                let by_grant = reason == Reason::GrantAllowed;
                // What nobody could tell of its token is no matter where anybody is let in.
                let reason = match reason {
                    Reason::RuleAllowed | Reason::DefaultAllowed | Reason::GrantAllowed if ruled.case.unchecked => {
                        Reason::RevocationUnavailableAllowed
                    }
                    other => other,
                };
                match ruled.forwarded() {
                    Ok(mut forwarded) => {
                        if by_grant {
                            forward::add_reason(&mut forwarded, Reason::GrantAllowed);
                        }
                        ruled.case.allow(reason, label, decided_by, forwarded)
                    }
                    Err(reason) => ruled.case.deny(reason, label, DecidedBy::Inline, None, None),
                }
            }
            Ruling::Defer { by, options, .. } => {
                let source = ruled
                    .case
                    .source
                    .unwrap_or_else(|| self.source(ruled.request.headers, &ruled.case.generation));
                ruled.case.source = Some(source);
                let peer = match (ruled.peer.take(), ruled.case.local) {
                    (Some(peer), _) => peer,
                    (None, Some(local)) => self.peer(ruled.request.headers, &Rc::clone(&ruled.case.generation), local),
                    (None, None) => Peer::default(),
                };
                ruled.case.home = ruled.case.home.or(peer.service);
                let forwarded = match ruled.forwarded() {
                    Ok(forwarded) => forwarded,
                    Err(reason) => {
                        let label = ruled.case.generation.policies.label(By::Rule(by));
                        return Judged::Decided(ruled.case.deny(reason, label, DecidedBy::Inline, None, None));
                    }
                };
                let asking = Asking {
                    request: ruled.request,
                    who: ruled.who,
                    peer: &peer,
                    case: ruled.case,
                    by,
                    at: self.now.wall,
                };
                return self.ask(Deferred::new(id, &asking, options, forwarded));
            }
        };
        Judged::Decided(decision)
    }

    /// The answer that is kept, or the question for the center.
    fn ask(&mut self, deferred: Result<Deferred, Box<Decision>>) -> Judged {
        let deferred = match deferred {
            Ok(deferred) => deferred,
            Err(decision) => return Judged::Decided(*decision),
        };
        let Some(kept) = self.scope.decisions.find(deferred.key(), self.now) else {
            self.tally.count(Counter::DecisionCacheMiss);
            return Judged::Ask(Box::new(deferred));
        };
        self.tally.count(Counter::DecisionCacheHit);
        Judged::Decided(deferred.kept(&kept))
    }
}

/// A request that the policies have ruled on.
struct Ruled<'a, 'r> {
    request: &'a Understood<'r>,
    candidates: &'a Candidates,
    case: &'a mut Case<'r>,
    who: Option<&'a Authenticated>,
    /// `None`: nothing asked for it.
    peer: Option<Peer>,
    /// When it came.
    at: WallTime,
}

impl Ruled<'_, '_> {
    /// What the upstream gets.
    fn forwarded(&self) -> Result<Forwarded, Reason> {
        let generation = &self.case.generation;
        let claims = self.who.and_then(|who| Claims::new(who, self.case.local, generation));
        let forwarding = generation.policies.forwarding(self.candidates);
        let mut forwarded = forward::forwarded(&forwarding, claims.as_ref())?;
        if self.case.unchecked {
            forward::add_reason(&mut forwarded, Reason::RevocationUnavailableAllowed);
        }
        // A token that was not valid must not look valid to the upstream: the request is anonymous.
        let strip = forwarding.strip_token || self.who.is_none();
        let place = self.request.credential.place().filter(|_| strip);
        forwarded.strip = place.and_then(|place| self.request.presented.strip(place));
        forwarded.strip_proof = place.is_some()
            && (self.request.uses_dpop() || self.who.is_none() && self.request.headers.values("dpop").next().is_some());
        forwarded.refresh = self.refresh();
        forwarded.removed = self.case.late.as_deref().map(<[_]>::to_vec).unwrap_or_default();
        forwarded.path = self
            .request
            .path
            .changed()
            .then(|| self.request.path.forward().to_owned());
        forwarded.authority = has_trailing_dot(self.request.head.authority).then(|| self.request.authority.to_string());
        Ok(forwarded)
    }
}

impl Ruled<'_, '_> {
    /// In how many seconds the token ends, where that is so soon that it is to be refreshed. One within its leeway has none left.
    fn refresh(&self) -> Option<u64> {
        let before = self.case.generation.refresh_before?;
        let left = self.who?.identity.times.expires - self.at.numeric_date();
        if left >= before.as_secs_f64() {
            return None;
        }
        Some(Duration::try_from_secs_f64(left).map_or(0, |left| left.as_secs()))
    }
}

/// The one meaning of a request, if it has one and is meant for this proxy.
fn understand<'a>(
    head: RequestHead<'a>,
    headers: Headers<'a>,
    presented: Presented<'a>,
    generation: &Generation,
) -> Result<Understood<'a>, Reason> {
    let authority = Authority::parse(head.authority, head.scheme).map_err(AuthorityError::reason)?;
    let credential = presented.credential(&head)?;
    let tunnel = head.is_connect() || head.upgrade;
    let path = if head.is_connect() { &b"/"[..] } else { head.path };
    let path = canonicalise(path, &generation.trust.paths).map_err(PathError::reason)?;
    if let Some(hosts) = &generation.trust.hosts
        && !hosts.iter().any(|host| host.matches(&authority))
    {
        return Err(Reason::AuthorityNotServed);
    }
    if tunnel {
        return Err(Reason::UpgradeNotAllowed);
    }
    Ok(Understood {
        head,
        authority,
        path,
        headers,
        credential,
        presented,
    })
}
