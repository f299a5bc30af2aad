//! What is allowed: from a request, a subject and a source to an outcome.
//!
//! Policies are compiled once into an index over host, method and path; what else a rule says of the request itself is looked at for the few that it finds. A request is decided in two steps, because the first needs no identity:
//! [`PolicySet::candidates`] finds the rules that are about it and the policies that govern it; [`PolicySet::decide`] weighs their
//! conditions and requirements and combines them. Between the two the engine reads the source and the workload, if [`PolicySet::needs_source`] and [`PolicySet::needs_workload`] say so, refuses
//! what [`PolicySet::refusal_for_everybody`] refuses, and verifies the token.

mod about;
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
mod shadow;
mod standing;
#[cfg(test)]
mod testing;
mod variables;
mod when;

pub use about::{Asked, Told};
pub use compile::{PolicyRef, PolicySet, Rule, RuleRef};
pub use decide::{Attributes, By, Facts, Outcome, Source};
pub use explain::{
    BesideSaid, DemandSaid, Explanation, Holds, LoginSeen, PartSaid, PolicySaid, RequirementSaid, RuleSaid, Seen,
    SubjectSeen,
};
pub use forward::Forwarding;
pub use index::Candidates;
pub(crate) use index::SPREAD;
pub use standing::{Presence, Served};
pub use variables::Requested;
pub use when::{Reach, When};
