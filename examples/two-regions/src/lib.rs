//! Two regions, us-east-1 and eu-west-1, each with a real Envoy, the filter, an upstream and a policy center; one issuer for both.
//!
//! [`TwoRegions::start`] brings them up, [`walk::walk`] sends one request after the other and compares each answer with what is
//! expected, and [`report`] prints the table. The binary `two-regions` does that (`demo`), or keeps the regions running for you
//! to play with (`up`).

pub mod case;
mod center;
mod control;
mod people;
mod policy;
mod probe;
mod region;
mod regions;
pub mod report;
pub mod up;
pub mod walk;

pub use regions::{Ports, TwoRegions};
