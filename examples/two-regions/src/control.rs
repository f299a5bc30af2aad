//! A small control address for `up`: stop and start a center with one `curl`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use regionguard_harness::Result;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::region::loopback;

/// What somebody has asked for, and where the answer goes.
pub(crate) struct Command {
    pub(crate) region: String,
    pub(crate) wish: Wish,
    pub(crate) answer: oneshot::Sender<(StatusCode, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Stop,
    Start,
}

/// The control server; it ends when it is dropped.
pub(crate) struct Control {
    address: SocketAddr,
    task: JoinHandle<()>,
    commands: mpsc::Receiver<Command>,
}

impl Control {
    /// Listens on this port of loopback; 0 takes a free one.
    pub(crate) async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(loopback(port)).await?;
        let address = listener.local_addr()?;
        let (sender, commands) = mpsc::channel(1);
        let router = Router::new()
            .route("/centers/{region}/{wish}", post(command))
            .route("/", get(async || USAGE))
            .fallback(async || (StatusCode::NOT_FOUND, USAGE))
            .with_state(sender);
        let task = tokio::spawn(async move {
            // It serves until it is dropped; a connection that fails ends alone.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            task,
            commands,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next command; waits for ever where none comes.
    pub(crate) async fn next(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const USAGE: &str = "POST /centers/{us-east-1,eu-west-1}/{stop,start}\n";

async fn command(
    State(sender): State<mpsc::Sender<Command>>,
    Path((region, wish)): Path<(String, String)>,
) -> (StatusCode, String) {
    let wish = match wish.as_str() {
        "stop" => Wish::Stop,
        "start" => Wish::Start,
        _ => return (StatusCode::NOT_FOUND, USAGE.to_owned()),
    };
    let ended = || (StatusCode::SERVICE_UNAVAILABLE, "it is just ending\n".to_owned());
    let (answer, answered) = oneshot::channel();
    let command = Command { region, wish, answer };
    if sender.send(command).await.is_err() {
        return ended();
    }
    answered.await.unwrap_or_else(|_| ended())
}
