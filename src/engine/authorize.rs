//! The path of one request, in the order in which callers are answered: 400, 421, a deny for everybody, 401, 403, then defer and allow.

use std::borrow::Cow;
use std::rc::Rc;

use super::Input;
use super::case::Case;
use super::connection::Connection;
use super::deferred::Deferred;
use super::device::{Seen, known};
use super::effects::{Effect, Effects};
use super::enact::Ruled;
use super::fetch::{KeyOwner, Resource};
use super::host::{Attrs, Kit};
use super::look::{Sight, View};
use super::revocation::{self, Lists, Standing};
use super::scope::{Scope, ScopeId, Verified};
use super::sender::{Means, Sender};
use super::streams::Hall;
use super::trial::{Asker, Subject};
use super::waiting::{Awaited, Patience, Waits};
use crate::audit::{Counter, DecidedBy, Tally};
use crate::bundle::document::OverrideMode;
use crate::bundle::{Generation, RegionId};
use crate::decision::Decision;
use crate::device::AwaitsKeys;
use crate::identity::{
    Authenticated, Awaits, Credential, FailureBudget, Presented, Proofs, Recalled, Refused, Scheme, Shown, SpiffeId,
    Token, TrustView, counting_home,
};
use crate::policy::{Asked, Candidates, Outcome as Ruling, Presence, Requested, Told};
use crate::reason::Reason;
use crate::request::{
    Authority, AuthorityError, CanonicalPath, ContentKind, HeadError, Headers, PathError, RequestHead, Upgrade,
    canonicalise,
};
use crate::time::Now;

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
    pub(super) hall: &'a Hall,
    /// Whose failures are a risk; `None`: those of `budget`.
    pub(super) failing: Option<&'a FailureBudget>,
    pub(super) patience: Patience,
}

/// Who is at the other end of a connection.
#[derive(Clone, Default)]
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
    pub(super) credential: Credential<'a>,
    /// What is remembered of the token.
    pub(super) recalled: Option<Recalled>,
    pub(super) presented: Presented<'a>,
    /// The protocol that it asks for beside HTTP, which some rule names.
    pub(super) upgrade: Option<Upgrade>,
}

/// What the host tells the policies of a stream.
pub(super) struct Stream<'a>(pub(super) &'a dyn Attrs);

impl Told for Stream<'_> {
    fn destination_port(&self) -> Option<u16> {
        self.0.destination_port()
    }

    fn has_no_body(&self) -> bool {
        self.0.has_no_body()
    }
}

impl Understood<'_> {
    /// What policies look at in it.
    pub(super) fn asked<'s>(&'s self, standing: Option<&'s Presence>, told: &'s Stream<'s>) -> Asked<'s> {
        Asked {
            authority: &self.authority,
            method: self.method(),
            path: &self.path,
            headers: self.headers,
            content: self.head.content,
            upgrade: self.upgrade,
            standing,
            told,
        }
    }

    /// The method that rules look at. Over HTTP/2, a WebSocket begins with CONNECT in place of GET (RFC 8441 §5): one rule is for both.
    pub(super) fn method(&self) -> &str {
        if self.head.is_connect() && self.upgrade == Some(Upgrade::Websocket) {
            "GET"
        } else {
            self.head.method
        }
    }

    pub(super) fn uses_dpop(&self) -> bool {
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
        self.spare_the_edge(&mut removals, input.headers, &generation);
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
            identified: false,
            dpop: false,
            nonce: None,
            request_id: head.ok().and_then(|head| head.request_id).map(Cow::Borrowed),
            late: self
                .patience
                .is_late(&generation)
                .then(|| removals.iter().map(|name| name.to_vec()).collect()),
            observed: false,
            tried: None,
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
        if let Some(over) = &generation.over {
            match over.in_force(self.now.wall) {
                Some(OverrideMode::DenyAll) => {
                    let reason = Reason::OverrideDenied;
                    let decided_by = DecidedBy::Override(None);
                    return Judged::Decided(case.deny(reason, "-/-", decided_by, None, None));
                }
                Some(OverrideMode::Observe) => case.observed = true,
                None => {}
            }
        }
        let request = match head
            .map_err(HeadError::reason)
            .and_then(|head| self.understand(head, input.headers, presented, &generation))
        {
            Ok(request) => request,
            Err(reason) => return Judged::Decided(case.refuse(reason)),
        };
        let mut candidates = core::mem::take(&mut self.scope.candidates);
        let told = Stream(self.attrs);
        let asked = request.asked(self.scope.standing.as_ref(), &told);
        generation.policies.candidates(&asked, &mut candidates);
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
        let view = View {
            request: Requested {
                method: request.method(),
                host: request.authority.host(),
                path: &request.path,
                headers: request.headers,
                strip: &generation.strip,
                id: request.head.request_id,
            },
            generation: &generation,
            local,
            at: self.now.wall,
        };
        let mut sight = Sight::default();
        self.look(&mut sight, policies, candidates, &view);
        case.source = sight.source;
        let anonymous = sight.facts(None, false, &view);
        // Whoever is let in all the same has to have been looked at: the upstream goes by it.
        if !case.observed
            && let Some(ruling) = policies.refusal_for_everybody(candidates, &anonymous)
        {
            if self.tries(&generation) {
                let judged = Subject {
                    request,
                    candidates,
                    view: &view,
                    ruling: &ruling,
                    asker: None,
                };
                self.try_others(&sight, &judged, case, fx);
            }
            let refused = Ruled {
                request,
                candidates,
                case,
                who: None,
                device: None,
                peer: sight.peer,
                at: self.now.wall,
            };
            return self.enact(id, ruling, None, refused);
        }
        let (who, refused) = match self.identify(request, case, local) {
            Ok(who) => (who.map(|who| self.granted(who, &generation)), None),
            Err(refused) => (None, Some(refused)),
        };
        self.look_again(&mut sight, who.as_deref(), policies, candidates, &view);
        case.home = who.as_ref().map(|who| who.identity.home).or(sight.service());
        case.token = request.credential.place().is_some();
        case.dpop = request.uses_dpop();
        if refused.is_some_and(|refused| refused.reason == Reason::ProofNonce) {
            let nonce = self.proofs.nonce(self.now.wall, || self.kit.random());
            case.nonce = nonce.map(Rc::from);
        }
        let facts = sight.facts(who.as_deref(), refused.is_some(), &view);
        let ruling = policies.decide(candidates, &facts);
        let ruling = match self.without_attributes(sight.attributes.as_ref(), ruling, case) {
            Ok(ruling) => ruling,
            Err(waits) => return Judged::Wait(waits),
        };
        if let (Ruling::Allow { reason, .. }, Some(who)) = (&ruling, &who)
            && *reason == Reason::GrantAllowed
            && !self.patience.is_again()
        {
            self.tell_grants(who, &generation, fx);
        }
        if let Some(decision) = self.stays(&ruling, refused, case) {
            return Judged::Decided(decision);
        }
        let opens = self.opens(request, candidates, &facts, who.as_deref());
        // What is public lets the request in whoever sends it; all else may depend on who does.
        if let Some(refused) = refused
            && !matches!(ruling, Ruling::Allow { .. })
            && let Some(waits) = self.hope(refused.awaits, case)
        {
            return Judged::Wait(Box::new(waits));
        }
        if !matches!(ruling, Ruling::Allow { .. })
            && let Some(waits) = self.hope_for_device(sight.device.as_ref(), case)
        {
            return Judged::Wait(Box::new(waits));
        }
        if self.tries(&generation) {
            let asker = Asker {
                who: who.as_deref(),
                refused: refused.map(|refused| refused.reason),
            };
            let judged = Subject {
                request,
                candidates,
                view: &view,
                ruling: &ruling,
                asker: Some(asker),
            };
            self.try_others(&sight, &judged, case, fx);
        }
        // A question tells of the device only where what is in force looked at it.
        let device = known(sight.device.as_ref(), who.as_deref(), &generation).ok();
        let judged = self.enact(
            id,
            ruling,
            refused.map(|refused| refused.reason),
            Ruled {
                request,
                candidates,
                case,
                who: who.as_deref(),
                device,
                peer: sight.peer,
                at: self.now.wall,
            },
        );
        match opens {
            None => judged,
            Some(opens) => self.admit(id, judged, opens, request, case),
        }
    }

    /// Who asks; `None` for an anonymous request.
    pub(super) fn identify(
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
            verified,
            keys,
            fetcher,
            ..
        } = &mut *self.scope;
        let Verified {
            authenticator,
            workloads,
            ..
        } = verified;
        let view = TrustView {
            keys,
            regions: &generation.regions,
            local,
            trust_digest: &generation.trust_digest,
            generation_digest: &generation.digest,
        };
        let connection = Connection::new(self.attrs, request.headers, &generation.trust, workloads);
        let address = || connection.address();
        let (found, known) = authenticator.authenticate(
            Shown {
                text,
                recalled: request.recalled,
            },
            view,
            self.now,
            self.kit.verifier(),
            self.budget,
            &address,
        );
        if self.patience.is_first() {
            self.tally.count(if known {
                Counter::TokenCacheHit
            } else {
                Counter::TokenCacheMiss
            });
        }
        let who = found?;
        let unchecked = match revocation::standing(
            &who.identity,
            generation,
            Lists::InForce(fetcher),
            self.now.wall.numeric_date(),
        ) {
            Standing::InForce => false,
            Standing::Unchecked => true,
            Standing::Refused(reason) => return Err(reason.into()),
            Standing::Unavailable(resource) => {
                case.awaits = resource;
                return Err(Reason::RevocationUnavailable.into());
            }
        };
        // Last, because it may cost a signature, and because a proof counts once: a stream that it opened stays bound to it.
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
        sender.check(&who.identity, means, self.patience.has_proven())?;
        case.identified = true;
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
                self.scope.fetcher.keys_of(KeyOwner::Region(&region.name))?
            }
            None => self.scope.fetcher.get(case.awaits?)?,
        };
        let early = matches!(awaits, Some(Awaits::Key(_)));
        self.hope_for(resource, early, case)
    }

    /// The same for what a posture waits for.
    fn hope_for_device(&self, seen: Option<&Seen>, case: &Case<'_>) -> Option<Waits> {
        let Some(Seen::Nothing {
            awaits: Some(AwaitsKeys { issuer, early }),
            ..
        }) = seen
        else {
            return None;
        };
        let issuer = case.generation.devices.list.get(*issuer)?;
        let resource = self.scope.fetcher.keys_of(KeyOwner::DeviceIssuer(&issuer.name))?;
        self.hope_for(resource, *early, case)
    }

    fn hope_for(&self, resource: &Resource, early: bool, case: &Case<'_>) -> Option<Waits> {
        let now = self.now.monotonic();
        let until = match self.patience {
            Patience::First => now.after(resource.wait_for()),
            Patience::Until { until, .. } => until,
            Patience::Again { .. } => return None,
        };
        let may_help = if early {
            resource.may_be_early(now)
        } else {
            resource.is_tried_before(until)
        };
        (may_help && now < until).then(|| Waits {
            awaited: Awaited::Fetched {
                resource: resource.id(),
                early,
            },
            identified: case.identified,
            until,
            came_under: case.generation.digest,
            queue: resource.queue(),
            overloaded: case.refuse(Reason::Overloaded),
        })
    }

    /// Who is at the other end; nobody where nobody has validated the certificate. An edge's identity is no subject: it asks for whoever comes to it. Neither is
    /// that of a peer that may be one.
    pub(super) fn peer(&mut self, headers: Headers<'_>, generation: &Generation, local: RegionId) -> Peer {
        let connection = self.connection(headers, generation);
        let workload = connection.workload();
        let home = workload
            .as_ref()
            .and_then(|workload| counting_home(workload, local, &generation.regions));
        let service = home.filter(|_| connection.stands_for_itself() == Some(true));
        Peer { workload, service }
    }

    /// Whether nobody can tell if this peer is a workload that counts.
    pub(super) fn is_untold(
        &mut self,
        peer: &Peer,
        headers: Headers<'_>,
        generation: &Generation,
        local: RegionId,
    ) -> bool {
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

    pub(super) fn connection<'p>(&'p mut self, headers: Headers<'p>, generation: &'p Generation) -> Connection<'p> {
        Connection::new(
            self.attrs,
            headers,
            &generation.trust,
            &mut self.scope.verified.workloads,
        )
    }

    /// The one meaning of a request, if it has one and is meant for this proxy.
    pub(super) fn understand<'r>(
        &mut self,
        head: RequestHead<'r>,
        headers: Headers<'r>,
        presented: Presented<'r>,
        generation: &Generation,
    ) -> Result<Understood<'r>, Reason> {
        let authority = Authority::parse(head.authority, head.scheme).map_err(AuthorityError::reason)?;
        let mut recalled = None;
        let credential = presented.credential(&head, |text| {
            recalled = self.scope.verified.authenticator.recall(text, &generation.trust_digest);
            recalled.is_some()
        })?;
        let upgrade = Upgrade::asked(&head, &headers);
        let is_tunnel = upgrade == Some(Some(Upgrade::Connect));
        let path = if is_tunnel || head.path.is_empty() && head.is_connect() {
            &b"/"[..]
        } else {
            head.path
        };
        let path = canonicalise(path, &generation.trust.paths).map_err(PathError::reason)?;
        if let Some(hosts) = &generation.trust.hosts
            && !hosts.iter().any(|host| host.matches(&authority))
        {
            return Err(Reason::AuthorityNotServed);
        }
        // What no rule of the bundle names needs no policy. What one names is for the policies, so that nobody learns for which paths that is.
        if upgrade.is_some_and(|asked| !asked.is_some_and(|upgrade| generation.policies.names_upgrade(upgrade))) {
            return Err(Reason::UpgradeNotAllowed);
        }
        Ok(Understood {
            head,
            authority,
            path,
            headers,
            credential,
            recalled,
            presented,
            upgrade: upgrade.flatten(),
        })
    }
}
