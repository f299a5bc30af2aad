//! A regional policy center: the policy decision point that the examples, the demo and the benchmark of Regionguard ask.
//!
//! It answers the access evaluation of the [OpenID AuthZEN Authorization API 1.0] and Envoy's plain HTTP `ext_authz`
//! check from the same Rego policies, and it runs as the binary `regional-center` or inside a test:
//!
//! ```
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let center = regional_center::Center::embedded("us-east-1")?.quiet();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! println!("listening on {}", listener.local_addr()?);
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = tokio::spawn(regional_center::serve(listener, center, async {
//!     stopped.await.ok();
//! }));
//! stop.send(()).ok();
//! server.await??;
//! # Ok(())
//! # }
//! ```
//!
//! It has no TLS and authenticates nobody: it belongs on a loopback address, or behind a proxy that does both.
//!
//! [OpenID AuthZEN Authorization API 1.0]: https://openid.net/specs/authorization-api-1_0.html

mod center;
mod check;
mod log;
mod policies;
mod question;
mod routes;
mod server;
mod strict_json;

pub use center::Center;
pub use policies::{Decision, EvaluationError, LoadError, Sources};
pub use question::{Question, QuestionError};
pub use server::serve;
