//! What the upstream gets, as the policies that govern a request say.

use super::compile::PolicySet;
use super::index::Candidates;
use crate::sort::Arrange as _;

/// What the policies that govern one request say about what the upstream gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forwarding<'p> {
    /// Whether any of them says anything: then the upstream gets subject and home region as well.
    pub identity: bool,
    /// Whether the Authorization header goes: if any of them says so.
    pub strip_token: bool,
    /// Header (lower case) and claim, sorted by header. Where two policies fill one header, the policy whose name sorts first does.
    pub claims: Vec<(&'p str, &'p str)>,
}

impl PolicySet {
    /// Puts together what the policies that govern a request say. It allocates only where one of them forwards claims.
    #[must_use]
    pub fn forwarding(&self, candidates: &Candidates) -> Forwarding<'_> {
        let mut forwarding = Forwarding::default();
        for forward in self
            .governing(candidates)
            .filter_map(|(_, policy)| policy.forward.as_ref())
        {
            forwarding.identity = true;
            forwarding.strip_token |= forward.strip_token;
            let claims = forward.claims.iter();
            forwarding
                .claims
                .extend(claims.map(|(header, claim)| (header.as_str(), claim.as_str())));
        }
        // A stable sort: of those for one header, the first policy's comes first.
        forwarding.claims.arrange_by_key(|(header, _)| *header);
        forwarding.claims.dedup_by_key(|(header, _)| *header);
        forwarding
    }
}
