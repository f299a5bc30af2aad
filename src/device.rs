//! On what: the posture of the device that a request comes from, and what policies demand of it.
//!
//! A posture is what somebody who knows the device says of it, and never what the device says of itself: a claim of the user's own token, which the user's issuer
//! signed. What it does not say is not known, and what is not known meets nothing; one of which any part has a wrong form counts as absent as a whole.

mod compliance;
mod posture;

pub use compliance::{Check, Minimum, Platform};
pub use posture::{Confirmation, Device, POSTURE_WEIGHT, Posture};
