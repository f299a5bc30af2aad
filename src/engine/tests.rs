//! The whole kernel, driven as a host drives it.

#[expect(clippy::arithmetic_side_effects, reason = "times and counters of tests are small")]
mod shapes;

#[cfg(feature = "ring")]
mod answers;
#[cfg(feature = "ring")]
mod attacks;
#[cfg(feature = "ring")]
mod attributes;
#[cfg(feature = "ring")]
mod away;
#[cfg(feature = "ring")]
mod decision_cache;
#[cfg(feature = "ring")]
mod device;
#[cfg(feature = "ring")]
mod documents;
#[cfg(feature = "ring")]
mod edges;
#[cfg(feature = "ring")]
mod forwarding;
#[cfg(feature = "ring")]
mod generations;
#[cfg(feature = "ring")]
mod grants;
#[cfg(feature = "ring")]
#[expect(clippy::arithmetic_side_effects, reason = "times and counters of tests are small")]
mod host;
#[cfg(feature = "ring")]
mod keys;
#[cfg(feature = "ring")]
mod matching;
#[cfg(feature = "ring")]
mod order;
#[cfg(feature = "ring")]
mod overriding;
mod places;
#[cfg(feature = "ring")]
mod posture;
#[cfg(feature = "ring")]
mod proofs;
#[cfg(feature = "ring")]
mod providers;
#[cfg(feature = "ring")]
mod pulled;
#[cfg(feature = "ring")]
mod question;
#[cfg(feature = "ring")]
mod reasons;
#[cfg(feature = "ring")]
mod revocations;
#[cfg(feature = "ring")]
mod risk;
#[cfg(feature = "ring")]
mod sender;
#[cfg(feature = "ring")]
mod service;
#[cfg(feature = "ring")]
mod sources;
#[cfg(feature = "ring")]
mod status_lists;
#[cfg(feature = "ring")]
mod step_up;
#[cfg(feature = "ring")]
mod streams;
#[cfg(feature = "ring")]
mod tokens;
#[cfg(feature = "ring")]
mod trying;
#[cfg(feature = "ring")]
mod trying_apart;
#[cfg(feature = "ring")]
mod workload;
