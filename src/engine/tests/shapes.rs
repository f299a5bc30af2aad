//! The shapes that calls, bodies and timers can take, driven by a scripted host: a hedge, a call that many share, a body, a deadline.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use super::super::exchange::WAITING_MAX;
use super::super::{
    CallId, Cx, Effect, Effects, Engine, Errand, Flow, Kit, Office, Outcome, Outgoing, Owner, RequestId, Step, Wakeup,
};
use crate::Response;
use crate::audit::Counter;
use crate::decision::{Action, Decision};
use crate::identity::{Algorithm, PublicKey, SignatureVerifier};
use crate::reason::Reason;
use crate::time::{Monotonic, Now, WallTime};

struct Nobody;

impl SignatureVerifier for Nobody {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        false
    }
}

struct NoKit(Rc<dyn SignatureVerifier>);

impl Kit for NoKit {
    fn verifier(&self) -> &Rc<dyn SignatureVerifier> {
        &self.0
    }

    fn random(&self) -> Option<[u8; 32]> {
        Some([0; 32])
    }
}

/// A host that does what the script says, and remembers what the engine wanted.
struct Host {
    engine: Engine,
    kit: NoKit,
    milliseconds: u64,
    calls: Vec<(CallId, Owner, String)>,
    cancelled: Vec<CallId>,
    done: Vec<(RequestId, Reason)>,
    wake_at: Option<Monotonic>,
}

impl Host {
    fn new() -> Self {
        Self {
            engine: Engine::new(7),
            kit: NoKit(Rc::new(Nobody)),
            milliseconds: 1000,
            calls: Vec::new(),
            cancelled: Vec::new(),
            done: Vec::new(),
            wake_at: None,
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Engine, &NoKit, &Now<'_>, &mut Effects) -> T) -> T {
        let monotonic = Monotonic(self.milliseconds * 1_000_000);
        let read = move || monotonic;
        let now = Now::new(WallTime(0), &read);
        let mut fx = Effects::default();
        let result = f(&mut self.engine, &self.kit, &now, &mut fx);
        for effect in fx.list {
            match effect {
                Effect::Call(call) => self.calls.push((call.id, call.owner, call.outgoing.cluster)),
                Effect::Cancel(call) => self.cancelled.push(call),
                Effect::Done(request, decision) => self.done.push((request, decision.reason)),
                Effect::RemoveHeader(_)
                | Effect::ReplacePath(_)
                | Effect::Close(_)
                | Effect::Answered(_)
                | Effect::Log(..) => {}
            }
        }
        self.wake_at = fx.wake_at;
        result
    }

    fn begin(&mut self, first: impl FnOnce(&mut Cx<'_, '_>) -> Step) -> Outcome {
        self.with(|engine, kit, now, fx| engine.begin_with(kit, now, fx, first))
    }

    fn waiting(&mut self, first: impl FnOnce(&mut Cx<'_, '_>) -> Step) -> RequestId {
        match self.begin(first) {
            Outcome::Waiting(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn reply(&mut self, call: CallId, status: u16) {
        let response = Response {
            body: Some(b""),
            ..Response::of_status(status)
        };
        self.with(|engine, kit, now, fx| engine.reply(call, response, kit, now, fx));
    }

    fn wake(&mut self, milliseconds: u64) {
        self.milliseconds = milliseconds;
        self.with(|engine, kit, now, fx| engine.wake(kit, now, fx));
    }
}

fn outgoing(cluster: &str) -> Outgoing {
    Outgoing {
        cluster: cluster.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: Duration::from_millis(100),
        response_max: 1024,
    }
}

fn decision(reason: Reason) -> Decision {
    Decision {
        reason,
        line: String::new(),
        action: Action::Continue(None),
        tried: None,
        stream: None,
        opens: None,
    }
}

fn after(milliseconds: u64) -> Monotonic {
    Monotonic(milliseconds * 1_000_000)
}

/// Asks a second center when the first one is slow; the first answer counts.
struct Hedge;

impl Flow for Hedge {
    fn resume(self: Box<Self>, wakeup: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step {
        match wakeup {
            Wakeup::Reply(..) => Step::Done(decision(Reason::CenterAllowed)),
            _ => {
                cx.call(outgoing("second"));
                cx.wake_at(after(5000));
                Step::Wait(self)
            }
        }
    }
}

fn hedge(cx: &mut Cx<'_, '_>) -> Step {
    cx.call(outgoing("first"));
    cx.wake_at(after(1050));
    Step::Wait(Box::new(Hedge))
}

#[test]
fn a_hedged_call_takes_the_first_answer_and_cancels_the_other() {
    let mut host = Host::new();
    let request = host.waiting(hedge);
    assert_eq!(host.wake_at, Some(after(1050)));
    host.wake(1049);
    assert_eq!(host.calls.len(), 1, "not yet");
    host.wake(1050);
    let [(first, owner, _), (second, ..)] = host.calls[..] else {
        panic!("{:?}", host.calls)
    };
    assert_eq!(owner, Owner::Request(request));
    host.reply(second, 200);
    assert_eq!(host.done, [(request, Reason::CenterAllowed)]);
    assert_eq!(host.cancelled, [first]);
    host.reply(first, 200);
    assert_eq!(host.done.len(), 1, "the loser's answer changes nothing");
}

/// Waits for keys that somebody fetches for everybody.
struct AwaitKeys;

impl Flow for AwaitKeys {
    fn resume(self: Box<Self>, wakeup: Wakeup<'_>, _: &mut Cx<'_, '_>) -> Step {
        Step::Done(decision(match wakeup {
            Wakeup::Reply(_, response) if response.status == 200 => Reason::RuleAllowed,
            _ => Reason::KeyUnknown,
        }))
    }
}

struct StoreKeys(Rc<Cell<u32>>);

impl Errand for StoreKeys {
    fn finish(self: Box<Self>, response: Option<Response<'_>>, office: &mut Office<'_, '_>) {
        self.0
            .set(self.0.get() + u32::from(response.is_some_and(|response| response.status == 200)));
        office.memory.tally.count(Counter::CalloutAnswered);
    }
}

fn await_keys(stored: &Rc<Cell<u32>>) -> impl FnOnce(&mut Cx<'_, '_>) -> Step {
    let stored = Rc::clone(stored);
    move |cx| {
        cx.share("keys of us-east-1", || {
            (outgoing("identity"), Box::new(StoreKeys(stored)))
        });
        Step::Wait(Box::new(AwaitKeys))
    }
}

#[test]
fn many_requests_share_one_fetch_which_outlives_the_first() {
    let mut host = Host::new();
    let stored = Rc::new(Cell::new(0));
    let first = host.waiting(await_keys(&stored));
    let second = host.waiting(await_keys(&stored));
    let third = host.waiting(await_keys(&stored));
    assert_eq!(host.calls.len(), 1);
    let (call, owner, _) = host.calls[0].clone();
    assert_eq!(owner, Owner::Engine);
    assert_eq!(host.with(|engine, _, _, _| engine.owner(call)), None);
    host.with(|engine, _, _, fx| engine.close(first, fx));
    assert_eq!(host.cancelled, [], "the others still wait");
    host.reply(call, 200);
    assert_eq!(host.done, [(second, Reason::RuleAllowed), (third, Reason::RuleAllowed)]);
    assert_eq!(stored.get(), 1, "the errand ran once");
    host.waiting(await_keys(&stored));
    assert_eq!(host.calls.len(), 2, "a later request fetches anew");
}

#[test]
fn an_errand_is_finished_though_everybody_has_gone() {
    let mut host = Host::new();
    let stored = Rc::new(Cell::new(0));
    let only = host.waiting(await_keys(&stored));
    host.with(|engine, _, _, fx| engine.close(only, fx));
    host.reply(host.calls[0].0, 200);
    assert_eq!((stored.get(), host.done.len()), (1, 0));
}

#[test]
fn a_refused_call_wakes_all_who_share_it() {
    let mut host = Host::new();
    let stored = Rc::new(Cell::new(0));
    let first = host.waiting(await_keys(&stored));
    let second = host.waiting(await_keys(&stored));
    let call = host.calls[0].0;
    host.with(|engine, kit, now, fx| engine.refuse(call, kit, now, fx));
    assert_eq!(host.done, [(first, Reason::KeyUnknown), (second, Reason::KeyUnknown)]);
}

/// Looks at the body, then asks.
struct Inspect;

impl Flow for Inspect {
    fn resume(self: Box<Self>, wakeup: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step {
        match wakeup {
            Wakeup::Body {
                bytes: b"ask",
                complete: true,
            } => {
                cx.call(outgoing("center"));
                Step::Wait(self)
            }
            Wakeup::Body { complete: false, .. } => Step::Done(decision(Reason::RequestMalformed)),
            Wakeup::Reply(..) => Step::Done(decision(Reason::CenterAllowed)),
            _ => Step::Done(decision(Reason::RuleAllowed)),
        }
    }
}

fn inspect(_: &mut Cx<'_, '_>) -> Step {
    Step::NeedBody {
        max: 64,
        then: Box::new(Inspect),
    }
}

#[test]
fn a_body_is_delivered_once_and_may_lead_to_a_call() {
    let mut host = Host::new();
    let Outcome::NeedBody { request, max: 64 } = host.begin(inspect) else {
        panic!("no body wanted")
    };
    let outcome = host.with(|engine, kit, now, fx| engine.body(request, b"ask", true, kit, now, fx));
    assert!(matches!(outcome, Some(Outcome::Waiting(waiting)) if waiting == request));
    let again = host.with(|engine, kit, now, fx| engine.body(request, b"ask", true, kit, now, fx));
    assert!(again.is_none(), "it does not wait for a body any more");
    host.reply(host.calls[0].0, 200);
    assert_eq!(host.done, [(request, Reason::CenterAllowed)]);
}

#[test]
fn a_body_that_is_cut_off_is_told_so() {
    let mut host = Host::new();
    let Outcome::NeedBody { request, .. } = host.begin(inspect) else {
        panic!("no body wanted")
    };
    let outcome = host.with(|engine, kit, now, fx| engine.body(request, b"as", false, kit, now, fx));
    assert!(matches!(outcome, Some(Outcome::Done(decision)) if decision.reason == Reason::RequestMalformed));
}

#[test]
fn a_wait_without_a_deadline_gets_one() {
    let mut host = Host::new();
    let stored = Rc::new(Cell::new(0));
    let request = host.waiting(await_keys(&stored));
    assert_eq!(host.wake_at, Some(after(61_000)));
    host.wake(61_000);
    assert_eq!(host.done, [(request, Reason::KeyUnknown)]);
    assert_eq!(host.wake_at, None);
}

#[test]
fn a_timer_in_the_past_does_not_spin() {
    struct Again;
    impl Flow for Again {
        fn resume(self: Box<Self>, _: Wakeup<'_>, cx: &mut Cx<'_, '_>) -> Step {
            cx.wake_at(after(1));
            Step::Wait(self)
        }
    }
    let mut host = Host::new();
    host.waiting(|cx| {
        cx.wake_at(after(1));
        Step::Wait(Box::new(Again))
    });
    host.wake(2000);
    assert_eq!(host.wake_at, Some(after(1)), "due again, at the next wake");
}

#[test]
fn closing_a_request_cancels_its_calls_and_forgets_its_timer() {
    let mut host = Host::new();
    let request = host.waiting(hedge);
    let call = host.calls[0].0;
    assert_eq!(host.with(|engine, _, _, _| engine.owner(call)), Some(request));
    host.with(|engine, _, _, fx| engine.close(request, fx));
    assert_eq!(host.cancelled, [call]);
    host.wake(99_000);
    host.reply(call, 200);
    assert_eq!((host.done.len(), host.calls.len()), (0, 1));
}

#[test]
fn what_waits_is_bounded() {
    let mut host = Host::new();
    for _ in 0..WAITING_MAX {
        host.waiting(hedge);
    }
    assert!(host.engine.exchange.is_full());
}
