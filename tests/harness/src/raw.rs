//! Requests of any bytes at all, written to a socket as they are.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use crate::client::{Response, connect};
use crate::message::{Message, Reader};
use crate::{Context as _, Result};

/// A request under construction: nothing is added, checked or encoded, but for the line ends.
#[derive(Clone, Debug)]
pub struct RawRequest {
    bytes: Vec<u8>,
    body: Vec<u8>,
}

impl RawRequest {
    /// Begins with the request line `METHOD target HTTP/1.1`.
    #[must_use]
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let bytes = [method.as_bytes(), b" ", target.as_ref(), b" HTTP/1.1\r\n"].concat();
        Self {
            bytes,
            body: Vec::new(),
        }
    }

    /// Adds a header line: `name`, a colon, a space, `value`.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_ref(), b": ", value.as_ref(), b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
        self
    }

    /// Sets the body; its framing is for the header lines to say.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it to `target` from `source`, and reads one response.
    ///
    /// # Errors
    /// When there is no connection, no whole response within 10 s, or the peer closes without one.
    pub async fn send(&self, target: SocketAddr, source: Option<IpAddr>) -> Result<Response> {
        exchange(target, source, &[&self.bytes[..], b"\r\n", &self.body].concat()).await
    }
}

/// Sends exactly `bytes` to `target` from `source`, and reads one response.
///
/// # Errors
/// When there is no connection, no whole response within 10 s, or the peer closes without one.
pub async fn exchange(target: SocketAddr, source: Option<IpAddr>, bytes: &[u8]) -> Result<Response> {
    let began = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(10), async {
        let mut stream = connect(target, source).await?;
        stream.write_all(bytes).await.context(|| "cannot send".to_owned())?;
        let message = Reader::new(stream)
            .response()
            .await
            .context(|| "no whole response".to_owned())?;
        message.ok_or_else(|| crate::Error::from("closed without a response"))
    });
    let message: Message = answer
        .await
        .context(|| format!("no response from {target} within 10 s"))??;
    let status = std::str::from_utf8(message.start_part(1))
        .ok()
        .and_then(|status| status.parse().ok());
    Ok(Response {
        status: status.ok_or("a response without a status")?,
        headers: message
            .headers
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(&name).to_ascii_lowercase(), value))
            .collect(),
        trailers: Vec::new(),
        body: message.body,
        elapsed: began.elapsed(),
    })
}
