//! Whether whoever sends a request may use the token in it.

use super::authorize::Bench;
use crate::bundle::Generation;
use crate::identity::{Identity, Thumbprint, thumbprint_from_hex};
use crate::reason::Reason;

impl Bench<'_, '_> {
    /// Whether the sender shows what the token is bound to. Asked on every request, for a token of the cache as for a new one.
    pub(super) fn check_sender(&self, identity: &Identity, generation: &Generation) -> Result<(), Reason> {
        let binding = &identity.binding;
        if binding.key.is_some() {
            // Nothing here can check a proof of this kind.
            return Err(Reason::TokenBound);
        }
        binding.check_certificate(|| self.certificate(generation))
    }

    /// The certificate that the sender has shown; none where nobody has validated it.
    fn certificate(&self, generation: &Generation) -> Option<Thumbprint> {
        if !generation.trust.peer_verification {
            return None;
        }
        thumbprint_from_hex(&self.attrs.peer_certificate_digest()?)
    }
}
