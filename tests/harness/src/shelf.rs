//! A server of documents that can be told, at any moment, what it has: key sets, lists, configurations, and nothing at all.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::message::{Message, Reader, escaped};
use crate::{Context as _, Result};

/// What is under a path.
#[derive(Clone, Debug)]
pub enum Document {
    /// This, with these headers beside `content-length`. Where one is `etag`, a request that has it already is answered 304.
    Answer {
        /// The status.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The request is read and never answered.
    Hang,
    /// The connection is closed without a word.
    Close,
}

impl Document {
    /// 200 with this JSON.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::status(200, value.to_string())
    }

    /// This status with this body.
    #[must_use]
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer {
                status,
                mut headers,
                body,
            } => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

/// A request as the server received it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The status that it was answered with; 0 where it was not.
    pub status: u16,
}

impl Asked {
    /// The first value of the header `name`, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The server, on a port of loopback. What is not there is answered 404. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Shelf {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Shelf {
    /// Starts on a free port, with nothing on it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(address)
            .await
            .context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
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

    /// Puts a document under a path, from the next request on.
    pub fn put(&self, path: &str, document: Document) {
        lock(&self.state).documents.insert(path.to_owned(), document);
    }

    /// The requests for this path so far, oldest first.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let state = lock(&self.state);
        state.asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// How many requests for this path there were so far.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.asked(path).len()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<String, Document>,
    asked: Vec<Asked>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let mut reader = Reader::new(stream);
    while let Ok(Some(message)) = reader.request().await {
        let (document, answer) = take(&message, &mut lock(&state));
        match document {
            Document::Hang => std::future::pending().await,
            Document::Close => return,
            Document::Answer { .. } => {}
        }
        if reader.stream().write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn take(message: &Message, state: &mut State) -> (Document, Vec<u8>) {
    let path = escaped(message.start_part(1));
    let not_there = Document::status(404, "{}");
    let document = state.documents.get(&path).cloned().unwrap_or(not_there);
    let mut asked = Asked {
        path,
        headers: message
            .headers
            .iter()
            .map(|(name, value)| (escaped(name).to_ascii_lowercase(), escaped(value)))
            .collect(),
        status: 0,
    };
    let mut answer = Vec::new();
    if let Document::Answer { status, headers, body } = &document {
        let etag = headers
            .iter()
            .find(|(name, _)| name == "etag")
            .map(|(_, tag)| tag.as_str());
        let is_known = etag.is_some() && asked.header("if-none-match") == etag;
        let (status, body) = if is_known {
            (304, &[][..])
        } else {
            (*status, body.as_slice())
        };
        asked.status = status;
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        answer = [head.as_bytes(), body].concat();
    }
    state.asked.push(asked);
    (document, answer)
}
