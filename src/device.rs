//! On what: the posture of the device that a request comes from, and what policies demand of it.
//!
//! A posture is what somebody who knows the device says of it, and never what the device says of itself: a claim of the user's own token, which the user's issuer
//! signed, or a posture token, which a device manager signed ([`DeviceIssuer`]). What it does not say is not known, and what is not known meets nothing; one of
//! which any part has a wrong form counts as absent as a whole.

mod compliance;
mod issuer;
mod posture;
mod token;

pub use compliance::{Check, Minimum, Platform};
pub use issuer::{DeviceIssuer, DeviceIssuers, SubjectBinding};
pub use posture::{Confirmation, Device, Field, POSTURE_WEIGHT, Posture};
pub use token::{
    Attested, AwaitsKeys, DeviceTrust, POSTURE_TOKEN_BYTES, PostureMeans, PostureTokens, ShownPosture, Unproven, row,
};
