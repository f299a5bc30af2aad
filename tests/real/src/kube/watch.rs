//! What changes, as it changes: a list first, and then the changes since; anew when the server ends it, with what has gone meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
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
    known: Known,
    stream: Option<Stream>,
}

/// The objects that are there, as they were seen last, by `metadata.uid`: an object that is made anew under its name is another one.
#[derive(Debug, Default)]
struct Known(HashMap<String, Value>);

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
            known: Known::default(),
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
            Some("ADDED" | "MODIFIED") => self.waiting.push_back(self.known.present(object)),
            Some("DELETED") => self.waiting.push_back(self.known.gone(object)),
            Some("BOOKMARK") => {}
            // What we have seen is too old to go on from: begin anew.
            _ => self.stream = None,
        }
    }

    async fn begin(&mut self) -> Result<()> {
        let mut list = self.kube.read(&self.path).await?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
        if let Value::Array(items) = list["items"].take() {
            self.waiting.extend(self.known.listed(items));
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

impl Known {
    fn present(&mut self, object: Value) -> Change {
        self.0.insert(uid(&object), object.clone());
        Change::Present(object)
    }

    fn gone(&mut self, object: Value) -> Change {
        self.0.remove(&uid(&object));
        Change::Gone(object)
    }

    /// The changes that lead to a list of all that is there: first what has gone, so that it does not take away its successor.
    fn listed(&mut self, items: Vec<Value>) -> Vec<Change> {
        let there: HashSet<String> = items.iter().map(uid).collect();
        let gone = self.0.extract_if(|uid, _| !there.contains(uid));
        let mut changes: Vec<Change> = gone.map(|(_, object)| Change::Gone(object)).collect();
        changes.extend(items.into_iter().map(|object| self.present(object)));
        changes
    }
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Change, Known};

    fn object(uid: &str, name: &str) -> Value {
        json!({"metadata": {"uid": uid, "name": name}})
    }

    #[test]
    fn what_was_deleted_while_nobody_watched_is_gone_when_the_watch_begins_again() {
        let mut known = Known::default();
        let (kept, replaced) = (object("1", "kept"), object("2", "replaced"));
        let (deleted, seen_to_go) = (object("3", "deleted"), object("4", "seen to go"));
        let first = known.listed(vec![kept.clone(), replaced.clone(), seen_to_go.clone()]);
        assert_eq!(
            first,
            [&kept, &replaced, &seen_to_go].map(|object| Change::Present(object.clone()))
        );
        known.present(deleted.clone());
        known.gone(seen_to_go);

        let again = object("5", "replaced");
        let mut second = known.listed(vec![kept.clone(), again.clone()]);
        assert_eq!(
            second.split_off(2),
            [Change::Present(kept.clone()), Change::Present(again.clone())]
        );
        assert!(
            second.contains(&Change::Gone(replaced)) && second.contains(&Change::Gone(deleted)),
            "{second:?}"
        );

        let third = known.listed(vec![kept.clone(), again.clone()]);
        assert_eq!(third, [Change::Present(kept), Change::Present(again)]);
    }
}
