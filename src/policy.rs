//! What is allowed: from a request, a subject and a source to an outcome.
//!
//! Policies are compiled once into an index over host, method and path. A request is decided in two steps, because the first needs no identity:
//! [`PolicySet::candidates`] finds the rules that are about its host, method and path and the policies that govern it; [`PolicySet::decide`] weighs their
//! conditions and requirements and combines them. Between the two the engine reads the source and the workload, if [`PolicySet::needs_source`] and [`PolicySet::needs_workload`] say so, refuses
//! what [`PolicySet::refusal_for_everybody`] refuses, and verifies the token.

mod authentication;
mod compile;
mod conditions;
mod decide;
mod explain;
mod forward;
mod hosts;
mod index;
mod label;
mod paths;
mod place;
#[cfg(test)]
mod testing;

pub use compile::{PolicyRef, PolicySet, Rule, RuleRef};
pub use decide::{By, Facts, Outcome, Source};
pub use explain::{Explanation, Holds, PolicySaid, RequirementSaid, RuleSaid, Seen, SubjectSeen};
pub use forward::Forwarding;
pub use index::Candidates;
pub(crate) use index::SPREAD;
