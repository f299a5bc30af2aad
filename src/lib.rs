//! The kernel of Regionguard: it decides a request from a policy, a token and a context.
//!
//! It has no host, clock, network or thread of its own: what it needs of the world comes in as arguments, what it wants of the world goes out as effects.

pub mod audit;
mod bounded;
pub mod bundle;
pub mod cel;
pub mod center;
pub mod context;
pub mod decision;
pub mod device;
pub mod engine;
pub mod identity;
pub mod policy;
pub mod reason;
mod remembered;
pub mod request;
mod response;
pub mod risk;
mod sort;
pub mod time;
pub mod version;

pub use response::Response;
