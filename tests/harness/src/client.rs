//! An HTTP client that chooses its protocol and its source address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::tls::{Authority, Identity, SERVER};
use crate::{Context as _, Result};

/// The protocol of a connection, known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

/// Where requests go, from which address, over which protocol.
#[derive(Clone, Debug)]
pub struct Client {
    target: SocketAddr,
    source: Option<IpAddr>,
    protocol: Protocol,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
}

impl Client {
    /// A client of `target` over HTTP/1.1 in plain text, from whatever address the system takes.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            source: None,
            protocol: Protocol::Http1,
            tls: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// The same, from this source address; on Linux any address of 127.0.0.0/8 will do.
    #[must_use]
    pub fn from(&self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self.clone()
        }
    }

    /// The same, over this protocol.
    #[must_use]
    pub fn over(&self, protocol: Protocol) -> Self {
        Self {
            protocol,
            ..self.clone()
        }
    }

    /// The same, over TLS to a server that this authority vouches for, with this certificate or none of its own.
    ///
    /// # Errors
    /// When the certificate and its key do not fit.
    pub fn tls(&self, authority: &Authority, identity: Option<&Identity>) -> Result<Self> {
        Ok(Self {
            tls: Some(authority.client(identity)?),
            ..self.clone()
        })
    }

    /// The same, with this limit for an answer (10 s unless said).
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Errors
    /// When there is no connection, or no whole response in time.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        self.connect().await?.send(request).await
    }

    /// Sends a GET of `path` with the target itself as its authority, as to an admin interface.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.send(&Request::new("GET", path).host(&self.target.to_string()))
            .await
    }

    /// Opens a connection for several requests, one after the other.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn connect(&self) -> Result<Connection> {
        let opened = tokio::time::timeout(self.timeout, self.open()).await;
        let sender = opened.context(|| format!("no connection to {} in time", self.target))??;
        Ok(Connection {
            sender,
            timeout: self.timeout,
        })
    }

    async fn open(&self) -> Result<Sender> {
        let stream = connect(self.target, self.source).await?;
        let Some(config) = &self.tls else {
            return self.shake_hands(stream).await;
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(ServerName::try_from(SERVER)?, stream)
            .await
            .context(|| format!("no TLS connection to {}", self.target))?;
        self.shake_hands(stream).await
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S) -> Result<Sender> {
        let io = TokioIo::new(stream);
        let failed = || format!("no HTTP connection to {}", self.target);
        Ok(match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.context(failed)?;
                // It ends by itself when the sender is dropped; its errors reach the sender's callers.
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.context(failed)?;
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    timeout: Duration,
}

impl Connection {
    /// Sends one request and reads its whole response.
    ///
    /// # Errors
    /// When the connection has ended, or there is no whole response in time.
    pub async fn send(&mut self, request: &Request) -> Result<Response> {
        let began = Instant::now();
        let limit = self.timeout;
        let answer = tokio::time::timeout(limit, async {
            let response = match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request.build(Protocol::Http1)?).await?
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request.build(Protocol::Http2)?).await?
                }
            };
            let (head, body) = response.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().map(pairs).unwrap_or_default();
            let (status, headers) = (head.status.as_u16(), pairs(&head.headers));
            Result::Ok(Response {
                status,
                headers,
                trailers,
                body: body.to_bytes().to_vec(),
                elapsed: began.elapsed(),
            })
        });
        answer
            .await
            .context(|| format!("no response to `{} {}` within {limit:?}", request.method, request.path))?
    }
}

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

impl Request {
    /// A request without headers and body, to the authority `localhost`.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self {
            method,
            path,
            host: "localhost".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Sets the authority: `host` of HTTP/1.1, `:authority` of HTTP/2.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Adds a header; one name may come several times.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn build(&self, protocol: Protocol) -> Result<hyper::Request<Full<Bytes>>> {
        let bad = || format!("`{} {}` to `{}` needs a RawRequest", self.method, self.path, self.host);
        let uri = match protocol {
            Protocol::Http1 => self.path.clone(),
            Protocol::Http2 => format!("http://{}{}", self.host, self.path),
        };
        let mut builder = hyper::Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).context(bad)?)
            .uri(uri.parse::<Uri>().context(bad)?);
        if protocol == Protocol::Http1 {
            builder = builder.header("host", &self.host);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value.as_slice());
        }
        builder.body(Full::new(self.body.clone())).context(bad)
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, with their values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The trailers of a gRPC answer, as the headers.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// From before the request was sent until the body's end.
    pub elapsed: Duration,
}

impl Response {
    /// The first value of the header `name` (lower case), as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        first(&self.headers, name)
    }

    /// The first value of the trailer `name` (lower case), or of the header where an answer has no trailers: a gRPC status.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<String> {
        first(&self.trailers, name).or_else(|| first(&self.headers, name))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context(|| format!("not JSON: `{}`", self.text()))
    }
}

/// Opens a TCP connection from `source`, where it matters.
pub(crate) async fn connect(target: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream> {
    let failed = || format!("cannot connect to {target}");
    let stream = match source {
        None => TcpStream::connect(target).await.context(failed)?,
        Some(source) => {
            let socket = if target.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }
            .context(failed)?;
            socket
                .bind(SocketAddr::new(source, 0))
                .context(|| format!("cannot take {source} as the source"))?;
            socket.connect(target).await.context(failed)?
        }
    };
    stream.set_nodelay(true).context(failed)?;
    Ok(stream)
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn first(headers: &[(String, Vec<u8>)], name: &str) -> Option<String> {
    let (_, value) = headers.iter().find(|(key, _)| key == name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}
