//! Whether whoever sends a request may use the token in it.

use super::connection::Connection;
use crate::identity::Identity;
use crate::reason::Reason;

/// Whether the sender shows what the token is bound to. Asked on every request, for a token of the cache as for a new one.
pub(super) fn check(identity: &Identity, connection: &Connection<'_>) -> Result<(), Reason> {
    let binding = &identity.binding;
    if binding.key.is_some() {
        // Nothing here can check a proof of this kind.
        return Err(Reason::TokenBound);
    }
    binding.check_certificate(|| connection.certificate())
}
