//! Which workload a connection comes from: the SPIFFE id of its certificate.
//!
//! The identity is read from the certificate itself, because the host's own property for URI names gives the first of several. Whether the certificate was
//! validated is not said here: that is the listener's part, and `trust.peerVerification` is the operator's word for it.

mod certificate;
mod pem;
mod spiffe;

pub use spiffe::{SpiffeId, SpiffePattern, SpiffePatternError};

/// The workload of a peer whose leaf certificate this is: PEM (RFC 7468), percent-encoded or not, as the host gives it.
///
/// It is there where the certificate has exactly one URI among its subject alternative names (SPIFFE X509-SVID §2) and that URI is the SPIFFE id of a workload.
/// Zero or several URIs, a certificate that cannot be read, a URI of another kind: none.
#[must_use]
pub fn workload(peer_certificate: &[u8]) -> Option<SpiffeId> {
    let der = pem::decode(peer_certificate)?;
    SpiffeId::parse(certificate::only_uri(&der)?)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "places in certificates of tests are small"
)]
pub(super) mod tests;
