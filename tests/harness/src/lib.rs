//! What the end-to-end tests, the demo and the benchmark stand on: real Envoys with the bootstraps and the ECDS file that
//! ship, upstreams, misbehaving servers, token issuers, and clients that can choose their source address and send any bytes.
//!
//! A test reads like this: make a [`RunDir`], an [`Issuer`](issuer::Issuer), an [`Upstream`](upstream::Upstream) and a
//! [`PolicyFolder`](config::PolicyFolder); put them into a [`Config`](config::Config); start an [`Envoy`](envoy::Envoy); send
//! with a [`Client`](client::Client); look at the answer, at the upstream's count, and at the decision line in the
//! [`AccessLog`](access_log::AccessLog). Everything that was started ends when its value is dropped.

pub mod access_log;
pub mod client;
pub mod config;
pub mod documents;
pub mod envoy;
pub mod fault;
pub mod issuer;
pub mod message;
pub mod neighbour;
pub mod policy_folder;
pub mod raw;
mod run_dir;
pub mod shelf;
pub mod signal;
pub mod tls;
pub mod tools;
pub mod upstream;

pub use run_dir::RunDir;

/// What went wrong, in words: a harness reports to people, nobody matches on its errors.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in the harness that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was attempted, in front of the error that it ended with.
pub(crate) trait Context<T> {
    /// Adds `what` to the error's text.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| format!("{}: {error}", what()).into())
    }
}
