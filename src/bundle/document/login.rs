//! What a policy or a rule wants to hear of the subject's login.

use core::time::Duration;

/// What says that several factors were used: one of these values of `amr`, or one of these of `acr`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MultiFactor {
    /// Values of `amr` (RFC 8176 §2).
    pub amr: Vec<String>,
    /// Values of `acr`.
    pub acr: Vec<String>,
}

/// `stepUp`: what a token must say of its subject's authentication.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// `acr` is one of these; empty: not restricted.
    pub acr: Vec<String>,
    /// `auth_time` is no longer ago.
    pub max_age: Option<Duration>,
}
