//! A server of documents that change: key sets, lists, whatever a proxy fetches on a schedule.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::message::{Message, Reader, escaped};
use crate::{Context as _, Result};

/// What is answered at one path.
#[derive(Clone, Debug)]
pub struct Document {
    /// The status.
    pub status: u16,
    /// Header lines beside `content-length` and `etag`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it has an entity tag: a hash of its body, for which a request that names it gets 304.
    pub tagged: bool,
}

impl Document {
    /// A body with status 200 and an entity tag.
    #[must_use]
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
            tagged: true,
        }
    }

    /// JSON.
    #[must_use]
    pub fn json(body: &serde_json::Value) -> Self {
        Self::new("application/json", body.to_string())
    }

    /// A status and nothing more.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            tagged: false,
        }
    }

    /// The entity tag.
    #[must_use]
    pub fn etag(&self) -> String {
        let hash = digest(&SHA256, &self.body);
        let digits: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("\"{digits}\"")
    }
}

/// A request as it came, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The path with its query.
    pub path: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status of the answer.
    pub status: u16,
}

impl Fetch {
    /// The first value of a header (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The server, HTTP/1.1 on a port of loopback. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct DocumentServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<String, Document>,
    fetches: Vec<Fetch>,
}

impl DocumentServer {
    /// Starts without documents on a free port: every path is answered 404.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .context(|| "cannot listen".to_owned())?;
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

    /// Answers so at `path`, query included, from the next request on.
    pub fn set(&self, path: &str, document: Document) {
        lock(&self.state).documents.insert(path.to_owned(), document);
    }

    /// The requests so far, oldest first.
    #[must_use]
    pub fn fetches(&self) -> Vec<Fetch> {
        lock(&self.state).fetches.clone()
    }

    /// The requests for `path` so far.
    #[must_use]
    pub fn fetches_of(&self, path: &str) -> Vec<Fetch> {
        let mut fetches = self.fetches();
        fetches.retain(|fetch| fetch.path == path);
        fetches
    }
}

impl Drop for DocumentServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    // A connection that breaks is the client's business: what counts is which requests came in.
    let _ = stream.set_nodelay(true);
    let mut reader = Reader::new(stream);
    while let Ok(Some(request)) = reader.request().await {
        let answer = answer(&request, &state);
        if reader.stream().write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer(request: &Message, state: &Mutex<State>) -> Vec<u8> {
    let path = escaped(request.start_part(1));
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (escaped(name).to_ascii_lowercase(), escaped(value)));
    let mut state = lock(state);
    let document = state.documents.get(&path).cloned();
    let document = document.unwrap_or_else(|| Document::status(404));
    let mut fetch = Fetch {
        path,
        headers: headers.collect(),
        status: document.status,
    };
    let mut head = String::new();
    let mut body = document.body.as_slice();
    if document.tagged {
        let etag = document.etag();
        if fetch.header("if-none-match") == Some(&etag) {
            fetch.status = 304;
            body = &[];
        }
        head.push_str(&format!("etag: {etag}\r\n"));
    }
    for (name, value) in &document.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if fetch.status != 304 {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let start = format!("HTTP/1.1 {} Status\r\n{head}\r\n", fetch.status);
    state.fetches.push(fetch);
    [start.as_bytes(), body].concat()
}
