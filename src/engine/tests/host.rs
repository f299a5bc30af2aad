//! A host that does what the script says, remembers what the engine wanted, and checks what must always hold.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::super::{
    Activation, Attrs, Call, CallId, Effect, Effects, Engine, Input, Kit, Level, Outcome, RequestId, ScopeId, StreamId,
};
use super::tokens::START;
use crate::Response;
use crate::audit::Counter;
use crate::bundle::{Encoding, Generation, compile};
use crate::decision::{Action, Answer, Decision, Forwarded};
use crate::identity::{Proofs, RingVerifier, SignatureVerifier};
use crate::reason::{Reason, Verdict};
use crate::request::{Headers, encode};
use crate::time::{Monotonic, Now, WallTime};

const SECOND: u64 = 1_000_000_000;

/// What was counted, and how often.
type Sums<T> = Vec<(T, u64)>;

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) lines: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A `GET` of the usual host.
pub(super) fn get(path: &str) -> Request {
    Request { lines: Vec::new() }
        .header(":method", "GET")
        .header(":authority", "api.us-east-1.com")
        .header(":scheme", "https")
        .header(":path", path)
        .header("x-request-id", "r-1")
}

impl Request {
    /// One more line.
    pub(super) fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.lines.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Another value in the line of this name.
    pub(super) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let line = self
            .lines
            .iter_mut()
            .find(|(found, _)| found == name.as_bytes())
            .expect("a line of this name");
        line.1 = value.as_ref().to_vec();
        self
    }

    /// Without the lines of this name.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.lines.retain(|(found, _)| found != name.as_bytes());
        self
    }

    pub(super) fn method(self, method: &str) -> Self {
        self.set(":method", method)
    }

    pub(super) fn host(self, authority: &str) -> Self {
        self.set(":authority", authority)
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    fn block(&self) -> Vec<u8> {
        let lines: Vec<(&[u8], &[u8])> = self
            .lines
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        encode(&lines)
    }
}

/// What a center answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<&'static str>,
    pub(super) request_id: Option<&'static str>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Reply {
    /// An answer with a body.
    pub(super) fn of(body: &Json) -> Self {
        Self {
            status: 200,
            content_type: Some("application/json"),
            request_id: Some("r-1"),
            headers: Vec::new(),
            body: Some(body.to_string()),
        }
    }

    /// A plain yes or no.
    pub(super) fn decision(allow: bool) -> Self {
        Self::of(&json!({"decision": allow}))
    }

    /// A status and nothing more.
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            request_id: None,
            headers: Vec::new(),
            body: Some(String::new()),
        }
    }
}

struct Stream<'a> {
    peer: Option<&'a [u8]>,
    has_line: bool,
    outbound: bool,
    port: Option<u16>,
    has_no_body: bool,
    port_reads: &'a Cell<u32>,
    certificate: Option<&'a [u8]>,
    digest: Option<&'a [u8]>,
    peer_reads: &'a Cell<u32>,
    certificate_reads: &'a Cell<u32>,
}

impl Attrs for Stream<'_> {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        self.peer_reads.set(self.peer_reads.get() + 1);
        self.peer.map(<[u8]>::to_vec)
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.certificate_reads.set(self.certificate_reads.get() + 1);
        self.certificate.map(<[u8]>::to_vec)
    }

    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        self.certificate_reads.set(self.certificate_reads.get() + 1);
        self.digest.map(<[u8]>::to_vec)
    }

    fn destination_port(&self) -> Option<u16> {
        self.port_reads.set(self.port_reads.get() + 1);
        self.port
    }

    fn has_no_body(&self) -> bool {
        self.has_no_body
    }

    fn is_outbound(&self) -> bool {
        self.outbound
    }

    fn has_line(&self) -> bool {
        self.has_line
    }
}

struct Verifies {
    verifier: Rc<dyn SignatureVerifier>,
}

impl Kit for Verifies {
    fn verifier(&self) -> &Rc<dyn SignatureVerifier> {
        &self.verifier
    }

    fn random(&self) -> Option<[u8; 32]> {
        Some([9; 32])
    }
}

/// The engine, its host, and what came out.
pub(super) struct World {
    pub(super) engine: Engine,
    kit: Verifies,
    /// The plugin that requests come to.
    pub(super) scope: Option<ScopeId>,
    /// The label of the bundle that was pushed last.
    pub(super) label: String,
    /// Both clocks, in nanoseconds since [`START`].
    pub(super) wall: u64,
    pub(super) monotonic: u64,
    /// The direct peer's address, as the host prints it.
    pub(super) peer: Option<Vec<u8>>,
    /// Whether a line is there before the filter.
    pub(super) has_line: bool,
    /// Whether requests come in through a sidecar's outbound listener.
    pub(super) outbound: bool,
    /// The port that connections are made to.
    pub(super) port: Option<u16>,
    /// Whether requests end with their headers.
    pub(super) has_no_body: bool,
    pub(super) port_reads: Cell<u32>,
    /// The peer's certificate, as the host gives it.
    pub(super) certificate: Option<Vec<u8>>,
    /// Its digest, as the host prints it.
    pub(super) digest: Option<Vec<u8>>,
    pub(super) peer_reads: Cell<u32>,
    pub(super) certificate_reads: Cell<u32>,
    pub(super) clock_reads: Cell<u32>,
    pub(super) calls: Vec<Call>,
    pub(super) cancelled: Vec<CallId>,
    pub(super) done: Vec<(RequestId, Decision)>,
    pub(super) ended: Vec<StreamId>,
    pub(super) logs: Vec<(Level, String)>,
    /// The headers that the last request lost.
    pub(super) removed: Vec<Vec<u8>>,
    /// The `:path` that the last request got before it was decided.
    pub(super) path: Option<Vec<u8>>,
}

impl World {
    /// A host without a bundle.
    pub(super) fn empty() -> Self {
        let mut engine = Engine::new(7);
        engine.began(WallTime((START - 3_600) * SECOND));
        Self {
            engine,
            kit: Verifies {
                verifier: Rc::new(RingVerifier),
            },
            scope: None,
            label: String::new(),
            wall: 0,
            monotonic: 0,
            peer: Some(b"127.0.1.9".to_vec()),
            has_line: false,
            outbound: false,
            port: None,
            has_no_body: true,
            port_reads: Cell::new(0),
            certificate: None,
            digest: None,
            peer_reads: Cell::new(0),
            certificate_reads: Cell::new(0),
            clock_reads: Cell::new(0),
            calls: Vec::new(),
            cancelled: Vec::new(),
            done: Vec::new(),
            ended: Vec::new(),
            logs: Vec::new(),
            removed: Vec::new(),
            path: None,
        }
    }

    /// From now on no more than so many proofs are remembered.
    pub(super) fn remember_proofs(&mut self, places: usize) {
        self.engine.memory.proofs = Proofs::with_places(places, 7);
        self.engine.began(WallTime((START - 3_600) * SECOND));
    }

    /// A host with this bundle in force.
    pub(super) fn new(bundle: &Json) -> Self {
        let mut world = Self::empty();
        world.push(bundle);
        world
    }

    /// Pushes a bundle to the usual plugin, which requests come to from now on.
    pub(super) fn push(&mut self, bundle: &Json) -> Activation {
        self.push_to("regionguard", bundle, None).1
    }

    /// Pushes a bundle to the plugin `root`, on a node with this locality.
    pub(super) fn push_to(&mut self, root: &str, bundle: &Json, locality: Option<&str>) -> (ScopeId, Activation) {
        let generation = compiled(bundle);
        self.label.clone_from(&generation.label);
        let generation = Rc::new(generation);
        let (scope, activation) = self.with(|engine, _, _, fx| engine.activate(root, generation, locality, fx));
        self.scope = Some(scope);
        (scope, activation)
    }

    /// Lets time pass on both clocks.
    pub(super) fn pass(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).expect("a time");
        (self.wall, self.monotonic) = (self.wall + nanos, self.monotonic + nanos);
    }

    /// Begins a request.
    pub(super) fn begin(&mut self, request: &Request) -> Outcome {
        let (block, peer) = (request.block(), self.peer.clone());
        let (certificate, digest) = (self.certificate.clone(), self.digest.clone());
        let (reads, certificate_reads, port_reads) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let headers = Headers::parse(&block).expect("a block of headers");
        let stream = Stream {
            peer: peer.as_deref(),
            has_line: self.has_line,
            outbound: self.outbound,
            port: self.port,
            has_no_body: self.has_no_body,
            port_reads: &port_reads,
            certificate: certificate.as_deref(),
            digest: digest.as_deref(),
            peer_reads: &reads,
            certificate_reads: &certificate_reads,
        };
        let scope = self.scope;
        self.removed.clear();
        self.path = None;
        let outcome = self.with(|engine, kit, now, fx| engine.begin(scope, Input { headers }, &stream, kit, now, fx));
        self.peer_reads.set(self.peer_reads.get() + reads.get());
        self.port_reads.set(self.port_reads.get() + port_reads.get());
        self.certificate_reads
            .set(self.certificate_reads.get() + certificate_reads.get());
        if let Outcome::Done(decision) = &outcome {
            check(decision, request);
        }
        outcome
    }

    /// The decision on a request that needs nobody else.
    #[track_caller]
    pub(super) fn decide(&mut self, request: &Request) -> Decision {
        match self.begin(request) {
            Outcome::Done(decision) => decision,
            other => panic!("{other:?}"),
        }
    }

    /// Why a request that needs nobody else is decided as it is.
    #[track_caller]
    pub(super) fn reason(&mut self, request: &Request) -> Reason {
        self.decide(request).reason
    }

    /// A request that has to wait.
    #[track_caller]
    pub(super) fn wait(&mut self, request: &Request) -> RequestId {
        match self.begin(request) {
            Outcome::Waiting(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The decision on a request that waits for a center, which answers so.
    #[track_caller]
    pub(super) fn answered(&mut self, request: &Request, reply: &Reply) -> Decision {
        let id = self.wait(request);
        self.reply(self.calls.last().expect("a call").id, reply);
        self.finished(id)
    }

    /// Delivers an answer.
    pub(super) fn reply(&mut self, call: CallId, reply: &Reply) {
        let named = [("content-type", reply.content_type), ("x-request-id", reply.request_id)];
        let mut lines: Vec<(&[u8], &[u8])> = named
            .iter()
            .filter_map(|(name, value)| Some((name.as_bytes(), (*value)?.as_bytes())))
            .collect();
        lines.extend(
            reply
                .headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        );
        let block = encode(&lines);
        let response = Response {
            status: reply.status,
            headers: Headers::parse(&block).expect("a block of headers"),
            body: reply.body.as_deref().map(str::as_bytes),
        };
        self.with(|engine, kit, now, fx| engine.reply(call, response, kit, now, fx));
    }

    /// The host does not make a call.
    pub(super) fn refuse(&mut self, call: CallId) {
        self.with(|engine, kit, now, fx| engine.refuse(call, kit, now, fx));
    }

    /// The host refuses two calls, and carries out what comes of both together.
    pub(super) fn refuse_both(&mut self, first: CallId, second: CallId) {
        self.with(|engine, kit, now, fx| {
            engine.refuse(first, kit, now, fx);
            engine.refuse(second, kit, now, fx);
        });
    }

    /// The stream of a request is gone.
    pub(super) fn close(&mut self, request: RequestId) {
        self.with(|engine, _, _, fx| engine.close(request, fx));
    }

    /// The stream that a decision has opened is gone.
    pub(super) fn closed(&mut self, stream: StreamId) {
        self.with(|engine, _, _, _| engine.closed(stream));
    }

    pub(super) fn wake(&mut self) {
        self.with(|engine, kit, now, fx| engine.wake(kit, now, fx));
    }

    /// The decision on a request that waits no longer.
    #[track_caller]
    pub(super) fn finished(&mut self, id: RequestId) -> Decision {
        let at = self.done.iter().position(|(done, _)| *done == id).expect("a decision");
        self.done.swap_remove(at).1
    }

    /// What the last call asks.
    #[track_caller]
    pub(super) fn question(&self) -> Json {
        serde_json::from_slice(&self.calls.last().expect("a call").outgoing.body).expect("JSON")
    }

    /// The counters that are not zero, and the decisions that were counted.
    pub(super) fn counted(&mut self) -> (Sums<Counter>, Sums<Reason>) {
        let (mut counters, mut decisions) = (Vec::new(), Vec::new());
        self.engine.tally().drain(
            |reason, sum| decisions.push((reason, sum)),
            |counter, sum| counters.push((counter, sum)),
        );
        (counters, decisions)
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Engine, &dyn Kit, &Now<'_>, &mut Effects) -> T) -> T {
        let (monotonic, reads) = (Monotonic(self.monotonic), &self.clock_reads);
        let read = || {
            reads.set(reads.get() + 1);
            monotonic
        };
        let now = Now::new(WallTime(START * SECOND + self.wall), &read);
        let mut fx = Effects::default();
        let result = f(&mut self.engine, &self.kit, &now, &mut fx);
        for effect in fx.list {
            match effect {
                Effect::Call(call) => self.calls.push(call),
                Effect::Cancel(call) => self.cancelled.push(call),
                Effect::Done(request, decision) => {
                    check(&decision, &get("/"));
                    self.done.push((request, decision));
                }
                Effect::RemoveHeader(name) => self.removed.push(name),
                Effect::ReplacePath(path) => self.path = Some(path),
                Effect::Log(level, line) => {
                    assert!(
                        line.bytes().all(|byte| matches!(byte, 0x20..=0x7E)),
                        "a log line of visible ASCII: {line:?}"
                    );
                    self.logs.push((level, line));
                }
                Effect::Close(stream) => self.ended.push(stream),
                Effect::Answered(_) => {}
            }
        }
        result
    }
}

#[track_caller]
fn compiled(bundle: &Json) -> Generation {
    compile(bundle.to_string().as_bytes(), Encoding::Detect).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

/// What holds of every decision, whatever was asked.
fn check(decision: &Decision, request: &Request) {
    let row = decision.reason.row();
    let fields: Vec<&str> = decision.line.split(';').collect();
    assert_eq!(fields.len(), 6, "{}", decision.line);
    assert!(
        decision.line.bytes().all(|byte| byte.is_ascii_graphic()),
        "{:?}",
        decision.line
    );
    assert_eq!((fields[0], fields[1]), (row.verdict.as_str(), row.code));
    let mut told = decision.line.clone();
    match &decision.action {
        Action::Continue(forwarded) => {
            assert_eq!(row.verdict, Verdict::Allow, "{}", decision.line);
            for (name, value) in forwarded.iter().flat_map(|forwarded| &forwarded.headers) {
                assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{name}: {value:?}");
                told.push_str(value);
            }
        }
        Action::Answer(answer) => {
            assert_eq!(row.verdict, Verdict::Deny, "{}", decision.line);
            assert_eq!(answer.details, format!("regionguard.{}", row.code));
            for (name, value) in &answer.headers {
                assert!(
                    value.bytes().all(|byte| matches!(byte, 0x20..=0x7E)),
                    "{name}: {value:?}"
                );
                told.push_str(value);
            }
            told.push_str(&answer.body);
        }
    }
    for (_, value) in request
        .lines
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"authorization"))
    {
        let credential = value.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let secret = String::from_utf8_lossy(credential).into_owned();
        assert!(
            secret.len() < 8 || !told.contains(&secret),
            "a credential is told: {told}"
        );
    }
}

/// What goes on to the upstream.
#[track_caller]
pub(super) fn forwarded(decision: &Decision) -> &Forwarded {
    decision
        .forwarded()
        .unwrap_or_else(|| panic!("{}: {:?}", decision.line, decision.action))
}

/// What the caller is answered.
#[track_caller]
pub(super) fn answer(decision: &Decision) -> &Answer {
    match &decision.action {
        Action::Answer(answer) => answer,
        Action::Continue(forwarded) => panic!("{}: {forwarded:?}", decision.line),
    }
}

/// A header of an answer.
pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .iter()
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.as_str())
}

/// One field of the decision line, from 0.
#[track_caller]
pub(super) fn field(decision: &Decision, index: usize) -> &str {
    decision.line.split(';').nth(index).expect("a field")
}
