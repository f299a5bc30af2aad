//! Who asks: tokens, key rings, claims, the cache of verified tokens, and the workload at the other end of a connection.
//!
//! The order of work under attack (the cheap before the costly, and one signature at most) stands in [`Authenticator::authenticate`].

mod authenticate;
mod base64url;
mod bearer;
mod binding;
mod budget;
mod claims;
mod der;
mod dpop;
mod federation;
mod grants;
mod jwk;
mod jwks;
mod jws;
mod key_ring;
mod key_table;
mod keys;
mod provider;
mod revocation;
mod roca;
mod sources;
mod statement;
mod strict_json;
mod subject;
mod subject_key;
mod svid;
mod verify;
mod workload;

pub use authenticate::{Authenticated, Authenticator, Awaits, CACHE_BYTES, Recalled, Refused, Shown, TrustView};
pub use bearer::{Credential, Place, Scheme, Token};
pub use binding::{Binding, BoundKey, Thumbprint, thumbprint_of};
pub use budget::FailureBudget;
pub use claims::{ClaimMapping, ClaimPath, LEEWAY_SECONDS, RegionClaim, Times};
pub use dpop::{
    AHEAD_SECONDS, ALGORITHMS as PROOF_ALGORITHMS, DpopOptions, Judge, MAX_JTI_BYTES, MAX_PROOF_BYTES, NONCE_SECONDS,
    NonceKey, PROOFS_MAX, Presented as PresentedProof, Proofs,
};
pub use federation::{counting_home, home_of_trust_domain};
pub use grants::{ClaimGrant, Grant, Grants, Window};
pub use jwk::{Jwk, KeyProblem};
pub use jwks::read_jwks;
pub use jws::{MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES, verify_compact};
pub use key_ring::{BuiltKeys, KeyRing, MAX_KEYS};
pub use key_table::{KeyTable, SharedKey};
pub use keys::{Algorithm, KeyType, PublicKey, thumbprint};
pub use provider::{Crypto, ForeignProvider};
pub use revocation::{
    FingerprintKey, Full, Kind, LIST_PARTS, ListError, ListReader, Part, Pushed, RevocationList, RevokedSet,
    STATUS_LIST_BYTES, STATUS_TOKEN_BYTES, SetBuilder, StatusList, StatusListClaims, StatusListError, StatusReference,
    VerifiedStatusList,
};
pub use sources::{Presented, TokenSource, TokenSources, is_header, same_name};
pub use statement::{Statement, StatementTimes};
pub use subject::{Claims, Identity, SigningKey, Subject};
pub use subject_key::subject_key;
#[cfg(feature = "ring")]
pub use verify::RingVerifier;
pub use verify::{SignatureVerifier, ecdsa_der};
pub use workload::{SpiffeId, SpiffePattern, SpiffePatternError, Workloads, trust_domain_name, workload};

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
