//! A center that can be told, at any moment, how to behave: properly, or in each of the ways that a center goes wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::message::{Message, Reader, escaped};
use crate::{Context as _, Result};

/// What the server does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Answers 200 with this JSON and echoes `x-request-id`, as a center should.
    Answer(Value),
    /// The same after a while.
    AnswerAfter(Duration, Value),
    /// Closes the connection without a word.
    CloseAtOnce,
    /// Reads the request and never answers.
    Hang,
    /// Sends the head of an answer, and then never its body.
    HangInBody,
    /// Answers with this status and a JSON body that would allow, so that only the status tells.
    Status(u16),
    /// Answers 200 with a body that is not JSON.
    Garbage,
    /// Sends bytes that are not HTTP.
    NotHttp,
    /// Answers 200 with a JSON text of about this many bytes, which would allow.
    Huge(usize),
    /// Answers 200 and allows, under another `x-request-id`.
    WrongRequestId,
    /// Answers 200 and allows, without an `x-request-id`.
    NoRequestId,
    /// Answers 302 with a `location` elsewhere.
    Redirect,
}

impl Behaviour {
    /// The plain answer `{"decision": …}`.
    #[must_use]
    pub fn decide(decision: bool) -> Self {
        Self::Answer(json!({"decision": decision}))
    }
}

/// One request as the server received it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request line.
    pub line: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, or null where it is not JSON.
    pub body: Value,
}

/// The server, on a port of loopback. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl FaultServer {
    /// Starts on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(behaviour: Behaviour) -> Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour).await
    }

    /// Starts at this address, as to come back where an earlier one was.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            behaviour,
            calls: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does from the next request on.
    pub fn set(&self, behaviour: Behaviour) {
        lock(&self.state).behaviour = behaviour;
    }

    /// The requests so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// How many requests there were so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.state).calls.len()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    calls: Vec<Call>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let mut reader = Reader::new(stream);
    // A client that goes away is part of the game: the calls are recorded before anything is sent.
    while let Ok(Some(message)) = reader.request().await {
        let behaviour = {
            let mut state = lock(&state);
            state.calls.push(call(&message));
            state.behaviour.clone()
        };
        let Some(answer) = answer(&behaviour, &message).await else {
            return;
        };
        if reader.stream().write_all(&answer).await.is_err() {
            return;
        }
        if behaviour == Behaviour::HangInBody {
            std::future::pending::<()>().await;
        }
    }
}

async fn answer(behaviour: &Behaviour, message: &Message) -> Option<Vec<u8>> {
    let id = message.header("x-request-id").map(escaped);
    let allow = json!({"decision": true}).to_string();
    Some(match behaviour {
        Behaviour::Answer(value) => response(200, id.as_deref(), "", &value.to_string()),
        Behaviour::AnswerAfter(delay, value) => {
            tokio::time::sleep(*delay).await;
            response(200, id.as_deref(), "", &value.to_string())
        }
        Behaviour::CloseAtOnce => return None,
        Behaviour::Hang => std::future::pending().await,
        Behaviour::HangInBody => {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"dec".to_vec()
        }
        Behaviour::Status(status) => response(*status, id.as_deref(), "", &allow),
        Behaviour::Garbage => response(200, id.as_deref(), "", "<html>\u{e9}{\"decision\":true}"),
        Behaviour::NotHttp => b"\x00\x01\x02 nobody speaks this\r\n\r\n".to_vec(),
        Behaviour::Huge(size) => {
            let body = json!({"decision": true, "context": {"reason_admin": {"en": "x".repeat(*size)}}});
            response(200, id.as_deref(), "", &body.to_string())
        }
        Behaviour::WrongRequestId => response(200, Some("another-question"), "", &allow),
        Behaviour::NoRequestId => response(200, None, "", &allow),
        Behaviour::Redirect => response(302, id.as_deref(), "location: http://127.0.0.1:1/\r\n", &allow),
    })
}

fn response(status: u16, id: Option<&str>, more: &str, body: &str) -> Vec<u8> {
    let id = id.map(|id| format!("x-request-id: {id}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n{id}{more}");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn call(message: &Message) -> Call {
    let headers = message.headers.iter();
    Call {
        line: escaped(&message.start_line),
        headers: headers
            .map(|(name, value)| (escaped(name).to_ascii_lowercase(), escaped(value)))
            .collect(),
        body: serde_json::from_slice(&message.body).unwrap_or_default(),
    }
}
