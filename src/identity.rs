//! Who asks: tokens, key rings, claims, the cache of verified tokens, and the workload at the other end of a connection.
//!
//! The order of work under attack (the cheap before the costly, and one signature at most) stands in [`Authenticator::authenticate`].

mod authenticate;
mod base64url;
mod bearer;
mod budget;
mod claims;
mod der;
mod jwk;
mod jwks;
mod jws;
mod key_ring;
mod key_table;
mod keys;
mod provider;
mod strict_json;
mod subject;
mod verify;
mod workload;

pub use authenticate::{Authenticated, Authenticator, Awaits, CACHE_BYTES, Refused, TrustView};
pub use bearer::{Credential, Place, Scheme, Token, credential};
pub use budget::FailureBudget;
pub use claims::{ClaimMapping, ClaimPath, LEEWAY_SECONDS, RegionClaim, Times};
pub use jwk::{Jwk, KeyProblem};
pub use jwks::read_jwks;
pub use jws::{MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES, verify_compact};
pub use key_ring::{BuiltKeys, KeyRing, MAX_KEYS};
pub use key_table::{KeyTable, SharedKey};
pub use keys::{Algorithm, KeyType, PublicKey};
pub use provider::{Crypto, ForeignProvider};
pub use subject::{Claims, Identity, Subject};
#[cfg(feature = "ring")]
pub use verify::RingVerifier;
pub use verify::{SignatureVerifier, ecdsa_der};
pub use workload::{SpiffeId, SpiffePattern, SpiffePatternError, Workloads, workload};

#[cfg(test)]
#[cfg(feature = "ring")]
pub(crate) use workload::tests::peer_certificate;

#[cfg(test)]
#[cfg(feature = "ring")]
mod attacks;
#[cfg(test)]
#[cfg(feature = "ring")]
#[expect(clippy::arithmetic_side_effects, reason = "test times and counters are small")]
mod testing;
