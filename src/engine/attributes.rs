//! The attributes of subjects, asked of identity replicas where a condition reads them.
//!
//! One subject is asked about once at a time, whoever waits for it; of one Region so many may be asked about at once. What a replica tells is kept for its time, that it
//! does not know a subject for a shorter one, and that it could not be asked for a moment: nobody makes it be asked more often than that.

use core::cell::Cell;
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::ResourceId;
use super::authorize::Bench;
use super::case::Case;
use super::effects::{Effect, Level, Outgoing};
use super::exchange::{Errand, Office};
use super::fetch::fresh_for;
use super::look::View;
use super::scope::ScopeId;
use super::waiting::{Awaited, Patience, Queue, Waits};
use crate::Response;
use crate::audit::Counter;
use crate::bundle::document::Replica;
use crate::bundle::{Generation, RegionId};
use crate::identity::{Authenticated, Claims, subject_key};
use crate::policy::{Attributes, Outcome as Ruling};
use crate::reason::Reason;
use crate::remembered::{KEY_BYTES, Remembered};
use crate::time::{Monotonic, Now};

/// How many bytes the attributes of one scope may take.
const BYTES_MAX: usize = 4 << 20;
/// The largest answer that is read, in bytes.
pub(super) const RESPONSE_MAX: usize = 64 << 10;
/// About so many subjects of one Region a worker asks at once.
pub(super) const ASKED_MAX: usize = 64;
/// That a replica does not know a subject is kept no longer than this.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
/// That a replica could not be asked about a subject is kept for this time, and what it told for no less.
const MOMENT: Duration = Duration::from_secs(1);
/// After so many subjects in a row about which a replica was away, nobody is asked about for a moment.
const AWAY_MAX: u32 = 5;
/// How much later than the call's own deadline a request gives up.
const GRACE: Duration = Duration::from_millis(500);
/// The log is told of a replica that fails so often at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a replica said of a subject.
enum Known {
    /// These; none where it does not know the subject.
    Told(Rc<Claims>),
    /// It could not be asked.
    Untold,
}

/// What was seen of the attributes of who asks.
#[derive(Clone)]
pub(super) enum Seen {
    Told(Rc<Claims>),
    /// Nobody has told.
    Untold {
        /// Whether a condition wanted to know.
        missed: Cell<bool>,
        /// What would tell; `None`: nothing, for now or at all.
        query: Option<Rc<Query>>,
    },
}

/// A question to a replica.
pub(super) struct Query {
    key: [u8; KEY_BYTES],
    region: String,
    subject: String,
    path: String,
    replica: Replica,
    queue: Queue,
}

/// What a scope knows of attributes, and about whom it asks.
pub(super) struct Replicas {
    scope: ScopeId,
    known: Remembered<Known>,
    asked: Vec<Asked>,
    regions: BTreeMap<String, Health>,
}

/// A call on its way.
struct Asked {
    id: ResourceId,
    key: [u8; KEY_BYTES],
    region: String,
    until: Monotonic,
}

/// How a Region's replica does.
#[derive(Default)]
struct Health {
    queue: Queue,
    /// About so many subjects in a row it was away.
    away: u32,
    paused_until: Monotonic,
    told_at: Option<Monotonic>,
}

impl Seen {
    /// As policies see it.
    pub(super) fn as_attributes(&self) -> Attributes<'_> {
        match self {
            Self::Told(attributes) => Attributes::Told(attributes),
            Self::Untold { missed, .. } => Attributes::Untold(missed),
        }
    }

    /// Whether a condition wanted to know what nobody has told.
    fn is_missed(&self) -> bool {
        matches!(self, Self::Untold { missed, .. } if missed.get())
    }

    /// What would tell.
    fn query(&self) -> Option<&Rc<Query>> {
        match self {
            Self::Told(_) => None,
            Self::Untold { query, .. } => query.as_ref(),
        }
    }
}

/// Whether a ruling may be another one once what was missed is there. One that lets in does so without it: no deny is unknown then.
fn may_change(ruling: &Ruling) -> bool {
    match ruling {
        Ruling::Deny { .. } | Ruling::Challenge { .. } | Ruling::Defer { .. } => true,
        Ruling::Allow { .. } | Ruling::NeedsIdentity { .. } => false,
    }
}

/// Whether a ruling was made without attributes that it may hang on.
pub(super) fn are_missed(seen: Option<&Seen>, ruling: &Ruling) -> bool {
    seen.is_some_and(Seen::is_missed) && may_change(ruling)
}

impl Bench<'_, '_> {
    /// What is known of the attributes of who asks.
    pub(super) fn attributes(&mut self, who: &Authenticated, view: &View<'_>) -> Seen {
        let untold = |query| Seen::Untold {
            missed: Cell::new(false),
            query,
        };
        let generation = view.generation;
        let Some((region, replica)) = replica_of(who.identity.home, generation) else {
            return untold(None);
        };
        let identity = &who.identity;
        let subject = [identity.home_name.as_str(), &identity.issuer, &identity.subject];
        let key = subject_key(&generation.trust_digest, &replica.identity(), subject);
        let replicas = &mut self.scope.replicas;
        match replicas.known.find(&key, self.now) {
            Some(Known::Told(attributes)) => {
                if self.patience.is_first() {
                    self.tally.count(Counter::AttributesKnown);
                }
                return Seen::Told(Rc::clone(attributes));
            }
            Some(Known::Untold) => return untold(None),
            None => {}
        }
        let query = replica.path(&identity.subject).map(|path| {
            Rc::new(Query {
                key,
                region: region.to_owned(),
                subject: identity.subject.clone(),
                path,
                replica: replica.clone(),
                queue: replicas.regions.entry(region.to_owned()).or_default().queue.clone(),
            })
        });
        untold(query)
    }

    /// What becomes of a ruling that was made without attributes that it may hang on: it waits for them, or cannot be made.
    ///
    /// # Errors
    /// What to wait for.
    pub(super) fn without_attributes(
        &mut self,
        seen: Option<&Seen>,
        ruling: Ruling,
        case: &Case<'_>,
    ) -> Result<Ruling, Box<Waits>> {
        if !are_missed(seen, &ruling) {
            return Ok(ruling);
        }
        let query = seen.and_then(Seen::query);
        if let Some(waits) = query.and_then(|query| self.hope_for_attributes(query, case)) {
            return Err(Box::new(waits));
        }
        let home = case.home.or(case.local);
        let has_replica = home.is_some_and(|home| replica_of(home, &case.generation).is_some());
        Ok(match ruling {
            Ruling::Deny {
                reason: Reason::ConditionUnknown | Reason::ConditionNotMet,
                by,
                ..
            } if has_replica => Ruling::Deny {
                reason: Reason::AttributesUnavailable,
                by,
                refusal: None,
            },
            other => other,
        })
    }

    fn hope_for_attributes(&self, query: &Rc<Query>, case: &Case<'_>) -> Option<Waits> {
        let now = self.now.monotonic();
        let patient_until = now.after(query.replica.timeout.saturating_add(GRACE));
        let until = match self.patience {
            Patience::First | Patience::Again { .. } => patient_until,
            Patience::Until { until, .. } => until,
        };
        let may_help = now < until && self.scope.replicas.may_ask(query, now);
        may_help.then(|| Waits {
            awaited: Awaited::Attributes(self.scope.replicas.scope, Rc::clone(query)),
            until,
            came_under: case.generation.digest,
            identified: true,
            queue: query.queue.clone(),
            overloaded: case.refuse(Reason::Overloaded),
        })
    }
}

/// The Region of this number that has a replica.
fn replica_of(home: RegionId, generation: &Generation) -> Option<(&str, &Replica)> {
    let region = generation.region(home)?;
    Some((region.name.as_str(), region.replica.as_ref()?))
}

/// Has somebody asked about, unless that is on its way. What tells once it is known; `None`: the scope is gone.
pub(super) fn demand(scope: ScopeId, query: &Query, office: &mut Office<'_, '_>) -> Option<ResourceId> {
    let now = office.now.monotonic();
    let scope = office.memory.scopes.get_mut(scope)?;
    // An answer of which the host never tells is given up.
    scope.replicas.asked.retain(|asked| asked.until > now);
    if let Some(asked) = scope.replicas.asked.iter().find(|asked| asked.key == query.key) {
        return Some(asked.id);
    }
    let id = scope.fetcher.new_id();
    scope.replicas.asked.push(Asked {
        id,
        key: query.key,
        region: query.region.clone(),
        until: now.after(query.replica.timeout.saturating_add(GRACE)),
    });
    office.memory.tally.count(Counter::AttributesAsked);
    let headers = vec![
        (":method", "GET".to_owned()),
        (":path", query.path.clone()),
        (":authority", query.replica.authority.clone()),
        (":scheme", "http".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    let outgoing = Outgoing {
        cluster: query.replica.cluster.clone(),
        headers,
        body: Vec::new(),
        timeout: query.replica.timeout,
        response_max: RESPONSE_MAX,
    };
    let asking = Asking {
        id,
        key: query.key,
        region: query.region.clone(),
        subject: query.subject.clone(),
        ttl: query.replica.ttl,
    };
    office.dispatch(outgoing, Box::new(asking));
    Some(id)
}

impl Replicas {
    pub(super) fn new(scope: ScopeId, seed: u64) -> Self {
        Self {
            scope,
            known: Remembered::new(BYTES_MAX, seed),
            asked: Vec::new(),
            regions: BTreeMap::new(),
        }
    }

    /// Whether a question is on its way already, or may be made.
    fn may_ask(&self, query: &Query, now: Monotonic) -> bool {
        let mut of_region = 0_usize;
        for asked in self.asked.iter().filter(|asked| asked.until > now) {
            if asked.key == query.key {
                return true;
            }
            of_region = of_region.saturating_add(usize::from(asked.region == query.region));
        }
        let health = self.regions.get(&query.region);
        of_region < ASKED_MAX && health.is_none_or(|health| health.paused_until <= now)
    }

    /// Takes over what became of a question. What to log of it.
    fn take(&mut self, asking: &Asking, answer: Result<Told, Failed>, now: &Now<'_>) -> Option<String> {
        let at = now.monotonic();
        self.asked.retain(|asked| asked.id != asking.id);
        let health = self.regions.entry(asking.region.clone()).or_default();
        let failed = match answer {
            Ok(told) => {
                health.away = 0;
                let (attributes, ttl) = told.kept(asking.ttl);
                let bytes = attributes.weight();
                let known = Known::Told(Rc::new(attributes));
                self.known.keep(&asking.key, known, bytes, ttl, now);
                return None;
            }
            Err(failed) => failed,
        };
        self.known.keep(&asking.key, Known::Untold, 0, MOMENT, now);
        if failed.is_away {
            health.away = health.away.saturating_add(1);
            if health.away >= AWAY_MAX {
                health.paused_until = at.after(MOMENT);
            }
        } else {
            health.away = 0;
        }
        if health.told_at.is_some_and(|told| at.since(told) < TELL_EVERY) {
            return None;
        }
        health.told_at = Some(at);
        Some(format!(
            "identity replica of {} does not tell of a subject: {}",
            asking.region, failed.problem
        ))
    }
}

/// What a replica tells.
enum Told {
    /// These, for as long as they hold by their own word.
    Attributes(Claims, Option<Duration>),
    /// It does not know the subject.
    Nobody,
}

impl Told {
    /// What is kept, and for how long.
    fn kept(self, ttl: Duration) -> (Claims, Duration) {
        match self {
            Self::Attributes(attributes, fresh_for) => (
                attributes,
                fresh_for.map_or(ttl, |fresh_for| fresh_for.min(ttl)).max(MOMENT),
            ),
            Self::Nobody => (Claims::none(), ttl.min(UNKNOWN_FOR)),
        }
    }
}

/// Why nobody tells.
struct Failed {
    problem: String,
    is_away: bool,
}

/// A question on its way.
struct Asking {
    id: ResourceId,
    key: [u8; KEY_BYTES],
    region: String,
    subject: String,
    ttl: Duration,
}

impl Errand for Asking {
    fn finish(self: Box<Self>, response: Option<Response<'_>>, office: &mut Office<'_, '_>) {
        let answer = read(response, &self.subject);
        office.memory.tally.count(match &answer {
            Ok(Told::Attributes(..)) => Counter::AttributesTold,
            Ok(Told::Nobody) => Counter::AttributesOfNobody,
            Err(_) => Counter::AttributesFailed,
        });
        if let Some(scope) = office.memory.scopes.get_mut(self.id.scope)
            && let Some(line) = scope.replicas.take(&self, answer, office.now)
        {
            office.fx.push(Effect::Log(Level::Warn, line));
        }
        office.tell(self.id);
    }
}

/// Reads an answer about `subject`; `None`: the host refused the call.
fn read(response: Option<Response<'_>>, subject: &str) -> Result<Told, Failed> {
    let failed = |problem: &str, is_away| Failed {
        problem: problem.to_owned(),
        is_away,
    };
    let response = response.ok_or_else(|| failed("the host refuses the call: is there such a cluster?", false))?;
    match response.status {
        200 => {}
        404 => return Ok(Told::Nobody),
        0 => return Err(failed("the answer broke off", true)),
        status @ 502..=504 => return Err(failed(&format!("the status is {status}"), true)),
        status => return Err(failed(&format!("the status is {status}, not 200 or 404"), false)),
    }
    let body = response
        .body
        .ok_or_else(|| failed("the answer is larger than 64 KiB", false))?;
    let attributes = core::str::from_utf8(body).ok().and_then(Claims::parse);
    let attributes = attributes.ok_or_else(|| failed("the answer is no JSON object of one meaning", false))?;
    if attributes.get("sub").is_some_and(|sub| sub.as_str() != Some(subject)) {
        return Err(failed("the answer is about somebody else: its `sub` differs", false));
    }
    Ok(Told::Attributes(attributes, fresh_for(&response)))
}
