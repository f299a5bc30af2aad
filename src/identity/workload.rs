//! Which workload a connection comes from: the SPIFFE id of its certificate.
//!
//! The identity is read from the certificate itself, because the host's own property for URI names gives the first of several. Whether the certificate was
//! validated is not said here: that is the listener's part, and `trust.peerVerification` is the operator's word for it.

mod certificate;
mod pem;
mod spiffe;

pub use spiffe::{SpiffeId, SpiffePattern, SpiffePatternError, trust_domain_name};

use crate::bounded::Bounded;

/// How many bytes the known certificates of one scope may take: some hundred of them.
const BYTES_MAX: usize = 256 * 1024;

/// The workload of a peer whose leaf certificate this is: PEM (RFC 7468), percent-encoded or not, as the host gives it.
///
/// It is there where the certificate has exactly one URI among its subject alternative names (SPIFFE X509-SVID §2) and that URI is the SPIFFE id of a workload.
/// Zero or several URIs, a certificate that cannot be read, a URI of another kind: none.
#[must_use]
pub fn workload(peer_certificate: &[u8]) -> Option<SpiffeId> {
    let der = pem::decode(peer_certificate)?;
    SpiffeId::parse(certificate::only_uri(&der)?)
}

/// Workloads by the certificates that name them: on a connection, every request comes with the same one, and reading it costs more than finding it.
pub struct Workloads {
    known: Bounded<Option<SpiffeId>>,
}

impl Workloads {
    /// Nothing is known yet; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            known: Bounded::new(BYTES_MAX, seed),
        }
    }

    /// As [`workload`], which it asks at most once for a certificate that is known.
    pub fn find(&mut self, peer_certificate: &[u8]) -> Option<SpiffeId> {
        if let Some(known) = self.known.get(peer_certificate) {
            return known.clone();
        }
        let found = workload(peer_certificate);
        let name = found.as_ref().map_or(0, |id| id.as_str().len());
        let cost = Bounded::<Option<SpiffeId>>::SLOT_BYTES
            .saturating_add(peer_certificate.len())
            .saturating_add(name);
        self.known.insert(peer_certificate, found.clone(), cost);
        found
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "places in certificates of tests are small"
)]
pub(super) mod tests;
