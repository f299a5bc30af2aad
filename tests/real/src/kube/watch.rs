//! What changes, as it changes: a list first, and then the changes since; anew when the server ends it.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::Value;

use super::Kube;
use crate::Result;

const AGAIN: Duration = Duration::from_millis(250);

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is there, as the server has it now.
    Present(Value),
    /// It is gone.
    Gone(Value),
}

/// A sequence of changes that does not end.
#[derive(Debug)]
pub struct Watch {
    kube: Kube,
    path: String,
    waiting: VecDeque<Change>,
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    pub(super) fn new(kube: Kube, path: String) -> Self {
        Self {
            kube,
            path,
            waiting: VecDeque::new(),
            stream: None,
        }
    }

    /// The next change; waits for it. While the server is away, it is asked again and again.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return change;
            }
            match &mut self.stream {
                Some(stream) => match stream.next().await {
                    Some(event) => self.take(event),
                    None => self.stream = None,
                },
                None => {
                    if self.begin().await.is_err() {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    fn take(&mut self, mut event: Value) {
        let object = event["object"].take();
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => self.waiting.push_back(Change::Present(object)),
            Some("DELETED") => self.waiting.push_back(Change::Gone(object)),
            Some("BOOKMARK") => {}
            // What we have seen is too old to go on from: begin anew.
            _ => self.stream = None,
        }
    }

    async fn begin(&mut self) -> Result<()> {
        let mut list = self.kube.read(&self.path).await?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
        if let Value::Array(items) = list["items"].take() {
            self.waiting.extend(items.into_iter().map(Change::Present));
        }
        let path = format!("{}?watch=true&resourceVersion={version}", self.path);
        let response = self.kube.connection.open(Method::GET, &path, None).await?;
        if !response.status().is_success() {
            return Err(format!("the watch of `{}` is refused: {}", self.path, response.status()).into());
        }
        self.stream = Some(Stream {
            body: response.into_body(),
            buffer: Vec::new(),
        });
        Ok(())
    }
}

impl Stream {
    /// The next line, which is one event.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).ok();
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
