//! What the engine needs of its host.

use std::rc::Rc;

use crate::identity::SignatureVerifier;

/// This stream's properties, read where something needs them. Reading one may re-enter the VM's allocator, and nothing else.
pub trait Attrs {
    /// The address of the direct peer as the host prints it, without port; `None` where the host does not tell it.
    fn direct_peer(&self) -> Option<Vec<u8>>;

    /// The peer's leaf certificate in PEM, percent-encoded or not; `None` where the connection has none. It may not have been validated.
    fn peer_certificate(&self) -> Option<Vec<u8>>;

    /// The SHA-256 of the peer's leaf certificate in DER, as 64 hexadecimal digits; `None` where the connection has none. It may not have been validated, but the
    /// peer has shown that it holds its key.
    fn peer_certificate_digest(&self) -> Option<Vec<u8>>;

    /// Whether the stream came in where a sidecar takes what its own workload sends to others.
    fn is_outbound(&self) -> bool;

    /// The port that the connection was made to; `None` where the host does not tell it.
    fn destination_port(&self) -> Option<u16> {
        None
    }

    /// Whether the request ends with its headers; `false` where the host does not tell it.
    fn has_no_body(&self) -> bool {
        false
    }

    /// Whether a decision line is set on this stream already.
    fn has_line(&self) -> bool;
}

/// What any callback has.
pub trait Kit {
    /// Who verifies signatures.
    fn verifier(&self) -> &Rc<dyn SignatureVerifier>;

    /// Random bytes that nobody can guess, others at each call; `None` where the host has none.
    fn random(&self) -> Option<[u8; 32]>;
}
