//! The service behind the proxy: it answers with what it received, and counts.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::message::{Message, Reader, escaped};
use crate::{Context as _, Result};

const KEPT: usize = 1000;

/// An echo server for HTTP/1.1 and for HTTP/2 by prior knowledge, on a free port of loopback.
///
/// It answers 200 with JSON: `{"method", "path", "protocol", "headers": [[name, value], …], "body"}`, where bytes outside of
/// printable ASCII are written `\xE9`. A request with content-type `application/grpc` gets an empty gRPC answer whose trailers
/// say `grpc-status: 0`. It ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts the echo server.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        Self::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), State::default()).await
    }

    /// Starts the echo server at this address.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        Self::serve(address, State::default()).await
    }

    /// Starts a server that only counts, and answers 200 with `body`: for measuring what stands in front of it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_constant(body: &str) -> Result<Self> {
        let state = State {
            constant: Some(Bytes::copy_from_slice(body.as_bytes())),
            ..State::default()
        };
        Self::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), state).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have reached it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::SeqCst)
    }

    /// What has reached it, in the form of its answers: the first 1,000 requests, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Value> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(address: SocketAddr, state: State) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // The connections end with the accept loop, so that a dropped upstream is really gone.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, task })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
struct State {
    count: AtomicU64,
    seen: Mutex<Vec<Value>>,
    constant: Option<Bytes>,
}

impl State {
    fn answer(&self, echo: impl FnOnce() -> Value) -> Bytes {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(constant) = &self.constant {
            return constant.clone();
        }
        let echo = echo();
        let text = echo.to_string();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < KEPT {
            seen.push(echo);
        }
        text.into()
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let mut first = [0; 3];
    let http2 = matches!(stream.peek(&mut first).await, Ok(3)) && &first == b"PRI";
    // A connection that breaks is the client's business: what counts is which requests came in.
    let _ = stream.set_nodelay(true);
    if http2 {
        let service = service_fn(move |request| answer_http2(request, Arc::clone(&state)));
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    } else {
        let _ = answer_http1(stream, &state).await;
    }
}

async fn answer_http1(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = Reader::new(stream);
    while let Some(message) = reader.request().await? {
        let body = state.answer(|| echo_http1(&message));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let body = if message.start_part(0) == b"HEAD" {
            Bytes::new()
        } else {
            body
        };
        reader.stream().write_all(&[head.as_bytes(), &body].concat()).await?;
    }
    Ok(())
}

fn echo_http1(message: &Message) -> Value {
    let headers = message
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    echo(
        &escaped(message.start_part(0)),
        &escaped(message.start_part(1)),
        "HTTP/1.1",
        headers.map(|(name, value)| [escaped(&name), escaped(&value)]).collect(),
        &message.body,
    )
}

type Reply = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer_http2(
    request: Request<Incoming>,
    state: Arc<State>,
) -> std::result::Result<Response<Reply>, hyper::Error> {
    let (head, body) = request.into_parts();
    let grpc = head
        .headers
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let body = body.collect().await?.to_bytes();
    let answer = state.answer(|| {
        let mut headers: Vec<[String; 2]> = Vec::new();
        if let Some(authority) = head.uri.authority() {
            headers.push([":authority".to_owned(), authority.to_string()]);
        }
        headers.extend(
            head.headers
                .iter()
                .map(|(name, value)| [name.to_string(), escaped(value.as_bytes())]),
        );
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        echo(head.method.as_str(), path, "HTTP/2", headers, &body)
    });
    let (kind, reply) = if grpc {
        let trailers = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let empty_message = Bytes::from_static(&[0; 5]);
        (
            "application/grpc",
            Full::new(empty_message)
                .with_trailers(async move { Some(Ok(trailers)) })
                .boxed(),
        )
    } else {
        ("application/json", Full::new(answer).boxed())
    };
    let mut response = Response::new(reply);
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(kind));
    Ok(response)
}

fn echo(method: &str, path: &str, protocol: &str, headers: Vec<[String; 2]>, body: &[u8]) -> Value {
    json!({"method": method, "path": path, "protocol": protocol, "headers": headers, "body": escaped(body)})
}
