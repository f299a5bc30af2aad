//! The kernel of Regionguard.

pub mod context;
