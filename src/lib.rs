//! The kernel of Regionguard: it decides a request from a policy, a token and a context.

pub mod request;
