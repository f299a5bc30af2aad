//! A request that waits for what the engine fetches, and is judged again when that is there, or will not be in time.

use core::cell::Cell;
use std::rc::Rc;

use super::attributes::{self, Query};
use super::authorize::{Bench, Judged};
use super::exchange::{Cx, Flow, Office, Step, Wakeup};
use super::fetch::{self, ResourceId};
use super::host::Attrs;
use super::scope::ScopeId;
use super::{Input, Memory, nobody_decides};
use crate::bundle::Generation;
use crate::decision::Decision;
use crate::request::Headers;
use crate::time::Monotonic;

/// As many requests of one worker may wait for what is fetched. The others that may wait at all (for a center) keep their share.
pub(super) const REQUESTS_MAX: usize = 2048;
/// As much as these may hold of a worker's memory, in bytes.
pub(super) const BYTES_MAX: usize = 8 << 20;
/// What a request that waits holds beside what it was sent with, estimated from above.
const OWN_BYTES: usize = 512;

/// How long a judgement may wait for what is fetched.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// It is the first: as long as the resource says.
    First,
    /// Its stream is open already, and it is judged again: nothing is waited for, tried, counted or told, and what counts once (a proof, the center's word) is not asked
    /// for anew.
    Again {
        /// It began with a token that was valid.
        identified: bool,
    },
    /// The request has waited already.
    Until {
        /// Until then.
        until: Monotonic,
        /// The digest of the generation that served when it came.
        came_under: [u8; 32],
        /// Its sender was identified before it waited: what counts once was used then.
        identified: bool,
    },
}

impl Patience {
    /// Whether the request has not waited yet.
    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::First)
    }

    /// Whether the request was let in, and its stream is open.
    pub(super) fn is_again(self) -> bool {
        matches!(self, Self::Again { .. })
    }

    /// Whether what counts once, a proof, was used by this request before.
    pub(super) fn has_proven(self) -> bool {
        match self {
            Self::First => false,
            Self::Again { .. } => true,
            Self::Until { identified, .. } => identified,
        }
    }

    /// Whether this generation came into force while the request waited.
    pub(super) fn is_late(self, generation: &Generation) -> bool {
        matches!(self, Self::Until { came_under, .. } if came_under != generation.digest)
    }
}

/// What a request waits for.
pub(super) struct Waits {
    pub(super) awaited: Awaited,
    pub(super) until: Monotonic,
    /// Whether its sender is identified already.
    pub(super) identified: bool,
    /// The digest of the generation under which the request came.
    pub(super) came_under: [u8; 32],
    /// Of the resource.
    pub(super) queue: Queue,
    /// The decision where too many wait already.
    pub(super) overloaded: Decision,
}

/// What is to come.
pub(super) enum Awaited {
    /// What the engine fetches on a schedule.
    Fetched {
        resource: ResourceId,
        /// Whether that should be fetched before it is due.
        early: bool,
    },
    /// The attributes of a subject.
    Attributes(ScopeId, Rc<Query>),
}

impl Awaited {
    /// Has it fetched. What tells when it is there, or will not be for now; `None`: nothing will.
    pub(super) fn demand(&self, office: &mut Office<'_, '_>) -> Option<ResourceId> {
        match self {
            Self::Fetched { resource, early } => {
                fetch::demand(*resource, *early, office);
                Some(*resource)
            }
            Self::Attributes(scope, query) => attributes::demand(*scope, query, office),
        }
    }

    fn scope(&self) -> ScopeId {
        match self {
            Self::Fetched { resource, .. } => resource.scope,
            Self::Attributes(scope, _) => *scope,
        }
    }
}

/// What some requests hold that wait: all, or those that wait for one resource.
#[derive(Clone, Default)]
pub(super) struct Queue(Rc<Cell<Held>>);

/// Who waits for what is fetched. Those who wait for one resource take no more room than they leave: whoever floods one Region with tokens of keys that are not there
/// does not keep others from waiting for theirs.
#[derive(Default)]
pub(super) struct WaitingRoom {
    all: Queue,
}

#[derive(Clone, Copy, Default)]
struct Held {
    requests: usize,
    bytes: usize,
}

/// A place in the room, given up when dropped.
struct Seat {
    queues: [Queue; 2],
    bytes: usize,
}

/// The request, as it came.
pub(super) struct Copied {
    block: Vec<u8>,
    direct_peer: Option<Vec<u8>>,
    peer_certificate: Option<Vec<u8>>,
    peer_certificate_digest: Option<Vec<u8>>,
    /// `None`: nothing that serves now asks for it.
    destination_port: Option<u16>,
    has_no_body: bool,
}

/// A request that waits.
pub(super) struct Waiting {
    copied: Copied,
    waits: Waits,
    seat: Seat,
}

impl WaitingRoom {
    fn enter(&self, queue: &Queue, bytes: usize) -> Option<Seat> {
        let (all, own) = (self.all.with(bytes), queue.with(bytes));
        let left = |most: usize, taken: usize| most.checked_sub(taken);
        if own.requests > left(REQUESTS_MAX, all.requests)? || own.bytes > left(BYTES_MAX, all.bytes)? {
            return None;
        }
        self.all.0.set(all);
        queue.0.set(own);
        Some(Seat {
            queues: [self.all.clone(), queue.clone()],
            bytes,
        })
    }
}

impl Queue {
    fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// With one request more.
    fn with(&self, bytes: usize) -> Held {
        let held = self.0.get();
        Held {
            requests: held.requests.saturating_add(1),
            bytes: held.bytes.saturating_add(bytes),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        for Queue(queue) in &self.queues {
            let held = queue.get();
            queue.set(Held {
                requests: held.requests.saturating_sub(1),
                bytes: held.bytes.saturating_sub(self.bytes),
            });
        }
    }
}

impl Waiting {
    /// Copies of a request what judging it again takes.
    ///
    /// # Errors
    /// The decision where there is no room.
    pub(super) fn new(
        waits: Waits,
        headers: Headers<'_>,
        attrs: &dyn Attrs,
        room: &WaitingRoom,
    ) -> Result<Box<Self>, Box<Decision>> {
        let copied = Copied::new(headers, attrs);
        let Some(seat) = room.enter(&waits.queue, copied.bytes()) else {
            return Err(Box::new(waits.overloaded));
        };
        Ok(Box::new(Self { copied, waits, seat }))
    }

    /// Waits for something else than before, if there is room among those who do.
    fn move_to(&mut self, waits: Waits, room: &WaitingRoom) -> Result<(), Box<Decision>> {
        if !waits.queue.is(&self.waits.queue) {
            match room.enter(&waits.queue, self.seat.bytes) {
                Some(seat) => self.seat = seat,
                None => return Err(Box::new(waits.overloaded)),
            }
        }
        self.waits = Waits {
            came_under: self.waits.came_under,
            identified: waits.identified || self.waits.identified,
            ..waits
        };
        Ok(())
    }

    /// Waits.
    pub(super) fn wait(self: Box<Self>, cx: &mut Cx<'_, '_>) -> Step {
        if let Some(resource) = self.waits.awaited.demand(&mut cx.office()) {
            cx.wait_for(resource);
        }
        cx.wake_at(self.waits.until);
        Step::Wait(self)
    }
}

impl Flow for Waiting {
    fn resume(mut self: Box<Self>, _: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let id = self.waits.awaited.scope();
        let Memory {
            scopes,
            budget,
            proofs,
            tally,
            streams,
            ..
        } = &mut *cx.memory;
        let (Some(scope), Some(headers)) = (scopes.get_mut(id), self.copied.headers()) else {
            return Step::Done(nobody_decides());
        };
        let mut bench = Bench {
            scope,
            budget,
            proofs,
            tally,
            attrs: &self.copied,
            kit: cx.kit,
            now: cx.now,
            hall: &streams.hall,
            failing: None,
            patience: Patience::Until {
                until: self.waits.until,
                came_under: self.waits.came_under,
                identified: self.waits.identified,
            },
        };
        match bench.judge(id, Input { headers }, cx.fx) {
            Judged::Decided(decision) => Step::Done(decision),
            Judged::Ask(deferred) => deferred.ask(cx),
            Judged::Wait(waits) => match self.move_to(*waits, &cx.memory.room) {
                Ok(()) => self.wait(cx),
                Err(overloaded) => Step::Done(*overloaded),
            },
        }
    }
}

impl Copied {
    /// Copies of a request what judging it again takes.
    pub(super) fn new(headers: Headers<'_>, attrs: &dyn Attrs) -> Self {
        Self {
            block: headers.to_block(),
            direct_peer: attrs.direct_peer(),
            peer_certificate: attrs.peer_certificate(),
            peer_certificate_digest: attrs.peer_certificate_digest(),
            destination_port: attrs.destination_port(),
            has_no_body: attrs.has_no_body(),
        }
    }

    /// All headers, pseudo-headers among them; `None` cannot be, since they were read before.
    pub(super) fn headers(&self) -> Option<Headers<'_>> {
        Headers::parse(&self.block).ok()
    }

    /// What it holds of a worker's memory, estimated from above.
    pub(super) fn bytes(&self) -> usize {
        let Self {
            block,
            direct_peer,
            peer_certificate,
            peer_certificate_digest,
            destination_port: _,
            has_no_body: _,
        } = self;
        let attributes = [direct_peer, peer_certificate, peer_certificate_digest];
        attributes
            .into_iter()
            .flatten()
            .fold(OWN_BYTES.saturating_add(block.len()), |sum, attribute| {
                sum.saturating_add(attribute.len())
            })
    }
}

impl Attrs for Copied {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        self.direct_peer.clone()
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.peer_certificate.clone()
    }

    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        self.peer_certificate_digest.clone()
    }

    fn destination_port(&self) -> Option<u16> {
        self.destination_port
    }

    fn has_no_body(&self) -> bool {
        self.has_no_body
    }

    /// A request that may wait is none of these.
    fn is_outbound(&self) -> bool {
        false
    }

    fn has_line(&self) -> bool {
        false
    }
}
