//! Requests that wait, calls on their way, and which of them belong together.
//!
//! It knows nothing of tokens or policies: a [`Flow`] decides what a request does next, this delivers what it waits for. One request may have several calls
//! (a hedge, a chain), many requests may share one call that is the engine's, a request may wait for its body, and each wait ends by a deadline.

use std::collections::{BTreeSet, HashMap};

use core::time::Duration;

use super::Memory;
use super::effects::{Call, CallId, Effect, Effects, Outgoing, Owner, RequestId};
use super::fetch::ResourceId;
use super::host::Kit;
use crate::Response;
use crate::decision::Decision;
use crate::time::{Monotonic, Now};

/// As many requests may wait at once in one worker; the next one is refused.
pub(super) const WAITING_MAX: usize = 4096;
/// A request that names no deadline of its own is woken after this time.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a waiting request does next.
pub trait Flow {
    /// Goes on with what arrived.
    fn resume(self: Box<Self>, wakeup: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step;
}

/// What a waiting request is woken by.
#[derive(Clone, Copy, Debug)]
pub enum Wakeup<'a> {
    /// A call was answered.
    Reply(CallId, Response<'a>),
    /// The host refused a call.
    Refused(CallId),
    /// The whole body, or as much of it as was asked for (`complete: false`: there is more).
    Body {
        /// The body as far as it is here.
        bytes: &'a [u8],
        /// Whether this is all of it.
        complete: bool,
    },
    /// The time that it asked for has come.
    Timer,
    /// What it waited for has changed, or will not for now: see [`Cx::wait_for`].
    Told,
}

/// What a flow wants.
pub enum Step {
    /// It is decided.
    Done(Decision),
    /// It needs the body, up to `max` bytes.
    NeedBody {
        /// In bytes.
        max: usize,
        /// Who goes on with it.
        then: Box<dyn Flow>,
    },
    /// It waits for its calls or its timer.
    Wait(Box<dyn Flow>),
}

/// What is done with the answer to a call of the engine's, before those who wait for it are woken.
pub trait Errand {
    /// Takes the answer, or `None` if the host refused the call.
    fn finish(self: Box<Self>, response: Option<Response<'_>>, office: &mut Office<'_, '_>);
}

/// What the engine may do for itself, whoever waits.
pub struct Office<'a, 'h> {
    /// What is remembered between requests.
    pub memory: &'a mut Memory,
    /// What any callback has of the host.
    pub kit: &'a dyn Kit,
    /// Both clocks.
    pub now: &'a Now<'h>,
    /// What goes out.
    pub fx: &'a mut Effects,
    exchange: &'a mut Exchange,
}

impl Office<'_, '_> {
    /// Makes a call that belongs to the engine; `errand` takes its answer.
    pub fn dispatch(&mut self, outgoing: Outgoing, errand: Box<dyn Errand>) {
        let fate = Fate {
            errand: Some(errand),
            key: None,
            waiters: Vec::new(),
            sent_at: self.now.monotonic(),
        };
        let id = self.exchange.new_call(fate);
        self.fx.push(Effect::Call(Call {
            id,
            owner: Owner::Engine,
            outgoing,
        }));
    }

    /// Wakes, once this errand is done, all requests that wait for `resource`.
    pub fn tell(&mut self, resource: ResourceId) {
        self.exchange.told.push(resource);
    }
}

/// What a flow may do.
pub struct Cx<'a, 'h> {
    /// What is remembered between requests.
    pub memory: &'a mut Memory,
    /// What any callback has of the host.
    pub kit: &'a dyn Kit,
    /// Both clocks.
    pub now: &'a Now<'h>,
    /// What goes out.
    pub fx: &'a mut Effects,
    exchange: &'a mut Exchange,
    request: RequestId,
}

impl Cx<'_, '_> {
    /// Makes a call of this request's own.
    pub fn call(&mut self, outgoing: Outgoing) -> CallId {
        let id = self.exchange.new_call(Fate {
            errand: None,
            key: None,
            waiters: vec![self.request],
            sent_at: self.now.monotonic(),
        });
        self.exchange.waits_for(self.request, id);
        self.fx.push(Effect::Call(Call {
            id,
            owner: Owner::Request(self.request),
            outgoing,
        }));
        id
    }

    /// Joins the engine's call `key`, or makes it: it outlives this request, and `errand` takes its answer whoever still waits.
    pub fn share(&mut self, key: &str, errand: impl FnOnce() -> (Outgoing, Box<dyn Errand>)) -> CallId {
        if let Some(&id) = self.exchange.shared.get(key) {
            if let Some(fate) = self.exchange.calls.get_mut(&id) {
                fate.waiters.push(self.request);
            }
            self.exchange.waits_for(self.request, id);
            return id;
        }
        let (outgoing, errand) = errand();
        let fate = Fate {
            errand: Some(errand),
            key: Some(key.to_owned()),
            waiters: vec![self.request],
            sent_at: self.now.monotonic(),
        };
        let id = self.exchange.new_call(fate);
        self.exchange.shared.insert(key.to_owned(), id);
        self.exchange.waits_for(self.request, id);
        self.fx.push(Effect::Call(Call {
            id,
            owner: Owner::Engine,
            outgoing,
        }));
        id
    }

    /// Has this request woken when something becomes of `resource`. It waits for one at a time.
    pub(super) fn wait_for(&mut self, resource: ResourceId) {
        self.exchange.listen(self.request, resource);
    }

    /// What the engine may do beside this request.
    pub(super) fn office(&mut self) -> Office<'_, '_> {
        Office {
            memory: self.memory,
            kit: self.kit,
            now: self.now,
            fx: self.fx,
            exchange: self.exchange,
        }
    }

    /// Forgets a call of this request's; a shared one goes on without it.
    pub fn cancel(&mut self, call: CallId) {
        self.exchange.leave(self.request, call, self.fx);
    }

    /// Wakes this request at `at`, unless something else does before; the earlier of two times holds.
    pub fn wake_at(&mut self, at: Monotonic) {
        self.exchange.set_timer(self.request, at);
    }
}

/// A request that waits.
#[derive(Default)]
struct Waiting {
    flow: Option<Box<dyn Flow>>,
    calls: Vec<CallId>,
    timer: Option<Monotonic>,
    resource: Option<ResourceId>,
    body: bool,
}

/// What becomes of a call.
struct Fate {
    errand: Option<Box<dyn Errand>>,
    key: Option<String>,
    waiters: Vec<RequestId>,
    sent_at: Monotonic,
}

/// Where a request stands after a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// It is decided, and forgotten.
    Done(Decision),
    /// It needs its body.
    NeedBody {
        /// In bytes.
        max: usize,
    },
    /// It waits.
    Waiting,
}

/// All that waits.
#[derive(Default)]
pub(super) struct Exchange {
    requests: HashMap<RequestId, Waiting>,
    calls: HashMap<CallId, Fate>,
    shared: HashMap<String, CallId>,
    timers: BTreeSet<(Monotonic, RequestId)>,
    listening: BTreeSet<(ResourceId, RequestId)>,
    /// Whose listeners are to be woken.
    told: Vec<ResourceId>,
    last: u64,
}

/// What every entry into the exchange comes with.
pub(super) struct Entry<'a, 'h> {
    pub(super) memory: &'a mut Memory,
    pub(super) kit: &'a dyn Kit,
    pub(super) now: &'a Now<'h>,
    pub(super) fx: &'a mut Effects,
}

impl Exchange {
    pub(super) fn is_full(&self) -> bool {
        self.requests.len() >= WAITING_MAX
    }

    /// Lets a new request take its first step.
    pub(super) fn begin(
        &mut self,
        entry: &mut Entry<'_, '_>,
        first: impl FnOnce(&mut Cx<'_, '_>) -> Step,
    ) -> (RequestId, Progress) {
        let request = RequestId(self.next());
        self.requests.insert(request, Waiting::default());
        let step = first(&mut self.cx(request, entry));
        (request, self.follow(request, step, entry))
    }

    /// Hands a request the body that it asked for; `None`: it did not, or is gone.
    pub(super) fn body(
        &mut self,
        request: RequestId,
        bytes: &[u8],
        complete: bool,
        entry: &mut Entry<'_, '_>,
    ) -> Option<Progress> {
        if !self.requests.get(&request)?.body {
            return None;
        }
        self.resume(request, Wakeup::Body { bytes, complete }, entry)
    }

    /// Delivers the answer to a call, or that the host refused it. Requests that are done thereby go out as effects.
    pub(super) fn settle(&mut self, call: CallId, response: Option<Response<'_>>, entry: &mut Entry<'_, '_>) {
        let Some(fate) = self.calls.remove(&call) else { return };
        if let Some(key) = &fate.key {
            self.shared.remove(key);
        }
        // How long a request's own calls take is what its caller feels.
        if response.is_some() && fate.errand.is_none() {
            entry
                .fx
                .push(Effect::Answered(entry.now.monotonic().since(fate.sent_at)));
        }
        if let Some(errand) = fate.errand {
            self.run(entry, |office| errand.finish(response, office));
        }
        for request in fate.waiters {
            if let Some(waiting) = self.requests.get_mut(&request) {
                waiting.calls.retain(|held| *held != call);
                let wakeup = response.map_or(Wakeup::Refused(call), |response| Wakeup::Reply(call, response));
                self.resume_and_report(request, wakeup, entry);
            }
        }
    }

    /// Does some of the engine's own work, and wakes who was told by it.
    pub(super) fn run(&mut self, entry: &mut Entry<'_, '_>, work: impl FnOnce(&mut Office<'_, '_>)) {
        work(&mut Office {
            memory: entry.memory,
            kit: entry.kit,
            now: entry.now,
            fx: entry.fx,
            exchange: self,
        });
        for resource in core::mem::take(&mut self.told) {
            let listeners: Vec<RequestId> = self
                .listening
                .range((resource, RequestId(0))..=(resource, RequestId(u64::MAX)))
                .map(|(_, request)| *request)
                .collect();
            for request in listeners {
                self.deafen(request);
                self.clear_timer(request);
                self.resume_and_report(request, Wakeup::Told, entry);
            }
        }
    }

    /// Wakes whose time has come, and says when the next one's does.
    pub(super) fn wake(&mut self, entry: &mut Entry<'_, '_>) {
        let now = entry.now.monotonic();
        let due: Vec<RequestId> = self
            .timers
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, request)| *request)
            .collect();
        for request in due {
            self.clear_timer(request);
            self.resume_and_report(request, Wakeup::Timer, entry);
        }
        entry.fx.wake_at = self.timers.first().map(|(at, _)| *at);
    }

    /// Forgets a request whose stream is gone.
    pub(super) fn close(&mut self, request: RequestId, fx: &mut Effects) {
        self.clear_timer(request);
        self.deafen(request);
        if let Some(waiting) = self.requests.remove(&request) {
            for call in waiting.calls {
                self.forget(request, call, fx);
            }
        }
    }

    /// The request that alone waits for a call, if there is one.
    pub(super) fn owner(&self, call: CallId) -> Option<RequestId> {
        let fate = self.calls.get(&call)?;
        if fate.errand.is_some() {
            None
        } else {
            fate.waiters.first().copied()
        }
    }

    fn resume_and_report(&mut self, request: RequestId, wakeup: Wakeup<'_>, entry: &mut Entry<'_, '_>) {
        if let Some(Progress::Done(decision)) = self.resume(request, wakeup, entry) {
            entry.fx.push(Effect::Done(request, decision));
        }
    }

    fn resume(&mut self, request: RequestId, wakeup: Wakeup<'_>, entry: &mut Entry<'_, '_>) -> Option<Progress> {
        let flow = self.requests.get_mut(&request)?.flow.take()?;
        let step = flow.resume(wakeup, &mut self.cx(request, entry));
        Some(self.follow(request, step, entry))
    }

    fn follow(&mut self, request: RequestId, step: Step, entry: &mut Entry<'_, '_>) -> Progress {
        let (flow, body, progress) = match step {
            Step::Done(decision) => {
                self.close(request, entry.fx);
                return Progress::Done(decision);
            }
            Step::NeedBody { max, then } => (then, true, Progress::NeedBody { max }),
            Step::Wait(flow) => (flow, false, Progress::Waiting),
        };
        if let Some(waiting) = self.requests.get_mut(&request) {
            waiting.flow = Some(flow);
            waiting.body = body;
            if waiting.timer.is_none() {
                self.set_timer(request, entry.now.monotonic().after(WAIT_MAX));
            }
        }
        entry.fx.wake_at = self.timers.first().map(|(at, _)| *at);
        progress
    }

    fn cx<'a, 'h>(&'a mut self, request: RequestId, entry: &'a mut Entry<'_, 'h>) -> Cx<'a, 'h> {
        Cx {
            memory: entry.memory,
            kit: entry.kit,
            now: entry.now,
            fx: entry.fx,
            exchange: self,
            request,
        }
    }

    fn new_call(&mut self, fate: Fate) -> CallId {
        let id = CallId(self.next());
        self.calls.insert(id, fate);
        id
    }

    fn waits_for(&mut self, request: RequestId, call: CallId) {
        if let Some(waiting) = self.requests.get_mut(&request) {
            waiting.calls.push(call);
        }
    }

    fn leave(&mut self, request: RequestId, call: CallId, fx: &mut Effects) {
        if let Some(waiting) = self.requests.get_mut(&request) {
            waiting.calls.retain(|held| *held != call);
        }
        self.forget(request, call, fx);
    }

    /// A request's own call ends with its interest in it; the engine's goes on.
    fn forget(&mut self, request: RequestId, call: CallId, fx: &mut Effects) {
        let Some(fate) = self.calls.get_mut(&call) else { return };
        fate.waiters.retain(|waiter| *waiter != request);
        if fate.errand.is_none() && fate.waiters.is_empty() {
            self.calls.remove(&call);
            fx.push(Effect::Cancel(call));
        }
    }

    fn set_timer(&mut self, request: RequestId, at: Monotonic) {
        let Some(waiting) = self.requests.get_mut(&request) else {
            return;
        };
        match waiting.timer {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(later, request));
            }
            None => {}
        }
        waiting.timer = Some(at);
        self.timers.insert((at, request));
    }

    fn listen(&mut self, request: RequestId, resource: ResourceId) {
        self.deafen(request);
        if let Some(waiting) = self.requests.get_mut(&request) {
            waiting.resource = Some(resource);
            self.listening.insert((resource, request));
        }
    }

    fn deafen(&mut self, request: RequestId) {
        if let Some(resource) = self
            .requests
            .get_mut(&request)
            .and_then(|waiting| waiting.resource.take())
        {
            self.listening.remove(&(resource, request));
        }
    }

    fn clear_timer(&mut self, request: RequestId) {
        if let Some(at) = self.requests.get_mut(&request).and_then(|waiting| waiting.timer.take()) {
            self.timers.remove(&(at, request));
        }
    }

    fn next(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}
