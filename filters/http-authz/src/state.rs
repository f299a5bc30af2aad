//! What one VM holds for all of its plugins: the engine, and which context of the host's belongs to what.

use core::cell::{Cell, RefCell};
use core::hash::{BuildHasher as _, Hasher as _};
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::rc::Rc;
use std::time::Instant;

use regionguard::Response;
use regionguard::bundle::{self, Encoding};
use regionguard::decision::Decision;
use regionguard::engine::{Call, CallId, Effect, Effects, Engine, Input, Level, Outcome, Owner, RequestId, ScopeId};
use regionguard::request::Headers;
use regionguard::time::{Monotonic, Now, WallTime};

use crate::abi::{self, Buffer, FilterAction, HeaderMap, HostError, LogLevel};
use crate::answered::{NO_ROOM, response};
use crate::carry::{Carried, carry_out, refuse};
use crate::metrics::Metrics;
use crate::node;
use crate::open::Open;
use crate::pairs;
use crate::stream::{Stream, Watch};
use crate::verify::HostKit;

/// The largest configuration that is read, in bytes; the kernel refuses less.
const CONFIGURATION_MAX: usize = 32 * 1024 * 1024;
/// A pairs block without pairs: what a header block that cannot be read is taken for, and so refused.
const NO_HEADERS: [u8; 4] = [0; 4];
/// `proxy_status_t`: the call could not be made, as where a cluster has no host to connect to.
const INTERNAL_FAILURE: HostError = HostError(10);
thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::new());
}

/// Runs `f` on this VM's state. Host calls that hand over data re-enter the allocator only, so the state is never borrowed twice; were it, `otherwise` is the answer.
pub(crate) fn with_state<T>(otherwise: T, f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| match state.try_borrow_mut() {
        Ok(mut state) => f(&mut state),
        Err(_) => otherwise,
    })
}

/// A root context: one plugin with one configuration.
struct Root {
    context: u32,
    scope: Option<ScopeId>,
    watch: Cell<Watch>,
    /// Its first tick comes sooner than the others.
    hasty: Cell<bool>,
}

/// A stream that waits.
#[derive(Clone, Copy)]
struct Paused {
    context: u32,
    root: u32,
}

/// A call that the host has taken.
struct OnItsWay {
    call: CallId,
    owner: Owner,
    cluster: String,
    response_max: usize,
}

/// What became of a request in its headers callback, beside its own outcome.
struct Begun {
    /// Every header that only this filter may write was removed, and a token from the query.
    clean: bool,
    /// It waited, and is decided already: the host made no call.
    decision: Option<Decision>,
    /// The wait of another stream ended on the way, and what follows in this callback would be done to that one.
    elsewhere: bool,
}

/// All that one VM holds.
pub(crate) struct State {
    engine: Engine,
    kit: HostKit,
    metrics: Metrics,
    start: Instant,
    roots: Vec<Root>,
    /// The stream that was created last, and its root: the host creates a stream's context directly before its headers.
    newest: (u32, u32),
    paused: HashMap<RequestId, Paused>,
    open: Open,
    /// Calls by root context and the host's token.
    calls: HashMap<(u32, u32), OnItsWay>,
}

impl State {
    fn new() -> Self {
        // The standard library seeds this from the host's random source.
        let seed = RandomState::new().build_hasher().finish();
        let mut engine = Engine::new(seed);
        if let Ok(now) = abi::current_time() {
            engine.began(WallTime(now));
        }
        Self {
            engine,
            kit: HostKit::default(),
            metrics: Metrics::default(),
            start: Instant::now(),
            roots: Vec::new(),
            newest: (0, 0),
            paused: HashMap::new(),
            open: Open::default(),
            calls: HashMap::new(),
        }
    }

    /// A context was created: a root where `parent` is 0.
    pub(crate) fn created(&mut self, context: u32, parent: u32) {
        if parent == 0 {
            self.roots.push(Root {
                context,
                scope: None,
                watch: Cell::new(Watch::Each),
                hasty: Cell::new(false),
            });
        } else {
            self.newest = (context, parent);
        }
    }

    /// Compiles the plugin's configuration and puts it in force. `None`: it is refused, which depends on its bytes alone. Else whether there is something to fetch,
    /// so that the first tick should come soon.
    pub(crate) fn configure(&mut self, root: u32, size: usize) -> Option<bool> {
        let bytes = abi::buffer(Buffer::PluginConfiguration, size.min(CONFIGURATION_MAX)).unwrap_or_default();
        let begin = Instant::now();
        let compiled = bundle::compile(&bytes, Encoding::Detect);
        let took = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.metrics.compiled(took, node::memory());
        let generation = match compiled {
            Ok(generation) => generation,
            Err(diagnostics) => {
                abi::log(
                    LogLevel::Error,
                    &format!(
                        "regionguard: the bundle is refused, with {} findings",
                        diagnostics.len()
                    ),
                );
                for diagnostic in diagnostics {
                    abi::log(LogLevel::Error, &format!("regionguard: {diagnostic}"));
                }
                self.engine.refused();
                self.metrics.flush(self.engine.tally());
                return None;
            }
        };
        for warning in &generation.warnings {
            abi::log(LogLevel::Warn, &format!("regionguard: {warning}"));
        }
        let locality = if generation.local.is_none() {
            node::locality()
        } else {
            None
        };
        let name = abi::property("plugin_root_id")
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        if generation.looks_at_served() {
            self.engine.serves(node::served());
        }
        let mut fx = Effects::default();
        let (scope, _) = self
            .engine
            .activate(&name, Rc::new(generation), locality.as_deref(), &mut fx);
        if let Some(root) = self.roots.iter_mut().find(|known| known.context == root) {
            root.watch.set(Watch::of_node());
            if let Some(before) = root.scope.replace(scope) {
                self.engine.release(before);
            }
        }
        let soon = fx.wake_at.is_some();
        if let Some(known) = self.roots.iter().find(|known| known.context == root) {
            known.hasty.set(soon);
        }
        self.carry_for(root, None, fx);
        self.metrics.flush(self.engine.tally());
        Some(soon)
    }

    /// Flushes counters, wakes whose time has come, and forgets streams and plugins that are gone. Whether the next tick should come at another time than this one.
    pub(crate) fn tick(&mut self, root: u32) -> bool {
        let mut fx = Effects::default();
        self.forget_gone_streams(&mut fx);
        self.forget_gone_roots(&mut fx);
        // Looking for gone contexts makes this callback speak for another one, whose calls would end with that.
        let _ = abi::set_effective_context(root);
        {
            let (wall, read) = host_now(self.start);
            let now = Now::new(wall, &read);
            self.engine.wake(&self.kit, &now, &mut fx);
        }
        self.carry_for(root, None, fx);
        self.metrics.open_streams(self.engine.open_streams());
        self.metrics.flush(self.engine.tally());
        for root in &self.roots {
            root.watch.set(root.watch.get().refreshed());
        }
        let this = self.roots.iter().find(|known| known.context == root);
        this.is_some_and(|this| this.hasty.replace(false))
    }

    /// Decides a request, or begins to.
    pub(crate) fn request_headers(&mut self, stream: u32, has_no_body: bool) -> FilterAction {
        let root = if self.newest.0 == stream { self.newest.1 } else { 0 };
        let plugin = self.roots.iter().find(|known| known.context == root);
        let unknown = Cell::new(Watch::Each);
        let attrs = Stream {
            watch: plugin.map_or(&unknown, |plugin| &plugin.watch),
            has_no_body,
        };
        let scope = plugin.and_then(|plugin| plugin.scope);
        let block = abi::header_pairs(HeaderMap::Request).unwrap_or_default();
        let headers = Headers::parse(&block).or_else(|_| Headers::parse(&NO_HEADERS));
        let mut fx = Effects::default();
        let outcome = match headers {
            Ok(headers) => {
                let (wall, read) = host_now(self.start);
                let now = Now::new(wall, &read);
                self.engine
                    .begin(scope, Input { headers }, &attrs, &self.kit, &now, &mut fx)
            }
            Err(_) => return FilterAction::Pause,
        };
        let waiting = match outcome {
            Outcome::Waiting(request) | Outcome::NeedBody { request, .. } => Some(request),
            Outcome::Done(_) => None,
        };
        if let Some(request) = waiting {
            self.paused.insert(request, Paused { context: stream, root });
        }
        let carried = self.carry_for(root, waiting, fx);
        if carried.elsewhere {
            // Its own context is there as long as its callback runs.
            let _ = abi::set_effective_context(stream);
        }
        if !carried.clean {
            if let (Outcome::Done(decision), _) | (_, Some(decision)) = (&outcome, &carried.decision) {
                decision
                    .stream
                    .into_iter()
                    .for_each(|opened| self.engine.closed(opened));
            }
            return self.give_up(waiting);
        }
        match (outcome, carried.decision) {
            (Outcome::Done(decision), _) | (_, Some(decision)) => match self.carry_out(stream, decision) {
                Carried::GoesOn => FilterAction::Continue,
                Carried::Answered => FilterAction::Pause,
            },
            (Outcome::Waiting(_), None) => FilterAction::Pause,
            // No body callback is exported as long as no rule can ask for a body.
            (Outcome::NeedBody { .. }, None) => self.give_up(waiting),
        }
    }

    /// Carries out a decision on this stream, which is the effective context's, and remembers it if it stays open.
    fn carry_out(&mut self, stream: u32, decision: Decision) -> Carried {
        let opened = decision.stream;
        let carried = carry_out(decision);
        match (opened, carried) {
            (None, _) => {}
            (Some(opened), Carried::GoesOn) => self.open.keep(opened, stream),
            (Some(opened), Carried::Answered) => self.engine.closed(opened),
        }
        carried
    }

    /// Answers a request that the filter cannot carry as decided.
    fn give_up(&mut self, waiting: Option<RequestId>) -> FilterAction {
        if let Some(request) = waiting {
            self.paused.remove(&request);
            let mut fx = Effects::default();
            self.engine.close(request, &mut fx);
            self.carry_for(0, None, fx);
        }
        refuse();
        FilterAction::Pause
    }

    /// A call was answered. `context` is the root's, or the stream's on hosts that tie calls to streams.
    pub(crate) fn call_response(&mut self, context: u32, token: u32, body_size: usize) {
        let root = self.root_of(context);
        let Some(OnItsWay { call, response_max, .. }) = self.calls.remove(&(root, token)) else {
            return;
        };
        let mut fx = Effects::default();
        if let Some(request) = self.engine.owner(call)
            && self.is_gone(request)
        {
            self.paused.remove(&request);
            self.engine.close(request, &mut fx);
        }
        // Whose stream is gone must not make this context speak for another one.
        let _ = abi::set_effective_context(context);
        let block = abi::header_pairs(HeaderMap::CallResponse).unwrap_or_default();
        let body = if body_size > response_max {
            None
        } else {
            Some(abi::buffer(Buffer::CallResponseBody, body_size).unwrap_or_default())
        };
        let response = response(&block, body.as_deref());
        let (wall, read) = host_now(self.start);
        let now = Now::new(wall, &read);
        self.engine.reply(call, response, &self.kit, &now, &mut fx);
        self.carry_for(root, None, fx);
    }

    fn root_of(&self, context: u32) -> u32 {
        if self.roots.iter().any(|root| root.context == context) {
            return context;
        }
        let stream = self.paused.values().find(|paused| paused.context == context);
        stream.map_or(context, |paused| paused.root)
    }

    fn is_gone(&self, request: RequestId) -> bool {
        self.paused
            .get(&request)
            .is_none_or(|paused| abi::set_effective_context(paused.context).is_err())
    }

    /// Carries out effects in order; those that arise on the way follow. `beginning` is the request in whose headers callback this happens, if it waits: the host
    /// cannot be told to let it go on before that callback has returned, so its decision comes back.
    fn carry_for(&mut self, root: u32, beginning: Option<RequestId>, fx: Effects) -> Begun {
        let mut begun = Begun {
            clean: true,
            decision: None,
            elsewhere: false,
        };
        let mut due = VecDeque::from(fx.list);
        while let Some(effect) = due.pop_front() {
            match effect {
                Effect::RemoveHeader(name) => begun.clean &= abi::remove_request_header(&name).is_ok(),
                Effect::ReplacePath(path) => begun.clean &= abi::set_request_header(":path", path).is_ok(),
                Effect::Call(call) => {
                    // A call belongs to the root context of whoever speaks, and is looked for in this one when it is answered.
                    if begun.elsewhere {
                        let _ = abi::set_effective_context(root);
                    }
                    due.extend(self.make(root, call).list);
                }
                Effect::Cancel(call) => self.calls.retain(|_, known| known.call != call),
                Effect::Done(request, decision) if Some(request) == beginning => {
                    self.paused.remove(&request);
                    begun.decision = Some(decision);
                }
                Effect::Done(request, decision) => {
                    begun.elsewhere = true;
                    self.finish(request, decision);
                }
                Effect::Close(opened) => {
                    begun.elsewhere = true;
                    self.open.end(opened);
                }
                Effect::Answered(time) => self.metrics.callout_took(milliseconds(time)),
                Effect::Log(level, message) => log(level, &message),
            }
        }
        begun
    }

    /// Makes a call, and tells the engine at once if the host does not.
    fn make(&mut self, root: u32, call: Call) -> Effects {
        let mut fx = Effects::default();
        let headers = pairs::block(
            call.outgoing
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let timeout = u32::try_from(call.outgoing.timeout.as_millis()).unwrap_or(u32::MAX);
        let made = abi::http_call(&call.outgoing.cluster, &headers, &call.outgoing.body, timeout);
        let (wall, read) = host_now(self.start);
        let now = Now::new(wall, &read);
        match made {
            Ok(token) => {
                let on_its_way = OnItsWay {
                    call: call.id,
                    owner: call.owner,
                    cluster: call.outgoing.cluster,
                    response_max: call.outgoing.response_max,
                };
                self.calls.insert((root, token), on_its_way);
            }
            Err(INTERNAL_FAILURE) => {
                // The host does not say whether the cluster has no host or no room. It has hosts where other calls are on their way to it.
                let mut others = self.calls.values().map(|known| &known.cluster);
                let has_hosts = others.any(|cluster| *cluster == call.outgoing.cluster);
                let status = if has_hosts { NO_ROOM } else { 503 };
                self.engine
                    .reply(call.id, Response::of_status(status), &self.kit, &now, &mut fx);
            }
            Err(_) => self.engine.refuse(call.id, &self.kit, &now, &mut fx),
        }
        fx
    }

    /// Ends a stream's wait.
    fn finish(&mut self, request: RequestId, decision: Decision) {
        let opened = decision.stream;
        let paused = self.paused.remove(&request);
        let Some(paused) = paused.filter(|paused| abi::set_effective_context(paused.context).is_ok()) else {
            opened.into_iter().for_each(|opened| self.engine.closed(opened));
            return;
        };
        if self.carry_out(paused.context, decision) == Carried::GoesOn && abi::continue_request().is_err() {
            abi::log(
                LogLevel::Error,
                "regionguard: the host did not let an allowed request go on",
            );
        }
    }

    /// A stream that is gone leaves its place to others, and no deadline of it passes: who hangs up does not make the center look away. Its call may never be
    /// answered, where the plugin that made it is gone as well.
    fn forget_gone_streams(&mut self, fx: &mut Effects) {
        self.open.forget_gone(&mut self.engine);
        let Self { paused, engine, .. } = self;
        paused.retain(|request, paused| {
            let alive = abi::set_effective_context(paused.context).is_ok();
            if !alive {
                engine.close(*request, fx);
            }
            alive
        });
    }

    /// A root context that is gone takes its scope's activation with it. The host tells of it only through a callback that it would make for every stream too.
    fn forget_gone_roots(&mut self, fx: &mut Effects) {
        let Self {
            roots, engine, calls, ..
        } = self;
        roots.retain(|root| {
            let alive = abi::set_effective_context(root.context).is_ok();
            if !alive && let Some(scope) = root.scope {
                engine.release(scope);
            }
            alive
        });
        // The host drops the calls of a root context together with it, and tells nobody. Those of requests have their own deadlines.
        let is_lost = |root: u32, call: &OnItsWay| {
            call.owner == Owner::Engine && !roots.iter().any(|known| known.context == root)
        };
        let lost: Vec<(u32, u32)> = calls
            .iter()
            .filter(|((root, _), call)| is_lost(*root, call))
            .map(|(place, _)| *place)
            .collect();
        let (wall, read) = host_now(self.start);
        let now = Now::new(wall, &read);
        for place in lost {
            if let Some(call) = calls.remove(&place) {
                engine.reply(call.call, Response::of_status(0), &self.kit, &now, fx);
            }
        }
    }
}

/// The wall clock, and how to read the monotonic one. Where the host has no time, it is the end of time: every token has expired then.
fn host_now(start: Instant) -> (WallTime, impl Fn() -> Monotonic) {
    let wall = WallTime(abi::current_time().unwrap_or(u64::MAX));
    let read = move || Monotonic(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    (wall, read)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn log(level: Level, message: &str) {
    let level = match level {
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
    };
    abi::log(level, &format!("regionguard: {message}"));
}
