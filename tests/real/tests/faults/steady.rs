//! A client that goes on whatever becomes of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use regionguard_harness::client::{Client, Request, Response};
use regionguard_mesh::Result;
use tokio::task::JoinHandle;

const PAUSE: Duration = Duration::from_millis(40);

pub struct Steady {
    over: Arc<AtomicBool>,
    task: JoinHandle<Vec<(String, Result<Response>)>>,
}

impl Steady {
    /// Sends one request after the other, each over a connection of its own; `request` makes one of its number.
    pub fn start(client: Client, request: impl Fn(usize) -> (String, Request) + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut sent = Vec::new();
            while !ending.load(Ordering::Relaxed) {
                let (path, request) = request(sent.len());
                sent.push((path, client.send(&request).await));
                tokio::time::sleep(PAUSE).await;
            }
            sent
        });
        Self { over, task }
    }

    /// Ends, and gives each path with its answer.
    pub async fn finish(self) -> Result<Vec<(String, Result<Response>)>> {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}
