//! The host of a trial: it has one stream, a clock that stands still, and answers for everybody who is asked.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use regionguard::Response;
use regionguard::decision::Decision;
use regionguard::engine::{Attrs, Call, Effect, Effects, Engine, Explained, Input, Kit, Outcome, Owner, ScopeId};
use regionguard::identity::{RingVerifier, SignatureVerifier};
use regionguard::request::{Headers, encode};
use regionguard::time::{Monotonic, Now, WallTime};
use serde_json::{Value, json};

use super::der::Certificate;
use super::token::Minted;
use super::{Center, Stage, Trial};

/// Since when the engine has seen all requests: long enough that no proof of a sender can be older.
const BEGAN_BEFORE: Duration = Duration::from_secs(24 * 3_600);
/// Answers within one trial, at most: a request asks for a list or two, and for one decision.
const ANSWERS: usize = 64;

/// How long a request that waits is left alone at a time, and how often: longer in all than any Region may have requests wait.
const WAIT: Duration = Duration::from_secs(1);
const WAITS: usize = 120;

/// What was decided, and what was done to the request before that.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Headers that only the filter may write.
    pub(super) removed: Vec<Vec<u8>>,
    /// `:path` without the token that its query held.
    pub(super) path: Option<Vec<u8>>,
    /// What the center was asked.
    pub(super) question: Option<String>,
}

/// How it ends.
pub(super) enum Ended {
    Decided(Box<Decided>),
    /// The center is asked this.
    Asked(String),
}

/// The host of one trial.
pub(super) struct Host<'t> {
    pub(super) stage: &'t Stage,
    pub(super) trial: &'t Trial,
    pub(super) certificate: Option<&'t Certificate>,
    pub(super) minted: Option<&'t Minted>,
    /// The posture token of the device.
    pub(super) posture: Option<&'t str>,
}

impl Host<'_> {
    /// Begins the request of these lines, and answers until it is decided.
    ///
    /// # Errors
    /// When these lines are no request that a proxy hands on.
    pub(super) fn run(&mut self, lines: &[(String, String)]) -> Result<Ended, String> {
        let block = block(lines);
        let headers = Headers::parse(&block).map_err(|_| TOO_LARGE)?;
        let (mut run, scope, stream) = self.ready()?;
        let outcome =
            run.with(|engine, kit, now, fx| engine.begin(Some(scope), Input { headers }, &stream, kit, now, fx));
        let question = match outcome {
            Outcome::Done(decision) => {
                run.decision = Some(decision);
                None
            }
            Outcome::NeedBody { .. } => return Err("a rule asks for the body of the request".to_owned()),
            Outcome::Waiting(_) => self.wait(&mut run)?,
        };
        match (run.decision, question) {
            (Some(decision), question) => Ok(Ended::Decided(Box::new(Decided {
                decision,
                removed: run.removed,
                path: run.path,
                question,
            }))),
            (None, Some(question)) => Ok(Ended::Asked(question)),
            (None, None) => Err("the request waits, and nobody was asked".to_owned()),
        }
    }

    /// What the request of these lines meets.
    ///
    /// # Errors
    /// When these lines are no request that a proxy hands on.
    pub(super) fn explain(&mut self, lines: &[(String, String)]) -> Result<Explained, String> {
        let block = block(lines);
        let headers = Headers::parse(&block).map_err(|_| TOO_LARGE)?;
        let (mut run, scope, stream) = self.ready()?;
        if self.stage.generation.policies.looks_at_attributes() {
            // What a replica tells is known once the request has been judged.
            let outcome =
                run.with(|engine, kit, now, fx| engine.begin(Some(scope), Input { headers }, &stream, kit, now, fx));
            if matches!(outcome, Outcome::Waiting(_)) {
                self.wait(&mut run)?;
            }
        }
        let explained = run.with(|engine, kit, now, _| engine.explain(scope, Input { headers }, &stream, kit, now));
        explained.ok_or_else(|| "no bundle serves".to_owned())
    }

    /// An engine in which the bundle serves, and has what it fetches; and the stream of the request.
    fn ready(&self) -> Result<(Run, ScopeId, Stream<'_>), String> {
        let mut run = Run {
            engine: Engine::new(7),
            kit: Tools {
                verifier: Rc::new(RingVerifier),
            },
            at: self.trial.at,
            passed: 0,
            calls: VecDeque::new(),
            decision: None,
            removed: Vec::new(),
            path: None,
        };
        let began = self.trial.at.0.saturating_sub(nanoseconds(BEGAN_BEFORE));
        run.engine.began(WallTime(began));
        let (generation, locality) = (Rc::clone(&self.stage.generation), self.trial.locality.as_deref());
        run.engine.serves(self.trial.serves.clone());
        let scope = run.with(|engine, _, _, fx| engine.activate("trial", generation, locality, fx).0);
        if let Some(risk) = self.trial.risk {
            run.engine.suppose(scope, risk);
        }
        run.with(|engine, kit, now, fx| engine.wake(kit, now, fx));
        self.answer(&mut run)?;
        let stream = Stream {
            address: self.trial.address.map(|address| address.to_string()),
            certificate: self.certificate,
            port: self.trial.port,
            has_no_body: !self
                .trial
                .request
                .headers
                .iter()
                .any(|(name, value)| match name.as_str() {
                    "content-length" => value != "0",
                    "transfer-encoding" => true,
                    _ => false,
                }),
        };
        // The effects of before are not the request's.
        run.removed.clear();
        Ok((run, scope, stream))
    }

    /// Answers until the request is decided or the center is asked; where the request waits for what nobody has, its patience ends.
    fn wait(&self, run: &mut Run) -> Result<Option<String>, String> {
        for _ in 0..WAITS {
            let question = self.answer(run)?;
            if run.decision.is_some() || question.is_some() {
                return Ok(question);
            }
            run.passed = run.passed.saturating_add(nanoseconds(WAIT));
            run.with(|engine, kit, now, fx| engine.wake(kit, now, fx));
        }
        Ok(None)
    }

    /// Answers whoever is asked, until nobody is, or the center is and nobody says what it answers. What the center was asked.
    fn answer(&self, run: &mut Run) -> Result<Option<String>, String> {
        let mut question = None;
        for _ in 0..ANSWERS {
            let Some(call) = run.calls.pop_front() else {
                return Ok(question);
            };
            if matches!(call.owner, Owner::Request(_)) {
                let asked = String::from_utf8_lossy(&call.outgoing.body).into_owned();
                question = Some(asked);
                let Some(center) = self.trial.center else {
                    return Ok(question);
                };
                run.reply(&call, of_center(center));
            } else if self.is_for_replica(&call) {
                run.reply(&call, self.attributes());
            } else {
                let reply = self.list(&call)?;
                run.reply(&call, reply);
            }
        }
        Err("the engine asks without end".to_owned())
    }

    /// Whether a call is for the identity replica of the Region whose token was signed: who asks is the only subject of whom anybody wants to know.
    fn is_for_replica(&self, call: &Call) -> bool {
        let Some(minted) = self.minted else { return false };
        let mut regions = self.stage.generation.regions.iter();
        let replica = regions
            .find(|region| region.name == minted.home)
            .and_then(|region| region.replica.as_ref());
        replica.is_some_and(|replica| {
            let (before, behind) = &replica.path;
            let path = header(call, ":path").unwrap_or_default();
            replica.cluster == call.outgoing.cluster
                && path.starts_with(before.as_str())
                && path.ends_with(behind.as_str())
        })
    }

    /// What an identity replica tells of who asks.
    fn attributes(&self) -> Reply {
        match &self.trial.identity {
            _ if self.trial.replicas_away => Reply::of_status(503),
            None => Reply::of_status(404),
            Some(attributes) => Reply::json(Value::Object(attributes.clone()).to_string()),
        }
    }

    /// What a server of lists of revocations answers.
    fn list(&self, call: &Call) -> Result<Reply, String> {
        if self.trial.lists_away {
            return Ok(Reply::of_status(503));
        }
        let revoked = self.minted.filter(|minted| minted.revoked);
        let is_status_list = header(call, "accept").is_some_and(|accept| accept.contains("statuslist"));
        if !is_status_list {
            let tokens: Vec<_> = revoked.iter().map(|minted| json!({"jti": minted.id})).collect();
            return Ok(Reply::json(json!({"tokens": tokens}).to_string()));
        }
        let Some((minted, list)) = self.minted.and_then(|minted| Some((minted, minted.status_list()?))) else {
            return Ok(Reply::of_status(404));
        };
        let issuer = self.stage.issuers.iter().find(|issuer| issuer.region == minted.home);
        let token = issuer
            .ok_or("nobody signs the status list")?
            .sign(None, "statuslist+jwt", &list)?;
        Ok(Reply {
            status: 200,
            content_type: Some("application/statuslist+jwt"),
            body: token.into_bytes(),
        })
    }
}

const TOO_LARGE: &str = "the request has too many headers, or too large ones";

fn block(lines: &[(String, String)]) -> Vec<u8> {
    let pairs: Vec<(&[u8], &[u8])> = lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    encode(&pairs)
}

/// The engine, and what it wants.
struct Run {
    engine: Engine,
    kit: Tools,
    at: WallTime,
    /// The monotonic clock, which only a request that waits for nobody sees move.
    passed: u64,
    calls: VecDeque<Call>,
    decision: Option<Decision>,
    removed: Vec<Vec<u8>>,
    path: Option<Vec<u8>>,
}

impl Run {
    fn reply(&mut self, call: &Call, reply: Reply) {
        let id = header(call, "x-request-id");
        let named = [("content-type", reply.content_type), ("x-request-id", id)];
        let lines: Vec<(&[u8], &[u8])> = named
            .iter()
            .filter_map(|(name, value)| Some((name.as_bytes(), (*value)?.as_bytes())))
            .collect();
        let block = encode(&lines);
        let response = Response {
            status: reply.status,
            headers: Headers::parse(&block).unwrap_or(Headers::NONE),
            body: Some(&reply.body),
        };
        self.with(|engine, kit, now, fx| engine.reply(call.id, response, kit, now, fx));
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Engine, &dyn Kit, &Now<'_>, &mut Effects) -> T) -> T {
        let monotonic = Monotonic(self.passed);
        let read = || monotonic;
        let now = Now::new(self.at, &read);
        let mut fx = Effects::default();
        let result = f(&mut self.engine, &self.kit, &now, &mut fx);
        for effect in fx.list {
            match effect {
                Effect::Call(call) => self.calls.push_back(call),
                Effect::Cancel(id) => self.calls.retain(|call| call.id != id),
                Effect::Done(_, decision) => self.decision = Some(decision),
                Effect::RemoveHeader(name) => self.removed.push(name),
                Effect::ReplacePath(path) => self.path = Some(path),
                Effect::Close(_) | Effect::Answered(_) | Effect::Log(..) => {}
            }
        }
        result
    }
}

struct Reply {
    status: u16,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Reply {
    fn of_status(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            body: Vec::new(),
        }
    }

    fn json(body: String) -> Self {
        Self {
            status: 200,
            content_type: Some("application/json"),
            body: body.into_bytes(),
        }
    }
}

fn of_center(center: Center) -> Reply {
    match center {
        Center::Allow => Reply::json(json!({"decision": true}).to_string()),
        Center::Deny => Reply::json(json!({"decision": false}).to_string()),
        Center::Away => Reply::of_status(503),
        Center::Wrong => Reply::of_status(500),
    }
}

fn header<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    let mut headers = call.outgoing.headers.iter();
    headers
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.as_str())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

struct Stream<'t> {
    address: Option<String>,
    certificate: Option<&'t Certificate>,
    port: Option<u16>,
    /// As far as its headers tell.
    has_no_body: bool,
}

impl Attrs for Stream<'_> {
    fn direct_peer(&self) -> Option<Vec<u8>> {
        self.address.as_ref().map(|address| address.clone().into_bytes())
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.certificate.map(|certificate| certificate.pem.clone().into_bytes())
    }

    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        self.certificate.map(|certificate| certificate.digest().into_bytes())
    }

    fn destination_port(&self) -> Option<u16> {
        self.port
    }

    fn has_no_body(&self) -> bool {
        self.has_no_body
    }

    fn is_outbound(&self) -> bool {
        false
    }

    fn has_line(&self) -> bool {
        false
    }
}

struct Tools {
    verifier: Rc<dyn SignatureVerifier>,
}

impl Kit for Tools {
    fn verifier(&self) -> &Rc<dyn SignatureVerifier> {
        &self.verifier
    }

    fn random(&self) -> Option<[u8; 32]> {
        Some([9; 32])
    }
}
