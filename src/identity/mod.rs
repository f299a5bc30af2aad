//! Who asks: tokens, key rings, claims, and the cache of verified tokens.
//!
//! The order of work under attack (the cheap before the costly, and one signature at most) stands in [`Authenticator::authenticate`].

mod authenticate;
mod base64url;
mod bearer;
mod budget;
mod claims;
mod der;
mod identity;
mod jwk;
mod jws;
mod keys;
mod lru;
mod provider;
mod strict_json;
mod verify;

pub use authenticate::{Authenticated, Authenticator, CACHE_BYTES, TrustView};
pub use bearer::{Credential, credential};
pub use budget::FailureBudget;
pub use claims::{ClaimMapping, ClaimPath, LEEWAY_SECONDS, RegionClaim, Times};
pub use identity::{Identity, Permissions, Subject};
pub use jwk::{Jwk, KeyProblem};
pub use jws::{MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES, verify_compact};
pub use keys::{Algorithm, BuiltKeys, KeyRing, KeyType, MAX_KEYS, PublicKey};
pub use provider::{Crypto, ForeignProvider};
#[cfg(feature = "ring")]
pub use verify::RingVerifier;
pub use verify::{SignatureVerifier, ecdsa_der};

#[cfg(all(test, feature = "ring"))]
mod attacks;
#[cfg(all(test, feature = "ring"))]
mod testing;
