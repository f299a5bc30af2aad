//! The one state machine: what serves, who waits, what is decided.
//!
//! It is sans-I/O: each entry takes what happened and the time, and gives a decision or effects for the host to carry out.

mod attributes;
mod authorize;
mod case;
mod connection;
mod deferred;
mod device;
mod effects;
mod enact;
mod exchange;
mod explain;
mod fetch;
mod forward;
mod grants;
mod host;
mod look;
mod overriding;
mod place;
mod revocation;
mod risk;
mod scope;
mod sender;
mod streams;
#[cfg(test)]
mod tests;
mod trial;
mod waiting;

use std::rc::Rc;

use crate::Response;
use crate::audit::{Counter, Tally};
use crate::bundle::Generation;
use crate::decision::{Action, Answer, Asked, Decision};
use crate::identity::{FailureBudget, Proofs};
use crate::policy::Served;
use crate::reason::Reason;
use crate::request::Headers;
use crate::time::{Now, WallTime};

pub use effects::{Call, CallId, Effect, Effects, Level, Outgoing, Owner, RequestId, StreamId};
pub use exchange::{Cx, Errand, Flow, Office, Step, Wakeup};
pub use explain::Explained;
pub use fetch::ResourceId;
pub use host::{Attrs, Kit};
pub use scope::{Activation, ScopeId};

pub(crate) use streams::Admitted;

use exchange::{Entry, Exchange, Progress};
use scope::Scopes;
use streams::Streams;
use waiting::{Patience, Waiting, WaitingRoom};

/// A request as it arrives.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// All headers, pseudo-headers among them.
    pub headers: Headers<'a>,
}

/// How a request began or went on.
#[derive(Debug)]
pub enum Outcome {
    /// It is decided.
    Done(Decision),
    /// It needs its body, up to `max` bytes: see [`Engine::body`].
    NeedBody {
        /// Under which it goes on.
        request: RequestId,
        /// In bytes.
        max: usize,
    },
    /// It waits; [`Effect::Done`] will tell.
    Waiting(RequestId),
}

/// What is remembered between requests, beside the requests that wait.
pub struct Memory {
    scopes: Scopes,
    budget: FailureBudget,
    proofs: Proofs,
    tally: Tally,
    room: WaitingRoom,
    streams: Streams,
}

/// One worker's engine, for all plugins of its VM.
pub struct Engine {
    memory: Memory,
    exchange: Exchange,
}

impl Engine {
    /// An engine in which nothing is in force. `seed` comes from a random source: it keeps those who send requests from choosing table slots.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            memory: Memory {
                scopes: Scopes::new(seed),
                budget: FailureBudget::new(seed),
                proofs: Proofs::new(seed),
                tally: Tally::default(),
                room: WaitingRoom::default(),
                streams: Streams::new(seed),
            },
            exchange: Exchange::default(),
        }
    }

    /// Says since when this engine sees all requests of its worker. Until it is said, no proof of a sender counts by its own time: an earlier engine may have seen it.
    pub fn began(&mut self, time: WallTime) {
        self.memory.proofs.begin(time);
    }

    /// Says what the node tells of the workload that this proxy serves, for what is activated from now on. Only a generation whose policies
    /// [ask for it](Generation::looks_at_served) needs it.
    pub fn serves(&mut self, served: Served) {
        self.memory.scopes.served = served;
    }

    /// Puts a generation in force for the plugin `root`, unless a newer version of the same name serves already. `locality` is the region in which the node says
    /// that it stands, for a bundle without one. Each activation is released once. What the generation wants fetched is due at the next [`wake`](Self::wake).
    pub fn activate(
        &mut self,
        root: &str,
        generation: Rc<Generation>,
        locality: Option<&str>,
        fx: &mut Effects,
    ) -> (ScopeId, Activation) {
        let label = generation.label.clone();
        let (scope, activation) = self.memory.scopes.activate(root, generation, locality);
        let (counter, level, what) = match activation {
            Activation::Applied => (Counter::BundleApplied, Level::Info, "in force"),
            Activation::Same => (Counter::BundleApplied, Level::Info, "in force already"),
            Activation::Older => (
                Counter::BundleOlder,
                Level::Warn,
                "older than the one in force, which goes on serving",
            ),
        };
        self.memory.tally.count(counter);
        fx.push(Effect::Log(level, format!("bundle {label}: {what}")));
        if activation == Activation::Applied
            && let Some(scope) = self.memory.scopes.get_mut(scope)
        {
            scope.took(&mut self.memory.tally, fx);
        }
        fx.wake_before(self.memory.scopes.next_due());
        fx.wake_before(self.memory.streams.next_due());
        (scope, activation)
    }

    /// Gives up one activation; a scope without any is forgotten.
    pub fn release(&mut self, scope: ScopeId) {
        self.memory.scopes.release(scope);
    }

    /// Counts a bundle that did not compile.
    pub fn refused(&mut self) {
        self.memory.tally.count(Counter::BundleRefused);
    }

    /// Decides a request, or begins to.
    pub fn begin(
        &mut self,
        scope: Option<ScopeId>,
        input: Input<'_>,
        attrs: &dyn Attrs,
        kit: &dyn Kit,
        now: &Now<'_>,
        fx: &mut Effects,
    ) -> Outcome {
        let judged = match scope.and_then(|id| Some((id, self.memory.scopes.get_mut(id)?))) {
            None => authorize::Judged::Decided(nobody_decides()),
            Some((id, scope)) => {
                let mut bench = authorize::Bench {
                    scope,
                    budget: &mut self.memory.budget,
                    proofs: &mut self.memory.proofs,
                    tally: &mut self.memory.tally,
                    attrs,
                    kit,
                    now,
                    hall: &self.memory.streams.hall,
                    failing: None,
                    patience: Patience::First,
                };
                bench.judge(id, input, fx)
            }
        };
        match judged {
            authorize::Judged::Decided(decision) => Outcome::Done(self.counted(decision)),
            authorize::Judged::Ask(deferred) if self.exchange.is_full() => {
                Outcome::Done(self.counted(deferred.overloaded()))
            }
            authorize::Judged::Ask(deferred) => self.begin_with(kit, now, fx, |cx| deferred.ask(cx)),
            authorize::Judged::Wait(waits) if self.exchange.is_full() => Outcome::Done(self.counted(waits.overloaded)),
            authorize::Judged::Wait(waits) => match Waiting::new(*waits, input.headers, attrs, &self.memory.room) {
                Ok(waiting) => self.begin_with(kit, now, fx, |cx| waiting.wait(cx)),
                Err(overloaded) => Outcome::Done(self.counted(*overloaded)),
            },
        }
    }

    /// Begins a request whose first step is `first`: how [`begin`](Self::begin) goes on where a call is due.
    pub fn begin_with(
        &mut self,
        kit: &dyn Kit,
        now: &Now<'_>,
        fx: &mut Effects,
        first: impl FnOnce(&mut Cx<'_, '_>) -> Step,
    ) -> Outcome {
        let mut entry = Entry {
            memory: &mut self.memory,
            kit,
            now,
            fx,
        };
        let (request, progress) = self.exchange.begin(&mut entry, first);
        self.outcome(request, progress)
    }

    /// Goes on with a request that asked for its body. `None`: it did not, or is gone.
    pub fn body(
        &mut self,
        request: RequestId,
        bytes: &[u8],
        complete: bool,
        kit: &dyn Kit,
        now: &Now<'_>,
        fx: &mut Effects,
    ) -> Option<Outcome> {
        let mut entry = Entry {
            memory: &mut self.memory,
            kit,
            now,
            fx,
        };
        let progress = self.exchange.body(request, bytes, complete, &mut entry)?;
        Some(self.outcome(request, progress))
    }

    /// The host refused to make a call. (One that it took is reported by [`reply`](Self::reply).)
    pub fn refuse(&mut self, call: CallId, kit: &dyn Kit, now: &Now<'_>, fx: &mut Effects) {
        self.settle(call, None, kit, now, fx);
    }

    /// A call was answered.
    pub fn reply(&mut self, call: CallId, response: Response<'_>, kit: &dyn Kit, now: &Now<'_>, fx: &mut Effects) {
        self.settle(call, Some(response), kit, now, fx);
    }

    /// Wakes whose time has come, fetches what is due, and looks after open streams. Early or late calls do no harm.
    pub fn wake(&mut self, kit: &dyn Kit, now: &Now<'_>, fx: &mut Effects) {
        let before = fx.list.len();
        let mut entry = Entry {
            memory: &mut self.memory,
            kit,
            now,
            fx,
        };
        for scope in entry.memory.scopes.ids() {
            if let Some(scope) = entry.memory.scopes.get_mut(scope) {
                scope.tell_override(now.wall, entry.fx);
            }
            self.exchange.run(&mut entry, |office| fetch::wake(scope, office));
        }
        self.exchange.wake(&mut entry);
        self.count_done(fx, before);
        for awaited in streams::look(&mut self.memory, kit, now, fx) {
            let mut entry = Entry {
                memory: &mut self.memory,
                kit,
                now,
                fx,
            };
            self.exchange.run(&mut entry, |office| {
                awaited.demand(office);
            });
        }
        fx.wake_before(self.memory.scopes.next_due());
        fx.wake_before(self.memory.streams.next_due());
    }

    /// The request that alone waits for a call, so that the host can look whether its stream is still there.
    #[must_use]
    pub fn owner(&self, call: CallId) -> Option<RequestId> {
        self.exchange.owner(call)
    }

    /// Forgets a request whose stream is gone.
    pub fn close(&mut self, request: RequestId, fx: &mut Effects) {
        self.exchange.close(request, fx);
    }

    /// Forgets what a decision has opened ([`Decision::stream`]): it is gone, or was never opened.
    pub fn closed(&mut self, stream: StreamId) {
        self.memory.streams.close(stream);
    }

    /// How many streams are looked after.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.memory.streams.len()
    }

    /// The counters since the last flush.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.memory.tally
    }

    fn settle(&mut self, call: CallId, response: Option<Response<'_>>, kit: &dyn Kit, now: &Now<'_>, fx: &mut Effects) {
        let before = fx.list.len();
        let mut entry = Entry {
            memory: &mut self.memory,
            kit,
            now,
            fx,
        };
        self.exchange.settle(call, response, &mut entry);
        self.count_done(fx, before);
    }

    fn outcome(&mut self, request: RequestId, progress: Progress) -> Outcome {
        match progress {
            Progress::Done(decision) => Outcome::Done(self.counted(decision)),
            Progress::NeedBody { max } => Outcome::NeedBody { request, max },
            Progress::Waiting => Outcome::Waiting(request),
        }
    }

    fn counted(&mut self, mut decision: Decision) -> Decision {
        self.memory.count(&mut decision);
        decision
    }

    /// Counts the decisions behind the first `before` effects, which an earlier callback left there.
    fn count_done(&mut self, fx: &mut Effects, before: usize) {
        for effect in fx.list.iter_mut().skip(before) {
            if let Effect::Done(_, decision) = effect {
                self.memory.count(decision);
            }
        }
    }
}

impl Memory {
    /// Counts a decision, and looks after what it opens from now on.
    fn count(&mut self, decision: &mut Decision) {
        self.tally.decided(decision.reason);
        if let Some(admitted) = decision.opens.take() {
            self.tally.count(Counter::StreamOpened);
            decision.stream = Some(self.streams.open(*admitted));
        }
    }
}

/// The decision where no bundle is in force.
fn nobody_decides() -> Decision {
    let reason = Reason::NoBundle;
    Decision {
        reason,
        line: format!("deny;{};-/-;inline;-;->->?", reason.code()),
        action: Action::Answer(Box::new(Answer::new(reason, None, None, &Asked::default()))),
        tried: None,
        stream: None,
        opens: None,
    }
}
