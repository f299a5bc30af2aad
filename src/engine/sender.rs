//! Whether whoever sends a request may use the token in it.

use core::net::IpAddr;

use super::authorize::Understood;
use super::connection::Connection;
use super::host::Kit;
use crate::bundle::Generation;
use crate::identity::{BoundKey, FailureBudget, Identity, Judge, PresentedProof, Proofs, Scheme};
use crate::reason::Reason;
use crate::time::Now;

/// A request with a token whose sender has to show something.
pub(super) struct Sender<'a, 'r> {
    pub(super) request: &'a Understood<'r>,
    pub(super) connection: &'a Connection<'a>,
    /// How the token is presented.
    pub(super) scheme: Scheme,
    pub(super) generation: &'a Generation,
}

/// What it takes to check a proof.
pub(super) struct Means<'a, 'n> {
    pub(super) proofs: &'a mut Proofs,
    pub(super) budget: &'a mut FailureBudget,
    pub(super) kit: &'a dyn Kit,
    pub(super) now: &'a Now<'n>,
}

impl Sender<'_, '_> {
    /// Whether the sender shows what the token is bound to. Asked on every request, for a token of the cache as for a new one; of a stream that is open (`again`), whose
    /// proof was used when it began, all but that.
    pub(super) fn check(&self, identity: &Identity, means: Means<'_, '_>, again: bool) -> Result<(), Reason> {
        let binding = &identity.binding;
        // A token that is bound to a key is no bearer token, and no other one has a proof (RFC 9449 §7.1 and §7.2).
        if binding.key.is_some() != (self.scheme == Scheme::Dpop) {
            return Err(Reason::ProofScheme);
        }
        binding.check_certificate(|| self.connection.certificate())?;
        match &binding.key {
            None => Ok(()),
            Some(_) if again => Ok(()),
            Some(key) => self.check_proof(identity, key, means),
        }
    }

    fn check_proof(&self, identity: &Identity, key: &BoundKey, means: Means<'_, '_>) -> Result<(), Reason> {
        let Means {
            proofs,
            budget,
            kit,
            now,
        } = means;
        let shown: Vec<&[u8]> = self.request.headers.values("dpop").take(2).collect();
        let presented = PresentedProof {
            proofs: &shown,
            key: &key.thumbprint,
            token: &key.token,
            subject: (&identity.home_name, &identity.subject),
            method: self.request.head.method,
            scheme: self.request.head.scheme,
            authority: self.request.head.authority,
            path: &self.request.path,
            paths: &self.generation.trust.paths,
        };
        let peer = || -> Option<IpAddr> { self.connection.address() };
        let mut judge = Judge {
            options: &self.generation.dpop.unwrap_or_default(),
            now,
            verifier: kit.verifier(),
            budget,
            peer: &peer,
        };
        proofs.check(&presented, &mut judge)
    }
}
