//! One HTTP/2 connection over TLS that all requests share; it is opened anew when it has ended.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use crate::certs::Authority;
use crate::error::Context as _;
use crate::{Result, ring_provider};

#[derive(Debug)]
pub(super) struct Connection {
    server: SocketAddr,
    tls: Arc<ClientConfig>,
    authorization: String,
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Connection {
    pub(super) fn new(server: SocketAddr, authority: &Authority, token: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().into())?;
        let mut tls = ClientConfig::builder_with_provider(ring_provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            server,
            tls: Arc::new(tls),
            authorization: format!("Bearer {token}"),
            sender: Mutex::new(None),
        })
    }

    /// Sends a request, and reads its whole answer, which is JSON or nothing.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, Value)> {
        let response = self.open(method, path, body).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| serde_json::json!({"message": text.trim()}));
        Ok((status, answer))
    }

    /// Sends a request, and gives the answer as soon as it begins.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.server))
            .header("authorization", &self.authorization)
            .header("accept", "application/json");
        let mut content = Bytes::new();
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind);
            content = body.into();
        }
        let request = request.body(Full::new(content))?;
        Ok(self.sender().await?.send_request(request).await?)
    }

    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        Ok(sender.insert(self.connect().await?).clone())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let failed = || format!("no connection to the Kubernetes API at {}", self.server);
        let stream = TcpStream::connect(self.server).await.context(failed)?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.server.ip().into());
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .context(failed)?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .context(failed)?;
        // It ends by itself when the last sender is dropped; its errors reach the senders.
        tokio::spawn(connection);
        Ok(sender)
    }
}
